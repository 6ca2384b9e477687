//! The part of a schedule that one process carries out.

use std::fmt;
use std::str::FromStr;

/// One of several processes that share a schedule: each places the calls of its own slaves.
///
/// Slave *s* belongs to shard *s* mod *count*, so that the numbers of slaves differ by one at most. The union of all
/// shards' calls is the whole schedule, call for call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its index, from 0.
    pub index: usize,
    /// The number of shards.
    pub count: usize,
}

impl Shard {
    /// The only shard of a run that is not divided.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether a slave's calls are this shard's.
    pub fn owns(self, slave: usize) -> bool {
        slave % self.count.max(1) == self.index
    }
}

/// The environment variable with the index of a container of an indexed Kubernetes Job, from 0.
const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";

impl Shard {
    /// Parses `2/5`, or `job/5` for the shard whose index is in the environment.
    ///
    /// # Errors
    /// The mistake.
    pub fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let Some(count) = text.strip_prefix("job/") else {
            return text.parse();
        };
        let index = environment(JOB_INDEX)
            .ok_or_else(|| format!("{text}: {JOB_INDEX} is not set: an indexed Kubernetes Job sets it"))?;
        match number(&index).and_then(|index| index.checked_add(1)) {
            Some(index) => {
                format!("{index}/{count}").parse().map_err(|error| format!("{JOB_INDEX}={}: {error}", index - 1))
            }
            None => Err(format!("{JOB_INDEX}={index}: it must be a number, from 0")),
        }
    }
}

/// `2/5`: the second of five.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
        match numbers {
            Some((_, 0)) => {
                Err(format!("invalid shard {text}: the number of shards must be at least 1; 1/1 is the whole load"))
            }
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index: index - 1, count }),
            Some((_, count)) => Err(format!("invalid shard {text}: expected 1/{count} to {count}/{count}")),
            None => Err(format!("invalid shard {text}: expected INDEX/COUNT, such as 2/5")),
        }
    }
}

/// Digits only: `usize` would accept a plus sign too.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}
