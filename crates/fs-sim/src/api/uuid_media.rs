//! Commands about a channel's audio: there is none, but they answer as if there were.

use std::time::Duration;

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{channel::SessionId, dial_string::words, switch::Switch};

const AUDIO_USAGE: &str = "-USAGE: <uuid> [start [read|write] [mute|level <level>]|stop]\n";
const RECORD_USAGE: &str = "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n";
const FAILED: &str = "-ERR Operation failed\n";
const SUCCESS: &str = "+OK Success\n";

/// `uuid_audio <uuid> start read|write mute|level <level>` and `uuid_audio <uuid> stop`.
pub(super) fn uuid_audio(call: Call<'_>) -> Answer {
    let words: Vec<String> = call.arguments.split(' ').map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    let [uuid, action, rest @ ..] = words.as_slice() else { return text(AUDIO_USAGE) };
    if call.switch.find(uuid).is_none() {
        return text(NO_SUCH_CHANNEL);
    }
    match (*action, rest) {
        ("stop", _) | ("start", ["read" | "write", "mute" | "level", _, ..]) => text("+OK\n"),
        _ => text(AUDIO_USAGE),
    }
}

/// `uuid_record <uuid> start|stop|… <path> [<limit>]`
pub(super) fn uuid_record(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, action, path, rest @ ..] = words.as_slice() else { return text(RECORD_USAGE) };
    let Some(id) = call.switch.find(uuid) else { return text("-ERR Cannot locate session!\n") };
    let action = action.to_ascii_lowercase();
    let (done, failure) = match action.as_str() {
        "start" => {
            let limit = rest.first().and_then(|limit| limit.parse().ok()).unwrap_or(0);
            let variables = rest.get(1).map_or(Vec::new(), |text| recording_variables(text));
            (call.switch.record(call.now, id, path, limit, variables), "-ERR Cannot record session!\n".to_owned())
        }
        "stop" => (call.switch.stop_recording(call.now, id, path), "-ERR Cannot stop record session!\n".to_owned()),
        "pause" | "resume" => {
            let done = call.switch.pause_recording(call.now, id, path, action == "pause");
            (done, format!("-ERR Cannot {action} recording session!\n"))
        }
        "mask" | "unmask" => (call.switch.is_recorded(id, path), format!("-ERR Cannot {action} recording session!\n")),
        _ => return text(RECORD_USAGE),
    };
    text(if done { SUCCESS.to_owned() } else { failure })
}

/// `{name=value,…}`
fn recording_variables(text: &str) -> Vec<(String, String)> {
    let inside = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let pairs = inside.map_or("", |(inside, _)| inside).split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// `uuid_media [off] <uuid>`: takes the server out of a leg's media, or brings it back where it was taken out.
pub(super) fn uuid_media(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let (on, uuid) = match words.as_slice() {
        [] => return text(format!("-USAGE: [off] <uuid>\n{FAILED}")),
        [off, rest @ ..] if off.eq_ignore_ascii_case("off") => (false, rest.first()),
        [uuid, ..] => (true, Some(uuid)),
    };
    let id = uuid.and_then(|uuid| call.switch.find(uuid));
    text(if id.is_some_and(|id| call.switch.set_media(call.now, id, on)) { SUCCESS } else { FAILED })
}

/// `uuid_hold [off|toggle] <uuid>`: a channel that does not exist is a success, one that is held already is not.
pub(super) fn uuid_hold(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let (hold, uuid): (fn(&mut Switch, Duration, SessionId) -> bool, _) = match words.as_slice() {
        [] => return text(format!("-USAGE: [off|toggle] <uuid> [<display>]\n{FAILED}")),
        [off, rest @ ..] if off.eq_ignore_ascii_case("off") => (Switch::unhold, rest.first()),
        [toggle, rest @ ..] if toggle.eq_ignore_ascii_case("toggle") => (Switch::toggle_hold, rest.first()),
        [uuid, ..] => (Switch::hold, Some(uuid)),
    };
    let id = uuid.and_then(|uuid| call.switch.find(uuid));
    text(if id.is_none_or(|id| hold(call.switch, call.now, id)) { SUCCESS } else { FAILED })
}

pub(super) fn uuid_display(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, display, ..] = words.as_slice() else { return text("-USAGE: <uuid> <display>\n") };
    let Some(id) = call.switch.find(uuid) else { return text(FAILED) };
    let (name, number) = display.split_once('|').unwrap_or((display, ""));
    call.switch.show(call.now, id, (name.to_owned(), number.to_owned()));
    text(SUCCESS)
}
