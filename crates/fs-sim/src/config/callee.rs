//! How those that a server's calls reach behave.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};
use units::{Delay, Number, value::unknown};

use crate::cause::Cause;

/// How a called number behaves that would otherwise answer at once (`9196`, `9197`, `park`, and extensions with
/// `callee = true`). The default changes nothing.
///
/// ```text
/// INVITE ──ring_after──► 180, or 183 at the share early_media ──answer_after──► 200 ──hold──► BYE
///    │                    │
///    └ failures at once   └──after──► failures after ringing; NO_ANSWER rings until the caller gives up
/// ```
///
/// What a call gets follows from the server's seed, the extension and how many calls it has had before, and from nothing
/// else: not from when they came, nor from what else the server did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Callee {
    /// From the call's arrival to its ringing; without it a call rings at once if it is to ring at all, which is if
    /// `answer_after` or `early_media` says so.
    pub ring_after: Option<Delay>,
    /// From ringing to the answer; without it a call is answered as soon as it rings.
    pub answer_after: Option<Delay>,
    /// From the answer until the callee hangs up; without it, it never does.
    pub hold: Option<Delay>,
    /// The share of calls that send early media (183) where others ring (180).
    pub early_media: f64,
    /// The calls that fail, by hangup cause such as `USER_BUSY`; their shares are at most 1 together.
    pub failures: BTreeMap<String, Failure>,
}

/// How many of the calls fail for one reason, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The share, from 0 to 1.
    pub share: f64,
    /// How long it rings before; without it a call fails at once, without ringing. `NO_ANSWER` without it rings until the
    /// caller gives up.
    pub after: Option<Delay>,
}

impl From<f64> for Failure {
    fn from(share: f64) -> Failure {
        Failure { share, after: None }
    }
}

impl Callee {
    /// Whether it is possible: known causes, shares from 0 to 1 that add up to at most 1.
    ///
    /// # Errors
    /// Says what is not.
    pub fn check(&self) -> Result<(), String> {
        self.by_cause().map(drop)
    }

    /// The failures, known to be possible.
    pub(crate) fn by_cause(&self) -> Result<Vec<(Cause, Failure)>, String> {
        share("early_media", self.early_media)?;
        let mut failures = Vec::new();
        for (name, failure) in &self.failures {
            let cause = Cause::by_name(name).ok_or_else(|| unknown("hangup cause", name, Cause::names()))?;
            share(&format!("the share of {name}"), failure.share)?;
            failures.push((cause, failure.clone()));
        }
        let sum: f64 = failures.iter().map(|(_, failure)| failure.share).sum();
        if sum > 1.0 + f64::EPSILON {
            return Err(format!("the shares of failures add up to {sum}, more than 1"));
        }
        Ok(failures)
    }
}

pub(super) fn share(what: &str, value: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{what} is {value}, not between 0 and 1")) }
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

/// A share alone, or `{ share = 0.1, after = "3s" }`.
impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Failure, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            share: Number,
            after: Option<Delay>,
        }

        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Failure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a share such as 0.1, or { share = 0.1, after = "3s" }"#)
            }

            fn visit_f64<E: de::Error>(self, share: f64) -> Result<Failure, E> {
                Ok(share.into())
            }

            fn visit_i64<E: de::Error>(self, share: i64) -> Result<Failure, E> {
                self.visit_f64(share as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Failure, E> {
                let share = text.trim().parse().map_err(|_| E::custom(format!("{text:?} is not a number")))?;
                self.visit_f64(share)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Failure, A::Error> {
                let Long { share: Number(share), after } =
                    Long::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Failure { share, after })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

pub(super) fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Failure>, D::Error> {
    let failures: BTreeMap<CauseName, Failure> = BTreeMap::deserialize(deserializer)?;
    let failures = failures.into_iter().map(|(CauseName(name), failure)| (name, failure)).collect();
    let callee = Callee { failures, ..Callee::default() };
    callee.check().map_err(de::Error::custom)?;
    Ok(callee.failures)
}

pub(super) fn early_media<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    share("early_media", Number::deserialize(deserializer)?.0).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Deserialize)]
    struct Holder {
        #[serde(deserialize_with = "failures")]
        failures: BTreeMap<String, Failure>,
    }

    fn read(text: &str) -> Result<BTreeMap<String, Failure>, String> {
        let holder: Result<Holder, _> = toml::from_str(&format!("failures = {text}"));
        holder.map(|holder| holder.failures).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn failures_are_read() {
        let failures = read("{ USER_BUSY = 0.01, NO_ANSWER = { share = \"0.5\", after = \"9s\" }, CALL_REJECTED = 0 }");
        let failures = failures.expect("failures");
        assert_eq!(failures["USER_BUSY"], Failure::from(0.01));
        let after = Some(Delay::Constant(Duration::from_secs(9)));
        assert_eq!(failures["NO_ANSWER"], Failure { share: 0.5, after });
        assert_eq!(read("{}"), Ok(BTreeMap::new()));
    }

    #[test]
    fn impossible_ones_are_refused_with_the_reason() {
        for (text, reason) in [
            ("{ BUSY = 0.1 }", "unknown hangup cause `BUSY`, expected one of `NONE`"),
            ("{ USER_BUSY = 0.6, NO_ANSWER = 0.6 }", "add up to 1.2"),
            ("{ USER_BUSY = -0.1 }", "the share of USER_BUSY is -0.1, not between 0 and 1"),
            ("{ USER_BUSY = { after = \"1s\" } }", "missing field `share`"),
            ("{ USER_BUSY = true }", "expected a share such as 0.1, or { share"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(Callee { early_media: 2.0, ..Callee::default() }.check().is_err());
    }
}
