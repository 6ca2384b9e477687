//! `callee_ringback`

use super::script::{Action, EventPattern, EventRule, RuleEffect, Script, Side, Step};
use super::{AppKind, AppOption, AppOptions, AppResult};
use crate::config::ConfigError;
use esl_core::EventName;

pub(super) const KIND: AppKind = AppKind {
    name: "callee_ringback",
    about: "Calls that ring, or have early media, and are never answered: one side hangs up after a while. They count as failed, \
         by their hangup cause, or as canceled when the caller hangs up.",
    options: &[
        AppOption {
            name: "ring",
            shape: "\"ring\" or \"early_media\"",
            default: "early_media",
            about: "Provisional response of the far leg: 180, or 183 with media.",
        },
        AppOption {
            name: "ringback",
            shape: "text",
            default: "tone_stream://%(2000,4000,440,480);loops=-1",
            about: "Early media to send.",
        },
        AppOption { name: "after", shape: "a time", default: "10s", about: "Ringing time." },
        AppOption {
            name: "hang_up",
            shape: "\"caller\" or \"callee\"",
            default: "callee",
            about: "Leg that hangs up.",
        },
        AppOption { name: "cause", shape: "a hangup cause", default: "USER_BUSY", about: "Why." },
    ],
    results: &[AppResult { name: "rung", about: "calls that rang for the whole time" }],
    modules: &["mod_tone_stream"],
    far: true,
    build,
};

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let ringback = options.required("ringback")?;
    let mut callee: Vec<Step> = match options.choice("ring", &["ring", "early_media"])? {
        "ring" => vec![Action::Ring.into()],
        _ => vec![Action::EarlyMedia.into(), Action::Play { file: ringback, background: true }.into()],
    };
    let side = if options.choice("hang_up", &["caller", "callee"])? == "caller" { Side::Caller } else { Side::Callee };
    let hang_up = Action::HangUp { side, cause: options.cause("cause")? };
    callee.push(Action::Wait(options.time("after")?).into());
    callee.push(Step { action: hang_up, met: Some(0), missed: None });
    // No other party may answer the call.
    let watch = EventPattern::new(EventName::ChannelAnswer).on(Side::Caller);
    let rules = vec![EventRule { watch, then: RuleEffect::Fail { expected: "no answer".to_owned(), unless: None } }];
    Ok(Script { callee, rules, ..Script::default() })
}
