//! The summary that a run prints at its end.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use super::run_facts::{RunFacts, SlaveFacts};
use super::{Created, FinishedRun, Output, OutputOptions};
use crate::measure::{Counts, Figures, Latency, Refusal, RtpMetric, Samples, Skip, seconds};
use crate::verdict::Verdict;

/// How long FreeSWITCH's listener sleeps between batches of events unless it is kept awake (`mod_event_socket`).
const EVENT_POLL: Duration = Duration::from_millis(20);

/// Writes the summary to stdout.
struct Summary;

/// The summary, which every run has.
pub(super) fn create(_: &OutputOptions) -> Created {
    Ok(Some(Box::new(Summary)))
}

impl Output for Summary {
    fn finish(&mut self, run: &FinishedRun, stdout: &mut String) -> io::Result<()> {
        write_summary(stdout, run).map_err(io::Error::other)
    }
}

fn write_summary(out: &mut String, run: &FinishedRun) -> std::fmt::Result {
    let FinishedRun { names, facts, results, .. } = run;
    writeln!(out, "\n{} (run {}), {}", names.run, facts.id, seconds(facts.duration.as_secs_f64()))?;
    write_calls(out, run)?;
    write_latencies(out, run)?;
    write_slaves(out, run)?;
    write_left(out, run)?;
    write_media(out, &results.last.total, facts.has_audio)?;
    write_apps(out, run)?;
    write_verdict(out, run)
}

/// Writes the rate, and the calls by outcome.
fn write_calls(out: &mut String, run: &FinishedRun) -> std::fmt::Result {
    let (facts, last) = (&run.facts, &run.results.last);
    let counts = &last.total.tally.counts;
    let rate = counts.attempted as f64 / facts.measured.as_secs_f64().max(f64::MIN_POSITIVE);
    let asked = facts.target_cps.unwrap_or_default();
    let over = seconds(facts.measured.as_secs_f64());
    writeln!(out, "\n  offered      {rate:.2} of {} calls/s over {over}", (asked * 1e3).round() / 1e3)?;
    let unmeasured = last.counts().scheduled - counts.scheduled;
    if unmeasured > 0 {
        writeln!(out, "  warm-up      {unmeasured}, not counted below")?;
    }
    writeln!(out, "  scheduled    {}", counts.scheduled)?;
    reasons(out, "  skipped", counts.skipped(), Skip::ALL.iter().map(|r| (r.as_str(), counts.skipped[*r as usize])))?;
    writeln!(out, "  attempted    {}", counts.attempted)?;
    let refused = Refusal::ALL.iter().map(|r| (r.as_str(), counts.refused[*r as usize]));
    reasons(out, "    refused", counts.refused(), refused)?;
    let causes = last.total.tally.causes.iter().map(|(cause, count)| (cause.as_str(), *count));
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
    )
}

/// Writes the table of latencies.
fn write_latencies(out: &mut String, run: &FinishedRun) -> std::fmt::Result {
    let batch = batch_bound(&run.facts);
    let columns = ["p50", "p90", "p95", "p99", "max"];
    writeln!(out, "\n  {:<18}{:>9}{}", "latency", "samples", columns.map(|name| format!("{name:>11}")).concat())?;
    for latency in Latency::ALL {
        let samples = run.results.last.total.latencies.get(*latency);
        if samples.count() > 0 {
            let row = columns.map(|name| format!("{:>11}", cell(*latency, samples.statistic(name).flatten(), batch)));
            let row = row.concat();
            writeln!(out, "  {:<18}{:>9}{row}", latency.as_str().replace('_', " "), samples.count())?;
        }
    }
    Ok(())
}

/// Writes the table of slaves.
fn write_slaves(out: &mut String, run: &FinishedRun) -> std::fmt::Result {
    let (names, results) = (&run.names, &run.results);
    let width = names.slaves.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
    writeln!(
        out,
        "\n  {:<width$}{:>10}{:>10}{:>10}{:>10}{:>8}{:>11}{:>11}",
        "slave", "attempted", "completed", "failed", "other", "ASR", "setup p50", "p99"
    )?;
    for ((name, view), figures) in names.slaves.iter().zip(&results.last.slaves).zip(&results.slaves) {
        let Counts { attempted, completed, failed, .. } = figures.tally.counts;
        let setup = figures.latencies.get(Latency::Setup);
        let state = match (view.status.up, view.status.reconnects) {
            (true, 0) => String::new(),
            (true, again) => format!("  reconnected {again} ×"),
            (false, _) => "  not connected".to_owned(),
        };
        writeln!(
            out,
            "  {:<width$}{attempted:>10}{completed:>10}{failed:>10}{:>10}{:>8}{:>11}{:>11}{state}",
            name,
            attempted - completed - failed,
            percent(figures.tally.counts.asr()),
            statistic(setup, "p50"),
            statistic(setup, "p99"),
        )?;
    }
    Ok(())
}

/// Writes the results and failures of apps.
fn write_apps(out: &mut String, run: &FinishedRun) -> std::fmt::Result {
    for (app, tally) in run.names.apps.iter().zip(&run.results.last.app_tallies) {
        let named = app.results.iter().zip(&tally.results).filter(|(_, count)| **count > 0);
        let results: Vec<String> = named.map(|(result, count)| format!("{result} {count}")).collect();
        if !results.is_empty() {
            writeln!(out, "  app {}: {}", app.name, results.join(", "))?;
        }
        for (count, words) in tally.failures.values() {
            writeln!(out, "  app {}: {count} × {words}", app.name)?;
        }
    }
    Ok(())
}

/// Writes the thresholds, the anomalies and the verdict with its reasons.
fn write_verdict(out: &mut String, run: &FinishedRun) -> std::fmt::Result {
    let FinishedRun { results, thresholds, judgement, .. } = run;
    if !thresholds.is_empty() {
        writeln!(out)?;
    }
    for (threshold, judged) in thresholds.iter().zip(&judgement.thresholds) {
        let sign = match judged.ok {
            Some(true) => "ok  ",
            Some(false) => "FAIL",
            None => "none",
        };
        let value = judged.value.map_or("no samples".to_owned(), |value| threshold.display(value));
        writeln!(out, "  {sign} {} {}: {value}", threshold.name, threshold.expression)?;
    }
    for (kind, count) in results.last.anomalies() {
        writeln!(out, "  note: {count} × {}", kind.replace('_', " "))?;
    }

    let verdict = match judgement.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Invalid => "INVALID",
        Verdict::Aborted => "ABORTED",
    };
    writeln!(out, "\n  {verdict}")?;
    for reason in &judgement.reasons {
        writeln!(out, "    {reason}")?;
    }
    Ok(())
}

/// The longest time between two batches of events.
fn batch_bound(facts: &RunFacts) -> Duration {
    let period = |slave: &SlaveFacts| slave.keep_awake.unwrap_or(EVENT_POLL);
    facts.slaves.iter().map(period).max().unwrap_or(EVENT_POLL)
}

/// A latency in the table. Two events of one batch have one instant: 0 between them stands for less than the time
/// between two batches.
fn cell(latency: Latency, value: Option<f64>, batch: Duration) -> String {
    match (latency, value) {
        (Latency::Invite | Latency::AnswerPropagation, Some(0.0)) => format!("< {} ms", batch.as_millis()),
        (_, value) => value.map_or("-".to_owned(), seconds),
    }
}

/// Writes how many channels the last look at the servers found.
fn write_left(out: &mut String, run: &FinishedRun) -> std::fmt::Result {
    let own = run.results.last.slaves.iter().zip(&run.facts.slaves).filter(|(_, slave)| slave.is_own);
    let left: Vec<Option<u64>> = own.map(|(slave, _)| slave.status.channels_left).collect();
    let (seen, found) = (left.iter().flatten().count(), left.iter().flatten().sum::<u64>());
    let hung_up = if found > 0 { format!(": {found} were found and hung up") } else { String::new() };
    let unseen = match left.len() - seen {
        0 => String::new(),
        unseen => format!(", {unseen} could not be asked: see \"loadgen cleanup\""),
    };
    writeln!(out, "\n  no channel of this run is left on {seen} of {} slaves{hung_up}{unseen}", left.len())
}

/// Writes the quality of the audio, where there was any.
fn write_media(out: &mut String, figures: &Figures, has_audio: bool) -> std::fmt::Result {
    let Counts { with_media, without_media, .. } = figures.tally.counts;
    if with_media + without_media == 0 || (with_media == 0 && !has_audio) {
        return Ok(());
    }
    let of = |measure, name| figures.media(measure).statistic(name).flatten().unwrap_or_default();
    write!(out, "\n  audio        of {with_media} calls")?;
    if with_media > 0 {
        let (mos, jitter, loss) = (of(RtpMetric::Mos, "p5"), of(RtpMetric::Jitter, "p95"), of(RtpMetric::Loss, "mean"));
        write!(out, ", MOS p5 {mos:.2}, jitter p95 {}, loss {:.2}%", seconds(jitter), loss * 100.0)?;
    }
    if without_media > 0 {
        write!(out, "; {without_media} without a packet")?;
    }
    writeln!(out)
}

/// Writes a count with its breakdown.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_between_events_of_one_batch_is_a_bound() {
        let batch = Duration::from_millis(2);
        assert_eq!(cell(Latency::Invite, Some(0.0), batch), "< 2 ms");
        assert_eq!(cell(Latency::AnswerPropagation, Some(0.0), EVENT_POLL), "< 20 ms");
        assert_eq!(cell(Latency::Invite, Some(0.0021), batch), "2.10 ms");
        assert_eq!(cell(Latency::ScheduleLag, Some(0.0), batch), "0", "not a time between events");
        assert_eq!(cell(Latency::Invite, None, batch), "-");
    }
}
