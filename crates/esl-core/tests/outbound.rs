//! A server of outbound connections over real sockets: against peers that behave as FreeSWITCH does, or badly, and against
//! a real FreeSWITCH where `FREESWITCH_ESL=host:port:password` is set.

#[path = "support/clock.rs"]
mod clock;

use std::net::SocketAddr;
use std::time::Duration;

use clock::{StoppedClock, TICK};

use esl_core::outbound::{Call, Notice, Options, Server, Stats};
use esl_core::{Client, Credentials, Error, EventName, Format, HangupCause, Subscription};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// How long anything may take here.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a condition that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

const OK: &str = "Content-Type: command/reply\nReply-Text: +OK\n\n";

/// FreeSWITCH's side of one connection in sync mode, where nothing has to be parked.
struct Peer(TcpStream);

impl Peer {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("the server listens"))
    }

    /// The next command, `None` where the server closed.
    async fn command(&mut self) -> Option<String> {
        let mut got = Vec::new();
        while !got.ends_with(b"\n\n") {
            got.push(timeout(DEADLINE, self.0.read_u8()).await.expect("a command").ok()?);
        }
        Some(String::from_utf8(got).expect("text").trim_end().to_owned())
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the server is there");
    }

    /// Sends an event with these lines.
    async fn event(&mut self, lines: &str) {
        self.say(&format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{lines}\n", lines.len() + 1)).await;
    }

    /// Answers `connect` and what follows, up to the handler's first command or the end.
    async fn begin(&mut self, mode: &str) {
        assert_eq!(self.command().await.as_deref(), Some("connect"));
        self.say(&format!(
            "Event-Name: CHANNEL_DATA\nUnique-ID: {}\nContent-Type: command/reply\nReply-Text: %2BOK%0A\n\
             Socket-Mode: {mode}\nControl: single-channel\n\n",
            Uuid::nil()
        ))
        .await;
    }

    /// Expects that the server leaves in good order.
    async fn goodbye(&mut self) {
        assert_eq!(self.command().await.as_deref(), Some("exit"));
        self.say("Content-Type: text/disconnect-notice\nContent-Disposition: disconnect\n\n").await;
        assert_eq!(self.command().await, None);
    }
}

fn options() -> Options {
    Options { my_events: None, linger: None, ..Options::default() }
}

struct Running {
    address: SocketAddr,
    stats: Stats,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start<F>(options: Options, handler: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let server = Server::bind("127.0.0.1:0", options).await.expect("a free port");
        let (address, stats) = (server.local_addr(), server.stats());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve_until(handler, async {
            let _ = stopped.await;
        }));
        Self { address, stats, stop, task }
    }

    async fn stop(self) -> Stats {
        self.stop.send(()).expect("it serves");
        timeout(DEADLINE, self.task).await.expect("it ends").expect("it does not panic");
        assert_eq!(self.stats.open(), 0);
        self.stats
    }
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(LOOK_EVERY).await;
    }
}

/// A handler that holds its call until the peer goes.
async fn hold(mut call: Call) -> Result<(), Error> {
    while call.next().await.is_ok() {}
    Ok(())
}

#[tokio::test]
async fn a_handler_that_panics_or_fails_ends_its_own_call_only() {
    let server = Running::start(options(), async |mut call: Call| match call.getvar("what").await?.as_deref() {
        Some("panic") => panic!("as asked for"),
        Some("fail") => Err(Error::timed_out("what was asked for", Duration::ZERO)),
        _ => Ok(()),
    })
    .await;
    let mut waiting = Peer::connect(server.address).await;
    waiting.begin("static").await;
    assert_eq!(waiting.command().await.as_deref(), Some("getvar what"));
    for (n, what) in ["panic", "fail"].into_iter().enumerate() {
        let mut peer = Peer::connect(server.address).await;
        peer.begin("static").await;
        assert_eq!(peer.command().await.as_deref(), Some("getvar what"));
        peer.say(&format!("Content-Type: command/reply\nReply-Text: {what}\n\n")).await;
        peer.goodbye().await;
        let stats = server.stats.clone();
        eventually("it is counted", || stats.failed_handlers() == n as u64 + 1 && stats.open() == 1).await;
    }
    waiting.say(OK).await;
    waiting.goodbye().await;
    let stats = server.stop().await;
    assert_eq!((stats.accepted(), stats.failed_handlers(), stats.failed_handshakes()), (3, 2, 0));
}

#[tokio::test]
async fn a_call_too_many_is_refused_in_good_order() {
    let server = Running::start(Options { calls_max: 1, ..options() }, hold).await;
    let mut first = Peer::connect(server.address).await;
    first.begin("static").await;
    for _ in 0..3 {
        let mut refused = Peer::connect(server.address).await;
        refused.begin("static").await;
        refused.goodbye().await;
    }
    // One in async mode is not left before its channel is known to be parked.
    let mut refused = Peer::connect(server.address).await;
    refused.begin("async").await;
    assert_eq!(refused.command().await.as_deref(), Some("myevents plain"));
    let command = refused.command().await.expect("an application");
    let uuid = command.lines().find_map(|line| line.strip_prefix("Event-UUID: ")).expect("a UUID");
    refused.say(&[OK, OK].concat()).await;
    let executes = format!("Event-Name: CHANNEL_EXECUTE\nUnique-ID: {}\nApplication-UUID: {uuid}\n", Uuid::nil());
    refused.event(&executes).await;
    refused.goodbye().await;
    assert_eq!((server.stats.open(), server.stats.refused()), (1, 4));

    // Its place is free when it ends.
    drop(first);
    let stats = server.stats.clone();
    eventually("the first call ends", || stats.open() == 0).await;
    let mut next = Peer::connect(server.address).await;
    next.begin("static").await;
    eventually("it is taken", || stats.open() == 1).await;
    drop(next);
    assert_eq!(server.stop().await.refused(), 4);
}

#[tokio::test]
async fn silent_and_garbage_peers_delay_no_other_call() {
    let clock = StoppedClock::new();
    let timeout = Duration::from_secs(60);
    let server = Running::start(Options { timeout, ..options() }, hold).await;
    let stats = server.stats.clone();
    let mut bad = Vec::new();
    for n in 0..20 {
        let mut peer = Peer::connect(server.address).await;
        assert_eq!(peer.command().await.as_deref(), Some("connect"));
        if n % 2 == 0 {
            peer.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        }
        bad.push(peer);
    }
    clock.until("garbage ends a handshake at once", || stats.failed_handshakes() == 10).await;
    let mut good = Peer::connect(server.address).await;
    good.begin("static").await;
    clock.advance(timeout - TICK).await;
    let mut another = Peer::connect(server.address).await;
    another.begin("static").await;
    assert_eq!((stats.failed_handshakes(), stats.open()), (10, 12), "the silent ones are still waited for");
    clock.advance(2 * TICK).await;
    clock.until("the silent ones are given up", || stats.failed_handshakes() == 20).await;
    assert_eq!(stats.open(), 2);
    drop((clock, good, another));
    assert_eq!(server.stop().await.failed_handlers(), 0);
}

#[tokio::test]
async fn stopped_server_grants_open_calls_the_grace_and_takes_no_new_one() {
    let options = Options { grace: DEADLINE / 2, ..options() };
    let grace = options.grace;
    let (sees, mut seen) = mpsc::unbounded_channel();
    let server = Running::start(options, move |mut call: Call| {
        let sees = sees.clone();
        async move {
            sees.send(()).expect("the test is there");
            while call.next().await.is_ok() {
                sees.send(()).expect("the test is there");
            }
            Ok(())
        }
    })
    .await;
    let (mut ends, mut stays) = (Peer::connect(server.address).await, Peer::connect(server.address).await);
    ends.begin("static").await;
    stays.begin("static").await;
    seen.recv().await.unwrap();
    seen.recv().await.unwrap();
    let (address, stats) = (server.address, server.stats.clone());
    let clock = StoppedClock::new();
    let (_, ()) = tokio::join!(server.stop(), async {
        clock.until("nobody listens", || std::net::TcpStream::connect(address).is_err()).await;
        assert_eq!(stats.open(), 2);
        drop(ends);
        clock.until("the first call ends by itself", || stats.open() == 1).await;
        clock.advance(grace - TICK).await;
        stays.event("Event-Name: HEARTBEAT\n").await;
        clock.until("the other one's handler still gets its events", || seen.try_recv().is_ok()).await;
        clock.advance(2 * TICK).await;
        // It is left in good order.
        stays.goodbye().await;
    });
    drop(clock);
    assert_eq!(stats.failed_handlers(), 1);
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
    let address = server.local_addr().to_string();
    let error = Server::bind(&address, options()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

/// What an outbound connection does on a server whose Event Socket is at `address`.
async fn conversations(address: &str, password: &str) {
    let client = Client::connect(address, &Credentials::password(password), &esl_core::Options::default())
        .await
        .expect("the server is there");
    for mode in ["async full", "async", "full", ""] {
        let call = Dialled::new(&client, mode).await;
        everything(call, mode, &client).await;
    }
    for format in [Format::Json, Format::Xml] {
        let Dialled { mut call, uuid, _server } = Dialled::with(&client, "async", format).await;
        let done = call.execute("set", "colour=<light> & \"blue\" 100%").await.expect("it completes");
        assert_eq!(done.get("variable_colour").as_deref(), Some("<light> & \"blue\" 100%"), "{format}");
        call.exit().await;
        gone(&client, uuid).await;
    }
    killed_while_lingering(Dialled::new(&client, "async full").await, &client).await;
    killed_during_an_application(Dialled::new(&client, "async full").await, &client).await;
    nothing_is_left_parked(&client).await;
}

/// A call that a server handed over, and the server that took it.
struct Dialled {
    call: Call,
    uuid: Uuid,
    /// Keeps the call open on the server's side until it is dropped.
    _server: tokio_util::task::AbortOnDropHandle<()>,
}

fn originate(uuid: Uuid, server: &Server, mode: &str) -> String {
    let address = server.local_addr();
    format!("originate {{origination_uuid={uuid},note=a_b}}null/x &socket('{address} {mode}')")
}

impl Dialled {
    async fn new(client: &Client, mode: &str) -> Self {
        Self::with(client, mode, Format::Plain).await
    }

    async fn with(client: &Client, mode: &str, format: Format) -> Self {
        let options = Options { linger: Some(Duration::from_secs(1)), my_events: Some(format), ..Options::default() };
        let server = Server::bind("127.0.0.1:0", options).await.expect("a free port");
        let uuid = Uuid::new_v4();
        let command = originate(uuid, &server, mode);
        let (sender, mut calls) = mpsc::channel(1);
        let serve = server.serve(move |call| {
            let sender = sender.clone();
            async move { sender.send(call).await.map_err(|_| "nobody takes it") }
        });
        let server = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(serve));
        client.background(uuid, &command).await.expect("a job");
        let call = timeout(DEADLINE, calls.recv()).await.expect("in time").expect("a call");
        assert_eq!(call.uuid(), Some(uuid));
        Self { call, uuid, _server: server }
    }
}

async fn everything(dialled: Dialled, mode: &str, client: &Client) {
    let Dialled { mut call, uuid, _server } = dialled;
    let (is_async, is_full) = (mode.contains("async"), mode.contains("full"));
    assert_eq!((call.is_async(), call.is_full()), (is_async, is_full), "{mode}");
    assert_eq!(call.variable("note").as_deref(), Some("a_b"));
    assert_eq!(call.getvar("nothing_here").await.expect("an answer"), None);

    call.answer().await.expect("the server does it");
    call.execute("set", "colour=light blue").await.expect("it completes");
    assert_eq!(call.getvar("colour").await.expect("an answer").as_deref(), Some("light blue"));
    let tone = "tone_stream://%(300,0,1004)";
    let done = call.execute("playback", tone).await.expect("it completes");
    assert_eq!(done.name(), EventName::ChannelExecuteComplete, "{mode}: it was awaited");
    assert_eq!(done.get("Application-Data").as_deref(), Some(tone));
    assert_eq!(done.get("Application-Response").as_deref(), Some("FILE PLAYED"));

    // Two in a row run one after the other.
    for milliseconds in [200, 100] {
        call.start("playback", &format!("tone_stream://%({milliseconds},0,1004)")).await.expect("the server does it");
    }
    let mut tones = Vec::new();
    while tones.len() < 4 {
        let event = timeout(DEADLINE, call.next_event()).await.expect("in time").expect("an event");
        let tone = event.get("Application-Data").filter(|data| data.contains("00,0,1004)") && !data.contains("300"));
        tones.extend(tone.map(|tone| (event.name(), tone.contains("200"))));
    }
    let [begun, over] = [EventName::ChannelExecute, EventName::ChannelExecuteComplete];
    assert_eq!(tones, [(begun, true), (over, true), (begun, false), (over, false)], "{mode}");

    if is_full {
        assert!(call.cmd("version").await.expect("the server does it").contains("FreeSWITCH"), "{mode}");
        call.subscribe(&Subscription::new([EventName::BackgroundJob])).await.expect("the server does it");
        let job = Uuid::new_v4();
        call.bgapi(job, "echo done").await.expect("the server does it");
        loop {
            let event = timeout(DEADLINE, call.next_event()).await.expect("in time").expect("an event");
            if event.job_uuid() == Some(job) {
                assert_eq!(event.body(), b"done");
                break;
            }
        }
        call.execute("set", "lines=one\n\ntwo ").await.expect("it completes");
        assert_eq!(call.getvar("lines").await.expect("an answer").as_deref(), Some("one\n\ntwo "));
    } else {
        let refused = call.cmd("version").await.expect_err("it cannot");
        assert!(refused.is_not_full(), "{refused}");
        // As FreeSWITCH sees it: what is refused here is refused there.
        let long = "x".repeat(600);
        call.execute("set", &format!("long={long}")).await.expect("it completes");
        assert_eq!(call.getvar("long").await.expect("an answer").as_deref(), Some(&long[..511]), "it is cut");
    }

    // What is dropped meanwhile shifts nothing.
    tokio::select! {
        done = call.execute("playback", ENDLESS) => panic!("{mode}: it does not end by itself: {done:?}"),
        () = runs(client, uuid, "playback") => {}
    }
    client.cmd(&format!("uuid_break {uuid}")).await.expect("the server does it");
    assert_eq!(call.getvar("colour").await.expect("an answer").as_deref(), Some("light blue"));

    call.hangup(HangupCause::USER_BUSY).await.expect("the server does it");
    let error = loop {
        match timeout(DEADLINE, call.next()).await.expect("it ends") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(error.is_closed(), "{mode}: {error}");
    // Without lingering, the last events may come too late.
    let cause = call.end().and_then(|end| end.ended());
    assert!(cause == Some(HangupCause::USER_BUSY) || (cause.is_none() && !is_full), "{mode}: {cause:?}");
    assert_eq!(call.is_lingering(), is_full, "{mode}: only with `full`");
    drop(call);
    gone(client, uuid).await;
}

async fn killed_while_lingering(dialled: Dialled, client: &Client) {
    let Dialled { mut call, uuid, _server } = dialled;
    client.cmd(&format!("uuid_kill {uuid} ALLOTTED_TIMEOUT")).await.expect("the server does it");
    let mut names = Vec::new();
    let lingering = loop {
        match timeout(DEADLINE, call.next()).await.expect("in time").expect("a notice") {
            Notice::Event(event) => names.push(event.name()),
            Notice::Lingering(time) => break time,
            _ => {}
        }
    };
    assert_eq!(lingering, Some(Duration::from_secs(1)));
    let error = call.execute("playback", "tone_stream://%(300,0,1004)").await.expect_err("it cannot");
    assert_eq!(error.ended(), Some(HangupCause::ALLOTTED_TIMEOUT), "{error}");
    assert_eq!(call.getvar("note").await.expect("an answer").as_deref(), Some("a_b"), "it still answers");
    let error = loop {
        match timeout(DEADLINE, call.next_event()).await.expect("in time") {
            Ok(event) => names.push(event.name()),
            Err(error) => break error,
        }
    };
    assert!(error.is_closed(), "{error}");
    assert!(names.contains(&EventName::ChannelHangupComplete), "{names:?}");
    gone(client, uuid).await;
}

async fn killed_during_an_application(dialled: Dialled, client: &Client) {
    let Dialled { mut call, uuid, _server } = dialled;
    let (done, _) = tokio::join!(call.execute("playback", ENDLESS), async {
        runs(client, uuid, "playback").await;
        client.cmd(&format!("uuid_kill {uuid}")).await.expect("the server does it");
    });
    // It noticed, and completed.
    assert_eq!(done.expect("it completes").name(), EventName::ChannelExecuteComplete);
    let error = call.execute("playback", "tone_stream://%(300,0,1004)").await.expect_err("it cannot");
    assert_eq!(error.ended(), Some(HangupCause::NORMAL_CLEARING), "{error}");
    call.exit().await;

    let Dialled { mut call, uuid, _server } = Dialled::new(client, "async full").await;
    let error = call.execute("nonsense_of_this_test", "").await.expect_err("it cannot");
    assert_eq!(error.ended(), Some(HangupCause::DESTINATION_OUT_OF_ORDER), "{error}");
    drop(call);
    gone(client, uuid).await;
}

/// Calls that are refused, or whose handler does nothing or panics, go on in their dialplan, here to its end.
async fn nothing_is_left_parked(client: &Client) {
    for mode in ["async full", "async", "full", ""] {
        let server = Server::bind("127.0.0.1:0", Options::default()).await.expect("a free port");
        let uuids = [Uuid::new_v4(), Uuid::new_v4()];
        let commands = uuids.map(|uuid| originate(uuid, &server, mode));
        let panics = move |call: Call| async move {
            assert!(call.uuid() != Some(uuids[1]), "as asked for");
            Ok::<(), Error>(())
        };
        let _server = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(server.serve(panics)));
        for command in commands {
            client.cmd(&command).await.expect("the server does it");
        }
        let server = Server::bind("127.0.0.1:0", Options { calls_max: 0, ..Options::default() }).await.expect("a port");
        let refused = Uuid::new_v4();
        let command = originate(refused, &server, mode);
        let stats = server.stats();
        let _server = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(server.serve(hold)));
        client.cmd(&command).await.expect("the server does it");
        for uuid in [uuids[0], uuids[1], refused] {
            gone(client, uuid).await;
        }
        assert_eq!(stats.refused(), 1, "{mode}");
    }
}

/// Plays longer than anything may take here.
const ENDLESS: &str = "tone_stream://%(60000,0,1004)";

/// Waits until the channel runs an application.
async fn runs(client: &Client, uuid: Uuid, application: &str) {
    let deadline = Instant::now() + DEADLINE;
    let question = format!("uuid_getvar {uuid} current_application");
    while client.cmd(&question).await.expect("an answer") != application {
        assert!(Instant::now() < deadline, "{uuid} does not run {application}");
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until the server knows this channel no more, and ends it where it stays.
async fn gone(client: &Client, uuid: Uuid) {
    let deadline = Instant::now() + DEADLINE;
    while client.cmd(&format!("uuid_exists {uuid}")).await.expect("an answer") == "true" {
        if Instant::now() > deadline {
            let _ = client.cmd(&format!("uuid_kill {uuid}")).await;
            panic!("{uuid} was left behind");
        }
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn conversations_with_a_real_freeswitch() {
    let Ok(server) = std::env::var("FREESWITCH_ESL") else {
        eprintln!("skipped: FREESWITCH_ESL is not set");
        return;
    };
    let (address, password) = server.rsplit_once(':').expect("FREESWITCH_ESL is host:port:password");
    conversations(address, password).await;
}
