//! The near leg of a call: what a dial string names, and the channel that comes of it (switch_ivr_originate.c,
//! mod_sofia, mod_loopback).

use std::{sync::Arc, time::Duration};

use super::{
    Step, Switch,
    execute::leading_number,
    originate::{DESTROYED, Leg},
    states::RUNNING,
    states::{CREATED, ORIGINATED},
};
use crate::{
    cause::Cause,
    channel::{
        CallState, Channel, ChannelState, Codec, Dialog, Direction, Endpoint, LoopbackSide, OtherLeg, Profile,
        Relation, SessionId, Signal, Thread, Times, Variables, loopback, sofia, sofia::Invitation,
    },
    event::{EventKind, Origin},
};

const RENAMED: Origin = Origin("switch_core_session.c", "switch_core_session_set_uuid", 2051);

/// The endpoint part of a dial string, understood.
enum Target<'a> {
    Null(&'a str),
    Loopback {
        number: &'a str,
        context: &'a str,
    },
    Sofia(&'static sofia::SipProfile, sofia::Address<'a>),
    /// The endpoint takes a session and then refuses it.
    Refused(Cause),
    /// It takes no session at all.
    Nobody(Cause),
}

/// What a call takes on from the leg that asks for it.
#[derive(Clone, Copy)]
struct Onward {
    caller: Option<SessionId>,
    /// How many more hops it may take.
    hops: u32,
    identity: sofia::Identity,
}

impl Target<'_> {
    fn parse(endpoint: &str) -> Target<'_> {
        let (kind, rest) = endpoint.split_once('/').unwrap_or((endpoint, ""));
        match kind.to_ascii_lowercase().as_str() {
            "null" => Target::Null(rest),
            "loopback" => {
                let mut parts = rest.split('/');
                let number = parts.next().unwrap_or_default();
                Target::Loopback {
                    number,
                    context: parts.next().filter(|context| !context.is_empty()).unwrap_or("default"),
                }
            }
            "sofia" => {
                let (profile, address) = rest.split_once('/').unwrap_or((rest, ""));
                if profile.eq_ignore_ascii_case("gateway") {
                    return Target::Refused(Cause::INVALID_GATEWAY);
                }
                let Some(profile) = sofia::PROFILES.iter().find(|known| known.name.eq_ignore_ascii_case(profile))
                else {
                    return Target::Refused(Cause::INVALID_PROFILE);
                };
                match sofia::Address::parse(address) {
                    Some(address) => Target::Sofia(profile, address),
                    // Without a host it would be a registered user, and nobody registers here.
                    None => Target::Refused(Cause::USER_NOT_REGISTERED),
                }
            }
            // Endpoints of mod_dptools that make no channel here: a cause to order, and users and groups of a directory
            // that has none.
            "error" => Target::Nobody(Cause::from_command(rest)),
            "user" => Target::Nobody(Cause::SUBSCRIBER_ABSENT),
            "group" => Target::Nobody(Cause::NO_ROUTE_DESTINATION),
            _ => Target::Nobody(Cause::CHAN_NOT_IMPLEMENTED),
        }
    }

    /// The context and the number that it reaches.
    fn called(&self) -> Option<(&str, &str)> {
        match self {
            Target::Loopback { number, context } => Some((context, number)),
            Target::Sofia(_, address) => Some((sofia::context_of(address), address.number)),
            _ => None,
        }
    }
}

impl Switch {
    /// Calls one destination of a dial: the new leg, or why there is none.
    pub(super) fn call(&mut self, now: Duration, leg: &Leg<'_>, caller: Option<SessionId>) -> Result<SessionId, Cause> {
        let target = Target::parse(leg.endpoint);
        if let Target::Nobody(cause) = target {
            return Err(cause);
        }
        let mut wanted = leg.variable("origination_uuid").map(str::to_owned);
        if wanted.as_deref().is_some_and(|uuid| self.find(uuid).is_some()) {
            // A UUID in use: mod_sofia refuses the call, the others make a channel with another one (mod_loopback).
            if let Target::Sofia(..) = target {
                self.limits.refused += 1;
                return Err(Cause::DESTINATION_OUT_OF_ORDER);
            }
            wanted = None;
        }
        let onward = self.onward(caller, leg)?;
        let callee = target.called().and_then(|(context, number)| self.count_call(context, number));
        let id = self.take_session(now, Direction::Outbound).ok_or(Cause::DESTINATION_OUT_OF_ORDER)?;
        if let Target::Refused(cause) = target {
            let uuid = wanted.unwrap_or_else(|| self.random_uuid());
            self.destroy_unborn(now, id, blank(&uuid, Direction::Outbound));
            return Err(cause);
        }
        match target {
            Target::Sofia(profile, address) => self.go_out_by_sip(now, id, leg, wanted, (profile, &address), onward),
            _ => self.go_out_without_network(now, id, leg, wanted, &target, onward),
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.callee = callee;
        }
        self.enter(now, id, ChannelState::Init);
        if let Some(channel) = self.channels.get_mut(&id) {
            match &channel.endpoint {
                Endpoint::Sofia(dialog) => {
                    let dialog = dialog.clone();
                    sofia::near_after(channel, &dialog);
                }
                Endpoint::Loopback => {
                    if !self.create_loopback_b(now, id) {
                        // It is there, and stays as it is: nobody tells it that its other side is not.
                        self.emit(now, id, EventKind::CHANNEL_CREATE, CREATED);
                        self.emit(now, id, EventKind::CHANNEL_ORIGINATE, ORIGINATED);
                        return Ok(id);
                    }
                }
                Endpoint::Null | Endpoint::Unborn => {}
            }
        }
        let wait = self.load.session(now, self.channels.len());
        match self.channels.get(&id).map(|channel| (&channel.endpoint, channel.peer)) {
            Some((Endpoint::Sofia(_), _)) if !wait.is_zero() => self.add_leg(now + wait, id, Step::Send),
            Some((Endpoint::Sofia(_), _)) => self.set_out(now, id),
            Some((Endpoint::Null, _)) => {
                self.goes_on(now, id);
                self.add_leg(now + wait, id, Step::Told(Signal::Answer));
            }
            Some((Endpoint::Loopback, Some(b))) => {
                self.goes_on(now, id);
                self.start_loopback_b(now, b);
            }
            _ => self.goes_on(now, id),
        }
        Ok(id)
    }

    /// The INVITE of a near leg leaves; that the channel is there is told after it.
    pub(super) fn set_out(&mut self, now: Duration, id: SessionId) {
        self.invite(now, id);
        self.goes_on(now, id);
    }

    /// A near leg is there, and waits for what comes from the other end.
    fn goes_on(&mut self, now: Duration, id: SessionId) {
        self.created(now, id);
        self.enter(now, id, ChannelState::Routing);
        self.enter(now, id, ChannelState::ConsumeMedia);
    }

    /// A channel of mod_sofia comes to be, and its variables.
    fn go_out_by_sip(
        &mut self,
        now: Duration,
        id: SessionId,
        leg: &Leg<'_>,
        wanted: Option<String>,
        (profile, address): (&'static sofia::SipProfile, &sofia::Address<'_>),
        onward: Onward,
    ) {
        let uuid = wanted.unwrap_or_else(|| self.random_uuid());
        let stamp = self.stamp(now);
        let who = leg.caller();
        let mut channel = blank(&uuid, Direction::Outbound);
        channel.times.created = stamp;
        outbound_start(&mut channel);
        let invitation = Invitation {
            profile,
            host: self.line.host,
            address,
            caller: who,
            headers: leg.sip_headers(),
            parameters: leg.variable("sip_invite_params"),
            identity: onward.identity,
            max_forwards: onward.hops,
        };
        let dialog = Arc::new(Dialog::new(&mut self.rng, invitation, stamp));
        channel.profile = sofia::near_profile(&dialog, who.name, stamp);
        identify(&mut channel);
        channel.variables.push("session_id", &id.0.to_string());
        sofia::near_before(&mut channel, &dialog);
        channel.endpoint = Endpoint::Sofia(dialog);
        self.lay_line(&mut channel);
        channel.next = ChannelState::Init;
        self.called_by(onward, &mut channel);
        self.insert(id, channel);
        self.goes_out(now, id);
        self.own_variables(id, leg, "sofia", onward.caller);
    }

    /// A channel of mod_loopback comes to be: by another name than the one that it is to have, which it gets next.
    fn go_out_without_network(
        &mut self,
        now: Duration,
        id: SessionId,
        leg: &Leg<'_>,
        wanted: Option<String>,
        target: &Target<'_>,
        onward: Onward,
    ) {
        let stamp = self.stamp(now);
        let first = self.random_uuid();
        let who = leg.caller();
        let (profile, first_name, endpoint, kind) = match target {
            Target::Loopback { number, context } => {
                let profile = loopback::profile(number, context, LoopbackSide::A, who, stamp);
                let (_, rest) = leg.endpoint.split_once('/').unwrap_or_default();
                (profile, format!("loopback/{rest}-a"), Endpoint::Loopback, "loopback")
            }
            _ => {
                let destination = if let Target::Null(destination) = target { destination } else { "" };
                let profile = loopback::null_profile(destination, who, stamp);
                let name = profile.channel_name.clone();
                (profile, name, Endpoint::Null, "null")
            }
        };
        let mut channel = blank(&first, Direction::Outbound);
        channel.times.created = stamp;
        channel.endpoint = endpoint;
        outbound_start(&mut channel);
        identify(&mut channel);
        channel.variables.push("session_id", &id.0.to_string());
        channel.variables.push("channel_name", &first_name);
        channel.profile.channel_name = first_name;
        self.insert(id, channel);
        // A loopback speaks what its caller does, which saves both the trouble.
        let caller = onward.caller.and_then(|caller| self.channels.get(&caller));
        let codec = caller.and_then(|caller| caller.codec).filter(|_| kind == "loopback").unwrap_or(Codec::L16);
        self.set_codec_without_network(now, id, codec);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.variables.set("channel_name", &profile.channel_name);
        channel.profile = profile;
        channel.next = ChannelState::Init;
        if let Some(uuid) = wanted {
            self.rename(now, id, &uuid);
        }
        if let Some(mut channel) = self.channels.remove(&id) {
            self.called_by(onward, &mut channel);
            self.channels.insert(id, channel);
        }
        self.goes_out(now, id);
        self.own_variables(id, leg, kind, onward.caller);
    }

    /// A channel gets another UUID.
    fn rename(&mut self, now: Duration, id: SessionId, uuid: &str) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let old = std::mem::replace(&mut channel.uuid, uuid.into());
        channel.variables.set("uuid", uuid);
        channel.variables.set("call_uuid", uuid);
        self.by_uuid.remove(&old);
        self.by_uuid.insert(channel.uuid.clone(), id);
        let before = [("Old-Unique-ID", &*old)];
        if let Some(channel) = self.channels.get(&id) {
            self.bus.channel_with(now, EventKind::CHANNEL_UUID, RENAMED, channel, &before, &[]);
        }
    }

    /// A leg that another one calls knows of it from the beginning.
    fn called_by(&self, onward: Onward, channel: &mut Channel) {
        let Some(caller) = onward.caller.and_then(|caller| self.channels.get(&caller)) else { return };
        channel.other_leg = Some(OtherLeg::new(Relation::Originator, caller));
        channel.call_uuid = Some(caller.call_uuid.clone().unwrap_or_else(|| caller.uuid.clone()));
        channel.profile.original_name.clone_from(&caller.profile.original_name);
        channel.profile.original_number.clone_from(&caller.profile.original_number);
        channel.profile.ani.clone_from(&caller.profile.ani);
        channel.profile.username.clone_from(&caller.profile.username);
        channel.profile.network_address.clone_from(&caller.profile.network_address);
        if !matches!(channel.endpoint, Endpoint::Loopback) {
            channel.profile.dialplan.clone_from(&caller.profile.dialplan);
            channel.profile.source.clone_from(&caller.profile.source);
            channel.profile.context.clone_from(&caller.profile.context);
        }
        let variables = &mut channel.variables;
        variables.set_number("max_forwards", u64::from(onward.hops));
        for (to, from) in [("switch_m_sdp", "switch_r_sdp"), ("sip_cid_type", "sip_cid_type")] {
            if let Some(value) = caller.variables.get(from) {
                variables.set(to, value);
            }
        }
        if let Some(codec) = caller.codec {
            variables.set("originator_codec", &format!("{}@8000h@20i", codec.name()));
        }
        for name in ["originator", "signal_bond", "call_uuid"] {
            variables.set(name, &caller.uuid);
        }
        if let Endpoint::Loopback = channel.endpoint {
            variables.set("loopback_from_uuid", &caller.uuid);
        }
    }

    /// What a call takes on from the leg that asks for it. Each takes one hop away, until none is left
    /// (`switch_core_session_outgoing_channel`).
    fn onward(&self, caller: Option<SessionId>, leg: &Leg<'_>) -> Result<Onward, Cause> {
        let channel = caller.and_then(|caller| self.channels.get(&caller));
        let known = |name: &str| channel.and_then(|caller| caller.variables.get(name));
        let hops = known("max_forwards").map_or(i64::from(sofia::MAX_FORWARDS), |text| leading_number(text) - 1);
        let hops = u32::try_from(hops).ok().filter(|hops| *hops > 0).ok_or(Cause::EXCHANGE_ROUTING_ERROR)?;
        let identity = leg.variable("sip_cid_type").or_else(|| known("sip_cid_type"));
        Ok(Onward { caller, hops, identity: sofia::Identity::parse(identity) })
    }

    /// A channel that its endpoint refused: its only event is the last one.
    fn destroy_unborn(&mut self, now: Duration, id: SessionId, mut channel: Channel) {
        outbound_start(&mut channel);
        identify(&mut channel);
        channel.variables.push_number("session_id", id.0);
        self.bus.channel(now, EventKind::CHANNEL_DESTROY, DESTROYED, &channel);
        channel.state = ChannelState::Destroy;
        channel.next = ChannelState::Destroy;
        self.bus.channel(now, EventKind::CHANNEL_STATE, RUNNING, &channel);
    }

    /// The variables that the command gave, those of the one destination first, and what the dialling adds to them.
    fn own_variables(&mut self, id: SessionId, leg: &Leg<'_>, endpoint: &str, caller: Option<SessionId>) {
        let uuid = caller.and_then(|caller| self.channels.get(&caller)).map(|caller| caller.uuid.clone());
        let Some(channel) = self.channels.get_mut(&id) else { return };
        for (name, value) in leg.own.iter().chain(leg.shared) {
            channel.variables.set(name, value);
        }
        channel.variables.set("originate_early_media", if leg.early_media_counts() { "true" } else { "false" });
        if let Some(uuid) = uuid {
            channel.variables.set("originating_leg_uuid", &uuid);
        }
        channel.variables.set("originate_endpoint", endpoint);
    }
}

pub(super) fn blank(uuid: &str, direction: Direction) -> Channel {
    Channel {
        uuid: uuid.into(),
        direction,
        endpoint: Endpoint::Unborn,
        state: ChannelState::None,
        next: ChannelState::New,
        call_state: CallState::Down,
        hit_dialplan: false,
        b_leg: false,
        shown: None,
        update: None,
        updates: 0,
        codec: None,
        writes: true,
        profile: Profile::default(),
        times: Times::default(),
        variables: Variables::default(),
        cause: None,
        peer: None,
        remote: None,
        partner: None,
        other_leg: None,
        call_uuid: None,
        recordings: Vec::new(),
        audio: crate::channel::Audio::default(),
        bugs: Vec::new(),
        heartbeat: 0,
        todo: Vec::new(),
        callee: None,
        reads_linear: None,
        without_media: false,
        held: None,
        hold: None,
        thread: Thread::default(),
        application: None,
    }
}

fn outbound_start(channel: &mut Channel) {
    channel.variables.push("direction", "outbound");
    channel.variables.push("is_outbound", "true");
}

pub(super) fn identify(channel: &mut Channel) {
    channel.variables.push("uuid", &channel.uuid);
    channel.variables.push("call_uuid", &channel.uuid);
}
