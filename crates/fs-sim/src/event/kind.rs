//! The names of FreeSWITCH's events, in its order (switch_event.c).

/// One of FreeSWITCH's kinds of event, by its place in the list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EventKind(u8);

#[rustfmt::skip]
const NAMES: [&str; 91] = [
    "CUSTOM", "CLONE", "CHANNEL_CREATE", "CHANNEL_DESTROY", "CHANNEL_STATE", "CHANNEL_CALLSTATE",
    "CHANNEL_ANSWER", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_EXECUTE",
    "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_HOLD", "CHANNEL_UNHOLD", "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_OUTGOING",
    "CHANNEL_PARK", "CHANNEL_UNPARK", "CHANNEL_APPLICATION", "CHANNEL_ORIGINATE", "CHANNEL_UUID",
    "API", "LOG", "INBOUND_CHAN", "OUTBOUND_CHAN", "STARTUP", "SHUTDOWN", "PUBLISH", "UNPUBLISH",
    "TALK", "NOTALK", "SESSION_CRASH", "MODULE_LOAD", "MODULE_UNLOAD", "DTMF", "MESSAGE",
    "PRESENCE_IN", "NOTIFY_IN", "PRESENCE_OUT", "PRESENCE_PROBE", "MESSAGE_WAITING",
    "MESSAGE_QUERY", "ROSTER", "CODEC", "BACKGROUND_JOB", "DETECTED_SPEECH", "DETECTED_TONE",
    "PRIVATE_COMMAND", "HEARTBEAT", "TRAP", "ADD_SCHEDULE", "DEL_SCHEDULE", "EXE_SCHEDULE",
    "RE_SCHEDULE", "RELOADXML", "NOTIFY", "PHONE_FEATURE", "PHONE_FEATURE_SUBSCRIBE",
    "SEND_MESSAGE", "RECV_MESSAGE", "REQUEST_PARAMS", "CHANNEL_DATA", "GENERAL", "COMMAND",
    "SESSION_HEARTBEAT", "CLIENT_DISCONNECTED", "SERVER_DISCONNECTED", "SEND_INFO", "RECV_INFO",
    "RECV_RTCP_MESSAGE", "SEND_RTCP_MESSAGE", "CALL_SECURE", "NAT", "RECORD_START", "RECORD_STOP",
    "PLAYBACK_START", "PLAYBACK_STOP", "CALL_UPDATE", "FAILURE", "SOCKET_DATA", "MEDIA_BUG_START",
    "MEDIA_BUG_STOP", "CONFERENCE_DATA_QUERY", "CONFERENCE_DATA", "CALL_SETUP_REQ",
    "CALL_SETUP_RESULT", "CALL_DETAIL", "DEVICE_STATE", "TEXT",
];

/// The kinds that always carry a channel's variables, one bit for each.
const VERBOSE: u128 = {
    let kinds = [
        EventKind::CHANNEL_CREATE,
        EventKind::CHANNEL_ORIGINATE,
        EventKind::CHANNEL_UUID,
        EventKind::CHANNEL_ANSWER,
        EventKind::CHANNEL_PARK,
        EventKind::CHANNEL_UNPARK,
        EventKind::CHANNEL_BRIDGE,
        EventKind::CHANNEL_UNBRIDGE,
        EventKind::CHANNEL_PROGRESS,
        EventKind::CHANNEL_PROGRESS_MEDIA,
        EventKind::CHANNEL_HANGUP,
        EventKind::CHANNEL_HANGUP_COMPLETE,
        EventKind::REQUEST_PARAMS,
        EventKind::CHANNEL_DATA,
        EventKind::CHANNEL_EXECUTE,
        EventKind::CHANNEL_EXECUTE_COMPLETE,
        EventKind::CHANNEL_DESTROY,
        EventKind::SESSION_HEARTBEAT,
        EventKind::API,
        EventKind::RECORD_START,
        EventKind::RECORD_STOP,
        EventKind::PLAYBACK_START,
        EventKind::PLAYBACK_STOP,
        EventKind::CALL_UPDATE,
        EventKind::MEDIA_BUG_START,
        EventKind::MEDIA_BUG_STOP,
        EventKind::CHANNEL_HOLD,
        EventKind::CHANNEL_UNHOLD,
        EventKind::TEXT,
        EventKind::CUSTOM,
    ];
    let mut bits = 0;
    let mut index = 0;
    while index < kinds.len() {
        bits |= 1 << kinds[index].0;
        index += 1;
    }
    bits
};

const PREFIX_LENGTH: usize = "SWITCH_EVENT_".len();

impl EventKind {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = NAMES.len();

    pub(crate) const CUSTOM: EventKind = EventKind::known("CUSTOM");
    pub(crate) const API: EventKind = EventKind::known("API");
    pub(crate) const RELOADXML: EventKind = EventKind::known("RELOADXML");
    pub(crate) const ADD_SCHEDULE: EventKind = EventKind::known("ADD_SCHEDULE");
    pub(crate) const DEL_SCHEDULE: EventKind = EventKind::known("DEL_SCHEDULE");
    pub(crate) const RE_SCHEDULE: EventKind = EventKind::known("RE_SCHEDULE");
    pub(crate) const PRESENCE_IN: EventKind = EventKind::known("PRESENCE_IN");
    pub(crate) const PRESENCE_OUT: EventKind = EventKind::known("PRESENCE_OUT");
    pub(crate) const BACKGROUND_JOB: EventKind = EventKind::known("BACKGROUND_JOB");
    pub(crate) const HEARTBEAT: EventKind = EventKind::known("HEARTBEAT");
    pub(crate) const CHANNEL_DATA: EventKind = EventKind::known("CHANNEL_DATA");
    pub(crate) const CHANNEL_STATE: EventKind = EventKind::known("CHANNEL_STATE");
    pub(crate) const CHANNEL_CREATE: EventKind = EventKind::known("CHANNEL_CREATE");
    pub(crate) const CHANNEL_ORIGINATE: EventKind = EventKind::known("CHANNEL_ORIGINATE");
    pub(crate) const CHANNEL_PROGRESS: EventKind = EventKind::known("CHANNEL_PROGRESS");
    pub(crate) const CHANNEL_PROGRESS_MEDIA: EventKind = EventKind::known("CHANNEL_PROGRESS_MEDIA");
    pub(crate) const CHANNEL_ANSWER: EventKind = EventKind::known("CHANNEL_ANSWER");
    pub(crate) const CHANNEL_PARK: EventKind = EventKind::known("CHANNEL_PARK");
    pub(crate) const CHANNEL_BRIDGE: EventKind = EventKind::known("CHANNEL_BRIDGE");
    pub(crate) const CHANNEL_UNBRIDGE: EventKind = EventKind::known("CHANNEL_UNBRIDGE");
    pub(crate) const CHANNEL_UNPARK: EventKind = EventKind::known("CHANNEL_UNPARK");
    pub(crate) const CHANNEL_EXECUTE: EventKind = EventKind::known("CHANNEL_EXECUTE");
    pub(crate) const CHANNEL_EXECUTE_COMPLETE: EventKind = EventKind::known("CHANNEL_EXECUTE_COMPLETE");
    pub(crate) const PLAYBACK_START: EventKind = EventKind::known("PLAYBACK_START");
    pub(crate) const PLAYBACK_STOP: EventKind = EventKind::known("PLAYBACK_STOP");
    pub(crate) const RECORD_START: EventKind = EventKind::known("RECORD_START");
    pub(crate) const RECORD_STOP: EventKind = EventKind::known("RECORD_STOP");
    pub(crate) const MEDIA_BUG_START: EventKind = EventKind::known("MEDIA_BUG_START");
    pub(crate) const MEDIA_BUG_STOP: EventKind = EventKind::known("MEDIA_BUG_STOP");
    pub(crate) const SESSION_HEARTBEAT: EventKind = EventKind::known("SESSION_HEARTBEAT");
    pub(crate) const CHANNEL_APPLICATION: EventKind = EventKind::known("CHANNEL_APPLICATION");
    pub(crate) const COMMAND: EventKind = EventKind::known("COMMAND");
    pub(crate) const PRIVATE_COMMAND: EventKind = EventKind::known("PRIVATE_COMMAND");
    pub(crate) const DTMF: EventKind = EventKind::known("DTMF");
    pub(crate) const CHANNEL_HANGUP: EventKind = EventKind::known("CHANNEL_HANGUP");
    pub(crate) const CHANNEL_HANGUP_COMPLETE: EventKind = EventKind::known("CHANNEL_HANGUP_COMPLETE");
    pub(crate) const CHANNEL_DESTROY: EventKind = EventKind::known("CHANNEL_DESTROY");
    pub(crate) const TEXT: EventKind = EventKind::known("TEXT");
    pub(crate) const REQUEST_PARAMS: EventKind = EventKind::known("REQUEST_PARAMS");
    pub(crate) const CODEC: EventKind = EventKind::known("CODEC");
    pub(crate) const CHANNEL_UUID: EventKind = EventKind::known("CHANNEL_UUID");
    pub(crate) const CHANNEL_UNHOLD: EventKind = EventKind::known("CHANNEL_UNHOLD");
    pub(crate) const CHANNEL_OUTGOING: EventKind = EventKind::known("CHANNEL_OUTGOING");
    pub(crate) const CHANNEL_HOLD: EventKind = EventKind::known("CHANNEL_HOLD");
    pub(crate) const CHANNEL_CALLSTATE: EventKind = EventKind::known("CHANNEL_CALLSTATE");
    pub(crate) const RECV_INFO: EventKind = EventKind::known("RECV_INFO");
    pub(crate) const CALL_UPDATE: EventKind = EventKind::known("CALL_UPDATE");

    /// Whether a channel's event of this kind carries its variables without `fsctl verbose_events on`
    /// (switch_channel.c `switch_channel_event_set_extended_data`).
    pub(crate) fn carries_variables(self) -> bool {
        VERBOSE >> self.0 & 1 == 1
    }

    /// The kind that a client names, in any case of letters; thirteen more characters may come before it
    /// (`switch_name_event`, for the sake of `SWITCH_EVENT_`).
    pub(crate) fn by_name(name: &str) -> Option<EventKind> {
        let short = name.get(PREFIX_LENGTH..).filter(|short| !short.is_empty());
        EventKind::by_short_name(name).or_else(|| EventKind::by_short_name(short?))
    }

    fn by_short_name(name: &str) -> Option<EventKind> {
        NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|index| EventKind(index as u8))
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES[self.index()]
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    const fn known(name: &str) -> EventKind {
        let mut index = 0;
        while index < NAMES.len() {
            if same(NAMES[index].as_bytes(), name.as_bytes()) {
                return EventKind(index as u8);
            }
            index += 1;
        }
        panic!("no such event")
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
