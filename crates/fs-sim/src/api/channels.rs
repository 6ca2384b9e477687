//! What one channel is asked: does it exist, what is in its variables.

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::dial_string::words;

pub(super) fn uuid_exists(call: Call<'_>) -> Answer {
    text(if call.switch.find(call.arguments).is_some() { "true" } else { "false" })
}

pub(super) fn uuid_getvar(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, name, ..] = words.as_slice() else { return text("-USAGE: <uuid> <var>\n") };
    match call.switch.channel(uuid) {
        Some(channel) => text(channel.variables.get(name).unwrap_or("_undef_")),
        None => text(NO_SUCH_CHANNEL),
    }
}
