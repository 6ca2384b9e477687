//! The metrics that Prometheus scrapes: made from the latest snapshot at each scrape, so that the series agree with
//! each other and with the report.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::sync::watch;

use crate::measure::{Buckets, Counts, Latency, Refusal, Skip, SlaveView, Snapshot, Tally};
use crate::plan::{AppNames, Names};
use crate::verdict::threshold::Threshold;

/// The metrics of one run.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Metrics of the snapshot that `snapshots` has at the time of a scrape.
    ///
    /// # Errors
    /// The run's name cannot be a label.
    pub(super) fn new(
        names: Arc<Names>,
        thresholds: Arc<[Threshold]>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> prometheus::Result<Self> {
        let labels = HashMap::from([("run".to_owned(), names.run.clone())]);
        let registry = Registry::new_custom(None, Some(labels))?;
        registry.register(Box::new(FromSnapshot { names, thresholds, snapshots }))?;
        Ok(Self { registry })
    }

    /// The exposition text, and its content type.
    ///
    /// # Errors
    /// Never, with the metrics that there are.
    pub(super) fn encode(&self) -> prometheus::Result<(String, String)> {
        let encoder = TextEncoder::new();
        let mut text = Vec::new();
        encoder.encode(&self.registry.gather(), &mut text)?;
        Ok((String::from_utf8_lossy(&text).into_owned(), encoder.format_type().to_owned()))
    }
}

struct FromSnapshot {
    names: Arc<Names>,
    thresholds: Arc<[Threshold]>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Collector for FromSnapshot {
    /// No descriptions: the metrics are made at each scrape.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.snapshots.borrow().clone();
        let slaves: Vec<(&str, &SlaveView)> =
            self.names.slaves.iter().map(String::as_str).zip(&snapshot.slaves).collect();
        let mut families = Vec::new();
        call_counters(&slaves, &mut families);
        call_latencies(&slaves, &mut families);
        slave_health(&slaves, &mut families);
        apps(&self.names, &snapshot, &mut families);
        families.push(gauges(
            "loadgen_rate_target",
            "Target rate of the plan, in calls per second.",
            [(&[][..], snapshot.rate_target)],
        ));
        let thresholds = self.thresholds.iter().filter_map(|threshold| {
            let ok = threshold.judge(&snapshot.total).ok?;
            let label = format!("{} {}", threshold.name, threshold.expression);
            Some((vec![("threshold", label)], f64::from(u8::from(ok))))
        });
        let thresholds: Vec<_> = thresholds.collect();
        if !thresholds.is_empty() {
            families.push(gauges("loadgen_threshold_ok", "1 while a threshold passes, else 0.", thresholds));
        }
        let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
        families.push(gauges("loadgen_build_info", "The program, always 1.", [(&version[..], 1.0)]));
        families
    }
}

/// A count from [`Counts`].
type CountField = fn(&Counts) -> u64;

fn call_counters(slaves: &[(&str, &SlaveView)], families: &mut Vec<MetricFamily>) {
    let counts: [(&str, &str, CountField); 9] = [
        // Without pending calls: another slave may take one over, and a counter never goes down.
        ("scheduled", "Calls that were due: sent or skipped.", |counts| counts.scheduled - counts.pending),
        ("attempted", "Calls that were sent.", |counts| counts.attempted),
        ("answered", "Calls that were answered.", |counts| counts.answered),
        ("completed", "Answered calls that another party ended before their hold time.", |counts| counts.completed),
        ("app_failed", "Calls whose app's check failed.", |counts| counts.app_failed),
        ("dropped", "Answered calls that another party ended before their hold time.", |counts| counts.dropped),
        ("lost", "Calls whose outcome is unknown.", |counts| counts.lost),
        ("canceled", "Calls that loadgen canceled before an answer.", |counts| counts.canceled),
        ("without_media", "Answered calls that received no audio packet.", |counts| counts.without_media),
    ];
    for (name, help, count) in counts {
        let name = format!("loadgen_calls_{name}_total");
        let values = slaves.iter().map(|(slave, view)| (slave_label(slave), count(&view.tally.counts)));
        families.push(counters(&name, help, values));
    }
    let skipped = slaves.iter().flat_map(|(slave, view)| {
        Skip::ALL
            .iter()
            .map(move |reason| (with(slave, "reason", reason.as_str()), view.tally.counts.skipped[*reason as usize]))
    });
    families.push(counters("loadgen_calls_skipped_total", "Calls that were due and were not sent.", skipped));
    let refused = slaves.iter().flat_map(|(slave, view)| {
        Refusal::ALL
            .iter()
            .map(move |reason| (with(slave, "reason", reason.as_str()), view.tally.counts.refused[*reason as usize]))
    });
    families.push(counters(
        "loadgen_calls_refused_total",
        "Attempts for which the server created no channel.",
        refused,
    ));
    // The usual causes exist from the start, so that a rate over their first failure is right.
    let usual = [
        "CALL_REJECTED",
        "DESTINATION_OUT_OF_ORDER",
        "NORMAL_CLEARING",
        "NORMAL_TEMPORARY_FAILURE",
        "NO_ANSWER",
        "NO_ROUTE_DESTINATION",
        "NO_USER_RESPONSE",
        "ORIGINATOR_CANCEL",
        "RECOVERY_ON_TIMER_EXPIRE",
        "UNALLOCATED_NUMBER",
        "USER_BUSY",
    ];
    let failed = slaves.iter().flat_map(|(slave, view)| {
        let Tally { causes, .. } = &view.tally;
        let mut counts: std::collections::BTreeMap<&str, u64> = usual.into_iter().map(|cause| (cause, 0)).collect();
        counts.extend(causes.iter().map(|(cause, count)| (cause.as_str(), *count)));
        counts.into_iter().map(move |(cause, count)| (with(slave, "cause", cause), count)).collect::<Vec<_>>()
    });
    families.push(counters("loadgen_calls_failed_total", "Calls that ended without an answer.", failed));
    let active = slaves.iter().map(|(slave, view)| (slave_label(slave), view.tally.counts.active as f64));
    families.push(gauges("loadgen_calls_active", "Calls in progress.", active));
}

fn call_latencies(slaves: &[(&str, &SlaveView)], families: &mut Vec<MetricFamily>) {
    for (name, help, latency) in [
        ("loadgen_call_setup_seconds", "From a call's due time to its answer.", Latency::Setup),
        (
            "loadgen_call_post_dial_delay_seconds",
            "From sending a call to the first of ringing, early media and answer.",
            Latency::PostDialDelay,
        ),
        ("loadgen_call_invite_seconds", "From the near leg's creation to the far leg's.", Latency::Invite),
        (
            "loadgen_call_answer_propagation_seconds",
            "From the far leg's answer to the near leg's.",
            Latency::AnswerPropagation,
        ),
        ("loadgen_call_originate_seconds", "From sending a call to its channel's creation.", Latency::Originate),
        ("loadgen_call_hold_seconds", "From a call's answer to its hangup.", Latency::Hold),
        ("loadgen_schedule_lag_seconds", "From a call's due time to its sending.", Latency::ScheduleLag),
        ("loadgen_event_delay_seconds", "From sending a probe event to its arrival.", Latency::EventDelay),
    ] {
        let metrics = slaves.iter().map(|(slave, view)| {
            let mut metric = Metric::default();
            metric.set_label(labels(&slave_label(slave)));
            metric.set_histogram(histogram(&view.latencies[latency as usize]));
            metric
        });
        families.push(family(name, help, MetricType::HISTOGRAM, metrics.collect()));
    }
}

/// The outcomes and results of each app's calls, of the measured calls, as in the report.
fn apps(names: &Names, snapshot: &Snapshot, families: &mut Vec<MetricFamily>) {
    let tallies = || names.apps.iter().zip(snapshot.apps.iter().zip(&snapshot.app_tallies));
    let label = |app: &AppNames, name: &'static str, value: &str| -> LabelPairs {
        vec![("app", app.name.clone()), (name, value.to_owned())]
    };
    let calls = tallies().flat_map(|(app, (tally, _))| {
        let Counts { failed, completed, app_failed, dropped, lost, canceled, .. } = tally.counts;
        let outcomes = [
            ("refused", tally.counts.refused()),
            ("failed", failed),
            ("completed", completed),
            ("app_failed", app_failed),
            ("dropped", dropped),
            ("lost", lost),
            ("canceled", canceled),
        ];
        outcomes.map(|(outcome, count)| (label(app, "outcome", outcome), count))
    });
    families.push(counters("loadgen_app_calls_total", "Calls of an app that have ended.", calls));
    let results = tallies().flat_map(|(app, (_, said))| {
        let counts = said.results.iter().copied().chain(std::iter::repeat(0));
        app.results.iter().zip(counts).map(|(result, count)| (label(app, "result", result), count))
    });
    let results: Vec<_> = results.collect();
    if !results.is_empty() {
        families.push(counters("loadgen_app_results_total", "Calls counted by an app's own checks.", results));
    }
}

/// A value of a slave that may be unknown.
type SlaveGauge = fn(&SlaveView) -> Option<f64>;

fn slave_health(slaves: &[(&str, &SlaveView)], families: &mut Vec<MetricFamily>) {
    let up = slaves.iter().map(|(slave, view)| (slave_label(slave), f64::from(u8::from(view.status.up))));
    families.push(gauges("loadgen_slave_up", "1 while a slave is connected, else 0.", up));
    let reconnects = slaves.iter().map(|(slave, view)| (slave_label(slave), view.status.reconnects));
    families.push(counters("loadgen_slave_reconnects_total", "Reconnections to a slave.", reconnects));
    let events = slaves.iter().map(|(slave, view)| (slave_label(slave), view.status.events));
    families.push(counters("loadgen_slave_events_total", "Events received from a slave.", events));
    // An unknown value has no series.
    let known: [(&str, &str, SlaveGauge); 3] = [
        ("loadgen_slave_sessions", "Sessions on a slave, including those of others.", |view| {
            view.status.health.sessions.map(|sessions| sessions as f64)
        }),
        ("loadgen_slave_sessions_max", "Session limit of a slave.", |view| {
            view.status.health.sessions_max.map(|sessions| sessions as f64)
        }),
        ("loadgen_slave_idle_cpu_ratio", "Idle share of a slave's processors, 0 to 1.", |view| {
            view.status.health.idle_cpu
        }),
    ];
    for (name, help, value) in known {
        let values = slaves.iter().filter_map(|(slave, view)| Some((slave_label(slave), value(view)?)));
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            families.push(gauges(name, help, values));
        }
    }
}

type LabelPairs = Vec<(&'static str, String)>;

fn slave_label(slave: &str) -> LabelPairs {
    vec![("slave", slave.to_owned())]
}

fn with(slave: &str, name: &'static str, value: &str) -> LabelPairs {
    vec![(name, value.to_owned()), ("slave", slave.to_owned())]
}

fn labels(pairs: &[(&'static str, String)]) -> Vec<LabelPair> {
    let pairs = pairs.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.clone());
        pair
    });
    pairs.collect()
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn counters<L: AsRef<[(&'static str, String)]>>(
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) -> MetricFamily {
    let metrics = values.into_iter().map(|(pairs, value)| {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        let mut metric = Metric::default();
        metric.set_label(labels(pairs.as_ref()));
        metric.set_counter(counter);
        metric
    });
    family(name, help, MetricType::COUNTER, metrics.collect())
}

fn gauges<L: AsRef<[(&'static str, String)]>>(
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, f64)>,
) -> MetricFamily {
    let metrics = values.into_iter().map(|(pairs, value)| {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = Metric::default();
        metric.set_label(labels(pairs.as_ref()));
        metric.set_gauge(gauge);
        metric
    });
    family(name, help, MetricType::GAUGE, metrics.collect())
}

fn histogram(samples: &Buckets) -> Histogram {
    let buckets = samples.cumulative().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(samples.count());
    histogram.set_sample_sum(samples.sum_seconds());
    histogram
}
