//! How long to wait before connecting again.

use std::time::Duration;

/// No pause is shorter than a part of this, whatever is asked for: connecting without any would keep a core busy.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Pauses that double from `min` to `max`, each a random part of that (*full jitter*), so that many clients do not come
/// back to one server at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// What the first pause is at most.
    pub min: Duration,
    /// What every pause is at most.
    pub max: Duration,
}

impl Backoff {
    /// The pause after so many failures in a row, the first one being 0.
    #[must_use]
    pub fn pause(self, failures: u32) -> Duration {
        self.longest(failures).mul_f64(rand::random())
    }

    fn longest(self, failures: u32) -> Duration {
        // 2^16 times any sensible minimum is beyond any sensible maximum.
        self.min.max(PAUSE_MIN).saturating_mul(1 << failures.min(16)).min(self.max.max(PAUSE_MIN))
    }
}

impl Default for Backoff {
    /// 100 ms to 10 s: a server that restarts is found again within ten seconds of its return.
    fn default() -> Self {
        Self { min: Duration::from_millis(100), max: Duration::from_secs(10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_part_of_it() {
        let backoff = Backoff::default();
        let longest: Vec<u128> = (0..9).map(|failures| backoff.longest(failures).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.longest(u32::MAX), backoff.max);
        let pauses: Vec<Duration> = (0..100).map(|_| backoff.pause(9)).collect();
        assert!(pauses.iter().all(|&pause| pause <= backoff.max));
        assert!(
            pauses.iter().any(|&pause| pause < backoff.max / 2) && pauses.iter().any(|&pause| pause > backoff.max / 2)
        );
    }
}
