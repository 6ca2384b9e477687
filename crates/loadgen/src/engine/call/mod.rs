//! One attempt, from the moment it was sent to its end, with both of its legs. No I/O, no clock: events and instants come
//! in, a [`Transition`] goes out.
//!
//! ```text
//!              channel            answer             hold over, stop            channel
//!  ┌─────────┐ exists  ┌─────────┐ known  ┌──────────┐ or time-out ┌───────────┐ gone
//!  │ Dialing ├────────►│ Ringing ├───────►│ Answered ├────────────►│ HangingUp ├───────┐
//!  └─┬─┬───┬─┘         └─┬─────┬─┘        └────┬─────┘             └──┬──────▲─┘       │
//!    │ │   └─────────────┼─────┴───────────────┼──────────────────────┼──────┘         │
//!    │ │ -ERR            │ gone                │ gone                 │ no event       │
//!    │ ▼                 ▼                     ▼                      ▼                ▼
//!    │ refused           failed                dropped, completed     lost     completed, canceled
//!    │ gone              └──────────┬──────────┴───────────────────────────────────────┘
//!    ▼                              │ a far leg was seen, and is not gone
//!  ┌─────────────────┐              ▼
//!  │ DestroyedUnseen │      ┌────────────────┐
//!  └────────┬────────┘      │ AwaitingFarLeg │  ends with the outcome that the near leg had
//!           ▼               └────────────────┘
//!        refused
//! ```
//!
//! The order of events is not fixed: the originate's result may precede the channel's first event or follow its last
//! one, and the far leg's events interleave with the near leg's. Instants are kept in `Timeline`, what was odd in
//! `Anomalies`.

mod event;
mod far_leg;
mod script;
mod state;
mod timeline;

use std::time::Duration;

use esl_core::HangupCause;
use tokio::time::Instant;
use uuid::Uuid;

use crate::engine::script_run::ScriptRun;
use crate::measure::{CallRecord, Labels, Outcome, Refusal, RtpStats};
use crate::plan::Placement;
use far_leg::FarLeg;
use state::State;
use timeline::{Answer, Timeline};

pub use event::{FarLegEvent, HangupReason, NearLegEvent, Reaction, Transition};

/// How long events of one call may overtake each other: by a delivery's delay, 20 ms, on a server that is not
/// overloaded.
const SETTLE: Duration = Duration::from_millis(250);

/// How long beyond its time-out a call may ring without an event before it is hung up. The server counts whole seconds,
/// and is late with its events when it is busy.
const RING_GRACE: Duration = Duration::from_secs(4);

/// How long a channel may exist after its hangup was sent.
const END_GRACE: Duration = Duration::from_secs(10);

/// How long after the answer the originate's result has certainly arrived: that of a short call may follow its last
/// event.
const JOB_GRACE: Duration = Duration::from_secs(1);

/// How long the last event of a far leg, which has its RTP statistics, may follow the near leg's.
const FAR_GRACE: Duration = Duration::from_millis(500);

/// An attempt that has not ended.
#[derive(Debug)]
pub struct Call {
    labels: Labels,
    /// How long the call may ring, as the originate has it.
    timeout: Duration,
    /// How long it lasts from its answer on.
    hold: Duration,
    state: State,
    timeline: Timeline,
    anomalies: Anomalies,
    /// When [`Call::on_deadline`] is due for the call itself.
    deadline: Instant,
    /// The originate's result.
    job: Option<Result<(), Refusal>>,
    /// Whether the near leg was hung up before this program or the call's app asked for it.
    hung_up_by_peer: bool,
    /// The hangup cause that the server is asked to use.
    cause_asked: HangupCause,
    /// The hangup cause that the server reported.
    cause: Option<HangupCause>,
    /// The final SIP status.
    sip: Option<u16>,
    rtp: Option<RtpStats>,
    far_leg: Option<Box<FarLeg>>,
    /// The run of its app's script, where the app does more than hold the call.
    script_run: Option<Box<ScriptRun>>,
}

/// What makes a call's events doubtful.
#[derive(Clone, Copy, Debug, Default)]
struct Anomalies {
    /// The connection was away while the call was up.
    gap: bool,
    /// Events arrived in an order in which they cannot have happened.
    out_of_order: bool,
}

impl Call {
    /// A call whose originate was sent at `sent`.
    pub fn new(placement: &Placement, timeout: Duration, script_run: Option<ScriptRun>, sent: Instant) -> Self {
        Self {
            labels: placement.labels,
            timeout,
            hold: placement.hold,
            state: State::Dialing,
            timeline: Timeline::new(placement.due, sent),
            anomalies: Anomalies::default(),
            deadline: sent + timeout + RING_GRACE,
            job: None,
            hung_up_by_peer: false,
            cause_asked: HangupCause::NORMAL_CLEARING,
            cause: None,
            sip: None,
            rtp: None,
            far_leg: None,
            script_run: script_run.map(Box::new),
        }
    }

    /// What the call is counted under.
    pub fn labels(&self) -> Labels {
        self.labels
    }

    /// When [`Call::on_deadline`] is to be called next.
    pub fn next_deadline(&self) -> Instant {
        let script_run = self.script_run.as_ref().filter(|_| !self.state.is_awaiting_far_leg());
        let deadline = script_run.and_then(|script_run| script_run.next_deadline());
        deadline.map_or(self.deadline, |deadline| deadline.min(self.deadline))
    }

    /// Whether the next event of the call is one whose time is measured.
    pub fn is_awaiting_measured_event(&self) -> bool {
        match self.state {
            State::Dialing | State::Ringing | State::HangingUp { .. } | State::DestroyedUnseen => true,
            State::Answered | State::AwaitingFarLeg { .. } => false,
        }
    }

    /// Whether the call was answered and the answer's event was lost.
    pub fn answer_missed(&self) -> bool {
        matches!(self.timeline.answer, Answer::Inferred(_))
    }

    /// What was odd about the call's events, by its kind. Nothing, where the connection was away meanwhile.
    pub fn anomaly(&self, now: Instant) -> Option<&'static str> {
        let answered_for = self.timeline.answer.known().map(|answered| now.saturating_duration_since(answered));
        match () {
            () if self.anomalies.gap => None,
            () if self.anomalies.out_of_order => Some("events_out_of_order"),
            () if self.channel_seen() && self.timeline.created.is_none() => Some("creation_missed"),
            () if self.job.is_none() && answered_for.is_some_and(|time| time > JOB_GRACE) => Some("job_never_ended"),
            () => None,
        }
    }

    /// The hangup cause that the server is asked to use.
    pub fn cause_asked(&self) -> HangupCause {
        self.cause_asked
    }

    /// The record of a call that has ended.
    pub fn record(&self, uuid: Uuid, slave: usize, outcome: Outcome, ended: Instant) -> CallRecord {
        let Timeline { due, sent, created, progressed, answer, hung_up } = self.timeline;
        CallRecord {
            uuid,
            slave,
            labels: self.labels,
            outcome,
            cause: self.cause,
            sip: self.sip,
            due,
            sent,
            created,
            progressed,
            answered: answer.seen(),
            hung_up,
            ended,
            far: self.far_leg.as_ref().map(|far| far.record),
            rtp: self.rtp,
            failure: self.script_run().and_then(ScriptRun::failure).map(ToString::to_string),
            files: self.script_run().map_or_else(Vec::new, |script_run| script_run.files().to_vec()),
        }
    }

    /// Whether any event of the near leg's channel but its last one has arrived.
    fn channel_seen(&self) -> bool {
        let Timeline { created, progressed, answer, hung_up, .. } = self.timeline;
        created.or(progressed).or(answer.seen()).or(hung_up).is_some()
    }

    /// Whether the call is being hung up by plan.
    fn is_planned_to_end(&self) -> bool {
        matches!(self.state, State::HangingUp { why: HangupReason::Planned | HangupReason::ByCallee, .. })
    }
}

#[cfg(test)]
mod tests;
