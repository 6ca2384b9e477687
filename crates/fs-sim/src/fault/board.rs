//! Where the driver says which faults are in force, for the accept loop and the connections to see.

use std::{net::SocketAddr, sync::Arc};

use super::{Change, Fault, Timetable, Whom};

/// The most drops that a connection can look back on: far more than happen before it is its turn to look.
const DROPS_MAX: usize = 64;

/// What is in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    /// How often it has changed.
    pub(crate) version: u64,
    /// How many faults have begun so far.
    begun: u64,
    in_force: Arc<[InForce]>,
    /// The last few that dropped connections, and may be over.
    drops: Arc<[(Whom, u64)]>,
}

#[derive(Clone, Debug)]
struct InForce {
    fault: Fault,
    whom: Whom,
    begun: u64,
}

/// A client's connection, as faults know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// How many faults had begun before it came.
    begun: u64,
}

/// What the accept loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// It does not look.
    Unattended,
    /// Nobody listens.
    Closed,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, board: &Board) -> Client {
        Client { address, begun: board.begun }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is concerned by the fault that was the `begun`th to begin.
    pub(super) fn is_meant(&self, whom: Whom, begun: u64) -> bool {
        match whom {
            Whom::Everyone => true,
            Whom::Newcomers => begun <= self.begun,
            Whom::Client(address) => address == self.address,
            Whom::Others(address) => address != self.address,
        }
    }
}

impl Board {
    /// What is there now, after these changes.
    pub(crate) fn renew(&mut self, timetable: &Timetable, changes: &[Change]) {
        self.version += 1;
        self.begun = timetable.begun();
        self.in_force = timetable
            .in_force()
            .map(|(planned, begun)| InForce { fault: planned.fault.clone(), whom: planned.whom, begun })
            .collect();
        let new = changes.iter().filter_map(|change| match change {
            Change::Begins { fault: Fault::Drop | Fault::Restart, whom, begun } => Some((*whom, *begun)),
            _ => None,
        });
        let all: Vec<_> = self.drops.iter().copied().chain(new).collect();
        self.drops = all[all.len().saturating_sub(DROPS_MAX)..].into();
    }

    pub(crate) fn gate(&self) -> Gate {
        let is = |wanted: &[Fault]| self.in_force.iter().any(|known| wanted.contains(&known.fault));
        match () {
            () if is(&[Fault::Refuse, Fault::Restart]) => Gate::Closed,
            () if is(&[Fault::Stall]) => Gate::Unattended,
            () => Gate::Open,
        }
    }

    /// What is in force for one connection.
    pub(super) fn against<'a>(&'a self, client: &'a Client) -> impl Iterator<Item = &'a Fault> {
        self.in_force.iter().filter(|known| client.is_meant(known.whom, known.begun)).map(|known| &known.fault)
    }

    /// Whether a connection is over.
    pub(super) fn drops(&self, client: &Client) -> bool {
        let is_new = |begun: u64| begun > client.begun;
        self.drops.iter().any(|(whom, begun)| is_new(*begun) && client.is_meant(*whom, *begun))
            || self.against(client).any(|fault| matches!(fault, Fault::Drop | Fault::Restart))
    }

    /// Whether a connection stands still.
    pub(super) fn stills(&self, client: &Client) -> bool {
        self.against(client).any(|fault| matches!(fault, Fault::Silent | Fault::Stall))
    }
}
