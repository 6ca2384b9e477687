//! The table at the end of a run, for a person.

use std::fmt::Write;

use crate::latency::{Latency, Samples};
use crate::outcome::{Refusal, Skip};
use crate::plan::Plan;
use crate::recorder::Counts;
use crate::report::{RunFacts, seconds};
use crate::snapshot::Snapshot;
use crate::verdict::{Finding, Verdict};

/// The whole summary, ending with a line end.
pub fn summary(plan: &Plan, facts: &RunFacts, last: &Snapshot, finding: &Finding) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_summary(&mut out, plan, facts, last, finding);
    out
}

fn write_summary(
    out: &mut String,
    plan: &Plan,
    facts: &RunFacts,
    last: &Snapshot,
    finding: &Finding,
) -> std::fmt::Result {
    let counts = last.counts();
    let latencies = &last.total.latencies;
    writeln!(out, "\n{} (run {}), {}", plan.name, plan.run_id, seconds(facts.duration.as_secs_f64()))?;

    let rate = counts.attempted as f64 / facts.offering.as_secs_f64().max(f64::MIN_POSITIVE);
    writeln!(
        out,
        "\n  offered      {rate:.2} of {} calls/s over {}",
        plan.schedule.rate_max(),
        seconds(facts.offering.as_secs_f64())
    )?;
    writeln!(out, "  scheduled    {}", counts.scheduled)?;
    reasons(out, "  skipped", counts.skipped(), Skip::ALL.iter().map(|r| (r.as_str(), counts.skipped[*r as usize])))?;
    writeln!(out, "  attempted    {}", counts.attempted)?;
    let refused = Refusal::ALL.iter().map(|r| (r.as_str(), counts.refused[*r as usize]));
    reasons(out, "    refused", counts.refused(), refused)?;
    let causes = last.total.causes.iter().map(|(cause, count)| (cause.as_str(), *count));
    reasons(out, "    failed", counts.failed, causes)?;
    for (name, count) in [
        ("completed", counts.completed),
        ("app failed", counts.app_failed),
        ("dropped", counts.dropped),
        ("lost", counts.lost),
        ("canceled", counts.canceled),
    ] {
        if count > 0 || name == "completed" {
            writeln!(out, "    {name:<10} {count}")?;
        }
    }
    writeln!(
        out,
        "  answered     {} (ASR {}), success {}, at most {} at a time",
        counts.answered,
        percent(counts.asr()),
        percent(counts.success()),
        facts.peak_concurrent
    )?;

    let names = ["p50", "p90", "p95", "p99", "max"];
    writeln!(out, "\n  {:<18}{:>9}{}", "latency", "samples", names.map(|name| format!("{name:>11}")).concat())?;
    for latency in Latency::ALL {
        let samples = latencies.get(*latency);
        if samples.count() > 0 {
            let row = names.map(|name| format!("{:>11}", statistic(samples, name))).concat();
            writeln!(out, "  {:<18}{:>9}{row}", latency.as_str().replace('_', " "), samples.count())?;
        }
    }

    let width = plan.slaves.iter().map(|slave| slave.name.chars().count()).max().unwrap_or(0).max(5);
    writeln!(
        out,
        "\n  {:<width$}{:>10}{:>10}{:>10}{:>10}{:>8}{:>11}{:>11}",
        "slave", "attempted", "completed", "failed", "other", "ASR", "setup p50", "p99"
    )?;
    for (slave, view) in plan.slaves.iter().zip(&last.slaves) {
        let Counts { attempted, completed, failed, .. } = view.figures.counts;
        let setup = view.figures.latencies.get(Latency::Setup);
        let state = match (view.status.up, view.status.reconnects) {
            (true, 0) => String::new(),
            (true, again) => format!("  reconnected {again} ×"),
            (false, _) => "  not connected".to_owned(),
        };
        writeln!(
            out,
            "  {:<width$}{attempted:>10}{completed:>10}{failed:>10}{:>10}{:>8}{:>11}{:>11}{state}",
            slave.name,
            attempted - completed - failed,
            percent(view.figures.counts.asr()),
            statistic(setup, "p50"),
            statistic(setup, "p99"),
        )?;
    }

    if !plan.thresholds.is_empty() {
        writeln!(out)?;
    }
    for (threshold, judged) in plan.thresholds.iter().zip(&finding.thresholds) {
        let sign = match judged.ok {
            Some(true) => "ok  ",
            Some(false) => "FAIL",
            None => "none",
        };
        let value = judged.value.map_or("no samples".to_owned(), |value| threshold.display(value));
        writeln!(out, "  {sign} {} {}: {value}", threshold.name, threshold.expression)?;
    }
    for (kind, count) in last.anomalies() {
        writeln!(out, "  note: {count} × {}", kind.replace('_', " "))?;
    }

    let verdict = match finding.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Invalid => "INVALID",
        Verdict::Aborted => "ABORTED",
    };
    writeln!(out, "\n  {verdict}")?;
    for reason in &finding.reasons {
        writeln!(out, "    {reason}")?;
    }
    Ok(())
}

/// A count, and what it is made of.
fn reasons<'a>(
    out: &mut String,
    name: &str,
    count: u64,
    parts: impl Iterator<Item = (&'a str, u64)>,
) -> std::fmt::Result {
    if count == 0 {
        return Ok(());
    }
    let parts: Vec<String> = parts.filter(|(_, n)| *n > 0).map(|(reason, n)| format!("{reason} {n}")).collect();
    writeln!(out, "{name:<15}{count}  {}", parts.join(", "))
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{:.1}%", ratio * 100.0))
}

fn statistic(samples: &Samples, name: &str) -> String {
    samples.statistic(name).flatten().map_or("-".to_owned(), seconds)
}
