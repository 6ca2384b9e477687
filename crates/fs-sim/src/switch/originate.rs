//! `originate`: legs are called, one after the other or at once, until one is answered, which then does what was asked
//! (switch_ivr_originate.c).

use std::time::Duration;

use super::{Due, Job, Step, Switch, is_true};
use crate::{
    bounds::Share,
    cause::Cause,
    channel::{Channel, Direction, SessionId, loopback::Caller, profile::ANONYMOUS_NUMBER},
    clock::Stamp,
    dial_string::{Destination, Malformed, OnAnswer, Request},
    event::Origin,
};

/// How often an originate that waits looks at its legs and at the time.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// How long it waits before it tries again, without `originate_retry_sleep_ms`.
const RETRY_SLEEP: Duration = Duration::from_secs(1);

/// What `originate_retry_sleep_ms` may say.
const RETRY_SLEEP_MS: std::ops::RangeInclusive<u64> = 500..=60_000;

/// The most tries of an originate.
const RETRIES_MAX: u32 = 100;

/// One try to reach somebody: the destinations that are left, and the legs that may still be answered.
#[derive(Debug)]
pub(crate) struct Dial {
    asker: Asker,
    request: Request,
    /// Which of the destinations between `|` is called now.
    group: usize,
    /// How often all of them are called, this time included.
    tries: u32,
    retry_sleep: Duration,
    /// The legs that are called at once, as far as they came to be.
    pub(super) legs: Vec<SessionId>,
    /// How the first of them ended, or why none came to be.
    cause: Option<Cause>,
    /// Counts the groups that were called, so that the patience with one does not end another.
    pub(super) round: u64,
    /// What it has of what may wait, while no leg of it is there.
    pause: Option<Share>,
}

impl Dial {
    /// What it costs to keep it, beside the dial itself.
    fn bytes(&self) -> usize {
        // Everything that it was told is in its command.
        if let Asker::Job(job, _) = &self.asker { 2 * job.bytes() } else { 0 }
    }
}

/// Who waits for the answer.
#[derive(Debug)]
pub(crate) enum Asker {
    /// An `originate`, and what the leg does once it is answered.
    Job(Job, OnAnswer),
    /// The leg whose `bridge` it is.
    Bridge(SessionId),
}

/// One destination of a request, with what the request says about it.
pub(super) struct Leg<'a> {
    /// Variables of its own, which are set first.
    pub(super) own: &'a [(String, String)],
    pub(super) shared: &'a [(String, String)],
    pub(super) endpoint: &'a str,
    caller_name: Option<&'a str>,
    caller_number: Option<&'a str>,
}

impl<'a> Leg<'a> {
    fn new(request: &'a Request, destination: &'a Destination) -> Leg<'a> {
        Leg {
            own: &destination.variables,
            shared: &request.variables,
            endpoint: &destination.endpoint,
            caller_name: request.caller_name.as_deref(),
            caller_number: request.caller_number.as_deref(),
        }
    }

    /// What is asked for the leg: its own wins.
    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        let find = |of: &'a [(String, String)]| of.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        find(self.own).or_else(|| find(self.shared))
    }

    /// Who calls.
    pub(super) fn caller(&self) -> Caller<'a> {
        let name = self.variable("origination_caller_id_name").or(self.caller_name).unwrap_or_default();
        let number = self.variable("origination_caller_id_number").or(self.caller_number).unwrap_or(ANONYMOUS_NUMBER);
        Caller { name, number }
    }

    /// Headers for the INVITE.
    pub(super) fn sip_headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in self.own.iter().chain(self.shared).filter(|(name, _)| name.starts_with("sip_h_")) {
            match headers.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1.clone_from(value),
                None => headers.push((name.clone(), value.clone())),
            }
        }
        headers
    }

    pub(super) fn early_media_counts(&self) -> bool {
        early_media_counts(self.shared)
    }
}

fn early_media_counts(variables: &[(String, String)]) -> bool {
    let value = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let ignored =
        value("ignore_early_media").is_some_and(|value| is_true(value) || value == "consume" || value == "ring_ready");
    !ignored && !value("bridge_early_media").is_some_and(is_true)
}

pub(crate) const USAGE: &str = "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n";

pub(super) const DESTROYED: Origin = Origin("switch_core_session.c", "switch_core_session_perform_destroy", 1584);

impl Switch {
    /// Starts an originate: `Some` is its output at once, `None` means that the job is finished later.
    pub(crate) fn originate(&mut self, now: Duration, job: &Job) -> Option<String> {
        let (request, on_answer) = match Request::parse(job.arguments.trim()) {
            Ok(parsed) => parsed,
            Err(Malformed::Usage) => return Some(USAGE.to_owned()),
            Err(Malformed::Brackets) => return Some(failed(Cause::DESTINATION_OUT_OF_ORDER)),
        };
        self.originates += 1;
        let asker = Asker::Job(job.clone(), on_answer);
        self.call_out(now, request, asker).err().map(failed)
    }

    /// Calls what a request names, for an `originate` or a `bridge`: the number of the dial, or why there is none.
    pub(super) fn call_out(&mut self, now: Duration, request: Request, asker: Asker) -> Result<u64, Cause> {
        let number = |name: &str| request.variable(name).and_then(|text| text.parse::<u64>().ok());
        let tries = number("originate_retries").and_then(|tries| u32::try_from(tries).ok());
        let sleep = number("originate_retry_sleep_ms").filter(|ms| RETRY_SLEEP_MS.contains(ms));
        let dial = Dial {
            asker,
            group: 0,
            tries: tries.filter(|tries| (1..=RETRIES_MAX).contains(tries)).unwrap_or(1),
            retry_sleep: sleep.map_or(RETRY_SLEEP, Duration::from_millis),
            legs: Vec::new(),
            cause: None,
            round: 0,
            pause: None,
            request,
        };
        self.dials_begun += 1;
        let number = self.dials_begun;
        self.dials_open.insert(number, dial);
        if self.call_group(now, number) {
            return Ok(number);
        }
        let cause = self.dials_open.remove(&number).and_then(|dial| dial.cause);
        Err(cause.unwrap_or(Cause::DESTINATION_OUT_OF_ORDER))
    }

    /// Calls the destinations whose turn it is, or those after them: `false` if none is left to wait for.
    fn call_group(&mut self, now: Duration, number: u64) -> bool {
        while let Some(dial) = self.dials_open.get_mut(&number) {
            dial.round += 1;
            dial.legs.clear();
            dial.pause = None;
            let round = dial.round;
            let Some(group) = dial.request.groups.get(dial.group) else {
                if dial.tries <= 1 {
                    return false;
                }
                dial.tries -= 1;
                dial.group = 0;
                let (sleep, bytes) = (dial.retry_sleep, dial.bytes());
                return self.pause(number, now + sleep, bytes);
            };
            // What the legs need is the dial's own, which is put back when they are there.
            let destinations = group.clone();
            let request = std::mem::take(&mut dial.request);
            let caller = if let Asker::Bridge(caller) = dial.asker { Some(caller) } else { None };
            dial.cause = None;
            let mut cause = None;
            let mut legs = Vec::new();
            for destination in &destinations {
                let leg = Leg::new(&request, destination);
                match self.call(now, &leg, caller) {
                    Ok(id) => {
                        legs.push(id);
                        self.attempts.insert(id, number);
                        if let Some(caller) = caller {
                            self.callee_called(caller, id);
                        }
                        self.limit_leg(now, id);
                    }
                    Err(refused) => cause = Some(refused),
                }
            }
            let patience = request.timeout_seconds;
            let ends = self.patience_ends(now, patience);
            let Some(dial) = self.dials_open.get_mut(&number) else { return false };
            dial.request = request;
            dial.group += 1;
            if !legs.is_empty() {
                dial.legs = legs;
                self.timers.add(ends, Due::OriginateTimeout(number, round));
                return true;
            }
            dial.cause = cause;
        }
        false
    }

    /// A dial waits before it is tried again: `false` if too much waits already.
    fn pause(&mut self, number: u64, until: Duration, bytes: usize) -> bool {
        let Some(share) = self.waits(bytes) else { return false };
        if let Some(dial) = self.dials_open.get_mut(&number) {
            dial.pause = Some(share);
        }
        self.timers.add(until, Due::Redial(number));
        true
    }

    /// The next destinations of a dial, after a pause.
    pub(super) fn redial(&mut self, now: Duration, number: u64) {
        if !self.call_group(now, number) {
            self.nobody_answers(now, number);
        }
    }

    /// A leg may have a patience of its own: `leg_timeout`.
    fn limit_leg(&mut self, now: Duration, id: SessionId) {
        let seconds = self.channels.get(&id).and_then(|channel| channel.variables.get("leg_timeout"));
        let Some(seconds) = seconds.and_then(|text| text.parse::<u64>().ok()).filter(|seconds| *seconds > 0) else {
            return;
        };
        // It has to be over, not just reached.
        let ends = self.patience_ends(now, seconds.saturating_add(1));
        self.timers.add(ends, Due::LegTimeout(id));
    }

    /// An originate counts whole seconds of the epoch, and looks at them every 20 ms from its beginning on.
    fn patience_ends(&self, now: Duration, seconds: u64) -> Duration {
        let clock = self.bus.clock;
        let patience = clock.up_at_second(clock.second(now).saturating_add(seconds)).saturating_sub(now);
        let looks = patience.as_nanos().div_ceil(LOOK_PERIOD.as_nanos());
        now.saturating_add(LOOK_PERIOD.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX)))
    }

    /// The patience with all legs is at an end, and with it the whole try.
    pub(super) fn originate_timed_out(&mut self, now: Duration, number: u64, round: u64) {
        let Some(dial) = self.dials_open.get_mut(&number).filter(|dial| dial.round == round) else { return };
        dial.tries = 0;
        dial.group = usize::MAX;
        dial.cause = Some(Cause::NO_ANSWER);
        for id in dial.legs.clone() {
            self.hang_up(now, id, Cause::NO_ANSWER);
        }
    }

    pub(super) fn leg_timed_out(&mut self, now: Duration, id: SessionId) {
        if self.attempts.contains_key(&id) {
            self.hang_up(now, id, Cause::ALLOTTED_TIMEOUT);
        }
    }

    /// Whoever waits for a dial waits no longer.
    pub(super) fn cancel_dial(&mut self, now: Duration, number: u64, cause: Cause) {
        let Some(dial) = self.dials_open.get_mut(&number) else { return };
        dial.tries = 0;
        dial.group = usize::MAX;
        dial.cause = Some(cause);
        for id in dial.legs.clone() {
            self.hang_up(now, id, cause);
        }
        if self.dials_open.get(&number).is_some_and(|dial| dial.legs.is_empty()) {
            self.nobody_answers(now, number);
        }
    }

    /// The legs that a dial is calling now.
    pub(super) fn legs_of(&self, number: u64) -> Vec<SessionId> {
        self.dials_open.get(&number).map_or(Vec::new(), |dial| dial.legs.clone())
    }

    /// A leg that has not been answered yet is taken elsewhere: whoever called it waits no longer.
    pub(super) fn taken_from_its_dial(&mut self, now: Duration, id: SessionId) {
        let Some(number) = self.attempts.remove(&id) else { return };
        let Some(dial) = self.dials_open.get_mut(&number) else { return };
        dial.legs.retain(|leg| *leg != id);
        self.cancel_dial(now, number, Cause::ORIGINATOR_CANCEL);
    }

    /// Who asked for a leg that has not been answered yet.
    pub(super) fn asker(&self, id: SessionId) -> Option<&Asker> {
        self.dials_open.get(self.attempts.get(&id)?).map(|dial| &dial.asker)
    }

    /// Whether early media is an answer to whoever waits for a leg.
    pub(super) fn early_media_answers(&self, id: SessionId) -> bool {
        let dial = self.attempts.get(&id).and_then(|number| self.dials_open.get(number));
        dial.is_some_and(|dial| early_media_counts(&dial.request.variables))
    }

    /// A leg was answered, or has early media and that is enough: it wins, and the others lose.
    pub(super) fn succeed(&mut self, now: Duration, id: SessionId) {
        let Some(number) = self.attempts.remove(&id) else { return };
        let Some(dial) = self.dials_open.remove(&number) else { return };
        let losers: Vec<SessionId> = dial.legs.iter().copied().filter(|leg| *leg != id).collect();
        for leg in &losers {
            self.attempts.remove(leg);
            if let Some(channel) = self.channels.get_mut(leg).filter(|channel| channel.is_up()) {
                channel.variables.set("group_dial_status", "loser");
                self.hang_up(now, *leg, Cause::LOSE_RACE);
            }
        }
        match dial.asker {
            Asker::Bridge(caller) => self.callee_answered(now, caller, (number, id), &dial.legs),
            Asker::Job(job, on_answer) => {
                let Some(channel) = self.channels.get_mut(&id) else { return };
                let uuid = channel.uuid.clone();
                match on_answer {
                    OnAnswer::Application(application) => {
                        channel.todo = vec![application];
                        self.sort_caller_id(now, id);
                        self.finish(now, &job, &format!("+OK {uuid}\n"));
                        self.add_leg(now, id, Step::Launch);
                    }
                    OnAnswer::Extension { number, dialplan, context } => {
                        self.sent_to_extension(now, id, &number, &dialplan, &context);
                        self.finish(now, &job, &format!("+OK {uuid}\n"));
                        self.add_leg(now, id, Step::Hunt);
                    }
                }
            }
        }
    }

    /// A leg ended before it was answered: the last of those that are called at once makes the next ones be called.
    pub(super) fn fail(&mut self, now: Duration, id: SessionId, cause: Cause) {
        let Some(number) = self.attempts.remove(&id) else { return };
        let caller = match self.dials_open.get(&number).map(|dial| &dial.asker) {
            Some(Asker::Bridge(caller)) => Some(*caller),
            _ => None,
        };
        if let Some(caller) = caller.filter(|caller| self.is_up(*caller)) {
            self.note_cause(caller, id, cause);
        }
        let Some(dial) = self.dials_open.get_mut(&number) else { return };
        // The first destination's cause is the one that is told.
        if dial.legs.first() == Some(&id) && dial.cause.is_none() {
            dial.cause = Some(cause);
        }
        let waits = dial.legs.iter().any(|leg| self.attempts.contains_key(leg));
        if waits {
            return;
        }
        if dial.group < dial.request.groups.len() || dial.tries > 1 {
            return self.timers.add(now, Due::Redial(number));
        }
        if let Some(caller) = caller {
            self.note_failure(caller, id);
        }
        self.nobody_answers(now, number);
    }

    fn nobody_answers(&mut self, now: Duration, number: u64) {
        let Some(dial) = self.dials_open.remove(&number) else { return };
        let cause = dial.cause.unwrap_or(Cause::DESTINATION_OUT_OF_ORDER);
        match dial.asker {
            Asker::Job(job, _) => self.finish(now, &job, &failed(cause)),
            Asker::Bridge(caller) => self.callee_failed(now, caller, Some(number), cause),
        }
    }
}

fn failed(cause: Cause) -> String {
    format!("-ERR {}\n", cause.name())
}

/// A channel gets a new profile, and says where it comes from.
pub(super) fn moved(channel: &mut Channel, history: &str, now: Stamp) {
    channel.variables.add("transfer_history", history);
    channel.variables.set("transfer_source", history);
    channel.profile.transfer_source = history.to_owned();
    channel.profile.created = now;
    channel.profile.index += 1;
    // A leg that was called and is sent on is one that calls, and the other way round.
    channel.profile.logical = Some(match (channel.direction, channel.hit_dialplan) {
        (Direction::Outbound, true) => Direction::Inbound,
        (Direction::Inbound, true) => Direction::Outbound,
        (direction, false) => direction,
    });
    channel.times.bridged = Stamp::default();
}
