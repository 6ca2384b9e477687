//! What the configuration file says: its tables and keys, as TOML, before anything is checked against anything else.
//!
//! [`crate::plan`] turns it into something that cannot be invalid.

mod read;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

pub use fs_sim::value::{Count, Number, Time};
pub use read::{ConfigError, Source, beside, did_you_mean, has_key, parse, read, text};
pub use value::Password;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The run itself.
    #[serde(default)]
    pub run: RunConfig,
    /// The look at the slaves before it.
    #[serde(default)]
    pub preflight: PreflightConfig,
    /// How many calls, and when.
    pub load: Spanned<LoadConfig>,
    /// What every call is.
    pub call: Spanned<CallConfig>,
    /// What calls do once they are answered; without any, they are parked.
    #[serde(default)]
    pub apps: Vec<AppConfig>,
    /// The servers that place them.
    #[serde(default)]
    pub slaves: Vec<Spanned<SlaveConfig>>,
    /// What has to hold for the run to pass.
    #[serde(default)]
    pub thresholds: BTreeMap<String, Spanned<String>>,
    /// The web server, for `/metrics`.
    pub http: Option<HttpConfig>,
}

/// `[run]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The run's name: the label `run` of every metric.
    pub name: Option<Spanned<String>>,
    /// For how long calls are offered; until it is stopped where it is left out.
    pub duration: Option<Spanned<Time>>,
    /// What random times are drawn from. The same seed gives the same schedule.
    pub seed: Option<Count>,
    /// How long calls may go on when the offering has ended, before they are hung up.
    pub grace: Option<Spanned<Time>>,
    /// The run folder.
    pub out: Option<PathBuf>,
    /// Whether the slaves' own limits are raised for the run where they are too low, and put back at its end.
    pub raise_limits: Option<Spanned<bool>>,
}

/// `[preflight]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PreflightConfig {
    /// Whether every slave is looked at before a run.
    pub enabled: bool,
    /// Whether a call may be placed for it.
    pub probe: bool,
}

impl Default for PreflightConfig {
    fn default() -> Self {
        Self { enabled: true, probe: false }
    }
}

/// `[load]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadConfig {
    /// Calls per second, over all slaves.
    pub rate: Spanned<Number>,
    /// How calls follow each other.
    pub arrivals: Option<Spanned<String>>,
    /// Concurrent calls at most, over all slaves.
    pub limit: Option<Spanned<Count>>,
    /// Calls offered at most.
    pub max_offered: Option<Spanned<Count>>,
    /// How late a call may leave; what is later is skipped.
    pub max_lag: Option<Spanned<Time>>,
    /// What keeping the listeners awake may cost, as a share of one core.
    pub keep_awake_budget: Option<Spanned<Number>>,
}

/// `[call]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallConfig {
    /// Where to, as FreeSWITCH writes it: `sofia/external/9196@pbx.example:5060`.
    pub to: Option<Spanned<String>>,
    /// How long a call may ring.
    pub timeout: Option<Spanned<Time>>,
    /// How long a call lasts from its answer on.
    pub hold: Spanned<Time>,
    /// Channel variables of each call.
    #[serde(default)]
    pub variables: BTreeMap<String, Spanned<String>>,
}

/// `[[apps]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// Which app, see `loadgen apps`.
    pub kind: Spanned<String>,
    /// Its name in the results; its kind where it is left out.
    pub name: Option<Spanned<String>>,
    /// Its share of the calls, against the others' weights.
    pub weight: Option<Spanned<Count>>,
    /// Where its calls go, instead of `[call]`'s `to`.
    pub to: Option<Spanned<String>>,
}

/// `[[slaves]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlaveConfig {
    /// Its name in the results; its address where it is left out.
    pub name: Option<Spanned<String>>,
    /// Where its Event Socket listens.
    pub host: Option<Spanned<String>>,
    /// The Event Socket's port: 8021 where it is left out.
    pub port: Option<Spanned<Count>>,
    /// The Event Socket's password.
    pub password: Option<Spanned<Password>>,
    /// A file whose first line is the password.
    pub password_file: Option<Spanned<PathBuf>>,
    /// Its share of the calls, against the others' weights.
    pub weight: Option<Spanned<Count>>,
    /// Concurrent calls on it at most.
    pub limit: Option<Spanned<Count>>,
    /// Calls per second on it at most: no two are sent closer together.
    pub max_rate: Option<Spanned<Number>>,
    /// How often its listener is kept awake: a time, or `"off"`.
    pub keep_awake: Option<Spanned<String>>,
    /// Simulated servers instead of a real one.
    pub simulated: Option<Spanned<fs_sim::ServerTable>>,
}

/// A file of `loadgen sim`: simulated servers, and nothing about load.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimConfig {
    /// The servers.
    #[serde(default)]
    pub servers: Vec<Spanned<fs_sim::ServerTable>>,
}

/// `[http]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where `/metrics` is served.
    pub listen: SocketAddr,
}
