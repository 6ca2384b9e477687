//! `flow`: a call flow written in TOML, as lists of steps for the two legs.

mod order;
mod step;

use toml::Spanned;

use super::script::{Script, Side, Step};
use super::{AppKind, AppOption, AppOptions};
use crate::config::{ConfigError, Value};
use order::Leg;

pub(super) use step::STEPS;

pub(super) const KIND: AppKind = AppKind {
    name: "flow",
    about: "Runs the configured steps on the caller's and the callee's leg, for instance through an IVR. A failed step is named, \
         and its call has failed.",
    options: &[
        AppOption {
            name: "caller",
            shape: "a list of steps",
            default: "",
            about: "Steps of the near leg, from its answer on.",
        },
        AppOption {
            name: "callee",
            shape: "a list of steps",
            default: "",
            about: "Steps of the far leg, from the moment it is parked on a slave; without steps, the far leg is left alone.",
        },
    ],
    far: true,
    build,
    ..AppKind::PLAIN
};

/// Steps of a leg at most: expected events are kept as bits of a 128-bit number.
const STEPS_MAX: usize = 100;

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let caller = steps(options, Side::Caller)?;
    let callee = steps(options, Side::Callee)?;
    if caller.is_empty() && callee.is_empty() {
        return Err(options.error("caller", "a flow needs steps: caller = [\"hang_up\"]"));
    }
    Ok(Script { caller, callee, ..Script::default() })
}

fn steps(options: &AppOptions<'_>, side: Side) -> Result<Vec<Step>, ConfigError> {
    let name = if side == Side::Caller { "caller" } else { "callee" };
    let Some(value) = options.value(name) else { return Ok(Vec::new()) };
    let Value::List(list) = value.get_ref() else {
        return Err(options.error(name, format!("{name} is {}: it must be a list of steps", value.get_ref().what())));
    };
    if list.len() > STEPS_MAX {
        return Err(options.error(name, format!("{} steps: the limit is {STEPS_MAX}", list.len())));
    }
    let mut leg = Leg::new(side);
    let read = |value: &Spanned<Value>| {
        let (kind, action) = step::read(options, side, value)?;
        leg.take(kind).map_err(|message| options.source().error(value.span(), message))?;
        Ok(Step::from(action))
    };
    let steps = list.iter().map(read).collect::<Result<Vec<Step>, ConfigError>>()?;
    if side == Side::Callee && !leg.is_decided() && options.value("caller").is_some() {
        let message = "no step of the callee answers the call, so the caller's steps never start";
        return Err(options.error(name, message));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests;
