//! What is planned for later: `sched_hangup`, `sched_api`, `sched_broadcast`, `sched_transfer`, and `sched_del`.

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{
    cause::Cause,
    dial_string::words,
    switch::{Legs, Planned, Redirect, leading_number},
};

/// What no real server answers: it has no limit.
const TOO_MANY: &str = "-ERR too many tasks are planned\n";

pub(super) fn sched_hangup(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let Some(when) = words.first() else { return text("-USAGE: [+]<time> <uuid> [<cause>]\n") };
    let Some(id) = words.get(1).and_then(|uuid| call.switch.find(uuid)) else { return text(NO_SUCH_CHANNEL) };
    let cause = words.get(2).map_or(Cause::ALLOTTED_TIMEOUT, |text| Cause::from_command(text));
    call.switch.schedule_hangup(call.now, id, when, cause);
    text("+OK\n")
}

/// `sched_api [+|@]<time> <group> <command>`; `@` is every so many seconds, and never more often than each second.
pub(super) fn sched_api(call: Call<'_>) -> Answer {
    let mut parts = call.arguments.splitn(3, ' ');
    let (Some(when), Some(group), Some(command)) = (parts.next(), parts.next(), parts.next()) else {
        return text("-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n");
    };
    let (second, every) = match when.strip_prefix('@') {
        Some(seconds) => {
            let every = seconds.parse::<u64>().unwrap_or(0);
            (call.switch.second_of(call.now, &format!("+{every}")), every)
        }
        None => {
            // A second that is past is read as so many seconds from now on, again and again.
            let (second, now) = (call.switch.second_of(call.now, when), call.switch.stamp(call.now).seconds());
            if second < now { (now + second, second) } else { (second, 0) }
        }
    };
    let text_of_command = command.strip_suffix('&').unwrap_or(command).to_owned();
    let planned = Planned::Command { text: text_of_command, every };
    match call.switch.plan(call.now, second, group, planned) {
        Some(number) => text(format!("+OK Added: {number}\n")),
        None => text(TOO_MANY),
    }
}

/// `sched_broadcast [[+]<time>|@time] <uuid> <path> [aleg|bleg|both]`
pub(super) fn sched_broadcast(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [when, uuid, path, rest @ ..] = words.as_slice() else {
        return text("-USAGE: [[+]<time>|@time] <uuid> <path> [aleg|bleg|both]\n");
    };
    let legs = Legs::named(rest.first().map_or("aleg", String::as_str));
    let second = call.switch.second_of(call.now, when.strip_prefix('@').unwrap_or(when));
    call.switch.plan(call.now, second, uuid, Planned::Broadcast { path: path.clone(), legs });
    text("+OK Message scheduled\n")
}

/// `sched_transfer [+]<time> <uuid> <extension> [<dialplan>] [<context>]`
pub(super) fn sched_transfer(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let redirect = words.get(2..).and_then(Redirect::extension);
    let (Some(when), Some(uuid), 2..=5) = (words.first(), words.get(1), words.len()) else {
        return text("-USAGE: [+]<time> <uuid> <extension> [<dialplan>] [<context>]\n");
    };
    if call.switch.find(uuid).is_none() {
        return text(NO_SUCH_CHANNEL);
    }
    if let Some(redirect) = redirect {
        let second = call.switch.second_of(call.now, when);
        call.switch.plan(call.now, second, uuid, Planned::Transfer(redirect));
    }
    text("+OK\n")
}

/// By task number or by group, which is a channel's UUID for most; without either there is none to delete.
pub(super) fn sched_del(call: Call<'_>) -> Answer {
    let deleted = call.switch.unschedule(call.now, call.arguments);
    text(format!("+OK Deleted: {deleted}\n"))
}

/// By task number alone; what is no number is no task.
pub(super) fn unsched_api(call: Call<'_>) -> Answer {
    text(match leading_number(call.arguments) {
        0 => "",
        number if call.switch.unschedule(call.now, &number.to_string()) > 0 => "+OK\n",
        _ => "-ERR No such id\n",
    })
}
