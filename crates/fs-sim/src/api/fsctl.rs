//! `fsctl`: the limits and the pause switch.

use super::{Answer, Call, text};
use crate::dial_string::words;

const USAGE: &str = "[api_expansion [on|off]|recover|send_sighup|hupall|pause [inbound|outbound]|resume [inbound|outbound]|shutdown [cancel|elegant|asap|now|restart]|sps|sps_peak_reset|sync_clock|sync_clock_when_idle|reclaim_mem|max_sessions|min_dtmf_duration [num]|max_dtmf_duration [num]|default_dtmf_duration [num]|min_idle_cpu|loglevel [level]|debug_level [level]|mdns_resolve [enable|disable]]";

pub(super) fn fsctl(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let Some(what) = words.first() else { return text(format!("-USAGE: {USAGE}\n")) };
    let value = words.get(1).map(String::as_str);
    let number = value.and_then(|value| value.parse::<u32>().ok()).filter(|number| *number > 0);
    let limits = &mut call.switch.limits;
    match what.to_ascii_lowercase().as_str() {
        "pause" | "resume" => {
            let pause = what.eq_ignore_ascii_case("pause");
            if value != Some("outbound") {
                limits.paused_inbound = pause;
            }
            if value != Some("inbound") {
                limits.paused_outbound = pause;
            }
            text("+OK\n")
        }
        "pause_check" => {
            let paused = match value {
                Some("inbound") => limits.paused_inbound,
                Some("outbound") => limits.paused_outbound,
                _ => limits.paused_inbound && limits.paused_outbound,
            };
            text(if paused { "true" } else { "false" })
        }
        "max_sessions" => {
            if let Some(number) = number {
                limits.max_sessions = number;
            }
            text(format!("+OK max sessions: {}\n", limits.max_sessions))
        }
        "sps" => {
            if let Some(number) = number {
                limits.set_rate(call.now, number);
            }
            text(format!("+OK sessions per second: {}\n", limits.rate(call.now).limit))
        }
        "last_sps" => text(format!("+OK last sessions per second: {}\n", limits.rate(call.now).last_second)),
        "loglevel" => text("+OK log level: DISABLE [-1]\n"),
        _ => text(format!("-ERR Invalid command\nUSAGE: fsctl {USAGE}\n")),
    }
}
