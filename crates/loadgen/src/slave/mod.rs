//! One slave's task, and what it exchanges with the run.

mod calls;
mod link;
mod originator;
mod shared;
mod task;
mod told;

use std::collections::BTreeMap;
use std::time::Duration;

use esl_core::{Credentials, Error};
use tokio::time::Instant;

pub use link::About;
pub(crate) use link::MEASURED;
pub use shared::{Ledger, Roster, Shared, Slots, Substitutes};
pub use task::{Slave, slaves};
pub use told::Health;

use crate::recorder::Taken;

/// How often a shard is handed over, a probe is sent, and what is overdue is looked for.
pub const TICK: Duration = Duration::from_secs(1);

/// What the run tells its slaves. Each one follows from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
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
pub enum Report {
    /// The first attempt to connect is over.
    Ready(usize, Result<About, Error>),
    /// Its shard as it stands, once a second and once at the end.
    Shard(usize, Box<Taken>, Box<Status>),
}

/// How a slave is.
#[derive(Clone, Debug, Default)]
pub struct Status {
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
    pub health: Health,
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
