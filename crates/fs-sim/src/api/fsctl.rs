//! `fsctl`: the limits, the pause switch and the other knobs.

use super::{Answer, Call, hangup::hang_up_all, interfaces, text};
use crate::{cause::Cause, dial_string::words, log, switch::is_true, switch::leading_number};

/// FreeSWITCH's own bounds for how long a digit lasts, in samples.
const DTMF_SAMPLES_MIN: u32 = 400;
const DTMF_SAMPLES_MAX: u32 = 192_000;

/// The last debug level that there is.
const DEBUG_LEVEL_MAX: i64 = 10;

pub(super) fn fsctl(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let Some(what) = words.first() else { return text(interfaces::usage("fsctl")) };
    let value = words.get(1).map(String::as_str);
    let what = what.to_ascii_lowercase();
    text(match what.as_str() {
        "pause" | "resume" | "pause_check" => pause(call, &what, value),
        "shutdown" => shut_down(call, &words[1..]),
        "ready_check" => "true".to_owned(),
        "shutdown_check" => call.switch.settings.knobs.shutting_down.to_string(),
        "hupall" => {
            let left = call.switch.channels.keys().rev().copied().collect();
            return hang_up_all(call, left, Cause::MANAGER_REQUEST, "+OK\n".to_owned());
        }
        "max_sessions" | "sps" | "last_sps" | "sps_peak_reset" => limit(call, &what, value),
        "loglevel" => match value {
            // Asked for its value it tells that of its argument.
            None => "+OK log level: DISABLE [-1]\n".to_owned(),
            Some(value) => match log::level(value) {
                Some(level) => {
                    call.switch.settings.knobs.log_level = level;
                    format!("+OK log level: {} [{level}]\n", log::name(level))
                }
                None => "-ERR syntax error, log level not set!\n".to_owned(),
            },
        },
        "recover" => "+OK 0 session(s) recovered in total\n".to_owned(),
        "sync_clock" => "+OK clock synchronized\n".to_owned(),
        "sync_clock_when_idle" if call.switch.channels.is_empty() => "+OK clock synchronized\n".to_owned(),
        "sync_clock_when_idle" => "+OK clock will synchronize when there are no more calls\n".to_owned(),
        // Here nothing crashes.
        "crash" | "flush_db_handles" | "reclaim_mem" | "calibrate_clock" | "send_sighup" | "save_history" => {
            "+OK\n".to_owned()
        }
        "mdns_resolve"
            if value.is_some_and(|v| v.eq_ignore_ascii_case("enable") || v.eq_ignore_ascii_case("disable")) =>
        {
            "+OK\n".to_owned()
        }
        "sql" => value.map_or(String::new(), |_| "+OK\n".to_owned()),
        "debug_sql" => "+OK SQL DEBUG [off]\n".to_owned(),
        _ => knob(call, &what, value).unwrap_or_else(|| {
            let syntax = interfaces::usage("fsctl").replacen("-USAGE: ", "", 1);
            format!("-ERR Invalid command\nUSAGE: fsctl {syntax}")
        }),
    })
}

fn pause(call: Call<'_>, what: &str, value: Option<&str>) -> String {
    let is = |wanted: &str| value.is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    let limits = &mut call.switch.limits;
    if what == "pause_check" {
        let (inbound, outbound) = (limits.paused_inbound, limits.paused_outbound);
        let paused = if is("inbound") {
            inbound
        } else if is("outbound") {
            outbound
        } else {
            inbound && outbound
        };
        return paused.to_string();
    }
    if !is("outbound") {
        limits.paused_inbound = what == "pause";
    }
    if !is("inbound") {
        limits.paused_outbound = what == "pause";
    }
    "+OK\n".to_owned()
}

/// A server that ends once its calls have ended takes no new ones; `cancel` takes them again. The simulated one stays
/// up whatever is asked for: it is stopped by who started it.
fn shut_down(call: Call<'_>, words: &[String]) -> String {
    let is = |wanted: &str| words.iter().any(|word| word.eq_ignore_ascii_case(wanted));
    let waits = is("elegant") || is("asap");
    if is("cancel") || waits {
        let knobs = &mut call.switch.settings.knobs;
        knobs.shutting_down = waits && !is("cancel");
        call.switch.limits.paused_inbound = knobs.shutting_down;
        call.switch.limits.paused_outbound = knobs.shutting_down;
    }
    "+OK\n".to_owned()
}

fn limit(call: Call<'_>, what: &str, value: Option<&str>) -> String {
    let number = value.and_then(|value| u32::try_from(leading_number(value)).ok()).filter(|number| *number > 0);
    let limits = &mut call.switch.limits;
    match what {
        "max_sessions" => {
            limits.max_sessions = number.unwrap_or(limits.max_sessions);
            format!("+OK max sessions: {}\n", limits.max_sessions)
        }
        "sps" => {
            if let Some(number) = number {
                limits.set_rate(call.now, number);
            }
            format!("+OK sessions per second: {}\n", limits.rate(call.now).limit)
        }
        "last_sps" => format!("+OK last sessions per second: {}\n", limits.rate(call.now).last_second),
        _ => {
            limits.reset_peak_rate();
            "+OK max sessions per second counter reset\n".to_owned()
        }
    }
}

/// What keeps a value and does nothing else here.
fn knob(call: Call<'_>, what: &str, value: Option<&str>) -> Option<String> {
    let knobs = &mut call.switch.settings.knobs;
    let number = value.map_or(-1, leading_number);
    let samples = || u32::try_from(number).unwrap_or(0).clamp(DTMF_SAMPLES_MIN, DTMF_SAMPLES_MAX);
    let samples_of = |name: &str, knob: &mut u32| {
        if number > 0 {
            *knob = samples();
        }
        format!("+OK {name} dtmf duration: {knob}\n")
    };
    let on_off = |knob: &mut bool, [yes, no]: [&'static str; 2]| {
        if let Some(value) = value {
            *knob = is_true(value);
        }
        format!("+OK {what} is {} \n", if *knob { yes } else { no })
    };
    Some(match what {
        "max_dtmf_duration" => samples_of("max", &mut knobs.dtmf_max),
        "min_dtmf_duration" => samples_of("min", &mut knobs.dtmf_min),
        "default_dtmf_duration" => samples_of("default", &mut knobs.dtmf_default),
        "verbose_events" => {
            if let Some(value) = value {
                call.switch.set_verbose(is_true(value));
            }
            format!("+OK verbose_events is {} \n", if call.switch.is_verbose() { "on" } else { "off" })
        }
        "api_expansion" => on_off(&mut knobs.api_expansion, ["on", "off"]),
        "threaded_system_exec" => on_off(&mut knobs.threaded_system_exec, ["true", "false"]),
        "debug_level" => {
            if (0..=DEBUG_LEVEL_MAX).contains(&number) {
                knobs.debug_level = number as u32;
            }
            format!("+OK DEBUG level: {}\n", knobs.debug_level)
        }
        "min_idle_cpu" => {
            let percent = value.map_or(-1.0, |value| value.trim().parse().unwrap_or(0.0));
            match call.switch.min_idle_cpu((0.0..=100.0).contains(&percent).then_some(percent)) {
                0.0 => "+OK min idle cpu: DISABLED\n".to_owned(),
                // The sign and the line's end get lost in FreeSWITCH's format.
                percent => format!("+OK min idle cpu: {percent:.2}"),
            }
        }
        _ => return None,
    })
}
