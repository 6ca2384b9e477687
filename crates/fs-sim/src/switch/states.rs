//! A channel's way through its states, and what events tell of it (switch_channel.c, switch_core_state_machine.c,
//! switch_core_codec.c).

use std::time::Duration;

use super::Switch;
use crate::{
    channel::{CallState, ChannelState, Codec, Direction, SessionId},
    event::{EventKind, Origin},
};

pub(super) const RUNNING: Origin = Origin("switch_channel.c", "switch_channel_perform_set_running_state", 2408);
const CALLSTATE: Origin = Origin("switch_channel.c", "switch_channel_perform_set_callstate", 301);
const FLIPPED: Origin = Origin("switch_channel.c", "switch_channel_flip_cid", 3277);
const OUTGOING: Origin = Origin("switch_core_session.c", "switch_core_session_outgoing_channel", 768);
pub(super) const CREATED: Origin = Origin("switch_core_state_machine.c", "switch_core_session_run", 626);
pub(super) const ORIGINATED: Origin = Origin("switch_core_state_machine.c", "switch_core_session_run", 632);
const READS: Origin = Origin("switch_core_codec.c", "switch_core_session_set_real_read_codec", 168);
const READS_LINEAR: Origin = Origin("switch_core_codec.c", "switch_core_session_set_read_codec", 279);
const WRITES: Origin = Origin("switch_core_codec.c", "switch_core_session_set_write_codec", 450);

impl Switch {
    /// A channel begins with the work of a state.
    pub(crate) fn enter(&mut self, now: Duration, id: SessionId, state: ChannelState) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.state = state;
        channel.next = state;
        if channel.direction == Direction::Inbound && channel.is_up() {
            let call_state = match state {
                ChannelState::Routing => Some(CallState::Ringing),
                _ if channel.is_answered() => Some(CallState::Active),
                _ if channel.has_media() => Some(CallState::Early),
                _ => None,
            };
            if let Some(call_state) = call_state {
                self.set_call_state(now, id, call_state);
            }
        }
        self.emit(now, id, EventKind::CHANNEL_STATE, RUNNING);
    }

    /// What a channel does next, once it is through with what it does now.
    pub(super) fn ask_for(&mut self, id: SessionId, state: ChannelState) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.next = state;
        }
    }

    /// Nothing changes any more what a person would say about a call that has ended.
    pub(crate) fn set_call_state(&mut self, now: Duration, id: SessionId, call_state: CallState) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let before = channel.call_state;
        if before == call_state || before == CallState::Hangup {
            return;
        }
        channel.call_state = call_state;
        if !self.bus.is_wanted(EventKind::CHANNEL_CALLSTATE) {
            return;
        }
        let number = call_state.number().to_string();
        let headers = [("Original-Channel-Call-State", before.name()), ("Channel-Call-State-Number", &*number)];
        if let Some(channel) = self.channels.get(&id) {
            self.bus.channel_with(now, EventKind::CHANNEL_CALLSTATE, CALLSTATE, channel, &headers, &[]);
        }
    }

    /// A channel that was asked for goes out.
    pub(super) fn goes_out(&mut self, now: Duration, id: SessionId) {
        self.emit(now, id, EventKind::CHANNEL_OUTGOING, OUTGOING);
    }

    /// A channel is there, and goes on to its next state.
    pub(super) fn created(&mut self, now: Duration, id: SessionId) {
        self.ask_for(id, ChannelState::Routing);
        self.emit(now, id, EventKind::CHANNEL_CREATE, CREATED);
        if self.channels.get(&id).is_some_and(|channel| channel.direction == Direction::Outbound) {
            self.emit(now, id, EventKind::CHANNEL_ORIGINATE, ORIGINATED);
        }
    }

    /// Both directions of a SIP leg get their codec.
    pub(super) fn set_codec(&mut self, now: Duration, id: SessionId, codec: Codec) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.codec = Some(codec);
        let name = codec.name();
        self.tell_codec(now, id, codec, READS);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        for (variable, value) in
            [("read_codec", name), ("original_read_codec", name), ("read_rate", "8000"), ("original_read_rate", "8000")]
        {
            channel.variables.set(variable, value);
        }
        self.tell_codec(now, id, codec, WRITES);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.variables.set("write_codec", name);
        channel.variables.set("write_rate", "8000");
    }

    /// The same for a leg without a network, which has no other codec to fall back to.
    pub(super) fn set_codec_without_network(&mut self, now: Duration, id: SessionId, codec: Codec) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.codec = Some(codec);
        channel.writes = false;
        self.tell_codec(now, id, codec, READS_LINEAR);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.writes = true;
        channel.variables.push("read_codec", codec.name());
        channel.variables.push("read_rate", "8000");
        self.tell_codec(now, id, codec, WRITES);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.variables.push("write_codec", codec.name());
        channel.variables.push("write_rate", "8000");
    }

    /// The innermost application of a channel reads linear audio from now on, until its end.
    pub(super) fn read_linear(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.reads_linear = channel.thread.runs.last().map(|run| run.number);
        self.tell_read(now, id, Codec::L16);
    }

    /// That application is over: the channel reads its own codec again.
    pub(super) fn read_again(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let run = channel.thread.runs.last().map(|run| run.number);
        if channel.reads_linear.is_none() || channel.reads_linear != run {
            return;
        }
        channel.reads_linear = None;
        if let Some(codec) = channel.codec {
            self.tell_read(now, id, codec);
        }
    }

    fn tell_read(&mut self, now: Duration, id: SessionId, codec: Codec) {
        self.tell_codec(now, id, codec, READS_LINEAR);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.variables.set("read_codec", codec.name());
        }
    }

    /// The event of one direction repeats its codec at the end, with the spelling that direction has.
    fn tell_codec(&mut self, now: Duration, id: SessionId, codec: Codec, origin: Origin) {
        let Some(channel) = self.channels.get(&id) else { return };
        let names = if origin.2 == WRITES.2 {
            ["Channel-Write-Codec-Name", "Channel-Write-Codec-Rate", "Channel-Write-codec-bit-rate"]
        } else {
            ["channel-read-codec-name", "channel-read-codec-rate", "channel-read-codec-bit-rate"]
        };
        let after = [(names[0], codec.name()), (names[1], "8000"), (names[2], codec.bit_rate())];
        self.bus.channel_with(now, EventKind::CODEC, origin, channel, &[], &after);
    }

    /// A leg that gets something to do of its own is no called party any more (`switch_channel_sort_cid`).
    pub(super) fn sort_caller_id(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| !channel.faces_its_caller()) else { return };
        let called = channel.direction == Direction::Outbound;
        if called {
            channel.hit_dialplan = true;
        }
        self.flip(now, id);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.b_leg = false;
        }
    }

    /// A leg that was called becomes a party of its own: caller and callee change places.
    pub(super) fn flip(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let profile = &channel.profile;
        channel.variables.set("pre_transfer_caller_id_name", &profile.caller_name);
        channel.variables.set("pre_transfer_caller_id_number", &profile.caller_number);
        channel.profile.flip();
        channel.variables.set("channel_cid_flipped", "yes");
        self.updated(now, id, FLIPPED);
    }
}
