//! The shapes of load, and the pieces that they are made of.

use std::time::Duration;

use super::turns::RoundRobin;

/// A part of a schedule: how fast calls come in it, and what they do.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name in the results.
    pub name: String,
    /// How long it is. Without it, it has no end, and no phase after it ever begins. [`Rate::Steps`] says it by itself.
    pub duration: Option<Duration>,
    /// How fast calls come.
    pub rate: Rate,
    /// Whether its calls count in the results: `false` to warm up.
    pub measured: bool,
    /// Whose turn it is among the apps, for each slave's calls by themselves.
    pub apps: RoundRobin,
}

/// How fast calls come, in calls per second, over a phase that begins at 0 and is *T* long. What is negative or no
/// number is taken for 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// λ(t) = λ
    Flat(f64),
    /// λ(t) = from + (to − from)·t / T. Where there is no end, it stays at `from`.
    Linear {
        /// At its beginning.
        from: f64,
        /// At its end.
        to: f64,
    },
    /// λ(t) = from ± step·⌊t / each⌋, and last of all `to`: levels that go up or down, each for the same time. Where
    /// `step` does not divide the way, the last step is a smaller one. T follows: [`Rate::levels`] times `each`.
    Steps {
        /// The first level.
        from: f64,
        /// The last level.
        to: f64,
        /// From one level to the next, whichever way it is.
        step: f64,
        /// How long each level is held.
        each: Duration,
    },
    /// λ(t) = 0
    Pause,
}

impl Rate {
    /// Levels of [`Rate::Steps`] at most: with more it is a ramp. What was to be more ends with `to` all the same.
    pub const LEVELS_MAX: u32 = 1_000;

    /// How many levels there are: for steps 1 + ⌈|to − from| / step⌉, and one for all else.
    pub fn levels(&self) -> u32 {
        let Rate::Steps { from, to, step, .. } = *self else {
            return 1;
        };
        // Nine steps of 0.1 are not quite 0.9: what is left of a step has to be more than rounding leaves.
        let steps = ((to - from).abs() / step - 1e-9).ceil();
        // A cast saturates, and what is no number becomes 0. A step of nothing leads straight to the end.
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

    /// A level's rate.
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
    // `max` gives the number where the other one is none.
    rate.max(0.0)
}

impl Phase {
    /// One rate, and its calls count.
    pub fn flat(name: &str, rate: f64, duration: Option<Duration>, apps: RoundRobin) -> Self {
        Self { name: name.to_owned(), duration, rate: Rate::Flat(rate), measured: true, apps }
    }

    /// How long it is; `None` where it has no end.
    pub fn length(&self) -> Option<Duration> {
        match self.rate {
            Rate::Steps { each, .. } => each.checked_mul(self.rate.levels()),
            _ => self.duration,
        }
    }

    /// What it is made of, from where it begins on.
    fn pieces(&self, phase: usize, start: Duration) -> impl Iterator<Item = Piece> {
        let each = if let Rate::Steps { each, .. } = self.rate { Some(each) } else { self.duration };
        let begin = move |level: u32| each.unwrap_or_default().checked_mul(level)?.checked_add(start);
        (0..self.rate.levels()).filter_map(move |level| {
            let (from, to) = self.rate.level(level);
            Some(Piece { start: begin(level)?, end: each.and_then(|_| begin(level + 1)), from, to, phase })
        })
    }
}

/// From when to when each phase is, as far as they ever begin.
pub(super) fn spans(phases: &[Phase]) -> impl Iterator<Item = (Duration, Option<Duration>)> {
    phases.iter().scan(Some(Duration::ZERO), |next, phase| {
        let start = (*next)?;
        *next = phase.length().and_then(|length| start.checked_add(length));
        Some((start, *next))
    })
}

/// A stretch of time in which the rate changes evenly, if at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) start: Duration,
    /// `None` where there is none, or none that a clock can hold.
    pub(super) end: Option<Duration>,
    /// At its start, calls per second.
    from: f64,
    /// At its end, calls per second.
    to: f64,
    pub(super) phase: usize,
}

impl Piece {
    /// The phases' pieces, one after the other.
    pub(super) fn of(phases: &[Phase]) -> impl Iterator<Item = Self> {
        let spans = spans(phases).enumerate();
        spans.flat_map(|(index, (start, _))| phases[index].pieces(index, start))
    }

    /// The same stretch of time at this rate all along.
    pub(super) fn at_rate(self, rate: f64) -> Self {
        Self { from: sane(rate), to: sane(rate), ..self }
    }

    /// What is left of it from `at` on; `None` where it is over.
    pub(super) fn after(self, at: Duration) -> Option<Self> {
        if at <= self.start {
            return Some(self);
        }
        self.holds(at).then(|| Self { start: at, from: self.rate(at.as_secs_f64()), ..self })
    }

    /// What there is of it up to `at`; `None` where it has not begun.
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

    /// The change of the rate, in calls per second, per second.
    fn slope(&self) -> f64 {
        match self.end {
            Some(end) if self.from != self.to => (self.to - self.from) / (end - self.start).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// The rate `at` so many seconds from the schedule's start.
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
        // Far beyond the end of a ramp down the root is of something negative: then the time is no number.
        let root = (rate * rate + 2.0 * slope * calls).sqrt();
        Some(2.0 * calls / (rate + root))
    }
}
