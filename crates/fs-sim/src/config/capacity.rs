//! How much a server can do.

use serde::{Deserialize, Deserializer, de};

use super::callee::share;
use units::{Delay, Number};

/// How much a server can do: new sessions wait for each other, so that a search for its capacity has a knee to find.
///
/// They are done one after the other, each in its service time. A server to which 1 / `service_time` come in a second and
/// more has a queue that grows without bound; below, the mean wait is that of Pollaczek and Khinchine's formula (M/D/1 for a
/// constant service time, M/M/1 for an exponential one, where calls are independent of each other). A call of a server to
/// itself is two sessions, as in the limits: the recorded server did about 400 sessions a second, which is 2.5 ms.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capacity {
    /// What one new session takes; without it none takes any time.
    pub service_time: Option<Delay>,
    /// The share of the server that each session takes while it is up: with 0.001 of it 500 sessions halve the rate of
    /// new ones. At least a hundredth is always left for new ones.
    #[serde(deserialize_with = "load_per_session")]
    pub load_per_session: f64,
}

fn load_per_session<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    share("load_per_session", Number::deserialize(deserializer)?.0).map_err(de::Error::custom)
}
