//! What a channel can run: one line in [`TABLE`] for each application (mod_dptools), in the files of this folder.

mod call;
mod playback;
mod schedule;
mod variables;

use std::time::Duration;

pub(super) use schedule::sched_hangup;

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
    signalling("answer", call::answer),
    media("echo", call::echo),
    media("endless_playback", playback::endless_playback),
    lasting("export", variables::export),
    signalling("hangup", call::hangup),
    lasting("multiset", variables::multiset),
    signalling("park", call::park),
    media("playback", playback::playback),
    signalling("pre_answer", call::pre_answer),
    signalling("respond", call::respond),
    signalling("ring_ready", call::ring_ready),
    signalling("sched_hangup", schedule::sched_hangup),
    lasting("set", variables::set),
    signalling("sleep", call::sleep),
    lasting("unset", variables::unset),
];

/// The application of this name, in any case of letters.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// Does what the innermost application of a channel does at its end: `true` if it goes on after all.
pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, end: End) -> bool {
    let Some(channel) = switch.channels.get_mut(&id) else { return false };
    let Some(run) = channel.thread.runs.last_mut() else { return false };
    match std::mem::replace(&mut run.doing, Doing::Nothing) {
        Doing::Park => switch.emit(now, id, EventKind::CHANNEL_UNPARK, call::UNPARKED),
        Doing::Play(play) => return playback::finish(switch, now, id, play, end),
        _ => {}
    }
    false
}
