//! What became of the connections of a server, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of a [`Server`](super::Server), as they are at the moment. Clones look at the same counts.
///
/// Every connection is `accepted`. Of those, some are `refused`, some are `failed_handshakes`, and for each of the others
/// a handler ran or runs.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
    failed_handshakes: AtomicU64,
    failed_handlers: AtomicU64,
    open: AtomicU64,
}

impl Stats {
    /// Connections that came in.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Relaxed)
    }

    /// Connections beyond [`Options::calls_max`](super::Options::calls_max), or that came as the server stopped.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    /// Connections whose peer said nothing in time, went away, or was no FreeSWITCH.
    #[must_use]
    pub fn failed_handshakes(&self) -> u64 {
        self.0.failed_handshakes.load(Relaxed)
    }

    /// Handlers that returned an error, panicked, or were ended since the server stopped.
    #[must_use]
    pub fn failed_handlers(&self) -> u64 {
        self.0.failed_handlers.load(Relaxed)
    }

    /// Connections that are open now, from being accepted to being closed. Those that are being refused do not count.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.0.open.load(Relaxed)
    }

    pub(super) fn count_accepted(&self) {
        self.0.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.0.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn count_failed_handshake(&self) {
        self.0.failed_handshakes.fetch_add(1, Relaxed);
    }

    pub(super) fn count_failed_handler(&self) {
        self.0.failed_handlers.fetch_add(1, Relaxed);
    }

    /// Counts a connection as open for as long as the result lives.
    pub(super) fn opened(&self) -> Open {
        self.0.open.fetch_add(1, Relaxed);
        Open(self.clone())
    }
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Open(Stats);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Relaxed);
    }
}
