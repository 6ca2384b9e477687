//! The incremental decoder: bytes as they come from a socket, frames as they are complete.

use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use thiserror::Error;

/// How much of what was wrong an error shows.
const SHOWN: usize = 64;

/// What a server may send at most. A peer that goes beyond is no FreeSWITCH, or one in trouble.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A frame's head, in bytes. An outbound connection's first reply carries a channel's headers there (4 to 10 KB).
    pub head: usize,
    /// A frame's body, in bytes. `show channels as json` takes 900 bytes a channel: this is room for 70,000.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 256 << 10, body: 64 << 20 }
    }
}

/// What a frame is, by its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The server asks for a password: the first frame of a connection.
    AuthRequest,
    /// The reply to a command that is not `api`.
    CommandReply,
    /// The reply to `api`.
    ApiResponse,
    /// An event in plain form.
    EventPlain,
    /// An event in JSON.
    EventJson,
    /// An event in XML.
    EventXml,
    /// A line of the server's log.
    LogData,
    /// The server ends the connection.
    DisconnectNotice,
    /// The server does not accept connections from this address.
    RudeRejection,
    /// Anything else.
    Unknown,
}

impl FrameKind {
    fn of(content_type: &[u8]) -> Self {
        match content_type {
            b"auth/request" => Self::AuthRequest,
            b"command/reply" => Self::CommandReply,
            b"api/response" => Self::ApiResponse,
            b"text/event-plain" => Self::EventPlain,
            b"text/event-json" => Self::EventJson,
            b"text/event-xml" => Self::EventXml,
            b"log/data" => Self::LogData,
            b"text/disconnect-notice" => Self::DisconnectNotice,
            b"text/rude-rejection" => Self::RudeRejection,
            _ => Self::Unknown,
        }
    }
}

/// One frame. Head and body share the bytes that were read, so a frame that is kept long keeps its neighbours too.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// The head's lines, without the blank line.
    pub head: Bytes,
    /// The body, empty where there is none.
    pub body: Bytes,
}

impl Frame {
    /// The value of the head's first header of that name, as it came.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        header_of(&self.head, name.as_bytes())
    }
}

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
}

/// The first bytes of what was wrong, for a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Vec<u8>);

impl Excerpt {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes[..bytes.len().min(SHOWN)].to_vec())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug)]
enum State {
    /// A head is awaited. So many bytes were searched for its end before; whole lines up to `checked` are headers.
    Head {
        searched: usize,
        checked: usize,
    },
    /// A head came, its body is awaited.
    Body {
        kind: FrameKind,
        head: Bytes,
        length: usize,
    },
    Failed(WireError),
}

const START: State = State::Head { searched: 0, checked: 0 };

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
                    let end = memmem::find(&self.buffer[from..], b"\n\n").map(|at| from + at);
                    let seen = end.unwrap_or(self.buffer.len()).min(self.limits.head);
                    let verdict = check_lines(&self.buffer[..seen], checked, end.is_some());
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
                    let mut head = self.buffer.split_to(end + 2);
                    head.truncate(end);
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

/// That each complete line is a header, so that a peer that is no Event Socket is known by its first line.
fn check_lines(bytes: &[u8], checked: &mut usize, complete: bool) -> Result<(), WireError> {
    while *checked < bytes.len() {
        let rest = &bytes[*checked..];
        let length = match memchr::memchr(b'\n', rest) {
            Some(length) => length,
            None if complete => rest.len(),
            None => return Ok(()),
        };
        if memchr::memchr(b':', &rest[..length]).is_none() {
            return Err(WireError::NotAHeader(Excerpt::of(&rest[..length])));
        }
        *checked += length + 1;
    }
    Ok(())
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

fn header_of<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(b":")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8]) -> Result<Vec<Frame>, WireError> {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(bytes);
        std::iter::from_fn(|| decoder.next_frame().transpose()).collect()
    }

    #[test]
    fn a_reply_and_a_body() {
        let bytes = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n\
                      Content-Type: api/response\nContent-Length: 4\n\n+OK\n";
        let frames = frames(bytes).unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].kind, FrameKind::CommandReply);
        assert_eq!(frames[0].header("Reply-Text"), Some(&b"+OK accepted"[..]));
        assert_eq!(frames[1].kind, FrameKind::ApiResponse);
        assert_eq!(&frames[1].body[..], b"+OK\n");
    }

    #[test]
    fn a_peer_that_is_no_event_socket_is_known_by_its_first_line() {
        for banner in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"] {
            let error = frames(banner.as_bytes()).unwrap_err();
            assert!(matches!(error, WireError::NotAHeader(_)), "{error}");
        }
        assert_eq!(
            frames(b"\x16\x03\x01\n").unwrap_err().to_string(),
            "not an Event Socket frame: \"\\x16\\x03\\x01\""
        );
    }

    #[test]
    fn lengths_that_are_none_are_refused() {
        for length in ["-1", "12a", "", "+5", "99999999999999999999999"] {
            let head = format!("Content-Type: api/response\nContent-Length: {length}\n\n");
            assert!(matches!(frames(head.as_bytes()), Err(WireError::BadLength(_))), "{length}");
        }
        let head = b"Content-Type: api/response\nContent-Length: 67108865\n\n";
        assert!(matches!(frames(head), Err(WireError::BodyTooLong { .. })));
    }

    #[test]
    fn a_head_without_end_is_refused_at_the_limit() {
        let mut decoder = Decoder::new(Limits { head: 100, body: 100 });
        let mut refused = None;
        for _ in 0..20 {
            decoder.buffer().extend_from_slice(b"Header: x\n");
            if let Err(error) = decoder.next_frame() {
                refused = Some(error);
                break;
            }
        }
        assert!(matches!(refused, Some(WireError::HeadTooLong { limit: 100, .. })));
        assert!(decoder.next_frame().is_err(), "it stays failed");
    }
}
