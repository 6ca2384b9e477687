//! Which application gets which event: the callbacks under each id, in a task of its own.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::{Call2, Callback, Callbacks, DEFAULT_APP_ID};
use crate::session::{Call, Session};
use crate::tracker::About;
use crate::{Event, EventName, ListenerOptions};

/// What an id's applications did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppStats {
    /// Events that were put into their queue.
    pub events: u64,
    /// Events that were dropped because they were too slow, or because too many handlers were running.
    pub dropped: u64,
    /// Handlers that ended with an error, and callbacks that panicked.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    events: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

struct Item {
    event: Event,
    session: Session,
    /// Keeps the call until it has been handled: the session knows it no longer than it lasts.
    _call: Option<Call>,
}

/// What one application under an id wants, and what of it is running.
#[derive(Clone)]
struct Member {
    name: String,
    callbacks: Arc<Callbacks>,
    running: TaskTracker,
    unloaded: CancellationToken,
}

/// The callbacks under one id.
struct Group {
    members: RwLock<Vec<Member>>,
    queue: mpsc::Sender<Item>,
    counters: Counters,
    handlers: Arc<Semaphore>,
}

/// The applications of a listener, by their ids.
pub(crate) struct Groups {
    groups: RwLock<HashMap<String, Arc<Group>>>,
    /// Events that wait for an id's applications at most.
    events_max: usize,
    /// Handlers of an id that run at the same time at most.
    handlers_max: usize,
}

impl Groups {
    /// As the options say.
    pub(crate) fn new(options: &ListenerOptions) -> Self {
        // Neither a queue nor a semaphore takes any number.
        let fit = |count: usize| count.clamp(1, Semaphore::MAX_PERMITS);
        let (events_max, handlers_max) = (fit(options.app_events), fit(options.app_handlers));
        Self { groups: RwLock::default(), events_max, handlers_max }
    }

    /// Adds callbacks under an id. `false` where something of that name is there already.
    pub(crate) fn add(&self, id: &str, name: &str, callbacks: Callbacks) -> bool {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let group = groups.entry(id.to_owned()).or_insert_with(|| Group::start(self.events_max, self.handlers_max));
        let mut members = group.members.write().unwrap_or_else(PoisonError::into_inner);
        if members.iter().any(|known| known.name == name) {
            return false;
        }
        members.push(Member {
            name: name.to_owned(),
            callbacks: Arc::new(callbacks),
            running: TaskTracker::new(),
            unloaded: CancellationToken::new(),
        });
        true
    }

    /// Takes callbacks out, ends the handlers of theirs that run, and waits until none does. Returns the events that they
    /// were for.
    pub(crate) async fn remove(&self, id: &str, name: &str) -> Option<Vec<EventName>> {
        let member = self.take(id, name)?;
        member.unloaded.cancel();
        member.running.close();
        member.running.wait().await;
        Some(member.callbacks.events())
    }

    fn take(&self, id: &str, name: &str) -> Option<Member> {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let group = groups.get(id)?.clone();
        let mut members = group.members.write().unwrap_or_else(PoisonError::into_inner);
        let place = members.iter().position(|known| known.name == name)?;
        let member = members.remove(place);
        if members.is_empty() {
            groups.remove(id);
        }
        Some(member)
    }

    pub(crate) fn contains(&self, id: &str, name: &str) -> bool {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.get(id).is_some_and(|group| group.members().iter().any(|known| known.name == name))
    }

    pub(crate) fn stats(&self, id: &str) -> AppStats {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.get(id).map(|group| group.stats()).unwrap_or_default()
    }

    /// Hands an event to the applications that its session belongs to.
    pub(crate) fn dispatch(&self, event: &Event, about: About) {
        let About { session, call } = about;
        let app = session.app_id();
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let Some(group) = groups.get(app.as_deref().unwrap_or(DEFAULT_APP_ID)) else {
            return;
        };
        if !group.wants(event.name()) {
            return;
        }
        // An event shares what was read with it, and may wait a while.
        let item = Item { event: event.detached(), session, _call: call };
        let counter = match group.queue.try_send(item) {
            Ok(()) => &group.counters.events,
            Err(_) => &group.counters.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Group {
    fn start(events_max: usize, handlers_max: usize) -> Arc<Self> {
        let (queue, mut items) = mpsc::channel::<Item>(events_max);
        let group = Arc::new(Self {
            members: RwLock::default(),
            queue,
            counters: Counters::default(),
            handlers: Arc::new(Semaphore::new(handlers_max)),
        });
        let weak = Arc::downgrade(&group);
        tokio::spawn(async move {
            // The group holds the sending end: when it goes, there is no more to come.
            while let Some(item) = items.recv().await {
                let Some(group) = weak.upgrade() else { break };
                group.handle(&item);
            }
        });
        group
    }

    fn members(&self) -> Vec<Member> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wants(&self, name: EventName) -> bool {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.iter().any(|member| member.callbacks.callbacks.iter().any(|(wanted, _)| *wanted == name))
    }

    fn stats(&self) -> AppStats {
        let Counters { events, dropped, failed } = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AppStats { events: read(events), dropped: read(dropped), failed: read(failed) }
    }

    fn handle(self: &Arc<Self>, item: &Item) {
        for member in self.members() {
            for (wanted, callback) in &member.callbacks.callbacks {
                if *wanted != item.event.name() {
                    continue;
                }
                // Whoever unloads it waits for this.
                let _running = member.running.token();
                if member.unloaded.is_cancelled() {
                    break;
                }
                // What panics in an application is its own loss, not that of the others.
                let called = catch_unwind(AssertUnwindSafe(|| match callback {
                    Callback::Called(callback) => callback(&item.event, &item.session),
                    Callback::Handler(handler) => self.start_handler(&member, handler, item),
                }));
                if called.is_err() {
                    self.counters.failed.fetch_add(1, Ordering::Relaxed);
                    error!(app = member.name, event = %item.event.name(), "a callback panicked");
                }
            }
        }
    }

    fn start_handler(self: &Arc<Self>, member: &Member, handler: &Call2, item: &Item) {
        let Ok(permit) = self.handlers.clone().try_acquire_owned() else {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let future = handler(item.event.clone(), item.session.clone());
        let (group, app, session) = (self.clone(), member.name.clone(), item.session.clone());
        let unloaded = member.unloaded.clone();
        member.running.spawn(async move {
            let _permit = permit;
            let mut failure = Failure { group, failed: true };
            match unloaded.run_until_cancelled(future).await {
                None | Some(Ok(())) => failure.failed = false,
                // A channel that ended is how most handlers end.
                Some(Err(error)) if error.ended().is_some() => failure.failed = false,
                Some(Err(error)) => warn!(app, session = %session.uuid(), %error, "a handler failed"),
            }
        });
    }
}

/// Counts a handler that fails, also where it panics.
struct Failure {
    group: Arc<Group>,
    failed: bool,
}

impl Drop for Failure {
    fn drop(&mut self) {
        if self.failed {
            self.group.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
