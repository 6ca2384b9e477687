//! The far leg of a call, as the events of its server describe it.

use tokio::time::Instant;
use uuid::Uuid;

use super::state::State;
use super::{Call, FarLegEvent, Transition};
use crate::apps::script::Side;
use crate::measure::{FarLegRecord, Latency, SlaveRecorder};

/// The far leg of a call.
#[derive(Debug)]
pub(super) struct FarLeg {
    pub(super) record: FarLegRecord,
    pub(super) gone: bool,
    /// Whether the latency of the INVITE has been recorded.
    pub(super) invite_recorded: bool,
}

impl Call {
    /// The far leg's UUID, and the slave on whose server it is.
    pub fn far_leg(&self) -> Option<(Uuid, usize)> {
        self.far_leg.as_ref().map(|far| (far.record.uuid, far.record.slave))
    }

    /// Applies an event of the far leg, or of a leg that may be it: where a call passes several servers, the last leg
    /// that is created before the answer is the far leg.
    pub fn on_far(
        &mut self,
        leg: Uuid,
        slave: usize,
        change: FarLegEvent,
        at: Instant,
        recorder: &mut SlaveRecorder,
    ) -> Transition {
        let known = self.far_leg.as_ref().is_some_and(|far| far.record.uuid == leg);
        if !known {
            // A leg that an app controls is the call's far leg, whatever it is bridged to.
            let has_script = self.script_run().is_some_and(|script_run| script_run.has_begun(Side::Callee));
            let replaces =
                self.far_leg.as_ref().is_none_or(|far| far.record.answered.is_none() && !far.gone && !has_script);
            if !replaces
                || self.timeline.answer.known().is_some() && self.far_leg.is_some()
                || matches!(change, FarLegEvent::Gone { .. })
            {
                return Transition::Wait;
            }
            // The leg's first event may have been lost.
            let created = (change == FarLegEvent::Created).then_some(at);
            let record =
                FarLegRecord { uuid: leg, slave, created, answered: None, hung_up: None, cause: None, rtp: None };
            self.far_leg = Some(Box::new(FarLeg { record, gone: false, invite_recorded: false }));
        }
        let Some(far) = &mut self.far_leg else { return Transition::Wait };
        match change {
            FarLegEvent::Created => {}
            FarLegEvent::Answered if far.record.answered.is_none() => {
                far.record.answered = Some(at);
                self.record_invite_latency(recorder);
                // The far leg's answer may arrive after the near leg's.
                if let Some(answered) = self.timeline.answer.seen() {
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
                if let State::AwaitingFarLeg { outcome, .. } = self.state {
                    return Transition::End(outcome);
                }
            }
        }
        Transition::Wait
    }

    /// Records the latency of the INVITE once it is known which leg is the far leg.
    pub(super) fn record_invite_latency(&mut self, recorder: &mut SlaveRecorder) {
        let Some(far) = self.far_leg.as_mut().filter(|far| !far.invite_recorded) else { return };
        if let (Some(near), Some(created)) = (self.timeline.created, far.record.created) {
            far.invite_recorded = true;
            recorder.measured(self.labels, Latency::Invite, created.saturating_duration_since(near));
        }
    }
}
