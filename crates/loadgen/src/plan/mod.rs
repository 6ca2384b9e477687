//! The plan of a run: the configuration, checked and resolved. A plan that exists is valid.
//!
//! [`Plan`] has the settings, [`CallFactory`] makes the calls, [`Names`] names what the figures are broken down by. The
//! only I/O is reading the files that the configuration names: passwords and numbers.

mod apps;
mod call;
mod call_factory;
mod load;
pub mod marks;
mod names;
mod numbers;
mod run_id;
mod slaves;
mod validator;

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esl_core::{Credentials, KeepAwake};
use tokio::time::Instant;
use toml::Spanned;

pub use call::{AllowList, FarLegMatch, Targets};
pub use call_factory::{AppEvents, CallFactory};
pub use load::{Hold, Mode};
pub use names::{AppNames, Names};
pub use numbers::Numbers;
pub use run_id::{FIRST_PROBE, RunId};
pub use slaves::read_password;
pub use validator::RATE_MAX;

use crate::apps::AppKind;
use crate::apps::script::Script;
use crate::config::template::Template;
use crate::config::{Config, ConfigError, PreflightConfig, Source};
use crate::measure::{Dimensions, Labels};
use crate::schedule::{Schedule, Shard};
use crate::verdict::threshold::Threshold;
use call::TextRules;
use call_factory::CallParts;
use validator::Validator;

/// A run, as it will be carried out.
#[derive(Debug)]
pub struct Plan {
    /// The run's id: every UUID of its calls begins with it.
    pub run_id: RunId,
    /// The slaves whose calls this process places; all of them, unless the run is divided into shards.
    pub shard: Shard,
    /// When each call is due, on which slave, with which app.
    pub schedule: Schedule,
    /// Makes each call.
    pub calls: CallFactory,
    /// The names of the run, its slaves, apps, phases and targets.
    pub names: Arc<Names>,
    /// How long calls may last beyond the schedule's end before they are hung up.
    pub grace: Duration,
    /// How late a call may be sent; a later one is skipped.
    pub max_lag: Duration,
    /// Concurrent calls at most, over all slaves of the shard.
    pub limit: Option<u64>,
    /// What becomes of a call that is due at the limit.
    pub mode: Mode,
    /// Whether other slaves take over the calls of a slave that is not connected.
    pub redistribute: bool,
    /// How long calls last from their answer on.
    pub hold: Hold,
    /// The slaves.
    pub slaves: Vec<SlavePlan>,
    /// The thresholds that the run has to pass.
    pub thresholds: Vec<Threshold>,
    /// The address that `/metrics` is served on.
    pub http: Option<SocketAddr>,
    /// The run folder.
    pub out: Option<PathBuf>,
    /// The checks of the slaves before the run.
    pub preflight: PreflightConfig,
    /// Whether the servers' own limits are raised for the run; those of this shard's slaves.
    pub raise_limits: bool,
}

/// An app as it is used in this run.
#[derive(Debug)]
pub struct App {
    /// Its name in the results.
    pub name: String,
    /// Its kind.
    pub kind: &'static AppKind,
    /// What its calls do.
    pub script: Arc<Script>,
    /// The addresses that its calls go to.
    pub targets: Targets,
}

impl App {
    fn names(&self) -> AppNames {
        let results = self.kind.results.iter().map(|result| result.name).collect();
        AppNames { name: self.name.clone(), kind: self.kind.name, results }
    }
}

/// An address that is called.
#[derive(Debug)]
pub struct Target {
    /// The name in the results.
    pub name: String,
    /// The address.
    pub to: Template,
}

/// A slave as it is used in this run.
#[derive(Debug)]
pub struct SlavePlan {
    /// Its name in the results.
    pub name: String,
    /// Its server.
    pub server: ServerPlan,
    /// Its share of the calls, relative to the other slaves' weights.
    pub weight: u64,
    /// Concurrent calls on it at most.
    pub limit: Option<u64>,
    /// The shortest time between two calls.
    pub gap: Option<Duration>,
    /// How often its listener is kept awake, within the budget.
    pub keep_awake: KeepAwake,
    /// Where the configuration defines it.
    span: Range<usize>,
}

/// A real server, or one that is simulated in this process.
#[derive(Debug)]
pub enum ServerPlan {
    /// A real server.
    Real {
        /// `host:port`
        address: String,
        /// The login for its Event Socket.
        credentials: Credentials,
    },
    /// A server that is started for the run.
    Simulated(Box<fs_sim::Config>),
}

/// A call to be placed: everything about it that does not depend on the course of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its number in the whole schedule.
    pub attempt: u64,
    /// When it is due.
    pub due: Instant,
    /// What it is counted under.
    pub labels: Labels,
    /// How long it lasts from its answer on.
    pub hold: Duration,
}

impl Plan {
    /// Checks and resolves a configuration.
    ///
    /// # Errors
    /// The first mistake, with its place in the file.
    pub fn new(config: Config, source: &Source, run_id: RunId) -> Result<Self, ConfigError> {
        let check = Validator { source };
        let seed = config.run.seed.map_or(1, |seed| seed.0);
        let call = config.call.get_ref();

        let timeout = call.timeout.as_ref();
        let timeout = timeout.map_or(Ok(Duration::from_secs(60)), |timeout| check.seconds("timeout", timeout))?;
        let numbers = check.numbers(call.numbers.as_ref())?;
        let allowed = check.allowed(call.allow.as_ref())?;
        let texts = TextRules { numbers: &numbers, allowed: &allowed };
        let mut targets = Vec::new();
        let (apps, weights) = check.apps(&config.apps, (call.to.as_ref(), config.call.span()), &texts, &mut targets)?;
        let slaves = check.slaves(
            &config.slaves,
            seed,
            config.load.as_ref().and_then(|load| load.get_ref().keep_awake_budget.as_ref()),
        )?;
        let slave_weights: Vec<u64> = slaves.iter().map(|slave| slave.weight).collect();
        let load = check.load(&config, seed, (&apps, &weights), check.round_robin(&slave_weights, "slaves")?)?;
        let hold = check.hold(&config.call, load.mode, load.limit)?;
        check.fits(&config, &load, &hold, &slaves)?;
        let variables = check.variables(call, &numbers)?;
        let far_leg = check.far_leg(call, &numbers)?;

        let thresholds = config.thresholds.iter().map(|(name, expression)| {
            Threshold::parse(name, expression.get_ref()).map_err(|message| source.error(expression.span(), message))
        });
        let run = match &config.run.name {
            Some(name) => check.name("a run's name", name)?,
            None => "loadgen".to_owned(),
        };
        let grace = config.run.grace.as_ref();
        let names = Arc::new(Names {
            run,
            slaves: slaves.iter().map(|slave| slave.name.clone()).collect(),
            apps: apps.iter().map(App::names).collect(),
            phases: load.schedule.phases.iter().map(|phase| phase.name.clone()).collect(),
            targets: targets.iter().map(|target| target.name.clone()).collect(),
        });
        let parts = CallParts { run_id, timeout, apps, targets, numbers, far_leg, allowed, variables };
        Ok(Self {
            run_id,
            shard: Shard::WHOLE,
            schedule: load.schedule,
            calls: CallFactory::new(parts, names.clone()),
            names,
            grace: grace.map_or(Ok(Duration::from_secs(30)), |grace| check.grace(grace))?,
            max_lag: load.max_lag,
            limit: load.limit,
            mode: load.mode,
            redistribute: load.redistribute,
            hold,
            slaves,
            thresholds: thresholds.collect::<Result<_, _>>()?,
            http: config.http.map(|http| http.listen),
            out: config.run.out,
            preflight: config.preflight,
            raise_limits: config.run.raise_limits.is_some_and(Spanned::into_inner),
        })
    }

    /// The part of the plan that a shard carries out: its slaves' calls, and a share of the limit by weight, so that
    /// the shares of all shards add up to the limit.
    ///
    /// # Errors
    /// The shard has nothing to do.
    pub fn for_shard(mut self, shard: Shard) -> Result<Self, String> {
        let weight = |of: &dyn Fn(usize) -> bool| -> u128 {
            let slaves = self.slaves.iter().enumerate().filter(|(slave, _)| of(*slave));
            slaves.map(|(_, slave)| u128::from(slave.weight)).sum()
        };
        let (before, own) = (weight(&|slave| slave % shard.count < shard.index), weight(&|slave| shard.owns(slave)));
        if own == 0 {
            return Err(format!(
                "shard {shard} has no slave that places calls: {} slaves are configured",
                self.slaves.len()
            ));
        }
        if let Some(limit) = self.limit {
            let up_to = |weight: u128| u128::from(limit) * weight / self.weight_of_all();
            let part = (up_to(before + own) - up_to(before)) as u64;
            if part == 0 {
                return Err(format!("limit = {limit} leaves nothing for shard {shard}"));
            }
            self.limit = Some(part);
        }
        self.shard = shard;
        Ok(self)
    }

    fn weight_of_all(&self) -> u128 {
        self.slaves.iter().map(|slave| u128::from(slave.weight)).sum::<u128>().max(1)
    }

    /// The share of all calls that are this shard's, 0 to 1.
    pub fn share(&self) -> f64 {
        let own = self.slaves.iter().enumerate().filter(|(slave, _)| self.shard.owns(*slave));
        own.map(|(_, slave)| slave.weight as f64).sum::<f64>() / self.weight_of_all() as f64
    }

    /// Whether a slave places calls of this shard. A slave without a weight, or of another shard, only listens for far
    /// legs.
    pub fn places_calls(&self, slave: usize) -> bool {
        self.shard.owns(slave) && self.slaves[slave].weight > 0
    }

    /// The mean hold time at a rate, in seconds.
    pub fn mean_hold(&self, rate: f64) -> f64 {
        self.hold.mean(self.schedule.seed, rate)
    }

    /// What the figures of the run are broken down by.
    pub fn dimensions(&self) -> Dimensions {
        Dimensions {
            slaves: self.slaves.len(),
            phases: self.schedule.phases.iter().map(|phase| phase.measured).collect(),
            apps: self.calls.apps.len(),
            targets: self.calls.targets.len(),
        }
    }
}
