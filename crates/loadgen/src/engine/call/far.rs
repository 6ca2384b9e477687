//! The far leg of a call, as its server tells of it.

use tokio::time::Instant;
use uuid::Uuid;

use super::{Call, FarLegEvent, Transition};
use crate::apps::script::Side;
use crate::measure::{FarRecord, Latency, SlaveRecorder};

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
    pub fn on_far(
        &mut self,
        leg: Uuid,
        slave: usize,
        change: FarLegEvent,
        at: Instant,
        recorder: &mut SlaveRecorder,
    ) -> Transition {
        let known = self.far.as_ref().is_some_and(|far| far.record.uuid == leg);
        if !known {
            // One that does what its app tells it is the call's, whomever it may be connected to.
            let has_script = self.script_run().is_some_and(|script_run| script_run.has_begun(Side::Callee));
            let replaces =
                self.far.as_ref().is_none_or(|far| far.record.answered.is_none() && !far.gone && !has_script);
            if !replaces || self.answered.is_some() && self.far.is_some() || matches!(change, FarLegEvent::Gone { .. })
            {
                return Transition::Wait;
            }
            // Its first event may have been lost.
            let created = (change == FarLegEvent::Created).then_some(at);
            let record = FarRecord { uuid: leg, slave, created, answered: None, hung_up: None, cause: None, rtp: None };
            self.far = Some(Box::new(Far { record, gone: false, timed: false }));
        }
        let Some(far) = &mut self.far else { return Transition::Wait };
        match change {
            FarLegEvent::Created => {}
            FarLegEvent::Answered if far.record.answered.is_none() => {
                far.record.answered = Some(at);
                self.record_invite_latency(recorder);
                // Its event can come after the near leg's.
                if let Some(answered) = self.answered.filter(|_| self.answer_timed) {
                    let propagation = answered.saturating_duration_since(at);
                    recorder.measured(self.labels, Latency::AnswerPropagation, propagation);
                }
            }
            FarLegEvent::Answered => {}
            FarLegEvent::HungUp => far.record.hung_up = Some(at),
            FarLegEvent::Gone { cause, rtp } => {
                far.gone = true;
                far.record.hung_up.get_or_insert(at);
                (far.record.cause, far.record.rtp) = (cause, rtp.map(|rtp| rtp.over(far.record.answered, at)));
                if let Some(outcome) = self.outcome {
                    return Transition::End(outcome);
                }
            }
        }
        Transition::Wait
    }

    /// Takes down how long the INVITE took to its far leg: once it is known which leg that is.
    pub(super) fn record_invite_latency(&mut self, recorder: &mut SlaveRecorder) {
        let Some(far) = self.far.as_mut().filter(|far| !far.timed) else { return };
        if let (Some(near), Some(created)) = (self.created, far.record.created) {
            far.timed = true;
            recorder.measured(self.labels, Latency::Invite, created.saturating_duration_since(near));
        }
    }
}
