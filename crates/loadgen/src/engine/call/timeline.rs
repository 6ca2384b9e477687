//! When what happened to a call's near leg, and the latencies between these instants.

use tokio::time::Instant;

use crate::measure::{Labels, Latency, SlaveRecorder};

/// The instants of a call's near leg, as far as they have been seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    /// When the call was due.
    pub(super) due: Instant,
    /// When its originate was sent.
    pub(super) sent: Instant,
    pub(super) created: Option<Instant>,
    /// The first of ringing, early media and answer.
    pub(super) progressed: Option<Instant>,
    pub(super) answer: Answer,
    pub(super) hung_up: Option<Instant>,
}

/// The answer of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The call has not been answered.
    None,
    /// The job's result or the list of channels said that the call is answered; the event has not arrived.
    Inferred(Instant),
    /// The event arrived, at the instant when the call was first known to be answered.
    Seen(Instant),
}

impl Answer {
    /// Since when the call is known to be answered.
    pub(super) fn known(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Inferred(at) | Self::Seen(at) => Some(at),
        }
    }

    /// When the call was answered, where the event arrived.
    pub(super) fn seen(self) -> Option<Instant> {
        match self {
            Self::Seen(at) => Some(at),
            Self::None | Self::Inferred(_) => None,
        }
    }
}

impl Timeline {
    pub(super) fn new(due: Instant, sent: Instant) -> Self {
        Self { due, sent, created: None, progressed: None, answer: Answer::None, hung_up: None }
    }

    pub(super) fn record_created(&mut self, at: Instant, labels: Labels, recorder: &mut SlaveRecorder) {
        self.created = Some(at);
        recorder.measured(labels, Latency::Originate, at.saturating_duration_since(self.sent));
    }

    /// Records the first sign of progress; later ones change nothing.
    pub(super) fn record_progress(&mut self, at: Instant, labels: Labels, recorder: &mut SlaveRecorder) {
        if self.progressed.is_none() {
            self.progressed = Some(at);
            recorder.measured(labels, Latency::PostDialDelay, at.saturating_duration_since(self.sent));
        }
    }

    /// Records the latencies that end with the answer's event.
    pub(super) fn record_setup(&self, at: Instant, labels: Labels, recorder: &mut SlaveRecorder) {
        recorder.measured(labels, Latency::Setup, at.saturating_duration_since(self.due));
        recorder.measured(labels, Latency::SetupUncorrected, at.saturating_duration_since(self.sent));
    }

    pub(super) fn record_hung_up(&mut self, at: Instant, labels: Labels, recorder: &mut SlaveRecorder) {
        self.hung_up = Some(at);
        if let Some(answered) = self.answer.seen() {
            recorder.measured(labels, Latency::Hold, at.saturating_duration_since(answered));
        }
    }
}
