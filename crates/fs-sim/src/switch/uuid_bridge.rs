//! Two channels that are up are joined, whatever they do (switch_ivr_bridge.c `switch_ivr_uuid_bridge`).
//!
//! Who they are to each other is said at once. Then each leaves what it runs as its next frame passes, and waits
//! between states; the one that leads looks every 20 ms whether the other one is there, and bridges.

use std::time::Duration;

use super::{Redirect, Step, Switch, originate::moved};
use crate::{
    cause::Cause,
    channel::{Bridge, Channel, ChannelState, Direction, Doing, FRAME, OtherLeg, Relation, Run, SessionId},
    event::{EventKind, Origin},
};

const BRIDGES: [Origin; 2] = [
    Origin("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1236),
    Origin("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1243),
];

/// How often the leg that leads looks for the other one.
const LOOKS_MAX: u32 = 1_000;

/// One leg's way into a bridge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joining {
    partner: SessionId,
    leads: bool,
}

impl Switch {
    /// Sends two channels into a bridge with each other: `false` if neither has media, or the first has hung up.
    pub(crate) fn bridge_legs(&mut self, now: Duration, first: SessionId, second: SessionId) -> bool {
        if !self.is_up(first) {
            return false;
        }
        let called = self.channels.get(&first).is_some_and(|leg| leg.direction == Direction::Outbound);
        if called && self.channels.get(&first).is_some_and(|leg| !leg.hit_dialplan) {
            self.flip(now, first);
            if let Some(leg) = self.channels.get_mut(&first) {
                leg.hit_dialplan = true;
            }
        }
        // Only one with media can lead.
        let has_media = |id: SessionId| self.channels.get(&id).is_some_and(|leg| leg.has_media());
        let (a, b) = match (has_media(first), has_media(second)) {
            (true, _) => (first, second),
            (false, true) => (second, first),
            (false, false) => return false,
        };
        self.introduce(now, a, b);
        for (id, partner, leads) in [(a, b, true), (b, a, false)].into_iter().take(if a == b { 1 } else { 2 }) {
            self.send_elsewhere(now, id, Redirect::Bridge(Joining { partner, leads }));
        }
        true
    }

    /// `intercept`: a channel takes another one, answered if need be, out of whatever it is in
    /// (`switch_ivr_intercept_session`).
    pub(super) fn intercept(&mut self, now: Duration, id: SessionId, other: SessionId) {
        self.answered(now, id);
        let bereft = self.channels.get(&other).and_then(|other| other.bond()).and_then(|bond| self.find(bond));
        self.answered(now, other);
        let bridged = self.bridge_legs(now, id, other);
        if let Some(bereft) = bereft.filter(|bereft| bridged && *bereft != id) {
            self.hang_up(now, bereft, Cause::PICKED_OFF);
        }
    }

    /// Says who two legs are to each other.
    fn introduce(&mut self, now: Duration, a: SessionId, b: SessionId) {
        let names = |id: SessionId| {
            let channel = self.channels.get(&id)?;
            Some((channel.uuid.clone(), channel.profile.channel_name.clone()))
        };
        let (Some(of_a), Some(of_b)) = (names(a), names(b)) else { return };
        let a_called = self.channels.get(&a).is_some_and(|leg| leg.direction == Direction::Outbound);
        let other = self.channels.get_mut(&b).filter(|other| other.direction == Direction::Outbound);
        if let Some(other) = other {
            other.hit_dialplan = false;
        }
        if let Some(leader) = self.channels.get_mut(&a) {
            leader.variables.set("uuid_bridge", &of_b.0);
        }
        for (id, (uuid, channel_name)) in [(a, &of_b), (b, &of_a)] {
            let Some(channel) = self.channels.get_mut(&id) else { return };
            channel.variables.set("bridge_channel", channel_name);
            channel.variables.set("bridge_uuid", uuid);
            channel.variables.set("signal_bond", uuid);
        }
        if let Some(leader) = self.channels.get_mut(&a).filter(|leader| !leader.faces_its_caller()) {
            leader.profile.invert();
            if let (false, Some(other)) = (a_called, self.channels.get_mut(&b)) {
                other.b_leg = false;
            }
        }
        if let Some(other) = self.channels.get_mut(&b).filter(|other| other.faces_its_caller()) {
            other.profile.invert();
            other.b_leg = other.direction == Direction::Inbound;
        }
        self.step_profiles(now, (a, &of_a.0), (b, &of_b.0));
    }

    /// Both begin a profile of their own in which the other one's name stands.
    fn step_profiles(&mut self, now: Duration, (a, a_uuid): (SessionId, &str), (b, b_uuid): (SessionId, &str)) {
        let stamp = self.stamp(now);
        for (id, uuid) in [(b, a_uuid), (a, b_uuid)] {
            let transfer_id = self.random_uuid();
            let Some(channel) = self.channels.get_mut(&id) else { return };
            for (name, value) in [
                ("original_destination_number", channel.profile.destination.clone()),
                ("original_caller_id_name", channel.profile.caller_name.clone()),
                ("original_caller_id_number", channel.profile.caller_number.clone()),
            ] {
                channel.variables.set(name, &value);
            }
            moved(channel, &format!("{}:{transfer_id}:uuid_br:{uuid}", stamp.seconds()), stamp);
        }
        let leg = |id: &SessionId, relation| self.channels.get(id).map(|leg| OtherLeg::new(relation, leg));
        let (caller, callee) = (leg(&a, Relation::Originator), leg(&b, Relation::Originatee));
        let mut callee_id = None;
        if let Some(other) = self.channels.get_mut(&b) {
            other.other_leg = caller;
            callee_id = Some((other.profile.callee_name.clone(), other.profile.callee_number.clone()));
        }
        let Some(leader) = self.channels.get_mut(&a) else { return };
        leader.other_leg = callee;
        if let Some(callee_id) = callee_id {
            (leader.profile.callee_name, leader.profile.callee_number) = callee_id;
        }
        let caller_id = (leader.profile.caller_name.clone(), leader.profile.caller_number.clone());
        if let Some(other) = self.channels.get_mut(&b) {
            (other.profile.caller_name, other.profile.caller_number) = caller_id;
        }
    }

    /// A leg has left what it ran for a bridge.
    pub(super) fn joins(&mut self, now: Duration, id: SessionId, Joining { partner, leads }: Joining) {
        let led = self.leads_bridge(id);
        self.leave(now, id);
        self.taken_from_its_dial(now, id);
        if partner == id {
            self.enter(now, id, ChannelState::ConsumeMedia);
        } else if !led {
            self.enter(now, id, ChannelState::Hibernate);
        }
        self.enter(now, id, ChannelState::Reset);
        if leads {
            self.enter(now, id, ChannelState::SoftExecute);
            if let Some(leader) = self.channels.get_mut(&id) {
                leader.variables.unset("uuid_bridge");
            }
            self.look_for(now, id, partner, LOOKS_MAX);
        }
    }

    /// The leg that leads looks for the other one.
    pub(super) fn look_for(&mut self, now: Duration, a: SessionId, b: SessionId, looks: u32) {
        // It may have been sent elsewhere meanwhile, and the other one into another bridge.
        let waits =
            |leg: &Channel| leg.state == ChannelState::SoftExecute && leg.thread.runs.is_empty() && !leg.thread.leaving;
        let Some(leader) = self.channels.get(&a).filter(|leader| waits(leader)) else { return };
        let is_for_it = |other: &Channel| other.variables.get("bridge_uuid") == Some(&*leader.uuid);
        if self.channels.get(&b).is_some_and(|other| other.is_up() && !is_for_it(other)) {
            return;
        }
        let Some(other) = self.channels.get(&b).filter(|other| other.is_up()) else {
            // Gone before it was looked for, or while it was waited for.
            let first = looks == LOOKS_MAX;
            let cause = if first { Cause::DESTINATION_OUT_OF_ORDER } else { Cause::ORIGINATOR_CANCEL };
            return self.hang_up(now, a, cause);
        };
        if a == b {
            return;
        }
        let has_media = other.has_media();
        match other.state {
            ChannelState::SoftExecute if has_media => return self.bridge_met(now, a, b),
            ChannelState::SoftExecute => {
                self.hang_up(now, b, Cause::DESTINATION_OUT_OF_ORDER);
                return self.hang_up(now, a, Cause::ORIGINATOR_CANCEL);
            }
            ChannelState::Reset => self.enter(now, b, ChannelState::SoftExecute),
            _ if looks == 0 => {
                self.hang_up(now, a, Cause::DESTINATION_OUT_OF_ORDER);
                return self.hang_up(now, b, Cause::DESTINATION_OUT_OF_ORDER);
            }
            _ => {}
        }
        self.add_leg(now + FRAME, a, Step::LookFor(b, looks.saturating_sub(1)));
    }

    /// Both are there.
    fn bridge_met(&mut self, now: Duration, a: SessionId, b: SessionId) {
        for ((id, other), origin) in [(a, b), (b, a)].into_iter().zip(BRIDGES) {
            if let (Some(channel), Some(other)) = (self.channels.get(&id), self.channels.get(&other)) {
                let after = [("Application", "uuid_bridge"), ("Application-Data", &*other.uuid)];
                self.bus.channel_with(now, EventKind::CHANNEL_EXECUTE, origin, channel, &[], &after);
            }
        }
        let number = self.next_run();
        let doing = Doing::Bridge(Bridge { partner: b, leads: true, parted: None });
        if let Some(channel) = self.channels.get_mut(&a) {
            channel.thread.runs.push(Run::silent(number, "uuid_bridge", doing));
        }
        self.join(now, a, b);
        for id in [a, b] {
            self.sound_changed(now, id);
        }
        self.proceed(now, a);
        self.proceed(now, b);
    }
}
