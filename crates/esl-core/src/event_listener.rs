//! The events of one server, and what they say of its sessions, calls and jobs. Builds on the connection's task, and adds
//! what an application wants to know.

mod resync;
mod views;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, interval, timeout};
use tracing::warn;
use uuid::Uuid;

use crate::callbacks::Groups;
use crate::error::{Error, Kind};
use crate::feed::Outlets;
use crate::handle::{AwaitedGuard, Handle, Server, Tag, Told, WeakHandle};
use crate::job::Job;
use crate::session::Control;
use crate::tracker::{Counts, Tracker};
use crate::whole::whole;
use crate::{
    AppStats, ClientOptions, Command, Connection, Credentials, Event, EventName, Feed, Filter, ListenerOptions,
    LogLevel, LogLine, Options, Status, Subscription,
};

/// How often it is looked whether a job's time is over.
const JOBS_LOOKED_AT: Duration = Duration::from_millis(500);

/// What a listener is whose connection ended for good.
const OVER: &str = "is over, since its connection ended: connect and start it again";

/// What a listener is subscribed to unless it is told otherwise: what sessions, calls and jobs are made of, and what their
/// commands wait for.
const DEFAULT_EVENTS: [EventName; 9] = [
    EventName::BackgroundJob,
    EventName::ChannelCreate,
    EventName::ChannelAnswer,
    EventName::ChannelPark,
    EventName::ChannelBridge,
    EventName::ChannelExecute,
    EventName::ChannelExecuteComplete,
    EventName::ChannelHangup,
    EventName::ChannelDestroy,
];

/// Follows one server by its events: its sessions, calls and background jobs.
///
/// It is built disconnected, so that what it does not need can be unsubscribed from; then connected; then started. Clones
/// are the same listener; its connection is closed when the last one goes. Everything it knows can be read while it runs.
///
/// A connection that breaks is got back as [`Options::reconnect`] says, subscribed as before, and what changed meanwhile
/// is asked for. A listener whose history, calls and apps nobody needs is better off with a [`Listener`](crate::Listener).
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::{Credentials, EventListener, EventName, HangupCause};
///
/// let listener = EventListener::new("127.0.0.1:8021", Credentials::password("ClueCon"));
/// listener.unsubscribe(EventName::ChannelBridge).await?;
/// listener.connect().await?;
/// listener.start()?;
///
/// let mut events = listener.events(1000);
/// while let Some(event) = events.next().await {
///     println!("{} of {:?}, {} calls are up", event.name(), event.unique_id(), listener.count_calls());
/// }
/// println!("{:?}", listener.hangup_causes());
/// println!("busy: {:?}", listener.failed_sessions(HangupCause::USER_BUSY));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EventListener(Arc<Inner>);

struct Inner {
    server: Server,
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// One who connects, starts or changes the subscription at a time.
    changing: Arc<tokio::sync::Mutex<()>>,
    events: Arc<Mutex<Events>>,
}

enum State {
    Disconnected,
    Connected(Box<Connection<Tag>>, Subscription),
    Running(Handle),
}

/// What it is subscribed to, and for whom.
#[derive(Clone, Default)]
struct Events {
    own: Subscription,
    /// How many apps want an event.
    apps: HashMap<EventName, usize>,
}

impl Events {
    fn all(&self) -> Subscription {
        // In the order of the names, so that the same apps give the same command.
        let names = EventName::ALL.iter().filter(|name| self.apps.contains_key(name));
        names.fold(self.own.clone(), |subscription, &name| subscription.with(name))
    }

    fn with_app(mut self, events: &[EventName]) -> Self {
        for name in events {
            *self.apps.entry(*name).or_default() += 1;
        }
        self
    }

    fn without_app(mut self, events: &[EventName]) -> Self {
        for name in events {
            if let Some(count) = self.apps.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.apps.remove(name);
                }
            }
        }
        self
    }
}

/// What the connection's task fills and everybody else reads.
struct Shared {
    tracker: Mutex<Tracker>,
    control: Arc<Control>,
    events: Outlets<Event>,
    log: Outlets<LogLine>,
    groups: Groups,
    /// What finds out what changed while the connection was gone; one at a time.
    resync: Mutex<Option<AbortHandle>>,
    /// The level of the log that was asked for, so that a new connection is asked for it too.
    log_level: Mutex<Option<LogLevel>>,
    /// Whether a task ends the jobs whose time is over.
    is_looked_at: Mutex<bool>,
}

impl EventListener {
    /// A listener for the server at `address` (`host:port`), with the default options, disconnected.
    pub fn new(address: impl Into<String>, credentials: Credentials) -> Self {
        Self::with_options(address, credentials, Options::default(), ListenerOptions::default())
    }

    /// A listener for the server at `address` (`host:port`), disconnected.
    pub fn with_options(
        address: impl Into<String>,
        credentials: Credentials,
        options: Options,
        tracking: ListenerOptions,
    ) -> Self {
        let control = Arc::new(Control::default());
        let groups = Groups::new(&tracking);
        let shared = Shared {
            tracker: Mutex::new(Tracker::new(tracking, control.clone())),
            control,
            events: Outlets::default(),
            log: Outlets::default(),
            groups,
            resync: Mutex::default(),
            log_level: Mutex::default(),
            is_looked_at: Mutex::default(),
        };
        Self(Arc::new(Inner {
            server: Server { address: address.into(), credentials, options },
            shared: Arc::new(shared),
            state: Mutex::new(State::Disconnected),
            changing: Arc::default(),
            events: Arc::new(Mutex::new(Events { own: Subscription::new(DEFAULT_EVENTS), apps: HashMap::new() })),
        }))
    }

    /// The server's address, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.0.server.address
    }

    /// What it is subscribed to, or will be: what it was told to, and what its apps need.
    #[must_use]
    pub fn subscription(&self) -> Subscription {
        lock(&self.0.events).all()
    }

    /// Changes what it is subscribed to: at once where it runs, without a gap in what stays; else when it connects. What
    /// its apps need besides stays as long as they are loaded.
    ///
    /// ```no_run
    /// # async fn example(listener: esl_core::EventListener) -> Result<(), esl_core::Error> {
    /// use esl_core::{EventName, Filter};
    ///
    /// listener.subscribe(|events| events.with(EventName::Dtmf).without(EventName::ChannelBridge)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The server refuses it, a text cannot be sent ([`Error::command_error`]), it is connected and not started, or there
    /// is no connection just now. Nothing has changed then.
    pub async fn subscribe(&self, change: impl FnOnce(Subscription) -> Subscription) -> Result<(), Error> {
        self.change(|events| Events { own: change(events.own), ..events }).await
    }

    async fn change(&self, change: impl FnOnce(Events) -> Events) -> Result<(), Error> {
        let one_at_a_time = self.0.changing.clone().lock_owned().await;
        let events = change(lock(&self.0.events).clone());
        let handle = match &*self.state() {
            State::Disconnected => None,
            State::Running(handle) if handle.is_closed() => None,
            State::Connected(..) => return Err(Kind::Listener("is connected but not started: start it first").into()),
            State::Running(handle) => Some(handle.clone()),
        };
        let Some(handle) = handle else {
            *lock(&self.0.events) = events;
            return Ok(());
        };
        let known = self.0.events.clone();
        // Given up half way, nobody would know what the server knows.
        let changed = whole(async move {
            let _one_at_a_time = one_at_a_time;
            handle.change_subscription(|_| events.all()).await?;
            *lock(&known) = events;
            Ok(())
        });
        changed.await
    }

    /// Takes an event out of what it is subscribed to, see [`EventListener::subscribe`].
    ///
    /// # Errors
    /// As [`EventListener::subscribe`].
    pub async fn unsubscribe(&self, name: EventName) -> Result<(), Error> {
        self.subscribe(|events| events.without(name)).await
    }

    /// Lets only events pass that have `header` with `value`, see [`Filter`].
    ///
    /// # Errors
    /// As [`EventListener::subscribe`].
    pub async fn filter(&self, header: &str, value: &str) -> Result<(), Error> {
        self.subscribe(|events| events.filter(Filter::new(header, value))).await
    }

    /// Connects, logs in and subscribes. Events wait in the server until [`EventListener::start`], which should not take
    /// long. Does nothing where it is connected already.
    ///
    /// # Errors
    /// As [`Connection::connect`]; also where the server refuses the subscription, or takes longer than
    /// [`Options::timeout`] for it.
    pub async fn connect(&self) -> Result<(), Error> {
        let _one_at_a_time = self.0.changing.lock().await;
        let over = match &*self.state() {
            State::Disconnected => None,
            State::Running(handle) if handle.is_closed() => Some(handle.clone()),
            _ => return Ok(()),
        };
        if let Some(handle) = over {
            // Until everybody has been told of its end.
            handle.close().await;
            *self.state() = State::Disconnected;
        }
        let subscription = self.subscription();
        let Server { options, .. } = &self.0.server;
        let mut connection = self.0.server.connect().await?;
        timeout(options.timeout, connection.subscribe(&subscription, || None))
            .await
            .map_err(|_| Error::timed_out("subscribing", options.timeout))??;
        // It may have ended before.
        self.0.shared.events.begin();
        self.0.shared.log.begin();
        *self.state() = State::Connected(Box::new(connection), subscription);
        Ok(())
    }

    /// Starts to follow what the server does. Does nothing where it runs already.
    ///
    /// # Errors
    /// [`Error::is_no_listener`] where it is not connected; there is no tokio runtime here whose task it could be.
    pub fn start(&self) -> Result<(), Error> {
        if Runtime::try_current().is_err() {
            return Err(Kind::NoRuntime.into());
        }
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Disconnected) {
            State::Disconnected => Err(Kind::Listener("is not connected: connect it first").into()),
            State::Running(handle) => {
                let is_closed = handle.is_closed();
                *state = State::Running(handle);
                if is_closed { Err(Kind::Listener(OVER).into()) } else { Ok(()) }
            }
            State::Connected(connection, subscription) => {
                let Inner { server, shared, .. } = &*self.0;
                let awaited = shared.control.awaited.clone();
                let sink = shared.clone();
                let sink = Box::new(move |told| sink.told(told));
                let handle = Handle::new(*connection, Some(server.clone()), subscription, awaited, sink);
                *lock(&shared.control.listener) = Some(handle.downgrade());
                if !std::mem::replace(&mut *lock(&shared.is_looked_at), true) {
                    tokio::spawn(look_at_jobs(Arc::downgrade(shared)));
                }
                *state = State::Running(handle);
                Ok(())
            }
        }
    }

    /// Whether there is a connection now. One that is being got back is none: [`EventListener::is_running`] says that it is.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        match &*self.state() {
            State::Disconnected => false,
            State::Connected(..) => true,
            State::Running(handle) => matches!(handle.status(), Status::Connected),
        }
    }

    /// Whether it follows what the server does, or is getting its connection back to do so.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(&*self.state(), State::Running(handle) if !handle.is_closed())
    }

    /// The connection's status, to be watched. `None` before it is started, and after [`EventListener::disconnect`].
    #[must_use]
    pub fn status(&self) -> Option<watch::Receiver<Status>> {
        match &*self.state() {
            State::Running(handle) => Some(handle.watch()),
            _ => None,
        }
    }

    /// Says good-bye and closes. Sessions, calls and jobs that it followed end here. It can be connected again.
    pub async fn disconnect(&self) {
        // Whoever waits for an answer while changing something is told of the end, and waited for no longer.
        let running = self.handle();
        if let Ok(handle) = running {
            handle.close().await;
        }
        let _one_at_a_time = self.0.changing.lock().await;
        let state = std::mem::replace(&mut *self.state(), State::Disconnected);
        if let State::Running(handle) = state {
            handle.close().await;
        }
    }

    /// Every event from now on, in a queue of at most so many. One that is kept for long keeps what was read with it, see
    /// [`Event::detached`].
    #[must_use]
    pub fn events(&self, capacity: usize) -> Feed<Event> {
        self.0.shared.events.feed(capacity)
    }

    /// The server's log of this level and those that are more severe, in a queue of at most so many lines. The level is the
    /// connection's: asking again changes it for all.
    ///
    /// # Errors
    /// [`Error::is_no_listener`] where it does not run; the server refuses it, or there is no connection just now.
    pub async fn log(&self, level: LogLevel, capacity: usize) -> Result<Feed<LogLine>, Error> {
        let feed = self.0.shared.log.feed(capacity);
        self.handle()?.request(&Command::Log(level)).await?.ok()?;
        *lock(&self.0.shared.log_level) = Some(level);
        Ok(feed)
    }

    /// What the applications of an id did, since the first of them was loaded. Zeros where nothing is loaded under it.
    #[must_use]
    pub fn app_stats(&self, id: &str) -> AppStats {
        self.0.shared.groups.stats(id)
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.0.shared.groups
    }

    pub(crate) fn control(&self) -> &Control {
        &self.0.shared.control
    }

    pub(crate) fn awaited(&self) -> AwaitedGuard {
        self.0.shared.control.awaited.one()
    }

    pub(crate) fn set_client(&self, client: &ClientOptions) {
        self.tracker().set_client(client);
    }

    /// That it runs and gets this event.
    pub(crate) fn assert_gets(&self, name: EventName) -> Result<(), Error> {
        self.handle()?;
        match self.subscription().contains(name) {
            true => Ok(()),
            false => Err(Kind::NotSubscribed { name }.into()),
        }
    }

    pub(crate) fn add_job(&self, job: Job) {
        self.tracker().add_job(job);
    }

    pub(crate) fn remove_job(&self, uuid: Uuid) {
        self.tracker().remove_job(uuid);
    }

    /// Subscribes to events for an application.
    pub(crate) async fn want(&self, events: &[EventName]) -> Result<(), Error> {
        self.change(|known| known.with_app(events)).await
    }

    /// Unsubscribes from those that nobody else needs.
    pub(crate) async fn unwant(&self, events: &[EventName]) {
        if self.change(|known| known.without_app(events)).await.is_err() {
            // Where the server cannot be told, it is told when the connection is back.
            let mut known = lock(&self.0.events);
            *known = known.clone().without_app(events);
        }
    }

    fn handle(&self) -> Result<Handle, Error> {
        match &*self.state() {
            State::Running(handle) if handle.is_closed() => Err(Kind::Listener(OVER).into()),
            State::Running(handle) => Ok(handle.clone()),
            State::Connected(..) => Err(Kind::Listener("is not started: start it first").into()),
            State::Disconnected => Err(Kind::Listener("is not connected: connect and start it first").into()),
        }
    }

    fn counts(&self) -> Counts {
        self.tracker().counts()
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        lock(&self.0.shared.tracker)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl Shared {
    fn told(self: &Arc<Self>, told: Told) {
        match told {
            Told::Event(event, at) => {
                let about = lock(&self.tracker).told(&event, at);
                if let Some(about) = about {
                    self.groups.dispatch(&event, about);
                }
                self.events.give(&event);
            }
            Told::Log(line) => self.log.give(&line),
            Told::Malformed(error) => {
                if lock(&self.tracker).malformed() == 1 {
                    warn!(%error, "an event that is none; more of them are only counted");
                }
            }
            Told::Lost => self.resync(None),
            Told::Back => {
                self.resync(Some(tokio::spawn(resync::resync(Arc::downgrade(self), Instant::now())).abort_handle()));
                self.log_again();
            }
            Told::Closed(error) => {
                self.resync(None);
                *lock(&self.log_level) = None;
                lock(&self.tracker).close(&error, Instant::now());
                self.events.end();
                self.log.end();
            }
        }
    }

    /// The one before is of no use any more.
    fn resync(&self, new: Option<AbortHandle>) {
        if let Some(old) = std::mem::replace(&mut *lock(&self.resync), new) {
            old.abort();
        }
    }

    fn log_again(&self) {
        let level = *lock(&self.log_level);
        let handle = lock(&self.control.listener).as_ref().and_then(WeakHandle::upgrade);
        if let Some((level, handle)) = level.zip(handle)
            && let Err(error) = handle.post(&Command::Log(level))
        {
            warn!(%error, "the server's log cannot be asked for again");
        }
    }
}

/// Ends jobs whose time is over, for as long as somebody may wait for one.
async fn look_at_jobs(shared: Weak<Shared>) {
    let mut ticks = interval(JOBS_LOOKED_AT);
    loop {
        let now = ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        lock(&shared.tracker).expire_jobs(now);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for EventListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.is_connected(), self.is_running()) {
            (_, true) => "running",
            (true, false) => "connected",
            (false, false) => "disconnected",
        };
        write!(f, "EventListener({}, {state})", self.address())
    }
}

#[cfg(test)]
mod tests;
