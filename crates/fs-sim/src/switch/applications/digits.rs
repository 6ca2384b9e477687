//! Applications about DTMF digits.

use std::time::Duration;

use super::Next;
use crate::{
    channel::{Bug, SessionId},
    switch::Switch,
};

/// To the other end.
pub(super) fn send_dtmf(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.send_digits(now, id, data);
    Next::Done
}

/// As if the other end had sent them.
pub(super) fn queue_dtmf(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.receive_digits(now, id, data, "APP");
    Next::Done
}

pub(super) fn flush_dtmf(switch: &mut Switch, _now: Duration, id: SessionId, _data: &str) -> Next {
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.thread.flush_digits();
    }
    Next::Done
}

/// Looks for digits in the audio: there is none to find them in.
pub(super) fn start_dtmf(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.add_bug(now, id, bug(DETECTOR));
    Next::Done
}

pub(super) fn stop_dtmf(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.remove_bugs(now, id, DETECTOR, None);
    Next::Done
}

/// Digits that are sent become audio.
pub(super) fn start_dtmf_generate(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.add_bug(now, id, bug(GENERATOR));
    Next::Done
}

pub(super) fn stop_dtmf_generate(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.remove_bugs(now, id, GENERATOR, None);
    Next::Done
}

const DETECTOR: &str = "inband_dtmf";
const GENERATOR: &str = "inband_dtmf_generate";

fn bug(function: &'static str) -> Bug {
    Bug::new(function, "")
}
