//! Who hears what: a leg's sound goes to its other end, and on from there where that echoes it or is bridged.

use std::time::Duration;

use super::Switch;
use crate::{
    channel::{Channel, Doing, Endpoint, Heard, SessionId, Signal, Sound},
    media::{Line, Quality},
};

/// The most legs that a sound goes through: a ring of echoes has no end.
const LEGS_MAX: usize = 16;

impl Switch {
    /// Says how well packets will get to a new SIP leg.
    pub(super) fn lay_line(&self, channel: &mut Channel) {
        if self.quality == Quality::default() {
            return;
        }
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let line = Line::draw(&self.quality, self.seed, &dialog.call_id, channel.direction);
        channel.audio.deaf = line.dead;
        channel.audio.loss = line.loss;
    }

    /// An application that takes time has begun on a leg.
    pub(super) fn sound_begins(&mut self, now: Duration, id: SessionId) {
        let before = self.channels.get(&id).map(|channel| channel.audio.sound);
        self.sound_changed(now, id);
        let Some(channel) = self.channels.get(&id) else { return };
        let (sound, peer) = (channel.audio.sound, channel.peer);
        if let (Sound::Pattern, Some(Sound::Pattern), Some(peer)) = (sound, before, peer)
            && let Some(Doing::Bert(bert)) = self.innermost(peer)
        {
            bert.disturbed();
        }
    }

    /// What a leg does has changed: those that hear it hear something else.
    pub(super) fn sound_changed(&mut self, now: Duration, id: SessionId) {
        self.pass_on(now, Some(id));
    }

    /// The other end of a leg, on another server, sends something else.
    pub(super) fn hears(&mut self, now: Duration, id: SessionId, sound: Sound) {
        let next = self.hear(now, id, sound);
        self.pass_on(now, next);
    }

    /// Goes on from leg to leg as long as one sends something else than before.
    fn pass_on(&mut self, now: Duration, from: Option<SessionId>) {
        let mut next = from;
        for _ in 0..LEGS_MAX {
            let Some(id) = next.take() else { return };
            let (sound, passes_on) = self.sound_of(id);
            let Some(channel) = self.channels.get_mut(&id) else { return };
            if channel.audio.sound == sound {
                return;
            }
            channel.audio.sound = sound;
            channel.audio.sends.set(now, sound != Sound::Nothing, passes_on);
            if channel.remote.is_some() {
                return self.tell(now, id, Signal::Sound(sound));
            }
            let Some(peer) = channel.peer else { return };
            next = self.hear(now, peer, sound);
        }
    }

    /// A leg hears something: the one that sends something else for it, if there is one.
    fn hear(&mut self, now: Duration, id: SessionId, sound: Sound) -> Option<SessionId> {
        let audio = &mut self.channels.get_mut(&id)?.audio;
        audio.heard = if audio.deaf { Sound::Nothing } else { sound };
        let heard = audio.heard;
        audio.hears.set(now, heard != Sound::Nothing, true);
        match self.innermost(id)? {
            Doing::Bert(bert) => {
                bert.hear(now, heard == Sound::Pattern);
                None
            }
            Doing::Echo | Doing::DelayEcho => Some(id),
            Doing::Bridge(bridge) => Some(bridge.partner),
            _ => None,
        }
    }

    /// What a leg sends, and whether that comes from another one.
    fn sound_of(&self, id: SessionId) -> (Sound, bool) {
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.is_up()) else {
            return (Sound::Nothing, false);
        };
        match channel.thread.runs.last().map(|run| &run.doing) {
            Some(Doing::Play(play)) if matches!(play.heard, Heard::Pause(_)) => (Sound::Nothing, false),
            Some(Doing::Play(_)) => (Sound::Audio, false),
            Some(Doing::Collect(collect)) if collect.playing().is_some() => (Sound::Audio, false),
            Some(Doing::Bert(_)) => (Sound::Pattern, false),
            Some(Doing::Echo | Doing::DelayEcho) => (self.heard_by(id), true),
            Some(Doing::Bridge(bridge)) => (self.heard_by(bridge.partner), true),
            _ => (Sound::Nothing, false),
        }
    }

    /// What gets to a leg.
    pub(super) fn heard_by(&self, id: SessionId) -> Sound {
        self.channels.get(&id).map_or(Sound::Nothing, |channel| channel.audio.heard)
    }

    /// The share of what a leg sends that is lost before it comes back, where its other end echoes it, or of what the
    /// other end sends.
    pub(super) fn loss_to(&self, id: SessionId) -> f64 {
        let Some(channel) = self.channels.get(&id) else { return 0.0 };
        let echo = channel.peer.and_then(|peer| self.channels.get(&peer)).filter(|peer| {
            peer.thread.runs.last().is_some_and(|run| matches!(run.doing, Doing::Echo | Doing::DelayEcho))
        });
        let there = echo.map_or(0.0, |peer| peer.audio.loss);
        1.0 - (1.0 - there) * (1.0 - channel.audio.loss)
    }

    fn innermost(&mut self, id: SessionId) -> Option<&mut Doing> {
        self.channels.get_mut(&id)?.thread.runs.last_mut().map(|run| &mut run.doing)
    }
}
