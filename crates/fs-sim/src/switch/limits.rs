//! How many sessions there may be, and how many new ones in a second (switch_core_session.c).

use std::time::Duration;

/// The most channels that a server holds whatever its configuration says, so that a test's mistake
/// cannot eat the machine: about 2 GB of SIP legs at their largest.
const CHANNELS_MAX: usize = 200_000;

const SECOND: Duration = Duration::from_secs(1);

/// The limits and their counters.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) max_sessions: u32,
    sessions_per_second: u32,
    /// What is left of this second; may go below zero, as each refused session counts too.
    left: i64,
    second_began: Duration,
    last_second: u32,
    peak_rate: u32,
    pub(crate) peak_sessions: usize,
    pub(crate) since_startup: u64,
    pub(crate) refused: u64,
    pub(crate) paused_inbound: bool,
    pub(crate) paused_outbound: bool,
}

/// The figures of `status` and HEARTBEAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) limit: u32,
    pub(crate) left: u32,
    pub(crate) last_second: u32,
    pub(crate) peak: u32,
}

impl Limits {
    pub(crate) fn new(max_sessions: u32, sessions_per_second: u32) -> Limits {
        Limits {
            max_sessions,
            sessions_per_second,
            left: i64::from(sessions_per_second),
            second_began: Duration::ZERO,
            last_second: 0,
            peak_rate: 0,
            peak_sessions: 0,
            since_startup: 0,
            refused: 0,
            paused_inbound: false,
            paused_outbound: false,
        }
    }

    /// Takes one session out of the limits: its number, or nothing if it is refused. As in FreeSWITCH the
    /// last of a second is refused too, so that a limit of 30 lets 29 pass.
    pub(crate) fn take(&mut self, now: Duration, inbound: bool, sessions: usize) -> Option<u64> {
        self.roll(now);
        if if inbound { self.paused_inbound } else { self.paused_outbound } {
            self.refused += 1;
            return None;
        }
        self.left -= 1;
        if self.left <= 0 || sessions >= self.max_sessions as usize || sessions >= CHANNELS_MAX {
            self.refused += 1;
            return None;
        }
        self.since_startup += 1;
        self.peak_sessions = self.peak_sessions.max(sessions + 1);
        Some(self.since_startup)
    }

    /// What `status` says of it: not ready while it is paused, both ways.
    pub(crate) fn readiness(&self) -> &'static str {
        if self.paused_inbound && self.paused_outbound { "not ready" } else { "ready" }
    }

    /// `fsctl pause` and `fsctl resume`, both ways.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused_inbound = paused;
        self.paused_outbound = paused;
    }

    /// `fsctl sps`: the new limit holds from the next second on, what is left of this one stays. Here that
    /// next second begins one second after the change; in FreeSWITCH it may begin earlier.
    pub(crate) fn set_rate(&mut self, now: Duration, limit: u32) {
        self.roll(now);
        self.sessions_per_second = limit;
        self.second_began = now;
    }

    pub(crate) fn reset_peak_rate(&mut self) {
        self.peak_rate = 0;
    }

    pub(crate) fn rate(&mut self, now: Duration) -> Rate {
        self.roll(now);
        Rate {
            limit: self.sessions_per_second,
            left: self.left.max(0) as u32,
            last_second: self.last_second,
            peak: self.peak_rate,
        }
    }

    fn roll(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.second_began);
        if passed < SECOND {
            return;
        }
        let used = (i64::from(self.sessions_per_second) - self.left).max(0) as u32;
        self.peak_rate = self.peak_rate.max(used);
        self.last_second = if passed < 2 * SECOND { used } else { 0 };
        self.second_began += SECOND * passed.as_secs() as u32;
        self.left = i64::from(self.sessions_per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn one_less_than_the_rate_passes_each_second() {
        let mut limits = Limits::new(1_000, 5);
        let passed = |limits: &mut Limits, now| (0..12).filter(|_| limits.take(now, false, 0).is_some()).count();
        assert_eq!(passed(&mut limits, ms(100)), 4);
        assert_eq!(passed(&mut limits, ms(999)), 0);
        assert_eq!(passed(&mut limits, ms(1_000)), 4);
        assert_eq!((limits.refused, limits.since_startup), (28, 8));
    }

    #[test]
    fn a_changed_rate_holds_from_the_next_second_on() {
        let mut limits = Limits::new(1_000, 10_000);
        limits.set_rate(ms(900), 5);
        assert_eq!((0..12).filter(|_| limits.take(ms(1_800), false, 0).is_some()).count(), 12);
        assert_eq!((0..12).filter(|_| limits.take(ms(1_900), false, 0).is_some()).count(), 4);
    }

    #[test]
    fn sessions_and_pauses() {
        let mut limits = Limits::new(3, 100);
        assert!(limits.take(ms(0), false, 2).is_some());
        assert!(limits.take(ms(0), false, 3).is_none());
        limits.paused_outbound = true;
        assert!(limits.take(ms(0), false, 0).is_none());
        assert!(limits.take(ms(0), true, 0).is_some());
    }
}
