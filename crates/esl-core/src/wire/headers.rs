//! Header lines, indexed where they stand and decoded when they are read.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::memchr;

use super::percent_decode;

/// Where one header stands in its bytes: `name: value`.
#[derive(Clone, Copy)]
struct Span {
    name: u32,
    colon: u32,
    value: u32,
    end: u32,
}

/// A typical event has 70 to 220 headers: room for most without growing.
const INDEX_CAPACITY: usize = 160;

/// The headers of an event or of a frame, in their order, repeated ones included.
///
/// Values are kept as they came over the wire, percent-encoded, and are decoded by whoever reads them. Cloning shares
/// the bytes.
#[derive(Clone)]
pub struct Headers {
    bytes: Bytes,
    spans: Vec<Span>,
}

impl Headers {
    /// Indexes the header lines of `bytes` up to a blank line or the end. Returns the headers and where that blank line
    /// ended, which is where a body begins.
    ///
    /// A line without a colon carries no header and is passed over. Bytes from 4 GiB on are not looked at.
    #[must_use]
    pub fn parse(bytes: Bytes) -> (Self, usize) {
        let mut spans = Vec::with_capacity(INDEX_CAPACITY.min(bytes.len() / 16 + 1));
        let data = &bytes[..bytes.len().min(u32::MAX as usize)];
        let mut at = 0;
        let body = loop {
            if at >= data.len() {
                break data.len();
            }
            let line = &data[at..];
            let length = memchr(b'\n', line).unwrap_or(line.len());
            if length == 0 {
                break at + 1;
            }
            let line = &line[..length];
            // Names are short: a plain loop finds the colon sooner than a search that has to be set up.
            if let Some(colon) = line.iter().position(|&byte| byte == b':') {
                let gap = usize::from(line.get(colon + 1) == Some(&b' '));
                spans.push(Span {
                    name: at as u32,
                    colon: (at + colon) as u32,
                    value: (at + colon + 1 + gap) as u32,
                    end: (at + length) as u32,
                });
            }
            at += length + 1;
        };
        (Self { bytes, spans }, body)
    }

    /// How many headers there are, repeated ones counted each time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The value of the first header of that name as it came over the wire. Names are compared exactly, as FreeSWITCH
    /// writes them.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(|span| self.value(span))
    }

    /// The decoded value of the first header of that name.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.raw(name).map(percent_decode)
    }

    /// The decoded value of the first header of that name, as text. Bytes that are not UTF-8 become U+FFFD; use
    /// [`Headers::bytes`] to get them as they are.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.bytes(name).map(|value| match value {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        })
    }

    /// Every header in its order: the name, and the value as it came over the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| (self.name(span), self.value(span)))
    }

    fn find(&self, name: &str) -> Option<&Span> {
        let name = name.as_bytes();
        self.spans.iter().find(|span| (span.colon - span.name) as usize == name.len() && self.name(span) == name)
    }

    fn name(&self, span: &Span) -> &[u8] {
        &self.bytes[span.name as usize..span.colon as usize]
    }

    fn value(&self, span: &Span) -> &[u8] {
        &self.bytes[span.value.min(span.end) as usize..span.end as usize]
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value))))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> (Headers, usize) {
        Headers::parse(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn values_are_decoded_when_read() {
        let (headers, body) = parse("A: x%20y\nB: \nC:z\n\nbody");
        assert_eq!(headers.get("A").as_deref(), Some("x y"));
        assert_eq!(headers.raw("A"), Some(&b"x%20y"[..]));
        assert_eq!(headers.get("B").as_deref(), Some(""));
        assert_eq!(headers.get("C").as_deref(), Some("z"));
        assert_eq!(headers.get("D"), None);
        assert_eq!(body, 18);
    }

    #[test]
    fn the_first_of_repeated_headers_is_found_and_all_are_kept() {
        let (headers, _) = parse("A: 1\nA: 2\n");
        assert_eq!(headers.get("A").as_deref(), Some("1"));
        assert_eq!(headers.iter().map(|(_, value)| value).collect::<Vec<_>>(), [b"1", b"2"]);
    }

    #[test]
    fn odd_lines_do_no_harm() {
        let (headers, body) = parse("no colon here\nA: 1\n:\nB:");
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.get("A").as_deref(), Some("1"));
        assert_eq!(headers.get("B").as_deref(), Some(""));
        assert_eq!(body, 23);
        assert_eq!(parse("").1, 0);
        assert_eq!(parse("\nrest").1, 1);
    }

    #[test]
    fn invalid_utf8_is_kept_as_bytes() {
        let (headers, _) = parse("A: %FFx\n");
        assert_eq!(headers.bytes("A").as_deref(), Some(&b"\xffx"[..]));
        assert_eq!(headers.get("A").as_deref(), Some("\u{fffd}x"));
    }
}
