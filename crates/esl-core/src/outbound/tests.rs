use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::*;
use crate::connection::dialogue::Server as Peer;
use crate::{Command, Error, EventName, Format, HangupCause, LogLevel, Subscription};

mod recordings;

const ID: &str = "eeeeeeee-0000-4000-8000-000000000001";
const OK: &str = "Content-Type: command/reply\nReply-Text: +OK\n\n";
const NOT_KNOWN: &str = "Content-Type: command/reply\nReply-Text: -ERR command not found\n\n";
const LINGERING: &str = "Content-Type: text/disconnect-notice\nContent-Disposition: linger\nLinger-Time: 2\n\
    Content-Length: 0\n\n";
const GOOD_BYE: &str =
    "Content-Type: text/disconnect-notice\nContent-Disposition: disconnect\nContent-Length: 3\n\nBye";

/// Options under which nothing but `connect` is said at the start.
fn bare() -> Options {
    Options { my_events: None, linger: None, ..Options::default() }
}

fn channel(mode: &str, control: &str) -> String {
    format!(
        "Event-Name: CHANNEL_DATA\nUnique-ID: {ID}\nvariable_note: a%20b\nContent-Type: command/reply\n\
         Reply-Text: %2BOK%0A\nSocket-Mode: {mode}\nControl: {control}\n\n"
    )
}

fn event(name: &str, headers: &[(&str, &str)]) -> String {
    let mut out = Vec::new();
    let head = [("Event-Name", name), ("Unique-ID", ID)];
    crate::wire::encode_event(crate::wire::Format::Plain, head.iter().chain(headers).copied(), b"", &mut out);
    String::from_utf8(out).expect("text")
}

async fn accept<F: Future<Output = Peer>>(
    options: &Options,
    behaviour: impl FnOnce(Peer) -> F,
) -> (Result<Call<DuplexStream>, Error>, Peer) {
    let (here, there) = tokio::io::duplex(1 << 20);
    tokio::join!(Call::accept(here, options), behaviour(Peer::over(there)))
}

/// A call with the channel's events enabled.
async fn call(mode: &str, control: &str) -> (Call<DuplexStream>, Peer) {
    call_with(&Options { linger: None, ..Options::default() }, mode, control).await
}

async fn call_with(options: &Options, mode: &str, control: &str) -> (Call<DuplexStream>, Peer) {
    let (call, peer) = accept(options, |mut peer| async move {
        peer.expect("connect\n\n").await;
        peer.say(&channel(mode, control)).await;
        if options.my_events.is_some() {
            peer.expect("myevents plain\n\n").await;
            peer.say(OK).await;
        }
        peer
    })
    .await;
    (call.expect("it begins"), peer)
}

/// What needs no answer from the peer is there at once.
async fn at_once<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(5), future).await.expect("at once, without an answer")
}

/// The next command, which sends an application, and the UUID that it gave.
async fn application(peer: &mut Peer) -> (String, String) {
    let command = peer.command().await;
    let uuid = command.lines().find_map(|line| line.strip_prefix("Event-UUID: ")).expect("a UUID").to_owned();
    (command, uuid)
}

fn complete(uuid: &str) -> String {
    event("CHANNEL_EXECUTE_COMPLETE", &[("Application-UUID", uuid), ("Application-Response", "FILE PLAYED")])
}

#[tokio::test]
async fn the_channel_is_known_and_what_the_options_say_is_enabled() {
    let options = Options { my_events: Some(Format::Plain), linger: Some(Duration::from_millis(1500)), ..bare() };
    let (call, _peer) = accept(&options, |mut peer| async move {
        peer.expect("connect\n\n").await;
        peer.say(&channel("async", "full")).await;
        peer.expect("myevents plain\n\n").await;
        peer.say(OK).await;
        peer.expect("linger 2\n\n").await;
        peer.say(OK).await;
        peer
    })
    .await;
    let call = call.unwrap();
    assert_eq!((call.unique_id().as_ref(), call.uuid().unwrap().to_string().as_str()), (ID, ID));
    assert!(call.is_async() && call.is_full());
    assert_eq!(call.channel().name(), EventName::ChannelData);
    assert_eq!(call.variable("nothing_here"), None);
}

#[tokio::test]
async fn fact_25_the_first_reply_is_percent_encoded_and_getvar_is_raw() {
    let (mut call, mut peer) = call("static", "single-channel").await;
    assert_eq!(call.variable("note").as_deref(), Some("a b"));
    let (values, ()) = tokio::join!(async { [call.getvar("a").await, call.getvar("b").await] }, async {
        peer.expect("getvar a\n\n").await;
        peer.say("Content-Type: command/reply\nReply-Text: 100%25\n\n").await;
        peer.expect("getvar b\n\n").await;
        peer.say(NOT_KNOWN).await;
    });
    assert_eq!(values.map(Result::unwrap), [Some("100%25".to_owned()), None]);
}

#[tokio::test]
async fn fact_25_with_full_a_variable_is_exact() {
    let (mut call, mut peer) = call("async", "full").await;
    let (values, ()) = tokio::join!(async { [call.getvar("a").await, call.getvar("b").await] }, async {
        peer.expect(&format!("api uuid_getvar {ID} a\n\n")).await;
        peer.answer(" two\n\nlines ").await;
        peer.expect(&format!("api uuid_getvar {ID} b\n\n")).await;
        peer.answer("_undef_").await;
    });
    assert_eq!(values.map(Result::unwrap), [Some(" two\n\nlines ".to_owned()), None]);
}

#[tokio::test]
async fn fact_31_without_full_some_commands_are_not_even_sent() {
    let options = Options::default();
    assert!(options.linger.is_some(), "which is not asked for without `full`");
    let (mut call, mut peer) = call_with(&options, "async", "single-channel").await;
    let all = Subscription::new([EventName::All]);
    let refused = [
        at_once(call.api("status")).await.unwrap_err(),
        at_once(call.cmd("status")).await.unwrap_err(),
        at_once(call.bgapi(Uuid::nil(), "status")).await.unwrap_err(),
        at_once(call.subscribe(&all)).await.unwrap_err(),
        at_once(call.linger(None)).await.unwrap_err(),
        at_once(call.no_linger()).await.unwrap_err(),
        at_once(call.request(&Command::Log(LogLevel::Info))).await.unwrap_err(),
        at_once(call.request(&Command::NoEvents)).await.unwrap_err(),
    ];
    assert!(refused.iter().all(Error::is_not_full), "{refused:?}");
    assert_eq!(refused[0].to_string(), "`api` needs `full` among the arguments of the dialplan's socket application");
    let (results, ()) = tokio::join!(
        async { [call.divert_events(true).await, call.resume().await, call.hangup(HangupCause::USER_BUSY).await] },
        async {
            for expected in
                ["divert_events on\n\n", "resume\n\n", "sendmsg\ncall-command: hangup\nhangup-cause: USER_BUSY\n\n"]
            {
                peer.expect(expected).await;
                peer.say(OK).await;
            }
        }
    );
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn fact_31_async_an_application_is_answered_at_once_and_its_events_follow() {
    let (mut call, mut peer) = call("async", "full").await;
    let (done, ()) = tokio::join!(call.execute("playback", "tone_stream://%(300,0,1004)"), async {
        let (command, uuid) = application(&mut peer).await;
        assert!(command.contains("\nexecute-app-arg: tone_stream://%(300,0,1004)"), "{command}");
        peer.say(OK).await;
        peer.say(&event("CHANNEL_EXECUTE", &[("Application-UUID", &uuid)])).await;
        peer.say(&complete(&Uuid::nil().to_string())).await;
        peer.say(&complete(&uuid)).await;
    });
    assert_eq!(done.unwrap().get("Application-Response").as_deref(), Some("FILE PLAYED"));
    let names = [call.next_event().await.unwrap().name(), call.next_event().await.unwrap().name()];
    assert_eq!(names, [EventName::ChannelExecute, EventName::ChannelExecuteComplete], "what was not awaited is kept");
}

#[tokio::test]
async fn dropped_execute_shifts_no_reply() {
    let (mut call, mut peer) = call("static", "full").await;
    let (_, first) = tokio::select! {
        done = call.execute("sleep", "1000") => panic!("nothing has answered it: {done:?}"),
        sent = application(&mut peer) => sent,
    };
    let (done, ()) = tokio::join!(call.execute("set", "a=b"), async {
        let (_, second) = application(&mut peer).await;
        // In sync mode the reply comes when the application is over: this one is refused, which is not the second's.
        peer.say(NOT_KNOWN).await;
        peer.say(&complete(&first)).await;
        peer.say(OK).await;
        peer.say(&complete(&second)).await;
        assert_ne!(first, second);
    });
    done.unwrap();
    let late = call.next_event().await.unwrap();
    assert_eq!(late.name(), EventName::ChannelExecuteComplete, "the first one's end is an event like any other");
    let (text, ()) = tokio::join!(call.cmd("status"), async {
        peer.expect("api status\n\n").await;
        peer.answer("UP").await;
    });
    assert_eq!(text.unwrap(), "UP");
}

#[tokio::test]
async fn the_channel_s_end_ends_an_execute_with_its_cause() {
    for goodbye in [LINGERING, GOOD_BYE] {
        let (mut call, mut peer) = call("async", "full").await;
        let (done, ()) = tokio::join!(call.execute("playback", "x"), async {
            application(&mut peer).await;
            peer.say(OK).await;
            peer.say(&event("CHANNEL_HANGUP", &[("Hangup-Cause", "ALLOTTED_TIMEOUT")])).await;
            if goodbye == LINGERING {
                peer.say(goodbye).await;
                peer.say(&event("CHANNEL_HANGUP_COMPLETE", &[("Hangup-Cause", "ALLOTTED_TIMEOUT")])).await;
            } else {
                peer.say(goodbye).await;
            }
        });
        let error = done.unwrap_err();
        assert!(error.ended().is_some() && !error.is_closed(), "{error}");
        assert_eq!(error.ended(), Some(HangupCause::ALLOTTED_TIMEOUT));
        assert_eq!(error.to_string(), "the channel has ended (ALLOTTED_TIMEOUT)");
        // What comes after is not sent: it would be taken, and never run.
        assert!(at_once(call.execute("playback", "x")).await.unwrap_err().ended().is_some());
        assert!(at_once(call.start("playback", "x")).await.unwrap_err().ended().is_some());
        assert_eq!(call.is_lingering(), goodbye == LINGERING);
        assert!(at_once(call.hangup(HangupCause::NORMAL_CLEARING)).await.is_ok());
        assert_eq!(call.next_event().await.unwrap().name(), EventName::ChannelHangup);
    }
}

#[tokio::test(start_paused = true)]
async fn an_execute_that_can_end_no_more_is_given_up() {
    // In sync mode the notice comes before the channel's last events, and CHANNEL_HANGUP_COMPLETE only after lingering.
    let (mut call, mut peer) = call("static", "full").await;
    let started = Instant::now();
    let (done, ()) = tokio::join!(call.execute("playback", "x"), async {
        peer.say(LINGERING).await;
        application(&mut peer).await;
        peer.say(OK).await;
        peer.say(&event("CHANNEL_HANGUP", &[("Hangup-Cause", "USER_BUSY")])).await;
    });
    assert_eq!(done.unwrap_err().ended(), Some(HangupCause::USER_BUSY));
    assert_eq!(started.elapsed(), Duration::from_millis(500));
}

#[tokio::test]
async fn lingering_is_told_and_the_end_stays() {
    let (mut call, mut peer) = call("async", "full").await;
    peer.say(&event("CHANNEL_HANGUP", &[("Hangup-Cause", "NORMAL_CLEARING")])).await;
    peer.say(LINGERING).await;
    peer.say(&event("CHANNEL_DESTROY", &[])).await;
    assert!(matches!(call.next().await, Ok(Notice::Event(event)) if event.name() == EventName::ChannelHangup));
    assert!(!call.is_lingering());
    assert!(matches!(call.next().await, Ok(Notice::Lingering(Some(time))) if time.as_secs() == 2));
    assert!(call.is_lingering());
    assert_eq!(call.end().unwrap().ended(), Some(HangupCause::NORMAL_CLEARING));
    assert_eq!(call.next_event().await.unwrap().name(), EventName::ChannelDestroy);
    drop(peer);
    assert!(call.next().await.unwrap_err().is_closed());
    assert!(call.next_event().await.unwrap_err().is_closed());
    assert!(call.getvar("x").await.unwrap_err().is_closed());
}

#[tokio::test]
async fn events_that_wait_are_bounded_and_drops_are_counted() {
    let options = Options { events_max: 2, linger: None, ..Options::default() };
    let (mut call, mut peer) = call_with(&options, "async", "full").await;
    let (text, ()) = tokio::join!(call.cmd("status"), async {
        for n in 0..5 {
            peer.say(&event("CHANNEL_STATE", &[("N", &n.to_string())])).await;
        }
        peer.answer("UP").await;
    });
    assert_eq!(text.unwrap(), "UP");
    assert_eq!(call.events_dropped(), 3);
    assert_eq!(call.next_event().await.unwrap().get("N").as_deref(), Some("3"), "the latest ones stay");
}

#[tokio::test]
async fn an_execute_whose_end_cannot_be_seen_is_refused() {
    let (mut call, mut peer) = call_with(&bare(), "async", "full").await;
    let error = call.execute("playback", "x").await.unwrap_err();
    assert!(error.to_string().contains("cannot be seen"), "{error}");
    let (started, ()) = tokio::join!(call.start("playback", "x"), async {
        let (command, _) = application(&mut peer).await;
        assert!(command.contains("\nevent-lock: true"), "one after the other: {command}");
        peer.say(OK).await;
    });
    started.unwrap();
    let subscription = Subscription::new([EventName::ChannelExecuteComplete]);
    let (done, ()) = tokio::join!(
        async {
            call.subscribe(&subscription).await?;
            call.execute("playback", "x").await
        },
        async {
            peer.expect("event plain CHANNEL_EXECUTE_COMPLETE\n\n").await;
            peer.say(OK).await;
            let (_, uuid) = application(&mut peer).await;
            peer.say(&complete(&uuid)).await;
        }
    );
    done.unwrap();
}

#[tokio::test]
async fn in_sync_mode_resume_is_not_said() {
    let (mut call, mut peer) = call("static", "full").await;
    at_once(call.resume()).await.unwrap();
    tokio::join!(call.exit(), async {
        peer.expect("exit\n\n").await;
        peer.say(GOOD_BYE).await;
    });
}

#[tokio::test]
async fn a_channel_that_may_not_be_parked_yet_is_not_left() {
    // Nothing is known: it is made to run something.
    let (call, mut peer) = call_with(&bare(), "async", "single-channel").await;
    tokio::join!(call.exit(), async {
        peer.expect("myevents plain\n\n").await;
        let (command, uuid) = application(&mut peer).await;
        assert!(command.contains("\nexecute-app-name: unset\n"), "{command}");
        peer.say(OK).await;
        peer.say(OK).await;
        peer.say(&complete(&uuid)).await;
        peer.expect("exit\n\n").await;
        peer.say(GOOD_BYE).await;
    });
    // It was seen to be parked, to run something, or to end.
    for seen in [event("CHANNEL_PARK", &[]), event("CHANNEL_HANGUP", &[]), LINGERING.to_owned()] {
        let (mut call, mut peer) = self::call("async", "full").await;
        peer.say(&seen).await;
        call.next().await.unwrap();
        tokio::join!(call.exit(), async {
            peer.expect("exit\n\n").await;
            peer.say(GOOD_BYE).await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_or_no_freeswitch_is_an_error() {
    let (call, _peer) = accept(&bare(), |peer| async move { peer }).await;
    let error = call.unwrap_err();
    assert!(error.is_timeout(), "{error}");

    let (call, _) = accept(&bare(), |mut peer| async move {
        peer.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        peer
    })
    .await;
    assert_eq!(call.unwrap_err().to_string(), r#"not an Event Socket frame: "GET / HTTP/1.1\r""#);

    for (greeting, shown) in [
        ("Content-Type: auth/request\n\n", "Content-Type: auth/request"),
        (OK, "Content-Type: command/reply\\nReply-Text: +OK"),
    ] {
        let (call, _) = accept(&bare(), |mut peer| async move {
            peer.say(greeting).await;
            peer
        })
        .await;
        let expected = format!("expected a FreeSWITCH's answer to `connect`, got \"{shown}\"");
        assert_eq!(call.unwrap_err().to_string(), expected);
    }

    let (call, _) = accept(&bare(), |peer| async move {
        let (other, _) = tokio::io::duplex(1);
        drop(peer);
        Peer::over(other)
    })
    .await;
    assert!(call.unwrap_err().is_closed());
}
