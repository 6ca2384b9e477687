//! One authenticated socket: commands go out as they are given, each reply comes back with what was asked, in order.
//!
//! A [`Connection`] is driven by the one task that owns it. [`crate::Client`] wraps it in such a task; whoever has to act
//! on replies and events without a detour through another task owns it directly.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::io::poll_read_buf;

use crate::error::{Error, Kind};
use crate::keep_awake::UNANSWERED_MAX;
use crate::wire::{Decoder, EventError, Format, Frame, FrameKind, Limits};
use crate::{Backoff, Command, Event, KeepAwake, Liveness, LogLine, Reply, Subscription};

/// How much is read at a time at least: seven large events.
const READ_CHUNK: usize = 64 << 10;

/// Replies that may be outstanding. A FreeSWITCH works its commands off one by one, and 20,000 of them held its events
/// up for 82 ms.
const WAITING_MAX: usize = 50_000;

/// How to get in. Nothing prints the password.
///
/// ```
/// use esl_core::{Command, Credentials};
///
/// let credentials = Credentials::user("1000@pbx.example", "a secret");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// assert!(!format!("{:?}", Command::Auth(&"a secret".into())).contains("secret"));
/// ```
#[derive(Clone, Debug)]
pub struct Credentials {
    user: Option<String>,
    password: SecretString,
}

impl Credentials {
    /// By the server's one password (`event_socket.conf.xml`).
    pub fn password(password: impl Into<SecretString>) -> Self {
        Self { user: None, password: password.into() }
    }

    /// As a user of the server's directory, `user@domain`, by the user's `esl-password`. What it may do is what the
    /// directory allows.
    pub fn user(user: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self { user: Some(user.into()), password: password.into() }
    }

    fn command(&self) -> Command<'_> {
        match &self.user {
            None => Command::Auth(&self.password),
            Some(user) => Command::UserAuth { user, password: &self.password },
        }
    }
}

/// How a connection is made and kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long connecting and logging in may take, each, and for a listener subscribing. FreeSWITCH itself gives up after
    /// 25 s without a login.
    pub timeout: Duration,
    /// What the server may send at most.
    pub limits: Limits,
    /// How it is kept awake while an event is awaited, see [`Connection::set_awaited`].
    pub keep_awake: KeepAwake,
    /// When a silent server is taken for gone.
    pub liveness: Liveness,
    /// How a [`Client`](crate::Client) and an [`EventListener`](crate::EventListener) get a connection back that broke;
    /// `None` for not at all.
    pub reconnect: Option<Backoff>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            limits: Limits::default(),
            keep_awake: KeepAwake::OFF,
            liveness: Liveness::default(),
            reconnect: Some(Backoff::default()),
        }
    }
}

/// What came from the server.
#[derive(Debug)]
pub enum Incoming<T> {
    /// The answer to a command, with what was given when it was sent.
    Reply(T, Reply),
    /// An event.
    Event(Event),
    /// Something that should have been an event and is none. What comes after it can be read.
    Malformed(EventError),
    /// A line of the server's log.
    Log(LogLine),
    /// The connection's channel has ended, and the connection stays, for so long where there is a limit, so that its last
    /// events arrive (`linger`).
    Lingering(Option<Duration>),
    /// A frame of another kind: something that this version does not know, a reply to nothing.
    Other(Frame),
}

/// Whose reply is outstanding.
#[derive(Debug)]
enum Waiting<T> {
    Asked(T),
    /// A `noop` of the connection's own.
    Noop,
}

/// An authenticated connection. `T` is what comes back with a command's reply.
///
/// Everything that waits is in this value, so its futures can be dropped at any time: nothing is lost and no reply is
/// shifted.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::{Command, Connection, Credentials, Incoming, Options};
///
/// let credentials = Credentials::password("ClueCon");
/// let mut connection = Connection::connect("127.0.0.1:8021", &credentials, &Options::default()).await?;
/// connection.send(&Command::api("version"), "version")?;
/// connection.send(&Command::api("status"), "status")?;
/// loop {
///     match connection.next().await? {
///         Incoming::Reply(asked, reply) => println!("{asked}: {}", reply.text()),
///         other => println!("{other:?}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Connection<T, S = TcpStream> {
    stream: S,
    decoder: Decoder,
    out: BytesMut,
    waiting: VecDeque<Waiting<T>>,
    received_at: Instant,
    closed: Option<Error>,
    liveness: Liveness,
    /// When a `noop` went out because of the silence that still lasts.
    asked_at: Option<Instant>,
    keep_awake: KeepAwake,
    awaited: bool,
    noop_due: Instant,
}

impl<T> Connection<T> {
    /// Connects to `address` (`host:port`) and logs in.
    ///
    /// # Errors
    /// Nobody listens there, or what listens is no Event Socket, takes too long ([`Error::is_timeout`]), refuses the
    /// password ([`Error::is_password`]) or this address ([`Error::is_rejected`]). The user or the password cannot be sent
    /// ([`Error::command_error`]).
    pub async fn connect(address: &str, credentials: &Credentials, options: &Options) -> Result<Self, Error> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            // Commands are small and must leave at once.
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = timeout(options.timeout, connect)
            .await
            .map_err(|_| Kind::Timeout { what: "connecting", after: options.timeout })?
            .map_err(|source| Kind::Connect { address: address.to_owned(), source })?;
        let log_in = timeout(options.timeout, Self::log_in(stream, credentials, options.limits));
        let silent = Kind::Silent { address: address.to_owned(), after: options.timeout };
        let mut connection = log_in.await.unwrap_or_else(|_| Err(silent.into()))?;
        connection.set_liveness(options.liveness);
        connection.set_keep_awake(options.keep_awake);
        Ok(connection)
    }
}

impl<T, S: AsyncRead + AsyncWrite + Unpin> Connection<T, S> {
    /// A connection on which nobody logs in: FreeSWITCH's end of an outbound one.
    pub(crate) fn adopt(stream: S, limits: Limits) -> Self {
        Self {
            stream,
            decoder: Decoder::new(limits),
            out: BytesMut::new(),
            waiting: VecDeque::new(),
            received_at: Instant::now(),
            closed: None,
            liveness: Liveness::OFF,
            asked_at: None,
            keep_awake: KeepAwake::OFF,
            awaited: false,
            noop_due: Instant::now(),
        }
    }

    /// Logs in over a stream that is already there. Nothing keeps it awake, and its silence is not limited.
    ///
    /// # Errors
    /// As [`Connection::connect`], without a limit on time.
    pub async fn log_in(stream: S, credentials: &Credentials, limits: Limits) -> Result<Self, Error> {
        let mut connection = Self::adopt(stream, limits);
        let greeting = connection.frame().await?;
        if greeting.kind != FrameKind::AuthRequest {
            return Err(Kind::Handshake(String::from_utf8_lossy(&greeting.head).into_owned()).into());
        }
        credentials.command().encode(&mut connection.out)?;
        connection.flush().await?;
        let frame = connection.frame().await?;
        let reply = Reply::new(connection.received_at, frame);
        match reply.ok() {
            Ok(text) if text.starts_with("+OK") => Ok(connection),
            Ok(text) => Err(Kind::Handshake(text.into_owned()).into()),
            Err(refusal) => Err(Kind::Password(refusal.words).into()),
        }
    }

    /// Subscribes a connection that is subscribed to nothing, and waits until the server has done so. `tag` makes what
    /// the commands' replies would come back with.
    pub(crate) async fn subscribe(&mut self, subscription: &Subscription, tag: impl Fn() -> T) -> Result<(), Error> {
        let commands = Subscription::default().changes(subscription)?;
        let mut unanswered = commands.len();
        for command in commands {
            self.send_encoded(&command, tag())?;
        }
        // The last one is what makes events come, so that none comes before it is answered.
        while unanswered > 0 {
            if let Incoming::Reply(_, reply) = self.next().await? {
                reply.ok()?;
                unanswered -= 1;
            }
        }
        Ok(())
    }

    /// Takes a command to be sent. `tag` comes back with its reply.
    ///
    /// Nothing is written yet: that is done by [`Connection::flush`], [`Connection::try_flush`] and
    /// [`Connection::next`].
    ///
    /// # Errors
    /// The command's text cannot be sent ([`Error::command_error`]), the connection is closed ([`Error::is_closed`]), or
    /// too many replies are outstanding ([`Connection::has_room`]).
    pub fn send(&mut self, command: &Command<'_>, tag: T) -> Result<(), Error> {
        self.may_send()?;
        command.encode(&mut self.out)?;
        self.waiting.push_back(Waiting::Asked(tag));
        Ok(())
    }

    /// As [`Connection::send`], for a command that was encoded before.
    pub(crate) fn send_encoded(&mut self, bytes: &[u8], tag: T) -> Result<(), Error> {
        self.may_send()?;
        self.out.extend_from_slice(bytes);
        self.waiting.push_back(Waiting::Asked(tag));
        Ok(())
    }

    fn may_send(&self) -> Result<(), Error> {
        match &self.closed {
            Some(closed) => Err(closed.clone()),
            None if self.has_room() => Ok(()),
            None => Err(Kind::Overrun(WAITING_MAX).into()),
        }
    }

    /// Whether another command is taken: not too many replies are outstanding.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    /// How many replies are outstanding, those to what the connection asked by itself ([`KeepAwake`], [`Liveness`]) among
    /// them.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many bytes of commands the socket has not taken yet. More than none means that the server does not keep up.
    pub fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Writes what the socket takes at once, without waiting for more.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn try_flush(&mut self) -> Result<(), Error> {
        match poll_fn(|cx| Poll::Ready(self.poll_flush(cx))).await {
            Poll::Ready(result) => result.map_err(|error| self.close(Kind::Io(error).into())),
            Poll::Pending => Ok(()),
        }
    }

    /// Writes all that was taken.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await.map_err(|error| self.close(Kind::Io(error).into()))
    }

    /// Sets how it is kept awake while an event is awaited.
    pub fn set_keep_awake(&mut self, keep_awake: KeepAwake) {
        self.keep_awake = keep_awake;
    }

    /// Says whether an event is awaited whose time matters. Only then is the connection kept awake.
    pub fn set_awaited(&mut self, awaited: bool) {
        self.awaited = awaited;
    }

    /// Sets when a silent server is taken for gone.
    pub fn set_liveness(&mut self, liveness: Liveness) {
        self.liveness = liveness;
        self.asked_at = None;
    }

    /// The next reply or event. Commands that wait to be sent are written meanwhile.
    ///
    /// Can be dropped and called again at any time: nothing is lost.
    ///
    /// # Errors
    /// The connection is over; the same again from then on. [`Connection::into_waiting`] has what was not answered.
    pub async fn next(&mut self) -> Result<Incoming<T>, Error> {
        loop {
            if let Some(incoming) = self.buffered()? {
                return Ok(incoming);
            }
            // A runtime without a clock will do where nothing has to be done at a time.
            let Some(due) = self.noop_due().into_iter().chain(self.liveness_due()).min() else {
                self.fill().await?;
                continue;
            };
            tokio::select! {
                biased;
                filled = poll_fn(|cx| self.poll_fill(cx)) => filled?,
                () = sleep_until(due) => self.on_timer()?,
            }
        }
    }

    /// The next reply or event among the bytes that have been read already, `None` where there is none.
    ///
    /// # Errors
    /// As [`Connection::next`].
    pub fn buffered(&mut self) -> Result<Option<Incoming<T>>, Error> {
        while let Some(frame) = self.decode()? {
            if let Some(format) = frame.kind.format() {
                let event = Event::decode(format, frame.body, self.decoder.limits());
                let event = event.map_err(|error| self.close(Kind::Wire(error.into()).into()))?;
                return Ok(Some(Incoming::Event(event)));
            }
            let incoming = match frame.kind {
                FrameKind::CommandReply | FrameKind::ApiResponse => match self.waiting.pop_front() {
                    Some(Waiting::Asked(tag)) => Incoming::Reply(tag, Reply::new(self.received_at, frame)),
                    Some(Waiting::Noop) => continue,
                    // Nothing was asked: it is no answer.
                    None => Incoming::Other(frame),
                },
                FrameKind::EventPlain => self.event(Format::Plain, frame),
                FrameKind::EventJson => self.event(Format::Json, frame),
                FrameKind::EventXml => self.event(Format::Xml, frame),
                FrameKind::LogData => Incoming::Log(LogLine::new(frame)),
                FrameKind::DisconnectNotice if frame.header("Content-Disposition") == Some(b"linger") => {
                    let seconds =
                        frame.header("Linger-Time").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                    // -1 stands for as long as the client likes.
                    Incoming::Lingering(seconds.map(Duration::from_secs))
                }
                FrameKind::DisconnectNotice => return Err(self.close(Kind::Closed { notice: true }.into())),
                FrameKind::RudeRejection => return Err(self.close(Kind::Rejected.into())),
                _ => Incoming::Other(frame),
            };
            return Ok(Some(incoming));
        }
        Ok(None)
    }

    fn event(&self, format: Format, frame: Frame) -> Incoming<T> {
        match Event::decode(format, frame.body, self.decoder.limits()) {
            Ok(event) => Incoming::Event(event),
            Err(error) => Incoming::Malformed(error),
        }
    }

    /// When the next `noop` is to go so that events come in time, `None` where none is.
    fn noop_due(&self) -> Option<Instant> {
        let wanted = self.awaited && self.waiting.len() < UNANSWERED_MAX;
        self.keep_awake.period().filter(|_| wanted).map(|_| self.noop_due)
    }

    /// When the silence has lasted long enough to ask, or to give up.
    fn liveness_due(&self) -> Option<Instant> {
        let (limit, ask_after) = (self.liveness.limit()?, self.liveness.ask_after()?);
        Some(match self.asked_at {
            None => self.received_at + ask_after,
            // Counted from the question, since nobody may have looked at this connection for a while before it.
            Some(asked_at) => asked_at + (limit - ask_after),
        })
    }

    fn on_timer(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.liveness_due().is_some_and(|due| due <= now) {
            if self.asked_at.is_some() {
                return Err(self.close(Kind::Quiet(self.liveness.limit().unwrap_or_default()).into()));
            }
            self.asked_at = Some(now);
            self.noop();
        }
        if self.noop_due().is_some_and(|due| due <= now) {
            self.noop();
            // Counted from when it was due: timers go off late, and from then the period would be longer than asked.
            // What was missed altogether is not made up for.
            let period = self.keep_awake.period().unwrap_or_default();
            self.noop_due += period;
            if self.noop_due <= now {
                self.noop_due = now + period;
            }
        }
        Ok(())
    }

    fn noop(&mut self) {
        // A connection that takes no command any more says so where it is read.
        if self.may_send().is_ok() && Command::Noop.encode(&mut self.out).is_ok() {
            self.waiting.push_back(Waiting::Noop);
        }
    }

    /// When the bytes that were read last had been read.
    pub fn received_at(&self) -> Instant {
        self.received_at
    }

    /// What was given with the commands that were not answered, in their order.
    pub fn into_waiting(self) -> impl Iterator<Item = T> {
        self.waiting.into_iter().filter_map(|waiting| match waiting {
            Waiting::Asked(tag) => Some(tag),
            Waiting::Noop => None,
        })
    }

    async fn frame(&mut self) -> Result<Frame, Error> {
        loop {
            match self.decode()? {
                Some(frame) if frame.kind == FrameKind::RudeRejection => return Err(Kind::Rejected.into()),
                Some(frame) => return Ok(frame),
                None => self.fill().await?,
            }
        }
    }

    fn decode(&mut self) -> Result<Option<Frame>, Error> {
        if let Some(closed) = &self.closed {
            return Err(closed.clone());
        }
        self.decoder.next_frame().map_err(|error| self.close(Kind::Wire(error).into()))
    }

    async fn fill(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.out.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, and writes what waits to be written.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // A socket that takes no more must still be read: its server may be waiting for just that, or may have said
        // why it closed.
        if let Poll::Ready(Err(_)) = self.poll_flush(cx) {
            self.out.clear();
        }
        let wanted = self.decoder.missing().max(READ_CHUNK);
        let buffer = self.decoder.buffer();
        buffer.reserve(wanted);
        match ready!(poll_read_buf(Pin::new(&mut self.stream), cx, buffer)) {
            Ok(0) => Poll::Ready(Err(self.close(Kind::Closed { notice: false }.into()))),
            Ok(_) => {
                self.received_at = Instant::now();
                self.asked_at = None;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.close(Kind::Io(error).into()))),
        }
    }

    /// Remembers the first reason for the end.
    fn close(&mut self, error: Error) -> Error {
        self.closed.get_or_insert(error).clone()
    }
}

#[cfg(test)]
pub(crate) mod dialogue;
#[cfg(test)]
mod tests;
