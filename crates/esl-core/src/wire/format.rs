//! The three forms in which events travel, and what can be wrong with one.

use std::fmt;

use thiserror::Error;

use super::Excerpt;

/// The form of a connection's events: one for all of them, that of the last `event` command (`mod_event_socket`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Lines of `Name: value`, values percent-encoded.
    #[default]
    Plain,
    /// One flat JSON object of strings and arrays of strings.
    Json,
    /// An `<event>` with one element for each header, values percent-encoded.
    Xml,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Json, Self::Xml];

    /// Its name, as the `event` command takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    /// The form of that name. FreeSWITCH makes no difference between upper and lower case here.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The `Content-Type` of a frame that carries an event in this form.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/event-plain",
            Self::Json => "text/event-json",
            Self::Xml => "text/event-xml",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes that are no event in the form that they came in. The frame around them is whole: what comes after it can be
/// read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not an event in {format} form: {problem} at byte {offset}: {start}")]
pub struct EventError {
    /// The form.
    pub format: Format,
    /// What is wrong.
    pub problem: EventProblem,
    /// Where, in bytes from the event's start.
    pub offset: usize,
    /// How it goes on there.
    pub start: Excerpt,
}

impl EventError {
    pub(crate) fn new(format: Format, problem: EventProblem, data: &[u8], offset: usize) -> Self {
        let start = Excerpt::of(data.get(offset..).unwrap_or_default());
        Self { format, problem, offset, start }
    }
}

/// What can be wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventProblem {
    /// There are more headers than [`Limits::headers`](super::Limits::headers).
    #[error("more than {limit} headers")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// A header is longer than [`Limits::line`](super::Limits::line).
    #[error("a header of more than {limit} bytes")]
    HeaderTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Something else should stand there.
    #[error("no {0}")]
    Missing(&'static str),
    /// A JSON value that is neither a string nor an array of strings. FreeSWITCH writes no others, and nothing nested.
    #[error("a value that is neither a string nor an array of strings")]
    NotText,
    /// A backslash in a JSON string with something behind it that JSON does not know.
    #[error("an unknown escape")]
    BadEscape,
}
