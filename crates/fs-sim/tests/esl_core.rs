//! The client library against a server, one body for both: a simulated FreeSWITCH always, and a real one, set up as the
//! recorded one was, where `FREESWITCH_ESL=host:port:password` is set. It calls its own dialplan over SIP, a few calls.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[path = "../../esl-core/tests/support/clock.rs"]
mod clock;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/until.rs"]
mod until;

use std::num::NonZeroU32;
use std::time::Duration;

use clock::{StoppedClock, TICK};
use esl_core::{
    App, Bridge, Callbacks, Client, Command, Connection, Credentials, Event, EventListener, EventName, Filter, Format,
    HangupCause, Incoming, KeepAwake, ListenerOptions, Liveness, LogLevel, Options, Originate, Playback, Session,
    Status,
};
use proxy::Proxy;
use tokio::time::timeout;
use until::{SOON, until};
use uuid::Uuid;

/// Where every call is parked, unanswered, by the far end's dialplan.
const PARK: &str = "sofia/external/park@127.0.0.1:5090";

#[derive(Clone)]
struct Place {
    address: String,
    password: String,
}

impl Place {
    fn credentials(&self) -> Credentials {
        Credentials::password(self.password.clone())
    }

    fn options(&self) -> Options {
        Options { keep_awake: KeepAwake::every(Duration::from_millis(2)), ..Options::default() }
    }

    async fn listener(&self) -> EventListener {
        let listener =
            EventListener::with_options(&self.address, self.credentials(), self.options(), ListenerOptions::default());
        listener.connect().await.expect("connected");
        listener.start().expect("started");
        listener
    }

    /// A client with a listener that runs.
    async fn client(&self) -> (Client, EventListener) {
        let listener = self.listener().await;
        let client = Client::connect(&self.address, &self.credentials(), &self.options()).await.expect("connected");
        client.attach(&listener);
        (client, listener)
    }
}

/// Runs a body against both.
async fn on_both<F: Future<Output = ()>>(body: impl Fn(Place) -> F) {
    let server = fs_sim::Server::start(fs_sim::Config::default()).await.expect("a simulated server");
    body(Place { address: server.addr().to_string(), password: "ClueCon".to_owned() }).await;
    let left = server.wait_for(SOON, |state| state.channels == 0).await;
    assert!(left.is_ok(), "no channel is left behind");
    server.stop().await;
    match std::env::var("FREESWITCH_ESL") {
        Err(_) => eprintln!("skipped against a real server: FREESWITCH_ESL is not set"),
        Ok(place) => {
            let (address, password) = place.rsplit_once(':').expect("FREESWITCH_ESL=host:port:password");
            body(Place { address: address.to_owned(), password: password.to_owned() }).await;
        }
    }
}

/// Waits until these are gone. Others may be on a real server.
async fn over(sessions: &[&Session]) {
    until("all is over", || sessions.iter().all(|session| session.ended())).await;
}

fn parked_call() -> Originate {
    Originate::new(Uuid::new_v4(), PARK, "park").ignore_early_media(true).timeout(Duration::from_secs(20))
}

/// A call to the parking profile: its near leg and its far leg, which is parked and not answered.
async fn parked(client: &Client, call: Originate) -> (Session, Session) {
    let listener = client.listener().expect("attached");
    let job = client.originate(call).await.expect("originated");
    let uuid = job.session_uuid().expect("a session");
    until("both legs", || listener.call(uuid).is_some_and(|call| call.last().is_some())).await;
    let call = listener.call(uuid).expect("it is there");
    let (near, far) = (call.first(), call.last().expect("it is there"));
    assert_eq!(near.uuid(), uuid);
    until("the far leg is parked", || far.last(EventName::ChannelPark).is_some()).await;
    (near, far)
}

/// The same, answered.
async fn answered(client: &Client) -> (Session, Session) {
    let (near, far) = parked(client, parked_call()).await;
    far.answer().within(SOON).await.expect("answered");
    until("the near leg is answered and parked", || near.last(EventName::ChannelPark).is_some()).await;
    (near, far)
}

#[tokio::test]
async fn commands_and_their_refusals() {
    on_both(async |place: Place| {
        let client = Client::connect(&place.address, &place.credentials(), &place.options()).await.expect("connected");
        assert!(client.cmd("status").await.unwrap().starts_with("UP "));
        let refusal = client.cmd("not a real command").await.unwrap_err();
        assert_eq!(refusal.to_string(), "-ERR not Command not found!");
        assert_eq!(refusal.command_failure().unwrap().kind, esl_core::ApiErrorKind::Refused);
        let usage = client.cmd("uuid_kill").await.unwrap_err();
        assert_eq!(usage.command_failure().unwrap().kind, esl_core::ApiErrorKind::Usage);
        assert!(client.originate(parked_call()).await.unwrap_err().is_no_listener());
        client.disconnect().await;
        assert!(client.is_closed() && client.cmd("status").await.unwrap_err().is_closed());

        let wrong = Credentials::password("wrong");
        let error = Client::connect(&place.address, &wrong, &place.options()).await.unwrap_err();
        assert!(error.is_password(), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_call_is_made_of_its_legs_and_the_job_tells_its_result() {
    on_both(async |place: Place| {
        let (client, listener) = place.client().await;
        let job = client.originate(parked_call()).await.unwrap();
        let uuid = job.session_uuid().unwrap();
        assert!(!job.ready(), "its far leg is not answered");
        until("both legs", || listener.call(uuid).is_some_and(|call| call.last().is_some())).await;
        let call = listener.call(uuid).unwrap();
        let (near, far) = (call.first(), call.last().unwrap());
        assert!(near.is_outbound() && far.is_inbound() && !near.answered());
        assert_eq!(call.get_peer(&near), Some(far.clone()));
        until("it is parked", || far.last(EventName::ChannelPark).is_some()).await;
        let done = far.answer().await.unwrap();
        assert_eq!(done.event().unwrap().name(), EventName::ChannelAnswer);
        assert_eq!(job.get(SOON).await.unwrap(), uuid.to_string());
        until("the near leg's answer", || near.answered()).await;
        assert!(far.answer().await.is_ok(), "answered already");
        call.hangup().await.unwrap();
        over(&[&near, &far]).await;
        assert!(listener.call(uuid).is_none() && listener.session(uuid).is_none());
        assert!(listener.hangup_causes()[&HangupCause::NORMAL_CLEARING] >= 2);
        assert!(near.times().hung_up.is_some() && near.ended() && near.uptime() < Duration::from_secs(20));

        let job = client.originate("486@127.0.0.1:5080").await.unwrap();
        assert_eq!(job.await.unwrap_err().to_string(), "-ERR USER_BUSY");
        let busy = HangupCause::of("USER_BUSY");
        until("both ends", || listener.hangup_causes().get(&busy).is_some_and(|&count| count >= 2)).await;
        assert!(listener.failed_sessions(busy).len() >= 2);
        listener.disconnect().await;
    })
    .await;
}

#[tokio::test]
async fn fact_27_application_is_done_when_its_last_round_has_ended() {
    on_both(async |place: Place| {
        let (client, _listener) = place.client().await;
        let (near, far) = answered(&client).await;
        let tone = "tone_stream://%(300,0,1004)";
        let done = near.playback(tone).await.unwrap();
        assert_eq!(done.response().as_deref(), Some("FILE PLAYED"));
        assert_eq!(rounds(&near, tone), [EventName::ChannelExecute, EventName::ChannelExecuteComplete]);
        let done = near.playback("nothing-of-that-name.wav").await.unwrap();
        assert_eq!(done.response().as_deref(), Some("FILE NOT FOUND"));

        // One that takes over half a second is repeated, and is done after the last round.
        let (tone, twice) = ("tone_stream://%(600,0,1004)", NonZeroU32::new(2).unwrap());
        near.playback(tone).loops(twice).await.unwrap();
        let round = [EventName::ChannelExecute, EventName::ChannelExecuteComplete];
        assert_eq!(rounds(&near, tone), [round, round].concat());

        let endless = Playback::new("tone_stream://%(1000,0,425)").endless();
        near.playback(endless).within(SOON).await.unwrap();
        near.breakmedia(true).await.unwrap();
        // What is at once is worked off in its order all the same.
        near.execute("set", "order=1").at_once().unwrap();
        near.execute("set", "order=2").await.unwrap();
        assert_eq!(near.getvar("order").await.unwrap().as_deref(), Some("2"));
        // An argument that no header carries.
        let long = format!("long= {}", "x".repeat(3000));
        near.execute("set", &long).await.unwrap();
        assert_eq!(near.getvar("long").await.unwrap().map(|value| value.len()), Some(3001));

        far.echo().within(SOON).await.unwrap();
        let tone = "tone_stream://%(60000,0,425)";
        let playing = near.playback(tone);
        let (ended, hung_up) = tokio::join!(async { playing.await }, async {
            until("it plays", || rounds(&near, tone) == [EventName::ChannelExecute]).await;
            near.hangup_with(HangupCause::of("USER_BUSY")).await
        });
        hung_up.unwrap();
        // The channel's end ends the application too: one of both is told first.
        if let Err(error) = ended {
            assert_eq!(error.ended(), Some(HangupCause::of("USER_BUSY")), "{error}");
        }
        assert!(near.playback("x").await.unwrap_err().ended().is_some());
        near.hangup().await.expect("it is hung up already");
        client.hupall(None).await.unwrap();
    })
    .await;
}

/// The beginnings and ends of an application with this argument that a session has seen.
fn rounds(session: &Session, data: &str) -> Vec<EventName> {
    let events = session.history().into_iter().filter(|event| event.get("Application-Data").as_deref() == Some(data));
    let names = events.map(|event| event.name());
    names.filter(|name| matches!(*name, EventName::ChannelExecute | EventName::ChannelExecuteComplete)).collect()
}

#[tokio::test]
async fn variables_come_back_as_they_were_set() {
    on_both(async |place: Place| {
        let (client, _listener) = place.client().await;
        let (near, _far) = answered(&client).await;
        for value in ["plain", "it's", " a  b ", "a\\b", "x\ny", "${x}", "a,b;c=d", "'q'", "\\n", "é☎", "-ERR x"] {
            near.setvar("note", value).await.unwrap();
            assert_eq!(near.getvar("note").await.unwrap().as_deref(), Some(value));
        }
        near.unsetvar("note").await.unwrap();
        assert_eq!(near.getvar("note").await.unwrap(), None);
        near.setvars(&[("a", "1"), ("b", "it's 2")]).await.unwrap();
        assert_eq!(near.getvar("b").await.unwrap().as_deref(), Some("it's 2"));
        client.hupall(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_else_a_session_can_be_told() {
    on_both(async |place: Place| {
        let (client, _listener) = place.client().await;
        let (near, far) = answered(&client).await;
        near.send_dtmf("12", Some(Duration::from_millis(80))).await.unwrap();
        near.sched_dtmf(Duration::from_secs(100), "1", None).await.unwrap();
        near.sched_hangup(Duration::from_secs(100), HangupCause::ALLOTTED_TIMEOUT).await.unwrap();
        near.clear_tasks().await.unwrap();
        near.mute(false, 1).await.unwrap();
        near.unmute(false).await.unwrap();
        near.broadcast("playback::silence_stream://100", "aleg", None).await.unwrap();
        near.breakmedia(false).await.unwrap();
        near.park().within(SOON).await.unwrap();
        // What the server cannot do, it says.
        let refusal = near.start_amd(None).await.unwrap_err();
        assert_eq!(refusal.to_string(), "-ERR avmd Command not found!");
        near.stop_amd().await.unwrap_err();
        // Text that would break out of its place.
        assert!(near.send_dtmf("1 2", None).await.unwrap_err().to_string().contains("DTMF digits"));
        assert!(near.broadcast("a\nb", "aleg", None).await.is_err());
        far.respond("486 Busy Here").at_once().unwrap();
        near.sched_hangup(Duration::ZERO, HangupCause::of("USER_BUSY")).await.unwrap();
        over(&[&near, &far]).await;
    })
    .await;
}

#[tokio::test]
async fn two_sessions_hear_each_other_once_they_are_bridged() {
    on_both(async |place: Place| {
        let (client, _listener) = place.client().await;
        let (near, far) = parked(&client, parked_call()).await;
        let busy = Bridge::to("486@127.0.0.1:5080").profile("external").param("continue_on_fail", "true");
        let error = far.bridge(busy).within(SOON).await.unwrap_err();
        assert_eq!(error.command_failure().map(|refusal| &*refusal.words), Some("USER_BUSY"), "{error}");
        client.hupall(None).await.unwrap();
        over(&[&near, &far]).await;

        let (near, far) = parked(&client, parked_call()).await;
        let done = far.bridge(Bridge::to("9196@127.0.0.1:5080").profile("external")).within(SOON).await.unwrap();
        assert_eq!(done.event().unwrap().name(), EventName::ChannelBridge);
        until("the near leg is answered by it", || near.answered()).await;
        // The bridged leg belongs to the same call, and the leg behind it, over SIP, to one of its own.
        assert!(far.call().unwrap().sessions().len() >= 2);
        let legs = far.call().unwrap().sessions();
        near.hangup().await.unwrap();
        over(&legs.iter().collect::<Vec<_>>()).await;
    })
    .await;
}

#[tokio::test]
async fn hupall_hangs_up_its_own_calls_and_nobody_else_s() {
    on_both(async |place: Place| {
        let ((mine, listener), (theirs, _)) = (place.client().await, place.client().await);
        let call = || Originate::new(Uuid::new_v4(), "null/x", "park");
        let other = theirs.originate(call()).await.unwrap();
        let mut jobs = Vec::new();
        for _ in 0..5 {
            jobs.push(mine.originate(call()).await.unwrap());
        }
        jobs.push(mine.originate_as("app", call()).await.unwrap());
        let last = jobs.last().unwrap().get(SOON).await.unwrap();
        // An id of two words is not that of the first one.
        let two = mine.originate_as("app 'two'", call()).await.unwrap().get(SOON).await.unwrap();
        mine.hupall(Some("app 'two'")).await.unwrap();
        assert!(listener.session(two.parse().unwrap()).is_none());
        assert!(listener.session(last.parse().unwrap()).is_some());
        mine.hupall(Some("app")).await.unwrap();
        assert!(listener.session(last.parse().unwrap()).is_none());
        for job in &jobs[..5] {
            let uuid = job.get(SOON).await.unwrap().parse().unwrap();
            assert!(listener.session(uuid).is_some(), "those without the app are up");
        }
        // One whose originate is under way is met too.
        let ringing = mine.originate(Originate::new(Uuid::new_v4(), "sofia/external/noanswer@127.0.0.1:5080", "park"));
        let ringing = ringing.await.unwrap();
        mine.hupall(None).await.unwrap();
        assert!(ringing.get(SOON).await.is_err());
        let other: Uuid = other.get(SOON).await.unwrap().parse().unwrap();
        for job in &jobs {
            assert!(listener.session(job.uuid()).is_none());
        }
        assert_eq!(mine.cmd(&format!("uuid_exists {other}")).await.unwrap(), "true");
        theirs.hupall(None).await.unwrap();
    })
    .await;
}

/// Answers who is parked, and says so.
struct Answering;

impl App for Answering {
    fn callbacks(self: &std::sync::Arc<Self>, on: &mut Callbacks) {
        on.handler(EventName::ChannelPark, async |_: Event, session: Session| {
            if session.is_inbound() {
                session.vars(|vars| vars.insert("seen".to_owned(), "yes".to_owned()));
                session.answer().await?;
            }
            Ok(())
        });
    }
}

#[tokio::test]
async fn app_controls_the_far_legs_of_its_own_calls_alone() {
    on_both(async |place: Place| {
        let (client, listener) = place.client().await;
        assert_eq!(client.load_app(Answering).await.unwrap(), "Answering");
        let seen = |session: &Session| session.vars(|vars| vars.get("seen").cloned());
        let (_, nobody_s) = parked(&client, parked_call()).await;
        // The app gets a later call, and answers it.
        let job = client.originate_as("Answering", parked_call()).await.unwrap();
        let uuid = job.get(SOON).await.unwrap().parse().unwrap();
        let far = listener.call(uuid).unwrap().last().unwrap();
        assert_eq!(far.app_id().as_deref(), Some("Answering"));
        assert_eq!(seen(&far).as_deref(), Some("yes"));
        assert_eq!((nobody_s.answered(), seen(&nobody_s)), (false, None), "a call of no app is left alone");
        assert_eq!(client.unload_app("Answering", None).await, 1);
        client.hupall(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_is_the_same_in_every_format() {
    on_both(async |place: Place| {
        let mut feeds = Vec::new();
        let mut listeners = Vec::new();
        for format in Format::ALL {
            let listener = EventListener::new(&place.address, place.credentials());
            listener.subscribe(|events| events.format(format).custom("test::it")).await.unwrap();
            listener.connect().await.unwrap();
            listener.start().unwrap();
            feeds.push(listener.events(1000));
            listeners.push(listener);
        }
        let client = Client::connect(&place.address, &place.credentials(), &place.options()).await.unwrap();
        let unique = Uuid::new_v4().to_string();
        let headers =
            [("Event-Subclass", "test::it"), ("unique", &*unique), ("text", "a b é <&>\"' 100%"), ("none", "x")];
        client.sendevent(EventName::Custom, &headers, "line one\nline <two>").await.unwrap();
        let mut seen = Vec::new();
        for (feed, format) in feeds.iter_mut().zip(Format::ALL) {
            let event = loop {
                let event = timeout(SOON, feed.next()).await.unwrap().unwrap();
                if event.get("unique").as_deref() == Some(&unique) {
                    break event;
                }
            };
            assert_eq!(event.format(), format);
            assert_eq!(event.body(), b"line one\nline <two>");
            assert_eq!(event.get("text").as_deref(), Some("a b é <&>\"' 100%"));
            seen.push(event);
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0], seen[2]);
        for listener in listeners {
            listener.disconnect().await;
        }
    })
    .await;
}

#[tokio::test]
async fn fact_10_a_filter_keeps_jobs_deliverable() {
    on_both(async |place: Place| {
        let (client, listener) = place.client().await;
        let wanted = Uuid::new_v4();
        listener.subscribe(|events| events.filter(Filter::new("Unique-ID", wanted.to_string()))).await.unwrap();
        let other = client.originate(Originate::new(Uuid::new_v4(), "null/x", "park")).await.unwrap();
        let job = client.originate(Originate::new(wanted, "null/x", "park")).await.unwrap();
        assert!(job.get(SOON).await.is_ok() && other.get(SOON).await.is_ok(), "both jobs' results come");
        until("the wanted one's session", || listener.session(wanted).is_some()).await;
        assert!(listener.session(other.uuid()).is_none());
        // Without the filter the next call is seen.
        listener
            .subscribe(|_| esl_core::Subscription::new([EventName::BackgroundJob, EventName::ChannelCreate]))
            .await
            .unwrap();
        let job = client.originate(Originate::new(Uuid::new_v4(), "null/x", "park")).await.unwrap();
        let uuid = job.session_uuid().unwrap();
        until("another session", || listener.session(uuid).is_some()).await;
        let id = client.id();
        client.cmd(&format!("hupall NORMAL_CLEARING esl_client {id}")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn fact_23_command_holds_up_its_own_connection_and_no_other() {
    on_both(async |place: Place| {
        let mut connection = Connection::connect(&place.address, &place.credentials(), &place.options()).await.unwrap();
        let heartbeat = esl_core::Subscription::default().custom("test::held");
        connection.send(&Command::Subscribe(&heartbeat), "subscribe").unwrap();
        assert!(matches!(connection.next().await, Ok(Incoming::Reply("subscribe", reply)) if reply.ok().is_ok()));
        let (other, listener) = place.client().await;
        // This command runs until the far leg is answered, by the other connection.
        let call = parked_call();
        let call = call.clone().x_header("esl-call", call.channel().to_string());
        connection.send(&Command::api(call.command().unwrap()), "slow").unwrap();
        connection.flush().await.unwrap();
        let far = || listener.call(call.channel()).and_then(|call| call.last());
        until("the far leg is parked", || far().is_some_and(|far| far.last(EventName::ChannelPark).is_some())).await;
        other.sendevent(EventName::Custom, &[("Event-Subclass", "test::held")], "").await.unwrap();
        far().unwrap().answer().within(SOON).await.unwrap();
        // The event was there before the slow command's reply, and comes after it.
        let reply = timeout(SOON, connection.next()).await.unwrap();
        assert!(matches!(reply, Ok(Incoming::Reply("slow", reply)) if reply.ok().is_ok()));
        assert!(matches!(timeout(SOON, connection.next()).await.unwrap(), Ok(Incoming::Event(_))));
        other.cmd(&format!("uuid_kill {}", call.channel())).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_server_s_log_is_one_of_its_feeds() {
    on_both(async |place: Place| {
        let (client, listener) = place.client().await;
        let mut lines = listener.log(LogLevel::Debug, 1000).await.unwrap();
        let text = Uuid::new_v4().to_string();
        client.cmd(&format!("log WARNING {text}")).await.unwrap();
        let line = loop {
            let line = timeout(SOON, lines.next()).await.unwrap().unwrap();
            if line.text().contains(&text) {
                break line;
            }
        };
        assert_eq!(line.level(), Some(LogLevel::Warning));
        listener.disconnect().await;
    })
    .await;
}

#[tokio::test]
async fn what_changed_while_the_connection_was_cut_is_known_when_it_is_back() {
    on_both(async |place: Place| {
        let network = Proxy::to(place.address.clone()).await;
        let behind = Place { address: network.address.to_string(), ..place.clone() };
        let listener = behind.listener().await;
        let client = Client::connect(&place.address, &place.credentials(), &place.options()).await.unwrap();
        client.attach(&listener);
        let (stays, _) = answered(&client).await;
        let (goes, _) = answered(&client).await;
        let mut status = listener.status().unwrap();
        network.cut();
        status.wait_for(|status| matches!(status, Status::Reconnecting(_))).await.unwrap();
        client.cmd(&format!("uuid_kill {}", goes.uuid())).await.unwrap();
        let new = Uuid::new_v4();
        client.cmd(&format!("originate {{origination_uuid={new}}}null/x &park()")).await.unwrap();
        network.mend();
        timeout(SOON, status.wait_for(|status| matches!(status, Status::Connected))).await.unwrap().unwrap();
        until("who went is gone", || goes.ended()).await;
        until("who came is there", || listener.session(new).is_some()).await;
        assert!(!stays.ended() && listener.session(stays.uuid()) == Some(stays.clone()));
        assert!(listener.session(new).unwrap().answered());
        // And it is followed as before.
        stays.hangup().await.unwrap();
        let came = listener.session(new).unwrap();
        client.cmd(&format!("uuid_kill {new}")).await.unwrap();
        over(&[&stays, &came]).await;
        client.hupall(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn half_open_connection_is_given_up_at_its_limit_and_a_quiet_one_stays() {
    on_both(async |place: Place| {
        let network = Proxy::to(place.address.clone()).await;
        let limit = Duration::from_secs(9);
        let options = Options { liveness: Liveness::within(limit), reconnect: None, ..Options::default() };
        let address = network.address.to_string();
        let listener = EventListener::with_options(&address, place.credentials(), options, ListenerOptions::default());
        listener.connect().await.unwrap();
        listener.start().unwrap();
        let mut status = listener.status().unwrap();
        // A connection that is only quiet stays: after a third of the limit it asks, and is answered.
        let clock = StoppedClock::new();
        let (asked, answered) = (network.asked(), network.answered());
        for _ in 0..36 {
            clock.advance(limit / 12).await;
            clock.until("it is answered", || network.asked() - asked == network.answered() - answered).await;
        }
        assert!(network.asked() >= asked + 3, "{} times in three times the limit", network.asked() - asked);
        assert!(listener.is_connected());
        network.silence();
        let (asked, mut steps) = (network.asked(), 0);
        while network.asked() == asked {
            assert!(steps < 6, "it does not ask within half of the limit");
            steps += 1;
            clock.advance(limit / 12).await;
        }
        // The rest of the limit is for the answer.
        clock.advance(limit / 2).await;
        assert!(listener.is_connected());
        clock.advance(limit / 6 + TICK).await;
        clock.until("it is given up", || matches!(*status.borrow_and_update(), Status::Closed(_))).await;
        let Status::Closed(error) = status.borrow().clone() else { panic!("it is closed") };
        assert!(error.is_closed(), "{error}");
        assert_eq!(error.to_string(), "nothing came from the server for 9s: it is taken for gone");
    })
    .await;
}
