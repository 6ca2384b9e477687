//! Decides which call is sent when: a call that was assigned to this slave is due, held back, or cannot be sent.
//!
//! The schedule decides when a call is due, the rate ceiling only when it may be sent: a rate limiter alone forgets the
//! due time. No I/O, no clock: instants come in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::AssignedCall;
use crate::measure::{Skip, SlaveRecorder};

/// The calls of one slave that are to be sent.
pub(super) struct Originator {
    max_lag: Duration,
    /// Calls that are not due yet, in the order of their due times.
    coming: VecDeque<AssignedCall>,
    /// Calls that are due and not sent, oldest first.
    pending: VecDeque<AssignedCall>,
    /// Whether the rate ceiling holds back the oldest call.
    held_by_ceiling: bool,
    /// Calls that were due up to this time waited for the ceiling or for the server, not for this program.
    held_until: Option<Instant>,
    ceiling: Option<RateCeiling>,
    /// Whether the schedule has no more calls for this slave.
    closed: bool,
}

/// Whether a call can be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It can be sent.
    None,
    /// It has to wait: the server does not accept commands at the moment.
    Busy,
    /// It cannot be sent from this slave.
    Blocked(Skip),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Send this call.
    Send(AssignedCall),
    /// This call is due and cannot be sent from this slave: another slave may take it over, or it is skipped for this
    /// reason.
    Blocked(AssignedCall, Skip),
    /// Ask again at this time, or when something has changed.
    Wait(Option<Instant>),
    /// No calls are left.
    Done,
}

impl Originator {
    /// An originator that sends calls at most `max_lag` late, and no two closer together than `gap`.
    pub(super) fn new(start: Instant, max_lag: Duration, gap: Option<Duration>) -> Self {
        Self {
            max_lag,
            coming: VecDeque::new(),
            pending: VecDeque::new(),
            held_by_ceiling: false,
            held_until: None,
            ceiling: gap.and_then(|gap| RateCeiling::new(gap, start)),
            closed: false,
        }
    }

    /// Adds a call. The schedule's calls come in the order of their due times; calls that other slaves pass on may be
    /// due already.
    pub(super) fn hand(&mut self, call: AssignedCall) {
        let place = self.coming.partition_point(|known| known.call.due <= call.call.due);
        self.coming.insert(place, call);
    }

    /// The schedule has no more calls for this slave.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the rate ceiling holds calls back.
    pub(super) fn is_held(&self) -> bool {
        self.held_by_ceiling
    }

    /// Whether the ceiling or the server, not this program, delayed a call.
    pub(super) fn was_held(&self, call: &AssignedCall) -> bool {
        self.held_until.is_some_and(|until| call.call.due <= until)
    }

    /// The next step at this time. `obstacle` is evaluated for each call.
    pub(super) fn next(
        &mut self,
        now: Instant,
        recorder: &mut SlaveRecorder,
        mut obstacle: impl FnMut(&AssignedCall) -> Obstacle,
    ) -> Offer {
        while let Some(&call) = self.coming.front().filter(|call| call.call.due <= now) {
            self.coming.pop_front();
            recorder.scheduled(call.call.labels);
            if self.cannot_leave_in_time(&call, now) {
                return Offer::Blocked(call, Skip::Ceiling);
            }
            self.pending.push_back(call);
        }
        if let Some(&call) = self.pending.front() {
            let late = now.saturating_duration_since(call.call.due) > self.max_lag;
            let blocked = match obstacle(&call) {
                Obstacle::Blocked(reason) => reason,
                _ if late && self.held_by_ceiling => Skip::Ceiling,
                _ if late => Skip::Late,
                Obstacle::Busy => {
                    self.held_until = Some(now);
                    return Offer::Wait(Some(call.call.due + self.max_lag + MOMENT));
                }
                Obstacle::None => match self.ceiling.as_mut().and_then(|ceiling| ceiling.closed_until(now)) {
                    None => {
                        self.pending.pop_front();
                        self.held_by_ceiling = false;
                        return Offer::Send(call);
                    }
                    Some(open) => {
                        self.held_by_ceiling = true;
                        self.held_until = Some(open);
                        return Offer::Wait(Some(open.min(call.call.due + self.max_lag + MOMENT)));
                    }
                },
            };
            self.pending.pop_front();
            return Offer::Blocked(call, blocked);
        }
        self.held_by_ceiling = false;
        match self.coming.front() {
            Some(call) => Offer::Wait(Some(call.call.due)),
            None if self.closed => Offer::Done,
            None => Offer::Wait(None),
        }
    }

    /// Whether the rate ceiling cannot let a call through in time, with the calls that wait before it.
    fn cannot_leave_in_time(&self, call: &AssignedCall, now: Instant) -> bool {
        let Some(ceiling) = &self.ceiling else { return false };
        let before = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        let opens = ceiling.opens.max(now).checked_add(ceiling.gap.saturating_mul(before));
        opens.is_none_or(|opens| opens > call.call.due + self.max_lag)
    }

    /// Stops sending. Calls that are due are skipped; calls that are not due are dropped. Returns both.
    pub(super) fn stop(&mut self, now: Instant, recorder: &mut SlaveRecorder) -> Vec<AssignedCall> {
        self.closed = true;
        while let Some(&call) = self.coming.front().filter(|call| call.call.due <= now) {
            self.coming.pop_front();
            recorder.scheduled(call.call.labels);
            self.pending.push_back(call);
        }
        let mut dropped: Vec<_> = self.pending.drain(..).collect();
        for call in &dropped {
            recorder.skipped(call.call.labels, Skip::Stopped);
        }
        dropped.extend(self.coming.drain(..));
        dropped
    }
}

/// A call is too late only after the end of its time.
const MOMENT: Duration = Duration::from_nanos(1);

/// The rate ceiling: no two calls closer together than `gap`, whatever the schedule or a catch-up asks for.
struct RateCeiling {
    limiter: RateLimiter<NotKeyed, InMemoryState, GivenClock, NoOpMiddleware<Nanos>>,
    clock: GivenClock,
    start: Instant,
    gap: Duration,
    /// When the next call may be sent.
    opens: Instant,
}

impl RateCeiling {
    fn new(gap: Duration, start: Instant) -> Option<Self> {
        let clock = GivenClock::default();
        // A burst of one.
        let quota = Quota::with_period(gap)?;
        Some(Self { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock, start, gap, opens: start })
    }

    /// Takes the slot of a call, or returns when there will be one.
    fn closed_until(&mut self, now: Instant) -> Option<Instant> {
        let nanos = now.saturating_duration_since(self.start).as_nanos() as u64;
        self.clock.0.store(nanos, Ordering::Relaxed);
        match self.limiter.check() {
            Ok(()) => {
                self.opens = now + self.gap;
                None
            }
            Err(not_until) => Some(now + not_until.earliest_possible().duration_since(Nanos::from(nanos)).into()),
        }
    }
}

/// The clock of the rate limiter: the time that it was given.
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
    use crate::measure::Labels;
    use crate::plan::Placement;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// `count` calls that are due every so many milliseconds from `start` on.
    fn originator(start: Instant, (every, count): (u64, u64), max_lag: u64, gap: Option<u64>) -> Originator {
        let mut originator = Originator::new(start, ms(max_lag), gap.map(ms));
        for attempt in 0..count {
            let due = start + ms(every * attempt);
            originator.hand(call(attempt, due));
        }
        originator.close();
        originator
    }

    fn call(attempt: u64, due: Instant) -> AssignedCall {
        AssignedCall::new(Placement { attempt, due, labels: Labels::default(), hold: ms(1) })
    }

    fn free(_: &AssignedCall) -> Obstacle {
        Obstacle::None
    }

    fn sent(offer: Offer) -> u64 {
        match offer {
            Offer::Send(call) => call.call.attempt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn calls_go_when_they_are_due() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut originator = originator(start, (10, 2), 1000, None);
        assert_eq!(sent(originator.next(start, &mut recorder, free)), 0);
        assert_eq!(originator.next(start, &mut recorder, free), Offer::Wait(Some(start + ms(10))));
        // After a stall the call is sent at once, and its lag counts from its due time.
        let offer = originator.next(start + ms(500), &mut recorder, free);
        assert!(matches!(offer, Offer::Send(call) if call.call.due == start + ms(10)));
        assert_eq!(originator.next(start + ms(500), &mut recorder, free), Offer::Done);
    }

    #[test]
    fn a_catch_up_does_not_break_the_ceiling() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut originator = originator(start, (1, 10), 1000, Some(20));
        let mut now = start + ms(100);
        let mut gaps = Vec::new();
        let mut last = None;
        loop {
            match originator.next(now, &mut recorder, free) {
                Offer::Send(..) => {
                    gaps.extend(last.map(|last| now - last));
                    last = Some(now);
                }
                Offer::Wait(until) => now = until.unwrap(),
                Offer::Done => break,
                blocked => panic!("{blocked:?}"),
            }
        }
        assert_eq!(gaps, vec![ms(20); 9]);
    }

    #[test]
    fn what_the_ceiling_would_hold_for_too_long_is_another_s_at_once() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut originator = originator(start, (0, 3), 100, Some(60));
        // The first call would be sent at 0 ms, the second at 60 ms, the third at 120 ms, beyond the 100 ms that it may
        // be late.
        assert!(
            matches!(originator.next(start, &mut recorder, free), Offer::Blocked(call, Skip::Ceiling) if call.call.attempt == 2)
        );
        assert_eq!(sent(originator.next(start, &mut recorder, free)), 0);
        assert_eq!(originator.next(start, &mut recorder, free), Offer::Wait(Some(start + ms(60))));
        assert!(originator.is_held());
        assert_eq!(sent(originator.next(start + ms(60), &mut recorder, free)), 1);
    }

    #[test]
    fn what_cannot_go_is_said_with_the_reason() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut late = originator(start, (0, 1), 100, None);
        let offer = late.next(start + ms(101), &mut recorder, free);
        assert!(matches!(offer, Offer::Blocked(_, Skip::Late)));
        let mut down = originator(start, (0, 1), 100, None);
        let offer = down.next(start, &mut recorder, |_| Obstacle::Blocked(Skip::SlaveDown));
        assert!(matches!(offer, Offer::Blocked(_, Skip::SlaveDown)));
        assert_eq!(down.next(start, &mut recorder, free), Offer::Done);
    }

    #[test]
    fn what_waited_for_the_server_or_the_ceiling_is_not_late_by_itself() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut busy = originator(start, (20, 2), 1000, None);
        assert!(matches!(busy.next(start + ms(10), &mut recorder, |_| Obstacle::Busy), Offer::Wait(_)));
        for (attempt, held) in [(0, true), (1, false)] {
            let Offer::Send(call) = busy.next(start + ms(500), &mut recorder, free) else { panic!("it may go") };
            assert_eq!((call.call.attempt, busy.was_held(&call)), (attempt, held), "the second was due after that");
        }
        let mut held = originator(start, (0, 2), 1000, Some(60));
        assert_eq!(sent(held.next(start, &mut recorder, free)), 0);
        assert_eq!(held.next(start, &mut recorder, free), Offer::Wait(Some(start + ms(60))));
        let Offer::Send(call) = held.next(start + ms(500), &mut recorder, free) else { panic!("it may go") };
        assert!(held.was_held(&call));
    }

    #[test]
    fn what_the_ceiling_has_held_for_too_long_is_the_ceiling_s() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut originator = originator(start, (0, 2), 100, Some(60));
        assert_eq!(sent(originator.next(start, &mut recorder, free)), 0);
        assert_eq!(originator.next(start, &mut recorder, free), Offer::Wait(Some(start + ms(60))));
        let offer = originator.next(start + ms(101), &mut recorder, free);
        assert!(matches!(offer, Offer::Blocked(call, Skip::Ceiling) if call.call.attempt == 1), "{offer:?}");
    }

    #[test]
    fn another_s_call_goes_before_those_that_are_not_due() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut originator = originator(start + ms(50), (10, 2), 1000, None);
        originator.hand(call(9, start));
        assert_eq!(sent(originator.next(start + ms(5), &mut recorder, free)), 9);
        assert_eq!(originator.next(start + ms(5), &mut recorder, free), Offer::Wait(Some(start + ms(50))));
    }

    #[test]
    fn a_stop_accounts_for_what_is_due() {
        let start = Instant::now();
        let mut recorder = SlaveRecorder::single();
        let mut originator = originator(start, (10, 100), 1000, None);
        assert!(matches!(originator.next(start + ms(30), &mut recorder, |_| Obstacle::Busy), Offer::Wait(_)));
        assert_eq!(recorder.all().pending, 4);
        assert_eq!(originator.stop(start + ms(45), &mut recorder).len(), 100);
        let counts = recorder.all();
        assert_eq!((counts.scheduled, counts.pending, counts.skipped[Skip::Stopped as usize]), (5, 0, 5));
        assert_eq!(originator.next(start + ms(60), &mut recorder, free), Offer::Done);
    }
}
