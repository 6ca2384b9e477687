//! Hanging up one server's channels of a run, until none is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Runs;
use crate::plan::{RunId, marks};
use crate::server::{Listed, QueryConnection, Server, read_channels};

/// How long it may take: a server that has thousands of channels to end needs seconds.
const HANG_UP_MAX: Duration = Duration::from_secs(30);
/// Calls whose originate is still under way are met by no hang-up, and the list runs behind: only when none was seen for
/// so long is none left.
const QUIET: Duration = Duration::from_secs(1);
/// What a killed run had just placed comes into the list a moment later: it is looked at again before the first hang-up
/// until it has stayed the same for so long, so that all of it is counted.
const SAME: Duration = Duration::from_millis(300);
/// Or for so long.
const SAME_MAX: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How much of an answer that is no list is said, in characters.
const SAID_MAX: usize = 120;
/// Channels that are asked whose they are: more would hold the server up.
const ASKED_MAX: usize = 5000;

/// What was done at one server.
#[derive(Debug, Default)]
pub(super) struct Cleaned {
    pub(super) runs: Vec<OfRun>,
}

/// What was done about one run.
#[derive(Debug)]
pub(super) struct OfRun {
    pub(super) id: RunId,
    /// Channels that were there.
    pub(super) found: usize,
    /// Channels that still are.
    pub(super) left: usize,
    pub(super) took: Duration,
}

/// Hangs up what is of these runs; of calls of these slaves alone where it is said which ones are meant.
pub(super) async fn clean(server: &Server, runs: Runs, own: Option<&[usize]>) -> anyhow::Result<Cleaned> {
    let mut queries = QueryConnection::connect(server).await?;
    let runs_there = match runs {
        Runs::One(run) => vec![(run, 0)],
        Runs::All | Runs::List => runs_of_channels(&mut queries).await?,
    };
    let mut cleaned = Cleaned::default();
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

/// The runs that have channels there, by the variable that only they carry, with how many they have.
async fn runs_of_channels(queries: &mut QueryConnection) -> anyhow::Result<Vec<(RunId, usize)>> {
    let listed = list(queries, "show channels as json").await?;
    let commands: Vec<_> = listed.iter().take(ASKED_MAX).map(|channel| marks::query_run(&channel.uuid)).collect();
    let mut runs: BTreeMap<String, (RunId, usize)> = BTreeMap::new();
    for said in queries.ask_all(&commands).await? {
        if let Ok(run) = said.parse::<RunId>() {
            runs.entry(said).or_insert((run, 0)).1 += 1;
        }
    }
    Ok(runs.into_values().collect())
}

/// # Errors
/// The server cannot be asked, or does not say: that is not the same as that it has no channels.
async fn list(queries: &mut QueryConnection, command: &str) -> anyhow::Result<Vec<Listed>> {
    let said = queries.ask(command).await?;
    read_channels(&said).with_context(|| {
        let said: String = said.trim().chars().take(SAID_MAX).collect();
        format!("\"{command}\" is answered {said:?}, so that nobody knows what is left: log in as one who may do that")
    })
}

struct RunHangup<'a> {
    queries: &'a mut QueryConnection,
    run: RunId,
    /// The slaves whose calls are meant; all without it.
    own: Option<&'a [usize]>,
    /// Every channel of the run that has been seen.
    seen: BTreeSet<Uuid>,
}

impl RunHangup<'_> {
    /// Hangs up again and again until none has been there for a while. Returns how many are left.
    async fn end_all(&mut self, started: Instant) -> anyhow::Result<usize> {
        self.see_all(started).await?;
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
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn see_all(&mut self, started: Instant) -> anyhow::Result<()> {
        let mut same_since = started;
        let mut seen = 0;
        while !self.there().await?.is_empty() && same_since.elapsed() < SAME && started.elapsed() < SAME_MAX {
            if self.seen.len() != seen {
                (seen, same_since) = (self.seen.len(), Instant::now());
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// The run's channels that are there: its calls by their UUIDs, their far legs by the header that came with them.
    async fn there(&mut self) -> anyhow::Result<Vec<Uuid>> {
        let own = list(self.queries, &marks::list_channels(self.run)).await?;
        let mut candidates: Vec<Uuid> = own.iter().filter_map(|channel| Uuid::try_parse(&channel.uuid).ok()).collect();
        // The list finds the text anywhere: only a UUID that begins with it is a call of this run.
        candidates.retain(|uuid| self.is_ours(*uuid));
        candidates.extend(self.far_legs().await?);
        // The list is made from a database that runs behind.
        let commands: Vec<_> = candidates.iter().map(|uuid| format!("uuid_exists {uuid}")).collect();
        let exist = self.queries.ask_all(&commands).await?;
        let there = candidates.into_iter().zip(exist).filter(|(_, exists)| exists == "true").map(|(uuid, _)| uuid);
        let there: Vec<Uuid> = there.collect();
        self.seen.extend(&there);
        Ok(there)
    }

    async fn far_legs(&mut self) -> anyhow::Result<Vec<Uuid>> {
        let listed = list(self.queries, "show channels as json").await?;
        let inbound = listed.iter().filter(|channel| channel.direction == "inbound").take(ASKED_MAX);
        let inbound: Vec<Uuid> = inbound.filter_map(|channel| Uuid::try_parse(&channel.uuid).ok()).collect();
        let commands: Vec<_> = inbound.iter().map(|uuid| marks::query_call(&uuid.to_string())).collect();
        let said = self.queries.ask_all(&commands).await?;
        let is_ours = |call: &str| Uuid::try_parse(call).is_ok_and(|call| self.is_ours(call));
        Ok(inbound.into_iter().zip(said).filter(|(_, call)| is_ours(call)).map(|(uuid, _)| uuid).collect())
    }

    fn is_ours(&self, call: Uuid) -> bool {
        let slave = self.run.parse(call).map(|(slave, _)| slave);
        slave.is_some_and(|slave| self.own.is_none_or(|own| own.contains(&slave)))
    }

    async fn hang_up(&mut self, there: &[Uuid]) -> anyhow::Result<()> {
        let mut commands = vec![marks::hang_up_run(self.run)];
        // Those that do not carry the variable, and far legs whose near ones are gone.
        commands.extend(there.iter().map(|uuid| format!("uuid_kill {uuid}")));
        self.queries.ask_all(&commands).await?;
        Ok(())
    }
}
