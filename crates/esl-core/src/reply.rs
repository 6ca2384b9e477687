//! The server's answer to one command.

use std::borrow::Cow;

use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::ApiError;
use crate::wire::Frame;

/// A `command/reply` or an `api/response`.
#[derive(Clone, Debug)]
pub struct Reply {
    /// When its last byte had been read.
    pub received_at: Instant,
    frame: Frame,
}

impl Reply {
    pub(crate) fn new(received_at: Instant, frame: Frame) -> Self {
        Self { received_at, frame }
    }

    /// The frame as it came.
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The words of the answer: the output of an `api` command, else the `Reply-Text`. White space at both ends is
    /// left out.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        // A refusal of `api` itself comes as a command/reply, without a body.
        let bytes = match self.frame.header("Reply-Text") {
            Some(text) if self.frame.body.is_empty() => text,
            _ => &self.frame.body[..],
        };
        String::from_utf8_lossy(bytes.trim_ascii())
    }

    /// The output of an `api` command as the server wrote it, empty where there is none.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.frame.body
    }

    /// The job that the server started, where it started one: `+OK Job-UUID: …`.
    #[must_use]
    pub fn job_uuid(&self) -> Option<Uuid> {
        self.text().strip_prefix("+OK Job-UUID: ").and_then(|uuid| Uuid::try_parse(uuid).ok())
    }

    /// The words of the answer where it is not a refusal.
    ///
    /// # Errors
    /// [`ApiError`] with the server's words where they begin with `-ERR` or `-USAGE`.
    pub fn ok(&self) -> Result<Cow<'_, str>, ApiError> {
        let text = self.text();
        ApiError::check(&text)?;
        Ok(text)
    }
}
