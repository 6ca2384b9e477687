//! How many calls are up at once.

use proptest::prelude::*;

use super::shapes::any_phase;
use super::*;

#[test]
fn a_flat_rate_comes_to_rate_times_hold_once_it_has_gone_on_for_so_long() {
    let schedule = flat(100.0, Arrivals::Constant, 60.0);
    assert_eq!(load_max(&schedule, 30 * SECOND), (30 * SECOND, 3_000.0));
    assert_eq!(load_max(&schedule, 600 * SECOND), (60 * SECOND, 6_000.0));
    assert_eq!(load_max(&schedule, Duration::ZERO).1, 0.0);
    assert_eq!(load_max(&schedule, Duration::MAX).1, 6_000.0);
    let few = Schedule { max_offered: Some(1_000), ..schedule.clone() };
    assert_eq!(load_max(&few, 30 * SECOND).1, 1_000.0);
    let mut endless = schedule;
    endless.phases[0].duration = None;
    assert_eq!(load_max(&endless, 600 * SECOND), (600 * SECOND, 60_000.0));
    endless.phases.clear();
    assert_eq!(load_max(&endless, SECOND), (Duration::ZERO, 0.0));
}

/// Up and down again by the same slope: the most are up when as much of a hold is before the top as is after it.
#[test]
fn a_hill_has_its_most_calls_half_a_hold_after_its_top() {
    let up = phase(Rate::Linear { from: 0.0, to: 10.0 }, 10.0);
    let down = phase(Rate::Linear { from: 10.0, to: 0.0 }, 10.0);
    let (at, load) = load_max(&schedule(Arrivals::Constant, vec![up, down]), 4 * SECOND);
    // From 8 to 12 s: twice the area of a trapezium from 8 to 10 calls/s over 2 s.
    assert_eq!(at, 12 * SECOND);
    assert!((load - 36.0).abs() < 1e-9, "{load}");
}

#[test]
fn a_hold_that_fills_a_limit_is_limit_over_rate() {
    assert_eq!(hold_to_fill(300, 10.0), Some(30 * SECOND));
    assert_eq!(hold_to_fill(300, 0.0), None);
    assert_eq!(hold_to_fill(300, f64::NAN), None);
}

proptest! {
    /// Nowhere is it higher, and there it is as high: looked for at two hundred moments.
    #[test]
    fn no_moment_has_more(phases in prop::collection::vec(any_phase(), 1..5), hold in 0.0..8.0_f64) {
        let schedule = schedule(Arrivals::Constant, phases);
        let hold = seconds(hold);
        let end = schedule.length().unwrap() + hold;
        let load = |at: Duration| schedule.expected(at.saturating_sub(hold), at);
        let (at, most) = load_max(&schedule, hold);
        prop_assert!((load(at) - most).abs() < 1e-6);
        let seen = (0..=200).map(|n| load(end * n / 200)).fold(0.0, f64::max);
        prop_assert!(seen <= most + 1e-6, "{seen} is more than {most}");
        prop_assert!(at <= end);
    }
}
