//! A channel leaves what it runs for something else: the dialplan, a park, a bridge with another one
//! (switch_ivr.c `switch_ivr_session_transfer`, `switch_ivr_park_session`, switch_ivr_bridge.c
//! `switch_ivr_uuid_bridge`).

use std::time::Duration;

use super::{
    Step, Switch, applications,
    originate::{moved, transfer},
};
use crate::{
    channel::{Bridge, ChannelState, Doing, OtherLeg, Relation, Run, SessionId},
    dialplan::Application,
    event::{EventKind, Origin},
};

const BRIDGES: [Origin; 2] = [
    Origin("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1236),
    Origin("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1243),
];

/// Where a channel goes.
#[derive(Clone, Debug)]
pub(crate) enum Redirect {
    Extension {
        number: String,
        dialplan: String,
        context: String,
    },
    Park,
    /// To a bridge with this one.
    Bridge(SessionId),
}

impl Redirect {
    /// `<extension> [<dialplan> [<context>]]`
    pub(crate) fn extension(words: &[String]) -> Option<Redirect> {
        let word = |index: usize, other: &str| words.get(index).map_or(other, String::as_str).to_owned();
        let number = words.first()?.clone();
        Some(Redirect::Extension { number, dialplan: word(1, "XML"), context: word(2, "default") })
    }
}

impl Switch {
    /// Sends a channel elsewhere, which it notices at its next frame.
    pub(crate) fn send_elsewhere(&mut self, now: Duration, id: SessionId, redirect: Redirect) {
        if let Redirect::Extension { number, dialplan, context } = &redirect {
            let transfer_id = self.random_uuid();
            let stamp = self.stamp(now);
            if let Some(channel) = self.channels.get_mut(&id) {
                // Who it is from here on is said at once.
                transfer(channel, number, context, stamp, &transfer_id);
                if dialplan.eq_ignore_ascii_case("inline") {
                    channel.todo = inline(number);
                }
                channel.other_leg = None;
            }
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.thread.leaving = true;
        }
        let frame = self.part_of_a_frame();
        self.add_leg(now + frame, id, Step::Redirect(redirect));
    }

    pub(super) fn redirect(&mut self, now: Duration, id: SessionId, redirect: Redirect) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.thread.leaving = false;
        }
        match redirect {
            Redirect::Extension { .. } => {
                self.leave(now, id);
                let Some(channel) = self.channels.get_mut(&id) else { return };
                channel.state = ChannelState::Execute;
                channel.hit_dialplan = true;
                self.proceed(now, id);
            }
            Redirect::Park => {
                self.leave(now, id);
                let Some(channel) = self.channels.get_mut(&id) else { return };
                channel.todo.clear();
                // Parked this way a second time, a channel only leaves its park.
                if channel.state != ChannelState::Park {
                    channel.state = ChannelState::Park;
                    applications::park_outright(self, now, id);
                }
                self.proceed(now, id);
            }
            Redirect::Bridge(other) => self.bridge_outright(now, id, other),
        }
    }

    /// Ends all that a channel is inside of.
    fn leave(&mut self, now: Duration, id: SessionId) {
        if !self.leads_bridge(id) {
            self.part(now, id, None);
        }
        self.unwind(now, id);
    }

    /// Whether a channel is inside of a bridge whose end it tells of.
    pub(super) fn leads_bridge(&self, id: SessionId) -> bool {
        self.channels.get(&id).is_some_and(|channel| {
            channel.thread.runs.iter().any(|run| matches!(&run.doing, Doing::Bridge(bridge) if bridge.leads))
        })
    }

    fn bridge_outright(&mut self, now: Duration, a: SessionId, b: SessionId) {
        if a == b || !self.is_up(a) || !self.is_up(b) {
            return self.proceed(now, a);
        }
        for (id, other, relation) in [(a, b, Relation::Originatee), (b, a, Relation::Originator)] {
            let other_leg = self.channels.get(&other).map(|other| OtherLeg::new(relation, other));
            let stamp = self.stamp(now);
            let transfer_id = self.random_uuid();
            let partner =
                self.channels.get(&other).map(|other| (other.uuid.clone(), other.profile.channel_name.clone()));
            if let (Some(channel), Some((uuid, channel_name))) = (self.channels.get_mut(&id), partner) {
                channel.other_leg = other_leg;
                moved(channel, &format!("{}:{transfer_id}:uuid_br:{uuid}", stamp.seconds()), stamp);
                let profile = channel.profile.clone();
                for (name, value) in [
                    ("bridge_channel", channel_name.as_str()),
                    ("bridge_uuid", &uuid),
                    ("signal_bond", &uuid),
                    ("original_destination_number", &profile.destination),
                    ("original_caller_id_name", &profile.caller_name),
                    ("original_caller_id_number", &profile.caller_number),
                ] {
                    channel.variables.set(name, value);
                }
            }
        }
        for id in [a, b] {
            self.leave(now, id);
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.state = ChannelState::SoftExecute;
            }
        }
        for ((id, other), origin) in [(a, b), (b, a)].into_iter().zip(BRIDGES) {
            if let (Some(channel), Some(other)) = (self.channels.get(&id), self.channels.get(&other)) {
                let after = [("Application", "uuid_bridge"), ("Application-Data", &*other.uuid)];
                self.bus.channel_with(now, EventKind::CHANNEL_EXECUTE, origin, channel, &[], &after);
            }
        }
        let number = self.next_run();
        let doing = Doing::Bridge(Bridge { partner: b, leads: true, parted: None });
        if let Some(channel) = self.channels.get_mut(&a) {
            channel.thread.runs.push(Run::silent(number, "uuid_bridge", doing));
        }
        self.join(now, a, b);
        self.proceed(now, a);
        self.proceed(now, b);
    }
}

/// The dialplan `inline`: `application:argument` between commas, the last first.
fn inline(text: &str) -> Vec<Application> {
    let application = |part: &str| {
        let (name, data) = part.split_once(':').unwrap_or((part, ""));
        Application::new(name, data)
    };
    text.split(',').filter(|part| !part.is_empty()).map(application).rev().collect()
}
