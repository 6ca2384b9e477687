//! Every fault that can be ordered, and what is seen of it from outside.

#[path = "support/client.rs"]
mod client;
#[path = "../../esl-core/tests/support/clock.rs"]
mod clock;
#[path = "support/until.rs"]
mod until;

use std::{io, net::SocketAddr, time::Duration};

use client::{Client, SOON};
use clock::{StoppedClock, TICK};
use fs_sim::{Config, Delay, Fault, Planned, Server, Whom};
use tokio::net::TcpStream;
use until::until;

const ALL: f64 = 1.0;

/// What `api echo hello` is answered.
const HELLO: &[u8] = b"Content-Type: api/response\nContent-Length: 5\n\nhello";

fn config() -> Config {
    Config { event_delay: Duration::ZERO, heartbeat: Duration::ZERO, sessions_per_second: 1_000, ..Config::default() }
}

async fn start() -> Server {
    Server::start(config()).await.expect("a server")
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Longer than a test takes: time that passes only where a test moves the clock.
const MINUTE: Duration = Duration::from_secs(60);

/// A connection to another server, which no fault concerns.
async fn beside() -> (Server, Client) {
    let server = start().await;
    let client = Client::login(&server).await;
    (server, client)
}

/// Says a client's event, which comes back to its sender.
async fn send_event(client: &mut Client, note: &str) -> String {
    client.say(&format!("sendevent CUSTOM\nEvent-Subclass: demo::one\nNote: {note}\n\n")).await;
    client.expect("Reply-Text: +OK ").await + &client.expect("\n\n").await
}

async fn subscribed(server: &Server) -> Client {
    let mut client = Client::login(server).await;
    client.ask("event plain CUSTOM demo::one", "enabled plain\n").await;
    client
}

/// The value of a header in the client's event with this note.
async fn header_of(client: &mut Client, note: &str, name: &str) -> String {
    let before = client.expect(&format!("Note: {note}\n")).await;
    let after = client.expect("\n\n").await;
    let event = [before.rsplit_once("Event-Subclass").map_or("", |(_, rest)| rest), &after].concat();
    let prefix = format!("{name}: ");
    let value = event.lines().find_map(|line| line.strip_prefix(&prefix));
    value.unwrap_or_else(|| panic!("no {name} in {event}")).to_owned()
}

/// The test of one kind; a kind without one fails here.
async fn is_seen(name: &str) {
    let server = start().await;
    match name {
        "drop" => drops(&server).await,
        "silent" => silent(&server).await,
        "mute" => mute(&server).await,
        "stall" => stalls(&server).await,
        "delay_events" => delays_events(&server).await,
        "lose_events" => loses_events(&server).await,
        "duplicate_events" => duplicates_events(&server).await,
        "truncate" => truncates(&server).await,
        "garbage" => garbage(&server).await,
        "garbage_instead" => garbage_instead(&server).await,
        "huge_length" => length(&server, Fault::HugeLength { share: ALL }, "18446744073709551615").await,
        "negative_length" => length(&server, Fault::NegativeLength { share: ALL }, "-1").await,
        "dribble" => dribbles(&server).await,
        "refuse" => refuses(&server).await,
        "rude" => rude(&server).await,
        "wrong_password" => wrong_password(&server).await,
        "restart" => restarts(&server).await,
        "pause" => pauses(&server).await,
        "freeze_clock" => freezes_the_clock(&server).await,
        "lose_jobs" => loses_jobs(&server).await,
        "late_answers" => late_answers(&server).await,
        "swap_answers" => swaps_answers(&server).await,
        name => panic!("the fault {name} has no test"),
    }
    server.clear_all().await;
    let state = server.wait_for(SOON, |state| state.faults == 0).await.expect("none in force");
    assert_eq!(state.faults, 0);
    let mut client = Client::login(&server).await;
    client.ask("api echo all is well", "all is well").await;
}

#[tokio::test]
async fn every_fault_is_seen_from_outside() {
    for (name, _) in Fault::kinds() {
        is_seen(name).await;
    }
}

async fn order(server: &Server, fault: Fault) {
    server.order(fault, None).await.expect("possible");
}

async fn drops(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::Drop).await;
    assert_eq!(client.hears_the_end().await, b"");
    Client::login(server).await;
    let number = server.order(Fault::Drop, Some(SOON)).await.expect("possible");
    assert_eq!(Client::connect(server).await.hears_the_end().await, b"", "not even a greeting");
    server.clear(number).await;
    Client::login(server).await;
}

async fn silent(server: &Server) {
    let (mut old, (_beside, mut marker)) = (Client::login(server).await, beside().await);
    order(server, Fault::Silent).await;
    let mut new = Client::connect(server).await;
    old.say("api echo hello\n\n").await;
    old.hears_nothing(&mut marker).await;
    new.hears_nothing(&mut marker).await;
    server.clear_all().await;
    old.expect("hello").await;
    new.expect("auth/request").await;
}

async fn mute(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::Mute).await;
    client.say("api originate null/x &park()\n\n").await;
    server.wait_for(SOON, |state| state.channels == 1).await.expect("it has been read and done");
    let mut new = Client::connect(server).await;
    server.wait_for(SOON, |state| state.listeners == 2).await.expect("it would have been greeted");
    server.clear_all().await;
    client.say("api echo hello\n\n").await;
    assert_eq!(client.hears(HELLO.len()).await, HELLO, "the first answer is lost");
    new.ask_next("auth ClueCon", "+OK accepted").await;
}

async fn stalls(server: &Server) {
    let (mut client, (_beside, mut marker)) = (subscribed(server).await, beside().await);
    client.ask("event plain CHANNEL_ANSWER", "enabled plain\n").await;
    let ringing = "bgapi originate {originate_timeout=120}sofia/external/ring60000@127.0.0.1:5080 &park()";
    client.ask(ringing, "Job-UUID: ").await;
    server.wait_for(SOON, |state| state.channels == 2).await.expect("it rings");
    let clock = StoppedClock::new();
    let stamp = |value: &str| value.trim().parse().map(Duration::from_micros).expect("a number");
    send_event(&mut client, "before").await;
    let before = stamp(&header_of(&mut client, "before", "Event-Date-Timestamp").await);
    order(server, Fault::Stall).await;
    clock.advance(2 * MINUTE).await;
    client.say("api echo hello\n\n").await;
    client.hears_nothing(&mut marker).await;
    Client::connect(server).await.hears_nothing(&mut marker).await;
    server.clear_all().await;
    // In whatever order.
    let frames = [client.frame().await, client.frame().await];
    assert!(frames.contains(&String::from_utf8_lossy(HELLO).into_owned()), "{frames:?}");
    let answer = frames.iter().find(|frame| frame.contains("Event-Name: CHANNEL_ANSWER\n")).expect("its own answer");
    let answered = answer.lines().find_map(|line| line.strip_prefix("Event-Date-Timestamp: ")).map(stamp);
    let answered = answered.expect("a time");
    // The server's clock has steps of 20 ms.
    assert!(answered + ms(20) >= before + 2 * MINUTE, "{answered:?} is within the stall that began at {before:?}");
}

async fn delays_events(server: &Server) {
    let mut client = subscribed(server).await;
    order(server, Fault::DelayEvents { share: ALL, delay: Delay::Constant(MINUTE) }).await;
    let clock = StoppedClock::new();
    let mut heard = send_event(&mut client, "late").await;
    server.clear_all().await;
    heard += &send_event(&mut client, "prompt").await;
    heard += &client.expect("Note: prompt").await;
    assert!(!heard.contains("Note: late"), "{heard}");
    clock.advance(MINUTE + TICK).await;
    client.expect("Note: late").await;
}

async fn loses_events(server: &Server) {
    let mut client = subscribed(server).await;
    order(server, Fault::LoseEvents { share: ALL }).await;
    send_event(&mut client, "lost").await;
    server.clear_all().await;
    let heard = send_event(&mut client, "found").await + &client.expect("Note: found").await;
    assert!(!heard.contains("Note: lost"), "{heard}");
}

async fn duplicates_events(server: &Server) {
    let mut client = subscribed(server).await;
    order(server, Fault::DuplicateEvents { share: ALL }).await;
    send_event(&mut client, "two").await;
    let [one, other] =
        [header_of(&mut client, "two", "Event-Sequence").await, header_of(&mut client, "two", "Event-Sequence").await];
    assert_eq!(one, other);
}

async fn truncates(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::Truncate { share: ALL }).await;
    client.say("api echo hello\n\n").await;
    assert_eq!(client.hears_the_end().await, &HELLO[..HELLO.len() / 2]);
}

async fn garbage(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::Garbage { share: ALL }).await;
    client.say("api echo hello\n\n").await;
    let heard = client.expect("\n\nhello").await;
    assert!(heard.len() > HELLO.len() && heard.as_bytes().ends_with(HELLO), "{heard:?}");
}

async fn garbage_instead(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::GarbageInstead { share: ALL }).await;
    client.say("api echo hello\n\n").await;
    assert_ne!(client.hears(HELLO.len()).await, HELLO);
    server.clear_all().await;
    client.say("api echo hello\n\n").await;
    assert_eq!(client.hears(HELLO.len()).await, HELLO);
}

async fn length(server: &Server, fault: Fault, text: &str) {
    let mut client = Client::login(server).await;
    order(server, fault).await;
    client.say("api echo hello\n\n").await;
    client.expect(&format!("Content-Length: {text}\n\nhello")).await;
    client.say("noop\n\n").await;
    client.expect(&format!("-ERR command not found\nContent-Length: {text}\n\n")).await;
}

async fn dribbles(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::Dribble { gap: ms(2) }).await;
    client.say("api echo hello\n\n").await;
    let mut reads = 0;
    while client.heard != HELLO {
        client.reads().await;
        reads += 1;
    }
    assert!(reads >= 10, "{} bytes in {reads} reads", HELLO.len());
}

async fn refuses(server: &Server) {
    let mut old = Client::login(server).await;
    order(server, Fault::Refuse).await;
    let error = TcpStream::connect(server.addr()).await.expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    old.ask("api echo still here", "still here").await;
    server.clear_all().await;
    Client::login(server).await;
}

async fn rude(server: &Server) {
    let mut old = Client::login(server).await;
    order(server, Fault::Rude).await;
    let heard = Client::connect(server).await.hears_the_end().await;
    let rejection = b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n";
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(rejection));
    old.ask("api echo still here", "still here").await;
}

async fn wrong_password(server: &Server) {
    let mut old = Client::login(server).await;
    order(server, Fault::WrongPassword).await;
    let mut new = Client::connect(server).await;
    new.expect("auth/request\n\n").await;
    new.say("auth ClueCon\n\n").await;
    let heard = String::from_utf8(new.hears_the_end().await).expect("UTF-8");
    assert!(heard.contains("Reply-Text: -ERR invalid\n\n") && heard.contains("text/disconnect-notice"), "{heard}");
    old.ask("api echo still here", "still here").await;
}

async fn restarts(server: &Server) {
    let mut client = Client::login(server).await;
    client.ask("event plain CUSTOM demo::one CHANNEL_HANGUP CHANNEL_DESTROY", "enabled plain\n").await;
    client.ask("api originate null/x &park()", "+OK ").await;
    client.ask("api echo all read", "all read").await;
    let number = server.order(Fault::Restart, Some(SOON)).await.expect("possible");
    assert_eq!(client.hears_the_end().await, b"", "channels and connections go without a word");
    let error = TcpStream::connect(server.addr()).await.expect_err("it is down");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    server.clear(number).await;

    let state = server.wait_for(SOON, |state| state.faults == 0).await.expect("it is up");
    assert_eq!((state.restarts, state.channels, state.sessions_since_startup), (1, 0, 0));
    let mut client = subscribed(server).await;
    let status = client.ask("api status", "0 session(s) since startup").await;
    assert!(status.contains("UP 0 years, 0 days, 0 hours, 0 minutes, 0 seconds, "), "{status}");
}

async fn pauses(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::Pause).await;
    client.ask("api originate null/x &park()", "-ERR DESTINATION_OUT_OF_ORDER").await;
    server.clear_all().await;
    client.ask("api originate null/x &park()", "+OK ").await;
}

async fn freezes_the_clock(server: &Server) {
    let mut client = subscribed(server).await;
    order(server, Fault::FreezeClock).await;
    let clock = StoppedClock::new();
    let mut stamps = Vec::new();
    for note in ["one", "two", "three"] {
        if note == "three" {
            server.clear_all().await;
        }
        send_event(&mut client, note).await;
        stamps.push(header_of(&mut client, note, "Event-Date-Timestamp").await);
        clock.advance(ms(30)).await;
    }
    assert!(stamps[0] == stamps[1] && stamps[1] < stamps[2], "{stamps:?}");
}

async fn loses_jobs(server: &Server) {
    let mut client = Client::login(server).await;
    client.ask("event plain BACKGROUND_JOB", "enabled plain\n").await;
    order(server, Fault::LoseJobs { share: ALL }).await;
    client.ask("bgapi echo lost", "+OK Job-UUID: ").await;
    server.clear_all().await;
    client.say("bgapi echo found\n\n").await;
    let heard = client.expect("\n\nfound").await;
    assert!(!heard.contains("\n\nlost"), "{heard}");
}

async fn late_answers(server: &Server) {
    let (mut client, (_beside, mut marker)) = (Client::login(server).await, beside().await);
    order(server, Fault::LateAnswers { share: ALL, delay: Delay::Constant(MINUTE) }).await;
    let clock = StoppedClock::new();
    client.say("api originate null/x &park()\n\n").await;
    server.wait_for(SOON, |state| state.channels == 1).await.expect("it is done");
    client.hears_nothing(&mut marker).await;
    clock.advance(MINUTE - TICK).await;
    client.hears_nothing(&mut marker).await;
    clock.advance(2 * TICK).await;
    client.expect("+OK ").await;
}

async fn swaps_answers(server: &Server) {
    let mut client = Client::login(server).await;
    order(server, Fault::SwapAnswers { share: ALL }).await;
    client.say("api echo one\n\napi echo two\n\napi echo three\n\n").await;
    let heard = client.expect("three").await;
    assert!(heard.find("two") < heard.find("one"), "{heard}");
}

#[tokio::test]
async fn a_restarted_server_is_another_one_with_the_same_seed() {
    let server = start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut client = subscribed(&server).await;
        send_event(&mut client, "x").await;
        ids.push(header_of(&mut client, "x", "Core-UUID").await);
        order(&server, Fault::Restart).await;
        assert_eq!(client.hears_the_end().await, b"");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(server.state().restarts, 3);
}

#[tokio::test]
async fn configured_faults_are_in_force_from_the_start() {
    let faults = vec!["refuse for 60s".parse::<Planned>().expect("a fault"), "rude at 1h".parse().expect("another")];
    let server = Server::start(Config { faults, ..config() }).await.expect("a server");
    let error = TcpStream::connect(server.addr()).await.expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    StoppedClock::new().advance(MINUTE + TICK).await;
    server.wait_for(SOON, |state| state.faults == 0).await.expect("it is over");
    until("the port is bound again", || std::net::TcpStream::connect(server.addr()).is_ok()).await;

    let faults = vec![Planned::new(Fault::LoseEvents { share: 2.0 })];
    let error = Server::start(Config { faults, ..config() }).await.expect_err("more than all");
    assert!(error.kind() == io::ErrorKind::InvalidInput && error.to_string().contains("lose_events is 2"), "{error}");
}

#[tokio::test]
async fn a_client_orders_and_clears_what_it_wants() {
    let server = start().await;
    let mut client = Client::login(&server).await;
    let help = client.ask("api sim", "sim fault KIND").await;
    for (name, _) in Fault::kinds() {
        assert!(help.contains(name), "{name}");
    }
    client.ask("api sim fault pause", "+OK 1\n").await;
    client.ask("api originate null/x &park()", "-ERR DESTINATION_OUT_OF_ORDER").await;
    client.ask("api sim fault lose_events share 0.5 at 1h for 2s against me", "+OK 2\n").await;
    let listed = client.ask("api sim faults", "against 127.0.0.1").await;
    assert!(listed.contains("1 in force: pause\n2 begins in 59m "), "{listed}");
    client.ask("api sim clear pause", "+OK cleared: 1\n").await;
    client.ask("api originate null/x &park()", "+OK ").await;
    client.ask("api sim clear 2", "+OK cleared: 1\n").await;
    client.ask("api sim clear", "+OK cleared: 0\n").await;
    client.ask("api sim faults", "none\n").await;
    for (words, reason) in [
        ("fault stal", "-ERR unknown fault \"stal\": there are drop"),
        ("fault stall share 1", "-ERR stall takes no \"share\""),
        ("fault", "-ERR unknown fault \"\""),
        ("stall", "-ERR unknown word \"stall\""),
        ("clear stal", "-ERR \"stal\" is no number of an order"),
    ] {
        client.ask(&format!("api sim {words}"), reason).await;
    }
}

#[tokio::test]
async fn fault_against_some_connections_leaves_the_others_alone() {
    let server = start().await;
    let (mut mine, mut others) = (Client::login(&server).await, Client::login(&server).await);
    mine.ask("api sim fault silent against others", "+OK 1\n").await;
    others.say("api echo hello\n\n").await;
    others.hears_nothing(&mut mine).await;
    Client::connect(&server).await.hears_nothing(&mut mine).await;
    mine.ask("api sim clear", "+OK cleared: 1\n").await;
    others.expect("hello").await;

    let newcomers = Planned { whom: Whom::Newcomers, ..Planned::new(Fault::Mute) };
    server.plan(newcomers).await.expect("possible");
    Client::connect(&server).await.hears_nothing(&mut mine).await;
    others.ask("api echo still here", "still here").await;
    server.clear_all().await;

    let address: SocketAddr = others.stream.local_addr().expect("an address");
    server.plan(Planned { whom: Whom::Client(address), ..Planned::new(Fault::Drop) }).await.expect("possible");
    assert_eq!(others.hears_the_end().await, b"");
    mine.ask("api echo still here", "still here").await;
}

#[tokio::test]
async fn the_same_seed_loses_the_same_events() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = start().await;
        let mut client = subscribed(&server).await;
        order(&server, Fault::LoseEvents { share: 0.5 }).await;
        let mut heard = String::new();
        for number in 0..40 {
            heard += &send_event(&mut client, &number.to_string()).await;
        }
        server.clear_all().await;
        heard += &send_event(&mut client, "last").await;
        heard += &client.expect("Note: last").await;
        runs.push((0..40).filter(|number| heard.contains(&format!("Note: {number}\n"))).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert!((5..35).contains(&runs[0].len()), "{:?}", runs[0]);
}

#[tokio::test]
async fn fault_for_a_time_ends_by_itself_after_it() {
    let (server, (_beside, mut marker)) = (start().await, beside().await);
    let mut client = Client::login(&server).await;
    let clock = StoppedClock::new();
    server.order(Fault::Stall, Some(MINUTE)).await.expect("possible");
    client.say("api echo hello\n\n").await;
    clock.advance(MINUTE - TICK).await;
    client.hears_nothing(&mut marker).await;
    clock.advance(2 * TICK).await;
    client.expect("hello").await;
}
