//! Counts the outcomes of calls and records their latencies. Each slave's task owns one recorder: no lock, no clock.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use esl_core::HangupCause;

use super::CallRecord;
use super::counts::Counts;
use super::{Dimensions, Labels, Outcome, Skip};
use super::{Latency, micros};
use super::{RtpMetric, RtpStats};

/// The outcomes of some calls: of a phase, of an app, of all.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many calls had which outcome.
    pub counts: Counts,
    /// The hangup causes of failed calls.
    pub causes: BTreeMap<HangupCause, u64>,
    /// The final SIP statuses of failed calls.
    pub sip_statuses: BTreeMap<u16, u64>,
}

impl Tally {
    fn ended(&mut self, outcome: Outcome) {
        self.counts.add_ended(outcome);
        if let Outcome::Failed { cause, sip } = outcome {
            *self.causes.entry(cause).or_default() += 1;
            if let Some(status) = sip {
                *self.sip_statuses.entry(status).or_default() += 1;
            }
        }
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.counts = self.counts + other.counts;
        for (cause, count) in &other.causes {
            *self.causes.entry(*cause).or_default() += count;
        }
        for (status, count) in &other.sip_statuses {
            *self.sip_statuses.entry(*status).or_default() += count;
        }
    }
}

/// What an app counts of its calls.
#[derive(Clone, Debug, Default)]
pub struct AppTally {
    /// Its results, by their index in its kind's table.
    pub results: Vec<u64>,
    /// Its failures, by leg and step: how many, and the message of the first.
    pub failures: BTreeMap<(usize, usize), (u64, String)>,
}

impl AddAssign<&AppTally> for AppTally {
    fn add_assign(&mut self, other: &AppTally) {
        if self.results.len() < other.results.len() {
            self.results.resize(other.results.len(), 0);
        }
        for (mine, theirs) in self.results.iter_mut().zip(&other.results) {
            *mine += theirs;
        }
        for (step, (count, words)) in &other.failures {
            self.failures.entry(*step).or_insert_with(|| (0, words.clone())).0 += count;
        }
    }
}

/// What a sample is a measurement of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// A latency.
    Latency(Latency),
    /// A property of the received audio.
    RtpSamples(RtpMetric),
}

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What its call is counted under.
    pub labels: Labels,
    /// What was measured.
    pub measured: Measured,
    /// The value in millionths of its unit.
    pub micros: u64,
}

/// The delay of a probe event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDelaySample {
    /// From its sending to its arrival.
    pub delay: Duration,
    /// Whether it was sent in a measured phase.
    pub measured: bool,
}

/// Counts and samples of one slave's calls. Every call is counted under its phase; under its app and target too where
/// the phase is measured.
#[derive(Debug)]
pub struct SlaveRecorder {
    /// By phase.
    phases: Vec<Tally>,
    /// Which phases are measured.
    measured: Vec<bool>,
    /// By app, of the measured calls.
    apps: Vec<Tally>,
    /// What the apps count, of the measured calls.
    app_tallies: Vec<AppTally>,
    /// By target, of the measured calls.
    targets: Vec<Tally>,
    /// Samples since the last [`SlaveRecorder::take`].
    samples: Vec<Sample>,
    /// Event delays since then.
    probes: Vec<EventDelaySample>,
    /// Calls that ended since then.
    records: Vec<CallRecord>,
}

/// The figures of one slave: counts since the start of the run, samples and records since the last delta.
#[derive(Clone, Debug, Default)]
pub struct ShardDelta {
    /// By phase, all calls.
    pub phases: Vec<Tally>,
    /// By app, the measured calls.
    pub apps: Vec<Tally>,
    /// What the apps count of them.
    pub app_tallies: Vec<AppTally>,
    /// By target, the measured calls.
    pub targets: Vec<Tally>,
    /// Samples.
    pub samples: Vec<Sample>,
    /// Event delays.
    pub probes: Vec<EventDelaySample>,
    /// Calls that ended.
    pub records: Vec<CallRecord>,
}

impl SlaveRecorder {
    /// A recorder without any calls.
    pub fn new(dimensions: Dimensions) -> Self {
        let Dimensions { phases, apps, targets, .. } = dimensions;
        Self {
            phases: vec![Tally::default(); phases.len()],
            measured: phases,
            apps: vec![Tally::default(); apps],
            app_tallies: vec![AppTally::default(); apps],
            targets: vec![Tally::default(); targets],
            samples: Vec::new(),
            probes: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Whether a call's phase is measured.
    pub fn measures(&self, labels: Labels) -> bool {
        self.measured[usize::from(labels.phase)]
    }

    /// Applies a change to every tally that a call is counted in.
    fn tallies(&mut self, labels: Labels, change: impl Fn(&mut Tally)) {
        change(&mut self.phases[usize::from(labels.phase)]);
        if self.measures(labels) {
            change(&mut self.apps[usize::from(labels.app)]);
            change(&mut self.targets[usize::from(labels.target)]);
        }
    }

    fn counts(&mut self, labels: Labels, change: impl Fn(&mut Counts)) {
        self.tallies(labels, |tally| change(&mut tally.counts));
    }

    /// Counts a call that is due.
    pub fn scheduled(&mut self, labels: Labels) {
        self.counts(labels, |counts| {
            counts.scheduled += 1;
            counts.pending += 1;
        });
    }

    /// Counts a call that was due and will not be sent.
    pub fn skipped(&mut self, labels: Labels, reason: Skip) {
        self.counts(labels, |counts| {
            counts.pending -= 1;
            counts.skipped[reason as usize] += 1;
        });
    }

    /// Uncounts a call that was due and is passed on to another slave.
    pub fn passed_on(&mut self, labels: Labels) {
        self.counts(labels, |counts| {
            counts.pending -= 1;
            counts.scheduled -= 1;
        });
    }

    /// Counts a call that was sent, `lag` after it was due.
    pub fn attempted(&mut self, labels: Labels, lag: Duration) {
        self.counts(labels, |counts| {
            counts.pending -= 1;
            counts.attempted += 1;
            counts.active += 1;
        });
        self.measured(labels, Latency::ScheduleLag, lag);
    }

    /// Counts a call that this program sent late.
    pub fn left_late(&mut self, labels: Labels) {
        self.counts(labels, |counts| counts.left_late += 1);
    }

    /// Counts a call whose answer's event was lost.
    pub fn answer_missed(&mut self, labels: Labels) {
        self.counts(labels, |counts| counts.answer_missed += 1);
    }

    /// Counts an answer.
    pub fn answered(&mut self, labels: Labels) {
        self.counts(labels, |counts| counts.answered += 1);
    }

    /// Counts an outcome.
    pub fn ended(&mut self, labels: Labels, outcome: Outcome) {
        self.tallies(labels, |tally| tally.ended(outcome));
    }

    /// Records a latency of a call.
    pub fn measured(&mut self, labels: Labels, latency: Latency, duration: Duration) {
        self.samples.push(Sample { labels, measured: Measured::Latency(latency), micros: micros(duration) });
    }

    /// Records the RTP statistics of an answered call.
    pub fn rtp(&mut self, labels: Labels, rtp: RtpStats) {
        if rtp.packets == 0 {
            return self.counts(labels, |counts| counts.without_media += 1);
        }
        self.counts(labels, |counts| counts.with_media += 1);
        let values = [
            (RtpMetric::Mos, Some(rtp.mos)),
            (RtpMetric::Jitter, Some(rtp.jitter_seconds)),
            (RtpMetric::Loss, rtp.loss_ratio),
        ];
        for (measure, value) in values.into_iter().filter_map(|(measure, value)| Some((measure, value?))) {
            let micros = (value * 1e6).round() as u64;
            self.samples.push(Sample { labels, measured: Measured::RtpSamples(measure), micros });
        }
    }

    /// Counts the results of a call's app, by their index, and its failure, by leg and step with its message.
    pub fn record_app_results(&mut self, labels: Labels, results: &[u32], failure: Option<((usize, usize), String)>) {
        if !self.measures(labels) {
            return;
        }
        let tally = &mut self.app_tallies[usize::from(labels.app)];
        if tally.results.len() < results.len() {
            tally.results.resize(results.len(), 0);
        }
        for (sum, result) in tally.results.iter_mut().zip(results) {
            *sum += u64::from(*result);
        }
        if let Some((step, words)) = failure {
            tally.failures.entry(step).or_insert((0, words)).0 += 1;
        }
    }

    /// Records the delay of a probe event.
    pub fn probed(&mut self, delay: Duration, measured: bool) {
        self.probes.push(EventDelaySample { delay, measured });
    }

    /// Keeps the record of a call that has ended.
    pub fn record(&mut self, record: CallRecord) {
        self.records.push(record);
    }

    /// The figures since the last delta.
    pub fn take(&mut self) -> ShardDelta {
        ShardDelta {
            phases: self.phases.clone(),
            apps: self.apps.clone(),
            app_tallies: self.app_tallies.clone(),
            targets: self.targets.clone(),
            samples: std::mem::take(&mut self.samples),
            probes: std::mem::take(&mut self.probes),
            records: std::mem::take(&mut self.records),
        }
    }
}

#[cfg(test)]
impl SlaveRecorder {
    /// For one measured phase, one app and one target.
    pub fn single() -> Self {
        Self::new(Dimensions { slaves: 1, phases: vec![true], apps: 1, targets: 1 })
    }

    /// The counts of all phases together.
    pub fn all(&self) -> Counts {
        self.phases.iter().fold(Counts::default(), |sum, tally| sum + tally.counts)
    }

    /// The samples of one latency, in microseconds, since they were last taken.
    pub fn samples_of(&self, latency: Latency) -> Vec<u64> {
        let of = |sample: &&Sample| sample.measured == Measured::Latency(latency);
        self.samples.iter().filter(of).map(|sample| sample.micros).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Refusal;
    use proptest::prelude::*;

    proptest! {
        /// Whatever becomes of calls, the identity holds for every label.
        #[test]
        fn the_identity_holds_at_every_moment(
            fates in prop::collection::vec((0_u16..2, 0_u16..2, 0_u16..3, 0_u8..11), 0..100),
        ) {
            let mut recorder = SlaveRecorder::new(Dimensions { slaves: 1, phases: vec![false, true], apps: 2, targets: 3 });
            for (phase, app, target, fate) in fates {
                let labels = Labels { phase, app, target };
                recorder.scheduled(labels);
                let outcome = match fate {
                    0 => { recorder.skipped(labels, Skip::Late); continue }
                    1 => continue,
                    2 => Outcome::Refused(Refusal::Limit),
                    3 => Outcome::Failed { cause: HangupCause::of("USER_BUSY"), sip: Some(486) },
                    4 => Outcome::Completed,
                    5 => Outcome::Dropped,
                    6 => Outcome::Lost,
                    7 => Outcome::Canceled,
                    8 => Outcome::AppFailed,
                    9 => { recorder.passed_on(labels); continue }
                    _ => { recorder.attempted(labels, Duration::ZERO); continue }
                };
                recorder.attempted(labels, Duration::ZERO);
                prop_assert!(recorder.all().balanced());
                recorder.ended(labels, outcome);
                prop_assert!(recorder.all().balanced());
            }
            let delta = recorder.take();
            let sum = |parts: &[Tally]| {
                let mut whole = Tally::default();
                parts.iter().for_each(|part| whole += part);
                whole
            };
            prop_assert!(delta.phases.iter().chain(&delta.apps).chain(&delta.targets).all(|tally| tally.counts.balanced()));
            prop_assert_eq!(sum(&delta.apps).counts, delta.phases[1].counts);
            prop_assert_eq!(sum(&delta.targets).counts, delta.phases[1].counts);
            let whole = sum(&delta.phases);
            prop_assert_eq!(whole.causes.values().sum::<u64>(), whole.counts.failed);
        }
    }

    #[test]
    fn samples_are_taken_once_and_counts_stay() {
        let mut recorder = SlaveRecorder::single();
        recorder.scheduled(Labels::default());
        recorder.attempted(Labels::default(), Duration::from_millis(1));
        assert_eq!(recorder.samples_of(Latency::ScheduleLag), [1000]);
        assert_eq!(recorder.take().samples.len(), 1);
        let delta = recorder.take();
        assert_eq!((delta.samples.len(), delta.phases[0].counts.attempted), (0, 1));
    }

    #[test]
    fn what_speaks_against_a_run_is_counted() {
        let mut recorder = SlaveRecorder::single();
        for _ in 0..3 {
            recorder.scheduled(Labels::default());
            recorder.attempted(Labels::default(), Duration::from_millis(200));
        }
        recorder.left_late(Labels::default());
        recorder.answered(Labels::default());
        recorder.answer_missed(Labels::default());
        let failed = |sip| Outcome::Failed { cause: HangupCause::of("USER_BUSY"), sip };
        recorder.ended(Labels::default(), failed(Some(486)));
        recorder.ended(Labels::default(), failed(None));
        let counts = recorder.all();
        assert_eq!((counts.left_late, counts.answered, counts.answer_missed, counts.failed), (1, 1, 1, 2));
        let tally = &recorder.take().phases[0];
        assert_eq!((tally.causes[&HangupCause::of("USER_BUSY")], &tally.sip_statuses), (2, &[(486, 1)].into()));
    }

    #[test]
    fn a_call_without_a_packet_has_no_score() {
        let mut recorder = SlaveRecorder::single();
        let good = RtpStats { packets: 50, mos: 4.2, jitter_seconds: 0.004, loss_ratio: Some(0.01) };
        recorder.rtp(Labels::default(), good);
        recorder.rtp(Labels::default(), RtpStats { packets: 0, mos: 4.5, ..good });
        assert_eq!((recorder.all().with_media, recorder.all().without_media), (1, 1));
        let values: Vec<u64> = recorder.take().samples.iter().map(|sample| sample.micros).collect();
        assert_eq!(values, [4_200_000, 4000, 10_000]);
    }

    #[test]
    fn an_app_s_results_and_failures_add_up() {
        let mut recorder = SlaveRecorder::single();
        recorder.record_app_results(Labels::default(), &[1, 0], None);
        recorder.record_app_results(Labels::default(), &[0, 2], Some(((0, 5), "got 4".to_owned())));
        recorder.record_app_results(Labels::default(), &[1], Some(((0, 5), "got 7".to_owned())));
        let mut sum = AppTally::default();
        sum += &recorder.take().app_tallies[0];
        assert_eq!(sum.results, [2, 2]);
        assert_eq!(sum.failures[&(0, 5)], (2, "got 4".to_owned()));
    }
}
