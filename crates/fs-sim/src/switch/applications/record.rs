//! Applications that record: `record` until its end, `record_session` beside what comes next.

use std::time::Duration;

use super::Next;
use crate::{
    cause::Cause,
    channel::{Doing, Recording, SessionId},
    dial_string::words,
    switch::{
        Switch,
        execute::leading_number,
        record::{BY_APPLICATION, can_write},
    },
};

/// `record <path> [+]<limit in seconds>`: it ends when the epoch's seconds have counted past the limit.
pub(super) fn record(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    let Some(path) = words.first() else { return Next::Done };
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.variables.unset("playback_terminator_used");
    }
    if !can_write(path) {
        switch.hang_up(now, id, Cause::DESTINATION_OUT_OF_ORDER);
        return Next::Done;
    }
    let limit = words.get(1).map_or(0, |limit| leading_number(limit));
    let clock = switch.bus.clock;
    let until = u64::try_from(limit)
        .ok()
        .filter(|limit| *limit > 0)
        .map(|limit| clock.up_at_second(clock.second(now).saturating_add(limit).saturating_add(1)));
    let recording = Recording::new(path, now, until);
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.variables.set("silence_hits_exhausted", "false");
    }
    switch.read_linear(now, id);
    switch.recording_began(now, id, &recording, BY_APPLICATION[0]);
    Next::Doing(Doing::Record(recording))
}

pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, recording: &Recording) {
    switch.recording_ended(now, id, recording, BY_APPLICATION[1], "");
}

/// `record_session <path> [+<limit in seconds>]`
pub(super) fn record_session(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let Some(path) = words.first() {
        let limit = words.get(1).and_then(|word| word.strip_prefix('+')).map_or(0, leading_number);
        switch.record(now, id, path, u64::try_from(limit).unwrap_or(0), Vec::new());
    }
    Next::Done
}

pub(super) fn record_session_pause(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.pause_recording(now, id, data, true);
    Next::Done
}

pub(super) fn record_session_resume(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.pause_recording(now, id, data, false);
    Next::Done
}

pub(super) fn stop_record_session(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.stop_recording(now, id, data);
    Next::Done
}
