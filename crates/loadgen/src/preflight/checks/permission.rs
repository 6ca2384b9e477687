//! Whether the user may do what a run does. Who comes in by the server's one password may do everything.

use super::{Answers, Finding, Need, Subject};

/// What places calls.
const ORIGINATE: (&str, &str) = ("originate", "place calls");

/// What a run sends everywhere, and what it could not do without it. Each is sent in a form that does nothing.
const NEEDED: [(&str, &str); 4] = [
    ("uuid_kill", "end calls on time"),
    ("uuid_exists", "find out what became of calls when the connection was away"),
    // Nobody's calls carry this value. Without one it would hang up everybody's.
    ("hupall NORMAL_CLEARING loadgen_run preflight", "hang up its calls when it is stopped"),
    ("show channels like loadgen-preflight as json", "see that no call is left"),
];

pub(super) fn asks(need: &Need, _: &Answers) -> Vec<String> {
    needed(need).map(|(command, _)| command.to_owned()).collect()
}

fn needed(need: &Need) -> impl Iterator<Item = (&'static str, &'static str)> {
    need.places.then_some(ORIGINATE).into_iter().chain(NEEDED)
}

pub(super) fn finds(subject: &Subject<'_>) -> Vec<Finding> {
    let word = |command: &str| command.split(' ').next().unwrap_or_default().to_owned();
    let mut findings: Vec<Finding> = Vec::new();
    let denied: Vec<&str> = subject.answers.denied().collect();
    for (command, purpose) in needed(subject.need).filter(|(command, _)| denied.contains(command)) {
        findings.push(subject.error(
            format!("the user may not {:?}: a run could not {purpose}", word(command)),
            format!("add {} to its <param name=\"esl-allowed-api\" value=\"…\"/> in the directory", word(command)),
        ));
    }
    let mut unchecked: Vec<String> = denied
        .iter()
        .filter(|command| needed(subject.need).all(|(needed, _)| needed != **command))
        .map(|it| word(it))
        .collect();
    unchecked.sort_unstable();
    unchecked.dedup();
    if !unchecked.is_empty() {
        findings.push(subject.warning(
            format!("the user may not {}: what that would have told was not looked at", unchecked.join(", ")),
            format!(
                "add {} to its <param name=\"esl-allowed-api\" value=\"…\"/> in the directory",
                unchecked.join(" ")
            ),
        ));
    }
    if let Some(refusal) = subject.answers.subscribed.as_deref().filter(|said| said.starts_with("-ERR")) {
        findings.push(subject.error(
            format!("the user may not hear what becomes of its calls ({refusal})"),
            "<param name=\"esl-allowed-events\" value=\"CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA \
             CHANNEL_ANSWER CHANNEL_HANGUP CHANNEL_DESTROY BACKGROUND_JOB HEARTBEAT CUSTOM loadgen::probe\"/>",
        ));
    }
    findings
}
