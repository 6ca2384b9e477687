//! The `uuid_…` commands that have no effect on what anybody can see here: they take their arguments, and say that
//! there is no such channel in the words that each of them has for it.

use super::{Answer, Call, NO_SUCH_CHANNEL, interfaces, text};
use crate::{dial_string::words, log, switch::INFO_TYPE};

/// One of them.
#[derive(Debug)]
struct Rest {
    name: &'static str,
    /// How many words it takes at least.
    least: usize,
    /// Behind the usage.
    after_usage: &'static str,
    missing: &'static str,
    done: &'static str,
}

const FAILED: &str = "-ERR Operation failed\n";
const FAILED_LARGE: &str = "-ERR Operation Failed\n";
const SUCCESS: &str = "+OK Success\n";
/// `{}` is the UUID.
const NO_SUCH_NAMED: &str = "-ERR No such channel {}!\n";

const fn rest(
    name: &'static str,
    least: usize,
    after_usage: &'static str,
    missing: &'static str,
    done: &'static str,
) -> Rest {
    Rest { name, least, after_usage, missing, done }
}

const TABLE: &[Rest] = &[
    rest("pause", 2, "", NO_SUCH_CHANNEL, ""),
    rest("uuid_buglist", 1, "", "", "<media-bugs>\n</media-bugs>\n"),
    rest("uuid_capture_text", 2, "", NO_SUCH_NAMED, ""),
    rest("uuid_chat", 2, "", NO_SUCH_NAMED, "-ERR Send failed\n"),
    rest("uuid_codec_debug", 3, FAILED_LARGE, FAILED_LARGE, "+OK Success\n"),
    rest(
        "uuid_codec_param",
        3,
        "-ERR Operation Failed [NOT SENT]\n",
        "-ERR Operation Failed [NOT SENT]\n",
        "+OK Command sent reply: [NOT SENT]\n",
    ),
    rest("uuid_debug_media", 3, "", FAILED, SUCCESS),
    rest("uuid_deflect", 2, "", NO_SUCH_NAMED, "+OK:\n"),
    rest("uuid_early_ok", 0, "", "-ERROR\n", ""),
    rest("uuid_jitterbuffer", 2, "", FAILED, SUCCESS),
    rest("uuid_media_3p", 1, FAILED, FAILED, FAILED),
    rest("uuid_media_params", 2, "", FAILED, SUCCESS),
    rest("uuid_media_reneg", 1, FAILED_LARGE, FAILED_LARGE, SUCCESS),
    rest("uuid_outgoing_answer", 1, "", NO_SUCH_CHANNEL, "+OK\n"),
    rest("uuid_pause", 2, "", NO_SUCH_CHANNEL, ""),
    rest("uuid_phone_event", 1, FAILED, FAILED, SUCCESS),
    rest("uuid_preprocess", 2, "", NO_SUCH_CHANNEL, "+OK\n"),
    rest("uuid_recovery_refresh", 2, "", NO_SUCH_NAMED, "+OK:\n"),
    rest("uuid_redirect", 2, "", NO_SUCH_NAMED, "+OK:\n"),
    rest("uuid_send_message", 2, "", "-ERR Unable to find session for UUID\n", SUCCESS),
    rest("uuid_send_text", 2, "", NO_SUCH_NAMED, "+OK\n"),
    rest("uuid_simplify", 1, "", FAILED, SUCCESS),
    rest("uuid_video_refresh", 1, FAILED_LARGE, FAILED_LARGE, SUCCESS),
    rest("uuid_xfer_zombie", 1, FAILED_LARGE, FAILED_LARGE, FAILED_LARGE),
    rest("uuid_zombie_exec", 0, "", "-ERR no such session\n", "+OK MMM Brains...\n"),
];

/// Whether it is one of these, and what it answers.
pub(super) fn answer(call: &Call<'_>) -> Option<String> {
    let rest = TABLE.iter().find(|rest| rest.name.eq_ignore_ascii_case(&call.job.command))?;
    let words = words(call.arguments);
    if words.len() < rest.least {
        return Some(interfaces::usage(rest.name) + rest.after_usage);
    }
    // Where there need be none, the arguments are the UUID as they are.
    let first = if rest.least == 0 { call.arguments } else { &words[0] };
    let off = rest.name == "uuid_media_3p" && first.eq_ignore_ascii_case("off");
    let uuid = if off { words.get(1).map_or("", String::as_str) } else { first };
    let answer = if call.switch.find(uuid).is_some() { rest.done } else { rest.missing };
    Some(answer.replace("{}", uuid))
}

/// `uuid_loglevel <uuid> <level>`
pub(super) fn uuid_loglevel(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, level, ..] = words.as_slice() else { return text(interfaces::usage("uuid_loglevel")) };
    if log::level(level).is_none() {
        return text("-ERR Invalid log level!\n");
    }
    text(if call.switch.find(uuid).is_some() { "+OK\n" } else { NO_SUCH_CHANNEL })
}

/// `uuid_set_media_stats <uuid>`: all of the arguments is the UUID.
pub(super) fn uuid_set_media_stats(call: Call<'_>) -> Answer {
    text(match call.arguments {
        "" => interfaces::usage("uuid_set_media_stats"),
        uuid if call.switch.find(uuid).is_some() => "+OK:\n".to_owned(),
        uuid => format!("-ERR No such channel {uuid}!\n"),
    })
}

/// `uuid_limit <uuid> <backend> <realm> <resource> …` and `uuid_limit_release <uuid> <backend> …`.
pub(super) fn uuid_limit(call: Call<'_>) -> Answer {
    limited(&call, "uuid_limit", 4)
}

pub(super) fn uuid_limit_release(call: Call<'_>) -> Answer {
    limited(&call, "uuid_limit_release", 2)
}

fn limited(call: &Call<'_>, name: &str, least: usize) -> Answer {
    let words = words(call.arguments);
    if words.len() < least {
        return text(interfaces::usage(name).replacen("-USAGE: ", &format!("USAGE: {name} "), 1));
    }
    text(match call.switch.find(&words[0]) {
        Some(_) => "+OK".to_owned(),
        None => format!("-ERR Cannot find session with uuid {}\n", words[0]),
    })
}

/// `uuid_session_heartbeat <uuid> [sched] [0|<seconds>]`
pub(super) fn uuid_session_heartbeat(call: Call<'_>) -> Answer {
    const USAGE: &str = "USAGE: uuid_session_heartbeat <uuid> [sched] [0|<seconds>]\n";
    let words = words(call.arguments);
    text(match words.as_slice() {
        [uuid, _, ..] if call.switch.find(uuid).is_some() => "+OK\n".to_owned(),
        [_, _, ..] => format!("-ERR Cannot locate session. {USAGE}"),
        _ => format!("-{USAGE}"),
    })
}

/// `uuid_dual_transfer <uuid> <a> <b>`
pub(super) fn uuid_dual_transfer(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, a, b] = words.as_slice() else { return text(interfaces::usage("uuid_dual_transfer")) };
    let Some(id) = call.switch.find(uuid) else { return text(NO_SUCH_CHANNEL) };
    let extension = |text: &str| {
        let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        crate::switch::Redirect::extension(&parts)
    };
    let (Some(a), Some(b)) = (extension(a), extension(b)) else { return text(NO_SUCH_CHANNEL) };
    if let Some(partner) = call.switch.channels.get(&id).and_then(|channel| channel.partner) {
        // Both leave: the end of their bridge is no end of either's call.
        for leg in [id, partner] {
            if let Some(channel) = call.switch.channels.get_mut(&leg) {
                channel.partner = None;
            }
        }
        call.switch.send_elsewhere(call.now, partner, b);
    }
    call.switch.send_elsewhere(call.now, id, a);
    text("+OK\n")
}

/// `uuid_send_info <uuid> [<type> <subtype>] <message>`: with one word too many or too few for either form, no.
pub(super) fn uuid_send_info(call: Call<'_>) -> Answer {
    let words: Vec<&str> = call.arguments.splitn(4, ' ').filter(|word| !word.is_empty()).collect();
    let usage = || interfaces::usage("uuid_send_info") + FAILED_LARGE;
    let (uuid, kind, message) = match words.as_slice() {
        [] | [_, _, _] | [_, _, _, _, _, ..] => return text(usage()),
        [uuid] => (uuid, INFO_TYPE.to_owned(), ""),
        [uuid, message] => (uuid, INFO_TYPE.to_owned(), *message),
        [uuid, kind, subtype, message] => (uuid, format!("{kind}/{subtype}"), *message),
    };
    let Some(id) = call.switch.find(uuid) else { return text(FAILED_LARGE) };
    call.switch.send_info(call.now, id, &kind, message);
    text(SUCCESS)
}

/// `uuid_video_bandwidth` and `uuid_video_bitrate <uuid> <bitrate>`, whose usage is another one's.
pub(super) fn uuid_video_rate(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    text(match words.as_slice() {
        [uuid, _, ..] if call.switch.find(uuid).is_some() => SUCCESS.to_owned(),
        [_, _, ..] => FAILED_LARGE.to_owned(),
        _ => interfaces::usage("uuid_video_refresh") + FAILED_LARGE,
    })
}

/// `uuid_drop_dtmf <uuid> [on|off] [mask_digits <digits>|mask_file <file>]`: all four words are needed.
pub(super) fn uuid_drop_dtmf(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, state, mask, value, ..] = words.as_slice() else { return text(interfaces::usage("uuid_drop_dtmf")) };
    if call.switch.find(uuid).is_none() {
        return text(format!("-ERR No such channel {uuid}!\n"));
    }
    let of = |name: &str| if mask.eq_ignore_ascii_case(name) { value } else { "NONE" };
    let (file, digits) = (of("mask_file"), of("mask_digits"));
    text(if state.eq_ignore_ascii_case("on") {
        format!("+OK {uuid} is dropping DTMF. mask_file: {file} mask_digits: {digits}\n")
    } else {
        format!("+OK {uuid} is no longer dropping DTMF.\n")
    })
}

pub(super) fn uuid_msrp_send(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    text(match words.as_slice() {
        [uuid, _, ..] if call.switch.find(uuid).is_some() => "-ERR No msrp_session.\n",
        [_, _, ..] => "-ERR Usage: cannot locate session.\n",
        _ => "-ERR Usage: uuid_msrp_send <uuid> msg\n",
    })
}
