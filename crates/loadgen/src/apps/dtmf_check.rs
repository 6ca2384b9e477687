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
        AppOption { name: "digits", shape: "digits", default: "1234567890*#", about: "Digits to send." },
        AppOption {
            name: "sender",
            shape: "\"caller\", \"callee\" or \"both\"",
            default: "caller",
            about: "Leg that sends the digits; the other leg has to receive them.",
        },
        AppOption {
            name: "duration",
            shape: "a time",
            default: "100ms",
            about: "Duration of each digit; FreeSWITCH accepts 50 ms to 24 s.",
        },
        AppOption {
            name: "interval",
            shape: "a time",
            default: "200ms",
            about: "Time from the start of one digit to the start of the next. Digits are sent one at a time.",
        },
        AppOption {
            name: "timeout",
            shape: "a time",
            default: "5s",
            about: "Time allowed after the last digit was sent for all of them to arrive.",
        },
    ],
    results: &[
        AppResult { name: "matched", about: "legs that received the digits" },
        AppResult { name: "mismatched", about: "legs that received other digits, or not all" },
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
        return Err(options.error("digits", "w and W are pauses and send nothing: use \"interval\""));
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
