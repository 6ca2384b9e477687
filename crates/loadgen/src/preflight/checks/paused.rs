//! Checks that the server accepts calls.

use super::{Answers, CheckInput, Finding, Need, queries as commands};

const OUTBOUND: &str = "fsctl pause_check outbound";
const INBOUND: &str = "fsctl pause_check inbound";
const SHUTDOWN: &str = "fsctl shutdown_check";

pub(super) fn queries(_: &Need, _: &Answers) -> Vec<String> {
    commands(&[OUTBOUND, INBOUND, SHUTDOWN, "status"])
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let is = |command| subject.answers.successful(command).map(str::trim) == Some("true");
    let mut findings = Vec::new();
    if is(SHUTDOWN) {
        findings.push(subject.error("the server is shutting down", "fsctl shutdown cancel"));
    }
    if subject.need.places && is(OUTBOUND) {
        findings.push(subject.error("the server is paused for outbound calls", "fsctl resume"));
    }
    if is(INBOUND) {
        // Only inbound calls are affected.
        let (what, remedy) = ("the server is paused for inbound calls", "fsctl resume");
        let lands = subject.load.sessions_per_second > subject.need.rate;
        findings.push(if lands { subject.error(what, remedy) } else { subject.warning(what, remedy) });
    }
    if let Some((least, idle)) = idle_cpu(subject.answers).filter(|(least, _)| *least > 0.0) {
        findings.push(subject.warning(
            format!("the server rejects calls while less than {least} % of its CPU time is idle; it is {idle} % now"),
            "fsctl min_idle_cpu 0",
        ));
    }
    findings
}

/// `min idle cpu 0.00/97.93`: the required and the current idle share.
fn idle_cpu(answers: &Answers) -> Option<(f64, f64)> {
    let (_, rest) = answers.successful("status")?.split_once("min idle cpu ")?;
    let (least, idle) = rest.lines().next()?.split_once('/')?;
    Some((least.trim().parse().ok()?, idle.trim().parse().ok()?))
}
