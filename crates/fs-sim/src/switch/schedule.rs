//! What is planned for a second of the epoch (switch_scheduler.c).

use std::{sync::Arc, time::Duration};

use super::{Due, Job, Legs, Redirect, Switch, Waits, execute::leading_number};
use crate::{
    cause::Cause,
    channel::SessionId,
    dialplan::Application,
    event::{EventKind, Origin},
};

/// How often the scheduler looks for tasks that are due (switch_scheduler.c).
const SCHEDULER_PERIOD: Duration = Duration::from_millis(500);

/// The most tasks that are planned at a time, and bytes of what they say: more than channels have, so that a client's
/// mistake cannot grow the server.
const TASKS_MAX: usize = 1_000_000;
const TASKS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The server plans so many tasks itself when it starts, which have the first numbers.
pub(super) const TASKS_OF_ITS_OWN: u64 = 3;

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
}

impl Planned {
    /// `Task-Desc`.
    fn description(&self) -> &'static str {
        match self {
            Planned::HangUp(_) => "switch_ivr_schedule_hangup",
            Planned::Command { .. } => "sched_api_function",
            Planned::Broadcast { .. } => "switch_ivr_schedule_broadcast",
            Planned::Transfer(_) => "switch_ivr_schedule_transfer",
        }
    }
}

/// A planned thing with the name by which `sched_del` finds it.
#[derive(Debug)]
pub(crate) struct Task {
    group: Arc<str>,
    /// The second of the epoch for which it is planned.
    second: u64,
    planned: Planned,
}

const ADDED: Origin = Origin("switch_scheduler.c", "switch_scheduler_add_task_ex", 266);
const AGAIN: Origin = Origin("switch_scheduler.c", "switch_scheduler_execute", 73);
const DELETED: Origin = Origin("switch_scheduler.c", "task_thread_loop", 151);

impl Task {
    /// What it costs to keep it, beside the task itself.
    fn bytes(&self) -> usize {
        let own = match &self.planned {
            Planned::Command { text, .. } => text.len(),
            Planned::Broadcast { path, .. } => path.len(),
            Planned::HangUp(_) | Planned::Transfer(_) => 0,
        };
        own + self.group.len()
    }
}

impl Switch {
    /// Runs what the variables `execute_on_answer…` say; only what takes no time is known.
    pub(super) fn execute_on_answer(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get(&id) else { return };
        let wanted: Vec<String> = channel
            .variables
            .iter()
            .filter(|(name, _)| name.starts_with("execute_on_answer"))
            .map(|(_, value)| value.to_owned())
            .collect();
        for text in wanted {
            let (name, data) = text.split_once("::").or(text.split_once(' ')).unwrap_or((&text, ""));
            if name.eq_ignore_ascii_case("sched_hangup") {
                self.run_at_once(now, id, &Application::new(name, data));
            }
        }
    }

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
        let task = Task { group: group.into(), second, planned };
        if self.tasks.len() >= TASKS_MAX || self.task_bytes + task.bytes() > TASKS_BYTES_MAX {
            self.refusals.tasks += 1;
            return None;
        }
        self.tasks_planned += 1;
        self.task_bytes += task.bytes();
        let number = self.tasks_planned;
        let description = task.planned.description();
        self.tell_task(now, (EventKind::ADD_SCHEDULE, ADDED), number, description, group, second);
        self.tasks.insert(number, task);
        self.look_at(now, second, number);
        Some(number)
    }

    pub(super) fn run_task(&mut self, now: Duration, number: u64) {
        let Some(task) = self.tasks.remove(&number) else { return };
        self.task_bytes -= task.bytes();
        let channel = self.find(&task.group);
        let description = task.planned.description();
        match (task.planned, channel) {
            (Planned::Command { text, every }, _) => {
                self.start(now, Job::new(&text, Waits::Nobody));
                if every > 0 {
                    let second = self.bus.clock.second(now).saturating_add(every);
                    let planned = Planned::Command { text, every };
                    self.tell_task(
                        now,
                        (EventKind::RE_SCHEDULE, AGAIN),
                        number,
                        planned.description(),
                        &task.group,
                        second,
                    );
                    let again = Task { second, planned, group: task.group };
                    self.task_bytes += again.bytes();
                    self.tasks.insert(number, again);
                    return self.look_at(now, second, number);
                }
            }
            (Planned::HangUp(cause), Some(id)) => self.hang_up(now, id, cause),
            (Planned::Broadcast { path, legs }, Some(id)) => self.broadcast(now, id, &path, legs),
            (Planned::Transfer(redirect), Some(id)) => self.send_elsewhere(now, id, redirect),
            (_, None) => {}
        }
        self.tell_task(now, (EventKind::DEL_SCHEDULE, DELETED), number, description, &task.group, task.second);
    }

    /// The server's heartbeat is a task of its own, which is planned again each time.
    pub(super) fn heartbeat_again(&mut self, now: Duration) {
        let second = self.bus.clock.second(now + self.heartbeat);
        self.tell_task(now, (EventKind::RE_SCHEDULE, AGAIN), 1, "heartbeat", "core", second);
    }

    /// The scheduler looks at a task when it has come, and not before.
    fn look_at(&mut self, now: Duration, second: u64, number: u64) {
        let due = self.bus.clock.up_at_second(second);
        let looks = due.as_nanos().div_ceil(SCHEDULER_PERIOD.as_nanos());
        let look = SCHEDULER_PERIOD.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX));
        // What is planned wakes the scheduler: what is due by then runs at once.
        let at = if due <= now { now } else { look };
        self.timers.add(at, Due::Task(number));
    }

    fn tell_task(
        &mut self,
        now: Duration,
        (kind, origin): (EventKind, Origin),
        number: u64,
        description: &str,
        group: &str,
        second: u64,
    ) {
        let (number, second) = (number.to_string(), second.to_string());
        let headers =
            [("Task-ID", &*number), ("Task-Desc", description), ("Task-Group", group), ("Task-Runtime", &second)];
        self.bus.general(now, kind, origin, &headers, None);
    }

    /// Takes tasks away, by number or by group, which is a channel's UUID for most: how many there were.
    pub(crate) fn unschedule(&mut self, now: Duration, number_or_group: &str) -> usize {
        let wanted: Vec<u64> = match number_or_group.parse::<u64>() {
            Ok(number) => vec![number],
            Err(_) => {
                let of_group = self.tasks.iter().filter(|(_, task)| *task.group == *number_or_group);
                of_group.map(|(number, _)| *number).collect()
            }
        };
        let mut deleted = 0;
        for number in wanted {
            let Some(task) = self.tasks.remove(&number) else { continue };
            self.task_bytes -= task.bytes();
            deleted += 1;
            let description = task.planned.description();
            self.tell_task(now, (EventKind::DEL_SCHEDULE, DELETED), number, description, &task.group, task.second);
        }
        deleted
    }
}
