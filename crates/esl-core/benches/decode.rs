//! How fast events are decoded: those that a real FreeSWITCH sent, 20 MB of them, on one core, the same events in each
//! form.
//!
//!     cargo bench -p esl-core --bench decode
//!
//! `esl-core` indexes every header of every event and decodes the values that are read: the two that a listener always
//! reads. `eslrs`, for comparison, splits headers into a map and decodes none of the plain ones, gives JSON to
//! `serde_json`, and has no XML. Both are also run over a connection whose socket is a piece of memory, since that is the
//! only way into eslrs.

#[path = "../tests/support/recordings.rs"]
mod recordings;

use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use esl_core::wire::{Decoder, Format, FrameKind, Limits};
use esl_core::{Connection, Credentials, Event, Incoming};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const TOTAL: usize = 20 << 20;

/// A socket out of which the same bytes come, as often as it takes, 64 KB at a time as from a real one.
struct Memory {
    greeting: &'static [u8],
    bytes: &'static [u8],
    at: usize,
    left: usize,
}

impl AsyncRead for Memory {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            out.put_slice(self.greeting);
            self.greeting = &[];
            return Poll::Ready(Ok(()));
        }
        let length = out.remaining().min(64 << 10).min(self.bytes.len() - self.at).min(self.left);
        out.put_slice(&self.bytes[self.at..self.at + length]);
        self.at = (self.at + length) % self.bytes.len();
        self.left -= length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Every plain event of the recordings in that form, each in its frame.
fn events(format: Format) -> &'static [u8] {
    let mut all = Vec::new();
    for (_, bytes) in recordings::inbound().into_iter().chain(recordings::outbound()) {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&bytes);
        while let Ok(Some(frame)) = decoder.next_frame() {
            if frame.kind == FrameKind::EventPlain {
                Event::from_plain(frame.body).expect("an event").encode(format, &mut all);
            }
        }
    }
    all.leak()
}

fn read(event: &Event) -> usize {
    usize::from(event.unique_id().is_some()) + event.name().as_str().len()
}

/// What a listener reads, with eslrs.
fn read_eslrs(format: Format, event: eslrs::event::Event) -> usize {
    match format {
        Format::Json => {
            let event = eslrs::event::JsonEvent::try_from(event).expect("an event");
            event.get("Unique-ID").map_or(0, |_| 1)
                + event.get("Event-Name").and_then(|name| name.as_str()).map_or(0, str::len)
        }
        _ => {
            let event = eslrs::event::PlainEvent::try_from(event).expect("an event");
            event.get_header("Unique-ID").map_or(0, |_| 1) + event.get_header("Event-Name").map_or(0, str::len)
        }
    }
}

fn decode(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for format in Format::ALL {
        let events = events(format);
        let total = TOTAL / events.len() * events.len();
        let mut group = criterion.benchmark_group(format.name());
        group.throughput(Throughput::Bytes(total as u64)).sample_size(20);

        group.bench_function("esl-core decoder", |bencher| {
            bencher.iter(|| {
                let mut decoder = Decoder::default();
                let mut sum = 0;
                for _ in 0..total / events.len() {
                    for piece in events.chunks(64 << 10) {
                        decoder.buffer().extend_from_slice(piece);
                        while let Some(frame) = decoder.next_frame().expect("frames") {
                            sum += read(&Event::decode(format, frame.body, decoder.limits()).expect("an event"));
                        }
                    }
                }
                black_box(sum)
            });
        });

        group.bench_function("esl-core connection", |bencher| {
            let greeting = b"Content-Type: auth/request\n\nContent-Type: command/reply\nReply-Text: +OK accepted\n\n";
            bencher.iter(|| {
                runtime.block_on(async {
                    let memory = Memory { greeting, bytes: events, at: 0, left: total };
                    let credentials = Credentials::password("ClueCon");
                    let connection = Connection::<(), _>::log_in(memory, &credentials, Limits::default()).await;
                    let mut connection = connection.expect("logged in");
                    let mut sum = 0;
                    while let Ok(Incoming::Event(event)) = connection.next().await {
                        sum += read(&event);
                    }
                    black_box(sum)
                })
            });
        });

        if format == Format::Xml {
            continue;
        }
        group.bench_function("eslrs connection", |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let memory = Memory { greeting: b"", bytes: events, at: 0, left: total };
                    let mut connection = eslrs::ESLConnection::new(memory);
                    let mut sum = 0;
                    while let Ok(event) = connection.recv().await {
                        sum += read_eslrs(format, event);
                    }
                    black_box(sum)
                })
            });
        });
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
