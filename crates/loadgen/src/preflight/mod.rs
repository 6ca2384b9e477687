//! A look at every slave before anything is dialled: what a server is, has and allows, against what the plan needs.
//!
//! What makes the plan impossible is an error, what may spoil it a warning; each says with which command or with which
//! XML it is mended. The checks are pure and stand in `checks::CHECKS`; `ask` does their asking.

mod address;
mod answers;
mod ask;
mod checks;
pub mod cleanup;
mod commands;
mod describe;
pub mod limits;
mod load;
mod need;
pub mod prepare;
mod probe;
pub mod run_file;

use std::sync::Arc;
use std::time::Duration;

use esl_core::Error;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use answers::Answers;
pub use describe::describe;
pub use load::SessionLoad;
pub use need::Need;

use crate::measure::ServerHealth;
use crate::plan::Plan;
use crate::server::Server;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The plan cannot work: nothing is dialled.
    Error,
    /// It may be spoiled.
    Warning,
}

/// Something that does not fit the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// At which slave, by its number in the plan; `None` where it is about all of them.
    pub slave: Option<usize>,
    /// What does not fit, with the figures.
    pub what: String,
    /// What mends it: a command, a piece of XML, a line of the configuration.
    pub remedy: String,
}

/// What was learnt of one slave.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its name in the results.
    pub name: String,
    /// `host:port`
    pub address: String,
    /// Its version, in its own words; `None` where it did not say.
    pub version: Option<String>,
    /// For how long it is up.
    pub uptime: Option<Duration>,
    /// Its limits and its sessions.
    pub health: ServerHealth,
    /// What the plan asks of it.
    pub load: SessionLoad,
    /// How long commands took that do nothing, each in turn.
    pub round_trips: Vec<Duration>,
    /// From a `sendevent` to its arrival at a listener, each in turn.
    pub event_delays: Vec<Duration>,
    /// What its `sps` has to be raised to, `None` where it is high enough or not known.
    pub sps_wanted: Option<u64>,
    /// What its `max_sessions` has to be raised to, `None` where it is high enough or not known.
    pub max_sessions_wanted: Option<u64>,
    /// Whether it could be reached, and answered.
    pub reached: bool,
}

/// What a look at every slave found.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// What does not fit the plan, errors first.
    pub findings: Vec<Finding>,
    /// What was learnt of each slave, in the plan's order.
    pub slaves: Vec<Facts>,
}

impl Preflight {
    /// Whether the plan is impossible.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Looks at every slave, at all of them at once and within a limit on time. Nothing is dialled, unless the plan allows a
/// probe call.
pub async fn preflight(plan: &Plan, servers: &[Server]) -> Preflight {
    let needs = need::needs(plan);
    let asked = ask_all(&needs, servers).await;
    let loads = load::loads(&needs, &asked);
    let mut findings = unreachable(&asked, |slave| plan.places_calls(slave));
    let mut slaves = Vec::with_capacity(servers.len());
    for (slave, ((need, asked), (server, load))) in needs.iter().zip(&asked).zip(servers.iter().zip(loads)).enumerate()
    {
        if let Ok(answers) = asked {
            let subject = checks::CheckInput { slave, need, answers, load };
            findings.extend(checks::findings(&subject));
        }
        let mut facts = facts(need, server, asked.as_ref().ok(), load);
        if !plan.shard.owns(slave) {
            // The other shard raises them, and knows when it no longer needs them.
            (facts.sps_wanted, facts.max_sessions_wanted) = (None, None);
        }
        slaves.push(facts);
    }
    if needs.iter().any(|need| need.probe) && findings.iter().all(|finding| finding.severity != Severity::Error) {
        findings.extend(probe::probe(&needs, servers, &slaves).await);
    }
    findings.sort_by_key(|finding| finding.severity);
    Preflight { findings, slaves }
}

async fn ask_all(needs: &[Need], servers: &[Server]) -> Vec<Result<Answers, Error>> {
    let turns = Arc::new(Semaphore::new(ask::MEASURED_AT_ONCE));
    let mut asking = JoinSet::new();
    for (slave, (need, server)) in needs.iter().zip(servers).enumerate() {
        let (need, server, turns) = (need.clone(), server.clone(), turns.clone());
        asking.spawn(async move { (slave, ask::ask(&need, &server, &turns).await) });
    }
    let mut asked = vec![Err(Error::timed_out("asking", ask::ASK_MAX)); needs.len()];
    while let Some(answered) = asking.join_next().await {
        // One that failed stays as one that did not answer.
        if let Ok((slave, answers)) = answered {
            asked[slave] = answers;
        }
    }
    asked
}

/// The run goes on with those that are there, if any are that place its calls.
fn unreachable(asked: &[Result<Answers, Error>], places: impl Fn(usize) -> bool) -> Vec<Finding> {
    let none = !asked.iter().enumerate().any(|(slave, asked)| places(slave) && asked.is_ok());
    let severity = if none { Severity::Error } else { Severity::Warning };
    let gone = asked.iter().enumerate().filter_map(|(slave, asked)| Some((slave, asked.as_ref().err()?)));
    gone.map(|(slave, error)| Finding {
        severity,
        slave: Some(slave),
        what: format!("it cannot be used: {error}"),
        remedy: remedy_of(error).to_owned(),
    })
    .collect()
}

fn remedy_of(error: &Error) -> &'static str {
    if error.is_password() {
        "give the password of its event_socket.conf.xml, or of its user, in [[slaves]]"
    } else if error.is_rejected() {
        "allow this machine in event_socket.conf.xml: <param name=\"apply-inbound-acl\" value=\"…\"/>, then \"reloadacl\""
    } else if error.command_failure().is_some() {
        "allow the user what a run listens to: CUSTOM loadgen::probe in its esl-allowed-events in the directory"
    } else {
        "see that mod_event_socket is loaded and listens there: <param name=\"listen-ip\" value=\"0.0.0.0\"/>"
    }
}

fn facts(need: &Need, server: &Server, answers: Option<&Answers>, load: SessionLoad) -> Facts {
    let unknown = Answers::default();
    let known = answers.unwrap_or(&unknown);
    let health = known.health();
    let (sps_wanted, max_sessions_wanted) = checks::wanted(&health, &load);
    Facts {
        name: need.name.clone(),
        address: server.address.clone(),
        version: known.version(),
        uptime: known.uptime(),
        health,
        load,
        round_trips: known.round_trips.clone(),
        event_delays: known.event_delays.clone(),
        sps_wanted,
        max_sessions_wanted,
        reached: answers.is_some(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
