//! What is going to be done: the configuration, checked and resolved, so that it cannot be invalid. No I/O but the
//! reading of password files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use esl_core::{Credentials, KeepAwake, Originate};
use secrecy::{ExposeSecret, SecretString};
use toml::Spanned;
use uuid::Uuid;

use crate::apps::{APPS, AppKind, DEFAULT};
use crate::call::Terms;
use crate::config::{AppConfig, Config, ConfigError, Count, Number, PreflightConfig, SlaveConfig, Source, Time};
use crate::config::{beside, did_you_mean};
use crate::run_id::RunId;
use crate::schedule::{Arrivals, Phase, Schedule, Turns};
use crate::threshold::Threshold;

/// Slaves at most: a UUID has room for more, an operator's screen has not.
const SLAVES_MAX: usize = 1000;
/// Calls per second at most: far over what one machine can place, far under what arithmetic cannot bear.
const RATE_MAX: f64 = 100_000.0;
/// Calls per second at least: one in eleven days. Below it, times are beyond what a clock can hold.
const RATE_MIN: f64 = 1e-6;
/// Calls of a run at most, where it is limited by their number: their due times are gone through once before it starts.
const OFFERED_MAX: u64 = 100_000_000;
/// A call may ring or last so long at most: FreeSWITCH counts both in whole seconds of 32 bits.
const TIME_MAX: Duration = Duration::from_secs(7 * 86_400);
/// A run with an end may last so long at most: ten years. One without may last longer.
const DURATION_MAX: Duration = Duration::from_secs(3650 * 86_400);
/// How often a listener is kept awake, unless it is said: costs 2.4 % of a core a slave here.
const KEEP_AWAKE: Duration = Duration::from_millis(2);
/// A listener is kept awake so often at most: more helps nothing and harms the server.
const KEEP_AWAKE_MIN: Duration = Duration::from_millis(1);
/// The sessions, and the new ones a second, that simulated slaves take unless they are told.
const ROOMY: u32 = 100_000;
/// The variables that [`Plan::originate`] sets, and `origination_uuid`.
const RESERVED: [&str; 6] = [
    "origination_uuid",
    "ignore_early_media",
    "originate_timeout",
    "execute_on_answer",
    "loadgen_run",
    "sip_h_X-loadgen-call",
];
/// Beyond its own time-outs, a slave's answered call is ended by the server so much later than planned.
const GUARD: Duration = Duration::from_secs(2);

/// A run, as it will be.
#[derive(Debug)]
pub struct Plan {
    /// The label `run` of every metric.
    pub name: String,
    /// Whose calls they are.
    pub run_id: RunId,
    /// When each call is due, on which slave, with which app.
    pub schedule: Schedule,
    /// How long calls may go on when the offering has ended.
    pub grace: Duration,
    /// How late a call may leave.
    pub max_lag: Duration,
    /// Concurrent calls at most, over all slaves.
    pub limit: Option<u64>,
    /// How long a call may ring and how long it lasts.
    pub terms: Terms,
    /// What calls do.
    pub apps: Vec<App>,
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
    /// Whether the slaves' own limits are raised for the run.
    pub raise_limits: bool,
}

/// An app as it is used in this run.
#[derive(Debug)]
pub struct App {
    /// Its name in the results.
    pub name: String,
    /// What it is.
    pub kind: &'static AppKind,
    /// Where its calls go.
    pub to: String,
    /// Channel variables of each call.
    pub variables: Vec<(String, String)>,
}

/// A slave as it is used in this run.
#[derive(Debug)]
pub struct SlavePlan {
    /// Its name in the results.
    pub name: String,
    /// Where it is.
    pub server: ServerPlan,
    /// Concurrent calls on it at most.
    pub limit: Option<u64>,
    /// The least time between two calls.
    pub gap: Option<Duration>,
    /// How its listener is kept awake, within the budget.
    pub keep_awake: KeepAwake,
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

impl Plan {
    /// Checks and resolves a configuration.
    ///
    /// # Errors
    /// The first thing that cannot work, with its place in the file.
    pub fn new(config: Config, source: &Source, run_id: RunId) -> Result<Self, ConfigError> {
        let check = Check { source };
        let seed = config.run.seed.map_or(1, |seed| seed.0);
        let load = config.load.into_inner();
        let call_span = config.call.span();
        let call = config.call.into_inner();

        let terms = Terms {
            timeout: call.timeout.map_or(Ok(Duration::from_secs(60)), |timeout| check.seconds("timeout", &timeout))?,
            hold: check.time("hold", &call.hold, TIME_MAX)?,
        };
        let variables = check.variables(&call.variables)?;
        let (apps, app_turns) = check.apps(config.apps, (call.to.as_ref(), call_span), &variables)?;
        let budget = match &load.keep_awake_budget {
            Some(budget) => check.number("keep_awake_budget", budget, 1.0)?,
            None => 0.1,
        };
        let (mut slaves, slave_turns) = check.slaves(config.slaves, seed)?;
        let awake = slaves.iter().filter(|slave| slave.keep_awake.period().is_some()).count();
        for slave in &mut slaves {
            slave.keep_awake = slave.keep_awake.within(awake, budget);
        }

        let arrivals = match &load.arrivals {
            None => Arrivals::Constant,
            Some(arrivals) => match arrivals.get_ref().as_str() {
                "constant" => Arrivals::Constant,
                "poisson" => Arrivals::Poisson,
                other => {
                    let known = did_you_mean(other, &["constant", "poisson"]);
                    return Err(source.error(arrivals.span(), format!("unknown arrivals {other:?}{known}")));
                }
            },
        };
        let rate = check.rate("rate", &load.rate)?;
        let duration = config.run.duration.map(|time| check.time("duration", &time, DURATION_MAX)).transpose()?;
        let schedule = Schedule {
            phases: vec![Phase::flat("load", rate, duration, app_turns)],
            arrivals,
            seed,
            max_offered: load
                .max_offered
                .map(|count| check.count_to("max_offered", &count, OFFERED_MAX))
                .transpose()?,
            slaves: slave_turns,
        };
        let thresholds = config.thresholds.iter().map(|(name, expression)| {
            Threshold::parse(name, expression.get_ref()).map_err(|message| source.error(expression.span(), message))
        });
        let name = match config.run.name {
            Some(name) => check.name("a run's name", &name)?,
            None => "loadgen".to_owned(),
        };
        Ok(Self {
            name,
            run_id,
            schedule,
            grace: config.run.grace.map_or(Ok(Duration::from_secs(30)), |grace| check.grace(&grace))?,
            max_lag: load.max_lag.map_or(Ok(Duration::from_secs(1)), |lag| check.time("max_lag", &lag, TIME_MAX))?,
            limit: load.limit.map(|limit| check.count("limit", &limit)).transpose()?,
            terms,
            apps,
            slaves,
            thresholds: thresholds.collect::<Result<_, _>>()?,
            http: config.http.map(|http| http.listen),
            out: config.run.out,
            preflight: config.preflight,
            raise_limits: config.run.raise_limits.is_some_and(Spanned::into_inner),
        })
    }

    /// The originate of one call: everything that makes sure that it cannot outlive this program is in it.
    ///
    /// # Errors
    /// A text of the plan that FreeSWITCH's parser cannot carry; a plan that was made has none.
    pub fn originate(&self, app: usize, call: Uuid) -> Result<String, esl_core::CommandError> {
        let App { kind, to, variables, .. } = &self.apps[app];
        // Whole seconds, and at least the hold: the timer here is the one that ends a call on time.
        let guard = (self.terms.hold + GUARD).as_millis().div_ceil(1000);
        let mut originate = Originate::new(call, to, kind.application)
            // Early media would answer the originate, and no time-out would apply any more.
            .variable("ignore_early_media", "true")
            .variable("originate_timeout", self.terms.timeout.as_secs().to_string())
            .variable("execute_on_answer", format!("sched_hangup +{guard} allotted_timeout"))
            .variable("loadgen_run", self.run_id.to_string())
            // Travels with the call, so that a far leg and a capture can be matched to it.
            .variable("sip_h_X-loadgen-call", call.to_string());
        for (name, value) in variables {
            originate = originate.variable(name, value);
        }
        originate.command()
    }
}

/// Checks values against what can work, and says where in the file they stand.
struct Check<'a> {
    source: &'a Source,
}

impl Check<'_> {
    fn number(&self, what: &str, number: &Spanned<Number>, max: f64) -> Result<f64, ConfigError> {
        let Number(value) = *number.get_ref();
        if value > 0.0 && value <= max {
            return Ok(value);
        }
        let message = format!("{what} = {value}: it must be above 0 and at most {max}");
        Err(self.source.error(number.span(), message))
    }

    fn rate(&self, what: &str, rate: &Spanned<Number>) -> Result<f64, ConfigError> {
        let Number(value) = *rate.get_ref();
        if (RATE_MIN..=RATE_MAX).contains(&value) {
            return Ok(value);
        }
        let message = format!("{what} = {value}: it must be from {RATE_MIN} to {RATE_MAX} calls per second");
        Err(self.source.error(rate.span(), message))
    }

    fn count_to(&self, what: &str, count: &Spanned<Count>, max: u64) -> Result<u64, ConfigError> {
        match self.count(what, count)? {
            value if value > max => {
                Err(self.source.error(count.span(), format!("{what} = {value}: it must be at most {max}")))
            }
            value => Ok(value),
        }
    }

    fn count(&self, what: &str, count: &Spanned<Count>) -> Result<u64, ConfigError> {
        match count.get_ref().0 {
            0 => Err(self.source.error(count.span(), format!("{what} = 0: it must be at least 1"))),
            count => Ok(count),
        }
    }

    fn time(&self, what: &str, time: &Spanned<Time>, max: Duration) -> Result<Duration, ConfigError> {
        let Time(value) = *time.get_ref();
        if value.is_zero() || value > max {
            let limit = if value.is_zero() { "above 0".to_owned() } else { format!("at most {max:?}") };
            return Err(self.source.error(time.span(), format!("{what} = {value:?}: it must be {limit}")));
        }
        Ok(value)
    }

    /// None at all is a grace too.
    fn grace(&self, time: &Spanned<Time>) -> Result<Duration, ConfigError> {
        if time.get_ref().0.is_zero() { Ok(Duration::ZERO) } else { self.time("grace", time, TIME_MAX) }
    }

    /// FreeSWITCH counts these in whole seconds: rounded up.
    fn seconds(&self, what: &str, time: &Spanned<Time>) -> Result<Duration, ConfigError> {
        let value = self.time(what, time, TIME_MAX)?;
        Ok(Duration::from_secs(value.as_millis().div_ceil(1000) as u64))
    }

    /// Names become labels and columns.
    fn name(&self, what: &str, name: &Spanned<String>) -> Result<String, ConfigError> {
        let text = name.get_ref().trim();
        if text.is_empty() || text.chars().any(char::is_control) || text.chars().count() > 64 {
            let message = format!("{what} {text:?} must have 1 to 64 characters and no control characters");
            return Err(self.source.error(name.span(), message));
        }
        Ok(text.to_owned())
    }

    fn variables(&self, variables: &BTreeMap<String, Spanned<String>>) -> Result<Vec<(String, String)>, ConfigError> {
        let pairs = variables.iter().map(|(name, value)| {
            // FreeSWITCH looks variables up whatever their case.
            if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
                let message = format!("the variable {name:?} is set by loadgen itself, so that no call outlives it");
                return Err(self.source.error(value.span(), message));
            }
            // Whether FreeSWITCH can carry it is its builder's to say.
            let trial = Originate::new(Uuid::nil(), "null/x", "park").variable(name, value.get_ref()).command();
            trial.map_err(|error| self.source.error(value.span(), error.to_string()))?;
            Ok((name.clone(), value.get_ref().clone()))
        });
        pairs.collect()
    }

    fn apps(
        &self,
        configs: Vec<AppConfig>,
        (to, call): (Option<&Spanned<String>>, std::ops::Range<usize>),
        variables: &[(String, String)],
    ) -> Result<(Vec<App>, Turns), ConfigError> {
        let target = |to: Option<&Spanned<String>>| {
            let Some(to) = to else {
                let message =
                    "the key \"to\" is missing in [call]: where calls go, such as \"sofia/external/9196@host:5060\"";
                return Err(self.source.error(call.clone(), message));
            };
            let trial = Originate::new(Uuid::nil(), to.get_ref(), "park").command();
            trial.map_err(|error| self.source.error(to.span(), error.to_string()))?;
            Ok(to.get_ref().clone())
        };
        if configs.is_empty() {
            let app =
                App { name: DEFAULT.name.to_owned(), kind: DEFAULT, to: target(to)?, variables: variables.to_vec() };
            return Ok((vec![app], self.turns(&[1], "apps")?));
        }
        let mut names = BTreeSet::new();
        let mut weights = Vec::new();
        let mut apps = Vec::new();
        for config in configs {
            let kind = config.kind.get_ref();
            let Some(kind) = APPS.iter().find(|app| app.name == kind) else {
                let names: Vec<&str> = APPS.iter().map(|app| app.name).collect();
                let message = format!("unknown app {kind:?}{}", did_you_mean(kind, &names));
                return Err(self.source.error(config.kind.span(), message));
            };
            let name = match &config.name {
                Some(name) => self.name("an app's name", name)?,
                None => kind.name.to_owned(),
            };
            if !names.insert(name.clone()) {
                let message = format!("there are two apps named {name:?}: give each a name of its own");
                return Err(self.source.error(config.name.map_or(config.kind.span(), |name| name.span()), message));
            }
            weights.push(config.weight.as_ref().map_or(Ok(1), |weight| self.count("weight", weight))?);
            apps.push(App { name, kind, to: target(config.to.as_ref().or(to))?, variables: variables.to_vec() });
        }
        let turns = self.turns(&weights, "apps")?;
        Ok((apps, turns))
    }

    fn slaves(&self, configs: Vec<Spanned<SlaveConfig>>, seed: u64) -> Result<(Vec<SlavePlan>, Turns), ConfigError> {
        if configs.is_empty() {
            return Err(self.source.whole("there are no slaves: add a [[slaves]] table, real or simulated"));
        }
        let mut names = BTreeSet::new();
        let mut weights = Vec::new();
        let mut slaves = Vec::new();
        for config in configs {
            let span = config.span();
            let config = config.into_inner();
            let weight = config.weight.as_ref().map_or(Ok(1), |weight| self.count("weight", weight))?;
            for (name, server) in self.servers(&config, &span, seed.wrapping_add(slaves.len() as u64))? {
                if !names.insert(name.clone()) {
                    let message = format!("there are two slaves named {name:?}: give each a name of its own");
                    return Err(self.source.error(span, message));
                }
                let limit = config.limit.as_ref().map(|limit| self.count("limit", limit)).transpose()?;
                let rate = config.max_rate.as_ref().map(|rate| self.rate("max_rate", rate)).transpose()?;
                let gap = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
                let keep_awake = self.keep_awake(config.keep_awake.as_ref())?;
                weights.push(weight);
                slaves.push(SlavePlan { name, server, limit, gap, keep_awake });
            }
        }
        if slaves.len() > SLAVES_MAX {
            return Err(self.source.whole(format!("{} slaves are over the limit of {SLAVES_MAX}", slaves.len())));
        }
        let turns = self.turns(&weights, "slaves")?;
        Ok((slaves, turns))
    }

    /// The servers behind one `[[slaves]]` table, with their names.
    fn servers(
        &self,
        config: &SlaveConfig,
        span: &std::ops::Range<usize>,
        seed: u64,
    ) -> Result<Vec<(String, ServerPlan)>, ConfigError> {
        let given = config.name.as_ref().map(|name| self.name("a slave's name", name)).transpose()?;
        match (&config.host, &config.simulated) {
            (Some(host), None) => {
                let port = config.port.as_ref().map_or(8021, |port| port.get_ref().0);
                let Ok(port @ 1..) = u16::try_from(port) else {
                    let at = config.port.as_ref().map_or(host.span(), Spanned::span);
                    return Err(self.source.error(at, format!("port = {port}: it must be from 1 to 65535")));
                };
                let host = self.name("a host", host)?;
                let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
                let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
                let credentials = Credentials::password(self.password(config, span)?);
                let name = given.unwrap_or_else(|| address.clone());
                Ok(vec![(name, ServerPlan::Real { address, credentials })])
            }
            (None, Some(simulated)) => {
                let unused = [config.port.as_ref().map(Spanned::span), config.password.as_ref().map(Spanned::span)];
                if let Some(span) = unused.into_iter().flatten().next() {
                    return Err(self.source.error(span, "this is for a real slave: a simulated one has its \"listen\" and its \"password\" in \"simulated\""));
                }
                let base = given.unwrap_or_else(|| "sim".to_owned());
                // Not the stock limits: a simulated server is to carry what is asked, unless it is told otherwise.
                let defaults = fs_sim::Config {
                    name: base.clone(),
                    seed,
                    max_sessions: ROOMY,
                    sessions_per_second: ROOMY,
                    ..fs_sim::Config::default()
                };
                let servers = simulated.get_ref().configs(&defaults);
                let servers = servers.map_err(|message| self.source.error(simulated.span(), message))?;
                let single = servers.len() == 1;
                let servers = (1..).zip(servers).map(|(n, server)| {
                    let name = if single { base.clone() } else { format!("{base}{n}") };
                    (name, ServerPlan::Simulated(Box::new(server)))
                });
                Ok(servers.collect())
            }
            (Some(_), Some(_)) => {
                Err(self.source.error(span.clone(), "a slave is either at a \"host\" or \"simulated\", not both"))
            }
            (None, None) => {
                Err(self.source.error(span.clone(), "a slave needs a \"host\", or \"simulated = { count = 1 }\""))
            }
        }
    }

    fn password(&self, config: &SlaveConfig, span: &std::ops::Range<usize>) -> Result<SecretString, ConfigError> {
        match (&config.password, &config.password_file) {
            (Some(password), None) => {
                let secret = &password.get_ref().0;
                let text = secret.expose_secret();
                if text.trim().is_empty() || text.contains(['\r', '\n', '\0']) {
                    let message = "a password must not be empty and must not have line breaks";
                    return Err(self.source.error(password.span(), message));
                }
                Ok(secret.clone())
            }
            (None, Some(file)) => {
                let path = beside(self.source, file.get_ref());
                read_password(&path).map_err(|message| self.source.error(file.span(), message))
            }
            (None, None) => Err(self.source.error(span.clone(), "a slave needs a \"password\" or a \"password_file\"")),
            (Some(_), Some(file)) => Err(self
                .source
                .error(file.span(), "a slave has either a \"password\" or a \"password_file\", not both")),
        }
    }

    fn keep_awake(&self, config: Option<&Spanned<String>>) -> Result<KeepAwake, ConfigError> {
        let Some(text) = config else {
            return Ok(KeepAwake::every(KEEP_AWAKE));
        };
        if text.get_ref() == "off" {
            return Ok(KeepAwake::OFF);
        }
        match Time::parse(text.get_ref()) {
            Ok(Time(period)) if period >= KEEP_AWAKE_MIN => Ok(KeepAwake::every(period)),
            Ok(Time(period)) => {
                let message = format!("keep_awake = {period:?}: it must be at least {KEEP_AWAKE_MIN:?}, or \"off\"");
                Err(self.source.error(text.span(), message))
            }
            Err(message) => Err(self.source.error(text.span(), format!("{message}; or \"off\""))),
        }
    }

    fn turns(&self, weights: &[u64], of: &str) -> Result<Turns, ConfigError> {
        Turns::new(weights).ok_or_else(|| {
            let message = format!(
                "the weights of the {of} add up to more than {}, after taking out what they share",
                Turns::CYCLE_MAX
            );
            self.source.whole(message)
        })
    }
}

fn read_password(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    match text.lines().next().map(str::trim) {
        Some(password) if !password.is_empty() => Ok(password.into()),
        _ => Err(format!("{}: its first line is to be the password, and it is empty", path.display())),
    }
}
