//! Far legs: found on this slave's server, reported to the slave whose call they belong to.

use std::collections::HashMap;

use esl_core::{Command, Event};
use tokio::time::Instant;
use uuid::Uuid;

use super::SlaveTask;
use crate::apps::script::Side;
use crate::engine::call::FarLegEvent;
use crate::engine::slave::call_event;
use crate::engine::slave::connection::Purpose;
use crate::engine::slave::shared::{FarLegMessage, PeerMessage};
use crate::plan::FarLegMatch;

/// Far legs that are remembered at most, in case their last events are lost. Others are found by what their events
/// carry.
const LEGS_MAX: usize = 200_000;

/// The slave and the attempt of the call that each leg on this server belongs to.
#[derive(Debug, Default)]
pub(super) struct FarLegs(HashMap<Uuid, (usize, u64)>);

impl FarLegs {
    /// The legs whose end has not been seen.
    pub(super) fn known(&self) -> Vec<Uuid> {
        self.0.keys().copied().collect()
    }
}

impl SlaveTask {
    /// Applies an event of a leg that is not a near leg of this slave.
    pub(super) fn on_other_leg(&mut self, leg: Uuid, change: Option<FarLegEvent>, event: &Event, at: Instant) {
        let Some((slave, attempt)) = self.owner(leg, event) else { return };
        match change {
            Some(FarLegEvent::Gone { .. }) => {
                self.far_legs.0.remove(&leg);
            }
            Some(_) if self.far_legs.0.len() < LEGS_MAX => {
                self.far_legs.0.insert(leg, (slave, attempt));
            }
            _ => {}
        }
        let event = self.plan.calls.controls_far_legs().then(|| event.clone());
        let is_needed = change.is_some() || event.is_some();
        let message = FarLegMessage { attempt, slave: self.index, leg, change, event, at };
        if slave == self.index {
            self.far_leg(message);
        } else if is_needed && !self.shared.post(slave, PeerMessage::Far(Box::new(message))) {
            self.anomaly("far_leg_untold");
        }
    }

    /// The call that a leg belongs to, by what is known of it or by what its event carries.
    fn owner(&self, leg: Uuid, event: &Event) -> Option<(usize, u64)> {
        if let FarLegMatch::Ignored = self.plan.calls.far_leg {
            return None;
        }
        if let Some(owner) = self.far_legs.0.get(&leg) {
            return Some(*owner);
        }
        if !call_event::is_inbound(event) {
            return None;
        }
        let (slave, attempt) = match &self.plan.calls.far_leg {
            FarLegMatch::Ignored => return None,
            FarLegMatch::Header => call_event::tracked(event, self.plan.run_id)?,
            FarLegMatch::CallerId(rows) => {
                let row = *rows.get(&*event.get("Caller-Caller-ID-Number")?)?;
                self.shared.owners.of(row as usize)?
            }
            FarLegMatch::Destination(rows) => {
                let row = *rows.get(&*event.get("Caller-Destination-Number")?)?;
                self.shared.owners.of(row as usize)?
            }
        };
        self.plan.shard.owns(slave).then_some((slave, attempt))
    }

    pub(super) fn on_peer_message(&mut self, message: PeerMessage) {
        match message {
            PeerMessage::Take(call) => self.take(vec![call]),
            PeerMessage::Far(message) => self.far_leg(*message),
            PeerMessage::LegCommand(leg, leg_command) => self.send_leg_command(leg, leg_command),
            PeerMessage::HangUp(leg) => self.kill_far(leg),
        }
    }

    fn far_leg(&mut self, message: FarLegMessage) {
        let FarLegMessage { attempt, slave, leg, change, event, at } = message;
        if change == Some(FarLegEvent::Created) {
            self.far_changed(attempt, slave, leg, FarLegEvent::Created, at);
        }
        // Of several legs on a call's way, only the last one concerns the app.
        if let Some(event) = event
            && self.calls.get(attempt).and_then(|call| call.far_leg()) == Some((leg, slave))
        {
            self.on_app_event(attempt, Side::Callee, &event, at);
        }
        if let Some(change) = change.filter(|change| *change != FarLegEvent::Created) {
            self.far_changed(attempt, slave, leg, change, at);
        }
    }

    fn far_changed(&mut self, attempt: u64, slave: usize, leg: Uuid, change: FarLegEvent, at: Instant) {
        let recorder = &mut self.recorder;
        let done = self.calls.with(attempt, |call| call.on_far(leg, slave, change, at, recorder));
        self.follow(attempt, done);
    }

    /// Hangs up a far leg that outlived the near one.
    pub(super) fn hang_up_far(&mut self, attempt: u64) {
        let Some((leg, slave)) = self.calls.get(attempt).and_then(|call| call.far_leg()) else { return };
        self.anomaly("far_leg_stayed");
        if slave == self.index {
            self.kill_far(leg);
        } else if !self.shared.post(slave, PeerMessage::HangUp(leg)) {
            self.anomaly("far_leg_untold");
        }
    }

    fn kill_far(&mut self, leg: Uuid) {
        self.send(&Command::api(format!("uuid_kill {leg}")), Purpose::Question);
    }
}
