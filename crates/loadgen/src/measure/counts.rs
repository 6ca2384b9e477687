//! How many calls there are of what, and the identity that holds between these numbers.

use std::ops::Add;

use super::{Outcome, Refusal, Skip};

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What became of the calls that were due.
        ///
        /// At every moment `scheduled = attempted + skipped + pending` and
        /// `attempted = refused + failed + completed + app_failed + dropped + lost + canceled + active`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            /// Due, never sent, by reason.
            pub skipped: [u64; Skip::COUNT],
            /// Sent, no channel came of it, by reason.
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
    /// Due, and held back by a ceiling or for a slot.
    pending,
    /// Sent.
    attempted,
    /// Sent and not ended, ringing included.
    active,
    /// Were answered, whatever came after: a milestone, no outcome.
    answered,
    /// Had a channel, never answered.
    failed,
    /// Answered, and ended as planned.
    completed,
    /// The app's own check failed.
    app_failed,
    /// Answered, and ended by somebody else before their time.
    dropped,
    /// Nobody can know.
    lost,
    /// Stopped by this program before an answer.
    canceled,
    /// Left over 100 ms late for no other reason than that this program was late: a milestone, no outcome.
    left_late,
    /// Answered, and nobody saw when, since the event was lost: a milestone, no outcome.
    answer_missed,
    /// Answered, and got audio: a milestone, no outcome.
    with_media,
    /// Answered, and did not get a single packet of audio: a milestone, no outcome.
    without_media,
}

impl Counts {
    /// A call that was active has ended.
    pub(super) fn ended_as(&mut self, outcome: Outcome) {
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
