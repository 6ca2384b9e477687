//! What apps do on their calls' legs, here or at another slave's server.

use esl_core::{Command, Event, Message};
use tokio::time::Instant;
use uuid::Uuid;

use super::SlaveTask;
use crate::apps::script::{Side, is_dial};
use crate::engine::script_run::LegCommand;
use crate::engine::slave::connection::Purpose;
use crate::engine::slave::shared::PeerMessage;

impl SlaveTask {
    /// An event of a leg of one of this slave's calls, for its app.
    pub(super) fn on_app_event(&mut self, attempt: u64, side: Side, event: &Event, at: Instant) {
        if !self.calls.get(attempt).is_some_and(|call| call.has_script()) {
            return;
        }
        let plan = self.plan.clone();
        let (index, leg_commands) = (self.index, &mut self.leg_commands);
        let done = self.calls.with(attempt, |call| {
            let context = plan.calls.context(index, attempt, call.labels());
            call.on_app_event(side, event, &context, at, leg_commands)
        });
        self.follow(attempt, done);
        self.send_leg_commands(attempt);
    }

    /// Does what a call's app has asked for.
    pub(super) fn send_leg_commands(&mut self, attempt: u64) {
        if self.leg_commands.is_empty() {
            return;
        }
        let near = self.plan.run_id.call(self.index, attempt);
        let far = self.calls.get(attempt).and_then(|call| call.far());
        for leg_command in std::mem::take(&mut self.leg_commands) {
            let place = match leg_command.side() {
                Side::Caller => Some((near, self.index)),
                Side::Callee => far,
            };
            match place {
                Some((leg, slave)) if slave == self.index => self.send_leg_command(leg, leg_command),
                Some((leg, slave)) if !self.shared.post(slave, PeerMessage::LegCommand(leg, leg_command)) => {
                    self.anomaly("far_leg_untold")
                }
                // It is told, or it went meanwhile.
                _ => {}
            }
        }
    }

    /// Does something for a leg at this server.
    pub(super) fn send_leg_command(&mut self, leg: Uuid, leg_command: LegCommand) {
        match leg_command {
            LegCommand::Api { command, slow: false, .. } => self.send(&Command::api(command), Purpose::LegCommand),
            LegCommand::Api { command, slow: true, .. } => {
                if let Some(connection) = &mut self.connection
                    && let Err(error) = connection.start(Uuid::new_v4(), &command, Purpose::LegCommand)
                {
                    self.disconnected(&error);
                }
            }
            LegCommand::Execute { application, argument, .. }
                if is_dial(&application) && !self.plan.calls.may_dial(&argument) =>
            {
                self.anomaly("not_allowed");
            }
            LegCommand::Execute { application, argument, event_uuid, .. } => {
                let message = Message::execute(application, argument).to(leg).event_uuid(event_uuid);
                self.send(&Command::SendMsg(&message), Purpose::LegCommand);
            }
            LegCommand::HangUp { cause, .. } => {
                self.send(&Command::api(format!("uuid_kill {leg} {cause}")), Purpose::LegCommand);
            }
        }
    }
}
