//! The headers of a channel's events (switch_channel.c, switch_caller.c).

use super::{CallState, Channel, Codec};
use crate::event::{EventKind, EventWriter};

impl Channel {
    /// Writes everything that an event of `kind` says about this channel.
    /// Without `verbose_events` only some kinds carry its variables.
    pub(crate) fn write(&self, out: &mut EventWriter, kind: EventKind, verbose: bool) {
        self.write_basic(out, kind);
        if verbose || kind.carries_variables() {
            out.variables(&self.variables);
        }
    }

    /// The same without its variables.
    pub(crate) fn write_basic(&self, out: &mut EventWriter, kind: EventKind) {
        let cause = self.cause.map(|cause| cause.name());
        if let (EventKind::CHANNEL_HANGUP_COMPLETE, Some(cause)) = (kind, cause) {
            out.header("Hangup-Cause", cause);
        }
        out.header("Channel-State", self.state.name());
        out.header("Channel-Call-State", self.call_state.name());
        out.number("Channel-State-Number", self.next.number());
        out.header(
            "Channel-Name",
            if self.profile.channel_name.is_empty() { "N/A" } else { &self.profile.channel_name },
        );
        out.header("Unique-ID", &self.uuid);
        out.header("Call-Direction", self.direction.name());
        out.header("Presence-Call-Direction", self.direction.name());
        out.header("Channel-HIT-Dialplan", if self.hit_dialplan { "true" } else { "false" });
        out.header("Channel-Call-UUID", self.call_uuid.as_deref().unwrap_or(&self.uuid));
        out.header("Answer-State", self.answer_state());
        if let Some(cause) = cause {
            out.header("Hangup-Cause", cause);
        }
        if let Some(codec) = self.codec {
            let read = if self.reads_linear.is_some() { Codec::L16 } else { codec };
            out.header("Channel-Read-Codec-Name", read.name());
            out.header("Channel-Read-Codec-Rate", "8000");
            out.header("Channel-Read-Codec-Bit-Rate", read.bit_rate());
            if self.writes {
                let (name, bits) = (codec.name(), codec.bit_rate());
                out.header("Channel-Write-Codec-Name", name);
                out.header("Channel-Write-Codec-Rate", "8000");
                out.header("Channel-Write-Codec-Bit-Rate", bits);
            }
        }
        if self.profile.index > 0 {
            self.write_caller(out);
        }
        if let Some(other_leg) = &self.other_leg {
            other_leg.write(out);
        }
    }

    /// The caller profile and the times of the call.
    pub(crate) fn write_caller(&self, out: &mut EventWriter) {
        let profile = &self.profile;
        out.header("Caller-Direction", self.direction.name());
        let logical = profile.logical.unwrap_or(self.direction);
        out.header("Caller-Logical-Direction", logical.name());
        out.header_if("Caller-Username", &profile.username);
        out.header_if("Caller-Dialplan", &profile.dialplan);
        out.header_if("Caller-Caller-ID-Name", &profile.caller_name);
        out.header_if("Caller-Caller-ID-Number", &profile.caller_number);
        out.header_if("Caller-Orig-Caller-ID-Name", &profile.original_name);
        out.header_if("Caller-Orig-Caller-ID-Number", &profile.original_number);
        out.header_if("Caller-Callee-ID-Name", &profile.callee_name);
        out.header_if("Caller-Callee-ID-Number", &profile.callee_number);
        out.header_if("Caller-Network-Addr", &profile.network_address);
        out.header_if("Caller-ANI", &profile.ani);
        out.header_if("Caller-Destination-Number", &profile.destination);
        out.header("Caller-Unique-ID", &self.uuid);
        out.header_if("Caller-Source", &profile.source);
        out.header_if("Caller-Transfer-Source", &profile.transfer_source);
        out.header_if("Caller-Context", &profile.context);
        out.header_if("Caller-RDNIS", &profile.rdnis);
        out.header_if("Caller-Channel-Name", &profile.channel_name);
        out.number("Caller-Profile-Index", profile.index);
        out.number("Caller-Profile-Created-Time", profile.created.0);
        out.number("Caller-Channel-Created-Time", self.times.created.0);
        out.number("Caller-Channel-Answered-Time", self.times.answered.0);
        out.number("Caller-Channel-Progress-Time", self.times.progress.0);
        out.number("Caller-Channel-Progress-Media-Time", self.times.progress_media.0);
        out.number(
            "Caller-Channel-Hangup-Time",
            if self.call_state == CallState::Hangup { self.times.hangup.0 } else { 0 },
        );
        // Nothing is resurrected here.
        out.header("Caller-Channel-Transfer-Time", "0");
        out.header("Caller-Channel-Resurrect-Time", "0");
        out.number("Caller-Channel-Bridged-Time", self.times.bridged.0);
        let (last_hold, hold_time) = self.held.as_deref().map_or((0, 0), |hold| (hold.last.0, hold.total));
        out.number("Caller-Channel-Last-Hold", last_hold);
        out.number("Caller-Channel-Hold-Accum", hold_time);
        out.header("Caller-Screen-Bit", "true");
        out.header("Caller-Privacy-Hide-Name", if profile.hides_name { "true" } else { "false" });
        out.header("Caller-Privacy-Hide-Number", if profile.hides_number { "true" } else { "false" });
    }
}
