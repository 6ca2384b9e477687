//! The facts of a run besides the figures of its calls.

use std::time::Duration;

use jiff::Timestamp;

/// A run that has ended, besides the figures of its calls.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The run's id.
    pub id: String,
    /// The seed of the schedule.
    pub seed: u64,
    /// This process's part of the run, such as `2/5`; `None` for the whole.
    pub shard: Option<String>,
    /// Whether the schedule has an end; a run without one ends by a signal.
    pub has_end: bool,
    /// When the first call was due, by the wall clock.
    pub started_at: Timestamp,
    /// From the first call's due time to the end of the last call.
    pub duration: Duration,
    /// How long calls were offered.
    pub offering: Duration,
    /// How much of that was in measured phases.
    pub measured: Duration,
    /// The mean rate that the plan asked for over the measured time, in calls per second; `None` without any.
    pub target_cps: Option<f64>,
    /// Concurrent calls at most.
    pub peak_concurrent: u64,
    /// Whether an app sends audio to the near leg; without one, a call without packets is as planned.
    pub has_audio: bool,
    /// The phases, in the plan's order.
    pub phases: Vec<PhaseFacts>,
    /// The slaves, in the plan's order.
    pub slaves: Vec<SlaveFacts>,
}

/// One phase of a run.
#[derive(Clone, Copy, Debug)]
pub struct PhaseFacts {
    /// Whether its calls count in the other figures.
    pub measured: bool,
    /// How long calls were offered in it.
    pub offering: Duration,
}

/// One slave of a run.
#[derive(Clone, Copy, Debug)]
pub struct SlaveFacts {
    /// Whether its calls are this shard's.
    pub is_own: bool,
    /// How often its listener was kept awake; `None` where it was not.
    pub keep_awake: Option<Duration>,
}
