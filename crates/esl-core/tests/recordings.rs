//! What a real FreeSWITCH said decodes, however it is cut into pieces, and is the same after encoding it again.

#[path = "support/frames.rs"]
mod frames;
#[path = "support/recordings.rs"]
mod recordings;

use esl_core::wire::{Decoder, Encoding, Format, Frame, FrameKind, Headers, Limits, encode_frame};
use esl_core::{Event, EventName};
use frames::frames;
use proptest::prelude::*;
use recordings::{inbound, outbound};

fn recordings() -> Vec<(String, Vec<u8>)> {
    [inbound(), outbound()].concat()
}

fn whole(bytes: &[u8]) -> Vec<Frame> {
    frames(std::iter::once(bytes))
}

/// The event that a frame carries, in whatever form.
fn event(frame: &Frame) -> Option<Event> {
    if frame.header("Event-Name").is_some() {
        return Some(Event::from_connect_reply(frame).expect("an event"));
    }
    let event = Event::decode(frame.kind.format()?, frame.body.clone(), &Limits::default());
    Some(event.expect("an event"))
}

/// The bytes of a frame as they came.
fn bytes(frame: &Frame) -> Vec<u8> {
    [&frame.head[..], b"\n\n", &frame.body[..]].concat()
}

/// The events of one recording.
fn events(name: &str) -> Vec<Event> {
    let recordings = recordings();
    let (_, bytes) = recordings.iter().find(|(recording, _)| recording == name).expect("it is there");
    whole(bytes).iter().filter_map(event).collect()
}

#[test]
fn every_frame_is_of_a_known_kind_and_every_event_has_a_name() {
    let mut counts = [0; 3];
    for (name, bytes) in recordings() {
        for frame in whole(&bytes) {
            assert_ne!(frame.kind, FrameKind::Unknown, "{name}: {frame:?}");
            let Some(event) = event(&frame) else { continue };
            assert_ne!(event.name(), EventName::Unknown, "{name}: {event:?}");
            assert_eq!(event.get("Event-Name").as_deref(), Some(event.name().as_str()));
            assert!(event.sequence().is_some() && event.core_uuid().is_some(), "{name}: {event:?}");
            counts[event.format() as usize] += 1;
        }
    }
    let [plain, json, xml] = counts;
    assert!(plain > 300 && json > 13 && xml >= 13, "{counts:?}");
    for (name, bytes) in inbound() {
        assert_eq!(whole(&bytes)[0].kind, FrameKind::AuthRequest, "{name}");
    }
}

#[test]
fn an_event_s_values_are_those_that_the_server_had() {
    for format in Format::ALL {
        let events = events(&format!("originate-answer-hangup-{format}"));
        assert_eq!(events.len(), 13);
        assert_eq!(events[0].format(), format);
        assert_eq!(events[0].name(), EventName::ChannelCreate);
        assert_eq!(events[0].get("Channel-Name").as_deref(), Some("sofia/external/9196@127.0.0.1:5080"));
        assert_eq!(events[0].get("Caller-Callee-ID-Name").as_deref(), Some("Outbound Call"));
        assert_eq!(events[0].variable("direction").as_deref(), Some("outbound"));
        let job = events.iter().find(|event| event.name() == EventName::BackgroundJob).expect("a job");
        assert!(job.body().starts_with(b"+OK aaaaaaaa-0000-4000-8000-00000000000"));
        assert!(job.body().ends_with(b"\n"), "{format}: {:?}", job.body().escape_ascii());
        assert_eq!(job.body().len(), 41);
        assert_eq!(job.get("Job-Command").as_deref(), Some("originate"));
        assert_eq!(job.get("Content-Length"), None, "it is the body's, and no header of the event");
        let answer = events.iter().find(|event| event.variable("switch_r_sdp").is_some()).expect("an SDP");
        assert!(answer.variable("switch_r_sdp").expect("an SDP").starts_with("v=0\r\no=FreeSWITCH "), "{format}");
    }
}

#[test]
fn the_same_event_is_equal_in_all_three_forms() {
    let recorded: Vec<Event> =
        recordings().iter().flat_map(|(_, bytes)| whole(bytes)).filter_map(|f| event(&f)).collect();
    let mut lists = 0;
    for event in &recorded {
        lists += usize::from(event.headers().pairs().count() != event.headers().len());
        for format in Format::ALL {
            let mut bytes = Vec::new();
            event.encode(format, &mut bytes);
            let again = self::event(&whole(&bytes)[0]).expect("an event");
            assert_eq!(again.format(), format);
            assert_eq!(&again, event);
            assert_eq!(&again.detached(), event);
        }
    }
    assert!(lists > 5, "{lists} of the recorded events have lists");
}

#[test]
fn encoding_again_gives_the_same_bytes() {
    let (mut replies, mut ambiguous) = (0, 0);
    for (name, recorded) in recordings() {
        for frame in whole(&recorded) {
            let mut again = Vec::new();
            if let (Some(event), Some(format)) = (event(&frame), frame.kind.format()) {
                // Fact 8: a `%41` that a value held itself has become an `A`, which is what it is written as again.
                if format != Format::Json && frame.body.windows(3).any(|three| three == b"%41") {
                    ambiguous += 1;
                    continue;
                }
                event.encode(format, &mut again);
            } else {
                // The Content-Length of a notice without a body is the only one that says nothing.
                let (headers, _) =
                    Headers::parse(frame.head.clone(), Encoding::Verbatim, &Limits::default()).expect("headers");
                let pairs: Vec<_> = headers
                    .iter()
                    .map(|(name, value)| [name, value].map(|text| std::str::from_utf8(text).expect("text")))
                    .filter(|[name, _]| *name != "Content-Length" || frame.body.is_empty())
                    .collect();
                let head: Vec<_> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
                encode_frame(&head, &frame.body, &mut again);
                replies += 1;
            }
            let (again, bytes) = (again.escape_ascii().to_string(), bytes(&frame).escape_ascii().to_string());
            assert_eq!(again, bytes, "{name}");
        }
    }
    assert!(replies > 100, "{replies}");
    assert!(ambiguous < 20, "one call has such a value: {ambiguous}");
}

/// The same ten events as three connections got them, in plain form, JSON and XML.
fn events_in_three_forms() -> [Vec<Frame>; 3] {
    [
        whole(include_bytes!("recordings-formats/plain.bytes")),
        whole(include_bytes!("recordings-formats/json.bytes")),
        whole(include_bytes!("recordings-formats/xml.bytes")),
    ]
}

#[test]
fn fact_8_one_event_in_three_forms_is_equal_but_for_a_triplet_of_a_value_s_own() {
    let [plain, json, xml] = events_in_three_forms().map(|frames| frames.iter().filter_map(event).collect::<Vec<_>>());
    assert_eq!((plain.len(), json.len(), xml.len()), (10, 10, 10));
    for (at, ((plain, json), xml)) in plain.iter().zip(&json).zip(&xml).enumerate() {
        let note = json.get("B").expect("a header");
        match at {
            9 => {
                assert_eq!(note, "100%25 %41");
                assert_eq!([plain, xml].map(|event| event.get("B").expect("a header").into_owned()), ["100% A"; 2]);
                continue;
            }
            // XML has lost the bytes of this body that are no UTF-8.
            4 => {
                assert!(json.headers().pairs().eq(xml.headers().pairs()));
                assert_eq!((json.body(), xml.body()), (&b"inv\xff\x80\xc3b<\xe2\x82&cd\n"[..], &b"invb<&d\n"[..]));
            }
            _ => assert_eq!(json, xml),
        }
        assert_eq!(json, plain);
        assert_eq!(json.values("A").collect::<Vec<_>>(), ["one", "t w:o", "|three"]);
        assert_eq!(json.values("K").collect::<Vec<_>>(), ["a|", "b", ""]);
        assert_eq!(json.headers().bytes("E").as_deref(), Some(&b"\xff\xfe\x80"[..]));
        assert_eq!(json.get("H"), None, "FreeSWITCH makes no header of an empty list");
    }
}

#[test]
fn each_form_is_written_byte_for_byte_as_freeswitch_writes_it() {
    let [plain, json, xml] = events_in_three_forms();
    for (frames, format) in [&plain, &json, &xml].into_iter().zip(Format::ALL) {
        for (frame, exact) in frames.iter().zip(&json) {
            // JSON alone has all that the server has.
            let mut written = Vec::new();
            event(exact).expect("an event").encode(format, &mut written);
            assert_eq!(written.escape_ascii().to_string(), bytes(frame).escape_ascii().to_string(), "{format}");
        }
    }
}

#[test]
fn fact_12_a_gap_in_the_sequence_means_nothing_to_who_does_not_get_everything() {
    let mut gaps = 0;
    for (name, bytes) in recordings() {
        let sequences: Vec<u64> = whole(&bytes).iter().filter_map(event).filter_map(|event| event.sequence()).collect();
        gaps += sequences.windows(2).filter(|two| two[1] > two[0] + 1).count();
        // One counter for the whole server, so that no number comes twice.
        let once: std::collections::BTreeSet<u64> = sequences.iter().copied().collect();
        assert_eq!(once.len(), sequences.len(), "{name}");
    }
    assert!(gaps > 100, "{gaps}");
}

#[test]
fn facts_9_and_31_a_connect_reply_is_an_event() {
    for (name, bytes) in outbound() {
        let frames = whole(&bytes);
        let frame = &frames[0];
        assert_eq!(frame.kind, FrameKind::CommandReply, "{name}");
        assert_eq!(frame.header("Reply-Text"), Some(&b"%2BOK%0A"[..]));
        assert_eq!(frame.header("Content-Length"), None);
        let event = Event::from_connect_reply(frame).expect("an event");
        assert_eq!(event.name(), EventName::ChannelData);
        assert_eq!(event.format(), Format::Plain);
        assert_eq!(event.get("Reply-Text").as_deref(), Some("+OK\n"));
        assert!(event.get("Channel-Name").expect("a name").ends_with("@127.0.0.1:5080"), "{name}");
        assert!(event.variable("sip_full_from").expect("a header").starts_with("<sip:0000000000@127.0.0.1>;tag="));
        assert!(event.unique_id().is_some());
        let socket = ["Socket-Mode", "Control"].map(|header| event.get(header).expect("it is there").into_owned());
        let expected = match &*name {
            "sync" => ["static", "single-channel"],
            "async-without-full" => ["async", "single-channel"],
            _ => ["async", "full"],
        };
        assert_eq!(socket, expected, "{name}");
        assert!(Event::from_connect_reply(&frames[1]).is_err(), "{name}: any other reply is none");
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
            for format in Format::ALL {
                if let Ok(event) = Event::decode(format, frame.body.clone(), &Limits::default()) {
                    let _ = (event.unique_id(), event.get("a"), event.pairs().count());
                }
            }
        }
    }
}
