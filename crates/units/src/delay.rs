//! A delay: constant, or drawn from a distribution each time.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rand::Rng;
use rand_distr::{Distribution, Exp, LogNormal, Normal, Uniform};
use serde::{Deserialize, Deserializer, de};

use crate::value::{Number, Time};

/// The most times of a list: each draw goes through it.
const LIST_MAX: usize = 10_000;

/// The largest file of a list, larger than 10,000 lines are.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The largest weight in a list: sums stay exact enough.
const WEIGHT_MAX: f64 = 1e6;

/// A duration that is constant or drawn from a distribution each time.
///
/// In a configuration it is `"250ms"`, `{ uniform = ["100ms", "500ms"] }`, `{ exponential = "180s" }`,
/// `{ normal = { mean = "300ms", stdev = "50ms" } }`, `{ lognormal = { median = "300ms", sigma = 0.4 } }` or
/// `{ list = ["100ms", ["2s", 0.5]] }`, where the second comes half as often as the first, or `{ file = "holds.txt" }`: a
/// list with a number of seconds, or a time, on each line.
#[derive(Clone, Debug, PartialEq)]
pub enum Delay {
    /// Always this long.
    Constant(Duration),
    /// Anything between the two, each equally likely.
    Uniform {
        /// The shortest.
        from: Duration,
        /// The longest; not below `from`.
        to: Duration,
    },
    /// The normal distribution; what would be below zero is zero.
    Normal {
        /// The average.
        mean: Duration,
        /// The standard deviation.
        stdev: Duration,
    },
    /// The exponential distribution.
    Exponential {
        /// The average.
        mean: Duration,
    },
    /// The log-normal distribution.
    LogNormal {
        /// Half of the values are below this; above zero.
        median: Duration,
        /// The standard deviation of the value's natural logarithm; not negative.
        sigma: f64,
    },
    /// One of these, each with its weight against the others'.
    List(Arc<[(Duration, f64)]>),
}

impl Delay {
    /// Draws a time from 0 to `max`: a distribution with a long tail would otherwise give days now and then. Parameters
    /// that make no distribution, which deserializing rejects, give the mean or median.
    pub fn sample(&self, rng: &mut impl Rng, max: Duration) -> Duration {
        let drawn = match *self {
            Delay::List(ref list) => pick(list, rng).map(|time| time.as_secs_f64()),
            Delay::Constant(time) => Some(time.as_secs_f64()),
            Delay::Uniform { from, to } => draw(Uniform::new_inclusive(from.as_secs_f64(), to.as_secs_f64()), rng),
            Delay::Normal { mean, stdev } => draw(Normal::new(mean.as_secs_f64(), stdev.as_secs_f64()), rng),
            Delay::Exponential { mean } => draw(Exp::new(mean.as_secs_f64().recip()), rng),
            Delay::LogNormal { median, sigma } => draw(LogNormal::new(median.as_secs_f64().ln(), sigma), rng),
        };
        let seconds = drawn.filter(|seconds| !seconds.is_nan()).unwrap_or_else(|| self.middle().as_secs_f64());
        Duration::from_secs_f64(seconds.clamp(0.0, max.as_secs_f64()))
    }

    fn middle(&self) -> Duration {
        match *self {
            Delay::List(ref list) => list.first().map_or(Duration::ZERO, |(time, _)| *time),
            Delay::Constant(time) | Delay::Uniform { from: time, .. } => time,
            Delay::Normal { mean, .. } | Delay::Exponential { mean } => mean,
            Delay::LogNormal { median, .. } => median,
        }
    }
}

fn pick(list: &[(Duration, f64)], rng: &mut impl Rng) -> Option<Duration> {
    let sum: f64 = list.iter().map(|(_, weight)| weight).sum();
    let mut drawn = draw(Uniform::new(0.0, sum), rng)?;
    for (time, weight) in list {
        if drawn < *weight {
            return Some(*time);
        }
        drawn -= weight;
    }
    list.last().map(|(time, _)| *time)
}

fn draw<D: Distribution<f64>, E>(distribution: Result<D, E>, rng: &mut impl Rng) -> Option<f64> {
    distribution.ok().map(|distribution| distribution.sample(rng))
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Shape {
    Uniform(Time, Time),
    Normal { mean: Time, stdev: Time },
    Exponential(Time),
    LogNormal { median: Time, sigma: f64 },
    List(Vec<Weighted>),
    File(PathBuf),
}

/// `"250ms"`, or `["250ms", 3]` with a weight.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a time such as \"250ms\", or a time and its weight: [\"250ms\", 3]")]
enum Weighted {
    Alone(Time),
    Weighted(Time, Number),
}

/// # Errors
/// The list is empty or too long, or a weight is out of range.
fn list(items: Vec<Weighted>) -> Result<Delay, &'static str> {
    let item = |item| match item {
        Weighted::Alone(time) => (time.0, 1.0),
        Weighted::Weighted(time, weight) => (time.0, weight.0),
    };
    let items: Arc<[_]> = items.into_iter().map(item).collect();
    if items.is_empty() {
        return Err("list: it is empty");
    }
    if items.len() > LIST_MAX {
        return Err("list: it has more than 10000 times");
    }
    if !items.iter().all(|(_, weight)| (f64::MIN_POSITIVE..=WEIGHT_MAX).contains(weight)) {
        return Err("list: each weight must be above 0 and at most 1000000");
    }
    Ok(Delay::List(items))
}

/// Reads a list from a file, a time a line; empty lines and those that start with `#` are skipped.
///
/// # Errors
/// The file cannot be read, or a line is not a time; the message has the place.
fn file(path: &Path) -> Result<Delay, String> {
    let shown = path.display();
    if !path.is_file() {
        return Err(format!("{shown}: cannot be read: there is no such file"));
    }
    let mut file =
        File::open(path).map_err(|error| format!("{shown}: cannot be read: {error}"))?.take(FILE_BYTES_MAX + 1);
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{shown}: it has more than {FILE_BYTES_MAX} bytes"));
    }
    let mut items = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let time = seconds(line).map_err(|error| format!("{shown}:{number}: {error}"))?;
        items.push(Weighted::Alone(Time(time)));
    }
    list(items).map_err(|error| format!("{shown}: {error}"))
}

/// `2.5`, or a time.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|_| format!("invalid number of seconds {text}: expected a finite number from 0 on")),
        Err(_) => Time::parse(text).map(|time| time.0),
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Delay, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Delay;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a time such as \"250ms\", or a table with one of uniform, normal, exponential, lognormal, list, file",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Delay, E> {
                Time::parse(text).map(|time| Delay::Constant(time.0)).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Delay, A::Error> {
                let shape = Shape::deserialize(de::value::MapAccessDeserializer::new(map))?;
                match shape {
                    Shape::Uniform(from, to) if from.0 > to.0 => {
                        Err(de::Error::custom("uniform: the first time is above the second"))
                    }
                    Shape::Uniform(from, to) => Ok(Delay::Uniform { from: from.0, to: to.0 }),
                    Shape::List(items) => list(items).map_err(de::Error::custom),
                    Shape::File(path) => file(&path).map_err(de::Error::custom),
                    Shape::Normal { mean, stdev } => Ok(Delay::Normal { mean: mean.0, stdev: stdev.0 }),
                    Shape::Exponential(mean) if mean.0.is_zero() => {
                        Err(de::Error::custom("exponential: the mean is zero"))
                    }
                    Shape::Exponential(mean) => Ok(Delay::Exponential { mean: mean.0 }),
                    Shape::LogNormal { median, .. } if median.0.is_zero() => {
                        Err(de::Error::custom("lognormal: the median is zero"))
                    }
                    Shape::LogNormal { sigma, .. } if !(sigma.is_finite() && sigma >= 0.0) => {
                        Err(de::Error::custom("lognormal: sigma must be a finite number from 0 on"))
                    }
                    Shape::LogNormal { median, sigma } => Ok(Delay::LogNormal { median: median.0, sigma }),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const MAX: Duration = Duration::from_secs(3_600);

    #[derive(Debug, Deserialize)]
    struct Holder {
        delay: Delay,
    }

    fn read(text: &str) -> Result<Delay, String> {
        toml::from_str::<Holder>(&format!("delay = {text}"))
            .map(|holder| holder.delay)
            .map_err(|error| error.message().to_owned())
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(read("\"250ms\""), Ok(Delay::Constant(ms(250))));
        assert_eq!(read("{ uniform = [\"100ms\", \"500ms\"] }"), Ok(Delay::Uniform { from: ms(100), to: ms(500) }));
        assert_eq!(read("{ exponential = \"180s\" }"), Ok(Delay::Exponential { mean: ms(180_000) }));
        assert_eq!(
            read("{ normal = { mean = \"300ms\", stdev = \"50ms\" } }"),
            Ok(Delay::Normal { mean: ms(300), stdev: ms(50) })
        );
        assert_eq!(
            read("{ list = [\"1s\", [\"2s\", 0.5]] }"),
            Ok(Delay::List([(ms(1_000), 1.0), (ms(2_000), 0.5)].into()))
        );
        for sigma in [0.4, 0.0] {
            let text = format!("{{ lognormal = {{ median = \"300ms\", sigma = {sigma:?} }} }}");
            assert_eq!(read(&text), Ok(Delay::LogNormal { median: ms(300), sigma }));
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        for (text, reason) in [
            ("\"soon\"", "\"soon\" is not a time"),
            ("3", "a time such as"),
            ("{ uniform = [\"2s\", \"1s\"] }", "the first time is above the second"),
            ("{ exponential = \"0s\" }", "the mean is zero"),
            ("{ lognormal = { median = \"1s\", sigma = -1.0 } }", "sigma must be a finite number from 0 on"),
            ("{ list = [] }", "it is empty"),
            ("{ list = [[\"1s\", 0]] }", "each weight must be above 0"),
            ("{ list = [\"soon\"] }", "a time and its weight"),
            ("{ gamma = \"1s\" }", "gamma"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_list_is_read_from_a_file_too() {
        let path = std::env::temp_dir().join(format!("units-delays-{}.txt", std::process::id()));
        let read = |text: &[u8]| {
            std::fs::write(&path, text).expect("a file");
            read(&format!("{{ file = {path:?} }}")).map_err(|error| error.replace(&path.display().to_string(), "FILE"))
        };
        let expected = [(ms(2_500), 1.0), (ms(3_000), 1.0), (ms(250), 1.0)];
        assert_eq!(read(b"# seconds\n2.5\n\n 3 \r\n250ms"), Ok(Delay::List(expected.into())));
        for (text, reason) in [
            (&b"1\nsoon\n"[..], "FILE:2: \"soon\" is not a time"),
            (b"1\n\n-1\n", "FILE:3: invalid number of seconds -1"),
            (b"inf", "FILE:1: invalid number of seconds inf"),
            (b"1 2", "FILE:1: \"1 2\" is not a time"),
            (b"# nothing", "FILE: list: it is empty"),
            (&b"1\n".repeat(10_001), "FILE: list: it has more than 10000 times"),
            (&b"#".repeat(1024 * 1024 + 1), "FILE: it has more than 1048576 bytes"),
            (b"\xff", "FILE: cannot be read: "),
        ] {
            let error = read(text).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
        assert!(read(&b"1\n".repeat(10_000)).is_ok());
        std::fs::remove_file(&path).expect("it is there");
        assert!(read(b"").is_err() && std::fs::remove_file(&path).is_ok());
        let missing = super::tests::read(&format!("{{ file = {path:?} }}")).expect_err("no file");
        assert!(missing.contains("cannot be read: "), "{missing}");
    }

    #[test]
    fn samples_stay_in_bounds_and_near_their_middle() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut mean = |delay: Delay| {
            let drawn: Vec<_> = (0..10_000).map(|_| delay.sample(&mut rng, MAX)).collect();
            assert!(drawn.iter().all(|time| *time <= MAX));
            drawn.iter().sum::<Duration>() / 10_000
        };
        assert_eq!(mean(Delay::Constant(ms(250))), ms(250));
        let weighted = mean(Delay::List([(ms(0), 1.0), (ms(1_000), 1.0), (ms(4_000), 2.0)].into()));
        assert!((ms(2_200)..ms(2_300)).contains(&weighted), "{weighted:?}");
        assert_eq!(mean(Delay::LogNormal { median: ms(250), sigma: 0.0 }), ms(250));
        for delay in [
            Delay::Uniform { from: ms(100), to: ms(500) },
            Delay::Normal { mean: ms(300), stdev: ms(50) },
            Delay::Exponential { mean: ms(300) },
            Delay::List([(ms(100), 3.0), (ms(900), 1.0)].into()),
        ] {
            let got = mean(delay.clone());
            assert!((ms(290)..ms(310)).contains(&got), "{delay:?}: {got:?}");
        }
        assert_eq!(Delay::Constant(ms(7_200_000)).sample(&mut rng, MAX), MAX);
        assert!((0..1_000).all(|_| Delay::Normal { mean: ms(1), stdev: ms(50) }.sample(&mut rng, MAX) <= ms(1_000)));
    }
}
