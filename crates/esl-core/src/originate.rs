//! FreeSWITCH's `originate` command, quoted so that its own parser gives every value back.

use std::fmt::Write;

use uuid::Uuid;

use crate::error::CommandError;

/// An `originate` in the making: one call, out to an address, into an application when it is answered (`mod_commands`).
///
/// ```
/// use esl_core::Originate;
/// use uuid::Uuid;
///
/// let command = Originate::new(Uuid::nil(), "sofia/external/9196@127.0.0.1:5080", "park")
///     .variable("originate_timeout", "60")
///     .variable("execute_on_answer", "sched_hangup +12 allotted_timeout")
///     .command()?;
/// assert_eq!(
///     command,
///     "originate {origination_uuid=00000000-0000-0000-0000-000000000000,originate_timeout=60,\
///      execute_on_answer='sched_hangup +12 allotted_timeout'}sofia/external/9196@127.0.0.1:5080 &park()"
/// );
/// # Ok::<(), esl_core::CommandError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Originate {
    channel: Uuid,
    address: String,
    application: String,
    variables: Vec<(String, String)>,
}

impl Originate {
    /// A call to `address` (`sofia/external/9196@host:port`, `null/x`, …) that runs `application` once it is answered.
    /// Its channel gets the UUID `channel`.
    pub fn new(channel: Uuid, address: impl Into<String>, application: impl Into<String>) -> Self {
        Self { channel, address: address.into(), application: application.into(), variables: Vec::new() }
    }

    /// Sets a channel variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The command's text, for `api`, `bgapi` or a background job.
    ///
    /// # Errors
    /// [`CommandError`] where a name, a value or the address holds what FreeSWITCH's parser cannot carry there: quotes,
    /// braces, a backslash, a dollar sign (it would be expanded), control characters.
    pub fn command(&self) -> Result<String, CommandError> {
        // A comma or a bar would fork the call, and one attempt is one channel.
        check("an address to call", &self.address, |c| " '{},|".contains(c))?;
        check("an application", &self.application, |c| !c.is_ascii_alphanumeric() && c != '_')?;
        let mut command = format!("originate {{origination_uuid={}", self.channel);
        for (name, value) in &self.variables {
            check("a variable's name", name, |c| !c.is_ascii_alphanumeric() && !"_-.".contains(c))?;
            // An empty value is no variable.
            if value.is_empty() {
                continue;
            }
            check("a variable's value", value, |c| "'\\{}$".contains(c))?;
            // A comma ends a value, in quotes too, unless it is escaped. A space needs the quotes.
            let value = value.replace(',', "\\,");
            let quote = if value.contains(' ') { "'" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(command, ",{name}={quote}{value}{quote}");
        }
        let _ = write!(command, "}}{} &{}()", self.address, self.application);
        Ok(command)
    }
}

fn check(place: &'static str, text: &str, unfit: impl Fn(char) -> bool) -> Result<(), CommandError> {
    if text.is_empty() {
        return Err(CommandError::Empty(place));
    }
    match text.chars().find(|&c| c.is_control() || unfit(c)) {
        Some(unfit) => Err(CommandError::Originate { place, text: text.to_owned(), unfit }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: &str) -> Result<String, CommandError> {
        let command = Originate::new(Uuid::nil(), "null/x", "park").variable("n", value).command()?;
        let (_, rest) = command.split_once("000000000000,n=").unwrap();
        Ok(rest.strip_suffix("}null/x &park()").unwrap().to_owned())
    }

    #[test]
    fn values_are_quoted_for_freeswitch_s_parser() {
        assert_eq!(value("plain").as_deref(), Ok("plain"));
        assert_eq!(value("a,b").as_deref(), Ok("a\\,b"));
        assert_eq!(value("a b").as_deref(), Ok("'a b'"));
        assert_eq!(value("a, b").as_deref(), Ok("'a\\, b'"));
        assert_eq!(value("\"a\" <b>").as_deref(), Ok("'\"a\" <b>'"));
    }

    #[test]
    fn what_cannot_be_carried_is_refused() {
        for text in ["it's", "a}b", "{", "a\\b", "${x}", "a\nb", "\0"] {
            assert!(matches!(value(text), Err(CommandError::Originate { .. })), "{text:?}");
        }
        for address in ["", "null/x &hangup()", "{a=b}null/x", "null/'x"] {
            assert!(Originate::new(Uuid::nil(), address, "park").command().is_err(), "{address:?}");
        }
        assert!(Originate::new(Uuid::nil(), "null/x", "park() ").command().is_err());
        assert!(Originate::new(Uuid::nil(), "null/x", "park").variable("a b", "1").command().is_err());
    }
}
