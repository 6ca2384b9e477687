//! The frames that are no events: replies, api output, notices.

use bytes::Bytes;

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
    Bytes::from(format!("Content-Type: api/response\nContent-Length: {}\n\n{output}", output.len()))
}

/// A reply and the notice that the connection ends.
pub(crate) fn farewell(text: &str) -> Bytes {
    let length = GOODBYE.len();
    Bytes::from(format!(
        "Content-Type: command/reply\nReply-Text: {text}\n\nContent-Type: text/disconnect-notice\nContent-Length: {length}\n\n{GOODBYE}"
    ))
}
