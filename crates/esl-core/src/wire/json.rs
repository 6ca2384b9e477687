//! Events in JSON, as FreeSWITCH writes them with cJSON: one flat object of strings and arrays of strings.
//!
//! This reads no more of JSON than that. Strings are looked through for their end only; what is escaped in them is
//! decoded when somebody reads it.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::index::{Index, Parts, length};
use super::{Encoding, EventError, EventProblem, Format, Headers, Limits};

/// Reads an event (`switch_event_serialize_json_obj`).
pub(crate) fn read(bytes: Bytes, limits: &Limits) -> Result<Parts, EventError> {
    let mut reader = Reader { index: Index::new(&bytes, Format::Json, limits), at: 0, body: None };
    reader.object()?;
    let (spans, body) = (reader.index.finish(), reader.body);
    let body = body.map(|(start, end, escaped)| {
        let raw = bytes.slice(start..end);
        if escaped { Bytes::from(unescape(&raw).into_owned()) } else { raw }
    });
    let mut headers = Headers::new(bytes, spans, Encoding::Json);
    if body.is_some() {
        // The two stand behind all headers of the event, in this order. The body is whole here, whatever this says.
        let _ = headers.pop("Content-Length").and_then(length);
    }
    Ok(Parts { headers, body: body.unwrap_or_default() })
}

struct Reader<'a> {
    index: Index<'a>,
    at: usize,
    /// Where the event's body stands, and whether there are escapes in it.
    body: Option<(usize, usize, bool)>,
}

impl Reader<'_> {
    fn object(&mut self) -> Result<(), EventError> {
        self.expect(b'{', "opening brace")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.member()?;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break self.at += 1,
                    _ => return Err(self.missing("comma or closing brace")),
                }
            }
        }
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.missing("end behind the closing brace")),
        }
    }

    fn member(&mut self) -> Result<(), EventError> {
        let (name, name_end, odd_name) = self.string("name")?;
        self.expect(b':', "colon")?;
        match self.peek() {
            Some(b'"') => {
                let (start, end, escaped) = self.string("value")?;
                // Only the last member is the body: one before is a header of that name.
                if &self.index.data[name..name_end] == b"_body" && self.peek() == Some(b'}') {
                    self.body = Some((start, end, escaped));
                    return Ok(());
                }
                self.index.push(name..name_end, odd_name, start..end)
            }
            Some(b'[') => {
                self.at += 1;
                if self.peek() == Some(b']') {
                    self.at += 1;
                    return Ok(());
                }
                loop {
                    if !matches!(self.peek(), Some(b'"') | None) {
                        return Err(self.index.error(EventProblem::NotText, self.at));
                    }
                    let (start, end, _) = self.string("value")?;
                    self.index.push(name..name_end, odd_name, start..end)?;
                    match self.peek() {
                        Some(b',') => self.at += 1,
                        Some(b']') => break self.at += 1,
                        _ => return Err(self.missing("comma or closing bracket")),
                    }
                }
                Ok(())
            }
            None => Err(self.missing("value")),
            Some(_) => Err(self.index.error(EventProblem::NotText, self.at)),
        }
    }

    /// A string's inside: where it starts, where it ends, and whether something in it is escaped.
    #[inline]
    fn string(&mut self, what: &'static str) -> Result<(usize, usize, bool), EventError> {
        self.expect(b'"', what)?;
        let data = self.index.data;
        let start = self.at;
        let mut escaped = false;
        loop {
            let Some(found) = memchr2(b'"', b'\\', &data[self.at..]) else {
                self.at = start;
                return Err(self.missing("end of a string"));
            };
            self.at += found;
            if data[self.at] == b'"' {
                let end = self.at;
                self.at += 1;
                return Ok((start, end, escaped));
            }
            escaped = true;
            self.at += match data[self.at + 1..] {
                [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return Err(self.index.error(EventProblem::BadEscape, self.at)),
            };
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), EventError> {
        if self.peek() != Some(byte) {
            return Err(self.missing(what));
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.index.data.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn missing(&self, what: &'static str) -> EventError {
        self.index.error(EventProblem::Missing(what), self.at)
    }
}

/// The inside of a JSON string without its escapes. Half of a surrogate pair becomes U+FFFD, other bytes stay as they
/// are.
pub(super) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', raw) else {
        return Cow::Borrowed(raw);
    };
    let mut value = Vec::with_capacity(raw.len());
    let (plain, mut rest) = raw.split_at(first);
    value.extend_from_slice(plain);
    while let [b'\\', kind, tail @ ..] = rest {
        rest = tail;
        match kind {
            b'b' => value.push(0x08),
            b'f' => value.push(0x0c),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'u' => rest = unicode(tail, &mut value),
            other => value.push(*other),
        }
        let next = memchr(b'\\', rest).unwrap_or(rest.len());
        value.extend_from_slice(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(value)
}

/// Appends the character of `XXXX`, or of `XXXX\uXXXX` where the two are one, and returns what comes behind.
fn unicode<'a>(digits: &'a [u8], value: &mut Vec<u8>) -> &'a [u8] {
    let Some((unit, mut rest)) = unit(digits) else {
        return digits;
    };
    let mut units = [unit, 0];
    let mut count = 1;
    if let (0xd800..0xdc00, Some(b"\\u")) = (unit, rest.get(..2))
        && let Some((low @ 0xdc00..0xe000, behind)) = self::unit(&rest[2..])
    {
        (units[1], count, rest) = (low, 2, behind);
    }
    for character in char::decode_utf16(units[..count].iter().copied()) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    rest
}

fn unit(digits: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = digits.split_at_checked(4)?;
    let unit = digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))?;
    Some((unit as u16, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &[u8]) -> Result<Parts, EventError> {
        read(Bytes::copy_from_slice(text), &Limits::default())
    }

    fn refused(text: &str) -> (EventProblem, usize) {
        let error = parts(text.as_bytes()).unwrap_err();
        (error.problem, error.offset)
    }

    #[test]
    fn escapes_are_decoded_when_read() {
        let parts = parts(br#"{"a":"\"\\\/\b\f\n\r\t\u0001\u00e9\ud83d\ude00","b\"":"x"}"#).unwrap();
        assert_eq!(parts.headers.get("a").as_deref(), Some("\"\\/\u{8}\u{c}\n\r\t\u{1}\u{e9}\u{1f600}"));
        assert_eq!(parts.headers.get("b\"").as_deref(), Some("x"), "a name may be escaped, too");
        assert_eq!(parts.headers.raw("a").map(|raw| raw.starts_with(br#"\"\\"#)), Some(true));
    }

    #[test]
    fn half_a_character_is_a_replacement() {
        for text in [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\n", r"\ud83d\ud83d"] {
            let text = format!(r#"{{"a":"{text}"}}"#);
            let parts = parts(text.as_bytes()).unwrap();
            assert!(parts.headers.get("a").unwrap().starts_with('\u{fffd}'), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_kept() {
        let parts = parts(b"{\"a\":\"x\xff\x01\",\"_body\":\"\xfe\\n\"}").unwrap();
        assert_eq!(parts.headers.bytes("a").as_deref(), Some(&b"x\xff\x01"[..]));
        assert_eq!(&parts.body[..], b"\xfe\n");
    }

    #[test]
    fn lists_and_repeated_names() {
        let parts = parts(br#"{"a":["1","2"],"b":[],"a":"3","c":["4"]}"#).unwrap();
        assert_eq!(parts.headers.values("a").collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(parts.headers.get("b"), None);
        assert_eq!(parts.headers.pairs().count(), 4);
        let lists: Vec<_> = parts.headers.lists().map(|(_, list)| list.single().is_none()).collect();
        assert_eq!(lists, [true, false, true]);
    }

    #[test]
    fn only_the_last_member_is_the_body() {
        let parts = parts(br#"{"_body":"a","Content-Length":"9","Content-Length":"1","_body":"b"}"#).unwrap();
        assert_eq!(&parts.body[..], b"b");
        assert_eq!(parts.headers.get("_body").as_deref(), Some("a"));
        assert_eq!(parts.headers.values("Content-Length").collect::<Vec<_>>(), ["9"]);
    }

    #[test]
    fn white_space_is_passed_over() {
        let parts = parts(b" {\n \"a\" : \"1\" ,\t\"b\": [ \"2\" , \"3\" ] }\r\n").unwrap();
        assert_eq!(parts.headers.values("b").collect::<Vec<_>>(), ["2", "3"]);
        assert!(super::tests::parts(b"{}").unwrap().headers.is_empty());
    }

    #[test]
    fn what_is_not_flat_or_not_whole_is_refused_with_its_place() {
        assert_eq!(refused(""), (EventProblem::Missing("opening brace"), 0));
        assert_eq!(refused(r#"{"a":{"b":"c"}}"#), (EventProblem::NotText, 5));
        assert_eq!(refused(r#"{"a":[["b"]]}"#), (EventProblem::NotText, 6));
        assert_eq!(refused(r#"{"a":1}"#), (EventProblem::NotText, 5));
        assert_eq!(refused(r#"{"a":null}"#), (EventProblem::NotText, 5));
        assert_eq!(refused(r#"{"a":"b"#), (EventProblem::Missing("end of a string"), 6));
        assert_eq!(refused(r#"{"a":"b\"#), (EventProblem::BadEscape, 7));
        assert_eq!(refused(r#"{"a":"\x"}"#), (EventProblem::BadEscape, 6));
        assert_eq!(refused(r#"{"a":"\u12"}"#), (EventProblem::BadEscape, 6));
        assert_eq!(refused(r#"{"a":"\u12g4"}"#), (EventProblem::BadEscape, 6));
        assert_eq!(refused(r#"{"a" "b"}"#), (EventProblem::Missing("colon"), 5));
        assert_eq!(refused(r#"{"a":"b" "c":"d"}"#), (EventProblem::Missing("comma or closing brace"), 9));
        assert_eq!(refused(r#"{"a":"b",}"#), (EventProblem::Missing("name"), 9));
        assert_eq!(refused(r#"{"a":["b","#), (EventProblem::Missing("value"), 10));
        assert_eq!(refused(r#"{"a":["b"}"#), (EventProblem::Missing("comma or closing bracket"), 9));
        assert_eq!(refused(r#"{"a":"#), (EventProblem::Missing("value"), 5));
        assert_eq!(refused(r#"{} {"#), (EventProblem::Missing("end behind the closing brace"), 3));
        let nested = "[".repeat(1 << 20);
        assert_eq!(refused(&format!(r#"{{"a":{nested}"#)).0, EventProblem::NotText, "depth costs nothing");
    }
}
