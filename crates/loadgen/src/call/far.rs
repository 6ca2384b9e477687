//! The far leg of a call, as its server tells of it.

use tokio::time::Instant;
use uuid::Uuid;

use super::{Call, FarChange, Step};
use crate::apps::script::Side;
use crate::latency::Latency;
use crate::record::FarRecord;
use crate::recorder::Shard;

/// A far leg.
#[derive(Debug)]
pub(super) struct Far {
    pub(super) record: FarRecord,
    pub(super) gone: bool,
    /// How long the way to it was is measured.
    pub(super) timed: bool,
}

impl Call {
    /// Its far leg, and the slave on which that was seen.
    pub fn far(&self) -> Option<(Uuid, usize)> {
        self.far.as_ref().map(|far| (far.record.uuid, far.record.slave))
    }

    /// Something happened to its far leg, or to what may be it: where a call goes through several servers, the last
    /// leg that comes before the answer is the far one.
    pub fn on_far(&mut self, leg: Uuid, slave: usize, change: FarChange, at: Instant, shard: &mut Shard) -> Step {
        let known = self.far.as_ref().is_some_and(|far| far.record.uuid == leg);
        if !known {
            // One that does what its app tells it is the call's, whomever it may be connected to.
            let performs = self.performance().is_some_and(|performance| performance.has_begun(Side::Callee));
            let replaces = self.far.as_ref().is_none_or(|far| far.record.answered.is_none() && !far.gone && !performs);
            if !replaces || self.answered.is_some() && self.far.is_some() || matches!(change, FarChange::Gone { .. }) {
                return Step::Wait;
            }
            // Its first event may have been lost.
            let created = (change == FarChange::Created).then_some(at);
            let record =
                FarRecord { uuid: leg, slave, created, answered: None, hung_up: None, cause: None, heard: None };
            self.far = Some(Box::new(Far { record, gone: false, timed: false }));
        }
        let Some(far) = &mut self.far else { return Step::Wait };
        match change {
            FarChange::Created => {}
            FarChange::Answered if far.record.answered.is_none() => {
                far.record.answered = Some(at);
                self.time_the_way(shard);
                // Its event can come after the near leg's.
                if let Some(answered) = self.answered.filter(|_| self.answer_timed) {
                    let propagation = answered.saturating_duration_since(at);
                    shard.measured(self.labels, Latency::AnswerPropagation, propagation);
                }
            }
            FarChange::Answered => {}
            FarChange::HungUp => far.record.hung_up = Some(at),
            FarChange::Gone { cause, heard } => {
                far.gone = true;
                far.record.hung_up.get_or_insert(at);
                (far.record.cause, far.record.heard) = (cause, heard.map(|heard| heard.over(far.record.answered, at)));
                if let Some(outcome) = self.outcome {
                    return Step::End(outcome);
                }
            }
        }
        Step::Wait
    }

    /// Takes down how long the INVITE took to its far leg: once it is known which leg that is.
    pub(super) fn time_the_way(&mut self, shard: &mut Shard) {
        let Some(far) = self.far.as_mut().filter(|far| !far.timed) else { return };
        if let (Some(near), Some(created)) = (self.created, far.record.created) {
            far.timed = true;
            shard.measured(self.labels, Latency::Invite, created.saturating_duration_since(near));
        }
    }
}
