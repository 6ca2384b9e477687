//! The frames that are no events: replies, api output, notices.

use std::fmt::Write;

use bytes::Bytes;
use esl_core::wire::encode_frame;

/// What a client is greeted with.
pub(crate) const AUTH_REQUEST: &[u8] = b"Content-Type: auth/request\n\n";

/// What a client gets instead that comes from where nobody may.
pub(crate) const RUDE_REJECTION: &[u8] =
    b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n";

const GOODBYE: &str = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";

/// The most bytes of a reply's text: mod_event_socket makes it in a buffer of 512 with a zero at its end.
const REPLY_BYTES_MAX: usize = 511;

pub(crate) fn command_reply(text: &str) -> Bytes {
    let mut out = b"Content-Type: command/reply\nReply-Text: ".to_vec();
    out.extend_from_slice(cut(text));
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}

/// A reply that brings its own headers, all in the buffer of one: where they are too long, its end is
/// missing, the blank line first.
pub(crate) fn headers_reply(headers: &str) -> Bytes {
    // One byte of the buffer marks such a reply and is not sent.
    let text = cut(headers);
    let text = &text[..text.len().min(REPLY_BYTES_MAX - 1)];
    Bytes::from([b"Content-Type: command/reply\n", text].concat())
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

/// The notice that the connection ends; one that controls a session says which.
pub(crate) fn disconnect_notice(session: Option<&str>) -> Bytes {
    let mut out = String::from("Content-Type: text/disconnect-notice\n");
    if let Some(uuid) = session {
        // Writing to a String cannot fail.
        let _ = write!(out, "Controlled-Session-UUID: {uuid}\nContent-Disposition: disconnect\n");
    }
    let _ = write!(out, "Content-Length: {}\n\n{GOODBYE}", GOODBYE.len());
    Bytes::from(out)
}

/// The notice that the session has ended and the connection stays for a while: `seconds`, or -1 without an end.
pub(crate) fn linger_notice(uuid: &str, channel_name: &str, seconds: i64) -> Bytes {
    Bytes::from(format!(
        "Content-Type: text/disconnect-notice\nControlled-Session-UUID: {uuid}\nContent-Disposition: linger\n\
         Channel-Name: {channel_name}\nLinger-Time: {seconds}\nContent-Length: 0\n\n"
    ))
}

/// A reply and the notice that the connection ends.
pub(crate) fn farewell(text: &str, session: Option<&str>) -> Bytes {
    Bytes::from([command_reply(text), disconnect_notice(session)].concat())
}

fn cut(text: &str) -> &[u8] {
    &text.as_bytes()[..text.len().min(REPLY_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_replies_are_cut_as_the_buffer_cuts_them() {
        let reply = command_reply(&"x".repeat(600));
        assert_eq!(reply.len(), "Content-Type: command/reply\nReply-Text: ".len() + 511 + 2);
        assert!(reply.ends_with(b"x\n\n"));
        let reply = headers_reply(&format!("Reply-Text: +OK accepted\nAllowed-API: {}\n\n", "x".repeat(600)));
        assert_eq!(reply.len(), "Content-Type: command/reply\n".len() + 510);
        assert!(reply.ends_with(b"x"), "the blank line is lost");
    }
}
