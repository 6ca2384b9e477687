//! `callee_block`

use esl_core::EventName;

use super::script::{Action, EventPattern, EventRule, RuleEffect, Script, Side, Step};
use super::{AppKind, AppOption, AppOptions, AppResult};
use crate::config::ConfigError;
use crate::config::template::Template;

pub(super) const KIND: AppKind = AppKind {
    name: "callee_block",
    about: "The far leg rejects the call as soon as it arrives. Calls count as failed, by their hangup cause.",
    options: &[
        AppOption {
            name: "response",
            shape: "a SIP status from 400 to 699, optionally with a reason phrase",
            default: "",
            about: "Response to the INVITE: 486, or \"486 Busy Here\".",
        },
        AppOption {
            name: "cause",
            shape: "a hangup cause",
            default: "CALL_REJECTED",
            about: "Hangup cause used when no response is set; FreeSWITCH maps it to a SIP status.",
        },
        AppOption { name: "after", shape: "a time", default: "", about: "Time before the response." },
    ],
    results: &[
        AppResult { name: "blocked", about: "calls that were rejected" },
        AppResult { name: "answered", about: "calls that another party answered" },
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
            return Err(options.error("cause", "\"response\" is set as well: set one of the two"));
        }
        false => {
            let response = options.words("response")?;
            let text = check_response(&response).map_err(|message| options.error("response", message))?;
            Action::Respond(Template::constant(text))
        }
    };
    callee.push(Step { action, met: Some(0), missed: None });
    let watch = EventPattern::new(EventName::ChannelAnswer).on(Side::Caller);
    let rules = vec![EventRule { watch, then: RuleEffect::Count(1) }];
    Ok(Script { callee, rules, ..Script::default() })
}

/// Checks a final status that rejects a call (RFC 3261 §21), with an optional reason phrase.
pub(super) fn check_response(text: &str) -> Result<&str, String> {
    let (status, words) = text.split_once(' ').unwrap_or((text, ""));
    match status.parse::<u16>() {
        Ok(400..=699) if status.len() == 3 && !words.chars().any(char::is_control) => Ok(text),
        _ => Err(format!("{text:?} does not reject a call: expected a SIP status from 400 to 699, such as 486")),
    }
}
