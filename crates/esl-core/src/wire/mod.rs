//! The bytes of the Event Socket: frames in and out, headers, events in their three forms. No I/O, no clock.
//!
//! A frame is a head of `Name: value` lines, a blank line, and as many bytes of body as the head's `Content-Length`
//! says. An event travels as such a body, with headers (and sometimes a body) of its own.
//!
//! Line ends are line feeds, as FreeSWITCH writes them. A carriage return is part of a value: an outbound connection's
//! `getvar` answers with the bare value, and that of an SDP is full of them.

mod decode;
mod encode;
mod excerpt;
mod format;
mod frame;
mod headers;
mod index;
mod json;
mod limits;
mod percent;
mod xml;

pub use decode::{Decoder, WireError};
pub use encode::{EncodedEvent, EventEncoder, encode_event, encode_frame};
pub use excerpt::Excerpt;
pub use format::{EventError, EventProblem, Format};
pub use frame::{Frame, FrameKind};
pub use headers::{Encoding, Headers};
pub use limits::Limits;
pub use percent::{percent_decode, percent_encode};

pub(crate) use headers::text;
pub(crate) use index::Parts;

use bytes::Bytes;

/// Takes an event apart.
pub(crate) fn read_event(format: Format, bytes: Bytes, limits: &Limits) -> Result<Parts, EventError> {
    match format {
        Format::Plain => index::plain(bytes, limits),
        Format::Json => json::read(bytes, limits),
        Format::Xml => xml::read(bytes, limits),
    }
}
