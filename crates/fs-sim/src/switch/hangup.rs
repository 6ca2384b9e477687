//! How a channel ends: the hangup, what it means for the other leg, the record, the end.

use std::time::Duration;

use super::{Due, Job, Step, Switch, originate::DESTROYED};
use crate::{
    cause::Cause,
    channel::{CallState, ChannelState, Direction, Endpoint, SessionId, Signal, sofia},
    event::{EventKind, Origin},
};

const HUNG_UP: Origin = Origin("switch_channel.c", "switch_channel_perform_hangup", 3445);
const REPORTED: Origin = Origin("switch_core_state_machine.c", "switch_core_session_reporting_state", 943);

/// How many channels one command hangs up at once: what comes of them is sent before the next ones are.
const PORTION: usize = 500;

/// Channels that a command hangs up, and how it ends.
#[derive(Debug)]
pub(crate) struct HangUps {
    /// Those that are left, the first ones last.
    pub(crate) left: Vec<SessionId>,
    pub(crate) cause: Cause,
    pub(crate) job: Job,
    pub(crate) output: String,
}

/// Variable set on a leg whose other end was the one to hang up.
const ENDED_BY_PEER: &[&str] = &["recv_bye", "recv_cancel", "recv_refuse"];

impl Switch {
    /// Ends a leg from this side.
    pub(crate) fn hang_up(&mut self, now: Duration, id: SessionId, cause: Cause) {
        if self.is_up(id) {
            self.hold_hung_up(now, id);
        }
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) else { return };
        channel.cause = Some(cause);
        channel.next = ChannelState::Hangup;
        let waits_for_frame = channel.is_answered() && !channel.thread.runs.is_empty();
        self.note_hangup(id, cause);
        self.emit(now, id, EventKind::CHANNEL_HANGUP, HUNG_UP);
        self.sound_changed(now, id);
        self.connections_look(now, id);
        self.gone(now, id, cause);
        // What it runs notices at its next frame.
        let delay = if waits_for_frame { self.part_of_a_frame() } else { Duration::ZERO };
        self.tell_listeners(now + delay, id);
        self.add_leg(now + delay, id, Step::Report);
    }

    /// Ends many legs, in portions: what is to be said when none is left, or nothing if that comes later.
    pub(crate) fn hang_up_all(&mut self, now: Duration, mut all: HangUps) -> Option<HangUps> {
        for id in all.left.split_off(all.left.len().saturating_sub(PORTION)).into_iter().rev() {
            self.hang_up(now, id, all.cause);
        }
        if all.left.is_empty() {
            return Some(all);
        }
        self.timers.add(now, Due::HangUps(Box::new(all)));
        None
    }

    /// Ends a leg because the other one has ended; `cause` is what came over.
    pub(super) fn ended_by_peer(&mut self, now: Duration, id: SessionId, cause: Cause) {
        if self.is_up(id) {
            self.hold_hung_up(now, id);
        }
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) else { return };
        channel.cause = Some(cause);
        channel.next = ChannelState::Hangup;
        self.hang_line_up(id);
        self.note_hangup(id, cause);
        self.emit(now, id, EventKind::CHANNEL_HANGUP, HUNG_UP);
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.is_answered()
            && matches!(channel.endpoint, Endpoint::Sofia(_))
        {
            sofia::bye_noted(channel);
        }
        self.connections_look(now, id);
        self.gone(now, id, cause);
        self.tell_listeners(now, id);
        self.add_leg(now, id, Step::Report);
    }

    /// Tells the one that is bridged with a leg that it has hung up.
    fn gone(&mut self, now: Duration, id: SessionId, cause: Cause) {
        // One that leads its bridge takes it down itself.
        if !self.leads_bridge(id) {
            self.part(now, id, Some(cause));
        }
    }

    /// Writes the record, tells the other leg, and removes the channel.
    pub(super) fn report(&mut self, now: Duration, id: SessionId) {
        let stamp = self.stamp(now);
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.call_state != CallState::Hangup) else {
            return;
        };
        self.settings.sip_calls.count_failed(channel);
        if self.is_kept(now, id) {
            return;
        }
        // The one that kept it may have gone just now, and the others have not been told.
        self.connections_look(now, id);
        self.unwind(now, id);
        self.enter(now, id, ChannelState::Hangup);
        self.recordings_hung_up(now, id);
        self.bugs_hung_up(now, id);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let had_media = channel.variables.get("rtp_use_ssrc").is_some();
        let cause = channel.cause;
        channel.report(stamp);
        self.set_call_state(now, id, CallState::Hangup);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match channel.endpoint {
            Endpoint::Sofia(_) => {
                if !channel.variables.get("sip_hangup_disposition").is_some_and(|how| ENDED_BY_PEER.contains(&how)) {
                    sofia::end_sent(channel);
                }
                if matches!(cause, Some(Cause::LOSE_RACE | Cause::PICKED_OFF)) {
                    channel.variables.set("call_completed_elsewhere", "true");
                }
                if had_media {
                    channel.report_rtp(stamp, now, &self.quality, self.seed);
                }
            }
            Endpoint::Loopback => channel.variables.set("is_loopback", "1"),
            Endpoint::Null | Endpoint::Unborn => {}
        }
        self.tell_peer(now, id);
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.call_uuid.take().is_some()
        {
            channel.variables.set("call_uuid", &channel.uuid);
        }
        self.enter(now, id, ChannelState::Reporting);
        self.emit(now, id, EventKind::CHANNEL_HANGUP_COMPLETE, REPORTED);
        self.listeners_leave(now, id);
        if let Some(cause) = cause {
            self.fail(now, id, cause);
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            // It is not found by its name any more, but it stays while a connection holds it.
            self.by_uuid.remove(&channel.uuid);
        }
        self.destroy(now, id);
    }

    /// Removes a channel that has ended, unless connections hold it: the last of them does it then.
    pub(super) fn destroy(&mut self, now: Duration, id: SessionId) {
        if self.controlled_by.contains_key(&id) {
            return;
        }
        self.ask_for(id, ChannelState::Destroy);
        if let Some(uuid) = self.channels.get(&id).map(|channel| channel.uuid.clone()) {
            self.unschedule_group(now, uuid);
        }
        self.emit(now, id, EventKind::CHANNEL_DESTROY, DESTROYED);
        self.enter(now, id, ChannelState::Destroy);
        self.channels.remove(&id);
        self.diverted.remove(&id);
    }

    /// Sends the other leg what this leg's end means to it: a BYE, a CANCEL or a refusal.
    fn tell_peer(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get(&id) else { return };
        let alone = channel.peer.is_none() && channel.remote.is_none();
        if alone && channel.direction == Direction::Outbound && !channel.is_answered() {
            self.invite_in_vain(now, id);
        }
        let Some(channel) = self.channels.get(&id) else { return };
        let Some(cause) = channel.cause else { return };
        let signal = match channel.endpoint {
            Endpoint::Sofia(_) if channel.is_answered() => Signal::Bye(cause),
            Endpoint::Sofia(_) if channel.direction == Direction::Outbound => Signal::Cancel(cause),
            Endpoint::Sofia(_) => {
                let status = channel.thread.responds.unwrap_or_else(|| cause.sip_status());
                Signal::Refuse { status, phrase: None, reason: Some(cause) }
            }
            _ => Signal::Bye(cause),
        };
        match (&channel.endpoint, channel.peer) {
            // The other side of a loopback knows at once.
            (Endpoint::Loopback, Some(peer)) => self.step(now, peer, Step::Told(signal)),
            _ => self.tell(now, id, signal),
        }
        self.hang_line_up(id);
    }

    /// A leg that has ended before its INVITE was there has sent it all the same.
    fn invite_in_vain(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get(&id) else { return };
        let refused = channel.variables.get("sip_invite_failure_status").is_some();
        if refused || !matches!(channel.endpoint, Endpoint::Sofia(_)) || !self.calls_itself(id) {
            return;
        }
        self.invited_here(now, id, false);
        let far = self.channels.get(&id).and_then(|near| near.peer);
        if let Some(far) = far.and_then(|far| self.channels.get_mut(&far)) {
            // It is told before it has begun to do anything.
            far.thread.leaving = true;
        }
    }
}
