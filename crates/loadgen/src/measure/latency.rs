//! The latencies: HDR histograms for percentiles, fixed buckets for Prometheus.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::labelled_enum::labelled_enum;

labelled_enum! {
    /// A latency, from one instant of a call to another.
    Latency {
        /// Due → sent.
        ScheduleLag = "schedule_lag",
        /// Sent → near leg created.
        Originate = "originate",
        /// Near leg created → far leg created, where the far leg comes to a slave.
        Invite = "invite",
        /// Sent → first of ringing, early media, answered.
        PostDialDelay = "post_dial_delay",
        /// Due → answered. It counts from the due time, so that a stall of the generator does not hide the calls that
        /// should have been placed.
        Setup = "setup",
        /// Sent → answered.
        SetupUncorrected = "setup_uncorrected",
        /// Far leg answered → near leg answered, where the far leg comes to a slave.
        AnswerPropagation = "answer_propagation",
        /// Answered → hung up.
        Hold = "hold",
        /// Hangup requested → channel gone.
        Teardown = "teardown",
        /// A probe event's sending on the client's connection → its arrival at the listener.
        EventDelay = "event_delay",
    }
}

/// Values are recorded in microseconds …
const UNIT: f64 = 1e6;
/// … with three significant digits, so that a value is off by at most 0.1 %, …
const DIGITS: u8 = 3;
/// … up to a day; longer durations count as a day.
const MICROSECONDS_MAX: u64 = 86_400_000_000;

/// Upper bounds of the buckets that Prometheus sees, in seconds. They grow by a factor of about 1.5, from half a
/// millisecond, for the schedule lag, to two minutes, for a callee that rings long.
const BOUNDS: [f64; 26] = [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75,
    1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// Samples of one kind: durations in seconds, or other values from 0 on, such as a MOS.
///
/// Without samples it takes no memory: most combinations of a latency with a slave, an app or a phase stay empty.
#[derive(Clone, Debug, Default)]
pub struct Samples(Option<Box<Histogram<u64>>>);

impl Samples {
    /// Adds a duration.
    pub fn record(&mut self, duration: Duration) {
        self.record_micros(micros(duration));
    }

    /// Adds a value in millionths of its unit.
    pub fn record_micros(&mut self, micros: u64) {
        let histogram = self.0.get_or_insert_with(|| Box::new(empty()));
        histogram.record(micros.min(MICROSECONDS_MAX)).expect("a histogram that resizes takes them all");
    }

    /// Adds the samples of another.
    pub fn add(&mut self, others: &Self) {
        match (&mut self.0, &others.0) {
            (_, None) => {}
            (None, some) => self.0.clone_from(some),
            (Some(mine), Some(theirs)) => {
                mine.add(&**theirs).expect("a histogram that resizes takes them all");
            }
        }
    }

    /// The number of samples.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// The histogram in microseconds; `None` without samples.
    pub fn histogram(&self) -> Option<&Histogram<u64>> {
        self.0.as_deref()
    }

    /// The value that a share of the samples, from 0 to 1, does not exceed. `None` without samples.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let histogram = self.histogram()?;
        Some(histogram.value_at_quantile(quantile).min(histogram.max()) as f64 / UNIT)
    }

    /// A statistic by its name: `min`, `mean`, `stdev`, `max`, or a percentile such as `p50` or `p99.9` (also `p999`).
    /// `None` for an unknown name; `Some(None)` without samples.
    pub fn statistic(&self, name: &str) -> Option<Option<f64>> {
        let of = |value: fn(&Histogram<u64>) -> f64| self.histogram().map(|histogram| value(histogram) / UNIT);
        Some(match name {
            "min" => of(|histogram| histogram.min() as f64),
            "mean" => of(|histogram| histogram.mean()),
            "stdev" => of(|histogram| histogram.stdev()),
            "max" => of(|histogram| histogram.max() as f64),
            _ => self.quantile(percentile(name)?),
        })
    }
}

/// Formats a time in seconds: `950 µs`, `12.3 ms`, `2.05 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds == 0.0 {
        "0".to_owned()
    } else if seconds < 0.001 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.01 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 0.1 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 100.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.0} s")
    }
}

/// A duration in the unit of the histograms.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn empty() -> Histogram<u64> {
    let mut histogram = Histogram::new(DIGITS).expect("1 to 5 digits are fine");
    histogram.auto(true);
    histogram
}

/// The number of durations in each of Prometheus' buckets; of a fixed size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buckets {
    /// By bucket, not cumulative. Durations over the last bound are in none.
    counts: [u64; BOUNDS.len()],
    /// The number of all durations.
    count: u64,
    /// Their sum in seconds.
    sum: f64,
}

impl Buckets {
    /// Adds a duration in microseconds.
    pub fn record_micros(&mut self, micros: u64) {
        let seconds = micros as f64 / UNIT;
        if let Some(bucket) = self.counts.get_mut(BOUNDS.partition_point(|bound| *bound < seconds)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of all durations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum
    }

    /// For each of the bounds, in seconds, the number of durations at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        BOUNDS.iter().zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }
}

/// The quantile of a percentile's name: `p50` is 0.5, `p99.9` and `p999` are 0.999.
fn percentile(name: &str) -> Option<f64> {
    let digits = name.strip_prefix('p')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let value: f64 = digits.parse().ok()?;
    let quantile = match digits {
        _ if digits.contains('.') || digits.len() <= 2 => value / 100.0,
        "100" => 1.0,
        // Without a point, digits after 99 are decimals. Any other would be a typing error: p101 is not the 10.1st.
        _ if !digits.starts_with("99") => return None,
        _ => value / 10_f64.powi(digits.len() as i32),
    };
    (0.0..=1.0).contains(&quantile).then_some(quantile)
}

/// The samples of every latency.
#[derive(Clone, Debug, Default)]
pub struct Latencies([Samples; Latency::COUNT]);

impl Latencies {
    /// Adds a duration in microseconds.
    pub fn record_micros(&mut self, latency: Latency, micros: u64) {
        self.0[latency as usize].record_micros(micros);
    }

    /// The samples of one latency.
    pub fn get(&self, latency: Latency) -> &Samples {
        &self.0[latency as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_by_name() {
        for (name, quantile) in
            [("p50", 0.5), ("p5", 0.05), ("p99", 0.99), ("p999", 0.999), ("p99.9", 0.999), ("p100", 1.0), ("p0", 0.0)]
        {
            let value = percentile(name).unwrap();
            assert!((value - quantile).abs() < 1e-12, "{name}: {value}");
        }
        for name in ["p", "99", "p-1", "p1e1", "pNaN", "p101.0", "p101", "p500", "p0999", "max"] {
            assert_eq!(percentile(name), None, "{name}");
        }
    }

    #[test]
    fn statistics_are_in_seconds() {
        let mut samples = Samples::default();
        assert_eq!(samples.statistic("p99"), Some(None));
        assert_eq!(samples.statistic("median"), None);
        for milliseconds in 1..=100 {
            samples.record(Duration::from_millis(milliseconds));
        }
        let near = |name: &str, expected: f64| {
            let value = samples.statistic(name).unwrap().unwrap();
            assert!((value / expected - 1.0).abs() < 0.002, "{name}: {value}");
        };
        near("p50", 0.05);
        near("p99", 0.099);
        near("max", 0.1);
        near("min", 0.001);
        near("mean", 0.0505);
    }

    #[test]
    fn what_is_too_long_counts_as_a_day() {
        let mut samples = Samples::default();
        samples.record(Duration::MAX);
        assert!((samples.quantile(0.5).unwrap() / 86_400.0 - 1.0).abs() < 0.001);
        let mut buckets = Buckets::default();
        buckets.record_micros(121_000_000);
        assert_eq!((buckets.cumulative().last(), buckets.count()), (Some((120.0, 0)), 1));
    }

    proptest! {
        #[test]
        fn adding_is_recording_together(
            a in prop::collection::vec(0_u64..200_000_000, 0..50),
            b in prop::collection::vec(0_u64..200_000_000, 0..50),
        ) {
            let of = |values: &[u64]| {
                let mut samples = Samples::default();
                values.iter().for_each(|value| samples.record(Duration::from_micros(*value)));
                samples
            };
            let mut sum = of(&a);
            sum.add(&of(&b));
            let whole = of(&[a.clone(), b.clone()].concat());
            prop_assert_eq!(sum.histogram(), whole.histogram());
            let mut buckets = Buckets::default();
            a.iter().chain(&b).for_each(|value| buckets.record_micros(*value));
            for (bound, count) in buckets.cumulative() {
                let expected = a.iter().chain(&b).filter(|value| **value as f64 / 1e6 <= bound).count();
                prop_assert_eq!(count, expected as u64);
            }
            prop_assert!((buckets.sum_seconds() - a.iter().chain(&b).sum::<u64>() as f64 / 1e6).abs() < 1e-3);
        }
    }
}
