//! An event of the switch as the bytes of one Event Socket frame, in any of the three forms, or as a list.

use bytes::Bytes;
use esl_core::wire::EventEncoder;
pub(crate) use esl_core::wire::Format;

use super::Space;
use crate::channel::Variables;

/// How a value begins that is a list, and what stands between its parts (switch_event.c).
pub(crate) const LIST: &str = "ARRAY::";
pub(crate) const LIST_SEPARATOR: &str = "|:";

/// Writes one event, header by header, and makes a frame of it, or a list for those who look into it.
#[derive(Debug)]
pub(crate) enum EventWriter {
    Encoder(EventEncoder),
    /// Names and values as they are.
    List(Vec<(String, String)>),
}

impl EventWriter {
    /// Writes into `scratch`, whose contents go.
    pub(crate) fn new(format: Format, scratch: Vec<u8>) -> EventWriter {
        EventWriter::Encoder(EventEncoder::new(format, scratch))
    }

    /// Collects the headers instead of writing them.
    pub(crate) fn list() -> EventWriter {
        EventWriter::List(Vec::new())
    }

    /// What [`EventWriter::list`] collected.
    pub(crate) fn into_list(self) -> Vec<(String, String)> {
        match self {
            EventWriter::List(headers) => headers,
            EventWriter::Encoder(_) => Vec::new(),
        }
    }

    /// Whether lines that were rendered before can be put in: they are in the plain form.
    pub(crate) fn takes_rendered(&self) -> bool {
        matches!(self, EventWriter::Encoder(encoder) if encoder.format() == Format::Plain)
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        match self {
            EventWriter::Encoder(encoder) => {
                match value.strip_prefix(LIST).filter(|list| list.contains(LIST_SEPARATOR)) {
                    Some(list) => encoder.list(name, list.split(LIST_SEPARATOR)),
                    None => encoder.header(name, value),
                }
            }
            EventWriter::List(headers) => headers.push((name.to_owned(), value.to_owned())),
        }
    }

    /// A header that an event carries only where it has a value.
    pub(crate) fn header_if(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.header(name, value);
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        match self {
            EventWriter::Encoder(encoder) => encoder.number(name, value),
            EventWriter::List(headers) => headers.push((name.to_owned(), value.to_string())),
        }
    }

    pub(crate) fn variables(&mut self, variables: &Variables) {
        if self.takes_rendered() {
            self.lines(|out| variables.write_plain(out));
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
        self.lines(|out| out.extend_from_slice(lines));
    }

    fn lines(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let EventWriter::Encoder(encoder) = self {
            encoder.lines(write);
        }
    }

    /// The whole frame, in just as many bytes as it takes, and the scratch space to write the next one in.
    pub(crate) fn finish(self, body: Option<&str>, space: &mut Space) -> (Bytes, Vec<u8>) {
        let EventWriter::Encoder(encoder) = self else { return (Bytes::new(), Vec::new()) };
        let event = encoder.finish(body.map(str::as_bytes));
        (space.keep(event.frame()), event.into_scratch())
    }

    /// A plain event without a frame around it.
    pub(crate) fn finish_bare(self) -> Bytes {
        let EventWriter::Encoder(encoder) = self else { return Bytes::new() };
        Bytes::copy_from_slice(encoder.finish(None).event())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(format: Format) -> String {
        let mut variables = Variables::default();
        variables.set("note", "a <b>");
        variables.set("parts", "ARRAY::1|:2");
        let mut writer = EventWriter::new(format, Vec::new());
        writer.header("Event-Name", "HEARTBEAT");
        writer.header_if("Event-Subclass", "");
        writer.number("Session-Count", 0);
        writer.variables(&variables);
        String::from_utf8(writer.finish(None, &mut Space::default()).0.to_vec()).expect("UTF-8")
    }

    #[test]
    fn variables_are_headers_in_every_form() {
        let plain = "Event-Name: HEARTBEAT\nSession-Count: 0\nvariable_note: a%20%3Cb%3E\n\
            variable_parts: ARRAY%3A%3A1%7C%3A2\n\n";
        assert!(event(Format::Plain).ends_with(&format!("\n\n{plain}")));
        let json =
            r#"{"Event-Name":"HEARTBEAT","Session-Count":"0","variable_note":"a <b>","variable_parts":["1","2"]}"#;
        assert!(event(Format::Json).ends_with(&format!("\n\n{json}")));
        let xml = "    <variable_note>a%20%3Cb%3E</variable_note>\n    <variable_parts>1</variable_parts>\n    \
            <variable_parts>2</variable_parts>\n  </headers>\n";
        assert!(event(Format::Xml).contains(xml));
    }
}
