//! Applications that set variables.

use std::time::Duration;

use super::Next;
use crate::{
    channel::SessionId,
    event::{LIST, LIST_SEPARATOR},
    switch::Switch,
};

/// The most assignments of one `multiset`: FreeSWITCH's own number.
const ASSIGNMENTS_MAX: usize = 256;

/// `name=value`, or with a comma between; without a value the variable goes.
pub(super) fn set(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    assign(switch, id, data);
    Next::Done
}

/// `name=value`, for the whole server.
pub(super) fn set_global(switch: &mut Switch, _now: Duration, _id: SessionId, data: &str) -> Next {
    if let (name, value) = data.split_once('=').unwrap_or((data, ""))
        && !name.is_empty()
    {
        switch.settings.set_global(name, value);
    }
    Next::Done
}

/// What stands between spaces, or between what `^^` names instead.
fn parts(data: &str) -> impl Iterator<Item = &str> {
    let named = data.strip_prefix("^^").and_then(|rest| Some((rest.chars().next()?, rest)));
    let (separator, text) = named.map_or((' ', data), |(named, rest)| (named, &rest[named.len_utf8()..]));
    text.split(separator).filter(|text| !text.is_empty()).take(ASSIGNMENTS_MAX)
}

/// Several assignments, see [`parts`].
pub(super) fn multiset(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    for assignment in parts(data) {
        assign(switch, id, assignment);
    }
    Next::Done
}

pub(super) fn unset(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.variables.unset(data);
    }
    Next::Done
}

/// Several names, see [`parts`].
pub(super) fn multiunset(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    if let Some(channel) = switch.channels.get_mut(&id) {
        for name in parts(data) {
            channel.variables.unset(name);
        }
    }
    Next::Done
}

/// Sets a variable, and names it in `export_vars`, so that legs which this one calls get it too.
pub(super) fn export(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    export_into(switch, id, data, "export_vars")
}

/// The same for legs that this one is bridged with.
pub(super) fn bridge_export(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    export_into(switch, id, data, "bridge_export_vars")
}

fn export_into(switch: &mut Switch, id: SessionId, data: &str, list: &str) -> Next {
    let Some(channel) = switch.channels.get_mut(&id) else { return Next::Done };
    let (local, data) = match data.strip_prefix("nolocal:") {
        Some(rest) => (false, rest),
        None => (true, data),
    };
    let Some((name, value)) = data.split_once('=') else { return Next::Done };
    let exported = if local { name.to_owned() } else { format!("nolocal:{name}") };
    channel.variables.set(&exported, value);
    let names = match channel.variables.get(list) {
        Some(known) if known.split(',').any(|known| known == exported) => return Next::Done,
        Some(known) => format!("{known},{exported}"),
        None => exported,
    };
    channel.variables.set(list, &names);
    Next::Done
}

/// `name=value`: behind what the variable is already, as a list.
pub(super) fn push(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    extend(switch, id, data, |known, value| format!("{known}{LIST_SEPARATOR}{value}"));
    Next::Done
}

/// The same before it.
pub(super) fn unshift(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    extend(switch, id, data, |known, value| format!("{value}{LIST_SEPARATOR}{known}"));
    Next::Done
}

fn extend(switch: &mut Switch, id: SessionId, assignment: &str, join: impl Fn(&str, &str) -> String) {
    let Some(channel) = switch.channels.get_mut(&id) else { return };
    let (name, value) = assignment.split_once('=').unwrap_or((assignment, ""));
    let value = match channel.variables.get(name) {
        Some(known) => format!("{LIST}{}", join(known.strip_prefix(LIST).unwrap_or(known), value)),
        None => value.to_owned(),
    };
    if !name.is_empty() {
        channel.variables.set(name, &value);
    }
}

fn assign(switch: &mut Switch, id: SessionId, assignment: &str) {
    let Some(channel) = switch.channels.get_mut(&id) else { return };
    let (name, value) = assignment.split_once('=').or_else(|| assignment.split_once(',')).unwrap_or((assignment, ""));
    if !name.is_empty() {
        let value = channel.expand(value);
        channel.variables.set(name, &value);
    }
}
