//! Heads and bodies, whole, cut and wrong.

use super::*;

fn frames(bytes: &[u8]) -> Result<Vec<Frame>, WireError> {
    let mut decoder = Decoder::default();
    decoder.buffer().extend_from_slice(bytes);
    std::iter::from_fn(|| decoder.next_frame().transpose()).collect()
}

#[test]
fn a_reply_and_a_body() {
    let bytes = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n\
                  Content-Type: api/response\nContent-Length: 4\n\n+OK\n";
    let frames = frames(bytes).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].kind, FrameKind::CommandReply);
    assert_eq!(frames[0].header("Reply-Text"), Some(&b"+OK accepted"[..]));
    assert_eq!(frames[1].kind, FrameKind::ApiResponse);
    assert_eq!(&frames[1].body[..], b"+OK\n");
}

#[test]
fn a_peer_that_is_no_event_socket_is_known_by_its_first_line() {
    for banner in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"] {
        let error = frames(banner.as_bytes()).unwrap_err();
        assert!(matches!(error, WireError::NotAHeader(_)), "{error}");
    }
    assert_eq!(frames(b"\x16\x03\x01\n").unwrap_err().to_string(), "not an Event Socket frame: \"\\x16\\x03\\x01\"");
}

#[test]
fn lengths_that_are_none_are_refused() {
    for length in ["-1", "12a", "", "+5", "99999999999999999999999"] {
        let head = format!("Content-Type: api/response\nContent-Length: {length}\n\n");
        assert!(matches!(frames(head.as_bytes()), Err(WireError::BadLength(_))), "{length}");
    }
    let head = b"Content-Type: api/response\nContent-Length: 67108865\n\n";
    assert!(matches!(frames(head), Err(WireError::BodyTooLong { .. })));
}

#[test]
fn a_head_without_end_is_refused_at_the_limit() {
    let mut decoder = Decoder::new(Limits { head: 100, ..Limits::default() });
    let mut refused = None;
    for _ in 0..20 {
        decoder.buffer().extend_from_slice(b"Header: x\n");
        if let Err(error) = decoder.next_frame() {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(WireError::HeadTooLong { limit: 100, .. })));
    assert!(decoder.next_frame().is_err(), "it stays failed");
}

#[test]
fn a_head_s_lines_are_limited_in_number_and_length() {
    let limits = Limits { headers: 3, line: 10, ..Limits::default() };
    let refused = |bytes: &[u8]| {
        let mut decoder = Decoder::new(limits);
        decoder.buffer().extend_from_slice(bytes);
        decoder.next_frame().map(|frame| frame.is_some())
    };
    assert_eq!(refused(b"A: 1\nB: 2\nC: 3456789\n\n"), Ok(true));
    assert!(matches!(refused(b"A: 1\nB: 2\nC: 3\nD: 4\n"), Err(WireError::TooManyHeaders { limit: 3, .. })));
    assert!(matches!(refused(b"A: 1\nB: 34567890\n"), Err(WireError::LineTooLong { limit: 10, .. })));
}

#[test]
fn fact_13_lines_end_with_a_line_feed_and_a_carriage_return_is_a_byte_like_others() {
    let frames = frames(b"Content-Type: command/reply\nReply-Text: a\r\n\n").unwrap();
    assert_eq!(frames[0].header("Reply-Text"), Some(&b"a\r"[..]));
}

#[test]
fn fact_25_a_variable_s_bare_value_may_hold_lines() {
    let sdp = "v=0\r\no=FreeSWITCH 1795367017 1795367018 IN IP4 127.0.0.1\r\n\r\nm=audio";
    let bytes = format!("Content-Type: command/reply\nReply-Text: {sdp}\n\nContent-Type: auth/request\n\n");
    let frames = frames(bytes.as_bytes()).unwrap();
    assert_eq!(frames.len(), 2);
    assert!(frames[0].head.ends_with(b"\r\n\r\nm=audio"), "{frames:?}");
}

/// What `mod_event_socket` answers to a `userauth` that succeeds: `parse_command` puts it together in buffers of 512
/// bytes, `listener_run` in one of 1024.
fn userauth_reply(events: &str, api: &str) -> Vec<u8> {
    let snprintf = |size: usize, text: String| text.into_bytes().into_iter().take(size - 1).collect::<Vec<u8>>();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("ASCII");
    let events = text(snprintf(512, format!("Allowed-Events: {events}\n")));
    let api = text(snprintf(512, format!("Allowed-API: {api}\n")));
    let log = "Allowed-LOG: true\n";
    let reply = text(snprintf(512, format!("~Reply-Text: +OK accepted\n{events}{api}{log}\n")));
    snprintf(1024, format!("Content-Type: command/reply\n{}", &reply[1..]))
}

#[test]
fn fact_26_a_userauth_reply_that_was_cut_does_not_take_the_next_frame() {
    let next = b"Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n\
                 Content-Length: 2\nContent-Type: text/event-plain\n\n\n\n";
    let mut cut = 0;
    for (events, api) in (0..700).flat_map(|length| [(length, 9), (9, length), (length, length)]) {
        let list = |length: usize| "CHANNEL_CREATE,".chars().cycle().take(length).collect::<String>();
        let reply = userauth_reply(&list(events), &list(api));
        cut += usize::from(!reply.ends_with(b"\n\n"));

        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&reply);
        let first = decoder.next_frame().unwrap().expect("it is whole, whatever follows");
        assert_eq!(first.kind, FrameKind::CommandReply);
        assert_eq!(first.header("Reply-Text"), Some(&b"+OK accepted"[..]));
        let text = String::from_utf8_lossy(&reply);
        assert_eq!(String::from_utf8_lossy(&first.head), text.trim_end_matches('\n'), "{events} {api}");
        assert!(decoder.buffer().is_empty());

        // And the same with all that follows, at once and byte by byte.
        let all = [&reply, &next[..]].concat();
        for size in [all.len(), 1] {
            let mut decoder = Decoder::default();
            let mut kinds = Vec::new();
            for piece in all.chunks(size) {
                decoder.buffer().extend_from_slice(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    kinds.push((frame.kind, frame.head.len()));
                }
            }
            assert_eq!(kinds[0], (FrameKind::CommandReply, first.head.len()));
            assert_eq!(kinds[1..], [(FrameKind::CommandReply, 72), (FrameKind::EventPlain, 48)], "{events} {api}");
        }
    }
    assert!(cut > 500, "{cut}");
}

#[test]
fn fact_26_other_long_heads_are_not_cut() {
    let long = "x".repeat(600);
    for start in ["Reply-Text: +OK accepted\nOther: ", "Reply-Text: +OK\nAllowed-Events: "] {
        let bytes = format!("Content-Type: command/reply\n{start}{long}\n\n");
        assert_eq!(frames(bytes.as_bytes()).unwrap()[0].head.len(), bytes.len() - 2);
    }
}
