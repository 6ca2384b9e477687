//! Hangs up one server's channels of a run, until none is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Runs;
use crate::plan::{RunId, marks};
use crate::server::{Listed, QueryConnection, Server, read_channels};

/// How long hanging up may take: thousands of channels take seconds.
const HANG_UP_MAX: Duration = Duration::from_secs(30);
/// How long no channel may be seen before none is left: calls whose originate is under way are not hung up, and the
/// list lags behind.
const QUIET: Duration = Duration::from_secs(1);
/// How long the list has to stay the same before the first hangup, so that all of a killed run's channels are counted.
const SAME: Duration = Duration::from_millis(300);
/// How long to wait for that at most.
const SAME_MAX: Duration = Duration::from_secs(2);
/// The pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Characters of an unexpected answer that a message quotes.
const ANSWER_SHOWN_MAX: usize = 120;
/// Channels that are queried at most: more would block the server.
const QUERIED_MAX: usize = 5000;

/// What was cleaned up on one server.
#[derive(Debug, Default)]
pub(super) struct HangupSummary {
    pub(super) runs: Vec<OfRun>,
}

/// What was cleaned up of one run.
#[derive(Debug)]
pub(super) struct OfRun {
    pub(super) id: RunId,
    /// Channels that were found.
    pub(super) found: usize,
    /// Channels that are left.
    pub(super) left: usize,
    pub(super) took: Duration,
}

/// Hangs up the channels of runs; only those of these slaves' calls, where `own` is given.
pub(super) async fn clean(server: &Server, runs: Runs, own: Option<&[usize]>) -> anyhow::Result<HangupSummary> {
    let mut queries = QueryConnection::connect(server).await?;
    let runs_there = match runs {
        Runs::One(run) => vec![(run, 0)],
        Runs::All | Runs::List => runs_of_channels(&mut queries).await?,
    };
    let mut cleaned = HangupSummary::default();
    for (id, found) in runs_there {
        if runs == Runs::List {
            cleaned.runs.push(OfRun { id, found, left: found, took: Duration::ZERO });
            continue;
        }
        let mut ending = RunHangup { queries: &mut queries, run: id, own, seen: BTreeSet::new() };
        let started = Instant::now();
        let left = ending.end_all(started).await?;
        let found = ending.seen.len();
        if found > 0 {
            cleaned.runs.push(OfRun { id, found, left, took: started.elapsed() });
        }
    }
    Ok(cleaned)
}

/// The runs that have channels on the server, by their variable, with the number of channels.
async fn runs_of_channels(queries: &mut QueryConnection) -> anyhow::Result<Vec<(RunId, usize)>> {
    let listed = list(queries, "show channels as json").await?;
    let commands: Vec<_> = listed.iter().take(QUERIED_MAX).map(|channel| marks::query_run(&channel.uuid)).collect();
    let mut runs: BTreeMap<String, (RunId, usize)> = BTreeMap::new();
    for answer in queries.query_all(&commands).await? {
        if let Ok(run) = answer.parse::<RunId>() {
            runs.entry(answer).or_insert((run, 0)).1 += 1;
        }
    }
    Ok(runs.into_values().collect())
}

/// Lists channels.
///
/// # Errors
/// The server cannot be reached or does not answer with a list, which does not mean that it has no channels.
async fn list(queries: &mut QueryConnection, command: &str) -> anyhow::Result<Vec<Listed>> {
    let answer = queries.query(command).await?;
    read_channels(&answer).with_context(|| {
        let answer: String = answer.trim().chars().take(ANSWER_SHOWN_MAX).collect();
        format!(
            "\"{command}\" was answered {answer:?}: the channels left are unknown; log in as a user with permission"
        )
    })
}

struct RunHangup<'a> {
    queries: &'a mut QueryConnection,
    run: RunId,
    /// The slaves whose calls are hung up; all where it is `None`.
    own: Option<&'a [usize]>,
    /// Every channel of the run that has been seen.
    seen: BTreeSet<Uuid>,
}

impl RunHangup<'_> {
    /// Hangs up repeatedly until no channel has been seen for a while. Returns how many are left.
    async fn end_all(&mut self, started: Instant) -> anyhow::Result<usize> {
        self.list_until_stable(started).await?;
        let mut quiet_since = None;
        loop {
            let there = self.there().await?;
            let now = Instant::now();
            if there.is_empty() {
                if now - *quiet_since.get_or_insert(now) >= QUIET {
                    return Ok(0);
                }
            } else {
                quiet_since = None;
                if now - started >= HANG_UP_MAX {
                    return Ok(there.len());
                }
            }
            self.hang_up(&there).await?;
            sleep(POLL_INTERVAL).await;
        }
    }

    async fn list_until_stable(&mut self, started: Instant) -> anyhow::Result<()> {
        let mut same_since = started;
        let mut seen = 0;
        while !self.there().await?.is_empty() && same_since.elapsed() < SAME && started.elapsed() < SAME_MAX {
            if self.seen.len() != seen {
                (seen, same_since) = (self.seen.len(), Instant::now());
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// The run's channels that exist: near legs by their UUIDs, far legs by the tracking header.
    async fn there(&mut self) -> anyhow::Result<Vec<Uuid>> {
        let own = list(self.queries, &marks::list_channels(self.run)).await?;
        let mut candidates: Vec<Uuid> = own.iter().filter_map(|channel| Uuid::try_parse(&channel.uuid).ok()).collect();
        // The server finds the prefix anywhere in a channel's fields, so the UUID has to be checked.
        candidates.retain(|uuid| self.is_ours(*uuid));
        candidates.extend(self.far_legs().await?);
        // The list is made from a database that lags behind.
        let commands: Vec<_> = candidates.iter().map(|uuid| format!("uuid_exists {uuid}")).collect();
        let exist = self.queries.query_all(&commands).await?;
        let there = candidates.into_iter().zip(exist).filter(|(_, exists)| exists == "true").map(|(uuid, _)| uuid);
        let there: Vec<Uuid> = there.collect();
        self.seen.extend(&there);
        Ok(there)
    }

    async fn far_legs(&mut self) -> anyhow::Result<Vec<Uuid>> {
        let listed = list(self.queries, "show channels as json").await?;
        let inbound = listed.iter().filter(|channel| channel.direction == "inbound").take(QUERIED_MAX);
        let inbound: Vec<Uuid> = inbound.filter_map(|channel| Uuid::try_parse(&channel.uuid).ok()).collect();
        let commands: Vec<_> = inbound.iter().map(|uuid| marks::query_call(&uuid.to_string())).collect();
        let answer = self.queries.query_all(&commands).await?;
        let is_ours = |call: &str| Uuid::try_parse(call).is_ok_and(|call| self.is_ours(call));
        Ok(inbound.into_iter().zip(answer).filter(|(_, call)| is_ours(call)).map(|(uuid, _)| uuid).collect())
    }

    fn is_ours(&self, call: Uuid) -> bool {
        let slave = self.run.parse(call).map(|(slave, _)| slave);
        slave.is_some_and(|slave| self.own.is_none_or(|own| own.contains(&slave)))
    }

    async fn hang_up(&mut self, there: &[Uuid]) -> anyhow::Result<()> {
        let mut commands = vec![marks::hang_up_run(self.run)];
        // Near legs without the variable, and far legs whose near legs are gone.
        commands.extend(there.iter().map(|uuid| format!("uuid_kill {uuid}")));
        self.queries.query_all(&commands).await?;
        Ok(())
    }
}
