//! Probe events: one event a second is sent through the server. It measures the delay of events, and tells a silent
//! server from an idle one, on either connection.

use std::time::Duration;

use esl_core::{Command, Error, EventName, Reply};
use tokio::time::Instant;
use tracing::debug;

use super::SlaveTask;
use crate::engine::slave::connection::Purpose;
use crate::plan::marks::{PROBE_EVENT, PROBE_HEADER};

/// How long a server may be silent before the connection is given up. The events of an overloaded server come seconds
/// late.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How long a probe event may take before it counts as lost, and the next one is sent.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// The probe that is under way.
#[derive(Debug, Default)]
pub(super) struct ProbeState {
    sent: u64,
    /// Its number and when it was sent, until its event arrives.
    event: Option<(u64, Instant)>,
    /// When it was sent, until its command is answered.
    reply: Option<Instant>,
    /// When the last event arrived, or the connection was made.
    last_event: Option<Instant>,
}

impl ProbeState {
    /// Whether the arrival of a probe event is awaited.
    pub(super) fn awaited(&self) -> bool {
        self.event.is_some()
    }

    /// Records the arrival of an event.
    pub(super) fn record_event(&mut self, at: Instant) {
        self.last_event = Some(at);
    }

    /// Since when the server has been silent, on either connection.
    fn silent_since(&self) -> Option<Instant> {
        [self.last_event, self.reply].into_iter().flatten().min()
    }
}

impl SlaveTask {
    /// Gives up the connection of a server that has been silent for too long.
    pub(super) fn check_silence(&mut self, now: Instant) {
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
        // Another shard's listener receives it too.
        format!("{}-{}-{}-{probe}", self.plan.run_id, self.plan.shard.index, self.index)
    }

    pub(super) fn probe_answered(&mut self, reply: &Reply) {
        self.probing.reply = None;
        if let Err(refusal) = reply.ok() {
            debug!(slave = self.name, %refusal, "the server refused a probe event");
            self.probing.event = None;
        }
    }

    pub(super) fn probe_arrived(&mut self, id: &str, at: Instant) {
        // A probe that was given up, or another listener's, is ignored.
        if let Some((probe, sent)) = self.probing.event
            && id == self.probe_id(probe)
        {
            self.probing.event = None;
            self.recorder.probed(at.saturating_duration_since(sent), self.shared.is_measuring());
        }
    }

    /// Forgets the probe of the former connection.
    pub(super) fn forget_probe(&mut self) {
        self.probing =
            ProbeState { sent: self.probing.sent, last_event: Some(Instant::now()), ..ProbeState::default() };
    }
}
