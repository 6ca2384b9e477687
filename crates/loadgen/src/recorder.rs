//! Counts what becomes of calls, and how long they take. One shard for each slave, owned by its task: no lock, no clock.

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use esl_core::HangupCause;

use crate::latency::{Latencies, Latency};
use crate::outcome::{Outcome, Refusal, Skip};

/// What became of the calls that were due.
///
/// At every moment `scheduled = attempted + skipped + pending` and
/// `attempted = refused + failed + completed + app_failed + dropped + lost + canceled + active`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Due so far.
    pub scheduled: u64,
    /// Due, and held back by a ceiling or for a slot.
    pub pending: u64,
    /// Due, never sent, by reason.
    pub skipped: [u64; Skip::COUNT],
    /// Sent.
    pub attempted: u64,
    /// Sent and not ended, ringing included.
    pub active: u64,
    /// Were answered, whatever came after: a milestone, no outcome.
    pub answered: u64,
    /// Sent, no channel came of it, by reason.
    pub refused: [u64; Refusal::COUNT],
    /// Had a channel, never answered.
    pub failed: u64,
    /// Answered, and ended as planned.
    pub completed: u64,
    /// Answered, and the app's own check failed.
    pub app_failed: u64,
    /// Answered, and ended by somebody else before their time.
    pub dropped: u64,
    /// Nobody can know.
    pub lost: u64,
    /// Stopped by this program before an answer.
    pub canceled: u64,
}

impl Counts {
    /// All that were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped.iter().sum()
    }

    /// All that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// All that ended after they were sent.
    pub fn ended(&self) -> u64 {
        let Self { failed, completed, app_failed, dropped, lost, canceled, .. } = self;
        self.refused() + failed + completed + app_failed + dropped + lost + canceled
    }

    /// Whether nothing is unaccounted for.
    pub fn balanced(&self) -> bool {
        self.scheduled == self.attempted + self.skipped() + self.pending && self.attempted == self.ended() + self.active
    }

    /// completed / (scheduled − pending − active), `None` without a denominator.
    pub fn success(&self) -> Option<f64> {
        ratio(self.completed, self.scheduled - self.pending - self.active)
    }

    /// Answered / seized: the answer-seizure ratio of ITU-T E.425. A seizure is an attempt that was neither refused
    /// nor canceled.
    pub fn asr(&self) -> Option<f64> {
        ratio(self.answered, self.attempted - self.refused() - self.canceled)
    }

    /// Answered / attempted: the answer-bid ratio of ITU-T E.425.
    pub fn abr(&self) -> Option<f64> {
        ratio(self.answered, self.attempted)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Add for Counts {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        for (mine, theirs) in self.skipped.iter_mut().zip(other.skipped) {
            *mine += theirs;
        }
        for (mine, theirs) in self.refused.iter_mut().zip(other.refused) {
            *mine += theirs;
        }
        Self {
            scheduled: self.scheduled + other.scheduled,
            pending: self.pending + other.pending,
            attempted: self.attempted + other.attempted,
            active: self.active + other.active,
            answered: self.answered + other.answered,
            failed: self.failed + other.failed,
            completed: self.completed + other.completed,
            app_failed: self.app_failed + other.app_failed,
            dropped: self.dropped + other.dropped,
            lost: self.lost + other.lost,
            canceled: self.canceled + other.canceled,
            ..self
        }
    }
}

/// Everything that is known of some calls: of a slave's, of an app's, of all.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What became of them.
    pub counts: Counts,
    /// Why those that failed did.
    pub causes: BTreeMap<HangupCause, u64>,
    /// The final SIP statuses of those that failed, where there was one.
    pub sip_statuses: BTreeMap<u16, u64>,
    /// How long it took.
    pub latencies: Latencies,
}

impl AddAssign<&Figures> for Figures {
    fn add_assign(&mut self, other: &Figures) {
        self.counts = self.counts + other.counts;
        for (cause, count) in &other.causes {
            *self.causes.entry(*cause).or_default() += count;
        }
        for (status, count) in &other.sip_statuses {
            *self.sip_statuses.entry(*status).or_default() += count;
        }
        self.latencies.add(&other.latencies);
    }
}

/// One slave's part of the record, by app.
#[derive(Debug)]
pub struct Shard {
    apps: Vec<Figures>,
    /// What is measured and belongs to no app.
    probes: Latencies,
}

/// A shard as it stands: counts since the start, samples since it was last taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// By app.
    pub apps: Vec<Figures>,
    /// What belongs to no app.
    pub probes: Latencies,
}

impl Shard {
    /// For so many apps.
    pub fn new(apps: usize) -> Self {
        Self { apps: vec![Figures::default(); apps], probes: Latencies::default() }
    }

    /// A call is due.
    pub fn scheduled(&mut self, app: usize) {
        let counts = &mut self.apps[app].counts;
        counts.scheduled += 1;
        counts.pending += 1;
    }

    /// A call that was due will not be sent.
    pub fn skipped(&mut self, app: usize, reason: Skip) {
        let counts = &mut self.apps[app].counts;
        counts.pending -= 1;
        counts.skipped[reason as usize] += 1;
    }

    /// A call that was due was sent, so much later.
    pub fn attempted(&mut self, app: usize, lag: Duration) {
        let Figures { counts, latencies, .. } = &mut self.apps[app];
        counts.pending -= 1;
        counts.attempted += 1;
        counts.active += 1;
        latencies.record(Latency::ScheduleLag, lag);
    }

    /// A call was answered.
    pub fn answered(&mut self, app: usize) {
        self.apps[app].counts.answered += 1;
    }

    /// A call has ended.
    pub fn ended(&mut self, app: usize, outcome: Outcome) {
        let Figures { counts, causes, sip_statuses, .. } = &mut self.apps[app];
        counts.active -= 1;
        match outcome {
            Outcome::Refused(reason) => counts.refused[reason as usize] += 1,
            Outcome::Failed { cause, sip } => {
                counts.failed += 1;
                *causes.entry(cause).or_default() += 1;
                if let Some(status) = sip {
                    *sip_statuses.entry(status).or_default() += 1;
                }
            }
            Outcome::Completed => counts.completed += 1,
            Outcome::Dropped => counts.dropped += 1,
            Outcome::Lost => counts.lost += 1,
            Outcome::Canceled => counts.canceled += 1,
        }
    }

    /// Something was measured on a call.
    pub fn measured(&mut self, app: usize, latency: Latency, duration: Duration) {
        self.apps[app].latencies.record(latency, duration);
    }

    /// An event's way through the server was measured.
    pub fn probed(&mut self, duration: Duration) {
        self.probes.record(Latency::EventDelay, duration);
    }

    /// What is known, samples since the last time. The samples start anew.
    pub fn take(&mut self) -> Taken {
        let apps = self.apps.iter_mut().map(|figures| {
            let latencies = std::mem::take(&mut figures.latencies);
            Figures { latencies, ..figures.clone() }
        });
        Taken { apps: apps.collect(), probes: std::mem::take(&mut self.probes) }
    }

    /// The counts of all apps together.
    #[cfg(test)]
    pub fn counts(&self) -> Counts {
        self.apps.iter().fold(Counts::default(), |sum, figures| sum + figures.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever becomes of calls, nothing is unaccounted for.
        #[test]
        fn the_identity_holds_at_every_moment(fates in prop::collection::vec((0_usize..2, 0_u8..9), 0..100)) {
            let mut shard = Shard::new(2);
            for (app, fate) in fates {
                shard.scheduled(app);
                prop_assert!(shard.counts().balanced());
                let outcome = match fate {
                    0 => { shard.skipped(app, Skip::Late); continue }
                    1 => continue,
                    2 => Outcome::Refused(Refusal::Limit),
                    3 => Outcome::Failed { cause: HangupCause::of("USER_BUSY"), sip: Some(486) },
                    4 => Outcome::Completed,
                    5 => Outcome::Dropped,
                    6 => Outcome::Lost,
                    7 => Outcome::Canceled,
                    _ => { shard.attempted(app, Duration::ZERO); continue }
                };
                shard.attempted(app, Duration::ZERO);
                prop_assert!(shard.counts().balanced());
                shard.ended(app, outcome);
                prop_assert!(shard.counts().balanced());
            }
            let taken = shard.take();
            let mut whole = Figures::default();
            taken.apps.iter().for_each(|figures| whole += figures);
            prop_assert!(whole.counts.balanced());
            prop_assert_eq!(whole.causes.values().sum::<u64>(), whole.counts.failed);
        }
    }

    #[test]
    fn ratios_without_a_denominator_are_none() {
        let counts = Counts { scheduled: 2, pending: 1, attempted: 1, active: 1, ..Counts::default() };
        assert_eq!(counts.success(), None);
        assert_eq!(Counts::default().asr(), None);
    }

    #[test]
    fn samples_are_taken_once_and_counts_stay() {
        let mut shard = Shard::new(1);
        shard.scheduled(0);
        shard.attempted(0, Duration::from_millis(1));
        assert_eq!(shard.take().apps[0].latencies.get(Latency::ScheduleLag).count(), 1);
        let taken = shard.take();
        assert_eq!(taken.apps[0].latencies.get(Latency::ScheduleLag).count(), 0);
        assert_eq!(taken.apps[0].counts.attempted, 1);
    }
}
