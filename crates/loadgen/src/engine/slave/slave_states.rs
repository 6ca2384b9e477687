//! The state of each slave, as far as the other slaves and the dispatcher need it. Changed without a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::plan::{Plan, SlavePlan};

/// The state of every slave, in the plan's order.
#[derive(Debug)]
pub struct SlaveStates {
    slaves: Vec<SlaveState>,
}

#[derive(Debug)]
struct SlaveState {
    /// Whether its calls are this shard's.
    is_own: bool,
    weight: AtomicU64,
    /// Concurrent calls on it at most.
    limit: u64,
    /// Whether it is connected.
    up: AtomicBool,
    /// Whether its rate ceiling holds calls back.
    held: AtomicBool,
    /// Calls that are up on it.
    active: AtomicU64,
    /// Calls that were assigned to it with a slot and have not arrived.
    reserved: AtomicU64,
    /// Whether it has a rate ceiling, and so takes one call at a time.
    has_ceiling: bool,
}

impl SlaveState {
    fn new(slave: &SlavePlan, is_own: bool) -> Self {
        Self {
            is_own,
            weight: AtomicU64::new(slave.weight),
            limit: slave.limit.unwrap_or(u64::MAX),
            up: AtomicBool::new(false),
            held: AtomicBool::new(false),
            active: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            has_ceiling: slave.gap.is_some(),
        }
    }
}

impl SlaveStates {
    pub(super) fn new(plan: &Plan) -> Self {
        let slaves = plan.slaves.iter().enumerate();
        Self { slaves: slaves.map(|(index, slave)| SlaveState::new(slave, plan.shard.owns(index))).collect() }
    }

    /// How many slaves there are.
    pub(super) fn len(&self) -> usize {
        self.slaves.len()
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
        for (slave, weight) in self.slaves.iter().zip(weights) {
            slave.weight.store(*weight, Ordering::Relaxed);
        }
    }

    pub(super) fn weight(&self, slave: usize) -> u64 {
        self.slaves[slave].weight.load(Ordering::Relaxed)
    }

    /// Whether a slave is connected.
    pub fn is_up(&self, slave: usize) -> bool {
        self.slaves[slave].up.load(Ordering::Relaxed)
    }

    /// Whether a slave has as many calls as it may have, counting those that were assigned to it.
    pub fn is_full(&self, slave: usize) -> bool {
        let slave = &self.slaves[slave];
        let reserved = slave.reserved.load(Ordering::Relaxed);
        slave.active.load(Ordering::Relaxed) + reserved >= slave.limit || slave.has_ceiling && reserved > 0
    }

    /// Reserves a place for a call that is being assigned to a slave.
    pub fn reserve(&self, slave: usize) {
        self.slaves[slave].reserved.fetch_add(1, Ordering::Relaxed);
    }

    /// Releases a reserved place: the call has arrived, or never will.
    pub fn release(&self, slave: usize) {
        let one_less = |reserved: u64| Some(reserved.saturating_sub(1));
        let _ = self.slaves[slave].reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }

    /// Whether a slave can place another slave's call, as far as can be seen from outside.
    pub(super) fn has_room(&self, slave: usize) -> bool {
        let state = &self.slaves[slave];
        state.is_own && self.is_up(slave) && !self.is_full(slave) && !state.held.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
impl SlaveStates {
    /// Slaves that are connected and may have ten calls each.
    pub(super) fn with_weights(weights: &[u64]) -> Self {
        let state = |weight: &u64| SlaveState {
            is_own: true,
            weight: AtomicU64::new(*weight),
            limit: 10,
            up: AtomicBool::new(true),
            held: AtomicBool::new(false),
            active: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            has_ceiling: false,
        };
        Self { slaves: weights.iter().map(state).collect() }
    }
}
