//! Where headers stand: what the readers of the three forms find, and the reader of lines.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memmem};

use super::{Encoding, EventError, EventProblem, Format, Headers, Limits};

/// A typical event has 70 to 220 headers: room for most without growing.
const INDEX_CAPACITY: usize = 160;

/// The shortest header that is worth room in advance, in bytes.
const HEADER_SHORT: usize = 16;

/// The top bit of a name's end: the name is encoded. Offsets are therefore below 2 GiB.
const ODD_NAME: u32 = 1 << 31;

/// How much of an event is looked at, in bytes: what an offset of a [`Span`] can name.
const EVENT_MAX: usize = (ODD_NAME - 1) as usize;

/// Where one header stands in its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    name: u32,
    name_end: u32,
    value: u32,
    end: u32,
}

impl Span {
    pub(super) fn name(&self) -> Range<usize> {
        self.name as usize..(self.name_end & !ODD_NAME) as usize
    }

    pub(super) fn value(&self) -> Range<usize> {
        self.value as usize..self.end as usize
    }

    /// Whether the name is not written as it is.
    pub(super) fn odd_name(&self) -> bool {
        self.name_end & ODD_NAME != 0
    }
}

/// The headers of one event while they are found, within limits.
pub(super) struct Index<'a> {
    pub(super) data: &'a [u8],
    pub(super) format: Format,
    spans: Vec<Span>,
    limits: &'a Limits,
}

impl<'a> Index<'a> {
    pub(super) fn new(bytes: &'a [u8], format: Format, limits: &'a Limits) -> Self {
        let data = &bytes[..bytes.len().min(EVENT_MAX)];
        let room = INDEX_CAPACITY.min(data.len() / HEADER_SHORT + 1).min(limits.headers);
        Self { data, format, spans: Vec::with_capacity(room), limits }
    }

    /// Adds the header whose name and value stand there.
    #[inline]
    pub(super) fn push(&mut self, name: Range<usize>, odd_name: bool, value: Range<usize>) -> Result<(), EventError> {
        if self.spans.len() >= self.limits.headers {
            return Err(self.error(EventProblem::TooManyHeaders { limit: self.limits.headers }, name.start));
        }
        if name.len() + value.len() > self.limits.line {
            return Err(self.error(EventProblem::HeaderTooLong { limit: self.limits.line }, name.start));
        }
        self.spans.push(Span {
            name: name.start as u32,
            name_end: name.end as u32 | if odd_name { ODD_NAME } else { 0 },
            value: value.start as u32,
            end: value.end as u32,
        });
        Ok(())
    }

    #[cold]
    pub(super) fn error(&self, problem: EventProblem, at: usize) -> EventError {
        EventError::new(self.format, problem, self.data, at)
    }

    pub(super) fn finish(self) -> Vec<Span> {
        self.spans
    }
}

/// An event's headers and its body, out of the form that it came in.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

/// Finds the headers of `Name: value` lines up to a blank line or the end, and where that blank line ended.
pub(super) fn lines(bytes: &[u8], encoding: Encoding, limits: &Limits) -> Result<(Vec<Span>, usize), EventError> {
    let mut index = Index::new(bytes, Format::Plain, limits);
    let data = index.data;
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
        if let Some(mut colon) = find_colon(line) {
            let mut spaced = line.get(colon + 1) == Some(&b' ');
            if !spaced && encoding == Encoding::Percent {
                // A variable's name may hold a colon. An encoded value holds neither colon nor space.
                if let Some(at) = memmem::find(line, b": ") {
                    (colon, spaced) = (at, true);
                }
            }
            let value = at + colon + 1 + usize::from(spaced);
            index.push(at..at + colon, false, value..at + length)?;
        }
        at += length + 1;
    };
    Ok((index.finish(), body))
}

/// Where the first colon is. Names are short: eight bytes at a time find it sooner than a search that has to be set up.
#[inline]
fn find_colon(line: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let mut at = 0;
    while let Some(eight) = line[at..].first_chunk::<8>() {
        // The lowest top bit that this sets is in the first byte that is a colon.
        let differ = u64::from_le_bytes(*eight) ^ (EACH * b':' as u64);
        let found = differ.wrapping_sub(EACH) & !differ & (EACH << 7);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    line[at..].iter().position(|&byte| byte == b':').map(|colon| at + colon)
}

/// Reads a plain event (`switch_event_serialize`).
pub(crate) fn plain(bytes: Bytes, limits: &Limits) -> Result<Parts, EventError> {
    let (mut headers, at) = Headers::parse(bytes.clone(), Encoding::Percent, limits)?;
    let mut body = if at < bytes.len() { bytes.slice(at..) } else { Bytes::new() };
    // It stands behind all headers of the event. One before is the event's own: somebody's `sendevent` had it.
    if let Some(length) = headers.pop("Content-Length").and_then(length) {
        body.truncate(length);
    }
    Ok(Parts { headers, body })
}

/// What a `Content-Length` says, `None` where it is no number: then a body ends where its frame ends.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_colon_is_found(line in prop::collection::vec(prop_oneof![Just(b':'), 0x38_u8..0x3d, any::<u8>()], 0..40)) {
            prop_assert_eq!(find_colon(&line), line.iter().position(|&byte| byte == b':'));
            let without: Vec<u8> = line.into_iter().map(|byte| if byte == b':' { b';' } else { byte }).collect();
            prop_assert_eq!(find_colon(&without), None);
        }
    }
}
