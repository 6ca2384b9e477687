//! What the slaves' tasks of a run share: counters that are changed without a lock, and each other's inboxes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use esl_core::Event;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use uuid::Uuid;

use super::AssignedCall;
use super::number_owners::NumberOwners;
use super::open_calls::OpenCalls;
use super::slave_states::SlaveStates;
use super::slots::Slots;
use crate::engine::call::FarLegEvent;
use crate::engine::script_run::LegCommand;
use crate::plan::Plan;

/// Messages that may wait for a slave's task, which empties its inbox on every turn.
const INBOX_MAX: usize = 65_536;

/// Everything that the slaves' tasks of one run share.
#[derive(Debug)]
pub struct Shared {
    /// How many calls may be up at a time.
    pub slots: Slots,
    /// Whether the last call that was placed belongs to a measured phase.
    measuring: AtomicBool,
    /// The state of each slave.
    pub slave_states: SlaveStates,
    /// The calls that are not accounted for yet.
    pub open_calls: OpenCalls,
    /// The calls that use the plan's numbers.
    pub(super) owners: NumberOwners,
    /// How many slaves await events of their calls whose time is measured.
    awaiting: AtomicU64,
    /// Notified when the first slave begins to await such an event.
    begins: Notify,
    inboxes: Vec<mpsc::Sender<PeerMessage>>,
}

/// A message from one slave's task to another's.
#[derive(Debug)]
pub(super) enum PeerMessage {
    /// Place this call, which its own slave could not place.
    Take(AssignedCall),
    /// An event of the far leg of a call of the receiver, on the sender's server.
    Far(Box<FarLegMessage>),
    /// Send this command to a far leg on the receiver's server.
    LegCommand(Uuid, LegCommand),
    /// Hang up a far leg on the receiver's server, which outlived its call.
    HangUp(Uuid),
}

/// An event of a far leg.
#[derive(Debug)]
pub(super) struct FarLegMessage {
    /// The attempt of its call.
    pub(super) attempt: u64,
    /// The slave on whose server the leg is.
    pub(super) slave: usize,
    /// The leg.
    pub(super) leg: Uuid,
    /// What happened to it.
    pub(super) change: Option<FarLegEvent>,
    /// The event itself, for the call's app.
    pub(super) event: Option<Event>,
    /// When the event arrived.
    pub(super) at: Instant,
}

impl Shared {
    /// For the slaves of a plan. Also returns each slave's inbox.
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

    /// Counts a call that has its slot and is being sent.
    pub(super) fn placed(&self, measured: bool) {
        if measured {
            self.slots.note_peak();
        }
        self.measuring.store(measured, Ordering::Relaxed);
    }

    /// Whether figures that belong to no call, such as event delays, are measured at the moment.
    pub(super) fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }

    /// A slave begins or ceases to await events of its calls.
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

    /// Whether any slave awaits events of its calls.
    pub(super) fn is_awaiting(&self) -> bool {
        self.awaiting.load(Ordering::Relaxed) > 0
    }

    /// Sends a message to a slave's inbox. `false` where the inbox is full or its task has ended.
    pub(super) fn post(&self, slave: usize, message: PeerMessage) -> bool {
        self.inboxes.get(slave).is_some_and(|inbox| inbox.try_send(message).is_ok())
    }
}
