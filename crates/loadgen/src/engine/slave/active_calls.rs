//! The calls of one slave that have not ended, with their deadlines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use tokio::time::Instant;

use crate::engine::call::{Call, Transition};

/// Calls by the number of their attempt.
#[derive(Debug, Default)]
pub(super) struct ActiveCalls {
    calls: HashMap<u64, Call>,
    /// The deadlines of calls. A call whose deadline has moved has several entries; only the entry that equals its
    /// deadline counts.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
    /// How many calls await an event whose time is measured.
    awaited: usize,
}

impl ActiveCalls {
    /// The number of calls.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether a call awaits an event whose time is measured.
    pub(super) fn awaited(&self) -> bool {
        self.awaited > 0
    }

    /// The call of an attempt.
    pub(super) fn get(&self, attempt: u64) -> Option<&Call> {
        self.calls.get(&attempt)
    }

    /// The attempts of all calls.
    pub(super) fn attempts(&self) -> Vec<u64> {
        self.calls.keys().copied().collect()
    }

    /// Adds a call that was sent.
    pub(super) fn insert(&mut self, attempt: u64, call: Call) {
        self.awaited += usize::from(call.is_awaiting_measured_event());
        self.deadlines.push(Reverse((call.next_deadline(), attempt)));
        self.calls.insert(attempt, call);
    }

    /// Applies a change to a call, and removes the call if that ends it. `None` where there is no such call.
    pub(super) fn with(
        &mut self,
        attempt: u64,
        change: impl FnOnce(&mut Call) -> Transition,
    ) -> Option<(Transition, Option<Call>)> {
        let call = self.calls.get_mut(&attempt)?;
        let (awaited, next_deadline) = (call.is_awaiting_measured_event(), call.next_deadline());
        let transition = change(call);
        self.awaited -= usize::from(awaited);
        if matches!(transition, Transition::End(_)) {
            return Some((transition, self.calls.remove(&attempt)));
        }
        self.awaited += usize::from(call.is_awaiting_measured_event());
        if call.next_deadline() != next_deadline {
            self.deadlines.push(Reverse((call.next_deadline(), attempt)));
        }
        Some((transition, None))
    }

    /// The next deadline. Entries of deadlines that have moved are dropped, so that they wake nothing.
    pub(super) fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, attempt))) = self.deadlines.peek() {
            if self.is_set(at, attempt) {
                return Some(at);
            }
            self.deadlines.pop();
        }
        None
    }

    /// The attempt of a call whose deadline has passed.
    pub(super) fn due(&mut self, now: Instant) -> Option<u64> {
        while let Some(&Reverse((at, attempt))) = self.deadlines.peek()
            && at <= now
        {
            self.deadlines.pop();
            if self.is_set(at, attempt) {
                return Some(attempt);
            }
        }
        None
    }

    fn is_set(&self, at: Instant, attempt: u64) -> bool {
        self.calls.get(&attempt).is_some_and(|call| call.next_deadline() == at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::NearLegEvent;
    use crate::measure::{Labels, Outcome, SlaveRecorder};
    use crate::plan::Placement;
    use std::time::Duration;

    #[test]
    fn moved_or_ended_deadline_wakes_no_call() {
        let (sent, second) = (Instant::now(), Duration::from_secs(1));
        let (mut calls, mut recorder) = (ActiveCalls::default(), SlaveRecorder::single());
        for attempt in 0..2 {
            recorder.scheduled(Labels::default());
            recorder.attempted(Labels::default(), Duration::ZERO);
            let labels = Labels::default();
            let placement = Placement { attempt, due: sent, labels, hold: 100 * second };
            calls.insert(attempt, Call::new(&placement, second, None, sent));
        }
        let first = calls.next_deadline().expect("an alarm");
        for attempt in 0..2 {
            calls.with(attempt, |call| call.on(NearLegEvent::Answered, sent + second, &mut recorder));
        }
        assert_eq!(calls.next_deadline(), Some(sent + 101 * second));
        assert!(first < sent + 101 * second && calls.due(first).is_none());
        for attempt in 0..2 {
            assert_eq!(calls.due(sent + 101 * second), Some(attempt));
            calls.with(attempt, |_| crate::engine::call::Transition::End(Outcome::Completed));
        }
        assert_eq!((calls.next_deadline(), calls.len()), (None, 0));
    }
}
