//! One slave: its task, and what the task exchanges with the run.

mod active_calls;
mod call_event;
mod connection;
mod failover;
mod number_owners;
mod open_calls;
mod originator;
mod shared;
mod slave_states;
mod slots;
mod task;

use std::time::Duration;

use esl_core::Error;
use tokio::time::Instant;

pub use connection::ServerInfo;
pub use failover::FailoverPicker;
pub use open_calls::OpenCalls;
pub use shared::Shared;
pub use slave_states::SlaveStates;
pub use slots::Slots;
pub use task::{SlaveTask, slaves};

use crate::measure::{ShardDelta, SlaveStatus};
use crate::plan::Placement;

/// A call that was assigned to a slave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignedCall {
    /// The call.
    pub call: Placement,
    /// Whether it holds one of the run's slots already, as in a closed loop.
    pub has_slot: bool,
    /// Whether another slave could not place it and passed it on. It is passed on once at most.
    pub passed_on: bool,
}

impl AssignedCall {
    /// A call of the schedule, without a slot.
    pub fn new(call: Placement) -> Self {
        Self { call, has_slot: false, passed_on: false }
    }
}

/// How often a slave hands over its figures, sends a probe event and looks for silence.
pub const TICK: Duration = Duration::from_secs(1);

/// The stage of a run, which every slave's task follows. Stages only advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStage {
    /// Slaves connect.
    Prepare,
    /// Slaves place calls; the first one is due at this time.
    Run(Instant),
    /// No more calls are placed; calls that are up may end.
    Drain,
    /// Calls are hung up.
    HangUp,
    /// Every call is accounted for: slaves look for channels that are left, and end.
    Finish,
}

/// A message from a slave to the run.
#[derive(Debug)]
pub enum SlaveMessage {
    /// The first attempt to connect has succeeded or failed.
    Ready(usize, Result<ServerInfo, Error>),
    /// The slave's figures since the last message, once a second and once at the end.
    Delta(usize, Box<ShardDelta>, Box<SlaveStatus>),
}
