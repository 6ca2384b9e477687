//! A connection that receives events, and is kept awake while an event is awaited whose time matters.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::error::Error;
use crate::{Connection, Credentials, Event, Incoming, KeepAwake, Options, Subscription};

/// Receives the events of one server. Whoever owns it must keep reading: a FreeSWITCH that cannot hand its events over
/// queues them, drops them, and in the end closes the connection.
///
/// What is no event is passed over: a line of the log, or bytes that should have been an event and are none, which are
/// counted ([`Listener::malformed`]). A [`Connection`] tells of both.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::{Credentials, EventName, Listener, Options, Subscription};
///
/// let hangups = Subscription::new([EventName::ChannelHangup]);
/// let credentials = Credentials::password("ClueCon");
/// let mut listener = Listener::connect("127.0.0.1:8021", &credentials, &Options::default(), &hangups).await?;
/// loop {
///     let event = listener.next().await?;
///     println!("{:?}: {:?}", event.unique_id(), event.get("Hangup-Cause"));
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Listener<S = TcpStream> {
    connection: Connection<(), S>,
    malformed: u64,
}

impl Listener {
    /// Connects to `address` (`host:port`), logs in and subscribes. [`Options::keep_awake`] says how it is kept awake.
    ///
    /// # Errors
    /// As [`Connection::connect`]; also where the server refuses the subscription, or takes longer than
    /// [`Options::timeout`] for it.
    pub async fn connect(
        address: &str,
        credentials: &Credentials,
        options: &Options,
        subscription: &Subscription,
    ) -> Result<Self, Error> {
        let connection = Connection::connect(address, credentials, options).await?;
        let subscribed = timeout(options.timeout, Self::subscribe(connection, subscription)).await;
        subscribed.unwrap_or_else(|_| Err(Error::timed_out("subscribing", options.timeout)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Listener<S> {
    /// Subscribes on a connection that is there, however long the server takes.
    ///
    /// # Errors
    /// The server refuses the subscription, or the connection is over.
    pub async fn subscribe(mut connection: Connection<(), S>, subscription: &Subscription) -> Result<Self, Error> {
        connection.subscribe(subscription, || ()).await?;
        Ok(Self { connection, malformed: 0 })
    }

    /// Sets how it is kept awake while something is awaited.
    pub fn set_keep_awake(&mut self, keep_awake: KeepAwake) {
        self.connection.set_keep_awake(keep_awake);
    }

    /// Says whether an event is awaited whose time matters. Only then is the connection kept awake.
    pub fn set_awaited(&mut self, awaited: bool) {
        self.connection.set_awaited(awaited);
    }

    /// The next event.
    ///
    /// Can be dropped and called again at any time: nothing is lost.
    ///
    /// # Errors
    /// The connection is over; the same again from then on.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let incoming = self.connection.next().await?;
            if let Some(event) = self.event(incoming) {
                return Ok(event);
            }
        }
    }

    /// The next event among the bytes that have been read already, `None` where there is none.
    ///
    /// # Errors
    /// As [`Listener::next`].
    pub fn buffered(&mut self) -> Result<Option<Event>, Error> {
        while let Some(incoming) = self.connection.buffered()? {
            if let Some(event) = self.event(incoming) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn event(&mut self, incoming: Incoming<()>) -> Option<Event> {
        match incoming {
            Incoming::Event(event) => Some(event),
            Incoming::Malformed(_) => {
                self.malformed += 1;
                None
            }
            _ => None,
        }
    }

    /// How many events came that could not be read.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// When the bytes that were read last had been read: the time of the last event, as close to the socket as it gets.
    pub fn received_at(&self) -> Instant {
        self.connection.received_at()
    }
}

#[cfg(test)]
mod tests;
