//! A client whose functions wait, and the calls that it makes.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::runtime::Runtime;
use super::{Job, Session};
use crate::error::{Error, Kind};
use crate::{App, Credentials, EventListener, EventName, HangupCause, Originate, Reply, Scope};

/// How long a call that did not come up in time may take to be gone, and how often it is hung up until then: one that is
/// still on its way to the server is not met by the first time.
const GONE_WITHIN: Duration = Duration::from_secs(2);
const HANG_UP_AGAIN: Duration = Duration::from_millis(50);

/// A client with a listener that runs. Dropping it unloads its apps and closes its connections.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    /// There until it is dropped.
    scoped: Option<crate::Scoped>,
    client: crate::Client,
    listener: EventListener,
}

impl Client {
    /// Connects to `address` (`host:port`), with a listener and without apps.
    ///
    /// # Errors
    /// As [`Slave::connect`](crate::Slave::connect); [`Error::is_inside_runtime`]; the system gives no threads.
    pub fn connect(address: &str, credentials: &Credentials) -> Result<Self, Error> {
        Self::open(Scope::new(address, credentials.clone()))
    }

    /// Opens a scope: connects, and loads its apps.
    ///
    /// # Errors
    /// As [`Scope::open`]; [`Error::is_inside_runtime`]; the system gives no threads.
    pub fn open(scope: Scope) -> Result<Self, Error> {
        let runtime = Runtime::new()?;
        let scoped = runtime.wait_ok(scope.open())?;
        let (client, listener) = (scoped.client().clone(), scoped.listener().clone());
        Ok(Self { runtime, scoped: Some(scoped), client, listener })
    }

    /// Takes the apps down and closes the connections, and waits for that, as dropping it does. Calls stay as they are.
    pub fn disconnect(self) {
        drop(self);
    }

    /// The client beneath, for what has no function here.
    #[must_use]
    pub fn get_ref(&self) -> &crate::Client {
        &self.client
    }

    /// Its listener: what is read from it needs no waiting.
    #[must_use]
    pub fn listener(&self) -> &EventListener {
        &self.listener
    }

    /// Waits for any future, such as one of [`Client::get_ref`]'s.
    ///
    /// # Errors
    /// [`Error::is_inside_runtime`].
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        self.runtime.wait(future)
    }

    /// `api <command>`: the server's reply, whatever it says, see [`crate::Client::api`].
    ///
    /// # Errors
    /// As [`crate::Client::api`]; [`Error::is_inside_runtime`].
    pub fn api(&self, command: &str) -> Result<Reply, Error> {
        self.runtime.wait_ok(self.client.api(command))
    }

    /// `api <command>`: the output, see [`crate::Client::cmd`].
    ///
    /// # Errors
    /// As [`crate::Client::cmd`]; [`Error::is_inside_runtime`].
    pub fn cmd(&self, command: &str) -> Result<String, Error> {
        self.runtime.wait_ok(self.client.cmd(command))
    }

    /// Starts a command as a job, see [`crate::Client::bgapi`].
    ///
    /// # Errors
    /// As [`crate::Client::bgapi`]; [`Error::is_inside_runtime`].
    pub fn bgapi(&self, command: &str) -> Result<Job, Error> {
        let job = self.runtime.wait_ok(self.client.bgapi(command))?;
        Ok(Job { runtime: self.runtime.clone(), job })
    }

    /// Originates a call, see [`crate::Client::originate`]. [`Client::call`] waits until it is up.
    ///
    /// # Errors
    /// As [`crate::Client::originate`]; [`Error::is_inside_runtime`].
    pub fn originate(&self, call: impl Into<Originate>) -> Result<Job, Error> {
        let job = self.runtime.wait_ok(self.client.originate(call))?;
        Ok(Job { runtime: self.runtime.clone(), job })
    }

    /// As [`Client::originate`], under the id of an app.
    ///
    /// # Errors
    /// As [`Client::originate`].
    pub fn originate_as(&self, app: &str, call: impl Into<Originate>) -> Result<Job, Error> {
        let job = self.runtime.wait_ok(self.client.originate_as(app, call))?;
        Ok(Job { runtime: self.runtime.clone(), job })
    }

    /// Makes a call for an app, and returns its first session once it is answered. A call that is not by then is hung up.
    ///
    /// # Errors
    /// The server's words where the call fails ([`Error::command_failure`]), [`Error::ended`] where it ends before it is
    /// answered, [`Error::is_timeout`]; nothing is loaded under that id; as [`Client::originate_as`].
    pub fn call(&self, call: impl Into<Originate>, app: &str, limit: Duration) -> Result<Session, Error> {
        let call = call.into();
        let session = self.runtime.wait_ok(self.up(call, app, limit))?;
        Ok(Session { runtime: self.runtime.clone(), session })
    }

    async fn up(&self, call: Originate, app: &str, limit: Duration) -> Result<crate::Session, Error> {
        if self.client.apps().names(app).is_empty() {
            let reason = "nothing is loaded under this id".to_owned();
            return Err(Kind::App { id: app.to_owned(), reason }.into());
        }
        let uuid = call.channel();
        let job = self.client.originate_as(app, call).await?;
        let up = async {
            job.clone().await?;
            let ended = || Error::from(Kind::Ended { channel: uuid, cause: HangupCause::UNKNOWN });
            let session = self.listener.session(uuid).ok_or_else(ended)?;
            // Early media is a result, too. The answer is expected before it is looked for, so that it is not missed.
            let answer = session.recv(EventName::ChannelAnswer, limit);
            if !session.answered() {
                answer.await?;
            }
            Ok(session)
        };
        let error = match timeout(limit, up).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(error)) => error,
            Err(_) => Error::timed_out("a call's answer", limit),
        };
        let gone = Instant::now() + GONE_WITHIN;
        while !job.ready() || self.listener.session(uuid).is_some() {
            // Where it cannot be hung up it is gone, or nobody can.
            let _ = self.client.api(&format!("uuid_kill {uuid}")).await;
            sleep(HANG_UP_AGAIN).await;
            if Instant::now() >= gone || self.client.is_closed() {
                break;
            }
        }
        Err(error)
    }

    /// Loads an app under its name, see [`crate::Client::load_app`].
    ///
    /// # Errors
    /// As [`crate::Client::load_app`]; [`Error::is_inside_runtime`].
    pub fn load_app<A: App>(&self, app: A) -> Result<String, Error> {
        self.runtime.wait_ok(self.client.load_app(app))
    }

    /// Loads an app under an id, see [`crate::Client::load_app_as`].
    ///
    /// # Errors
    /// As [`Client::load_app`].
    pub fn load_app_as<A: App>(&self, id: &str, app: A) -> Result<String, Error> {
        self.runtime.wait_ok(self.client.load_app_as(id, app))
    }

    /// Unloads what is loaded under an id, or what has that name under it. Says how many apps that were.
    ///
    /// # Errors
    /// [`Error::is_inside_runtime`].
    pub fn unload_app(&self, id: &str, name: Option<&str>) -> Result<usize, Error> {
        self.runtime.wait(self.client.unload_app(id, name))
    }

    /// Hangs up the calls that this client originated, or those for one app, see [`crate::Client::hupall`].
    ///
    /// # Errors
    /// As [`crate::Client::hupall`]; [`Error::is_inside_runtime`].
    pub fn hupall(&self, app: Option<&str>) -> Result<(), Error> {
        self.runtime.wait_ok(self.client.hupall(app))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(scoped) = self.scoped.take() {
            self.runtime.clone().finish(scoped.close());
        }
    }
}
