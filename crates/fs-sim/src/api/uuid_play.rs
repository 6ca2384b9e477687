//! `uuid_displace` and `uuid_fileman`: what a channel hears, and what plays to it.

use std::time::Duration;

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{
    dial_string::words,
    switch::{Step, leading_number},
};

const DISPLACE_USAGE: &str = "-USAGE: <uuid> [start|stop] <path> [<limit>] [mux]\n";
const FILEMAN_USAGE: &str = "-USAGE: <uuid> <cmd>:<val>\n";
const NO_SESSION: &str = "-ERR Cannot locate session!\n";
const SUCCESS: &str = "+OK Success\n";

/// `<uuid> start|stop <path> [<limit>] [mux]`
pub(super) fn uuid_displace(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, action, path, rest @ ..] = words.as_slice() else { return text(DISPLACE_USAGE) };
    let limit = rest.first().map_or(0, |limit| leading_number(limit));
    let Some(id) = call.switch.find(uuid) else { return text(NO_SESSION) };
    match action.to_ascii_lowercase().as_str() {
        "start" if call.switch.displace(call.now, id, path, limit) => text(SUCCESS),
        "start" => text("-ERR Cannot displace session!\n"),
        "stop" if call.switch.stop_displacing(call.now, id, path) => text(SUCCESS),
        "stop" => text("-ERR Cannot stop displace session!\n"),
        _ => text(DISPLACE_USAGE),
    }
}

/// `<uuid> pause`, `<uuid> seek:[+|-]<ms>`, and others that nobody would hear.
pub(super) fn uuid_fileman(call: Call<'_>) -> Answer {
    let Some((uuid, command)) = call.arguments.split_once(' ') else { return text(FILEMAN_USAGE) };
    let Some(id) = call.switch.find(uuid) else { return text(NO_SUCH_CHANNEL) };
    let now = call.now;
    let playing = call.switch.channels.get_mut(&id).and_then(|channel| channel.thread.runs.last_mut()?.playing());
    let Some(playing) = playing else { return text("-ERR No file handle!\n") };
    let (word, value) = command.split_once(':').unwrap_or((command, ""));
    match word.to_ascii_lowercase().as_str() {
        "pause" => playing.toggle(now),
        // One that stands still does not look at it.
        "stop" if !playing.paused => playing.left = Some(Duration::ZERO),
        "restart" => playing.seek(now, false, Duration::MAX),
        "seek" => {
            let by = Duration::from_millis(leading_number(value).unsigned_abs());
            if value.starts_with('+') {
                playing.seek(now, true, by);
            } else if value.starts_with('-') {
                playing.seek(now, false, by);
            } else {
                playing.seek(now, false, Duration::MAX);
                playing.seek(now, true, by);
            }
        }
        _ => {}
    }
    call.switch.add_leg(now, id, Step::Look);
    text("+OK\n")
}
