//! What happens to a leg by itself: SIP's messages between two legs, and their answers.

use std::{sync::Arc, time::Duration};

use super::{Step, Switch, applications, capture::Way, redirect};
use crate::{
    cause::Cause,
    channel::{CallState, Channel, ChannelState, Codec, Direction, Doing, Endpoint, FRAME, SessionId, Signal, sofia},
    clock::Stamp,
    dialplan::Application,
    event::{EventKind, Origin},
};

const RING_READY: Origin = Origin("switch_channel.c", "switch_channel_perform_mark_ring_ready_value", 3505);
const PRE_ANSWERED: Origin = Origin("switch_channel.c", "switch_channel_perform_mark_pre_answered", 3560);
const ANSWERED: Origin = Origin("switch_channel.c", "switch_channel_perform_mark_answered", 3846);

impl Switch {
    pub(super) fn step(&mut self, now: Duration, id: SessionId, step: Step) {
        let Some(channel) = self.channels.get(&id) else { return };
        if let Step::Report = step {
            return self.report(now, id);
        }
        let is_up = channel.is_up();
        if let Step::ConnectionsLook = step {
            return self.tell_ended(now, id);
        }
        if let Step::Told(signal) = step
            && !matches!(signal, Signal::Invite { .. })
        {
            self.copy_signal(now, id, signal, Way::Got);
        }
        if !is_up {
            return;
        }
        match step {
            Step::Told(signal) => self.told(now, id, signal),
            Step::Hunt => self.hunt(now, id),
            Step::Look => self.proceed(now, id),
            Step::Launch => self.launch(now, id),
            Step::Break => self.broken(now, id),
            Step::Redirect(redirect) => self.redirect(now, id, redirect),
            Step::Parted(from, cause) => self.parted(now, id, from, cause),
            Step::LookFor(other, looks) => self.look_for(now, id, other, looks),
            Step::HeardGone(heard) => applications::heard_gone(self, now, id, heard),
            Step::Show(party) => self.show(now, id, *party),
            Step::Shown(party) => self.shown(now, id, *party),
            Step::RecordLimit => self.record_limit(now, id),
            Step::AnswerOffer { hold, request } => self.answer_offer(now, id, hold, request),
            Step::Unheld => self.active_again(now, id),
            Step::Informed(info) => self.informed(now, id, *info),
            Step::BugLimit => self.bug_limit(now, id),
            Step::Send => self.set_out(now, id),
            Step::HoldEnds => self.hang_up(now, id, Cause::NORMAL_CLEARING),
            Step::Heartbeat(every, order) => self.session_heartbeat(now, id, every, order),
            Step::Report | Step::ConnectionsLook => {}
        }
    }

    /// A leg asks the dialplan what to do: a far one, or one that was sent there.
    fn hunt(&mut self, now: Duration, id: SessionId) {
        self.enter(now, id, ChannelState::Routing);
        // Asking takes a place in the order of events, though no listener gets it.
        self.bus.reserve(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let is_far = channel.direction == Direction::Inbound && channel.profile.index == 1;
        let profile = &mut channel.profile;
        let applications = if profile.dialplan.eq_ignore_ascii_case("inline") {
            let applications = redirect::inline(&profile.destination);
            // That was no number: it is what was dialled before again.
            let before = std::mem::take(&mut profile.rdnis);
            if !before.is_empty() {
                profile.destination = before;
            }
            applications
        } else {
            let Some(route) = self.dialplan.route(channel) else {
                channel.variables.set("call_uuid", &channel.uuid);
                return self.hang_up(now, id, Cause::NO_ROUTE_DESTINATION);
            };
            if let Some(matched) = &route.matched {
                channel.variables.set("DP_MATCH", matched);
            }
            for application in &route.inline {
                self.run_inline(now, id, application);
            }
            match route.callee {
                Some(extension) if is_far => self.callee_does(id, extension, route.applications),
                _ => route.applications,
            }
        };
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) else { return };
        channel.todo = applications.into_iter().rev().collect();
        channel.variables.set("call_uuid", channel.call_uuid.as_deref().unwrap_or(&channel.uuid));
        self.sort_caller_id(now, id);
        self.enter(now, id, ChannelState::Execute);
        self.proceed(now, id);
    }

    /// Runs an application while the dialplan is being looked at.
    fn run_inline(&mut self, now: Duration, id: SessionId, application: &Application) {
        if self.begin(now, id, application, None) {
            self.over(now, id);
        }
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
        self.set_call_state(now, id, CallState::Ringing);
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
        let described = match with_dialog(channel, sofia::far_media, sofia::near_replied) {
            Some(dialog) if channel.direction == Direction::Outbound => {
                sofia::near_described(channel, &dialog).then_some(dialog)
            }
            _ => None,
        };
        channel.variables.set("endpoint_disposition", "EARLY MEDIA");
        self.emit(now, id, EventKind::CHANNEL_PROGRESS_MEDIA, PRE_ANSWERED);
        self.set_call_state(now, id, CallState::Early);
        if let Some(dialog) = described {
            self.near_starts_media(now, id, &dialog);
        }
        self.tell_near(now, id, Signal::EarlyMedia);
        self.callee_progressed(now, id, true);
        if self.early_media_answers(id) {
            self.succeed(now, id);
        }
    }

    /// A leg that is called and has no media yet gets early media (`switch_channel_pre_answer`).
    pub(super) fn early_media_if_none(&mut self, now: Duration, id: SessionId) {
        let called = |channel: &Channel| channel.direction == crate::channel::Direction::Inbound;
        if self.channels.get(&id).is_some_and(|channel| called(channel) && !channel.has_media()) {
            self.early_media(now, id);
        }
    }

    /// A near leg takes the codec that the other end has named, and starts its media.
    fn near_starts_media(&mut self, now: Duration, id: SessionId, dialog: &sofia::Dialog) {
        if let Some(channel) = self.channels.get_mut(&id) {
            sofia::near_negotiated(channel, dialog);
        }
        self.set_codec(now, id, Codec::Pcmu);
        if let Some(channel) = self.channels.get_mut(&id) {
            sofia::near_media(channel, dialog);
        }
    }

    /// A leg is answered: its own answer is reported, a far leg's is passed on, a near leg's ends its originate.
    pub(crate) fn answered(&mut self, now: Duration, id: SessionId) {
        let stamp = self.stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.is_answered() {
            return;
        }
        if let Some(dialog) = with_dialog(channel, sofia::far_media, sofia::near_replied)
            && channel.direction == Direction::Outbound
            && sofia::near_described(channel, &dialog)
        {
            self.near_starts_media(now, id, &dialog);
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.times.answered = stamp;
        self.emit(now, id, EventKind::CHANNEL_ANSWER, ANSWERED);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.variables.set("endpoint_disposition", "ANSWER");
        let partner = channel.partner;
        if let Some(hold) = channel.hold.take() {
            self.add_leg(now + hold, id, Step::HoldEnds);
        }
        self.execute_on(now, id, "execute_on_answer");
        self.set_call_state(now, id, CallState::Active);
        self.answer_awaited(now, id);
        // Bridged by early media before, its caller is answered with it.
        if let Some(partner) = partner {
            if self.channels.get(&partner).is_some_and(|partner| partner.direction == Direction::Inbound) {
                self.answered(now, partner);
            }
            // One that was bridged before it was answered shows nobody anything.
            if self.leads_bridge(partner) {
                self.show_partners(now, partner, id);
            }
        }
        if self.is_near(id) {
            self.acknowledge(now, id);
            self.succeed(now, id);
        } else {
            self.tell_near(now, id, Signal::Answer);
        }
    }

    /// What waits for a leg's answer is over.
    fn answer_awaited(&mut self, now: Duration, id: SessionId) {
        let Some(run) = self.channels.get_mut(&id).and_then(|channel| channel.thread.runs.last_mut()) else { return };
        if matches!(run.doing, Doing::AwaitAnswer) {
            run.doing = Doing::Nothing;
            self.add_leg(now, id, Step::Look);
        }
    }

    /// Passes what happened to far leg `id` on to its near leg.
    fn tell_near(&mut self, now: Duration, id: SessionId, signal: Signal) {
        if !self.is_near(id) {
            self.tell(now, id, signal);
        }
    }

    fn is_near(&self, id: SessionId) -> bool {
        self.channels.get(&id).is_some_and(|channel| channel.direction == Direction::Outbound)
    }

    /// The answered leg of an originate runs what was asked.
    fn launch(&mut self, now: Duration, id: SessionId) {
        // It may have been taken elsewhere meanwhile.
        let waits = |leg: &Channel| leg.state == ChannelState::ConsumeMedia && !leg.thread.leaving;
        if !self.channels.get(&id).is_some_and(|leg| waits(leg)) {
            return;
        }
        // What a message has begun while it rang comes first.
        self.proceed(now, id);
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) else { return };
        if channel.thread.is_busy() {
            return self.add_leg(now + FRAME, id, Step::Launch);
        }
        channel.variables.set("call_uuid", &channel.uuid);
        self.enter(now, id, ChannelState::Execute);
        self.proceed(now, id);
    }
}

/// Applies what a message of the SIP dialog sets, to a far leg or to a near one, and hands out the dialog.
fn with_dialog(
    channel: &mut Channel,
    far: impl FnOnce(&mut Channel, &sofia::Dialog),
    near: impl FnOnce(&mut Channel, &sofia::Dialog),
) -> Option<Arc<sofia::Dialog>> {
    let Endpoint::Sofia(dialog) = &channel.endpoint else { return None };
    let dialog = dialog.clone();
    match channel.direction {
        Direction::Inbound => far(channel, &dialog),
        Direction::Outbound => near(channel, &dialog),
    }
    Some(dialog)
}
