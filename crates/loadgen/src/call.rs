//! One attempt, from the moment it was sent to its end. No I/O, no clock: events and instants come in.
//!
//! ```text
//!            Created      Answered       hold is over
//!   sent ───────────► up ───────────► answered ───────────► hanging up ───► Gone: completed
//!    │                │                  │                     │
//!    │ Job(-ERR)      │ Gone             │ Gone                └─ nothing for too long: lost
//!    ▼                ▼                  ▼
//!   refused         failed            dropped
//! ```
//!
//! The order of events is not fixed: a job's result may come before the channel's first event or after its last one.

use std::time::Duration;

use esl_core::HangupCause;
use tokio::time::Instant;

use crate::latency::Latency;
use crate::outcome::{Outcome, Refusal};
use crate::recorder::Shard;

/// How long after a refusal a channel may still show itself: events of one call overtake each other by a delivery's
/// delay, 20 ms, on a server that is not overloaded.
const SETTLE: Duration = Duration::from_millis(250);

/// How long beyond its time-out a call may go on without a sign before it is given up. The server counts whole seconds,
/// and tells late when it is busy.
const RING_GRACE: Duration = Duration::from_secs(4);

/// How long a channel may take to go once it was asked to.
const END_GRACE: Duration = Duration::from_secs(10);

/// What a call was planned to do.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long it may ring, as the server was told.
    pub timeout: Duration,
    /// How long it lasts from its answer on.
    pub hold: Duration,
}

/// What an event says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its channel is there.
    Created,
    /// It rings, or has early media.
    Progressed,
    /// It is answered.
    Answered,
    /// It is hung up.
    HungUp,
    /// Its channel is gone. A channel that never was one has no cause.
    Gone {
        /// Why.
        cause: Option<HangupCause>,
        /// The final SIP status.
        sip: Option<u16>,
    },
    /// The originate's result.
    Job(Result<(), Refusal>),
}

/// Why this program hangs a call up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its hold time is over.
    Planned,
    /// The run is stopped.
    Stopped,
    /// It gave no sign for too long.
    Overdue,
}

/// What is to be done about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing but wait.
    Wait,
    /// Hang it up on the server.
    HangUp,
    /// It has ended.
    End(Outcome),
}

/// An attempt that has not ended.
#[derive(Debug)]
pub struct Call {
    app: usize,
    terms: Terms,
    due: Instant,
    sent: Instant,
    created: bool,
    progressed: bool,
    answered: Option<Instant>,
    /// The answer was seen as an event, with its time.
    answer_timed: bool,
    hung_up: bool,
    /// It was hung up before this program asked for it.
    hung_up_by_others: bool,
    asked: Option<(Instant, Why)>,
    /// The originate's result.
    job: Option<Result<(), Refusal>>,
    /// A channel that never was one is gone.
    stillborn: bool,
    alarm: Instant,
}

impl Call {
    /// A call that was due then and sent then.
    pub fn new(app: usize, terms: Terms, due: Instant, sent: Instant) -> Self {
        Self {
            app,
            terms,
            due,
            sent,
            created: false,
            progressed: false,
            answered: None,
            answer_timed: false,
            hung_up: false,
            hung_up_by_others: false,
            asked: None,
            job: None,
            stillborn: false,
            alarm: sent + terms.timeout + RING_GRACE,
        }
    }

    /// Which app it runs.
    pub fn app(&self) -> usize {
        self.app
    }

    /// When [`Call::on_alarm`] is to be called next.
    pub fn alarm(&self) -> Instant {
        self.alarm
    }

    /// Whether an event is awaited whose time is measured.
    pub fn awaited(&self) -> bool {
        self.answered.is_none() || self.asked.is_some()
    }

    /// Whether it was answered and nobody saw when: its event was lost.
    pub fn answer_missed(&self) -> bool {
        self.answered.is_some() && !self.answer_timed
    }

    /// Something happened to it.
    pub fn on(&mut self, change: Change, at: Instant, shard: &mut Shard) -> Step {
        match change {
            Change::Created if !self.created => {
                self.created = true;
                shard.measured(self.app, Latency::Originate, at.saturating_duration_since(self.sent));
                if self.asked.is_some() {
                    // It was asked to go before it was there, and nobody heard that.
                    return Step::HangUp;
                }
                if self.answered.is_none() {
                    self.alarm = self.sent + self.terms.timeout + RING_GRACE;
                }
                Step::Wait
            }
            Change::Progressed => {
                self.created = true;
                self.progress(at, shard);
                Step::Wait
            }
            Change::Answered if !self.answer_timed => {
                self.created = true;
                self.answer_timed = true;
                self.progress(at, shard);
                shard.measured(self.app, Latency::Setup, at.saturating_duration_since(self.due));
                shard.measured(self.app, Latency::SetupUncorrected, at.saturating_duration_since(self.sent));
                self.answer(at, shard);
                Step::Wait
            }
            Change::HungUp if !self.hung_up => {
                self.created = true;
                self.hung_up = true;
                self.hung_up_by_others = self.asked.is_none();
                if let Some(answered) = self.answered.filter(|_| self.answer_timed) {
                    shard.measured(self.app, Latency::Hold, at.saturating_duration_since(answered));
                }
                Step::Wait
            }
            Change::Gone { cause, sip } => self.gone(cause, sip, at, shard),
            Change::Job(result) => {
                self.job = Some(result);
                match result {
                    Err(reason) if self.stillborn => Step::End(Outcome::Refused(reason)),
                    Err(_) if !self.created => self.settle(at),
                    // The answer's own event says when; it may come a little later, or have been lost.
                    Ok(()) if self.answered.is_none() && self.asked.is_none() => self.settle(at),
                    _ => Step::Wait,
                }
            }
            // Told twice.
            Change::Created | Change::Answered | Change::HungUp => Step::Wait,
        }
    }

    /// Its alarm went off.
    pub fn on_alarm(&mut self, now: Instant, shard: &mut Shard) -> Step {
        match (self.job, self.asked) {
            (Some(Err(reason)), _) if !self.created => Step::End(Outcome::Refused(reason)),
            _ if self.stillborn => Step::End(Outcome::Refused(Refusal::Other)),
            (_, Some(_)) => Step::End(Outcome::Lost),
            _ if self.answered.is_some() => self.hang_up(now, Why::Planned),
            (Some(Ok(())), None) => {
                self.answer(now, shard);
                Step::Wait
            }
            _ => self.hang_up(now, Why::Overdue),
        }
    }

    /// It is to go.
    pub fn hang_up(&mut self, now: Instant, why: Why) -> Step {
        if self.asked.is_some() {
            return Step::Wait;
        }
        self.asked = Some((now, why));
        self.alarm = now + END_GRACE;
        Step::HangUp
    }

    /// The connection was away, and the server says that the channel is still there.
    pub fn still_there(&mut self, answered: bool, now: Instant, shard: &mut Shard) -> Step {
        self.created = true;
        if answered {
            self.answer(now, shard);
        }
        match self.asked {
            Some(_) => Step::HangUp,
            None => Step::Wait,
        }
    }

    fn progress(&mut self, at: Instant, shard: &mut Shard) {
        if !self.progressed {
            self.progressed = true;
            shard.measured(self.app, Latency::PostDialDelay, at.saturating_duration_since(self.sent));
        }
    }

    fn answer(&mut self, at: Instant, shard: &mut Shard) {
        if self.answered.is_none() {
            self.answered = Some(at);
            shard.answered(self.app);
            if self.asked.is_none() {
                self.alarm = at + self.terms.hold;
            }
        }
    }

    fn settle(&mut self, at: Instant) -> Step {
        self.alarm = self.alarm.min(at + SETTLE);
        Step::Wait
    }

    fn gone(&mut self, cause: Option<HangupCause>, sip: Option<u16>, at: Instant, shard: &mut Shard) -> Step {
        if let Some((asked, _)) = self.asked {
            shard.measured(self.app, Latency::Teardown, at.saturating_duration_since(asked));
        }
        let outcome = match (self.answered, self.asked) {
            (Some(_), Some(_)) if !self.hung_up_by_others => Outcome::Completed,
            // Its answer was missed, so that the guard, which counts from there, came before the timer here.
            (Some(_), _) if self.answer_missed() && cause == Some(HangupCause::ALLOTTED_TIMEOUT) => Outcome::Completed,
            (Some(_), _) => Outcome::Dropped,
            (None, Some((_, Why::Stopped))) => Outcome::Canceled,
            (None, Some(_)) => Outcome::Lost,
            (None, None) => match (cause, self.job) {
                (Some(cause), _) => Outcome::Failed { cause, sip },
                _ if self.created => Outcome::Failed { cause: HangupCause::UNKNOWN, sip },
                (None, Some(Err(reason))) => Outcome::Refused(reason),
                (None, _) => {
                    self.stillborn = true;
                    return self.settle(at);
                }
            },
        };
        Step::End(outcome)
    }
}

#[cfg(test)]
mod tests;
