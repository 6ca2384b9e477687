//! One slave's task, and what it exchanges with the run.

mod call_event;
mod calls;
mod connection;
mod originator;
mod shared;
mod task;

use std::collections::BTreeMap;
use std::time::Duration;

use esl_core::{Credentials, Error};
use tokio::time::Instant;

pub use call_event::ServerHealth;
pub(crate) use connection::MEASURED;
pub use connection::ServerInfo;
pub use shared::{FailoverPicker, OpenCalls, Shared, SlaveStates, Slots};
pub use task::{SlaveTask, slaves};

use crate::recorder::ShardDelta;

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

/// How a slave is.
#[derive(Clone, Debug, Default)]
pub struct SlaveStatus {
    /// Whether it is connected.
    pub up: bool,
    /// Calls that are up on it.
    pub active: u64,
    /// How often it was connected again.
    pub reconnects: u64,
    /// Events that came from it.
    pub events: u64,
    /// Its version, in its own words.
    pub version: Option<String>,
    /// How it said last that it is.
    pub health: ServerHealth,
    /// What was not as it should be, by kind.
    pub anomalies: BTreeMap<&'static str, u64>,
    /// Channels of this run that were found on it at the end, and hung up; `None` where nobody could see.
    pub channels_left: Option<u64>,
}

/// Where a slave's server is.
#[derive(Clone, Debug)]
pub struct Server {
    /// `host:port`
    pub address: String,
    /// How to get in.
    pub credentials: Credentials,
}
