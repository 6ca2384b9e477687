//! When each call is due, on which slave, with which app: a pure function of the plan and its seed. No clock, no I/O.
//!
//! Calls have positions on a line, one per unit of length, by how they follow each other ([`Arrivals`]). The phases
//! ([`Phase`]) say the rate λ(t), and call *n* is due when its integral Λ(t) comes to the call's position: how calls
//! follow each other and how fast they come are told apart, and any kind of arrivals goes with any shape of load.
//! A moment at which one phase ends and another begins belongs to the one that begins.
//!
//! # Shapes
//!
//! ```text
//!  calls/s                     .     steps     .        .
//!   │                          .        ┌──────┐        .
//!   │                   flat   .   ┌────┘      .        .  ramp down
//!   │    ramp up  ┌────────────┬───┘           .        ┌──.
//!   │        .  ‾ .            .               .        .    ‾ .
//!   │    . ‾      .            .               .  pause .         ‾ .
//!   └──┴──────────┴────────────┴───────────────┴────────┴────────────┴── time
//! ```
//!
//! | | rate, t from the phase's start | calls | how long |
//! | --- | --- | --- | --- |
//! | [`Rate::Flat`] | λ | λ·T | T |
//! | [`Rate::Linear`] | from + (to − from)·t/T | (from + to)/2·T | T |
//! | [`Rate::Steps`] | from ± step·⌊t/each⌋, `to` at last | the levels' sum · each | levels · each |
//! | [`Rate::Pause`] | 0 | none | T |
//!
//! A warm-up is a phase that is not measured, most often a ramp; a search for a breaking point is steps; a soak is a
//! flat phase without an end; a spike is a short flat phase between two longer ones. The next phase begins with what
//! the one before left of a gap: nothing is caught up and nothing is lost at a boundary. After a pause, that is at
//! once where the next call would have been due as the pause began.
//!
//! ```
//! use std::time::Duration;
//! use loadgen::schedule::{Arrivals, Phase, Rate, RoundRobin, Schedule};
//!
//! let apps = RoundRobin::new(&[1]).expect("there is one");
//! let warm_up = Phase {
//!     name: "warm-up".to_owned(),
//!     duration: Some(Duration::from_secs(10)),
//!     rate: Rate::Linear { from: 0.0, to: 50.0 },
//!     measured: false,
//!     apps: apps.clone(),
//! };
//! let steady = Phase::flat("steady", 50.0, Some(Duration::from_secs(30)), apps);
//! let schedule = Schedule {
//!     phases: vec![warm_up, steady],
//!     arrivals: Arrivals::Constant,
//!     seed: 1,
//!     max_offered: None,
//!     slaves: RoundRobin::new(&[2, 1]).expect("there are two"),
//! };
//! assert_eq!(schedule.calls().count(), 250 + 1_500);
//! let first = schedule.calls().find(|due| due.phase == 1).expect("there are calls in it");
//! assert_eq!((first.attempt, first.at), (250, Duration::from_secs(10)));
//! ```
//!
//! # Who places which call
//!
//! Call *n* is the slave's whose turn the *n*-th is ([`RoundRobin`]), whatever its time. Each slave goes through the
//! phase's mix of apps by itself, the *s*-th slave from the *s*-th turn on, so that the first calls of many slaves are
//! a mix too. A [`Shard`] takes the calls of its own slaves.
//!
//! # Cost
//!
//! A call takes 30 to 70 ns of an idle core to compute, whatever the number of phases and slaves; skipping a call of
//! another shard takes 10 to 30 ns, and a [`draw()`](draw::draw) 140 to 200 ns.

mod arrivals;
mod calls;
pub mod check;
pub mod draw;
mod load;
mod phase;
mod round_robin;
mod shard;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use arrivals::Arrivals;
pub use calls::DueCalls;
pub use load::{hold_to_fill, load_max};
pub use phase::{Phase, Rate};
pub use round_robin::RoundRobin;
pub use shard::Shard;

use arrivals::Positions;
use phase::{Piece, spans};

/// A load as it was planned.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// How fast calls come and what they do, one phase after the other.
    pub phases: Vec<Phase>,
    /// How calls follow each other.
    pub arrivals: Arrivals,
    /// What random arrivals are drawn from.
    pub seed: u64,
    /// So many calls at most, over all phases, slaves and shards.
    pub max_offered: Option<u64>,
    /// Whose turn it is among the slaves.
    pub slaves: RoundRobin,
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
    /// In which phase.
    pub phase: usize,
}

impl Schedule {
    /// Every call in the order in which they are due.
    pub fn calls(&self) -> DueCalls {
        DueCalls::new(Arc::new(self.clone()), None)
    }

    /// The calls of some slaves, each as it is among all calls.
    pub fn calls_of(&self, owned: impl Fn(usize) -> bool) -> DueCalls {
        let owned = (0..self.slaves.members()).map(owned).collect();
        DueCalls::new(Arc::new(self.clone()), Some(owned))
    }

    /// One slave's calls.
    pub fn of_slave(&self, slave: usize) -> DueCalls {
        self.calls_of(|other| other == slave)
    }

    /// One shard's calls.
    pub fn of_shard(&self, shard: Shard) -> DueCalls {
        self.calls_of(|slave| shard.owns(slave))
    }

    /// Whether it ends by itself.
    pub fn has_end(&self) -> bool {
        let moves_on = |phase: &Phase| phase.rate.max() > 0.0;
        self.duration().is_some() || (self.max_offered.is_some() && self.phases.last().is_some_and(moves_on))
    }

    /// How long its phases are together; `None` where the last one has no end.
    pub fn duration(&self) -> Option<Duration> {
        self.start_of(self.phases.len())
    }

    /// For how long it offers calls: up to its phases' end, or one mean gap beyond its last call where `max_offered`
    /// ends it before. `None` where it never ends. Goes through the calls where they are Poisson arrivals and limited
    /// by their number.
    pub fn length(&self) -> Option<Duration> {
        let beyond = self.max_offered.and_then(|max| self.time_of(max));
        [self.duration(), beyond].into_iter().flatten().min()
    }

    /// When a phase begins: that of the number of phases is the end. `None` where one before it has no end.
    pub fn start_of(&self, phase: usize) -> Option<Duration> {
        let before = self.phases.get(..phase)?;
        before.iter().try_fold(Duration::ZERO, |start, phase| start.checked_add(phase.length()?))
    }

    /// The phase at a moment from the start; `None` when all are over.
    pub fn phase_at(&self, at: Duration) -> Option<usize> {
        self.piece_at(at).map(|piece| piece.phase)
    }

    /// The rate that is asked for at a moment from the start, in calls per second; 0 when all is over.
    pub fn rate_at(&self, at: Duration) -> f64 {
        self.piece_at(at).map_or(0.0, |piece| piece.rate(at.as_secs_f64()))
    }

    /// The highest rate of all phases, in calls per second.
    pub fn rate_max(&self) -> f64 {
        self.phases.iter().map(|phase| phase.rate.max()).fold(0.0, f64::max)
    }

    /// How many calls are to be expected between two moments: the integral of the rate, as far as `max_offered` goes.
    pub fn expected(&self, from: Duration, to: Duration) -> f64 {
        let most = self.max_offered.map_or(f64::INFINITY, |max| max as f64);
        (self.integral(to).min(most) - self.integral(from).min(most)).max(0.0)
    }

    /// How much of the time up to `until` is in phases that are measured.
    pub fn measured_time(&self, until: Duration) -> Duration {
        self.measured().map(|(from, to)| to.unwrap_or(until).min(until).saturating_sub(from)).sum()
    }

    /// The mean rate of the measured phases up to `until`, in calls per second. `None` where none of them has begun.
    pub fn mean_rate_measured(&self, until: Duration) -> Option<f64> {
        self.mean_over_measured(until, |from, to| self.expected(from, to))
    }

    /// As [`Schedule::mean_rate_measured`], for a closed loop: calls wait for a slot there, so that the calls up to
    /// `max_offered` take longer than at the target rate.
    pub fn mean_rate_measured_closed(&self, until: Duration) -> Option<f64> {
        self.mean_over_measured(until, |from, to| self.integral(to) - self.integral(from))
    }

    fn mean_over_measured(&self, until: Duration, calls: impl Fn(Duration, Duration) -> f64) -> Option<f64> {
        let seconds = self.measured_time(until).as_secs_f64();
        let spans = self.measured().map(|(from, to)| (from, to.unwrap_or(until).min(until)));
        let calls: f64 = spans.filter(|(from, to)| from < to).map(|(from, to)| calls(from, to)).sum();
        (seconds > 0.0).then(|| calls / seconds)
    }

    /// From when to when each measured phase is; the last one may have no end.
    pub fn measured(&self) -> impl Iterator<Item = (Duration, Option<Duration>)> {
        self.spans().zip(&self.phases).filter(|(_, phase)| phase.measured).map(|(span, _)| span)
    }

    /// From when to when each phase is; the last one may have no end.
    pub fn spans(&self) -> impl Iterator<Item = (Duration, Option<Duration>)> {
        spans(&self.phases)
    }

    /// When the integral of the rate has come to so many calls.
    fn time_of(&self, calls: u64) -> Option<Duration> {
        let position = match self.arrivals {
            Arrivals::Poisson => {
                let mut positions = Positions::new(self.arrivals, self.seed);
                (1..calls).for_each(|_| positions.advance());
                positions.current() + 1.0
            }
            Arrivals::Constant | Arrivals::Uniform | Arrivals::Burst(_) => calls as f64,
        };
        self.calls().time_of(position)
    }

    fn piece_at(&self, at: Duration) -> Option<Piece> {
        Piece::of(&self.phases).find(|piece| piece.holds(at))
    }

    /// Λ(at): the integral of the rate from the start.
    fn integral(&self, at: Duration) -> f64 {
        let parts = Piece::of(&self.phases).map_while(|piece| piece.until(at));
        parts.map(|part| part.calls(part.start.as_secs_f64(), part.end.unwrap_or(at).as_secs_f64())).sum()
    }
}
