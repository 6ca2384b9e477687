//! The frames that are no events: replies, api output, notices.

use bytes::Bytes;
use esl_core::wire::encode_frame;

/// What a client is greeted with.
pub(crate) const AUTH_REQUEST: &[u8] = b"Content-Type: auth/request\n\n";

const GOODBYE: &str = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";

pub(crate) fn command_reply(text: &str) -> Bytes {
    Bytes::from(format!("Content-Type: command/reply\nReply-Text: {text}\n\n"))
}

/// The reply to `bgapi`, which carries the Job-UUID twice.
pub(crate) fn job_reply(uuid: &str) -> Bytes {
    Bytes::from(format!("Content-Type: command/reply\nReply-Text: +OK Job-UUID: {uuid}\nJob-UUID: {uuid}\n\n"))
}

/// The output of an `api` command; none at all is an error in itself.
pub(crate) fn api_response(output: &str) -> Bytes {
    let output = if output.is_empty() { "-ERR no reply\n" } else { output };
    let mut out = Vec::with_capacity(output.len() + 64);
    encode_frame(&[("Content-Type", "api/response")], output.as_bytes(), &mut out);
    Bytes::from(out)
}

/// A reply and the notice that the connection ends.
pub(crate) fn farewell(text: &str) -> Bytes {
    let mut out = Vec::new();
    encode_frame(&[("Content-Type", "command/reply"), ("Reply-Text", text)], b"", &mut out);
    encode_frame(&[("Content-Type", "text/disconnect-notice")], GOODBYE.as_bytes(), &mut out);
    Bytes::from(out)
}
