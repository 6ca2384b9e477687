//! What looks at a channel's audio beside its applications, a "media bug": recordings, listeners, detectors
//! (switch_core_media_bug.c).

use std::time::Duration;

use super::{Step, Switch};
use crate::{
    channel::{Bug, Channel, Doing, Endpoint, SessionId},
    event::{EventKind, Origin},
};

const ADDED: Origin = Origin("switch_core_media_bug.c", "switch_core_media_bug_add", 1014);
const REMOVED: Origin = Origin("switch_core_media_bug.c", "switch_core_media_bug_destroy", 84);

/// The most of one channel: more than any real use, so that a client's mistake cannot grow the server.
const BUGS_MAX: usize = 64;

impl Switch {
    /// Puts one on a channel: `false` if there is one of the same function and target, or no room.
    pub(crate) fn add_bug(&mut self, now: Duration, id: SessionId, bug: Bug) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let known = channel.bugs.iter().any(|known| known.function == bug.function && known.target == bug.target);
        if known || channel.bugs.len() >= BUGS_MAX {
            return false;
        }
        channel.bugs.push(bug.clone());
        self.tell_bug(now, id, EventKind::MEDIA_BUG_START, ADDED, &bug);
        true
    }

    /// Takes those away that are of this function and target, any target without one: `false` if there is none.
    pub(crate) fn remove_bugs(&mut self, now: Duration, id: SessionId, function: &str, target: Option<&str>) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let is_meant = |bug: &mut Bug| bug.function == function && target.is_none_or(|target| bug.target == target);
        let removed: Vec<Bug> = channel.bugs.extract_if(.., is_meant).collect();
        for bug in &removed {
            self.tell_bug(now, id, EventKind::MEDIA_BUG_STOP, REMOVED, bug);
        }
        !removed.is_empty()
    }

    /// Those end whose time has come.
    pub(super) fn bug_limit(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let is_due = |bug: &mut Bug| bug.until.is_some_and(|until| until <= now);
        let ended: Vec<Bug> = channel.bugs.extract_if(.., is_due).collect();
        for bug in &ended {
            self.tell_bug(now, id, EventKind::MEDIA_BUG_STOP, REMOVED, bug);
        }
    }

    /// The channel has hung up, or all are taken away: those end that nobody listens through.
    pub(super) fn bugs_hung_up(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let ended: Vec<Bug> = channel.bugs.extract_if(.., |bug| bug.listener.is_none()).collect();
        for bug in ended.iter().rev() {
            self.tell_bug(now, id, EventKind::MEDIA_BUG_STOP, REMOVED, bug);
        }
    }

    /// A channel has hung up, and looks at that itself at `at`: those who listen to a SIP leg notice no later, since it
    /// reads nothing more. (Those of other legs are told as it goes, see [`Switch::listeners_leave`].)
    pub(super) fn tell_listeners(&mut self, at: Duration, id: SessionId) {
        let over_sip = |channel: &Channel| matches!(channel.endpoint, Endpoint::Sofia(_));
        let Some(channel) = self.channels.get(&id).filter(|channel| over_sip(channel)) else { return };
        let listening: Vec<SessionId> = channel.bugs.iter().filter_map(|bug| bug.listener).collect();
        for listener in listening {
            self.add_leg(at, listener, Step::HeardGone(id));
        }
    }

    /// Those who listen to a channel notice that it is over.
    pub(super) fn listeners_leave(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        for bug in std::mem::take(&mut channel.bugs) {
            self.tell_bug(now, id, EventKind::MEDIA_BUG_STOP, REMOVED, &bug);
            let Some(listener) = bug.listener else { continue };
            let Some(channel) = self.channels.get_mut(&listener) else { continue };
            for run in &mut channel.thread.runs {
                if matches!(run.doing, Doing::Eavesdrop(heard) if heard == id) {
                    run.doing = Doing::Nothing;
                }
            }
            self.add_leg(now, listener, Step::Look);
        }
    }

    fn tell_bug(&mut self, now: Duration, id: SessionId, kind: EventKind, origin: Origin, bug: &Bug) {
        let Some(channel) = self.channels.get(&id) else { return };
        let target = if bug.target.is_empty() { "N/A" } else { &bug.target };
        let before = [("Media-Bug-Function", bug.function), ("Media-Bug-Target", target)];
        self.bus.channel_with(now, kind, origin, channel, &before, &[]);
    }
}
