//! Applications that change what a call is: answered, parked, ended.

use std::time::Duration;

use super::Next;
use crate::{
    cause::Cause,
    channel::{CallState, Doing, Endpoint, SessionId},
    event::{EventKind, Origin},
    switch::Switch,
};

const PARKED: Origin = Origin("switch_ivr.c", "switch_ivr_park", 1002);
pub(super) const UNPARKED: Origin = Origin("switch_ivr.c", "switch_ivr_park", 1213);

pub(super) fn answer(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.answered(now, id);
    Next::Done
}

pub(super) fn pre_answer(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.early_media(now, id);
    Next::Done
}

pub(super) fn ring_ready(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.ringing(now, id);
    Next::Done
}

pub(super) fn echo(_switch: &mut Switch, _now: Duration, _id: SessionId, _data: &str) -> Next {
    Next::Doing(Doing::Echo)
}

/// A channel that is parked already is not parked again.
pub(super) fn park(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    if switch.channels.get(&id).is_none_or(|channel| channel.thread.is_parked()) {
        return Next::Done;
    }
    switch.emit(now, id, EventKind::CHANNEL_PARK, PARKED);
    Next::Doing(Doing::Park)
}

/// Milliseconds, with a fraction where the callee's own behaviour asks for one.
pub(super) fn sleep(_switch: &mut Switch, now: Duration, _id: SessionId, data: &str) -> Next {
    let ms: f64 = data.parse().unwrap_or(0.0);
    let time = Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or(Duration::ZERO);
    Next::Doing(Doing::Sleep(now.saturating_add(time)))
}

pub(super) fn hangup(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.hang_up(now, id, if data.is_empty() { Cause::NORMAL_CLEARING } else { Cause::from_command(data) });
    Next::Done
}

/// Refuses with a SIP status; the cause is what that status stands for.
pub(super) fn respond(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    // Only SIP has responses: a loopback leg just ends.
    let responds = switch.channels.get(&id).is_some_and(|channel| {
        channel.call_state != CallState::Active && matches!(channel.endpoint, Endpoint::Sofia(_))
    });
    let cause = match (responds, data) {
        (true, "486") => Cause(17),
        _ => Cause::NORMAL_CLEARING,
    };
    switch.hang_up(now, id, cause);
    Next::Done
}
