//! The counts of calls by what became of them, and the identity between these counts.

use std::ops::Add;

use super::{Outcome, Refusal, Skip};

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Counts of calls that were due.
        ///
        /// At every moment `scheduled = attempted + skipped + pending` and `attempted = refused + failed + completed +
        /// app_failed + dropped + lost + canceled + active`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            /// Due and never sent, by reason.
            pub skipped: [u64; Skip::COUNT],
            /// Sent, and no channel was created, by reason.
            pub refused: [u64; Refusal::COUNT],
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Add for Counts {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                Self {
                    skipped: std::array::from_fn(|reason| self.skipped[reason] + other.skipped[reason]),
                    refused: std::array::from_fn(|reason| self.refused[reason] + other.refused[reason]),
                    $($field: self.$field + other.$field,)*
                }
            }
        }
    };
}

counts! {
    /// Due so far.
    scheduled,
    /// Due, and waiting for a rate ceiling or a slot.
    pending,
    /// Sent.
    attempted,
    /// Sent and not ended, ringing calls included.
    active,
    /// Answered, whatever came after: a milestone, not an outcome.
    answered,
    /// Had a channel, and were never answered.
    failed,
    /// Answered, and ended as planned.
    completed,
    /// Failed a check of their app.
    app_failed,
    /// Answered, and ended by the other side before their time.
    dropped,
    /// Of unknown outcome.
    lost,
    /// Hung up by this program before an answer.
    canceled,
    /// Sent over 100 ms late without waiting for the server or a ceiling: a milestone, not an outcome.
    left_late,
    /// Answered, and the answer's event was lost: a milestone, not an outcome.
    answer_missed,
    /// Answered, and received audio: a milestone, not an outcome.
    with_media,
    /// Answered, and did not receive a single packet of audio: a milestone, not an outcome.
    without_media,
}

impl Counts {
    /// Counts the outcome of a call that was active.
    pub(super) fn add_ended(&mut self, outcome: Outcome) {
        self.active -= 1;
        let count = match outcome {
            Outcome::Refused(reason) => &mut self.refused[reason as usize],
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::Completed => &mut self.completed,
            Outcome::AppFailed => &mut self.app_failed,
            Outcome::Dropped => &mut self.dropped,
            Outcome::Lost => &mut self.lost,
            Outcome::Canceled => &mut self.canceled,
        };
        *count += 1;
    }

    /// All calls that were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped.iter().sum()
    }

    /// All calls that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// All calls that were sent and have ended.
    pub fn ended(&self) -> u64 {
        let Self { failed, completed, app_failed, dropped, lost, canceled, .. } = self;
        self.refused() + failed + completed + app_failed + dropped + lost + canceled
    }

    /// Whether the identity holds.
    pub fn balanced(&self) -> bool {
        self.scheduled == self.attempted + self.skipped() + self.pending && self.attempted == self.ended() + self.active
    }

    /// Completed / (scheduled − pending − active). `None` without a denominator.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_without_a_denominator_are_none() {
        let counts = Counts { scheduled: 2, pending: 1, attempted: 1, active: 1, ..Counts::default() };
        assert_eq!(counts.success(), None);
        assert_eq!(Counts::default().asr(), None);
    }
}
