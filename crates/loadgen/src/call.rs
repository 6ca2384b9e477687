//! One attempt, from the moment it was sent to its end, with both of its legs. No I/O, no clock: events and instants come
//! in.
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
//! The order of events is not fixed: a job's result may come before the channel's first event or after its last one, and
//! the far leg's events come whenever they do.

mod change;
mod far;

use std::time::Duration;

use esl_core::{Event, EventName, HangupCause};
use tokio::time::Instant;
use uuid::Uuid;

use crate::apps::performance::{Act, Performance};
use crate::apps::script::Side;
use crate::latency::Latency;
use crate::media::Heard;
use crate::outcome::{Outcome, Refusal};
use crate::plan::Placement;
use crate::record::CallRecord;
use crate::recorder::{Labels, Shard};
use crate::text::Context;
use far::Far;

pub use change::{Change, FarChange, Step, Why};

/// How long after a refusal a channel may still show itself: events of one call overtake each other by a delivery's
/// delay, 20 ms, on a server that is not overloaded.
const SETTLE: Duration = Duration::from_millis(250);

/// How long beyond its time-out a call may go on without a sign before it is given up. The server counts whole seconds,
/// and tells late when it is busy.
const RING_GRACE: Duration = Duration::from_secs(4);

/// How long a channel may take to go once it was asked to.
const END_GRACE: Duration = Duration::from_secs(10);

/// How long after its answer a call's job is known to have ended: that of a short call may be told after its last event.
const JOB_GRACE: Duration = Duration::from_secs(1);

/// How long a far leg may stay when the near one is gone. Its last event tells how its audio was.
const FAR_GRACE: Duration = Duration::from_millis(500);

/// An attempt that has not ended.
#[derive(Debug)]
pub struct Call {
    labels: Labels,
    /// How long it may ring, as the server was told.
    timeout: Duration,
    /// How long it lasts from its answer on.
    hold: Duration,
    due: Instant,
    sent: Instant,
    /// It has a channel. When it came is known where its event was seen.
    is_there: bool,
    created: Option<Instant>,
    progressed: Option<Instant>,
    answered: Option<Instant>,
    /// The answer was seen as an event, with its time.
    answer_timed: bool,
    hung_up: Option<Instant>,
    /// It was hung up before this program asked for it.
    hung_up_by_others: bool,
    asked: Option<(Instant, Why)>,
    /// With which cause it is to be hung up.
    cause_asked: HangupCause,
    /// The originate's result.
    job: Option<Result<(), Refusal>>,
    /// A channel that never was one is gone.
    stillborn: bool,
    cause: Option<HangupCause>,
    sip: Option<u16>,
    heard: Option<Heard>,
    far: Option<Box<Far>>,
    /// What became of it, where only its far leg is waited for.
    outcome: Option<Outcome>,
    /// The far leg, which stayed, was asked to go.
    far_asked: bool,
    /// The connection was away during it.
    had_gap: bool,
    /// Its events came in an order in which nothing happens.
    disorderly: bool,
    /// What its app does, where that is more than nothing.
    performance: Option<Box<Performance>>,
    alarm: Instant,
}

impl Call {
    /// A call that was sent then.
    pub fn new(placement: &Placement, timeout: Duration, performance: Option<Performance>, sent: Instant) -> Self {
        Self {
            labels: placement.labels,
            timeout,
            hold: placement.hold,
            due: placement.due,
            sent,
            is_there: false,
            created: None,
            progressed: None,
            answered: None,
            answer_timed: false,
            hung_up: None,
            hung_up_by_others: false,
            asked: None,
            cause_asked: HangupCause::NORMAL_CLEARING,
            job: None,
            stillborn: false,
            cause: None,
            sip: None,
            heard: None,
            far: None,
            outcome: None,
            far_asked: false,
            had_gap: false,
            disorderly: false,
            performance: performance.map(Box::new),
            alarm: sent + timeout + RING_GRACE,
        }
    }

    /// What it counts under.
    pub fn labels(&self) -> Labels {
        self.labels
    }

    /// When [`Call::on_alarm`] is to be called next.
    pub fn alarm(&self) -> Instant {
        // What has ended is played no further.
        let playing = self.performance.as_ref().filter(|_| self.outcome.is_none());
        let performance = playing.and_then(|performance| performance.alarm());
        performance.map_or(self.alarm, |at| at.min(self.alarm))
    }

    /// Whether an event is awaited whose time is measured.
    pub fn awaited(&self) -> bool {
        self.answered.is_none() || self.asked.is_some()
    }

    /// Whether it was answered and nobody saw when: its event was lost.
    pub fn answer_missed(&self) -> bool {
        self.answered.is_some() && !self.answer_timed
    }

    /// What its events left out, or told in an order in which it cannot have happened; where the connection was away, that
    /// is no wonder.
    pub fn oddity(&self, now: Instant) -> Option<&'static str> {
        let answered_for = self.answered.map(|answered| now.saturating_duration_since(answered));
        match () {
            () if self.had_gap => None,
            () if self.disorderly => Some("events_out_of_order"),
            () if self.is_there && self.created.is_none() => Some("creation_missed"),
            // That of a short call may come after its last event.
            () if self.job.is_none() && answered_for.is_some_and(|time| time > JOB_GRACE) => Some("job_never_ended"),
            () => None,
        }
    }

    /// What its app has come to: its results, and where it failed.
    pub fn performance(&self) -> Option<&Performance> {
        self.performance.as_deref()
    }

    /// Whether its app wants to know what happens to its legs.
    pub fn performs(&self) -> bool {
        self.performance.is_some()
    }

    /// The cause with which it is to be hung up.
    pub fn cause_asked(&self) -> HangupCause {
        self.cause_asked
    }

    /// The call as it is written down at its end.
    pub fn record(&self, uuid: Uuid, slave: usize, outcome: Outcome, ended: Instant) -> CallRecord {
        CallRecord {
            uuid,
            slave,
            labels: self.labels,
            outcome,
            cause: self.cause,
            sip: self.sip,
            due: self.due,
            sent: self.sent,
            created: self.created,
            progressed: self.progressed,
            answered: self.answered.filter(|_| self.answer_timed),
            hung_up: self.hung_up,
            ended,
            far: self.far.as_ref().map(|far| far.record),
            heard: self.heard,
            failure: self.performance().and_then(Performance::failure).map(ToString::to_string),
            files: self.performance().map_or_else(Vec::new, |performance| performance.files().to_vec()),
        }
    }

    /// An event of one of its legs, for its app. What is to be done for it goes to `acts`; what the call itself has to do
    /// comes back. To be told before the change that the event is.
    pub fn perform(
        &mut self,
        side: Side,
        event: &Event,
        context: &Context<'_>,
        at: Instant,
        acts: &mut Vec<Act>,
    ) -> Step {
        let context = Context { far: self.far().map(|(leg, _)| leg), ..*context };
        let Some(performance) = self.performance.as_mut().filter(|_| self.outcome.is_none()) else { return Step::Wait };
        let first = acts.len();
        if side == Side::Caller && event.name() == EventName::ChannelAnswer {
            performance.begin(side, &context, at, acts);
        }
        performance.on_event(side, event, &context, at, acts);
        let step = self.performed(first, at, acts);
        // With its last event: what its far leg's server has to tell of the same moment may come a little later.
        let ends = event.name() == EventName::ChannelDestroy;
        if side == Side::Caller && ends && self.answered.is_some() && self.ends_as_planned() {
            self.performance.iter_mut().for_each(|performance| performance.end(&context));
        }
        step
    }

    /// Takes out of its app's acts what the call itself has to do.
    fn performed(&mut self, first: usize, at: Instant, acts: &mut Vec<Act>) -> Step {
        let mut step = Step::Wait;
        let mut index = first;
        while index < acts.len() {
            match acts[index] {
                Act::HangUp { side: Side::Caller, cause } => {
                    acts.remove(index);
                    if let Step::HangUp = self.hang_up(at, Why::Planned) {
                        self.cause_asked = cause;
                        step = Step::HangUp;
                    }
                }
                Act::HangUp { side: Side::Callee, .. } => {
                    self.ends_by_callee(at);
                    index += 1;
                }
                _ => index += 1,
            }
        }
        step
    }

    /// Its far leg ends it, as planned.
    fn ends_by_callee(&mut self, at: Instant) {
        if self.asked.is_none() && self.outcome.is_none() {
            self.asked = Some((at, Why::ByCallee));
            self.alarm = at + END_GRACE;
        }
    }

    /// Something happened to it.
    pub fn on(&mut self, change: Change, at: Instant, shard: &mut Shard) -> Step {
        self.disorderly |= match change {
            Change::Created => self.created.is_none() && (self.answer_timed || self.hung_up.is_some()),
            Change::Answered => self.hung_up.is_some() && !self.answer_timed,
            _ => false,
        };
        match change {
            Change::Created if self.created.is_none() => {
                self.is_there = true;
                self.created = Some(at);
                shard.measured(self.labels, Latency::Originate, at.saturating_duration_since(self.sent));
                if self.far.as_ref().is_some_and(|far| far.record.answered.is_some()) {
                    // Its far leg was there before, by its events.
                    self.time_the_way(shard);
                }
                if self.asked.is_some() {
                    // It was asked to go before it was there, and nobody heard that.
                    return Step::HangUp;
                }
                if self.answered.is_none() {
                    self.alarm = self.sent + self.timeout + RING_GRACE;
                }
                Step::Wait
            }
            Change::Progressed => {
                self.is_there = true;
                self.progress(at, shard);
                Step::Wait
            }
            Change::Answered if !self.answer_timed => {
                self.is_there = true;
                self.answer_timed = true;
                self.progress(at, shard);
                shard.measured(self.labels, Latency::Setup, at.saturating_duration_since(self.due));
                shard.measured(self.labels, Latency::SetupUncorrected, at.saturating_duration_since(self.sent));
                if let Some(far) = self.far.as_ref().and_then(|far| far.record.answered) {
                    shard.measured(self.labels, Latency::AnswerPropagation, at.saturating_duration_since(far));
                }
                self.answer(at, shard);
                Step::Wait
            }
            Change::HungUp if self.hung_up.is_none() => {
                self.is_there = true;
                self.hung_up = Some(at);
                let planned = self.performance().is_some_and(Performance::is_over);
                self.hung_up_by_others = self.asked.is_none() && !planned;
                if let Some(answered) = self.answered.filter(|_| self.answer_timed) {
                    shard.measured(self.labels, Latency::Hold, at.saturating_duration_since(answered));
                }
                Step::Wait
            }
            Change::Gone { cause, sip, heard } => {
                (self.cause, self.sip, self.heard) = (cause, sip, heard.map(|heard| heard.over(self.answered, at)));
                self.gone(at, shard)
            }
            Change::Job(result) => {
                self.job = Some(result);
                match result {
                    Err(reason) if self.stillborn => Step::End(Outcome::Refused(reason)),
                    Err(_) if !self.is_there => self.settle(at),
                    // The answer's own event says when; it may come a little later, or have been lost.
                    Ok(()) if self.answered.is_none() && self.asked.is_none() => self.settle(at),
                    _ => Step::Wait,
                }
            }
            // Told twice.
            Change::Created | Change::Answered | Change::HungUp => Step::Wait,
        }
    }

    /// Its alarm went off: its app's, or its own.
    pub fn on_alarm(&mut self, now: Instant, context: &Context<'_>, shard: &mut Shard, acts: &mut Vec<Act>) -> Step {
        if let Some(performance) = self.performance.as_mut().filter(|_| self.outcome.is_none())
            && performance.alarm().is_some_and(|alarm| alarm <= now)
        {
            let context = Context { far: self.far.as_ref().map(|far| far.record.uuid), ..*context };
            let first = acts.len();
            performance.on_alarm(now, &context, acts);
            match self.performed(first, now, acts) {
                Step::Wait if self.alarm <= now => {}
                step => return step,
            }
        }
        self.on_own_alarm(now, shard)
    }

    fn on_own_alarm(&mut self, now: Instant, shard: &mut Shard) -> Step {
        if let Some(outcome) = self.outcome {
            // Its far leg stayed, or nobody told of its end: once it is asked to go, and then forgotten, since it may be
            // on a server that cannot be reached.
            if std::mem::replace(&mut self.far_asked, true) {
                return Step::End(outcome);
            }
            self.alarm = now + FAR_GRACE;
            return Step::HangUpFar;
        }
        match (self.job, self.asked) {
            (Some(Err(reason)), _) if !self.is_there => Step::End(Outcome::Refused(reason)),
            _ if self.stillborn => Step::End(Outcome::Refused(Refusal::Other)),
            // Its far leg was to end it, and it did not.
            (_, Some((_, Why::ByCallee))) => {
                self.asked = None;
                self.hang_up(now, Why::Planned)
            }
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
        if self.asked.is_some() || self.outcome.is_some() {
            return Step::Wait;
        }
        self.asked = Some((now, why));
        self.alarm = now + END_GRACE;
        Step::HangUp
    }

    /// The connection was away, and the server says that the channel is gone.
    pub fn vanished(&self) -> Step {
        Step::End(self.outcome.unwrap_or(Outcome::Lost))
    }

    /// The connection was away, and the server says that the channel is still there.
    pub fn still_there(&mut self, answered: bool, now: Instant, shard: &mut Shard) -> Step {
        self.is_there = true;
        self.had_gap = true;
        if answered {
            self.answer(now, shard);
        }
        match self.asked {
            Some(_) => Step::HangUp,
            None => Step::Wait,
        }
    }

    fn progress(&mut self, at: Instant, shard: &mut Shard) {
        if self.progressed.is_none() {
            self.progressed = Some(at);
            shard.measured(self.labels, Latency::PostDialDelay, at.saturating_duration_since(self.sent));
        }
    }

    fn answer(&mut self, at: Instant, shard: &mut Shard) {
        if self.answered.is_none() {
            self.answered = Some(at);
            shard.answered(self.labels);
            if self.asked.is_none() {
                self.alarm = at + self.hold;
            }
        }
    }

    fn settle(&mut self, at: Instant) -> Step {
        self.alarm = self.alarm.min(at + SETTLE);
        Step::Wait
    }

    /// Whether its end is what its hold or its app asked for.
    fn ends_as_planned(&self) -> bool {
        let asked = matches!(self.asked, Some((_, Why::Planned | Why::ByCallee)));
        let performance = self.performance();
        !self.hung_up_by_others && (asked || performance.is_some_and(Performance::is_over))
            || performance.is_some_and(Performance::has_seen_its_end)
    }

    fn has_failed(&self) -> bool {
        self.performance().is_some_and(|performance| performance.failure().is_some())
    }

    /// What became of a call that was answered.
    fn end_of_answered(&self) -> Outcome {
        // Its answer was missed, so that the guard, which counts from there, came before the timer here.
        let guarded = self.answer_missed() && self.cause == Some(HangupCause::ALLOTTED_TIMEOUT);
        let stopped = self.asked.is_some() && !self.hung_up_by_others;
        match self.performance().and_then(Performance::failure) {
            // Its answer came when it had been given up.
            _ if matches!(self.asked, Some((_, Why::Overdue))) => Outcome::Lost,
            // What it missed may have happened while the connection was away, or in an event that was lost.
            Some(_) if self.had_gap || self.answer_missed() => Outcome::Lost,
            Some(_) => Outcome::AppFailed,
            None if stopped || guarded || self.ends_as_planned() => Outcome::Completed,
            None => Outcome::Dropped,
        }
    }

    fn gone(&mut self, at: Instant, shard: &mut Shard) -> Step {
        if self.outcome.is_some() {
            return Step::Wait;
        }
        if let Some((asked, _)) = self.asked {
            shard.measured(self.labels, Latency::Teardown, at.saturating_duration_since(asked));
        }
        let outcome = match (self.answered, self.asked) {
            (Some(_), _) => self.end_of_answered(),
            // A step of its far leg failed, so that it was never answered.
            (None, Some((_, Why::Planned))) if !self.had_gap && self.has_failed() => Outcome::AppFailed,
            // Asked before the answer: by who stopped the run, or by a plan.
            (None, Some((_, Why::Stopped | Why::Planned))) => Outcome::Canceled,
            (None, Some((_, Why::ByCallee))) => {
                Outcome::Failed { cause: self.cause.unwrap_or(HangupCause::UNKNOWN), sip: self.sip }
            }
            (None, Some(_)) => Outcome::Lost,
            (None, None) => match (self.cause, self.job) {
                (Some(cause), _) => Outcome::Failed { cause, sip: self.sip },
                _ if self.is_there => Outcome::Failed { cause: HangupCause::UNKNOWN, sip: self.sip },
                (None, Some(Err(reason))) => Outcome::Refused(reason),
                (None, _) => {
                    self.stillborn = true;
                    return self.settle(at);
                }
            },
        };
        self.time_the_way(shard);
        if let (Some(_), Some(heard)) = (self.answered, self.heard) {
            shard.heard(self.labels, heard);
        }
        match &self.far {
            Some(far) if !far.gone => {
                self.outcome = Some(outcome);
                self.alarm = at + FAR_GRACE;
                Step::Wait
            }
            _ => Step::End(outcome),
        }
    }
}

#[cfg(test)]
mod tests;
