//! Applications that plan something for later.

use std::time::Duration;

use super::Next;
use crate::{
    cause::Cause,
    channel::SessionId,
    dial_string::words,
    switch::{Legs, Planned, Redirect, Switch, leading_number},
};

pub(in crate::switch) fn sched_hangup(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let Some(when) = words.first() {
        let cause = words.get(1).map_or(Cause::ALLOTTED_TIMEOUT, |text| Cause::from_command(text));
        switch.schedule_hangup(now, id, when, cause);
    }
    Next::Done
}

/// `[<group>]`: takes away what is planned, for the channel itself where nothing is said.
pub(super) fn sched_cancel(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let group = if data.is_empty() { uuid(switch, id).unwrap_or_default() } else { data.to_owned() };
    switch.unschedule(now, &group);
    Next::Done
}

/// `[+]<time> <path> [aleg|bleg|both]`
pub(super) fn sched_broadcast(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let ([when, path, legs @ ..], Some(uuid)) = (words.as_slice(), uuid(switch, id)) {
        let legs = Legs::named(legs.first().map_or("aleg", String::as_str));
        let second = switch.second_of(now, when);
        let number = switch.plan(now, second, &uuid, Planned::Broadcast { path: path.clone(), legs });
        note(switch, id, number);
    }
    Next::Done
}

/// `[+]<time> <extension> [<dialplan> [<context>]]`
pub(super) fn sched_transfer(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let ([when, rest @ ..], Some(uuid)) = (words.as_slice(), uuid(switch, id))
        && let Some(redirect) = Redirect::extension(rest)
    {
        let second = switch.second_of(now, when);
        let number = switch.plan(now, second, &uuid, Planned::Transfer(redirect));
        note(switch, id, number);
    }
    Next::Done
}

/// `<extension> [<dialplan> [<context>]]`, at once.
pub(super) fn transfer(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    if let Some(redirect) = Redirect::extension(&words(data)) {
        switch.send_elsewhere(now, id, redirect);
    }
    Next::Done
}

/// `<seconds>`: the session's heartbeat is a task of the scheduler, which is due at once where none was enabled.
pub(super) fn sched_heartbeat(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    if let (0.., Some(uuid)) = (leading_number(data), uuid(switch, id)) {
        let second = switch.second_of(now, "+0");
        switch.plan(now, second, &uuid, Planned::Heartbeat);
    }
    Next::Done
}

/// What was planned last can be taken away again by its number.
fn note(switch: &mut Switch, id: SessionId, number: Option<u64>) {
    if let (Some(number), Some(channel)) = (number, switch.channels.get_mut(&id)) {
        channel.variables.set("last_sched_id", &number.to_string());
    }
}

fn uuid(switch: &Switch, id: SessionId) -> Option<String> {
    switch.channels.get(&id).map(|channel| channel.uuid.to_string())
}
