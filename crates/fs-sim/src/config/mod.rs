//! What a simulated server is told before it starts.

mod callee;
mod capacity;
mod table;

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

pub use callee::{Callee, Failure};
pub use capacity::Capacity;
pub use table::{SERVERS_MAX, ServerTable, port_behind};

use crate::{Extension, Hep, Network, Number, Sip, dialplan::Dialplan, fault::Planned, media::Quality};

/// One simulated server. The default is the recorded FreeSWITCH's configuration on a free port.
#[derive(Clone, Debug)]
pub struct Config {
    /// The switch name, which events carry as `FreeSWITCH-Switchname`.
    pub name: String,
    /// The machine's name, which events carry as `FreeSWITCH-Hostname`: this machine's own, unless it is set.
    pub hostname: String,
    /// Where the Event Socket listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What `auth` must say.
    pub password: String,
    /// Who may log in with `userauth`, beside those who know the password.
    pub users: Vec<User>,
    /// The most channels at once; `fsctl max_sessions` changes it.
    pub max_sessions: u32,
    /// The most new channels a second; `fsctl sps` changes it. As in FreeSWITCH one less than this passes
    /// in a second (switch_core_session.c).
    pub sessions_per_second: u32,
    /// Whether every event of a channel carries its variables, as on the recorded server: a FreeSWITCH starts without,
    /// and sends them with some kinds only. `fsctl verbose_events` changes it.
    pub verbose_events: bool,
    /// How often HEARTBEAT is sent; zero for never.
    pub heartbeat: Duration,
    /// How long a connection without input waits before it hands over its events: FreeSWITCH's 20 ms, or
    /// zero to hand them over at once.
    pub event_delay: Duration,
    /// What every random choice follows from.
    pub seed: u64,
    /// How the numbers behave that would answer at once.
    pub callee: Callee,
    /// Extensions that are looked at before the recorded server's own, in this order.
    pub dialplan: Vec<Extension>,
    /// How much it can do; the default does everything at once.
    pub capacity: Capacity,
    /// Idle-CPU in percent, whatever there is to do; without it, it follows from the capacity.
    pub idle_cpu: Option<f64>,
    /// Where copies of its SIP messages go; nowhere without it.
    pub hep: Option<Hep>,
    /// How well audio arrives.
    pub media: Quality,
    /// Where its SIP is.
    pub sip: Sip,
    /// The network on which it reaches other simulated servers over SIP; without one it is alone.
    pub network: Option<Network>,
    /// What goes wrong, and when after the start.
    pub faults: Vec<Planned>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            name: "fs1".to_owned(),
            hostname: hostname(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            password: "ClueCon".to_owned(),
            users: Vec::new(),
            max_sessions: 1_000,
            sessions_per_second: 30,
            verbose_events: true,
            heartbeat: Duration::from_secs(20),
            event_delay: Duration::from_millis(20),
            seed: 1,
            callee: Callee::default(),
            dialplan: Vec::new(),
            capacity: Capacity::default(),
            idle_cpu: None,
            hep: None,
            media: Quality::default(),
            sip: Sip::default(),
            network: None,
            faults: Vec::new(),
        }
    }
}

impl Config {
    /// What it answers to, in the order in which it is looked at.
    #[must_use]
    pub fn numbers(&self) -> Vec<Number> {
        Dialplan::new(self.dialplan.clone()).numbers().collect()
    }
}

/// What this machine calls itself.
fn hostname() -> String {
    let from_file = |path: &str| std::fs::read_to_string(path).ok();
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(from_file);
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// A user of the directory, with what mod_event_socket reads from it (`esl-password`, `esl-allowed-…`). The
/// default is allowed everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's id.
    pub name: String,
    /// The domain: `userauth` names both as `name@domain`.
    pub domain: String,
    /// What `userauth` must say; with none nobody gets in.
    #[serde(deserialize_with = "table::password")]
    pub password: String,
    /// Names of events, apart by commas or by spaces; without it all are allowed.
    pub allowed_events: Option<String>,
    /// API commands, apart by commas or by spaces; without it all are allowed.
    pub allowed_api: Option<String>,
    /// Whether `log` is allowed.
    #[serde(default = "allowed")]
    pub allowed_log: bool,
}

impl Default for User {
    fn default() -> User {
        User {
            name: String::new(),
            domain: String::new(),
            password: String::new(),
            allowed_events: None,
            allowed_api: None,
            allowed_log: true,
        }
    }
}

fn allowed() -> bool {
    User::default().allowed_log
}
