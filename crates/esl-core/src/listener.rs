//! A connection that receives events, and is kept awake while an event is awaited whose time matters.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::{Command, Connection, Credentials, Event, Incoming, Options, Subscription};

/// What one `noop` costs this side, a write, a read and a timer: 500 a second took 2.4 % of a core, 49 µs each, with a
/// multi-threaded tokio (34 µs with a single-threaded one).
pub const KEEP_AWAKE_COST: Duration = Duration::from_micros(50);

/// `noop`s that may be unanswered. Too many at once do harm: 20,000 queued commands held an event up for 82 ms.
const UNANSWERED_MAX: usize = 8;

/// A period is so long at most; beyond, it is as good as off.
const PERIOD_MAX: Duration = Duration::from_secs(3600);

/// How a listener's connection is kept awake.
///
/// A FreeSWITCH's thread for a connection waits up to 20 ms for input before it looks at its event queue again
/// (`mod_event_socket`), so that events come up to 20 ms late. A command that does nothing wakes it. With one every 2 ms
/// an answer was seen 3.5 ms (median) after the `200 OK` on the wire, without it 13.0 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAwake {
    period: Option<Duration>,
}

impl KeepAwake {
    /// Not at all: events come up to 20 ms late.
    pub const OFF: Self = Self { period: None };

    /// A `noop` so often, once an hour at the least.
    #[must_use]
    pub fn every(period: Duration) -> Self {
        Self { period: Some(period.min(PERIOD_MAX)) }
    }

    /// The same, stretched so that as many `listeners` together stay within `budget`, a share of one core.
    #[must_use]
    pub fn within(self, listeners: usize, budget: f64) -> Self {
        let least = KEEP_AWAKE_COST.as_secs_f64() * listeners as f64 / budget.max(f64::MIN_POSITIVE);
        let least = Duration::try_from_secs_f64(least).unwrap_or(PERIOD_MAX).min(PERIOD_MAX);
        Self { period: self.period.map(|period| period.max(least)) }
    }

    /// How often, `None` where it is off.
    #[must_use]
    pub fn period(self) -> Option<Duration> {
        self.period
    }
}

/// Receives the events of one server. Whoever owns it must keep reading: a FreeSWITCH that cannot hand its events over
/// queues them, drops them, and in the end closes the connection.
#[derive(Debug)]
pub struct Listener<S = TcpStream> {
    connection: Connection<(), S>,
    keep_awake: KeepAwake,
    awaited: bool,
    noop_due: Instant,
}

impl Listener {
    /// Connects to `address` (`host:port`), logs in and subscribes. Nothing keeps it awake yet.
    ///
    /// # Errors
    /// As [`Connection::connect`]; also where the server refuses the subscription.
    pub async fn connect(
        address: &str,
        credentials: &Credentials,
        options: &Options,
        subscription: &Subscription,
    ) -> Result<Self, Error> {
        let connection = Connection::connect(address, credentials, options).await?;
        Self::subscribe(connection, subscription).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Listener<S> {
    /// Subscribes on a connection that is there.
    ///
    /// # Errors
    /// The server refuses the subscription, or the connection is over.
    pub async fn subscribe(mut connection: Connection<(), S>, subscription: &Subscription) -> Result<Self, Error> {
        connection.send(&Command::Subscribe(subscription), ())?;
        connection.flush().await?;
        loop {
            if let Incoming::Reply((), reply) = connection.next().await? {
                reply.ok()?;
                break;
            }
        }
        Ok(Self { connection, keep_awake: KeepAwake::OFF, awaited: false, noop_due: Instant::now() })
    }

    /// Sets how it is kept awake while something is awaited.
    pub fn set_keep_awake(&mut self, keep_awake: KeepAwake) {
        self.keep_awake = keep_awake;
    }

    /// Says whether an event is awaited whose time matters. Only then is the connection kept awake.
    pub fn set_awaited(&mut self, awaited: bool) {
        self.awaited = awaited;
    }

    /// The next event.
    ///
    /// Can be dropped and called again at any time: nothing is lost.
    ///
    /// # Errors
    /// The connection is over; the same again from then on.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let noop = self.noop_due();
            tokio::select! {
                biased;
                incoming = self.connection.next() => {
                    if let Incoming::Event(event) = incoming? {
                        return Ok(event);
                    }
                }
                () = sleep_until(noop.unwrap_or_else(Instant::now)), if noop.is_some() => self.noop(),
            }
        }
    }

    /// The next event among the bytes that have been read already, `None` where there is none.
    ///
    /// # Errors
    /// As [`Listener::next`].
    pub fn buffered(&mut self) -> Result<Option<Event>, Error> {
        while let Some(incoming) = self.connection.buffered()? {
            if let Incoming::Event(event) = incoming {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// When the bytes that were read last had been read: the time of the last event, as close to the socket as it gets.
    pub fn received_at(&self) -> Instant {
        self.connection.received_at()
    }

    /// When the next `noop` is to go, `None` where none is.
    fn noop_due(&self) -> Option<Instant> {
        let wanted = self.awaited && self.connection.waiting() < UNANSWERED_MAX;
        self.keep_awake.period.filter(|_| wanted).map(|_| self.noop_due)
    }

    fn noop(&mut self) {
        // A connection that takes no command any more says so where it is read.
        let _ = self.connection.send(&Command::Noop, ());
        // Counted from when it was due: timers go off late, and from then the period would be longer than asked. What
        // was missed altogether is not made up for.
        let (now, period) = (Instant::now(), self.keep_awake.period.unwrap_or_default());
        self.noop_due += period;
        if self.noop_due <= now {
            self.noop_due = now + period;
        }
    }
}

#[cfg(test)]
mod tests;
