//! What a real FreeSWITCH said decodes, however it is cut into pieces, and is the same after encoding it again.

#[path = "support/recordings.rs"]
mod recordings;

use esl_core::wire::{Decoder, Frame, FrameKind, encode_event, encode_frame};
use esl_core::{Event, EventName};
use proptest::prelude::*;
use recordings::recordings;

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.buffer().extend_from_slice(piece);
        while let Some(frame) = decoder.next_frame().expect("a FreeSWITCH speaks Event Socket") {
            frames.push(frame);
        }
    }
    assert!(decoder.buffer().is_empty(), "nothing is left over");
    frames
}

fn whole(bytes: &[u8]) -> Vec<Frame> {
    frames(std::iter::once(bytes))
}

#[test]
fn every_frame_is_of_a_known_kind_and_every_event_has_a_name() {
    let mut events = 0;
    for (name, bytes) in recordings() {
        let frames = whole(&bytes);
        assert_eq!(frames[0].kind, FrameKind::AuthRequest, "{name}");
        for frame in frames {
            assert_ne!(frame.kind, FrameKind::Unknown, "{name}: {frame:?}");
            if frame.kind == FrameKind::EventPlain {
                let event = Event::from_plain(frame.body);
                assert_ne!(event.name(), EventName::Unknown, "{name}: {event:?}");
                assert_eq!(event.get("Event-Name").as_deref(), Some(event.name().as_str()));
                events += 1;
            }
        }
    }
    assert!(events > 100, "{events}");
}

#[test]
fn an_event_s_values_are_those_that_the_server_had() {
    let recordings = recordings();
    let (_, bytes) = recordings.iter().find(|(name, _)| name == "originate-answer-hangup-plain").expect("it is there");
    let events: Vec<Event> = whole(bytes)
        .into_iter()
        .filter(|frame| frame.kind == FrameKind::EventPlain)
        .map(|frame| Event::from_plain(frame.body))
        .collect();
    assert_eq!(events.len(), 13);
    assert_eq!(events[0].name(), EventName::ChannelCreate);
    assert_eq!(events[0].get("Channel-Name").as_deref(), Some("sofia/external/9196@127.0.0.1:5080"));
    assert_eq!(events[0].get("Caller-Callee-ID-Name").as_deref(), Some("Outbound Call"));
    let job = events.iter().find(|event| event.name() == EventName::BackgroundJob).expect("a job");
    assert_eq!(job.body(), b"+OK aaaaaaaa-0000-4000-8000-000000000001\n");
    assert_eq!(job.get("Job-Command").as_deref(), Some("originate"));
}

#[test]
fn encoding_again_gives_the_same_bytes() {
    for (name, bytes) in recordings() {
        for frame in whole(&bytes) {
            if frame.kind != FrameKind::EventPlain {
                continue;
            }
            let event = Event::from_plain(frame.body.clone());
            let headers: Vec<(String, String)> = event
                .headers()
                .iter()
                .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
                .filter(|name| name != "Content-Length")
                .map(|name| {
                    let value = event.get(&name).expect("it is there").into_owned();
                    (name, value)
                })
                .collect();
            let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let mut again = Vec::new();
            encode_event(pairs, event.body(), &mut again);
            let decoded = whole(&again).remove(0);
            // Of a repeated header the first value is found each time; everything else comes back as it was.
            let repeated =
                headers.len() != headers.iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>().len();
            if !repeated {
                assert_eq!(decoded.body, frame.body, "{name}");
            }
        }
        for frame in whole(&bytes).into_iter().filter(|frame| frame.kind == FrameKind::ApiResponse) {
            let mut again = Vec::new();
            encode_frame(&[("Content-Type", "api/response")], &frame.body, &mut again);
            assert_eq!(whole(&again)[0].body, frame.body, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_the_bytes_gives_the_same_frames(cuts in prop::collection::vec(1_usize..5000, 1..200)) {
        for (name, bytes) in recordings() {
            let mut rest = &bytes[..];
            let mut cuts = cuts.iter().cycle();
            let pieces = std::iter::from_fn(|| {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next()?));
                rest = after;
                (!piece.is_empty()).then_some(piece)
            });
            let (split, whole) = (frames(pieces), whole(&bytes));
            prop_assert_eq!(split.len(), whole.len(), "{}", name);
            for (a, b) in split.iter().zip(&whole) {
                prop_assert_eq!((a.kind, &a.head, &a.body), (b.kind, &b.head, &b.body));
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&bytes);
        while let Ok(Some(frame)) = decoder.next_frame() {
            let event = Event::from_plain(frame.body);
            let _ = (event.unique_id(), event.get("a"), event.headers().iter().count());
        }
    }
}
