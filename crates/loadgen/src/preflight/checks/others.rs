//! Checks for channels that are up already: other calls, and those that an earlier run left.

use std::collections::BTreeMap;

use super::{Answers, CheckInput, Finding, Need};
use crate::plan::RunId;
use crate::plan::marks::query_run;
use crate::server::read_channels;

/// The number of sessions up to which channels are listed. A longer list is megabytes, and blocks the server.
const LISTED_MAX: u64 = 2000;
/// Channels whose run is queried at most.
const QUERIED_MAX: usize = 200;
const LIST: &str = "show channels as json";

pub(super) fn queries(_: &Need, answers: &Answers) -> Vec<String> {
    let mut commands = vec!["status".to_owned()];
    if (1..=LISTED_MAX).contains(&answers.health().sessions.unwrap_or(0)) {
        commands.push(LIST.to_owned());
    }
    commands.extend(candidates(answers).into_iter().map(|uuid| query_run(&uuid)));
    commands
}

/// Channels whose UUIDs have the form of a run's calls.
fn candidates(answers: &Answers) -> Vec<String> {
    let listed = answers.successful(LIST).and_then(read_channels).unwrap_or_default();
    let possible = listed.into_iter().filter(|channel| RunId::of_channel(&channel.uuid).is_some());
    possible.map(|channel| channel.uuid).take(QUERIED_MAX).collect()
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(sessions @ 1..) = subject.answers.health().sessions {
        findings.push(subject.warning(
            format!("sessions that are up already: {sessions}; the results will include their load"),
            "wait until they have ended, or use a dedicated server for the test: \"show channels\" lists them",
        ));
    }
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for uuid in candidates(subject.answers) {
        let answer = subject.answers.successful(&query_run(&uuid)).map(str::trim);
        if let Some(run) = RunId::of_channel(&uuid).filter(|run| answer == Some(run.to_string().as_str())) {
            *runs.entry(run.to_string()).or_default() += 1;
        }
    }
    for (run, count) in runs.into_iter().filter(|(run, _)| *run != subject.need.run.to_string()) {
        findings.push(subject.warning(
            format!("channels of loadgen run {run}, which is active or was killed: {count}"),
            format!("if it was killed: loadgen cleanup CONFIG --run-id {run}"),
        ));
    }
    findings
}
