//! The incremental decoder: bytes as they come from a socket, frames as they are complete.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use thiserror::Error;

use super::frame::header_of;
use super::{EventError, Excerpt, Frame, FrameKind, Limits};

/// How the reply to a `userauth` that succeeded starts, and how many bytes of it FreeSWITCH sends at most.
///
/// Such a reply has the user's lists of allowed events and commands. It is put together in a buffer of 512 bytes, NUL
/// and a leading `~` included, and what does not fit is cut off, the blank line at its end first (`parse_command` and
/// `listener_run` in `mod_event_socket.c`). The next frame follows at once.
const USERAUTH: &[u8] = b"Content-Type: command/reply\nReply-Text: +OK accepted\nAllowed-Events: ";
const USERAUTH_MAX: usize = "Content-Type: command/reply\n".len() + 512 - 2;

/// How a reply starts whose text may be anything: `getvar` on an outbound connection answers with the bare value, line
/// breaks included.
const REPLY: &[u8] = b"Content-Type: command/reply\nReply-Text:";

/// Bytes that are no Event Socket frame. After one of these nothing more can be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// A head line has no colon.
    #[error("not an Event Socket frame: {0}")]
    NotAHeader(Excerpt),
    /// A head is longer than [`Limits::head`].
    #[error("a frame's head is over {limit} bytes: {start}")]
    HeadTooLong {
        /// The limit, in bytes.
        limit: usize,
        /// How the head starts.
        start: Excerpt,
    },
    /// A head has more lines than [`Limits::headers`].
    #[error("a frame's head has over {limit} lines: {start}")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
        /// How the head starts.
        start: Excerpt,
    },
    /// A head's line is longer than [`Limits::line`].
    #[error("a line of a frame's head is over {limit} bytes: {start}")]
    LineTooLong {
        /// The limit, in bytes.
        limit: usize,
        /// How the line starts.
        start: Excerpt,
    },
    /// A `Content-Length` is not a number of bytes.
    #[error("a frame's Content-Length is not a length: {0}")]
    BadLength(Excerpt),
    /// A body is longer than [`Limits::body`].
    #[error("a frame's body of {length} bytes is over the limit of {limit} bytes")]
    BodyTooLong {
        /// What the frame asked for, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A frame's event is none.
    #[error(transparent)]
    Event(#[from] EventError),
}

#[derive(Debug)]
enum State {
    /// A head is awaited. So many bytes were searched for its end before.
    Head {
        searched: usize,
        checked: Checked,
    },
    /// A head came, its body is awaited.
    Body {
        kind: FrameKind,
        head: Bytes,
        length: usize,
    },
    Failed(WireError),
}

const START: State = State::Head { searched: 0, checked: Checked { lines: 0, bytes: 0 } };

/// How much of a head is known to be headers: whole lines.
#[derive(Debug)]
struct Checked {
    lines: usize,
    bytes: usize,
}

/// Cuts a stream of bytes into frames, however the bytes are split.
///
/// ```
/// use esl_core::wire::{Decoder, FrameKind};
///
/// let mut decoder = Decoder::default();
/// decoder.buffer().extend_from_slice(b"Content-Type: auth/request\n");
/// assert!(decoder.next_frame()?.is_none());
/// decoder.buffer().extend_from_slice(b"\n");
/// assert_eq!(decoder.next_frame()?.map(|frame| frame.kind), Some(FrameKind::AuthRequest));
/// # Ok::<(), esl_core::wire::WireError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    state: State,
    limits: Limits,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Decoder {
    /// A decoder that refuses what is beyond `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { buffer: BytesMut::new(), state: START, limits }
    }

    /// Where bytes from the socket are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// What it refuses.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many bytes are still missing before the next frame can be complete: 1 where that is not known.
    #[must_use]
    pub fn missing(&self) -> usize {
        match &self.state {
            State::Body { length, .. } => length.saturating_sub(self.buffer.len()).max(1),
            _ => 1,
        }
    }

    /// The next complete frame, `None` where more bytes are needed.
    ///
    /// # Errors
    /// [`WireError`] where the bytes are no frame; the same one again from then on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, WireError> {
        loop {
            match &mut self.state {
                State::Head { searched, checked } => {
                    if *searched == 0 {
                        // Nothing is between frames, but a stray line end there harms nobody.
                        let blank = self.buffer.iter().take_while(|&&byte| byte == b'\n').count();
                        let _ = self.buffer.split_to(blank);
                    }
                    // The end may have begun in what was searched before.
                    let from = searched.saturating_sub(1);
                    let mut end = memmem::find(&self.buffer[from..], b"\n\n").map(|at| from + at);
                    let cut = is_cut(&self.buffer, end);
                    if cut {
                        end = Some(USERAUTH_MAX);
                    }
                    let seen = end.unwrap_or(self.buffer.len()).min(self.limits.head);
                    let verdict = checked.go_on(&self.buffer[..seen], end == Some(seen), &self.limits);
                    *searched = self.buffer.len();
                    if let Err(error) = verdict {
                        return self.fail(error);
                    }
                    if end.unwrap_or(self.buffer.len()) > self.limits.head {
                        let start = Excerpt::of(&self.buffer);
                        return self.fail(WireError::HeadTooLong { limit: self.limits.head, start });
                    }
                    let Some(end) = end else {
                        return Ok(None);
                    };
                    let mut head = self.buffer.split_to(if cut { end } else { end + 2 });
                    head.truncate(end);
                    if head.ends_with(b"\n") {
                        head.truncate(end - 1);
                    }
                    let head = head.freeze();
                    let kind = header_of(&head, b"Content-Type").map_or(FrameKind::Unknown, FrameKind::of);
                    match body_length(&head, self.limits.body) {
                        Ok(length) => self.state = State::Body { kind, head, length },
                        Err(error) => return self.fail(error),
                    }
                }
                State::Body { kind, head, length } => {
                    if self.buffer.len() < *length {
                        return Ok(None);
                    }
                    let body = self.buffer.split_to(*length).freeze();
                    let frame = Frame { kind: *kind, head: std::mem::take(head), body };
                    self.state = START;
                    return Ok(Some(frame));
                }
                State::Failed(error) => return Err(error.clone()),
            }
        }
    }

    fn fail(&mut self, error: WireError) -> Result<Option<Frame>, WireError> {
        self.state = State::Failed(error.clone());
        self.buffer.clear();
        Err(error)
    }
}

/// Whether what begins there is a `userauth` reply without its blank line, with `end` as where the first one is found.
fn is_cut(bytes: &[u8], end: Option<usize>) -> bool {
    // A reply that fits ends, blank line included, with that many bytes or fewer.
    bytes.len() >= USERAUTH_MAX && end.is_none_or(|end| end + 2 > USERAUTH_MAX) && bytes.starts_with(USERAUTH)
}

impl Checked {
    /// That each complete line is a header, so that a peer that is no Event Socket is known by its first line.
    fn go_on(&mut self, bytes: &[u8], complete: bool, limits: &Limits) -> Result<(), WireError> {
        let any_text = bytes.starts_with(REPLY);
        while self.bytes < bytes.len() {
            let rest = &bytes[self.bytes..];
            let length = match memchr::memchr(b'\n', rest) {
                Some(length) => length,
                None if complete => rest.len(),
                None => return Ok(()),
            };
            let line = &rest[..length];
            if !any_text && memchr::memchr(b':', line).is_none() {
                return Err(WireError::NotAHeader(Excerpt::of(line)));
            }
            if length > limits.line {
                return Err(WireError::LineTooLong { limit: limits.line, start: Excerpt::of(line) });
            }
            self.bytes += length + 1;
            self.lines += 1;
            if self.lines > limits.headers {
                return Err(WireError::TooManyHeaders { limit: limits.headers, start: Excerpt::of(bytes) });
            }
        }
        Ok(())
    }
}

fn body_length(head: &[u8], limit: usize) -> Result<usize, WireError> {
    let Some(text) = header_of(head, b"Content-Length") else {
        return Ok(0);
    };
    let length = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse::<u64>().ok())
        .ok_or_else(|| WireError::BadLength(Excerpt::of(text)))?;
    match usize::try_from(length) {
        Ok(length) if length <= limit => Ok(length),
        _ => Err(WireError::BodyTooLong { length, limit }),
    }
}

#[cfg(test)]
mod tests;
