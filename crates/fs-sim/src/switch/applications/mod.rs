//! What a channel can run: one line in [`TABLE`] for each application (mod_dptools), in the files of this folder.

mod bridge;
mod call;
mod digits;
mod playback;
mod record;
mod schedule;
mod socket;
mod variables;

use std::time::Duration;

pub(super) use call::{UNPARKED, park_outright};

use super::Switch;
use crate::{
    cause::Cause,
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
    signalling("answer", call::answer),
    signalling("bridge", bridge::bridge),
    signalling("deflect", call::deflect),
    media("echo", call::echo),
    media("endless_playback", playback::endless_playback),
    lasting("export", variables::export),
    signalling("hangup", call::hangup),
    lasting("multiset", variables::multiset),
    signalling("park", call::park),
    media("playback", playback::playback),
    signalling("pre_answer", call::pre_answer),
    signalling("queue_dtmf", digits::queue_dtmf),
    media("record", record::record),
    media("record_session", record::record_session),
    signalling("respond", call::respond),
    signalling("ring_ready", call::ring_ready),
    signalling("sched_hangup", schedule::sched_hangup),
    signalling("sched_broadcast", schedule::sched_broadcast),
    signalling("sched_transfer", schedule::sched_transfer),
    signalling("send_dtmf", digits::send_dtmf),
    lasting("set", variables::set),
    signalling("sleep", call::sleep),
    signalling("socket", socket::socket),
    // Without a module that speaks, it is over at once and says nothing of why.
    media("speak", call::nothing),
    media("start_dtmf", digits::start_dtmf),
    media("stop_dtmf", digits::start_dtmf),
    media("stop_record_session", record::stop_record_session),
    signalling("transfer", schedule::transfer),
    lasting("unset", variables::unset),
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
        Doing::Play(play) => return playback::finish(switch, now, id, play, end),
        Doing::Record(recording) => record::finish(switch, now, id, &recording),
        Doing::Bridge(bridge) => switch.finish_bridge(now, id, bridge),
        // The caller is gone before its call is answered.
        Doing::Call(dial) => switch.cancel_dial(now, dial, Cause::ORIGINATOR_CANCEL),
        Doing::Deflect(_) if end == End::ItsOwn => call::deflected(switch, now, id),
        _ => {}
    }
    false
}
