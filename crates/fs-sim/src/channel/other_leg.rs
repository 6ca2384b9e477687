//! What a channel's events say about the leg at the other side of a bridge (switch_caller.c).

use std::sync::Arc;

use super::{Channel, Direction, Profile, Times};
use crate::event::EventWriter;

/// Which of two legs called the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The other leg is the one that called.
    Originator,
    /// The other leg is the one that was called.
    Originatee,
}

/// The other leg as it was when the two met.
#[derive(Clone, Debug)]
pub(crate) struct OtherLeg {
    relation: Relation,
    uuid: Arc<str>,
    direction: Direction,
    profile: Profile,
    times: Times,
}

impl OtherLeg {
    pub(crate) fn new(relation: Relation, channel: &Channel) -> Box<OtherLeg> {
        Box::new(OtherLeg {
            relation,
            uuid: channel.uuid.clone(),
            direction: channel.direction,
            profile: channel.profile.clone(),
            // A leg that is called knows no times of its caller.
            times: if relation == Relation::Originatee { channel.times } else { Times::default() },
        })
    }

    /// Whether the other leg is the one that called.
    pub(crate) fn is_originator(&self) -> bool {
        self.relation == Relation::Originator
    }

    pub(crate) fn network_address(&self) -> &str {
        &self.profile.network_address
    }

    pub(crate) fn write(&self, out: &mut EventWriter) {
        let profile = &self.profile;
        let (relation, created) = match self.relation {
            Relation::Originator => ("originator", 0),
            Relation::Originatee => ("originatee", profile.created.0),
        };
        out.header("Other-Type", relation);
        out.header("Other-Leg-Direction", self.direction.name());
        out.header("Other-Leg-Logical-Direction", "inbound");
        out.header_if("Other-Leg-Username", &profile.username);
        out.header_if("Other-Leg-Dialplan", &profile.dialplan);
        out.header_if("Other-Leg-Caller-ID-Name", &profile.caller_name);
        out.header_if("Other-Leg-Caller-ID-Number", &profile.caller_number);
        out.header_if("Other-Leg-Orig-Caller-ID-Name", &profile.original_name);
        out.header_if("Other-Leg-Orig-Caller-ID-Number", &profile.original_number);
        out.header_if("Other-Leg-Callee-ID-Name", &profile.callee_name);
        out.header_if("Other-Leg-Callee-ID-Number", &profile.callee_number);
        out.header_if("Other-Leg-Network-Addr", &profile.network_address);
        out.header_if("Other-Leg-ANI", &profile.ani);
        out.header_if("Other-Leg-Destination-Number", &profile.destination);
        out.header("Other-Leg-Unique-ID", &self.uuid);
        out.header_if("Other-Leg-Source", &profile.source);
        out.header_if("Other-Leg-Context", &profile.context);
        out.header_if("Other-Leg-RDNIS", &profile.rdnis);
        out.header_if("Other-Leg-Channel-Name", &profile.channel_name);
        for (name, micros) in [
            ("Other-Leg-Profile-Created-Time", created),
            ("Other-Leg-Channel-Created-Time", self.times.created.0),
            ("Other-Leg-Channel-Answered-Time", self.times.answered.0),
            ("Other-Leg-Channel-Progress-Time", self.times.progress.0),
            ("Other-Leg-Channel-Progress-Media-Time", self.times.progress_media.0),
            ("Other-Leg-Channel-Hangup-Time", self.times.hangup.0),
            ("Other-Leg-Channel-Transfer-Time", 0),
            ("Other-Leg-Channel-Resurrect-Time", 0),
            ("Other-Leg-Channel-Bridged-Time", self.times.bridged.0),
            ("Other-Leg-Channel-Last-Hold", 0),
            ("Other-Leg-Channel-Hold-Accum", 0),
        ] {
            out.number(name, micros);
        }
        out.header("Other-Leg-Screen-Bit", "true");
        out.header("Other-Leg-Privacy-Hide-Name", "false");
        out.header("Other-Leg-Privacy-Hide-Number", "false");
    }
}
