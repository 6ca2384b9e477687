//! Frames and events as a server writes them. For simulators and tests; a client writes commands, see
//! [`crate::Command`].

use super::{Format, percent_encode};

mod escape;

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
        out.extend_from_slice(b"Content-Length: ");
        push_number(body.len() as u64, out);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(body);
}

/// Appends an event in its frame. See [`EventEncoder`] for headers that are lists.
pub fn encode_event<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    format: Format,
    headers: impl IntoIterator<Item = (N, V)>,
    body: &[u8],
    out: &mut Vec<u8>,
) {
    let mut event = EventEncoder::new(format, Vec::new());
    for (name, value) in headers {
        event.header(name, value);
    }
    out.extend_from_slice(event.finish((!body.is_empty()).then_some(body)).frame());
}

/// Room before the event for the frame's own head, whose length is known only at the end: it has 61 bytes at most.
const HEAD_ROOM: usize = 64;

/// Writes one event and makes a frame of it, byte for byte as FreeSWITCH does (`switch_event_serialize`,
/// `switch_event_serialize_json`, `switch_event_xmlize` with `switch_xml_toxml`).
///
/// FreeSWITCH has no NUL in its texts. One that is given here is kept where the form can.
///
/// ```
/// use esl_core::wire::{EventEncoder, Format};
///
/// let mut event = EventEncoder::new(Format::Json, Vec::new());
/// event.header("Event-Name", "CUSTOM");
/// event.list("variable_DP_MATCH", ["one", "two"]);
/// let text = br#"{"Event-Name":"CUSTOM","variable_DP_MATCH":["one","two"]}"#;
/// assert_eq!(event.finish(None).event(), text);
/// ```
#[derive(Debug)]
pub struct EventEncoder {
    format: Format,
    out: Vec<u8>,
    any: bool,
}

impl EventEncoder {
    /// Writes into `scratch`, whose contents go: to be given again what [`EncodedEvent::into_scratch`] gave back.
    #[must_use]
    pub fn new(format: Format, scratch: Vec<u8>) -> Self {
        let mut out = scratch;
        out.clear();
        out.resize(HEAD_ROOM, 0);
        match format {
            Format::Plain => {}
            Format::Json => out.push(b'{'),
            Format::Xml => out.extend_from_slice(b"<event>\n  <headers>"),
        }
        Self { format, out, any: false }
    }

    /// The form.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// A header. Names are written as they are but for JSON, in which they are escaped: FreeSWITCH does the same.
    pub fn header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        match self.format {
            Format::Plain => {
                self.line(name);
                plain_value(value, &mut self.out);
                self.out.push(b'\n');
            }
            Format::Json => {
                self.member(name);
                escape::json(value, &mut self.out);
            }
            Format::Xml => self.element(name, value),
        }
    }

    /// A header that is a list. Without any value there is no header.
    pub fn list<V: AsRef<[u8]>>(&mut self, name: impl AsRef<[u8]>, values: impl IntoIterator<Item = V>) {
        let name = name.as_ref();
        let mut values = values.into_iter();
        let Some(first) = values.next() else {
            return;
        };
        match self.format {
            Format::Plain => {
                self.line(name);
                match values.next() {
                    None => plain_value(first.as_ref(), &mut self.out),
                    Some(second) => {
                        self.out.extend_from_slice(b"ARRAY%3A%3A");
                        percent_encode(first.as_ref(), &mut self.out);
                        for value in std::iter::once(second).chain(values) {
                            self.out.extend_from_slice(b"%7C%3A");
                            percent_encode(value.as_ref(), &mut self.out);
                        }
                    }
                }
                self.out.push(b'\n');
            }
            Format::Json => {
                self.member(name);
                self.out.push(b'[');
                escape::json(first.as_ref(), &mut self.out);
                for value in values {
                    self.out.push(b',');
                    escape::json(value.as_ref(), &mut self.out);
                }
                self.out.push(b']');
            }
            Format::Xml => {
                for value in std::iter::once(first).chain(values) {
                    self.element(name, value.as_ref());
                }
            }
        }
    }

    /// A header that is a number.
    pub fn number(&mut self, name: impl AsRef<[u8]>, value: u64) {
        let mut digits = [0; DIGITS_MAX];
        self.header(name, decimal(value, &mut digits));
    }

    /// Headers that were written before, in plain form with their line ends. Only for a plain event: others are left
    /// as they are.
    pub fn lines(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.format == Format::Plain {
            write(&mut self.out);
        }
    }

    /// The whole event in its frame.
    #[must_use]
    pub fn finish(mut self, body: Option<&[u8]>) -> EncodedEvent {
        let some = body.filter(|body| !body.is_empty());
        match self.format {
            Format::Plain => {
                if let Some(body) = some {
                    self.number("Content-Length", body.len() as u64);
                }
                self.out.push(b'\n');
                self.out.extend_from_slice(some.unwrap_or_default());
            }
            Format::Json => {
                if let Some(body) = body {
                    self.number("Content-Length", body.len() as u64);
                    self.header("_body", body);
                }
                self.out.push(b'}');
            }
            Format::Xml => {
                self.out.extend_from_slice(if self.any { b"\n  </headers>\n" } else { b"</headers>\n" });
                if let Some(body) = some {
                    self.out.extend_from_slice(b"  <Content-Length>");
                    push_number(body.len() as u64, &mut self.out);
                    self.out.extend_from_slice(b"</Content-Length>\n  <body>");
                    escape::xml(body, &mut self.out);
                    if self.out.ends_with(b"\n") {
                        self.out.extend_from_slice(b"  ");
                    }
                    self.out.extend_from_slice(b"</body>\n");
                }
                self.out.extend_from_slice(b"</event>\n");
            }
        }
        let mut digits = [0; DIGITS_MAX];
        let length = decimal((self.out.len() - HEAD_ROOM) as u64, &mut digits);
        let parts = [b"Content-Length: ", length, b"\nContent-Type: ", self.format.content_type().as_bytes(), b"\n\n"];
        let start = HEAD_ROOM - parts.iter().map(|part| part.len()).sum::<usize>();
        let mut at = start;
        for part in parts {
            self.out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        EncodedEvent { out: self.out, start }
    }

    fn line(&mut self, name: &[u8]) {
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
    }

    fn member(&mut self, name: &[u8]) {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
        escape::json(name, &mut self.out);
        self.out.push(b':');
    }

    fn element(&mut self, name: &[u8], value: &[u8]) {
        self.any = true;
        self.out.extend_from_slice(b"\n    <");
        self.out.extend_from_slice(name);
        self.out.push(b'>');
        // Percent-encoding replaces all that XML would escape.
        percent_encode(value, &mut self.out);
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name);
        self.out.push(b'>');
    }
}

/// An event in its frame.
#[derive(Debug)]
pub struct EncodedEvent {
    out: Vec<u8>,
    start: usize,
}

impl EncodedEvent {
    /// The frame, head and all.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.out[self.start..]
    }

    /// The event alone: the frame's body.
    #[must_use]
    pub fn event(&self) -> &[u8] {
        &self.out[HEAD_ROOM..]
    }

    /// The space, to write the next event in.
    #[must_use]
    pub fn into_scratch(self) -> Vec<u8> {
        self.out
    }
}

/// FreeSWITCH writes `_undef_` where nothing is.
fn plain_value(value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        out.extend_from_slice(b"_undef_");
    } else {
        percent_encode(value, out);
    }
}

const DIGITS_MAX: usize = 20;

fn push_number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(decimal(value, &mut [0; DIGITS_MAX]));
}

fn decimal(value: u64, digits: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut at = digits.len();
    let mut left = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return &digits[at..];
        }
    }
}
