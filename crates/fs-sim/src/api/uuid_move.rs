//! Commands that take a channel out of what it runs: `uuid_park`, `uuid_transfer`, `uuid_bridge`.

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{dial_string::words, switch::Redirect};

pub(super) fn uuid_park(call: Call<'_>) -> Answer {
    let Some(id) = call.switch.find(call.arguments) else { return text(NO_SUCH_CHANNEL) };
    call.switch.send_elsewhere(call.now, id, Redirect::Park);
    text("+OK\n")
}

/// `uuid_transfer <uuid> [-bleg|-both] <extension> [<dialplan>] [<context>]`
pub(super) fn uuid_transfer(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    if !(2..=5).contains(&words.len()) {
        return text("-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n");
    }
    let Some(id) = call.switch.find(&words[0]) else { return text(NO_SUCH_CHANNEL) };
    let (whom, rest) = match words[1].strip_prefix('-') {
        Some(whom) => (whom.to_ascii_lowercase(), &words[2..]),
        None => (String::new(), &words[1..]),
    };
    let Some(redirect) = Redirect::extension(rest) else { return text("-ERR\n") };
    let partner = call.switch.channels.get(&id).and_then(|channel| channel.partner);
    match (whom.as_str(), partner) {
        ("bleg", Some(partner)) => call.switch.send_elsewhere(call.now, partner, redirect),
        ("both", Some(partner)) => {
            // Both leave: the end of their bridge is no end of either's call.
            for leg in [id, partner] {
                if let Some(channel) = call.switch.channels.get_mut(&leg) {
                    channel.partner = None;
                }
            }
            call.switch.send_elsewhere(call.now, partner, redirect.clone());
            call.switch.send_elsewhere(call.now, id, redirect);
        }
        _ => call.switch.send_elsewhere(call.now, id, redirect),
    }
    text("+OK\n")
}

/// `uuid_bridge <uuid> <other uuid> [<another, if that one is gone>]`
pub(super) fn uuid_bridge(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, others @ ..] = words.as_slice() else { return text("-USAGE: <uuid> <other_uuid>\n") };
    if others.is_empty() {
        return text("-USAGE: <uuid> <other_uuid>\n");
    }
    let found = others.iter().take(2).find_map(|other| Some((other, call.switch.find(other)?)));
    let (Some(id), Some((other, other_id))) = (call.switch.find(uuid), found) else {
        return text("-ERR Invalid uuid\n");
    };
    if !call.switch.bridge_legs(call.now, id, other_id) {
        return text("-ERR Invalid uuid\n");
    }
    text(format!("+OK {other}\n"))
}
