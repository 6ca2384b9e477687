//! What a channel can run: one line in [`TABLE`] for each application (mod_dptools), in the files of this folder.

mod bert;
mod bridge;
mod call;
mod collect;
mod digits;
mod extension;
mod listen;
mod playback;
mod profile;
mod record;
mod schedule;
mod session;
mod socket;
mod tell;
mod variables;

use std::time::Duration;

pub(super) use call::{UNPARKED, park_outright};
pub(super) use collect::digit;
pub(super) use listen::heard_gone;
pub(crate) use tell::INFO_TYPE;

use super::Switch;
use crate::{
    channel::{Doing, SessionId},
    event::EventKind,
};

/// What an application leaves behind when it has begun.
pub(super) enum Next {
    /// It is over.
    Done,
    /// It takes time.
    Doing(Doing),
}

/// Why an application ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    ItsOwn,
    /// `uuid_break`.
    Broken,
    /// The channel has hung up, or goes elsewhere.
    Cut,
}

/// One application: how it begins.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// Without media, an inbound leg is given early media first (no `SAF_SUPPORT_NOMEDIA`).
    pub(super) needs_media: bool,
    /// It still runs when the channel has hung up (`SAF_ZOMBIE_EXEC`).
    pub(super) after_hangup: bool,
    pub(super) run: fn(&mut Switch, Duration, SessionId, &str) -> Next,
}

type Run = fn(&mut Switch, Duration, SessionId, &str) -> Next;

const fn signalling(name: &'static str, run: Run) -> Known {
    Known { name, needs_media: false, after_hangup: false, run }
}

const fn media(name: &'static str, run: Run) -> Known {
    Known { name, needs_media: true, after_hangup: false, run }
}

const fn lasting(name: &'static str, run: Run) -> Known {
    Known { name, needs_media: false, after_hangup: true, run }
}

const TABLE: &[Known] = &[
    signalling("acknowledge_call", call::nothing),
    signalling("answer", call::answer),
    media("bert_test", bert::bert_test),
    signalling("bind_digit_action", call::nothing),
    signalling("bind_meta_app", call::nothing),
    lasting("bgsystem", call::nothing),
    signalling("block_dtmf", call::nothing),
    signalling("break", call::nothing),
    signalling("bridge", bridge::bridge),
    lasting("bridge_export", variables::bridge_export),
    media("broadcast", call::broadcast),
    signalling("capture", call::nothing),
    signalling("capture_text", call::nothing),
    signalling("check_acl", call::check_acl),
    media("clear_digit_action", call::nothing),
    media("clear_speech_cache", call::nothing),
    media("cng_plc", call::nothing),
    signalling("debug_media", call::nothing),
    signalling("deduplicate_dtmf", call::nothing),
    signalling("deflect", call::deflect),
    media("delay_echo", call::delay_echo),
    media("detect_audio", listen::detect_audio),
    media("detect_silence", listen::detect_silence),
    signalling("digit_action_set_realm", call::nothing),
    media("displace_session", listen::displace_session),
    signalling("early_hangup", call::nothing),
    media("eavesdrop", listen::eavesdrop),
    media("echo", call::echo),
    media("endless_playback", playback::endless_playback),
    signalling("enable_keepalive", call::nothing),
    signalling("enable_heartbeat", session::enable_heartbeat),
    lasting("eval", call::nothing),
    signalling("execute_extension", extension::execute_extension),
    lasting("event", tell::event),
    lasting("export", variables::export),
    media("fax_detect", listen::tone_detect),
    signalling("filter_codecs", call::nothing),
    signalling("flush_dtmf", digits::flush_dtmf),
    media("gentones", playback::gentones),
    signalling("hangup", call::hangup),
    signalling("hold", call::hold),
    lasting("info", call::nothing),
    media("intercept", call::intercept),
    media("jitterbuffer", call::nothing),
    signalling("limit", call::nothing),
    signalling("limit_execute", call::nothing),
    signalling("limit_hash", call::nothing),
    signalling("limit_hash_execute", call::nothing),
    lasting("log", tell::log),
    media("loop_playback", playback::loop_playback),
    signalling("media_reset", call::nothing),
    signalling("mkdir", call::nothing),
    lasting("multiset", variables::multiset),
    lasting("multiunset", variables::multiunset),
    signalling("novideo", call::nothing),
    signalling("park", call::park),
    media("park_state", call::park_state),
    media("phrase", call::nothing),
    media("play_and_get_digits", collect::play_and_get_digits),
    media("playback", playback::playback),
    signalling("pre_answer", call::pre_answer),
    media("preprocess", call::nothing),
    lasting("presence", call::nothing),
    signalling("privacy", profile::privacy),
    lasting("push", variables::push),
    signalling("queue_dtmf", digits::queue_dtmf),
    media("read", collect::read),
    media("record", record::record),
    media("record_session", record::record_session),
    media("record_session_mask", call::nothing),
    media("record_session_pause", record::record_session_pause),
    media("record_session_resume", record::record_session_resume),
    media("record_session_unmask", call::nothing),
    media("remove_bugs", listen::remove_bugs),
    signalling("recovery_refresh", call::nothing),
    lasting("rename", call::nothing),
    signalling("respond", call::respond),
    signalling("reuse_caller_profile", call::nothing),
    signalling("ring_ready", call::ring_ready),
    // Without a module that speaks, these are over at once and say nothing of why.
    media("say", call::nothing),
    signalling("sched_broadcast", schedule::sched_broadcast),
    signalling("sched_cancel", schedule::sched_cancel),
    signalling("sched_heartbeat", schedule::sched_heartbeat),
    signalling("sched_hangup", schedule::sched_hangup),
    signalling("sched_transfer", schedule::sched_transfer),
    signalling("send_display", profile::send_display),
    signalling("send_dtmf", digits::send_dtmf),
    signalling("send_info", tell::send_info),
    lasting("session_loglevel", call::nothing),
    lasting("set", variables::set),
    media("set_audio_level", call::nothing),
    lasting("set_global", variables::set_global),
    lasting("set_media_stats", call::nothing),
    media("set_mute", profile::set_mute),
    signalling("set_name", profile::set_name),
    lasting("set_profile_var", profile::set_profile_var),
    // There is no user in the directory.
    signalling("set_user", call::nothing),
    lasting("set_zombie_exec", call::nothing),
    signalling("sleep", call::sleep),
    signalling("socket", socket::socket),
    media("soft_hold", call::nothing),
    media("speak", call::nothing),
    media("start_dtmf", digits::start_dtmf),
    media("start_dtmf_generate", digits::start_dtmf_generate),
    signalling("stop", call::nothing),
    media("stop_displace_session", listen::stop_displace_session),
    media("stop_dtmf", digits::stop_dtmf),
    media("stop_dtmf_generate", digits::stop_dtmf_generate),
    media("stop_record_session", record::stop_record_session),
    media("stop_tone_detect", listen::stop_tone_detect),
    signalling("strftime", call::nothing),
    lasting("system", call::nothing),
    media("tone_detect", listen::tone_detect),
    signalling("transfer", schedule::transfer),
    lasting("transfer_vars", call::nothing),
    signalling("unbind_meta_app", call::nothing),
    signalling("unblock_dtmf", call::nothing),
    signalling("unhold", call::unhold),
    lasting("unset", variables::unset),
    lasting("unshift", variables::unshift),
    signalling("verbose_events", call::nothing),
    media("video_decode", call::nothing),
    signalling("video_refresh", call::nothing),
    signalling("wait_for_answer", call::wait_for_answer),
    media("wait_for_silence", listen::wait_for_silence),
];

/// The names of all applications.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|known| known.name)
}

/// The application of this name, in any case of letters.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// Does what the innermost application of a channel does at its end: `true` if it goes on after all.
pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, end: End) -> bool {
    let Some(channel) = switch.channels.get_mut(&id) else { return false };
    let Some(run) = channel.thread.runs.last_mut() else { return false };
    match std::mem::replace(&mut run.doing, Doing::Nothing) {
        Doing::Park => switch.emit(now, id, EventKind::CHANNEL_UNPARK, UNPARKED),
        Doing::Socket(socket) => super::outbound::finish(switch, now, id, &socket),
        Doing::Bert(bert) => return bert::finish(switch, now, id, bert, end),
        Doing::Play(play) => return playback::finish(switch, now, id, play, end),
        Doing::Collect(collect) => return collect::finish(switch, now, id, collect, end),
        Doing::Eavesdrop(heard) => listen::eavesdrop_ends(switch, now, id, heard),
        Doing::Extension(rest) if end == End::ItsOwn => return extension::next(switch, now, id, rest),
        Doing::Listen(_, after) if end == End::ItsOwn => listen::listened(switch, id, &after),
        Doing::Record(recording) => record::finish(switch, now, id, &recording),
        Doing::Bridge(bridge) => switch.finish_bridge(now, id, bridge),
        // The caller is gone before its call is answered.
        Doing::Call(dial) => switch.caller_left(now, id, dial),
        Doing::Deflect(_) if end == End::ItsOwn => call::deflected(switch, now, id),
        _ => {}
    }
    false
}
