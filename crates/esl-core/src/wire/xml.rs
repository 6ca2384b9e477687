//! Events in XML, as FreeSWITCH writes them:
//! `<event><headers><Name>value</Name>…</headers><Content-Length>n</Content-Length><body>…</body></event>`.
//!
//! This reads no more of XML than that: no attributes, no nesting, no empty-element tags. Values are percent-encoded
//! before they become text, so that nothing of XML is left in them; a body is text, which `switch_xml.c` writes in a way
//! of its own: characters outside ASCII as numbers, bytes that are no UTF-8 not at all, and everything from a `<!` on as
//! it is.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memchr2, memmem};

use super::index::{Index, Parts, length};
use super::{Encoding, EventError, EventProblem, Format, Headers, Limits};

/// Where a body ends with a line feed, `switch_xml_toxml` indents its closing tag.
const INDENT_AFTER_LINE: &[u8] = b"\n  ";

/// Reads an event (`switch_event_xmlize`).
pub(crate) fn read(bytes: Bytes, limits: &Limits) -> Result<Parts, EventError> {
    let mut reader = Reader { index: Index::new(&bytes, Format::Xml, limits), at: 0 };
    reader.tag("<event>")?;
    reader.tag("<headers>")?;
    reader.headers()?;
    let said = reader.content_length()?;
    let body = reader.body()?;
    reader.tag("</event>")?;
    reader.end()?;
    let spans = reader.index.finish();
    let body = match body {
        Some((start, end)) => text(&bytes, start, end, said),
        None => Bytes::new(),
    };
    Ok(Parts { headers: Headers::new(bytes, spans, Encoding::Xml), body })
}

struct Reader<'a> {
    index: Index<'a>,
    at: usize,
}

impl Reader<'_> {
    /// The elements inside `<headers>`, and its end.
    fn headers(&mut self) -> Result<(), EventError> {
        let data = self.index.data;
        loop {
            self.skip_space();
            match data[self.at..] {
                [b'<', b'/', ..] => return self.tag("</headers>"),
                [b'<', ..] => {}
                _ => return Err(self.missing("element of a header")),
            }
            let name = self.at + 1;
            let Some(length) = memchr(b'>', &data[name..]).filter(|&length| length > 0) else {
                return Err(self.missing("name of a header"));
            };
            let name = name..name + length;
            let value = name.end + 1;
            let Some(length) = memchr(b'<', &data[value..]) else {
                return Err(self.missing("end of a header"));
            };
            let value = value..value + length;
            let closing = data[value.end + 1..]
                .strip_prefix(b"/")
                .and_then(|rest| rest.strip_prefix(&data[name.clone()]))
                .is_some_and(|rest| rest.starts_with(b">"));
            self.at = value.end;
            if !closing {
                return Err(self.missing("end of a header"));
            }
            self.at += "</>".len() + name.len();
            self.index.push(name, false, value)?;
        }
    }

    fn content_length(&mut self) -> Result<Option<usize>, EventError> {
        if !self.is_at("<Content-Length>") {
            return Ok(None);
        }
        self.tag("<Content-Length>")?;
        let start = self.at;
        let Some(size) = memchr(b'<', &self.index.data[start..]) else {
            return Err(self.missing("end of the Content-Length"));
        };
        self.at += size;
        let said = length(&self.index.data[start..self.at]);
        self.tag("</Content-Length>")?;
        Ok(said)
    }

    /// Where the body's text stands, `None` where there is no body. It may hold anything, its own end tag included, so
    /// it ends at the last one.
    fn body(&mut self) -> Result<Option<(usize, usize)>, EventError> {
        if !self.is_at("<body>") {
            return Ok(None);
        }
        self.tag("<body>")?;
        let start = self.at;
        let Some(size) = memmem::rfind(&self.index.data[start..], b"</body>") else {
            return Err(self.missing("end of the body"));
        };
        self.at += size;
        let end = self.at;
        self.tag("</body>")?;
        Ok(Some((start, end)))
    }

    fn is_at(&mut self, tag: &str) -> bool {
        self.skip_space();
        self.index.data[self.at..].starts_with(tag.as_bytes())
    }

    fn tag(&mut self, tag: &'static str) -> Result<(), EventError> {
        if !self.is_at(tag) {
            return Err(self.missing(tag));
        }
        self.at += tag.len();
        Ok(())
    }

    fn end(&mut self) -> Result<(), EventError> {
        self.skip_space();
        if self.at < self.index.data.len() { Err(self.missing("end behind the event")) } else { Ok(()) }
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.index.data.get(self.at) {
            self.at += 1;
        }
    }

    fn missing(&self, what: &'static str) -> EventError {
        self.index.error(EventProblem::Missing(what), self.at)
    }
}

/// A body's text, without the indentation that may stand behind it.
fn text(bytes: &Bytes, start: usize, end: usize, said: Option<usize>) -> Bytes {
    let mut body = match unescape(&bytes[start..end]) {
        Cow::Borrowed(_) => bytes.slice(start..end),
        Cow::Owned(text) => Bytes::from(text),
    };
    // A body that is as long as was said ends with spaces of its own. One that is shorter even without the indentation
    // held bytes that were no UTF-8.
    if said != Some(body.len()) && body.ends_with(INDENT_AFTER_LINE) {
        body.truncate(body.len() - INDENT_AFTER_LINE.len() + 1);
    }
    body
}

/// Text without the entities of XML. What is no entity stands for itself, and everything from a `<!` on.
pub(super) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'&', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr2(b'&', b'<', rest) {
        value.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with(b"<!") {
            break;
        }
        match entity(rest, &mut value) {
            Some(behind) => rest = behind,
            None => {
                value.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    value.extend_from_slice(rest);
    Cow::Owned(value)
}

/// The longest entity is `&#x1FFFFF;`.
const ENTITY_MAX: usize = 12;

/// Appends what the entity at the start of `text` stands for, and returns what comes behind it.
fn entity<'a>(text: &'a [u8], value: &mut Vec<u8>) -> Option<&'a [u8]> {
    let end = memchr(b';', &text[..text.len().min(ENTITY_MAX)])?;
    let name = text.get(1..end).filter(|_| text[0] == b'&')?;
    match name {
        b"amp" => value.push(b'&'),
        b"lt" => value.push(b'<'),
        b"gt" => value.push(b'>'),
        b"quot" => value.push(b'"'),
        b"apos" => value.push(b'\''),
        [b'#', b'x', digits @ ..] => push_code(number(digits, 16)?, value),
        [b'#', digits @ ..] => push_code(number(digits, 10)?, value),
        _ => return None,
    }
    Some(&text[end + 1..])
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u32::from_str_radix(digits, radix).ok().filter(|&code| code < 1 << 21)
}

/// Appends the bytes of which FreeSWITCH made that number, by the pattern of UTF-8 alone: it does not ask whether there
/// is such a character.
fn push_code(code: u32, value: &mut Vec<u8>) {
    let tail = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
    match code {
        0..0x80 => value.push(code as u8),
        0x80..0x800 => value.extend_from_slice(&[0xc0 | (code >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => value.extend_from_slice(&[0xe0 | (code >> 12) as u8, tail(6), tail(0)]),
        _ => value.extend_from_slice(&[0xf0 | (code >> 18) as u8, tail(12), tail(6), tail(0)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<Parts, EventError> {
        read(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
    }

    fn body(text: &str) -> Bytes {
        parts(&format!("<event><headers></headers>{text}</event>")).unwrap().body
    }

    #[test]
    fn values_are_percent_encoded() {
        let parts = parts(
            "<event>\n  <headers>\n    <A>x%20%3Cy%3E</A>\n    <B></B>\n    <A>&#x32;&amp;</A>\n  </headers>\n</event>\n",
        );
        let parts = parts.unwrap();
        assert_eq!(parts.headers.values("A").collect::<Vec<_>>(), ["x <y>", "2&"]);
        assert_eq!(parts.headers.get("B").as_deref(), Some(""));
        assert!(parts.body.is_empty());
    }

    #[test]
    fn a_body_ends_where_its_length_says_and_its_indentation_does_not_count() {
        assert_eq!(body("<Content-Length>4</Content-Length>\n<body>+OK\n  </body>\n"), "+OK\n");
        assert_eq!(body("<Content-Length>6</Content-Length>\n<body>+OK\n  </body>\n"), "+OK\n  ");
        assert_eq!(body("<Content-Length>3</Content-Length><body>+OK</body>"), "+OK");
        assert_eq!(body("<body>+OK\n  </body>"), "+OK\n", "without a length");
        assert_eq!(body("<Content-Length>9</Content-Length><body>+O\n  </body>"), "+O\n", "bytes were lost");
    }

    #[test]
    fn entities_of_a_body_are_decoded_up_to_a_bracket_with_an_exclamation_mark() {
        assert_eq!(body("<body>&lt;a&gt; &amp;amp; &quot;&apos;&#xD;&#65;</body>"), "<a> &amp; \"'\rA");
        assert_eq!(body("<body>&#xE9;&#x20AC;&#x1F600;</body>"), "\u{e9}\u{20ac}\u{1f600}");
        assert_eq!(&body("<body>&#xD800;</body>")[..], b"\xed\xa0\x80", "as its bytes were");
        assert_eq!(body("<body>&amp;<!-- &amp; </body> --></body>"), "&<!-- &amp; </body> -->");
        assert_eq!(body("<body>& &; &x; &#; &#x; &#xFFFFFF; &#+65;</body>"), "& &; &x; &#; &#x; &#xFFFFFF; &#+65;");
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_place() {
        let refused = |text: &str| {
            let error = parts(text).unwrap_err();
            (error.problem, error.offset)
        };
        assert_eq!(refused(""), (EventProblem::Missing("<event>"), 0));
        assert_eq!(refused("<event><b>"), (EventProblem::Missing("<headers>"), 7));
        assert_eq!(refused("<event><headers>x"), (EventProblem::Missing("element of a header"), 16));
        assert_eq!(refused("<event><headers><a"), (EventProblem::Missing("name of a header"), 16));
        assert_eq!(refused("<event><headers><>"), (EventProblem::Missing("name of a header"), 16));
        assert_eq!(refused("<event><headers><a>x"), (EventProblem::Missing("end of a header"), 16));
        assert_eq!(refused("<event><headers><a><b></b></a>"), (EventProblem::Missing("end of a header"), 19));
        assert_eq!(refused("<event><headers><a>x</b>"), (EventProblem::Missing("end of a header"), 20));
        assert_eq!(refused("<event><headers></a>"), (EventProblem::Missing("</headers>"), 16));
        assert_eq!(refused("<event><headers></headers><body>x"), (EventProblem::Missing("end of the body"), 32));
        assert_eq!(refused("<event><headers></headers>"), (EventProblem::Missing("</event>"), 26));
        assert_eq!(refused("<event><headers></headers></event>x"), (EventProblem::Missing("end behind the event"), 34));
        let nested = "<a>".repeat(1 << 20);
        assert_eq!(refused(&format!("<event><headers>{nested}")).1, 19, "depth costs nothing");
    }
}
