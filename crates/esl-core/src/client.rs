//! Commands from many callers to one server; with a listener beside it, calls that are followed to their end, and call
//! applications (in `app`).

mod app;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

pub use self::app::{App, AppSet, BoxError, Context};
use crate::argument::{sound, word};
use crate::error::{Error, Kind};
use crate::feed::Outlets;
use crate::handle::{Awaited, Handle, Server, Tag, Told, WeakHandle};
use crate::job::Owner;
use crate::{
    ClientOptions, Command, Connection, Credentials, Event, EventListener, EventName, Feed, HangupCause, Job, Message,
    Options, Originate, Reply, Status, Subscription,
};

/// How often [`Client::hupall`] hangs up again: calls whose originate is still under way are not met by the first one.
const HANG_UP_AGAIN: Duration = Duration::from_millis(200);

/// How often [`Client::hupall`] looks whether calls are left.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The variable that says which client made a call.
const CLIENT_VARIABLE: &str = "esl_client";

/// The variable that says for which app of which client.
const APP_VARIABLE: &str = "esl_client_app";

/// Sends commands to one server. Clones share the connection; when the last one goes, it is closed.
///
/// A future of one of its methods can be dropped at any time. The command may have been sent then; its reply is thrown
/// away, and no other caller gets it.
///
/// With an [`EventListener`] attached it can start background jobs, originate calls, and load apps.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use std::time::Duration;
///
/// use esl_core::{Client, Credentials, EventListener, Options};
///
/// let credentials = Credentials::password("ClueCon");
/// let client = Client::connect("127.0.0.1:8021", &credentials, &Options::default()).await?;
/// println!("{}", client.cmd("status").await?);
///
/// let listener = EventListener::new("127.0.0.1:8021", credentials);
/// listener.connect().await?;
/// listener.start()?;
/// client.attach(&listener);
/// let sessions = client.bgapi("show channels count").await?.get(Duration::from_secs(10)).await?;
/// let channel = client.originate("9196@127.0.0.1:5080").await?.get(Duration::from_secs(60)).await?;
/// println!("{sessions}, and now {channel}");
/// client.hupall(None).await
/// # }
/// ```
///
/// A [`Slave`](crate::Slave) is both at once, and a [`Scope`](crate::Scope) takes them down again.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Handle,
    shared: Arc<Shared>,
}

/// A [`Client`] that does not keep its connection: for what a client keeps itself, such as its apps.
#[derive(Clone, Debug)]
pub struct WeakClient {
    handle: WeakHandle,
    shared: Weak<Shared>,
}

impl WeakClient {
    /// The client, `None` once its last handle is gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Client> {
        Some(Client { handle: self.handle.upgrade()?, shared: self.shared.upgrade()? })
    }
}

#[derive(Debug)]
struct Shared {
    /// Tells this client's calls from all others.
    id: Uuid,
    options: ClientOptions,
    listener: Mutex<Option<EventListener>>,
    apps: AppSet,
    events: Arc<Outlets<Event>>,
    /// Whether the server has no `api bgapi uuid:…`, and `bgapi` is used instead.
    is_old: AtomicBool,
}

impl Client {
    /// Connects to `address` (`host:port`), logs in, and starts the connection's task.
    ///
    /// # Errors
    /// As [`Connection::connect`].
    pub async fn connect(address: &str, credentials: &Credentials, options: &Options) -> Result<Self, Error> {
        Self::connect_with(address, credentials, options, ClientOptions::default(), None).await
    }

    /// Connects, with other options and a listener from the start.
    ///
    /// # Errors
    /// As [`Connection::connect`]; also [`Error::command_error`] where a header's name cannot be sent.
    pub async fn connect_with(
        address: &str,
        credentials: &Credentials,
        options: &Options,
        client: ClientOptions,
        listener: Option<EventListener>,
    ) -> Result<Self, Error> {
        sound("a header's name", &client.app_header)?;
        sound("a header's name", &client.call_header)?;
        let server = Server { address: address.to_owned(), credentials: credentials.clone(), options: options.clone() };
        let connection = server.connect().await?;
        let client = Self::new(connection, Some(server), client);
        if let Some(listener) = listener {
            client.attach(&listener);
        }
        Ok(client)
    }

    pub(crate) fn new<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        connection: Connection<Tag, S>,
        server: Option<Server>,
        options: ClientOptions,
    ) -> Self {
        let events = Arc::new(Outlets::default());
        let outlets = events.clone();
        let sink = Box::new(move |told| match told {
            Told::Event(event, _) => outlets.give(&event),
            Told::Closed(_) => outlets.end(),
            Told::Log(_) | Told::Malformed(_) | Told::Lost | Told::Back => {}
        });
        let handle = Handle::new(connection, server, Subscription::default(), Arc::<Awaited>::default(), sink);
        let shared = Shared {
            id: Uuid::new_v4(),
            options,
            listener: Mutex::default(),
            apps: AppSet::default(),
            events,
            is_old: AtomicBool::new(false),
        };
        Self { handle, shared: Arc::new(shared) }
    }

    /// A handle that does not keep the connection.
    #[must_use]
    pub fn downgrade(&self) -> WeakClient {
        WeakClient { handle: self.handle.downgrade(), shared: Arc::downgrade(&self.shared) }
    }

    /// Tells this client's calls from all others: what `esl_client` is in their channels.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.shared.id
    }

    /// Whether the connection is over for good. Every call fails from then on.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Whether the connection is there, to be watched.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.handle.watch()
    }

    /// Says good-bye to the server and closes the connection, for all clones.
    pub async fn disconnect(&self) {
        self.handle.close().await;
    }

    /// `api <command>`: the server's reply, whatever it says.
    ///
    /// # Errors
    /// The command's text cannot be sent ([`Error::command_error`]), or the connection ended before the reply came
    /// ([`Error::is_closed`], or why it is being got back: [`Client::status`]). A command that was sent may have been done
    /// all the same.
    pub async fn api(&self, command: &str) -> Result<Reply, Error> {
        self.request(&Command::api(command)).await
    }

    /// `api <command>`: the output without white space at its ends.
    ///
    /// # Errors
    /// As [`Client::api`]; also [`Error::command_failure`] where the server answers `-ERR` or `-USAGE`.
    pub async fn cmd(&self, command: &str) -> Result<String, Error> {
        Ok(self.api(command).await?.ok()?.into_owned())
    }

    /// `api <command>`, for so long at the most.
    ///
    /// # Errors
    /// As [`Client::api`]; also [`Error::is_timeout`].
    pub async fn api_within(&self, command: &str, limit: Duration) -> Result<Reply, Error> {
        let expired = Kind::Timeout { what: "the server's reply", after: limit };
        timeout(limit, self.api(command)).await.unwrap_or_else(|_| Err(expired.into()))
    }

    /// Starts `command` as a job in the server. Its result comes in a `BACKGROUND_JOB` event with this `Job-UUID`, to
    /// the listeners; it may never come, so that a caller needs a deadline. [`Client::bgapi`] does both.
    ///
    /// By `api bgapi uuid:…`, which does not hold the connection up as `bgapi` does for a millisecond (`mod_commands`,
    /// since 1.8); by `bgapi` where the server does not know that.
    ///
    /// # Errors
    /// As [`Client::cmd`].
    pub async fn background(&self, job: Uuid, command: &str) -> Result<(), Error> {
        if !self.shared.is_old.load(Ordering::Relaxed) {
            let reply = self.request(&Command::Background { job, command: command.into() }).await?;
            if reply.job_uuid() == Some(job) {
                return Ok(());
            }
            // An older server has started a job that fails, under another UUID; one with rights may not allow it.
            self.shared.is_old.store(true, Ordering::Relaxed);
        }
        self.request(&Command::BgApi { job, command: command.into() }).await?.ok()?;
        Ok(())
    }

    /// Sends a message to a channel (`sendmsg`), which [`Message::to`] names. The server answers when it has queued it.
    ///
    /// # Errors
    /// As [`Client::cmd`].
    pub async fn sendmsg(&self, message: &Message<'_>) -> Result<(), Error> {
        self.request(&Command::SendMsg(message)).await?.ok()?;
        Ok(())
    }

    /// Has the server pass an event on to its listeners (`sendevent`). Returns the server's words: `+OK` and the event's
    /// UUID.
    ///
    /// # Errors
    /// As [`Client::cmd`].
    pub async fn sendevent(&self, name: EventName, headers: &[(&str, &str)], body: &str) -> Result<String, Error> {
        Ok(self.request(&Command::SendEvent { name, headers, body }).await?.ok()?.into_owned())
    }

    /// Changes what this connection itself is subscribed to, without a gap in what stays. Commands do not wait behind
    /// events when a listener has a connection of its own: see [`EventListener`].
    ///
    /// # Errors
    /// As [`Client::cmd`].
    pub async fn subscribe(&self, change: impl FnOnce(Subscription) -> Subscription) -> Result<(), Error> {
        self.handle.change_subscription(change).await
    }

    /// The events of this connection from now on, in a queue of at most so many. What comes while it is full is dropped and
    /// counted, see [`Feed::dropped`].
    #[must_use]
    pub fn events(&self, capacity: usize) -> Feed<Event> {
        self.shared.events.feed(capacity)
    }

    /// Sends any command.
    ///
    /// # Errors
    /// As [`Client::api`].
    pub async fn request(&self, command: &Command<'_>) -> Result<Reply, Error> {
        self.handle.request(command).await
    }

    /// Attaches a listener, instead of the one before: it sees what becomes of this client's jobs and calls, and its
    /// sessions send their commands through this client.
    pub fn attach(&self, listener: &EventListener) {
        listener.set_client(&self.shared.options);
        *listener.control().client.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.handle.downgrade());
        *self.attached() = Some(listener.clone());
    }

    /// The listener that is attached.
    #[must_use]
    pub fn listener(&self) -> Option<EventListener> {
        self.attached().clone()
    }

    /// Starts a command as a job, and follows it.
    ///
    /// # Errors
    /// [`Error::is_no_listener`] without a listener that runs; as [`Client::cmd`]; also [`Error::is_not_subscribed`] where
    /// the listener is not subscribed to `BACKGROUND_JOB`.
    pub async fn bgapi(&self, command: &str) -> Result<Job, Error> {
        self.start_job(Uuid::new_v4(), None, command).await
    }

    /// Originates a call: to a destination such as `9196@pbx.example:5080`, out through the SIP profile `external` into
    /// `park`; or as an [`Originate`] says. The job's result is the session's UUID.
    ///
    /// The call carries this client's id and the headers of [`ClientOptions`], by which its far leg is found again.
    ///
    /// # Errors
    /// As [`Client::bgapi`]; also [`Error::command_error`] where a text cannot be carried, see [`Originate::command`].
    pub async fn originate(&self, call: impl Into<Originate>) -> Result<Job, Error> {
        self.originate_for(None, call.into()).await
    }

    /// As [`Client::originate`], under the id of an app, which gets the events of the call's sessions.
    ///
    /// # Errors
    /// As [`Client::originate`].
    pub async fn originate_as(&self, app: &str, call: impl Into<Originate>) -> Result<Job, Error> {
        self.originate_for(Some(app), call.into()).await
    }

    async fn originate_for(&self, app: Option<&str>, call: Originate) -> Result<Job, Error> {
        let Shared { id, options, .. } = &*self.shared;
        let channel = call.channel();
        let mut call = call
            .variable(CLIENT_VARIABLE, id.to_string())
            .variable(format!("sip_h_{}", options.call_header), channel.to_string());
        if let Some(app) = app {
            call = call
                .variable(APP_VARIABLE, format!("{id}/{app}"))
                .variable(format!("sip_h_{}", options.app_header), app);
        }
        let command = call.command()?;
        // One UUID for the job and its channel: what follows a call needs no table from one to the other.
        let owner = Owner { client: *id, app: app.map(str::to_owned) };
        self.start_job(channel, Some(owner), &command).await
    }

    async fn start_job(&self, uuid: Uuid, owner: Option<Owner>, command: &str) -> Result<Job, Error> {
        let listener = self.listener().ok_or(Kind::NoListener)?;
        let job = Job::new(uuid, owner, self.shared.options.job_lifetime, listener.awaited());
        // Known before it is sent: its result may be here before the server's answer is.
        listener.add_job(job.clone());
        let mut pending = Pending { listener: &listener, job: Some(job) };
        // After that: a listener that ends from now on ends the job.
        listener.assert_gets(EventName::BackgroundJob)?;
        self.background(uuid, command).await?;
        // It is there as long as nobody has taken it.
        pending.job.take().ok_or_else(|| Kind::Dropped.into())
    }

    /// Hangs up the calls that this client originated, or those for one app, again and again until none is left, for 5 s
    /// at the most. Nobody else's calls are touched: it goes by a variable that only this client's have. Without a listener
    /// that runs, nobody knows what is left: it hangs up once then.
    ///
    /// # Errors
    /// As [`Client::cmd`]; [`Error::is_timeout`] where calls are left.
    pub async fn hupall(&self, app: Option<&str>) -> Result<(), Error> {
        self.hupall_within(app, Duration::from_secs(5)).await
    }

    /// As [`Client::hupall`], for so long at the most.
    ///
    /// # Errors
    /// As [`Client::hupall`].
    pub async fn hupall_within(&self, app: Option<&str>, limit: Duration) -> Result<(), Error> {
        let (variable, value) = match app {
            None => (CLIENT_VARIABLE, self.id().to_string()),
            Some(app) => {
                sound("an app's id", app)?;
                (APP_VARIABLE, format!("{}/{app}", self.id()))
            }
        };
        // With an empty value it would hang up everybody's calls; an id is never empty. One cut at a space would be
        // another app's.
        let word = word("an app's id", &value)?;
        let command = format!("hupall {} {variable} {word}", HangupCause::NORMAL_CLEARING);
        let started = Instant::now();
        loop {
            self.cmd(&command).await?;
            let Some(listener) = self.listener().filter(EventListener::is_running) else {
                return Ok(());
            };
            let again = Instant::now();
            loop {
                let left = self.left(&listener, app, variable, &value);
                if left == 0 {
                    return Ok(());
                }
                if started.elapsed() >= limit {
                    return Err(Kind::Left(left, limit).into());
                }
                if again.elapsed() >= HANG_UP_AGAIN {
                    break;
                }
                sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// How many of these calls are up or under way.
    fn left(&self, listener: &EventListener, app: Option<&str>, variable: &str, value: &str) -> usize {
        // The first session says whose call it is, and the far leg ends a moment after it.
        let calls = listener.calls();
        let up = calls.iter().filter(|call| call.first().variable(variable).as_deref() == Some(value)).count();
        let jobs = listener.bg_jobs();
        up + jobs.iter().filter(|job| job.is_call_of(self.id(), app)).count()
    }

    /// Loads an app under its name, see [`App`]. Returns its id.
    ///
    /// # Errors
    /// [`Error::is_no_listener`] where no listener is attached; the app has no callbacks, cannot be set up, or something of
    /// its name is loaded under that id already; the id cannot be one, or the listener cannot subscribe to what the app
    /// needs. Nothing of it is left behind then.
    pub async fn load_app<A: App>(&self, app: A) -> Result<String, Error> {
        self.load(None, app).await
    }

    /// Loads an app under an id of its own, so that there can be several of a kind. An id is made of ASCII letters, digits,
    /// `-`, `_` and `.`: it travels in a SIP header. Different apps under one id get the same sessions' events, in the order
    /// of loading. Apps under [`DEFAULT_APP_ID`](crate::DEFAULT_APP_ID) get the
    /// sessions that belong to no other one, such as calls from outside.
    ///
    /// # Errors
    /// As [`Client::load_app`].
    pub async fn load_app_as<A: App>(&self, id: &str, app: A) -> Result<String, Error> {
        self.load(Some(id), app).await
    }

    async fn load<A: App>(&self, id: Option<&str>, app: A) -> Result<String, Error> {
        let context = Context { client: self.clone(), id: String::new() };
        self.shared.apps.load(context, id, app).await
    }

    /// Unloads what is loaded under an id, or what has that name under it, and waits until it is torn down
    /// ([`App::tear_down`]). Says how many apps that were.
    pub async fn unload_app(&self, id: &str, name: Option<&str>) -> usize {
        let context = Context { client: self.clone(), id: id.to_owned() };
        self.shared.apps.unload(context, name).await
    }

    /// What is loaded.
    #[must_use]
    pub fn apps(&self) -> &AppSet {
        &self.shared.apps
    }

    fn attached(&self) -> MutexGuard<'_, Option<EventListener>> {
        self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that is being started. Where that fails or is given up, nobody has a handle of it, and it is none.
struct Pending<'a> {
    listener: &'a EventListener,
    job: Option<Job>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            self.listener.remove_job(job.uuid());
        }
    }
}

#[cfg(test)]
mod tests;
