//! What a client can send. Text that would break out of its place is refused before anything is sent.

use std::borrow::Cow;

use bytes::BytesMut;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::argument::{no_control_byte, put, sound};
use crate::error::CommandError;
use crate::{EventName, Format, Message, Subscription};

/// A command may be so long: `mod_event_socket` cuts what is longer than 10 MiB in two.
const COMMAND_BYTES_MAX: usize = 10 << 20;

/// One command of the Event Socket (`mod_event_socket`'s `parse_command`).
///
/// ```
/// use esl_core::Command;
///
/// let mut bytes = Default::default();
/// Command::api("status").encode(&mut bytes)?;
/// assert_eq!(bytes, "api status\n\n");
/// assert!(Command::api("two\n\nexit").encode(&mut bytes).is_err(), "one command is one command");
/// # Ok::<(), esl_core::CommandError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `auth <password>`
    Auth(&'a SecretString),
    /// `userauth <user>@<domain>:<password>`: a user of the directory, with the rights that it gives.
    UserAuth {
        /// `user@domain`
        user: &'a str,
        /// The user's `esl-password`.
        password: &'a SecretString,
    },
    /// `api <command>`: runs on the connection's own thread in the server, and is answered with its output.
    Api(Cow<'a, str>),
    /// `api bgapi uuid:<job> <command>`: starts a job, is answered at once, and tells the result in a `BACKGROUND_JOB`
    /// event. Does not hold the connection up, as [`Command::BgApi`] does for a millisecond (`mod_commands`, since 1.8).
    Background {
        /// The job's UUID, chosen by the client.
        job: Uuid,
        /// The command.
        command: Cow<'a, str>,
    },
    /// `bgapi <command>` with a `Job-UUID`: the same by way of `mod_event_socket`, which every version has.
    BgApi {
        /// The job's UUID, chosen by the client.
        job: Uuid,
        /// The command.
        command: Cow<'a, str>,
    },
    /// `event …`, in the subscription's format: adds its names to what the connection is subscribed to. Its filters are
    /// commands of their own, see [`Subscription::changes`].
    Subscribe(&'a Subscription),
    /// `nixevent …`: takes these names from what the connection is subscribed to.
    Unsubscribe(&'a Subscription),
    /// `noevents`: ends the connection's subscription, and throws away what it had not delivered.
    NoEvents,
    /// `myevents`: the events of one channel. On an inbound connection it is named, and the connection is bound to it
    /// from then on; an outbound connection has its own.
    MyEvents {
        /// The channel, on an inbound connection.
        channel: Option<Uuid>,
        /// The format.
        format: Format,
    },
    /// `divert_events`: events that the channel itself would consume (its DTMF) come here instead.
    DivertEvents(bool),
    /// `linger`: the connection stays after its channel's end so that the last events arrive, for so many seconds or
    /// until the client leaves.
    Linger(Option<u32>),
    /// `nolinger`: takes [`Command::Linger`] back.
    NoLinger,
    /// `log <level>`: the server's log from this level on, see [`LogLevel`].
    Log(LogLevel),
    /// `nolog`: ends [`Command::Log`].
    NoLog,
    /// `sendevent <name>` with headers: the server passes it on to its listeners.
    SendEvent {
        /// The event's name.
        name: EventName,
        /// Its headers.
        headers: &'a [(&'a str, &'a str)],
        /// Its body, empty for none.
        body: &'a str,
    },
    /// `sendmsg`: a message to a channel.
    SendMsg(&'a Message<'a>),
    /// `connect`: what an outbound connection begins with. The answer has the channel's headers.
    Connect,
    /// `getvar <name>`: a variable of an outbound connection's channel, raw and cut to 511 bytes. A variable that is not
    /// set is answered like a command that is not known.
    GetVar(&'a str),
    /// `resume`: the channel goes on in its dialplan when the outbound connection ends, even where it was taken out of it
    /// meanwhile. In sync mode it would stay for ever: see [`outbound::Call::resume`](crate::outbound::Call::resume).
    Resume,
    /// A command that no server knows and that does nothing: it is answered with `-ERR command not found`, and the
    /// server looks at the connection's events on the way.
    Noop,
    /// `exit`: the server says good-bye and closes.
    Exit,
}

impl<'a> Command<'a> {
    /// `api <command>`.
    pub fn api(command: impl Into<Cow<'a, str>>) -> Self {
        Self::Api(command.into())
    }

    /// Appends the command as it goes over the wire.
    ///
    /// # Errors
    /// [`CommandError`] where a text holds CR, LF or NUL, is empty where it must say something, or is too long for the
    /// server. Nothing is appended then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), CommandError> {
        let before = out.len();
        let result = self.encode_text(out).and_then(|()| match out.len() - before {
            length if length > COMMAND_BYTES_MAX => Err(CommandError::TooLong { length, limit: COMMAND_BYTES_MAX }),
            _ => Ok(()),
        });
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    fn encode_text(&self, out: &mut BytesMut) -> Result<(), CommandError> {
        match self {
            Self::Auth(password) => put(out, &["auth ", sound_password(password)?, "\n\n"]),
            Self::UserAuth { user, password } => {
                sound("the user", user)?;
                match user.split_once('@') {
                    Some((name, domain)) if !name.is_empty() && !domain.is_empty() && !user.contains(':') => {}
                    _ => return Err(CommandError::User(user.split(':').next().unwrap_or_default().to_owned())),
                }
                put(out, &["userauth ", user, ":", sound_password(password)?, "\n\n"]);
            }
            Self::Api(command) => {
                sound("an api command", command)?;
                put(out, &["api ", command, "\n\n"]);
            }
            Self::Background { job, command } => {
                sound("a background command", command)?;
                let mut buffer = Uuid::encode_buffer();
                let job = job.hyphenated().encode_lower(&mut buffer);
                put(out, &["api bgapi uuid:", job, " ", command, "\n\n"]);
            }
            Self::BgApi { job, command } => {
                sound("a background command", command)?;
                let mut buffer = Uuid::encode_buffer();
                let job = job.hyphenated().encode_lower(&mut buffer);
                put(out, &["bgapi ", command, "\nJob-UUID: ", job, "\n\n"]);
            }
            Self::Subscribe(subscription) => {
                put(out, &["event ", subscription.format_name()]);
                subscription.encode_list(out)?;
            }
            Self::Unsubscribe(subscription) => {
                put(out, &["nixevent"]);
                subscription.encode_list(out)?;
            }
            Self::NoEvents => put(out, &["noevents\n\n"]),
            Self::MyEvents { channel: None, format } => put(out, &["myevents ", format.name(), "\n\n"]),
            Self::MyEvents { channel: Some(channel), format } => {
                put(out, &["myevents ", &channel.to_string(), " ", format.name(), "\n\n"]);
            }
            Self::DivertEvents(on) => put(out, &["divert_events ", if *on { "on" } else { "off" }, "\n\n"]),
            Self::Linger(None) => put(out, &["linger\n\n"]),
            Self::Linger(Some(seconds)) => put(out, &["linger ", &seconds.to_string(), "\n\n"]),
            Self::NoLinger => put(out, &["nolinger\n\n"]),
            Self::Log(level) => put(out, &["log ", level.as_str(), "\n\n"]),
            Self::NoLog => put(out, &["nolog\n\n"]),
            Self::SendEvent { name, headers, body } => {
                for (name, value) in *headers {
                    sound("a header's name", name)?;
                    if !value.is_empty() {
                        sound("a header's value", value)?;
                    }
                }
                no_control_byte("an event's body", body, &[0])?;
                put(out, &["sendevent ", name.as_str(), "\n"]);
                for (name, value) in *headers {
                    put(out, &[name, ": ", value, "\n"]);
                }
                match *body {
                    "" => put(out, &["\n"]),
                    body => put(out, &["content-length: ", &body.len().to_string(), "\n\n", body]),
                }
            }
            Self::SendMsg(message) => message.encode(out)?,
            Self::Connect => put(out, &["connect\n\n"]),
            Self::GetVar(name) => {
                sound("a variable's name", name)?;
                put(out, &["getvar ", name, "\n\n"]);
            }
            Self::Resume => put(out, &["resume\n\n"]),
            Self::Noop => put(out, &["noop\n\n"]),
            Self::Exit => put(out, &["exit\n\n"]),
        }
        Ok(())
    }
}

/// The levels of FreeSWITCH's log (`switch_log_level_t`), the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// `CONSOLE`
    Console,
    /// `ALERT`
    Alert,
    /// `CRIT`
    Critical,
    /// `ERR`
    Error,
    /// `WARNING`
    Warning,
    /// `NOTICE`
    Notice,
    /// `INFO`
    Info,
    /// `DEBUG`
    Debug,
}

impl LogLevel {
    /// Every level, by its number.
    pub const ALL: [Self; 8] =
        [Self::Console, Self::Alert, Self::Critical, Self::Error, Self::Warning, Self::Notice, Self::Info, Self::Debug];

    /// The name as FreeSWITCH writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Console => "CONSOLE",
            Self::Alert => "ALERT",
            Self::Critical => "CRIT",
            Self::Error => "ERR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// The password, unless it cannot be sent. The error does not show it.
fn sound_password(password: &SecretString) -> Result<&str, CommandError> {
    let password = password.expose_secret();
    match sound("the password", password) {
        Ok(()) => Ok(password),
        Err(CommandError::ControlByte { place, byte, .. }) => {
            Err(CommandError::ControlByte { place, text: "***".to_owned(), byte })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(command: &Command<'_>) -> Result<String, CommandError> {
        let mut out = BytesMut::new();
        let result = command.encode(&mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        assert!(result.is_ok() || text.is_empty(), "nothing is sent of a refused command");
        result.map(|()| text)
    }

    #[test]
    fn commands_as_freeswitch_reads_them() {
        let job = Uuid::from_u128(0xaaaa_0000_0000_4000_8000_0000_0000_0001);
        let subscription = Subscription::new([EventName::ChannelAnswer, EventName::Heartbeat]).custom("loadgen::probe");
        let cases = [
            (Command::api("status"), "api status\n\n"),
            (
                Command::Background { job, command: "originate null/x &park()".into() },
                "api bgapi uuid:aaaa0000-0000-4000-8000-000000000001 originate null/x &park()\n\n",
            ),
            (
                Command::BgApi { job, command: "status".into() },
                "bgapi status\nJob-UUID: aaaa0000-0000-4000-8000-000000000001\n\n",
            ),
            (Command::Subscribe(&subscription), "event plain CHANNEL_ANSWER HEARTBEAT CUSTOM loadgen::probe\n\n"),
            (
                Command::SendEvent { name: EventName::Custom, headers: &[("Event-Subclass", "a::b")], body: "" },
                "sendevent CUSTOM\nEvent-Subclass: a::b\n\n",
            ),
            (
                Command::SendEvent { name: EventName::Notify, headers: &[("a", "")], body: "x\n\ny" },
                "sendevent NOTIFY\na: \ncontent-length: 4\n\nx\n\ny",
            ),
            (Command::Unsubscribe(&subscription), "nixevent CHANNEL_ANSWER HEARTBEAT CUSTOM loadgen::probe\n\n"),
            (Command::NoEvents, "noevents\n\n"),
            (Command::MyEvents { channel: None, format: Format::Json }, "myevents json\n\n"),
            (
                Command::MyEvents { channel: Some(job), format: Format::Plain },
                "myevents aaaa0000-0000-4000-8000-000000000001 plain\n\n",
            ),
            (Command::DivertEvents(true), "divert_events on\n\n"),
            (Command::Linger(None), "linger\n\n"),
            (Command::Linger(Some(2)), "linger 2\n\n"),
            (Command::NoLinger, "nolinger\n\n"),
            (Command::Log(LogLevel::Warning), "log WARNING\n\n"),
            (Command::NoLog, "nolog\n\n"),
            (Command::Connect, "connect\n\n"),
            (Command::GetVar("x"), "getvar x\n\n"),
            (Command::Resume, "resume\n\n"),
            (Command::UserAuth { user: "a@b", password: &"c".into() }, "userauth a@b:c\n\n"),
            (Command::Noop, "noop\n\n"),
            (Command::Exit, "exit\n\n"),
        ];
        for (command, expected) in cases {
            assert_eq!(encoded(&command).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn text_that_breaks_out_is_refused() {
        for text in ["status\n\nexit", "status\r", "sta\0tus", "", "  "] {
            let job = Uuid::nil();
            assert!(encoded(&Command::api(text)).is_err());
            assert!(encoded(&Command::Background { job, command: text.into() }).is_err());
            assert!(encoded(&Command::BgApi { job, command: text.into() }).is_err());
            assert!(encoded(&Command::Auth(&SecretString::from(text))).is_err());
            let headers = [(text, "x")];
            let event = Command::SendEvent { name: EventName::Custom, headers: &headers, body: "" };
            assert!(encoded(&event).is_err());
            assert!(encoded(&Command::Subscribe(&Subscription::default().custom(text))).is_err());
        }
    }

    #[test]
    fn a_refused_password_is_not_shown() {
        let error = encoded(&Command::Auth(&SecretString::from("hunter2\n"))).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_user_without_a_domain_is_refused() {
        // What may be a password is not shown.
        for (user, shown) in [("a", "a"), ("@b", "@b"), ("a@", "a@"), ("a:x@b", "a"), ("a@b:hunter2", "a@b")] {
            let command = Command::UserAuth { user, password: &"c".into() };
            assert_eq!(encoded(&command), Err(CommandError::User(shown.to_owned())));
        }
    }

    #[test]
    fn a_command_that_the_server_would_cut_is_refused() {
        let long = "x".repeat(COMMAND_BYTES_MAX);
        assert!(matches!(encoded(&Command::api(long)), Err(CommandError::TooLong { .. })));
    }
}
