//! The snapshot of a run that every output reads: made once a second from every slave's figures, and complete at the
//! end.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use super::CallRecord;
use super::{AppTally, Counts, Measured, Sample, ShardDelta, Tally};
use super::{Buckets, Latencies, Latency, Samples};
use super::{Dimensions, SlaveStatus};
use super::{RtpMetric, RtpSamples};

/// The figures of a run at some moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The time since the first call was due.
    pub elapsed: Duration,
    /// The rate that the plan or the operator asks for, in calls per second.
    pub rate_target: f64,
    /// All calls, including phases that are not measured.
    pub all: Tally,
    /// The measured calls.
    pub total: Figures,
    /// All calls by phase, in the plan's order.
    pub phases: Vec<Tally>,
    /// The measured calls by app, in the plan's order.
    pub apps: Vec<Tally>,
    /// What the apps count of them.
    pub app_tallies: Vec<AppTally>,
    /// All calls by slave, in the plan's order.
    pub slaves: Vec<SlaveView>,
}

/// The figures of some calls.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Their outcomes.
    pub tally: Tally,
    /// Their latencies.
    pub latencies: Latencies,
    /// Their RTP statistics.
    pub media: RtpSamples,
}

impl Figures {
    fn take(&mut self, sample: &Sample) {
        match sample.measured {
            Measured::Latency(latency) => self.latencies.record_micros(latency, sample.micros),
            Measured::RtpSamples(measure) => self.media.record_micros(measure, sample.micros),
        }
    }

    /// The values of one property of their audio.
    pub fn media(&self, measure: RtpMetric) -> &Samples {
        self.media.get(measure)
    }
}

/// The figures of one slave.
#[derive(Clone, Debug, Default)]
pub struct SlaveView {
    /// The outcomes of its calls.
    pub tally: Tally,
    /// Their latencies.
    pub latencies: [Buckets; Latency::COUNT],
    /// The state of the slave.
    pub status: SlaveStatus,
}

/// The figures of a run that has ended: of the measured calls, except for the phases.
#[derive(Clone, Debug)]
pub struct FinalResults {
    /// The last snapshot.
    pub last: Arc<Snapshot>,
    /// By phase, all calls.
    pub phases: Vec<Figures>,
    /// By app.
    pub apps: Vec<Figures>,
    /// By target.
    pub targets: Vec<Figures>,
    /// By slave.
    pub slaves: Vec<Figures>,
}

/// The latencies of an interval.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// In measured phases, as in the report.
    pub measured: Latencies,
    /// In other phases.
    pub unmeasured: Latencies,
}

impl Interval {
    fn of(&mut self, measured: bool) -> &mut Latencies {
        if measured { &mut self.measured } else { &mut self.unmeasured }
    }
}

/// Adds up the figures of all slaves.
#[derive(Debug)]
pub struct Collector {
    measured: Vec<bool>,
    /// By slave: the counts since the start.
    counted: Vec<ShardDelta>,
    slaves: Vec<SlaveView>,
    of_slaves: Vec<Figures>,
    phases: Vec<Figures>,
    apps: Vec<Figures>,
    targets: Vec<Figures>,
    total: Figures,
    /// Latencies since they were taken last.
    interval: Interval,
    /// Records since they were taken last.
    records: Vec<CallRecord>,
}

impl Collector {
    /// A collector without any figures.
    pub fn new(dimensions: Dimensions) -> Self {
        let Dimensions { slaves, phases, apps, targets } = dimensions;
        Self {
            counted: vec![ShardDelta::default(); slaves],
            slaves: vec![SlaveView::default(); slaves],
            of_slaves: vec![Figures::default(); slaves],
            phases: vec![Figures::default(); phases.len()],
            measured: phases,
            apps: vec![Figures::default(); apps],
            targets: vec![Figures::default(); targets],
            total: Figures::default(),
            interval: Interval::default(),
            records: Vec::new(),
        }
    }

    /// Adds the figures of a slave since its last delta.
    pub fn add(&mut self, slave: usize, mut delta: ShardDelta, status: SlaveStatus) {
        for sample in delta.samples.drain(..) {
            self.sample(slave, &sample);
        }
        for probe in delta.probes.drain(..) {
            let micros = super::micros(probe.delay);
            let latency = Latency::EventDelay;
            self.slaves[slave].latencies[latency as usize].record_micros(micros);
            self.interval.of(probe.measured).record_micros(latency, micros);
            if probe.measured {
                self.total.latencies.record_micros(latency, micros);
                self.of_slaves[slave].latencies.record_micros(latency, micros);
            }
        }
        self.records.append(&mut delta.records);
        self.slaves[slave].status = status;
        self.counted[slave] = delta;
    }

    fn sample(&mut self, slave: usize, sample: &Sample) {
        let labels = sample.labels;
        let measured = self.measured[usize::from(labels.phase)];
        if let Measured::Latency(latency) = sample.measured {
            self.slaves[slave].latencies[latency as usize].record_micros(sample.micros);
            self.interval.of(measured).record_micros(latency, sample.micros);
        }
        self.phases[usize::from(labels.phase)].take(sample);
        if measured {
            self.total.take(sample);
            // The figures of a single slave, app or target are those of all, see `close`.
            for (figures, index) in [
                (&mut self.of_slaves, slave),
                (&mut self.apps, usize::from(labels.app)),
                (&mut self.targets, usize::from(labels.target)),
            ] {
                if figures.len() > 1 {
                    figures[index].take(sample);
                }
            }
        }
    }

    /// Takes the latencies since the last time.
    pub fn take_interval(&mut self) -> Interval {
        std::mem::take(&mut self.interval)
    }

    /// Takes the records of the calls that ended since the last time.
    pub fn take_records(&mut self) -> Vec<CallRecord> {
        std::mem::take(&mut self.records)
    }

    /// The figures at this moment.
    pub fn snapshot(&self, elapsed: Duration, rate_target: f64) -> Arc<Snapshot> {
        let phases = sums(self.phases.len(), self.counted.iter().map(|delta| &delta.phases));
        let all = sum(&phases);
        let total = Figures { tally: self.measured_of(&phases), ..self.total.clone() };
        let slaves = self.slaves.iter().zip(&self.counted);
        let slaves = slaves.map(|(view, delta)| SlaveView { tally: sum(&delta.phases), ..view.clone() });
        Arc::new(Snapshot {
            elapsed,
            rate_target,
            all,
            total,
            apps: sums(self.apps.len(), self.counted.iter().map(|delta| &delta.apps)),
            app_tallies: sums(self.apps.len(), self.counted.iter().map(|delta| &delta.app_tallies)),
            slaves: slaves.collect(),
            phases,
        })
    }

    fn measured_of(&self, phases: &[Tally]) -> Tally {
        let measured = phases.iter().zip(&self.measured).filter(|(_, measured)| **measured);
        let mut tally = Tally::default();
        measured.for_each(|(phase, _)| tally += phase);
        tally
    }

    /// All figures, at the end of the run.
    pub fn close(mut self, last: Arc<Snapshot>) -> FinalResults {
        let targets = sums(self.targets.len(), self.counted.iter().map(|delta| &delta.targets));
        for (figures, tally) in self.phases.iter_mut().zip(&last.phases) {
            figures.tally = tally.clone();
        }
        for (figures, tally) in self.apps.iter_mut().zip(&last.apps) {
            figures.tally = tally.clone();
        }
        for (figures, tally) in self.targets.iter_mut().zip(targets) {
            figures.tally = tally;
        }
        let of_slaves: Vec<Tally> = self.counted.iter().map(|delta| self.measured_of(&delta.phases)).collect();
        for (figures, tally) in self.of_slaves.iter_mut().zip(of_slaves) {
            figures.tally = tally;
        }
        for figures in [&mut self.of_slaves, &mut self.apps, &mut self.targets] {
            if let [only] = figures.as_mut_slice() {
                *only = Figures { tally: std::mem::take(&mut only.tally), ..self.total.clone() };
            }
        }
        FinalResults { last, phases: self.phases, apps: self.apps, targets: self.targets, slaves: self.of_slaves }
    }
}

fn sum(parts: &[Tally]) -> Tally {
    let mut whole = Tally::default();
    parts.iter().for_each(|part| whole += part);
    whole
}

/// Adds up lists of the same length, element by element.
fn sums<'a, T>(length: usize, lists: impl Iterator<Item = &'a Vec<T>>) -> Vec<T>
where
    T: Default + Clone + for<'b> AddAssign<&'b T> + 'a,
{
    let mut sums = vec![T::default(); length];
    for list in lists {
        for (sum, part) in sums.iter_mut().zip(list) {
            *sum += part;
        }
    }
    sums
}

impl Snapshot {
    /// The counts of all calls, including phases that are not measured.
    pub fn counts(&self) -> &Counts {
        &self.all.counts
    }

    /// Whether the identity of the counts holds for every slave and phase.
    pub fn is_balanced(&self) -> bool {
        let slaves = self.slaves.iter().map(|slave| &slave.tally);
        slaves.chain(&self.phases).chain([&self.all]).all(|tally| tally.counts.balanced())
    }

    /// The anomalies of all slaves by their kind.
    pub fn anomalies(&self) -> BTreeMap<&'static str, u64> {
        let mut anomalies = BTreeMap::new();
        for (kind, count) in self.slaves.iter().flat_map(|slave| &slave.status.anomalies) {
            *anomalies.entry(*kind).or_default() += count;
        }
        anomalies
    }
}
