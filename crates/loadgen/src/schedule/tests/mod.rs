use std::time::Duration;

use super::*;

mod bend;
mod check;
mod load;
mod random;
mod round_robin;
mod schedules;
mod shapes;

const SECOND: Duration = Duration::from_secs(1);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn round_robin(weights: &[u64]) -> RoundRobin {
    RoundRobin::new(weights).unwrap()
}

fn phase(rate: Rate, length: f64) -> Phase {
    Phase { duration: Some(seconds(length)), rate, ..Phase::flat("phase", 0.0, None, round_robin(&[1])) }
}

fn schedule(arrivals: Arrivals, phases: Vec<Phase>) -> Schedule {
    Schedule { phases, arrivals, seed: 7, max_offered: None, slaves: round_robin(&[1]) }
}

fn flat(rate: f64, arrivals: Arrivals, length: f64) -> Schedule {
    schedule(arrivals, vec![phase(Rate::Flat(rate), length)])
}

/// Up from nothing, levels, a pause, down to nothing, a pause, straight on: 100 + 140 + 0 + 50 + 0 + 15 calls in 42 s.
fn hills() -> Vec<Phase> {
    let steps = Rate::Steps { from: 10.0, to: 25.0, step: 5.0, each: seconds(2.0) };
    vec![
        phase(Rate::Linear { from: 0.0, to: 20.0 }, 10.0),
        phase(steps, 0.0),
        phase(Rate::Pause, 3.0),
        phase(Rate::Linear { from: 10.0, to: 0.0 }, 10.0),
        phase(Rate::Pause, 1.0),
        phase(Rate::Flat(1.5), 10.0),
    ]
}

fn times(schedule: &Schedule) -> Vec<f64> {
    schedule.calls().map(|due| due.at.as_secs_f64()).collect()
}

/// How many of the calls, in their order, are in [from, to).
fn count(calls: &[Due], from: Duration, to: Duration) -> usize {
    let before = |at| calls.partition_point(|due| due.at < at);
    before(to) - before(from)
}
