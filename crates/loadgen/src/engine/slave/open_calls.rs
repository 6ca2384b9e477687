//! The calls of a run that are not accounted for yet.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts the calls that were assigned to slaves and are not accounted for. The run ends when there are none.
#[derive(Debug, Default)]
pub struct OpenCalls {
    open: AtomicU64,
    none: Notify,
}

impl OpenCalls {
    /// Counts calls that are being assigned.
    pub fn add(&self, calls: usize) {
        self.open.fetch_add(calls as u64, Ordering::AcqRel);
    }

    /// Counts calls that are accounted for.
    pub fn remove(&self, calls: usize) {
        if calls > 0 && self.open.fetch_sub(calls as u64, Ordering::AcqRel) == calls as u64 {
            self.none.notify_one();
        }
    }

    /// Waits until every call is accounted for.
    pub async fn none_left(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.none.notified().await;
        }
    }
}
