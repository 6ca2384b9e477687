//! How much clients may make a server hold, and what they did not get because it was too much.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What clients asked for beyond a limit and did not get. Each counts refusals from the server's start on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// Connections that were closed because of what they had sent of a command: more than 10 MiB, more than 1,000
    /// headers, or too much with what all others had sent.
    pub commands: u64,
    /// API commands longer than 256 KiB.
    pub api: u64,
    /// `sched_…` commands while a million things were planned.
    pub tasks: u64,
    /// Filters and subclasses beyond 1,000 of a listener, or too long.
    pub subscriptions: u64,
    /// Messages for a channel that had 256 waiting, or 1 MiB of them.
    pub messages: u64,
    /// Variables of a channel that had 256 KiB of them.
    pub variables: u64,
    /// Applications inside of 128 others.
    pub applications: u64,
    /// Commands such as `msleep`, and further tries of originates, while 64 MiB of them waited for their time.
    pub waiting: u64,
    /// Outputs of more than 64 KiB while a GiB waited for clients to read.
    pub replies: u64,
    /// Log lines that a full queue did not take.
    pub log_lines: u64,
}

/// What all connections of a server hold of one thing together.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    most: usize,
}

/// One connection's part of a budget; it goes back with it.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: AtomicUsize,
    /// What each may have however much the others do.
    own: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Budget> {
        Arc::new(Budget { used: AtomicUsize::new(0), most })
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A part of it that may be this large whatever the others have taken.
    pub(crate) fn share(self: &Arc<Budget>, own: usize) -> Share {
        Share { budget: self.clone(), held: AtomicUsize::new(0), own }
    }
}

impl Share {
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes so many bytes more: `false` if that is too much, and nothing has been taken.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let held = self.held.load(Ordering::Relaxed).saturating_add(bytes);
        if held > self.own && self.budget.used.load(Ordering::Relaxed).saturating_add(bytes) > self.budget.most {
            return false;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Gives so many bytes back.
    pub(crate) fn give(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Holds just so many bytes: `false` if that is too much, and nothing has changed.
    pub(crate) fn hold(&self, bytes: usize) -> bool {
        let held = self.held();
        if bytes >= held {
            return self.take(bytes - held);
        }
        self.give(held - bytes);
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give(self.held());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_have_a_limit_and_each_has_its_own_part() {
        let budget = Budget::new(100);
        let (one, other) = (budget.share(10), budget.share(10));
        assert!(one.take(90) && !one.take(11) && one.take(10));
        assert!(other.take(10), "a small part is always there");
        assert!(!other.take(1));
        one.give(50);
        assert!(other.hold(50) && !other.hold(51));
        assert_eq!((one.held(), other.held()), (50, 50));
        drop(other);
        assert!(one.hold(100) && one.hold(0));
        assert_eq!(budget.used(), 0);
    }
}
