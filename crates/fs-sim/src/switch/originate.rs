//! `originate`: the near leg comes to be, waits for an answer, and does what was asked (switch_ivr_originate.c).

use std::time::Duration;

use super::{Job, Step, Switch, random_uuid};
use crate::{
    cause::Cause,
    channel::{Channel, SessionId},
    clock::Stamp,
    dial_string::{Malformed, OnAnswer, Request},
    dialplan::{self, Application},
    event::Origin,
};

/// A called leg that has not been answered yet.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) asker: Asker,
    /// Early media is no answer to it.
    pub(crate) ignore_early_media: bool,
}

/// Who waits for the answer.
#[derive(Debug)]
pub(crate) enum Asker {
    /// An `originate`, and what the leg does once it is answered.
    Job(Job, OnAnswer),
    /// The leg whose `bridge` it is.
    Bridge(SessionId),
}

pub(crate) const USAGE: &str = "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n";

pub(super) const DESTROYED: Origin = Origin("switch_core_session.c", "switch_core_session_perform_destroy", 1584);

impl Switch {
    /// Starts an originate: `Some` is its output at once, `None` means that the job is finished later.
    pub(crate) fn originate(&mut self, now: Duration, job: &Job) -> Option<String> {
        self.originates += 1;
        let (request, on_answer) = match Request::parse(job.arguments.trim()) {
            Ok(parsed) => parsed,
            Err(Malformed::Usage) => return Some(USAGE.to_owned()),
            Err(Malformed::Brackets) => return Some(failed(Cause::DESTINATION_OUT_OF_ORDER)),
        };
        let asker = Asker::Job(job.clone(), on_answer);
        self.call(now, &request, asker).err().map(failed)
    }

    pub(super) fn originate_timed_out(&mut self, now: Duration, id: SessionId) {
        if self.attempts.contains_key(&id) {
            self.hang_up(now, id, Cause::NO_ANSWER);
        }
    }

    /// The near leg was answered, or has early media and that is enough.
    pub(super) fn succeed(&mut self, now: Duration, id: SessionId) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        match attempt.asker {
            Asker::Bridge(caller) => self.callee_answered(now, caller, id),
            Asker::Job(job, on_answer) => {
                let transfer_id = random_uuid(&mut self.rng);
                let stamp = self.stamp(now);
                let Some(channel) = self.channels.get_mut(&id) else { return };
                let uuid = channel.uuid.clone();
                match on_answer {
                    OnAnswer::Application(application) => channel.todo = vec![application],
                    OnAnswer::Extension { number, context } => {
                        transfer(channel, &number, &context, stamp, &transfer_id);
                    }
                }
                self.finish(now, &job, &format!("+OK {uuid}\n"));
                self.add_leg(now, id, Step::Launch);
            }
        }
    }

    /// The near leg ended before it was answered.
    pub(super) fn fail(&mut self, now: Duration, id: SessionId, cause: Cause) {
        match self.attempts.remove(&id).map(|attempt| attempt.asker) {
            Some(Asker::Job(job, _)) => self.finish(now, &job, &failed(cause)),
            Some(Asker::Bridge(caller)) => self.callee_failed(now, caller, Some(id), cause),
            None => {}
        }
    }
}

fn failed(cause: Cause) -> String {
    format!("-ERR {}\n", cause.name())
}

/// A channel gets a new profile, and says where it comes from.
pub(super) fn moved(channel: &mut Channel, history: &str, now: Stamp) {
    channel.variables.set("transfer_history", history);
    channel.variables.set("transfer_source", history);
    channel.profile.transfer_source = history.to_owned();
    channel.profile.created = now;
    channel.profile.index += 1;
}

/// The answered leg goes through the dialplan itself (`switch_ivr_session_transfer`).
pub(super) fn transfer(channel: &mut Channel, number: &str, context: &str, now: Stamp, id: &str) {
    let history = format!("{}:{id}:bl_xfer:{number}/{context}/XML", now.seconds());
    channel.variables.set("max_forwards", "70");
    moved(channel, &history, now);
    channel.profile.dialplan = "XML".to_owned();
    channel.profile.rdnis = std::mem::replace(&mut channel.profile.destination, number.to_owned());
    channel.profile.context = context.to_owned();
    let route = dialplan::route(context, number);
    let applications = route.map_or_else(
        || vec![Application::new("hangup", Cause::NO_ROUTE_DESTINATION.name())],
        |route| route.applications,
    );
    channel.todo = applications.into_iter().rev().collect();
}
