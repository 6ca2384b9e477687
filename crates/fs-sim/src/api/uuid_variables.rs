//! What one channel is asked: does it exist, what is in its variables; and what its variables are set to.

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::dial_string::words;

const SETVAR_USAGE: &str = "-USAGE: <uuid> <var> [value]\n";
const SETVAR_MULTI_USAGE: &str = "-USAGE: <uuid> <var>=<value>;<var>=<value>...\n";

/// What no real server answers: it has no limit.
const NO_ROOM: &str = "-ERR too many variables\n";

/// The most assignments of one `uuid_setvar_multi`: FreeSWITCH's own number.
const ASSIGNMENTS_MAX: usize = 64;

pub(super) fn uuid_exists(call: Call<'_>) -> Answer {
    text(if call.switch.channel(call.arguments).is_some_and(|channel| channel.is_up()) { "true" } else { "false" })
}

pub(super) fn uuid_getvar(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, name, ..] = words.as_slice() else { return text("-USAGE: <uuid> <var>\n") };
    match call.switch.channel(uuid) {
        Some(channel) => {
            let other_case = || channel.variables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let value = channel.variable(name).or_else(|| other_case().map(|(_, value)| value));
            text(value.or_else(|| call.switch.settings.global(name)).unwrap_or("_undef_"))
        }
        None => text(NO_SUCH_CHANNEL),
    }
}

/// `uuid_setvar <uuid> <name> [value]`; the value is the rest, spaces included.
pub(super) fn uuid_setvar(call: Call<'_>) -> Answer {
    let mut parts = call.arguments.trim_start_matches(' ').splitn(3, ' ');
    let (Some(uuid), Some(name)) = (parts.next(), parts.next().filter(|name| !name.is_empty())) else {
        return text(SETVAR_USAGE);
    };
    let value = parts.next().unwrap_or_default();
    // Quotes around all of it are taken away.
    let value = match words(value).as_slice() {
        [only] => only.clone(),
        _ => value.trim().to_owned(),
    };
    let Some(channel) = call.switch.find(uuid).and_then(|id| call.switch.channels.get_mut(&id)) else {
        return text(NO_SUCH_CHANNEL);
    };
    if !channel.variables.takes(name, &value) {
        call.switch.refusals.variables += 1;
        return text(NO_ROOM);
    }
    channel.variables.set(name, &value);
    text("+OK\n")
}

/// `uuid_setvar_multi <uuid> <name>=<value>;…`: without a space it answers nothing at all.
pub(super) fn uuid_setvar_multi(call: Call<'_>) -> Answer {
    if call.arguments.is_empty() {
        return text(SETVAR_MULTI_USAGE);
    }
    let Some((uuid, assignments)) = call.arguments.split_once(' ') else { return text("") };
    let Some(channel) = call.switch.find(uuid).and_then(|id| call.switch.channels.get_mut(&id)) else {
        return text(format!("{NO_SUCH_CHANNEL}{SETVAR_MULTI_USAGE}"));
    };
    let mut out = String::new();
    let mut any = false;
    let mut refused = 0;
    for assignment in assignments.split(';').take(ASSIGNMENTS_MAX) {
        let (name, value) = assignment.split_once('=').unwrap_or((assignment, ""));
        if name.is_empty() {
            out += "-ERR No variable specified\n";
        } else {
            any = true;
            if channel.variables.takes(name, value) {
                channel.variables.set(name, value);
            } else {
                refused += 1;
                out += NO_ROOM;
            }
        }
    }
    call.switch.refusals.variables += refused;
    out += if any { "+OK\n" } else { SETVAR_MULTI_USAGE };
    text(out)
}
