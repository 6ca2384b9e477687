//! The far leg of a call: what arrives over SIP, and the B side of a loopback.

use std::{sync::Arc, time::Duration};

use super::{
    Step, Switch,
    capture::Way,
    near::{blank, identify},
};
use crate::{
    cause::Cause,
    channel::{
        ChannelState, Codec, Dialog, Direction, Endpoint, LoopbackSide, SessionId, Signal, loopback, loopback::Caller,
        sofia, sofia::Side,
    },
};

impl Switch {
    /// The B side of a loopback is made in the same moment as its A side: `false` if there is no room for it.
    pub(super) fn create_loopback_b(&mut self, now: Duration, a: SessionId) -> bool {
        let Some(b) = self.take_session(now, Direction::Inbound) else { return false };
        let stamp = self.stamp(now);
        let uuid = self.random_uuid();
        let Some(near) = self.channels.get_mut(&a) else { return false };
        near.peer = Some(b);
        let codec = near.codec.unwrap_or(Codec::L16);
        let mut far = blank(&uuid, Direction::Inbound);
        far.endpoint = Endpoint::Loopback;
        far.times.created = stamp;
        let profile = &near.profile;
        let caller = Caller { name: &profile.caller_name, number: &profile.caller_number };
        let profile = loopback::profile(&profile.destination, &profile.context, LoopbackSide::B, caller, stamp);
        far.peer = Some(a);
        far.callee = near.callee;
        far.hit_dialplan = true;
        far.variables.push("direction", "inbound");
        identify(&mut far);
        far.variables.push_number("session_id", b.0);
        far.variables.push("channel_name", &profile.channel_name);
        far.profile.channel_name.clone_from(&profile.channel_name);
        self.insert(b, far);
        self.set_codec_without_network(now, b, codec);
        let Some(far) = self.channels.get_mut(&b) else { return false };
        far.profile = profile;
        if let Some(near) = self.channels.get_mut(&a) {
            near.variables.set("other_loopback_leg_uuid", &uuid);
            near.variables.set("loopback_leg", "A");
        }
        true
    }

    /// It begins, with what its A side hands over.
    pub(super) fn start_loopback_b(&mut self, now: Duration, b: SessionId) {
        let Some(a) = self.channels.get(&b).and_then(|far| far.peer) else { return };
        let Some(near) = self.channels.get(&a) else { return };
        let handed: Vec<(String, String)> = near
            .variables
            .iter()
            .filter(|(name, _)| travels_to_b(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let uuid = near.uuid.clone();
        let from = near.variables.get("loopback_from_uuid").map(str::to_owned);
        let Some(far) = self.channels.get_mut(&b) else { return };
        for (name, value) in &handed {
            far.variables.set(name, value);
        }
        far.variables.set("other_loopback_leg_uuid", &uuid);
        if let Some(from) = from {
            far.variables.set("other_loopback_from_uuid", &from);
            far.variables.unset("loopback_from_uuid");
        }
        self.enter(now, b, ChannelState::Init);
        if let Some(far) = self.channels.get_mut(&b) {
            far.variables.set("loopback_leg", "B");
        }
        self.created(now, b);
        let wait = self.load.session(now, self.channels.len());
        self.add_leg(now + wait, b, Step::Hunt);
    }

    /// An INVITE arrives: the far leg of its call comes to be, or there is no room for it.
    pub(super) fn invited(&mut self, now: Duration, dialog: Arc<Dialog>) -> Option<SessionId> {
        dialog.arrived(self.line.host);
        self.copy(now, &dialog, Side::Far, Signal::Invite { linear: false }, Way::Got, true);
        let Some(b) = self.take_session(now, Direction::Inbound) else {
            self.copy(now, &dialog, Side::Far, Signal::NO_ROOM, Way::Sent, true);
            return None;
        };
        let stamp = self.stamp(now);
        let uuid = self.random_uuid();
        let mut far = blank(&uuid, Direction::Inbound);
        far.times.created = stamp;
        far.profile.channel_name = sofia::far_name(&dialog);
        far.hit_dialplan = true;
        far.variables.push("direction", "inbound");
        identify(&mut far);
        far.variables.push_number("session_id", b.0);
        sofia::far_created(&mut far, &dialog);
        far.endpoint = Endpoint::Sofia(dialog);
        self.lay_line(&mut far);
        self.insert(b, far);
        Some(b)
    }

    /// What a far leg does first: it looks at the INVITE, and asks the dialplan unless its audio is not spoken here.
    pub(super) fn begin_far(&mut self, now: Duration, b: SessionId, linear: bool) {
        self.enter(now, b, ChannelState::New);
        let stamp = self.stamp(now);
        let Some(far) = self.channels.get_mut(&b) else { return };
        let Endpoint::Sofia(dialog) = &far.endpoint else { return };
        let dialog = dialog.clone();
        far.profile = sofia::far_profile(&dialog, stamp);
        sofia::far_invited(far, &dialog, stamp);
        if linear {
            return self.hang_up(now, b, Cause::INCOMPATIBLE_DESTINATION);
        }
        self.set_codec(now, b, Codec::Pcmu);
        if let Some(far) = self.channels.get_mut(&b) {
            sofia::far_received(far);
        }
        self.enter(now, b, ChannelState::Init);
        self.created(now, b);
        let wait = self.load.session(now, self.channels.len());
        self.add_leg(now + wait, b, Step::Hunt);
    }
}

/// A loopback's B side starts with the caller's own variables, not with what describes its A side.
fn travels_to_b(name: &str) -> bool {
    const OWN_TO_A: [&str; 18] = [
        "originator",
        "originator_codec",
        "signal_bond",
        "switch_m_sdp",
        "direction",
        "is_outbound",
        "session_id",
        "read_codec",
        "read_rate",
        "write_codec",
        "write_rate",
        "channel_name",
        "uuid",
        "call_uuid",
        "originate_early_media",
        "originate_endpoint",
        "loopback_leg",
        "originating_leg_uuid",
    ];
    !OWN_TO_A.contains(&name)
}
