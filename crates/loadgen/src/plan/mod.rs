//! What is going to be done: the configuration, checked and resolved, so that it cannot be invalid. No I/O but the
//! reading of files that the configuration names: passwords, numbers.

mod apps;
mod call;
mod check;
mod load;
mod numbers;
mod slaves;

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esl_core::{Credentials, EventName, KeepAwake, Originate};
use tokio::time::Instant;
use toml::Spanned;

pub use call::{AllowList, FarLeg, Targets};
pub use check::RATE_MAX;
pub use load::{Hold, Mode};
pub use numbers::Numbers;
pub use slaves::read_password;

use crate::apps::AppKind;
use crate::apps::script::Script;
use crate::apps::script_run::ScriptRun;
use crate::config::{Config, ConfigError, PreflightConfig, Source};
use crate::recorder::Labels;
use crate::run_id::RunId;
use crate::schedule::{Schedule, Shard};
use crate::text::{Context, Template};
use crate::threshold::Threshold;
use call::TextRules;
use check::Validator;

/// Beyond its own time-outs, a slave's answered call is ended by the server so much later than planned.
const GUARD: Duration = Duration::from_secs(2);

/// A run, as it will be.
#[derive(Debug)]
pub struct Plan {
    /// The label `run` of every metric.
    pub name: String,
    /// Whose calls they are.
    pub run_id: RunId,
    /// Which slaves' calls are placed by this process; all of them, unless a run is shared out.
    pub shard: Shard,
    /// When each call is due, on which slave, with which app.
    pub schedule: Schedule,
    /// How long calls may go on when the offering has ended.
    pub grace: Duration,
    /// How late a call may leave.
    pub max_lag: Duration,
    /// Concurrent calls at most, over all slaves of the shard.
    pub limit: Option<u64>,
    /// What becomes of a call that is due while so many are up.
    pub mode: Mode,
    /// Whether the others take over the calls of a slave that is not there.
    pub redistribute: bool,
    /// How long a call may ring.
    pub timeout: Duration,
    /// How long it lasts from its answer on.
    pub hold: Hold,
    /// What calls do.
    pub apps: Vec<App>,
    /// Whom they call.
    pub targets: Vec<Target>,
    /// Whether an app wants to know of far legs.
    controls_far_legs: bool,
    /// What they differ in.
    pub numbers: Numbers,
    /// How their far legs are known.
    pub far_leg: FarLeg,
    /// What may be dialled.
    pub allowed: AllowList,
    /// Channel variables of each call.
    pub variables: Vec<(String, Template)>,
    /// Who places them.
    pub slaves: Vec<SlavePlan>,
    /// What has to hold.
    pub thresholds: Vec<Threshold>,
    /// Where `/metrics` is served.
    pub http: Option<SocketAddr>,
    /// The run folder.
    pub out: Option<PathBuf>,
    /// The look at the slaves before it.
    pub preflight: PreflightConfig,
    /// Whether the slaves' own limits are raised for the run, those of this shard's.
    pub raise_limits: bool,
}

/// An app as it is used in this run.
#[derive(Debug)]
pub struct App {
    /// Its name in the results.
    pub name: String,
    /// What it is.
    pub kind: &'static AppKind,
    /// What its calls do.
    pub script: Arc<Script>,
    /// Where its calls go.
    pub targets: Targets,
}

impl App {
    /// What one of its calls does, where that is more than to be held.
    pub fn script_run(&self) -> Option<ScriptRun> {
        (!self.script.is_empty()).then(|| ScriptRun::new(self.script.clone()))
    }
}

/// The events that apps want, beside those that are measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppEvents {
    /// By name.
    pub events: Vec<EventName>,
    /// `CUSTOM` events, by subclass.
    pub customs: Vec<String>,
}

/// Somebody who is called.
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
    /// Where it is.
    pub server: ServerPlan,
    /// Its share of the calls, against the others' weights.
    pub weight: u64,
    /// Concurrent calls on it at most.
    pub limit: Option<u64>,
    /// The least time between two calls.
    pub gap: Option<Duration>,
    /// How its listener is kept awake, within the budget.
    pub keep_awake: KeepAwake,
    /// Where the configuration speaks of it.
    span: Range<usize>,
}

/// A real server, or one that is simulated in this process.
#[derive(Debug)]
pub enum ServerPlan {
    /// One that is there.
    Real {
        /// `host:port`
        address: String,
        /// How to get in.
        credentials: Credentials,
    },
    /// One that is started for the run.
    Simulated(Box<fs_sim::Config>),
}

/// A call that is to be placed: everything about it that does not depend on how the run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its number in the whole schedule.
    pub attempt: u64,
    /// When it is due.
    pub due: Instant,
    /// What it counts under.
    pub labels: Labels,
    /// How long it lasts from its answer on.
    pub hold: Duration,
    /// It has one of the run's slots already.
    pub has_slot: bool,
    /// It was another slave's, which could not place it.
    pub passed: bool,
}

impl Plan {
    /// Checks and resolves a configuration.
    ///
    /// # Errors
    /// The first thing that cannot work, with its place in the file.
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
        let load = check.load(&config, seed, (&apps, &weights), check.turns(&slave_weights, "slaves")?)?;
        let hold = check.hold(&config.call, load.mode, load.limit)?;
        check.fits(&config, &load, &hold, &slaves)?;
        let variables = check.variables(call, &numbers)?;
        let far_leg = check.far_leg(call, &numbers)?;

        let thresholds = config.thresholds.iter().map(|(name, expression)| {
            Threshold::parse(name, expression.get_ref()).map_err(|message| source.error(expression.span(), message))
        });
        let name = match &config.run.name {
            Some(name) => check.name("a run's name", name)?,
            None => "loadgen".to_owned(),
        };
        let grace = config.run.grace.as_ref();
        Ok(Self {
            name,
            run_id,
            shard: Shard::WHOLE,
            schedule: load.schedule,
            grace: grace.map_or(Ok(Duration::from_secs(30)), |grace| check.grace(grace))?,
            max_lag: load.max_lag,
            limit: load.limit,
            mode: load.mode,
            redistribute: load.redistribute,
            timeout,
            hold,
            controls_far_legs: apps.iter().any(|app| app.script.hears_far_leg()),
            apps,
            targets,
            far_leg,
            allowed,
            variables,
            slaves,
            thresholds: thresholds.collect::<Result<_, _>>()?,
            http: config.http.map(|http| http.listen),
            out: config.run.out,
            preflight: config.preflight,
            raise_limits: config.run.raise_limits.is_some_and(Spanned::into_inner),
            numbers,
        })
    }

    /// This process's part of it, where others have the rest: its own slaves' calls, and a part of the limit that is
    /// theirs by weight, so that all parts together are the limit.
    ///
    /// # Errors
    /// There is nothing for it to do.
    pub fn shared_out(mut self, shard: Shard) -> Result<Self, String> {
        let weight = |of: &dyn Fn(usize) -> bool| -> u128 {
            let slaves = self.slaves.iter().enumerate().filter(|(slave, _)| of(*slave));
            slaves.map(|(_, slave)| u128::from(slave.weight)).sum()
        };
        let (before, own) = (weight(&|slave| slave % shard.count < shard.index), weight(&|slave| shard.owns(slave)));
        if own == 0 {
            return Err(format!(
                "shard {shard} has no slave that places calls: there are {} slaves",
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

    /// Whether a slave places calls of this shard's. One without a weight, or another shard's, only listens for far legs.
    pub fn places_calls(&self, slave: usize) -> bool {
        self.shard.owns(slave) && self.slaves[slave].weight > 0
    }

    /// A target's address, with the first row where it has placeholders.
    pub fn address(&self, target: u16) -> String {
        let row = self.numbers.rows.first().map(Vec::as_slice);
        let context = Context { run: self.run_id, row, ..Context::sample() };
        self.targets[usize::from(target)].to.render(&context).into_owned()
    }

    /// The mean hold time at a rate, in seconds.
    pub fn mean_hold(&self, rate: f64) -> f64 {
        self.hold.mean(self.schedule.seed, rate)
    }

    /// Which phases are measured.
    pub fn measured(&self) -> Vec<bool> {
        self.schedule.phases.iter().map(|phase| phase.measured).collect()
    }

    /// What a call's texts are filled with.
    pub fn context(&self, slave: usize, attempt: u64, labels: Labels) -> Context<'_> {
        Context {
            run: self.run_id,
            slave: &self.slaves[slave].name,
            app: &self.apps[usize::from(labels.app)].name,
            attempt,
            uuid: self.run_id.call(slave, attempt),
            far: None,
            row: self.numbers.row_of(attempt).map(|row| self.numbers.rows[row].as_slice()),
        }
    }

    /// The events that the apps want.
    pub fn events(&self) -> AppEvents {
        let mut wanted = AppEvents::default();
        for app in &self.apps {
            wanted.events.extend(app.script.events().into_iter().filter(|name| *name != EventName::Custom));
            wanted.customs.extend(app.script.customs());
        }
        wanted
    }

    /// Whether this address may be dialled.
    pub fn may_dial(&self, address: &str) -> bool {
        self.allowed.allows(address)
    }

    /// Whether an app wants to know of far legs.
    pub fn controls_far_legs(&self) -> bool {
        self.controls_far_legs
    }

    /// The row whose number a call's far leg is known by, where it is known by a number.
    pub fn far_row(&self, attempt: u64) -> Option<usize> {
        match self.far_leg {
            FarLeg::Ignored | FarLeg::Header => None,
            FarLeg::CallerId(_) | FarLeg::Destination(_) => self.numbers.row_of(attempt),
        }
    }

    /// The originate of one call: everything that makes sure that it cannot outlive this program is in it. `None` where
    /// its address is none that may be dialled.
    ///
    /// # Errors
    /// A text that FreeSWITCH's parser cannot carry; a plan that was made has none.
    pub fn originate(&self, slave: usize, call: &Placement) -> Result<Option<String>, esl_core::CommandError> {
        let context = self.context(slave, call.attempt, call.labels);
        let target = &self.targets[usize::from(call.labels.target)].to;
        let to = target.render(&context);
        if !target.is_constant() && !self.allowed.allows(&to) {
            return Ok(None);
        }
        let script = &self.apps[usize::from(call.labels.app)].script;
        if script.dials().is_some_and(|to| !self.allowed.allows(&to.render(&context))) {
            return Ok(None);
        }
        // Whole seconds, and at least the hold: the timer here is the one that ends a call on time.
        let guard = (call.hold + GUARD).as_millis().div_ceil(1000);
        let mut originate = Originate::new(context.uuid, &*to, script.on_answer())
            // Early media would answer the originate, and no time-out would apply any more.
            .variable("ignore_early_media", "true")
            .variable("originate_timeout", self.timeout.as_secs().to_string())
            .variable("execute_on_answer", format!("sched_hangup +{guard} allotted_timeout"))
            .variable("loadgen_run", self.run_id.to_string())
            // Travels with the call, so that a far leg and a capture can be matched to it.
            .variable("sip_h_X-loadgen-call", context.uuid.to_string());
        for (name, value) in script.variables(&context) {
            originate = originate.variable(name, value);
        }
        for (name, value) in &self.variables {
            originate = originate.variable(name, value.render(&context));
        }
        originate.command().map(Some)
    }
}
