//! The connection behind a call: what was asked, what came meanwhile, what is known of the channel, and how to leave it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use super::Options;
use crate::error::{Error, Kind};
use crate::{Command, Connection, Event, EventName, Format, HangupCause, Incoming, LogLine, Message, Reply};

/// How long an application's end is awaited after the connection began to linger: the notice can come before the last
/// events, which a FreeSWITCH hands over in steps of 20 ms.
const LAST_EVENTS: Duration = Duration::from_millis(500);

/// How much of what was no answer to `connect` an error shows, in bytes.
const SHOWN: usize = 64;

/// What came for a call without having been asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// An event.
    Event(Event),
    /// A line of the server's log, where it was asked for.
    Log(LogLine),
    /// The channel has ended. The connection stays for so long, or until it is left where there is no limit, so that the
    /// last events arrive.
    Lingering(Option<Duration>),
}

/// What was read: `Reply` with the number of the command that it answers.
pub(super) enum Read {
    Reply(u64, Reply),
    Notice(Notice),
}

/// Everything that waits is in this value, so that the futures of its methods can be dropped at any time.
#[derive(Debug)]
pub(super) struct Link<S> {
    /// A command's number comes back with its reply. A reply to a command that nobody waits for any more is known by it,
    /// and thrown away.
    connection: Connection<u64, S>,
    commands: u64,
    notices: VecDeque<Notice>,
    notices_max: usize,
    dropped: u64,
    /// The channel's `Unique-ID`.
    channel: String,
    cause: Option<HangupCause>,
    lingering_since: Option<Instant>,
    hangup_complete: bool,
    /// Whether `CHANNEL_EXECUTE_COMPLETE` comes.
    pub(super) sees_completion: bool,
    my_events: bool,
    /// Whether the connection may end without leaving the channel parked for ever.
    settled: bool,
    /// The first application that was sent: its events tell that the channel was parked.
    first: Option<Uuid>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(super) fn new(stream: S, options: &Options) -> Self {
        Self {
            connection: Connection::adopt(stream, options.limits),
            commands: 0,
            notices: VecDeque::new(),
            notices_max: options.events_max,
            dropped: 0,
            channel: String::new(),
            cause: None,
            lingering_since: None,
            hangup_complete: false,
            sees_completion: false,
            my_events: false,
            // Nothing is known of a channel yet, so that there is nothing to wait for.
            settled: true,
            first: None,
        }
    }

    /// Says `connect` and gives what is known of the channel.
    pub(super) async fn connect(&mut self) -> Result<Event, Error> {
        self.send(&Command::Connect)?;
        let frame = loop {
            match self.connection.next().await? {
                Incoming::Reply(_, reply) => break reply.frame().clone(),
                Incoming::Other(frame) => break frame,
                _ => {}
            }
        };
        let no_call = || {
            let start = &frame.head[..frame.head.len().min(SHOWN)];
            Kind::NoCall(String::from_utf8_lossy(start).into_owned())
        };
        let channel = Event::from_connect_reply(&frame).map_err(|_| no_call())?;
        let id = channel.get("Unique-ID").unwrap_or_default().into_owned();
        if id.is_empty() {
            return Err(no_call().into());
        }
        self.channel = id;
        Ok(channel)
    }

    /// Says how the channel is controlled: in async mode it has to be parked before the connection may end, and only there
    /// a FreeSWITCH answers at all times.
    pub(super) fn set_async(&mut self, options: &Options) {
        self.settled = false;
        self.connection.set_liveness(options.liveness);
    }

    pub(super) async fn my_events(&mut self, format: Format) -> Result<(), Error> {
        let number = self.send(&Command::MyEvents { channel: None, format })?;
        // From here on they come, whoever waits for the answer.
        self.my_events = true;
        self.sees_completion = true;
        self.reply(number).await?.ok()?;
        Ok(())
    }

    /// Takes a command to be sent and gives its number.
    pub(super) fn send(&mut self, command: &Command<'_>) -> Result<u64, Error> {
        self.connection.send(command, self.commands + 1)?;
        self.commands += 1;
        Ok(self.commands)
    }

    /// Sends commands that are encoded already, and awaits the replies to all of them.
    pub(super) async fn ask_encoded(&mut self, commands: &[BytesMut]) -> Result<(), Error> {
        let from = self.commands + 1;
        for command in commands {
            self.connection.send_encoded(command, self.commands + 1)?;
            self.commands += 1;
        }
        for number in from..=self.commands {
            self.reply(number).await?.ok()?;
        }
        Ok(())
    }

    pub(super) async fn ask(&mut self, command: &Command<'_>) -> Result<Reply, Error> {
        let number = self.send(command)?;
        self.reply(number).await
    }

    async fn reply(&mut self, number: u64) -> Result<Reply, Error> {
        loop {
            match self.read().await? {
                Read::Reply(answered, reply) if answered == number => return Ok(reply),
                Read::Reply(..) => {}
                Read::Notice(notice) => self.keep(notice),
            }
        }
    }

    /// Runs an application and awaits its end.
    pub(super) async fn execute(&mut self, message: Message<'_>) -> Result<Event, Error> {
        if !self.sees_completion {
            return Err(Kind::Unseen.into());
        }
        let (number, uuid) = self.start(message)?;
        loop {
            let read = match self.lingering_since {
                None => self.read().await,
                Some(since) => match timeout_at(since + LAST_EVENTS, self.read()).await {
                    Ok(read) => read,
                    Err(_) => return Err(Kind::ChannelEnded(self.cause).into()),
                },
            };
            match read.map_err(|error| self.end().unwrap_or(error))? {
                Read::Reply(answered, reply) if answered == number => drop(reply.ok()?),
                Read::Reply(..) => {}
                Read::Notice(Notice::Event(event)) if completes(&event, uuid) => return Ok(event),
                Read::Notice(notice) => self.keep(notice),
            }
            if self.hangup_complete {
                return Err(Kind::ChannelEnded(self.cause).into());
            }
        }
    }

    /// Takes an application to be sent, and gives the command's number and the `Application-UUID` of its events.
    pub(super) fn start(&mut self, message: Message<'_>) -> Result<(u64, Uuid), Error> {
        // A channel that has ended takes messages, and runs none of them.
        if let Some(ended) = self.end() {
            return Err(ended);
        }
        let uuid = Uuid::new_v4();
        let number = self.send(&Command::SendMsg(&message.event_uuid(uuid)))?;
        self.first.get_or_insert(uuid);
        Ok((number, uuid))
    }

    pub(super) async fn started(&mut self, message: Message<'_>) -> Result<Uuid, Error> {
        let (number, uuid) = self.start(message)?;
        self.reply(number).await?.ok()?;
        Ok(uuid)
    }

    /// That the channel has ended, where it has.
    pub(super) fn end(&self) -> Option<Error> {
        let ended = self.cause.is_some() || self.lingering_since.is_some() || self.hangup_complete;
        ended.then(|| Kind::ChannelEnded(self.cause).into())
    }

    pub(super) fn is_lingering(&self) -> bool {
        self.lingering_since.is_some()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What came unasked, the oldest first.
    pub(super) async fn next(&mut self) -> Result<Notice, Error> {
        if let Some(notice) = self.notices.pop_front() {
            return Ok(notice);
        }
        loop {
            if let Read::Notice(notice) = self.read().await? {
                return Ok(notice);
            }
        }
    }

    async fn read(&mut self) -> Result<Read, Error> {
        loop {
            let notice = match self.connection.next().await? {
                Incoming::Reply(number, reply) => return Ok(Read::Reply(number, reply)),
                Incoming::Event(event) => {
                    self.note(&event);
                    Notice::Event(event)
                }
                Incoming::Log(line) => Notice::Log(line),
                Incoming::Lingering(time) => {
                    self.lingering_since.get_or_insert_with(Instant::now);
                    self.settled = true;
                    Notice::Lingering(time)
                }
                Incoming::Malformed(error) => {
                    tracing::warn!(%error, "an event that is none");
                    continue;
                }
                Incoming::Other(frame) => {
                    tracing::debug!(head = %frame.head.escape_ascii(), "a frame of an unknown kind");
                    continue;
                }
            };
            return Ok(Read::Notice(notice));
        }
    }

    /// Takes over what an event tells of the channel.
    fn note(&mut self, event: &Event) {
        let own = event.get("Unique-ID").is_some_and(|id| id == self.channel);
        match event.name() {
            EventName::ChannelHangup | EventName::ChannelHangupComplete if own => {
                let cause = event.get("Hangup-Cause").map_or(HangupCause::UNKNOWN, |name| HangupCause::of(&name));
                self.cause.get_or_insert(cause);
                self.hangup_complete |= event.name() == EventName::ChannelHangupComplete;
                self.settled = true;
            }
            EventName::ChannelPark if own => self.settled = true,
            EventName::ChannelExecute | EventName::ChannelExecuteComplete => {
                self.settled |= self.first.is_some_and(|first| event.application_uuid() == Some(first));
            }
            _ => {}
        }
    }

    fn keep(&mut self, notice: Notice) {
        self.notices.push_back(notice);
        while self.notices.len() > self.notices_max {
            // The latest ones tell how things stand.
            self.notices.pop_front();
            self.dropped += 1;
        }
    }

    /// Ends the connection in good order, for so long at the most.
    pub(super) async fn leave(&mut self, limit: Duration) {
        // A peer that gave no channel gets no good-bye either.
        if self.channel.is_empty() {
            return;
        }
        // Where it takes longer or does not work, the connection is closed all the same.
        let _ = timeout(limit, self.exit()).await;
    }

    /// Ends the connection in good order, which it says by an error.
    async fn exit(&mut self) -> Result<(), Error> {
        self.settle().await?;
        self.send(&Command::Exit)?;
        loop {
            self.read().await?;
        }
    }

    /// Waits until the channel is parked, which its end is as good as.
    async fn settle(&mut self) -> Result<(), Error> {
        if self.settled {
            return Ok(());
        }
        if !self.my_events {
            self.send(&Command::MyEvents { channel: None, format: Format::Plain })?;
            // What was run before was not seen.
            self.first = None;
        }
        if self.first.is_none() {
            // Nothing tells whether it is parked by now, but what it runs from here on, it runs parked. This is an
            // application that changes nothing.
            self.start(Message::execute("unset", "nothing_of_this_name"))?;
        }
        while !self.settled {
            self.read().await?;
        }
        Ok(())
    }
}

fn completes(event: &Event, uuid: Uuid) -> bool {
    event.name() == EventName::ChannelExecuteComplete && event.application_uuid() == Some(uuid)
}
