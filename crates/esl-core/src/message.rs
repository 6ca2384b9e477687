//! `sendmsg`: what one channel is told to do, an application for the most part.

use std::borrow::Cow;
use std::num::NonZeroU32;

use bytes::BytesMut;
use uuid::Uuid;

use crate::HangupCause;
use crate::argument::{put, sound};
use crate::error::CommandError;

/// An argument longer than this travels as the message's body: what `mod_event_socket` reads a command's head into grows
/// by so much.
const ARGUMENT_INLINE_MAX: usize = 2048;

/// A message to a channel (`mod_event_socket`'s `sendmsg`, read by `switch_ivr_parse_event`).
///
/// The server answers as soon as the message is in the channel's queue. An application's end is told by a
/// `CHANNEL_EXECUTE_COMPLETE` whose `Application-UUID` is the [`Message::event_uuid`], or never, when the channel ends
/// first. [`Session::execute`](crate::Session::execute) waits for it.
///
/// ```no_run
/// # async fn example(client: esl_core::Client, channel: uuid::Uuid) -> Result<(), esl_core::Error> {
/// use esl_core::{HangupCause, Message};
/// use uuid::Uuid;
///
/// let this = Uuid::new_v4();
/// let playback = Message::execute("playback", "tone_stream://%(1000,0,425)");
/// client.sendmsg(&playback.to(channel).event_uuid(this)).await?;
/// client.sendmsg(&Message::hangup(HangupCause::NORMAL_CLEARING).to(channel)).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    channel: Option<Uuid>,
    what: What<'a>,
    lock: bool,
    synchronous: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What<'a> {
    Execute { application: Cow<'a, str>, argument: Cow<'a, str>, loops: Option<NonZeroU32>, event_uuid: Option<Uuid> },
    Hangup(HangupCause),
}

impl<'a> Message<'a> {
    /// Runs `application` with `argument` (`mod_dptools` and others), after what was queued before it.
    pub fn execute(application: impl Into<Cow<'a, str>>, argument: impl Into<Cow<'a, str>>) -> Self {
        let (application, argument) = (application.into(), argument.into());
        Self::new(What::Execute { application, argument, loops: None, event_uuid: None })
    }

    /// Hangs up, after what was queued before it. `uuid_kill` does not wait for that.
    #[must_use]
    pub fn hangup(cause: HangupCause) -> Self {
        Self::new(What::Hangup(cause))
    }

    fn new(what: What<'a>) -> Self {
        Self { channel: None, what, lock: false, synchronous: true }
    }

    /// To this channel. An outbound connection has one of its own and needs none; on any other, the server refuses a
    /// message without one.
    #[must_use]
    pub fn to(mut self, channel: Uuid) -> Self {
        self.channel = Some(channel);
        self
    }

    /// The UUID that the events of this execution carry as `Application-UUID`. A hang-up has none.
    #[must_use]
    pub fn event_uuid(mut self, uuid: Uuid) -> Self {
        if let What::Execute { event_uuid, .. } = &mut self.what {
            *event_uuid = Some(uuid);
        }
        self
    }

    /// Runs the application so many times (`loops`). The server stops repeating one that took less than half a second.
    /// A hang-up takes no notice.
    #[must_use]
    pub fn loops(mut self, count: NonZeroU32) -> Self {
        if let What::Execute { loops, .. } = &mut self.what {
            *loops = Some(count);
        }
        self
    }

    /// Lets no other message in while this one is worked off (`event-lock`). For outbound connections in async mode,
    /// where messages could otherwise overtake each other.
    #[must_use]
    pub fn lock(mut self) -> Self {
        self.lock = true;
        self
    }

    /// On an outbound connection in sync mode: queues the message and answers at once (`async: true`).
    #[must_use]
    pub fn queued(mut self) -> Self {
        self.synchronous = false;
        self
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) -> Result<(), CommandError> {
        if let What::Execute { application, argument, .. } = &self.what {
            sound("an application", application)?;
            if argument.contains('\0') {
                let text = argument.clone().into_owned();
                return Err(CommandError::ControlByte { place: "an application's argument", text, byte: 0 });
            }
        }
        match self.channel {
            Some(channel) => put(out, &["sendmsg ", &channel.to_string(), "\n"]),
            None => put(out, &["sendmsg\n"]),
        }
        if self.lock {
            put(out, &["event-lock: true\n"]);
        }
        if !self.synchronous {
            put(out, &["async: true\n"]);
        }
        match &self.what {
            What::Hangup(cause) => {
                put(out, &["call-command: hangup\nhangup-cause: ", cause.as_str(), "\n\n"]);
            }
            What::Execute { application, argument, loops, event_uuid } => {
                put(out, &["call-command: execute\nexecute-app-name: ", application, "\n"]);
                if let Some(uuid) = event_uuid {
                    put(out, &["Event-UUID: ", &uuid.to_string(), "\n"]);
                }
                if let Some(loops) = loops {
                    put(out, &["loops: ", &loops.to_string(), "\n"]);
                }
                if fits_a_header(argument) {
                    if !argument.is_empty() {
                        put(out, &["execute-app-arg: ", argument, "\n"]);
                    }
                    put(out, &["\n"]);
                } else {
                    let length = argument.len().to_string();
                    put(out, &["content-type: text/plain\ncontent-length: ", &length, "\n\n", argument]);
                }
            }
        }
        Ok(())
    }
}

/// Whether a header's value carries this unchanged: a line's end would end it, leading spaces are passed over, and what
/// begins with `ARRAY::` is taken for a list (`switch_event_add_header_string`).
fn fits_a_header(argument: &str) -> bool {
    argument.len() <= ARGUMENT_INLINE_MAX
        && !argument.contains(['\n', '\r'])
        && !argument.starts_with(' ')
        && !argument.starts_with("ARRAY::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: &Message<'_>) -> String {
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn an_execution_as_freeswitch_reads_it() {
        let uuid = Uuid::from_u128(1);
        let message =
            Message::execute("playback", "tone_stream://%(300,0,1004)").to(Uuid::nil()).event_uuid(uuid).lock();
        assert_eq!(
            encoded(&message.loops(NonZeroU32::new(3).unwrap())),
            "sendmsg 00000000-0000-0000-0000-000000000000\nevent-lock: true\ncall-command: execute\n\
             execute-app-name: playback\nEvent-UUID: 00000000-0000-0000-0000-000000000001\nloops: 3\n\
             execute-app-arg: tone_stream://%(300,0,1004)\n\n"
        );
        assert_eq!(
            encoded(&Message::execute("answer", "")),
            "sendmsg\ncall-command: execute\nexecute-app-name: answer\n\n"
        );
        assert_eq!(
            encoded(&Message::hangup(HangupCause::USER_BUSY).queued()),
            "sendmsg\nasync: true\ncall-command: hangup\nhangup-cause: USER_BUSY\n\n"
        );
    }

    #[test]
    fn an_argument_that_a_header_cannot_carry_is_the_body() {
        for argument in ["a\nb", " a", "ARRAY::a|:b", &"x".repeat(3000)] {
            let text = encoded(&Message::execute("set", argument));
            let (head, body) = text.split_once("\n\n").unwrap();
            assert!(head.ends_with(&format!("content-type: text/plain\ncontent-length: {}", argument.len())), "{head}");
            assert_eq!(body, argument);
        }
    }

    #[test]
    fn what_no_message_carries_is_refused() {
        let mut out = BytesMut::new();
        for message in [Message::execute("a\nb", ""), Message::execute("", ""), Message::execute("set", "a\0")] {
            assert!(message.encode(&mut out).is_err());
            assert!(out.is_empty());
        }
    }
}
