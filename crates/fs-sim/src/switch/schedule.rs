//! What is planned for a second of the epoch (switch_scheduler.c).

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{Due, Job, Legs, Redirect, Switch, Waits, execute::leading_number};
use crate::{
    cause::Cause,
    channel::SessionId,
    event::{EventKind, Origin},
};

/// How often the scheduler looks for tasks that are due (switch_scheduler.c).
const SCHEDULER_PERIOD: Duration = Duration::from_millis(500);

/// The most tasks that are planned at a time, and bytes of what they say: more than channels have, so that a client's
/// mistake cannot grow the server.
const TASKS_MAX: usize = 1_000_000;
const TASKS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The server plans so many tasks itself when it starts, which have the first numbers.
const TASKS_OF_ITS_OWN: u64 = 3;

/// What is planned.
#[derive(Clone, Debug)]
pub(crate) enum Planned {
    HangUp(Cause),
    /// An API command, again every so many seconds unless that is 0.
    Command {
        text: String,
        every: u64,
    },
    Broadcast {
        path: String,
        legs: Legs,
    },
    Transfer(Redirect),
    /// `SESSION_HEARTBEAT`, once.
    Heartbeat,
}

impl Planned {
    /// `Task-Desc`.
    fn description(&self) -> &'static str {
        match self {
            Planned::HangUp(_) => "switch_ivr_schedule_hangup",
            Planned::Command { .. } => "sched_api_function",
            Planned::Broadcast { .. } => "switch_ivr_schedule_broadcast",
            Planned::Transfer(_) => "switch_ivr_schedule_transfer",
            Planned::Heartbeat => "switch_core_session_sched_heartbeat",
        }
    }
}

/// A planned thing with the name by which `sched_del` finds it.
#[derive(Debug)]
struct Task {
    group: Arc<str>,
    /// The second of the epoch for which it is planned.
    second: u64,
    /// When the scheduler looks at it.
    at: Duration,
    description: &'static str,
    /// Nothing if it has been cancelled, which is told at the scheduler's next look.
    planned: Option<Planned>,
}

/// All that is planned, by its number and by its group.
#[derive(Debug)]
pub(super) struct Tasks {
    by_number: HashMap<u64, Task>,
    /// Those that have not been cancelled.
    groups: BTreeSet<(Arc<str>, u64)>,
    bytes: usize,
    /// How many there have been.
    count: u64,
}

const ADDED: Origin = Origin("switch_scheduler.c", "switch_scheduler_add_task_ex", 266);
const AGAIN: Origin = Origin("switch_scheduler.c", "switch_scheduler_execute", 73);
const HEARTBEAT: Origin = Origin("switch_core_session.c", "sch_heartbeat_callback", 1632);
const DELETED: Origin = Origin("switch_scheduler.c", "task_thread_loop", 151);

impl Task {
    /// What it costs to keep it, beside the task itself.
    fn bytes(&self) -> usize {
        let own = match &self.planned {
            Some(Planned::Command { text, .. }) => text.len(),
            Some(Planned::Broadcast { path, .. }) => path.len(),
            Some(Planned::HangUp(_) | Planned::Transfer(_) | Planned::Heartbeat) | None => 0,
        };
        own + self.group.len()
    }
}

impl Default for Tasks {
    fn default() -> Tasks {
        Tasks { by_number: HashMap::new(), groups: BTreeSet::new(), bytes: 0, count: TASKS_OF_ITS_OWN }
    }
}

impl Tasks {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// What it holds: tasks, their names, and their bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> [usize; 3] {
        [self.by_number.len(), self.groups.len(), self.bytes]
    }

    #[cfg(test)]
    pub(super) fn fill(&mut self) {
        self.bytes = TASKS_BYTES_MAX;
    }

    /// When the scheduler looks at a task; nothing if it is gone.
    pub(super) fn at(&self, number: u64) -> Option<Duration> {
        self.by_number.get(&number).map(|task| task.at)
    }

    fn has_room_for(&self, task: &Task) -> bool {
        self.by_number.len() < TASKS_MAX && self.bytes + task.bytes() <= TASKS_BYTES_MAX
    }

    fn insert(&mut self, number: u64, task: Task) {
        self.bytes += task.bytes();
        self.groups.insert((task.group.clone(), number));
        self.by_number.insert(number, task);
    }

    fn remove(&mut self, number: u64) -> Option<Task> {
        let task = self.by_number.remove(&number)?;
        self.bytes -= task.bytes();
        self.groups.remove(&(task.group.clone(), number));
        Some(task)
    }

    /// Cancels a task, at which the scheduler looks at `at` for the last time: `false` if there is none.
    fn cancel(&mut self, number: u64, at: Duration) -> bool {
        let Some(task) = self.by_number.get_mut(&number).filter(|task| task.planned.is_some()) else { return false };
        self.bytes -= task.bytes();
        task.planned = None;
        task.at = at;
        self.bytes += task.bytes();
        self.groups.remove(&(task.group.clone(), number));
        true
    }

    fn of_group(&self, group: Arc<str>) -> Vec<u64> {
        let numbers = self.groups.range((group.clone(), 0)..=(group, u64::MAX));
        numbers.map(|(_, number)| *number).collect()
    }
}

impl Switch {
    /// Plans a hangup `sched_hangup`'s way: in whole seconds of the epoch, at the scheduler's next look.
    pub(crate) fn schedule_hangup(&mut self, now: Duration, id: SessionId, when: &str, cause: Cause) {
        // Without a plus it is an epoch second; mod_commands reads its digits from the second on.
        if leading_number(when.get(1..).unwrap_or_default()) == 0 {
            return self.hang_up(now, id, cause);
        }
        let second = self.second_of(now, when);
        if let Some(group) = self.channels.get(&id).map(|channel| channel.uuid.clone()) {
            self.plan(now, second, &group, Planned::HangUp(cause));
        }
    }

    /// The epoch's second that `+<seconds>` or `<second>` names.
    pub(crate) fn second_of(&self, now: Duration, when: &str) -> u64 {
        let number = |text: &str| u64::try_from(leading_number(text)).unwrap_or(0);
        match when.strip_prefix('+') {
            Some(seconds) => self.bus.clock.second(now).saturating_add(number(seconds)),
            None => number(when),
        }
    }

    /// Plans something for a second of the epoch: its number, or nothing if there is too much already.
    pub(crate) fn plan(&mut self, now: Duration, second: u64, group: &str, planned: Planned) -> Option<u64> {
        let (description, at) = (planned.description(), self.scheduler_looks(now, second));
        let task = Task { group: group.into(), second, at, description, planned: Some(planned) };
        if !self.tasks.has_room_for(&task) {
            self.refusals.tasks += 1;
            return None;
        }
        self.tasks.count += 1;
        let number = self.tasks.count;
        self.tell_task(now, (EventKind::ADD_SCHEDULE, ADDED), number, &task);
        self.tasks.insert(number, task);
        self.timers.add(at, Due::Task(number));
        Some(number)
    }

    pub(super) fn run_task(&mut self, now: Duration, number: u64) {
        let Some(mut task) = self.tasks.remove(number) else { return };
        match (task.planned.take(), self.find(&task.group)) {
            (Some(Planned::Command { text, every }), _) => {
                self.start(now, Job::new(&text, Waits::Nobody));
                if every > 0 {
                    task.second = self.bus.clock.second(now).saturating_add(every);
                    task.at = self.scheduler_looks(now, task.second);
                    task.planned = Some(Planned::Command { text, every });
                    self.tell_task(now, (EventKind::RE_SCHEDULE, AGAIN), number, &task);
                    self.timers.add(task.at, Due::Task(number));
                    return self.tasks.insert(number, task);
                }
            }
            (Some(Planned::HangUp(cause)), Some(id)) => self.hang_up(now, id, cause),
            (Some(Planned::Broadcast { path, legs }), Some(id)) => self.broadcast(now, id, &path, legs),
            (Some(Planned::Transfer(redirect)), Some(id)) => self.send_elsewhere(now, id, redirect),
            (Some(Planned::Heartbeat), Some(id)) => self.emit(now, id, EventKind::SESSION_HEARTBEAT, HEARTBEAT),
            (None, _) | (_, None) => {}
        }
        self.tell_task(now, (EventKind::DEL_SCHEDULE, DELETED), number, &task);
    }

    /// The server's heartbeat is a task of its own, which is planned again each time.
    pub(super) fn heartbeat_again(&mut self, now: Duration) {
        let at = now + self.heartbeat;
        let second = self.bus.clock.second(at);
        let task = Task { group: "core".into(), second, at, description: "heartbeat", planned: None };
        self.tell_task(now, (EventKind::RE_SCHEDULE, AGAIN), 1, &task);
    }

    /// When the scheduler looks at what is planned for this second: when it has come, and not before.
    fn scheduler_looks(&self, now: Duration, second: u64) -> Duration {
        let due = self.bus.clock.up_at_second(second);
        let looks = due.as_nanos().div_ceil(SCHEDULER_PERIOD.as_nanos());
        let look = SCHEDULER_PERIOD.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX));
        // What is planned wakes the scheduler: what is due by then runs at once.
        if due <= now { now } else { look }
    }

    fn tell_task(&mut self, now: Duration, (kind, origin): (EventKind, Origin), number: u64, task: &Task) {
        let (number, second) = (number.to_string(), task.second.to_string());
        let headers = [
            ("Task-ID", &*number),
            ("Task-Desc", task.description),
            ("Task-Group", &task.group),
            ("Task-Runtime", &second),
        ];
        self.bus.general(now, kind, origin, &headers, None);
    }

    /// Takes tasks away, by number or by group, which is a channel's UUID for most: how many there were.
    pub(crate) fn unschedule(&mut self, now: Duration, number_or_group: &str) -> usize {
        match number_or_group.parse::<u64>() {
            Ok(number) => self.cancel(now, &[number]),
            Err(_) => self.unschedule_group(now, number_or_group.into()),
        }
    }

    /// What was planned for a channel goes with it.
    pub(super) fn unschedule_group(&mut self, now: Duration, group: Arc<str>) -> usize {
        let numbers = self.tasks.of_group(group);
        self.cancel(now, &numbers)
    }

    /// The scheduler tells at its next look that they are gone.
    fn cancel(&mut self, now: Duration, numbers: &[u64]) -> usize {
        let looks = now.as_nanos() / SCHEDULER_PERIOD.as_nanos() + 1;
        let look = SCHEDULER_PERIOD.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX));
        let mut cancelled = 0;
        for number in numbers {
            if self.tasks.cancel(*number, look) {
                self.timers.add(look, Due::Task(*number));
                cancelled += 1;
            }
        }
        cancelled
    }
}
