//! What can go wrong, and what a caller can ask about it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use crate::wire::WireError;
use crate::{EventName, HangupCause};

/// Why something did not work. Cheap to clone: the end of a connection is told to everyone who waits on it.
///
/// It is asked what it is:
///
/// ```
/// use std::time::Duration;
///
/// use esl_core::Error;
///
/// fn is_worth_another_try(error: &Error) -> bool {
///     error.is_timeout() || error.is_closed() || error.command_failure().is_some_and(|it| it.words == "USER_BUSY")
/// }
///
/// assert!(is_worth_another_try(&Error::timed_out("an answer", Duration::from_secs(1))));
/// ```
///
/// What the system said, where it was the system, is the [source](std::error::Error::source).
#[derive(Clone, Debug)]
pub struct Error(Arc<Kind>);

#[derive(Debug, Error)]
pub(crate) enum Kind {
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("{what} took longer than {after:?}")]
    Timeout { what: &'static str, after: Duration },
    #[error("{address} did not speak Event Socket within {after:?}")]
    Silent { address: String, after: Duration },
    #[error("the server does not accept connections from this address (its apply-inbound-acl refuses it)")]
    Rejected,
    #[error("the server refused the password: {0}")]
    Password(String),
    #[error("expected the server to ask for a password, got {0:?}")]
    Handshake(String),
    #[error(transparent)]
    Wire(WireError),
    #[error("the connection was closed by the server{}", if *.notice { " with a disconnect notice" } else { "" })]
    Closed { notice: bool },
    #[error("nothing came from the server for {0:?}: it is taken for gone")]
    Quiet(Duration),
    #[error("the connection was closed here")]
    Dropped,
    #[error("the connection broke: {0}")]
    Io(#[source] io::Error),
    #[error("too many commands are outstanding ({0})")]
    Overrun(usize),
    #[error("this has to be called within a tokio runtime")]
    NoRuntime,
    #[error("channel {0} did not tell, or told while the connection was gone")]
    Missed(Uuid),
    #[error("this client has no listener to see what becomes of it: attach one (Client::attach)")]
    NoListener,
    #[error("the listener {0}")]
    Listener(&'static str),
    #[error("this needs {name} events, and the listener is not subscribed to them: see EventListener::subscribe")]
    NotSubscribed { name: EventName },
    #[error("the listener of channel {0} has no client to send commands through: attach it to one (Client::attach)")]
    NoClient(Uuid),
    #[error("channel {channel} has ended: {cause}")]
    Ended { channel: Uuid, cause: HangupCause },
    #[error("{0} calls are left after hanging up for {1:?}")]
    Left(usize, Duration),
    #[error("the result of job {0} was lost with the connection")]
    JobLost(Uuid),
    #[error("app {id:?} was not loaded: {reason}")]
    App { id: String, reason: String },
    #[error(transparent)]
    Command(CommandError),
    #[error(transparent)]
    Api(ApiError),
    #[error("cannot listen on {address}: {source}")]
    Bind { address: String, source: io::Error },
    #[error("expected a FreeSWITCH's answer to `connect`, got {0:?}")]
    NoCall(String),
    #[error("the channel has ended{}", .0.map(|cause| format!(" ({cause})")).unwrap_or_default())]
    ChannelEnded(Option<HangupCause>),
    #[error("`{0}` needs `full` among the arguments of the dialplan's socket application")]
    NotFull(&'static str),
    #[error("the end of an application cannot be seen, since the channel's events are not enabled")]
    Unseen,
    /// What failed at which servers, one at the least.
    #[error("{}", .0.iter().map(|(address, error)| format!("{address}: {error}")).collect::<Vec<_>>().join("; "))]
    Slaves(Vec<(String, Error)>),
    #[error("no server is given")]
    NoContacts,
    #[error("the pattern {pattern:?} is no regular expression: {source}")]
    Pattern { pattern: String, source: regex_lite::Error },
    #[error(
        "this would stop the async runtime whose thread it is called in: use the async client there, or a thread of its own"
    )]
    InsideRuntime,
    #[error("cannot start a runtime: {0}")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// What went wrong; with several servers, at the first one where something did.
    fn kind(&self) -> &Kind {
        match &*self.0 {
            Kind::Slaves(failures) => failures.first().map_or(&self.0, |(_, error)| error.kind()),
            kind => kind,
        }
    }

    /// What failed at which servers, by their addresses, where several were asked. The other questions are answered for the
    /// first one.
    #[must_use]
    pub fn failures(&self) -> &[(String, Error)] {
        match &*self.0 {
            Kind::Slaves(failures) => failures,
            _ => &[],
        }
    }

    /// Whether a route's pattern is no regular expression.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        matches!(*self.kind(), Kind::Pattern { .. })
    }

    /// Whether something that waits was called where it would stop an async runtime.
    #[must_use]
    pub fn is_inside_runtime(&self) -> bool {
        matches!(*self.kind(), Kind::InsideRuntime)
    }

    /// An error for something that took longer than it may, as [`Error::is_timeout`] knows it: for time limits around
    /// what this library does.
    #[must_use]
    pub fn timed_out(what: &'static str, after: Duration) -> Self {
        Kind::Timeout { what, after }.into()
    }

    /// Whether the connection is gone: closed by the server, broken, or not understood any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(
            *self.kind(),
            Kind::Closed { .. } | Kind::Quiet(_) | Kind::Dropped | Kind::Io(_) | Kind::Wire(_) | Kind::Rejected
        )
    }

    /// Whether something took too long.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(*self.kind(), Kind::Timeout { .. } | Kind::Silent { .. } | Kind::Left(..))
    }

    /// Whether the server refused the password.
    #[must_use]
    pub fn is_password(&self) -> bool {
        matches!(*self.kind(), Kind::Password(_))
    }

    /// Whether the server refuses connections from this address.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        matches!(*self.kind(), Kind::Rejected)
    }

    /// Whether a call was asked for that only a listener can follow, and there is none that runs: attach one to the
    /// client, connect and start it.
    #[must_use]
    pub fn is_no_listener(&self) -> bool {
        matches!(*self.kind(), Kind::NoListener | Kind::Listener(_))
    }

    /// Why the channel ended, where that is what kept something from being done; [`HangupCause::UNKNOWN`] where nobody
    /// said. An outbound connection may still be there then (`linger`).
    #[must_use]
    pub fn ended(&self) -> Option<HangupCause> {
        match *self.kind() {
            Kind::Ended { cause, .. } => Some(cause),
            Kind::ChannelEnded(cause) => Some(cause.unwrap_or(HangupCause::UNKNOWN)),
            _ => None,
        }
    }

    /// Whether a command was not sent since the dialplan gave the outbound connection no `full` control.
    #[must_use]
    pub fn is_not_full(&self) -> bool {
        matches!(*self.kind(), Kind::NotFull(_))
    }

    /// Whether nobody knows what became of something, since the connection was gone while it was under way: a job whose
    /// call is not there any more, or what a channel was told to do.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(*self.kind(), Kind::Missed(_) | Kind::JobLost(_))
    }

    /// Whether events would be needed that the listener is not subscribed to.
    #[must_use]
    pub fn is_not_subscribed(&self) -> bool {
        matches!(*self.kind(), Kind::NotSubscribed { .. })
    }

    /// What is wrong with a command that was not sent for its text.
    #[must_use]
    pub fn command_error(&self) -> Option<&CommandError> {
        match self.kind() {
            Kind::Command(error) => Some(error),
            _ => None,
        }
    }

    /// What the server answered, where it refused a command.
    #[must_use]
    pub fn command_failure(&self) -> Option<&ApiError> {
        match self.kind() {
            Kind::Api(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Arc::new(kind))
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Kind::Command(error).into()
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Kind::Api(error).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// A command that cannot be sent, since its text would break out of its place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A line break ends a header or a command, NUL ends a string in the server.
    #[error("{place} {text:?} holds {}: it cannot be sent", match .byte { b'\n' => "a line feed", b'\r' => "a carriage return", _ => "a NUL" })]
    ControlByte {
        /// What the text was for.
        place: &'static str,
        /// The text.
        text: String,
        /// The byte that cannot be sent.
        byte: u8,
    },
    /// A text that must say something is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A word of a command ends at a space.
    #[error("{place} {text:?} holds a space, which would end it")]
    Space {
        /// What the text was for.
        place: &'static str,
        /// The text.
        text: String,
    },
    /// A word that the server takes for a command of its own.
    #[error("{place} {text:?} is a word of the server's own there")]
    Reserved {
        /// What the text was for.
        place: &'static str,
        /// The text.
        text: String,
    },
    /// A user of `userauth` has a domain.
    #[error("the user {0:?} is not of the form user@domain, without a password")]
    User(String),
    /// The server would cut the command in two.
    #[error("the command has {length} bytes, the server takes {limit}")]
    TooLong {
        /// The command's length, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The parser of FreeSWITCH's `originate` has no way to carry this.
    #[error("{place} {text:?} holds {unfit:?}, which FreeSWITCH's originate cannot carry there")]
    Originate {
        /// What the text was for.
        place: &'static str,
        /// The text.
        text: String,
        /// The character that cannot be carried.
        unfit: char,
    },
    /// The parser of FreeSWITCH's `originate` would take these characters together for something else.
    #[error("{place} {text:?} holds {sequence:?}, which FreeSWITCH's originate takes for something else there")]
    OriginateSequence {
        /// What the text was for.
        place: &'static str,
        /// The text.
        text: String,
        /// What would be taken for something else.
        sequence: &'static str,
    },
    /// More of something than FreeSWITCH takes.
    #[error("more than {most} {what}: FreeSWITCH's originate takes no more")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A character that would end the place that a text has in a command, or that has no meaning there.
    #[error("{place} {text:?} holds {unfit:?}, which cannot stand there")]
    Unfit {
        /// What the text was for.
        place: &'static str,
        /// The text.
        text: String,
        /// The character.
        unfit: char,
    },
}

/// The server's refusal of a command, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{words}", match .kind { ApiErrorKind::Refused => "-ERR ", ApiErrorKind::Usage => "-USAGE: " })]
pub struct ApiError {
    /// Which of its kinds.
    pub kind: ApiErrorKind,
    /// The server's words, without `-ERR` or `-USAGE:`.
    pub words: String,
}

impl ApiError {
    /// The words of an answer where they are no refusal.
    pub(crate) fn check(text: &str) -> Result<&str, Self> {
        for (prefix, kind) in [("-ERR", ApiErrorKind::Refused), ("-USAGE", ApiErrorKind::Usage)] {
            if let Some(words) = text.strip_prefix(prefix) {
                return Err(Self { kind, words: words.trim_start_matches(':').trim().to_owned() });
            }
        }
        Ok(text)
    }
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// `-ERR …`
    Refused,
    /// `-USAGE: …`
    Usage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_several_servers_are_named_and_the_first_one_is_asked() {
        let late = Error::timed_out("a reply", Duration::from_secs(1));
        let error = Error::from(Kind::Slaves(vec![
            ("a:1".to_owned(), Kind::Password("-ERR invalid".to_owned()).into()),
            ("b:2".to_owned(), late.clone()),
        ]));
        assert_eq!(
            error.to_string(),
            "a:1: the server refused the password: -ERR invalid; b:2: a reply took longer than 1s"
        );
        assert!(error.is_password() && !error.is_timeout());
        assert_eq!(error.failures()[1].0, "b:2");
        assert!(error.failures()[1].1.is_timeout() && late.failures().is_empty());
    }

    #[test]
    fn what_a_command_s_text_lacks_and_what_the_system_says_can_be_asked_for() {
        let error = Error::from(CommandError::Empty("a name"));
        assert_eq!(error.command_error(), Some(&CommandError::Empty("a name")));
        let error = Error::from(Kind::Io(io::ErrorKind::BrokenPipe.into()));
        let source = std::error::Error::source(&error).and_then(|it| it.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::BrokenPipe));
        assert!(error.is_closed() && error.command_error().is_none() && !error.is_lost());
        assert!(Error::from(Kind::JobLost(Uuid::nil())).is_lost());
        assert!(Error::from(Kind::NotSubscribed { name: EventName::Dtmf }).is_not_subscribed());
    }
}
