//! Messages about schedules that cannot work.

use super::super::check::*;
use super::*;

fn ceilings<'a>(max_rates: &[(&'a str, Option<f64>)]) -> Vec<SlaveCapacity<'a>> {
    max_rates.iter().map(|(name, max_rate)| SlaveCapacity { name, max_rate: *max_rate, limit: None }).collect()
}

fn limits<'a>(limits: &[(&'a str, Option<u64>)]) -> Vec<SlaveCapacity<'a>> {
    limits.iter().map(|(name, limit)| SlaveCapacity { name, max_rate: None, limit: *limit }).collect()
}

fn of_two(rate: f64) -> Schedule {
    Schedule { slaves: round_robin(&[1, 1]), ..flat(rate, Arrivals::Constant, 60.0) }
}

fn is(issue: Option<ScheduleIssue>, place: Place, message: &str) {
    assert_eq!(issue, Some(ScheduleIssue { message: message.to_owned(), place }));
}

#[test]
fn a_rate_over_the_ceilings_is_said_with_the_sums() {
    let slaves = ceilings(&[("sim1", Some(50.0)), ("sim2", Some(70.0))]);
    assert_eq!(rate_over_ceilings(&of_two(100.0), &slaves), None);
    let message = "121 calls/s at any time, and the max_rate of all 2 slaves together is 120";
    is(rate_over_ceilings(&of_two(121.0), &slaves), Place::Phase(0), message);
    // Their sum is enough, but not where it is.
    let message = "120 calls/s at any time, of which sim1's share is 60, and its max_rate is 50";
    is(rate_over_ceilings(&of_two(120.0), &slaves), Place::Slave(0), message);
    let fair = Schedule { slaves: round_robin(&[5, 7]), ..of_two(120.0) };
    assert_eq!(rate_over_ceilings(&fair, &slaves), None);
    // Where one has no ceiling there is no sum.
    let slaves = ceilings(&[("sim1", None), ("sim2", Some(70.0))]);
    assert_eq!(rate_over_ceilings(&of_two(140.0), &slaves), None);
    let message = "141 calls/s at any time, of which sim2's share is 70.5, and its max_rate is 70";
    is(rate_over_ceilings(&of_two(141.0), &slaves), Place::Slave(1), message);
    assert_eq!(rate_over_ceilings(&of_two(1e6), &ceilings(&[("sim1", None), ("sim2", None)])), None);
    let one = Schedule { slaves: round_robin(&[1]), ..of_two(141.0) };
    let message = "141 calls/s at any time, and the max_rate of pbx is 70";
    is(rate_over_ceilings(&one, &ceilings(&[("pbx", Some(70.0))])), Place::Phase(0), message);
}

#[test]
fn the_highest_rate_of_all_phases_counts() {
    let slaves = ceilings(&[("sim1", Some(10.0)), ("sim2", Some(10.0))]);
    let hills = Schedule { slaves: round_robin(&[1, 1]), ..schedule(Arrivals::Constant, hills()) };
    let message = "25 calls/s at its peak, and the max_rate of all 2 slaves together is 20";
    is(rate_over_ceilings(&hills, &slaves), Place::Phase(1), message);
}

/// Eight times 0.1, added up, is not quite 0.8.
#[test]
fn a_rate_just_at_the_ceilings_fits() {
    let slaves = ceilings(&[("pbx", Some(0.1)); 8]);
    let schedule = Schedule { slaves: round_robin(&[1; 8]), ..of_two(0.8) };
    assert_eq!(rate_over_ceilings(&schedule, &slaves), None);
}

#[test]
fn of_phases_with_the_same_peak_the_first_is_named() {
    let phases =
        vec![phase(Rate::Flat(5.0), 1.0), phase(Rate::Linear { from: 0.0, to: 9.0 }, 1.0), phase(Rate::Flat(9.0), 1.0)];
    let issue = rate_over_ceilings(&schedule(Arrivals::Constant, phases), &ceilings(&[("pbx", Some(1.0))]));
    assert_eq!(issue.map(|issue| issue.place), Some(Place::Phase(1)));
}

#[test]
fn a_burst_that_cannot_leave_in_time_is_said() {
    let slaves = ceilings(&[("sim1", Some(50.0)), ("sim2", None)]);
    let burst = |size| Schedule { arrivals: Arrivals::Burst(size), ..of_two(20.0) };
    assert_eq!(burst_over_lag(&burst(102), &slaves, SECOND), None);
    let message = "of a burst of 104 calls, sim1's share is 52: at its max_rate of 50 the last one leaves 1.02s \
                   late, and max_lag is 1s";
    is(burst_over_lag(&burst(104), &slaves, SECOND), Place::Slave(0), message);
    assert_eq!(burst_over_lag(&of_two(1e6), &slaves, SECOND), None);
}

#[test]
fn a_load_over_the_limit_is_said_in_erlangs() {
    let hold = 30 * SECOND;
    assert_eq!(load_over_limit(&of_two(100.0), hold, Some(3_000), &[]), None);
    assert_eq!(load_over_limit(&of_two(100.0), hold, None, &[]), None);
    let message = "100 calls/s × 30s = 3000 erlangs, and limit = 2999";
    is(load_over_limit(&of_two(100.0), hold, Some(2_999), &[]), Place::Load, message);
    let slaves = limits(&[("sim1", Some(1_500)), ("sim2", Some(1_499))]);
    let message = "100 calls/s × 30s = 3000 erlangs, of which sim2's share is 1500, and its limit is 1499";
    is(load_over_limit(&of_two(100.0), hold, Some(3_000), &slaves), Place::Slave(1), message);
}

/// A peak, or a run, that is shorter than a hold does not come to rate × hold.
#[test]
fn a_load_that_never_comes_to_its_erlangs_is_said_as_it_is() {
    let hold = 600 * SECOND;
    assert_eq!(load_over_limit(&of_two(100.0), hold, Some(6_000), &[]), None);
    let message = "6000 calls that last 600s each are due in the 600s before 60s, and limit = 5000";
    is(load_over_limit(&of_two(100.0), hold, Some(5_000), &[]), Place::Load, message);
    let few = Schedule { max_offered: Some(5_000), ..of_two(100.0) };
    assert_eq!(load_over_limit(&few, hold, Some(5_000), &[]), None);
}

#[test]
fn phases_that_measure_nothing_are_said() {
    let mut schedule = schedule(Arrivals::Constant, hills());
    // A pause may well be among what is measured.
    assert_eq!(measures_nothing(&schedule), None);
    for phase in &mut schedule.phases {
        phase.measured = false;
    }
    is(measures_nothing(&schedule), Place::Phase(0), "no phase is measured: all have measured = false");
    schedule.phases[2].measured = true;
    is(measures_nothing(&schedule), Place::Phase(2), "less than one call is due in the measured phases: 0");
    schedule.phases[5].measured = true;
    assert_eq!(measures_nothing(&schedule), None);
    schedule.max_offered = Some(290);
    let message = "less than one call is due in the measured phases: 0, with max_offered = 290 over all phases";
    is(measures_nothing(&schedule), Place::Phase(2), message);
    schedule.phases[3].measured = true;
    schedule.phases[5].name = "steady".to_owned();
    let message = "phase steady measures nothing: 0 calls are due in it, with max_offered = 290 over all phases";
    is(measures_nothing(&schedule), Place::Phase(5), message);
    schedule.max_offered = None;
    schedule.phases[5].rate = Rate::Flat(0.0999);
    let message = "phase steady measures nothing: 0.999 calls are due in it";
    is(measures_nothing(&schedule), Place::Phase(5), message);
    schedule.phases[5].rate = Rate::Flat(0.001);
    let message = "phase steady measures nothing: 0.01 calls are due in it";
    is(measures_nothing(&schedule), Place::Phase(5), message);
    schedule.phases[4].duration = None;
    is(measures_nothing(&schedule), Place::Phase(5), "phase steady never starts: an earlier phase has no end");
}
