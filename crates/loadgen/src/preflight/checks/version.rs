//! Checks the FreeSWITCH version, and whether it starts jobs the fast way.

use super::{Answers, CheckInput, Finding, Need, asks as commands};

/// Jobs a second that one connection starts by plain `bgapi`, which waits for a thread each time.
const BGAPI_PER_SECOND: f64 = 894.0;

pub(super) fn asks(_: &Need, _: &Answers) -> Vec<String> {
    commands(&["version"])
}

pub(super) fn finds(subject: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if subject.answers.version().is_none() && subject.answers.granted("version").is_some() {
        findings.push(subject.warning(
            "it does not say its version as a FreeSWITCH does",
            "see what listens there: it may be no FreeSWITCH",
        ));
    }
    if subject.answers.background || !subject.need.places {
        return findings;
    }
    let remedy = "FreeSWITCH 1.8 and later have it; a user of the directory with esl-allowed-api never does";
    let rate = subject.need.rate;
    findings.push(if rate > BGAPI_PER_SECOND {
        subject.error(
            format!(
                "it has no \"api bgapi uuid:…\", plain bgapi starts {BGAPI_PER_SECOND} calls/s at most, \
                 and {rate:.1} are planned"
            ),
            remedy,
        )
    } else {
        subject.warning("it has no \"api bgapi uuid:…\": plain bgapi is used, which takes 1.1 ms a call", remedy)
    });
    findings
}
