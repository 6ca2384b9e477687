//! Thresholds: `"setup.p99" = "< 250ms"`, `"success" = "> 99.5%"`, `"skipped" = "< 5"`.

use crate::config::Time;
use crate::measure::{Counts, Figures, Latency, RtpMetric, Samples};

/// One line of `[thresholds]`.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// The subject, as it is written.
    pub name: String,
    /// The condition, as it is written.
    pub expression: String,
    subject: Subject,
    comparison: Comparison,
    limit: f64,
    /// Whether the limit is a share of the calls instead of their number.
    share: bool,
}

/// The result of a threshold.
#[derive(Clone, Debug)]
pub struct ThresholdResult {
    /// The measured value: seconds, a ratio or a number of calls. `None` without samples.
    pub value: Option<f64>,
    /// Whether the threshold passed. `None` without samples.
    pub ok: Option<bool>,
    /// The number of samples that the value stands on.
    pub samples: u64,
}

#[derive(Clone, Debug)]
enum Subject {
    Latency(Latency, String),
    RtpSamples(RtpMetric, String),
    Ratio(fn(&Counts) -> Option<f64>),
    Count { part: fn(&Counts) -> u64, whole: fn(&Counts) -> u64 },
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Longer operators first.
    const SIGNS: [(&str, Self); 4] =
        [("<=", Self::LessOrEqual), (">=", Self::GreaterOrEqual), ("<", Self::Less), (">", Self::Greater)];

    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::LessOrEqual => value <= limit,
            Self::Greater => value > limit,
            Self::GreaterOrEqual => value >= limit,
        }
    }
}

fn scheduled(counts: &Counts) -> u64 {
    counts.scheduled
}

fn attempted(counts: &Counts) -> u64 {
    counts.attempted
}

/// The subjects without a dot.
const SUBJECTS: [(&str, Subject); 12] = [
    ("success", Subject::Ratio(Counts::success)),
    ("asr", Subject::Ratio(Counts::asr)),
    ("abr", Subject::Ratio(Counts::abr)),
    ("skipped", Subject::Count { part: Counts::skipped, whole: scheduled }),
    ("refused", Subject::Count { part: Counts::refused, whole: attempted }),
    ("failed", Subject::Count { part: |counts| counts.failed, whole: attempted }),
    ("completed", Subject::Count { part: |counts| counts.completed, whole: scheduled }),
    ("app_failed", Subject::Count { part: |counts| counts.app_failed, whole: attempted }),
    ("dropped", Subject::Count { part: |counts| counts.dropped, whole: attempted }),
    ("lost", Subject::Count { part: |counts| counts.lost, whole: attempted }),
    (
        "without_media",
        Subject::Count {
            part: |counts| counts.without_media,
            whole: |counts| counts.with_media + counts.without_media,
        },
    ),
    ("canceled", Subject::Count { part: |counts| counts.canceled, whole: attempted }),
];

impl Threshold {
    /// Parses a threshold.
    ///
    /// # Errors
    /// The mistake, and what is expected instead.
    pub fn parse(name: &str, expression: &str) -> Result<Self, String> {
        let subject = subject(name)?;
        let expression = expression.trim();
        let signs = Comparison::SIGNS.iter();
        let Some((comparison, limit)) =
            signs.filter_map(|(sign, comparison)| Some((*comparison, expression.strip_prefix(sign)?))).next()
        else {
            return Err(format!("{expression:?}: expected <, <=, > or >= first"));
        };
        let limit = limit.trim();
        let (value, share) = match (&subject, limit.strip_suffix('%')) {
            (Subject::Latency(..) | Subject::RtpSamples(RtpMetric::Jitter, _), _) => {
                (Time::parse(limit)?.0.as_secs_f64(), false)
            }
            (Subject::RtpSamples(RtpMetric::Mos, _), Some(_)) => {
                return Err(format!("{name:?} is a score from 1 to 5: {limit:?} has a percent sign"));
            }
            (_, Some(percent)) => (number(percent)? / 100.0, true),
            (_, None) => (number(limit)?, false),
        };
        if matches!(subject, Subject::Ratio(_) | Subject::RtpSamples(RtpMetric::Loss, _)) && value > 1.0 {
            return Err(format!("{name:?} is a ratio, from 0 to 1 or from 0% to 100%: {limit:?} is above"));
        }
        Ok(Self { name: name.to_owned(), expression: expression.to_owned(), subject, comparison, limit: value, share })
    }

    /// Evaluates the threshold.
    pub fn judge(&self, figures: &Figures) -> ThresholdResult {
        let counts = &figures.tally.counts;
        let (value, samples) = match &self.subject {
            Subject::RtpSamples(measure, statistic) => {
                let samples = figures.media(*measure);
                (samples.statistic(statistic).flatten(), samples.count())
            }
            Subject::Latency(latency, statistic) => {
                let samples: &Samples = figures.latencies.get(*latency);
                (samples.statistic(statistic).flatten(), samples.count())
            }
            Subject::Ratio(ratio) => (ratio(counts), counts.scheduled - counts.pending - counts.active),
            Subject::Count { part, whole } => {
                let (part, whole) = (part(counts), whole(counts));
                let value = if self.share { part as f64 / whole as f64 } else { part as f64 };
                ((whole > 0).then_some(value), whole)
            }
        };
        ThresholdResult { value, ok: value.map(|value| self.comparison.holds(value, self.limit)), samples }
    }

    /// A value in the unit of the threshold.
    pub fn display(&self, value: f64) -> String {
        match self.subject {
            Subject::Latency(..) | Subject::RtpSamples(RtpMetric::Jitter, _) => crate::measure::seconds(value),
            Subject::RtpSamples(RtpMetric::Mos, _) => format!("{value:.2}"),
            Subject::Count { .. } if !self.share => format!("{value}"),
            _ => format!("{:.2}%", value * 100.0),
        }
    }
}

fn subject(name: &str) -> Result<Subject, String> {
    if let Some((what, statistic)) = name.split_once('.') {
        let latency = Latency::ALL.iter().find(|known| known.as_str() == what);
        let measure = RtpMetric::ALL.iter().find(|known| known.as_str() == what);
        let subject = match (latency, measure) {
            (Some(latency), _) => Subject::Latency(*latency, statistic.to_owned()),
            (_, Some(measure)) => Subject::RtpSamples(*measure, statistic.to_owned()),
            _ => {
                let latencies = Latency::ALL.iter().map(|latency| latency.as_str());
                let names: Vec<&str> = latencies.chain(RtpMetric::ALL.iter().map(|measure| measure.as_str())).collect();
                return Err(format!("unknown latency {what:?}{}", crate::config::did_you_mean(what, &names)));
            }
        };
        if Samples::default().statistic(statistic).is_none() {
            return Err(format!(
                "unknown statistic {statistic:?}: known are min, mean, stdev, max and percentiles such as p50, p99, p99.9 (or p999)"
            ));
        }
        return Ok(subject);
    }
    match SUBJECTS.iter().find(|(known, _)| *known == name) {
        Some((_, subject)) => Ok(subject.clone()),
        None => {
            let mut known: Vec<String> = SUBJECTS.iter().map(|(name, _)| (*name).to_owned()).collect();
            known.extend(Latency::ALL.iter().map(|latency| format!("{}.p99", latency.as_str())));
            Err(format!("unknown threshold {name:?}{}", crate::config::did_you_mean(name, &known)))
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("{text:?} is not a number from 0 on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let counts = Counts { scheduled: 1000, attempted: 990, completed: 980, answered: 985, ..Counts::default() };
        let mut figures = Figures::default();
        figures.tally.counts = Counts { dropped: 5, failed: 5, without_media: 2, with_media: 98, ..counts };
        figures.tally.counts.skipped[0] = 10;
        figures.latencies.record_micros(Latency::Setup, 200_000);
        figures.media.record_micros(RtpMetric::Mos, 4_100_000);
        figures.media.record_micros(RtpMetric::Jitter, 12_000);
        figures.media.record_micros(RtpMetric::Loss, 10_000);
        figures
    }

    #[test]
    fn thresholds_are_judged() {
        for (name, expression, ok) in [
            ("setup.p99", "< 250ms", Some(true)),
            ("setup.max", ">= 250ms", Some(false)),
            ("schedule_lag.p99", "< 10ms", None),
            ("success", "> 0.97", Some(true)),
            ("success", "> 98%", Some(false)),
            ("asr", "> 99%", Some(true)),
            ("skipped", "<= 10", Some(true)),
            ("skipped", "< 1%", Some(false)),
            ("refused", "<= 0", Some(true)),
            ("mos.p5", "> 4.0", Some(true)),
            ("mos.p5", "> 4.2", Some(false)),
            ("jitter.p95", "< 10ms", Some(false)),
            ("loss.mean", "< 1.1%", Some(true)),
            ("without_media", "<= 0", Some(false)),
            ("without_media", "< 1%", Some(false)),
        ] {
            let threshold = Threshold::parse(name, expression).unwrap();
            assert_eq!(threshold.judge(&figures()).ok, ok, "{name} {expression}");
            let verdict = threshold.judge(&Figures::default());
            assert_eq!((verdict.ok, verdict.samples), (None, 0), "{name} without samples");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (name, expression, words) in [
            ("setp.p99", "< 250ms", "did you mean \"setup\"?"),
            ("setup.median", "< 250ms", "unknown statistic \"median\""),
            ("setup.p101", "< 250ms", "unknown statistic \"p101\""),
            ("setup.p99", "250ms", "expected <, <=, > or >= first"),
            ("setup.p99", "< 250", "is not a time"),
            ("succes", "> 0.5", "did you mean \"success\"?"),
            ("success", "> 99", "is a ratio"),
            ("loss.p99", "< 5", "is a ratio"),
            ("mos.p5", "> 90%", "is a score from 1 to 5"),
            ("skipped", "< few", "is not a number"),
            ("setup", "< 1s", "did you mean \"setup.p99\"?"),
        ] {
            let error = Threshold::parse(name, expression).unwrap_err();
            assert!(error.contains(words), "{name} {expression}: {error}");
        }
    }
}
