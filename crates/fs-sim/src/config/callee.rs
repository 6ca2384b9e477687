//! How those that a server's calls reach behave.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

use crate::{
    cause::Cause,
    delay::Delay,
    value::{Number, unknown},
};

/// How a called number behaves that would otherwise answer at once (`9196`, `9197`, `park`). The default
/// changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callee {
    /// From the call's arrival to its ringing; without it a call rings at once if `answer_after` is given,
    /// and not at all otherwise.
    pub ring_after: Option<Delay>,
    /// From ringing to the answer; without it a call is answered as soon as it rings.
    pub answer_after: Option<Delay>,
    /// The share of calls that fail, by hangup cause such as `USER_BUSY`; all together at most 1.
    #[serde(deserialize_with = "failures")]
    pub failures: BTreeMap<String, f64>,
}

impl Callee {
    /// Whether its failures are possible: known causes, shares from 0 to 1 that add up to at most 1.
    ///
    /// # Errors
    /// Says which is not.
    pub fn check(&self) -> Result<(), String> {
        self.shares().map(drop)
    }

    /// The same, known to be possible: shares by cause.
    pub(crate) fn shares(&self) -> Result<Vec<(Cause, f64)>, String> {
        let mut shares = Vec::new();
        for (name, share) in &self.failures {
            let cause = Cause::by_name(name).ok_or_else(|| unknown("hangup cause", name, Cause::names()))?;
            if !(0.0..=1.0).contains(share) {
                return Err(format!("the share of {name} is {share}, not between 0 and 1"));
            }
            shares.push((cause, *share));
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if sum > 1.0 + f64::EPSILON {
            return Err(format!("the shares of failures add up to {sum}, more than 1"));
        }
        Ok(shares)
    }
}

/// A name of a hangup cause.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct CauseName(String);

impl<'de> Deserialize<'de> for CauseName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CauseName, D::Error> {
        let name = String::deserialize(deserializer)?;
        match Cause::by_name(&name) {
            Some(_) => Ok(CauseName(name)),
            None => Err(de::Error::custom(unknown("hangup cause", &name, Cause::names()))),
        }
    }
}

pub(super) fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let failures: BTreeMap<CauseName, Number> = BTreeMap::deserialize(deserializer)?;
    let failures = failures.into_iter().map(|(CauseName(name), Number(share))| (name, share)).collect();
    let callee = Callee { failures, ..Callee::default() };
    callee.shares().map_err(de::Error::custom)?;
    Ok(callee.failures)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(text: &str) -> Result<Callee, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_callee_is_read() {
        let callee =
            read("ring_after = \"100ms\"\nfailures = { USER_BUSY = 0.01, NO_ANSWER = 0.5 }").expect("a callee");
        assert_eq!(callee.ring_after, Some(Delay::Constant(Duration::from_millis(100))));
        assert_eq!(callee.failures["NO_ANSWER"], 0.5);
        assert_eq!(read(""), Ok(Callee::default()));
    }

    #[test]
    fn impossible_callees_are_refused_with_the_reason() {
        for (text, reason) in [
            ("failures = { BUSY = 0.1 }", "unknown hangup cause `BUSY`, expected one of `NONE`"),
            ("failures = { USER_BUSY = 0.6, NO_ANSWER = 0.6 }", "add up to 1.2"),
            ("failures = { USER_BUSY = -0.1 }", "not between 0 and 1"),
            ("rings = 1", "unknown field"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
