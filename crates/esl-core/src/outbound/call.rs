//! One channel that the dialplan handed over, and what it can be told.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;
use uuid::Uuid;

use super::link::Link;
use super::{Notice, Options};
use crate::argument::{whole_seconds, word};
use crate::error::{Error, Kind};
use crate::{Command, Event, EventName, Format, HangupCause, Message, Reply, Subscription};

/// How FreeSWITCH answers `getvar` where the variable is not set.
const NOT_SET: &str = "-ERR command not found";

/// How it answers `api uuid_getvar` there.
const UNDEFINED: &[u8] = b"_undef_";

/// How it answers an `api uuid_…` command when the channel is gone.
const NO_CHANNEL: &str = "No such channel!";

/// A channel under control of an outbound connection.
///
/// Futures of its methods can be dropped at any time, for a time-out say: what was sent stays sent, its reply is thrown
/// away when it comes, and no other command gets it. Events that come while a reply is awaited wait for
/// [`Call::next`], up to [`Options::events_max`] of them.
///
/// A handler that keeps a call open without calling anything must still read it now and then: a FreeSWITCH that cannot
/// hand over its events harms itself.
///
/// ```no_run
/// # async fn example(mut call: esl_core::outbound::Call) -> Result<(), esl_core::Error> {
/// use esl_core::{Error, EventName};
///
/// println!("{} calls {:?}", call.unique_id(), call.channel().get("Caller-Destination-Number"));
/// call.answer().await?;
/// let played = call.execute("playback", "ivr/ivr-welcome.wav").await?;
/// println!("{:?}", played.get("Application-Response"));
/// loop {
///     match call.next_event().await {
///         Ok(event) if event.name() == EventName::Dtmf => println!("{:?}", event.get("DTMF-Digit")),
///         Ok(_) => {}
///         Err(error) if error.is_closed() => return Ok(()),
///         Err(error) => return Err(error),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Call<S = TcpStream> {
    channel: Event,
    is_async: bool,
    is_full: bool,
    timeout: Duration,
    /// Whoever holds the other end gets the connection when the call goes, and leaves it in good order.
    pub(super) link: OwnedMutexGuard<Link<S>>,
}

/// A connection that is to be closed when its call is gone.
pub(super) type Shared<S> = Arc<Mutex<Link<S>>>;

impl<S: AsyncRead + AsyncWrite + Unpin> Call<S> {
    /// Takes a connection that a FreeSWITCH made: asks for its channel, and enables what the options say.
    ///
    /// Dropping the call closes the connection at once. In async mode that can leave the channel parked for ever unless it
    /// has run something: end with [`Call::exit`], or let a [`Server`](super::Server) do all this.
    ///
    /// # Errors
    /// The peer is no FreeSWITCH that runs `socket`, went away, or took longer than [`Options::timeout`].
    pub async fn accept(stream: S, options: &Options) -> Result<Self, Error> {
        Ok(Self::accept_shared(stream, options).await?.0)
    }

    pub(super) async fn accept_shared(stream: S, options: &Options) -> Result<(Self, Shared<S>), Error> {
        let link = Arc::new(Mutex::new(Link::new(stream, options)));
        let late = || Kind::Timeout { what: "the beginning of an outbound call", after: options.timeout }.into();
        let begin = timeout(options.timeout, Self::begin(link.clone().lock_owned().await, options));
        match begin.await.unwrap_or_else(|_| Err(late())) {
            Ok(call) => Ok((call, link)),
            Err(error) => {
                // Where a channel is there, it is not left parked.
                link.lock().await.leave(options.timeout).await;
                Err(error)
            }
        }
    }

    async fn begin(mut link: OwnedMutexGuard<Link<S>>, options: &Options) -> Result<Self, Error> {
        let channel = link.connect().await?;
        let is_async = channel.get("Socket-Mode").as_deref() == Some("async");
        let is_full = channel.get("Control").as_deref() == Some("full");
        if is_async {
            link.set_async(options);
        }
        let mut call = Self { channel, is_async, is_full, timeout: options.timeout, link };
        if let Some(format) = options.my_events {
            call.my_events(format).await?;
        }
        if is_full && options.linger.is_some() {
            call.linger(options.linger).await?;
        }
        Ok(call)
    }

    /// The channel as it was when the call began: the headers of a `CHANNEL_DATA` event, decoded when they are read.
    #[must_use]
    pub fn channel(&self) -> &Event {
        &self.channel
    }

    /// The channel's name on its server (`Unique-ID`), a UUID unless somebody chose otherwise (`origination_uuid`).
    #[must_use]
    pub fn unique_id(&self) -> Cow<'_, str> {
        self.channel.get("Unique-ID").unwrap_or_default()
    }

    /// The channel's UUID, `None` where its name is none.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        self.channel.unique_id()
    }

    /// A variable of the channel as it was when the call began. [`Call::getvar`] asks for what it is now.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.channel.variable(name)
    }

    /// Whether the dialplan said `async`: messages are answered at once, and the channel runs them one by one.
    #[must_use]
    pub fn is_async(&self) -> bool {
        self.is_async
    }

    /// Whether the dialplan said `full`: every command may be used, and not only those on this channel.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Runs an application and waits until it is over. Gives its `CHANNEL_EXECUTE_COMPLETE`, whose
    /// `Application-Response` says how it went. If the channel is hung up meanwhile, an application that noticed still
    /// completes.
    ///
    /// An application whose end FreeSWITCH does not tell is awaited for ever, such as one that needs media on a leg that
    /// has none: where that can be, use a time-out. One that is unknown ends the channel (`DESTINATION_OUT_OF_ORDER`).
    ///
    /// # Errors
    /// [`Error::ended`] where the channel has ended first; the server refuses; the connection is over; or the
    /// channel's events are not enabled, so that its end could not be seen.
    pub async fn execute(&mut self, application: &str, argument: &str) -> Result<Event, Error> {
        self.link.execute(Message::execute(application, argument)).await
    }

    /// Starts an application, behind those that were started before, and returns the `Application-UUID` that its events
    /// will have. In sync mode FreeSWITCH knows no such thing: there it returns when the application is over.
    ///
    /// # Errors
    /// [`Error::ended`] where the channel has ended; the server refuses; the connection is over.
    pub async fn start(&mut self, application: &str, argument: &str) -> Result<Uuid, Error> {
        // Without the lock, the next one would run in the middle of this one.
        self.link.started(Message::execute(application, argument).lock()).await
    }

    /// Sends any message to the channel, and waits for the server's answer only.
    ///
    /// # Errors
    /// As [`Call::request`]; also where the server refuses.
    pub async fn message(&mut self, message: &Message<'_>) -> Result<(), Error> {
        self.request(&Command::SendMsg(message)).await?.ok()?;
        Ok(())
    }

    /// Answers the call (`answer`).
    ///
    /// # Errors
    /// As [`Call::execute`].
    pub async fn answer(&mut self) -> Result<(), Error> {
        self.execute("answer", "").await?;
        Ok(())
    }

    /// Hangs up. With `full` that is at once (`uuid_kill`), else behind what was started before. A channel that has ended
    /// already is as wanted.
    ///
    /// # Errors
    /// The connection is over, or the server refuses.
    pub async fn hangup(&mut self, cause: HangupCause) -> Result<(), Error> {
        if self.link.end().is_some() {
            return Ok(());
        }
        if !self.is_full {
            return self.message(&Message::hangup(cause)).await;
        }
        match self.cmd(&format!("uuid_kill {} {cause}", self.unique_id())).await {
            Err(error) if error.command_failure().is_some_and(|failure| failure.words == NO_CHANNEL) => Ok(()),
            result => result.map(drop),
        }
    }

    /// The connection stays for so long after the channel's end, in whole seconds, or until it is left. [`Notice::Lingering`]
    /// tells when that begins.
    ///
    /// # Errors
    /// [`Error::is_not_full`]; the connection is over.
    pub async fn linger(&mut self, time: Option<Duration>) -> Result<(), Error> {
        self.request(&Command::Linger(time.map(whole_seconds))).await?.ok()?;
        Ok(())
    }

    /// The connection ends with the channel, as it would by itself. Its last events may not come then.
    ///
    /// # Errors
    /// [`Error::is_not_full`]; the connection is over.
    pub async fn no_linger(&mut self) -> Result<(), Error> {
        self.request(&Command::NoLinger).await?.ok()?;
        Ok(())
    }

    /// Enables the channel's events, see [`Options::my_events`].
    ///
    /// # Errors
    /// The server refuses, since they are enabled already; the connection is over.
    pub async fn my_events(&mut self, format: Format) -> Result<(), Error> {
        self.link.my_events(format).await
    }

    /// Whether events that the channel itself would consume, such as its DTMF, come here instead.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn divert_events(&mut self, on: bool) -> Result<(), Error> {
        self.request(&Command::DivertEvents(on)).await?.ok()?;
        Ok(())
    }

    /// A variable of the channel as it is now, `None` where it is not set.
    ///
    /// With `full`, that is exact (`uuid_getvar`). Without, FreeSWITCH's `getvar` is what there is: it cuts a value at 511
    /// bytes, loses white space at its ends, and writes line breaks as they are, so that a value with an empty line breaks
    /// the connection.
    ///
    /// # Errors
    /// The name cannot be sent; the connection is over.
    pub async fn getvar(&mut self, name: &str) -> Result<Option<String>, Error> {
        // Nobody but the connection knows a channel that has ended.
        if self.is_full && self.link.end().is_none() {
            let name = word("a variable's name", name)?;
            let reply = self.api(&format!("uuid_getvar {} {name}", self.unique_id())).await?;
            let body = reply.body();
            let gone = body.strip_prefix(b"-ERR ").is_some_and(|words| words.trim_ascii() == NO_CHANNEL.as_bytes());
            if !gone {
                return Ok((body != UNDEFINED).then(|| String::from_utf8_lossy(body).into_owned()));
            }
        }
        let reply = self.request(&Command::GetVar(name)).await?;
        let text = reply.text();
        Ok((text != NOT_SET).then(|| text.into_owned()))
    }

    /// `api <command>`: the server's reply, whatever it says. No events come while it runs.
    ///
    /// # Errors
    /// [`Error::is_not_full`]; as [`Call::request`].
    pub async fn api(&mut self, command: &str) -> Result<Reply, Error> {
        self.request(&Command::api(command)).await
    }

    /// `api <command>`: the output without white space at its ends.
    ///
    /// # Errors
    /// As [`Call::api`]; also [`Error::command_failure`] where the server answers `-ERR` or `-USAGE`.
    pub async fn cmd(&mut self, command: &str) -> Result<String, Error> {
        Ok(self.api(command).await?.ok()?.into_owned())
    }

    /// Starts `command` as a job in the server. Its result comes as a `BACKGROUND_JOB` event with this `Job-UUID` where
    /// [`Call::subscribe`] asked for those; it may never come, so that a caller needs a deadline.
    ///
    /// # Errors
    /// As [`Call::cmd`].
    pub async fn bgapi(&mut self, job: Uuid, command: &str) -> Result<(), Error> {
        // `Command::Background` would not say whose job it is, and `myevents` lets only the channel's own jobs pass.
        self.request(&Command::BgApi { job, command: command.into() }).await?.ok()?;
        Ok(())
    }

    /// Asks for more events. Where the channel's events are enabled, none of other channels pass, but those of the jobs of
    /// this connection do. The format is that of all events from then on. A filter holds for all events too, also for those
    /// that tell an application's end.
    ///
    /// # Errors
    /// [`Error::is_not_full`]; the subscription cannot be sent, or the server refuses it; the connection is over.
    pub async fn subscribe(&mut self, subscription: &Subscription) -> Result<(), Error> {
        self.check_full(&Command::Subscribe(subscription))?;
        let commands = Subscription::default().changes(subscription)?;
        self.link.sees_completion |= subscription.contains(EventName::ChannelExecuteComplete);
        self.link.ask_encoded(&commands).await
    }

    /// The channel goes on in its dialplan when the connection ends, even where it was taken out of it meanwhile.
    ///
    /// In sync mode this does nothing: the channel goes on anyway there, and if FreeSWITCH is told `resume`, it never does
    /// and stays for ever.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn resume(&mut self) -> Result<(), Error> {
        if self.is_async {
            self.request(&Command::Resume).await?.ok()?;
        }
        Ok(())
    }

    /// Sends any command and waits for its reply.
    ///
    /// # Errors
    /// [`Error::is_not_full`] where it needs `full`: nothing is sent then. The command's text cannot be sent, or the
    /// connection is over.
    pub async fn request(&mut self, command: &Command<'_>) -> Result<Reply, Error> {
        self.check_full(command)?;
        self.link.ask(command).await
    }

    /// What came unasked, the oldest first.
    ///
    /// # Errors
    /// The connection is over; the same again from then on.
    pub async fn next(&mut self) -> Result<Notice, Error> {
        self.link.next().await
    }

    /// The next event.
    ///
    /// # Errors
    /// As [`Call::next`].
    pub async fn next_event(&mut self) -> Result<Event, Error> {
        loop {
            if let Notice::Event(event) = self.next().await? {
                return Ok(event);
            }
        }
    }

    /// Why the channel ended, where it is known to have ended: an error of [`Error::ended`]. It becomes known as
    /// events are read, which every command does too.
    #[must_use]
    pub fn end(&self) -> Option<Error> {
        self.link.end()
    }

    /// Whether the channel has ended and the connection stays for its last events.
    #[must_use]
    pub fn is_lingering(&self) -> bool {
        self.link.is_lingering()
    }

    /// Events that were dropped, since more than [`Options::events_max`] waited to be read.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        self.link.dropped()
    }

    /// Ends the connection in good order, so that the channel goes on in its dialplan. Takes [`Options::timeout`] at the
    /// most, and some 20 ms where nothing is known yet of the channel's being parked.
    pub async fn exit(mut self) {
        let timeout = self.timeout;
        self.link.leave(timeout).await;
    }

    fn check_full(&self, command: &Command<'_>) -> Result<(), Error> {
        match needs_full(command) {
            Some(name) if !self.is_full => Err(Kind::NotFull(name).into()),
            _ => Ok(()),
        }
    }
}

/// The name of a command that FreeSWITCH knows on an outbound connection only with `full` (`parse_command`).
fn needs_full(command: &Command<'_>) -> Option<&'static str> {
    match command {
        Command::Api(_) | Command::Background { .. } => Some("api"),
        Command::BgApi { .. } => Some("bgapi"),
        Command::Subscribe(_) => Some("event"),
        Command::Unsubscribe(_) => Some("nixevent"),
        Command::NoEvents => Some("noevents"),
        Command::Linger(_) => Some("linger"),
        Command::NoLinger => Some("nolinger"),
        Command::Log(_) => Some("log"),
        Command::NoLog => Some("nolog"),
        Command::SendEvent { .. } => Some("sendevent"),
        Command::Auth(_)
        | Command::UserAuth { .. }
        | Command::MyEvents { .. }
        | Command::DivertEvents(_)
        | Command::SendMsg(_)
        | Command::Connect
        | Command::GetVar(_)
        | Command::Resume
        | Command::Noop
        | Command::Exit => None,
    }
}
