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

use crate::apps::script::Side;
use crate::config::template::Context;
use crate::engine::script_run::{LegCommand, ScriptRun};
use crate::measure::{CallRecord, Labels, Latency, Outcome, Refusal, RtpStats, SlaveRecorder};
use crate::plan::Placement;
use far::Far;

pub use change::{FarLegEvent, HangupReason, NearLegEvent, Transition};

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
    channel_seen: bool,
    created: Option<Instant>,
    progressed: Option<Instant>,
    answered: Option<Instant>,
    /// The answer was seen as an event, with its time.
    answer_timed: bool,
    hung_up: Option<Instant>,
    /// It was hung up before this program asked for it.
    hung_up_by_others: bool,
    asked: Option<(Instant, HangupReason)>,
    /// With which cause it is to be hung up.
    cause_asked: HangupCause,
    /// The originate's result.
    job: Option<Result<(), Refusal>>,
    /// A channel that never was one is gone.
    destroyed_unseen: bool,
    cause: Option<HangupCause>,
    sip: Option<u16>,
    rtp: Option<RtpStats>,
    far: Option<Box<Far>>,
    /// What became of it, where only its far leg is waited for.
    outcome: Option<Outcome>,
    /// The far leg, which stayed, was asked to go.
    far_asked: bool,
    /// The connection was away during it.
    had_gap: bool,
    /// Its events came in an order in which nothing happens.
    out_of_order: bool,
    /// What its app does, where that is more than nothing.
    script_run: Option<Box<ScriptRun>>,
    next_deadline: Instant,
}

impl Call {
    /// A call that was sent then.
    pub fn new(placement: &Placement, timeout: Duration, script_run: Option<ScriptRun>, sent: Instant) -> Self {
        Self {
            labels: placement.labels,
            timeout,
            hold: placement.hold,
            due: placement.due,
            sent,
            channel_seen: false,
            created: None,
            progressed: None,
            answered: None,
            answer_timed: false,
            hung_up: None,
            hung_up_by_others: false,
            asked: None,
            cause_asked: HangupCause::NORMAL_CLEARING,
            job: None,
            destroyed_unseen: false,
            cause: None,
            sip: None,
            rtp: None,
            far: None,
            outcome: None,
            far_asked: false,
            had_gap: false,
            out_of_order: false,
            script_run: script_run.map(Box::new),
            next_deadline: sent + timeout + RING_GRACE,
        }
    }

    /// What it counts under.
    pub fn labels(&self) -> Labels {
        self.labels
    }

    /// When [`Call::on_deadline`] is to be called next.
    pub fn next_deadline(&self) -> Instant {
        // What has ended is played no further.
        let playing = self.script_run.as_ref().filter(|_| self.outcome.is_none());
        let script_run = playing.and_then(|script_run| script_run.next_deadline());
        script_run.map_or(self.next_deadline, |at| at.min(self.next_deadline))
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
    pub fn anomaly(&self, now: Instant) -> Option<&'static str> {
        let answered_for = self.answered.map(|answered| now.saturating_duration_since(answered));
        match () {
            () if self.had_gap => None,
            () if self.out_of_order => Some("events_out_of_order"),
            () if self.channel_seen && self.created.is_none() => Some("creation_missed"),
            // That of a short call may come after its last event.
            () if self.job.is_none() && answered_for.is_some_and(|time| time > JOB_GRACE) => Some("job_never_ended"),
            () => None,
        }
    }

    /// What its app has come to: its results, and where it failed.
    pub fn script_run(&self) -> Option<&ScriptRun> {
        self.script_run.as_deref()
    }

    /// Whether its app wants to know what happens to its legs.
    pub fn has_script(&self) -> bool {
        self.script_run.is_some()
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
            rtp: self.rtp,
            failure: self.script_run().and_then(ScriptRun::failure).map(ToString::to_string),
            files: self.script_run().map_or_else(Vec::new, |script_run| script_run.files().to_vec()),
        }
    }

    /// An event of one of its legs, for its app. What is to be done for it goes to `leg_commands`; what the call itself has to do
    /// comes back. To be told before the change that the event is.
    pub fn on_app_event(
        &mut self,
        side: Side,
        event: &Event,
        context: &Context<'_>,
        at: Instant,
        leg_commands: &mut Vec<LegCommand>,
    ) -> Transition {
        let context = Context { far: self.far().map(|(leg, _)| leg), ..*context };
        let Some(script_run) = self.script_run.as_mut().filter(|_| self.outcome.is_none()) else {
            return Transition::Wait;
        };
        let first = leg_commands.len();
        if side == Side::Caller && event.name() == EventName::ChannelAnswer {
            script_run.begin(side, &context, at, leg_commands);
        }
        script_run.on_event(side, event, &context, at, leg_commands);
        let transition = self.take_near_hangup(first, at, leg_commands);
        // With its last event: what its far leg's server has to tell of the same moment may come a little later.
        let ends = event.name() == EventName::ChannelDestroy;
        if side == Side::Caller && ends && self.answered.is_some() && self.ends_as_planned() {
            self.script_run.iter_mut().for_each(|script_run| script_run.end(&context));
        }
        transition
    }

    /// Takes out of its app's acts what the call itself has to do.
    fn take_near_hangup(&mut self, first: usize, at: Instant, leg_commands: &mut Vec<LegCommand>) -> Transition {
        let mut transition = Transition::Wait;
        let mut index = first;
        while index < leg_commands.len() {
            match leg_commands[index] {
                LegCommand::HangUp { side: Side::Caller, cause } => {
                    leg_commands.remove(index);
                    if let Transition::HangUp = self.hang_up(at, HangupReason::Planned) {
                        self.cause_asked = cause;
                        transition = Transition::HangUp;
                    }
                }
                LegCommand::HangUp { side: Side::Callee, .. } => {
                    self.ends_by_callee(at);
                    index += 1;
                }
                _ => index += 1,
            }
        }
        transition
    }

    /// Its far leg ends it, as planned.
    fn ends_by_callee(&mut self, at: Instant) {
        if self.asked.is_none() && self.outcome.is_none() {
            self.asked = Some((at, HangupReason::ByCallee));
            self.next_deadline = at + END_GRACE;
        }
    }

    /// Something happened to it.
    pub fn on(&mut self, change: NearLegEvent, at: Instant, recorder: &mut SlaveRecorder) -> Transition {
        self.out_of_order |= match change {
            NearLegEvent::Created => self.created.is_none() && (self.answer_timed || self.hung_up.is_some()),
            NearLegEvent::Answered => self.hung_up.is_some() && !self.answer_timed,
            _ => false,
        };
        match change {
            NearLegEvent::Created if self.created.is_none() => {
                self.channel_seen = true;
                self.created = Some(at);
                recorder.measured(self.labels, Latency::Originate, at.saturating_duration_since(self.sent));
                if self.far.as_ref().is_some_and(|far| far.record.answered.is_some()) {
                    // Its far leg was there before, by its events.
                    self.record_invite_latency(recorder);
                }
                if self.asked.is_some() {
                    // It was asked to go before it was there, and nobody heard that.
                    return Transition::HangUp;
                }
                if self.answered.is_none() {
                    self.next_deadline = self.sent + self.timeout + RING_GRACE;
                }
                Transition::Wait
            }
            NearLegEvent::Progressed => {
                self.channel_seen = true;
                self.progress(at, recorder);
                Transition::Wait
            }
            NearLegEvent::Answered if !self.answer_timed => {
                self.channel_seen = true;
                self.answer_timed = true;
                self.progress(at, recorder);
                recorder.measured(self.labels, Latency::Setup, at.saturating_duration_since(self.due));
                recorder.measured(self.labels, Latency::SetupUncorrected, at.saturating_duration_since(self.sent));
                if let Some(far) = self.far.as_ref().and_then(|far| far.record.answered) {
                    recorder.measured(self.labels, Latency::AnswerPropagation, at.saturating_duration_since(far));
                }
                self.answer(at, recorder);
                Transition::Wait
            }
            NearLegEvent::HungUp if self.hung_up.is_none() => {
                self.channel_seen = true;
                self.hung_up = Some(at);
                let planned = self.script_run().is_some_and(ScriptRun::is_over);
                self.hung_up_by_others = self.asked.is_none() && !planned;
                if let Some(answered) = self.answered.filter(|_| self.answer_timed) {
                    recorder.measured(self.labels, Latency::Hold, at.saturating_duration_since(answered));
                }
                Transition::Wait
            }
            NearLegEvent::Gone { cause, sip, rtp } => {
                (self.cause, self.sip, self.rtp) = (cause, sip, rtp.map(|rtp| rtp.over(self.answered, at)));
                self.gone(at, recorder)
            }
            NearLegEvent::Job(result) => {
                self.job = Some(result);
                match result {
                    Err(reason) if self.destroyed_unseen => Transition::End(Outcome::Refused(reason)),
                    Err(_) if !self.channel_seen => self.settle(at),
                    // The answer's own event says when; it may come a little later, or have been lost.
                    Ok(()) if self.answered.is_none() && self.asked.is_none() => self.settle(at),
                    _ => Transition::Wait,
                }
            }
            // Told twice.
            NearLegEvent::Created | NearLegEvent::Answered | NearLegEvent::HungUp => Transition::Wait,
        }
    }

    /// Its alarm went off: its app's, or its own.
    pub fn on_deadline(
        &mut self,
        now: Instant,
        context: &Context<'_>,
        recorder: &mut SlaveRecorder,
        leg_commands: &mut Vec<LegCommand>,
    ) -> Transition {
        if let Some(script_run) = self.script_run.as_mut().filter(|_| self.outcome.is_none())
            && script_run.next_deadline().is_some_and(|next_deadline| next_deadline <= now)
        {
            let context = Context { far: self.far.as_ref().map(|far| far.record.uuid), ..*context };
            let first = leg_commands.len();
            script_run.on_deadline(now, &context, leg_commands);
            match self.take_near_hangup(first, now, leg_commands) {
                Transition::Wait if self.next_deadline <= now => {}
                transition => return transition,
            }
        }
        self.on_own_deadline(now, recorder)
    }

    fn on_own_deadline(&mut self, now: Instant, recorder: &mut SlaveRecorder) -> Transition {
        if let Some(outcome) = self.outcome {
            // Its far leg stayed, or nobody told of its end: once it is asked to go, and then forgotten, since it may be
            // on a server that cannot be reached.
            if std::mem::replace(&mut self.far_asked, true) {
                return Transition::End(outcome);
            }
            self.next_deadline = now + FAR_GRACE;
            return Transition::HangUpFar;
        }
        match (self.job, self.asked) {
            (Some(Err(reason)), _) if !self.channel_seen => Transition::End(Outcome::Refused(reason)),
            _ if self.destroyed_unseen => Transition::End(Outcome::Refused(Refusal::Other)),
            // Its far leg was to end it, and it did not.
            (_, Some((_, HangupReason::ByCallee))) => {
                self.asked = None;
                self.hang_up(now, HangupReason::Planned)
            }
            (_, Some(_)) => Transition::End(Outcome::Lost),
            _ if self.answered.is_some() => self.hang_up(now, HangupReason::Planned),
            (Some(Ok(())), None) => {
                self.answer(now, recorder);
                Transition::Wait
            }
            _ => self.hang_up(now, HangupReason::Overdue),
        }
    }

    /// It is to go.
    pub fn hang_up(&mut self, now: Instant, why: HangupReason) -> Transition {
        if self.asked.is_some() || self.outcome.is_some() {
            return Transition::Wait;
        }
        self.asked = Some((now, why));
        self.next_deadline = now + END_GRACE;
        Transition::HangUp
    }

    /// The connection was away, and the server says that the channel is gone.
    pub fn vanished(&self) -> Transition {
        Transition::End(self.outcome.unwrap_or(Outcome::Lost))
    }

    /// The connection was away, and the server says that the channel is still there.
    pub fn still_there(&mut self, answered: bool, now: Instant, recorder: &mut SlaveRecorder) -> Transition {
        self.channel_seen = true;
        self.had_gap = true;
        if answered {
            self.answer(now, recorder);
        }
        match self.asked {
            Some(_) => Transition::HangUp,
            None => Transition::Wait,
        }
    }

    fn progress(&mut self, at: Instant, recorder: &mut SlaveRecorder) {
        if self.progressed.is_none() {
            self.progressed = Some(at);
            recorder.measured(self.labels, Latency::PostDialDelay, at.saturating_duration_since(self.sent));
        }
    }

    fn answer(&mut self, at: Instant, recorder: &mut SlaveRecorder) {
        if self.answered.is_none() {
            self.answered = Some(at);
            recorder.answered(self.labels);
            if self.asked.is_none() {
                self.next_deadline = at + self.hold;
            }
        }
    }

    fn settle(&mut self, at: Instant) -> Transition {
        self.next_deadline = self.next_deadline.min(at + SETTLE);
        Transition::Wait
    }

    /// Whether its end is what its hold or its app asked for.
    fn ends_as_planned(&self) -> bool {
        let asked = matches!(self.asked, Some((_, HangupReason::Planned | HangupReason::ByCallee)));
        let script_run = self.script_run();
        !self.hung_up_by_others && (asked || script_run.is_some_and(ScriptRun::is_over))
            || script_run.is_some_and(ScriptRun::has_seen_its_end)
    }

    fn has_failed(&self) -> bool {
        self.script_run().is_some_and(|script_run| script_run.failure().is_some())
    }

    /// What became of a call that was answered.
    fn end_of_answered(&self) -> Outcome {
        // Its answer was missed, so that the guard, which counts from there, came before the timer here.
        let guarded = self.answer_missed() && self.cause == Some(HangupCause::ALLOTTED_TIMEOUT);
        let stopped = self.asked.is_some() && !self.hung_up_by_others;
        match self.script_run().and_then(ScriptRun::failure) {
            // Its answer came when it had been given up.
            _ if matches!(self.asked, Some((_, HangupReason::Overdue))) => Outcome::Lost,
            // What it missed may have happened while the connection was away, or in an event that was lost.
            Some(_) if self.had_gap || self.answer_missed() => Outcome::Lost,
            Some(_) => Outcome::AppFailed,
            None if stopped || guarded || self.ends_as_planned() => Outcome::Completed,
            None => Outcome::Dropped,
        }
    }

    fn gone(&mut self, at: Instant, recorder: &mut SlaveRecorder) -> Transition {
        if self.outcome.is_some() {
            return Transition::Wait;
        }
        if let Some((asked, _)) = self.asked {
            recorder.measured(self.labels, Latency::Teardown, at.saturating_duration_since(asked));
        }
        let outcome = match (self.answered, self.asked) {
            (Some(_), _) => self.end_of_answered(),
            // A step of its far leg failed, so that it was never answered.
            (None, Some((_, HangupReason::Planned))) if !self.had_gap && self.has_failed() => Outcome::AppFailed,
            // Asked before the answer: by who stopped the run, or by a plan.
            (None, Some((_, HangupReason::Stopped | HangupReason::Planned))) => Outcome::Canceled,
            (None, Some((_, HangupReason::ByCallee))) => {
                Outcome::Failed { cause: self.cause.unwrap_or(HangupCause::UNKNOWN), sip: self.sip }
            }
            (None, Some(_)) => Outcome::Lost,
            (None, None) => match (self.cause, self.job) {
                (Some(cause), _) => Outcome::Failed { cause, sip: self.sip },
                _ if self.channel_seen => Outcome::Failed { cause: HangupCause::UNKNOWN, sip: self.sip },
                (None, Some(Err(reason))) => Outcome::Refused(reason),
                (None, _) => {
                    self.destroyed_unseen = true;
                    return self.settle(at);
                }
            },
        };
        self.record_invite_latency(recorder);
        if let (Some(_), Some(rtp)) = (self.answered, self.rtp) {
            recorder.rtp(self.labels, rtp);
        }
        match &self.far {
            Some(far) if !far.gone => {
                self.outcome = Some(outcome);
                self.next_deadline = at + FAR_GRACE;
                Transition::Wait
            }
            _ => Transition::End(outcome),
        }
    }
}

#[cfg(test)]
mod tests;
