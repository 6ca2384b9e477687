//! A channel leaves what it runs for something else: the dialplan, a park, a bridge with another one
//! (switch_ivr.c `switch_ivr_session_transfer`, `switch_ivr_park_session`, switch_ivr_bridge.c
//! `switch_ivr_uuid_bridge`).

use std::time::Duration;

use super::{Step, Switch, applications, execute::leading_number, originate::moved};
use crate::{
    cause::Cause,
    channel::{Bridge, ChannelState, Doing, OtherLeg, Relation, Run, SessionId},
    dialplan::Application,
    event::{EventKind, Origin},
};

/// How often a leg may be sent elsewhere, without `max_forwards`.
const FORWARDS_MAX: i64 = 70;

const BRIDGES: [Origin; 2] = [
    Origin("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1236),
    Origin("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1243),
];

/// Where a channel goes.
#[derive(Clone, Debug)]
pub(crate) enum Redirect {
    /// Without a dialplan or a context, to those that it was in.
    Extension {
        number: String,
        dialplan: Option<String>,
        context: Option<String>,
    },
    Park,
    /// To a bridge with this one.
    Bridge(SessionId),
}

impl Redirect {
    /// `<extension> [<dialplan> [<context>]]`
    pub(crate) fn extension(words: &[String]) -> Option<Redirect> {
        let number = words.first()?.clone();
        Some(Redirect::Extension { number, dialplan: words.get(1).cloned(), context: words.get(2).cloned() })
    }
}

impl Switch {
    /// Sends a channel elsewhere, which it notices at its next frame.
    pub(crate) fn send_elsewhere(&mut self, now: Duration, id: SessionId, redirect: Redirect) {
        match &redirect {
            Redirect::Extension { number, dialplan, context } => {
                let Some(profile) = self.channels.get(&id).map(|channel| &channel.profile) else { return };
                let known = |known: &str, other: &str| {
                    Some(known).filter(|known| !known.is_empty()).unwrap_or(other).to_owned()
                };
                let dialplan = dialplan.clone().unwrap_or_else(|| match &*profile.dialplan {
                    "inline" => "XML".to_owned(),
                    other => known(other, "XML"),
                });
                let context = context.clone().unwrap_or_else(|| known(&profile.context, "default"));
                // Who it is from here on is said at once.
                self.sent_to_extension(now, id, number, &dialplan, &context);
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.other_leg = None;
                }
            }
            Redirect::Park => self.ask_for(id, ChannelState::Park),
            Redirect::Bridge(_) => {}
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
                self.add_leg(now, id, Step::Hunt);
            }
            Redirect::Park => {
                self.leave(now, id);
                let Some(channel) = self.channels.get_mut(&id) else { return };
                channel.todo.clear();
                // Parked this way a second time, a channel only leaves its park.
                if channel.state != ChannelState::Park {
                    self.enter(now, id, ChannelState::Park);
                    applications::park_outright(self, now, id);
                }
                self.proceed(now, id);
            }
            Redirect::Bridge(other) => self.bridge_outright(now, id, other),
        }
    }

    /// A leg is to go through the dialplan: its profile says so from here on (`switch_ivr_session_transfer`).
    pub(super) fn sent_to_extension(
        &mut self,
        now: Duration,
        id: SessionId,
        number: &str,
        dialplan: &str,
        context: &str,
    ) {
        let transfer_id = self.random_uuid();
        let stamp = self.stamp(now);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let history = format!("{}:{transfer_id}:bl_xfer:{number}/{context}/{dialplan}", stamp.seconds());
        let forwards = channel.variables.get("max_forwards").map_or(FORWARDS_MAX, |left| leading_number(left) - 1);
        if forwards <= 0 {
            return self.hang_up(now, id, Cause::EXCHANGE_ROUTING_ERROR);
        }
        channel.variables.set("max_forwards", &forwards.to_string());
        channel.variables.unset("signal_bond");
        moved(channel, &history, stamp);
        let profile = &mut channel.profile;
        profile.logically_inbound = true;
        profile.dialplan = dialplan.to_owned();
        profile.rdnis = std::mem::replace(&mut profile.destination, number.to_owned());
        profile.context = context.to_owned();
        channel.next = ChannelState::Routing;
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
            self.enter(now, id, ChannelState::SoftExecute);
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
        self.sound_changed(now, a);
        self.sound_changed(now, b);
        self.proceed(now, a);
        self.proceed(now, b);
    }
}

/// The dialplan `inline`: `application:argument` between commas, or between what `m:x:` names instead.
pub(super) fn inline(text: &str) -> Vec<Application> {
    let mut parts = (',', text);
    if let Some(rest) = text.strip_prefix("m:")
        && let Some(separator) = rest.chars().next()
        && let Some(rest) = rest[separator.len_utf8()..].strip_prefix(':')
    {
        parts = (separator, rest);
    }
    let application = |part: &str| {
        let (name, data) = part.split_once(':').unwrap_or((part, ""));
        Application::new(name.trim_start_matches(' '), data)
    };
    parts.1.split(parts.0).filter(|part| !part.is_empty()).map(application).collect()
}
