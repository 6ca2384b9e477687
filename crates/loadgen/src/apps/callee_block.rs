//! `callee_block`

use esl_core::EventName;

use super::script::{Action, Rule, Script, Side, Step, Then, Watch};
use super::{AppKind, AppOption, AppOptions, AppResult};
use crate::config::ConfigError;
use crate::config::template::Template;

pub(super) const KIND: AppKind = AppKind {
    name: "callee_block",
    about: "The far leg turns the call down as soon as it comes in. Calls count as failed, by their hangup cause.",
    options: &[
        AppOption {
            name: "response",
            shape: "a SIP status from 400 to 699, words may follow",
            default: "",
            about: "What the INVITE is answered with: 486, or \"486 Busy Here\".",
        },
        AppOption {
            name: "cause",
            shape: "a hangup cause",
            default: "CALL_REJECTED",
            about: "Where there is no response: why it hangs up, which FreeSWITCH makes a status of.",
        },
        AppOption { name: "after", shape: "a time", default: "", about: "How long it lets the caller wait before." },
    ],
    results: &[
        AppResult { name: "blocked", about: "calls that were turned down" },
        AppResult { name: "answered", about: "calls that somebody else answered" },
    ],
    far: true,
    build,
    ..AppKind::PLAIN
};

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let mut callee: Vec<Step> = Vec::new();
    callee.extend(options.time_or_none("after")?.map(|time| Action::Wait(time).into()));
    let action = match options.is_empty("response") {
        true => Action::HangUp { side: Side::Callee, cause: options.cause("cause")? },
        false if options.value("cause").is_some() => {
            return Err(options.error("cause", "there is a \"response\" too: a call is turned down in one way"));
        }
        false => {
            let response = options.words("response")?;
            let text = check_response(&response).map_err(|message| options.error("response", message))?;
            Action::Respond(Template::constant(text))
        }
    };
    callee.push(Step { action, met: Some(0), missed: None });
    let watch = Watch::new(EventName::ChannelAnswer).on(Side::Caller);
    let rules = vec![Rule { watch, then: Then::Count(1) }];
    Ok(Script { callee, rules, ..Script::default() })
}

/// Checks a final status that rejects a call (RFC 3261 §21), with an optional reason phrase.
pub(super) fn check_response(text: &str) -> Result<&str, String> {
    let (status, words) = text.split_once(' ').unwrap_or((text, ""));
    match status.parse::<u16>() {
        Ok(400..=699) if status.len() == 3 && !words.chars().any(char::is_control) => Ok(text),
        _ => Err(format!("{text:?} does not turn a call down: it must be a SIP status from 400 to 699, such as 486")),
    }
}
