//! The two connections of one slave: a listener that is always drained, and a client that sends commands.

use std::time::Duration;

use esl_core::{Command, Connection, Credentials, Error, Event, KeepAwake, Listener, Options};
use esl_core::{Reply, Subscription};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::measure::ServerHealth;
use crate::plan::AppEvents;
use crate::plan::marks::{MEASURED_EVENTS, PROBE_EVENT};

/// Commands that may wait for their replies: what a server handles in about a second. More would delay urgent commands,
/// such as hanging up everything.
const UNANSWERED_MAX: usize = 10_000;

/// How long subscribing and querying the server may take, beyond the time-outs of connecting and logging in.
const OPEN_MAX: Duration = Duration::from_secs(15);

/// What a command was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To place the call of this attempt.
    Originate(u64),
    /// To hang up the call of this attempt.
    HangUp(u64),
    /// To hang up every call of the run.
    HangUpAll,
    /// To measure the delay of an event.
    Probe,
    /// To list the channels that still exist.
    Channels,
    /// To find out whether the channel of this attempt still exists.
    Exists(u64),
    /// To carry out a command of a call's app.
    LegCommand,
    /// Its reply is not needed.
    Question,
    /// To look for channels that are left at the end.
    Sweep,
}

/// Something that arrived over one of the connections.
#[derive(Debug)]
pub(super) enum Incoming {
    /// An event for the listener, and when its bytes arrived.
    Event(Event, Instant),
    /// A reply to a command of the client.
    Reply(Purpose, Reply),
}

/// What a server reported about itself when the connection was made.
#[derive(Clone, Debug, Default)]
pub struct ServerInfo {
    /// Its version, as FreeSWITCH writes it.
    pub version: Option<String>,
    /// Its load.
    pub health: ServerHealth,
}

/// Both connections, logged in and subscribed.
#[derive(Debug)]
pub(super) struct SlaveConnection {
    listener: Listener,
    client: Connection<Purpose>,
    /// Whether the server supports `api bgapi uuid:…`; otherwise `bgapi` is used.
    background: bool,
    /// What the server reported about itself.
    pub(super) info: ServerInfo,
    /// Malformed events that have been counted.
    malformed: u64,
}

impl SlaveConnection {
    /// Connects both, subscribes to events, and queries the server's version and load.
    ///
    /// # Errors
    /// One of the connections cannot be made, see [`Connection::connect`].
    pub(super) async fn open(
        address: &str,
        credentials: &Credentials,
        keep_awake: KeepAwake,
        wanted: &AppEvents,
    ) -> Result<Self, Error> {
        // A server that accepts the login and then does not answer is as bad as none.
        let open = Self::open_without_timeout(address, credentials, keep_awake, wanted);
        let expired = || Error::timed_out("the server's answer to the first commands", OPEN_MAX);
        timeout(OPEN_MAX, open).await.unwrap_or_else(|_| Err(expired()))
    }

    async fn open_without_timeout(
        address: &str,
        credentials: &Credentials,
        keep_awake: KeepAwake,
        wanted: &AppEvents,
    ) -> Result<Self, Error> {
        let subscription = Subscription::new(MEASURED_EVENTS.into_iter().chain(wanted.events.iter().copied()));
        let subscription = wanted.customs.iter().fold(subscription.custom(PROBE_EVENT), |all, one| all.custom(one));
        let options = Options::default();
        let (mut listener, client) = tokio::try_join!(
            Listener::connect(address, credentials, &options, &subscription),
            Connection::connect(address, credentials, &options),
        )?;
        listener.set_keep_awake(keep_awake);
        let mut connection = Self { listener, client, background: false, info: ServerInfo::default(), malformed: 0 };
        connection.query_server_info().await?;
        Ok(connection)
    }

    async fn query_server_info(&mut self) -> Result<(), Error> {
        let job = Uuid::new_v4();
        let probe = Command::Background { job, command: "version".into() };
        // A server that does not support it refuses the command, or makes up another UUID.
        self.background = self.question(&probe).await?.job_uuid() == Some(job);
        let reply = self.question(&Command::api("version")).await?;
        self.info.version = reply.ok().ok().map(|text| version(&text));
        let reply = self.question(&Command::api("status")).await?;
        self.info.health = ServerHealth::of_status(&reply.text());
        Ok(())
    }

    async fn question(&mut self, command: &Command<'_>) -> Result<Reply, Error> {
        self.client.send(command, Purpose::Question)?;
        loop {
            if let esl_core::Incoming::Reply(_, reply) = self.client.next().await? {
                return Ok(reply);
            }
        }
    }

    /// The next event or reply.
    ///
    /// # Errors
    /// One of the connections has ended.
    pub(super) async fn next(&mut self) -> Result<Incoming, Error> {
        loop {
            tokio::select! {
                event = self.listener.next() => {
                    let event = event?;
                    return Ok(Incoming::Event(event, self.listener.received_at()));
                }
                incoming = self.client.next() => {
                    if let esl_core::Incoming::Reply(purpose, reply) = incoming? {
                        return Ok(Incoming::Reply(purpose, reply));
                    }
                }
            }
        }
    }

    /// The next event or reply that has been read already.
    ///
    /// # Errors
    /// As [`SlaveConnection::next`].
    pub(super) fn buffered(&mut self) -> Result<Option<Incoming>, Error> {
        if let Some(event) = self.listener.buffered()? {
            return Ok(Some(Incoming::Event(event, self.listener.received_at())));
        }
        while let Some(incoming) = self.client.buffered()? {
            if let esl_core::Incoming::Reply(purpose, reply) = incoming {
                return Ok(Some(Incoming::Reply(purpose, reply)));
            }
        }
        Ok(None)
    }

    /// Queues a command that is to run as a job, see [`Connection::send`].
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) fn start(&mut self, job: Uuid, command: &str, purpose: Purpose) -> Result<(), Error> {
        let command = command.into();
        let command = match self.background {
            true => Command::Background { job, command },
            false => Command::BgApi { job, command },
        };
        self.client.send(&command, purpose)
    }

    /// Queues a command, see [`Connection::send`].
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) fn send(&mut self, command: &Command<'_>, purpose: Purpose) -> Result<(), Error> {
        self.client.send(command, purpose)
    }

    /// Writes as much as the socket accepts.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn try_flush(&mut self) -> Result<(), Error> {
        self.client.try_flush().await
    }

    /// Whether the server accepts commands as fast as they are sent.
    pub(super) fn is_ready(&self) -> bool {
        self.client.unsent() == 0 && self.has_room()
    }

    /// Whether a command may be queued although others wait for their replies.
    pub(super) fn has_room(&self) -> bool {
        self.client.waiting() < UNANSWERED_MAX
    }

    /// The number of malformed events since the last call.
    pub(super) fn take_malformed(&mut self) -> u64 {
        let all = self.listener.malformed();
        all - std::mem::replace(&mut self.malformed, all)
    }

    /// Sets whether an event is awaited whose time is measured, so that the server is kept awake.
    pub(super) fn set_awaited(&mut self, awaited: bool) {
        self.listener.set_awaited(awaited);
    }
}

/// The version without its build: `1.10.12-release+git~…` is `1.10.12-release`.
fn version(text: &str) -> String {
    let word = text.strip_prefix("FreeSWITCH Version ").unwrap_or(text).split_whitespace().next().unwrap_or_default();
    word.split(['+', '~']).next().unwrap_or_default().chars().take(40).collect()
}
