//! Frames as a server writes them. For simulators and tests; a client writes commands, see [`crate::Command`].

use super::percent_encode;

/// Appends a frame: the head's lines as given, a `Content-Length` where there is a body, a blank line, the body.
///
/// Head values are written as they are: FreeSWITCH does not encode them on an inbound connection.
pub fn encode_frame(head: &[(&str, &str)], body: &[u8], out: &mut Vec<u8>) {
    for (name, value) in head {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
    if !body.is_empty() {
        out.extend_from_slice(format!("Content-Length: {}\n", body.len()).as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(body);
}

/// Appends a plain event in its frame, values percent-encoded, its own body (a job's result) behind an inner
/// `Content-Length`.
pub fn encode_event<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>, body: &[u8], out: &mut Vec<u8>) {
    let mut event = Vec::new();
    for (name, value) in headers {
        event.extend_from_slice(name.as_bytes());
        event.extend_from_slice(b": ");
        percent_encode(value.as_bytes(), &mut event);
        event.push(b'\n');
    }
    if !body.is_empty() {
        event.extend_from_slice(format!("Content-Length: {}\n", body.len()).as_bytes());
    }
    event.push(b'\n');
    event.extend_from_slice(body);
    let length = event.len().to_string();
    let head = [("Content-Length", &*length), ("Content-Type", "text/event-plain")];
    encode_frame(&head, b"", out);
    out.extend_from_slice(&event);
}
