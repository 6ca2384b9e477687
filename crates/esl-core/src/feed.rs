//! Bounded queues out of a connection's task: whoever is slow loses, counted, and never slows the socket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc};

/// A queue of what a connection tells, such as its events. What comes while it is full is dropped and counted.
#[derive(Debug)]
pub struct Feed<T> {
    queue: mpsc::Receiver<T>,
    dropped: Arc<AtomicU64>,
}

impl<T> Feed<T> {
    /// The next item, `None` once the connection is over for good, also where the feed was asked for after that.
    ///
    /// Can be dropped and called again at any time: nothing is lost.
    pub async fn next(&mut self) -> Option<T> {
        self.queue.recv().await
    }

    /// The next item that is there already, `None` where there is none.
    pub fn ready(&mut self) -> Option<T> {
        self.queue.try_recv().ok()
    }

    /// How many were dropped so far because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Outlet<T> {
    queue: mpsc::Sender<T>,
    dropped: Arc<AtomicU64>,
}

/// The sending ends of any number of feeds; `None` once there is nothing more to come.
#[derive(Debug)]
pub(crate) struct Outlets<T>(Mutex<Option<Vec<Outlet<T>>>>);

impl<T> Default for Outlets<T> {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl<T: Clone> Outlets<T> {
    /// Another feed, of everything from now on. It holds at most `capacity` items, one at the least.
    pub(crate) fn feed(&self, capacity: usize) -> Feed<T> {
        let (sender, queue) = mpsc::channel(capacity.clamp(1, Semaphore::MAX_PERMITS));
        let dropped = Arc::new(AtomicU64::new(0));
        let outlet = Outlet { queue: sender, dropped: dropped.clone() };
        if let Some(outlets) = &mut *self.lock() {
            outlets.push(outlet);
        }
        Feed { queue, dropped }
    }

    /// Hands `item` to every feed that has room.
    pub(crate) fn give(&self, item: &T) {
        if let Some(outlets) = &mut *self.lock() {
            outlets.retain(|outlet| match outlet.queue.try_send(item.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    outlet.dropped.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            });
        }
    }

    /// Ends every feed, and those to come, until it begins again.
    pub(crate) fn end(&self) {
        *self.lock() = None;
    }

    /// There is more to come.
    pub(crate) fn begin(&self) {
        self.lock().get_or_insert_default();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Outlet<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_any_length_can_be_asked_for() {
        let outlets = Outlets::default();
        let (mut none, mut all) = (outlets.feed(0), outlets.feed(usize::MAX));
        outlets.give(&1);
        assert_eq!((none.ready(), all.ready()), (Some(1), Some(1)));
    }

    #[tokio::test]
    async fn who_is_slow_loses_counted_and_nobody_else_does() {
        let outlets = Outlets::default();
        let (mut slow, mut quick) = (outlets.feed(2), outlets.feed(10));
        for n in 0..5 {
            outlets.give(&n);
        }
        outlets.end();
        assert_eq!((slow.next().await, slow.next().await, slow.next().await), (Some(0), Some(1), None));
        assert_eq!((slow.dropped(), quick.dropped()), (3, 0));
        assert_eq!(outlets.feed(1).next().await, None, "it is over");
        outlets.begin();
        assert_eq!(outlets.feed(1).ready(), None);
        assert_eq!(std::iter::from_fn(|| quick.ready()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
}
