//! Whether random arrivals are as random as they should be, by tests at a level of 0.1 % with fixed seeds: of a
//! thousand seeds one would fail, and these do not.

use super::*;

/// The largest distance between a sample and what it should be of, by Kolmogorov and Smirnov, times √n: above 1.95
/// once in a thousand samples.
fn kolmogorov_smirnov(mut sample: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = |(i, value): (usize, &f64)| {
        let expected = distribution(*value);
        (expected - i as f64 / n).abs().max((expected - (i + 1) as f64 / n).abs())
    };
    sample.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}

const KOLMOGOROV_SMIRNOV_MAX: f64 = 1.95;

/// Whether χ² of so many degrees is between its 0.05 % and 99.95 % quantiles, by E. B. Wilson and M. M. Hilferty
/// (1931): its cube root is nearly normal.
fn is_chi_square(statistic: f64, degrees: usize) -> bool {
    let spread = 2.0 / (9.0 * degrees as f64);
    let normal = ((statistic / degrees as f64).cbrt() - (1.0 - spread)) / spread.sqrt();
    normal.abs() < 3.29
}

fn calls(schedule: &Schedule) -> Vec<Due> {
    schedule.calls().collect()
}

#[test]
fn poisson_gaps_are_exponential() {
    let rate = 100.0;
    let times = times(&flat(rate, Arrivals::Poisson, 200.0));
    let gaps: Vec<_> = std::iter::once(times[0]).chain(times.windows(2).map(|pair| pair[1] - pair[0])).collect();
    let distance = kolmogorov_smirnov(gaps, |gap| 1.0 - (-rate * gap).exp());
    assert!(distance < KOLMOGOROV_SMIRNOV_MAX, "{distance}");
}

/// Seen on the clock that the integral of the rate is, a ramp's gaps are exponential with a mean of one, all over it.
#[test]
fn poisson_gaps_on_hills_are_exponential_in_the_integral_of_the_rate() {
    for seed in [1, 2, 3] {
        let schedule = Schedule { seed, ..schedule(Arrivals::Poisson, steep()) };
        let positions: Vec<_> = calls(&schedule).iter().map(|due| schedule.expected(Duration::ZERO, due.at)).collect();
        let gaps: Vec<_> = positions.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.len() > 20_000);
        let distance = kolmogorov_smirnov(gaps, |gap| 1.0 - (-gap).exp());
        assert!(distance < KOLMOGOROV_SMIRNOV_MAX, "seed {seed}: {distance}");
    }
}

/// Thousands of calls, up, by steps and down.
fn steep() -> Vec<Phase> {
    let steps = Rate::Steps { from: 50.0, to: 200.0, step: 50.0, each: seconds(10.0) };
    vec![
        phase(Rate::Linear { from: 0.0, to: 300.0 }, 60.0),
        phase(Rate::Pause, 5.0),
        phase(steps, 0.0),
        phase(Rate::Linear { from: 300.0, to: 0.0 }, 60.0),
    ]
}

/// The counts of windows that do not overlap have the integral of the rate as mean and as variance: their dispersion,
/// Σ (count − expected)² / expected, is χ² with as many degrees as there are windows. Constant and jittered calls are
/// far too even for it, bursts far too uneven.
#[test]
fn poisson_counts_on_a_ramp_are_dispersed_as_poisson() {
    let ramp = phase(Rate::Linear { from: 10.0, to: 200.0 }, 400.0);
    let dispersion = |arrivals, seed| {
        let schedule = Schedule { seed, ..schedule(arrivals, vec![ramp.clone()]) };
        let calls = calls(&schedule);
        let square = |window: u32| {
            let (from, to) = (SECOND * window, SECOND * (window + 1));
            let expected = schedule.expected(from, to);
            (count(&calls, from, to) as f64 - expected).powi(2) / expected
        };
        (0..400).map(square).sum::<f64>()
    };
    for seed in [1, 2, 3] {
        let dispersion = dispersion(Arrivals::Poisson, seed);
        assert!(is_chi_square(dispersion, 400), "seed {seed}: {dispersion}");
    }
    for other in [Arrivals::Constant, Arrivals::Uniform, Arrivals::Burst(10)] {
        assert!(!is_chi_square(dispersion(other, 1), 400), "{other:?}");
    }
}

/// How many windows have 0, 1, 2, … calls is as Poisson says: χ² over the classes with five windows or more to be
/// expected.
#[test]
fn poisson_counts_are_distributed_as_poisson() {
    let (windows, mean) = (5_000, 4.0);
    let calls = calls(&flat(mean, Arrivals::Poisson, f64::from(windows)));
    let mut counts = vec![0_u32; windows as usize];
    for due in &calls {
        counts[due.at.as_secs() as usize] += 1;
    }
    let probability = |k: u32| (1..=k).fold((-mean).exp(), |p, i| p * mean / f64::from(i));
    let last = (0..).find(|k| probability(*k + 1) * f64::from(windows) < 5.0 && f64::from(*k) > mean).unwrap();
    let tail = 1.0 - (0..last).map(probability).sum::<f64>();
    let squares = (0..=last).map(|k| {
        let expected = f64::from(windows) * if k == last { tail } else { probability(k) };
        let seen = counts.iter().filter(|count| **count.min(&&last) == k).count();
        (seen as f64 - expected).powi(2) / expected
    });
    let statistic: f64 = squares.sum();
    assert!(is_chi_square(statistic, last as usize), "{statistic} of {last} degrees");
}

/// Of one window after the other: what one has says nothing of the next. And in the long run they are as many as asked.
#[test]
fn poisson_counts_of_neighbours_are_not_correlated() {
    let calls = calls(&flat(50.0, Arrivals::Poisson, 10_000.0));
    assert!((calls.len() as f64 - 500_000.0).abs() < 3.29 * 500_000.0_f64.sqrt(), "{}", calls.len());
    let mut counts = vec![0.0; 10_000];
    for due in &calls {
        counts[due.at.as_secs() as usize] += 1.0;
    }
    let off = |count: &f64| count - 50.0;
    let products = counts.windows(2).map(|pair| off(&pair[0]) * off(&pair[1])).sum::<f64>();
    let correlation = products / counts.iter().map(|count| off(count).powi(2)).sum::<f64>();
    // Of n pairs it is normal with a deviation of 1 / √n.
    assert!(correlation.abs() < 3.29 / 100.0, "{correlation}");
}

/// One call in each unit, anywhere in it.
#[test]
fn jittered_calls_are_one_in_each_unit_and_even_within() {
    let schedule = schedule(Arrivals::Uniform, steep());
    let calls = calls(&schedule);
    let position = |due: &Due| schedule.expected(Duration::ZERO, due.at) - due.attempt as f64;
    let within: Vec<_> = calls.iter().map(position).collect();
    assert!(within.iter().all(|within| (-1e-6..1.0 + 1e-6).contains(within)));
    let distance = kolmogorov_smirnov(within, |within| within.clamp(0.0, 1.0));
    assert!(distance < KOLMOGOROV_SMIRNOV_MAX, "{distance}");
}

#[test]
fn bursts_come_together() {
    let times = times(&flat(10.0, Arrivals::Burst(4), 1.0));
    assert_eq!(times, [0.0, 0.0, 0.0, 0.0, 0.4, 0.4, 0.4, 0.4, 0.8, 0.8, 0.8, 0.8]);
}

#[test]
fn the_same_seed_gives_the_same_calls_and_another_one_others() {
    for arrivals in [Arrivals::Poisson, Arrivals::Uniform] {
        let schedule = schedule(arrivals, hills());
        assert_eq!(calls(&schedule), calls(&schedule.clone()));
        let other = Schedule { seed: 8, ..schedule.clone() };
        let same = calls(&schedule).iter().zip(calls(&other)).filter(|(a, b)| a.at == b.at).count();
        assert_eq!(same, 0, "{arrivals:?}");
    }
}
