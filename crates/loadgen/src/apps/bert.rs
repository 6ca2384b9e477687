//! `bert`

use super::script::{Action, Application, EventPattern, EventRule, Requirement, RuleEffect, Script, Side, Step};
use super::{AppKind, AppOption, AppOptions, AppResult, CALLEE};
use crate::config::ConfigError;
use crate::config::template::Template;

pub(super) const KIND: AppKind = AppKind {
    name: "bert",
    about: "Sends a known bit pattern and compares what comes back, bit for bit (PCMU only). A call that does not reach sync, or \
         loses it, fails.",
    options: &[
        AppOption {
            name: "sides",
            shape: "1 or 2",
            default: "1",
            about: "1: the far leg echoes. 2: both legs send, and each compares what it receives.",
        },
        AppOption {
            name: "timeout",
            shape: "a time",
            default: "5s",
            about: "Time allowed to reach sync; at least 1 s, the length of a window.",
        },
        AppOption {
            name: "max_error",
            shape: "a number, in percent",
            default: "10",
            about: "Share of the samples in a window of 1 s that may differ before sync is lost.",
        },
        AppOption {
            name: "max_lost_sync",
            shape: "a number",
            default: "0",
            about: "Sync losses a call may have without failing.",
        },
        CALLEE,
    ],
    results: &[
        AppResult { name: "in_sync", about: "times that a leg reached sync" },
        AppResult { name: "lost_sync", about: "times that a leg lost sync" },
        AppResult { name: "timeouts", about: "legs that did not reach sync in time" },
    ],
    modules: &["mod_bert"],
    far: true,
    build,
};

const IN_SYNC: usize = 0;
const LOST_SYNC: usize = 1;
const TIMEOUTS: usize = 2;

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let sides = options.count("sides", 2)?;
    if sides == 0 {
        return Err(options.error("sides", "sides = 0: it must be 1 or 2"));
    }
    let ours = super::is_callee_ours(options)?;
    if sides == 2 && !ours {
        return Err(options.error("sides", "sides = 2 needs the far leg: callee = \"none\" excludes it"));
    }
    let constant = |value: String| Template::constant(value);
    let mut settings = vec![
        ("bert_timeout_ms", constant(options.time("timeout")?.as_millis().to_string())),
        ("bert_max_err", constant(options.count("max_error", 100)?.to_string())),
        // Without a timer of its own, the test sends a packet only for each packet that it receives.
        ("bert_timer_name", constant("soft".to_owned())),
    ];
    let on_callee = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    settings.push(("absolute_codec_string", constant("PCMU".to_owned())));
    let callee: Vec<Step> = match (ours, sides) {
        (false, _) => Vec::new(),
        (true, 1) => vec![Action::Answer.into(), super::run_on("echo")],
        (true, _) => {
            vec![Action::SetVariables(on_callee).into(), Action::Answer.into(), super::run_on("bert_test")]
        }
    };
    // With one side, the far leg only echoes.
    let side = (sides == 1).then_some(Side::Caller);
    let rule = |subclass, result| {
        let watch = EventPattern { side, ..EventPattern::custom(subclass) };
        EventRule { watch, then: RuleEffect::Count(result) }
    };
    let lost = options.count("max_lost_sync", 1000)?;
    Ok(Script {
        application: Application::new("bert_test"),
        settings,
        callee,
        rules: vec![
            rule("mod_bert::in_sync", IN_SYNC),
            rule("mod_bert::lost_sync", LOST_SYNC),
            rule("mod_bert::timeout", TIMEOUTS),
        ],
        requires: vec![
            Requirement {
                result: IN_SYNC,
                times: u32::from(sides)..=u32::MAX,
                expected: "sync on each side".to_owned(),
            },
            Requirement { result: LOST_SYNC, times: 0..=u32::from(lost), expected: "sync to be kept".to_owned() },
            Requirement { result: TIMEOUTS, times: 0..=0, expected: "no time-out".to_owned() },
        ],
        ..Script::default()
    })
}
