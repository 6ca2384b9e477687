//! The tables and keys of the configuration file, as TOML, before they are checked against each other.
//!
//! [`crate::plan`] turns them into a plan, which is valid.

mod app;
mod read;
pub mod template;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

pub use app::{AppConfig, KEYS as APP_KEYS};
pub use read::{ConfigError, Source, did_you_mean, has_key, parse, parse_flags, read, resolve_relative, text};
pub use units::{Count, Delay, Number, Time};
pub use value::{Password, Value};

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The run itself.
    #[serde(default)]
    pub run: RunConfig,
    /// The checks of the slaves before it.
    #[serde(default)]
    pub preflight: PreflightConfig,
    /// The load: how many calls, and when.
    #[serde(default)]
    pub load: Option<Spanned<LoadConfig>>,
    /// The load over time, instead of one rate.
    #[serde(default)]
    pub phases: Vec<Spanned<PhaseConfig>>,
    /// The properties of every call.
    pub call: Spanned<CallConfig>,
    /// What calls do once they are answered. Without any app they are parked.
    #[serde(default)]
    pub apps: Vec<AppConfig>,
    /// The slaves.
    #[serde(default)]
    pub slaves: Vec<Spanned<SlaveConfig>>,
    /// The thresholds that the run has to pass.
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
    /// How long calls are offered; until the run is stopped by default.
    pub duration: Option<Spanned<Time>>,
    /// The seed of everything random. The same seed gives the same schedule.
    pub seed: Option<Count>,
    /// How long calls may last beyond the end of the offering before they are hung up.
    pub grace: Option<Spanned<Time>>,
    /// The run folder.
    pub out: Option<PathBuf>,
    /// Whether the servers' own limits are raised for the run where they are too low, and put back at its end.
    pub raise_limits: Option<Spanned<bool>>,
}

/// `[preflight]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PreflightConfig {
    /// Whether every slave is checked before a run.
    pub enabled: bool,
    /// Whether the check may place a call.
    pub probe: bool,
}

impl Default for PreflightConfig {
    fn default() -> Self {
        Self { enabled: true, probe: false }
    }
}

/// `[load]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadConfig {
    /// Calls per second, over all slaves. Phases have rates of their own.
    pub rate: Option<Spanned<Number>>,
    /// How calls follow each other.
    pub arrivals: Option<Spanned<ArrivalsConfig>>,
    /// Concurrent calls at most, over all slaves.
    pub limit: Option<Spanned<Count>>,
    /// What becomes of a call that is due at the limit: `"skip"` or `"wait"`.
    pub mode: Option<Spanned<String>>,
    /// Whether other slaves take over the calls of a slave that is not connected.
    pub redistribute: Option<bool>,
    /// Calls offered at most.
    pub max_offered: Option<Spanned<Count>>,
    /// How late a call may be sent; a later one is skipped.
    pub max_lag: Option<Spanned<Time>>,
    /// What keeping the listeners awake may cost, as a share of one core.
    pub keep_awake_budget: Option<Spanned<Number>>,
}

/// `arrivals`: a word, or `{ burst = 50 }`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"constant\", \"poisson\", \"uniform\" or { burst = 50 }")]
pub enum ArrivalsConfig {
    /// `"constant"`, `"poisson"` or `"uniform"`.
    Word(String),
    /// Bursts.
    Burst(BurstConfig),
}

/// `{ burst = 50 }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurstConfig {
    /// How many calls are due at once.
    pub burst: Count,
}

/// `[[phases]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// Its name in the results; `phase1` and so on by default.
    pub name: Option<Spanned<String>>,
    /// Its length. The last phase may last until the run is stopped.
    pub duration: Option<Spanned<Time>>,
    /// Calls per second in the whole phase.
    pub rate: Option<Spanned<Number>>,
    /// Calls per second at the start of a ramp …
    pub from: Option<Spanned<Number>>,
    /// … and at its end.
    pub to: Option<Spanned<Number>>,
    /// The height of a step, in calls per second, where the ramp has steps …
    pub step: Option<Spanned<Number>>,
    /// … and the length of a step.
    pub each: Option<Spanned<Time>>,
    /// Whether the phase has no calls.
    pub pause: Option<Spanned<bool>>,
    /// Whether its calls count in the results, unlike those of a warm-up.
    pub measured: Option<bool>,
    /// The apps' weights in this phase, by name; other apps have no calls in it.
    pub mix: Option<Spanned<BTreeMap<String, Spanned<Count>>>>,
}

/// `[call]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallConfig {
    /// The address, as FreeSWITCH writes it: `sofia/external/9196@pbx.example:5060`. Or a list of addresses with
    /// weights.
    pub to: Option<Spanned<ToConfig>>,
    /// How long a call may ring.
    pub timeout: Option<Spanned<Time>>,
    /// How long a call lasts from its answer on.
    pub hold: Option<Spanned<Delay>>,
    /// The caller's number, for the From header.
    pub caller_id: Option<Spanned<String>>,
    /// The caller's name, for the From header.
    pub caller_name: Option<Spanned<String>>,
    /// Channel variables of each call.
    #[serde(default)]
    pub variables: BTreeMap<String, Spanned<String>>,
    /// A CSV file with a row for each call, whose columns are placeholders; or a range of numbers.
    pub numbers: Option<Spanned<NumbersConfig>>,
    /// How a far leg is matched to its call.
    pub far_leg: Option<Spanned<FarLegConfig>>,
    /// Regular expressions for the addresses that may be dialled; an address that matches none of them never is.
    pub allow: Option<Vec<Spanned<String>>>,
}

/// An address, or several.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "an address such as \"sofia/external/9196@host:5060\", or a list of { to = …, weight = … }"
)]
pub enum ToConfig {
    /// One address for all calls.
    One(String),
    /// Several addresses by weight.
    Weighted(Vec<TargetConfig>),
}

/// One of several addresses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// The address.
    pub to: String,
    /// Its name in the results; the address by default.
    pub name: Option<String>,
    /// Its share of the calls, relative to the other addresses' weights.
    pub weight: Option<Count>,
}

/// `"numbers.csv"`, or a range.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "the path of a CSV file, or a range such as { from = \"15550001000\", count = 500 }")]
pub enum NumbersConfig {
    /// A CSV file whose first row names the columns.
    File(PathBuf),
    /// A range.
    Range(RangeConfig),
}

/// A range of numbers: the placeholder `{number}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeConfig {
    /// The first number; leading zeros are kept.
    pub from: String,
    /// How many numbers there are.
    pub count: Count,
}

/// A word, or the number that far legs are matched by.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"header\", \"none\", { caller_id = \"{number}\" } or { destination = \"{number}\" }")]
pub enum FarLegConfig {
    /// `"header"` or `"none"`.
    Word(String),
    /// By a number.
    Number(FarNumberConfig),
}

/// The number that a far leg shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FarNumberConfig {
    /// Matches the caller's number of the far leg.
    pub caller_id: Option<String>,
    /// Matches the called number of the far leg.
    pub destination: Option<String>,
}

/// `[[slaves]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlaveConfig {
    /// Its name in the results; its address by default.
    pub name: Option<Spanned<String>>,
    /// The host of its Event Socket.
    pub host: Option<Spanned<String>>,
    /// The port of its Event Socket: 8021 by default.
    pub port: Option<Spanned<Count>>,
    /// A user of the directory to log in as: `user@domain`.
    pub user: Option<Spanned<String>>,
    /// The password of the Event Socket, or of the user.
    pub password: Option<Spanned<Password>>,
    /// A file whose first line is the password.
    pub password_file: Option<Spanned<PathBuf>>,
    /// Its share of the calls, relative to the other slaves' weights. With 0 it places no calls, and far legs may still
    /// come to it.
    pub weight: Option<Spanned<Count>>,
    /// Concurrent calls on it at most.
    pub limit: Option<Spanned<Count>>,
    /// Calls per second on it at most: no two calls are sent closer together.
    pub max_rate: Option<Spanned<Number>>,
    /// How often its listener is kept awake: a time, or `"off"`.
    pub keep_awake: Option<Spanned<String>>,
    /// Simulated servers instead of a real one.
    pub simulated: Option<Spanned<fs_sim::ServerTable>>,
}

/// A file for `loadgen sim`: simulated servers without a load.
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
    /// The address that `/metrics` is served on.
    pub listen: SocketAddr,
}
