//! Validates values, and reports mistakes at their place in the file.

use std::time::Duration;

use toml::Spanned;

use crate::config::{ConfigError, Count, Number, Source, Time};
use crate::schedule::RoundRobin;

/// The highest rate: far more calls per second than one machine can place, far less than arithmetic can represent.
pub const RATE_MAX: f64 = 100_000.0;
/// The lowest rate: one call in eleven days. Below it, times exceed the range of a clock.
const RATE_MIN: f64 = 1e-6;
/// The longest time that a call may ring or last: FreeSWITCH counts both in whole seconds of 32 bits.
pub(super) const TIME_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Validates values of one file.
pub(super) struct Validator<'a> {
    pub(super) source: &'a Source,
}

impl Validator<'_> {
    pub(super) fn number(&self, what: &str, number: &Spanned<Number>, max: f64) -> Result<f64, ConfigError> {
        let Number(value) = *number.get_ref();
        if value > 0.0 && value <= max {
            return Ok(value);
        }
        let message = format!("{what} = {value}: it must be above 0 and at most {max}");
        Err(self.source.error(number.span(), message))
    }

    pub(super) fn rate(&self, what: &str, rate: &Spanned<Number>) -> Result<f64, ConfigError> {
        let Number(value) = *rate.get_ref();
        if (RATE_MIN..=RATE_MAX).contains(&value) {
            return Ok(value);
        }
        let message = format!("{what} = {value}: it must be from {RATE_MIN} to {RATE_MAX} calls per second");
        Err(self.source.error(rate.span(), message))
    }

    /// A rate at which a ramp begins or ends: 0 is allowed.
    pub(super) fn ramp_rate(&self, what: &str, rate: &Spanned<Number>) -> Result<f64, ConfigError> {
        if rate.get_ref().0 == 0.0 { Ok(0.0) } else { self.rate(what, rate) }
    }

    pub(super) fn count_to(&self, what: &str, count: &Spanned<Count>, max: u64) -> Result<u64, ConfigError> {
        match self.count(what, count)? {
            value if value > max => {
                Err(self.source.error(count.span(), format!("{what} = {value}: it must be at most {max}")))
            }
            value => Ok(value),
        }
    }

    pub(super) fn count(&self, what: &str, count: &Spanned<Count>) -> Result<u64, ConfigError> {
        match count.get_ref().0 {
            0 => Err(self.source.error(count.span(), format!("{what} = 0: it must be at least 1"))),
            count => Ok(count),
        }
    }

    /// A weight: 1 by default, and 0 for no calls.
    pub(super) fn weight(&self, weight: Option<&Spanned<Count>>) -> u64 {
        weight.map_or(1, |weight| weight.get_ref().0)
    }

    /// Checks that at least one weight is above 0.
    pub(super) fn not_all_zero<'b>(
        &self,
        of: &str,
        mut weights: impl Iterator<Item = Option<&'b Spanned<Count>>>,
    ) -> Result<(), ConfigError> {
        let first = weights.next().flatten().filter(|weight| weight.get_ref().0 == 0);
        match first {
            Some(first) if weights.all(|weight| self.weight(weight) == 0) => {
                let message = format!("weight = 0 for all {of}: at least one must be above 0");
                Err(self.source.error(first.span(), message))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn time(&self, what: &str, time: &Spanned<Time>, max: Duration) -> Result<Duration, ConfigError> {
        let Time(value) = *time.get_ref();
        if value.is_zero() || value > max {
            let limit = if value.is_zero() { "above 0".to_owned() } else { format!("at most {max:?}") };
            return Err(self.source.error(time.span(), format!("{what} = {value:?}: it must be {limit}")));
        }
        Ok(value)
    }

    /// A grace period: 0 is allowed.
    pub(super) fn grace(&self, time: &Spanned<Time>) -> Result<Duration, ConfigError> {
        if time.get_ref().0.is_zero() { Ok(Duration::ZERO) } else { self.time("grace", time, TIME_MAX) }
    }

    /// A time that FreeSWITCH counts in whole seconds, rounded up.
    pub(super) fn seconds(&self, what: &str, time: &Spanned<Time>) -> Result<Duration, ConfigError> {
        let value = self.time(what, time, TIME_MAX)?;
        Ok(Duration::from_secs(value.as_millis().div_ceil(1000) as u64))
    }

    /// A name, which becomes a label and a column.
    pub(super) fn name(&self, what: &str, name: &Spanned<String>) -> Result<String, ConfigError> {
        let text = name.get_ref().trim();
        if text.is_empty() || text.chars().any(char::is_control) || text.chars().count() > 64 {
            let message = format!("{what} {text:?}: expected 1 to 64 characters without control characters");
            return Err(self.source.error(name.span(), message));
        }
        Ok(text.to_owned())
    }

    /// The order in which members with these weights take turns.
    pub(super) fn round_robin(&self, weights: &[u64], of: &str) -> Result<RoundRobin, ConfigError> {
        RoundRobin::new(weights).ok_or_else(|| {
            let message = format!(
                "the weights of the {of} add up to more than {}, after dividing by their common factor",
                RoundRobin::CYCLE_MAX
            );
            self.source.whole(message)
        })
    }
}
