//! What was measured on a real FreeSWITCH, one test for each fact that concerns a server. Those that take time are beside
//! the switch, those about frames and forms in the tests of the library that reads them.

#[path = "support/client.rs"]
mod client;
#[path = "../../esl-core/tests/support/clock.rs"]
mod clock;

use std::time::Duration;

use client::{Client, SOON};
use clock::{StoppedClock, TICK};
use fs_sim::{Config, Fault, Quality, Server, User};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

fn config() -> Config {
    Config { event_delay: Duration::ZERO, heartbeat: Duration::ZERO, sessions_per_second: 1_000, ..Config::default() }
}

async fn start() -> Server {
    Server::start(config()).await.expect("a server")
}

fn value<'a>(event: &'a str, name: &str) -> &'a str {
    let value = event.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")));
    value.unwrap_or_else(|| panic!("no {name} in {event}"))
}

/// The next event frame of this name.
async fn event(client: &mut Client, name: &str) -> String {
    loop {
        let frame = client.frame().await;
        if frame.contains(&format!("\nEvent-Name: {name}\n")) || frame.contains(&format!("{{\"Event-Name\":\"{name}\""))
        {
            return frame;
        }
    }
}

#[tokio::test]
async fn fact_1_event_waits_for_a_command_and_not_for_a_line_end() {
    let server = Server::start(Config { event_delay: Duration::from_secs(3_600), ..config() }).await.expect("a server");
    let (mut listener, mut other) = (Client::login(&server).await, Client::login(&server).await);
    listener.ask("event plain CUSTOM", "enabled").await;
    other.ask("sendevent CUSTOM", "+OK").await;
    listener.hears_nothing(&mut other).await;
    listener.say("\n").await;
    listener.hears_nothing(&mut other).await;
    listener.ask_next("noop", "-ERR command not found").await;
    event(&mut listener, "CUSTOM").await;
}

#[tokio::test]
async fn fact_1_event_comes_by_itself_within_a_turn() {
    let turn = Duration::from_secs(3_600);
    let server = Server::start(Config { event_delay: turn, ..config() }).await.expect("a server");
    let (mut listener, mut other) = (Client::login(&server).await, Client::login(&server).await);
    listener.ask("event plain CUSTOM", "enabled").await;
    let clock = StoppedClock::new();
    for _ in 0..4 {
        other.ask("sendevent CUSTOM", "+OK").await;
        listener.hears_nothing(&mut other).await;
        clock.advance(turn + TICK).await;
        event(&mut listener, "CUSTOM").await;
    }
}

#[tokio::test]
async fn fact_2_a_job_keeps_the_id_that_was_chosen_and_commands_are_answered_in_order() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain BACKGROUND_JOB", "enabled").await;
    client.ask("api bgapi uuid:chosen echo x", "+OK Job-UUID: chosen").await;
    assert_eq!(value(&event(&mut client, "BACKGROUND_JOB").await, "Job-UUID"), "chosen");
    let commands: String = (0..500).map(|number| format!("api echo {number}!\n\n")).collect();
    client.say(&commands).await;
    for number in 0..500 {
        assert!(client.frame().await.ends_with(&format!("\n\n{number}!")), "the answer to {number}");
    }
}

#[tokio::test]
async fn fact_3_a_refused_call_has_no_channel() {
    let server = Server::start(Config { max_sessions: 1, ..config() }).await.expect("a server");
    let mut client = Client::login(&server).await;
    client.ask("event plain CHANNEL_CREATE CHANNEL_HANGUP BACKGROUND_JOB", "enabled").await;
    client.ask("bgapi originate null/x &park()", "+OK").await;
    event(&mut client, "CHANNEL_CREATE").await;
    event(&mut client, "BACKGROUND_JOB").await;
    for (before, after) in [("", ""), ("fsctl max_sessions 9", ""), ("fsctl pause", "fsctl resume")] {
        if before == "fsctl max_sessions 9" {
            client.ask(&format!("api {before}"), "+OK").await;
            client.ask("bgapi originate null/x &park()", "+OK").await;
            event(&mut client, "CHANNEL_CREATE").await;
            event(&mut client, "BACKGROUND_JOB").await;
            continue;
        }
        if !before.is_empty() {
            client.ask(&format!("api {before}"), "+OK").await;
        }
        client.ask("bgapi originate null/x &park()", "+OK").await;
        let first = client.frame().await;
        assert!(first.contains("Event-Name: BACKGROUND_JOB"), "no other event: {first}");
        assert!(first.ends_with("\n\n-ERR DESTINATION_OUT_OF_ORDER\n"), "{first}");
        if !after.is_empty() {
            client.ask(&format!("api {after}"), "+OK").await;
        }
    }
}

#[tokio::test]
async fn fact_4_two_legs_are_tied_by_a_header_alone_and_a_loopback_shares_its_call() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain CHANNEL_CREATE", "enabled").await;
    client.ask("bgapi originate {sip_h_X-call=7}sofia/external/9196@127.0.0.1:5080 &park()", "+OK").await;
    let (near, far) = (event(&mut client, "CHANNEL_CREATE").await, event(&mut client, "CHANNEL_CREATE").await);
    assert_ne!(value(&near, "Channel-Call-UUID"), value(&far, "Channel-Call-UUID"));
    assert_eq!((value(&near, "variable_sip_h_X-call"), value(&far, "variable_sip_h_X-call")), ("7", "7"));
    client.ask("bgapi originate loopback/9196/default &park()", "+OK").await;
    let (a, b) = (event(&mut client, "CHANNEL_CREATE").await, event(&mut client, "CHANNEL_CREATE").await);
    assert_eq!(value(&a, "variable_other_loopback_leg_uuid"), value(&b, "Unique-ID"));
}

#[tokio::test]
async fn fact_8_triplets_stay_in_plain_and_json_is_exact() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    let send = "sendevent CUSTOM\nNote: 50%25 off, \u{e9}";
    client.ask("event plain CUSTOM", "enabled plain").await;
    client.ask(send, "+OK").await;
    assert_eq!(value(&event(&mut client, "CUSTOM").await, "Note"), "50%25%20off,%20%C3%A9");
    client.ask("event json CUSTOM", "enabled json").await;
    client.ask(send, "+OK").await;
    let json = client.expect("50%25 off, \u{e9}").await;
    assert!(json.contains("text/event-json"), "{json}");
    client.expect("}").await;
    client.ask("event sparkling CUSTOM", "enabled json").await;
    client.ask("api originate {origination_uuid=u,note='50%25 off'}null/x &park()", "+OK").await;
    client.ask("api uuid_dump u", "variable_note: 50%25%20off\n").await;
    client.ask("api uuid_dump u plain", "variable_note: [50%25 off]\n").await;
}

#[tokio::test]
async fn fact_9_what_each_beginning_and_end_looks_like() {
    let server = start().await;
    let mut wrong = Client::connect(&server).await;
    wrong.expect("Content-Type: auth/request\n\n").await;
    wrong.ask("api status", "Reply-Text: -ERR command not found").await;
    wrong.ask("auth nonsense", "Reply-Text: -ERR invalid\n\n").await;
    let notice = String::from_utf8(wrong.hears_the_end().await).expect("UTF-8");
    assert!(notice.starts_with("Content-Type: text/disconnect-notice\nContent-Length: 67\n\n"), "{notice}");

    let mut client = Client::login(&server).await;
    client.ask("api echo", "\n\n-ERR no reply\n").await;
    client.ask("filter Note 50% ä b", "[Note]=[50% ä b]").await;
    client.ask("filter delete all", "+OK").await;
    client.ask("api uuid_getvar", "\n\n-USAGE: ").await;
    assert!(client.ask("api echo no newline", "no newline").await.ends_with("no newline"));
    client.ask("log 7", "+OK").await;
    client.ask("api log ERR hello", "+OK").await;
    let line = client.frame().await;
    assert!(
        line.starts_with("Content-Type: log/data\nContent-Length: ") && line.contains("\nLog-Level: 3\n"),
        "{line}"
    );
    client.ask("exit", "Reply-Text: +OK bye\n\n").await;
    let notice = String::from_utf8(client.hears_the_end().await).expect("UTF-8");
    assert!(notice.starts_with("Content-Type: text/disconnect-notice"), "{notice}");
}

#[tokio::test]
async fn fact_9_a_job_s_body_is_inside_of_its_event() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain BACKGROUND_JOB", "enabled").await;
    client.ask("bgapi echo four", "+OK").await;
    let frame = client.frame().await;
    assert!(frame.ends_with("\nContent-Length: 4\n\nfour"), "{frame}");
    let (head, body) = frame.split_once("\n\n").expect("a head");
    assert_eq!(value(head, "Content-Length"), body.len().to_string());
}

#[tokio::test]
async fn fact_10_filters_start_from_nothing() {
    let server = start().await;
    let (mut client, mut other) = (Client::login(&server).await, Client::login(&server).await);
    client.ask("event plain BACKGROUND_JOB CUSTOM", "enabled").await;
    for (filter, custom_comes, job_comes) in [
        ("filter Note yes", true, false),
        ("filter Event-Name BACKGROUND_JOB", true, true),
        ("filter delete all", true, true),
        ("filter Note -no", false, false),
    ] {
        client.ask(filter, "+OK filter").await;
        other.ask("sendevent CUSTOM\nNote: yes", "+OK").await;
        other.ask("bgapi echo x", "+OK").await;
        other.ask("api echo done", "done").await;
        // All that comes was in the queue before this was said, and the turn ends with it.
        let mut heard = Vec::new();
        for word in ["turn", "end"] {
            client.say(&format!("api echo {word}\n\n")).await;
            loop {
                let frame = client.frame().await;
                if frame.ends_with(&format!("\n\n{word}")) {
                    break;
                }
                let names = ["CUSTOM", "BACKGROUND_JOB"].into_iter();
                heard.extend(names.filter(|name| frame.contains(&format!("Event-Name: {name}\n"))));
            }
        }
        let expected = [(custom_comes, "CUSTOM"), (job_comes, "BACKGROUND_JOB")];
        let expected: Vec<&str> = expected.into_iter().filter(|(comes, _)| *comes).map(|(_, name)| name).collect();
        assert_eq!(heard, expected, "{filter}");
    }
}

/// Has the server say so many thousand small events of the kind API.
async fn thousands_of_events(client: &mut Client, thousands: usize) {
    let command = format!("api eval {}", "${echo(x)}".repeat(1_000));
    for _ in 0..thousands {
        client.ask(&command, "\n\nxxxx").await;
    }
}

#[tokio::test]
async fn fact_11_who_does_not_read_loses_what_is_beyond_the_queue_and_is_closed_after_500() {
    let server = start().await;
    let (mut slow, mut other) = (Client::login(&server).await, Client::login(&server).await);
    let mut healthy = Client::login(&server).await;
    slow.ask("event plain API", "enabled").await;
    healthy.ask("event plain CUSTOM", "enabled").await;
    thousands_of_events(&mut other, 100).await;
    let state = server.state();
    assert_eq!((state.events_lost, state.listeners), (0, 3), "its socket takes some, and the queue 100,000");
    // Its socket is blocked, and nobody else waits for it.
    other.ask("sendevent CUSTOM\nNote: prompt", "+OK").await;
    assert_eq!(value(&event(&mut healthy, "CUSTOM").await, "Note"), "prompt");
    while server.state().listeners == 3 {
        thousands_of_events(&mut other, 1).await;
        assert!(server.state().events_sent < 300_000, "no end");
    }
    assert_eq!(server.state().events_lost, 501, "500 may be lost, and not one more");
    // What its socket had taken comes, and then the end: what was in the queue does not come any more.
    let heard = slow.hears_the_end().await;
    let events = heard.windows(16).filter(|window| window == b"\nEvent-Name: API").count();
    assert!((1..60_000).contains(&events), "{events}");
    other.ask("sendevent CUSTOM\nNote: after", "+OK").await;
    assert_eq!(value(&event(&mut healthy, "CUSTOM").await, "Note"), "after");
}

#[tokio::test]
async fn fact_10_behind_custom_everything_is_a_subclass() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain CUSTOM demo::one HEARTBEAT", "enabled").await;
    client.ask("sendevent HEARTBEAT", "+OK").await;
    client.ask("sendevent CUSTOM\nEvent-Subclass: demo::two", "+OK").await;
    client.ask("sendevent CUSTOM\nEvent-Subclass: demo::one", "+OK").await;
    let first = client.frame().await;
    assert!(first.contains("Event-Subclass: demo%3A%3Aone"), "{first}");
}

#[tokio::test]
async fn fact_12_the_sequence_is_one_for_the_whole_server() {
    let server = start().await;
    let (mut listener, mut other) = (Client::login(&server).await, Client::login(&server).await);
    listener.ask("event plain CUSTOM", "enabled").await;
    other.ask("sendevent CUSTOM", "+OK").await;
    other.ask("api originate null/x &park()", "+OK").await;
    other.ask("sendevent CUSTOM", "+OK").await;
    let [one, two] = [event(&mut listener, "CUSTOM").await, event(&mut listener, "CUSTOM").await];
    let number = |event: &str| value(event, "Event-Sequence").parse::<u64>().expect("a number");
    assert!(number(&two) > number(&one) + 3, "what nobody gets counts too");
}

#[tokio::test]
async fn fact_13_both_line_ends_are_understood_and_a_newline_in_a_value_begins_a_header() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain CUSTOM", "enabled").await;
    client.say("api echo crlf\r\n\r\n").await;
    client.expect("\n\ncrlf").await;
    client.ask("sendevent CUSTOM\nOne: a\nTwo: b", "+OK").await;
    let sent = event(&mut client, "CUSTOM").await;
    assert_eq!((value(&sent, "One"), value(&sent, "Two")), ("a", "b"));
    client.ask("sendevent CUSTOM\nOne: a\n\nTwo: b", "+OK").await;
    // A blank line begins a command, which this is none of.
    let told = [client.frame().await, client.frame().await].concat();
    assert!(told.contains("Reply-Text: -ERR command not found\n\n"), "{told}");
    assert!(told.contains("\nOne: a\n") && !told.contains("\nTwo: "), "{told}");
}

#[tokio::test]
async fn fact_14_permission_denied_is_a_command_s_reply() {
    let user = User {
        name: "joe".to_owned(),
        domain: "home".to_owned(),
        password: "secret".to_owned(),
        allowed_api: Some("status".to_owned()),
        ..User::default()
    };
    let server = Server::start(Config { users: vec![user], ..config() }).await.expect("a server");
    let mut client = Client::connect(&server).await;
    client.expect("auth/request\n\n").await;
    client.ask("userauth joe@home:secret", "+OK accepted").await;
    let denied = client.ask("api show channels", "-ERR permission denied").await;
    assert_eq!(denied, "Content-Type: command/reply\nReply-Text: -ERR permission denied\n\n");
}

#[tokio::test]
async fn fact_15_causes_over_127_show_as_16() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain CHANNEL_HANGUP_COMPLETE", "enabled").await;
    for (cause, q850) in [("PROGRESS_TIMEOUT", "16"), ("GATEWAY_DOWN", "16"), ("USER_BUSY", "17")] {
        client.ask("api originate {origination_uuid=u}null/x &park()", "+OK").await;
        client.ask(&format!("api uuid_kill u {cause}"), "+OK").await;
        let ended = event(&mut client, "CHANNEL_HANGUP_COMPLETE").await;
        assert_eq!((value(&ended, "Hangup-Cause"), value(&ended, "variable_hangup_cause_q850")), (cause, q850));
    }
}

#[tokio::test]
async fn fact_17_a_limit_that_was_raised_stays_raised() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("api fsctl max_sessions 7", "+OK max sessions: 7\n").await;
    client.ask("exit", "+OK bye").await;
    Client::login(&server).await.ask("api status", "\n7 session(s) max\n").await;
}

#[tokio::test]
async fn fact_18_one_uuid_is_job_and_channel_and_is_found_by_its_beginning() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain BACKGROUND_JOB", "enabled").await;
    let uuid = "feed0001-0000-4000-8000-000000000001";
    let originate = format!("originate {{origination_uuid={uuid}}}null/x &park()");
    client.ask(&format!("api bgapi uuid:{uuid} {originate}"), "+OK Job-UUID: feed0001").await;
    let job = event(&mut client, "BACKGROUND_JOB").await;
    assert!(value(&job, "Job-UUID") == uuid && job.ends_with(&format!("\n\n+OK {uuid}\n")), "{job}");
    client.ask("api show channels like feed0001 as json", "\"row_count\":1").await;
    client.ask("api show channels like feed0002 as json", "\"row_count\": 0").await;
    let sofia = format!("api originate {{origination_uuid={uuid}}}sofia/external/9196@127.0.0.1:5080 &park()");
    client.ask(&sofia, "-ERR ").await;
}

#[tokio::test]
async fn fact_18_hupall_by_a_variable_and_with_an_empty_value_everybody() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    for run in ["one", "two", "two"] {
        client.ask(&format!("api originate {{run={run}}}null/x &park()"), "+OK").await;
    }
    client.ask("api hupall NORMAL_CLEARING run two", "+OK").await;
    server.wait_for(SOON, |state| state.channels == 1).await.expect("the others are gone");
    client.ask("api hupall NORMAL_CLEARING run ", "+OK").await;
    server.wait_for(SOON, |state| state.channels == 0).await.expect("all are gone");
}

#[tokio::test]
async fn fact_20_who_may_not_come_gets_a_rude_rejection() {
    let server = start().await;
    server.order(Fault::Rude, None).await.expect("possible");
    let heard = String::from_utf8(Client::connect(&server).await.hears_the_end().await).expect("UTF-8");
    assert!(heard.starts_with("Content-Type: text/rude-rejection\n"), "{heard}");
}

#[tokio::test]
async fn fact_23_half_sent_command_holds_up_the_events_of_its_own_connection() {
    let server = start().await;
    let (mut half, mut other) = (Client::login(&server).await, Client::login(&server).await);
    for client in [&mut half, &mut other] {
        client.ask("event plain CUSTOM", "enabled").await;
    }
    half.say("api echo hal").await;
    // The half has been read before the event is sent.
    half.hears_nothing(&mut other).await;
    other.ask("sendevent CUSTOM", "+OK").await;
    event(&mut other, "CUSTOM").await;
    half.hears_nothing(&mut other).await;
    half.ask_next("f", "\n\nhalf").await;
    event(&mut half, "CUSTOM").await;
}

#[tokio::test]
async fn fact_23_running_command_holds_up_the_events_of_its_own_connection() {
    let server = start().await;
    let (mut waits, mut other) = (Client::login(&server).await, Client::login(&server).await);
    waits.ask("event plain CUSTOM", "enabled").await;
    let clock = StoppedClock::new();
    waits.say("api msleep 300\n\n").await;
    waits.hears_nothing(&mut other).await;
    other.ask("sendevent CUSTOM", "+OK").await;
    waits.hears_nothing(&mut other).await;
    clock.advance(Duration::from_millis(300) + TICK).await;
    let first = waits.frame().await;
    assert!(first.starts_with("Content-Type: api/response"), "{first}");
    event(&mut waits, "CUSTOM").await;
}

#[tokio::test]
async fn fact_24_job_uuid_may_be_given_for_a_job_without_a_result() {
    let server = start().await;
    server.order(Fault::LoseJobs { share: 1.0 }, None).await.expect("possible");
    let mut client = Client::login(&server).await;
    client.ask("event plain BACKGROUND_JOB", "enabled").await;
    client.ask("bgapi echo lost", "+OK Job-UUID: ").await;
    server.clear_all().await;
    client.ask("bgapi echo kept", "+OK Job-UUID: ").await;
    let first = event(&mut client, "BACKGROUND_JOB").await;
    assert!(first.ends_with("\n\nkept"), "{first}");
}

/// Makes a server call here, and returns the connection after its first reply.
async fn outbound(server: &Server, how: &str, variables: &str) -> (Client, String) {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    let mut control = Client::login(server).await;
    let command = format!("bgapi originate {{origination_uuid=u{variables}}}null/x '&socket({address} {how})'");
    control.ask(&command, "+OK").await;
    let (stream, _) = timeout(SOON, socket.accept()).await.expect("in time").expect("a connection");
    let mut client = Client { stream, heard: Vec::new() };
    client.say("connect\n\n").await;
    let first = client.expect("\n\n").await;
    (client, first)
}

#[tokio::test]
async fn fact_25_an_outbound_connection_begins_encoded_and_getvar_is_raw_and_cut() {
    let server = start().await;
    let long = "x".repeat(600);
    let (mut client, first) = outbound(&server, "async full", &format!(",note='a b',lines='a\\nb',long={long}")).await;
    assert_eq!(value(&first, "variable_note"), "a%20b");
    assert!(!first.contains("Content-Length"), "{first}");
    client.ask("getvar note", "Reply-Text: a b\n\n").await;
    client.ask("getvar lines", "Reply-Text: a\nb\n\n").await;
    let cut = client.ask("getvar long", "Reply-Text: xxx").await;
    assert_eq!(value(&cut, "Reply-Text").len(), 511);
    client.ask("api uuid_getvar u long", &long).await;
}

#[tokio::test]
async fn fact_26_a_long_userauth_reply_loses_its_blank_line() {
    let names: Vec<String> = (0..80).map(|number| format!("command_{number:02}")).collect();
    let user = User {
        name: "joe".to_owned(),
        domain: "home".to_owned(),
        password: "secret".to_owned(),
        allowed_api: Some(names.join(",")),
        ..User::default()
    };
    let server = Server::start(Config { users: vec![user], ..config() }).await.expect("a server");
    let mut client = Client::connect(&server).await;
    client.expect("auth/request\n\n").await;
    client.say("userauth joe@home:secret\n\n").await;
    client.expect("command_30").await;
    client.say("noop\n\n").await;
    let rest = client.expect("-ERR command not found").await;
    assert!(!rest.split("Content-Type").next().unwrap_or_default().contains("\n\n"), "{rest}");
}

#[tokio::test]
async fn fact_27_an_execution_ends_with_its_own_id_and_is_repeated_by_loops() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    client.ask("event plain CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_ANSWER", "enabled").await;
    client.ask("bgapi originate {origination_uuid=u}sofia/external/9196@127.0.0.1:5080 &park()", "+OK").await;
    while value(&event(&mut client, "CHANNEL_ANSWER").await, "Unique-ID") != "u" {}
    client
        .ask(
            "sendmsg u\ncall-command: execute\nexecute-app-name: playback\n\
             execute-app-arg: silence_stream://600\nloops: 2\nEvent-UUID: mine",
            "+OK",
        )
        .await;
    for name in ["CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE"] {
        let told = loop {
            let frame = client.frame().await;
            if frame.contains("\nApplication-UUID: mine\n") {
                break frame;
            }
        };
        assert_eq!((value(&told, "Event-Name"), value(&told, "Unique-ID")), (name, "u"));
        assert_eq!(value(&told, "Application"), "playback");
    }
    client.ask("api uuid_kill u", "+OK").await;
}

/// A call to the echo that has talked for a while, and its CHANNEL_HANGUP_COMPLETE.
async fn end_of_a_call(server: &Server) -> String {
    let mut client = Client::login(server).await;
    client.ask("event plain CHANNEL_HANGUP_COMPLETE", "enabled").await;
    client.ask("api originate {origination_uuid=u}sofia/external/9196@127.0.0.1:5080 &park()", "+OK").await;
    StoppedClock::new().advance(Duration::from_millis(60)).await;
    client.ask("api uuid_kill u", "+OK").await;
    event(&mut client, "CHANNEL_HANGUP_COMPLETE").await
}

#[tokio::test]
async fn fact_29_the_end_carries_rtp_statistics() {
    let server = start().await;
    let ended = end_of_a_call(&server).await;
    for name in ["mos", "jitter_min_variance", "jitter_max_variance", "jitter_loss_rate", "packet_count", "flaw_total"]
    {
        let number = value(&ended, &format!("variable_rtp_audio_in_{name}")).parse::<f64>();
        number.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    value(&ended, "variable_rtp_audio_out_packet_count").parse::<u64>().expect("a count");
}

#[tokio::test]
async fn fact_29_a_call_without_a_packet_shows_the_best_quality() {
    let media = Quality { without_media: 1.0, ..Quality::default() };
    let server = Server::start(Config { media, ..config() }).await.expect("a server");
    let ended = end_of_a_call(&server).await;
    assert_eq!(value(&ended, "variable_rtp_audio_in_mos"), "4.50");
    assert_eq!(value(&ended, "variable_rtp_audio_in_packet_count"), "0");
}

/// One way to write a variable, with what a real server answered and which values the channel then had.
#[derive(Debug, Deserialize)]
struct Row {
    command: String,
    reply: String,
    n: Option<String>,
    m: Option<String>,
}

#[tokio::test]
async fn fact_30_variables_are_read_as_they_were_read_48_times() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../esl-core/tests/originate/quoting.json")).expect("JSON");
    assert_eq!(rows.len(), 48);
    let server = start().await;
    let mut client = Client::login(&server).await;
    for row in &rows {
        // A dollar in braces is expanded by nobody here: the recorded one had a channel's variable of that name.
        let reply = client.ask(&format!("api {}", row.command), "").await;
        let reply = reply.split_once("\n\n").map_or("", |(_, body)| body).trim_end();
        assert!(reply.starts_with(&row.reply), "{row:?}: {reply}");
        let Some(uuid) = reply.strip_prefix("+OK ") else { continue };
        for (name, expected) in [("n", &row.n), ("m", &row.m)] {
            let Some(expected) = expected else { continue };
            let got = client.ask(&format!("api uuid_getvar {uuid} {name}"), "").await;
            let got = got.split_once("\n\n").map_or("", |(_, body)| body);
            assert_eq!(got, expected, "{name} of {row:?}");
        }
        client.ask(&format!("api uuid_kill {uuid}"), "+OK").await;
    }
}

#[tokio::test]
async fn fact_31_without_full_an_outbound_connection_has_its_channel_s_commands_alone() {
    let server = start().await;
    let (mut client, _) = outbound(&server, "async", "").await;
    for command in ["api status", "bgapi status", "event plain ALL", "linger"] {
        client.ask(command, "Reply-Text: -ERR command not found\n\n").await;
    }
    client.ask("myevents", "+OK Events Enabled").await;
    client.ask("getvar uuid", "Reply-Text: u\n\n").await;
    client.ask("resume", "+OK").await;
    client.ask("sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: a=b", "+OK").await;
    client.ask("exit", "+OK bye").await;
}

#[tokio::test]
async fn fact_31_a_plain_end_is_a_notice_and_the_end() {
    let server = start().await;
    let (mut client, _) = outbound(&server, "async full", "").await;
    Client::login(&server).await.ask("api uuid_kill u", "+OK").await;
    let heard = String::from_utf8(client.hears_the_end().await).expect("UTF-8");
    let expected =
        "Content-Type: text/disconnect-notice\nControlled-Session-UUID: u\nContent-Disposition: disconnect\n";
    assert!(heard.starts_with(expected), "{heard}");
}

#[tokio::test]
async fn fact_31_linger_ends_in_a_notice_without_a_body_and_then_the_end() {
    let server = start().await;
    let (mut client, _) = outbound(&server, "async full", "").await;
    client.ask("linger 1", "+OK will linger 1 seconds").await;
    let mut control = Client::login(&server).await;
    control.ask("api uuid_kill u", "+OK").await;
    let notice = client.expect("Content-Length: 0\n\n").await;
    assert!(notice.contains("text/disconnect-notice") && notice.contains("Content-Disposition: linger\n"), "{notice}");
    client.hears_the_end().await;
}

#[tokio::test]
async fn what_is_too_large_to_be_a_command_is_refused_and_counted() {
    let server = start().await;
    let many: String = (0..1_001).map(|number| format!("n{number}: v\n")).collect();
    for nonsense in ["api status\nContent-Length: 99999999999\n\n", &format!("sendevent CUSTOM\n{many}\n")] {
        let before = server.state().refusals.commands;
        let mut client = Client::login(&server).await;
        client.say(nonsense).await;
        client.hears_the_end().await;
        server.wait_for(SOON, |state| state.refusals.commands == before + 1).await.expect("counted");
    }
    let mut client = Client::login(&server).await;
    client.stream.write_all(&vec![b'x'; 11 * 1024 * 1024]).await.ok();
    let mut rest = Vec::new();
    timeout(SOON, client.stream.read_to_end(&mut rest)).await.expect("an end").ok();
    server.wait_for(SOON, |state| state.refusals.commands == 3).await.expect("counted");
}
