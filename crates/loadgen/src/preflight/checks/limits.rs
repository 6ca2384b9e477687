//! Checks the server's session limits against the plan.

use super::{Answers, CheckInput, Finding, Need, SessionLoad, queries as commands};

/// By how much a limit may exceed what is needed: calls that ring longer than planned are sessions too.
const HEADROOM: f64 = 1.5;
/// The least headroom, for other sessions.
const ROOM: f64 = 50.0;

pub(super) fn queries(_: &Need, _: &Answers) -> Vec<String> {
    commands(&["status"])
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let health = subject.answers.health();
    let SessionLoad { sessions_per_second, sessions_per_second_peak, sessions, sessions_peak } = subject.load;
    let others = health.sessions.unwrap_or(0);
    let already = if others > 0 { format!(" besides the {others} that are up") } else { String::new() };
    let rate = LimitCheck {
        command: "sps",
        key: "sessions-per-second",
        max: health.sessions_per_second_max,
        needed: sessions_per_second,
        peak: sessions_per_second_peak,
        planned: format!(
            "the plan has {:.1} calls/s, {sessions_per_second:.1} new sessions a second with the far legs that land on the server",
            subject.need.rate
        ),
        takes: "new sessions a second",
    };
    let count = LimitCheck {
        command: "max_sessions",
        key: "max-sessions",
        max: health.sessions_max,
        needed: sessions + others as f64,
        peak: sessions_peak + others as f64,
        planned: format!("the plan has {sessions:.0} concurrent sessions{already}"),
        takes: "at a time",
    };
    [rate, count].iter().filter_map(|limit| limit.finding(subject)).collect()
}

struct LimitCheck {
    command: &'static str,
    key: &'static str,
    max: Option<u64>,
    needed: f64,
    peak: f64,
    planned: String,
    takes: &'static str,
}

impl LimitCheck {
    fn finding(&self, subject: &CheckInput<'_>) -> Option<Finding> {
        let Self { command, key, planned, takes, .. } = self;
        let max = self.max?;
        let to = raised(max, self.peak)?;
        let remedy = format!(
            "fsctl {command} {to}   (for good: <param name=\"{key}\" value=\"{to}\"/> in switch.conf.xml), \
             or raise_limits = true in [run]"
        );
        match () {
            // The limit will be raised before the run.
            () if subject.need.raise => None,
            () if self.needed > max as f64 => {
                Some(subject.error(
                    format!("{planned}, but the server accepts {max} {takes}: it would reject the rest"),
                    remedy,
                ))
            }
            () => Some(subject.warning(
                format!(
                    "{planned}, but the server accepts {max} {takes}: it rejects some if {:.0} coincide",
                    self.peak
                ),
                remedy,
            )),
        }
    }
}

/// The value that a limit has to be raised to; `None` where it is high enough.
fn raised(max: u64, peak: f64) -> Option<u64> {
    (peak > max as f64).then(|| (peak * HEADROOM + ROOM).ceil() as u64)
}

/// The values that `sps` and `max_sessions` have to be raised to for this load; `None` where they are high enough or
/// unknown.
pub(in super::super) fn wanted(
    health: &crate::measure::ServerHealth,
    load: &SessionLoad,
) -> (Option<u64>, Option<u64>) {
    let others = health.sessions.unwrap_or(0) as f64;
    let rate = health.sessions_per_second_max.and_then(|max| raised(max, load.sessions_per_second_peak));
    let sessions = health.sessions_max.and_then(|max| raised(max, load.sessions_peak + others));
    (rate, sessions)
}
