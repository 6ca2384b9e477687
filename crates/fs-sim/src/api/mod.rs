//! API commands (mod_commands): one line in [`TABLE`] and one function for each.

mod bgapi;
mod fsctl;
mod hangup;
mod log;
mod schedule;
mod show;
mod status;
mod text;
mod uuid_answer;
mod uuid_broadcast;
mod uuid_dtmf;
mod uuid_dump;
mod uuid_media;
mod uuid_move;
mod uuid_variables;

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
    ("log", log::log),
    ("originate", originate),
    ("sched_api", schedule::sched_api),
    ("sched_broadcast", schedule::sched_broadcast),
    ("sched_del", schedule::sched_del),
    ("sched_hangup", schedule::sched_hangup),
    ("sched_transfer", schedule::sched_transfer),
    ("show", show::show),
    ("status", status::status),
    ("uptime", status::uptime),
    ("uuid_answer", uuid_answer::uuid_answer),
    ("uuid_audio", uuid_media::uuid_audio),
    ("uuid_break", uuid_broadcast::uuid_break),
    ("uuid_bridge", uuid_move::uuid_bridge),
    ("uuid_broadcast", uuid_broadcast::uuid_broadcast),
    ("uuid_display", uuid_media::uuid_display),
    ("uuid_dump", uuid_dump::uuid_dump),
    ("uuid_exists", uuid_variables::uuid_exists),
    ("uuid_flush_dtmf", uuid_dtmf::uuid_flush_dtmf),
    ("uuid_getvar", uuid_variables::uuid_getvar),
    ("uuid_hold", uuid_media::uuid_hold),
    ("uuid_kill", hangup::uuid_kill),
    ("uuid_media", uuid_media::uuid_media),
    ("uuid_park", uuid_move::uuid_park),
    ("uuid_pre_answer", uuid_answer::uuid_pre_answer),
    ("uuid_record", uuid_media::uuid_record),
    ("uuid_recv_dtmf", uuid_dtmf::uuid_recv_dtmf),
    ("uuid_ring_ready", uuid_answer::uuid_ring_ready),
    ("uuid_send_dtmf", uuid_dtmf::uuid_send_dtmf),
    ("uuid_setvar", uuid_variables::uuid_setvar),
    ("uuid_setvar_multi", uuid_variables::uuid_setvar_multi),
    ("uuid_transfer", uuid_move::uuid_transfer),
    ("version", status::version),
];

/// Runs the command that a job names.
pub(crate) fn run(switch: &mut Switch, now: Duration, job: &Job) -> Answer {
    match TABLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(&job.command)) {
        Some((_, run)) => run(Call { switch, now, arguments: job.arguments.trim(), job }),
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
