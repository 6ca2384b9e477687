//! The far leg of a call: what arrives over SIP, and the B side of a loopback.

use std::time::Duration;

use super::{
    Step, Switch,
    legs::SIP_HOP,
    near::{CREATED, blank, identify},
    random_uuid,
};
use crate::{
    cause::Cause,
    channel::{ChannelState, Codec, Direction, Endpoint, LoopbackSide, SessionId, loopback, loopback::Caller, sofia},
    event::EventKind,
};

impl Switch {
    /// The B side of a loopback is made in the same moment as its A side.
    pub(super) fn create_loopback_b(&mut self, now: Duration, a: SessionId) {
        let Some(b) = self.take_session(now, Direction::Inbound) else {
            return self.hang_up(now, a, Cause::DESTINATION_OUT_OF_ORDER);
        };
        let stamp = self.stamp(now);
        let Some(near) = self.channels.get_mut(&a) else { return };
        near.peer = Some(b);
        let uuid = near.variables.get("other_loopback_leg_uuid").unwrap_or_default().to_owned();
        let mut far = blank(&uuid, Direction::Inbound);
        far.state = ChannelState::Init;
        far.endpoint = Endpoint::Loopback;
        far.times.created = stamp;
        let profile = &near.profile;
        let caller = Caller { name: &profile.caller_name, number: &profile.caller_number };
        far.profile = loopback::profile(&profile.destination, &profile.context, LoopbackSide::B, caller, stamp);
        far.peer = Some(a);
        far.hit_dialplan = true;
        far.variables.push("direction", "inbound");
        identify(&mut far);
        far.variables.push("session_id", &b.0.to_string());
        far.variables.push("channel_name", &far.profile.channel_name.clone());
        loopback::codec(&mut far);
        for (name, value) in near.variables.iter().filter(|(name, _)| travels_to_b(name)) {
            far.variables.set(name, value);
        }
        far.variables.set("other_loopback_leg_uuid", &near.uuid);
        if let Some(from) = near.variables.get("loopback_from_uuid") {
            far.variables.set("other_loopback_from_uuid", from);
            far.variables.unset("loopback_from_uuid");
        }
        far.variables.set("loopback_leg", "B");
        self.insert(b, far);
        self.emit(now, b, EventKind::CHANNEL_CREATE, CREATED);
        self.add_leg(now, b, Step::Route);
    }

    /// The INVITE of near leg `a` arrives: its far leg comes to be, or is refused for want of room.
    pub(super) fn invited(&mut self, now: Duration, a: SessionId) {
        let Some(Endpoint::Sofia(dialog)) = self.channels.get(&a).map(|channel| &channel.endpoint) else { return };
        let dialog = dialog.clone();
        let Some(b) = self.take_session(now, Direction::Inbound) else {
            let phrase = Some("Maximum Calls In Progress");
            let refusal = Step::Refuse { status: 503, phrase, cause: Cause::NORMAL_TEMPORARY_FAILURE };
            return self.add_leg(now + SIP_HOP, a, refusal);
        };
        let stamp = self.stamp(now);
        let mut far = blank(&random_uuid(&mut self.rng), Direction::Inbound);
        far.state = ChannelState::Init;
        far.times.created = stamp;
        far.profile = sofia::far_profile(&dialog, stamp);
        far.hit_dialplan = true;
        far.peer = Some(a);
        far.variables.push("direction", "inbound");
        identify(&mut far);
        far.variables.push("session_id", &b.0.to_string());
        sofia::far_invited(&mut far, &dialog, stamp);
        far.endpoint = Endpoint::Sofia(dialog);
        self.insert(b, far);
        if let Some(near) = self.channels.get_mut(&a) {
            near.peer = Some(b);
        }
        // A leg that carries linear audio offers just that to the leg it calls, and SIP here speaks µ-law alone.
        if self.channels.get(&a).is_some_and(|near| {
            near.variables.get("originator_codec").is_some_and(|codec| codec.starts_with(Codec::L16.name()))
        }) {
            if let Some(far) = self.channels.get_mut(&b) {
                far.state = ChannelState::New;
            }
            return self.hang_up(now, b, Cause::INCOMPATIBLE_DESTINATION);
        }
        self.emit(now, b, EventKind::CHANNEL_CREATE, CREATED);
        self.add_leg(now, b, Step::Route);
    }
}

/// A loopback's B side starts with the caller's own variables, not with what describes its A side.
fn travels_to_b(name: &str) -> bool {
    const OWN_TO_A: [&str; 13] = [
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
    ];
    !OWN_TO_A.contains(&name)
}
