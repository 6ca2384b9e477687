//! Events on their way to a listener that come late, twice or never.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;

use super::{Client, Fault, Timetable, Whom, generator, meets};
use crate::event::ListenerId;

/// The most events, and bytes of them, that are on their way late; what is above comes in time, so that a long delay
/// cannot grow the server without bound.
const DELAYED_EVENTS_MAX: usize = 100_000;
const DELAYED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What happens to events between the switch and the queues of its listeners.
#[derive(Debug)]
pub(crate) struct Spoiler {
    faults: Vec<(Fault, Whom, u64)>,
    delayed: BinaryHeap<Reverse<Delayed>>,
    delayed_bytes: usize,
    count: u64,
    rng: ChaCha8Rng,
}

/// Ordered by its time, then by when it was put in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    at: Duration,
    order: u64,
    listener: ListenerId,
    bytes: Bytes,
}

impl Spoiler {
    pub(crate) fn new(seed: u64) -> Spoiler {
        Spoiler {
            faults: Vec::new(),
            delayed: BinaryHeap::new(),
            delayed_bytes: 0,
            count: 0,
            // Connections have the streams of their numbers, from 1 on.
            rng: generator(seed, 0),
        }
    }

    /// Takes those in force that concern events.
    pub(crate) fn renew(&mut self, timetable: &Timetable) {
        let concerns_events = |fault: &Fault| {
            matches!(fault, Fault::DelayEvents { .. } | Fault::LoseEvents { .. } | Fault::DuplicateEvents { .. })
        };
        self.faults = timetable
            .in_force()
            .filter(|(planned, _)| concerns_events(&planned.fault))
            .map(|(planned, begun)| (planned.fault.clone(), planned.whom, begun))
            .collect();
    }

    /// Whether events go by as they are.
    pub(crate) fn is_idle(&self) -> bool {
        self.faults.is_empty()
    }

    /// How many times the event is delivered now; what is delayed comes out of [`Spoiler::due`].
    pub(crate) fn take(&mut self, now: Duration, listener: ListenerId, client: &Client, bytes: &Bytes) -> usize {
        let mut copies = 1;
        let mut late = Duration::ZERO;
        for (fault, whom, begun) in &self.faults {
            let share = fault.share().unwrap_or(0.0);
            if !client.is_meant(*whom, *begun) || !meets(&mut self.rng, share) {
                continue;
            }
            match fault {
                Fault::LoseEvents { .. } => return 0,
                Fault::DuplicateEvents { .. } => copies += 1,
                Fault::DelayEvents { delay, .. } => {
                    late = late.saturating_add(delay.sample(&mut self.rng, crate::DELAY_MAX))
                }
                _ => {}
            }
        }
        if late.is_zero() {
            return copies;
        }
        for copy in 0..copies {
            if self.delayed.len() >= DELAYED_EVENTS_MAX || self.delayed_bytes + bytes.len() > DELAYED_BYTES_MAX {
                return copies - copy;
            }
            self.count += 1;
            self.delayed_bytes += bytes.len();
            let at = now.saturating_add(late);
            self.delayed.push(Reverse(Delayed { at, order: self.count, listener, bytes: bytes.clone() }));
        }
        0
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.delayed.peek().map(|Reverse(delayed)| delayed.at)
    }

    /// The next event that has been late for long enough.
    pub(crate) fn due(&mut self, now: Duration) -> Option<(ListenerId, Bytes)> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse(Delayed { listener, bytes, .. }) = self.delayed.pop()?;
        self.delayed_bytes -= bytes.len();
        Some((listener, bytes))
    }

    /// Forgets what is on its way.
    pub(crate) fn forget(&mut self) {
        self.delayed.clear();
        self.delayed_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Board;

    fn spoiler(faults: &[&str]) -> Spoiler {
        let mut timetable = Timetable::default();
        for text in faults {
            timetable.order(Duration::ZERO, text.parse().expect("a fault")).expect("room");
        }
        timetable.advance(Duration::ZERO);
        let mut spoiler = Spoiler::new(1);
        spoiler.renew(&timetable);
        spoiler
    }

    fn client() -> Client {
        Client::new("127.0.0.1:1".parse().expect("an address"), &Board::default())
    }

    #[test]
    fn a_share_of_events_is_met_and_others_pass() {
        let mut spoiler = spoiler(&["lose_events share 0.2", "duplicate_events share 0.1", "stall"]);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[spoiler.take(Duration::ZERO, ListenerId(1), &client(), &Bytes::new())] += 1;
        }
        assert!((1_900..2_100).contains(&counts[0]) && (720..880).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn late_events_come_in_the_order_of_their_times() {
        let mut spoiler = spoiler(&[r#"delay_events delay {"uniform":["10ms","90ms"]}"#]);
        for number in 0..20_u8 {
            let taken = spoiler.take(Duration::ZERO, ListenerId(1), &client(), &Bytes::copy_from_slice(&[number]));
            assert_eq!(taken, 0);
        }
        assert!(spoiler.due(Duration::from_millis(9)).is_none());
        let came: Vec<u8> = std::iter::from_fn(|| spoiler.due(Duration::from_secs(1))).map(|(_, b)| b[0]).collect();
        assert!(came.len() == 20 && !came.is_sorted(), "{came:?}");
        assert_eq!(spoiler.delayed_bytes, 0);
    }

    #[test]
    fn others_are_left_alone() {
        let mut spoiler = spoiler(&["lose_events against but 127.0.0.1:1"]);
        assert_eq!(spoiler.take(Duration::ZERO, ListenerId(1), &client(), &Bytes::new()), 1);
    }

    #[test]
    fn what_is_above_the_limit_comes_in_time() {
        let mut spoiler = spoiler(&["delay_events delay 1h"]);
        let event = Bytes::from(vec![0; DELAYED_BYTES_MAX / 4]);
        let taken: Vec<usize> =
            (0..5).map(|_| spoiler.take(Duration::ZERO, ListenerId(1), &client(), &event)).collect();
        assert_eq!(taken, [0, 0, 0, 0, 1]);
    }

    #[test]
    fn events_that_are_as_late_stay_in_their_order() {
        let mut spoiler = spoiler(&["delay_events delay 10ms"]);
        for number in 0..50_u8 {
            spoiler.take(Duration::ZERO, ListenerId(1), &client(), &Bytes::copy_from_slice(&[number]));
        }
        let came: Vec<u8> = std::iter::from_fn(|| spoiler.due(Duration::from_secs(1))).map(|(_, b)| b[0]).collect();
        assert!(came.len() == 50 && came.is_sorted(), "{came:?}");
    }

    #[test]
    fn what_is_forgotten_makes_room() {
        let mut spoiler = spoiler(&["delay_events delay 1h"]);
        let event = Bytes::from(vec![0; DELAYED_BYTES_MAX]);
        for _ in 0..2 {
            assert_eq!(spoiler.take(Duration::ZERO, ListenerId(1), &client(), &event), 0);
            spoiler.forget();
            assert_eq!(spoiler.next_at(), None);
        }
    }
}
