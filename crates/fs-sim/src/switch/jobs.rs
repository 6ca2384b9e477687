//! Who waits for an API command's output: a connection, or the listeners of BACKGROUND_JOB.

use std::{sync::Arc, time::Duration};

use super::{Due, Switch};
use crate::{
    api::{self, Answer},
    bounds::Share,
    event::{EventKind, ListenerId, Origin, Output, Reserved},
    frame,
};

const EXECUTED: Origin = Origin("switch_loadable_module.c", "switch_api_execute", 2954);

/// What may wait for its time alone, commands such as `msleep` and originates between two tries: with a KiB for each, tens of
/// thousands of an ordinary size.
pub(super) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
const WAITING_BYTES_EACH: usize = 1024;

/// A command that only takes its time.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(super) job: Job,
    pub(super) output: String,
    /// What it has of [`WAITING_BYTES_MAX`].
    _share: Share,
}

/// One run of an API command.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) command: String,
    pub(crate) arguments: String,
    pub(crate) waits: Waits,
    /// The session of the connection that started it in the background.
    pub(crate) owner: Option<Arc<str>>,
    /// The place of its own event among the others, which is sent when it is done.
    pub(crate) place: Option<Reserved>,
    /// It is in the background because the command `bgapi` said so, not a connection.
    pub(crate) by_command: bool,
    /// The command that runs this one in its own place, with its arguments.
    pub(crate) within: Option<Box<(String, String)>>,
}

/// Where a job's output goes.
#[derive(Clone, Debug)]
pub(crate) enum Waits {
    /// `api`: the connection does nothing else until then.
    Connection(ListenerId),
    /// The scheduler runs it.
    Nobody,
    /// `bgapi`: an event with this Job-UUID.
    Background(String),
}

impl Job {
    /// Splits `name arguments`.
    pub(crate) fn new(text: &str, waits: Waits) -> Job {
        let (command, arguments) = text.split_once(' ').unwrap_or((text, ""));
        Job {
            command: command.to_owned(),
            arguments: arguments.to_owned(),
            waits,
            owner: None,
            place: None,
            by_command: false,
            within: None,
        }
    }

    /// What it costs to keep it, beside the job itself.
    pub(super) fn bytes(&self) -> usize {
        let uuid = if let Waits::Background(uuid) = &self.waits { uuid.len() } else { 0 };
        let within = self.within.as_deref().map_or(0, |(command, arguments)| command.len() + arguments.len());
        self.command.len() + self.arguments.len() + uuid + within
    }
}

impl Switch {
    pub(crate) fn start(&mut self, now: Duration, mut job: Job) {
        job.place = Some(self.bus.reserve(now));
        match api::run(self, now, &job) {
            Answer::Text(text) => self.finish(now, &job, &text),
            Answer::Later => {}
            Answer::Unknown => self.finish(now, &job, &format!("-ERR {} Command not found!\n", job.command)),
        }
    }

    /// Gives a job its output at `at`: `false` if too much waits already.
    pub(crate) fn finish_later(&mut self, at: Duration, job: &Job, output: String) -> bool {
        let Some(share) = self.waits(job.bytes() + output.len()) else { return false };
        self.timers.add(at, Due::Finish(Box::new(Waiting { job: job.clone(), output, _share: share })));
        true
    }

    /// The share of something of this size that waits for its time; nothing if too much waits already.
    pub(super) fn waits(&mut self, bytes: usize) -> Option<Share> {
        let share = self.waiting.share(0);
        if share.take(bytes + WAITING_BYTES_EACH) {
            return Some(share);
        }
        self.refusals.waiting += 1;
        None
    }

    /// Tells those who listen that a command has run inside of another one.
    pub(crate) fn command_ran(&mut self, now: Duration, job: &Job) {
        self.bus.general(now, EventKind::API, EXECUTED, &ran(job), None);
    }

    pub(crate) fn finish(&mut self, now: Duration, job: &Job, output: &str) {
        if let Some(place) = job.place {
            self.bus.general_reserved(place, EventKind::API, EXECUTED, &ran(job));
        }
        match &job.waits {
            Waits::Connection(listener) => self.bus.push(Output::Reply(*listener, frame::api_response(output))),
            Waits::Nobody => {}
            Waits::Background(_) if !self.faults.is_idle() && self.loses_job() => {}
            Waits::Background(uuid) => {
                let owner = job.owner.as_deref().unwrap_or_default();
                let mut headers = vec![
                    ("Job-UUID", uuid.as_str()),
                    ("Job-Owner-UUID", owner),
                    ("Job-Command", &job.command),
                    ("Job-Command-Arg", &job.arguments),
                ];
                headers.retain(|(_, value)| !value.is_empty());
                let origin = if job.by_command {
                    Origin("mod_commands.c", "bgapi_exec", 5396)
                } else {
                    Origin("mod_event_socket.c", "api_exec", 1572)
                };
                self.bus.general(now, EventKind::BACKGROUND_JOB, origin, &headers, Some(output));
            }
        }
    }
}

/// What is told of a command that has run: itself, and before that the one in whose place it runs.
fn ran(job: &Job) -> Vec<(&'static str, &str)> {
    let outer = job.within.as_deref().map_or(("", ""), |(command, arguments)| (command.as_str(), arguments.trim()));
    let mut headers = vec![
        ("API-Command", outer.0),
        ("API-Command-Argument", outer.1),
        ("API-Command", job.command.trim()),
        ("API-Command-Argument", job.arguments.trim()),
    ];
    headers.retain(|(_, value)| !value.is_empty());
    headers
}
