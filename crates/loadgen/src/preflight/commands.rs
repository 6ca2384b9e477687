//! The API commands that an app sends about its calls' legs: the user needs permission for each.

use crate::apps::script::{Action, Script, Side};

/// The API commands of a leg's steps, except the hangup, which every run needs.
pub(super) fn commands(script: &Script, side: Side) -> impl Iterator<Item = &'static str> {
    script.steps(side).iter().filter_map(|step| command(&step.action))
}

/// The API command of an action. The match has no wildcard, so that a new action is considered here; the test below
/// compares it with what is sent.
fn command(action: &Action) -> Option<&'static str> {
    match action {
        Action::Answer => Some("uuid_answer"),
        Action::Ring => Some("uuid_ring_ready"),
        Action::EarlyMedia => Some("uuid_pre_answer"),
        Action::StopPlay => Some("uuid_break"),
        Action::Record { .. } | Action::StopRecord => Some("uuid_record"),
        Action::Mute(_) => Some("uuid_audio"),
        Action::SendDigits { .. } => Some("uuid_send_dtmf"),
        Action::SetVariables(_) => Some("uuid_setvar"),
        Action::Wait(_)
        | Action::Play { .. }
        | Action::ExpectDigits { .. }
        | Action::ExpectEvent { .. }
        | Action::Execute { .. }
        | Action::Bridge { .. }
        | Action::Respond(_)
        | Action::HangUp { .. }
        | Action::Repeat(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use esl_core::HangupCause;
    use tokio::time::Instant;

    use super::*;
    use crate::apps::script::{EventPattern, TIMEOUT};
    use crate::config::template::{Context, Template};
    use crate::engine::script_run::{LegCommand, ScriptRun};

    /// The commands that are sent are those that are named here.
    #[test]
    fn every_action_sends_the_command_that_is_said_here() {
        let text = || Template::constant("1");
        let actions = [
            Action::Wait(TIMEOUT),
            Action::Answer,
            Action::Ring,
            Action::EarlyMedia,
            Action::Play { file: text(), background: true },
            Action::StopPlay,
            Action::Record { path: text(), every: 1 },
            Action::StopRecord,
            Action::Mute(true),
            Action::Mute(false),
            Action::SendDigits { digits: text(), duration: None },
            Action::ExpectDigits { digits: text(), timeout: TIMEOUT },
            Action::ExpectEvent { watch: EventPattern::custom("x"), timeout: TIMEOUT },
            Action::SetVariables(vec![("x".to_owned(), text()), ("y".to_owned(), Template::default())]),
            Action::Execute { application: "echo".to_owned(), argument: text(), timeout: None },
            Action::Bridge { to: text(), timeout: TIMEOUT },
            Action::Respond(text()),
            Action::HangUp { side: Side::Callee, cause: HangupCause::NORMAL_CLEARING },
            Action::Repeat(0),
        ];
        let mut sending = 0;
        for action in actions {
            let name = format!("{action:?}");
            let script = Arc::new(Script { callee: vec![action.into()], ..Script::default() });
            let answer: Vec<_> = commands(&script, Side::Callee).collect();
            let leg_commands = ScriptRun::new(script).begin(Side::Callee, &Context::sample(), Instant::now());
            let mut sent: Vec<_> = leg_commands
                .iter()
                .filter_map(|act| match act {
                    LegCommand::Api { command, .. } => command.split(' ').next(),
                    LegCommand::Execute { .. } | LegCommand::HangUp { .. } => None,
                })
                .collect();
            sent.dedup();
            assert_eq!(sent, answer, "{name}");
            sending += sent.len();
        }
        assert_eq!(sending, 10);
    }
}
