//! Checks whether a schedule fits the limits: arithmetic, and the message with its figures. The plan knows the place in
//! the file.

use std::time::Duration;

use super::load::load_max;
use super::{Arrivals, Rate, Schedule};

/// The limits of one slave.
#[derive(Clone, Copy, Debug)]
pub struct SlaveCapacity<'a> {
    /// Its name.
    pub name: &'a str,
    /// Calls per second at most.
    pub max_rate: Option<f64>,
    /// Concurrent calls at most.
    pub limit: Option<u64>,
}

/// A mismatch between the schedule and the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleIssue {
    /// The message, with the arithmetic.
    pub message: String,
    /// The part of the plan that it concerns.
    pub place: Place,
}

/// The part of the plan that a mismatch concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The load as a whole.
    Load,
    /// One phase.
    Phase(usize),
    /// One slave.
    Slave(usize),
}

/// The relative rounding error: a value exactly at a limit fits.
const ROUNDING: f64 = 1e-9;

fn exceeds(value: f64, ceiling: f64) -> bool {
    value > ceiling * (1.0 + ROUNDING)
}

/// Checks the rate against the slaves' `max_rate`, in sum and by each slave's share.
pub fn rate_over_ceilings(schedule: &Schedule, slaves: &[SlaveCapacity]) -> Option<ScheduleIssue> {
    let (phase, peak) = peak(schedule)?;
    let rate = format!("{} calls/s at {}", short(peak), if is_even(schedule) { "any time" } else { "its peak" });
    let together: Option<f64> = slaves.iter().map(|slave| slave.max_rate).sum();
    if let Some(together) = together.filter(|together| exceeds(peak, *together)) {
        let message = match slaves {
            [slave] => format!("{rate}, and the max_rate of {} is {}", slave.name, short(together)),
            _ => format!("{rate}, and the max_rate of all {} slaves together is {}", slaves.len(), short(together)),
        };
        return Some(ScheduleIssue { message, place: Place::Phase(phase) });
    }
    let over = slaves.iter().enumerate().find_map(|(index, slave)| {
        let share = peak * schedule.slaves.share(index);
        let max_rate = slave.max_rate.filter(|max_rate| exceeds(share, *max_rate))?;
        Some((index, slave.name, share, max_rate))
    });
    over.map(|(index, name, share, max_rate)| {
        let (share, max_rate) = (short(share), short(max_rate));
        let message = format!("{rate}, of which {name}'s share is {share}, and its max_rate is {max_rate}");
        ScheduleIssue { message, place: Place::Slave(index) }
    })
}

/// Checks a burst against the slaves' `max_rate`: its calls are sent one after the other, and the last one has to be
/// within `max_lag`.
pub fn burst_over_lag(schedule: &Schedule, slaves: &[SlaveCapacity], max_lag: Duration) -> Option<ScheduleIssue> {
    let Arrivals::Burst(size) = schedule.arrivals else {
        return None;
    };
    slaves.iter().enumerate().find_map(|(index, slave)| {
        let share = (size as f64 * schedule.slaves.share(index)).floor();
        let lag = (share - 1.0) / slave.max_rate?;
        exceeds(lag, max_lag.as_secs_f64()).then(|| ScheduleIssue {
            message: format!(
                "of a burst of {size} calls, {}'s share is {share}: at its max_rate of {} the last one leaves \
                 {}s late, and max_lag is {max_lag:?}",
                slave.name,
                short(slave.max_rate.unwrap_or_default()),
                short(lag)
            ),
            place: Place::Slave(index),
        })
    })
}

/// Checks the concurrent calls, each lasting the mean `hold`, against the limit and the slaves' limits. For an open
/// loop, which skips the calls beyond; a closed loop waits. Ringing adds to them.
pub fn load_over_limit(
    schedule: &Schedule,
    hold: Duration,
    limit: Option<u64>,
    slaves: &[SlaveCapacity],
) -> Option<ScheduleIssue> {
    let (at, load) = load_max(schedule, hold);
    let at = Duration::from_millis(at.as_millis().try_into().unwrap_or(u64::MAX));
    let rate = schedule.rate_max();
    let erlangs = rate * hold.as_secs_f64();
    let sum = if exceeds(erlangs, load) {
        format!("{} calls that last {hold:?} each are due in the {hold:?} before {at:?}", short(load))
    } else {
        format!("{} calls/s × {hold:?} = {} erlangs", short(rate), short(load))
    };
    if let Some(limit) = limit.filter(|limit| exceeds(load, *limit as f64)) {
        return Some(ScheduleIssue { message: format!("{sum}, and limit = {limit}"), place: Place::Load });
    }
    slaves.iter().enumerate().find_map(|(index, slave)| {
        let share = load * schedule.slaves.share(index);
        let limit = slave.limit.filter(|limit| exceeds(share, *limit as f64))?;
        let (name, share) = (slave.name, short(share));
        let message = format!("{sum}, of which {name}'s share is {share}, and its limit is {limit}");
        Some(ScheduleIssue { message, place: Place::Slave(index) })
    })
}

/// Checks that the measured phases have calls.
pub fn measures_nothing(schedule: &Schedule) -> Option<ScheduleIssue> {
    let Some(first) = schedule.phases.iter().position(|phase| phase.measured) else {
        return Some(ScheduleIssue {
            message: "no phase is measured: all have measured = false".to_owned(),
            place: Place::Phase(0),
        });
    };
    let expected = |phase| {
        // Beyond an end that no clock can represent there are no calls.
        let start = schedule.start_of(phase)?;
        Some(schedule.expected(start, schedule.start_of(phase + 1).unwrap_or(Duration::MAX)))
    };
    let measured = || schedule.phases.iter().enumerate().filter(|(_, phase)| phase.measured);
    if measured().all(|(index, _)| expected(index).is_none_or(|calls| calls < 1.0)) {
        let sum: f64 = measured().filter_map(|(index, _)| expected(index)).sum();
        let message = format!("less than one call is due in the measured phases: {}", short(sum));
        return Some(ScheduleIssue { message: with_max(message, schedule), place: Place::Phase(first) });
    }
    measured().filter(|(_, phase)| phase.rate != Rate::Pause).find_map(|(index, phase)| {
        let name = &phase.name;
        let message = match expected(index) {
            None => format!("phase {name} never starts: an earlier phase has no end"),
            Some(calls) if calls < 1.0 => {
                let message = format!("phase {name} measures nothing: {} calls are due in it", short(calls));
                with_max(message, schedule)
            }
            Some(_) => return None,
        };
        Some(ScheduleIssue { message, place: Place::Phase(index) })
    })
}

fn with_max(message: String, schedule: &Schedule) -> String {
    match schedule.max_offered {
        Some(max) => format!("{message}, with max_offered = {max} over all phases"),
        None => message,
    }
}

/// The phase with the highest rate, and that rate.
fn peak(schedule: &Schedule) -> Option<(usize, f64)> {
    let rates = schedule.phases.iter().map(|phase| phase.rate.max()).enumerate();
    // The first of equal maxima: `max_by` would take the last.
    rates.reduce(|highest, phase| if phase.1 > highest.1 { phase } else { highest })
}

fn is_even(schedule: &Schedule) -> bool {
    schedule.phases.iter().all(|phase| matches!(phase.rate, Rate::Flat(rate) if rate == schedule.rate_max()))
}

/// A number with up to three decimals, truncated, so that a value below 1 stays below.
fn short(value: f64) -> String {
    let cut = (value * 1e3 * (1.0 + ROUNDING)).floor() / 1e3;
    if cut == 0.0 && value > 0.0 { format!("{value:.1e}") } else { cut.to_string() }
}
