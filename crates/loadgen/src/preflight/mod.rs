//! Checks every slave before any call is placed: what its server is, has and permits, against what the plan needs.
//!
//! A finding that makes the plan impossible is an error, one that may affect it a warning; each has its remedy, a
//! command or a piece of XML. The checks are pure, see `checks::CHECKS`; `query` does their I/O.

mod address;
mod answers;
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
mod server_query;

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

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The plan cannot work; no call is placed.
    Error,
    /// The plan may not work as intended.
    Warning,
}

/// A mismatch between a server and the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The slave, by its index in the plan; `None` where it concerns all of them.
    pub slave: Option<usize>,
    /// The mismatch, with its figures.
    pub what: String,
    /// The remedy: a command, a piece of XML, a line of the configuration.
    pub remedy: String,
}

/// The facts about one slave.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its name in the results.
    pub name: String,
    /// `host:port`
    pub address: String,
    /// The version that its server reported, if any.
    pub version: Option<String>,
    /// How long its server has been up.
    pub uptime: Option<Duration>,
    /// Its limits and its sessions.
    pub health: ServerHealth,
    /// The load that the plan puts on it.
    pub load: SessionLoad,
    /// The round trips of commands without effect.
    pub round_trips: Vec<Duration>,
    /// The delays of events, from `sendevent` to their arrival at a listener.
    pub event_delays: Vec<Duration>,
    /// The value that its `sps` has to be raised to; `None` where it is high enough or unknown.
    pub sps_wanted: Option<u64>,
    /// The value that its `max_sessions` has to be raised to; `None` where it is high enough or unknown.
    pub max_sessions_wanted: Option<u64>,
    /// Whether it could be reached, and answered.
    pub reached: bool,
}

/// The result of the preflight checks.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// The findings, errors first.
    pub findings: Vec<Finding>,
    /// The facts about each slave, in the plan's order.
    pub slaves: Vec<Facts>,
}

impl Preflight {
    /// Whether the plan cannot work.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Checks all slaves at once, within a time limit. No call is placed, unless the plan permits probe calls.
pub async fn preflight(plan: &Plan, servers: &[Server]) -> Preflight {
    let needs = need::needs(plan);
    let query = query_all(&needs, servers).await;
    let loads = load::loads(&needs, &query);
    let mut findings = unreachable(&query, |slave| plan.places_calls(slave));
    let mut slaves = Vec::with_capacity(servers.len());
    for (slave, ((need, query), (server, load))) in needs.iter().zip(&query).zip(servers.iter().zip(loads)).enumerate()
    {
        if let Ok(answers) = query {
            let subject = checks::CheckInput { slave, need, answers, load };
            findings.extend(checks::findings(&subject));
        }
        let mut facts = facts(need, server, query.as_ref().ok(), load);
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

async fn query_all(needs: &[Need], servers: &[Server]) -> Vec<Result<Answers, Error>> {
    let turns = Arc::new(Semaphore::new(server_query::MEASURED_AT_ONCE));
    let mut asking = JoinSet::new();
    for (slave, (need, server)) in needs.iter().zip(servers).enumerate() {
        let (need, server, turns) = (need.clone(), server.clone(), turns.clone());
        asking.spawn(async move { (slave, server_query::query(&need, &server, &turns).await) });
    }
    let mut query = vec![Err(Error::timed_out("asking", server_query::QUERY_TIMEOUT)); needs.len()];
    while let Some(answered) = asking.join_next().await {
        // A query that failed stays one without an answer.
        if let Ok((slave, answers)) = answered {
            query[slave] = answers;
        }
    }
    query
}

/// Findings about unreachable slaves. The run can use the others, if any of them place its calls.
fn unreachable(query: &[Result<Answers, Error>], places: impl Fn(usize) -> bool) -> Vec<Finding> {
    let none = !query.iter().enumerate().any(|(slave, query)| places(slave) && query.is_ok());
    let severity = if none { Severity::Error } else { Severity::Warning };
    let gone = query.iter().enumerate().filter_map(|(slave, query)| Some((slave, query.as_ref().err()?)));
    gone.map(|(slave, error)| Finding {
        severity,
        slave: Some(slave),
        what: format!("not usable: {error}"),
        remedy: remedy_of(error).to_owned(),
    })
    .collect()
}

fn remedy_of(error: &Error) -> &'static str {
    if error.is_password() {
        "give the password of event_socket.conf.xml, or of a directory user, in [[slaves]]"
    } else if error.is_rejected() {
        "allow this machine in event_socket.conf.xml: <param name=\"apply-inbound-acl\" value=\"…\"/>, then \"reloadacl\""
    } else if error.command_failure().is_some() {
        "allow the user the events of a run: CUSTOM loadgen::probe in esl-allowed-events of the directory"
    } else {
        "check that mod_event_socket is loaded and listens there: <param name=\"listen-ip\" value=\"0.0.0.0\"/>"
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
