//! An event as the bytes of one Event Socket frame, in any of the three forms.

use bytes::Bytes;
use esl_core::wire::percent_encode;

use crate::channel::Variables;

/// The form in which a listener receives its events: one for all of them, the last `event` command's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Plain,
    Json,
    Xml,
}

impl Format {
    pub(crate) const ALL: [Format; 3] = [Format::Plain, Format::Json, Format::Xml];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Plain => "plain",
            Format::Json => "json",
            Format::Xml => "xml",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }
}

/// Room before the event for the frame's own headers, whose length is known only at the end.
const HEAD_ROOM: usize = 64;

/// Writes one event, header by header, and makes a frame of it, or a list for those who look into it.
#[derive(Debug)]
pub(crate) struct EventWriter {
    form: Form,
    out: Vec<u8>,
}

#[derive(Debug)]
enum Form {
    Frame(Format),
    /// Names and values as they are.
    List(Vec<(String, String)>),
}

impl EventWriter {
    /// Writes into `scratch`, whose contents go.
    pub(crate) fn new(format: Format, scratch: Vec<u8>) -> EventWriter {
        let mut out = scratch;
        out.clear();
        out.resize(HEAD_ROOM, 0);
        match format {
            Format::Plain => {}
            Format::Json => out.push(b'{'),
            Format::Xml => out.extend_from_slice(b"<event>\n  <headers>\n"),
        }
        EventWriter { form: Form::Frame(format), out }
    }

    /// Collects the headers instead of writing them.
    pub(crate) fn list() -> EventWriter {
        EventWriter { form: Form::List(Vec::new()), out: Vec::new() }
    }

    /// What [`EventWriter::list`] collected.
    pub(crate) fn into_list(self) -> Vec<(String, String)> {
        match self.form {
            Form::List(headers) => headers,
            Form::Frame(_) => Vec::new(),
        }
    }

    /// Whether lines that were rendered before can be put in: they are in the plain form.
    pub(crate) fn takes_rendered(&self) -> bool {
        matches!(self.form, Form::Frame(Format::Plain))
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        let format = match &mut self.form {
            Form::Frame(format) => *format,
            Form::List(headers) => return headers.push((name.to_owned(), value.to_owned())),
        };
        match format {
            Format::Plain => {
                self.out.extend_from_slice(name.as_bytes());
                self.out.extend_from_slice(b": ");
                percent_encode(value.as_bytes(), &mut self.out);
                self.out.push(b'\n');
            }
            Format::Json => {
                if self.out.last() != Some(&b'{') {
                    self.out.push(b',');
                }
                json(&mut self.out, name);
                self.out.push(b':');
                json(&mut self.out, value);
            }
            Format::Xml => {
                self.out.extend_from_slice(b"    ");
                self.element(name, value);
            }
        }
    }

    /// A header that an event carries only where it has a value.
    pub(crate) fn header_if(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.header(name, value);
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = value;
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.header(name, std::str::from_utf8(&digits[at..]).unwrap_or_default());
    }

    pub(crate) fn variables(&mut self, variables: &Variables) {
        if self.takes_rendered() {
            variables.write_plain(&mut self.out);
            return;
        }
        let mut full = String::new();
        for (name, value) in variables.iter() {
            full.clear();
            full.push_str("variable_");
            full.push_str(name);
            self.header(&full, value);
        }
    }

    /// Lines that were rendered before, where [`EventWriter::takes_rendered`].
    pub(crate) fn rendered(&mut self, lines: &[u8]) {
        self.out.extend_from_slice(lines);
    }

    /// The whole frame, in just as many bytes as it takes, and the scratch space to write the next one in.
    /// An empty body is one to JSON only.
    pub(crate) fn finish(mut self, body: Option<&str>) -> (Bytes, Vec<u8>) {
        let Form::Frame(format) = self.form else { return (Bytes::new(), self.out) };
        match format {
            Format::Plain => {
                if let Some(body) = body.filter(|body| !body.is_empty()) {
                    self.number("Content-Length", body.len() as u64);
                    self.out.push(b'\n');
                    self.out.extend_from_slice(body.as_bytes());
                } else {
                    self.out.push(b'\n');
                }
            }
            Format::Json => {
                if let Some(body) = body {
                    self.number("Content-Length", body.len() as u64);
                    self.header("_body", body);
                }
                self.out.push(b'}');
            }
            Format::Xml => {
                self.out.extend_from_slice(b"  </headers>\n");
                if let Some(body) = body.filter(|body| !body.is_empty()) {
                    let length = body.len();
                    self.out
                        .extend_from_slice(format!("  <Content-Length>{length}</Content-Length>\n  <body>").as_bytes());
                    self.out.extend_from_slice(escape_xml(body).as_bytes());
                    // An end on a line of its own is indented.
                    self.out.extend_from_slice(if body.ends_with('\n') { b"  </body>\n" } else { b"</body>\n" });
                }
                self.out.extend_from_slice(b"</event>\n");
            }
        }
        let length = self.out.len() - HEAD_ROOM;
        let head = format!("Content-Length: {length}\nContent-Type: text/event-{}\n\n", format.name());
        let start = HEAD_ROOM - head.len();
        self.out[start..HEAD_ROOM].copy_from_slice(head.as_bytes());
        (Bytes::copy_from_slice(&self.out[start..]), self.out)
    }

    /// A plain event without a frame around it.
    pub(crate) fn finish_bare(mut self) -> Bytes {
        self.out.push(b'\n');
        Bytes::copy_from_slice(&self.out[HEAD_ROOM.min(self.out.len())..])
    }

    fn element(&mut self, name: &str, value: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        // Percent-encoding replaces all that XML would escape.
        percent_encode(value.as_bytes(), &mut self.out);
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b">\n");
    }
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Appends `value` as a JSON string with its quotes.
fn json(out: &mut Vec<u8>, value: &str) {
    // Writing a str to a Vec cannot fail: there is no I/O and every str is valid JSON text.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(format: Format, body: Option<&str>) -> String {
        let mut writer = EventWriter::new(format, Vec::new());
        writer.header("Event-Name", "HEARTBEAT");
        writer.header("Event-Info", "System Ready");
        writer.number("Session-Count", 0);
        String::from_utf8(writer.finish(body).0.to_vec()).expect("UTF-8")
    }

    #[test]
    fn plain() {
        let event = "Event-Name: HEARTBEAT\nEvent-Info: System%20Ready\nSession-Count: 0\n\n";
        assert_eq!(
            frame(Format::Plain, None),
            format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{event}", event.len())
        );
        assert!(frame(Format::Plain, Some("+OK\n")).ends_with("Content-Length: 4\n\n+OK\n"));
    }

    #[test]
    fn json() {
        let event = r#"{"Event-Name":"HEARTBEAT","Event-Info":"System Ready","Session-Count":"0"}"#;
        assert_eq!(
            frame(Format::Json, None),
            format!("Content-Length: {}\nContent-Type: text/event-json\n\n{event}", event.len())
        );
        assert!(frame(Format::Json, Some("+OK\n")).ends_with(r#""Content-Length":"4","_body":"+OK\n"}"#));
    }

    #[test]
    fn xml() {
        assert!(frame(Format::Xml, None).ends_with("    <Session-Count>0</Session-Count>\n  </headers>\n</event>\n"));
        assert!(frame(Format::Xml, Some("a<b")).ends_with("<body>a&lt;b</body>\n</event>\n"));
        assert!(frame(Format::Xml, Some("+OK\n")).ends_with("<body>+OK\n  </body>\n</event>\n"));
    }
}
