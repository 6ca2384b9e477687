//! What can happen to a call, and what is to be done about it.

use esl_core::HangupCause;

use crate::measure::{Outcome, Refusal, RtpStats};

/// What an event says of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NearLegEvent {
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
        /// How its audio arrived.
        rtp: Option<RtpStats>,
    },
    /// The originate's result.
    Job(Result<(), Refusal>),
}

/// What an event says of a call's far leg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FarLegEvent {
    /// It is there.
    Created,
    /// It is answered.
    Answered,
    /// It is hung up.
    HungUp,
    /// It is gone.
    Gone {
        /// Why.
        cause: Option<HangupCause>,
        /// How its audio arrived.
        rtp: Option<RtpStats>,
    },
}

/// Why this program hangs a call up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangupReason {
    /// Its hold time is over, or its app has it end.
    Planned,
    /// Its app has its far leg hang up or refuse.
    ByCallee,
    /// The run is stopped.
    Stopped,
    /// It gave no sign for too long.
    Overdue,
}

/// What is to be done about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing but wait.
    Wait,
    /// Hang it up on the server.
    HangUp,
    /// Hang up its far leg, which stayed when the near one went.
    HangUpFar,
    /// It has ended.
    End(Outcome),
}
