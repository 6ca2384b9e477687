//! What each shape of load comes to, and that calls are where its integral says.

use proptest::prelude::*;

use super::*;

#[test]
fn constant_calls_are_due_at_n_over_rate() {
    let schedule = Schedule { slaves: round_robin(&[1, 1, 1]), ..flat(50.0, Arrivals::Constant, 15.0) };
    let calls: Vec<_> = schedule.calls().collect();
    assert_eq!(calls.len(), 750);
    assert_eq!(calls[1].at, Duration::from_millis(20));
    assert_eq!(calls[749].at, Duration::from_millis(14_980));
    assert_eq!(calls[..4].iter().map(|due| due.slave).collect::<Vec<_>>(), [0, 1, 2, 0]);
    for rate in [0.3, 7.0, 33.3, 99_999.9] {
        let schedule = schedule.clone();
        let endless = Schedule { phases: vec![Phase::flat("", rate, None, round_robin(&[1]))], ..schedule };
        for due in endless.calls().take(100_000).step_by(997) {
            assert_eq!(due.at, seconds(due.attempt as f64 / rate));
        }
    }
}

#[test]
fn a_schedule_is_as_long_as_it_offers_calls() {
    let schedule = flat(50.0, Arrivals::Constant, 15.0);
    assert_eq!(schedule.length(), Some(Duration::from_secs(15)));
    let few = Schedule { max_offered: Some(100), ..schedule.clone() };
    assert_eq!(few.length(), Some(Duration::from_secs(2)));
    let many = Schedule { max_offered: Some(10_000), ..schedule.clone() };
    assert_eq!(many.length(), Some(Duration::from_secs(15)));
    let mut endless = schedule;
    endless.phases[0].duration = None;
    assert_eq!((endless.length(), endless.has_end()), (None, false));
    endless.max_offered = Some(500);
    assert_eq!((endless.length(), endless.has_end()), (Some(10 * SECOND), true));
    endless.phases[0].rate = Rate::Pause;
    assert_eq!((endless.length(), endless.has_end()), (None, false));
}

/// With Poisson arrivals the last call says how long it is, as the calls themselves do.
#[test]
fn a_poisson_schedule_of_so_many_calls_ends_one_mean_gap_after_the_last() {
    let schedule = Schedule { max_offered: Some(1_000), ..flat(20.0, Arrivals::Poisson, 1e6) };
    let last = schedule.calls().last().unwrap();
    assert_eq!(last.attempt, 999);
    assert_eq!(schedule.length(), Some(last.at + Duration::from_millis(50)));
}

#[test]
fn at_most_so_many_calls_are_offered_over_all_phases() {
    let mut schedule = schedule(Arrivals::Constant, hills());
    assert_eq!(schedule.calls().count(), 305);
    schedule.max_offered = Some(250);
    assert_eq!(schedule.calls().count(), 250);
    assert_eq!(schedule.expected(Duration::ZERO, 18 * SECOND), 240.0);
    assert_eq!(schedule.expected(18 * SECOND, 42 * SECOND), 10.0);
    // The tenth call of the slope down is due where 10 t − t²/2 = 10.
    assert_eq!(schedule.length(), Some(seconds(21.0 + 10.0 - 80.0_f64.sqrt())));
}

#[test]
fn the_rate_over_time_is_what_the_phases_say() {
    let schedule = schedule(Arrivals::Constant, hills());
    let rates = [0.0, 5.0, 9.5, 10.0, 12.0, 17.9, 18.0, 20.9, 21.0, 26.0, 31.0, 31.9, 32.0, 41.9, 42.0, 1e9];
    let rates = rates.map(|at| schedule.rate_at(seconds(at)));
    let expected = [0.0, 10.0, 19.0, 10.0, 15.0, 25.0, 0.0, 0.0, 10.0, 5.0, 0.0, 0.0, 1.5, 1.5, 0.0, 0.0];
    for (rate, expected) in rates.iter().zip(expected) {
        assert!((rate - expected).abs() < 1e-9, "{rates:?}");
    }
    assert_eq!(schedule.rate_max(), 25.0);
    assert_eq!(schedule.duration(), Some(42 * SECOND));
    let phases = [0.0, 9.999_999_999, 10.0, 18.0, 21.0, 31.0, 32.0, 42.0].map(|at| schedule.phase_at(seconds(at)));
    assert_eq!(phases, [Some(0), Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), None]);
    let starts: Vec<_> = (0..8).map(|phase| schedule.start_of(phase)).collect();
    let expected = [Some(0), Some(10), Some(18), Some(21), Some(31), Some(32), Some(42), None];
    assert_eq!(starts, expected.map(|start: Option<u64>| start.map(Duration::from_secs)));
}

#[test]
fn the_measured_time_is_that_of_measured_phases() {
    let mut schedule = schedule(Arrivals::Constant, hills());
    schedule.phases[0].measured = false;
    schedule.phases[3].measured = false;
    let spans = [(10, 18), (18, 21), (31, 32), (32, 42)].map(|(from, to)| (SECOND * from, Some(SECOND * to)));
    assert_eq!(schedule.measured().collect::<Vec<_>>(), spans);
    let times = [0, 10, 12, 20, 25, 32, 40, 42, 99].map(|until| schedule.measured_time(SECOND * until).as_secs());
    assert_eq!(times, [0, 0, 2, 10, 11, 12, 20, 22, 22]);
}

/// On a ramp from nothing the n-th call is due at √(2n / a), on one down to nothing as far from its end: by squares.
#[test]
fn a_ramp_has_its_calls_where_squares_are() {
    let up = schedule(Arrivals::Constant, vec![phase(Rate::Linear { from: 0.0, to: 20.0 }, 10.0)]);
    let times = times(&up);
    assert_eq!(times.len(), 100);
    for (n, at) in times.iter().enumerate() {
        assert!((at - (n as f64).sqrt()).abs() < 1e-9, "call {n} at {at}");
    }
    let down = schedule(Arrivals::Constant, vec![phase(Rate::Linear { from: 20.0, to: 0.0 }, 10.0)]);
    let times = super::times(&down);
    assert_eq!(times.len(), 100);
    for (n, at) in times.iter().enumerate() {
        assert!((at - (10.0 - (100.0 - n as f64).sqrt())).abs() < 1e-7, "call {n} at {at}");
    }
}

/// A slope of nearly nothing: the other way to write the root would give 0 / 0, or steps.
#[test]
fn a_slope_of_nearly_nothing_is_as_good_as_flat() {
    let rate = Rate::Linear { from: 100.0, to: 100.0 + 1e-9 };
    let schedule = schedule(Arrivals::Constant, vec![phase(rate, 1_000.0)]);
    for (n, at) in times(&schedule).iter().enumerate().step_by(1_013) {
        assert!((at - n as f64 / 100.0).abs() < 1e-8, "call {n} at {at}");
    }
}

#[test]
fn steps_go_up_or_down_and_end_where_they_should() {
    let levels = |from, to, step| {
        let schedule = schedule(Arrivals::Constant, vec![phase(Rate::Steps { from, to, step, each: SECOND }, 0.0)]);
        let length = schedule.length().unwrap().as_secs();
        (0..length).map(|second| schedule.rate_at(Duration::from_secs(second))).collect::<Vec<_>>()
    };
    assert_eq!(levels(10.0, 30.0, 10.0), [10.0, 20.0, 30.0]);
    assert_eq!(levels(30.0, 10.0, 10.0), [30.0, 20.0, 10.0]);
    assert_eq!(levels(10.0, 25.0, 10.0), [10.0, 20.0, 25.0]);
    assert_eq!(levels(10.0, 12.0, 10.0), [10.0, 12.0]);
    assert_eq!(levels(10.0, 10.0, 10.0), [10.0]);
    // 0.8 − 0.2 is a little more than 6 × 0.1.
    assert_eq!(levels(0.2, 0.8, 0.1).len(), 7);
    assert_eq!(levels(30.0, 0.0, 10.0), [30.0, 20.0, 10.0, 0.0]);
    // Nonsense has an end, and the right one.
    assert_eq!(levels(10.0, 30.0, 0.0), [10.0, 30.0]);
    assert_eq!(levels(10.0, 30.0, f64::NAN), [10.0, 30.0]);
    let tiny = Rate::Steps { from: 10.0, to: 30.0, step: 1e-300, each: SECOND };
    let tiny = schedule(Arrivals::Constant, vec![phase(tiny, 0.0)]);
    assert_eq!(tiny.length(), Some(SECOND * Rate::LEVELS_MAX));
    assert_eq!(tiny.rate_at(SECOND * (Rate::LEVELS_MAX - 1)), 30.0);
}

#[test]
fn a_call_due_where_one_phase_ends_is_of_the_next() {
    let two = schedule(Arrivals::Constant, vec![phase(Rate::Flat(10.0), 1.0), phase(Rate::Flat(5.0), 1.0)]);
    let calls: Vec<_> = two.calls().collect();
    assert_eq!(calls.len(), 15);
    assert_eq!((calls[9].phase, calls[9].at), (0, Duration::from_millis(900)));
    assert_eq!((calls[10].phase, calls[10].at), (1, SECOND));
    assert_eq!((calls[11].phase, calls[11].at), (1, Duration::from_millis(1200)));
    // In a pause none is: the one due at its beginning comes at its end.
    let paused = vec![phase(Rate::Flat(10.0), 1.0), phase(Rate::Pause, 1.0), phase(Rate::Flat(5.0), 1.0)];
    let calls: Vec<_> = schedule(Arrivals::Constant, paused).calls().collect();
    assert_eq!(calls.len(), 15);
    assert_eq!((calls[10].phase, calls[10].at), (2, 2 * SECOND));
}

#[test]
fn pauses_may_be_anywhere() {
    let pause = || phase(Rate::Pause, 2.0);
    let flat = || phase(Rate::Flat(2.0), 1.0);
    let times = |phases| times(&schedule(Arrivals::Constant, phases));
    assert_eq!(times(vec![pause(), flat()]), [2.0, 2.5]);
    assert_eq!(times(vec![flat(), pause(), pause(), flat()]), [0.0, 0.5, 5.0, 5.5]);
    assert_eq!(times(vec![flat(), pause()]), [0.0, 0.5]);
    assert_eq!(times(vec![pause()]), [0.0; 0]);
    assert_eq!(times(vec![]), [0.0; 0]);
    let forever = Phase { duration: None, ..pause() };
    assert_eq!(times(vec![flat(), forever, flat()]), [0.0, 0.5]);
}

#[test]
fn a_phase_of_no_length_is_none() {
    let none = |rate| phase(rate, 0.0);
    let hop = Rate::Linear { from: 5.0, to: 50.0 };
    let steps = Rate::Steps { from: 5.0, to: 50.0, step: 5.0, each: Duration::ZERO };
    let flat = || phase(Rate::Flat(2.0), 1.0);
    let phases = vec![none(hop), flat(), none(Rate::Pause), none(hop), none(steps), flat(), none(Rate::Flat(1e3))];
    let schedule = schedule(Arrivals::Constant, phases);
    assert_eq!(times(&schedule), [0.0, 0.5, 1.0, 1.5]);
    assert_eq!((schedule.phase_at(Duration::ZERO), schedule.phase_at(SECOND)), (Some(1), Some(5)));
    assert_eq!(schedule.expected(Duration::ZERO, Duration::MAX), 4.0);
    assert_eq!(load_max(&schedule, SECOND).1, 2.0);
}

#[test]
fn the_last_phase_may_have_no_end() {
    let mut phases = vec![phase(Rate::Linear { from: 0.0, to: 20.0 }, 10.0), phase(Rate::Flat(50.0), 1.0)];
    phases[1].duration = None;
    phases[0].measured = false;
    let schedule = schedule(Arrivals::Constant, phases);
    assert_eq!((schedule.length(), schedule.has_end(), schedule.duration()), (None, false, None));
    assert_eq!(schedule.calls().nth(1_100).unwrap().at, 30 * SECOND);
    assert_eq!(schedule.expected(9 * SECOND, 12 * SECOND), 19.0 + 100.0);
    assert_eq!(schedule.measured().collect::<Vec<_>>(), [(10 * SECOND, None)]);
    assert_eq!(schedule.measured_time(25 * SECOND), 15 * SECOND);
    assert_eq!(schedule.measured_time(5 * SECOND), Duration::ZERO);
}

#[test]
fn a_rate_below_nothing_is_nothing() {
    let slope = |from, to| phase(Rate::Linear { from, to }, 1.0);
    let phases =
        vec![phase(Rate::Flat(-3.0), 1.0), slope(-2.0, 2.0), slope(f64::NAN, -7.0), phase(Rate::Flat(1.0), 3.0)];
    let schedule = schedule(Arrivals::Constant, phases);
    assert_eq!(times(&schedule), [1.0, 3.0, 4.0, 5.0]);
    assert_eq!(schedule.expected(Duration::ZERO, 3 * SECOND), 1.0);
    assert_eq!(schedule.rate_max(), 2.0);
    assert_eq!(flat(-1.0, Arrivals::Constant, 1.0).rate_max(), 0.0);
}

/// Nothing that can be written down as a schedule panics or goes on for ever without a call.
#[test]
fn nonsense_ends() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e-300, 1e300];
    let lengths = [Some(Duration::ZERO), Some(Duration::from_nanos(1)), Some(SECOND), Some(Duration::MAX), None];
    let kinds =
        [Arrivals::Constant, Arrivals::Poisson, Arrivals::Uniform, Arrivals::Burst(0), Arrivals::Burst(u64::MAX)];
    let mut kinds = kinds.into_iter().cycle();
    for (a, b) in odd.iter().flat_map(|a| odd.iter().map(move |b| (*a, *b))) {
        let steps = |step| Rate::Steps { from: a, to: b, step, each: Duration::MAX / 3 };
        for rate in [Rate::Flat(a), Rate::Linear { from: a, to: b }, steps(1.0), steps(a), steps(b)] {
            for (duration, arrivals) in lengths.iter().zip(&mut kinds) {
                let phase = Phase { duration: *duration, ..phase(rate, 0.0) };
                survives(&Schedule { max_offered: Some(50), ..schedule(arrivals, vec![phase.clone(), phase]) });
            }
            kinds.next();
        }
    }
}

fn survives(schedule: &Schedule) {
    let mut calls = schedule.calls();
    assert!(calls.by_ref().take(20).is_sorted_by_key(|due| due.at));
    calls.set_rate(SECOND, Some(f64::NAN));
    calls.delay_to(Duration::MAX);
    calls.set_rate(Duration::MAX, Some(f64::INFINITY));
    calls.set_rate(Duration::ZERO, None);
    assert!(calls.is_sorted_by_key(|due| due.at));
    let _ = (schedule.length(), schedule.rate_at(SECOND), schedule.measured_time(Duration::MAX));
    let _ = (schedule.expected(SECOND, Duration::MAX), schedule.phase_at(Duration::MAX));
}

/// Any phase that a plan may have, of up to some hundred calls.
pub(super) fn any_phase() -> impl Strategy<Value = Phase> {
    let rate = prop_oneof![Just(0.0), 0.0..40.0_f64];
    let shape = prop_oneof![
        1 => Just(Rate::Pause),
        3 => rate.clone().prop_map(Rate::Flat),
        3 => (rate.clone(), rate.clone()).prop_map(|(from, to)| Rate::Linear { from, to }),
        2 => (rate.clone(), rate, 2.0..30.0_f64, 1..2_000_u64).prop_map(|(from, to, step, each)| {
            Rate::Steps { from, to, step, each: Duration::from_millis(each) }
        }),
    ];
    (shape, 0.0..5.0_f64, any::<bool>()).prop_map(|(rate, length, measured)| Phase { measured, ..phase(rate, length) })
}

pub(super) fn any_arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![
        Just(Arrivals::Constant),
        Just(Arrivals::Poisson),
        Just(Arrivals::Uniform),
        (1..9_u64).prop_map(Arrivals::Burst),
    ]
}

proptest! {
    /// The count over any window is the integral of the rate.
    #[test]
    fn the_calls_of_any_window_are_the_integral_of_the_rate(
        phases in prop::collection::vec(any_phase(), 1..6),
        burst in 1..20_u64,
        windows in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 20),
    ) {
        let length = schedule(Arrivals::Constant, phases.clone()).length().unwrap();
        let bounds = [(Arrivals::Constant, 1.0), (Arrivals::Uniform, 2.0), (Arrivals::Burst(burst), burst as f64)];
        for (arrivals, bound) in bounds {
            let schedule = schedule(arrivals, phases.clone());
            let calls: Vec<_> = schedule.calls().collect();
            prop_assert!(calls.is_sorted_by_key(|due| due.at));
            for (a, b) in &windows {
                let (from, to) = (length.mul_f64(a.min(*b)), length.mul_f64(a.max(*b)));
                let off = count(&calls, from, to) as f64 - schedule.expected(from, to);
                prop_assert!(off.abs() <= bound + 1e-6, "{arrivals:?}: {off} more in {from:?} to {to:?}");
                // Up to any moment, one for jittered calls as well.
                let bound = if arrivals == Arrivals::Uniform { 1.0 } else { bound };
                let off = count(&calls, Duration::ZERO, to) as f64 - schedule.expected(Duration::ZERO, to);
                prop_assert!(off.abs() <= bound + 1e-6, "{arrivals:?}: {off} more to {to:?}");
            }
        }
    }

    /// Each call is in the phase that its time is in.
    #[test]
    fn calls_are_of_the_phase_that_their_time_is_in(
        phases in prop::collection::vec(any_phase(), 1..6),
        arrivals in any_arrivals(),
    ) {
        let schedule = schedule(arrivals, phases);
        for due in schedule.calls() {
            prop_assert_eq!(Some(due.phase), schedule.phase_at(due.at));
        }
    }
}
