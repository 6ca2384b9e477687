//! `status`, `version` and `uptime`.

use super::{Answer, Call, text};
use crate::{VERSION, VERSION_HUMAN, clock::spelled};

pub(super) fn status(call: Call<'_>) -> Answer {
    let (idle, min_idle) = (call.switch.idle_cpu(call.now), call.switch.min_idle_cpu(None));
    let limits = &mut call.switch.limits;
    let rate = limits.rate(call.now);
    let (started, peak, most) = (limits.since_startup, limits.peak_sessions, limits.max_sessions);
    let sessions = call.switch.channels.len();
    text(format!(
        "UP {}\nFreeSWITCH (Version {VERSION_HUMAN}) is {}\n{started} session(s) since startup\n\
         {sessions} session(s) - peak {peak}, last 5min {peak} \n\
         {} session(s) per Sec out of max {}, peak {}, last 5min {} \n\
         {most} session(s) max\nmin idle cpu {min_idle:.2}/{idle:.2}\nCurrent Stack Size/Max 240K/8192K\n",
        spelled(call.now),
        limits.readiness(),
        rate.last_second,
        rate.limit,
        rate.peak,
        rate.peak,
    ))
}

/// `version [short]`; with any other word the version is said twice.
pub(super) fn version(call: Call<'_>) -> Answer {
    let (number, revision) = VERSION_HUMAN.split_once(' ').unwrap_or((VERSION_HUMAN, ""));
    text(match call.arguments {
        "" => format!("FreeSWITCH Version {VERSION} ({revision})\n"),
        "short" => format!("{number}\n"),
        _ => format!("FreeSWITCH Version {VERSION} ({VERSION_HUMAN})\n"),
    })
}

pub(super) fn uptime(call: Call<'_>) -> Answer {
    let up = call.now;
    let count = match call.arguments.to_ascii_lowercase().as_str() {
        "" | "s" | "seconds" => up.as_secs(),
        "us" | "microseconds" => up.as_micros() as u64,
        "ms" | "milliseconds" => up.as_millis() as u64,
        "m" | "minutes" => up.as_secs() / 60,
        "h" | "hours" => up.as_secs() / 3_600,
        "d" | "days" => up.as_secs() / 86_400,
        _ => return text("-USAGE: [us|ms|s|m|h|d|microseconds|milliseconds|seconds|minutes|hours|days]\n"),
    };
    text(format!("{count}\n"))
}
