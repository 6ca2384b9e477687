//! Which call is sent when: what the schedule says is due, held back or skipped where it cannot be sent.
//!
//! The schedule says when a call is due, the ceiling only when it may go: a rate limiter alone forgets the due time.
//! No I/O, no clock: instants come in.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::outcome::Skip;
use crate::recorder::Shard;
use crate::schedule::Due;

/// One slave's calls that are to be sent.
pub(super) struct Originator {
    calls: Peekable<Box<dyn Iterator<Item = Due> + Send>>,
    start: Instant,
    max_lag: Duration,
    /// Due and not sent, the oldest first.
    pending: VecDeque<Due>,
    /// The oldest one has been held back by the ceiling.
    held_by_ceiling: bool,
    ceiling: Option<Ceiling>,
}

/// What keeps a call from being sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It may go.
    None,
    /// It has to wait: the server does not take commands at the moment.
    Busy,
    /// It cannot go at all.
    Skip(Skip),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Send this one, which was due then.
    Send(Due, Instant),
    /// Come again at this time, or when something has changed.
    Wait(Option<Instant>),
    /// There are no more.
    Done,
}

impl Originator {
    /// Sends `calls`, due from `start` on, at most `max_lag` late, no two closer together than `gap`.
    pub(super) fn new(
        calls: impl Iterator<Item = Due> + Send + 'static,
        start: Instant,
        max_lag: Duration,
        gap: Option<Duration>,
    ) -> Self {
        let calls: Box<dyn Iterator<Item = Due> + Send> = Box::new(calls);
        Self {
            calls: calls.peekable(),
            start,
            max_lag,
            pending: VecDeque::new(),
            held_by_ceiling: false,
            ceiling: gap.and_then(|gap| Ceiling::new(gap, start)),
        }
    }

    /// The next step at this time. `obstacle` is asked anew for each call.
    pub(super) fn next(&mut self, now: Instant, shard: &mut Shard, mut obstacle: impl FnMut() -> Obstacle) -> Offer {
        let elapsed = now.checked_duration_since(self.start);
        while let Some(due) = self.calls.next_if(|due| elapsed.is_some_and(|elapsed| due.at <= elapsed)) {
            shard.scheduled(due.app);
            self.pending.push_back(due);
        }
        while let Some(&due) = self.pending.front() {
            let due_at = self.start + due.at;
            let late = now.saturating_duration_since(due_at) > self.max_lag;
            let skip = match obstacle() {
                Obstacle::Skip(reason) => Some(reason),
                _ if late && self.held_by_ceiling => Some(Skip::Ceiling),
                _ if late => Some(Skip::Late),
                Obstacle::Busy => return Offer::Wait(Some(due_at + self.max_lag + MOMENT)),
                Obstacle::None => match self.ceiling.as_mut().and_then(|ceiling| ceiling.closed_until(now)) {
                    None => {
                        self.pending.pop_front();
                        self.held_by_ceiling = false;
                        return Offer::Send(due, due_at);
                    }
                    Some(open) => {
                        self.held_by_ceiling = true;
                        return Offer::Wait(Some(open.min(due_at + self.max_lag + MOMENT)));
                    }
                },
            };
            if let Some(reason) = skip {
                self.pending.pop_front();
                shard.skipped(due.app, reason);
            }
        }
        match self.calls.peek() {
            Some(due) => Offer::Wait(self.start.checked_add(due.at)),
            None => Offer::Done,
        }
    }

    /// Sends no more: what is due is skipped, what is not due yet never will be.
    pub(super) fn stop(&mut self, shard: &mut Shard) {
        let none: Box<dyn Iterator<Item = Due> + Send> = Box::new(std::iter::empty());
        self.calls = none.peekable();
        for due in self.pending.drain(..) {
            shard.skipped(due.app, Skip::Stopped);
        }
    }
}

/// A call is too late only after its last moment.
const MOMENT: Duration = Duration::from_nanos(1);

/// No two calls closer together than this, whatever the schedule or a catch-up asks for.
struct Ceiling {
    limiter: RateLimiter<NotKeyed, InMemoryState, GivenClock, NoOpMiddleware<Nanos>>,
    clock: GivenClock,
    start: Instant,
}

impl Ceiling {
    fn new(gap: Duration, start: Instant) -> Option<Self> {
        let clock = GivenClock::default();
        // A burst of one.
        let quota = Quota::with_period(gap)?;
        Some(Self { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock, start })
    }

    /// Takes the turn, or says when there is one.
    fn closed_until(&mut self, now: Instant) -> Option<Instant> {
        let nanos = now.saturating_duration_since(self.start).as_nanos() as u64;
        self.clock.0.store(nanos, Ordering::Relaxed);
        let not_until = self.limiter.check().err()?;
        Some(now + not_until.earliest_possible().duration_since(Nanos::from(nanos)).into())
    }
}

/// The limiter's clock: the time that it was given.
#[derive(Clone, Debug, Default)]
struct GivenClock(Arc<AtomicU64>);

impl Clock for GivenClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn due_every(gap: u64, count: u64) -> impl Iterator<Item = Due> + Send + 'static {
        (0..count).map(move |attempt| Due { attempt, at: ms(gap * attempt), slave: 0, app: 0, phase: 0 })
    }

    fn sent(offer: Offer) -> u64 {
        match offer {
            Offer::Send(due, _) => due.attempt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn calls_go_when_they_are_due() {
        let start = Instant::now();
        let mut shard = Shard::new(1);
        let mut originator = Originator::new(due_every(10, 2), start, ms(1000), None);
        let free = || Obstacle::None;
        assert_eq!(sent(originator.next(start, &mut shard, free)), 0);
        assert_eq!(originator.next(start, &mut shard, free), Offer::Wait(Some(start + ms(10))));
        // A stall: the call goes at once, and its lag is known by when it was due.
        let offer = originator.next(start + ms(500), &mut shard, free);
        assert!(matches!(offer, Offer::Send(_, due) if due == start + ms(10)));
        assert_eq!(originator.next(start + ms(500), &mut shard, free), Offer::Done);
    }

    #[test]
    fn a_catch_up_does_not_break_the_ceiling() {
        let start = Instant::now();
        let mut shard = Shard::new(1);
        let mut originator = Originator::new(due_every(1, 10), start, ms(1000), Some(ms(20)));
        let mut now = start + ms(100);
        let mut gaps = Vec::new();
        let mut last = None;
        loop {
            match originator.next(now, &mut shard, || Obstacle::None) {
                Offer::Send(..) => {
                    gaps.extend(last.map(|last| now - last));
                    last = Some(now);
                }
                Offer::Wait(until) => now = until.unwrap(),
                Offer::Done => break,
            }
        }
        assert_eq!(gaps, vec![ms(20); 9]);
    }

    #[test]
    fn what_is_held_back_for_too_long_is_skipped_with_the_reason() {
        let start = Instant::now();
        let reasons = |shard: &Shard| shard.counts().skipped;

        let mut shard = Shard::new(1);
        let mut originator = Originator::new(due_every(0, 3), start, ms(100), Some(ms(60)));
        let mut now = start;
        while let Offer::Send(..) | Offer::Wait(Some(_)) = {
            let offer = originator.next(now, &mut shard, || Obstacle::None);
            if let Offer::Wait(Some(until)) = offer {
                now = until;
            }
            offer
        } {}
        assert_eq!(reasons(&shard)[Skip::Ceiling as usize], 1, "the third would have gone at 120 ms");

        let mut shard = Shard::new(1);
        let mut originator = Originator::new(due_every(0, 3), start, ms(100), None);
        assert_eq!(originator.next(start + ms(101), &mut shard, || Obstacle::None), Offer::Done);
        assert_eq!(reasons(&shard)[Skip::Late as usize], 3);

        let mut shard = Shard::new(1);
        let mut originator = Originator::new(due_every(0, 3), start, ms(100), None);
        let down = || Obstacle::Skip(Skip::SlaveDown);
        assert_eq!(originator.next(start, &mut shard, down), Offer::Done);
        assert_eq!(reasons(&shard)[Skip::SlaveDown as usize], 3);
        assert!(shard.counts().balanced());
    }

    #[test]
    fn a_stop_accounts_for_what_is_due() {
        let start = Instant::now();
        let mut shard = Shard::new(1);
        let mut originator = Originator::new(due_every(10, 100), start, ms(1000), None);
        assert!(matches!(originator.next(start + ms(30), &mut shard, || Obstacle::Busy), Offer::Wait(_)));
        assert_eq!(shard.counts().pending, 4);
        originator.stop(&mut shard);
        let counts = shard.counts();
        assert_eq!((counts.scheduled, counts.pending, counts.skipped[Skip::Stopped as usize]), (4, 0, 4));
        assert_eq!(originator.next(start + ms(60), &mut shard, || Obstacle::None), Offer::Done);
    }
}
