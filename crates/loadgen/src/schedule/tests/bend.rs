//! Changes while a schedule is consumed.

use proptest::prelude::*;

use super::shapes::{any_arrivals, any_phase};
use super::*;

fn at(calls: impl Iterator<Item = Due>) -> Vec<f64> {
    calls.map(|due| due.at.as_secs_f64()).collect()
}

#[test]
fn another_rate_holds_from_then_to_the_end() {
    let schedule = flat(1.0, Arrivals::Constant, 5.0);
    let mut calls = schedule.calls();
    assert_eq!(at(calls.by_ref().take(2)), [0.0, 1.0]);
    // Half of the gap is over: the other half takes half of the new gap.
    calls.set_rate(seconds(1.5), Some(2.0));
    assert_eq!(at(calls.clone()), [1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75]);
    assert_eq!(at(calls.by_ref().take(2)), [1.75, 2.25]);
    calls.set_rate(seconds(2.5), None);
    assert_eq!(at(calls), [3.0, 4.0]);
}

#[test]
fn what_is_due_before_a_change_stays() {
    let mut calls = flat(1.0, Arrivals::Constant, 5.0).calls();
    // None has been taken yet, though three are due.
    calls.set_rate(seconds(2.5), Some(10.0));
    assert_eq!(at(calls.by_ref().take(6)), [0.0, 1.0, 2.0, 2.55, 2.65, 2.75]);
    // What has been given out is not called back.
    calls.set_rate(seconds(1.0), Some(1.0));
    assert_eq!(at(calls), [3.75, 4.75]);
}

#[test]
fn the_rate_is_told_as_it_stands() {
    let mut calls = schedule(Arrivals::Constant, hills()).calls();
    assert_eq!(calls.rate_at(5 * SECOND), 10.0);
    calls.set_rate(3 * SECOND, Some(7.0));
    calls.set_rate(8 * SECOND, None);
    let rates = [1, 3, 7, 8, 19, 41, 42].map(|at| calls.rate_at(SECOND * at));
    assert_eq!(rates, [2.0, 7.0, 7.0, 16.0, 0.0, 1.5, 0.0]);
}

#[test]
fn a_rate_of_nothing_can_be_lifted_again() {
    let mut calls = flat(10.0, Arrivals::Constant, 5.0).calls();
    assert!(calls.next_before(seconds(0.05)).is_some());
    calls.set_rate(seconds(0.05), Some(0.0));
    assert_eq!((calls.next_at(), calls.next()), (None, None));
    calls.set_rate(seconds(3.0), Some(1.0));
    assert_eq!(at(calls), [3.5, 4.5]);
}

/// Phases keep their times and mixes; only the rate is another one, in pauses too.
#[test]
fn another_rate_leaves_the_phases_where_they_are() {
    let mut phases = hills();
    phases[3].apps = round_robin(&[0, 1]);
    let schedule = schedule(Arrivals::Constant, phases);
    let mut calls = schedule.calls();
    calls.set_rate(seconds(0.0), Some(1.0));
    let calls: Vec<_> = calls.collect();
    assert_eq!(calls.len(), 42);
    for due in calls {
        assert_eq!(due.at, SECOND * due.attempt as u32);
        assert_eq!(Some(due.phase), schedule.phase_at(due.at));
        assert_eq!(due.app, usize::from(due.phase == 3));
    }
}

#[test]
fn other_weights_hold_from_the_next_call_on() {
    let mut schedule = flat(10.0, Arrivals::Constant, 1.0);
    schedule.slaves = round_robin(&[1, 1, 1]);
    let mut calls = schedule.calls();
    assert_eq!(calls.by_ref().take(4).map(|due| due.slave).collect::<Vec<_>>(), [0, 1, 2, 0]);
    calls.set_slaves(round_robin(&[0, 1, 2]));
    assert_eq!(calls.map(|due| due.slave).collect::<Vec<_>>(), [1, 2, 2, 1, 2, 2]);
}

#[test]
fn a_call_that_waits_moves_what_follows() {
    let mut calls = flat(2.0, Arrivals::Constant, 5.0).calls();
    assert_eq!(calls.by_ref().last_of(3), Some(1.0));
    calls.delay_to(seconds(2.25));
    assert_eq!(at(calls.by_ref().take(2)), [2.75, 3.25]);
    // Not later than it was due anyway.
    calls.delay_to(seconds(3.0));
    assert_eq!(at(calls.by_ref().take(1)), [3.75]);
    calls.delay_to(seconds(9.0));
    assert_eq!(calls.next(), None);
}

trait LastOf {
    fn last_of(&mut self, n: usize) -> Option<f64>;
}

impl LastOf for DueCalls {
    fn last_of(&mut self, n: usize) -> Option<f64> {
        self.take(n).last().map(|due| due.at.as_secs_f64())
    }
}

#[test]
fn the_rest_of_a_burst_comes_when_its_last_call_does() {
    let mut calls = flat(10.0, Arrivals::Burst(4), 3.0).calls();
    assert_eq!(calls.last_of(2), Some(0.0));
    calls.delay_to(SECOND);
    assert_eq!(at(calls.by_ref().take(3)), [1.0, 1.0, 1.4]);
}

/// After months a fraction of a second is less exact than a nanosecond.
#[test]
fn no_rounding_brings_a_call_before_the_last() {
    let schedule = flat(1e-3, Arrivals::Burst(2), 1e9);
    for nanos in 0..100 {
        let later = Duration::new(123_456_789, nanos);
        let mut calls = schedule.calls();
        assert!(calls.next().is_some());
        calls.delay_to(later);
        assert!(calls.next_at().unwrap() >= later);
    }
}

/// Where a call waits in a pause, or into another phase, the rate is what it is there.
#[test]
fn a_call_may_wait_into_another_phase() {
    let phases = vec![phase(Rate::Flat(1.0), 1.0), phase(Rate::Pause, 1.0), phase(Rate::Flat(10.0), 1.0)];
    let mut calls = schedule(Arrivals::Constant, phases).calls();
    assert_eq!(calls.last_of(1), Some(0.0));
    calls.delay_to(seconds(1.5));
    let due = calls.next().unwrap();
    assert_eq!((due.at, due.phase), (seconds(2.1), 2));
}

proptest! {
    /// Whatever is changed: calls come one after the other, and from each change on as many as the rate says.
    #[test]
    fn changes_keep_the_order_and_the_integral(
        phases in prop::collection::vec(any_phase(), 1..5),
        arrivals in any_arrivals(),
        changes in prop::collection::vec((0..1_500_u64, prop::option::of(0.0..60.0_f64)), 1..6),
    ) {
        let schedule = schedule(arrivals, phases);
        let end = schedule.length().unwrap();
        let mut calls = schedule.calls();
        let (mut got, mut now, mut rate) = (Vec::new(), Duration::ZERO, None);
        let mut expected = 0.0;
        for (wait, next) in changes {
            let until = (now + Duration::from_millis(wait)).min(end);
            while let Some(due) = calls.next_before(until) {
                got.push(due);
            }
            expected += match rate {
                Some(rate) => rate * (until - now).as_secs_f64(),
                None => schedule.expected(now, until),
            };
            (now, rate) = (until, next);
            calls.set_rate(now, next);
            let bound = match arrivals {
                // Not its business, and its own distribution is tested elsewhere.
                Arrivals::Poisson => f64::INFINITY,
                Arrivals::Constant | Arrivals::Uniform => 1.0,
                Arrivals::Burst(size) => size as f64,
            };
            let off = got.len() as f64 - expected;
            prop_assert!(off.abs() <= bound + 1e-6, "{off} more by {now:?}");
        }
        got.extend(calls);
        prop_assert!(got.is_sorted_by_key(|due| (due.at, due.attempt)));
        prop_assert!(got.iter().all(|due| due.at < end && Some(due.phase) == schedule.phase_at(due.at)));
    }

    /// Every call that waits pushes all others: the gaps are what they were, by the rate of where they are now.
    #[test]
    fn calls_that_wait_keep_the_order_and_the_gaps(
        arrivals in any_arrivals(),
        waits in prop::collection::vec(prop::option::of(0..500_u64), 1..60),
    ) {
        let schedule = flat(20.0, arrivals, 1e4);
        let planned: Vec<_> = schedule.calls().take(waits.len() + 1).map(|due| due.at).collect();
        let mut calls = schedule.calls();
        let mut last = calls.next().unwrap().at;
        for (n, wait) in waits.iter().enumerate() {
            if let Some(wait) = wait {
                last += Duration::from_millis(*wait);
                calls.delay_to(last);
            }
            let due = calls.next().unwrap();
            let gap = planned[n + 1] - planned[n];
            let off = due.at.abs_diff(last + gap);
            prop_assert!(off <= Duration::from_nanos(100), "{due:?}, not {gap:?} after {last:?}");
            last = due.at;
        }
    }
}
