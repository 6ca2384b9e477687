//! What apps do on their calls' legs, here or at another slave's server.

use esl_core::{Command, Event, Message};
use tokio::time::Instant;
use uuid::Uuid;

use super::Slave;
use crate::apps::performance::Act;
use crate::apps::script::{Side, is_dial};
use crate::slave::link::Ask;
use crate::slave::shared::Mail;

impl Slave {
    /// An event of a leg of one of this slave's calls, for its app.
    pub(super) fn perform(&mut self, attempt: u64, side: Side, event: &Event, at: Instant) {
        if !self.calls.get(attempt).is_some_and(|call| call.performs()) {
            return;
        }
        let plan = self.plan.clone();
        let (index, acts) = (self.index, &mut self.acts);
        let done = self.calls.with(attempt, |call| {
            let context = plan.context(index, attempt, call.labels());
            call.perform(side, event, &context, at, acts)
        });
        self.follow(attempt, done);
        self.act(attempt);
    }

    /// Does what a call's app has asked for.
    pub(super) fn act(&mut self, attempt: u64) {
        if self.acts.is_empty() {
            return;
        }
        let near = self.plan.run_id.call(self.index, attempt);
        let far = self.calls.get(attempt).and_then(|call| call.far());
        for act in std::mem::take(&mut self.acts) {
            let place = match act.side() {
                Side::Caller => Some((near, self.index)),
                Side::Callee => far,
            };
            match place {
                Some((leg, slave)) if slave == self.index => self.perform_act(leg, act),
                Some((leg, slave)) if !self.shared.post(slave, Mail::Act(leg, act)) => self.anomaly("far_leg_untold"),
                // It is told, or it went meanwhile.
                _ => {}
            }
        }
    }

    /// Does something for a leg at this server.
    pub(super) fn perform_act(&mut self, leg: Uuid, act: Act) {
        match act {
            Act::Api { command, slow: false, .. } => self.send(&Command::api(command), Ask::Act),
            Act::Api { command, slow: true, .. } => {
                if let Some(link) = &mut self.link
                    && let Err(error) = link.start(Uuid::new_v4(), &command, Ask::Act)
                {
                    self.disconnected(&error);
                }
            }
            Act::Execute { application, argument, .. } if is_dial(&application) && !self.plan.may_dial(&argument) => {
                self.anomaly("not_allowed");
            }
            Act::Execute { application, argument, event_uuid, .. } => {
                let message = Message::execute(application, argument).to(leg).event_uuid(event_uuid);
                self.send(&Command::SendMsg(&message), Ask::Act);
            }
            Act::HangUp { cause, .. } => {
                self.send(&Command::api(format!("uuid_kill {leg} {cause}")), Ask::Act);
            }
        }
    }
}
