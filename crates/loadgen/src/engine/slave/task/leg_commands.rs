//! The commands of apps to their calls' legs, on this slave's server or another's.

use esl_core::{Command, Event, Message};
use tokio::time::Instant;
use uuid::Uuid;

use super::SlaveTask;
use crate::apps::script::{Side, is_dial};
use crate::engine::script_run::LegCommand;
use crate::engine::slave::connection::Purpose;
use crate::engine::slave::shared::PeerMessage;

impl SlaveTask {
    /// Hands an event of a leg to the app of its call.
    pub(super) fn on_app_event(&mut self, attempt: u64, side: Side, event: &Event, at: Instant) {
        if !self.calls.get(attempt).is_some_and(|call| call.has_script()) {
            return;
        }
        let plan = self.plan.clone();
        let (index, mut commands) = (self.index, Vec::new());
        let done = self.calls.with(attempt, |call| {
            let context = plan.calls.context(index, attempt, call.labels());
            let reaction = call.on_app_event(side, event, &context, at);
            commands = reaction.commands;
            reaction.transition
        });
        self.follow(attempt, done);
        self.send_leg_commands(attempt, commands);
    }

    /// Sends the commands of a call's app, each to the server of its leg.
    pub(super) fn send_leg_commands(&mut self, attempt: u64, commands: Vec<LegCommand>) {
        if commands.is_empty() {
            return;
        }
        let near = self.plan.calls.uuid(self.index, attempt);
        let far = self.calls.get(attempt).and_then(|call| call.far_leg());
        for command in commands {
            let place = match command.side() {
                Side::Caller => Some((near, self.index)),
                Side::Callee => far,
            };
            match place {
                Some((leg, slave)) if slave == self.index => self.send_leg_command(leg, command),
                Some((leg, slave)) if !self.shared.post(slave, PeerMessage::LegCommand(leg, command)) => {
                    self.anomaly("far_leg_untold");
                }
                // The message was posted, or the far leg has gone meanwhile.
                _ => {}
            }
        }
    }

    /// Sends a command to a leg on this slave's server.
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
