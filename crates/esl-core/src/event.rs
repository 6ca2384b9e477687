//! One event, however it came.

use std::borrow::Cow;

use bytes::Bytes;
use uuid::Uuid;

use crate::EventName;
use crate::wire::Headers;

/// An event: its name, its headers, and its body where it has one (a job's result).
///
/// Values are decoded when they are read. An event shares the bytes that were read from the socket; one that is kept
/// for long keeps what was read with it.
#[derive(Clone, Debug)]
pub struct Event {
    name: EventName,
    headers: Headers,
    body: Bytes,
}

impl Event {
    /// Reads the body of a `text/event-plain` frame.
    ///
    /// Nothing in it is an error: what has no `Event-Name` of the table is [`EventName::Unknown`], and an inner body
    /// ends at its own `Content-Length` or with the frame.
    #[must_use]
    pub fn from_plain(bytes: Bytes) -> Self {
        let (headers, at) = Headers::parse(bytes.clone());
        let name = headers.raw("Event-Name").map_or(EventName::Unknown, EventName::of);
        let mut body = if at < bytes.len() { bytes.slice(at..) } else { Bytes::new() };
        if !body.is_empty() {
            let length = headers.raw("Content-Length");
            let length = length.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            body.truncate(length.unwrap_or(usize::MAX));
        }
        Self { name, headers, body }
    }

    /// What it tells.
    #[must_use]
    pub fn name(&self) -> EventName {
        self.name
    }

    /// All its headers.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The decoded value of a header, see [`Headers::get`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get(name)
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

    fn uuid(&self, name: &str) -> Option<Uuid> {
        Uuid::try_parse_ascii(self.headers.raw(name)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_result_is_the_event_s_body() {
        let event = Event::from_plain(Bytes::from_static(
            b"Event-Name: BACKGROUND_JOB\nJob-UUID: bbbbbbbb-0000-4000-8000-000000000001\n\
              Content-Length: 4\n\n+OK\n and more",
        ));
        assert_eq!(event.name(), EventName::BackgroundJob);
        assert_eq!(event.body(), b"+OK\n");
        assert!(event.job_uuid().is_some());
        assert_eq!(event.unique_id(), None);
    }
}
