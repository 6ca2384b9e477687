//! One server as a program drives it: a client for commands, and a listener that follows what comes of them.

use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;

use crate::error::{Error, Kind};
use crate::{Client, ClientOptions, Credentials, EventListener, ListenerOptions, Options, Status, unwind};

/// How long the apps of a server may take to be torn down, all together, before its connections are closed under them.
const TEAR_DOWN_MAX: Duration = Duration::from_secs(5);

/// Where a server is, how to get in, and how to follow it.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its address, `host:port`.
    pub address: String,
    /// How to get in.
    pub credentials: Credentials,
    /// How both of its connections are made and kept.
    pub options: Options,
    /// What the client's calls carry.
    pub client: ClientOptions,
    /// How the listener keeps track.
    pub listener: ListenerOptions,
}

impl Contact {
    /// A server with the default options.
    pub fn new(address: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            address: address.into(),
            credentials,
            options: Options::default(),
            client: ClientOptions::default(),
            listener: ListenerOptions::default(),
        }
    }
}

impl<A: Into<String>> From<(A, Credentials)> for Contact {
    fn from((address, credentials): (A, Credentials)) -> Self {
        Self::new(address, credentials)
    }
}

/// A server: a [`Client`] with its [`EventListener`] attached. Clones are the same; when the last one goes, and no other
/// handle of either is left, both connections are closed.
#[derive(Clone, Debug)]
pub struct Slave {
    client: Client,
    listener: EventListener,
}

impl Slave {
    /// Connects both, and starts the listener.
    ///
    /// # Errors
    /// As [`Connection::connect`](crate::Connection::connect), with the server's address; also where the server refuses
    /// the listener's subscription.
    pub async fn connect(contact: &Contact) -> Result<Self, Error> {
        let slave = Self::prepare(contact).await?;
        slave.start().await?;
        Ok(slave)
    }

    /// Connects the client alone: apps can be loaded, and see every event from the moment of [`Slave::start`] on.
    ///
    /// # Errors
    /// As [`Slave::connect`].
    pub async fn prepare(contact: &Contact) -> Result<Self, Error> {
        let Contact { address, credentials, options, client, listener } = contact.clone();
        let listener = EventListener::with_options(&address, credentials.clone(), options.clone(), listener);
        let client = Client::connect_with(&address, &credentials, &options, client, Some(listener.clone())).await;
        let client = client.map_err(|error| of_server(address, error))?;
        Ok(Self { client, listener })
    }

    /// Connects and starts the listener. Does nothing where it runs.
    ///
    /// # Errors
    /// As [`Slave::connect`].
    pub async fn start(&self) -> Result<(), Error> {
        let started = async {
            self.listener.connect().await?;
            self.listener.start()
        };
        started.await.map_err(|error| of_server(self.address().to_owned(), error))
    }

    /// Its address, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        self.listener.address()
    }

    /// What sends commands to it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What follows it.
    #[must_use]
    pub fn listener(&self) -> &EventListener {
        &self.listener
    }

    /// Whether its listener runs: it follows the server, or is getting its connection back.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.listener.is_running()
    }

    /// Unloads what is loaded, and closes both connections. An app whose cleaning up panics or hangs keeps nothing open.
    /// Calls stay as they are: see [`Client::hupall`].
    pub async fn shut_down(&self) {
        let unloaded = async {
            for id in self.client.apps().ids() {
                if let Err(panic) = unwind::catch(self.client.unload_app(&id, None)).await {
                    warn!(server = self.address(), id, panic = unwind::words(&*panic), "an app's cleaning up panicked");
                }
            }
        };
        if timeout(TEAR_DOWN_MAX, unloaded).await.is_err() {
            warn!(server = self.address(), after = ?TEAR_DOWN_MAX, "an app's cleaning up takes too long");
        }
        tokio::join!(self.listener.disconnect(), self.client.disconnect());
    }

    /// Waits until the listener is over for good, and says why.
    pub(crate) async fn ended(&self) -> Error {
        let Some(mut status) = self.listener.status() else {
            return Kind::Dropped.into();
        };
        match status.wait_for(|status| matches!(status, Status::Closed(_))).await.as_deref() {
            Ok(Status::Closed(error)) => error.clone(),
            _ => Kind::Dropped.into(),
        }
    }
}

fn of_server(address: String, error: Error) -> Error {
    Kind::Slaves(vec![(address, error)]).into()
}
