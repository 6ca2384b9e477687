//! The slots of a run: how many calls may be up at a time, over all slaves.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// No limit.
const UNLIMITED: u64 = u64::MAX;

/// The slots of a run.
#[derive(Debug)]
pub struct Slots {
    used: AtomicU64,
    peak: AtomicU64,
    max: AtomicU64,
    freed: Notify,
}

impl Slots {
    /// `max` slots, or no limit.
    pub fn new(max: Option<u64>) -> Self {
        Self {
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            max: AtomicU64::new(max.unwrap_or(UNLIMITED)),
            freed: Notify::new(),
        }
    }

    /// Changes the number of slots. Calls beyond a lower limit continue.
    pub fn set_max(&self, max: Option<u64>) {
        self.max.store(max.unwrap_or(UNLIMITED), Ordering::Relaxed);
        self.freed.notify_one();
    }

    /// The number of slots; `None` without a limit.
    pub fn max(&self) -> Option<u64> {
        Some(self.max.load(Ordering::Relaxed)).filter(|max| *max != UNLIMITED)
    }

    /// Whether no slot is free.
    pub fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.max.load(Ordering::Relaxed)
    }

    /// Takes a slot. `false` where none is free.
    pub fn take(&self) -> bool {
        let max = self.max.load(Ordering::Relaxed);
        let below = |used| (used < max).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
    }

    /// Records the number of slots that are taken as a candidate for the peak.
    pub(super) fn note_peak(&self) {
        self.peak.fetch_max(self.used.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The highest number of slots taken at a time in measured phases. It is recorded after each call that was placed,
    /// since it only rises there.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Gives a slot back.
    pub fn release(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
        self.wake();
    }

    /// Wakes the dispatcher if it waits for a slot.
    pub(super) fn wake(&self) {
        self.freed.notify_one();
    }

    /// Waits until a slot is given back, or one was since the last call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_taken_once() {
        let slots = Slots::new(Some(1));
        assert!(slots.take() && !slots.take() && slots.is_full());
        slots.set_max(Some(2));
        assert!(slots.take());
        assert_eq!(slots.peak(), 0, "nothing was measured");
        slots.note_peak();
        slots.release();
        slots.note_peak();
        assert_eq!(slots.peak(), 2);
    }
}
