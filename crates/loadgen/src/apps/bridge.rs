//! `bridge`

use esl_core::EventName;

use super::script::{Action, Application, DIAL, EventPattern, EventRule, Requirement, RuleEffect, Script, Side};
use super::{AppKind, AppOption, AppOptions, AppResult};
use crate::config::ConfigError;
use crate::config::template::Template;

/// The address that a leg is bridged to.
pub(super) const TO: AppOption = AppOption {
    name: "bridge_to",
    shape: "an address",
    default: "",
    about: "Dial string of the third party, as FreeSWITCH writes it: \"sofia/external/9196@pbx.example:5060\". FreeSWITCH expands \
         the call's own variables: \"sofia/external/$${destination_number}@pbx.example\".",
};

pub(super) const KIND: AppKind = AppKind {
    name: "bridge",
    about: "Bridges the near leg to a third party when it is answered, so that the slave stands between the two. A call whose \
         bridge fails has failed.",
    options: &[
        TO,
        AppOption {
            name: "callee",
            shape: "\"app\" or \"none\"",
            default: "none",
            about: "\"app\": this app answers the far leg of the first call and echoes its audio; the far leg has to be parked on \
                 a slave. \"none\": the far leg is left alone.",
        },
    ],
    results: &[AppResult { name: "bridged", about: "calls that were bridged" }],
    far: true,
    build,
    ..AppKind::PLAIN
};

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let argument = options.address(TO.name)?;
    let callee = match super::is_callee_ours(options)? {
        true => vec![Action::Answer.into(), super::run_on("echo")],
        false => Vec::new(),
    };
    let watch = EventPattern::new(EventName::ChannelBridge).on(Side::Caller);
    let hung_up = EventPattern::new(EventName::ChannelHangup).on(Side::Caller);
    Ok(Script {
        application: Application { name: DIAL, argument },
        // The new leg carries the run's variable too, so that it can be hung up.
        settings: vec![("export_vars", Template::constant("loadgen_run"))],
        callee,
        rules: vec![
            EventRule { watch, then: RuleEffect::Count(0) },
            // Where the bridge fails, the near leg is hung up with its cause.
            EventRule { watch: hung_up, then: RuleEffect::Fail { expected: "a bridge".to_owned(), unless: Some(0) } },
        ],
        requires: vec![Requirement { result: 0, times: 1..=u32::MAX, expected: "a bridge".to_owned() }],
        ..Script::default()
    })
}
