//! Copies of SIP messages for a capture server: what each leg sends and gets, its stack's own answers included.
//!
//! Where nothing is captured nothing is written, and no timer set.

use std::{sync::Arc, time::Duration};

use super::{Due, Switch, sip::SIP_HOP};
use crate::{
    Hep,
    channel::{
        Dialog, Direction, Endpoint, SessionId, Signal, sofia,
        sofia::{Side, Text},
    },
    clock::Stamp,
    event::Output,
    hep,
};

/// What is captured.
#[derive(Debug)]
pub(super) struct Capture {
    /// How the capture server knows this one; without a capture server there is nobody to send copies to.
    id: Option<u32>,
    /// By profile.
    is_on: [bool; sofia::PROFILES.len()],
}

/// A copy that is due later.
#[derive(Debug)]
pub(crate) struct Copy {
    dialog: Arc<Dialog>,
    text: Text,
}

/// Whether a leg sends a message or gets it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Sent,
    Got,
}

impl Capture {
    pub(super) fn new(hep: Option<&Hep>) -> Capture {
        Capture { id: hep.map(|hep| hep.capture_id), is_on: [hep.is_some(); sofia::PROFILES.len()] }
    }
}

impl Switch {
    /// Turns the capture of a profile on or off, or of all of them without a name (`sofia profile <name> capture on`,
    /// `sofia global capture on`).
    pub(crate) fn capture(&mut self, profile: Option<&str>, on: bool) {
        for (known, is_on) in sofia::PROFILES.iter().zip(&mut self.capture.is_on) {
            if profile.is_none_or(|name| known.name == name) {
                *is_on = on;
            }
        }
    }

    /// Whether the messages of one side's leg, which is on this server, are captured.
    pub(super) fn captures(&self, dialog: &Dialog, side: Side) -> bool {
        self.capture.id.is_some() && self.capture.is_on[dialog.profile(side).index()]
    }

    /// Copies what a leg sends or gets.
    pub(super) fn copy_signal(&mut self, now: Duration, id: SessionId, signal: Signal, way: Way) {
        let Some(channel) = self.channels.get(&id).filter(|_| self.capture.id.is_some()) else { return };
        let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
        let side = if channel.direction == Direction::Inbound { Side::Far } else { Side::Near };
        // What a leg's own stack says has been on no wire.
        if !dialog.has_arrived() && way == Way::Got || !self.captures(dialog, side) {
            return;
        }
        // What a 183 says itself is noted on its sender before it is sent.
        let had_media = signal != Signal::EarlyMedia && channel.times.progress_media != Stamp::default();
        let first = channel.times.progress == Stamp::default() && !had_media;
        let dialog = dialog.clone();
        self.copy(now, &dialog, side, signal, way, first);
    }

    /// Copies a message, and what the stacks of both sides make of it by themselves; `first` where the far side has said
    /// nothing yet but that it tries.
    pub(super) fn copy(
        &mut self,
        now: Duration,
        dialog: &Arc<Dialog>,
        side: Side,
        signal: Signal,
        way: Way,
        first: bool,
    ) {
        if !self.captures(dialog, side) {
            return;
        }
        let by = if (side == Side::Near) == (way == Way::Sent) { Side::Near } else { Side::Far };
        // Where the other side answers, its answer is here two hops later, or one if that is what is meant.
        let (answer, ack) = if way == Way::Sent { (2, 2) } else { (0, 2) };
        let text = match signal {
            Signal::Invite { .. } => Text::Invite,
            Signal::Trying => Text::Trying,
            Signal::Ringing => Text::Ringing,
            Signal::EarlyMedia => Text::Progress { first },
            Signal::Answer => Text::Ok { first },
            Signal::Acknowledge => Text::Ack,
            Signal::Refuse { status, phrase, reason } => Text::Refusal { status, phrase, reason, first },
            Signal::Cancel(cause) => Text::Cancel(cause),
            Signal::Bye(cause) => Text::Bye { by, cause },
            // No recording has shown how offers within a call look.
            Signal::Offer { .. } | Signal::Accept { .. } => return,
            Signal::Unacknowledged | Signal::Digit(..) | Signal::Sound(_) => return,
        };
        self.copy_after(now, 0, dialog, text);
        match signal {
            Signal::Refuse { .. } => self.copy_after(now, answer, dialog, Text::AckOfRefusal),
            Signal::Cancel(_) => {
                self.copy_after(now, answer, dialog, Text::OkOfCancel);
                self.copy_after(now, answer, dialog, Text::Terminated);
                self.copy_after(now, ack, dialog, Text::AckOfRefusal);
            }
            Signal::Bye(_) => self.copy_after(now, answer, dialog, Text::OkOfBye { by }),
            _ => {}
        }
    }

    fn copy_after(&mut self, now: Duration, hops: u32, dialog: &Arc<Dialog>, text: Text) {
        let copy = Copy { dialog: dialog.clone(), text };
        if hops == 0 {
            self.send_copy(now, &copy);
        } else {
            self.timers.add(now + SIP_HOP * hops, Due::Copy(Box::new(copy)));
        }
    }

    pub(super) fn send_copy(&mut self, now: Duration, copy: &Copy) {
        let Some(capture_id) = self.capture.id else { return };
        let [from, to] = copy.dialog.passage(copy.text);
        let passage = hep::Passage { from, to, at: self.bus.clock.micros(now) };
        let datagram = hep::datagram(passage, capture_id, copy.dialog.text(copy.text).as_bytes());
        if let Some(datagram) = datagram {
            self.bus.push(Output::Copy(datagram.into()));
        }
    }
}
