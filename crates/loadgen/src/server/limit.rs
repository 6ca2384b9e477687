//! A server's own limits on sessions, and how they are queried and set.

use serde::{Deserialize, Serialize};

use crate::measure::ServerHealth;

/// A limit of a FreeSWITCH server on its sessions. Sessions of all calls count, both legs of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerLimit {
    /// New sessions a second (`fsctl sps`).
    Sps,
    /// Sessions at a time (`fsctl max_sessions`).
    MaxSessions,
}

impl ServerLimit {
    /// The API command that asks for the limit's value.
    pub fn query(self) -> &'static str {
        match self {
            Self::Sps => "fsctl sps",
            Self::MaxSessions => "fsctl max_sessions",
        }
    }

    /// The API command that sets the limit.
    pub fn set_command(self, value: u64) -> String {
        format!("{} {value}", self.query())
    }
}

/// A limit that was raised for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaisedLimit {
    /// The slave's name in the results.
    pub slave: String,
    /// The server's address, `host:port`.
    pub address: String,
    /// Which limit.
    pub limit: ServerLimit,
    /// The value before the run.
    pub from: u64,
    /// The value for the run.
    pub to: u64,
}

impl RaisedLimit {
    /// The API command that raises the limit again on a server that has come back with its former value, as after a
    /// restart. `None` where `health` shows any other value: an administrator has set it.
    pub fn raise_again(&self, health: &ServerHealth) -> Option<String> {
        let now = match self.limit {
            ServerLimit::Sps => health.sessions_per_second_max,
            ServerLimit::MaxSessions => health.sessions_max,
        };
        (now == Some(self.from)).then(|| self.limit.set_command(self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_raised_again_only_from_its_former_value() {
        let raised = RaisedLimit {
            slave: "a".to_owned(),
            address: "h:1".to_owned(),
            limit: ServerLimit::Sps,
            from: 30,
            to: 353,
        };
        let health = |sps| ServerHealth { sessions_per_second_max: sps, ..ServerHealth::default() };
        assert_eq!(raised.raise_again(&health(Some(30))).as_deref(), Some("fsctl sps 353"));
        for other in [Some(353), Some(10), Some(100), None] {
            assert_eq!(raised.raise_again(&health(other)), None, "{other:?}");
        }
    }
}
