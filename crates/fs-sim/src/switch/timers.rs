//! What falls due, and when: one heap for the whole server, so that a channel costs no task.

use std::{cmp::Ordering, collections::BinaryHeap, time::Duration};

use super::{Redirect, capture::Copy, display::Party, hangup::HangUps, jobs::Waiting};
use crate::{
    cause::Cause,
    channel::{SessionId, Signal},
    event::ListenerId,
    network::Packet,
};

/// Something that happens by itself.
#[derive(Debug)]
pub(crate) enum Due {
    /// A message or the next application of a channel.
    Leg(SessionId, Step),
    /// A SIP message from another server arrives.
    Packet(Box<Packet>),
    /// What a stack answers by itself is copied.
    Copy(Box<Copy>),
    /// A dial has waited long enough for the legs of this round.
    OriginateTimeout(u64, u64),
    /// It has waited long enough for this leg.
    LegTimeout(SessionId),
    /// A dial goes on to its next destinations.
    Redial(u64),
    /// A planned task comes true, unless `sched_del` has taken it away.
    Task(u64),
    /// A command that only takes its time is over.
    Finish(Box<Waiting>),
    /// A command goes on to hang channels up.
    HangUps(Box<HangUps>),
    Heartbeat,
    /// A connection has not authenticated in time.
    AuthTimeout(ListenerId),
    /// A connection has stayed long enough after its session's end.
    LingerEnds(ListenerId),
}

/// No server is up for longer: a client's largest numbers must not overflow an instant.
const EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Fewer timers than these are not worth a sweep.
const CROWD_MIN: usize = 10_000;

/// One step in a channel's life.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The other end of the leg's connection tells it something.
    Told(Signal),
    /// The dialplan is asked what to do.
    Hunt,
    /// A frame of audio passes: what has come in or is over is looked at.
    Look,
    /// Near leg, answered: what the originate asked for begins.
    Launch,
    /// What runs is broken off.
    Break,
    /// The channel leaves what it runs for this.
    Redirect(Redirect),
    /// The other leg of a bridge has gone, hung up with a cause or for elsewhere.
    Parted(SessionId, Option<Cause>),
    /// A leg that leads a bridge looks for the other one, so many times more.
    LookFor(SessionId, u32),
    /// The connections that hold a channel find that it has hung up.
    ConnectionsLook,
    /// Whom a leg listens to has hung up.
    HeardGone(SessionId),
    /// A leg shows this party to the other end of its connection.
    Show(Box<Party>),
    /// The other end of the leg's connection shows this party.
    Shown(Box<Party>),
    /// A recording's limit is reached.
    RecordLimit,
    /// The other end's offer within the call is answered.
    AnswerOffer { hold: bool, request: u32 },
    /// A frame passes on a leg that is not held any more.
    Unheld,
    /// The time of something that looks at its audio is over.
    BugLimit,
    /// The other end of the leg's connection sends a text, of this kind.
    Informed(Box<(String, String)>),
    /// Near leg: its turn has come, and the INVITE leaves.
    Send,
    /// The callee has talked for long enough.
    HoldEnds,
    /// `SESSION_HEARTBEAT` is sent again after so long, unless another order has come since.
    Heartbeat(Duration, u64),
    /// The call record is written and the channel goes.
    Report,
}

/// A priority queue by time; what was put in first comes first among equals.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Entry>,
    count: u64,
    /// How many there were after the last sweep.
    swept: usize,
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    order: u64,
    due: Due,
}

impl Timers {
    /// What is due later than ever is due never.
    pub(crate) fn add(&mut self, at: Duration, due: Due) {
        if at > EVER {
            return;
        }
        self.count += 1;
        self.heap.push(Entry { at, order: self.count, due });
    }

    /// Whether there are twice as many as after the last sweep: then most may be of no use any more.
    pub(crate) fn is_crowded(&self) -> bool {
        self.heap.len() > (self.swept * 2).max(CROWD_MIN)
    }

    /// Leaves those that are of use.
    pub(crate) fn sweep(&mut self, is_of_use: impl Fn(Duration, &Due) -> bool) {
        self.heap.retain(|entry| is_of_use(entry.at, &entry.due));
        self.swept = self.heap.len();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// The next thing that is due at `now`, with the time for which it was planned.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<(Duration, Due)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.due))
    }
}

impl Ord for Entry {
    /// Reversed, since the heap gives the greatest first.
    fn cmp(&self, other: &Entry) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_then_by_order() {
        let ms = Duration::from_millis;
        let mut timers = Timers::default();
        for (at, id) in [(5, 1), (3, 2), (5, 3), (9, 4)] {
            timers.add(ms(at), Due::Task(id));
        }
        let mut popped = Vec::new();
        while let Some((at, Due::Task(id))) = timers.pop(ms(8)) {
            popped.push((at, id));
        }
        assert_eq!(popped, [(ms(3), 2), (ms(5), 1), (ms(5), 3)]);
        assert_eq!(timers.next_at(), Some(ms(9)));
    }
}
