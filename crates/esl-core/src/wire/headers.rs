//! Headers, indexed where they stand and decoded when they are read.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::memmem;

use super::index::Span;
use super::{EventError, Limits, index, json, percent_decode, xml};

/// How the values of [`Headers`] stand in their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are: the head of a frame on an inbound connection, and the text of
    /// `uuid_dump <uuid> plain` (`mod_commands.c`), whose values stand in brackets that are kept.
    Verbatim,
    /// Percent-encoded: a plain event, and the first reply on an outbound connection. A list of values is one text,
    /// `ARRAY::one|:two` (`switch_event.c`).
    Percent,
    /// With the escapes of a JSON string.
    Json,
    /// Percent-encoded, then with the entities of XML.
    Xml,
}

/// How a list begins in plain form, and what stands between its values: `ARRAY::` and `|:`, percent-encoded.
const LIST: &[u8] = b"ARRAY%3A%3A";
const LIST_NEXT: &[u8] = b"%7C%3A";

/// The headers of an event or of a frame, in their order, repeated ones included.
///
/// Values are kept as they came over the wire and are decoded by whoever reads them; each value of a list is a value
/// of its own. Names are compared exactly, as FreeSWITCH writes them. Cloning shares the bytes.
///
/// A plain event says `_undef_` where a value is empty (`switch_event_serialize`), and so do variables that somebody
/// set to just that: it is a value like any other here.
#[derive(Clone)]
pub struct Headers {
    bytes: Bytes,
    spans: Vec<Span>,
    encoding: Encoding,
}

impl Headers {
    pub(super) fn new(bytes: Bytes, spans: Vec<Span>, encoding: Encoding) -> Self {
        Self { bytes, spans, encoding }
    }

    /// Indexes `Name: value` lines up to a blank line or the end. Returns the headers and where that blank line ended,
    /// which is where a body begins.
    ///
    /// A line without a colon carries no header and is passed over. Bytes from 2 GiB on are not looked at.
    ///
    /// # Errors
    /// There are more headers than `limits` allow, or a longer one.
    pub fn parse(bytes: Bytes, encoding: Encoding, limits: &Limits) -> Result<(Self, usize), EventError> {
        let (spans, body) = index::lines(&bytes, encoding, limits)?;
        Ok((Self::new(bytes, spans, encoding), body))
    }

    /// How the values stand in their bytes.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How many headers there are, repeated ones counted each time. A list counts once in plain form, and each of its
    /// values in the others.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The value of the first header of that name as it came over the wire.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(|span| self.value(span))
    }

    /// The first value of that name, decoded.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.find(name).and_then(|span| self.first(span))
    }

    /// The first value of that name, as text. Bytes that are not UTF-8 become U+FFFD; use [`Headers::bytes`] to get
    /// them as they are.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.bytes(name).map(text)
    }

    /// As [`Headers::get`], for the variable of a channel: the header `variable_…`.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        const PREFIX: &[u8] = b"variable_";
        let length = PREFIX.len() + name.len();
        let is_it = |own: &[u8]| own.strip_prefix(PREFIX) == Some(name.as_bytes());
        self.spans.iter().find(|span| self.is_named(span, length, is_it)).and_then(|span| self.first(span)).map(text)
    }

    /// All values of that name in their order, as text: those of a list, and those of repeated headers.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.spans
            .iter()
            .filter(move |span| self.is_named(span, name.len(), |own| own == name.as_bytes()))
            .flat_map(|span| self.pieces(span))
            .map(|raw| text(self.decode(raw)))
    }

    /// Every name and value in their order, decoded; of a list, the name with each of its values.
    pub fn pairs(&self) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
        self.spans
            .iter()
            .flat_map(|span| self.pieces(span).map(|raw| (self.decode_name(self.name(span)), self.decode(raw))))
    }

    /// Every header in its order as it came over the wire: the name and the value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| (self.name(span), self.value(span)))
    }

    /// A copy whose bytes are its own.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), spans: self.spans.clone(), encoding: self.encoding }
    }

    /// Takes the last header away if it is of that name, and returns its value as it came.
    pub(super) fn pop(&mut self, name: &str) -> Option<&[u8]> {
        let span = self.spans.pop_if(|span| &self.bytes[span.name()] == name.as_bytes())?;
        Some(&self.bytes[span.value()])
    }

    /// Every header in its order, decoded, with how many values it has: headers that are one list come together.
    pub(crate) fn lists(&self) -> impl Iterator<Item = (Cow<'_, [u8]>, List<'_>)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let span = self.spans.get(at)?;
            let rest = &self.spans[at..];
            let together = match self.encoding {
                Encoding::Verbatim | Encoding::Percent => 1,
                // The values of an array share the one name that stands there.
                Encoding::Json => rest.iter().take_while(|next| next.name() == span.name()).count(),
                // An array is written as elements of one name, one after the other.
                Encoding::Xml => rest.iter().take_while(|next| self.name(next) == self.name(span)).count(),
            };
            at += together;
            let values: Vec<_> = rest[..together].iter().flat_map(|span| self.pieces(span)).collect();
            let in_brackets = self.encoding == Encoding::Json && self.bytes[..span.value().start].ends_with(b"[\"");
            let many = values.len() > 1 || in_brackets;
            Some((self.decode_name(self.name(span)), List { headers: self, values, many }))
        })
    }

    fn first(&self, span: &Span) -> Option<Cow<'_, [u8]>> {
        self.pieces(span).next().map(|raw| self.decode(raw))
    }

    fn find(&self, name: &str) -> Option<&Span> {
        self.spans.iter().find(|span| self.is_named(span, name.len(), |own| own == name.as_bytes()))
    }

    /// Whether this header's name, of so many bytes, is the one that is looked for. Most differ in length.
    #[inline]
    fn is_named(&self, span: &Span, length: usize, is_it: impl Fn(&[u8]) -> bool) -> bool {
        (span.name().len() == length && is_it(self.name(span)))
            || (span.odd_name() && is_it(&self.decode_name(self.name(span))))
    }

    fn name(&self, span: &Span) -> &[u8] {
        &self.bytes[span.name()]
    }

    fn value(&self, span: &Span) -> &[u8] {
        &self.bytes[span.value()]
    }

    /// The values of a header, each as it came: one, but where it is a list in plain form.
    fn pieces<'a>(&'a self, span: &Span) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let value = self.value(span);
        let list = match self.encoding {
            // A list of one value is written as that value, so what has no separator is no list.
            Encoding::Percent => value.strip_prefix(LIST).filter(|values| memmem::find(values, LIST_NEXT).is_some()),
            _ => None,
        };
        let mut rest = Some(list.unwrap_or(value));
        std::iter::from_fn(move || {
            let now = rest?;
            let end = list.and_then(|_| memmem::find(now, LIST_NEXT));
            rest = end.map(|end| &now[end + LIST_NEXT.len()..]);
            Some(&now[..end.unwrap_or(now.len())])
        })
    }

    fn decode<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        match self.encoding {
            Encoding::Verbatim => Cow::Borrowed(raw),
            Encoding::Percent => percent_decode(raw),
            Encoding::Json => json::unescape(raw),
            Encoding::Xml => match xml::unescape(raw) {
                Cow::Borrowed(raw) => percent_decode(raw),
                Cow::Owned(raw) => Cow::Owned(percent_decode(&raw).into_owned()),
            },
        }
    }

    /// Only JSON encodes names.
    fn decode_name<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        match self.encoding {
            Encoding::Json => json::unescape(raw),
            _ => Cow::Borrowed(raw),
        }
    }
}

/// The values of one header.
pub(crate) struct List<'a> {
    headers: &'a Headers,
    values: Vec<&'a [u8]>,
    /// Whether it is a list, which may have a single value.
    many: bool,
}

impl<'a> List<'a> {
    /// The value of a header that is no list.
    pub(crate) fn single(&self) -> Option<Cow<'a, [u8]>> {
        self.values.first().filter(|_| !self.many).map(|raw| self.headers.decode(raw))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.values.iter().map(|raw| self.headers.decode(raw))
    }
}

pub(crate) fn text(value: Cow<'_, [u8]>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.pairs().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> (Headers, usize) {
        Headers::parse(Bytes::from_static(text.as_bytes()), Encoding::Percent, &Limits::default()).expect("headers")
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
        let (headers, _) = parse("A: 1\nB: x\nA: 2\n");
        assert_eq!(headers.get("A").as_deref(), Some("1"));
        assert_eq!(headers.values("A").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers.iter().map(|(_, value)| value).collect::<Vec<_>>(), [b"1", b"x", b"2"]);
    }

    #[test]
    fn a_list_is_as_many_values() {
        let (headers, _) = parse("A: ARRAY%3A%3Aone%7C%3A%7Ctwo%7C%3A\nB: ARRAY%3A%3Aone\nC: ARRAY::x|:y\n");
        assert_eq!(headers.values("A").collect::<Vec<_>>(), ["one", "|two", ""]);
        assert_eq!(headers.get("A").as_deref(), Some("one"));
        assert_eq!(headers.get("B").as_deref(), Some("ARRAY::one"), "one value makes no list");
        assert_eq!(headers.get("C").as_deref(), Some("ARRAY::x|:y"), "a plain event encodes its colons");
        assert_eq!(headers.pairs().count(), 5);
    }

    #[test]
    fn a_verbatim_value_is_as_it_is() {
        let bytes = Bytes::from_static(b"A: 100%25\nB: ARRAY%3A%3Aone%7C%3Atwo\nC:D: e\n");
        let (headers, _) = Headers::parse(bytes, Encoding::Verbatim, &Limits::default()).unwrap();
        assert_eq!(headers.get("A").as_deref(), Some("100%25"));
        assert_eq!(headers.values("B").count(), 1);
        assert_eq!(headers.get("C").as_deref(), Some("D: e"));
    }

    #[test]
    fn a_name_may_hold_a_colon_in_an_event() {
        let (headers, _) = parse("variable_sip_h_a:b: 1%3A%202\nC:z\n");
        assert_eq!(headers.variable("sip_h_a:b").as_deref(), Some("1: 2"));
        assert_eq!(headers.get("C").as_deref(), Some("z"));
    }

    #[test]
    fn variables_are_found_by_their_own_name() {
        let (headers, _) = parse("variable_: 0\nvariable_a: 1\nVariable_b: 2\n");
        assert_eq!(headers.variable("a").as_deref(), Some("1"));
        assert_eq!(headers.variable("b"), None);
        assert_eq!(headers.variable("").as_deref(), Some("0"));
        assert_eq!(headers.variable("variable_a"), None);
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

    #[test]
    fn a_copy_has_bytes_of_its_own() {
        let (headers, _) = parse("A: x%20y\nB: 2\n\n");
        let copy = headers.detached();
        assert_eq!(copy.get("A").as_deref(), Some("x y"));
        assert_ne!(copy.raw("A").map(<[u8]>::as_ptr), headers.raw("A").map(<[u8]>::as_ptr));
    }
}
