//! What applications want to be called for, and (in `groups`) the tasks that call them for each event of a listener.

mod groups;

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;

pub use self::groups::AppStats;
pub(crate) use self::groups::Groups;
use crate::error::Error;
use crate::{Event, EventName, Session};

/// The id whose applications get the sessions that belong to no other one.
///
/// A session belongs to the id that its header names, loaded or not, since it may be that of another client. Whoever calls
/// from outside can set that header: have what is in front of the server remove it, or give it a name of your own
/// ([`ClientOptions::app_header`](crate::ClientOptions::app_header)).
pub const DEFAULT_APP_ID: &str = "default";

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

type Call1 = Box<dyn Fn(&Event, &Session) + Send + Sync>;
type Call2 = Box<dyn Fn(Event, Session) -> BoxFuture<Result<(), Error>> + Send + Sync>;

enum Callback {
    /// Called in the application's task.
    Called(Call1),
    /// Runs in a task of its own.
    Handler(Call2),
}

/// What an application wants to be called for.
#[derive(Default)]
pub struct Callbacks {
    callbacks: Vec<(EventName, Callback)>,
    subscribed: HashSet<EventName>,
}

impl Callbacks {
    /// Calls `callback` for every event of that name, one after the other in the order in which they came. It should be
    /// quick: while it runs, the events of all sessions of its id wait.
    pub fn call(&mut self, name: EventName, callback: impl Fn(&Event, &Session) + Send + Sync + 'static) {
        self.callbacks.push((name, Callback::Called(Box::new(callback))));
    }

    /// Runs `handler` in a task of its own for every event of that name: it can wait for what comes next of its session.
    pub fn handler<F, Fut>(&mut self, name: EventName, handler: F)
    where
        F: Fn(Event, Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let handler = move |event, session| -> BoxFuture<_> { Box::pin(handler(event, session)) };
        self.callbacks.push((name, Callback::Handler(Box::new(handler))));
    }

    /// Has the listener subscribe to events that nothing is called for: handlers may wait for them.
    pub fn subscribe(&mut self, name: EventName) {
        self.subscribed.insert(name);
    }

    /// Whether nothing is called for any event.
    pub(crate) fn is_empty(&self) -> bool {
        self.callbacks.is_empty()
    }

    /// The events that the listener has to be subscribed to.
    pub(crate) fn events(&self) -> Vec<EventName> {
        let called = self.callbacks.iter().map(|(name, _)| *name);
        let events: HashSet<EventName> = called.chain(self.subscribed.iter().copied()).collect();
        events.into_iter().collect()
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.callbacks.iter().map(|(name, _)| name)).finish()
    }
}
