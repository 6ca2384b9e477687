//! The order of turns.

use proptest::prelude::*;

use super::*;

#[test]
fn turns_follow_the_weights_evenly() {
    let turns = round_robin(&[5, 1, 1]);
    assert_eq!((0..8).map(|n| turns.pick(n)).collect::<Vec<_>>(), [0, 0, 1, 0, 2, 0, 0, 0]);
    assert_eq!((turns.members(), turns.share(0), turns.share(3)), (3, 5.0 / 7.0, 0.0));
    assert!(RoundRobin::new(&[0, 0]).is_none());
    assert!(RoundRobin::new(&[]).is_none());
    assert!(RoundRobin::new(&[1, 1 << 20]).is_none());
    assert!(RoundRobin::new(&[u64::MAX, u64::MAX - 1]).is_none());
    // What weights share is taken out.
    assert!(RoundRobin::new(&[1 << 40, 1 << 41]).is_some());
}

/// The bound that [`RoundRobin`] states: 1 − 1/k ahead, H(k) − 1 behind.
fn check_bound(weights: &[u64], turns: usize) -> Result<(), TestCaseError> {
    let table = super::round_robin(weights);
    let members = weights.iter().filter(|weight| **weight > 0).count();
    let ahead_max = 1.0 - 1.0 / members as f64;
    let behind_max: f64 = (2..=members).map(|k| 1.0 / k as f64).sum();
    let total: u64 = weights.iter().sum();
    let mut had = vec![0_u64; weights.len()];
    for n in 1..=turns {
        had[table.pick(n as u64 - 1)] += 1;
        for (had, weight) in had.iter().zip(weights) {
            let ahead = *had as f64 - n as f64 * *weight as f64 / total as f64;
            prop_assert!(
                ahead <= ahead_max + 1e-9 && ahead >= -behind_max - 1e-9,
                "{ahead} ahead after {n} of {weights:?}"
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn members_have_their_share_at_any_time(weights in prop::collection::vec(0..50_u64, 1..12)) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        check_bound(&weights, 600)?;
    }
}

/// Slaves by their weights after any number of calls, and apps within each slave by theirs.
#[test]
fn slaves_and_apps_get_their_shares() {
    let mut schedule = flat(100.0, Arrivals::Poisson, 50.0);
    schedule.slaves = round_robin(&[3, 1, 2]);
    schedule.phases[0].apps = round_robin(&[7, 2, 1]);
    let mut had = [0_u64; 3];
    let mut apps = [[0_u64; 3]; 3];
    for (n, due) in (1_u64..).zip(schedule.calls()) {
        had[due.slave] += 1;
        apps[due.slave][due.app] += 1;
        for (had, share) in had.iter().zip([3.0 / 6.0, 1.0 / 6.0, 2.0 / 6.0]) {
            assert!((*had as f64 - n as f64 * share).abs() < 1.0, "after {n}: {had}");
        }
        // From anywhere in the cycle on: the bound of three, 5/6 behind and 1 ahead, twice over.
        for (app, share) in apps[due.slave].iter().zip([0.7, 0.2, 0.1]) {
            assert!((*app as f64 - had[due.slave] as f64 * share).abs() < 2.0 - 1.0 / 6.0, "after {n}: {apps:?}");
        }
    }
}

#[test]
fn apps_take_turns_within_each_slave_and_among_the_slaves() {
    let mut schedule = flat(10.0, Arrivals::Constant, 1.0);
    schedule.slaves = round_robin(&[1, 1]);
    schedule.phases[0].apps = round_robin(&[1, 1]);
    let of_slave = |slave| schedule.of_slave(slave).map(|due| due.app).collect::<Vec<_>>();
    assert_eq!(of_slave(0), [0, 1, 0, 1, 0]);
    assert_eq!(of_slave(1), [1, 0, 1, 0, 1]);
    // Where each of many slaves places a single call, those calls are the mix as well.
    schedule.slaves = round_robin(&[1; 10]);
    schedule.phases[0].apps = round_robin(&[9, 1]);
    assert_eq!(schedule.calls().filter(|due| due.app == 1).count(), 1);
}

#[test]
fn each_phase_has_its_own_mix() {
    let mut phases = vec![phase(Rate::Flat(10.0), 1.05), phase(Rate::Flat(10.0), 1.0)];
    phases[0].apps = round_robin(&[0, 1]);
    phases[1].apps = round_robin(&[2, 1]);
    let apps: Vec<_> = schedule(Arrivals::Constant, phases).calls().map(|due| (due.phase, due.app)).collect();
    assert!(apps[..11].iter().all(|call| *call == (0, 1)));
    assert_eq!(apps[11..17], [(1, 0), (1, 1), (1, 0), (1, 0), (1, 1), (1, 0)]);
}

#[test]
fn shards_are_parsed_and_shown() {
    assert_eq!("2/5".parse(), Ok(Shard { index: 1, count: 5 }));
    assert_eq!("1/1".parse(), Ok(Shard::WHOLE));
    assert_eq!(Shard { index: 1, count: 5 }.to_string(), "2/5");
    let owned: Vec<_> = (0..15).filter(|slave| Shard { index: 1, count: 5 }.owns(*slave)).collect();
    assert_eq!(owned, [1, 6, 11]);
    assert!((0..9).all(|slave| Shard::WHOLE.owns(slave)));
    assert_eq!("6/5".parse::<Shard>(), Err("invalid shard 6/5: expected 1/5 to 5/5".to_owned()));
    assert_eq!(
        "0/0".parse::<Shard>(),
        Err("invalid shard 0/0: the number of shards must be at least 1; 1/1 is the whole load".to_owned())
    );
    for text in ["", "2", "/", "2/", "/5", "+2/5", "-1/5", "2/5/7", "a/b", " 2/5", "2/99999999999999999999"] {
        assert!(text.parse::<Shard>().unwrap_err().contains("2/5"), "{text}");
    }
}
