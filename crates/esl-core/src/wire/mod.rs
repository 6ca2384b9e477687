//! The bytes of the Event Socket: frames in and out, headers, percent-encoding. No I/O, no clock.
//!
//! A frame is a head of `Name: value` lines, a blank line, and as many bytes of body as the head's `Content-Length`
//! says. An event travels as such a body, with headers (and sometimes a body) of its own.

mod decode;
mod encode;
mod headers;
mod percent;

pub use decode::{Decoder, Frame, FrameKind, Limits, WireError};
pub use encode::{encode_event, encode_frame};
pub use headers::Headers;
pub use percent::{percent_decode, percent_encode};
