//! The marks that tie calls, channels and events to a run, and the commands that find or hang up what carries them.
//!
//! Every near leg carries the channel variable [`RUN_VARIABLE`] and a UUID that begins with the run's prefix
//! ([`RunId`]). Every far leg carries the SIP header [`TRACKING_HEADER`] with the UUID of its call, unless something
//! between the two legs strips it.

use esl_core::EventName;

use super::RunId;

/// The channel variable of every near leg: the run's id.
pub const RUN_VARIABLE: &str = "loadgen_run";

/// The SIP header that travels with a call: the UUID of its near leg.
pub const TRACKING_HEADER: &str = "X-loadgen-call";

/// [`TRACKING_HEADER`] as a channel variable: set on the near leg it becomes the header, and the far leg has it from
/// the INVITE (`mod_sofia`).
pub const TRACKING_VARIABLE: &str = "sip_h_X-loadgen-call";

/// The subclass of the `CUSTOM` event that is sent to measure the delay of events.
pub const PROBE_EVENT: &str = "loadgen::probe";

/// The header of a [`PROBE_EVENT`] that tells one from another.
pub const PROBE_HEADER: &str = "Loadgen-Probe";

/// The events that every run subscribes to. Events that are not subscribed to cost nothing; CHANNEL_DESTROY carries
/// everything that CHANNEL_HANGUP_COMPLETE does.
pub const MEASURED_EVENTS: [EventName; 8] = [
    EventName::ChannelCreate,
    EventName::ChannelProgress,
    EventName::ChannelProgressMedia,
    EventName::ChannelAnswer,
    EventName::ChannelHangup,
    EventName::ChannelDestroy,
    EventName::BackgroundJob,
    EventName::Heartbeat,
];

/// Lists the channels whose UUID begins with the run's prefix (`mod_commands`). The server finds the prefix anywhere in
/// a channel's UUID, name, caller and account code, so the UUIDs have to be checked again.
pub fn list_channels(run: RunId) -> String {
    format!("show channels like {} as json", run.prefix())
}

/// Asks a channel for its [`RUN_VARIABLE`].
pub fn query_run(channel: &str) -> String {
    format!("uuid_getvar {channel} {RUN_VARIABLE}")
}

/// Asks a channel for its [`TRACKING_VARIABLE`].
pub fn query_call(channel: &str) -> String {
    format!("uuid_getvar {channel} {TRACKING_VARIABLE}")
}

/// Hangs up every channel that carries the run's variable. With an empty value FreeSWITCH would hang up all calls of
/// the server; a run id is never empty.
pub fn hang_up_run(run: RunId) -> String {
    format!("hupall NORMAL_CLEARING {RUN_VARIABLE} {run}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hang_up_of_any_run_names_a_value() {
        let hang_up = hang_up_run(RunId::default());
        assert_eq!(hang_up, "hupall NORMAL_CLEARING loadgen_run 000000000000");
    }

    #[test]
    fn tracking_variable_is_the_header_with_its_prefix() {
        assert_eq!(TRACKING_VARIABLE, format!("sip_h_{TRACKING_HEADER}"));
    }
}
