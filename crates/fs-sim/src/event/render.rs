//! An event of the switch as the bytes of one Event Socket frame, in any of the three forms.

use bytes::Bytes;
use esl_core::wire::EventEncoder;
pub(crate) use esl_core::wire::Format;

use crate::channel::Variables;

/// Writes one event, header by header, and makes a frame of it.
#[derive(Debug)]
pub(crate) struct EventWriter(EventEncoder);

impl EventWriter {
    /// Writes into `scratch`, whose contents go.
    pub(crate) fn new(format: Format, scratch: Vec<u8>) -> EventWriter {
        EventWriter(EventEncoder::new(format, scratch))
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        self.0.header(name, value);
    }

    /// A header that an event carries only where it has a value.
    pub(crate) fn header_if(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.header(name, value);
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.0.number(name, value);
    }

    pub(crate) fn variables(&mut self, variables: &Variables) {
        if self.0.format() == Format::Plain {
            self.0.lines(|out| variables.write_plain(out));
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

    /// Lines that were rendered before, in plain form.
    pub(crate) fn rendered(&mut self, lines: &[u8]) {
        self.0.lines(|out| out.extend_from_slice(lines));
    }

    /// The whole frame, in just as many bytes as it takes, and the scratch space to write the next one in.
    pub(crate) fn finish(self, body: Option<&str>) -> (Bytes, Vec<u8>) {
        let event = self.0.finish(body.map(str::as_bytes));
        (Bytes::copy_from_slice(event.frame()), event.into_scratch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(format: Format) -> String {
        let mut variables = Variables::default();
        variables.set("note", "a <b>");
        let mut writer = EventWriter::new(format, Vec::new());
        writer.header("Event-Name", "HEARTBEAT");
        writer.header_if("Event-Subclass", "");
        writer.number("Session-Count", 0);
        writer.variables(&variables);
        String::from_utf8(writer.finish(None).0.to_vec()).expect("UTF-8")
    }

    #[test]
    fn variables_are_headers_in_every_form() {
        let plain = "Event-Name: HEARTBEAT\nSession-Count: 0\nvariable_note: a%20%3Cb%3E\n\n";
        assert!(event(Format::Plain).ends_with(&format!("\n\n{plain}")));
        let json = r#"{"Event-Name":"HEARTBEAT","Session-Count":"0","variable_note":"a <b>"}"#;
        assert!(event(Format::Json).ends_with(&format!("\n\n{json}")));
        assert!(event(Format::Xml).contains("    <variable_note>a%20%3Cb%3E</variable_note>\n  </headers>\n"));
    }
}
