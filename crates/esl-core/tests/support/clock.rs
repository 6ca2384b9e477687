//! Tokio's clock in the hands of a test that uses real sockets.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// How long the clock is stopped at most. Deadlines elapse again after it, so that a test that hangs fails.
const STOPPED_MAX: Duration = Duration::from_secs(30);

/// A timer goes off up to this late: they are kept in steps of it.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// How often other tasks have their turn after the clock was moved: sockets are looked at each time.
const TURNS: usize = 16;

/// Tokio's clock, stopped until this is dropped; only [`StoppedClock::advance`] moves it.
///
/// A clock that is merely paused jumps to the next timer whenever the runtime is idle, even while bytes are on their way
/// from one socket to another. Tokio keeps it from jumping while a blocking task runs (see [`tokio::time::pause`]), so
/// this runs one.
#[must_use = "dropping it starts the clock again"]
pub(crate) struct StoppedClock {
    /// Ends the blocking task when it is dropped.
    _blocking: Sender<()>,
}

impl StoppedClock {
    /// Stops the clock.
    pub(crate) fn new() -> Self {
        let (sender, dropped) = channel();
        tokio::task::spawn_blocking(move || {
            let _ = dropped.recv_timeout(STOPPED_MAX);
        });
        tokio::time::pause();
        Self { _blocking: sender }
    }

    /// Moves the clock, and lets other tasks do what the timers that are due set off.
    pub(crate) async fn advance(&self, time: Duration) {
        tokio::time::advance(time).await;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock on by [`TICK`]s while a future runs: what is said at one of them is answered before the next one.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        let ticks = async {
            loop {
                self.advance(TICK).await;
            }
        };
        tokio::select! {
            output = future => output,
            () = ticks => unreachable!("the clock does not end"),
        }
    }

    /// Waits for a condition while the clock stands still.
    pub(crate) async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < STOPPED_MAX, "not within {STOPPED_MAX:?}: {what}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for StoppedClock {
    fn drop(&mut self) {
        // There is none left where a panic takes the runtime down.
        if tokio::runtime::Handle::try_current().is_ok() {
            tokio::time::resume();
        }
    }
}
