//! The latencies that are measured, each with its histogram: HDR for percentiles, fixed buckets for Prometheus.

use std::time::Duration;

use hdrhistogram::Histogram;

macro_rules! latencies {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is measured, from when to when.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Latency {
            $($(#[$doc])* $variant,)*
        }

        impl Latency {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its name in thresholds, reports and logs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

latencies! {
    /// Due → sent.
    ScheduleLag = "schedule_lag",
    /// Sent → near leg created.
    Originate = "originate",
    /// Sent → first of ringing, early media, answered.
    PostDialDelay = "post_dial_delay",
    /// Due → answered: what counts, since a stall of the generator cannot hide the calls that should have been placed.
    Setup = "setup",
    /// Sent → answered.
    SetupUncorrected = "setup_uncorrected",
    /// Answered → hung up.
    Hold = "hold",
    /// Hangup requested → channel gone.
    Teardown = "teardown",
    /// A probe sent on the client's connection → its arrival at the listener.
    EventDelay = "event_delay",
}

/// Recorded in microseconds …
const UNIT: f64 = 1e6;
/// … with three significant digits: a value is off by 0.1 % at the most …
const DIGITS: u8 = 3;
/// … up to a day; longer ones count as a day.
const MICROSECONDS_MAX: u64 = 86_400_000_000;

/// Upper bounds of the buckets that Prometheus sees, in seconds: a step of about 1.5, from half a millisecond, since a
/// schedule's lag is that short, to two minutes, since a callee may ring that long.
pub const BOUNDS: [f64; 26] = [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75,
    1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// Measured durations of one kind.
#[derive(Clone, Debug)]
pub struct Samples {
    histogram: Histogram<u64>,
    /// Counts by bucket, not cumulative; what is over the last bound is in none.
    buckets: [u64; BOUNDS.len()],
    /// The sum in seconds, for Prometheus.
    sum: f64,
}

impl Default for Samples {
    fn default() -> Self {
        let mut histogram = Histogram::new(DIGITS).expect("1 to 5 digits are fine");
        histogram.auto(true);
        Self { histogram, buckets: [0; BOUNDS.len()], sum: 0.0 }
    }
}

impl Samples {
    /// Adds one.
    pub fn record(&mut self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(MICROSECONDS_MAX);
        self.histogram.record(microseconds).expect("a histogram that resizes takes them all");
        let seconds = duration.as_secs_f64();
        if let Some(bucket) = self.buckets.get_mut(BOUNDS.partition_point(|bound| *bound < seconds)) {
            *bucket += 1;
        }
        self.sum += seconds;
    }

    /// Adds others' samples.
    pub fn add(&mut self, others: &Self) {
        if others.count() == 0 {
            return;
        }
        self.histogram.add(&others.histogram).expect("a histogram that resizes takes them all");
        for (mine, theirs) in self.buckets.iter_mut().zip(others.buckets) {
            *mine += theirs;
        }
        self.sum += others.sum;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The sum of all, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum
    }

    /// The histogram, in microseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// For each of [`BOUNDS`], how many are at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        BOUNDS.iter().zip(&self.buckets).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }

    /// The value in seconds that this share of the samples, from 0 to 1, does not exceed. `None` without samples.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let value = || self.histogram.value_at_quantile(quantile).min(self.histogram.max());
        (self.count() > 0).then(|| value() as f64 / UNIT)
    }

    /// A statistic by its name: `min`, `mean`, `stdev`, `max`, in seconds, or a percentile such as `p50` or `p99.9`
    /// (also `p999`). `None` where there is no such statistic; `Some(None)` without samples.
    pub fn statistic(&self, name: &str) -> Option<Option<f64>> {
        let some = |value: f64| (self.count() > 0).then_some(value / UNIT);
        Some(match name {
            "min" => some(self.histogram.min() as f64),
            "mean" => some(self.histogram.mean()),
            "stdev" => some(self.histogram.stdev()),
            "max" => some(self.histogram.max() as f64),
            _ => self.quantile(percentile(name)?),
        })
    }
}

/// `p50` is 0.5, `p99.9` and `p999` are 0.999.
fn percentile(name: &str) -> Option<f64> {
    let digits = name.strip_prefix('p')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let value: f64 = digits.parse().ok()?;
    let quantile = match digits {
        // Without a point, what follows the first two digits is behind it.
        _ if digits.contains('.') || digits.len() <= 2 => value / 100.0,
        "100" => 1.0,
        _ => value / 10_f64.powi(digits.len() as i32),
    };
    (0.0..=1.0).contains(&quantile).then_some(quantile)
}

/// The samples of every latency.
#[derive(Clone, Debug, Default)]
pub struct Latencies([Samples; Latency::COUNT]);

impl Latencies {
    /// Adds a duration.
    pub fn record(&mut self, latency: Latency, duration: Duration) {
        self.0[latency as usize].record(duration);
    }

    /// The samples of one latency.
    pub fn get(&self, latency: Latency) -> &Samples {
        &self.0[latency as usize]
    }

    /// Adds others' samples.
    pub fn add(&mut self, others: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&others.0) {
            mine.add(theirs);
        }
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
        for name in ["p", "99", "p-1", "p1e1", "pNaN", "p101.0", "max"] {
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
        assert!((samples.sum_seconds() - 5.05).abs() < 1e-9);
    }

    #[test]
    fn what_is_too_long_counts_as_a_day() {
        let mut samples = Samples::default();
        samples.record(Duration::MAX);
        assert!((samples.quantile(0.5).unwrap() / 86_400.0 - 1.0).abs() < 0.001);
        assert_eq!(samples.cumulative().last(), Some((120.0, 0)));
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
            prop_assert_eq!(sum.cumulative().collect::<Vec<_>>(), whole.cumulative().collect::<Vec<_>>());
            for (bound, count) in sum.cumulative() {
                let expected = a.iter().chain(&b).filter(|value| **value as f64 / 1e6 <= bound).count();
                prop_assert_eq!(count, expected as u64);
            }
        }
    }
}
