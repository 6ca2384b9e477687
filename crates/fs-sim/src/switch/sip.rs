//! SIP between two legs: on one server, or on two that share a network. A leg tells, the other is told.
//!
//! A call between servers is known by its near leg; whichever side gets a message for a leg that is gone lets it pass,
//! as a stack that answers 481 does.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use super::{Due, Step, Switch, capture::Way};
use crate::{
    Config, Elsewhere,
    cause::Cause,
    channel::{Codec, Endpoint, SessionId, Signal, sofia, sofia::Side},
    event::Output,
    network::{Call, Node, Packet, Place, Remote, To, Undelivered},
};

/// What a SIP message takes from one leg to the other, its handling included. The recorded server took 1 to 2 ms from
/// the command to the INVITE, and as long for each further message.
pub(super) const SIP_HOP: Duration = Duration::from_millis(1);

/// How long an answer waits for its ACK: 64 times T1 (RFC 3261 §13.3.1.4).
const ACK_PATIENCE: Duration = Duration::from_secs(32);

/// Where this server is, as SIP knows it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) host: Ipv4Addr,
    /// Its place in a network, where there is one.
    node: Option<Node>,
    name: String,
    elsewhere: Elsewhere,
}

impl Line {
    pub(super) fn new(config: &Config, place: Option<Place>) -> Line {
        let host = place.map(|place| place.host).or(config.sip.host).unwrap_or(Ipv4Addr::LOCALHOST);
        let node = place.map(|place| place.node);
        Line { host, node, name: config.name.to_ascii_lowercase(), elsewhere: config.sip.elsewhere }
    }

    fn is_self(&self, host: &str) -> bool {
        host.parse::<Ipv4Addr>().is_ok_and(|host| host == self.host || host == Ipv4Addr::LOCALHOST)
            || host.eq_ignore_ascii_case("localhost")
            || host.eq_ignore_ascii_case(&self.name)
    }
}

impl Switch {
    /// The address of its SIP profiles.
    pub(crate) fn sip_host(&self) -> Ipv4Addr {
        self.line.host
    }

    /// Sends the INVITE of a near leg.
    pub(super) fn invite(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get(&id) else { return };
        // A leg that carries linear audio offers just that to the leg it calls.
        let codec = channel.variables.get("originator_codec").unwrap_or_default();
        let invite = Signal::Invite { linear: codec.starts_with(Codec::L16.name()) };
        self.copy_signal(now, id, invite, Way::Sent);
        let Some(Endpoint::Sofia(dialog)) = self.channels.get(&id).map(|channel| &channel.endpoint) else { return };
        let (host, port) = dialog.next_hop();
        let is_open = self.line.elsewhere == Elsewhere::Itself || sofia::is_profile_port(port);
        match (self.line.is_self(host), self.line.node) {
            (true, _) if is_open => self.add_leg(now + SIP_HOP, id, Step::Told(invite)),
            (false, Some(node)) if is_open => {
                let to = To::Address { host: host.to_owned() };
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.remote = Some(Box::new(Remote { call: Call { node, leg: id }, to }));
                }
                self.tell_at(now + SIP_HOP, id, invite);
            }
            _ => self.nobody_there(now + SIP_HOP, id, invite),
        }
    }

    /// Whether the INVITE of a near leg goes to its own server.
    pub(super) fn calls_itself(&self, id: SessionId) -> bool {
        let Some(Endpoint::Sofia(dialog)) = self.channels.get(&id).map(|channel| &channel.endpoint) else {
            return false;
        };
        let (host, port) = dialog.next_hop();
        let is_open = self.line.elsewhere == Elsewhere::Itself || sofia::is_profile_port(port);
        is_open && (self.line.is_self(host) || self.line.node.is_none())
    }

    /// The address that a near leg calls is nobody's: it learns so, or arrives at its own server, at `at`.
    fn nobody_there(&mut self, at: Duration, id: SessionId, invite: Signal) {
        let signal = if self.line.elsewhere == Elsewhere::Itself { invite } else { Signal::UNREACHABLE };
        self.add_leg(at, id, Step::Told(signal));
    }

    /// Tells the other end of a leg's connection something; over SIP it is there a hop later.
    pub(super) fn tell(&mut self, now: Duration, id: SessionId, signal: Signal) {
        let Some(channel) = self.channels.get(&id) else { return };
        if channel.peer.is_none() && channel.remote.is_none() {
            return;
        }
        let hop = if let Endpoint::Sofia(_) = channel.endpoint { SIP_HOP } else { Duration::ZERO };
        self.copy_signal(now, id, signal, Way::Sent);
        self.tell_at(now + hop, id, signal);
    }

    /// The same, so that it is there at `at`.
    pub(super) fn tell_at(&mut self, at: Duration, id: SessionId, signal: Signal) {
        let Some(channel) = self.channels.get(&id) else { return };
        match (&channel.remote, &channel.endpoint) {
            (Some(remote), Endpoint::Sofia(dialog)) => {
                let (call, to, dialog) = (remote.call, remote.to.clone(), dialog.clone());
                self.post(Packet { to, call, dialog, signal, at, from: call.node });
            }
            _ => {
                if let Some(peer) = channel.peer {
                    self.add_leg(at, peer, Step::Told(signal));
                }
            }
        }
    }

    /// The ACK to the answer that a near leg has got.
    pub(super) fn acknowledge(&mut self, now: Duration, id: SessionId) {
        if self.channels.get(&id).is_some_and(|channel| matches!(channel.endpoint, Endpoint::Sofia(_))) {
            self.tell(now, id, Signal::Acknowledge);
        }
    }

    fn post(&mut self, packet: Packet) {
        if let Some(node) = self.line.node {
            self.bus.push(Output::Packet(Box::new(Packet { from: node, ..packet })));
        }
    }

    /// A leg is told something by the other end of its connection.
    pub(super) fn told(&mut self, now: Duration, id: SessionId, signal: Signal) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match signal {
            Signal::Invite { linear } => self.invited_here(now, id, linear),
            // That it is there is all that it says.
            Signal::Trying => {}
            Signal::Ringing => self.ringing(now, id),
            Signal::EarlyMedia => self.early_media(now, id),
            Signal::Answer => self.answered(now, id),
            Signal::Acknowledge => {
                if let Endpoint::Sofia(dialog) = &channel.endpoint {
                    let dialog = dialog.clone();
                    sofia::far_acknowledged(channel, &dialog);
                }
            }
            Signal::Refuse { status, phrase, reason } => {
                let cause = Cause::over_sip(reason, status);
                if let Endpoint::Sofia(dialog) = &channel.endpoint {
                    let dialog = dialog.clone();
                    sofia::near_refused(channel, &dialog, status, phrase, cause);
                }
                self.ended_by_peer(now, id, cause);
            }
            // It has crossed the answer: the caller's stack says BYE to that.
            Signal::Cancel(cause) if channel.is_answered() => self.told(now, id, Signal::Bye(cause)),
            Signal::Cancel(cause) => {
                sofia::far_canceled(channel, cause);
                self.ended_by_peer(now, id, Cause::ORIGINATOR_CANCEL);
            }
            Signal::Bye(cause) => {
                let sip = matches!(channel.endpoint, Endpoint::Sofia(_));
                let cause = if sip { sofia::bye_received(channel, cause) } else { cause };
                self.ended_by_peer(now, id, cause);
            }
            Signal::Unacknowledged => {
                sofia::far_unacknowledged(channel);
                self.hang_up(now, id, Cause::NORMAL_UNSPECIFIED);
            }
            Signal::Offer { hold, request, description } => self.offered(now, id, hold, request, description),
            Signal::Accept { hold, request, description } => self.offer_accepted(id, hold, request, description),
            Signal::Digit(digit, duration) => self.digit_arrived(now, id, digit, duration),
            Signal::Sound(sound) => self.hears(now, id, sound),
        }
    }

    /// The INVITE of near leg `a` arrives at its own server.
    pub(super) fn invited_here(&mut self, now: Duration, a: SessionId, linear: bool) {
        let Some(near) = self.channels.get_mut(&a) else { return };
        let Endpoint::Sofia(dialog) = &near.endpoint else { return };
        let dialog = dialog.clone();
        near.remote = None;
        let callee = near.callee;
        let Some(b) = self.invited(now, dialog.clone()) else {
            return self.add_leg(now + SIP_HOP, a, Step::Told(Signal::NO_ROOM));
        };
        if let Some(far) = self.channels.get_mut(&b) {
            far.peer = Some(a);
            far.callee = callee;
        }
        if let Some(near) = self.channels.get_mut(&a) {
            near.peer = Some(b);
        }
        // It says nothing that the near leg does not know, but captures show it.
        if self.captures(&dialog, Side::Near) || self.captures(&dialog, Side::Far) {
            self.tell(now, b, Signal::Trying);
        }
        self.begin_far(now, b, linear);
    }
}

impl Switch {
    /// A message from another server is on its way, and is there at `at`.
    pub(crate) fn packet(&mut self, at: Duration, packet: Packet) {
        self.timers.add(at, Due::Packet(Box::new(packet)));
    }

    /// It is there.
    pub(super) fn packet_arrived(&mut self, now: Duration, packet: Packet) {
        if let Signal::Invite { linear } = packet.signal {
            return self.invited_from_elsewhere(now, packet, linear);
        }
        let Some(id) = self.leg_of(&packet) else { return };
        if packet.call.node != packet.from
            && let Some(remote) = self.channels.get_mut(&id).and_then(|near| near.remote.as_deref_mut())
        {
            remote.to = To::Node(packet.from);
        }
        self.step(now, id, Step::Told(packet.signal));
    }

    /// The leg that a message is for, if it is there still: the near leg itself, or the far leg of that call.
    fn leg_of(&self, packet: &Packet) -> Option<SessionId> {
        let is_near = Some(packet.call.node) == self.line.node;
        let id = if is_near { packet.call.leg } else { *self.calls.get(&packet.call)? };
        let Endpoint::Sofia(dialog) = &self.channels.get(&id)?.endpoint else { return None };
        Arc::ptr_eq(dialog, &packet.dialog).then_some(id)
    }

    fn invited_from_elsewhere(&mut self, now: Duration, packet: Packet, linear: bool) {
        let Packet { call, dialog, from, .. } = packet;
        let callee = self.dialplan.callee(dialog.far_profile.context, &dialog.number);
        let callee = callee.map(|extension| self.callees.count(extension, true));
        let Some(b) = self.invited(now, dialog.clone()) else {
            let refusal = Signal::NO_ROOM;
            return self.post(Packet { to: To::Node(from), call, dialog, signal: refusal, at: now + SIP_HOP, from });
        };
        if let Some(far) = self.channels.get_mut(&b) {
            far.remote = Some(Box::new(Remote { call, to: To::Node(from) }));
            far.callee = callee;
        }
        self.calls.insert(call, b);
        self.tell(now, b, Signal::Trying);
        self.begin_far(now, b, linear);
    }

    /// A message of this server's could not be delivered.
    pub(crate) fn undelivered(&mut self, now: Duration, why: Undelivered) {
        let (Undelivered::Unknown(packet) | Undelivered::Gone(packet)) = &why;
        let leg = packet.call.leg;
        match (packet.signal, &why) {
            (Signal::Invite { .. }, Undelivered::Gone(_)) => {
                self.add_leg(packet.at.max(now), leg, Step::Told(Signal::UNREACHABLE))
            }
            (Signal::Invite { .. }, Undelivered::Unknown(_)) => {
                self.nobody_there(packet.at.max(now), leg, packet.signal)
            }
            (Signal::Answer, _) => {
                if let Some(far) = self.leg_of(packet) {
                    self.add_leg(packet.at + ACK_PATIENCE, far, Step::Told(Signal::Unacknowledged));
                }
            }
            // Whoever sends the others has ended its leg, or does not wait for an answer.
            _ => {}
        }
    }

    /// A leg has nobody at its other end any more.
    pub(super) fn hang_line_up(&mut self, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.peer = None;
        if let Some(remote) = channel.remote.take() {
            self.calls.remove(&remote.call);
        }
    }
}
