//! Call processing that runs until it is told to stop, over any number of servers.

use tokio::sync::watch;
use tracing::{info, warn};

use crate::error::Error;
use crate::{App, Contact, DEFAULT_APP_ID, Pool, Slave};

/// The header by which a server itself tells which of its sessions are one call.
const SERVER_S_CALL_HEADER: &str = "Channel-Call-UUID";

/// Apps that process the calls of many servers: those that come from outside, for as long as it runs.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::apps::Proxier;
/// use esl_core::{Contact, Credentials, Service};
///
/// let service = Service::connect([Contact::new("pbx.example:8021", Credentials::password("ClueCon"))]).await?;
/// service.load_app(|_| Proxier).await?;
/// let stopper = service.stopper();
/// tokio::spawn(async move {
///     let _ = tokio::signal::ctrl_c().await;
///     stopper.stop();
/// });
/// service.run().await?;
/// # Ok(()) }
/// ```
///
/// Sessions are one call where the server says so: what is in a call's SIP headers is somebody else's word. Where an app
/// is to follow calls in another way, [`ListenerOptions::call_header`](crate::ListenerOptions::call_header) says how.
#[derive(Debug)]
pub struct Service {
    pool: Pool,
    stop: watch::Sender<bool>,
}

/// Stops a [`Service`] from elsewhere.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Has [`Service::run`] close down and return. Once is for good.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Service {
    /// Connects to all servers at the same time. Their calls are followed from [`Service::run`] on.
    ///
    /// # Errors
    /// As [`Pool::connect`].
    pub async fn connect<C: Into<Contact>>(contacts: impl IntoIterator<Item = C>) -> Result<Self, Error> {
        let contacts = contacts.into_iter().map(|contact| {
            let mut contact: Contact = contact.into();
            contact.listener.call_header.get_or_insert_with(|| SERVER_S_CALL_HEADER.to_owned());
            contact
        });
        Ok(Self { pool: Pool::prepare(contacts).await?, stop: watch::Sender::new(false) })
    }

    /// The servers.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Loads an app for the calls that belong to no other app, as those from outside do, into every server, see
    /// [`Pool::load_app`]. Its [`App::set_up`] can send commands; calls are followed from [`Service::run`] on.
    ///
    /// # Errors
    /// As [`Pool::load_app`].
    pub async fn load_app<A: App>(&self, app: impl FnMut(&Slave) -> A) -> Result<String, Error> {
        self.pool.load_app_as(DEFAULT_APP_ID, app).await
    }

    /// Loads an app for the calls of an id into every server, see [`Pool::load_app_as`].
    ///
    /// # Errors
    /// As [`Pool::load_app`].
    pub async fn load_app_as<A: App>(&self, id: &str, app: impl FnMut(&Slave) -> A) -> Result<String, Error> {
        self.pool.load_app_as(id, app).await
    }

    /// Processes calls until it is stopped, then unloads the apps and closes all connections. Runs once: a service that
    /// has ended stays so. Where this is dropped, the service goes on as long as it is there itself.
    ///
    /// # Errors
    /// A server's listener does not start, or the last one is over for good: [`Error::failures`] says why each is. One
    /// that is over while others go on is logged; one that is getting its connection back is not over.
    pub async fn run(&self) -> Result<(), Error> {
        let mut stop = self.stop.subscribe();
        let serve = async {
            self.pool.start().await?;
            info!(servers = self.pool.len(), "the service runs");
            let ended = self.pool.evals_async(|slave| async move {
                let error = slave.ended().await;
                warn!(server = slave.address(), %error, "the service lost a server");
            });
            ended.await;
            Err(self.pool.ended().await)
        };
        let outcome = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Ok(()),
            outcome = serve => outcome,
        };
        self.pool.shut_down().await;
        info!("the service has ended");
        outcome
    }

    /// Whether at least one server's calls are followed.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.pool.slaves().iter().any(Slave::is_alive)
    }

    /// What stops it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Stops it: unloads the apps and closes all connections. Calls stay as they are.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.pool.shut_down().await;
    }
}
