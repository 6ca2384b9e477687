//! What comes of a performance: what is to be done, and why it failed.

use std::fmt;

use esl_core::HangupCause;
use uuid::Uuid;

use crate::apps::script::Side;

/// What is to be done for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegCommand {
    /// An API command about a leg, to be sent to its server.
    Api {
        /// The leg.
        side: Side,
        /// The command.
        command: String,
        /// It takes milliseconds of its connection, 3 to 6 for an answer, 13 for a recording: to be sent as a job.
        slow: bool,
    },
    /// An application that a leg is to run (`sendmsg`).
    Execute {
        /// The leg.
        side: Side,
        /// Its name.
        application: String,
        /// What it is given.
        argument: String,
        /// What its events are to say (`Event-UUID`).
        event_uuid: Uuid,
    },
    /// A leg is to be hung up: the call has ended as planned, or it has failed.
    HangUp {
        /// The leg.
        side: Side,
        /// Why, as its server is told.
        cause: HangupCause,
    },
}

impl LegCommand {
    /// The leg that it is done to.
    pub fn side(&self) -> Side {
        match self {
            Self::Api { side, .. } | Self::Execute { side, .. } | Self::HangUp { side, .. } => *side,
        }
    }
}

/// Why a call's script has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// Whose steps.
    pub side: Side,
    /// The step, from 1 on; 0 where it was none.
    pub step: usize,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub got: String,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.side, self.step) {
            (_, 0) => {}
            (Side::Caller, step) => write!(f, "step {step}, ")?,
            (Side::Callee, step) => write!(f, "callee's step {step}, ")?,
        }
        write!(f, "expected {}, got {}", self.expected, self.got)
    }
}
