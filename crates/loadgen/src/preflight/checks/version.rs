//! Checks the FreeSWITCH version, and whether it starts jobs the fast way.

use super::{Answers, CheckInput, Finding, Need, queries as commands};

/// Jobs a second that one connection starts by plain `bgapi`, which waits for a thread each time.
const BGAPI_PER_SECOND: f64 = 894.0;

pub(super) fn queries(_: &Need, _: &Answers) -> Vec<String> {
    commands(&["version"])
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if subject.answers.version().is_none() && subject.answers.successful("version").is_some() {
        findings.push(subject.warning(
            "the answer to \"version\" is not FreeSWITCH's",
            "check what listens at this address: it may not be FreeSWITCH",
        ));
    }
    if subject.answers.background || !subject.need.places {
        return findings;
    }
    let remedy = "FreeSWITCH 1.8 and later have it, but not for a directory user with esl-allowed-api";
    let rate = subject.need.rate;
    findings.push(if rate > BGAPI_PER_SECOND {
        subject.error(
            format!(
                "the server lacks \"api bgapi uuid:…\"; plain bgapi starts at most {BGAPI_PER_SECOND} calls/s, and the plan has \
                 {rate:.1}"
            ),
            remedy,
        )
    } else {
        subject.warning("the server lacks \"api bgapi uuid:…\": plain bgapi is used, at 1.1 ms a call", remedy)
    });
    findings
}
