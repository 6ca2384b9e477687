//! What the slaves' tasks of a run share: counters that are changed without a lock, and each other's mailboxes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use esl_core::Event;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use uuid::Uuid;

use super::AssignedCall;
use crate::engine::call::FarLegEvent;
use crate::engine::script_run::LegCommand;
use crate::plan::Plan;

/// Messages that wait at a slave's task: it empties its mailbox each time it looks at its calls.
const INBOX_MAX: usize = 65_536;

/// Everything that the slaves' tasks of one run share.
#[derive(Debug)]
pub struct Shared {
    /// The calls that may be up.
    pub slots: Slots,
    /// Whether the call that was placed last is one of a measured phase: whether it is measured now.
    measuring: AtomicBool,
    /// How the slaves are.
    pub slave_states: SlaveStates,
    /// The calls that have not been accounted for.
    pub open_calls: OpenCalls,
    /// Whose numbers are whose.
    pub(super) owners: NumberOwners,
    /// How many slaves await events of their calls, where the far legs can be at another one.
    awaiting: AtomicU64,
    /// One of them begins to, where none did.
    begins: Notify,
    inboxes: Vec<mpsc::Sender<PeerMessage>>,
}

/// What one slave's task tells another.
#[derive(Debug)]
pub(super) enum PeerMessage {
    /// Place this call: it could not be placed where it was due.
    Take(AssignedCall),
    /// Something happened to the far leg of your call, here.
    Far(Box<FarLegMessage>),
    /// Do this for a far leg of mine, which is at your server.
    LegCommand(Uuid, LegCommand),
    /// Hang up a far leg of mine, which is at your server and stayed when its call was over.
    HangUp(Uuid),
}

/// Something happened to a far leg.
#[derive(Debug)]
pub(super) struct FarLegMessage {
    /// Of the call of this attempt.
    pub(super) attempt: u64,
    /// At which slave.
    pub(super) slave: usize,
    /// Which leg.
    pub(super) leg: Uuid,
    /// What.
    pub(super) change: Option<FarLegEvent>,
    /// The event that says so, for the call's app.
    pub(super) event: Option<Event>,
    /// When.
    pub(super) at: Instant,
}

impl Shared {
    /// For a plan's slaves. Returns each one's mailbox too.
    pub(super) fn new(plan: &Plan) -> (Self, Vec<mpsc::Receiver<PeerMessage>>) {
        let (inboxes, receivers) = plan.slaves.iter().map(|_| mpsc::channel(INBOX_MAX)).unzip();
        let shared = Self {
            slots: Slots::new(plan.limit),
            measuring: AtomicBool::new(plan.dimensions().phases.first() == Some(&true)),
            slave_states: SlaveStates::new(plan),
            open_calls: OpenCalls::default(),
            owners: NumberOwners::new(plan.calls.numbers.rows.len()),
            awaiting: AtomicU64::new(0),
            begins: Notify::new(),
            inboxes,
        };
        (shared, receivers)
    }

    /// A call has its slot and is sent, in a phase that is measured or not.
    pub(super) fn placed(&self, measured: bool) {
        if measured {
            self.slots.note_peak();
        }
        self.measuring.store(measured, Ordering::Relaxed);
    }

    /// Whether what is measured apart from calls counts now.
    pub(super) fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }

    /// A slave awaits events of its calls now, or no longer does: a change.
    pub(super) fn set_awaiting(&self, awaits: bool) {
        match awaits {
            true if self.awaiting.fetch_add(1, Ordering::Relaxed) == 0 => self.begins.notify_waiters(),
            true => {}
            false => {
                self.awaiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until a slave begins to await events where none did.
    pub(super) async fn begins_to_await(&self) {
        self.begins.notified().await;
    }

    /// Whether a slave awaits events of its calls.
    pub(super) fn is_awaiting(&self) -> bool {
        self.awaiting.load(Ordering::Relaxed) > 0
    }

    /// Puts a message into a slave's mailbox. `false` where it is full or its task is gone.
    pub(super) fn post(&self, slave: usize, message: PeerMessage) -> bool {
        self.inboxes.get(slave).is_some_and(|inbox| inbox.try_send(message).is_ok())
    }
}

/// No limit.
const UNLIMITED: u64 = u64::MAX;

/// The calls that may be up at a time, over all slaves.
#[derive(Debug)]
pub struct Slots {
    used: AtomicU64,
    peak: AtomicU64,
    max: AtomicU64,
    freed: Notify,
}

impl Slots {
    /// So many, or without a limit.
    pub fn new(max: Option<u64>) -> Self {
        Self {
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            max: AtomicU64::new(max.unwrap_or(UNLIMITED)),
            freed: Notify::new(),
        }
    }

    /// Changes how many there are. Calls that are up beyond a lower limit go on.
    pub fn set_max(&self, max: Option<u64>) {
        self.max.store(max.unwrap_or(UNLIMITED), Ordering::Relaxed);
        self.freed.notify_one();
    }

    /// How many there are, `None` without a limit.
    pub fn max(&self) -> Option<u64> {
        Some(self.max.load(Ordering::Relaxed)).filter(|max| *max != UNLIMITED)
    }

    /// Whether none is free.
    pub fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.max.load(Ordering::Relaxed)
    }

    /// Takes one where there is one.
    pub fn take(&self) -> bool {
        let max = self.max.load(Ordering::Relaxed);
        let below = |used| (used < max).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
    }

    /// So many as are taken now were taken at the same time.
    fn note_peak(&self) {
        self.peak.fetch_max(self.used.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// How many were taken at the same time at most, when calls of measured phases were placed: there are never more
    /// than right after one was.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Gives one back.
    pub fn give_back(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
        self.wake();
    }

    /// Has who waits for a slot look again.
    pub(super) fn wake(&self) {
        self.freed.notify_one();
    }

    /// Waits until one is given back, or one was since the last time.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

/// How the slaves are, for who looks for another one to place a call.
#[derive(Debug)]
pub struct SlaveStates {
    slaves: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Of this shard.
    ours: bool,
    weight: AtomicU64,
    limit: u64,
    up: AtomicBool,
    /// Its ceiling holds calls back.
    held: AtomicBool,
    /// Calls that are up on it.
    active: AtomicU64,
    /// Calls that are on their way to it and have a slot.
    reserved: AtomicU64,
    /// It takes one call at a time: it has a ceiling.
    paced: bool,
}

impl SlaveStates {
    fn new(plan: &Plan) -> Self {
        let entry = |(index, slave): (usize, &crate::plan::SlavePlan)| Entry {
            ours: plan.shard.owns(index),
            weight: AtomicU64::new(slave.weight),
            limit: slave.limit.unwrap_or(UNLIMITED),
            up: AtomicBool::new(false),
            held: AtomicBool::new(false),
            active: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            paced: slave.gap.is_some(),
        };
        Self { slaves: plan.slaves.iter().enumerate().map(entry).collect() }
    }

    pub(super) fn set_up(&self, slave: usize, up: bool) {
        self.slaves[slave].up.store(up, Ordering::Relaxed);
    }

    pub(super) fn set_held(&self, slave: usize, held: bool) {
        self.slaves[slave].held.store(held, Ordering::Relaxed);
    }

    pub(super) fn set_active(&self, slave: usize, active: usize) {
        self.slaves[slave].active.store(active as u64, Ordering::Relaxed);
    }

    /// Changes the slaves' weights.
    pub fn set_weights(&self, weights: &[u64]) {
        for (entry, weight) in self.slaves.iter().zip(weights) {
            entry.weight.store(*weight, Ordering::Relaxed);
        }
    }

    /// Whether a slave is connected.
    pub fn is_up(&self, slave: usize) -> bool {
        self.slaves[slave].up.load(Ordering::Relaxed)
    }

    /// Whether a slave has as many calls as it may have, those on their way to it included.
    pub fn is_full(&self, slave: usize) -> bool {
        let entry = &self.slaves[slave];
        let reserved = entry.reserved.load(Ordering::Relaxed);
        entry.active.load(Ordering::Relaxed) + reserved >= entry.limit || entry.paced && reserved > 0
    }

    /// Keeps a place for a call that is on its way to a slave.
    pub fn reserve(&self, slave: usize) {
        self.slaves[slave].reserved.fetch_add(1, Ordering::Relaxed);
    }

    /// It has arrived, or never will.
    pub fn release(&self, slave: usize) {
        let one_less = |reserved: u64| Some(reserved.saturating_sub(1));
        let _ = self.slaves[slave].reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }

    /// Whether a call can be placed there, as far as can be seen from here.
    fn has_room(&self, slave: usize) -> bool {
        let entry = &self.slaves[slave];
        entry.ours && self.is_up(slave) && !self.is_full(slave) && !entry.held.load(Ordering::Relaxed)
    }
}

/// Finds another slave for a call: by weight among those that are up, under their limit and not held by their ceiling.
#[derive(Debug, Default)]
pub struct FailoverPicker {
    credit: Vec<i64>,
}

impl FailoverPicker {
    /// Who takes over a call of `slave`; `None` where nobody can.
    pub fn next(&mut self, slave_states: &SlaveStates, slave: usize) -> Option<usize> {
        self.credit.resize(slave_states.slaves.len(), 0);
        // Smooth weighted round robin among those that can: everybody earns his weight, and who has most pays the whole.
        let mut total = 0;
        let mut richest: Option<usize> = None;
        for (other, entry) in slave_states.slaves.iter().enumerate() {
            if other == slave || !slave_states.has_room(other) {
                continue;
            }
            let weight = entry.weight.load(Ordering::Relaxed).min(1 << 40) as i64;
            total += weight;
            self.credit[other] += weight;
            if weight > 0 && richest.is_none_or(|richest| self.credit[other] > self.credit[richest]) {
                richest = Some(other);
            }
        }
        self.credit[richest?] -= total;
        richest
    }
}

/// Calls that were handed out and are not accounted for yet: a run is over when there are none.
#[derive(Debug, Default)]
pub struct OpenCalls {
    open: AtomicU64,
    settled: Notify,
}

impl OpenCalls {
    /// So many calls are handed out.
    pub fn open(&self, calls: usize) {
        self.open.fetch_add(calls as u64, Ordering::AcqRel);
    }

    /// So many are accounted for.
    pub fn settle(&self, calls: usize) {
        if calls > 0 && self.open.fetch_sub(calls as u64, Ordering::AcqRel) == calls as u64 {
            self.settled.notify_one();
        }
    }

    /// Whether all are accounted for.
    pub fn is_settled(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Waits until all are accounted for.
    pub async fn settled(&self) {
        while !self.is_settled() {
            self.settled.notified().await;
        }
    }
}

/// Which call uses a row's number at the moment, so that a far leg that shows the number can be matched to it.
#[derive(Debug)]
pub(super) struct NumberOwners(Vec<AtomicU64>);

/// An attempt's part of an owner; the slave's is above it.
const ATTEMPT_BITS: u32 = 48;

impl NumberOwners {
    fn new(rows: usize) -> Self {
        Self((0..rows).map(|_| AtomicU64::new(0)).collect())
    }

    /// A call takes a row's number. `false` where another one has it still.
    pub(super) fn take(&self, row: usize, slave: usize, attempt: u64) -> bool {
        self.0[row].swap(pack(slave, attempt), Ordering::AcqRel) == 0
    }

    /// A call is over.
    pub(super) fn give_back(&self, row: usize, slave: usize, attempt: u64) {
        let _ = self.0[row].compare_exchange(pack(slave, attempt), 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Whose a row's number is: slave and attempt.
    pub(super) fn of(&self, row: usize) -> Option<(usize, u64)> {
        let owner = self.0.get(row)?.load(Ordering::Acquire).checked_sub(1)?;
        Some(((owner >> ATTEMPT_BITS) as usize, owner & ((1 << ATTEMPT_BITS) - 1)))
    }
}

/// Never 0, which is nobody.
fn pack(slave: usize, attempt: u64) -> u64 {
    (((slave as u64) << ATTEMPT_BITS) | (attempt & ((1 << ATTEMPT_BITS) - 1))).wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slave_states(weights: &[u64]) -> SlaveStates {
        let entry = |weight: &u64| Entry {
            ours: true,
            weight: AtomicU64::new(*weight),
            limit: 10,
            up: AtomicBool::new(true),
            held: AtomicBool::new(false),
            active: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            paced: false,
        };
        SlaveStates { slaves: weights.iter().map(entry).collect() }
    }

    #[test]
    fn others_take_over_by_weight() {
        let slave_states = slave_states(&[1, 2, 1, 5]);
        let mut failover = FailoverPicker::default();
        slave_states.set_up(3, false);
        let taken: Vec<_> = (0..6).map(|_| failover.next(&slave_states, 0).unwrap()).collect();
        assert_eq!(taken, [1, 2, 1, 1, 2, 1]);
        slave_states.set_active(1, 10);
        assert_eq!(failover.next(&slave_states, 0), Some(2));
        slave_states.set_held(2, true);
        assert_eq!(failover.next(&slave_states, 0), None);
    }

    #[test]
    fn a_slot_is_taken_once() {
        let slots = Slots::new(Some(1));
        assert!(slots.take() && !slots.take() && slots.is_full());
        slots.set_max(Some(2));
        assert!(slots.take());
        assert_eq!(slots.peak(), 0, "nothing was measured");
        slots.note_peak();
        slots.give_back();
        slots.note_peak();
        assert_eq!(slots.peak(), 2);
    }

    #[test]
    fn a_number_belongs_to_its_latest_call() {
        let owners = NumberOwners::new(2);
        assert_eq!(owners.of(0), None);
        assert!(owners.take(0, 0, 0));
        assert_eq!(owners.of(0), Some((0, 0)));
        assert!(!owners.take(0, 3, 9), "still in use");
        owners.give_back(0, 0, 0);
        assert_eq!(owners.of(0), Some((3, 9)));
        owners.give_back(0, 3, 9);
        assert_eq!((owners.of(0), owners.of(7)), (None, None));
    }
}
