//! Applications that tell: an event of the dialplan's own, a line in the log.

use std::time::Duration;

use super::Next;
use crate::{
    channel::SessionId,
    event::{EventKind, Origin},
    log,
    switch::Switch,
};

/// What a text is that nobody says more of.
pub(crate) const INFO_TYPE: &str = "freeswitch/data";

const EVENT: Origin = Origin("mod_dptools.c", "event_function", 1902);
const LOG: Origin = Origin("mod_dptools.c", "log_function", 1877);

/// The most headers of one: FreeSWITCH's own number.
const HEADERS_MAX: usize = 25;

/// `Event-Name=CUSTOM,Event-Subclass=my::thing,key=value`: sends that event with all that the channel says about
/// itself; without a name it is a CHANNEL_APPLICATION.
pub(super) fn event(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let mut kind = EventKind::CHANNEL_APPLICATION;
    let mut subclass = None;
    let mut own = Vec::new();
    for part in data.split(',').take(HEADERS_MAX) {
        let Some((name, value)) = part.trim_start().split_once('=') else { continue };
        let (name, value) = (name.trim_end_matches(' '), value.trim_start_matches(' '));
        if name.eq_ignore_ascii_case("event-name") {
            kind = EventKind::by_name(value).unwrap_or(kind);
        } else if name.eq_ignore_ascii_case("event-subclass") {
            subclass = Some(value);
        } else {
            own.push((name, value));
        }
    }
    if let Some(channel) = switch.channels.get(&id) {
        switch.bus.application(now, kind, subclass, EVENT, channel, &own);
    }
    Next::Done
}

/// Sends the other end a text.
pub(super) fn send_info(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.send_info(now, id, INFO_TYPE, data);
    Next::Done
}

/// `[<level>] <text>`
pub(super) fn log(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let (word, rest) = data.split_once(' ').unwrap_or((data, ""));
    let (level, text) = match log::level(word) {
        Some(level) if !rest.is_empty() => (level, rest),
        _ => (log::DEBUG, data),
    };
    if switch.channels.contains_key(&id) {
        switch.log(now, level, LOG, text);
    }
    Next::Done
}
