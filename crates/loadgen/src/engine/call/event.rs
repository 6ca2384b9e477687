//! What happens to a call's legs, and what the slave's task has to do about it.

use esl_core::HangupCause;

use crate::engine::script_run::LegCommand;
use crate::measure::{Outcome, Refusal, RtpStats};

/// Something that happened to a call's near leg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NearLegEvent {
    /// The channel was created.
    Created,
    /// The channel rings or has early media.
    Progressed,
    /// The channel was answered.
    Answered,
    /// The channel was hung up.
    HungUp,
    /// The channel was destroyed.
    Gone {
        /// The hangup cause; `None` for a channel that was never set up, as with an unknown SIP profile.
        cause: Option<HangupCause>,
        /// The final SIP status.
        sip: Option<u16>,
        /// The RTP statistics of the leg.
        rtp: Option<RtpStats>,
    },
    /// The originate has ended, with its result.
    Job(Result<(), Refusal>),
}

/// Something that happened to a call's far leg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FarLegEvent {
    /// The channel was created.
    Created,
    /// The channel was answered.
    Answered,
    /// The channel was hung up.
    HungUp,
    /// The channel was destroyed.
    Gone {
        /// The hangup cause.
        cause: Option<HangupCause>,
        /// The RTP statistics of the leg.
        rtp: Option<RtpStats>,
    },
}

/// Why a call is being hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangupReason {
    /// The hold time is over, or the call's app ends it.
    Planned,
    /// The call's app has the far leg hang up or reject the call.
    ByCallee,
    /// The run is being stopped.
    Stopped,
    /// No event arrived for longer than the call may ring.
    Overdue,
}

/// What has to be done after a call has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Wait for the next event or deadline.
    Wait,
    /// Hang up the near leg on the server.
    HangUp,
    /// Hang up the far leg, which outlived the near one.
    HangUpFarLeg,
    /// The call has ended.
    End(Outcome),
}

/// A [`Transition`], and the commands that the call's app asks for.
#[derive(Debug)]
pub struct Reaction {
    /// What has to be done for the call itself.
    pub transition: Transition,
    /// What has to be sent to its legs.
    pub commands: Vec<LegCommand>,
}

impl From<Transition> for Reaction {
    fn from(transition: Transition) -> Self {
        Self { transition, commands: Vec::new() }
    }
}
