//! `uuid_broadcast` and `uuid_break`.

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{dial_string::words, switch::Legs};

pub(super) fn uuid_broadcast(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, path, rest @ ..] = words.as_slice() else {
        return text("-USAGE: <uuid> <path> [aleg|bleg|holdb|both]\n");
    };
    let Some(id) = call.switch.find(uuid) else { return text("-ERR invalid uuid\n") };
    let legs = rest.first().map_or(Legs { a: true, b: false, holds_b: true }, |legs| Legs::named(legs));
    call.switch.broadcast(call.now, id, path, legs);
    text("+OK Message sent\n")
}

pub(super) fn uuid_break(call: Call<'_>) -> Answer {
    if call.arguments.is_empty() {
        return text("-USAGE: <uuid> [all]\n");
    }
    let (uuid, flags) = call.arguments.split_once(' ').unwrap_or((call.arguments, ""));
    let Some(id) = call.switch.find(uuid) else { return text(NO_SUCH_CHANNEL) };
    let all = flags.contains("all");
    if flags.contains("both")
        && let Some(partner) = call.switch.channels.get(&id).and_then(|channel| channel.partner)
    {
        call.switch.break_off(call.now, partner, all);
    }
    call.switch.break_off(call.now, id, all);
    text("+OK\n")
}
