//! `originate`: the near leg comes to be, waits for an answer, and does what was asked (switch_ivr_originate.c).

use std::{sync::Arc, time::Duration};

use super::{Due, Job, Step, Switch, is_true, legs::SIP_HOP, random_uuid};
use crate::{
    cause::Cause,
    channel::{
        CallState, Channel, ChannelState, Dialog, Direction, Endpoint, LoopbackSide, Profile, SessionId, Thread, Times,
        Variables, loopback, loopback::Caller, profile::ANONYMOUS_NUMBER, sofia,
    },
    clock::Stamp,
    dial_string::{Malformed, OnAnswer, Request},
    dialplan::Application,
    event::{EventKind, Origin},
};

/// An originate that waits for its answer.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) job: Job,
    pub(crate) on_answer: OnAnswer,
    /// Early media is no answer to it.
    pub(crate) ignore_early_media: bool,
}

pub(crate) const USAGE: &str = "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n";

/// How often an originate that waits looks at its legs and at the time (switch_ivr_originate.c).
const LOOK_PERIOD: Duration = Duration::from_millis(20);

const CREATED: Origin = Origin("switch_core_state_machine.c", "switch_core_session_run", 626);
const ORIGINATED: Origin = Origin("switch_core_state_machine.c", "switch_core_session_run", 632);
pub(super) const DESTROYED: Origin = Origin("switch_core_session.c", "switch_core_session_perform_destroy", 1584);

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
    /// Starts an originate: `Some` is its output at once, `None` means that the job is finished later.
    pub(crate) fn originate(&mut self, now: Duration, job: &Job) -> Option<String> {
        self.originates += 1;
        let request = match Request::parse(&job.arguments) {
            Ok(request) => request,
            Err(Malformed::Usage) => return Some(USAGE.to_owned()),
            Err(Malformed::Brackets) => return Some(failed(Cause::DESTINATION_OUT_OF_ORDER)),
        };
        let target = Target::parse(&request.endpoint);
        if let Target::Unknown = target {
            return Some(failed(Cause::CHAN_NOT_IMPLEMENTED));
        }
        let mut uuid = request.variable("origination_uuid").map_or_else(|| random_uuid(&mut self.rng), str::to_owned);
        if self.find(&uuid).is_some() {
            // A UUID in use: mod_sofia refuses the call, the others make a channel with another one (mod_loopback).
            if let Target::Sofia(..) = target {
                self.limits.refused += 1;
                return Some(failed(Cause::DESTINATION_OUT_OF_ORDER));
            }
            uuid = random_uuid(&mut self.rng);
        }
        let Some(id) = self.take_session(now, Direction::Outbound) else {
            return Some(failed(Cause::DESTINATION_OUT_OF_ORDER));
        };
        let mut channel = blank(&uuid, Direction::Outbound);
        if let Target::Refused(cause) = target {
            self.destroy_unborn(now, id, channel);
            return Some(failed(cause));
        }
        self.timers.add(self.patience_ends(now, request.timeout_seconds), Due::OriginateTimeout(id));
        self.build_near(now, id, &mut channel, &target, &request);
        self.insert(id, channel);
        let ignore_early_media = request.variable("ignore_early_media").is_some_and(is_true);
        self.attempts.insert(id, Attempt { job: job.clone(), on_answer: request.on_answer, ignore_early_media });
        self.emit(now, id, EventKind::CHANNEL_CREATE, CREATED);
        self.emit(now, id, EventKind::CHANNEL_ORIGINATE, ORIGINATED);
        let channel = self.channels.get_mut(&id)?;
        channel.state = ChannelState::ConsumeMedia;
        match channel.endpoint {
            Endpoint::Null => self.add_leg(now, id, Step::Answer),
            Endpoint::Loopback => self.create_loopback_b(now, id),
            _ => self.add_leg(now + SIP_HOP, id, Step::Invite),
        }
        None
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
                let dialog = Arc::new(Dialog::new(&mut self.rng, profile, address, number, headers, stamp));
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

    /// The B side of a loopback is made in the same moment as its A side.
    fn create_loopback_b(&mut self, now: Duration, a: SessionId) {
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
        self.emit(now, b, EventKind::CHANNEL_CREATE, CREATED);
        self.add_leg(now, b, Step::Route);
    }

    pub(super) fn originate_timed_out(&mut self, now: Duration, id: SessionId) {
        if self.attempts.contains_key(&id) {
            self.hang_up(now, id, Cause::NO_ANSWER);
        }
    }

    /// The near leg was answered, or has early media and that is enough.
    pub(super) fn succeed(&mut self, now: Duration, id: SessionId) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        let transfer_id = random_uuid(&mut self.rng);
        let stamp = self.stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let uuid = channel.uuid.clone();
        match attempt.on_answer {
            OnAnswer::Application(application) => channel.todo = vec![application],
            OnAnswer::Extension { number, context } => transfer(channel, &number, &context, stamp, &transfer_id),
        }
        self.finish(now, &attempt.job, &format!("+OK {uuid}\n"));
        self.add_leg(now, id, Step::Launch);
    }

    /// The near leg ended before it was answered.
    pub(super) fn fail(&mut self, now: Duration, id: SessionId, cause: Cause) {
        if let Some(attempt) = self.attempts.remove(&id) {
            self.finish(now, &attempt.job, &failed(cause));
        }
    }
}

fn failed(cause: Cause) -> String {
    format!("-ERR {}\n", cause.name())
}

/// The answered leg goes through the dialplan itself (`switch_ivr_session_transfer`).
fn transfer(channel: &mut Channel, number: &str, context: &str, now: Stamp, id: &str) {
    let history = format!("{}:{id}:bl_xfer:{number}/{context}/XML", now.seconds());
    channel.variables.set("max_forwards", "70");
    channel.variables.set("transfer_history", &history);
    channel.variables.set("transfer_source", &history);
    channel.profile.transfer_source = history;
    channel.profile.created = now;
    channel.profile.dialplan = "XML".to_owned();
    channel.profile.rdnis = std::mem::replace(&mut channel.profile.destination, number.to_owned());
    channel.profile.context = context.to_owned();
    channel.profile.index += 1;
    let route = crate::dialplan::route(context, number);
    let applications = route.map_or_else(
        || vec![Application::new("hangup", Cause::NO_ROUTE_DESTINATION.name())],
        |route| route.applications,
    );
    channel.todo = applications.into_iter().rev().collect();
}

fn blank(uuid: &str, direction: Direction) -> Channel {
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
        todo: Vec::new(),
        thread: Thread::default(),
        application: None,
    }
}

fn outbound_start(channel: &mut Channel) {
    channel.variables.push("direction", "outbound");
    channel.variables.push("is_outbound", "true");
}

fn identify(channel: &mut Channel) {
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
