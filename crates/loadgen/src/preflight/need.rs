//! What the plan needs of each slave.

use std::collections::BTreeMap;
use std::time::Duration;

use esl_core::{EventName, KeepAwake};

use super::commands::commands;
use crate::apps::script::{Script, Side};
use crate::plan::marks::MEASURED_EVENTS;
use crate::plan::{App, Plan, RunId, ServerPlan};
use crate::schedule::{Arrivals, load_max};

/// What the plan needs of one slave.
#[derive(Clone, Debug)]
pub struct Need {
    /// Its name in the results.
    pub name: String,
    /// Whether it is simulated in this process, and so as young as the run.
    pub simulated: bool,
    /// Whether it places calls of this shard. Otherwise it is there for far legs.
    pub places: bool,
    /// Calls per second that it places at the highest rate; for another shard, if it belongs to one.
    pub rate: f64,
    /// Concurrent calls at that rate: rate × mean hold, within the limits.
    pub concurrent: f64,
    /// How much a second's calls may exceed the rate.
    pub spread: Spread,
    /// The addresses that its calls go to, whichever shard places them. Empty where it has none.
    pub targets: Vec<DialledAddress>,
    /// The modules that apps need.
    pub modules: BTreeMap<&'static str, Apps>,
    /// The API commands that apps send here, about near or far legs.
    pub commands: BTreeMap<&'static str, Apps>,
    /// The events that apps need besides [`MEASURED_EVENTS`], as a subscription names them.
    pub events: BTreeMap<String, Apps>,
    /// The apps that control far legs, if any.
    pub far_legs: Option<Apps>,
    /// The run's id.
    pub run: RunId,
    /// How often its listener is kept awake.
    pub keep_awake: KeepAwake,
    /// Whether its limits are raised for the run.
    pub raise: bool,
    /// Whether it may place probe calls.
    pub probe: bool,
}

/// How much the calls of some seconds exceed the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// By this many calls at most.
    Within(f64),
    /// As a Poisson process does.
    Random,
}

/// An address that is dialled.
#[derive(Clone, Debug, PartialEq)]
pub struct DialledAddress {
    /// As FreeSWITCH writes it.
    pub to: String,
    /// Its share of the slave's calls, 0 to 1.
    pub share: f64,
    /// Whether an app controls the far leg, which has to come to a slave and be parked there unanswered.
    pub parked: bool,
}

/// The apps that need something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apps {
    /// Every app.
    Every,
    /// The apps of these names.
    These(Vec<String>),
}

/// Apps that a finding names at most.
const APPS_MAX: usize = 3;

impl Apps {
    fn add(&mut self, name: &str) {
        if let Self::These(names) = self
            && names.iter().all(|other| other != name)
        {
            names.push(name.to_owned());
        }
    }

    /// The apps with a verb, singular or plural: `the app ivr needs`.
    pub(super) fn with(&self, needs: &str, need: &str) -> String {
        match self {
            Self::Every => format!("every app {needs}"),
            Self::These(names) => match &names[..] {
                [name] => format!("the app {name} {needs}"),
                names if names.len() <= APPS_MAX => format!("the apps {} {need}", names.join(", ")),
                names => {
                    let (shown, more) = names.split_at(APPS_MAX);
                    format!("the apps {} and {} more {need}", shown.join(", "), more.len())
                }
            },
        }
    }
}

/// The needs of the apps, each with the apps that have it.
fn by_apps<T: Ord>(plan: &Plan, needs: impl Fn(&App) -> Vec<T>) -> BTreeMap<T, Apps> {
    let mut needed = BTreeMap::new();
    for app in &plan.calls.apps {
        for one in needs(app) {
            needed.entry(one).or_insert(Apps::These(Vec::new())).add(&app.name);
        }
    }
    needed
}

impl Need {
    /// The addresses that this shard has it call.
    pub(super) fn dialled(&self) -> &[DialledAddress] {
        if self.places { &self.targets } else { &[] }
    }
}

/// What the plan needs of each slave, in its order.
pub(super) fn needs(plan: &Plan) -> Vec<Need> {
    let targets = targets(plan);
    let mut modules = by_apps(plan, |app| app.kind.modules.to_vec());
    modules.insert("mod_dptools", Apps::Every);
    let commands_of =
        |sides: &[Side]| by_apps(plan, |app| sides.iter().flat_map(|side| commands(&app.script, *side)).collect());
    let (commands_of_both, commands_of_far) = (commands_of(&Side::BOTH), commands_of(&[Side::Callee]));
    let events = by_apps(plan, |app| events(&app.script));
    let far_legs = by_apps(plan, |app| app.script.controls_far_leg().then_some(()).into_iter().collect());
    let far_legs = far_legs.into_values().next();
    let schedule = &plan.schedule;
    let slaves = plan.slaves.iter().enumerate().map(|(index, slave)| {
        let share = schedule.slaves.share(index);
        let ceiling = slave.gap.map_or(f64::INFINITY, |gap| 1.0 / gap.as_secs_f64());
        Need {
            name: slave.name.clone(),
            simulated: matches!(slave.server, ServerPlan::Simulated(_)),
            places: plan.places_calls(index),
            rate: (schedule.rate_max() * share).min(ceiling),
            concurrent: concurrent(plan, share).min(slave.limit.map_or(f64::INFINITY, |limit| limit as f64)),
            spread: spread(schedule.arrivals, share),
            targets: if share > 0.0 { targets.clone() } else { Vec::new() },
            modules: modules.clone(),
            commands: if plan.places_calls(index) { &commands_of_both } else { &commands_of_far }.clone(),
            events: events.clone(),
            far_legs: far_legs.clone(),
            run: plan.run_id,
            keep_awake: slave.keep_awake,
            raise: plan.raise_limits,
            probe: plan.preflight.probe && plan.places_calls(index),
        }
    });
    slaves.collect()
}

/// The prefix of a CUSTOM event's subclass.
pub(super) const CUSTOM: &str = "CUSTOM ";

/// The events that a script needs besides [`MEASURED_EVENTS`], as a subscription names them.
fn events(script: &Script) -> Vec<String> {
    let names =
        script.events().into_iter().filter(|name| *name != EventName::Custom && !MEASURED_EVENTS.contains(name));
    let customs = script.customs().into_iter().map(|subclass| format!("{CUSTOM}{subclass}"));
    names.map(|name| name.as_str().to_owned()).chain(customs).collect()
}

/// The most concurrent calls of a slave with this share of all, within the limits.
fn concurrent(plan: &Plan, share: f64) -> f64 {
    let hold = Duration::try_from_secs_f64(plan.mean_hold(plan.schedule.rate_max())).unwrap_or(Duration::MAX);
    let (_, most) = load_max(&plan.schedule, hold);
    // The plan's limit is this shard's share.
    let limit = plan.limit.map_or(f64::INFINITY, |limit| limit as f64 / plan.share());
    most.min(limit) * share
}

/// The deviation that the arrivals guarantee for any window, see [`Arrivals`].
fn spread(arrivals: Arrivals, share: f64) -> Spread {
    match arrivals {
        Arrivals::Constant => Spread::Within(1.0),
        Arrivals::Uniform => Spread::Within(2.0),
        Arrivals::Burst(size) => Spread::Within((size as f64 * share).max(1.0)),
        Arrivals::Poisson => Spread::Random,
    }
}

fn targets(plan: &Plan) -> Vec<DialledAddress> {
    let mut targets: Vec<DialledAddress> = Vec::new();
    for (index, app) in plan.calls.apps.iter().enumerate() {
        let share = plan.schedule.phases.iter().map(|phase| phase.apps.share(index)).fold(0.0, f64::max);
        let parked = app.script.controls_far_leg();
        for (member, of_app) in app.targets.shares() {
            let (to, share) = (plan.calls.address(member), share * of_app);
            match targets.iter_mut().find(|target| target.to == to) {
                Some(target) => {
                    target.share += share;
                    target.parked |= parked;
                }
                None => targets.push(DialledAddress { to, share, parked }),
            }
        }
    }
    targets
}
