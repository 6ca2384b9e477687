//! The shapes of load, and the pieces that they consist of.

use std::time::Duration;

use super::round_robin::RoundRobin;

/// A part of a schedule: its rate, its length and its mix of apps.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name in the results.
    pub name: String,
    /// Its length. Without one it has no end, and later phases never begin. [`Rate::Steps`] has its own.
    pub duration: Option<Duration>,
    /// The rate of its calls.
    pub rate: Rate,
    /// Whether its calls count in the results; `false` for a warm-up.
    pub measured: bool,
    /// The turns of the apps, for each slave's calls separately.
    pub apps: RoundRobin,
}

/// The rate over a phase that begins at 0 and is *T* long, in calls per second. Negative values and NaN count as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// λ(t) = λ
    Flat(f64),
    /// λ(t) = from + (to − from)·t / T. Without an end it stays at `from`.
    Linear {
        /// The rate at its start.
        from: f64,
        /// The rate at its end.
        to: f64,
    },
    /// λ(t) = from ± step·⌊t / each⌋, and finally `to`: levels up or down, each of the same length. Where `step` does
    /// not divide the difference, the last step is smaller. T is [`Rate::levels`] times `each`.
    Steps {
        /// The first level.
        from: f64,
        /// The last level.
        to: f64,
        /// The difference between two levels, in either direction.
        step: f64,
        /// The length of each level.
        each: Duration,
    },
    /// λ(t) = 0
    Pause,
}

impl Rate {
    /// Levels of [`Rate::Steps`] at most: more would be a ramp. The last level is `to` all the same.
    pub const LEVELS_MAX: u32 = 1_000;

    /// How many levels there are: for steps 1 + ⌈|to − from| / step⌉, and one for all else.
    pub fn levels(&self) -> u32 {
        let Rate::Steps { from, to, step, .. } = *self else {
            return 1;
        };
        // Nine steps of 0.1 are not quite 0.9: the rest has to exceed the rounding error.
        let steps = ((to - from).abs() / step - 1e-9).ceil();
        // The cast saturates, and NaN becomes 0. A step of 0 leads straight to the end.
        if step > 0.0 { (steps.max(0.0) as u32).min(Self::LEVELS_MAX - 1) + 1 } else { 1 + u32::from(from != to) }
    }

    /// The highest rate, in calls per second.
    pub fn max(&self) -> f64 {
        match *self {
            Rate::Flat(rate) => sane(rate),
            Rate::Linear { from, to } | Rate::Steps { from, to, .. } => sane(from).max(sane(to)),
            Rate::Pause => 0.0,
        }
    }

    /// The rate of a level.
    fn level(&self, level: u32) -> (f64, f64) {
        match *self {
            Rate::Flat(rate) => (sane(rate), sane(rate)),
            Rate::Linear { from, to } => (sane(from), sane(to)),
            Rate::Steps { from, to, step, .. } => {
                let rate = match level {
                    0 => from,
                    level if level + 1 == self.levels() => to,
                    level => from + (step * f64::from(level)).copysign(to - from),
                };
                (sane(rate), sane(rate))
            }
            Rate::Pause => (0.0, 0.0),
        }
    }
}

fn sane(rate: f64) -> f64 {
    // `max` returns the number where the other value is NaN.
    rate.max(0.0)
}

impl Phase {
    /// A measured phase with one rate.
    pub fn flat(name: &str, rate: f64, duration: Option<Duration>, apps: RoundRobin) -> Self {
        Self { name: name.to_owned(), duration, rate: Rate::Flat(rate), measured: true, apps }
    }

    /// Its length; `None` without an end.
    pub fn length(&self) -> Option<Duration> {
        match self.rate {
            Rate::Steps { each, .. } => each.checked_mul(self.rate.levels()),
            _ => self.duration,
        }
    }

    /// Its pieces, from its start on.
    fn pieces(&self, phase: usize, start: Duration) -> impl Iterator<Item = Piece> {
        let each = if let Rate::Steps { each, .. } = self.rate { Some(each) } else { self.duration };
        let begin = move |level: u32| each.unwrap_or_default().checked_mul(level)?.checked_add(start);
        (0..self.rate.levels()).filter_map(move |level| {
            let (from, to) = self.rate.level(level);
            Some(Piece { start: begin(level)?, end: each.and_then(|_| begin(level + 1)), from, to, phase })
        })
    }
}

/// The start and end of each phase, as far as phases ever begin.
pub(super) fn spans(phases: &[Phase]) -> impl Iterator<Item = (Duration, Option<Duration>)> {
    phases.iter().scan(Some(Duration::ZERO), |next, phase| {
        let start = (*next)?;
        *next = phase.length().and_then(|length| start.checked_add(length));
        Some((start, *next))
    })
}

/// A stretch of time in which the rate is constant or changes linearly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) start: Duration,
    /// `None` for no end, or one that no clock can represent.
    pub(super) end: Option<Duration>,
    /// The rate at its start, in calls per second.
    from: f64,
    /// The rate at its end, in calls per second.
    to: f64,
    pub(super) phase: usize,
}

impl Piece {
    /// The pieces of all phases, one after the other.
    pub(super) fn of(phases: &[Phase]) -> impl Iterator<Item = Self> {
        let spans = spans(phases).enumerate();
        spans.flat_map(|(index, (start, _))| phases[index].pieces(index, start))
    }

    /// The same stretch of time at a constant rate.
    pub(super) fn at_rate(self, rate: f64) -> Self {
        Self { from: sane(rate), to: sane(rate), ..self }
    }

    /// The rest of it from `at` on; `None` where it has ended.
    pub(super) fn after(self, at: Duration) -> Option<Self> {
        if at <= self.start {
            return Some(self);
        }
        self.holds(at).then(|| Self { start: at, from: self.rate(at.as_secs_f64()), ..self })
    }

    /// The part of it up to `at`; `None` where it has not begun.
    pub(super) fn until(self, at: Duration) -> Option<Self> {
        if at <= self.start {
            return None;
        }
        match self.end {
            Some(end) if end <= at => Some(self),
            _ => Some(Self { end: Some(at), to: self.rate(at.as_secs_f64()), ..self }),
        }
    }

    pub(super) fn holds(&self, at: Duration) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }

    /// Its highest rate.
    pub(super) fn rate_max(&self) -> f64 {
        self.from.max(self.to)
    }

    /// The slope of the rate, in calls per second, per second.
    fn slope(&self) -> f64 {
        match self.end {
            Some(end) if self.from != self.to => (self.to - self.from) / (end - self.start).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// The rate `at` seconds from the schedule's start.
    pub(super) fn rate(&self, at: f64) -> f64 {
        match self.slope() {
            0.0 => self.from,
            slope => sane(self.from + slope * (at - self.start.as_secs_f64())),
        }
    }

    /// The integral of the rate between two moments of it, in seconds from the schedule's start: the mean of the rates
    /// at both times the time between, which for a straight line is exact.
    pub(super) fn calls(&self, from: f64, to: f64) -> f64 {
        (self.rate(from) + self.rate(to)) / 2.0 * (to - from)
    }

    /// How long from `since` (seconds from the schedule's start) until the integral of the rate has grown by `calls`,
    /// in seconds, as if this piece went on for ever. `None` where it never does.
    ///
    /// At a flat rate λ it is calls / λ. With a rate of λ + a·t it solves λ·t + a·t²/2 = calls by
    /// t = 2·calls / (λ + √(λ² + 2·a·calls)): of the two ways to write the root it is the one that takes no difference
    /// of nearly equal numbers where the slope is small (G. E. Forsythe, *How do you solve a quadratic equation?*,
    /// Stanford CS-TR-66-40, 1966), and it needs no division by a slope or a rate of 0.
    pub(super) fn time_for(&self, calls: f64, since: f64) -> Option<f64> {
        let (rate, slope) = (self.rate(since), self.slope());
        if rate <= 0.0 && slope <= 0.0 {
            return None;
        }
        if calls <= 0.0 {
            return Some(0.0);
        }
        if slope == 0.0 {
            return Some(calls / rate);
        }
        // Far beyond the end of a ramp down the root is of a negative number, and the time is NaN.
        let root = (rate * rate + 2.0 * slope * calls).sqrt();
        Some(2.0 * calls / (rate + root))
    }
}
