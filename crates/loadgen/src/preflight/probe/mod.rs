//! Places one probe call to each address, where the plan permits it, and checks that it gets through, and that its far
//! leg is parked on a slave where an app is to control it. Each call is hung up at once; its guards end it otherwise.

mod leg_event;
mod probe_call;

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::task::JoinSet;

use super::{Facts, Finding, Need, Severity};
use crate::plan::FIRST_PROBE;
use crate::server::Server;
use leg_event::LegEvent;
use probe_call::{ProbeCall, ProbeOutcome};

/// Addresses that are probed at each slave at most.
const TARGETS_MAX: usize = 8;
/// Events that may wait for a probe: a call has a dozen.
const EVENTS_QUEUED_MAX: usize = 4096;

/// Places the probe calls, on all slaves at once and one after the other on each.
pub(super) async fn probe(needs: &[Need], servers: &[Server], slaves: &[Facts]) -> Vec<Finding> {
    let (events, _) = broadcast::channel(EVENTS_QUEUED_MAX);
    let reached = || (0..needs.len()).filter(|slave| slaves.get(*slave).is_some_and(|facts| facts.reached));
    let mut listeners = JoinSet::new();
    let mut opened = JoinSet::new();
    for slave in reached() {
        let server = servers[slave].clone();
        opened.spawn(async move { (slave, leg_event::open(&server).await) });
    }
    while let Some(Ok((slave, listener))) = opened.join_next().await {
        if let Ok(listener) = listener {
            listeners.spawn(leg_event::listen(slave, listener, needs[slave].run, events.clone()));
        }
    }
    let servers: Arc<[Server]> = servers.into();
    let mut probe_calls = JoinSet::new();
    for slave in reached().filter(|slave| needs[*slave].probe) {
        let (need, servers, events) = (needs[slave].clone(), servers.clone(), events.clone());
        probe_calls.spawn(async move { at_slave(slave, &need, &servers, &events).await });
    }
    let mut findings = Vec::new();
    while let Some(found) = probe_calls.join_next().await {
        findings.extend(found.unwrap_or_default());
    }
    findings.sort_by_key(|finding: &Finding| finding.slave);
    findings
}

async fn at_slave(slave: usize, need: &Need, servers: &[Server], events: &broadcast::Sender<LegEvent>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, target) in need.dialled().iter().take(TARGETS_MAX).enumerate() {
        let call = need.run.call(slave, FIRST_PROBE + number as u64);
        let probe_call = ProbeCall { slave, call, run: need.run, target, servers };
        let outcome = probe_call.run(events.subscribe()).await;
        findings.extend(finding(slave, &target.to, target.parked, &outcome));
    }
    findings
}

/// The dialplan that an app needs to control far legs.
pub(super) const PARK: &str = "<extension name=\"loadgen\"><condition><action application=\"park\"/></condition></extension>\n\
                    as the only one in the context of the SIP profile where it arrives, then reloadxml";

fn finding(slave: usize, to: &str, parked: bool, outcome: &ProbeOutcome) -> Option<Finding> {
    let (what, remedy) = match outcome {
        ProbeOutcome::Failed(why) => {
            (format!("a probe call to {to:?} failed: {why}"), "check what answers at this address".to_owned())
        }
        ProbeOutcome::Unknown(error) => {
            (format!("a probe call to {to:?} could not be followed: {error}"), String::new())
        }
        ProbeOutcome::Through if !parked => return None,
        ProbeOutcome::Parked => return None,
        ProbeOutcome::Through => (
            format!("the far leg of a probe call to {to:?} reached no slave, and an app drives it"),
            "route the address to a slave, and forward the SIP header X-loadgen-call on the way".to_owned(),
        ),
        ProbeOutcome::Answered => (
            format!("the far leg of a probe call to {to:?} is answered by the dialplan instead of the app"),
            PARK.to_owned(),
        ),
        ProbeOutcome::NotParked => (
            format!("the far leg of a probe call to {to:?} is not parked by the dialplan, and an app drives it"),
            PARK.to_owned(),
        ),
    };
    // A failing call may be what the run measures.
    let severity = if parked { Severity::Error } else { Severity::Warning };
    Some(Finding { severity, slave: Some(slave), what, remedy })
}

#[cfg(test)]
mod tests;
