//! One slave's task, and what it exchanges with the run.

mod call_event;
mod calls;
mod connection;
mod originator;
mod shared;
mod task;

use std::time::Duration;

use esl_core::Error;
use tokio::time::Instant;

pub use connection::ServerInfo;
pub use shared::{FailoverPicker, OpenCalls, Shared, SlaveStates, Slots};
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

/// How often a shard is handed over, a probe is sent, and what is overdue is looked for.
pub const TICK: Duration = Duration::from_secs(1);

/// What the run tells its slaves. Each one follows from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStage {
    /// Connect.
    Prepare,
    /// Place calls, the first one at this time.
    Run(Instant),
    /// Place no more, let those that are up end.
    Drain,
    /// Hang up.
    HangUp,
    /// Every call has ended: see that none is left, and end.
    Finish,
}

/// What a slave tells the run.
#[derive(Debug)]
pub enum SlaveMessage {
    /// The first attempt to connect is over.
    Ready(usize, Result<ServerInfo, Error>),
    /// Its shard as it stands, once a second and once at the end.
    Delta(usize, Box<ShardDelta>, Box<SlaveStatus>),
}
