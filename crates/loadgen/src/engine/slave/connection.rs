//! The two connections of one slave: a listener that is always drained, and a client that commands go out on.

use std::time::Duration;

use esl_core::{Command, Connection, Credentials, Error, Event, KeepAwake, Listener, Options};
use esl_core::{Reply, Subscription};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::measure::ServerHealth;
use crate::plan::AppEvents;
use crate::plan::marks::{MEASURED_EVENTS, PROBE_EVENT};

/// Commands that wait for their replies: what a server works off in about a second. More of them would hold up what is
/// asked of it in between, such as a hang-up of everything.
const UNANSWERED_MAX: usize = 10_000;

/// How long it may take to subscribe and to ask the first questions, beyond the time-outs of connecting and logging in.
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
    /// To measure the way of an event.
    Probe,
    /// To learn which calls are still there.
    Channels,
    /// To learn whether the call of this attempt is still there.
    Exists(u64),
    /// To do what a call's app asks for.
    LegCommand,
    /// To learn something about the server.
    Question,
    /// To see whether anything is left, at the end.
    Sweep,
}

/// What came over one of the connections, and when.
#[derive(Debug)]
pub(super) enum Incoming {
    /// An event, to the listener.
    Event(Event, Instant),
    /// A reply, to the client.
    Reply(Purpose, Reply),
}

/// What a server says of itself when it is asked.
#[derive(Clone, Debug, Default)]
pub struct ServerInfo {
    /// Its version, in its own words.
    pub version: Option<String>,
    /// How it is.
    pub health: ServerHealth,
}

/// Both connections, logged in and subscribed.
#[derive(Debug)]
pub(super) struct SlaveConnection {
    listener: Listener,
    client: Connection<Purpose>,
    /// Whether the server takes `api bgapi uuid:…`; `bgapi` otherwise.
    background: bool,
    /// What the server said of itself.
    pub(super) info: ServerInfo,
    /// Events that could not be read and are counted already.
    malformed: u64,
}

impl SlaveConnection {
    /// Connects both, subscribes to what is measured, and asks the server about itself.
    ///
    /// # Errors
    /// One of the connections could not be made, see [`Connection::connect`].
    pub(super) async fn open(
        address: &str,
        credentials: &Credentials,
        keep_awake: KeepAwake,
        wanted: &AppEvents,
    ) -> Result<Self, Error> {
        // A server that lets in and then does not answer is as good as none.
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
        // Where this does not work, or works with another UUID than the one given, `bgapi` does.
        self.background = self.question(&probe).await?.job_uuid() == Some(job);
        let said = self.question(&Command::api("version")).await?;
        self.info.version = said.ok().ok().map(|text| version(&text));
        let said = self.question(&Command::api("status")).await?;
        self.info.health = ServerHealth::of_status(&said.text());
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

    /// What comes next over either connection.
    ///
    /// # Errors
    /// One of them is over.
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

    /// What has been read already.
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

    /// Takes a job to be started, see [`Connection::send`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn start(&mut self, job: Uuid, command: &str, purpose: Purpose) -> Result<(), Error> {
        let command = command.into();
        let command = match self.background {
            true => Command::Background { job, command },
            false => Command::BgApi { job, command },
        };
        self.client.send(&command, purpose)
    }

    /// Takes a command to be sent, see [`Connection::send`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn send(&mut self, command: &Command<'_>, purpose: Purpose) -> Result<(), Error> {
        self.client.send(command, purpose)
    }

    /// Writes what the socket takes at once.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn try_flush(&mut self) -> Result<(), Error> {
        self.client.try_flush().await
    }

    /// Whether the server takes commands as fast as they are given.
    pub(super) fn is_ready(&self) -> bool {
        self.client.unsent() == 0 && self.has_room()
    }

    /// Whether more commands are taken before some are answered. A few more always are.
    pub(super) fn has_room(&self) -> bool {
        self.client.waiting() < UNANSWERED_MAX
    }

    /// How many events came since the last time that could not be read.
    pub(super) fn take_malformed(&mut self) -> u64 {
        let all = self.listener.malformed();
        all - std::mem::replace(&mut self.malformed, all)
    }

    /// Says whether an event is awaited whose time is measured.
    pub(super) fn set_awaited(&mut self, awaited: bool) {
        self.listener.set_awaited(awaited);
    }
}

/// The version without what it was built from: `1.10.12-release+git~…` is `1.10.12-release`.
fn version(text: &str) -> String {
    let word = text.strip_prefix("FreeSWITCH Version ").unwrap_or(text).split_whitespace().next().unwrap_or_default();
    word.split(['+', '~']).next().unwrap_or_default().chars().take(40).collect()
}
