//! `dtmf_check`

use std::time::Duration;

use super::script::{Action, Script, Side, Step};
use super::{AppKind, AppOption, AppOptions, AppResult};
use crate::config::ConfigError;
use crate::config::template::Template;

pub(super) const KIND: AppKind = AppKind {
    name: "dtmf_check",
    about: "Sends digits from one leg to the other, and checks that the same ones arrive in the same order.",
    options: &[
        AppOption { name: "digits", shape: "digits", default: "1234567890*#", about: "What is sent." },
        AppOption {
            name: "sender",
            shape: "\"caller\", \"callee\" or \"both\"",
            default: "caller",
            about: "Who sends them. The other one has to hear them.",
        },
        AppOption {
            name: "duration",
            shape: "a time",
            default: "100ms",
            about: "How long each digit is. FreeSWITCH takes none below 50 ms or above 24 s.",
        },
        AppOption {
            name: "interval",
            shape: "a time",
            default: "200ms",
            about: "From the beginning of a digit to that of the next one. It sends them one after the other.",
        },
        AppOption {
            name: "timeout",
            shape: "a time",
            default: "5s",
            about: "How long after the last digit was sent all of them must have arrived.",
        },
    ],
    results: &[
        AppResult { name: "matched", about: "legs that heard the digits" },
        AppResult { name: "mismatched", about: "legs that heard others, or not all" },
    ],
    far: true,
    build,
    ..AppKind::PLAIN
};

const MATCHED: usize = 0;
const MISMATCHED: usize = 1;

/// FreeSWITCH's own pauses, which do not arrive as digits.
const PAUSES: [char; 2] = ['w', 'W'];

/// The silence before the first digit: the far leg's media have to be set up.
const BEFORE: Duration = Duration::from_millis(500);

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let digits = options.digits("digits")?;
    if digits.contains(PAUSES) {
        return Err(options.error("digits", "w and W are pauses, which nobody hears: use \"interval\""));
    }
    let (duration, interval) = (options.time("duration")?, options.time("interval")?);
    if !(Duration::from_millis(50)..=Duration::from_secs(24)).contains(&duration) {
        return Err(options.error("duration", format!("duration = {duration:?}: it must be from 50ms to 24s")));
    }
    if interval < duration {
        return Err(
            options.error("interval", format!("interval = {interval:?} is shorter than a digit ({duration:?})"))
        );
    }
    let sending = BEFORE + interval * digits.len() as u32;
    let timeout = sending + options.time("timeout")?;
    let senders = options.sides("sender")?;

    let steps = |side: Side| {
        let mut steps: Vec<Step> = Vec::new();
        if side == Side::Callee {
            steps.push(Action::Answer.into());
        }
        if senders.contains(&side) {
            steps.push(Action::Wait(BEFORE).into());
            for digit in digits.chars() {
                let digits = Template::constant(digit);
                steps.push(Action::SendDigits { digits, duration: Some(duration) }.into());
                steps.push(Action::Wait(interval).into());
            }
        }
        if senders.contains(&side.other()) {
            let action = Action::ExpectDigits { digits: Template::constant(digits.clone()), timeout };
            steps.push(Step { action, met: Some(MATCHED), missed: Some(MISMATCHED) });
        }
        steps
    };
    Ok(Script { caller: steps(Side::Caller), callee: steps(Side::Callee), ..Script::default() })
}
