//! The load of a plan: how many calls, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use units::Delay;

use super::validator::{TIME_MAX, Validator};
use super::{App, SlavePlan};
use crate::config::{ArrivalsConfig, Config, ConfigError, Count, LoadConfig, PhaseConfig, did_you_mean};
use crate::schedule::check::{self, Place, ScheduleIssue, SlaveCapacity};
use crate::schedule::draw::{STREAM_HOLD, draw};
use crate::schedule::{Arrivals, Phase, Rate, RoundRobin, Schedule, hold_to_fill};

/// Calls of a run at most, where their number limits it: their due times are computed once before the run starts.
const OFFERED_MAX: u64 = 100_000_000;
/// The longest run with an end: ten years. A run without one may last longer.
const DURATION_MAX: Duration = Duration::from_secs(3650 * 86_400);
/// Phases at most: each has figures of its own at every slave.
const PHASES_MAX: usize = 1000;
/// The longest hold that is drawn from a distribution: a long tail would otherwise keep a call up for days.
pub(super) const RANDOM_HOLD_MAX: Duration = Duration::from_secs(3_600);
/// Calls of a burst at most.
const BURST_MAX: u64 = 100_000;

/// What becomes of a call that is due at the limit of concurrent calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is skipped and counted: an open loop.
    Skip,
    /// It is due when one ends: a closed loop.
    Wait,
}

/// How long calls last from their answer on.
#[derive(Clone, Debug, PartialEq)]
pub enum Hold {
    /// A time that is drawn for each call.
    Drawn(Delay),
    /// The time that keeps all slots in use: limit / rate, both as they are when the call is due; on a ramp, the
    /// highest rate of the ramp.
    Computed {
        /// Concurrent calls, as planned.
        limit: u64,
    },
}

impl Hold {
    /// The hold time of a call, always the same for the same arguments. `rate` is the rate asked for when the call is
    /// due; `limit` is the limit on concurrent calls then, where it has changed.
    pub fn of(&self, seed: u64, attempt: u64, rate: f64, limit: Option<u64>) -> Duration {
        match self {
            Self::Drawn(Delay::Constant(hold)) => *hold,
            Self::Drawn(delay) => delay.sample(&mut draw(seed, STREAM_HOLD, attempt), RANDOM_HOLD_MAX),
            Self::Computed { limit: planned } => {
                hold_to_fill(limit.unwrap_or(*planned), rate).map_or(TIME_MAX, |hold| hold.min(TIME_MAX))
            }
        }
    }

    /// The mean in seconds, at this rate. For a distribution, the mean of its first thousand draws, since it is cut
    /// off.
    pub fn mean(&self, seed: u64, rate: f64) -> f64 {
        const DRAWS: u64 = 1000;
        match self {
            Self::Drawn(Delay::Constant(hold)) => hold.as_secs_f64(),
            _ => (0..DRAWS).map(|n| self.of(seed, n, rate, None).as_secs_f64()).sum::<f64>() / DRAWS as f64,
        }
    }

    /// A description for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Drawn(Delay::Constant(hold)) => format!("{hold:?}"),
            Self::Drawn(Delay::Uniform { from, to }) => format!("{from:?} to {to:?}"),
            Self::Drawn(Delay::Exponential { mean }) => format!("{mean:?} on average, exponential"),
            Self::Drawn(Delay::Normal { mean, .. }) => format!("{mean:?} on average, normal"),
            Self::Drawn(Delay::LogNormal { median, .. }) => format!("{median:?} or less by half, log-normal"),
            Self::Drawn(Delay::List(list)) => format!("one of {} times", list.len()),
            Self::Computed { limit } => format!("{limit} / rate"),
        }
    }
}

/// The result of `[load]` and `[[phases]]`.
pub(super) struct LoadPlan {
    pub(super) schedule: Schedule,
    pub(super) mode: Mode,
    pub(super) limit: Option<u64>,
    pub(super) max_lag: Duration,
    pub(super) redistribute: bool,
}

impl Validator<'_> {
    pub(super) fn load(
        &self,
        config: &Config,
        seed: u64,
        (apps, weights): (&[App], &[u64]),
        slaves: RoundRobin,
    ) -> Result<LoadPlan, ConfigError> {
        let none = LoadConfig::default();
        let load = config.load.as_ref().map_or(&none, Spanned::get_ref);
        let mode = match &load.mode {
            None => Mode::Skip,
            Some(mode) => match mode.get_ref().as_str() {
                "skip" => Mode::Skip,
                "wait" => Mode::Wait,
                other => {
                    let known = did_you_mean(other, &["skip", "wait"]);
                    return Err(self.source.error(mode.span(), format!("unknown mode {other:?}{known}")));
                }
            },
        };
        let limit = load.limit.as_ref().map(|limit| self.count("limit", limit)).transpose()?;
        if let (Some(span), Mode::Wait, None) = (load.mode.as_ref().map(Spanned::span), mode, limit) {
            return Err(self.source.error(span, "mode = \"wait\" needs a \"limit\": the number of concurrent calls"));
        }
        let schedule = Schedule {
            phases: self.phases(config, load, apps, weights)?,
            arrivals: self.arrivals(load)?,
            seed,
            max_offered: load
                .max_offered
                .as_ref()
                .map(|count| self.count_to("max_offered", count, OFFERED_MAX))
                .transpose()?,
            slaves,
        };
        let max_lag = load.max_lag.as_ref();
        Ok(LoadPlan {
            schedule,
            mode,
            limit,
            max_lag: max_lag.map_or(Ok(Duration::from_secs(1)), |lag| self.time("max_lag", lag, TIME_MAX))?,
            redistribute: load.redistribute.unwrap_or(false),
        })
    }

    fn arrivals(&self, load: &LoadConfig) -> Result<Arrivals, ConfigError> {
        let Some(arrivals) = &load.arrivals else {
            return Ok(Arrivals::Constant);
        };
        match arrivals.get_ref() {
            ArrivalsConfig::Word(word) => match word.as_str() {
                "constant" => Ok(Arrivals::Constant),
                "poisson" => Ok(Arrivals::Poisson),
                "uniform" => Ok(Arrivals::Uniform),
                "burst" => {
                    Err(self.source.error(arrivals.span(), "no burst size: set it, as in arrivals = { burst = 50 }"))
                }
                other => {
                    let known = did_you_mean(other, &["constant", "poisson", "uniform"]);
                    Err(self.source.error(arrivals.span(), format!("unknown arrivals {other:?}{known}")))
                }
            },
            ArrivalsConfig::Burst(config) => {
                let count = Spanned::new(arrivals.span(), config.burst);
                Ok(Arrivals::Burst(self.count_to("burst", &count, BURST_MAX)?))
            }
        }
    }

    fn phases(
        &self,
        config: &Config,
        load: &LoadConfig,
        apps: &[App],
        weights: &[u64],
    ) -> Result<Vec<Phase>, ConfigError> {
        if config.phases.is_empty() {
            let Some(rate) = &load.rate else {
                return Err(match &config.load {
                    Some(load) => self.source.error(load.span(), "the key \"rate\" is missing here: calls per second"),
                    None => self.source.whole("no load: add [load] with a rate, or [[phases]]"),
                });
            };
            let duration = config.run.duration.as_ref();
            return Ok(vec![Phase {
                name: "load".to_owned(),
                duration: duration.map(|time| self.time("duration", time, DURATION_MAX)).transpose()?,
                rate: Rate::Flat(self.rate("rate", rate)?),
                measured: true,
                apps: self.round_robin(weights, "apps")?,
            }]);
        }
        if let Some(rate) = &load.rate {
            return Err(self.source.error(rate.span(), "each phase has its own rate: remove this one"));
        }
        if let Some(duration) = &config.run.duration {
            let message = "each phase has its own duration: remove this one";
            return Err(self.source.error(duration.span(), message));
        }
        if config.phases.len() > PHASES_MAX {
            let message = format!("{} phases: the limit is {PHASES_MAX}", config.phases.len());
            return Err(self.source.whole(message));
        }
        let mut names = BTreeSet::new();
        let mut phases = Vec::new();
        for (n, phase) in (1..).zip(&config.phases) {
            let last = n == config.phases.len();
            let span = phase.span();
            let phase = phase.get_ref();
            let name = match &phase.name {
                Some(name) => self.name("a phase's name", name)?,
                None => format!("phase{n}"),
            };
            if !names.insert(name.clone()) {
                let message = format!("duplicate phase name {name:?}: phase names are unique");
                return Err(self.source.error(span, message));
            }
            let (rate, duration) = self.phase_rate(phase, &span, last)?;
            let apps = match &phase.mix {
                None => self.round_robin(weights, "apps")?,
                Some(mix) => self.mix(mix, apps)?,
            };
            phases.push(Phase { name, duration, rate, measured: phase.measured.unwrap_or(true), apps });
        }
        Ok(phases)
    }

    fn phase_rate(
        &self,
        phase: &PhaseConfig,
        span: &Range<usize>,
        last: bool,
    ) -> Result<(Rate, Option<Duration>), ConfigError> {
        let error = |message: &str| Err(self.source.error(span.clone(), message));
        let duration = phase.duration.as_ref().map(|time| self.time("duration", time, DURATION_MAX)).transpose()?;
        let pause = phase.pause.as_ref().is_some_and(|pause| *pause.get_ref());
        let rate = match (&phase.rate, &phase.from, &phase.to, pause) {
            (Some(rate), None, None, false) => Rate::Flat(self.rate("rate", rate)?),
            (None, None, None, true) => Rate::Pause,
            (None, Some(from), Some(to), false) => {
                let (from, to) = (self.ramp_rate("from", from)?, self.ramp_rate("to", to)?);
                if from == 0.0 && to == 0.0 {
                    return error("a ramp from 0 to 0 has no calls: a phase without calls is pause = true");
                }
                match (&phase.step, &phase.each) {
                    (None, None) => Rate::Linear { from, to },
                    (Some(step), Some(each)) => {
                        if let Some(duration) = &phase.duration {
                            let message = "each step has its own duration: remove this one";
                            return Err(self.source.error(duration.span(), message));
                        }
                        let step = self.rate("step", step)?;
                        return Ok((
                            Rate::Steps { from, to, step, each: self.time("each", each, DURATION_MAX)? },
                            None,
                        ));
                    }
                    _ => {
                        return error(
                            "steps need both \"step\", in calls per second, and \"each\", the duration of a step",
                        );
                    }
                }
            }
            _ => {
                return error(
                    "a phase has either \"rate\", or \"from\" and \"to\" (with \"step\" and \"each\" for steps), or pause = true",
                );
            }
        };
        match (&rate, duration) {
            (Rate::Flat(_), None) if last => {}
            (_, None) => {
                return error(
                    "the key \"duration\" is missing here: only the last phase can go without it, at a constant rate",
                );
            }
            _ => {}
        }
        Ok((rate, duration))
    }

    fn mix(&self, mix: &Spanned<BTreeMap<String, Spanned<Count>>>, apps: &[App]) -> Result<RoundRobin, ConfigError> {
        let mut weights = vec![0; apps.len()];
        for (name, weight) in mix.get_ref() {
            let Some(app) = apps.iter().position(|app| app.name == *name) else {
                let names: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
                let message = format!("unknown app {name:?} in the mix{}", did_you_mean(name, &names));
                return Err(self.source.error(weight.span(), message));
            };
            weights[app] = weight.get_ref().0;
        }
        if weights.iter().all(|weight| *weight == 0) {
            return Err(self
                .source
                .error(mix.span(), "the weights of the mix are all 0: at least one must be above 0"));
        }
        self.round_robin(&weights, "apps")
    }

    /// Checks that the rate, the limits and the hold times fit each other.
    pub(super) fn fits(
        &self,
        config: &Config,
        load: &LoadPlan,
        hold: &Hold,
        slaves: &[SlavePlan],
    ) -> Result<(), ConfigError> {
        let schedule = &load.schedule;
        let ceilings: Vec<SlaveCapacity<'_>> = slaves
            .iter()
            .map(|slave| SlaveCapacity {
                name: &slave.name,
                max_rate: slave.gap.map(|gap| 1.0 / gap.as_secs_f64()),
                limit: slave.limit,
            })
            .collect();
        // A closed loop waits for both.
        if load.mode == Mode::Skip {
            let rates = check::rate_over_ceilings(schedule, &ceilings)
                .or_else(|| check::burst_over_lag(schedule, &ceilings, load.max_lag));
            if let Some(issue) = rates {
                return Err(self.issue(config, slaves, issue, "lower the rate, or raise max_rate"));
            }
            let mean = Duration::try_from_secs_f64(hold.mean(schedule.seed, schedule.rate_max())).unwrap_or(TIME_MAX);
            if let Some(issue) = check::load_over_limit(schedule, mean, load.limit, &ceilings) {
                let way = "shorten the hold, lower the rate, raise the limit, or let calls wait by mode = \"wait\"";
                return Err(self.issue(config, slaves, issue, way));
            }
        }
        match check::measures_nothing(schedule) {
            Some(issue) => Err(self.issue(config, slaves, issue, "a run must not be valid with nothing measured")),
            None => Ok(()),
        }
    }

    fn issue(&self, config: &Config, slaves: &[SlavePlan], issue: ScheduleIssue, way_out: &str) -> ConfigError {
        let message = format!("{}: {way_out}", issue.message);
        let load = config.load.as_ref().map(Spanned::get_ref);
        let span = match issue.place {
            Place::Slave(index) => slaves.get(index).map(|slave| slave.span.clone()),
            Place::Phase(index) => config.phases.get(index).map(Spanned::span),
            Place::Load => load.and_then(|load| load.limit.as_ref()).map(Spanned::span),
        };
        let rate = || load.and_then(|load| load.rate.as_ref()).map(Spanned::span);
        match span.or_else(rate) {
            Some(span) => self.source.error(span, message),
            None => self.source.whole(message),
        }
    }
}
