//! The states of a call, and what each event does in each of them.

use esl_core::HangupCause;
use tokio::time::Instant;

use super::timeline::Answer;
use super::{Call, END_GRACE, FAR_GRACE, HangupReason, NearLegEvent, RING_GRACE, SETTLE, Transition};
use crate::measure::{Latency, Outcome, Refusal, SlaveRecorder};

/// Where a call is in its life, see the drawing in [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The originate was sent; no event of the channel has arrived.
    Dialing,
    /// The channel exists and is not answered.
    Ringing,
    /// The call is answered, and its hold time is running.
    Answered,
    /// A hangup was sent, or the far leg is about to hang up.
    HangingUp {
        why: HangupReason,
        since: Instant,
        /// How far the call had come.
        reached: Reached,
    },
    /// The channel was destroyed before any other event of it arrived. The originate's result tells a refusal from
    /// events that were lost.
    DestroyedUnseen,
    /// The near leg has ended with this outcome; the far leg's last event has not arrived.
    AwaitingFarLeg { outcome: Outcome, hangup_sent: bool },
}

/// How far a call had come when it was to be hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    Nothing,
    Channel,
    Answer,
}

impl State {
    /// The state of a call of which an event has shown that it has come this far.
    fn at_least(self, reached: Reached) -> Self {
        match (self, reached) {
            (Self::Dialing, Reached::Channel) => Self::Ringing,
            (Self::Dialing | Self::Ringing, Reached::Answer) => Self::Answered,
            (Self::HangingUp { why, since, reached: before }, _) => {
                Self::HangingUp { why, since, reached: before.max(reached) }
            }
            _ => self,
        }
    }

    pub(super) fn is_hanging_up(self) -> bool {
        matches!(self, Self::HangingUp { .. })
    }

    pub(super) fn is_awaiting_far_leg(self) -> bool {
        matches!(self, Self::AwaitingFarLeg { .. })
    }
}

impl Call {
    /// Applies an event of the near leg.
    pub fn on(&mut self, event: NearLegEvent, at: Instant, recorder: &mut SlaveRecorder) -> Transition {
        if let NearLegEvent::Job(result) = event {
            self.job = Some(result);
        }
        match (self.state, event) {
            // The near leg has ended: what arrives now was overtaken.
            (State::AwaitingFarLeg { .. }, _) => Transition::Wait,
            (State::DestroyedUnseen, NearLegEvent::Job(Err(reason))) => Transition::End(Outcome::Refused(reason)),
            (State::DestroyedUnseen, NearLegEvent::Gone { .. }) => self.on_gone(event, at, recorder),
            (State::DestroyedUnseen, _) => Transition::Wait,
            (_, NearLegEvent::Created) => self.on_created(at, recorder),
            (_, NearLegEvent::Progressed) => {
                self.state = self.state.at_least(Reached::Channel);
                self.timeline.record_progress(at, self.labels, recorder);
                Transition::Wait
            }
            (_, NearLegEvent::Answered) => self.on_answered(at, recorder),
            (_, NearLegEvent::HungUp) => self.on_hung_up(at, recorder),
            (_, NearLegEvent::Gone { .. }) => self.on_gone(event, at, recorder),
            // The channel's first event may follow its refusal.
            (State::Dialing | State::HangingUp { reached: Reached::Nothing, .. }, NearLegEvent::Job(Err(_))) => {
                self.settle(at)
            }
            // The answer's own event has the time; it may follow, or have been lost.
            (State::Dialing | State::Ringing, NearLegEvent::Job(Ok(()))) => self.settle(at),
            (State::Ringing | State::Answered | State::HangingUp { .. }, NearLegEvent::Job(_)) => Transition::Wait,
        }
    }

    /// Hangs up the call, unless it is being hung up already.
    pub fn hang_up(&mut self, now: Instant, why: HangupReason) -> Transition {
        let reached = match self.state {
            State::Dialing => Reached::Nothing,
            State::Ringing => Reached::Channel,
            State::Answered => Reached::Answer,
            State::HangingUp { .. } | State::DestroyedUnseen | State::AwaitingFarLeg { .. } => return Transition::Wait,
        };
        self.state = State::HangingUp { why, since: now, reached };
        self.deadline = now + END_GRACE;
        Transition::HangUp
    }

    /// The call's own deadline has passed.
    pub(super) fn on_own_deadline(&mut self, now: Instant, recorder: &mut SlaveRecorder) -> Transition {
        match (self.state, self.job) {
            (State::AwaitingFarLeg { outcome, hangup_sent: true }, _) => Transition::End(outcome),
            (State::AwaitingFarLeg { outcome, hangup_sent: false }, _) => {
                // The far leg may be on a server that cannot be reached, so it is hung up once and then forgotten.
                self.state = State::AwaitingFarLeg { outcome, hangup_sent: true };
                self.deadline = now + FAR_GRACE;
                Transition::HangUpFarLeg
            }
            (State::DestroyedUnseen, _) => Transition::End(Outcome::Refused(Refusal::Other)),
            (State::Dialing | State::HangingUp { reached: Reached::Nothing, .. }, Some(Err(reason))) => {
                Transition::End(Outcome::Refused(reason))
            }
            // The far leg was to end the call, and did not.
            (State::HangingUp { why: HangupReason::ByCallee, reached, .. }, _) => {
                self.state = State::HangingUp { why: HangupReason::Planned, since: now, reached };
                self.deadline = now + END_GRACE;
                Transition::HangUp
            }
            (State::HangingUp { .. }, _) => Transition::End(Outcome::Lost),
            (State::Answered, _) => self.hang_up(now, HangupReason::Planned),
            (State::Dialing | State::Ringing, Some(Ok(()))) => {
                self.answer(Answer::Inferred(now), now, recorder);
                Transition::Wait
            }
            (State::Dialing | State::Ringing, _) => self.hang_up(now, HangupReason::Overdue),
        }
    }

    /// The server has no such channel any more, as was found after the connection had been away.
    pub fn vanished(&self) -> Transition {
        match self.state {
            State::AwaitingFarLeg { outcome, .. } => Transition::End(outcome),
            _ => Transition::End(Outcome::Lost),
        }
    }

    /// The server still has the channel, as was found after the connection had been away.
    pub fn still_there(&mut self, answered: bool, now: Instant, recorder: &mut SlaveRecorder) -> Transition {
        self.anomalies.gap = true;
        self.state = self.state.at_least(Reached::Channel);
        if answered && self.timeline.answer == Answer::None {
            self.answer(Answer::Inferred(now), now, recorder);
        }
        if self.state.is_hanging_up() { Transition::HangUp } else { Transition::Wait }
    }

    fn on_created(&mut self, at: Instant, recorder: &mut SlaveRecorder) -> Transition {
        if self.timeline.created.is_some() {
            return Transition::Wait;
        }
        self.anomalies.out_of_order |= self.timeline.answer.seen().is_some() || self.timeline.hung_up.is_some();
        self.state = self.state.at_least(Reached::Channel);
        self.timeline.record_created(at, self.labels, recorder);
        if self.far_leg.as_ref().is_some_and(|far| far.record.answered.is_some()) {
            self.record_invite_latency(recorder);
        }
        match self.state {
            // The hangup was sent before the channel existed.
            State::HangingUp { .. } => Transition::HangUp,
            State::Ringing => {
                self.deadline = self.timeline.sent + self.timeout + RING_GRACE;
                Transition::Wait
            }
            _ => Transition::Wait,
        }
    }

    fn on_answered(&mut self, at: Instant, recorder: &mut SlaveRecorder) -> Transition {
        if self.timeline.answer.seen().is_some() {
            return Transition::Wait;
        }
        self.anomalies.out_of_order |= self.timeline.hung_up.is_some();
        self.timeline.record_progress(at, self.labels, recorder);
        self.timeline.record_setup(at, self.labels, recorder);
        if let Some(far) = self.far_leg.as_ref().and_then(|far| far.record.answered) {
            recorder.measured(self.labels, Latency::AnswerPropagation, at.saturating_duration_since(far));
        }
        match self.timeline.answer.known() {
            Some(known) => self.timeline.answer = Answer::Seen(known),
            None => self.answer(Answer::Seen(at), at, recorder),
        }
        Transition::Wait
    }

    fn on_hung_up(&mut self, at: Instant, recorder: &mut SlaveRecorder) -> Transition {
        if self.timeline.hung_up.is_none() {
            self.state = self.state.at_least(Reached::Channel);
            self.hung_up_by_peer = !self.state.is_hanging_up() && !self.script_is_over();
            self.timeline.record_hung_up(at, self.labels, recorder);
        }
        Transition::Wait
    }

    fn on_gone(&mut self, event: NearLegEvent, at: Instant, recorder: &mut SlaveRecorder) -> Transition {
        let NearLegEvent::Gone { cause, sip, rtp } = event else { return Transition::Wait };
        (self.cause, self.sip) = (cause, sip);
        self.rtp = rtp.map(|rtp| rtp.over(self.timeline.answer.known(), at));
        let failed = || Outcome::Failed { cause: cause.unwrap_or(HangupCause::UNKNOWN), sip };
        let outcome = match (self.state, cause, self.job) {
            (State::Answered | State::HangingUp { reached: Reached::Answer, .. }, ..) => self.outcome_of_answered(),
            (State::HangingUp { why, .. }, ..) => match why {
                // A step of the far leg failed, so that the call was never answered.
                HangupReason::Planned if !self.anomalies.gap && self.script_has_failed() => Outcome::AppFailed,
                HangupReason::Stopped | HangupReason::Planned => Outcome::Canceled,
                HangupReason::ByCallee => failed(),
                HangupReason::Overdue => Outcome::Lost,
            },
            (State::Ringing, ..) | (_, Some(_), _) => failed(),
            (_, None, Some(Err(reason))) => Outcome::Refused(reason),
            (_, None, _) => {
                self.state = State::DestroyedUnseen;
                return self.settle(at);
            }
        };
        if let State::HangingUp { since, .. } = self.state {
            recorder.measured(self.labels, Latency::Teardown, at.saturating_duration_since(since));
        }
        self.record_invite_latency(recorder);
        if let (Some(_), Some(rtp)) = (self.timeline.answer.known(), self.rtp) {
            recorder.rtp(self.labels, rtp);
        }
        match &self.far_leg {
            Some(far) if !far.gone => {
                self.state = State::AwaitingFarLeg { outcome, hangup_sent: false };
                self.deadline = at + FAR_GRACE;
                Transition::Wait
            }
            _ => Transition::End(outcome),
        }
    }

    /// The outcome of an answered call whose channel is gone.
    fn outcome_of_answered(&self) -> Outcome {
        let why = match self.state {
            State::HangingUp { why, .. } => Some(why),
            _ => None,
        };
        // The answer's event was lost, so that the server's guard, which counts from the answer, came before the timer
        // of this program.
        let guarded = self.answer_missed() && self.cause == Some(HangupCause::ALLOTTED_TIMEOUT);
        let hung_up_here = why.is_some() && !self.hung_up_by_peer;
        match self.script_has_failed() {
            // The answer came after the call had been given up.
            _ if why == Some(HangupReason::Overdue) => Outcome::Lost,
            // What the script missed may have happened while the connection was away, or in an event that was lost.
            true if self.anomalies.gap || self.answer_missed() => Outcome::Lost,
            true => Outcome::AppFailed,
            false if hung_up_here || guarded || self.ends_as_planned() => Outcome::Completed,
            false => Outcome::Dropped,
        }
    }

    fn answer(&mut self, answer: Answer, at: Instant, recorder: &mut SlaveRecorder) {
        self.timeline.answer = answer;
        recorder.answered(self.labels);
        self.state = self.state.at_least(Reached::Answer);
        if self.state == State::Answered {
            self.deadline = at + self.hold;
        }
    }

    /// Waits a moment for events that the job's result has overtaken.
    fn settle(&mut self, at: Instant) -> Transition {
        self.deadline = self.deadline.min(at + SETTLE);
        Transition::Wait
    }
}
