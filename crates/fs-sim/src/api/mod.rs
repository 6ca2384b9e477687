//! API commands (mod_commands): one line in [`TABLE`] and one function for each.

mod bgapi;
mod channels;
mod fsctl;
mod hangup;
mod schedule;
mod show;
mod status;
mod text;
mod uuid_answer;

use std::time::Duration;

use crate::switch::{Job, Switch};

/// What running a command gives.
pub(crate) enum Answer {
    Text(String),
    /// The switch finishes the job when it can.
    Later,
    Unknown,
}

/// One command being run.
pub(crate) struct Call<'a> {
    pub(crate) switch: &'a mut Switch,
    pub(crate) now: Duration,
    pub(crate) arguments: &'a str,
    pub(crate) job: &'a Job,
}

type Run = fn(Call<'_>) -> Answer;

const TABLE: &[(&str, Run)] = &[
    ("bgapi", bgapi::bgapi),
    ("create_uuid", text::create_uuid),
    ("echo", text::echo),
    ("fsctl", fsctl::fsctl),
    ("global_getvar", text::global_getvar),
    ("hupall", hangup::hupall),
    ("originate", originate),
    ("sched_del", schedule::sched_del),
    ("sched_hangup", schedule::sched_hangup),
    ("show", show::show),
    ("status", status::status),
    ("uptime", status::uptime),
    ("uuid_answer", uuid_answer::uuid_answer),
    ("uuid_exists", channels::uuid_exists),
    ("uuid_getvar", channels::uuid_getvar),
    ("uuid_kill", hangup::uuid_kill),
    ("uuid_pre_answer", uuid_answer::uuid_pre_answer),
    ("version", status::version),
];

/// Runs the command that a job names.
pub(crate) fn run(switch: &mut Switch, now: Duration, job: &Job) -> Answer {
    match TABLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(&job.command)) {
        Some((_, run)) => run(Call { switch, now, arguments: &job.arguments, job }),
        None => Answer::Unknown,
    }
}

fn originate(call: Call<'_>) -> Answer {
    call.switch.originate(call.now, call.job).map_or(Answer::Later, Answer::Text)
}

fn text(text: impl Into<String>) -> Answer {
    Answer::Text(text.into())
}

const NO_SUCH_CHANNEL: &str = "-ERR No such channel!\n";
