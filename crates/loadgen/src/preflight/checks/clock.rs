//! Checks the server's uptime and clock.

use std::time::Duration;

use humantime::format_duration;

use super::{Answers, CheckInput, Finding, Need, queries as commands};

/// A server that has been up for less may still be registering its gateways and loading modules. Its first HEARTBEAT
/// comes after 20 s.
const FRESH: Duration = Duration::from_secs(30);
/// The clock skew above which two logs are hard to read side by side. Nothing is measured by the server's clock.
const SKEW_SECONDS_MAX: f64 = 5.0;

pub(super) fn queries(_: &Need, _: &Answers) -> Vec<String> {
    commands(&["uptime s", "strepoch"])
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    if subject.need.simulated {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if let Some(uptime) = subject.answers.uptime().filter(|uptime| *uptime < FRESH) {
        findings.push(subject.warning(
            format!(
                "the server has been up for only {}: registrations and modules may not be complete",
                format_duration(uptime)
            ),
            "wait for half a minute; if you did not start it, find out why it restarted",
        ));
    }
    let clock: Option<f64> = subject.answers.successful("strepoch").and_then(|seconds| seconds.trim().parse().ok());
    if let Some(skew) =
        clock.map(|clock| clock - subject.answers.queried_at).filter(|skew| skew.abs() > SKEW_SECONDS_MAX)
    {
        let side = if skew > 0.0 { "ahead of" } else { "behind" };
        findings.push(subject.warning(
            format!(
                "the server's clock is {:.0} s {side} this machine's: its logs and call records will not match the report",
                skew.abs()
            ),
            "synchronize both clocks with NTP, then \"fsctl sync_clock_when_idle\"",
        ));
    }
    findings
}
