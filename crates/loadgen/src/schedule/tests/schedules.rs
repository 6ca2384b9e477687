//! However a schedule is gone through, in parts or by several, it is the same.

use proptest::prelude::*;

use super::shapes::{any_arrivals, any_phase};
use super::*;

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let phases = prop::collection::vec(any_phase(), 1..5);
    let weights = || prop::collection::vec(1_u64..5, 1..7);
    let max_offered = prop::option::of(0..200_u64);
    (phases, any_arrivals(), any::<u64>(), weights(), weights(), max_offered).prop_map(
        |(mut phases, arrivals, seed, slaves, apps, max_offered)| {
            for phase in &mut phases {
                phase.apps = round_robin(&apps);
            }
            Schedule { phases, arrivals, seed, max_offered, slaves: round_robin(&slaves) }
        },
    )
}

#[test]
fn a_call_is_given_out_once_its_time_is_over() {
    let mut calls = flat(50.0, Arrivals::Constant, 1.0).calls();
    assert_eq!(calls.next_before(Duration::ZERO), None);
    assert!(calls.next_before(Duration::from_nanos(1)).is_some());
    assert_eq!(calls.next_before(Duration::from_millis(20)), None);
    assert_eq!(calls.next_at(), Some(Duration::from_millis(20)));
    assert!(calls.next_before(Duration::from_nanos(20_000_001)).is_some());
}

/// Who never has a turn has no calls, and asking for them has an end.
#[test]
fn a_slave_without_weight_has_no_calls() {
    let mut endless = flat(10.0, Arrivals::Poisson, 0.0);
    endless.phases[0].duration = None;
    endless.slaves = round_robin(&[1, 0]);
    assert_eq!((endless.of_slave(1).next(), endless.of_slave(7).next()), (None, None));
    let mut calls = endless.of_slave(1);
    calls.set_slaves(round_robin(&[1, 1]));
    assert!(calls.next().is_some());
}

/// Parts that change their weights at the same moment are the whole again, but for what was due just then.
#[test]
fn parts_agree_after_a_change_of_weights() {
    let schedule = Schedule { slaves: round_robin(&[1, 2, 3]), ..flat(100.0, Arrivals::Poisson, 20.0) };
    let changed = |mut calls: DueCalls| {
        while calls.next_before(10 * SECOND).is_some() {}
        calls.set_slaves(round_robin(&[5, 1, 1]));
        calls.skip_while(|due| due.at < seconds(10.5)).collect::<Vec<_>>()
    };
    let mut parts: Vec<_> = (0..3).flat_map(|slave| changed(schedule.of_slave(slave))).collect();
    parts.sort_by_key(|due| due.attempt);
    let key = |due: &Due| (due.attempt, due.at, due.slave);
    assert!(parts.iter().map(key).eq(changed(schedule.calls()).iter().map(key)));
}

proptest! {
    #[test]
    fn the_parts_together_are_the_whole(schedule in any_schedule(), count in 1..9_usize) {
        let whole: Vec<_> = schedule.calls().collect();
        prop_assert!(whole.is_sorted_by_key(|due| (due.at, due.attempt)));
        prop_assert!(whole.iter().map(|due| due.attempt).eq(0..whole.len() as u64));

        let slaves = schedule.slaves.members();
        let mut parts: Vec<_> = (0..slaves).flat_map(|slave| schedule.of_slave(slave)).collect();
        parts.sort_by_key(|due| due.attempt);
        prop_assert_eq!(&parts, &whole);

        let mut parts: Vec<_> =
            (0..count).flat_map(|index| schedule.of_shard(Shard { index, count })).collect();
        parts.sort_by_key(|due| due.attempt);
        prop_assert_eq!(&parts, &whole);
    }

    #[test]
    fn it_does_not_matter_how_it_is_gone_through(
        schedule in any_schedule(),
        slices in prop::collection::vec(0..700_u64, 1..60),
        leave in 0..200_usize,
    ) {
        let whole: Vec<_> = schedule.calls().collect();
        let mut calls = schedule.calls();
        let mut got = Vec::new();
        let mut until = Duration::ZERO;
        for slice in slices {
            until += Duration::from_millis(slice);
            while let Some(due) = calls.next_before(until) {
                prop_assert!(due.at < until);
                got.push(due);
            }
            prop_assert!(calls.next_at().is_none_or(|at| at >= until));
            prop_assert_eq!(calls.next_at(), whole.get(got.len()).map(|due| due.at));
        }
        let rest: Vec<_> = calls.clone().collect();
        prop_assert!(got.iter().chain(&rest).eq(&whole));
        // A copy goes on from where it was made.
        let mut calls = schedule.calls();
        let head: Vec<_> = calls.by_ref().take(leave).collect();
        let mut copy = calls.clone();
        let _ = calls.by_ref().take(10).count();
        prop_assert!(head.iter().copied().chain(copy.by_ref()).eq(whole.iter().copied()));
        prop_assert_eq!(copy.next(), None);
    }

    /// Changing nothing changes nothing.
    #[test]
    fn to_ask_for_what_is_there_already_changes_nothing(
        schedule in any_schedule(),
        at in prop::collection::vec((0..2_000_u64, 0..30_usize), 1..5),
    ) {
        let whole: Vec<_> = schedule.calls().collect();
        let mut calls = schedule.calls();
        let mut got: Vec<Due> = Vec::new();
        for (at, more) in at {
            got.extend(calls.by_ref().take(more));
            calls.set_rate(Duration::from_millis(at), None);
            calls.delay_to(got.last().map_or(Duration::ZERO, |due| due.at));
        }
        got.extend(calls);
        prop_assert_eq!(got.len(), whole.len());
        for (got, whole) in got.iter().zip(&whole) {
            // What is left of a ramp is computed from where it is cut, which rounds otherwise.
            prop_assert!(got.at.abs_diff(whole.at) < Duration::from_micros(1), "{got:?}, not {whole:?}");
            prop_assert_eq!((got.attempt, got.slave), (whole.attempt, whole.slave));
        }
    }
}
