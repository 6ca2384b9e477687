//! A client with its listener and apps for as long as something runs, and no longer.

use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;

use tokio::runtime::Handle;

use crate::error::Error;
use crate::{App, Client, Contact, Credentials, EventListener, Slave, unwind};

type Load = Box<dyn for<'a> FnOnce(&'a Client) -> Loading<'a> + Send>;
type Loading<'a> = Pin<Box<dyn Future<Output = Result<String, Error>> + Send + 'a>>;

/// What is set up before something runs and taken down after it: a client, its listener, and apps.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::apps::TonePlay;
/// use esl_core::{Credentials, Originate, Scope};
/// use std::time::Duration;
/// use uuid::Uuid;
///
/// let scope = Scope::new("127.0.0.1:8021", Credentials::password("ClueCon")).app(TonePlay);
/// let answer = scope.run(async |client| {
///     let call = Originate::new(Uuid::new_v4(), "sofia/external/park@127.0.0.1:5080", "park");
///     let job = client.originate_as("TonePlay", call).await?;
///     let session = job.get(Duration::from_secs(30)).await?;
///     client.hupall(None).await?;
///     Ok::<_, esl_core::Error>(session)
/// });
/// println!("{}", answer.await?);
/// # Ok(()) }
/// ```
#[must_use = "a scope does nothing until it is run or opened"]
pub struct Scope {
    contact: Contact,
    apps: Vec<Load>,
}

impl Scope {
    /// For the server at `address` (`host:port`), with the default options.
    pub fn new(address: impl Into<String>, credentials: Credentials) -> Self {
        Self::of(Contact::new(address, credentials))
    }

    /// For this server.
    pub fn of(contact: Contact) -> Self {
        Self { contact, apps: Vec::new() }
    }

    /// With this app under its own name, see [`Client::load_app`].
    pub fn app<A: App>(mut self, app: A) -> Self {
        self.apps.push(Box::new(move |client| Box::pin(client.load_app(app))));
        self
    }

    /// With this app under an id, see [`Client::load_app_as`].
    pub fn app_as<A: App>(mut self, id: impl Into<String>, app: A) -> Self {
        let id = id.into();
        self.apps.push(Box::new(move |client| Box::pin(async move { client.load_app_as(&id, app).await })));
        self
    }

    /// Connects, loads the apps, runs `body`, and takes all of it down again: the apps are unloaded, and both connections
    /// are closed, before this returns, also where `body` gives an error or panics, which goes on then. Where this is
    /// dropped before its end, that is done in a task.
    ///
    /// # Errors
    /// As [`Scope::open`], and whatever `body` gives.
    pub async fn run<T, E, F>(self, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&Client) -> Result<T, E>,
        E: From<Error>,
    {
        let scoped = self.open().await?;
        let result = unwind::catch(body(scoped.client())).await;
        scoped.close().await;
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Connects, loads the apps, and starts the listener, so that apps miss nothing from its first event on. What it gives
    /// has to be closed, or is when it is dropped. An [`App::set_up`] can send commands, and not follow calls yet.
    ///
    /// # Errors
    /// As [`Slave::connect`] and [`Client::load_app`]. Nothing stays open or loaded then.
    pub async fn open(self) -> Result<Scoped, Error> {
        let scoped = Scoped { slave: Slave::prepare(&self.contact).await?, is_open: true };
        let loaded_and_started = async {
            for load in self.apps {
                load(scoped.client()).await?;
            }
            scoped.slave.start().await
        };
        if let Err(error) = loaded_and_started.await {
            scoped.close().await;
            return Err(error);
        }
        Ok(scoped)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({}, {} apps)", self.contact.address, self.apps.len())
    }
}

/// An open [`Scope`]. Dropping it takes everything down, in a task of the runtime that it is dropped in; [`Scoped::close`]
/// does so and waits.
#[derive(Debug)]
pub struct Scoped {
    slave: Slave,
    is_open: bool,
}

impl Scoped {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.slave.client()
    }

    /// The listener that is attached to it.
    #[must_use]
    pub fn listener(&self) -> &EventListener {
        self.slave.listener()
    }

    /// Unloads the apps and closes both connections, other handles to them notwithstanding.
    pub async fn close(mut self) {
        // Open until it is done, so that what is left where this is dropped is done in a task.
        self.slave.shut_down().await;
        self.is_open = false;
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.is_open, Handle::try_current()) {
            let slave = self.slave.clone();
            runtime.spawn(async move { slave.shut_down().await });
        }
    }
}
