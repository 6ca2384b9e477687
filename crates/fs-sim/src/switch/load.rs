//! How much a server has to do: each new session waits for its turn, and Idle-CPU is what is left.
//!
//! New sessions are a queue with one server in the order of their coming (M/G/1 where they come as a Poisson process).
//! With λ sessions a second of the mean service time E\[S\], the utilisation is ρ = λ E\[S\]; below 1 the mean wait is that of
//! Pollaczek and Khinchine, W = λ E\[S²\] / (2 (1 − ρ)): for a constant service time (M/D/1) ρ S / (2 (1 − ρ)), for an
//! exponential one (M/M/1) ρ E\[S\] / (1 − ρ) (L. Kleinrock, Queueing Systems I, §5.6). From 1 on it grows without bound. Each
//! session that is up takes its share of the machine, and what is left for new ones is as much slower.

use std::{collections::VecDeque, time::Duration};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::config::Capacity;

/// Sessions that are up leave at least this share of the machine for new ones: otherwise none would ever come about.
const LEFT_MIN: f64 = 0.01;

/// How many seconds Idle-CPU is the average of (`cpu_idle_smoothing_depth`, switch_core.c).
const SECONDS: usize = 30;

/// Idle-CPU of a server without a capacity, as recorded.
const IDLE_RECORDED: f64 = 99.3;

/// The work of one server.
#[derive(Debug)]
pub(crate) struct Load {
    capacity: Capacity,
    idle_fixed: Option<f64>,
    /// `fsctl min_idle_cpu`: below it no new session comes about; zero for no such limit.
    pub(crate) min_idle: f64,
    rng: ChaCha8Rng,
    /// When all the work that has come is done.
    done_at: Duration,
    /// All the work that has come.
    work: Duration,
    /// Idle-CPU of the last seconds.
    seconds: VecDeque<f64>,
    /// What was done up to the end of the last of them, and how many there have been.
    done: Duration,
    counted: u64,
}

impl Load {
    pub(crate) fn new(capacity: &Capacity, idle_fixed: Option<f64>, seed: u64) -> Load {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX);
        Load {
            capacity: capacity.clone(),
            idle_fixed,
            min_idle: 0.0,
            rng,
            done_at: Duration::ZERO,
            work: Duration::ZERO,
            seconds: VecDeque::new(),
            done: Duration::ZERO,
            counted: 0,
        }
    }

    /// How long one more session takes to come about, when so many are up: its turn has to come, and its own work.
    pub(crate) fn session(&mut self, now: Duration, up: usize) -> Duration {
        let Some(service) = &self.capacity.service_time else { return Duration::ZERO };
        let time = service.sample(&mut self.rng, crate::DELAY_MAX).div_f64(1.0 - self.taken(up));
        self.work = self.work.saturating_add(time);
        self.done_at = self.done_at.max(now).saturating_add(time);
        self.done_at - now
    }

    /// The share of the machine that those sessions take that are up.
    fn taken(&self, up: usize) -> f64 {
        (up as f64 * self.capacity.load_per_session).min(1.0 - LEFT_MIN)
    }

    /// Idle-CPU in percent, the average of the last 30 whole seconds.
    pub(crate) fn idle(&mut self, now: Duration, up: usize) -> f64 {
        if let Some(fixed) = self.idle_fixed {
            return fixed;
        }
        if self.capacity == Capacity::default() {
            return IDLE_RECORDED;
        }
        self.count_seconds(now, up);
        match self.seconds.len() {
            0 => IDLE_RECORDED,
            count => self.seconds.iter().sum::<f64>() / count as f64,
        }
    }

    /// Counts the seconds that are over; of many, which nobody asked about, only the last ones.
    pub(crate) fn count_seconds(&mut self, now: Duration, up: usize) {
        if self.capacity == Capacity::default() {
            return;
        }
        let whole = now.as_secs();
        if whole > self.counted + SECONDS as u64 {
            self.counted = whole - SECONDS as u64;
            self.done = self.done_by(Duration::from_secs(self.counted));
        }
        while self.counted < whole {
            self.counted += 1;
            let done = self.done_by(Duration::from_secs(self.counted));
            let busy = done.saturating_sub(self.done).as_secs_f64() + self.taken(up);
            self.done = done;
            self.seconds.push_back(100.0 * (1.0 - busy).clamp(0.0, 1.0));
            if self.seconds.len() > SECONDS {
                self.seconds.pop_front();
            }
        }
    }

    /// How much of the work was done at `at`, which is not before the last piece came.
    fn done_by(&self, at: Duration) -> Duration {
        self.work.saturating_sub(self.done_at.saturating_sub(at))
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp};

    use super::*;
    use crate::Delay;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn load(service_time: Delay, load_per_session: f64) -> Load {
        Load::new(&Capacity { service_time: Some(service_time), load_per_session }, None, 1)
    }

    /// The mean wait, without the service itself, of Poisson arrivals at the utilisation `rho`.
    fn mean_wait(service_time: Delay, rho: f64) -> f64 {
        const SESSIONS: u32 = 400_000;
        let mut load = load(service_time, 0.0);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let gaps = Exp::new(rho / 0.002).expect("a rate");
        let (mut now, mut sum) = (Duration::ZERO, 0.0);
        for _ in 0..SESSIONS {
            now += Duration::from_secs_f64(gaps.sample(&mut rng));
            sum += load.session(now, 0).as_secs_f64();
        }
        sum / f64::from(SESSIONS) - 0.002
    }

    #[test]
    fn the_mean_wait_is_that_of_pollaczek_and_khinchine() {
        for rho in [0.3, 0.6, 0.8] {
            let constant = rho * 0.002 / (2.0 * (1.0 - rho));
            let measured = mean_wait(Delay::Constant(MS(2)), rho);
            assert!((measured / constant - 1.0).abs() < 0.05, "M/D/1 at {rho}: {measured} and not {constant}");
            let exponential = rho * 0.002 / (1.0 - rho);
            let measured = mean_wait(Delay::Exponential { mean: MS(2) }, rho);
            assert!((measured / exponential - 1.0).abs() < 0.05, "M/M/1 at {rho}: {measured} and not {exponential}");
        }
    }

    #[test]
    fn beyond_its_rate_the_wait_grows_without_bound() {
        let mut load = load(Delay::Constant(MS(10)), 0.0);
        // 125 a second, where 100 can be done.
        let waits: Vec<Duration> = (0..1_000).map(|n| load.session(MS(8 * n), 0)).collect();
        assert_eq!((waits[0], waits[999]), (MS(10), MS(10 + 2 * 999)));
    }

    #[test]
    fn sessions_that_are_up_slow_new_ones_down() {
        let mut load = load(Delay::Constant(MS(10)), 0.001);
        assert_eq!(load.session(MS(0), 500), MS(20));
        assert_eq!(load.session(MS(1_000), 5_000), MS(1_000), "one percent is left at the least");
    }

    #[test]
    fn idle_cpu_is_what_is_left() {
        let mut busy = load(Delay::Constant(MS(10)), 0.0005);
        assert_eq!(busy.idle(MS(500), 0), IDLE_RECORDED, "no second is over yet");
        for n in 0..500 {
            // 40 a second and 10 ms each: 40 %, and 20 % for 400 sessions.
            let now = MS(25 * n);
            busy.count_seconds(now, 0);
            busy.session(now, 0);
        }
        let idle = busy.idle(MS(12_000), 0);
        assert!((59.0..61.0).contains(&idle), "{idle}");
        let idle = busy.idle(MS(200_000), 400);
        assert!((79.0..81.0).contains(&idle), "nothing comes any more: {idle}");
        assert_eq!(Load::new(&Capacity::default(), Some(12.5), 1).idle(MS(9_000), 9), 12.5);
        assert_eq!(Load::new(&Capacity::default(), None, 1).idle(MS(9_000), 9), IDLE_RECORDED);
    }

    #[test]
    fn what_nobody_looked_at_for_long_does_not_show() {
        let mut busy = load(Delay::Constant(MS(10)), 0.0005);
        for n in 0..10_000 {
            busy.session(MS(10 * n), 0);
        }
        let idle = busy.idle(MS(200_000), 400);
        assert!((79.99..80.01).contains(&idle), "{idle}");
    }

    #[test]
    fn service_times_are_drawn_from_a_stream_of_their_own() {
        let delay = Delay::Exponential { mean: MS(10) };
        let drawn = load(delay.clone(), 0.0).session(MS(0), 0);
        assert_ne!(drawn, delay.sample(&mut ChaCha8Rng::seed_from_u64(1), crate::DELAY_MAX));
    }
}
