//! Makes the `originate` command of each call, with the guards that end the call when this program cannot.

use std::sync::Arc;
use std::time::Duration;

use esl_core::{EventName, Originate};

use super::marks::{RUN_VARIABLE, TRACKING_VARIABLE};
use super::{AllowList, App, FarLegMatch, Names, Numbers, Placement, RunId, Target};
use crate::config::template::{Context, Template};
use crate::measure::Labels;

/// How much later than planned the server ends an answered call by itself: the timer of this program has to come first.
const GUARD: Duration = Duration::from_secs(2);

/// Everything that the calls of a run have in common, and the texts in which they differ.
#[derive(Debug)]
pub struct CallFactory {
    /// The run that the calls belong to.
    pub run_id: RunId,
    /// How long a call may ring. Whole seconds, since FreeSWITCH counts in them.
    pub timeout: Duration,
    /// The apps that calls run.
    pub apps: Vec<App>,
    /// The addresses that are called.
    pub targets: Vec<Target>,
    /// The rows of values that texts can name.
    pub numbers: Numbers,
    /// How a far leg is matched to its call.
    pub far_leg: FarLegMatch,
    /// The addresses that may be dialled.
    pub allowed: AllowList,
    /// Channel variables of each call.
    pub variables: Vec<(String, Template)>,
    names: Arc<Names>,
    /// The run id as texts carry it.
    run: String,
    controls_far_legs: bool,
}

/// The events that apps need, besides [`MEASURED_EVENTS`](super::marks::MEASURED_EVENTS).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppEvents {
    /// Events by name.
    pub events: Vec<EventName>,
    /// `CUSTOM` events by subclass.
    pub customs: Vec<String>,
}

/// The parts that a [`CallFactory`] is made of.
pub(super) struct CallParts {
    pub(super) run_id: RunId,
    pub(super) timeout: Duration,
    pub(super) apps: Vec<App>,
    pub(super) targets: Vec<Target>,
    pub(super) numbers: Numbers,
    pub(super) far_leg: FarLegMatch,
    pub(super) allowed: AllowList,
    pub(super) variables: Vec<(String, Template)>,
}

impl CallFactory {
    pub(super) fn new(parts: CallParts, names: Arc<Names>) -> Self {
        let CallParts { run_id, timeout, apps, targets, numbers, far_leg, allowed, variables } = parts;
        Self {
            run_id,
            timeout,
            controls_far_legs: apps.iter().any(|app| app.script.needs_far_leg_events()),
            apps,
            targets,
            numbers,
            far_leg,
            allowed,
            variables,
            names,
            run: run_id.to_string(),
        }
    }

    /// The UUID of a call's near leg.
    pub fn uuid(&self, slave: usize, attempt: u64) -> uuid::Uuid {
        self.run_id.call(slave, attempt)
    }

    /// A target's address, with the first row of values where it has placeholders.
    pub fn address(&self, target: u16) -> String {
        let row = self.numbers.rows.first().map(Vec::as_slice);
        let context = Context { run: &self.run, row, ..Context::sample() };
        self.targets[usize::from(target)].to.render(&context).into_owned()
    }

    /// The app of a call.
    pub fn app(&self, labels: Labels) -> &App {
        &self.apps[usize::from(labels.app)]
    }

    /// The values of a call's placeholders.
    pub fn context(&self, slave: usize, attempt: u64, labels: Labels) -> Context<'_> {
        Context {
            run: &self.run,
            slave: &self.names.slaves[slave],
            app: &self.app(labels).name,
            attempt,
            uuid: self.uuid(slave, attempt),
            far: None,
            row: self.numbers.row_of(attempt).map(|row| self.numbers.rows[row].as_slice()),
        }
    }

    /// The events that the apps need.
    pub fn events(&self) -> AppEvents {
        let mut wanted = AppEvents::default();
        for app in &self.apps {
            wanted.events.extend(app.script.events().into_iter().filter(|name| *name != EventName::Custom));
            wanted.customs.extend(app.script.customs());
        }
        wanted
    }

    /// Whether an address may be dialled.
    pub fn may_dial(&self, address: &str) -> bool {
        self.allowed.allows(address)
    }

    /// Whether an app needs the events of far legs.
    pub fn controls_far_legs(&self) -> bool {
        self.controls_far_legs
    }

    /// The row whose number a call's far leg shows, where far legs are matched by a number.
    pub fn far_row(&self, attempt: u64) -> Option<usize> {
        match self.far_leg {
            FarLegMatch::Ignored | FarLegMatch::Header => None,
            FarLegMatch::CallerId(_) | FarLegMatch::Destination(_) => self.numbers.row_of(attempt),
        }
    }

    /// The `originate` command of one call, with the guards that end the call without this program. `None` where the
    /// address may not be dialled.
    ///
    /// # Errors
    /// A text that FreeSWITCH's parser cannot carry; the texts of a plan have been checked.
    pub fn originate(&self, slave: usize, call: &Placement) -> Result<Option<String>, esl_core::CommandError> {
        let context = self.context(slave, call.attempt, call.labels);
        let target = &self.targets[usize::from(call.labels.target)].to;
        let to = target.render(&context);
        if !target.is_constant() && !self.allowed.allows(&to) {
            return Ok(None);
        }
        let script = &self.app(call.labels).script;
        if script.dials().is_some_and(|to| !self.allowed.allows(&to.render(&context))) {
            return Ok(None);
        }
        // Whole seconds, and later than the hold: the timer of this program ends a call on time.
        let guard = (call.hold + GUARD).as_millis().div_ceil(1000);
        let mut originate = Originate::new(context.uuid, &*to, script.on_answer())
            // Early media would answer the originate, and no time-out would apply any more.
            .variable("ignore_early_media", "true")
            .variable("originate_timeout", self.timeout.as_secs().to_string())
            .variable("execute_on_answer", format!("sched_hangup +{guard} allotted_timeout"))
            .variable(RUN_VARIABLE, &*self.run)
            .variable(TRACKING_VARIABLE, context.uuid.to_string());
        for (name, value) in script.variables(&context) {
            originate = originate.variable(name, value);
        }
        for (name, value) in &self.variables {
            originate = originate.variable(name, value.render(&context));
        }
        originate.command().map(Some)
    }
}
