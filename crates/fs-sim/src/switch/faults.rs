//! What faults do to the switch itself: its pause, its clock, its jobs; and what it knows of those who order them.

use std::{net::SocketAddr, time::Duration};

use super::{Switch, Waits};
use crate::{
    event::ListenerId,
    fault::{Change, Fault, Timetable},
};

impl Switch {
    /// Goes on where another one has ended, for one that is started anew on the same port.
    pub(crate) fn succeeds(&mut self, faults: Timetable, since_start: Duration) {
        self.faults = faults;
        self.started_at = since_start;
    }

    /// Uptime as time since the server's first start, which the timetable counts in.
    pub(crate) fn since_start(&self, now: Duration) -> Duration {
        self.started_at.saturating_add(now)
    }

    /// Notes where a connection comes from.
    pub(crate) fn located(&mut self, listener: ListenerId, address: SocketAddr) {
        if let Some(peer) = self.listeners.get_mut(&listener) {
            peer.address = Some(address);
        }
    }

    /// Where the client is that waits for a job.
    pub(crate) fn address_of(&self, waits: &Waits) -> Option<SocketAddr> {
        match waits {
            Waits::Connection(listener) => self.listeners.get(listener)?.address,
            Waits::Background(_) | Waits::Nobody => None,
        }
    }

    /// Does what has begun or ended.
    pub(crate) fn fault_changed(&mut self, now: Duration, change: &Change) {
        match change {
            Change::Begins { fault: Fault::Pause, .. } => self.limits.pause(true),
            Change::Ends(Fault::Pause) => self.limits.pause(self.faults.is_in_force(&Fault::Pause)),
            Change::Begins { fault: Fault::FreezeClock, .. } => self.bus.clock.freeze(now),
            Change::Ends(Fault::FreezeClock) if !self.faults.is_in_force(&Fault::FreezeClock) => self.bus.clock.thaw(),
            _ => {}
        }
    }

    /// The server did nothing until now: what was due meanwhile happens now.
    pub(crate) fn stood_still_until(&mut self, now: Duration) {
        self.not_before = now;
    }

    /// Whether one more job's result is lost.
    pub(super) fn loses_job(&mut self) -> bool {
        let mut shares = self.faults.in_force().filter_map(|(planned, _)| match planned.fault {
            Fault::LoseJobs { share } => Some(share),
            _ => None,
        });
        let rng = &mut self.fault_rng;
        shares.any(|share| crate::fault::meets(rng, share))
    }

    /// Whether no password is right at the moment.
    pub(super) fn knows_no_password(&self) -> bool {
        self.faults.is_in_force(&Fault::WrongPassword)
    }
}
