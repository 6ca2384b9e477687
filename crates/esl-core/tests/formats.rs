//! One event is the same in all three forms, and what FreeSWITCH is known to do with each form.

#[path = "../fuzz/checks.rs"]
mod checks;
#[path = "support/frames.rs"]
mod frames;
#[path = "support/recordings.rs"]
mod recordings;
#[path = "support/seeds.rs"]
mod seeds;

use bytes::Bytes;
use esl_core::Event;
use esl_core::wire::{Encoding, EventEncoder, EventProblem, Format, Headers, Limits, encode_event, percent_decode};
use frames::frames;
use proptest::prelude::*;

/// An event as a server has it: headers, each with its values, and a body.
#[derive(Clone, Debug)]
struct Model {
    headers: Vec<(String, Vec<Vec<u8>>)>,
    body: Vec<u8>,
}

impl Model {
    fn encode(&self, format: Format) -> Vec<u8> {
        let mut event = EventEncoder::new(format, Vec::new());
        for (name, values) in &self.headers {
            match &values[..] {
                [value] => event.header(name, value),
                values => event.list(name, values),
            }
        }
        let body = (!self.body.is_empty()).then_some(&self.body[..]);
        event.finish(body).frame().to_vec()
    }

    fn decoded(&self, format: Format) -> Event {
        let frames = frames([&self.encode(format)[..]].into_iter());
        assert_eq!((frames.len(), frames[0].kind.format()), (1, Some(format)));
        Event::decode(format, frames[0].body.clone(), &Limits::default()).expect("an event")
    }

    /// Names and values as they come out of `format`: a plain event has no empty value but in a list.
    fn pairs(&self, format: Format) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = self.headers.iter().flat_map(|(name, values)| {
            let undefined = format == Format::Plain && values.len() == 1 && values[0].is_empty();
            let value = move |value: &Vec<u8>| if undefined { b"_undef_".to_vec() } else { value.clone() };
            values.iter().map(move |one| (name.clone().into_bytes(), value(one)))
        });
        pairs.collect()
    }
}

fn pairs(event: &Event) -> Vec<(Vec<u8>, Vec<u8>)> {
    event.headers().pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Texts that mean something to one form or another.
const ODD: [&str; 16] = [
    "",
    "_undef_",
    "ARRAY::",
    "ARRAY::one",
    "|",
    ":",
    "100%",
    "%4",
    "a: b\r\n\r\nc",
    "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1}\u{7f}",
    "</body>",
    "<!-- &amp; -->",
    "]]>&#x41;&lt;",
    "\u{e9}\u{20ac}\u{1f600}",
    "{\"a\":[\"b\"]}",
    "\n  ",
];

/// Any bytes, but for what fact 8 says cannot be told apart: a `%XX` of the value's own, and a list's separator.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..24),
        "[ -~]{0,40}".prop_map(String::into_bytes),
        prop::sample::select(&ODD[..]).prop_map(|text| text.as_bytes().to_vec()),
    ];
    value.prop_filter("a value that a form does not tell from others", |value| {
        *percent_decode(value) == value[..] && !value.windows(2).any(|two| two == b"|:")
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z][A-Za-z0-9_-]{0,20}", "variable_sip_h_X-[a-z]:[a-z]", Just("Event-Name".to_owned())]
}

/// Any text: XML's bodies lose what is no UTF-8.
fn model() -> impl Strategy<Value = Model> {
    let body = prop_oneof![
        ".{0,60}",
        "(.|\n){0,40}",
        prop::collection::vec(prop::sample::select(&ODD[..]), 0..4).prop_map(|parts| parts.concat()),
    ];
    let headers = prop::collection::vec((name(), prop::collection::vec(value(), 1..4)), 0..12);
    (headers, body).prop_map(|(headers, body)| Model { headers, body: body.into_bytes() })
}

proptest! {
    #[test]
    fn one_event_is_equal_in_all_three_forms(model in model()) {
        for format in Format::ALL {
            let event = model.decoded(format);
            prop_assert_eq!(pairs(&event), model.pairs(format), "{}", format);
            prop_assert_eq!(event.body(), &model.body[..], "{}", format);
        }
        prop_assert_eq!(model.decoded(Format::Json), model.decoded(Format::Xml));
        if model.pairs(Format::Plain) == model.pairs(Format::Json) {
            prop_assert_eq!(model.decoded(Format::Json), model.decoded(Format::Plain));
        }
    }

    #[test]
    fn plain_and_json_bodies_may_hold_any_bytes(body in prop::collection::vec(any::<u8>(), 1..64)) {
        for format in [Format::Plain, Format::Json] {
            let model = Model { headers: Vec::new(), body: body.clone() };
            let event = model.decoded(format);
            prop_assert_eq!(event.body(), &body[..]);
        }
    }

    #[test]
    fn json_is_exact_whatever_a_header_says(headers in prop::collection::vec((".{0,9}", ".{0,9}"), 0..9)) {
        prop_assume!(headers.iter().all(|(name, _)| name != "_body" && name != "Content-Length"));
        let mut bytes = Vec::new();
        encode_event(Format::Json, headers.iter().map(|(name, value)| (name, value)), b"", &mut bytes);
        let event = Event::from_json(frames([&bytes[..]].into_iter())[0].body.clone()).expect("an event");
        let read: Vec<_> = event.pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        prop_assert_eq!(&read, &headers);
        for (name, _) in &headers {
            let first = headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
            prop_assert_eq!(event.get(name).map(|value| value.into_owned()), first);
        }
    }

    #[test]
    fn any_split_gives_the_same_frames(models in prop::collection::vec(model(), 1..4), sizes in prop::collection::vec(1_usize..40, 1..20)) {
        let bytes: Vec<u8> =
            models.iter().flat_map(|model| Format::ALL.map(|format| model.encode(format))).flatten().collect();
        let mut rest = &bytes[..];
        let mut sizes = sizes.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next()?));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let (split, whole) = (frames(pieces), frames([&bytes[..]].into_iter()));
        prop_assert_eq!(whole.len(), models.len() * 3);
        prop_assert_eq!(split.len(), whole.len());
        for (a, b) in split.iter().zip(&whole) {
            prop_assert_eq!((a.kind, &a.head, &a.body), (b.kind, &b.head, &b.body));
        }
    }
}

#[test]
fn the_fuzzers_find_nothing_in_their_seeds() {
    let mut seeds = 0;
    for (target, check) in checks::TARGETS {
        for seed in seeds::seeds(target) {
            check(&seed);
            seeds += 1;
        }
    }
    assert!(seeds > 100, "{seeds}");
}

#[test]
fn fact_8_a_triplet_of_the_value_s_own_is_lost_in_plain_and_xml_and_exact_in_json() {
    let model = Model { headers: vec![("A".to_owned(), vec![b"100%25 %41".to_vec()])], body: Vec::new() };
    let read = Format::ALL.map(|format| model.decoded(format).get("A").expect("it is there").into_owned());
    assert_eq!(read, ["100% A", "100%25 %41", "100% A"]);
}

/// As FreeSWITCH 1.10.12 answered for a channel with `note='50% off'` (`uuid_dump_function`, `mod_commands.c`).
#[test]
fn the_text_of_uuid_dump_is_a_plain_event_and_its_form_plain_has_brackets() {
    let read = |text: &'static str, encoding| {
        let (headers, _) = Headers::parse(Bytes::from_static(text.as_bytes()), encoding, &Limits::default()).unwrap();
        [headers.get("Channel-Name"), headers.variable("note")].map(|value| value.expect("it is there").into_owned())
    };
    let text = "Channel-Name: null/x\nvariable_note: 50%25%20off\n\n";
    assert_eq!(read(text, Encoding::Percent), ["null/x", "50% off"]);
    let plain = "Channel-Name: [null/x]\nvariable_note: [50% off]\n\n";
    assert_eq!(read(plain, Encoding::Verbatim), ["[null/x]", "[50% off]"]);
}

#[test]
fn fact_9_an_event_s_body_is_inside_that_of_its_frame() {
    let event = "Event-Name: BACKGROUND_JOB\nContent-Length: 5\n\n+OK x";
    let length = event.len();
    let bytes =
        format!("Content-Length: {length}\nContent-Type: text/event-plain\n\n{event}Content-Type: auth/request\n\n");
    let frames = frames([bytes.as_bytes()].into_iter());
    assert_eq!(frames.len(), 2);
    assert_eq!(Event::from_plain(frames[0].body.clone()).expect("an event").body(), b"+OK x");
}

#[test]
fn fact_9_a_head_need_not_end_with_its_content_length_and_its_values_are_as_they_are() {
    let bytes = b"Content-Type: log/data\nContent-Length: 3\nLog-Level: 7\nUser-Data: a%20b\n\nlogContent-Type: command/reply\nReply-Text: +OK 100%25\n\n";
    let frames = frames([&bytes[..]].into_iter());
    assert_eq!(&frames[0].body[..], b"log");
    assert_eq!(frames[0].header("User-Data"), Some(&b"a%20b"[..]));
    assert_eq!(frames[1].header("Reply-Text"), Some(&b"+OK 100%25"[..]));
}

#[test]
fn fact_9_repeated_headers_are_kept_in_every_form() {
    let headers = vec![("A".to_owned(), vec![b"1".to_vec()]), ("B".to_owned(), vec![b"2".to_vec()])];
    let model = Model { headers: [headers.clone(), headers].concat(), body: Vec::new() };
    for format in Format::ALL {
        let event = model.decoded(format);
        assert_eq!(event.values("A").collect::<Vec<_>>(), ["1", "1"], "{format}");
        assert_eq!(event.headers().len(), 4);
    }
}

#[test]
fn fact_25_the_first_reply_of_an_outbound_connection_is_percent_encoded() {
    let head = "Event-Name: CHANNEL_DATA\nvariable_note: a%20b\nvariable_l: ARRAY%3A%3Ax%7C%3Ay\n\
                Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: async\nControl: full\n\n";
    let frames = frames([head.as_bytes()].into_iter());
    let event = Event::from_connect_reply(&frames[0]).expect("an event");
    assert_eq!(event.get("Reply-Text").as_deref(), Some("+OK\n"));
    assert_eq!(event.variable("note").as_deref(), Some("a b"));
    assert_eq!(event.values("variable_l").collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn an_empty_value_is_undef_in_plain_form_and_that_is_a_value_like_others() {
    let model = Model { headers: vec![("A".to_owned(), vec![Vec::new()])], body: Vec::new() };
    let read = Format::ALL.map(|format| model.decoded(format).get("A").map(|value| value.into_owned()));
    assert_eq!(read, [Some("_undef_"), Some(""), Some("")].map(|value| value.map(str::to_owned)));
    let event = Event::from_plain("A: _undef_\nB: _none_\n\n".into()).expect("an event");
    assert_eq!(event.get("A").as_deref(), Some("_undef_"));
    assert_eq!(event.get("B").as_deref(), Some("_none_"));
    assert_eq!(event.pairs().count(), 2);
}

#[test]
fn a_list_is_written_as_freeswitch_writes_it() {
    let list = |format| {
        let mut event = EventEncoder::new(format, Vec::new());
        event.list("variable_l", ["a b", "c"]);
        event.list("none", [""; 0]);
        event.list("one", ["d"]);
        String::from_utf8(event.finish(None).event().to_vec()).expect("text")
    };
    assert_eq!(list(Format::Plain), "variable_l: ARRAY%3A%3Aa%20b%7C%3Ac\none: d\n\n");
    assert_eq!(list(Format::Json), r#"{"variable_l":["a b","c"],"one":["d"]}"#);
    assert_eq!(
        list(Format::Xml),
        "<event>\n  <headers>\n    <variable_l>a%20b</variable_l>\n    <variable_l>c</variable_l>\n    <one>d</one>\n  \
         </headers>\n</event>\n"
    );
}

#[test]
fn a_body_is_written_as_freeswitch_writes_it() {
    let written = |format, body: &str| {
        let event = EventEncoder::new(format, Vec::new()).finish(Some(body.as_bytes()));
        String::from_utf8(event.event().to_vec()).expect("text")
    };
    assert_eq!(written(Format::Plain, "a\n"), "Content-Length: 2\n\na\n");
    assert_eq!(written(Format::Plain, ""), "\n");
    assert_eq!(written(Format::Json, "a\n"), r#"{"Content-Length":"2","_body":"a\n"}"#);
    assert_eq!(written(Format::Json, ""), r#"{"Content-Length":"0","_body":""}"#);
    let xml = |body: &str| format!("<event>\n  <headers></headers>\n{body}</event>\n");
    let body = |length: usize, text: &str| {
        xml(&format!("  <Content-Length>{length}</Content-Length>\n  <body>{text}</body>\n"))
    };
    assert_eq!(written(Format::Xml, "a<b"), body(3, "a&lt;b"));
    assert_eq!(written(Format::Xml, "a\n"), body(2, "a\n  "), "a line feed brings the closing tag's indentation");
    assert_eq!(written(Format::Xml, ""), xml(""));
}

#[test]
fn an_event_beyond_a_limit_is_refused_in_every_form() {
    let limits = Limits { headers: 3, line: 8, ..Limits::default() };
    let refused = |headers: &[(&str, &str)]| {
        Format::ALL.map(|format| {
            let mut bytes = Vec::new();
            encode_event(format, headers.iter().copied(), b"", &mut bytes);
            let body = frames([&bytes[..]].into_iter())[0].body.clone();
            let error = Event::decode(format, body.clone(), &limits).expect_err("it is too much");
            assert_eq!(error.format, format);
            assert!(body[error.offset..].starts_with(headers[headers.len() - 1].0.as_bytes()), "{error}");
            error.problem
        })
    };
    let many = EventProblem::TooManyHeaders { limit: 3 };
    assert_eq!(refused(&[("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")]), [many; 3]);
    let long = EventProblem::HeaderTooLong { limit: 8 };
    assert_eq!(refused(&[("A", "1"), ("B", "12345678")]), [long; 3]);
}

#[test]
fn an_error_says_what_is_wrong_where() {
    let error = Event::from_json(r#"{"Event-Name":"CUSTOM","depth":{"a":"b"}}"#.into()).expect_err("it is nested");
    assert_eq!(
        error.to_string(),
        "not an event in json form: a value that is neither a string nor an array of strings at byte 31: \
         \"{\\\"a\\\":\\\"b\\\"}}\""
    );
}
