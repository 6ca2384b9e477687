//! Judges a run: pass, fail, or inconclusive.

pub mod threshold;

use serde::Serialize;

use crate::exit::Exit;
use crate::measure::{Skip, Snapshot};
use crate::signals::Signal;
use threshold::{Threshold, ThresholdResult};

/// The share of calls that the generator may have sent too late, or whose events may be lost, before the result is
/// inconclusive.
const TROUBLED_MAX: f64 = 0.001;
/// The share of calls that may be sent late before the generator, not the system under test, counts as the bottleneck.
const LATE_MAX: f64 = 0.01;

/// The verdict on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every threshold passed.
    Pass,
    /// A threshold failed.
    Fail,
    /// The result is inconclusive.
    Invalid,
    /// The run was cut short.
    Aborted,
}

/// A verdict, with its reasons.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why the verdict is not a pass.
    pub reasons: Vec<String>,
    /// The result of each threshold, in the plan's order.
    pub thresholds: Vec<ThresholdResult>,
    /// How the program exits.
    pub exit: Exit,
}

/// Everything that counts against a run besides its calls.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    /// The signal that stopped the run.
    pub signal: Option<Signal>,
    /// Errors of this program.
    pub internal: Vec<String>,
    /// Outputs that could not be written.
    pub incomplete: Vec<String>,
}

/// Judges a run that has ended.
pub fn judge(thresholds: &[Threshold], has_end: bool, last: &Snapshot, incidents: &Incidents) -> Judgement {
    let results: Vec<ThresholdResult> = thresholds.iter().map(|threshold| threshold.judge(&last.total)).collect();
    let mut invalid_reasons = invalid_reasons(last);
    let mut failures = Vec::new();
    for (threshold, judged) in thresholds.iter().zip(&results) {
        let what = format!("{} {}", threshold.name, threshold.expression);
        match (judged.ok, judged.value) {
            (None, _) => invalid_reasons.push(format!("threshold {what} has no samples")),
            (Some(false), Some(value)) => {
                failures.push(format!("threshold {what} failed: {}", threshold.display(value)));
            }
            _ => {}
        }
    }
    // A run whose schedule has no end is meant to be ended by a signal.
    let signal = incidents.signal.filter(|_| has_end);
    let Incidents { internal, incomplete, .. } = incidents;
    let (verdict, exit) = match signal {
        Some(signal) => (Verdict::Aborted, Exit::Signal(signal)),
        None if !internal.is_empty() => (Verdict::Invalid, Exit::InternalError),
        None if !invalid_reasons.is_empty() || !incomplete.is_empty() => (Verdict::Invalid, Exit::Inconclusive),
        None if !failures.is_empty() => (Verdict::Fail, Exit::ThresholdFailed),
        None => (Verdict::Pass, Exit::Success),
    };
    let cut_short = signal.map(|signal| format!("cut short by {}", signal.name()));
    let others = internal.iter().chain(incomplete).cloned();
    let reasons = cut_short.into_iter().chain(others).chain(invalid_reasons).chain(failures).collect();
    Judgement { verdict, reasons, thresholds: results, exit }
}

/// Why the result is inconclusive, whatever the figures are.
fn invalid_reasons(last: &Snapshot) -> Vec<String> {
    let counts = &last.total.tally.counts;
    let mut invalid_reasons = Vec::new();
    match (counts.attempted, last.counts().attempted) {
        (0, 0) => invalid_reasons.push("no call was placed".to_owned()),
        (0, _) => invalid_reasons.push("no call was placed in a measured phase".to_owned()),
        _ => {}
    }
    for counts in [counts, last.counts()] {
        if !counts.balanced() || counts.pending > 0 || counts.active > 0 {
            invalid_reasons.push(format!("calls are unaccounted for: {counts:?}"));
            break;
        }
    }
    let late = counts.skipped[Skip::Late as usize];
    if late as f64 > counts.scheduled as f64 * TROUBLED_MAX {
        invalid_reasons.push(format!("{late} of {} calls could not be sent in time", counts.scheduled));
    }
    if counts.left_late as f64 > counts.attempted as f64 * LATE_MAX {
        let (late, all) = (counts.left_late, counts.attempted);
        invalid_reasons
            .push(format!("{late} of {all} calls were sent over 100 ms late: the generator was the bottleneck"));
    }
    if counts.lost as f64 > counts.attempted as f64 * TROUBLED_MAX {
        invalid_reasons.push(format!("the outcome of {} of {} calls is unknown", counts.lost, counts.attempted));
    }
    let missed = counts.answer_missed;
    if missed as f64 > counts.attempted as f64 * TROUBLED_MAX {
        invalid_reasons.push(format!("{missed} answers were not seen: events were lost"));
    }
    invalid_reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Collector, Counts};
    use crate::plan::Plan;
    use std::sync::Arc;

    fn plan(thresholds: &str, duration: &str) -> Plan {
        let text = format!(
            "[run]\n{duration}\n[load]\nrate = 1\n[call]\nto = \"null/x\"\nhold = \"1s\"\n\
             [[slaves]]\nsimulated = {{}}\n[thresholds]\n{thresholds}\n"
        );
        let (config, source) = crate::config::parse("test".to_owned(), text, |_| None).unwrap();
        Plan::new(config, &source, crate::plan::RunId::random()).unwrap()
    }

    fn judged(plan: &Plan, snapshot: &Snapshot, incidents: &Incidents) -> Judgement {
        judge(&plan.thresholds, plan.schedule.has_end(), snapshot, incidents)
    }

    fn snapshot(plan: &Plan, completed: u64, dropped: u64) -> Snapshot {
        let snapshot = Collector::new(plan.dimensions()).snapshot(std::time::Duration::from_secs(1), 1.0);
        let mut snapshot = Arc::unwrap_or_clone(snapshot);
        let all = completed + dropped;
        snapshot.total.tally.counts =
            Counts { scheduled: all, attempted: all, answered: all, completed, dropped, ..Counts::default() };
        snapshot.all = snapshot.total.tally.clone();
        snapshot
    }

    fn verdict(thresholds: &str, duration: &str, signal: Option<Signal>, completed: u64) -> (Verdict, u8) {
        let plan = plan(thresholds, duration);
        let incidents = Incidents { signal, ..Incidents::default() };
        let judgement = judged(&plan, &snapshot(&plan, completed, 10), &incidents);
        (judgement.verdict, judgement.exit.code())
    }

    #[test]
    fn verdicts_and_their_precedence() {
        let (ends, endless) = ("duration = \"1s\"", "");
        let (good, bad, empty) = ("success = \"> 0.5\"", "success = \"> 0.99\"", "\"setup.p99\" = \"< 1s\"");
        let both = format!("{bad}\n{empty}");
        assert_eq!(verdict(good, ends, None, 90), (Verdict::Pass, 0));
        assert_eq!(verdict(bad, ends, None, 90), (Verdict::Fail, 4));
        assert_eq!(verdict(&both, ends, None, 90), (Verdict::Invalid, 6));
        assert_eq!(verdict(&both, ends, Some(Signal::Interrupt), 90), (Verdict::Aborted, 130));
        assert_eq!(verdict(good, ends, Some(Signal::Terminate), 90), (Verdict::Aborted, 143));
        assert_eq!(verdict(good, endless, Some(Signal::Terminate), 90), (Verdict::Pass, 0));
        assert_eq!(verdict(bad, endless, Some(Signal::Interrupt), 90), (Verdict::Fail, 4));
    }

    /// A signal, then 1, then 6, then 4: whatever else holds.
    #[test]
    fn exit_code_of_several_incidents_is_that_of_the_gravest() {
        let incident = |present: bool, what: &str| Vec::from_iter(present.then(|| what.to_owned()));
        for combination in 0_u8..16 {
            let [signalled, internal, incomplete, failed] = [8, 4, 2, 1].map(|bit| combination & bit > 0);
            let plan = plan(if failed { "success = \"> 0.99\"" } else { "" }, "duration = \"1s\"");
            let incidents = Incidents {
                signal: signalled.then_some(Signal::Terminate),
                internal: incident(internal, "a task failed"),
                incomplete: incident(incomplete, "report.json: the disk is full"),
            };
            let codes = [(signalled, 143), (internal, 1), (incomplete, 6), (failed, 4), (true, 0)];
            let expected = codes.into_iter().find(|(present, _)| *present).map(|(_, code)| code);
            let judgement = judged(&plan, &snapshot(&plan, 90, 10), &incidents);
            assert_eq!(Some(judgement.exit.code()), expected, "{incidents:?}, failed: {failed}");
        }
    }

    #[test]
    fn a_report_that_is_not_whole_is_no_pass() {
        for threshold in ["", "success = \"> 0.99\""] {
            let plan = plan(threshold, "duration = \"1s\"");
            let incomplete = vec!["report.json: the disk is full".to_owned()];
            let incidents = Incidents { incomplete, ..Incidents::default() };
            let judgement = judged(&plan, &snapshot(&plan, 10, 10), &incidents);
            assert_eq!((judgement.verdict, judgement.exit.code()), (Verdict::Invalid, 6));
            let incidents = Incidents { internal: vec!["a task failed".to_owned()], ..incidents };
            assert_eq!(judged(&plan, &snapshot(&plan, 10, 10), &incidents).exit.code(), 1);
        }
    }

    /// Each kind of problem has its own bound and its own message.
    #[test]
    fn a_run_whose_figures_are_not_to_be_trusted_says_why() {
        type Incident = fn(&mut Counts, u64);
        let plan = plan("", "duration = \"1s\"");
        let late = |counts: &mut Counts, n| {
            (counts.skipped[Skip::Late as usize], counts.scheduled) = (n, counts.scheduled + n);
        };
        let lost = |counts: &mut Counts, n| (counts.lost, counts.completed) = (n, counts.completed - n);
        let incidents: [(Incident, u64, &str); 4] = [
            (late, 1, "2 of 1002 calls could not be sent in time"),
            (|counts, n| counts.left_late = n, 10, "11 of 1000 calls were sent over 100 ms late"),
            (lost, 1, "the outcome of 2 of 1000 calls is unknown"),
            (|counts, n| counts.answer_missed = n, 1, "2 answers were not seen"),
        ];
        for (incident, most, words) in incidents {
            let of = |n| {
                let mut snapshot = snapshot(&plan, 1000, 0);
                incident(&mut snapshot.total.tally.counts, n);
                snapshot.all = snapshot.total.tally.clone();
                judged(&plan, &snapshot, &Incidents::default())
            };
            assert_eq!(of(most).verdict, Verdict::Pass, "{words}");
            let judgement = of(most + 1);
            assert_eq!((judgement.verdict, judgement.exit.code()), (Verdict::Invalid, 6), "{words}");
            assert!(judgement.reasons[0].contains(words), "{:?}", judgement.reasons);
        }
    }

    #[test]
    fn calls_that_are_unaccounted_for_make_it_invalid() {
        let plan = plan("", "duration = \"1s\"");
        let mut snapshot = snapshot(&plan, 10, 0);
        snapshot.total.tally.counts.completed -= 1;
        assert_eq!(judged(&plan, &snapshot, &Incidents::default()).verdict, Verdict::Invalid);
        snapshot.total.tally.counts.lost += 1;
        let judgement = judged(&plan, &snapshot, &Incidents::default());
        assert_eq!((judgement.verdict, judgement.exit.code()), (Verdict::Invalid, 6), "a tenth is lost");
    }
}
