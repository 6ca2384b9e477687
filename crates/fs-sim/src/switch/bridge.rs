//! Two legs that hear each other: from the call of the second one to their parting (switch_ivr_bridge.c).
//!
//! One of the two leads: the bridge is an application that it runs, and it tells of both its ends. The other one is
//! inside of a bridge too, which no event tells of, and looks at its messages there.

use std::time::Duration;

use super::{Redirect, Step, Switch, is_false, is_true, originate::Asker};
use crate::{
    cause::Cause,
    channel::{
        Bridge, CallState, Channel, ChannelState, Direction, Doing, Endpoint, OtherLeg, Relation, Run, SessionId,
    },
    clock::Stamp,
    dial_string::Request,
    event::{EventKind, Origin},
};

const BRIDGED: Origin = Origin("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1689);
const UNBRIDGED: Origin = Origin("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1881);

/// Causes after which the caller goes on even without `continue_on_fail` (switch_channel.c).
const NO_FAILURE: [Cause; 3] = [Cause::NO_ANSWER, Cause::NO_USER_RESPONSE, Cause::ORIGINATOR_CANCEL];

impl Switch {
    /// The application `bridge`: what it does next, or nothing if the call has failed at once.
    pub(super) fn call_by_bridge(&mut self, now: Duration, a: SessionId, data: &str) -> Option<Doing> {
        if let Some(caller) = self.channels.get_mut(&a) {
            // What stays where nothing comes of it.
            caller.variables.set("originate_disposition", "failure");
            caller.variables.set("DIALSTATUS", "INVALIDARGS");
            // It adds to what earlier calls have left, unless it is told not to.
            if caller.variables.get("preserve_originated_vars").is_some_and(is_false) {
                caller.variables.unset("originated_legs");
                caller.variables.unset("originate_causes");
            }
        }
        let called = match Request::bridge(data) {
            Ok(mut request) => {
                if self.channels.get(&a).is_some_and(|caller| caller.call_state == CallState::Active) {
                    self.set_call_state(now, a, CallState::RingWait);
                }
                self.inherit(a, &mut request);
                self.call_out(now, request, Asker::Bridge(a))
            }
            Err(_) => Err(Cause::DESTINATION_OUT_OF_ORDER),
        };
        match called {
            Ok(dial) => Some(Doing::Call(dial)),
            Err(cause) => {
                self.callee_failed(now, a, None, cause);
                None
            }
        }
    }

    /// A leg was called for a caller.
    pub(super) fn callee_called(&mut self, a: SessionId, b: SessionId) {
        let Some(callee) = self.channels.get(&b) else { return };
        let (uuid, leg) = (callee.uuid.clone(), leg_text(callee));
        let Some(caller) = self.channels.get_mut(&a) else { return };
        caller.variables.set("originate_signal_bond", &uuid);
        caller.variables.add("originated_legs", &leg);
    }

    /// A leg that was called has ended unanswered.
    pub(super) fn note_cause(&mut self, a: SessionId, b: SessionId, cause: Cause) {
        let Some(uuid) = self.channels.get(&b).map(|callee| callee.uuid.clone()) else { return };
        if let Some(caller) = self.channels.get_mut(&a) {
            caller.variables.add("originate_causes", &format!("{uuid};{}", cause.name()));
        }
    }

    /// What a leg that is called gets from its caller: who calls, the exported variables, the patience.
    fn inherit(&self, a: SessionId, request: &mut Request) {
        let Some(caller) = self.channels.get(&a) else { return };
        let timeout = request
            .variable("originate_timeout")
            .or_else(|| caller.variables.get("originate_timeout"))
            .or_else(|| caller.variables.get("call_timeout"));
        if let Some(seconds) = timeout.and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0) {
            request.timeout_seconds = seconds;
        }
        let exported: Vec<&str> =
            caller.variables.get("export_vars").map_or(Vec::new(), |names| names.split(',').collect());
        for name in exported.into_iter().chain(["ignore_early_media"]) {
            let bare = name.strip_prefix("nolocal:").unwrap_or(name);
            if let (Some(value), None) = (caller.variables.get(name), request.variable(bare)) {
                request.variables.push((bare.to_owned(), value.to_owned()));
            }
        }
        // A SIP leg carries the headers of its caller on, unless that is told not to (mod_sofia.c).
        if caller.variables.get("sip_copy_custom_headers").is_none_or(is_true) {
            let shared = &request.variables;
            let sip = request.groups.iter_mut().flatten().filter(|one| one.endpoint.starts_with("sofia/"));
            for destination in sip {
                for (name, value) in caller.variables.iter().filter(|(name, _)| name.starts_with("sip_h_")) {
                    let known = |known: &(String, String)| known.0 == name;
                    if !shared.iter().any(known) && !destination.variables.iter().any(known) {
                        destination.variables.push((name.to_owned(), value.to_owned()));
                    }
                }
            }
        }
        request.caller_name = Some(caller.profile.caller_name.clone());
        request.caller_number = Some(caller.profile.caller_number.clone()).filter(|number| !number.is_empty());
    }

    /// The called leg rings or has early media: its caller passes that on to who called it.
    pub(super) fn callee_progressed(&mut self, now: Duration, b: SessionId, media: bool) {
        let Some(Asker::Bridge(a)) = self.asker(b) else { return };
        let a = *a;
        let stamp = self.stamp(now);
        let callee = self.channels.get(&b).map(|callee| callee.profile.clone());
        let Some(caller) = self.channels.get_mut(&a).filter(|caller| caller.is_up()) else { return };
        if let (Some(callee), Endpoint::Sofia(dialog)) = (callee, &caller.endpoint) {
            dialog.reaches(&callee.callee_name, &callee.callee_number);
            caller.profile.callee_name = callee.callee_name;
            caller.profile.callee_number = callee.callee_number;
        }
        if caller.direction == Direction::Outbound || caller.is_answered() {
            let time = if media { &mut caller.times.progress_media } else { &mut caller.times.progress };
            *time = stamp;
        } else if media {
            self.early_media(now, a);
        } else {
            self.ringing(now, a);
        }
    }

    /// The called leg has answered: its caller's bridge begins.
    pub(super) fn callee_answered(
        &mut self,
        now: Duration,
        a: SessionId,
        (dial, b): (u64, SessionId),
        legs: &[SessionId],
    ) {
        if !self.is_up(a) {
            return self.hang_up(now, b, Cause::ORIGINATOR_CANCEL);
        }
        self.pass_callee_on(a, b);
        let answers = |caller: &Channel| caller.direction == Direction::Inbound;
        if self.channels.get(&b).is_some_and(|callee| callee.is_answered())
            && self.channels.get(&a).is_some_and(|caller| answers(caller))
        {
            self.answered(now, a);
        }
        for leg in legs {
            self.note_cause(a, *leg, if *leg == b { Cause::NONE } else { Cause::LOSE_RACE });
        }
        self.note_success(a, b);
        let relation = |channel| OtherLeg::new(Relation::Originatee, channel);
        let other_leg = self.channels.get(&b).map(|callee| relation(callee));
        if let Some(caller) = self.channels.get_mut(&a) {
            caller.other_leg = other_leg;
            if caller.call_state == CallState::RingWait {
                self.set_call_state(now, a, CallState::Active);
            }
        }
        if let Some(callee) = self.channels.get_mut(&b) {
            callee.variables.set("endpoint_disposition", if callee.is_answered() { "ANSWER" } else { "EARLY MEDIA" });
        }
        self.join(now, a, b);
        let bridge = Bridge { partner: b, leads: true, parted: None };
        if let Some(run) = self.channels.get_mut(&a).and_then(|caller| calling(caller, dial)) {
            run.doing = Doing::Bridge(bridge);
        }
        self.sound_changed(now, a);
        self.sound_changed(now, b);
        self.proceed(now, a);
        self.proceed(now, b);
    }

    /// Joins two legs: the second is inside of the bridge from here on, the first one's run is the caller's to set.
    pub(super) fn join(&mut self, now: Duration, a: SessionId, b: SessionId) {
        let stamp = self.stamp(now);
        let number = self.next_run();
        let Some(caller) = self.channels.get(&a) else { return };
        let (caller_uuid, caller_name) = (caller.uuid.clone(), caller.profile.channel_name.clone());
        let Some(callee) = self.channels.get_mut(&b) else { return };
        callee.partner = Some(a);
        callee.times.bridged = stamp;
        callee.variables.set("call_uuid", &caller_uuid);
        callee.call_uuid = Some(caller_uuid.clone());
        let doing = Doing::Bridge(Bridge { partner: a, leads: false, parted: None });
        callee.thread.runs.push(Run::silent(number, "bridge", doing));
        let (uuid, callee_name) = (callee.uuid.clone(), callee.profile.channel_name.clone());

        let Some(caller) = self.channels.get_mut(&a) else { return };
        caller.partner = Some(b);
        caller.times.bridged = stamp;
        self.tell_bridge(now, a, &uuid, EventKind::CHANNEL_BRIDGE, BRIDGED);
        partner_variables(self, a, &uuid, &callee_name);
        partner_variables(self, b, &caller_uuid, &caller_name);
        self.enter(now, b, ChannelState::ExchangeMedia);
        self.show_partners(now, a, b);
    }

    fn tell_bridge(&mut self, now: Duration, a: SessionId, b: &str, kind: EventKind, origin: Origin) {
        let Some(caller) = self.channels.get(&a) else { return };
        let before = [("Bridge-A-Unique-ID", &*caller.uuid), ("Bridge-B-Unique-ID", b)];
        self.bus.channel_with(now, kind, origin, caller, &before, &[]);
    }

    /// A leg that hangs up says so to the one that it is bound to, and which part it had in its bridge.
    pub(super) fn note_hangup(&mut self, id: SessionId, cause: Cause) {
        let leads = self.leads_bridge(id);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let of_itself = |name: &str| channel.variables.get(name).map(str::to_owned);
        let carried = [
            ("last_bridge_proto_specific_hangup_cause", of_itself("proto_specific_hangup_cause")),
            ("sip_reason", of_itself("sip_reason")),
        ];
        let ended_by_message = carried[1].1.is_some();
        let bond = channel.bond().map(str::to_owned);
        let bridged = channel.thread.runs.iter().any(|run| matches!(run.doing, Doing::Bridge(_)));
        if bridged {
            channel.variables.set("last_bridge_role", if leads { "originator" } else { "originatee" });
        }
        let bond = bond.and_then(|uuid| self.find(&uuid));
        let Some(other) = bond.and_then(|id| self.channels.get_mut(&id)).filter(|other| other.is_up()) else { return };
        other.variables.set("last_bridge_hangup_cause", cause.name());
        for (name, value) in carried {
            if let Some(value) = value {
                other.variables.set(name, &value);
            }
        }
        if ended_by_message {
            other.variables.set("sip_hangup_phrase", "OK");
        }
    }

    /// A leg leaves its bridge, hung up with a cause or for elsewhere: the other one finds out at its next frame.
    pub(super) fn part(&mut self, now: Duration, id: SessionId, cause: Option<Cause>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Some(partner) = channel.partner.take() else { return };
        let frame = self.part_of_a_frame();
        self.add_leg(now + frame, partner, Step::Parted(id, cause));
    }

    /// The other leg of a bridge has gone.
    pub(super) fn parted(&mut self, now: Duration, id: SessionId, from: SessionId, cause: Option<Cause>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        for run in &mut channel.thread.runs {
            if let Doing::Bridge(bridge) = &mut run.doing
                && bridge.partner == from
            {
                bridge.parted = Some(cause);
            }
        }
        self.proceed(now, id);
    }

    /// The end of a bridge, as one leg sees it; the one that leads tells of it once the other one has left.
    pub(super) fn finish_bridge(&mut self, now: Duration, id: SessionId, bridge: Bridge) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.partner = None;
            channel.variables.unset("bridge_to");
        }
        if !bridge.leads {
            return;
        }
        let other = self.channels.get(&bridge.partner);
        if other.is_some_and(|other| other.is_up() && other.partner == Some(id) && !other.thread.leaving) {
            self.leave_exchange(now, bridge.partner);
        }
        let other = self.channels.get_mut(&bridge.partner);
        let (partner_cause, answered) = other.map_or((bridge.parted.flatten(), true), |other| {
            let own = other.uuid.clone();
            if other.is_up() && other.call_uuid.take().is_some() {
                other.variables.set("call_uuid", &own);
            }
            (other.cause, other.is_answered())
        });
        let own_cause = self.channels.get(&id).and_then(|channel| channel.cause);
        for (leg, cause) in [(bridge.partner, own_cause), (id, partner_cause)] {
            if let (Some(cause), Some(channel)) = (cause, self.channels.get_mut(&leg)) {
                channel.variables.set("bridge_hangup_cause", cause.name());
            }
        }
        let Some(channel) = self.channels.get(&id) else { return };
        let other = channel.variables.get("bridge_uuid").unwrap_or_default().to_owned();
        self.tell_bridge(now, id, &other, EventKind::CHANNEL_UNBRIDGE, UNBRIDGED);
        if self.channels.get(&id).is_some_and(|channel| channel.is_up() && !channel.thread.leaving) {
            self.after_bridge(now, id, partner_cause.unwrap_or(Cause::NORMAL_CLEARING), answered);
        }
    }

    /// What the leg that led a bridge does next.
    fn after_bridge(&mut self, now: Duration, id: SessionId, cause: Cause, answered: bool) {
        if !answered {
            self.failed_by(now, id, cause);
        }
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.is_up()) else { return };
        let hangs_up = channel.variables.get("hangup_after_bridge").unwrap_or_default();
        if hangs_up.eq_ignore_ascii_case("explicit") {
            return self.hang_up(now, id, cause);
        }
        let hangs_up = is_true(hangs_up);
        if answered && self.goes_after_bridge(now, id) {
            return;
        }
        if answered && hangs_up {
            return self.hang_up(now, id, cause);
        }
        if self.channels.get(&id).is_some_and(|channel| channel.state == ChannelState::SoftExecute) {
            self.enter(now, id, ChannelState::Execute);
        }
    }

    /// The leg that was called leaves a bridge whose other one has left.
    fn leave_exchange(&mut self, now: Duration, id: SessionId) {
        self.unwind(now, id);
        if self.goes_after_bridge(now, id) {
            return;
        }
        let answered = self.channels.get(&id).is_some_and(|channel| channel.is_answered());
        self.hang_up(now, id, if answered { Cause::NORMAL_CLEARING } else { Cause::ORIGINATOR_CANCEL });
    }

    /// `park_after_bridge` and `transfer_after_bridge`: whether a leg has one of them.
    fn goes_after_bridge(&mut self, now: Duration, id: SessionId) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let redirect = if channel.variables.get("park_after_bridge").is_some_and(is_true) {
            Redirect::Park
        } else if let Some(place) = channel.variables.get("transfer_after_bridge").map(str::to_owned) {
            channel.variables.unset("transfer_after_bridge");
            let words: Vec<String> = place.split(':').map(str::to_owned).collect();
            let Some(redirect) = Redirect::extension(&words) else { return false };
            redirect
        } else {
            return false;
        };
        self.go_elsewhere(now, id, redirect, Duration::ZERO);
        true
    }

    /// Nobody has answered: the caller's `bridge` is over, and with it the caller's call unless it may go on.
    pub(super) fn callee_failed(&mut self, now: Duration, a: SessionId, dial: Option<u64>, cause: Cause) {
        // One that has left has noted it itself.
        if !self.is_up(a) {
            return;
        }
        self.note_failed(a, cause);
        let Some(caller) = self.channels.get_mut(&a) else { return };
        if let Some(run) = dial.and_then(|dial| calling(caller, dial)) {
            run.doing = Doing::Nothing;
        }
        if caller.call_state == CallState::RingWait {
            self.set_call_state(now, a, CallState::Active);
        }
        self.failed_by(now, a, cause);
        if dial.is_some() {
            self.add_leg(now, a, Step::Look);
        }
    }

    /// A caller has gone before its call was answered.
    pub(super) fn caller_left(&mut self, now: Duration, a: SessionId, dial: u64) {
        for leg in self.legs_of(dial) {
            self.note_cause(a, leg, Cause::ORIGINATOR_CANCEL);
        }
        self.note_failed(a, Cause::ORIGINATOR_CANCEL);
        self.cancel_dial(now, dial, Cause::ORIGINATOR_CANCEL);
    }

    fn note_failed(&mut self, a: SessionId, cause: Cause) {
        let Some(caller) = self.channels.get_mut(&a) else { return };
        caller.variables.set("originate_failed_cause", cause.name());
        caller.variables.set("originate_disposition", cause.name());
        caller.variables.set("DIALSTATUS", dial_status(cause));
    }

    /// A leg that was called has failed: its caller ends with it unless it may go on (`switch_channel_handle_cause`).
    fn failed_by(&mut self, now: Duration, a: SessionId, cause: Cause) {
        let Some(caller) = self.channels.get(&a).filter(|caller| caller.is_up()) else { return };
        let variables = &caller.variables;
        let goes_on = match variables.get("continue_on_fail") {
            Some(text) => is_true(text) || names(text, cause),
            None => variables.get("failure_causes").map_or(NO_FAILURE.contains(&cause), |text| !names(text, cause)),
        };
        if !goes_on {
            self.hang_up(now, a, cause);
        }
    }

    /// A caller learns who has answered it, and what media that leg takes.
    fn pass_callee_on(&mut self, a: SessionId, b: SessionId) {
        let Some(callee) = self.channels.get(&b) else { return };
        let (name, number) = (callee.profile.callee_name.clone(), callee.profile.callee_number.clone());
        // Early media described it before.
        let describes =
            matches!(callee.endpoint, Endpoint::Sofia(_)) && callee.times.progress_media == Stamp::default();
        let Some(caller) = self.channels.get_mut(&a) else { return };
        if let Endpoint::Sofia(dialog) = &caller.endpoint
            && caller.direction == Direction::Inbound
        {
            dialog.reaches(&name, &number);
        }
        if !name.is_empty() {
            caller.profile.callee_name = name;
        }
        if !number.is_empty() {
            caller.profile.callee_number = number;
        }
        if describes && matches!(caller.endpoint, Endpoint::Sofia(_)) {
            for flow in ["video_media_flow", "text_media_flow"] {
                caller.variables.set(flow, "inactive");
            }
            caller.variables.set("audio_media_flow", "sendrecv");
        }
    }

    /// What a caller's variables say about the leg that has answered it.
    fn note_success(&mut self, a: SessionId, b: SessionId) {
        let Some(callee) = self.channels.get(&b) else { return };
        let uuid = callee.uuid.clone();
        let sdp = callee.variables.get("switch_r_sdp").map(str::to_owned);
        let over_sip = matches!(callee.endpoint, Endpoint::Sofia(_));
        let Some(caller) = self.channels.get_mut(&a) else { return };
        let variables = &mut caller.variables;
        if let (Some(sdp), true) = (sdp, over_sip) {
            variables.set("switch_m_sdp", &sdp);
        }
        for name in ["originate_disposition", "DIALSTATUS"] {
            variables.set(name, "SUCCESS");
        }
        variables.set("signal_bond", &uuid);
        variables.unset("originate_signal_bond");
    }

    /// What a caller's variables say about a leg that has failed it.
    pub(super) fn note_failure(&mut self, a: SessionId, b: SessionId) {
        let Some(callee) = self.channels.get(&b) else { return };
        let of_callee = |name: &str| callee.variables.get(name).unwrap_or_default().to_owned();
        let status = of_callee("sip_invite_failure_status");
        let phrase = of_callee("sip_invite_failure_phrase");
        let protocol = of_callee("proto_specific_hangup_cause");
        let cause = callee.cause.map_or("", Cause::name);
        let over_sip = matches!(callee.endpoint, Endpoint::Sofia(_));
        let Some(caller) = self.channels.get_mut(&a) else { return };
        let variables = &mut caller.variables;
        // One that was cancelled from here has not refused anything.
        if over_sip && !status.is_empty() && phrase != "CANCEL" {
            variables.set("sip_invite_failure_status", &status);
            variables.set("sip_invite_failure_phrase", &phrase);
            variables.set("sip_hangup_phrase", &phrase);
        }
        variables.set("last_bridge_hangup_cause", cause);
        variables.set("last_bridge_proto_specific_hangup_cause", &protocol);
    }
}

/// `DIALSTATUS` of a call that has failed.
fn dial_status(cause: Cause) -> &'static str {
    match cause {
        Cause::ORIGINATOR_CANCEL => "CANCEL",
        Cause::USER_BUSY => "BUSY",
        Cause::NO_ANSWER => "NOANSWER",
        Cause::DESTINATION_OUT_OF_ORDER | Cause::INVALID_PROFILE => "INVALIDARGS",
        Cause::CALL_REJECTED => "DONTCALL",
        other => other.name(),
    }
}

/// The application of `caller` that waits for this dial.
fn calling(caller: &mut Channel, dial: u64) -> Option<&mut Run> {
    caller.thread.runs.iter_mut().find(|run| matches!(run.doing, Doing::Call(number) if number == dial))
}

/// A called leg, as `originated_legs` names it.
fn leg_text(callee: &Channel) -> String {
    format!("{};{};{}", callee.uuid, callee.profile.callee_name, callee.profile.callee_number)
}

/// Whether a list of causes, names or numbers between commas, has this one.
fn names(list: &str, cause: Cause) -> bool {
    list.split(',').map(str::trim).any(|word| word.eq_ignore_ascii_case(cause.name()) || word == cause.0.to_string())
}

/// What a leg's variables say about the one that it is bridged with.
fn partner_variables(switch: &mut Switch, id: SessionId, uuid: &str, channel_name: &str) {
    let Some(channel) = switch.channels.get_mut(&id) else { return };
    let variables = &mut channel.variables;
    variables.set("bridge_to", uuid);
    variables.set("last_bridge_to", uuid);
    variables.set("bridge_channel", channel_name);
    variables.set("bridge_uuid", uuid);
    variables.set("signal_bond", uuid);
}
