//! The near leg of a call: what a dial string names, and the channel that comes of it (switch_ivr_originate.c,
//! mod_sofia, mod_loopback).

use std::{sync::Arc, time::Duration};

use super::{
    Due, Step, Switch,
    execute::leading_number,
    is_true,
    originate::{Asker, Attempt, DESTROYED},
    random_uuid,
};
use crate::{
    cause::Cause,
    channel::{
        CallState, Channel, ChannelState, Dialog, Direction, Endpoint, LoopbackSide, OtherLeg, Profile, Relation,
        SessionId, Signal, Thread, Times, Variables, loopback, loopback::Caller, profile::ANONYMOUS_NUMBER, sofia,
        sofia::Invitation,
    },
    dial_string::Request,
    event::{EventKind, Origin},
};

/// How often an originate that waits looks at its legs and at the time (switch_ivr_originate.c).
const LOOK_PERIOD: Duration = Duration::from_millis(20);

pub(super) const CREATED: Origin = Origin("switch_core_state_machine.c", "switch_core_session_run", 626);
const ORIGINATED: Origin = Origin("switch_core_state_machine.c", "switch_core_session_run", 632);

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
    Unknown,
}

/// What a call takes on from the leg that asks for it.
#[derive(Clone, Copy)]
struct Onward {
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
            _ => Target::Unknown,
        }
    }
}

impl Switch {
    /// Calls what a request names, for an `originate` or a `bridge`: the new leg, or why there is none.
    pub(super) fn call(&mut self, now: Duration, request: &Request, asker: Asker) -> Result<SessionId, Cause> {
        let target = Target::parse(&request.endpoint);
        if let Target::Unknown = target {
            return Err(Cause::CHAN_NOT_IMPLEMENTED);
        }
        let mut uuid = request.variable("origination_uuid").map_or_else(|| random_uuid(&mut self.rng), str::to_owned);
        if self.find(&uuid).is_some() {
            // A UUID in use: mod_sofia refuses the call, the others make a channel with another one (mod_loopback).
            if let Target::Sofia(..) = target {
                self.limits.refused += 1;
                return Err(Cause::DESTINATION_OUT_OF_ORDER);
            }
            uuid = random_uuid(&mut self.rng);
        }
        let onward = self.onward(&asker, request)?;
        let id = self.take_session(now, Direction::Outbound).ok_or(Cause::DESTINATION_OUT_OF_ORDER)?;
        let mut channel = blank(&uuid, Direction::Outbound);
        if let Target::Refused(cause) = target {
            self.destroy_unborn(now, id, channel);
            return Err(cause);
        }
        self.timers.add(self.patience_ends(now, request.timeout_seconds), Due::OriginateTimeout(id));
        self.build_near(now, id, &mut channel, &target, request, onward);
        if let Asker::Bridge(caller) = asker {
            self.called_by(caller, &mut channel, onward.hops);
        }
        self.insert(id, channel);
        let ignore_early_media = request.variable("ignore_early_media").is_some_and(is_true);
        self.attempts.insert(id, Attempt { asker, ignore_early_media });
        self.emit(now, id, EventKind::CHANNEL_CREATE, CREATED);
        self.emit(now, id, EventKind::CHANNEL_ORIGINATE, ORIGINATED);
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(id) };
        channel.state = ChannelState::ConsumeMedia;
        match channel.endpoint {
            Endpoint::Null => self.add_leg(now, id, Step::Told(Signal::Answer)),
            Endpoint::Loopback => self.create_loopback_b(now, id),
            _ => self.invite(now, id),
        }
        Ok(id)
    }

    /// A leg that another one calls knows of it from the beginning.
    fn called_by(&self, caller: SessionId, channel: &mut Channel, hops: u32) {
        let Some(caller) = self.channels.get(&caller) else { return };
        channel.other_leg = Some(OtherLeg::new(Relation::Originator, caller));
        channel.call_uuid = Some(caller.call_uuid.clone().unwrap_or_else(|| caller.uuid.clone()));
        channel.profile.original_name.clone_from(&caller.profile.original_name);
        channel.profile.original_number.clone_from(&caller.profile.original_number);
        channel.profile.ani.clone_from(&caller.profile.ani);
        channel.profile.username.clone_from(&caller.profile.username);
        channel.profile.dialplan.clone_from(&caller.profile.dialplan);
        channel.profile.network_address.clone_from(&caller.profile.network_address);
        let variables = &mut channel.variables;
        variables.set_number("max_forwards", u64::from(hops));
        for (to, from) in [("switch_m_sdp", "switch_r_sdp"), ("sip_cid_type", "sip_cid_type")] {
            if let Some(value) = caller.variables.get(from) {
                variables.set(to, value);
            }
        }
        if let Some(codec) = caller.codec {
            variables.set("originator_codec", &format!("{}@8000h@20i", codec.name()));
        }
        for name in ["originator", "signal_bond", "call_uuid", "originating_leg_uuid"] {
            variables.set(name, &caller.uuid);
        }
        if let Endpoint::Loopback = channel.endpoint {
            variables.set("loopback_from_uuid", &caller.uuid);
        }
    }

    /// What a call takes on from the leg that asks for it. Each takes one hop away, until none is left
    /// (`switch_core_session_outgoing_channel`).
    fn onward(&self, asker: &Asker, request: &Request) -> Result<Onward, Cause> {
        let caller = if let Asker::Bridge(caller) = asker { self.channels.get(caller) } else { None };
        let known = |name: &str| caller.and_then(|caller| caller.variables.get(name));
        let hops = known("max_forwards").map_or(i64::from(sofia::MAX_FORWARDS), |text| leading_number(text) - 1);
        let hops = u32::try_from(hops).ok().filter(|hops| *hops > 0).ok_or(Cause::EXCHANGE_ROUTING_ERROR)?;
        let identity = request.variable("sip_cid_type").or_else(|| known("sip_cid_type"));
        Ok(Onward { hops, identity: sofia::Identity::parse(identity) })
    }

    /// An originate counts whole seconds of the epoch, and looks at them every 20 ms from its beginning on.
    fn patience_ends(&self, now: Duration, seconds: u64) -> Duration {
        let clock = self.bus.clock;
        let patience = clock.up_at_second(clock.second(now).saturating_add(seconds)).saturating_sub(now);
        let looks = patience.as_nanos().div_ceil(LOOK_PERIOD.as_nanos());
        now.saturating_add(LOOK_PERIOD.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX)))
    }

    /// A channel that its endpoint refused: its only event is the last one.
    fn destroy_unborn(&mut self, now: Duration, id: SessionId, mut channel: Channel) {
        outbound_start(&mut channel);
        identify(&mut channel);
        channel.variables.push("session_id", &id.0.to_string());
        self.bus.channel(now, EventKind::CHANNEL_DESTROY, DESTROYED, &channel);
    }

    fn build_near(
        &mut self,
        now: Duration,
        id: SessionId,
        channel: &mut Channel,
        target: &Target<'_>,
        request: &Request,
        onward: Onward,
    ) {
        let stamp = self.stamp(now);
        channel.state = ChannelState::Init;
        channel.times = Times { created: stamp, ..Times::default() };
        let name =
            request.variable("origination_caller_id_name").or(request.caller_name.as_deref()).unwrap_or_default();
        let number = request
            .variable("origination_caller_id_number")
            .or(request.caller_number.as_deref())
            .unwrap_or(ANONYMOUS_NUMBER);
        let caller = Caller { name, number };
        outbound_start(channel);
        match target {
            Target::Sofia(profile, address) => {
                let headers =
                    request.variables.iter().filter(|(name, _)| name.starts_with("sip_h_")).cloned().collect();
                let invitation = Invitation {
                    profile,
                    host: self.line.host,
                    address,
                    caller,
                    headers,
                    parameters: request.variable("sip_invite_params"),
                    identity: onward.identity,
                    max_forwards: onward.hops,
                };
                let dialog = Arc::new(Dialog::new(&mut self.rng, invitation, stamp));
                channel.profile = sofia::near_profile(&dialog, name, stamp);
                identify(channel);
                channel.variables.push("session_id", &id.0.to_string());
                sofia::near_before(channel, &dialog);
                own_variables(channel, request, "sofia");
                sofia::near_after(channel, &dialog);
                channel.endpoint = Endpoint::Sofia(dialog);
            }
            Target::Loopback { number, context } => {
                channel.profile = loopback::profile(number, context, LoopbackSide::A, caller, stamp);
                loopback_start(channel, id);
                own_variables(channel, request, "loopback");
                channel.endpoint = Endpoint::Loopback;
                let other = random_uuid(&mut self.rng);
                channel.variables.set("other_loopback_leg_uuid", &other);
                channel.variables.set("loopback_leg", "A");
            }
            Target::Null(destination) => {
                channel.profile = loopback::null_profile(destination, caller, stamp);
                loopback_start(channel, id);
                own_variables(channel, request, "null");
                channel.endpoint = Endpoint::Null;
            }
            Target::Refused(_) | Target::Unknown => {}
        }
    }
}

pub(super) fn blank(uuid: &str, direction: Direction) -> Channel {
    Channel {
        uuid: uuid.into(),
        direction,
        endpoint: Endpoint::Unborn,
        state: ChannelState::None,
        call_state: CallState::Down,
        hit_dialplan: false,
        codec: None,
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
        todo: Vec::new(),
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

fn loopback_start(channel: &mut Channel, id: SessionId) {
    channel.variables.push("session_id", &id.0.to_string());
    loopback::codec(channel);
    let name = channel.profile.channel_name.clone();
    channel.variables.push("channel_name", &name);
    identify(channel);
}

/// The variables that the command gave, and what the originate adds to them.
fn own_variables(channel: &mut Channel, request: &Request, endpoint: &str) {
    for (name, value) in &request.variables {
        channel.variables.set(name, value);
    }
    let early_media = !request.variable("ignore_early_media").is_some_and(is_true);
    channel.variables.set("originate_early_media", if early_media { "true" } else { "false" });
    channel.variables.set("originate_endpoint", endpoint);
}
