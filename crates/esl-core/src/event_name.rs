//! The names of FreeSWITCH's events (`switch_event_types_t`), from one table.

use std::fmt;

macro_rules! event_names {
    ($($variant:ident = $name:literal,)*) => {
        /// What an event tells. The variants are FreeSWITCH's own (`switch_event_types_t`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventName {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
            /// A name that is not in the table; the event's `Event-Name` header has it.
            Unknown,
        }

        impl EventName {
            /// Every name of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name as FreeSWITCH writes it, [`Self::Unknown`] where it is not in the table.
            #[must_use]
            pub fn of(name: &[u8]) -> Self {
                $(
                    if name == $name.as_bytes() {
                        return Self::$variant;
                    }
                )*
                Self::Unknown
            }

            /// The name as FreeSWITCH writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown => "UNKNOWN",
                }
            }
        }
    };
}

event_names! {
    Custom = "CUSTOM",
    Clone = "CLONE",
    ChannelCreate = "CHANNEL_CREATE",
    ChannelDestroy = "CHANNEL_DESTROY",
    ChannelState = "CHANNEL_STATE",
    ChannelCallstate = "CHANNEL_CALLSTATE",
    ChannelAnswer = "CHANNEL_ANSWER",
    ChannelHangup = "CHANNEL_HANGUP",
    ChannelHangupComplete = "CHANNEL_HANGUP_COMPLETE",
    ChannelExecute = "CHANNEL_EXECUTE",
    ChannelExecuteComplete = "CHANNEL_EXECUTE_COMPLETE",
    ChannelHold = "CHANNEL_HOLD",
    ChannelUnhold = "CHANNEL_UNHOLD",
    ChannelBridge = "CHANNEL_BRIDGE",
    ChannelUnbridge = "CHANNEL_UNBRIDGE",
    ChannelProgress = "CHANNEL_PROGRESS",
    ChannelProgressMedia = "CHANNEL_PROGRESS_MEDIA",
    ChannelOutgoing = "CHANNEL_OUTGOING",
    ChannelPark = "CHANNEL_PARK",
    ChannelUnpark = "CHANNEL_UNPARK",
    ChannelApplication = "CHANNEL_APPLICATION",
    ChannelOriginate = "CHANNEL_ORIGINATE",
    ChannelUuid = "CHANNEL_UUID",
    Api = "API",
    Log = "LOG",
    InboundChan = "INBOUND_CHAN",
    OutboundChan = "OUTBOUND_CHAN",
    Startup = "STARTUP",
    Shutdown = "SHUTDOWN",
    Publish = "PUBLISH",
    Unpublish = "UNPUBLISH",
    Talk = "TALK",
    Notalk = "NOTALK",
    SessionCrash = "SESSION_CRASH",
    ModuleLoad = "MODULE_LOAD",
    ModuleUnload = "MODULE_UNLOAD",
    Dtmf = "DTMF",
    Message = "MESSAGE",
    PresenceIn = "PRESENCE_IN",
    NotifyIn = "NOTIFY_IN",
    PresenceOut = "PRESENCE_OUT",
    PresenceProbe = "PRESENCE_PROBE",
    MessageWaiting = "MESSAGE_WAITING",
    MessageQuery = "MESSAGE_QUERY",
    Roster = "ROSTER",
    Codec = "CODEC",
    BackgroundJob = "BACKGROUND_JOB",
    DetectedSpeech = "DETECTED_SPEECH",
    DetectedTone = "DETECTED_TONE",
    PrivateCommand = "PRIVATE_COMMAND",
    Heartbeat = "HEARTBEAT",
    Trap = "TRAP",
    AddSchedule = "ADD_SCHEDULE",
    DelSchedule = "DEL_SCHEDULE",
    ExeSchedule = "EXE_SCHEDULE",
    ReSchedule = "RE_SCHEDULE",
    Reloadxml = "RELOADXML",
    Notify = "NOTIFY",
    PhoneFeature = "PHONE_FEATURE",
    PhoneFeatureSubscribe = "PHONE_FEATURE_SUBSCRIBE",
    SendMessage = "SEND_MESSAGE",
    RecvMessage = "RECV_MESSAGE",
    RequestParams = "REQUEST_PARAMS",
    ChannelData = "CHANNEL_DATA",
    General = "GENERAL",
    Command = "COMMAND",
    SessionHeartbeat = "SESSION_HEARTBEAT",
    ClientDisconnected = "CLIENT_DISCONNECTED",
    ServerDisconnected = "SERVER_DISCONNECTED",
    SendInfo = "SEND_INFO",
    RecvInfo = "RECV_INFO",
    RecvRtcpMessage = "RECV_RTCP_MESSAGE",
    SendRtcpMessage = "SEND_RTCP_MESSAGE",
    CallSecure = "CALL_SECURE",
    Nat = "NAT",
    RecordStart = "RECORD_START",
    RecordStop = "RECORD_STOP",
    PlaybackStart = "PLAYBACK_START",
    PlaybackStop = "PLAYBACK_STOP",
    CallUpdate = "CALL_UPDATE",
    Failure = "FAILURE",
    SocketData = "SOCKET_DATA",
    MediaBugStart = "MEDIA_BUG_START",
    MediaBugStop = "MEDIA_BUG_STOP",
    ConferenceDataQuery = "CONFERENCE_DATA_QUERY",
    ConferenceData = "CONFERENCE_DATA",
    CallSetupReq = "CALL_SETUP_REQ",
    CallSetupResult = "CALL_SETUP_RESULT",
    CallDetail = "CALL_DETAIL",
    DeviceState = "DEVICE_STATE",
    Text = "TEXT",
    ShutdownRequested = "SHUTDOWN_REQUESTED",
    All = "ALL",
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again() {
        for &name in EventName::ALL {
            assert_eq!(EventName::of(name.as_str().as_bytes()), name);
        }
        assert_eq!(EventName::of(b"CHANNEL_ANSWERED"), EventName::Unknown);
    }
}
