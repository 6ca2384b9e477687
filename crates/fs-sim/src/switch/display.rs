//! Who talks to whom, shown: each leg of a bridge tells the other end of its own connection about its partner, in an
//! INFO (mod_sofia.c `SWITCH_MESSAGE_INDICATE_DISPLAY`, sofia.c `sofia_update_callee_id`).

use std::time::Duration;

use super::{Step, Switch, sip::SIP_HOP};
use crate::{
    channel::{Direction, Endpoint, SessionId},
    event::{EventKind, Origin},
};

const SHOWN: Origin = Origin("mod_sofia.c", "sofia_receive_message", 2100);
const UPDATED: Origin = Origin("sofia.c", "sofia_update_callee_id", 1358);
const INFO: Origin = Origin("sofia.c", "create_info_event", 9721);

/// Somebody's name and number.
pub(crate) type Party = (String, String);

impl Switch {
    /// Two legs are joined: the called one shows its caller as its next frame passes, the caller one frame later.
    pub(super) fn show_partners(&mut self, now: Duration, a: SessionId, b: SessionId) {
        let first = self.part_of_a_frame();
        let second = first + self.part_of_a_frame();
        self.add_leg(now + first, b, Step::ShowPartner);
        self.add_leg(now + second, a, Step::ShowPartner);
    }

    /// A leg shows its partner to the other end of its connection; only answered SIP legs can.
    pub(super) fn show_partner(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get(&id) else { return };
        let Some(partner) = channel.partner.and_then(|partner| self.channels.get(&partner)) else { return };
        if !channel.is_answered() || !matches!(channel.endpoint, Endpoint::Sofia(_)) {
            return;
        }
        let sent = |name: &str| channel.variables.get(name).unwrap_or_default().to_owned();
        let (name, number) = (sent("last_sent_callee_id_name"), sent("last_sent_callee_id_number"));
        let before = [
            ("Direction", "SEND"),
            ("Sent-Callee-ID-Name", &*name),
            ("Sent-Callee-ID-Number", &*number),
            ("Bridged-To", &*partner.uuid),
        ];
        self.bus.channel_with(now, EventKind::CALL_UPDATE, SHOWN, channel, &before, &[]);
        // A leg on another server is not told: messages between servers carry no INFO.
        if let Some(peer) = channel.peer {
            self.add_leg(now + SIP_HOP, peer, Step::Shown(Box::new((name, number))));
        }
    }

    /// The other end of a leg's connection says who is there.
    pub(super) fn shown(&mut self, now: Duration, id: SessionId, (name, number): Party) {
        let partner = self.channels.get(&id).and_then(|channel| channel.partner);
        let partner = partner.and_then(|partner| self.channels.get(&partner)).map(|partner| partner.uuid.clone());
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let dialog = dialog.clone();
        let profile = &mut channel.profile;
        let (known_name, known_number) = match channel.direction {
            Direction::Inbound => (&mut profile.caller_name, &mut profile.caller_number),
            Direction::Outbound => (&mut profile.callee_name, &mut profile.callee_number),
        };
        if *known_name != name || *known_number != number {
            *known_name = name;
            *known_number = number;
            let before = [("Direction", "RECV"), ("Bridged-To", partner.as_deref().unwrap_or_default())];
            let before = if partner.is_some() { &before[..] } else { &before[..1] };
            self.bus.channel_with(now, EventKind::CALL_UPDATE, UPDATED, channel, before, &[]);
        }
        let before = dialog.info_headers(channel.direction);
        self.bus.channel_with(now, EventKind::RECV_INFO, INFO, channel, &before, &[]);
    }
}
