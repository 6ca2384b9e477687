//! The state of one slave: its connection, its server's load, and the anomalies that were counted on it.

use std::collections::BTreeMap;

use super::ServerHealth;

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
