//! A channel leaves what it runs for something else: the dialplan, a park, a bridge with another one
//! (switch_ivr.c `switch_ivr_session_transfer`, `switch_ivr_park_session`).

use std::time::Duration;

use super::{Step, Switch, applications, execute::leading_number, originate::moved, uuid_bridge::Joining};
use crate::{
    cause::Cause,
    channel::{ChannelState, Doing, SessionId},
    dialplan::Application,
};

/// How often a leg may be sent elsewhere, without `max_forwards`.
const FORWARDS_MAX: i64 = 70;

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
    /// To a bridge.
    Bridge(Joining),
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
        let frame = self.part_of_a_frame();
        self.go_elsewhere(now, id, redirect, frame);
    }

    /// A channel goes elsewhere in so long.
    pub(super) fn go_elsewhere(&mut self, now: Duration, id: SessionId, redirect: Redirect, delay: Duration) {
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
        self.add_leg(now + delay, id, Step::Redirect(redirect));
    }

    pub(super) fn redirect(&mut self, now: Duration, id: SessionId, redirect: Redirect) {
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
            Redirect::Bridge(joining) => self.joins(now, id, joining),
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
        let partner = channel.variables.get("bridge_to").map(str::to_owned);
        moved(channel, &history, stamp);
        if let Some(partner) = partner.and_then(|uuid| self.find(&uuid)).and_then(|id| self.channels.get_mut(&id)) {
            partner.variables.unset("signal_bond");
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let profile = &mut channel.profile;
        profile.dialplan = dialplan.to_owned();
        profile.rdnis = std::mem::replace(&mut profile.destination, number.to_owned());
        profile.context = context.to_owned();
        channel.next = ChannelState::Routing;
    }

    /// Ends all that a channel is inside of.
    pub(super) fn leave(&mut self, now: Duration, id: SessionId) {
        if !self.leads_bridge(id) {
            self.part(now, id, None);
        }
        self.unwind(now, id);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.thread.leaving = false;
        }
    }

    /// Whether a channel is inside of a bridge whose end it tells of.
    pub(super) fn leads_bridge(&self, id: SessionId) -> bool {
        self.channels.get(&id).is_some_and(|channel| {
            channel.thread.runs.iter().any(|run| matches!(&run.doing, Doing::Bridge(bridge) if bridge.leads))
        })
    }
}

/// The dialplan `inline`: `application:argument` between commas, or between what `m:x:` names instead.
pub(crate) fn inline(text: &str) -> Vec<Application> {
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
