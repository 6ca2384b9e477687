//! Numbers and times of a configuration file, also from the environment, where every value is text.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A number, written as one or as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

/// A whole number from 0 on, written as one or as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

/// A time, as text: `"250ms"`, `"3s"`, `"1h 30m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// The form of a time, for messages.
const TIMES: &str = r#"a time such as "250ms", "3s" or "1h""#;

/// A message for an unknown word in the form of serde's own, with the known words in backquotes, from which a reader can
/// make a suggestion.
pub fn unknown<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<String> = known.into_iter().map(|known| format!("`{known}`")).collect();
    format!("unknown {what} `{word}`, expected one of {}", known.join(", "))
}

impl Time {
    /// Reads a time.
    ///
    /// # Errors
    /// `text` is not a time; the message shows what a time looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map(Self).map_err(|error| format!("{text:?} is not {TIMES}: {error}"))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Times;
        impl Visitor<'_> for Times {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(TIMES)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                Time::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Times)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                match value.is_finite() {
                    true => Ok(Number(value)),
                    false => Err(E::custom(format!("{value} is not a finite number"))),
                }
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                let value = text.trim().parse().map_err(|_| E::custom(format!("{text:?} is not a number")))?;
                self.visit_f64(value)
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counts;
        impl Visitor<'_> for Counts {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 on")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Count, E> {
                u64::try_from(value).map(Count).map_err(|_| E::custom(format!("{value} is below 0")))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count(value))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                let value = text.trim().parse().map_err(|_| E::custom(format!("{text:?} is not a whole number")))?;
                Ok(Count(value))
            }
        }
        deserializer.deserialize_any(Counts)
    }
}
