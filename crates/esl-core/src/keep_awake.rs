//! When a connection says something of its own: to be handed events in time, and to find out that nobody is there.

use std::time::Duration;

/// What one `noop` costs this side, a write, a read and a timer: 500 a second took 2.4 % of a core, 49 µs each, with a
/// multi-threaded tokio (34 µs with a single-threaded one).
pub const KEEP_AWAKE_COST: Duration = Duration::from_micros(50);

/// `noop`s that may be unanswered. Too many at once do harm: 20,000 queued commands held an event up for 82 ms.
pub(crate) const UNANSWERED_MAX: usize = 8;

/// A period is so long at most; beyond, it is as good as off.
const PERIOD_MAX: Duration = Duration::from_secs(3600);

/// How a listener's connection is kept awake.
///
/// A FreeSWITCH's thread for a connection waits up to 20 ms for input before it looks at its event queue again
/// (`mod_event_socket`), so that events come up to 20 ms late. A command that does nothing wakes it. With one every 2 ms
/// an answer was seen 3.5 ms (median) after the `200 OK` on the wire, without it 13.0 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAwake {
    period: Option<Duration>,
}

impl KeepAwake {
    /// Not at all: events come up to 20 ms late.
    pub const OFF: Self = Self { period: None };

    /// A `noop` so often, once an hour at the least.
    #[must_use]
    pub fn every(period: Duration) -> Self {
        Self { period: Some(period.min(PERIOD_MAX)) }
    }

    /// The same, stretched so that as many `listeners` together stay within `budget`, a share of one core.
    #[must_use]
    pub fn within(self, listeners: usize, budget: f64) -> Self {
        let least = KEEP_AWAKE_COST.as_secs_f64() * listeners as f64 / budget.max(f64::MIN_POSITIVE);
        let least = Duration::try_from_secs_f64(least).unwrap_or(PERIOD_MAX).min(PERIOD_MAX);
        Self { period: self.period.map(|period| period.max(least)) }
    }

    /// How often, `None` where it is off.
    #[must_use]
    pub fn period(self) -> Option<Duration> {
        self.period
    }
}

/// How a peer that is gone without a word is found out: a cable that was pulled, a machine that stopped, a server whose
/// thread for this connection hangs.
///
/// After some silence a `noop` is sent; if nothing at all has come by the limit, the connection is taken for closed. An
/// `api` command that works for longer than that looks the same from here: run it with
/// [`Client::background`](crate::Client::background), or allow more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    limit: Option<Duration>,
}

impl Liveness {
    /// A silent peer is waited for without end.
    pub const OFF: Self = Self { limit: None };

    /// A silent peer is taken for gone after `limit` at the latest, once the connection is being read.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self { limit: Some(limit) }
    }

    /// The limit, `None` where it is off.
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        self.limit
    }

    /// The silence after which the peer is asked: leaves it two thirds of the limit to answer.
    pub(crate) fn ask_after(self) -> Option<Duration> {
        self.limit.map(|limit| limit / 3)
    }
}

impl Default for Liveness {
    /// 30 s: longer than what a busy server keeps a connection waiting, shorter than what a person does.
    fn default() -> Self {
        Self::within(Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_stretches_the_period() {
        let every = KeepAwake::every(Duration::from_millis(2));
        assert_eq!(every.within(3, 0.1).period(), Some(Duration::from_millis(2)));
        assert_eq!(every.within(200, 0.1).period(), Some(Duration::from_millis(100)));
        assert_eq!(KeepAwake::OFF.within(200, 0.1).period(), None);
    }
}
