//! The state of one slave: its connection, its server's load, and the anomalies that were counted on it.

use std::collections::BTreeMap;

use super::ServerHealth;

/// The state of one slave.
#[derive(Clone, Debug, Default)]
pub struct SlaveStatus {
    /// Whether it is connected.
    pub up: bool,
    /// Calls that are up on it.
    pub active: u64,
    /// How often it was reconnected.
    pub reconnects: u64,
    /// Events that arrived from it.
    pub events: u64,
    /// The version that its server reported.
    pub version: Option<String>,
    /// The load that its server reported last.
    pub health: ServerHealth,
    /// Anomalies by their kind.
    pub anomalies: BTreeMap<&'static str, u64>,
    /// Channels of this run that were found on its server at the end and hung up; `None` where the server could not be
    /// asked.
    pub channels_left: Option<u64>,
}
