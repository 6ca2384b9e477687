//! A leg is held and taken out of hold again: by a command, which sends its other end a new offer, and by that end
//! (switch_ivr.c `switch_ivr_hold`, switch_core_media.c `switch_core_media_toggle_hold`).

use std::time::Duration;

use super::{Step, Switch, broadcast::Music};
use crate::{
    channel::{CallState, Channel, Endpoint, SessionId, Signal, sofia},
    event::{EventKind, Origin},
};

const HELD: Origin = Origin("switch_ivr.c", "switch_ivr_hold", 1558);
const UNHELD: Origin = Origin("switch_ivr.c", "switch_ivr_unhold", 1638);
const MARKED: Origin = Origin("switch_channel.c", "switch_channel_mark_hold", 875);
const REINVITED: Origin = Origin("sofia.c", "sofia_handle_sip_i_state", 8489);

/// How long a leg takes to answer such an offer, for the sake of the music that it begins or ends.
const MUSIC_TIME: Duration = Duration::from_millis(250);

/// What is played where nobody says.
const MUSIC_DEFAULT: &str = "local_stream://moh";

/// What to play instead of music, for none at all.
const NO_MUSIC: &str = "silence";

impl Switch {
    /// Holds a leg: `false` if it is held already.
    pub(crate) fn hold(&mut self, now: Duration, id: SessionId) -> bool {
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.call_state != CallState::Held) else {
            return false;
        };
        let is_sip = matches!(channel.endpoint, Endpoint::Sofia(_));
        let (partner, music) = (channel.partner, channel.variables.get("hold_music").map(str::to_owned));
        self.set_by_itself(now, id, true);
        if is_sip {
            self.mark_held(now, id);
            self.offer(now, id, true);
        }
        if let (Some(partner), Some(music)) = (partner, music) {
            self.play_music(now, partner, &music, Music::Plain);
        }
        self.emit(now, id, EventKind::CHANNEL_HOLD, HELD);
        true
    }

    /// Takes a leg out of hold: `false` if it is not held.
    pub(crate) fn unhold(&mut self, now: Duration, id: SessionId) -> bool {
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.call_state == CallState::Held) else {
            return false;
        };
        let partner = channel.partner;
        self.set_by_itself(now, id, false);
        self.mark_unheld(now, id);
        self.offer(now, id, false);
        if let Some(partner) = partner {
            self.stop_music(now, partner);
        }
        self.emit(now, id, EventKind::CHANNEL_UNHOLD, UNHELD);
        true
    }

    /// One or the other (`uuid_hold toggle`); a leg that is neither is left alone.
    pub(crate) fn toggle_hold(&mut self, now: Duration, id: SessionId) -> bool {
        match self.channels.get(&id).map(|channel| channel.call_state) {
            Some(CallState::Active | CallState::Unheld) => self.hold(now, id),
            Some(CallState::Held) => self.unhold(now, id),
            _ => true,
        }
    }

    /// Takes the server out of a leg's media, which only a SIP leg without a partner shows, or brings it back with a new
    /// offer: `false` where it is in it.
    pub(crate) fn set_media(&mut self, now: Duration, id: SessionId, on: bool) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        if !on {
            channel.without_media = matches!(channel.endpoint, Endpoint::Sofia(_)) && channel.partner.is_none();
            return true;
        }
        if !std::mem::take(&mut channel.without_media) {
            return false;
        }
        sofia::media_offered(channel);
        self.offer(now, id, false);
        true
    }

    /// A leg that is held hangs up.
    pub(super) fn hold_hung_up(&mut self, now: Duration, id: SessionId) {
        let Some(hold) = self.channels.get(&id).and_then(|channel| channel.held.as_deref()) else { return };
        if hold.is_on {
            self.mark_unheld(now, id);
            self.emit(now, id, EventKind::CHANNEL_UNHOLD, MARKED);
        }
    }

    fn mark_held(&mut self, now: Duration, id: SessionId) {
        let stamp = self.exact_stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let answered = channel.is_answered();
        let hold = channel.held.get_or_insert_default();
        // Held while it rang, its spell begins with the first request after its answer.
        if (std::mem::replace(&mut hold.is_on, true) && hold.is_open()) || !answered {
            return;
        }
        self.set_call_state(now, id, CallState::Held);
        if let Some(hold) = self.channels.get_mut(&id).and_then(|channel| channel.held.as_deref_mut()) {
            hold.begins(stamp);
        }
    }

    fn mark_unheld(&mut self, now: Duration, id: SessionId) {
        let stamp = self.exact_stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let answered = channel.is_answered();
        let Some(hold) = channel.held.as_deref_mut() else { return };
        if !std::mem::replace(&mut hold.is_on, false) || !answered || !hold.is_open() {
            return;
        }
        self.set_call_state(now, id, CallState::Unheld);
        if let Some(hold) = self.channels.get_mut(&id).and_then(|channel| channel.held.as_deref_mut()) {
            hold.ends(stamp);
        }
        // Its next frame makes it active again.
        let frame = self.part_of_a_frame();
        self.add_leg(now + frame, id, Step::Unheld);
    }

    /// A frame passes on a leg that is not held any more.
    pub(super) fn active_again(&mut self, now: Duration, id: SessionId) {
        if self.channels.get(&id).is_some_and(|channel| channel.call_state == CallState::Unheld) {
            self.set_call_state(now, id, CallState::Active);
        }
    }

    /// Sends the other end of a leg's connection a new offer.
    fn offer(&mut self, now: Duration, id: SessionId, hold: bool) {
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_answered()) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let dialog = dialog.clone();
        let held = channel.held.get_or_insert_default();
        held.requests += 1;
        held.descriptions += 1;
        let (request, description) = (held.requests, held.descriptions);
        sofia::described(channel, &dialog, description, "a=sendrecv\r\n");
        self.tell(now, id, Signal::Offer { hold, request, description });
    }

    /// Such an offer has come: it is answered at once, or after the time that music takes.
    pub(super) fn offered(&mut self, now: Duration, id: SessionId, hold: bool, request: u32, description: u32) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let dialog = dialog.clone();
        sofia::offer_received(channel, &dialog, hold, request, description);
        let by_peer = channel.held.as_deref().is_some_and(|hold| hold.by_peer);
        if !hold && !by_peer {
            sofia::media_offer_noted(channel);
        }
        let music = channel.variables.get("hold_music").unwrap_or(MUSIC_DEFAULT).to_owned();
        let partner = channel.partner;
        let mut wait = Duration::ZERO;
        if hold && !by_peer {
            self.set_by_peer(id, true);
            let was_on = self.is_held(id);
            self.mark_held(now, id);
            if !was_on {
                self.emit(now, id, EventKind::CHANNEL_HOLD, MARKED);
            }
            if !music.eq_ignore_ascii_case(NO_MUSIC) {
                if let Some(partner) = partner {
                    self.play_music(now, partner, &music, Music::First);
                }
                wait = MUSIC_TIME;
            }
        } else if !hold && by_peer {
            wait = MUSIC_TIME;
        }
        self.add_leg(now + wait, id, Step::AnswerOffer { hold, request });
    }

    /// A leg answers the offer that has come.
    pub(super) fn answer_offer(&mut self, now: Duration, id: SessionId, hold: bool, request: u32) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let partner = channel.partner;
        if !hold && channel.held.as_deref().is_some_and(|hold| hold.by_peer) {
            self.set_by_peer(id, false);
            if let Some(partner) = partner {
                self.stop_music(now, partner);
            }
            if self.is_held(id) {
                self.mark_unheld(now, id);
                self.emit(now, id, EventKind::CHANNEL_UNHOLD, MARKED);
            }
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let dialog = dialog.clone();
        let held = channel.held.get_or_insert_default();
        held.descriptions += 1;
        let description = held.descriptions;
        let flow = if hold { "a=recvonly\r\n" } else { "a=sendrecv\r\n" };
        let uuid = channel.uuid.clone();
        self.bus.custom_general(now, "sofia::reinvite", REINVITED, &[("Unique-ID", &uuid)]);
        if let Some(channel) = self.channels.get_mut(&id) {
            sofia::described(channel, &dialog, description, flow);
            sofia::offer_acknowledged(channel, &dialog, request);
        }
        self.tell(now, id, Signal::Accept { hold, request, description });
    }

    /// The other end has answered a leg's offer.
    pub(super) fn offer_accepted(&mut self, id: SessionId, hold: bool, request: u32, description: u32) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let dialog = dialog.clone();
        sofia::offer_accepted(channel, &dialog, hold, request, description);
    }

    /// What plays to a leg stands still as long as it holds its other end.
    fn set_by_itself(&mut self, now: Duration, id: SessionId, on: bool) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.held.get_or_insert_default().by_itself = on;
        let mut runs = channel.thread.runs.iter_mut().rev();
        if let Some(playing) = runs.next().and_then(|run| run.playing()) {
            playing.set_held(now, on);
        }
        // What others run on top of stands still already.
        for playing in runs.filter_map(|run| run.playing()) {
            playing.held = on;
        }
        self.add_leg(now, id, Step::Look);
    }

    fn set_by_peer(&mut self, id: SessionId, by_peer: bool) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.held.get_or_insert_default().by_peer = by_peer;
        }
    }

    fn is_held(&self, id: SessionId) -> bool {
        self.channels.get(&id).is_some_and(|channel| channel.is_held())
    }
}

impl Channel {
    /// Whether it holds its other end by a command.
    pub(super) fn holds(&self) -> bool {
        self.held.as_deref().is_some_and(|hold| hold.by_itself)
    }

    /// Whether it is held, by itself or by its other end.
    fn is_held(&self) -> bool {
        self.held.as_deref().is_some_and(|hold| hold.is_on)
    }
}
