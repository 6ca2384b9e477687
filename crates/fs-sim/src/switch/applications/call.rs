//! Applications that change what a call is: answered, parked, ended.

use std::time::Duration;

use super::Next;
use crate::{
    api::acl_allows,
    cause::Cause,
    channel::{Doing, Endpoint, Run, SessionId},
    dial_string::words,
    event::{EventKind, Origin},
    switch::{Legs, Redirect, Switch, execute::leading_number},
};

const PARKED: Origin = Origin("switch_ivr.c", "switch_ivr_park", 1002);
pub(in crate::switch) const UNPARKED: Origin = Origin("switch_ivr.c", "switch_ivr_park", 1213);

/// What the other end takes to accept a REFER, as measured.
const REFER_TIME: Duration = Duration::from_millis(350);

/// How long `deflect` waits for the ACK of an answer (mod_dptools).
const ACK_PATIENCE: Duration = Duration::from_secs(10);

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

/// An echo that lags, until the call ends.
pub(super) fn delay_echo(_switch: &mut Switch, _now: Duration, _id: SessionId, _data: &str) -> Next {
    Next::Doing(Doing::DelayEcho)
}

/// `[-bleg] <uuid>`: is bridged with that channel, or with the one that it is bridged with, in its place.
pub(super) fn intercept(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let (bleg, uuid) = data.strip_prefix("-bleg ").map_or((false, data), |rest| (true, rest));
    let partner = |other: SessionId| switch.channels.get(&other).and_then(|channel| channel.partner);
    let other = switch.find(uuid.trim()).and_then(|other| if bleg { partner(other) } else { Some(other) });
    if let Some(other) = other.filter(|other| *other != id) {
        switch.intercept(now, id, other);
    }
    Next::Done
}

/// A channel that is parked already is not parked again.
pub(super) fn park(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    if switch.channels.get(&id).is_none_or(|channel| channel.thread.is_parked()) {
        return Next::Done;
    }
    switch.emit(now, id, EventKind::CHANNEL_PARK, PARKED);
    Next::Doing(Doing::Park)
}

/// Parks a channel by its state, as `uuid_park` does: no application tells of it.
pub(in crate::switch) fn park_outright(switch: &mut Switch, now: Duration, id: SessionId) {
    switch.emit(now, id, EventKind::CHANNEL_PARK, PARKED);
    let number = switch.next_run();
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.thread.runs.push(Run::silent(number, "park", Doing::Park));
    }
}

/// Parks the channel by its state.
pub(super) fn park_state(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.send_elsewhere(now, id, Redirect::Park);
    Next::Done
}

/// `<path> [aleg|bleg|both]`: both legs of a bridge where nothing is said.
pub(super) fn broadcast(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let [path, legs @ ..] = words.as_slice()
        && legs.len() < 2
    {
        let legs = Legs::named(legs.first().map_or("both", String::as_str));
        switch.broadcast(now, id, path, legs);
    }
    Next::Done
}

/// `<ip> <list> [<cause>]`: ends the call unless the list allows the address.
pub(super) fn check_acl(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let [address, list, cause @ ..] = words.as_slice()
        && !acl_allows(address, list)
    {
        let cause = cause.first().map_or(Cause::CALL_REJECTED, |cause| Cause::from_command(cause));
        switch.hang_up(now, id, cause);
    }
    Next::Done
}

/// Waits until somebody answers the channel.
pub(super) fn wait_for_answer(switch: &mut Switch, _now: Duration, id: SessionId, _data: &str) -> Next {
    let answered = switch.channels.get(&id).is_some_and(|channel| channel.is_answered());
    if answered { Next::Done } else { Next::Doing(Doing::AwaitAnswer) }
}

pub(super) fn nothing(_switch: &mut Switch, _now: Duration, _id: SessionId, _data: &str) -> Next {
    Next::Done
}

/// Asks the other end to call somebody else. Without the ACK of an answer it waits for that first, in vain.
pub(super) fn deflect(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    let answered = switch
        .channels
        .get(&id)
        .is_some_and(|channel| channel.is_answered() && matches!(channel.endpoint, Endpoint::Sofia(_)));
    Next::Doing(Doing::Deflect(now + if answered { REFER_TIME } else { ACK_PATIENCE }))
}

/// The other end has taken it, or there is none to ask.
pub(super) fn deflected(switch: &mut Switch, now: Duration, id: SessionId) {
    if switch.channels.get(&id).is_some_and(|channel| matches!(channel.endpoint, Endpoint::Sofia(_))) {
        let Some(channel) = switch.channels.get_mut(&id) else { return };
        if channel.is_answered() {
            // Whom it was sent to is tried, and nobody is there.
            channel.variables.set("sip_refer_status_code", "202");
            channel.variables.set("sip_refer_target_status_code", "403");
            channel.variables.set("sip_refer_reply", "SIP/2.0 403 Forbidden\r\n");
        }
        switch.hang_up(now, id, Cause::BLIND_TRANSFER);
    }
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

/// Refuses with a SIP status; the cause is what that status stands for. Only a SIP leg that has not been answered can.
pub(super) fn respond(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let responds = switch.channels.get(&id).is_some_and(|channel| matches!(channel.endpoint, Endpoint::Sofia(_)));
    let status = u16::try_from(leading_number(data)).unwrap_or(0);
    if responds && (300..700).contains(&status) {
        if let Some(channel) = switch.channels.get_mut(&id) {
            channel.thread.responds = Some(status);
        }
        switch.hang_up(now, id, Cause::from_sip_status(status));
    }
    Next::Done
}

/// Holds the channel itself, with what its other end is to show.
pub(super) fn hold(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.hold(now, id);
    Next::Done
}

pub(super) fn unhold(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.unhold(now, id);
    Next::Done
}
