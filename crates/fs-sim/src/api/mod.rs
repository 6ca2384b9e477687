//! API commands (mod_commands): one line in [`TABLE`] and one function for each.

mod bgapi;
mod eval;
mod expr;
mod fixed;
mod fsctl;
mod global;
mod hangup;
mod hash;
mod interfaces;
mod log;
mod md5;
mod modules;
mod network;
mod regex;
mod schedule;
mod settings;
mod shell;
mod show;
mod sim;
mod sofia;
mod status;
mod table;
mod text;
mod time;
mod uuid_answer;
mod uuid_broadcast;
mod uuid_dtmf;
mod uuid_dump;
mod uuid_media;
mod uuid_move;
mod uuid_play;
mod uuid_rest;
mod uuid_variables;

use std::time::Duration;

pub(crate) use network::acl_allows;
pub(crate) use settings::Settings;

use crate::switch::{Job, Switch, Waits};

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
    ("acl", network::acl),
    ("alias", shell::alias),
    ("bgapi", bgapi::bgapi),
    ("break", uuid_broadcast::uuid_break),
    ("coalesce", text::coalesce),
    ("chat", shell::chat),
    ("complete", shell::complete),
    ("cond", regex::cond),
    ("console", shell::console),
    ("console_complete", shell::console_complete),
    ("console_complete_xml", shell::console_complete_xml),
    ("create_uuid", text::create_uuid),
    ("echo", text::echo),
    ("escape", text::escape),
    ("eval", eval::eval),
    ("expand", eval::expand),
    ("expr", expr::expr),
    ("fsctl", fsctl::fsctl),
    ("global_getvar", global::global_getvar),
    ("global_setvar", global::global_setvar),
    ("hash", hash::hash),
    ("hash_dump", hash::hash_dump),
    ("hash_remote", hash::hash_remote),
    ("help", show::help),
    ("host_lookup", network::host_lookup),
    ("hostname", text::hostname),
    ("hupall", hangup::hupall),
    ("interface_ip", network::interface_ip),
    ("is_lan_addr", network::is_lan_addr),
    ("json", shell::json),
    ("load", modules::load),
    ("log", log::log),
    ("md5", text::md5),
    ("module_exists", modules::module_exists),
    ("msleep", time::msleep),
    ("originate", originate),
    ("quote_shell_arg", text::quote_shell_arg),
    ("regex", regex::regex),
    ("reload", modules::reload),
    ("replace", text::replace),
    ("presence", modules::presence),
    ("reloadxml", modules::reloadxml),
    ("sched_api", schedule::sched_api),
    ("sched_broadcast", schedule::sched_broadcast),
    ("sched_del", schedule::sched_del),
    ("sched_hangup", schedule::sched_hangup),
    ("sched_transfer", schedule::sched_transfer),
    ("show", show::show),
    ("sim", sim::sim),
    ("sndfile_debug", shell::sndfile_debug),
    ("sofia", sofia::sofia),
    ("sofia_count_reg", sofia::sofia_count_reg),
    ("sofia_presence_data", sofia::sofia_presence_data),
    ("sql_escape", text::sql_escape),
    ("status", status::status),
    ("strepoch", time::strepoch),
    ("strftime", time::strftime),
    ("strftime_tz", time::strftime_tz),
    ("strmicroepoch", time::strmicroepoch),
    ("switchname", text::switchname),
    ("time_test", time::time_test),
    ("timer_test", time::timer_test),
    ("tolower", text::tolower),
    ("toupper", text::toupper),
    ("unload", modules::unload),
    ("unsched_api", schedule::unsched_api),
    ("uptime", status::uptime),
    ("url_decode", text::url_decode),
    ("url_encode", text::url_encode),
    ("uuid_answer", uuid_answer::uuid_answer),
    ("uuid_audio", uuid_media::uuid_audio),
    ("uuid_break", uuid_broadcast::uuid_break),
    ("uuid_bridge", uuid_move::uuid_bridge),
    ("uuid_broadcast", uuid_broadcast::uuid_broadcast),
    ("uuid_displace", uuid_play::uuid_displace),
    ("uuid_display", uuid_media::uuid_display),
    ("uuid_drop_dtmf", uuid_rest::uuid_drop_dtmf),
    ("uuid_dual_transfer", uuid_rest::uuid_dual_transfer),
    ("uuid_dump", uuid_dump::uuid_dump),
    ("uuid_exists", uuid_variables::uuid_exists),
    ("uuid_fileman", uuid_play::uuid_fileman),
    ("uuid_flush_dtmf", uuid_dtmf::uuid_flush_dtmf),
    ("uuid_getvar", uuid_variables::uuid_getvar),
    ("uuid_hold", uuid_media::uuid_hold),
    ("uuid_kill", hangup::uuid_kill),
    ("uuid_limit", uuid_rest::uuid_limit),
    ("uuid_limit_release", uuid_rest::uuid_limit_release),
    ("uuid_loglevel", uuid_rest::uuid_loglevel),
    ("uuid_media", uuid_media::uuid_media),
    ("uuid_msrp_send", uuid_rest::uuid_msrp_send),
    ("uuid_park", uuid_move::uuid_park),
    ("uuid_pre_answer", uuid_answer::uuid_pre_answer),
    ("uuid_record", uuid_media::uuid_record),
    ("uuid_recv_dtmf", uuid_dtmf::uuid_recv_dtmf),
    ("uuid_ring_ready", uuid_answer::uuid_ring_ready),
    ("uuid_send_dtmf", uuid_dtmf::uuid_send_dtmf),
    ("uuid_send_info", uuid_rest::uuid_send_info),
    ("uuid_session_heartbeat", uuid_rest::uuid_session_heartbeat),
    ("uuid_set_media_stats", uuid_rest::uuid_set_media_stats),
    ("uuid_setvar", uuid_variables::uuid_setvar),
    ("uuid_setvar_multi", uuid_variables::uuid_setvar_multi),
    ("uuid_transfer", uuid_move::uuid_transfer),
    ("uuid_video_bandwidth", uuid_rest::uuid_video_rate),
    ("uuid_video_bitrate", uuid_rest::uuid_video_rate),
    ("version", status::version),
    ("xml_locate", shell::xml_locate),
    ("xml_wrap", shell::xml_wrap),
];

/// Runs the command that a job names.
pub(crate) fn run(switch: &mut Switch, now: Duration, job: &Job) -> Answer {
    // A line that is completed may end with a space.
    let completed = job.command.eq_ignore_ascii_case("console_complete");
    let arguments = if completed { job.arguments.as_str() } else { job.arguments.trim() };
    if !switch.settings.nesting.enter() {
        return Answer::Unknown;
    }
    let answer = answer(Call { switch, now, arguments, job });
    switch.settings.nesting.leave();
    answer
}

fn answer(call: Call<'_>) -> Answer {
    let job = call.job;
    match TABLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(&job.command)) {
        Some((_, run)) => run(call),
        None => match fixed::answer(&job.command, call.arguments).or_else(|| uuid_rest::answer(&call)) {
            Some(answer) => text(answer),
            None => Answer::Unknown,
        },
    }
}

/// The output of a command that another one runs; nothing if it is unknown.
pub(crate) fn execute(switch: &mut Switch, now: Duration, command: &str, arguments: &str) -> Option<String> {
    let job = Job { arguments: arguments.to_owned(), ..Job::new(command.trim(), Waits::Nobody) };
    let output = match run(switch, now, &job) {
        Answer::Text(text) => Some(text),
        // It has told, or will tell, that it ran.
        Answer::Later => return Some(String::new()),
        Answer::Unknown => None,
    };
    switch.command_ran(now, &job);
    output
}

fn originate(call: Call<'_>) -> Answer {
    call.switch.originate(call.now, call.job).map_or(Answer::Later, Answer::Text)
}

fn text(text: impl Into<String>) -> Answer {
    Answer::Text(text.into())
}

const NO_SUCH_CHANNEL: &str = "-ERR No such channel!\n";
