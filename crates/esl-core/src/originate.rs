//! FreeSWITCH's `originate` command, quoted so that its own parsers give every value back.

mod endpoint;
mod legs;
mod on_answer;
mod quoting;
mod variables;

use std::time::Duration;

use uuid::Uuid;

use crate::HangupCause;
use crate::argument::whole_seconds;
use crate::error::CommandError;
use legs::{CHANNEL_UUID, check_groups};
use quoting::{ENTERPRISE, Scope, cheats, sequence};
use variables::{Text, Variables};

pub use endpoint::{Endpoint, Sofia};
pub use legs::{Group, Leg};
pub use on_answer::{Application, Extension, OnAnswer};

/// `mod_event_socket` runs what it has of a command after 10 MiB, cut wherever that is. An originate is far shorter.
const COMMAND_BYTES_MAX: usize = 1024 * 1024;

/// An `originate` in the making: one call, out to an address, into an application or an extension when it is answered
/// (`mod_commands`).
///
/// ```
/// use std::time::Duration;
///
/// use esl_core::{HangupCause, Originate, Sofia};
/// use uuid::Uuid;
///
/// let command = Originate::new(Uuid::nil(), Sofia::profile("external", "9196@127.0.0.1:5080"), "park")
///     .timeout(Duration::from_secs(60))
///     .hangup_after(Duration::from_secs(12), HangupCause::ALLOTTED_TIMEOUT)
///     .codecs(["PCMU", "PCMA"])
///     .variable("greeting", "it's {me}")
///     .command()?;
/// assert_eq!(
///     command,
///     "originate {origination_uuid=00000000-0000-0000-0000-000000000000,originate_timeout=60,\
///      execute_on_answer='sched_hangup +12 ALLOTTED_TIMEOUT',absolute_codec_string=PCMU\\,PCMA,\
///      greeting='it\\\\\\\\\\\\\\'s {me}'}sofia/external/9196@127.0.0.1:5080 &park()"
/// );
/// # Ok::<(), esl_core::CommandError>(())
/// ```
///
/// # Values
///
/// Any text is carried as it is, line breaks and spaces at its ends included, or [`Originate::command`] refuses it:
///
/// | not carried | where | since FreeSWITCH |
/// | --- | --- | --- |
/// | NUL | anywhere | ends the text there |
/// | a brace without a partner | [`variable`](Self::variable) (`{…}`) | counts braces, in quotes too |
/// | `<` or `>` without a partner | [`enterprise_variable`](Self::enterprise_variable) (`<…>`) | counts them |
/// | `[` or `]` without a partner, U+0001 | [`Leg::variable`] (`[…]`) | counts them; marks commas with it |
/// | `${` | any variable, without [`nested_variables`](Self::nested_variables) | leaves the variable out |
/// | `ARRAY::` of one element, or with an empty first one | any variable | makes a list of it |
/// | control characters | [`caller_id`](Self::caller_id), SIP headers | writes them into the message |
/// | `)`, `\'` | an application's arguments | ends them there; does not run the application |
///
/// What one kind of brackets does not carry another may.
///
/// **An empty value is no variable**: FreeSWITCH has no way to tell one from the other, so it is left out. Where a
/// variable is set twice the later one counts, so that an empty one takes an earlier one back. Names are ASCII letters,
/// digits, `_`, `-` and `.`; their case makes no difference.
#[derive(Clone, Debug)]
pub struct Originate {
    channel: Uuid,
    enterprise: Variables,
    variables: Variables,
    group: Group,
    more: Vec<Group>,
    on_answer: OnAnswer,
}

impl From<&str> for Originate {
    /// A call to a destination, `number@host:port`, out through the SIP profile `external`; or to an address that names
    /// its endpoint, such as `sofia/gateway/name/number` or `null/x`. It rings for a minute at the most, early media is no
    /// answer, and it is parked when it is answered.
    fn from(destination: &str) -> Self {
        let leg: Leg = match destination.contains('/') {
            true => destination.into(),
            false => Sofia::profile("external", destination).into(),
        };
        Self::new(Uuid::new_v4(), leg, "park").timeout(Duration::from_secs(60)).ignore_early_media(true)
    }
}

impl From<String> for Originate {
    fn from(destination: String) -> Self {
        Self::from(destination.as_str())
    }
}

impl Originate {
    /// A call to a leg (an address such as `sofia/external/9196@host:port` or `null/x`, an [`Endpoint`], a [`Leg`])
    /// that runs an application, or goes to an [`Extension`], once it is answered. Its channel gets the UUID `channel`;
    /// where there are several legs, the first one's does. A UUID in use is refused by SIP endpoints; `null/` and
    /// `loopback/` give the channel another one.
    pub fn new(channel: Uuid, leg: impl Into<Leg>, on_answer: impl Into<OnAnswer>) -> Self {
        Self {
            channel,
            enterprise: Variables::default(),
            variables: Variables::default(),
            group: Group::new(leg),
            more: Vec::new(),
            on_answer: on_answer.into(),
        }
    }

    /// The UUID that its channel gets.
    #[must_use]
    pub fn channel(&self) -> Uuid {
        self.channel
    }

    /// Sets a variable on the channels of all legs (`{…}`, or `<…>` where there are several groups).
    #[must_use]
    pub fn variable(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(name, value, Text::Any)
    }

    /// Sets a variable on the channels of all legs of all groups (`<…>`). It gives way to one from
    /// [`variable`](Self::variable) of the same name.
    #[must_use]
    pub fn enterprise_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.enterprise.set(name, value, Text::Any);
        self
    }

    /// Lets values hold `${…}` (`origination_nested_vars`): the variable is that text then, which FreeSWITCH expands
    /// wherever it uses the variable for something that it expands, such as `execute_on_answer`.
    #[must_use]
    pub fn nested_variables(self) -> Self {
        self.variable("origination_nested_vars", "true")
    }

    /// How long an answer may take (`originate_timeout`), after which the call ends with `NO_ANSWER`. FreeSWITCH counts
    /// whole seconds of its clock: this is rounded up to one at least, and up to one more or less passes. Early media
    /// ends it like an answer, see [`ignore_early_media`](Self::ignore_early_media).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set("originate_timeout", some_seconds(timeout).to_string(), Text::Any)
    }

    /// Ends the call so long after its answer with a cause, whatever becomes of this program (`execute_on_answer` with
    /// `sched_hangup`). FreeSWITCH counts whole seconds of its clock: this is rounded up to one at least, and the call
    /// can end up to one second earlier. [`HangupCause::UNKNOWN`] leaves the cause to the server (`ALLOTTED_TIMEOUT`).
    ///
    /// FreeSWITCH runs every variable whose name begins with `execute_on_answer`: something else to be done on answer
    /// goes into `execute_on_answer_2`.
    #[must_use]
    pub fn hangup_after(self, after: Duration, cause: HangupCause) -> Self {
        let mut action = format!("sched_hangup +{}", some_seconds(after));
        if cause != HangupCause::UNKNOWN {
            action.push(' ');
            action.push_str(cause.as_str());
        }
        self.set("execute_on_answer", action, Text::Any)
    }

    /// Whether early media (183) is passed over (`ignore_early_media`). It answers the originate otherwise: the
    /// application starts on a leg that has not been answered, and no time-out applies any more. Always so for several
    /// groups.
    #[must_use]
    pub fn ignore_early_media(self, ignore: bool) -> Self {
        self.set("ignore_early_media", ignore.to_string(), Text::Any)
    }

    /// Who calls (`origination_caller_id_name`, `origination_caller_id_number`). An empty text leaves the server's own.
    /// The name has no `"`, the number none of `"<>@;:/%`: `mod_sofia` writes them into the From header as they are.
    #[must_use]
    pub fn caller_id(self, name: impl Into<String>, number: impl Into<String>) -> Self {
        let named = self.set("origination_caller_id_name", name, Text::CallerName);
        named.set("origination_caller_id_number", number, Text::CallerNumber)
    }

    /// The codecs to offer, in this order and no others (`absolute_codec_string`), such as `PCMU@20i` or `opus@48000h`.
    /// An empty list leaves the profile's own.
    #[must_use]
    pub fn codecs<I>(self, codecs: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut list = String::new();
        for codec in codecs {
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(codec.as_ref());
        }
        self.set("absolute_codec_string", list, Text::Codecs)
    }

    /// Adds the SIP header `X-<name>` to the INVITE (`sip_h_X-…`). The far leg has it as the variable of the same name.
    #[must_use]
    pub fn x_header(self, name: &str, value: impl Into<String>) -> Self {
        let bare = name.strip_prefix("X-").or_else(|| name.strip_prefix("x-")).unwrap_or(name);
        self.set(format!("sip_h_X-{bare}"), value, Text::SipHeader)
    }

    /// Calls one more leg at the same time as the one before (`,`). The first one to answer has the call.
    #[must_use]
    pub fn and(mut self, leg: impl Into<Leg>) -> Self {
        self.group = self.group.and(leg);
        self
    }

    /// Calls one more leg when those before have failed (`|`).
    #[must_use]
    pub fn or(mut self, leg: impl Into<Leg>) -> Self {
        self.group = self.group.or(leg);
        self
    }

    /// Calls one more group of legs at the same time (`:_:`), as an originate of its own with its own variables. The
    /// first leg of any group to answer has the call.
    #[must_use]
    pub fn enterprise(mut self, group: Group) -> Self {
        self.more.push(group);
        self
    }

    /// The command's text, for `api`, `bgapi` or a background job.
    ///
    /// # Errors
    /// [`CommandError`] where a name, a value, an address or what is to run holds what FreeSWITCH's parsers cannot carry
    /// there (see [Values](Self#values)), or where there is more of something than FreeSWITCH takes.
    pub fn command(&self) -> Result<String, CommandError> {
        check_groups(1 + self.more.len())?;
        let nested = self.variables.nested() || self.enterprise.nested();
        let mut enterprise = self.enterprise.clone();
        let mut group = self.group.clone();
        let mut variables = Variables::default();
        if group.is_one_leg() && self.more.is_empty() {
            variables.set(CHANNEL_UUID, self.channel.to_string(), Text::Any);
        } else {
            // A UUID for all legs would be a second one's too, which FreeSWITCH refuses.
            group.identify(self.channel);
        }
        if self.more.is_empty() {
            variables.append(&self.variables);
        } else {
            enterprise.append(&self.variables);
        }
        group.inherit(variables);

        let mut command = "originate ".to_owned();
        enterprise.write(Scope::Enterprise, nested, &mut command)?;
        group.write(nested, &mut command)?;
        for group in &self.more {
            command.push_str(ENTERPRISE);
            group.write(nested, &mut command)?;
        }
        command.push(' ');
        command.push_str(&self.on_answer.text()?);
        if cheats(&command) {
            return Err(sequence("an originate", &command, "mod_event_socket"));
        }
        if command.len() > COMMAND_BYTES_MAX {
            return Err(CommandError::TooLong { length: command.len(), limit: COMMAND_BYTES_MAX });
        }
        Ok(command)
    }

    fn set(mut self, name: impl Into<String>, value: impl Into<String>, text: Text) -> Self {
        self.variables.set(name, value, text);
        self
    }
}

/// Whole seconds, one at least: none at all would mean something else to FreeSWITCH.
fn some_seconds(time: Duration) -> u32 {
    whole_seconds(time).max(1)
}

#[cfg(test)]
mod tests;
