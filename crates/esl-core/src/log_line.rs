//! A line of the server's log, as [`crate::Command::Log`] asks for them.

use std::borrow::Cow;

use crate::LogLevel;
use crate::wire::Frame;

/// One line of the server's log (`log/data`).
#[derive(Clone, Debug)]
pub struct LogLine(Frame);

impl LogLine {
    pub(crate) fn new(frame: Frame) -> Self {
        Self(frame)
    }

    /// How severe it is, `None` where the server names a level that is not in the table.
    #[must_use]
    pub fn level(&self) -> Option<LogLevel> {
        let number: usize = self.header("Log-Level")?.parse().ok()?;
        LogLevel::ALL.get(number).copied()
    }

    /// The text, with its line end.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.body)
    }

    /// The server's source file.
    #[must_use]
    pub fn file(&self) -> Option<Cow<'_, str>> {
        self.header("Log-File")
    }

    /// The line in it.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.header("Log-Line")?.parse().ok()
    }

    /// The function in it.
    #[must_use]
    pub fn function(&self) -> Option<Cow<'_, str>> {
        self.header("Log-Func")
    }

    /// The channel that it is about, for lines that are about one: its UUID.
    #[must_use]
    pub fn user_data(&self) -> Option<Cow<'_, str>> {
        self.header("User-Data").filter(|text| !text.is_empty())
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.header(name).map(String::from_utf8_lossy)
    }
}
