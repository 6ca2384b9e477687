//! One frame, and what it is.

use bytes::Bytes;

use super::Format;

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
    pub(super) fn of(content_type: &[u8]) -> Self {
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

    /// The form of the event that such a frame carries, `None` where it carries none.
    #[must_use]
    pub const fn format(self) -> Option<Format> {
        match self {
            Self::EventPlain => Some(Format::Plain),
            Self::EventJson => Some(Format::Json),
            Self::EventXml => Some(Format::Xml),
            _ => None,
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

pub(super) fn header_of<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(b":")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    })
}
