//! What the configuration file says: its tables and keys, as TOML, before anything is checked against anything else.
//!
//! [`crate::plan`] turns it into something that cannot be invalid.

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
pub use fs_sim::value::{Count, Number, Time};
pub use read::{ConfigError, Source, did_you_mean, has_key, parse, parse_flags, read, resolve_relative, text};
pub use value::{Password, Value};

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
    #[serde(default)]
    pub load: Option<Spanned<LoadConfig>>,
    /// What the load does over time, instead of one rate all the way.
    #[serde(default)]
    pub phases: Vec<Spanned<PhaseConfig>>,
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
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadConfig {
    /// Calls per second, over all slaves; the phases', where there are some.
    pub rate: Option<Spanned<Number>>,
    /// How calls follow each other.
    pub arrivals: Option<Spanned<ArrivalsConfig>>,
    /// Concurrent calls at most, over all slaves.
    pub limit: Option<Spanned<Count>>,
    /// What becomes of a call that is due when so many are up: `"skip"` or `"wait"`.
    pub mode: Option<Spanned<String>>,
    /// Whether the others take over the calls of a slave that is not there.
    pub redistribute: Option<bool>,
    /// Calls offered at most.
    pub max_offered: Option<Spanned<Count>>,
    /// How late a call may leave; what is later is skipped.
    pub max_lag: Option<Spanned<Time>>,
    /// What keeping the listeners awake may cost, as a share of one core.
    pub keep_awake_budget: Option<Spanned<Number>>,
}

/// `arrivals`: a word, or `{ burst = 50 }`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"constant\", \"poisson\", \"uniform\" or { burst = 50 }")]
pub enum ArrivalsConfig {
    /// One of the words.
    Word(String),
    /// So many at once.
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
    /// Its name in the results; `phase1` and so on where it is left out.
    pub name: Option<Spanned<String>>,
    /// For how long; the last phase may go on until the run is stopped.
    pub duration: Option<Spanned<Time>>,
    /// Calls per second all the way.
    pub rate: Option<Spanned<Number>>,
    /// Calls per second at its beginning …
    pub from: Option<Spanned<Number>>,
    /// … and at its end.
    pub to: Option<Spanned<Number>>,
    /// From one to the other in steps of so many calls per second …
    pub step: Option<Spanned<Number>>,
    /// … that last so long each.
    pub each: Option<Spanned<Time>>,
    /// No calls at all.
    pub pause: Option<Spanned<bool>>,
    /// Whether its calls count in the results: not those of a warm-up.
    pub measured: Option<bool>,
    /// The apps' weights in it, by their names; those that are not named have no calls in it.
    pub mix: Option<Spanned<BTreeMap<String, Spanned<Count>>>>,
}

/// `[call]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallConfig {
    /// Where to, as FreeSWITCH writes it: `sofia/external/9196@pbx.example:5060`. Or a list of addresses with weights.
    pub to: Option<Spanned<ToConfig>>,
    /// How long a call may ring.
    pub timeout: Option<Spanned<Time>>,
    /// How long a call lasts from its answer on.
    pub hold: Option<Spanned<fs_sim::Delay>>,
    /// Who calls: the number in the From header.
    pub caller_id: Option<Spanned<String>>,
    /// Who calls: the name in the From header.
    pub caller_name: Option<Spanned<String>>,
    /// Channel variables of each call.
    #[serde(default)]
    pub variables: BTreeMap<String, Spanned<String>>,
    /// A CSV file with a row for each call, whose columns are placeholders; or a range of numbers.
    pub numbers: Option<Spanned<NumbersConfig>>,
    /// How a far leg is known to be this call's.
    pub far_leg: Option<Spanned<FarLegConfig>>,
    /// Nothing is ever dialled that does not match one of these regular expressions.
    pub allow: Option<Vec<Spanned<String>>>,
}

/// An address, or several.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "an address such as \"sofia/external/9196@host:5060\", or a list of { to = …, weight = … }"
)]
pub enum ToConfig {
    /// One for all.
    One(String),
    /// By weight.
    Weighted(Vec<TargetConfig>),
}

/// One of several addresses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// The address.
    pub to: String,
    /// Its name in the results; the address where it is left out.
    pub name: Option<String>,
    /// Its share of the calls, against the others' weights; with 0 it places none, and far legs may still come to it.
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

/// So many numbers from one on: the placeholder `{number}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeConfig {
    /// The first one; leading zeros stay.
    pub from: String,
    /// How many there are.
    pub count: Count,
}

/// A word, or the number by which a far leg is known.
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
    /// What the far leg has as its caller's number.
    pub caller_id: Option<String>,
    /// What the far leg has as the number that was called.
    pub destination: Option<String>,
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
    /// A user of the directory, `user@domain`, to log in as.
    pub user: Option<Spanned<String>>,
    /// The Event Socket's password, or the user's.
    pub password: Option<Spanned<Password>>,
    /// A file whose first line is the password.
    pub password_file: Option<Spanned<PathBuf>>,
    /// Its share of the calls, against the others' weights; with 0 it places none, and far legs may still come to it.
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
