//! What a channel can run: one line in [`TABLE`] for each application (mod_dptools), in the files of this folder.

mod bert;
mod bridge;
mod call;
mod collect;
mod digits;
mod listen;
mod playback;
mod record;
mod schedule;
mod session;
mod socket;
mod tell;
mod variables;

use std::time::Duration;

pub(super) use call::{UNPARKED, park_outright};
pub(super) use collect::digit;

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
    signalling("block_dtmf", call::nothing),
    signalling("break", call::nothing),
    signalling("bridge", bridge::bridge),
    lasting("bridge_export", variables::bridge_export),
    media("clear_digit_action", call::nothing),
    media("clear_speech_cache", call::nothing),
    media("cng_plc", call::nothing),
    signalling("deduplicate_dtmf", call::nothing),
    signalling("deflect", call::deflect),
    media("delay_echo", call::delay_echo),
    media("detect_audio", listen::detect_audio),
    media("detect_silence", listen::detect_silence),
    signalling("digit_action_set_realm", call::nothing),
    media("displace_session", listen::displace_session),
    media("eavesdrop", listen::eavesdrop),
    media("echo", call::echo),
    media("endless_playback", playback::endless_playback),
    signalling("enable_heartbeat", session::enable_heartbeat),
    lasting("eval", call::nothing),
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
    lasting("log", tell::log),
    media("loop_playback", playback::loop_playback),
    signalling("media_reset", call::nothing),
    lasting("multiset", variables::multiset),
    lasting("multiunset", variables::multiunset),
    signalling("park", call::park),
    media("phrase", call::nothing),
    media("play_and_get_digits", collect::play_and_get_digits),
    media("playback", playback::playback),
    signalling("pre_answer", call::pre_answer),
    media("preprocess", call::nothing),
    lasting("presence", call::nothing),
    signalling("privacy", call::nothing),
    signalling("queue_dtmf", digits::queue_dtmf),
    media("read", collect::read),
    media("record", record::record),
    media("record_session", record::record_session),
    media("record_session_mask", call::nothing),
    media("record_session_pause", record::record_session_pause),
    media("record_session_resume", record::record_session_resume),
    media("record_session_unmask", call::nothing),
    media("remove_bugs", listen::remove_bugs),
    signalling("respond", call::respond),
    signalling("ring_ready", call::ring_ready),
    // Without a module that speaks, these are over at once and say nothing of why.
    media("say", call::nothing),
    signalling("sched_broadcast", schedule::sched_broadcast),
    signalling("sched_cancel", schedule::sched_cancel),
    signalling("sched_hangup", schedule::sched_hangup),
    signalling("sched_transfer", schedule::sched_transfer),
    signalling("send_display", call::nothing),
    signalling("send_dtmf", digits::send_dtmf),
    signalling("send_info", call::nothing),
    lasting("session_loglevel", call::nothing),
    lasting("set", variables::set),
    media("set_audio_level", call::nothing),
    lasting("set_media_stats", call::nothing),
    media("set_mute", call::nothing),
    signalling("set_name", call::nothing),
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
    media("tone_detect", listen::tone_detect),
    signalling("transfer", schedule::transfer),
    signalling("unbind_meta_app", call::nothing),
    signalling("unblock_dtmf", call::nothing),
    signalling("unhold", call::unhold),
    lasting("unset", variables::unset),
    signalling("verbose_events", call::nothing),
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
