//! Finds out after a reconnection what has become of the calls, and at the end whether any channel is left.

use std::collections::BTreeSet;
use std::time::Duration;

use esl_core::{Command, Error, Reply};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::SlaveTask;
use crate::engine::slave::connection::{Incoming, Purpose, SlaveConnection};
use crate::measure::ServerHealth;
use crate::plan::marks;
use crate::server::read_channels;

/// Queries about single calls that are under way at a time: far fewer than a connection queues.
const PIPELINED_MAX: usize = 5000;
/// How long the last look at a server may take.
const SWEEP_MAX: Duration = Duration::from_secs(5);
/// How many looks in a row have to find nothing, where channels may still appear.
const POLLS_MAX: u32 = 3;
/// The pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The attempts of calls of which it is not known whether they still exist.
#[derive(Debug, Default)]
pub(super) struct UnconfirmedCalls {
    calls: BTreeSet<u64>,
    /// The attempts that are still to be queried.
    to_ask: Vec<u64>,
}

impl UnconfirmedCalls {
    /// The fate of a call is known.
    pub(super) fn known(&mut self, attempt: u64) {
        self.calls.remove(&attempt);
    }
}

impl SlaveTask {
    /// Lists the channels of this run on the server. The listener is subscribed already, so that no event is missed in
    /// between.
    pub(super) fn list_channels(&mut self) {
        if !self.is_own() {
            return;
        }
        self.unconfirmed = UnconfirmedCalls { calls: self.calls.attempts().into_iter().collect(), to_ask: Vec::new() };
        let command = marks::list_channels(self.plan.run_id);
        self.send(&Command::api(command), Purpose::Channels);
    }

    /// The attempts of this slave in a list of channels, and whether each is answered.
    fn of_this_slave(&mut self, reply: &Reply) -> Vec<(u64, bool)> {
        let Some(channels) = read_channels(&reply.text()) else {
            warn!(slave = self.name, reply = %reply.text(), "cannot parse the server's list of channels");
            self.anomaly("channels_unreadable");
            return Vec::new();
        };
        let ours = channels.into_iter().filter_map(|channel| {
            let (slave, attempt) = self.plan.run_id.parse(Uuid::try_parse(&channel.uuid).ok()?)?;
            // The server finds the prefix anywhere in a channel's fields, so the UUID has to be checked.
            (slave == self.index).then(|| (attempt, channel.callstate == "ACTIVE"))
        });
        ours.collect()
    }

    pub(super) fn channels_there(&mut self, reply: &Reply) {
        let now = Instant::now();
        for (attempt, answered) in self.of_this_slave(reply) {
            self.unconfirmed.known(attempt);
            let recorder = &mut self.recorder;
            let done = self.calls.with(attempt, |call| call.still_there(answered, now, recorder));
            if done.is_none() {
                self.anomaly("channel_after_end");
                self.hang_up(attempt);
            }
            self.follow(attempt, done);
        }
        // The list is made from a database that lags behind: calls that are not in it are queried one by one.
        self.unconfirmed.to_ask = self.unconfirmed.calls.iter().copied().collect();
        for _ in 0..PIPELINED_MAX {
            self.ask_about_next();
        }
    }

    fn ask_about_next(&mut self) {
        while let Some(attempt) = self.unconfirmed.to_ask.pop() {
            if self.unconfirmed.calls.contains(&attempt) {
                let uuid = self.plan.calls.uuid(self.index, attempt);
                return self.send(&Command::api(format!("uuid_exists {uuid}")), Purpose::Exists(attempt));
            }
        }
    }

    pub(super) fn exists(&mut self, attempt: u64, reply: &Reply) {
        self.ask_about_next();
        if !self.unconfirmed.calls.remove(&attempt) {
            return;
        }
        let (now, recorder) = (Instant::now(), &mut self.recorder);
        let done = match reply.text().as_ref() {
            "true" => self.calls.with(attempt, |call| call.still_there(false, now, recorder)),
            "false" => self.calls.with(attempt, |call| call.vanished()),
            // Without an answer, the call's own deadline ends it.
            _ => return self.anomaly("exists_unanswered"),
        };
        self.follow(attempt, done);
    }

    /// The last look: no channel of this run may stay on the server.
    pub(super) async fn sweep(&mut self) {
        let Some(mut connection) = self.connection.take_if(|_| self.plan.shard.owns(self.index)) else {
            return;
        };
        match timeout(SWEEP_MAX, self.hang_up_leftovers(&mut connection)).await {
            Ok(Ok(left)) => {
                if left > 0 {
                    info!(slave = self.name, left, "hung up leftover channels");
                    self.anomaly("channels_left");
                }
                self.status.channels_left = Some(left);
            }
            Ok(Err(error)) => {
                warn!(slave = self.name, %error, "could not check for leftover channels");
                return self.anomaly("sweep_failed");
            }
            Err(_) => {
                warn!(slave = self.name, "no answer to the check for leftover channels");
                self.anomaly("sweep_failed");
            }
        }
        self.connection = Some(connection);
    }

    async fn hang_up_leftovers(&mut self, connection: &mut SlaveConnection) -> Result<u64, Error> {
        let mut left = 0;
        // Channels of calls that were given up may still appear.
        let mut looks = if self.hanging_up || self.gave_up { POLLS_MAX } else { 1 };
        // Far legs whose end has not been seen, of other slaves' calls too.
        let mut commands: Vec<_> = self.far_legs.known().into_iter().map(|leg| format!("uuid_kill {leg}")).collect();
        while looks > 0 {
            let listed = query_all(connection, &[marks::list_channels(self.plan.run_id)]).await?;
            let ours: Vec<_> = listed.iter().flat_map(|reply| self.of_this_slave(reply)).collect();
            let near = ours.iter().map(|(attempt, _)| self.plan.calls.uuid(self.index, *attempt));
            commands.extend(near.map(|uuid| format!("uuid_kill {uuid}")));
            // Most of them are gone, and the list lags behind.
            let replies = query_all(connection, &commands).await?;
            let hit = replies.iter().filter(|reply| reply.ok().is_ok()).count() as u64;
            left += hit;
            commands.clear();
            looks = if hit > 0 { POLLS_MAX } else { looks - 1 };
            if looks > 0 {
                sleep(POLL_INTERVAL).await;
            }
        }
        let replies = query_all(connection, &["status".to_owned()]).await?;
        self.status.health =
            replies.first().map_or(self.status.health, |replies| ServerHealth::of_status(&replies.text()));
        Ok(left)
    }
}

/// The replies to several commands, in their order, in as few round trips as possible.
async fn query_all(connection: &mut SlaveConnection, commands: &[String]) -> Result<Vec<Reply>, Error> {
    let mut replies = Vec::with_capacity(commands.len());
    for commands in commands.chunks(PIPELINED_MAX) {
        for command in commands {
            connection.send(&Command::api(command.as_str()), Purpose::Sweep)?;
        }
        let all = replies.len() + commands.len();
        while replies.len() < all {
            if let Incoming::Reply(Purpose::Sweep, reply) = connection.next().await? {
                replies.push(reply);
            }
        }
    }
    Ok(replies)
}
