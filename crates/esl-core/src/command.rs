//! What a client can send. Text that would break out of its place is refused before anything is sent.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::EventName;
use crate::error::CommandError;

/// One command of the Event Socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `auth <password>`
    Auth(&'a SecretString),
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
    /// `event plain …`: adds to the connection's subscription.
    Subscribe(&'a Subscription),
    /// `sendevent <name>` with headers: the server passes it on to its listeners.
    SendEvent {
        /// The event's name.
        name: EventName,
        /// Its headers.
        headers: &'a [(&'a str, &'a str)],
    },
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
    /// [`CommandError`] where a text holds CR, LF or NUL, or is empty. Nothing is appended then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), CommandError> {
        match self {
            Self::Auth(password) => {
                let password = password.expose_secret();
                // The error must not show the password.
                sound("the password", password).map_err(|error| match error {
                    CommandError::ControlByte { place, byte, .. } => {
                        CommandError::ControlByte { place, text: "***".to_owned(), byte }
                    }
                    error => error,
                })?;
                put(out, &["auth ", password, "\n\n"]);
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
                for subclass in &subscription.custom {
                    sound("an event's subclass", subclass)?;
                }
                put(out, &["event plain"]);
                for name in &subscription.names {
                    put(out, &[" ", name.as_str()]);
                }
                // Everything behind CUSTOM is a subclass, so it comes last.
                if !subscription.custom.is_empty() {
                    put(out, &[" CUSTOM"]);
                }
                for subclass in &subscription.custom {
                    put(out, &[" ", subclass]);
                }
                put(out, &["\n\n"]);
            }
            Self::SendEvent { name, headers } => {
                for (name, value) in *headers {
                    sound("a header's name", name)?;
                    if !value.is_empty() {
                        sound("a header's value", value)?;
                    }
                }
                put(out, &["sendevent ", name.as_str(), "\n"]);
                for (name, value) in *headers {
                    put(out, &[name, ": ", value, "\n"]);
                }
                put(out, &["\n"]);
            }
            Self::Noop => put(out, &["noop\n\n"]),
            Self::Exit => put(out, &["exit\n\n"]),
        }
        Ok(())
    }
}

/// Which events a listener gets. Every channel event is large, and what is not subscribed to costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    names: Vec<EventName>,
    custom: Vec<String>,
}

impl Subscription {
    /// A subscription to events by their names.
    pub fn new(names: impl IntoIterator<Item = EventName>) -> Self {
        Self { names: names.into_iter().collect(), custom: Vec::new() }
    }

    /// Adds a subclass of `CUSTOM` events.
    #[must_use]
    pub fn custom(mut self, subclass: impl Into<String>) -> Self {
        self.custom.push(subclass.into());
        self
    }
}

fn put(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
}

/// That a text stays in its place: LF ends a header, a blank line a command, NUL a string; CR is dropped or misread.
fn sound(place: &'static str, text: &str) -> Result<(), CommandError> {
    if text.trim().is_empty() {
        return Err(CommandError::Empty(place));
    }
    match text.bytes().find(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        Some(byte) => Err(CommandError::ControlByte { place, text: text.to_owned(), byte }),
        None => Ok(()),
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
                Command::SendEvent { name: EventName::Custom, headers: &[("Event-Subclass", "a::b")] },
                "sendevent CUSTOM\nEvent-Subclass: a::b\n\n",
            ),
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
            let event = Command::SendEvent { name: EventName::Custom, headers: &headers };
            assert!(encoded(&event).is_err());
            assert!(encoded(&Command::Subscribe(&Subscription::default().custom(text))).is_err());
        }
    }

    #[test]
    fn a_refused_password_is_not_shown() {
        let error = encoded(&Command::Auth(&SecretString::from("hunter2\n"))).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
