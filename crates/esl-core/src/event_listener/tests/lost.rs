//! What becomes of a listener whose connection goes: what it waits for, asks again and takes up again.

use super::*;

/// Answers whatever is asked about channels: these are there, in these states; those without a state are in the list only.
async fn look(commands: &mut Server<TcpStream>, listed: &[Uuid], there: &[(Uuid, &str)]) {
    loop {
        let command = commands.command().await;
        let uuid = command.split(' ').nth(2).and_then(|word| word.parse::<Uuid>().ok());
        let state = there.iter().find(|(known, _)| Some(*known) == uuid).map(|(_, state)| *state);
        let answer = match (command.split(' ').nth(1), uuid, state) {
            (Some("show"), None, _) => {
                let rows: Vec<String> = listed.iter().map(|uuid| format!(r#"{{"uuid":"{uuid}"}}"#)).collect();
                format!(r#"{{"row_count":{},"rows":[{}]}}"#, rows.len(), rows.join(","))
            }
            (Some("uuid_dump"), Some(_), Some("odd")) => "something else".to_owned(),
            (Some("uuid_dump"), Some(uuid), Some(state)) => format!(
                r#"{{"Event-Name":"CHANNEL_DATA","Unique-ID":"{uuid}","Channel-State":"CS_X","Answer-State":"{state}"}}"#
            ),
            (Some("uuid_dump"), Some(_), None) => "-ERR No such channel!\n".to_owned(),
            (Some("uuid_exists"), Some(_), state) => state.is_some().to_string(),
            _ => panic!("{command}"),
        };
        commands.answer(&answer).await;
    }
}

/// What comes of it while the server answers [`look`].
async fn looked<T>(
    outcome: impl IntoFuture<Output = T>,
    commands: &mut Server<TcpStream>,
    listed: &[Uuid],
    there: &[(Uuid, &str)],
) -> T {
    tokio::select! {
        () = look(commands, listed, there) => unreachable!(),
        outcome = timeout(10 * SECOND, outcome.into_future()) => outcome.expect("in time"),
    }
}

/// The listener's next connection, subscribed.
async fn back(fake: &Fake) -> Server<TcpStream> {
    let mut events = fake.accept().await;
    assert!(events.command().await.starts_with("event plain BACKGROUND_JOB "), "subscribed as before");
    events.reply("+OK event listener enabled plain").await;
    events
}

async fn lose(listener: &EventListener, events: Server<TcpStream>) {
    let mut status = listener.status().expect("it runs");
    drop(events);
    status.wait_for(|status| matches!(status, Status::Reconnecting(_))).await.expect("it is lost");
}

/// Originates a call whose job is started and tells no result yet.
async fn originated(client: &Client, commands: &mut Server<TcpStream>) -> Job {
    let (job, ()) = tokio::join!(client.originate("9196@host:5080"), async {
        let command = commands.command().await;
        commands.answer(&format!("+OK Job-UUID: {}\n", command.split([':', ' ']).nth(3).expect("a job"))).await;
    });
    job.expect("started")
}

#[tokio::test]
async fn it_is_got_back_subscribed_and_what_changed_is_asked_for() {
    let fake = Fake::start().await;
    let (client, listener, mut events, mut commands) = fake.pair().await;
    let job = originated(&client, &mut commands).await;
    let odd = Uuid::from_u128(0xd);
    for uuid in [A, B, odd] {
        events.event(&channel("CHANNEL_CREATE", uuid, "")).await;
    }
    until("the sessions", || listener.count_sessions() == 3).await;
    let odd = listener.session(odd).unwrap();
    let (gone, there) = (listener.session(A).unwrap(), listener.session(B).unwrap());
    let answer = there.answer();
    lose(&listener, events).await;

    let _events = back(&fake).await;
    let new = Uuid::from_u128(0xc);
    // The client's connection is asked, so that the listener's gets events meanwhile.
    let there_now = [(new, "ringing"), (B, "answered"), (odd.uuid(), "odd")];
    let lost = looked(job.clone(), &mut commands, &[new, B], &there_now).await.unwrap_err();
    assert!(lost.to_string().contains("was lost with the connection"), "{lost}");
    assert!(!odd.ended(), "it is there, whatever is told of it");
    assert!(gone.ended() && listener.session(new).is_some() && there.answered());
    answer.await.expect("it is answered, so there is nothing to do");
    assert_eq!(gone.hangup_cause(), None);
    assert_eq!(listener.hangup_causes()[&HangupCause::UNKNOWN], 1);
    assert!(listener.is_connected());
}

#[tokio::test]
async fn a_client_that_is_away_too_is_not_asked() {
    let fake = Fake::start().await;
    let (_, listener, events, _commands) = fake.pair().await;
    let hour = Duration::from_secs(3600);
    let options = Options { reconnect: Some(Backoff { min: hour, max: hour }), ..Options::default() };
    let credentials = Credentials::password("ClueCon");
    let (client, commands) = tokio::join!(Client::connect(&fake.address, &credentials, &options), fake.accept());
    let client = client.unwrap();
    client.attach(&listener);
    drop(commands);
    client.status().wait_for(|status| matches!(status, Status::Reconnecting(_))).await.unwrap();
    lose(&listener, events).await;
    let mut events = back(&fake).await;
    let there = async { until("what is there", || listener.session(A).is_some()).await };
    looked(there, &mut events, &[A], &[(A, "ringing")]).await;
}

#[tokio::test]
async fn a_client_that_goes_meanwhile_is_made_up_for() {
    let fake = Fake::start().await;
    let (_client, listener, events, mut commands) = fake.pair().await;
    lose(&listener, events).await;
    let mut events = back(&fake).await;
    assert_eq!(commands.command().await, "api show channels as json");
    drop(commands);
    let there = async { until("what is there", || listener.session(A).is_some()).await };
    looked(there, &mut events, &[A], &[(A, "ringing")]).await;
}

#[tokio::test]
async fn what_began_while_it_was_away_is_waited_for_no_longer() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, mut commands) = fake.pair().await;
    let session = create(&listener, &mut events).await;
    lose(&listener, events).await;
    // The client's connection is there, so that it is done, and nobody hears of its end.
    let conversation = async {
        assert!(commands.command().await.starts_with("sendmsg "));
        commands.reply("+OK").await;
        let _events = back(&fake).await;
        look(&mut commands, &[A], &[(A, "answered")]).await;
    };
    let played = tokio::select! {
        () = conversation => unreachable!(),
        played = timeout(10 * SECOND, async { session.playback("x.wav").await }) => played.expect("in time"),
    };
    let error = played.unwrap_err().to_string();
    assert!(error.contains("told while the connection was gone"), "{error}");
    assert!(!session.ended());
}

#[tokio::test]
async fn who_waits_is_told_where_the_server_does_not_say_what_changed() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, mut commands) = fake.pair().await;
    let session = create(&listener, &mut events).await;
    let conversation = async {
        assert!(commands.command().await.starts_with("sendmsg "));
        commands.reply("+OK").await;
        lose(&listener, events).await;
        let events = back(&fake).await;
        assert_eq!(commands.command().await, "api show channels as json");
        commands.reply("-ERR permission denied").await;
        events
    };
    let played = async { session.playback("x.wav").await };
    let (played, _events) = timeout(10 * SECOND, async { tokio::join!(played, conversation) }).await.expect("in time");
    assert!(played.unwrap_err().to_string().contains("told while the connection was gone"));
}

#[tokio::test]
async fn a_call_that_the_list_does_not_have_yet_is_not_lost() {
    let fake = Fake::start().await;
    let (client, listener, events, mut commands) = fake.pair().await;
    let job = originated(&client, &mut commands).await;
    lose(&listener, events).await;
    let _events = back(&fake).await;
    let uuid = job.uuid();
    let result = looked(job, &mut commands, &[], &[(uuid, "answered")]).await;
    assert_eq!(result.unwrap(), uuid.to_string(), "it was answered, whoever saw that");
    assert!(listener.session(uuid).is_some());
}

#[tokio::test]
async fn what_is_asked_for_stays_one_word() {
    let fake = Fake::start().await;
    let options = Options {
        reconnect: Some(Backoff { min: Duration::from_millis(1), max: Duration::from_millis(2) }),
        ..Options::default()
    };
    let tracking = ListenerOptions { like: Some("it's mine".to_owned()), ..ListenerOptions::default() };
    let listener = EventListener::with_options(&fake.address, Credentials::password("ClueCon"), options, tracking);
    let (connected, events) = tokio::join!(listener.connect(), back(&fake));
    connected.unwrap();
    listener.start().unwrap();
    lose(&listener, events).await;
    let mut events = back(&fake).await;
    let command = timeout(10 * SECOND, events.command()).await.expect("it asks");
    assert_eq!(command, r"api show channels like 'it\'s mine' as json");
}

#[tokio::test]
async fn the_log_goes_on() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, _commands) = fake.pair().await;
    let (lines, ()) = tokio::join!(listener.log(LogLevel::Warning, 10), async {
        assert_eq!(events.command().await, "log WARNING");
        events.reply("+OK log level WARNING").await;
    });
    let mut lines = lines.unwrap();
    lose(&listener, events).await;
    let mut events = back(&fake).await;
    assert_eq!(timeout(10 * SECOND, events.command()).await.expect("asked for again"), "log WARNING");
    events.say("Content-Type: log/data\nContent-Length: 6\nLog-Level: 4\n\nHello\n").await;
    assert_eq!(lines.next().await.unwrap().text(), "Hello\n");
}

#[tokio::test]
async fn one_that_is_over_for_good_follows_nothing_until_it_is_connected_again() {
    let fake = Fake::start().await;
    let options = Options { reconnect: None, ..Options::default() };
    let credentials = Credentials::password("ClueCon");
    let listener =
        EventListener::with_options(&fake.address, credentials.clone(), options.clone(), ListenerOptions::default());
    let (connected, events) = tokio::join!(listener.connect(), back(&fake));
    connected.unwrap();
    listener.start().unwrap();
    let (client, mut commands) = tokio::join!(Client::connect(&fake.address, &credentials, &options), fake.accept());
    let client = client.unwrap();
    client.attach(&listener);
    drop(events);
    until("it is over", || !listener.is_running()).await;
    let refused = tokio::select! {
        job = client.bgapi("status") => job.expect_err("nobody would tell its result"),
        command = commands.command() => panic!("{command}"),
    };
    assert!(refused.is_no_listener(), "{refused}");
    assert!(listener.start().unwrap_err().is_no_listener());
    let again = async { tokio::join!(listener.connect(), back(&fake)) };
    let (connected, _events) = timeout(10 * SECOND, again).await.expect("it connects");
    connected.unwrap();
    listener.start().unwrap();
    assert!(listener.is_running());
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_any_more_is_made_whole() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, _commands) = fake.pair().await;
    let change = listener.subscribe(|known| known.with(EventName::Dtmf).without(EventName::ChannelPark));
    tokio::select! {
        _ = change => unreachable!(),
        command = events.command() => assert_eq!(command, "event plain DTMF"),
    }
    events.reply("+OK event listener enabled plain").await;
    let rest = timeout(10 * SECOND, events.command()).await.expect("the rest of it");
    assert_eq!(rest, "nixevent CHANNEL_PARK");
    events.reply("+OK events nixed").await;
    until("it is known", || listener.subscription().contains(EventName::Dtmf)).await;
    assert!(!listener.subscription().contains(EventName::ChannelPark));
}

#[tokio::test]
async fn a_change_that_hangs_keeps_nobody_from_disconnecting() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, _commands) = fake.pair().await;
    let changing = listener.clone();
    let change = tokio::spawn(async move { changing.unsubscribe(EventName::ChannelPark).await });
    assert_eq!(events.command().await, "nixevent CHANNEL_PARK");
    timeout(10 * SECOND, listener.disconnect()).await.expect("it disconnects");
    assert!(change.await.unwrap().unwrap_err().is_closed());
}

#[tokio::test]
async fn a_change_that_was_made_just_before_is_one() {
    let fake = Fake::start().await;
    let (_client, listener, mut events, _commands) = fake.pair().await;
    let (changed, command) = tokio::join!(listener.subscribe(|known| known.with(EventName::Dtmf)), async {
        assert_eq!(events.command().await, "event plain DTMF");
        let answer = "Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n";
        events.say(&format!("{answer}Content-Type: text/disconnect-notice\nContent-Length: 0\n\n")).await;
        fake.accept().await.command().await
    });
    changed.expect("the server said so");
    assert!(command.ends_with(" DTMF"), "{command}");
}

#[tokio::test]
async fn channel_end_that_comes_late_gives_its_own_cause() {
    let fake = Fake::start().await;
    let (client, listener, mut events, mut commands) = fake.pair().await;
    let session = create(&listener, &mut events).await;
    lose(&listener, events).await;
    let mut events = back(&fake).await;
    assert_eq!(commands.command().await, "api show channels as json");
    commands.answer("{\"row_count\":0}\n").await;
    assert_eq!(commands.command().await, format!("api uuid_dump {A} json"));
    let clock = StoppedClock::new();
    // The reply to the second command says that the first one's has been read.
    let (second, ()) = tokio::join!(client.cmd("second"), async {
        commands.answer("-ERR No such channel!\n").await;
        assert_eq!(commands.command().await, "api second");
        commands.answer("+OK\n").await;
    });
    second.unwrap();
    // As late as a FreeSWITCH is that was not kept awake.
    clock.advance(Duration::from_millis(20)).await;
    assert!(!session.ended(), "its end may still come");
    events.event(&channel("CHANNEL_DESTROY", A, "Hangup-Cause: USER_BUSY\n")).await;
    clock.until("its end", || session.ended()).await;
    assert_eq!(session.hangup_cause(), Some(HangupCause::of("USER_BUSY")));
}
