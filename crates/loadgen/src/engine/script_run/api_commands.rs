//! The API commands of steps.

use esl_core::word;
use uuid::Uuid;

use crate::apps::script::Action;
use crate::config::template::Context;

/// The API commands of one step.
pub(super) struct ApiCommands {
    pub(super) commands: Vec<String>,
    /// Whether they take their time, and an event reports their success.
    pub(super) slow: bool,
}

/// The API commands of a step (`mod_commands`).
pub(super) fn api_commands(
    action: &Action,
    uuid: Uuid,
    context: &Context<'_>,
) -> Result<ApiCommands, esl_core::CommandError> {
    let one = |slow: bool, command: String| Ok(ApiCommands { commands: vec![command], slow });
    match action {
        Action::Answer => one(true, format!("uuid_answer {uuid}")),
        Action::Ring => one(true, format!("uuid_ring_ready {uuid}")),
        Action::EarlyMedia => one(true, format!("uuid_pre_answer {uuid}")),
        Action::Record { path, .. } => {
            one(true, format!("uuid_record {uuid} start {}", word("a path", &path.render(context))?))
        }
        Action::StopRecord => one(true, format!("uuid_record {uuid} stop all")),
        Action::StopPlay => one(false, format!("uuid_break {uuid} all")),
        Action::Mute(on) => one(false, format!("uuid_audio {uuid} start write mute {}", u8::from(*on))),
        Action::SendDigits { digits, duration } => {
            let digits = word("digits", &digits.render(context))?;
            let duration = duration.map(|duration| format!("@{}", duration.as_millis())).unwrap_or_default();
            one(false, format!("uuid_send_dtmf {uuid} {digits}{duration}"))
        }
        Action::SetVariables(variables) => {
            let commands = variables.iter().map(|(name, value)| {
                let (name, value) = (word("a variable's name", name)?, value.render(context));
                Ok(match value.is_empty() {
                    true => format!("uuid_setvar {uuid} {name}"),
                    false => format!("uuid_setvar {uuid} {name} {}", word("a variable's value", &value)?),
                })
            });
            Ok(ApiCommands { commands: commands.collect::<Result<_, _>>()?, slow: false })
        }
        _ => Ok(ApiCommands { commands: Vec::new(), slow: false }),
    }
}
