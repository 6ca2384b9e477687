//! Who talks to whom, shown: each leg of a bridge tells the other end of its own connection about its partner, in an
//! INFO (mod_sofia.c `SWITCH_MESSAGE_INDICATE_DISPLAY`, sofia.c `sofia_update_callee_id`).

use std::time::Duration;

use super::{Step, Switch, sip::SIP_HOP};
use crate::{
    channel::{Endpoint, SessionId},
    event::{EventKind, Origin},
};

const SHOWN: Origin = Origin("mod_sofia.c", "sofia_receive_message", 2100);
const UPDATED: Origin = Origin("sofia.c", "sofia_update_callee_id", 1358);
const INFO: Origin = Origin("sofia.c", "create_info_event", 9721);

/// How many parties a leg shows to its other end: in a ring of bridges two of them could chase each other for ever.
const UPDATES_MAX: u32 = 100;

/// Somebody's name and number.
pub(crate) type Party = (String, String);

impl Switch {
    /// Two legs are joined and both answered: the called one shows its caller as its next frame passes, the caller one
    /// frame later (switch_ivr_bridge.c `send_display`).
    pub(super) fn show_partners(&mut self, now: Duration, a: SessionId, b: SessionId) {
        let (Some(caller), Some(callee)) = (self.channels.get(&a), self.channels.get(&b)) else { return };
        if !caller.is_answered() || !callee.is_answered() {
            return;
        }
        let (caller, callee) = (&caller.profile, &callee.profile);
        let first_of =
            |texts: [&str; 2]| texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned();
        let calling = party(
            first_of([&callee.caller_name, &caller.caller_name]),
            first_of([&callee.caller_number, &caller.caller_number]),
        );
        let called = party(callee.callee_name.clone(), first_of([&callee.callee_number, &callee.destination]));
        let first = self.part_of_a_frame();
        let second = first + self.part_of_a_frame();
        self.add_leg(now + first, b, Step::Show(Box::new(calling)));
        self.add_leg(now + second, a, Step::Show(Box::new(called)));
    }

    /// A leg shows a party to the other end of its connection; only answered SIP legs can, and none says it twice.
    pub(crate) fn show(&mut self, now: Duration, id: SessionId, party: Party) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let (name, number) = &party;
        for (variable, value) in [("last_sent_callee_id_name", name), ("last_sent_callee_id_number", number)] {
            if !value.is_empty() {
                channel.variables.set(variable, value);
            }
        }
        if let (Endpoint::Loopback, Some(side)) = (&channel.endpoint, channel.peer) {
            // The other side of a loopback has it at once.
            if let Some(side) = self.channels.get_mut(&side) {
                (side.profile.callee_name, side.profile.callee_number) = party;
            }
            return;
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let tells = channel.is_answered() && matches!(channel.endpoint, Endpoint::Sofia(_));
        if !tells || channel.shown.as_deref() == Some(&party) || channel.updates >= UPDATES_MAX {
            return;
        }
        let mut party = party;
        if party.1.is_empty() {
            party.1.clone_from(&channel.profile.destination);
        }
        channel.updates += 1;
        channel.shown = Some(Box::new(party.clone()));
        channel.update = Some("SEND");
        let Some(channel) = self.channels.get(&id) else { return };
        let mut before =
            vec![("Direction", "SEND"), ("Sent-Callee-ID-Name", &*party.0), ("Sent-Callee-ID-Number", &*party.1)];
        before.extend(channel.bond().map(|bond| ("Bridged-To", bond)));
        self.bus.channel_with(now, EventKind::CALL_UPDATE, SHOWN, channel, &before, &[]);
        // A leg on another server is not told: messages between servers carry no INFO.
        if let Some(peer) = channel.peer {
            self.add_leg(now + SIP_HOP, peer, Step::Shown(Box::new(party)));
        }
    }

    /// Sends the other end of a leg's connection a text in an INFO; only SIP legs can.
    pub(crate) fn send_info(&mut self, now: Duration, id: SessionId, kind: &str, text: &str) {
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.is_answered()) else { return };
        if let (Endpoint::Sofia(_), Some(peer)) = (&channel.endpoint, channel.peer) {
            self.add_leg(now + SIP_HOP, peer, Step::Informed(Box::new((kind.to_owned(), text.to_owned()))));
        }
    }

    /// Such a text has come.
    pub(super) fn informed(&mut self, now: Duration, id: SessionId, (kind, text): (String, String)) {
        let Some(channel) = self.channels.get(&id) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let mut before = dialog.info_headers(channel.direction);
        before[0].1 = &kind;
        self.bus.channel_with_body(now, (EventKind::RECV_INFO, INFO), channel, &before, &text);
    }

    /// The other end of a leg's connection says who is there, and its partner passes that on.
    pub(super) fn shown(&mut self, now: Duration, id: SessionId, (name, number): Party) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let dialog = dialog.clone();
        let faces_its_caller = channel.faces_its_caller();
        let profile = &mut channel.profile;
        let (known_name, known_number) = if faces_its_caller {
            (&mut profile.caller_name, &mut profile.caller_number)
        } else {
            (&mut profile.callee_name, &mut profile.callee_number)
        };
        if *known_name != name || *known_number != number {
            known_name.clone_from(&name);
            known_number.clone_from(&number);
            self.updated(now, id, UPDATED);
            let bond = self.channels.get(&id).and_then(|channel| channel.bond()).and_then(|bond| self.find(bond));
            if let Some(partner) = bond {
                let frame = self.part_of_a_frame();
                self.add_leg(now + frame, partner, Step::Show(Box::new(party(name, number))));
            }
        }
        let Some(channel) = self.channels.get(&id) else { return };
        let before = dialog.info_headers(channel.direction);
        self.bus.channel_with(now, EventKind::RECV_INFO, INFO, channel, &before, &[]);
    }

    /// Tells that a leg is with somebody else than before.
    pub(super) fn updated(&mut self, now: Duration, id: SessionId, origin: Origin) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.update = Some("RECV");
        let Some(channel) = self.channels.get(&id) else { return };
        let mut before = vec![("Direction", "RECV")];
        before.extend(channel.bond().map(|bond| ("Bridged-To", bond)));
        self.bus.channel_with(now, EventKind::CALL_UPDATE, origin, channel, &before, &[]);
    }
}

/// A number without a name is its own name; of a path only the last part counts.
fn party(name: String, number: String) -> Party {
    let name = if name.is_empty() { number.clone() } else { name };
    let last = |text: String| text.rsplit('/').next().map(str::to_owned).unwrap_or(text);
    (last(name), last(number))
}
