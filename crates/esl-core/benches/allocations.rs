//! How often memory is allocated for an event, from the bytes of a socket to the values that a listener reads.
//!
//!     cargo bench -p esl-core --bench allocations
//!
//! One allocation is the event's index of headers. In JSON and XML a body with something escaped in it takes another; the
//! rest is the socket's buffer, which many events share.

#[path = "../tests/support/recordings.rs"]
mod recordings;

use esl_core::Event;
use esl_core::wire::{Decoder, Format};

/// What an event may take on average, a little above what it does.
const ALLOCATIONS_MAX: f64 = 1.6;

#[allow(clippy::print_stdout, reason = "the figures are what this is for")]
fn main() {
    let recorded: Vec<Vec<u8>> =
        recordings::inbound().into_iter().chain(recordings::outbound()).map(|(_, bytes)| bytes).collect();
    for format in Format::ALL {
        let mut bytes = Vec::new();
        for event in recorded.iter().flat_map(|bytes| frames(bytes)) {
            event.encode(format, &mut bytes);
        }
        let mut events = 0_u32;
        let counted = allocation_counter::measure(|| {
            let mut decoder = Decoder::default();
            for piece in bytes.chunks(64 << 10) {
                decoder.buffer().reserve(piece.len());
                decoder.buffer().extend_from_slice(piece);
                while let Some(frame) = decoder.next_frame().expect("frames") {
                    let event = Event::decode(format, frame.body, decoder.limits()).expect("an event");
                    events += u32::from(event.unique_id().is_some() || !event.name().as_str().is_empty());
                }
            }
        });
        let each = counted.count_total as f64 / f64::from(events);
        let bytes_each = counted.bytes_total as f64 / f64::from(events);
        println!("{format}: {each:.2} allocations of {bytes_each:.0} bytes together for an event, {events} events");
        assert!(each < ALLOCATIONS_MAX, "{format}: an event takes {each:.2} allocations");
    }
}

/// The events of one conversation, in whatever form they were recorded.
fn frames(bytes: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    decoder.buffer().extend_from_slice(bytes);
    let mut events = Vec::new();
    while let Some(frame) = decoder.next_frame().expect("frames") {
        if let Some(format) = frame.kind.format() {
            events.push(Event::decode(format, frame.body, decoder.limits()).expect("an event"));
        }
    }
    events
}
