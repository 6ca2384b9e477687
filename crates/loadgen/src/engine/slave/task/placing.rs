//! Placing calls: an assigned call is sent when it is due, passed on, or skipped.

use tokio::task::{unconstrained, yield_now};
use tokio::time::Instant;
use tracing::warn;

use super::{LATE, SlaveTask};
use crate::engine::call::Call;
use crate::engine::script_run::ScriptRun;
use crate::engine::slave::connection::Purpose;
use crate::engine::slave::originator::{Obstacle, Offer};
use crate::engine::slave::shared::PeerMessage;
use crate::engine::slave::{AssignedCall, RunStage};
use crate::measure::{CallRecord, Outcome, Refusal, Skip};

/// Calls that are sent before other tasks on this thread get their turn: a few milliseconds of work.
const SENT_AT_ONCE: u32 = 64;

impl SlaveTask {
    /// Takes calls that were assigned to this slave.
    pub(super) fn take(&mut self, calls: Vec<AssignedCall>) {
        // The run was stopped while the calls were on their way.
        let stopped = matches!(*self.stages.borrow(), RunStage::Drain | RunStage::HangUp);
        match &mut self.originator {
            Some(originator) if !stopped => calls.into_iter().for_each(|call| originator.hand(call)),
            _ => {
                calls.iter().for_each(|call| self.arrived(call));
                let now = Instant::now();
                let (due, coming): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.call.due <= now);
                for call in due {
                    self.recorder.scheduled(call.call.labels);
                    self.skip(&call, Skip::Stopped);
                }
                self.dropped(&coming);
            }
        }
    }

    /// Drops calls that are not due yet.
    pub(super) fn dropped(&mut self, calls: &[AssignedCall]) {
        for _ in calls.iter().filter(|call| call.has_slot) {
            self.shared.slots.release();
        }
        self.shared.open_calls.remove(calls.len());
    }

    /// Sends every call that is due and can be sent.
    pub(super) async fn offer(&mut self) -> Offer {
        let Some(mut originator) = self.originator.take() else {
            return Offer::Done;
        };
        let mut sent = 0_u32;
        let offer = loop {
            let (connection, slots, full) = (&self.connection, &self.shared.slots, self.is_full());
            let obstacle = |call: &AssignedCall| match connection {
                None => Obstacle::Blocked(Skip::SlaveDown),
                Some(_) if full || !call.has_slot && slots.is_full() => Obstacle::Blocked(Skip::Limit),
                Some(connection) if !connection.is_ready() => Obstacle::Busy,
                Some(_) => Obstacle::None,
            };
            match originator.next(Instant::now(), &mut self.recorder, obstacle) {
                Offer::Send(call) => {
                    self.place(call, originator.was_held(&call)).await;
                    self.arrived(&call);
                    sent += 1;
                    if sent.is_multiple_of(SENT_AT_ONCE) {
                        yield_now().await;
                    }
                }
                Offer::Blocked(call, reason) => {
                    self.pass_on(call, reason);
                    self.arrived(&call);
                }
                other => break other,
            }
        };
        self.shared.slave_states.set_held(self.index, originator.is_held());
        self.originator = Some(originator);
        offer
    }

    fn is_full(&self) -> bool {
        self.plan.slaves[self.index].limit.is_some_and(|limit| self.calls.len() as u64 >= limit)
    }

    /// Passes a call that cannot be placed here on to another slave, or skips it.
    fn pass_on(&mut self, call: AssignedCall, reason: Skip) {
        let elsewhere = match reason {
            Skip::SlaveDown => self.plan.redistribute,
            // Where all slots are taken, no other slave has one.
            Skip::Limit => !self.shared.slots.is_full(),
            Skip::Ceiling => true,
            Skip::Late | Skip::Stopped => false,
        };
        if elsewhere
            && !call.passed_on
            && let Some(other) = self.failover.next(&self.shared.slave_states, self.index)
        {
            let reserved = call.has_slot.then(|| self.shared.slave_states.reserve(other)).is_some();
            if self.shared.post(other, PeerMessage::Take(AssignedCall { passed_on: true, ..call })) {
                return self.recorder.passed_on(call.call.labels);
            }
            if reserved {
                self.shared.slave_states.release(other);
            }
        }
        self.skip(&call, reason);
    }

    fn skip(&mut self, call: &AssignedCall, reason: Skip) {
        self.recorder.skipped(call.call.labels, reason);
        self.dropped(std::slice::from_ref(call));
    }

    /// Releases the place that was reserved for a call, which is counted by itself now.
    pub(super) fn arrived(&self, call: &AssignedCall) {
        if call.has_slot {
            self.shared.slave_states.release(self.index);
            self.shared.slots.wake();
        }
    }

    async fn place(&mut self, call: AssignedCall, held: bool) {
        let uuid = self.plan.calls.uuid(self.index, call.call.attempt);
        let Some(connection) = &mut self.connection else {
            return self.pass_on(call, Skip::SlaveDown);
        };
        // Another slave may have taken the last slot since it was checked.
        if !call.has_slot && !self.shared.slots.take() {
            return self.skip(&call, Skip::Limit);
        }
        let call = AssignedCall { has_slot: true, ..call };
        let command = match self.plan.calls.originate(self.index, &call.call) {
            Ok(Some(command)) => command,
            Ok(None) => return self.not_sent(&call, "not_allowed", "its address matches no pattern of `allow`"),
            Err(error) => {
                warn!(slave = self.name, %error, "a command cannot carry a call's text");
                return self.not_sent(&call, "not_carried", &error.to_string());
            }
        };
        if let Err(error) = connection.start(uuid, &command, Purpose::Originate(call.call.attempt)) {
            self.skip(&call, Skip::SlaveDown);
            return self.disconnected(&error);
        }
        // Tokio's budget for one task is not the server's: a burst is sent as one.
        let flushed = unconstrained(connection.try_flush()).await;
        let sent = Instant::now();
        self.shared.placed(self.recorder.measures(call.call.labels));
        let lag = sent.saturating_duration_since(call.call.due);
        self.recorder.attempted(call.call.labels, lag);
        if lag > LATE && !held {
            self.recorder.left_late(call.call.labels);
        }
        if let Some(row) = self.plan.calls.far_row(call.call.attempt)
            && !self.shared.owners.take(row, self.index, call.call.attempt)
        {
            self.anomaly("number_in_use");
        }
        let script_run = ScriptRun::of(self.plan.calls.app(call.call.labels));
        self.calls.insert(call.call.attempt, Call::new(&call.call, self.plan.calls.timeout, script_run, sent));
        self.shared.slave_states.set_active(self.index, self.calls.len());
        if let Err(error) = flushed {
            self.disconnected(&error);
        }
    }

    /// Counts a call that the plan should not have made as refused, with an anomaly.
    fn not_sent(&mut self, call: &AssignedCall, anomaly: &'static str, why: &str) {
        self.anomaly(anomaly);
        let (now, outcome) = (Instant::now(), Outcome::Refused(Refusal::Command));
        self.recorder.attempted(call.call.labels, now.saturating_duration_since(call.call.due));
        self.recorder.ended(call.call.labels, outcome);
        let uuid = self.plan.calls.uuid(self.index, call.call.attempt);
        let record = Call::new(&call.call, self.plan.calls.timeout, None, now).record(uuid, self.index, outcome, now);
        self.recorder.record(CallRecord { failure: Some(why.to_owned()), ..record });
        self.dropped(std::slice::from_ref(call));
    }
}
