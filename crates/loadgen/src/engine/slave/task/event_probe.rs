//! Probes: an event that is sent through the server once a second. They measure the way of events, and tell a server that
//! is silent, on either connection, from one that has nothing to say.

use std::time::Duration;

use esl_core::{Command, Error, EventName, Reply};
use tokio::time::Instant;
use tracing::debug;

use super::SlaveTask;
use crate::engine::slave::connection::Purpose;
use crate::plan::marks::{PROBE_EVENT, PROBE_HEADER};

/// A server that is silent for so long is taken for gone. Events of an overloaded one come seconds late.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// A probe whose event has not come by then is given up, and the next one is sent: some servers lose events.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// The probe that is under way.
#[derive(Debug, Default)]
pub(super) struct ProbeState {
    sent: u64,
    /// Its number and when it was sent, until its event comes.
    event: Option<(u64, Instant)>,
    /// When it was sent, until its command is answered.
    reply: Option<Instant>,
    /// When an event came last, or the connection was made.
    heard: Option<Instant>,
}

impl ProbeState {
    /// Whether an event is awaited whose time is measured.
    pub(super) fn awaited(&self) -> bool {
        self.event.is_some()
    }

    /// An event came.
    pub(super) fn heard(&mut self, at: Instant) {
        self.heard = Some(at);
    }

    /// Since when the server has been silent, on either connection.
    fn silent_since(&self) -> Option<Instant> {
        [self.heard, self.reply].into_iter().flatten().min()
    }
}

impl SlaveTask {
    /// Whether the server has been silent for too long.
    pub(super) fn look_for_silence(&mut self, now: Instant) {
        let silent = |since| now.saturating_duration_since(since) > SILENCE_MAX;
        if self.connection.is_some() && self.probing.silent_since().is_some_and(silent) {
            self.anomaly("silence");
            self.disconnected(&Error::timed_out("a sign of life", SILENCE_MAX));
        }
    }

    pub(super) async fn send_probe(&mut self) {
        if self.probing.event.is_some_and(|(_, sent)| sent.elapsed() > PROBE_MAX) {
            self.anomaly("probe_lost");
            self.probing.event = None;
        }
        if self.connection.is_none() || self.probing.awaited() || self.probing.reply.is_some() {
            return;
        }
        self.probing.sent += 1;
        let id = self.probe_id(self.probing.sent);
        let headers = [("Event-Subclass", PROBE_EVENT), (PROBE_HEADER, id.as_str())];
        self.send(&Command::SendEvent { name: EventName::Custom, headers: &headers, body: "" }, Purpose::Probe);
        if let Some(connection) = &mut self.connection {
            let flushed = connection.try_flush().await;
            let now = Instant::now();
            (self.probing.event, self.probing.reply) = (Some((self.probing.sent, now)), Some(now));
            if let Err(error) = flushed {
                self.disconnected(&error);
            }
        }
    }

    fn probe_id(&self, probe: u64) -> String {
        // Another shard's listener hears of it too.
        format!("{}-{}-{}-{probe}", self.plan.run_id, self.plan.shard.index, self.index)
    }

    pub(super) fn probe_answered(&mut self, reply: &Reply) {
        self.probing.reply = None;
        if let Err(refusal) = reply.ok() {
            debug!(slave = self.name, %refusal, "the server does not pass probes on");
            self.probing.event = None;
        }
    }

    pub(super) fn probe_arrived(&mut self, id: &str, at: Instant) {
        // One that was given up, or another listener's, is nobody's.
        if let Some((probe, sent)) = self.probing.event
            && id == self.probe_id(probe)
        {
            self.probing.event = None;
            self.recorder.probed(at.saturating_duration_since(sent), self.shared.is_measuring());
        }
    }

    /// A new connection: what was under way went with the old one.
    pub(super) fn forget_probe(&mut self) {
        self.probing = ProbeState { sent: self.probing.sent, heard: Some(Instant::now()), ..ProbeState::default() };
    }
}
