//! What the fuzz targets check. `tests/formats.rs` runs the same over the seeds, so that it stays true without a fuzzer.

use bytes::Bytes;
use esl_core::Event;
use esl_core::wire::{Decoder, Format, Frame, FrameKind, Limits, WireError, percent_decode};

/// A check: it panics where something is not as it should be.
type Check = fn(&[u8]);

/// Every target.
#[allow(dead_code, reason = "each fuzz target uses one of them")]
pub(crate) const TARGETS: [(&str, Check); 4] =
    [("plain", plain), ("json", json), ("xml", xml), ("connect_reply", connect_reply)];

/// Bytes as a connection's, and as a plain event.
pub(crate) fn plain(data: &[u8]) {
    stream_and_event(Format::Plain, data);
}

/// Bytes as a connection's, and as an event in JSON.
pub(crate) fn json(data: &[u8]) {
    stream_and_event(Format::Json, data);
}

/// Bytes as a connection's, and as an event in XML.
pub(crate) fn xml(data: &[u8]) {
    stream_and_event(Format::Xml, data);
}

/// Bytes as a connection's, and as the head of an outbound connection's first reply.
pub(crate) fn connect_reply(data: &[u8]) {
    let Some((&cuts, bytes)) = data.split_first() else { return };
    stream(cuts, bytes);
    let head = Bytes::copy_from_slice(bytes);
    let frame = Frame { kind: FrameKind::CommandReply, head, body: Bytes::new() };
    if let Ok(event) = Event::from_connect_reply(&frame) {
        read(&event);
    }
}

fn stream_and_event(format: Format, data: &[u8]) {
    let Some((&cuts, bytes)) = data.split_first() else { return };
    stream(cuts, bytes);
    event(format, bytes);
}

fn event(format: Format, bytes: &[u8]) {
    // Small limits, as they are for a client that wants them small, may refuse more but change nothing else.
    let small = Limits { headers: 20, line: 64, ..Limits::default() };
    let strict = Event::decode(format, Bytes::copy_from_slice(bytes), &small);
    match Event::decode(format, Bytes::copy_from_slice(bytes), &Limits::default()) {
        Ok(event) => {
            if let Ok(strict) = strict {
                assert_eq!(strict, event);
                assert!(strict.headers().len() <= small.headers);
            }
            read(&event);
        }
        Err(error) => {
            assert!(strict.is_err());
            assert!(error.offset <= bytes.len() && error.format == format);
            assert!(error.to_string().len() < 512);
        }
    }
}

/// Frames are the same however the bytes were cut, and so is how they end.
fn stream(cuts: u8, bytes: &[u8]) {
    let small = Limits { head: 600, body: 1000, headers: 12, line: 100 };
    for limits in [small, Limits::default()] {
        let (whole, end) = decode(&limits, std::iter::once(bytes));
        // Up to a few hundred pieces: single bytes of what is short.
        let size = (usize::from(cuts % 61) + 1) * (1 + bytes.len() / 512);
        let (pieces, other) = decode(&limits, bytes.chunks(size));
        assert_eq!(whole.len(), pieces.len());
        for (a, b) in whole.iter().zip(&pieces) {
            assert_eq!((a.kind, &a.head, &a.body), (b.kind, &b.head, &b.body));
        }
        match (end, other) {
            (Ok(left), Ok(other)) => assert_eq!(left, other),
            (Err(error), Err(other)) => {
                assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&other), "{error} {other}");
            }
            ends => panic!("{ends:?}"),
        }
        for frame in whole {
            for name in ["Content-Type", "Reply-Text", "Job-UUID"] {
                let _ = frame.header(name);
            }
            if let Some(format) = frame.kind.format().filter(|_| limits != small) {
                event(format, &frame.body);
            }
        }
    }
}

/// The frames of those pieces, and either how many bytes are left or what is wrong with them.
fn decode<'a>(limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Result<usize, WireError>) {
    let mut decoder = Decoder::new(*limits);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
        assert!(decoder.missing() > 0);
    }
    let left = decoder.buffer().len();
    (frames, Ok(left))
}

/// Reads all that an event has, and writes it in every form that can carry it.
fn read(event: &Event) {
    let _ = (event.unique_id(), event.job_uuid(), event.core_uuid(), event.sequence(), event.subclass());
    let _ = (event.variable("note"), event.format(), event.headers().iter().count());
    assert_eq!(event.pairs().count(), event.headers().pairs().count());
    assert_eq!(&event.detached(), event);
    for (name, _) in event.headers().pairs().take(8) {
        let Ok(name) = std::str::from_utf8(&name) else { continue };
        let first = event.headers().bytes(name).expect("a header that there is");
        let of_name = event.headers().pairs().find(|(other, _)| **other == *name.as_bytes()).expect("it is there");
        assert_eq!(first, of_name.1);
        assert!(event.values(name).count() >= 1);
        assert_eq!(event.get(name), event.values(name).next());
        if let Some(variable) = name.strip_prefix("variable_") {
            assert_eq!(event.variable(variable), event.get(name));
        }
    }
    for format in Format::ALL {
        if !carries(format, event) {
            continue;
        }
        let mut bytes = Vec::new();
        event.encode(format, &mut bytes);
        let (frames, end) = decode(&Limits::default(), std::iter::once(&bytes[..]));
        assert_eq!((frames.len(), end), (1, Ok(0)));
        assert_eq!(frames[0].kind.format(), Some(format));
        let again = Event::decode(format, frames[0].body.clone(), &Limits::default()).expect("an event");
        assert_eq!(&again, event, "{format}");
    }
}

/// Whether that form tells this event from every other one.
fn carries(format: Format, event: &Event) -> bool {
    let has = |text: &[u8], part: &str| text.windows(part.len()).any(|window| window == part.as_bytes());
    let mut pairs = event.headers().pairs();
    pairs.all(|(name, value)| {
        let encoded = *percent_decode(&value) == *value;
        // Each form keeps a body's length under one of these names.
        let taken = *name == *b"Content-Length" || *name == *b"_body";
        !taken
            && match format {
                Format::Plain => {
                    encoded && !value.is_empty() && !has(&value, "|:") && !has(&name, "\n") && !has(&name, ": ")
                }
                Format::Json => true,
                Format::Xml => encoded && !name.is_empty() && !has(&name, ">") && !name.starts_with(b"/"),
            }
    }) && (format != Format::Xml || std::str::from_utf8(event.body()).is_ok())
}
