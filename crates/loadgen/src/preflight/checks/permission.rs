//! Checks that the user may do what a run does. The server's own password permits everything.

use super::super::answers::is_refusal;
use super::super::need::{Apps, CUSTOM};
use super::{Answers, CheckInput, Finding, Need};
use crate::plan::marks::MEASURED_EVENTS;

/// The command that places calls.
const ORIGINATE: (&str, &str) = ("originate", "place calls");

/// The other commands of every run, and what fails without each. They are sent in a form without effect.
const NEEDED: [(&str, &str); 4] = [
    ("uuid_kill", "hang up calls on time"),
    ("uuid_exists", "resolve the outcome of calls after a reconnect"),
    // No call carries this value. Without a value it would hang up all calls.
    ("hupall NORMAL_CLEARING loadgen_run preflight", "hang up its calls at the end"),
    ("show channels like loadgen-preflight as json", "check for leftover calls"),
];

pub(super) fn queries(need: &Need, _: &Answers) -> Vec<String> {
    let needed = needed(need).map(|(command, _)| command);
    // A command about a leg answers with its usage where no leg is named.
    needed.chain(need.commands.keys().copied()).map(str::to_owned).collect()
}

fn needed(need: &Need) -> impl Iterator<Item = (&'static str, &'static str)> {
    need.places.then_some(ORIGINATE).into_iter().chain(NEEDED)
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let need = subject.need;
    let denied: Vec<&str> = subject.answers.denied().collect();
    let mut findings: Vec<Finding> = Vec::new();
    for (command, purpose) in needed(need).filter(|(command, _)| denied.contains(command)) {
        let command = word(command);
        let what = format!("the user lacks permission for {command:?}: a run could not {purpose}");
        findings.push(subject.error(what, allow_command(command)));
    }
    for (command, apps) in need.commands.iter().filter(|(command, _)| denied.contains(command)) {
        let what = format!("the user lacks permission for {command:?}, which {}", needing(apps));
        findings.push(subject.error(what, allow_command(command)));
    }
    let is_needed = |command: &str| needed(need).any(|(needed, _)| needed == command);
    let unchecked = denied.iter().filter(|command| !is_needed(command) && !need.commands.contains_key(**command));
    let mut unchecked: Vec<&str> = unchecked.map(|command| word(command)).collect();
    unchecked.sort_unstable();
    unchecked.dedup();
    if !unchecked.is_empty() {
        findings.push(subject.warning(
            format!("the user lacks permission for {}: this was not checked", unchecked.join(", ")),
            allow_command(&unchecked.join(" ")),
        ));
    }
    findings.extend(event_findings(subject));
    findings
}

/// Findings about events that the user may not receive.
fn event_findings(subject: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(refusal) = subject.answers.subscribed.as_deref().filter(|answer| is_refusal(answer)) {
        findings.push(subject.error(
            format!("the user lacks permission for call events ({refusal})"),
            format!("<param name=\"esl-allowed-events\" value=\"{}\"/>", allowed_events(subject.need)),
        ));
    }
    for (event, refusal) in &subject.answers.refused_events {
        let Some(apps) = subject.need.events.get(event) else { continue };
        findings.push(subject.error(
            format!("the user lacks permission for event {event} ({refusal}), which {}", needing(apps)),
            format!("add {event} to its <param name=\"esl-allowed-events\" value=\"…\"/> in the directory"),
        ));
    }
    findings
}

/// The events of a run. After `CUSTOM` come subclasses.
fn allowed_events(need: &Need) -> String {
    let measured = MEASURED_EVENTS.iter().map(|name| name.as_str());
    let names = need.events.keys().map(String::as_str).filter(|name| !name.starts_with(CUSTOM));
    let customs = need.events.keys().filter_map(|name| name.strip_prefix(CUSTOM));
    measured.chain(names).chain(["CUSTOM loadgen::probe"]).chain(customs).collect::<Vec<_>>().join(" ")
}

fn word(command: &str) -> &str {
    command.split(' ').next().unwrap_or_default()
}

fn needing(apps: &Apps) -> String {
    apps.with("needs", "need")
}

fn allow_command(commands: &str) -> String {
    format!("add {commands} to its <param name=\"esl-allowed-api\" value=\"…\"/> in the directory")
}
