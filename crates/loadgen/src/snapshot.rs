//! The one view of a run that all outputs read: made once a second from every slave's shard.

use std::sync::Arc;
use std::time::Duration;

use crate::latency::Latencies;
use crate::plan::Plan;
use crate::recorder::{Counts, Figures, Taken};
use crate::slave::Status;

/// A run as it stands.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Since the first call was due.
    pub elapsed: Duration,
    /// The rate that the plan asks for now, in calls per second.
    pub rate_target: f64,
    /// All calls.
    pub total: Figures,
    /// The same by app, in the plan's order.
    pub apps: Vec<Figures>,
    /// The same by slave, in the plan's order.
    pub slaves: Vec<SlaveView>,
}

/// One slave's part.
#[derive(Clone, Debug, Default)]
pub struct SlaveView {
    /// Its calls.
    pub figures: Figures,
    /// How it is.
    pub status: Status,
}

/// Puts the shards together.
#[derive(Debug)]
pub struct Collector {
    /// By slave and app, counts since the start; samples are added up elsewhere.
    counted: Vec<Vec<Figures>>,
    statuses: Vec<Status>,
    slaves: Vec<Latencies>,
    apps: Vec<Latencies>,
    total: Latencies,
    /// Samples since they were taken last, for the log.
    interval: Latencies,
}

impl Collector {
    /// For the slaves and apps of this plan.
    pub fn new(plan: &Plan) -> Self {
        let (slaves, apps) = (plan.slaves.len(), plan.apps.len());
        Self {
            counted: vec![vec![Figures::default(); apps]; slaves],
            statuses: vec![Status::default(); slaves],
            slaves: vec![Latencies::default(); slaves],
            apps: vec![Latencies::default(); apps],
            total: Latencies::default(),
            interval: Latencies::default(),
        }
    }

    /// A slave's shard as it stands, and how the slave is.
    pub fn add(&mut self, slave: usize, taken: Taken, status: Status) {
        let mut news = taken.probes;
        for (app, mut figures) in taken.apps.into_iter().enumerate() {
            let latencies = std::mem::take(&mut figures.latencies);
            self.apps[app].add(&latencies);
            news.add(&latencies);
            self.counted[slave][app] = figures;
        }
        self.slaves[slave].add(&news);
        self.total.add(&news);
        self.interval.add(&news);
        self.statuses[slave] = status;
    }

    /// The samples since the last time.
    pub fn take_interval(&mut self) -> Latencies {
        std::mem::take(&mut self.interval)
    }

    /// The run as it stands.
    pub fn snapshot(&self, elapsed: Duration, rate_target: f64) -> Arc<Snapshot> {
        let together = |parts: &mut dyn Iterator<Item = &Figures>, latencies: &Latencies| {
            let mut figures = Figures::default();
            parts.for_each(|part| figures += part);
            figures.latencies = latencies.clone();
            figures
        };
        let slaves = self.counted.iter().zip(&self.slaves).zip(&self.statuses);
        let slaves = slaves.map(|((apps, latencies), status)| SlaveView {
            figures: together(&mut apps.iter(), latencies),
            status: status.clone(),
        });
        let apps = self.apps.iter().enumerate();
        let apps = apps.map(|(app, latencies)| together(&mut self.counted.iter().map(|slave| &slave[app]), latencies));
        Arc::new(Snapshot {
            elapsed,
            rate_target,
            total: together(&mut self.counted.iter().flatten(), &self.total),
            apps: apps.collect(),
            slaves: slaves.collect(),
        })
    }
}

impl Snapshot {
    /// The counts of all calls.
    pub fn counts(&self) -> &Counts {
        &self.total.counts
    }

    /// What was not as it should be, by kind, over all slaves.
    pub fn anomalies(&self) -> std::collections::BTreeMap<&'static str, u64> {
        let mut anomalies = std::collections::BTreeMap::new();
        for (kind, count) in self.slaves.iter().flat_map(|slave| &slave.status.anomalies) {
            *anomalies.entry(*kind).or_default() += count;
        }
        anomalies
    }
}
