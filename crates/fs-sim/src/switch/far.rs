//! The far leg of a call: what arrives over SIP, and the B side of a loopback.

use std::{sync::Arc, time::Duration};

use super::{
    Step, Switch,
    near::{CREATED, blank, identify},
    random_uuid,
};
use crate::{
    cause::Cause,
    channel::{ChannelState, Dialog, Direction, Endpoint, LoopbackSide, SessionId, loopback, loopback::Caller, sofia},
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

    /// An INVITE arrives: the far leg of its call comes to be, or there is no room for it.
    pub(super) fn invited(&mut self, now: Duration, dialog: Arc<Dialog>, linear: bool) -> Option<SessionId> {
        dialog.arrived(self.line.host);
        let b = self.take_session(now, Direction::Inbound)?;
        let stamp = self.stamp(now);
        let mut far = blank(&random_uuid(&mut self.rng), Direction::Inbound);
        far.state = ChannelState::Init;
        far.times.created = stamp;
        far.profile = sofia::far_profile(&dialog, stamp);
        far.hit_dialplan = true;
        far.variables.push("direction", "inbound");
        identify(&mut far);
        far.variables.push("session_id", &b.0.to_string());
        sofia::far_invited(&mut far, &dialog, stamp);
        far.endpoint = Endpoint::Sofia(dialog);
        if linear {
            far.state = ChannelState::New;
        }
        self.insert(b, far);
        Some(b)
    }

    /// What a far leg does first: it asks the dialplan, unless its audio is not spoken here.
    pub(super) fn begin_far(&mut self, now: Duration, b: SessionId, linear: bool) {
        if linear {
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
