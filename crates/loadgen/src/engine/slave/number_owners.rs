//! The calls that use the plan's numbers at the moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which call uses a row's number, so that a far leg that shows the number can be matched to it.
#[derive(Debug)]
pub(super) struct NumberOwners(Vec<AtomicU64>);

/// The bits of an owner that hold the attempt; the slave is above them.
const ATTEMPT_BITS: u32 = 48;

impl NumberOwners {
    pub(super) fn new(rows: usize) -> Self {
        Self((0..rows).map(|_| AtomicU64::new(0)).collect())
    }

    /// Assigns a row's number to a call. `false` where another call still has it.
    pub(super) fn take(&self, row: usize, slave: usize, attempt: u64) -> bool {
        self.0[row].swap(pack(slave, attempt), Ordering::AcqRel) == 0
    }

    /// Releases a row's number when its call has ended.
    pub(super) fn release(&self, row: usize, slave: usize, attempt: u64) {
        let _ = self.0[row].compare_exchange(pack(slave, attempt), 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// The slave and the attempt of the call that has a row's number.
    pub(super) fn of(&self, row: usize) -> Option<(usize, u64)> {
        let owner = self.0.get(row)?.load(Ordering::Acquire).checked_sub(1)?;
        Some(((owner >> ATTEMPT_BITS) as usize, owner & ((1 << ATTEMPT_BITS) - 1)))
    }
}

/// Never 0, which stands for no owner.
fn pack(slave: usize, attempt: u64) -> u64 {
    (((slave as u64) << ATTEMPT_BITS) | (attempt & ((1 << ATTEMPT_BITS) - 1))).wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_belongs_to_its_latest_call() {
        let owners = NumberOwners::new(2);
        assert_eq!(owners.of(0), None);
        assert!(owners.take(0, 0, 0));
        assert_eq!(owners.of(0), Some((0, 0)));
        assert!(!owners.take(0, 3, 9), "still in use");
        owners.release(0, 0, 0);
        assert_eq!(owners.of(0), Some((3, 9)));
        owners.release(0, 3, 9);
        assert_eq!((owners.of(0), owners.of(7)), (None, None));
    }
}
