//! What the fuzzers start with: the recordings, cut into frames and events. The test of the fuzzers' checks and
//! `fuzz/examples/seed.rs` read it from here.

use crate::recordings::{inbound, outbound};
use bytes::Bytes;
use esl_core::Event;
use esl_core::wire::{Decoder, Format, Frame, FrameKind, Limits};

/// How many bytes of a conversation's start are given: a fuzzer is quicker, and finds more, with little.
const STREAM_MAX: usize = 1 << 10;

/// One event in so many is given, with one header in so many: they are much alike.
const EVENTS: usize = 6;
const HEADERS: usize = 8;

/// The seeds of one target. The first byte of each says how the fuzzer cuts the rest into pieces.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut nth = 0;
    for (_, bytes) in inbound().into_iter().chain(outbound()) {
        seeds.push(bytes[..bytes.len().min(STREAM_MAX)].to_vec());
        for frame in frames(&bytes) {
            if let Some(to) = Format::by_name(target) {
                if let Some(format) = frame.kind.format() {
                    nth += 1;
                    let event = Event::decode(format, frame.body, &Limits::default()).expect("an event");
                    if nth % EVENTS == 0 || !event.body().is_empty() {
                        seeds.push(body(&shortened(&event, nth), to));
                    }
                }
            } else if frame.kind == FrameKind::CommandReply {
                // What is cut off is the blank line.
                let short = Event::from_connect_reply(&frame).map(|event| body(&shortened(&event, 0), Format::Plain));
                seeds.push(short.map_or(frame.head.to_vec(), |short| short[..short.len() - 1].to_vec()));
            }
        }
    }
    for (at, seed) in seeds.iter_mut().enumerate() {
        seed.insert(0, at as u8);
    }
    seeds
}

/// An event with a few of its headers: lists, the first, and others as `nth` chooses.
fn shortened(event: &Event, nth: usize) -> Event {
    let plain = body(event, Format::Plain);
    let (head, rest) = plain.split_at(plain.windows(2).position(|two| two == b"\n\n").expect("a blank line"));
    let lines = head.split(|&byte| byte == b'\n').enumerate().filter(|(at, line)| {
        let kept = [&b"Event-Name"[..], b"Content-Length", b"variable_DP_MATCH"];
        kept.iter().any(|name| line.starts_with(name)) || at % HEADERS == nth % HEADERS
    });
    let lines: Vec<&[u8]> = lines.map(|(_, line)| line).collect();
    Event::from_plain(Bytes::from([&lines.join(&b'\n')[..], rest].concat())).expect("an event")
}

/// The event in that form, without its frame's head.
fn body(event: &Event, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    event.encode(format, &mut bytes);
    frames(&bytes).remove(0).body.to_vec()
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    decoder.buffer().extend_from_slice(bytes);
    std::iter::from_fn(|| decoder.next_frame().expect("frames")).collect()
}
