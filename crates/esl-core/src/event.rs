//! One event, however it came.

use std::borrow::Cow;

use bytes::Bytes;
use uuid::Uuid;

use crate::EventName;
use crate::wire::{
    Encoding, EventEncoder, EventError, EventProblem, Format, Frame, Headers, Limits, Parts, read_event, text,
};

/// An event: its name, its headers, and its body where it has one (a job's result).
///
/// Values are decoded when they are read. An event shares the bytes that were read from the socket: one that is kept
/// for long keeps what was read with it, unless it is [`detached`](Event::detached).
///
/// Two events are equal if they have the same name, the same headers in the same order and the same body, whatever form
/// they came in. The `Content-Length` of its body is no header of an event: each form has it in a place of its own. Two
/// things a server's forms do not tell apart: in plain and XML form, a `%XX` in a value from the byte it would stand
/// for; in plain form, an empty value from `_undef_`, and `|:` inside a list's value from a list's separator.
///
/// ```
/// use esl_core::{Event, EventName};
///
/// let plain = Event::from_plain("Event-Name: CUSTOM\nEvent-Subclass: sofia%3A%3Aregister\n\n".into())?;
/// let json = Event::from_json(r#"{"Event-Name":"CUSTOM","Event-Subclass":"sofia::register"}"#.into())?;
/// assert_eq!(plain, json);
/// assert_eq!(plain.name(), EventName::Custom);
/// assert_eq!(plain.subclass().as_deref(), Some("sofia::register"));
/// # Ok::<(), esl_core::wire::EventError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    name: EventName,
    format: Format,
    headers: Headers,
    body: Bytes,
}

impl Event {
    /// Reads the body of a `text/event-plain` frame.
    ///
    /// What has no `Event-Name` of the table is [`EventName::Unknown`], a line without a colon is passed over, and an
    /// inner body ends at its own `Content-Length` or with the frame.
    ///
    /// # Errors
    /// It goes beyond the default [`Limits`]. Nothing else is an error in this form.
    pub fn from_plain(bytes: Bytes) -> Result<Self, EventError> {
        Self::decode(Format::Plain, bytes, &Limits::default())
    }

    /// Reads the body of a `text/event-json` frame: a flat object of strings and arrays of strings.
    ///
    /// # Errors
    /// It is something else, or goes beyond the default [`Limits`].
    pub fn from_json(bytes: Bytes) -> Result<Self, EventError> {
        Self::decode(Format::Json, bytes, &Limits::default())
    }

    /// Reads the body of a `text/event-xml` frame: an `<event>` as FreeSWITCH writes it.
    ///
    /// # Errors
    /// It is something else, or goes beyond the default [`Limits`].
    pub fn from_xml(bytes: Bytes) -> Result<Self, EventError> {
        Self::decode(Format::Xml, bytes, &Limits::default())
    }

    /// Reads an event in any form, within `limits`.
    ///
    /// # Errors
    /// It is not an event in that form, or goes beyond `limits`.
    pub fn decode(format: Format, bytes: Bytes, limits: &Limits) -> Result<Self, EventError> {
        let Parts { headers, body } = read_event(format, bytes, limits)?;
        Ok(Self::new(format, headers, body))
    }

    /// Reads the reply to an outbound connection's `connect`: a CHANNEL_DATA event with all that is known of the
    /// channel, which `mod_event_socket` sends as a reply's head, percent-encoded like a plain event.
    ///
    /// `Content-Type` and `Reply-Text` (`+OK` and a line feed) are headers of this event as well, and so are
    /// `Socket-Mode` (`async` or `static`) and `Control` (`full` or `single-channel`).
    ///
    /// # Errors
    /// The frame is no such reply, or goes beyond the default [`Limits`].
    pub fn from_connect_reply(frame: &Frame) -> Result<Self, EventError> {
        let (headers, _) = Headers::parse(frame.head.clone(), Encoding::Percent, &Limits::default())?;
        let event = Self::new(Format::Plain, headers, Bytes::new());
        if event.name != EventName::ChannelData {
            let problem = EventProblem::Missing("Event-Name: CHANNEL_DATA");
            return Err(EventError::new(Format::Plain, problem, &frame.head, 0));
        }
        Ok(event)
    }

    fn new(format: Format, headers: Headers, body: Bytes) -> Self {
        let name = headers.bytes("Event-Name").map_or(EventName::Unknown, |name| EventName::of(&name));
        Self { name, format, headers, body }
    }

    /// What it tells.
    #[must_use]
    pub fn name(&self) -> EventName {
        self.name
    }

    /// The form that it came in.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// All its headers.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The first value of a header, decoded, see [`Headers::get`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get(name)
    }

    /// All values of a header, decoded: those of a list, and those of repeated headers.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.headers.values(name)
    }

    /// The first value of a channel's variable: the header `variable_…`.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.variable(name)
    }

    /// Every name and value in their order, decoded; of a list, the name with each of its values. Bytes that are not
    /// UTF-8 become U+FFFD, see [`Headers::pairs`] for the bytes.
    pub fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.headers.pairs().map(|(name, value)| (text(name), text(value)))
    }

    /// Its body, empty where there is none: a job's result, as the server wrote it.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The channel that it is about (`Unique-ID`), `None` where there is none or it is no UUID.
    #[must_use]
    pub fn unique_id(&self) -> Option<Uuid> {
        self.uuid("Unique-ID")
    }

    /// The job that it is about (`Job-UUID`), `None` where there is none or it is no UUID.
    #[must_use]
    pub fn job_uuid(&self) -> Option<Uuid> {
        self.uuid("Job-UUID")
    }

    /// The execution that it is about (`Application-UUID`), `None` where there is none or it is no UUID.
    #[must_use]
    pub fn application_uuid(&self) -> Option<Uuid> {
        self.uuid("Application-UUID")
    }

    /// The run of the server that sent it (`Core-UUID`): another one after each start.
    #[must_use]
    pub fn core_uuid(&self) -> Option<Uuid> {
        self.uuid("Core-UUID")
    }

    /// What a CUSTOM event tells (`Event-Subclass`).
    #[must_use]
    pub fn subclass(&self) -> Option<Cow<'_, str>> {
        self.get("Event-Subclass")
    }

    /// Its number among all events of the server (`Event-Sequence`). One counter serves every listener: a gap means
    /// nothing to one that did not subscribe to everything.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.get("Event-Sequence")?.parse().ok()
    }

    /// A copy whose bytes are its own, for an event that is kept.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { headers: self.headers.detached(), body: Bytes::copy_from_slice(&self.body), ..*self }
    }

    /// Appends it in a frame, as FreeSWITCH would write it in that form.
    pub fn encode(&self, format: Format, out: &mut Vec<u8>) {
        let mut encoder = EventEncoder::new(format, Vec::new());
        for (name, list) in self.headers.lists() {
            match list.single() {
                Some(value) => encoder.header(name, value),
                None => encoder.list(name, list.values()),
            }
        }
        let body = (!self.body.is_empty()).then_some(&self.body[..]);
        out.extend_from_slice(encoder.finish(body).frame());
    }

    fn uuid(&self, name: &str) -> Option<Uuid> {
        Uuid::try_parse_ascii(&self.headers.bytes(name)?).ok()
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.body == other.body && self.headers.pairs().eq(other.headers.pairs())
    }
}

impl Eq for Event {}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &'static str) -> Event {
        Event::from_plain(Bytes::from_static(text.as_bytes())).expect("an event")
    }

    #[test]
    fn a_job_s_result_is_the_event_s_body() {
        let event = plain(
            "Event-Name: BACKGROUND_JOB\nJob-UUID: bbbbbbbb-0000-4000-8000-000000000001\n\
             Content-Length: 4\n\n+OK\n and more",
        );
        assert_eq!(event.name(), EventName::BackgroundJob);
        assert_eq!(event.body(), b"+OK\n");
        assert!(event.job_uuid().is_some());
        assert_eq!(event.unique_id(), None);
    }

    #[test]
    fn a_content_length_among_the_headers_is_one_of_them() {
        // As it is after somebody's `sendevent` with a body.
        let event = plain("Content-Length: 9\nEvent-Name: CUSTOM\nContent-Length: 2\n\nab");
        assert_eq!(event.get("Content-Length").as_deref(), Some("9"));
        assert_eq!(event.body(), b"ab");
        assert_eq!(event.headers().len(), 2);
    }

    #[test]
    fn a_content_length_that_is_none_leaves_the_body_to_its_frame() {
        for length in ["x", "-1", "", "99999999999999999999", "9"] {
            let text = format!("Event-Name: CUSTOM\nContent-Length: {length}\n\nab");
            assert_eq!(Event::from_plain(text.into()).unwrap().body(), b"ab", "{length}");
        }
    }

    #[test]
    fn what_a_header_means_is_read_decoded() {
        let uuid = "aaaaaaaa-0000-4000-8000-000000000001";
        let text = format!(
            r#"{{"Event-Name":"CUSTO\u004d","Event-Subclass":"a::b","Event-Sequence":"7",
                "Core-UUID":"{uuid}","Unique-ID":"\u0061{}","variable_a":"1"}}"#,
            &uuid[1..]
        );
        let event = Event::from_json(text.into()).unwrap();
        assert_eq!((event.name(), event.format()), (EventName::Custom, Format::Json));
        assert_eq!(event.subclass().as_deref(), Some("a::b"));
        assert_eq!(event.sequence(), Some(7));
        assert_eq!(event.core_uuid(), event.unique_id());
        assert!(event.unique_id().is_some());
        assert_eq!(event.variable("a").as_deref(), Some("1"));
    }

    #[test]
    fn events_differ_by_name_headers_order_and_body() {
        let event = plain("Event-Name: CUSTOM\nA: 1\nB: 2\n\n");
        assert_eq!(event, plain("Event-Name: CUSTOM\nA:1\nB:%32\n\n"));
        for other in [
            "Event-Name: HEARTBEAT\nA: 1\nB: 2\n\n",
            "Event-Name: CUSTOM\nB: 2\nA: 1\n\n",
            "Event-Name: CUSTOM\nA: 1\n\n",
            "Event-Name: CUSTOM\nA: 1\nB: 3\n\n",
            "Event-Name: CUSTOM\nA: 1\nB: 2\n\nx",
        ] {
            assert_ne!(event, plain(other), "{other}");
        }
    }

    #[test]
    fn a_detached_event_shares_no_bytes() {
        let read = Bytes::from_static(b"Event-Name: CUSTOM\nA: 1\nContent-Length: 1\n\nx and the next frame");
        let event = Event::from_plain(read.clone()).unwrap();
        let detached = event.detached();
        assert_eq!(detached, event);
        let within = |part: &[u8]| read.as_ptr_range().contains(&part.as_ptr());
        assert!(within(event.headers().raw("A").unwrap()) && within(event.body()));
        assert!(!within(detached.headers().raw("A").unwrap()) && !within(detached.body()));
    }
}
