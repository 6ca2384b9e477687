//! What is planned for a second of the epoch (switch_scheduler.c).

use std::time::Duration;

use super::{Due, Switch};
use crate::{cause::Cause, channel::SessionId};

/// How often the scheduler looks for tasks that are due (switch_scheduler.c).
const SCHEDULER_PERIOD: Duration = Duration::from_millis(500);

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
        let digits = when.get(1..).unwrap_or_default();
        let seconds = digits
            .bytes()
            .take_while(u8::is_ascii_digit)
            .fold(0_u64, |n, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        if seconds == 0 {
            return self.hang_up(now, id, cause);
        }
        let clock = self.bus.clock;
        let second =
            if when.starts_with('+') { clock.second(now).saturating_add(seconds) } else { when.parse().unwrap_or(0) };
        let at = clock.up_at_second(second).max(now);
        let looks = at.as_nanos().div_ceil(SCHEDULER_PERIOD.as_nanos());
        let Some(channel) = self.channels.get(&id) else { return };
        self.tasks += 1;
        self.scheduled.insert(self.tasks, (channel.uuid.clone(), cause));
        self.timers.add(
            SCHEDULER_PERIOD.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX)),
            Due::ScheduledHangup(self.tasks),
        );
    }

    pub(super) fn scheduled_hangup(&mut self, now: Duration, task: u64) {
        let Some((uuid, cause)) = self.scheduled.remove(&task) else { return };
        if let Some(id) = self.find(&uuid) {
            self.hang_up(now, id, cause);
        }
    }

    /// Takes scheduled hangups away, by task number or by channel: how many there were.
    pub(crate) fn unschedule(&mut self, task_or_uuid: &str) -> usize {
        let before = self.scheduled.len();
        match task_or_uuid.parse::<u64>() {
            Ok(task) => {
                self.scheduled.remove(&task);
            }
            Err(_) => self.scheduled.retain(|_, (uuid, _)| **uuid != *task_or_uuid),
        }
        before - self.scheduled.len()
    }
}
