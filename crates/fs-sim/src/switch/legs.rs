//! What happens to a leg by itself: SIP's messages between two legs, and their answers.

use std::time::Duration;

use rand::RngExt;

use super::{Step, Switch};
use crate::{
    cause::Cause,
    channel::{CallState, Channel, ChannelState, Endpoint, SessionId, Signal, sofia},
    clock::Stamp,
    dialplan::{self, Application},
    event::{EventKind, Origin},
};

const RING_READY: Origin = Origin("switch_channel.c", "switch_channel_perform_mark_ring_ready_value", 3524);
const PRE_ANSWERED: Origin = Origin("switch_channel.c", "switch_channel_perform_mark_pre_answered", 3604);
const ANSWERED: Origin = Origin("switch_channel.c", "switch_channel_perform_mark_answered", 3846);

impl Switch {
    pub(super) fn step(&mut self, now: Duration, id: SessionId, step: Step) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if let Step::Report = step {
            return self.report(now, id);
        }
        if !channel.is_up() {
            return;
        }
        match step {
            Step::Told(signal) => self.told(now, id, signal),
            Step::Route => self.route(now, id),
            Step::Look => self.proceed(now, id),
            Step::Launch => self.launch(now, id),
            Step::Break => self.broken(now, id),
            Step::Redirect(redirect) => self.redirect(now, id, redirect),
            Step::Parted(from, cause) => self.parted(now, id, from, cause),
            Step::RecordLimit => self.record_limit(now, id),
            Step::Report => {}
        }
    }

    /// A far leg asks the dialplan what to do.
    fn route(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.state = ChannelState::Routing;
        channel.call_state = CallState::Ringing;
        let Some(route) = dialplan::route(&channel.profile.context, &channel.profile.destination) else {
            channel.variables.set("call_uuid", &channel.uuid);
            return self.hang_up(now, id, Cause::NO_ROUTE_DESTINATION);
        };
        if let Some(matched) = &route.matched {
            channel.variables.set("DP_MATCH", matched);
        }
        channel.variables.set("call_uuid", &channel.uuid);
        channel.state = ChannelState::Execute;
        let applications =
            if route.answers_at_once { self.callee_does(route.applications) } else { route.applications };
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.todo = applications.into_iter().rev().collect();
        }
        self.proceed(now, id);
    }

    /// What a number that would answer at once does instead, by configuration.
    fn callee_does(&mut self, applications: Vec<Application>) -> Vec<Application> {
        if !self.failures.is_empty() {
            let mut drawn: f64 = self.callee_rng.random();
            for (cause, share) in &self.failures {
                if drawn < *share {
                    return vec![Application::new("hangup", cause.name())];
                }
                drawn -= share;
            }
        }
        let (ring, answer) = (self.callee.ring_after, self.callee.answer_after);
        if ring.is_none() && answer.is_none() {
            return applications;
        }
        let mut all = Vec::new();
        let mut sleep = |all: &mut Vec<Application>, delay: Option<crate::Delay>| {
            if let Some(delay) = delay {
                let time = delay.sample(&mut self.callee_rng);
                all.push(Application::new("sleep", &format!("{:.3}", time.as_secs_f64() * 1_000.0)));
            }
        };
        sleep(&mut all, ring);
        all.push(Application::new("ring_ready", ""));
        sleep(&mut all, answer);
        if applications.first().is_none_or(|first| first.name != "answer") {
            all.push(Application::new("answer", ""));
        }
        all.extend(applications);
        all
    }

    /// A leg rings: its own ringing is reported, and a far leg's is passed on.
    pub(crate) fn ringing(&mut self, now: Duration, id: SessionId) {
        let stamp = self.stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.times.progress != Stamp::default() || channel.is_answered() {
            return;
        }
        channel.times.progress = stamp;
        with_dialog(channel, sofia::far_rings, sofia::near_replied);
        self.emit(now, id, EventKind::CHANNEL_PROGRESS, RING_READY);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.call_state = CallState::Ringing;
        }
        self.tell_near(now, id, Signal::Ringing);
        self.callee_progressed(now, id, false);
    }

    /// A leg has media before it is answered.
    pub(crate) fn early_media(&mut self, now: Duration, id: SessionId) {
        let stamp = self.stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.times.progress_media != Stamp::default() || channel.is_answered() {
            return;
        }
        channel.times.progress_media = stamp;
        with_dialog(channel, sofia::far_media, |channel, dialog| {
            sofia::near_replied(channel, dialog);
            sofia::near_media(channel, dialog);
        });
        self.emit(now, id, EventKind::CHANNEL_PROGRESS_MEDIA, PRE_ANSWERED);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.call_state = CallState::Early;
            channel.variables.set("endpoint_disposition", "EARLY MEDIA");
        }
        self.tell_near(now, id, Signal::EarlyMedia);
        self.callee_progressed(now, id, true);
        if self.attempts.get(&id).is_some_and(|attempt| !attempt.ignore_early_media) {
            self.succeed(now, id);
        }
    }

    /// A leg is answered: its own answer is reported, a far leg's is passed on, a near leg's ends its originate.
    pub(crate) fn answered(&mut self, now: Duration, id: SessionId) {
        let stamp = self.stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.is_answered() {
            return;
        }
        channel.times.answered = stamp;
        with_dialog(channel, sofia::far_media, |channel, dialog| {
            sofia::near_replied(channel, dialog);
            sofia::near_media(channel, dialog);
        });
        self.emit(now, id, EventKind::CHANNEL_ANSWER, ANSWERED);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.call_state = CallState::Active;
        channel.variables.set("endpoint_disposition", "ANSWER");
        let partner = channel.partner;
        self.execute_on_answer(now, id);
        // Bridged by early media before, its caller is answered with it.
        if let Some(partner) = partner {
            self.answered(now, partner);
        }
        if self.is_near(id) {
            self.acknowledge(now, id);
            self.succeed(now, id);
        } else {
            self.tell_near(now, id, Signal::Answer);
        }
    }

    /// Passes what happened to far leg `id` on to its near leg.
    fn tell_near(&mut self, now: Duration, id: SessionId, signal: Signal) {
        if !self.is_near(id) {
            self.tell(now, id, signal);
        }
    }

    fn is_near(&self, id: SessionId) -> bool {
        self.channels.get(&id).is_some_and(|channel| channel.direction == crate::channel::Direction::Outbound)
    }

    /// The answered leg of an originate becomes the called party and runs what was asked.
    fn launch(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.state = ChannelState::Execute;
        channel.hit_dialplan = true;
        channel.variables.set("pre_transfer_caller_id_name", &channel.profile.caller_name);
        channel.variables.set("pre_transfer_caller_id_number", &channel.profile.caller_number);
        channel.variables.set("channel_cid_flipped", "yes");
        channel.profile.flip();
        channel.variables.set("call_uuid", &channel.uuid);
        self.proceed(now, id);
    }
}

/// Applies what a message of the SIP dialog sets: to a far leg, or to a near one.
fn with_dialog(
    channel: &mut Channel,
    far: impl FnOnce(&mut Channel, &sofia::Dialog),
    near: impl FnOnce(&mut Channel, &sofia::Dialog),
) {
    let Endpoint::Sofia(dialog) = &channel.endpoint else { return };
    let dialog = dialog.clone();
    match channel.direction {
        crate::channel::Direction::Inbound => far(channel, &dialog),
        crate::channel::Direction::Outbound => near(channel, &dialog),
    }
}
