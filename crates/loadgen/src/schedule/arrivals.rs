//! How calls follow each other, independent of their rate.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

/// How calls follow each other.
///
/// Each kind gives the calls positions p(0) ≤ p(1) ≤ … on a line where one call is due per unit of length; call *n* is
/// due when the integral of the rate, Λ(t) = ∫₀ᵗ λ, has come to p(n).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// p(n) = n: evenly. At a flat rate λ, call *n* is due at n / λ. Of any window, the calls are the integral of the
    /// rate over it within one.
    Constant,
    /// p(n) = the sum of n + 1 gaps, each exponential with a mean of one: independent callers. Positions that are a
    /// Poisson process of rate 1 become due times that are one with the rate λ(t) (E. Çinlar, *Introduction to
    /// Stochastic Processes*, Prentice-Hall 1975, ch. 4; P. A. W. Lewis and G. S. Shedler, *Simulation of
    /// nonhomogeneous Poisson processes by thinning*, Naval Research Logistics Quarterly 26 (1979) 403–413; for rates
    /// that are straight lines R. W. Klein and S. D. Roberts, *A time-varying Poisson arrival process generator*,
    /// Simulation 43 (1984) 193–195). Of any window, the calls are Poisson distributed with the integral of the rate
    /// over it as mean and variance.
    Poisson,
    /// p(n) = n + U, U uniform in [0, 1): one call at random in each unit, which is sampling with jitter (R. L. Cook,
    /// *Stochastic sampling in computer graphics*, ACM Transactions on Graphics 5 (1986) 51–72). Up to any moment the
    /// calls are the integral of the rate within one, of any window within two.
    Uniform,
    /// p(n) = N·⌊n / N⌋: so many at once, then none until as many more are due; at a flat rate λ every N / λ seconds.
    /// Of any window, the calls are the integral of the rate over it within N.
    Burst(u64),
}

/// The positions of a schedule's calls, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Positions {
    arrivals: Arrivals,
    random: ChaCha8Rng,
    /// Calls before the current one.
    n: u64,
    /// The position of the current call.
    position: f64,
}

impl Positions {
    pub(super) fn new(arrivals: Arrivals, seed: u64) -> Self {
        let mut positions = Self { arrivals, random: ChaCha8Rng::seed_from_u64(seed), n: 0, position: 0.0 };
        positions.place();
        positions
    }

    /// The number of the current call.
    pub(super) fn attempt(&self) -> u64 {
        self.n
    }

    /// The position of the current call.
    pub(super) fn current(&self) -> f64 {
        self.position
    }

    /// Advances to the next call.
    pub(super) fn advance(&mut self) {
        self.n += 1;
        self.place();
    }

    fn place(&mut self) {
        self.position = match self.arrivals {
            Arrivals::Constant => self.n as f64,
            Arrivals::Poisson => {
                let gap: f64 = Exp1.sample(&mut self.random);
                self.position + gap
            }
            Arrivals::Uniform => self.n as f64 + self.random.random::<f64>(),
            Arrivals::Burst(size) => (self.n - self.n % size.max(1)) as f64,
        };
    }
}
