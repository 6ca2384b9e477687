//! What a channel can run: one line in [`TABLE`] for each application (mod_dptools).

use std::time::Duration;

use super::{Due, Step, Switch};
use crate::{
    cause::Cause,
    channel::{CallState, Endpoint, SessionId},
    dial_string::words,
    dialplan::Application,
    event::{EventKind, Origin},
};

/// What an application leaves behind.
enum Next {
    /// The next one runs at once.
    Go,
    /// The next one runs after this time.
    After(Duration),
    /// It runs until the channel ends.
    Stay,
    /// It has hung up.
    Ended,
}

type Run = fn(&mut Switch, Duration, SessionId, &str) -> Next;

const TABLE: &[(&str, Run)] = &[
    ("answer", answer),
    ("echo", stay),
    ("hangup", hangup),
    ("park", park),
    ("playback", stay),
    ("pre_answer", pre_answer),
    ("respond", respond),
    ("ring_ready", ring_ready),
    ("sched_hangup", sched_hangup),
    ("sleep", sleep),
];

const PARKED: Origin = Origin("switch_ivr.c", "switch_ivr_park", 1002);

/// How often the scheduler looks for tasks that are due (switch_scheduler.c).
const SCHEDULER_PERIOD: Duration = Duration::from_millis(500);

impl Switch {
    /// Runs a channel's applications until one takes time or none is left.
    pub(super) fn run_next(&mut self, now: Duration, id: SessionId) {
        loop {
            let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) else { return };
            let Some(Application { name, data }) = channel.todo.pop() else {
                return self.hang_up(now, id, Cause::NORMAL_CLEARING);
            };
            let Some((_, run)) = TABLE.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)) else {
                return self.hang_up(now, id, Cause::DESTINATION_OUT_OF_ORDER);
            };
            channel.begin(Application { name, data: data.clone() });
            match run(self, now, id, &data) {
                Next::Go => {}
                Next::After(time) => return self.add_leg(now.saturating_add(time), id, Step::Run),
                Next::Stay | Next::Ended => return,
            }
        }
    }

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
                sched_hangup(self, now, id, data);
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

fn answer(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.answered(now, id);
    Next::Go
}

fn pre_answer(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.early_media(now, id);
    Next::Go
}

fn ring_ready(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.ringing(now, id);
    Next::Go
}

fn stay(_switch: &mut Switch, _now: Duration, _id: SessionId, _data: &str) -> Next {
    Next::Stay
}

fn park(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.emit(now, id, EventKind::CHANNEL_PARK, PARKED);
    Next::Stay
}

/// Milliseconds, with a fraction where the callee's own behaviour asks for one.
fn sleep(_switch: &mut Switch, _now: Duration, _id: SessionId, data: &str) -> Next {
    let ms: f64 = data.parse().unwrap_or(0.0);
    Next::After(Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or(Duration::ZERO))
}

fn hangup(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.hang_up(now, id, if data.is_empty() { Cause::NORMAL_CLEARING } else { Cause::from_command(data) });
    Next::Ended
}

/// Refuses with a SIP status; the cause is what that status stands for.
fn respond(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    // Only SIP has responses: a loopback leg just ends.
    let responds = switch.channels.get(&id).is_some_and(|channel| {
        channel.call_state != CallState::Active && matches!(channel.endpoint, Endpoint::Sofia(_))
    });
    let cause = match (responds, data) {
        (true, "486") => Cause(17),
        _ => Cause::NORMAL_CLEARING,
    };
    switch.hang_up(now, id, cause);
    Next::Ended
}

fn sched_hangup(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let Some(when) = words.first() {
        let cause = words.get(1).map_or(Cause::ALLOTTED_TIMEOUT, |text| Cause::from_command(text));
        switch.schedule_hangup(now, id, when, cause);
    }
    Next::Go
}
