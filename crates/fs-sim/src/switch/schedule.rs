//! What is planned for a second of the epoch (switch_scheduler.c).

use std::{sync::Arc, time::Duration};

use super::{Due, Job, Legs, Redirect, Switch, Waits, execute::leading_number};
use crate::{cause::Cause, channel::SessionId};

/// How often the scheduler looks for tasks that are due (switch_scheduler.c).
const SCHEDULER_PERIOD: Duration = Duration::from_millis(500);

/// The most tasks that are planned at a time: more than channels have, so that a client's mistake cannot grow the server.
const TASKS_MAX: usize = 1_000_000;

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

/// A planned thing with the name by which `sched_del` finds it.
#[derive(Debug)]
pub(crate) struct Task {
    group: Arc<str>,
    planned: Planned,
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
                super::applications::sched_hangup(self, now, id, data);
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

    /// Plans something for a second of the epoch: its number.
    pub(crate) fn plan(&mut self, now: Duration, second: u64, group: &str, planned: Planned) -> u64 {
        self.tasks_planned += 1;
        let number = self.tasks_planned;
        if self.tasks.len() >= TASKS_MAX {
            return number;
        }
        let at = self.bus.clock.up_at_second(second).max(now);
        let looks = at.as_nanos().div_ceil(SCHEDULER_PERIOD.as_nanos());
        self.tasks.insert(number, Task { group: group.into(), planned });
        let at = SCHEDULER_PERIOD.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX));
        self.timers.add(at, Due::Task(number));
        number
    }

    pub(super) fn run_task(&mut self, now: Duration, number: u64) {
        let Some(task) = self.tasks.remove(&number) else { return };
        let channel = self.find(&task.group);
        match (task.planned, channel) {
            (Planned::Command { text, every }, _) => {
                self.start(now, Job::new(&text, Waits::Nobody));
                if every > 0 {
                    let second = self.bus.clock.second(now).saturating_add(every);
                    self.plan(now, second, &task.group, Planned::Command { text, every });
                }
            }
            (Planned::HangUp(cause), Some(id)) => self.hang_up(now, id, cause),
            (Planned::Broadcast { path, legs }, Some(id)) => self.broadcast(now, id, &path, legs),
            (Planned::Transfer(redirect), Some(id)) => self.send_elsewhere(now, id, redirect),
            (_, None) => {}
        }
    }

    /// Takes tasks away, by number or by group, which is a channel's UUID for most: how many there were.
    pub(crate) fn unschedule(&mut self, number_or_group: &str) -> usize {
        let before = self.tasks.len();
        match number_or_group.parse::<u64>() {
            Ok(number) => {
                self.tasks.remove(&number);
            }
            Err(_) => self.tasks.retain(|_, task| *task.group != *number_or_group),
        }
        before - self.tasks.len()
    }
}
