//! When each call is due, on which slave, with which app: a pure function of the plan and its seed. No clock, no I/O.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

/// How calls follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Call *n* is due at *n* / rate.
    Constant,
    /// The gaps between calls are exponential with a mean of 1 / rate: a Poisson process, as independent callers make.
    Poisson,
}

/// A load as it was planned.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Calls per second, above 0.
    pub rate: f64,
    /// How calls follow each other.
    pub arrivals: Arrivals,
    /// What the gaps are drawn from.
    pub seed: u64,
    /// Calls are due before this, from the start; without it, for ever.
    pub duration: Option<Duration>,
    /// So many calls at most.
    pub max_offered: Option<u64>,
    /// Whose turn it is among the slaves.
    pub slaves: Turns,
    /// Whose turn it is among the apps, for each slave's calls by themselves.
    pub apps: Turns,
}

/// One call that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its number in the whole schedule, from 0.
    pub attempt: u64,
    /// When, from the start.
    pub at: Duration,
    /// On which slave.
    pub slave: usize,
    /// With which app.
    pub app: usize,
}

impl Schedule {
    /// Every call in the order in which they are due.
    pub fn calls(&self) -> Calls {
        Calls {
            schedule: self.clone(),
            attempt: 0,
            at: Duration::ZERO,
            random: ChaCha8Rng::seed_from_u64(self.seed),
            of_slave: vec![0; self.slaves.members],
        }
    }

    /// Whether it ends by itself.
    pub fn has_end(&self) -> bool {
        self.duration.is_some() || self.max_offered.is_some()
    }

    /// For how long it offers calls: up to its duration, or one mean gap beyond its last call where `max_offered` ends
    /// it before. `None` where it never ends. Goes through the calls where they are random and limited by their number.
    pub fn length(&self) -> Option<Duration> {
        let beyond = self.max_offered.and_then(|max| match self.arrivals {
            Arrivals::Constant => Duration::try_from_secs_f64(max as f64 / self.rate).ok(),
            Arrivals::Poisson => {
                let last = self.calls().nth(usize::try_from(max).ok()?.checked_sub(1)?)?;
                Some(last.at + Duration::try_from_secs_f64(1.0 / self.rate).ok()?)
            }
        });
        [self.duration, beyond].into_iter().flatten().min()
    }

    /// One slave's calls.
    pub fn of_slave(&self, slave: usize) -> impl Iterator<Item = Due> + use<> {
        self.calls().filter(move |due| due.slave == slave)
    }
}

/// Goes through a schedule.
#[derive(Clone, Debug)]
pub struct Calls {
    schedule: Schedule,
    attempt: u64,
    at: Duration,
    random: ChaCha8Rng,
    /// How many calls each slave had.
    of_slave: Vec<u64>,
}

impl Iterator for Calls {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let Schedule { rate, arrivals, duration, max_offered, slaves, apps, .. } = &self.schedule;
        let attempt = self.attempt;
        // A gap that no clock can hold ends the schedule.
        let at = match arrivals {
            Arrivals::Constant => Duration::try_from_secs_f64(attempt as f64 / rate).ok()?,
            Arrivals::Poisson => {
                let gap: f64 = Exp1.sample(&mut self.random);
                self.at.checked_add(Duration::try_from_secs_f64(gap / rate).ok()?)?
            }
        };
        if duration.is_some_and(|duration| at >= duration) || max_offered.is_some_and(|max| attempt >= max) {
            return None;
        }
        self.attempt += 1;
        self.at = at;
        let slave = slaves.turn(attempt);
        let app = apps.turn(self.of_slave[slave]);
        self.of_slave[slave] += 1;
        Some(Due { attempt, at, slave, app })
    }
}

/// Members that take turns by their weights, as evenly as can be: never two in a row where it can be helped.
#[derive(Clone, Debug)]
pub struct Turns {
    cycle: Arc<[u32]>,
    members: usize,
}

impl Turns {
    /// Turns of a cycle at most, so that it stays a table: the sum of the weights, after taking out what they share.
    pub const CYCLE_MAX: u64 = 1 << 16;

    /// The turns for these weights, of which one at least is above 0. `None` where they make a cycle longer than
    /// [`Turns::CYCLE_MAX`] or have no sum.
    pub fn new(weights: &[u64]) -> Option<Self> {
        let shared = weights.iter().copied().fold(0, gcd);
        let total = weights.iter().try_fold(0_u64, |sum, weight| sum.checked_add(*weight))?.checked_div(shared)?;
        if total > Self::CYCLE_MAX {
            return None;
        }
        // Smooth weighted round robin: in each turn everybody earns his weight, and who has most pays the whole.
        let weights: Vec<i64> = weights.iter().map(|weight| (weight / shared) as i64).collect();
        let mut credit = vec![0_i64; weights.len()];
        let mut cycle = Vec::with_capacity(total as usize);
        for _ in 0..total {
            let mut richest = 0;
            for (member, weight) in weights.iter().enumerate() {
                credit[member] += weight;
                if credit[member] > credit[richest] {
                    richest = member;
                }
            }
            credit[richest] -= total as i64;
            cycle.push(richest as u32);
        }
        Some(Self { cycle: cycle.into(), members: weights.len() })
    }

    /// A member's share of the turns, 0 to 1.
    pub fn share(&self, member: usize) -> f64 {
        let turns = self.cycle.iter().filter(|turn| **turn as usize == member).count();
        turns as f64 / self.cycle.len() as f64
    }

    fn turn(&self, n: u64) -> usize {
        self.cycle[(n % self.cycle.len() as u64) as usize] as usize
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(rate: f64, arrivals: Arrivals, seconds: f64, slaves: &[u64]) -> Schedule {
        Schedule {
            rate,
            arrivals,
            seed: 7,
            duration: Some(Duration::from_secs_f64(seconds)),
            max_offered: None,
            slaves: Turns::new(slaves).unwrap(),
            apps: Turns::new(&[1]).unwrap(),
        }
    }

    #[test]
    fn constant_calls_are_due_at_n_over_rate() {
        let calls: Vec<_> = schedule(50.0, Arrivals::Constant, 15.0, &[1, 1, 1]).calls().collect();
        assert_eq!(calls.len(), 750);
        assert_eq!(calls[1].at, Duration::from_millis(20));
        assert_eq!(calls[749].at, Duration::from_millis(14_980));
        assert_eq!(calls[..4].iter().map(|due| due.slave).collect::<Vec<_>>(), [0, 1, 2, 0]);
    }

    #[test]
    fn a_schedule_is_as_long_as_it_offers_calls() {
        let schedule = schedule(50.0, Arrivals::Constant, 15.0, &[1]);
        assert_eq!(schedule.length(), Some(Duration::from_secs(15)));
        let few = Schedule { max_offered: Some(100), ..schedule.clone() };
        assert_eq!(few.length(), Some(Duration::from_secs(2)));
        let many = Schedule { max_offered: Some(10_000), ..schedule.clone() };
        assert_eq!(many.length(), Some(Duration::from_secs(15)));
        let endless = Schedule { duration: None, ..schedule };
        assert_eq!((endless.length(), endless.has_end()), (None, false));
    }

    #[test]
    fn turns_follow_the_weights_evenly() {
        let turns = Turns::new(&[5, 1, 1]).unwrap();
        assert_eq!((0..8).map(|n| turns.turn(n)).collect::<Vec<_>>(), [0, 0, 1, 0, 2, 0, 0, 0]);
        assert_eq!(Turns::new(&[20, 10]).unwrap().cycle.len(), 3);
        assert!(Turns::new(&[0, 0]).is_none());
        assert!(Turns::new(&[]).is_none());
        assert!(Turns::new(&[1, 1 << 20]).is_none());
    }

    #[test]
    fn apps_take_turns_within_each_slave() {
        let apps = Turns::new(&[1, 1]).unwrap();
        let schedule = Schedule { apps, ..schedule(10.0, Arrivals::Constant, 1.0, &[1, 1]) };
        let of_slave = |slave| schedule.of_slave(slave).map(|due| due.app).collect::<Vec<_>>();
        assert_eq!(of_slave(0), [0, 1, 0, 1, 0]);
        assert_eq!(of_slave(1), [0, 1, 0, 1, 0]);
    }

    /// The gaps of a Poisson process are exponential: by Kolmogorov and Smirnov, at a level of 0.1 %.
    #[test]
    fn poisson_gaps_are_exponential() {
        let rate = 100.0;
        let calls: Vec<_> = schedule(rate, Arrivals::Poisson, 200.0, &[1]).calls().collect();
        let mut gaps: Vec<f64> = calls.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
        gaps.sort_by(f64::total_cmp);
        let n = gaps.len() as f64;
        let distance = |(i, gap): (usize, &f64)| {
            let expected = 1.0 - (-rate * gap).exp();
            (expected - i as f64 / n).abs().max((expected - (i + 1) as f64 / n).abs())
        };
        let largest = gaps.iter().enumerate().map(distance).fold(0.0, f64::max);
        assert!(largest < 1.95 / n.sqrt(), "{largest} over {n} gaps");
    }

    proptest! {
        #[test]
        fn the_slaves_calls_together_are_the_whole(
            rate in 1.0..500.0_f64,
            poisson: bool,
            weights in prop::collection::vec(1_u64..5, 1..6),
        ) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let schedule = schedule(rate, arrivals, 2.0, &weights);
            let whole: Vec<_> = schedule.calls().collect();
            prop_assert!(whole.is_sorted_by_key(|due| due.at));
            let mut parts: Vec<_> = (0..weights.len()).flat_map(|slave| schedule.of_slave(slave)).collect();
            parts.sort_by_key(|due| due.attempt);
            prop_assert_eq!(&parts, &whole);
            if !poisson {
                prop_assert!((whole.len() as f64 - rate * 2.0).abs() <= 1.0);
            }
        }
    }
}
