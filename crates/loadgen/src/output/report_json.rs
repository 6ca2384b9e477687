//! `report.json`: the result of a run. Times are in seconds, ratios from 0 to 1, `null` without a denominator.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Created, FinishedRun, Output, OutputOptions};
use crate::atomic_file::write_atomically;
use crate::measure::{AppTally, Counts, Figures, Latencies, Latency, Refusal, RtpMetric, Samples, Skip, SlaveView};
use crate::verdict::Verdict;

/// Incremented whenever a reader of an older report would misread a newer one.
const SCHEMA_VERSION: u32 = 1;

/// Writes the report into the run folder.
struct ReportFile {
    path: PathBuf,
}

/// The report, where there is a run folder.
pub(super) fn create(options: &OutputOptions) -> Created {
    Ok(options.file("report.json").map(|path| Box::new(ReportFile { path }) as Box<dyn Output>))
}

impl Output for ReportFile {
    fn finish(&mut self, run: &FinishedRun, _stdout: &mut String) -> io::Result<()> {
        write_atomically(&self.path, &Report::new(run).to_json())
    }
}

/// A whole report.
#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    verdict: Verdict,
    reasons: Vec<String>,
    anomalies: BTreeMap<&'static str, u64>,
    run: RunReport,
    #[serde(flatten)]
    all: CallsReport,
    slaves: Vec<SlaveReport>,
    apps: Vec<AppReport>,
    phases: Vec<PhaseReport>,
    targets: Vec<TargetReport>,
    thresholds: Vec<ThresholdReport>,
}

#[derive(Debug, Serialize)]
struct RunReport {
    id: String,
    name: String,
    version: &'static str,
    seed: u64,
    started_at: String,
    duration_seconds: f64,
    /// How long calls were offered.
    offered_seconds: f64,
    /// How much of that was in measured phases: the rates are over this time.
    measured_seconds: f64,
    /// How often listeners were kept awake while an event was awaited, the longest of all slaves; `null` where one was
    /// not kept awake.
    keep_awake_seconds: Option<f64>,
    shard: Option<String>,
}

/// The figures of all calls, or of one slave, app, phase or target.
#[derive(Debug, Serialize)]
struct CallsReport {
    calls: CallCounts,
    rates: Rates,
    latency_seconds: BTreeMap<&'static str, LatencyReport>,
    media: MediaReport,
    ratios: Ratios,
    hangup_causes: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
    sip_statuses: BTreeMap<u16, u64>,
}

#[derive(Debug, Serialize)]
struct CallCounts {
    scheduled: u64,
    pending: u64,
    skipped: u64,
    attempted: u64,
    active: u64,
    answered: u64,
    refused: u64,
    failed: u64,
    completed: u64,
    app_failed: u64,
    dropped: u64,
    lost: u64,
    canceled: u64,
}

#[derive(Debug, Serialize)]
struct Rates {
    #[serde(skip_serializing_if = "Option::is_none")]
    target_cps: Option<f64>,
    offered_cps: f64,
    answered_cps: f64,
    completed_cps: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_concurrent: Option<u64>,
}

/// The audio that arrived at the near legs of answered calls. Scores are of the calls that received a packet.
#[derive(Debug, Serialize)]
struct MediaReport {
    /// The mean opinion score that FreeSWITCH estimates, 1 to 4.5.
    mos: LatencyReport,
    /// The largest standard deviation of the time between a call's packets.
    jitter_seconds: LatencyReport,
    /// The share of packets that were lost.
    loss_ratio: LatencyReport,
    /// Calls that received a packet.
    with_media: u64,
    /// Calls that did not receive a single packet.
    without_media: u64,
}

#[derive(Debug)]
struct LatencyReport {
    count: u64,
    statistics: Vec<(&'static str, Option<f64>)>,
}

/// See [`Counts`] and [`Figures`] for what each stands for.
#[derive(Debug, Serialize)]
struct Ratios {
    success: Option<f64>,
    asr: Option<f64>,
    abr: Option<f64>,
    ner: Option<f64>,
    ser: Option<f64>,
    seer: Option<f64>,
    isa: Option<f64>,
    scr: Option<f64>,
}

#[derive(Debug, Serialize)]
struct SlaveReport {
    name: String,
    up: bool,
    version: Option<String>,
    sessions_per_second_max: Option<u64>,
    sessions_max: Option<u64>,
    sessions_since_startup: Option<u64>,
    reconnects: u64,
    events: u64,
    /// Channels that were found at the end and hung up; `null` where the server could not be asked.
    channels_left: Option<u64>,
    keep_awake_seconds: Option<f64>,
    anomalies: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    calls: CallsReport,
}

#[derive(Debug, Serialize)]
struct AppReport {
    name: String,
    kind: &'static str,
    /// What it counts of its calls, by name.
    results: BTreeMap<&'static str, u64>,
    /// The steps at which it failed.
    failures: Vec<FailureReport>,
    #[serde(flatten)]
    calls: CallsReport,
}

/// A step of an app at which calls failed.
#[derive(Debug, Serialize)]
struct FailureReport {
    /// The message of the first call that failed there.
    example: String,
    /// How many calls failed there.
    count: u64,
}

#[derive(Debug, Serialize)]
struct PhaseReport {
    name: String,
    /// Whether its calls count in the other figures.
    measured: bool,
    #[serde(flatten)]
    calls: CallsReport,
}

#[derive(Debug, Serialize)]
struct TargetReport {
    name: String,
    #[serde(flatten)]
    calls: CallsReport,
}

#[derive(Debug, Serialize)]
struct ThresholdReport {
    name: String,
    expression: String,
    value: Option<f64>,
    ok: Option<bool>,
    samples: u64,
}

impl Report {
    fn new(run: &FinishedRun) -> Self {
        let FinishedRun { names, facts, results, judgement, .. } = run;
        let last = &results.last;
        let mut all = CallsReport::new(&last.total, facts.measured);
        all.rates.target_cps = facts.target_cps;
        all.rates.peak_concurrent = Some(facts.peak_concurrent);
        let periods = facts.slaves.iter().map(|slave| slave.keep_awake);
        let longest = periods.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        let phases = names.phases.iter().zip(&facts.phases).zip(&results.phases);
        let phases = phases.map(|((name, phase), figures)| PhaseReport {
            name: name.clone(),
            measured: phase.measured,
            calls: CallsReport::new(figures, phase.offering),
        });
        let targets = names.targets.iter().zip(&results.targets).map(|(name, figures)| TargetReport {
            name: name.clone(),
            calls: CallsReport::new(figures, facts.measured),
        });
        Self {
            schema_version: SCHEMA_VERSION,
            verdict: judgement.verdict,
            reasons: judgement.reasons.clone(),
            anomalies: last.anomalies(),
            run: RunReport {
                id: facts.id.clone(),
                name: names.run.clone(),
                version: env!("CARGO_PKG_VERSION"),
                seed: facts.seed,
                started_at: facts.started_at.to_string(),
                duration_seconds: facts.duration.as_secs_f64(),
                offered_seconds: facts.offering.as_secs_f64(),
                measured_seconds: facts.measured.as_secs_f64(),
                keep_awake_seconds: longest.map(|period| period.as_secs_f64()),
                shard: facts.shard.clone(),
            },
            all,
            slaves: slaves(run),
            apps: apps(run),
            phases: phases.collect(),
            targets: targets.collect(),
            thresholds: thresholds(run),
        }
    }

    /// The report as text.
    fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report has nothing that JSON cannot carry");
        text.push('\n');
        text
    }
}

fn slaves(run: &FinishedRun) -> Vec<SlaveReport> {
    let FinishedRun { names, facts, results, .. } = run;
    let slaves = names.slaves.iter().zip(&facts.slaves).zip(&results.last.slaves).zip(&results.slaves);
    let slaves = slaves.map(|(((name, slave), view), figures)| {
        let SlaveView { status, .. } = view;
        SlaveReport {
            name: name.clone(),
            up: status.up,
            version: status.version.clone(),
            sessions_per_second_max: status.health.sessions_per_second_max,
            sessions_max: status.health.sessions_max,
            sessions_since_startup: status.health.sessions_since_startup,
            reconnects: status.reconnects,
            events: status.events,
            channels_left: status.channels_left,
            keep_awake_seconds: slave.keep_awake.map(|period| period.as_secs_f64()),
            anomalies: status.anomalies.clone(),
            calls: CallsReport::new(figures, facts.measured),
        }
    });
    slaves.collect()
}

fn apps(run: &FinishedRun) -> Vec<AppReport> {
    let FinishedRun { names, facts, results, .. } = run;
    let apps = names.apps.iter().zip(&results.apps).zip(&results.last.app_tallies);
    let apps = apps.map(|((app, figures), tally)| {
        let counts = tally.results.iter().copied().chain(std::iter::repeat(0));
        AppReport {
            name: app.name.clone(),
            kind: app.kind,
            results: app.results.iter().copied().zip(counts).collect(),
            failures: failures(tally),
            calls: CallsReport::new(figures, facts.measured),
        }
    });
    apps.collect()
}

fn thresholds(run: &FinishedRun) -> Vec<ThresholdReport> {
    let thresholds = run.thresholds.iter().zip(&run.judgement.thresholds);
    let thresholds = thresholds.map(|(threshold, result)| ThresholdReport {
        name: threshold.name.clone(),
        expression: threshold.expression.clone(),
        value: result.value,
        ok: result.ok,
        samples: result.samples,
    });
    thresholds.collect()
}

fn failures(tally: &AppTally) -> Vec<FailureReport> {
    let failure = |(count, words): &(u64, String)| FailureReport { example: words.clone(), count: *count };
    tally.failures.values().map(failure).collect()
}

impl CallsReport {
    /// The figures of calls that were offered in this time.
    fn new(figures: &Figures, time: Duration) -> Self {
        let counts = &figures.tally.counts;
        let per_second = |count: u64| match time.as_secs_f64() {
            seconds if seconds > 0.0 => count as f64 / seconds,
            _ => 0.0,
        };
        let by_reason = |count: (&'static str, u64)| (count.1 > 0).then_some(count);
        Self {
            calls: CallCounts {
                scheduled: counts.scheduled,
                pending: counts.pending,
                skipped: counts.skipped(),
                attempted: counts.attempted,
                active: counts.active,
                answered: counts.answered,
                refused: counts.refused(),
                failed: counts.failed,
                completed: counts.completed,
                app_failed: counts.app_failed,
                dropped: counts.dropped,
                lost: counts.lost,
                canceled: counts.canceled,
            },
            rates: Rates {
                target_cps: None,
                offered_cps: per_second(counts.attempted),
                answered_cps: per_second(counts.answered),
                completed_cps: per_second(counts.completed),
                peak_concurrent: None,
            },
            latency_seconds: latencies(&figures.latencies),
            media: MediaReport {
                mos: LatencyReport::new(figures.media(RtpMetric::Mos)),
                jitter_seconds: LatencyReport::new(figures.media(RtpMetric::Jitter)),
                loss_ratio: LatencyReport::new(figures.media(RtpMetric::Loss)),
                with_media: counts.with_media,
                without_media: counts.without_media,
            },
            ratios: Ratios::new(figures),
            hangup_causes: figures.tally.causes.iter().map(|(cause, count)| (cause.as_str(), *count)).collect(),
            skipped: Skip::ALL
                .iter()
                .filter_map(|reason| by_reason((reason.as_str(), counts.skipped[*reason as usize])))
                .collect(),
            refused: Refusal::ALL
                .iter()
                .filter_map(|reason| by_reason((reason.as_str(), counts.refused[*reason as usize])))
                .collect(),
            sip_statuses: figures.tally.sip_statuses.clone(),
        }
    }
}

fn latencies(latencies: &Latencies) -> BTreeMap<&'static str, LatencyReport> {
    Latency::ALL.iter().map(|latency| (latency.as_str(), LatencyReport::new(latencies.get(*latency)))).collect()
}

impl LatencyReport {
    fn new(samples: &Samples) -> Self {
        let names = ["min", "mean", "stdev", "p50", "p90", "p95", "p99", "p999", "max"];
        let statistics = names.into_iter().map(|name| (name, samples.statistic(name).flatten())).collect();
        Self { count: samples.count(), statistics }
    }
}

impl Serialize for LatencyReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &self.count)?;
        for (name, value) in &self.statistics {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Ratios {
    /// By ITU-T E.425 (asr, abr, ner) and RFC 6076 §4.6 to §4.9 (ser, seer, isa, scr). An attempt that had a channel is
    /// an INVITE; a seizure is one that was not canceled.
    fn new(figures: &Figures) -> Self {
        let Counts { attempted, answered, canceled, completed, .. } = figures.tally.counts;
        let invites = attempted - figures.tally.counts.refused();
        let statuses = |wanted: &dyn Fn(u16) -> bool| -> u64 {
            figures.tally.sip_statuses.iter().filter(|(status, _)| wanted(**status)).map(|(_, count)| count).sum()
        };
        let redirected = statuses(&|status| status / 100 == 3);
        let by_user = statuses(&|status| matches!(status, 480 | 486 | 600 | 603));
        let ineffective = statuses(&|status| matches!(status, 408 | 500 | 503 | 504));
        // The network did its part where the user was busy, did not answer or rejected the call.
        let effective: u64 = figures
            .tally
            .causes
            .iter()
            .filter(|(cause, _)| {
                matches!(cause.as_str(), "USER_BUSY" | "NO_ANSWER" | "NO_USER_RESPONSE" | "CALL_REJECTED")
            })
            .map(|(_, count)| count)
            .sum();
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        Self {
            success: figures.tally.counts.success(),
            asr: figures.tally.counts.asr(),
            abr: figures.tally.counts.abr(),
            ner: ratio(answered + effective, invites - canceled),
            ser: ratio(answered, invites - redirected),
            seer: ratio(answered + by_user, invites - redirected),
            isa: ratio(ineffective, invites),
            scr: ratio(completed, invites),
        }
    }
}
