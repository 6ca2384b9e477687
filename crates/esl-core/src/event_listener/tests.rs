#[path = "../../tests/support/clock.rs"]
mod clock;
mod lost;

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::connection::dialogue::Server;
use crate::{App, Backoff, BoxError, Callbacks, Client, Context, HangupCause, KeepAwake, Liveness, Originate};
use clock::{StoppedClock, TICK};

const SECOND: Duration = Duration::from_secs(1);
const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

/// A server at a port of its own, whose side of each conversation the test writes.
struct Fake {
    listener: TcpListener,
    address: String,
}

impl Fake {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        Self { listener, address }
    }

    /// The next connection, let in.
    async fn accept(&self) -> Server<TcpStream> {
        let (stream, _) = self.listener.accept().await.expect("a connection");
        let mut server = Server(stream);
        server.let_in().await;
        server
    }

    fn listener(&self) -> EventListener {
        let options = Options {
            reconnect: Some(Backoff { min: Duration::from_millis(1), max: Duration::from_millis(2) }),
            ..Options::default()
        };
        let credentials = Credentials::password("ClueCon");
        EventListener::with_options(&self.address, credentials, options, ListenerOptions::default())
    }

    /// A client with a listener that runs, and the server's ends of both.
    async fn pair(&self) -> (Client, EventListener, Server<TcpStream>, Server<TcpStream>) {
        let listener = self.listener();
        let (connected, mut events) = tokio::join!(listener.connect(), async {
            let mut events = self.accept().await;
            assert!(events.command().await.starts_with("event plain BACKGROUND_JOB CHANNEL_CREATE "));
            events.reply("+OK event listener enabled plain").await;
            events
        });
        connected.expect("connected");
        listener.start().expect("started");
        let credentials = Credentials::password("ClueCon");
        let options = Options { reconnect: None, ..Options::default() };
        let (client, commands) = tokio::join!(Client::connect(&self.address, &credentials, &options), self.accept());
        let client = client.expect("connected");
        client.attach(&listener);
        // Whoever reads the events' socket next finds it as it was.
        events.event("Event-Name: HEARTBEAT\n").await;
        (client, listener, events, commands)
    }
}

fn channel(name: &str, uuid: Uuid, more: &str) -> String {
    format!("Event-Name: {name}\nUnique-ID: {uuid}\nChannel-State: CS_X\n{more}")
}

/// Has the server make channel `A`, and waits for its session.
async fn create(listener: &EventListener, events: &mut Server<TcpStream>) -> crate::Session {
    events.event(&channel("CHANNEL_CREATE", A, "")).await;
    until("the session", || listener.session(A).is_some()).await;
    listener.session(A).expect("it is there")
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(10 * SECOND, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn it_is_built_trimmed_connected_and_started() {
    let fake = Fake::start().await;
    let listener = fake.listener();
    assert!(!listener.is_connected() && !listener.is_running());
    assert_eq!(format!("{listener:?}"), format!("EventListener({}, disconnected)", fake.address));
    assert!(listener.start().unwrap_err().is_no_listener());
    listener.unsubscribe(EventName::ChannelBridge).await.unwrap();
    listener.subscribe(|events| events.custom("a::b")).await.unwrap();
    let (connected, mut server) = tokio::join!(listener.connect(), async {
        let mut server = fake.accept().await;
        let command = server.command().await;
        assert!(!command.contains("CHANNEL_BRIDGE") && command.ends_with(" CUSTOM a::b"), "{command}");
        server.reply("+OK event listener enabled plain").await;
        server
    });
    connected.unwrap();
    assert!(listener.is_connected() && !listener.is_running());
    listener.start().unwrap();
    assert!(listener.is_connected() && listener.is_running());
    // What it is subscribed to can be changed while it runs.
    let (changed, ()) = tokio::join!(listener.subscribe(|events| events.with(EventName::Dtmf)), async {
        assert_eq!(server.command().await, "event plain DTMF");
        server.reply("+OK event listener enabled plain").await;
    });
    changed.unwrap();
    let (refused, ()) = tokio::join!(listener.unsubscribe(EventName::Dtmf), async {
        assert_eq!(server.command().await, "nixevent DTMF");
        server.reply("-ERR no").await;
    });
    assert!(refused.is_err() && listener.subscription().contains(EventName::Dtmf));
    let (_, ()) = tokio::join!(listener.disconnect(), async {
        assert_eq!(server.command().await, "exit");
        drop(server);
    });
    assert!(!listener.is_connected() && !listener.is_running());
}

#[tokio::test]
async fn without_a_listener_that_runs_a_call_is_refused_and_says_what_to_do() {
    let fake = Fake::start().await;
    let credentials = Credentials::password("ClueCon");
    let options = Options::default();
    let (client, _commands) = tokio::join!(Client::connect(&fake.address, &credentials, &options), fake.accept());
    let client = client.unwrap();
    let error = client.originate("9196@host:5080").await.unwrap_err();
    assert!(error.is_no_listener());
    assert!(error.to_string().contains("attach one"), "{error}");
    client.attach(&fake.listener());
    let error = client.originate("9196@host:5080").await.unwrap_err();
    assert!(error.is_no_listener());
    assert_eq!(error.to_string(), "the listener is not connected: connect and start it first");
}

#[tokio::test]
async fn a_call_is_followed_from_its_originate_to_its_end() {
    let fake = Fake::start().await;
    let (client, listener, mut events, mut commands) = fake.pair().await;
    let (job, command) = tokio::join!(client.originate("9196@host:5080"), async {
        let command = commands.command().await;
        let job = command.split([':', ' ']).nth(3).unwrap().to_owned();
        commands.answer(&format!("+OK Job-UUID: {job}\n")).await;
        command
    });
    let job = job.unwrap();
    let uuid = job.session_uuid().unwrap();
    assert_eq!(uuid, job.uuid());
    assert!(command.contains(&format!("api bgapi uuid:{uuid} originate {{origination_uuid={uuid},")), "{command}");
    // Early media would answer it otherwise, and nothing would end it.
    assert!(command.contains("ignore_early_media=true") && command.contains("originate_timeout=60"), "{command}");
    assert!(command.contains(&format!("sip_h_X-esl-call={uuid}")), "{command}");
    assert!(command.ends_with("}sofia/external/9196@host:5080 &park()"), "{command}");
    assert_eq!((listener.count_jobs(), listener.bg_jobs()[0].uuid()), (1, uuid));

    let tracking = format!("variable_sip_h_X-esl-call: {uuid}\n");
    events.event(&channel("CHANNEL_CREATE", uuid, &tracking)).await;
    events.event(&channel("CHANNEL_CREATE", B, &format!("{tracking}Call-Direction: inbound\n"))).await;
    events.event(&channel("CHANNEL_ANSWER", uuid, "")).await;
    let result = format!("+OK {uuid}\n");
    events
        .event(&format!("Event-Name: BACKGROUND_JOB\nJob-UUID: {uuid}\nContent-Length: {}\n\n{result}", result.len()))
        .await;
    assert_eq!(job.get(10 * SECOND).await.unwrap(), uuid.to_string());
    let call = listener.call(uuid).unwrap();
    assert_eq!((call.sessions().len(), call.last().unwrap().uuid()), (2, B));
    assert_eq!(listener.calls(), std::slice::from_ref(&call));

    let (hung_up, ()) = tokio::join!(call.hangup(), async {
        assert_eq!(commands.command().await, format!("api uuid_kill {uuid} NORMAL_CLEARING"));
        commands.answer("+OK\n").await;
        for name in ["CHANNEL_HANGUP", "CHANNEL_DESTROY"] {
            events.event(&channel(name, uuid, "Hangup-Cause: NORMAL_CLEARING\n")).await;
        }
        events.event(&channel("CHANNEL_DESTROY", B, "Hangup-Cause: NORMAL_CLEARING\n")).await;
    });
    hung_up.unwrap();
    until("both legs end", || listener.count_sessions() == 0).await;
    assert_eq!((listener.count_calls(), listener.count_jobs(), listener.count_answered()), (0, 0, 1));
    assert_eq!(listener.hangup_causes()[&HangupCause::NORMAL_CLEARING], 2);
}

#[tokio::test]
async fn fact_2_an_older_server_gets_bgapi() {
    let fake = Fake::start().await;
    let (client, _listener, _events, mut commands) = fake.pair().await;
    let (job, ()) = tokio::join!(client.bgapi("status"), async {
        assert!(commands.command().await.starts_with("api bgapi uuid:"));
        commands.answer(&format!("+OK Job-UUID: {A}\n")).await;
        let command = commands.command().await;
        assert!(command.starts_with("bgapi status\nJob-UUID: "), "{command}");
        commands.reply("+OK Job-UUID: x").await;
    });
    let (again, ()) = tokio::join!(client.bgapi("status"), async {
        assert!(commands.command().await.starts_with("bgapi "), "it is known by now");
        commands.reply("-ERR permission denied").await;
    });
    assert!(!job.unwrap().ready());
    assert_eq!(again.unwrap_err().to_string(), "-ERR permission denied");
}

#[tokio::test]
async fn fact_27_an_execution_is_done_when_its_own_end_is_told_or_its_channel_s() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, mut commands) = fake.pair().await;
    let session = create(&listener, &mut events).await;
    let (played, ()) = tokio::join!(async { session.playback("x.wav").await }, async {
        let command = commands.command().await;
        let id = command.split("Event-UUID: ").nth(1).unwrap().split('\n').next().unwrap().to_owned();
        commands.reply("+OK").await;
        for (name, id) in [("EXECUTE", &*id), ("EXECUTE_COMPLETE", &B.to_string()), ("EXECUTE_COMPLETE", &id)] {
            let response = format!("Application-UUID: {id}\nApplication-Response: {id}\n");
            events.event(&channel(&format!("CHANNEL_{name}"), A, &response)).await;
        }
        // Only this one's end counts.
        let done = session.clone();
        until("told", move || done.last(EventName::ChannelExecuteComplete).is_some()).await;
    });
    assert_ne!(played.unwrap().response(), Some(B.to_string()));
    let (played, ()) = tokio::join!(async { session.playback("x.wav").await }, async {
        commands.command().await;
        commands.reply("+OK").await;
        events.event(&channel("CHANNEL_DESTROY", A, "Hangup-Cause: USER_BUSY\n")).await;
    });
    assert_eq!(played.unwrap_err().ended(), Some(HangupCause::of("USER_BUSY")));
    assert!(
        session.playback("y.wav").await.unwrap_err().ended().is_some(),
        "nothing is sent to a channel that is gone"
    );
}

#[tokio::test]
async fn what_waits_for_an_event_that_nobody_gets_is_refused() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, _commands) = fake.pair().await;
    events.event(&channel("CHANNEL_CREATE", A, "")).await;
    until("the session", || listener.session(A).is_some()).await;
    let (nixed, ()) = tokio::join!(listener.unsubscribe(EventName::ChannelPark), async {
        assert_eq!(events.command().await, "nixevent CHANNEL_PARK");
        events.reply("+OK events nixed").await;
    });
    nixed.unwrap();
    let error = listener.session(A).unwrap().park().await.unwrap_err();
    assert!(error.to_string().starts_with("this needs CHANNEL_PARK events"), "{error}");
}

#[tokio::test]
async fn fact_11_who_reads_slowly_loses_events_and_the_socket_is_always_read() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, _commands) = fake.pair().await;
    let (mut slow, mut quick) = (listener.events(10), listener.events(100_000));
    // More than the sockets' buffers hold: it arrives only if it is read.
    let filler = "x".repeat(5000);
    for n in 0..5000 {
        events.event(&channel("CHANNEL_STATE", A, &format!("variable_n: {n}\nvariable_filler: {filler}\n"))).await;
    }
    let mut seen = 0;
    while seen < 5000 {
        let event = timeout(10 * SECOND, quick.next()).await.unwrap().unwrap();
        seen += usize::from(event.name() == EventName::ChannelState);
    }
    assert_eq!(quick.dropped(), 0);
    assert!(slow.dropped() >= 4980, "{}", slow.dropped());
    assert!(slow.next().await.is_some());
}

#[tokio::test]
async fn fact_1_listener_is_kept_awake_only_while_an_event_is_awaited() {
    const PERIOD: Duration = Duration::from_millis(10);
    let fake = Fake::start().await;
    // Without liveness only the keep-awake sends a `noop`.
    let options = Options { keep_awake: KeepAwake::every(PERIOD), liveness: Liveness::OFF, ..Options::default() };
    let credentials = Credentials::password("ClueCon");
    let listener = EventListener::with_options(&fake.address, credentials, options, ListenerOptions::default());
    let (connected, mut events) = tokio::join!(listener.connect(), async {
        let mut events = fake.accept().await;
        events.command().await;
        events.reply("+OK event listener enabled plain").await;
        events
    });
    connected.unwrap();
    listener.start().unwrap();
    events.event(&channel("CHANNEL_CREATE", A, "")).await;
    until("the session", || listener.session(A).is_some()).await;
    let clock = StoppedClock::new();
    // Each change of the subscription is a command that comes after whatever was sent before it.
    for on in [true, false, true] {
        clock.advance(PERIOD + TICK).await;
        assert_eq!(noops_before_change(&listener, &mut events, on).await, 0, "nothing is awaited");
    }
    let answer = listener.session(A).unwrap().recv(EventName::ChannelAnswer, 10 * SECOND);
    for _ in 0..5 {
        clock.advance(PERIOD + TICK).await;
        assert_eq!(events.command().await, "noop");
        events.reply("-ERR command not found").await;
    }
    events.event(&channel("CHANNEL_ANSWER", A, "")).await;
    answer.await.unwrap();
    assert_eq!(noops_before_change(&listener, &mut events, false).await, 0, "none is due at this time");
    for on in [true, false, true] {
        clock.advance(PERIOD + TICK).await;
        assert_eq!(noops_before_change(&listener, &mut events, on).await, 0, "nothing is awaited any more");
    }
}

/// Subscribes to `DTMF`, or no more. Returns how many `noop`s came before that command.
async fn noops_before_change(listener: &EventListener, events: &mut Server<TcpStream>, on: bool) -> usize {
    let change =
        listener.subscribe(|known| if on { known.with(EventName::Dtmf) } else { known.without(EventName::Dtmf) });
    let (changed, noops) = tokio::join!(change, async {
        let mut noops = 0;
        loop {
            let command = events.command().await;
            if command != "noop" {
                assert_eq!(command, if on { "event plain DTMF" } else { "nixevent DTMF" });
                events.reply("+OK").await;
                return noops;
            }
            events.reply("-ERR command not found").await;
            noops += 1;
        }
    });
    changed.expect("the server does it");
    noops
}

/// Counts what it is called for.
#[derive(Default)]
struct Counting {
    calls: Arc<AtomicUsize>,
    torn_down: Arc<AtomicUsize>,
    broken: bool,
    panics: bool,
    name: Option<&'static str>,
}

impl App for Counting {
    fn name(&self) -> String {
        self.name.unwrap_or("Counting").to_owned()
    }

    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        let app = self.clone();
        on.call(EventName::Dtmf, move |_, _| {
            app.calls.fetch_add(1, Ordering::SeqCst);
            assert!(!app.panics, "on purpose");
        });
        let app = self.clone();
        on.handler(EventName::ChannelAnswer, move |_, session| {
            let app = app.clone();
            async move {
                session.recv(EventName::ChannelHangup, 10 * SECOND).await?;
                app.calls.fetch_add(100, Ordering::SeqCst);
                Ok(())
            }
        });
    }

    async fn set_up(&self, context: &Context) -> Result<(), BoxError> {
        assert!(!context.id.is_empty() && context.client.listener().is_some());
        if self.broken { Err("broken".into()) } else { Ok(()) }
    }

    async fn tear_down(&self, _: &Context) {
        self.torn_down.fetch_add(1, Ordering::SeqCst);
    }
}

struct Useless;

impl App for Useless {
    fn callbacks(self: &Arc<Self>, _: &mut Callbacks) {}
}

#[tokio::test]
async fn a_bad_app_leaves_nothing_behind() {
    let fake = Fake::start().await;
    let (client, listener, mut events, _commands) = fake.pair().await;
    let before = listener.subscription();
    let error = client.load_app(Useless).await.unwrap_err().to_string();
    assert_eq!(error, r#"app "Useless" was not loaded: Useless has no callbacks"#);
    let error = client.load_app(Counting { broken: true, ..Counting::default() }).await.unwrap_err().to_string();
    assert_eq!(error, r#"app "Counting" was not loaded: broken"#);
    assert!(client.load_app_as("a b", Counting::default()).await.is_err());
    // A server that refuses the events that it needs.
    let app = Counting::default();
    let torn_down = app.torn_down.clone();
    let (refused, ()) = tokio::join!(client.load_app(app), async {
        assert_eq!(events.command().await, "event plain DTMF");
        events.reply("-ERR permission denied").await;
    });
    assert!(refused.unwrap_err().to_string().ends_with("-ERR permission denied"));
    assert_eq!(torn_down.load(Ordering::SeqCst), 1, "what was set up is torn down");
    assert!(client.apps().ids().is_empty());
    assert_eq!(listener.subscription(), before);
    assert!(!listener.groups().contains("Counting", "Counting"));
}

#[tokio::test]
async fn apps_get_the_events_of_their_own_sessions() {
    let fake = Fake::start().await;
    let (client, listener, mut events, mut commands) = fake.pair().await;
    let (one, two) = (Counting::default(), Counting { panics: true, ..Counting::default() });
    let (one_calls, two_calls, torn_down) = (one.calls.clone(), two.calls.clone(), one.torn_down.clone());
    let (id, ()) = tokio::join!(client.load_app(one), async {
        assert_eq!(events.command().await, "event plain DTMF");
        events.reply("+OK event listener enabled plain").await;
    });
    assert_eq!(id.unwrap(), "Counting");
    assert_eq!(client.load_app_as("other", two).await.unwrap(), "other", "its events are subscribed to already");
    let again = client.load_app(Counting::default()).await.unwrap_err();
    assert!(again.to_string().contains("load it under another one"), "{again}");
    client.load_app_as("other", Counting { name: Some("Beside"), ..Counting::default() }).await.unwrap();
    assert_eq!(client.apps().ids(), ["Counting", "other"]);
    assert_eq!(client.apps().names("other"), ["Counting", "Beside"]);
    assert!(client.apps().get::<Counting>("Counting").is_some() && client.apps().get::<Useless>("other").is_none());

    for (uuid, app) in [(A, "Counting"), (B, "other")] {
        events.event(&channel("CHANNEL_CREATE", uuid, &format!("variable_sip_h_X-esl-app: {app}\n"))).await;
        events.event(&channel("DTMF", uuid, "DTMF-Digit: 1\n")).await;
        events.event(&channel("CHANNEL_ANSWER", uuid, "")).await;
    }
    events.event(&channel("CHANNEL_CREATE", Uuid::from_u128(0xc), "")).await;
    events.event(&channel("DTMF", Uuid::from_u128(0xc), "DTMF-Digit: 1\n")).await;
    until("each its own", || one_calls.load(Ordering::SeqCst) == 1 && two_calls.load(Ordering::SeqCst) == 1).await;
    until("a callback that panics is counted", || listener.app_stats("other").failed == 1).await;
    until("three handlers wait", || listener.app_stats("other").events == 2).await;
    let stats = listener.app_stats("Counting");
    assert_eq!((stats.events, stats.dropped, stats.failed), (2, 0, 0));
    // A handler may begin to wait only after the first of these.
    let done = async {
        loop {
            events.event(&channel("CHANNEL_HANGUP", A, "")).await;
            if one_calls.load(Ordering::SeqCst) == 101 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(10 * SECOND, done).await.expect("the handler goes on");

    let (unloaded, ()) = tokio::join!(client.unload_app("Counting", None), async {});
    assert_eq!((unloaded, torn_down.load(Ordering::SeqCst)), (1, 1));
    let (unloaded, ()) = tokio::join!(client.unload_app("other", None), async {
        assert_eq!(events.command().await, "nixevent DTMF", "nobody needs it any more");
        events.reply("+OK events nixed").await;
    });
    assert_eq!(unloaded, 2);
    assert_eq!(client.unload_app("other", None).await, 0);
    let (job, ()) = tokio::join!(client.originate_as("other", Originate::new(A, "null/x", "park")), async {
        let command = commands.command().await;
        assert!(command.contains("sip_h_X-esl-app=other"), "{command}");
        assert!(command.contains(&format!("esl_client={}", client.id())), "{command}");
        assert!(command.contains(&format!("esl_client_app={}/other", client.id())), "{command}");
        commands.answer("-ERR no\n").await;
        commands.command().await;
        commands.reply("-ERR permission denied").await;
    });
    assert_eq!(job.unwrap_err().to_string(), "-ERR permission denied");
    assert_eq!(listener.count_jobs(), 0, "a job that was not started is none");
}

/// Never has done with cleaning up, and counts when it begins.
struct Hanging {
    name: &'static str,
    tearing_down: Arc<AtomicUsize>,
}

impl App for Hanging {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.call(EventName::ChannelAnswer, |_, _| {});
    }

    async fn tear_down(&self, _: &Context) {
        self.tearing_down.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test]
async fn abandoned_unload_keeps_the_apps_that_it_has_not_reached() {
    let fake = Fake::start().await;
    let (client, listener, _events, _commands) = fake.pair().await;
    let tearing_down = Arc::<AtomicUsize>::default();
    for name in ["one", "two"] {
        client.load_app_as("both", Hanging { name, tearing_down: tearing_down.clone() }).await.unwrap();
    }
    tokio::select! {
        unloaded = client.unload_app("both", None) => panic!("{unloaded} were torn down"),
        () = until("the first one is torn down", || tearing_down.load(Ordering::SeqCst) == 1) => {}
    }
    assert_eq!(client.apps().names("both"), ["two"]);
    assert!(listener.groups().contains("both", "two") && !listener.groups().contains("both", "one"));
}

#[tokio::test]
async fn hupall_s_value_stays_one_word() {
    let fake = Fake::start().await;
    let (client, _listener, _events, mut commands) = fake.pair().await;
    let (hung_up, ()) = tokio::join!(client.hupall(Some("it's one")), async {
        let command = commands.command().await;
        let value = format!(r"'{}/it\'s one'", client.id());
        assert_eq!(command, format!("api hupall NORMAL_CLEARING esl_client_app {value}"));
        commands.answer("+OK\n").await;
    });
    hung_up.unwrap();
}
