//! For how long it is up, and whether its clock is ours.

use std::time::Duration;

use humantime::format_duration;

use super::{Answers, CheckInput, Finding, Need, asks as commands};

/// A server that is younger may still register its gateways and load what it needs; its first HEARTBEAT came after 20 s.
const FRESH: Duration = Duration::from_secs(30);
/// Clocks that differ by more make two logs hard to read side by side. Nothing is measured by the server's clock.
const SKEW_SECONDS_MAX: f64 = 5.0;

pub(super) fn asks(_: &Need, _: &Answers) -> Vec<String> {
    commands(&["uptime s", "strepoch"])
}

pub(super) fn finds(subject: &CheckInput<'_>) -> Vec<Finding> {
    if subject.need.simulated {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if let Some(uptime) = subject.answers.uptime().filter(|uptime| *uptime < FRESH) {
        findings.push(subject.warning(
            format!(
                "it has been up for {} only: what it registers or loads may not be there yet",
                format_duration(uptime)
            ),
            "wait for half a minute; where it was not you who started it, see why it did",
        ));
    }
    let clock: Option<f64> = subject.answers.granted("strepoch").and_then(|seconds| seconds.trim().parse().ok());
    if let Some(skew) = clock.map(|clock| clock - subject.answers.asked_at).filter(|skew| skew.abs() > SKEW_SECONDS_MAX)
    {
        let side = if skew > 0.0 { "ahead of" } else { "behind" };
        findings.push(subject.warning(
            format!(
                "its clock is {:.0} s {side} this machine's: its logs and call records will not fit the report",
                skew.abs()
            ),
            "let both keep their time by NTP, then \"fsctl sync_clock_when_idle\"",
        ));
    }
    findings
}
