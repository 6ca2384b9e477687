//! The commands of a script to the legs of its call, and its failure.

use std::fmt;

use esl_core::HangupCause;
use uuid::Uuid;

use crate::apps::script::Side;

/// A command to a leg of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegCommand {
    /// An API command, sent to the leg's server.
    Api {
        /// The leg.
        side: Side,
        /// The command.
        command: String,
        /// Whether it blocks its connection for milliseconds (3 to 6 for an answer, 13 for a recording), and so has to
        /// run as a job.
        slow: bool,
    },
    /// Executes an application on the leg (`sendmsg`).
    Execute {
        /// The leg.
        side: Side,
        /// Its name.
        application: String,
        /// Its argument.
        argument: String,
        /// The UUID that the application's events carry (`Event-UUID`).
        event_uuid: Uuid,
    },
    /// Hangs up the leg: the call has ended as planned, or it has failed.
    HangUp {
        /// The leg.
        side: Side,
        /// The hangup cause.
        cause: HangupCause,
    },
}

impl LegCommand {
    /// The leg that the command is for.
    pub fn side(&self) -> Side {
        match self {
            Self::Api { side, .. } | Self::Execute { side, .. } | Self::HangUp { side, .. } => *side,
        }
    }
}

/// Why a call's script failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// The leg whose step failed.
    pub side: Side,
    /// The number of the step, from 1; 0 for a failure that belongs to no step.
    pub step: usize,
    /// What was expected.
    pub expected: String,
    /// What happened instead.
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
