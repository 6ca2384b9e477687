//! `bgapi [uuid:<job uuid>] <command>`: the same as the Event Socket's own `bgapi`, without its wait for a thread.

use super::{Answer, Call, text};
use crate::switch::{Job, Waits};

pub(super) fn bgapi(call: Call<'_>) -> Answer {
    let (uuid, command) = match call.arguments.strip_prefix("uuid:") {
        Some(rest) => rest.split_once(' ').unwrap_or((rest, "")),
        None => ("", call.arguments),
    };
    if command.is_empty() {
        return text("-ERR Invalid syntax\n");
    }
    let uuid = if uuid.is_empty() { call.switch.random_uuid() } else { uuid.to_owned() };
    call.switch.finish(call.now, call.job, &format!("+OK Job-UUID: {uuid}\n"));
    call.switch.start(call.now, Job { by_command: true, ..Job::new(command, Waits::Background(uuid)) });
    Answer::Later
}
