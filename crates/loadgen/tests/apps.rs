//! Each app's script as it is performed for one call: on a simulated FreeSWITCH always, and on a real one, set up as the
//! recorded one was, where `FREESWITCH_ESL=host:port:password` is set. The far legs are parked at its port 5090.

use std::sync::Arc;
use std::time::Duration;

use esl_core::{Client, Credentials, Event, EventName, Listener, Message, Options, Originate, Subscription};
use loadgen::apps::AppKind;
use loadgen::apps::performance::{Act, Performance};
use loadgen::apps::script::{Script, Side};
use loadgen::config::{self, Config};
use loadgen::run_id::RunId;
use loadgen::text::Context;
use tokio::time::Instant;
use uuid::Uuid;

/// A call of these tests ends by then, whatever happens.
const DEADLINE: Duration = Duration::from_secs(40);

/// What became of a call.
#[derive(Debug)]
struct Played {
    failure: String,
    results: Vec<(&'static str, u32)>,
    files: Vec<String>,
    answered: bool,
    cause: String,
}

/// Where the calls are placed.
struct Server {
    address: String,
    password: String,
    /// Keeps a simulated one.
    _simulated: Option<fs_sim::Server>,
}

async fn servers() -> Vec<Server> {
    let simulated = fs_sim::Server::start(fs_sim::Config::default()).await.expect("a port");
    let address = simulated.addr().to_string();
    let mut servers = vec![Server { address, password: "ClueCon".to_owned(), _simulated: Some(simulated) }];
    if let Ok(real) = std::env::var("FREESWITCH_ESL") {
        let (address, password) = real.rsplit_once(':').expect("host:port:password");
        servers.push(Server { address: address.to_owned(), password: password.to_owned(), _simulated: None });
    }
    servers
}

fn script(kind: &str, options: &str) -> (&'static AppKind, Script) {
    let text =
        format!("[load]\nrate = 1\n[call]\nto = \"null/x\"\nhold = \"1s\"\n[[apps]]\nkind = \"{kind}\"\n{options}\n");
    let (config, source): (Config, _) = config::parse("a.toml".to_owned(), text, |_| None).expect("a configuration");
    let kind = AppKind::of(kind).expect("a kind");
    (kind, kind.script(Some(&config.apps[0]), &[], &source).expect("a script"))
}

/// Plays one call of an app, held for so long.
async fn play(server: &Server, kind: &str, options: &str, to: &str, hold: f64) -> Played {
    let (kind, script) = script(kind, options);
    let credentials = Credentials::password(server.password.as_str());
    let mut subscription = Subscription::new(script.events())
        .with(EventName::ChannelCreate)
        .with(EventName::ChannelAnswer)
        .with(EventName::ChannelHangup)
        .with(EventName::ChannelDestroy);
    for custom in script.customs() {
        subscription = subscription.custom(custom);
    }
    let options = Options::default();
    let mut listener =
        Listener::connect(&server.address, &credentials, &options, &subscription).await.expect("a listener");
    let client = Client::connect(&server.address, &credentials, &options).await.expect("a client");

    let run = RunId::random();
    let script = Arc::new(script);
    let mut context = Context { run, uuid: run.call(0, 1), ..Context::sample() };
    context.far = None;
    let mut originate = Originate::new(context.uuid, to, script.on_answer())
        .variable("ignore_early_media", "true")
        .variable("originate_timeout", "20")
        .variable("execute_on_answer", "sched_hangup +60 allotted_timeout")
        .variable("sip_h_X-loadgen-call", context.uuid.to_string());
    for (name, value) in script.variables(&context) {
        originate = originate.variable(name, value);
    }
    let command = originate.command().expect("an originate");
    client.api(&format!("bgapi uuid:{} {command}", context.uuid)).await.expect("a job");

    let mut performance = Performance::new(Arc::clone(&script));
    let mut hold_over: Option<Instant> = None;
    let (mut answered, mut ended) = (false, false);
    let end = Instant::now() + DEADLINE;
    loop {
        let alarm = performance.alarm().into_iter().chain(hold_over.filter(|_| !ended)).min().unwrap_or(end).min(end);
        let mut acts = Vec::new();
        tokio::select! {
            event = listener.next() => {
                let event = event.expect("an event");
                let now = Instant::now();
                let Some(side) = side_of(&event, &mut context) else { continue };
                if side == Side::Caller && event.name() == EventName::ChannelAnswer {
                    answered = true;
                    hold_over = Some(now + Duration::from_secs_f64(hold));
                    performance.begin(side, &context, now, &mut acts);
                }
                performance.on_event(side, &event, &context, now, &mut acts);
                if side == Side::Caller && event.name() == EventName::ChannelHangup && answered {
                    performance.end(&context);
                }
                if side == Side::Caller && event.name() == EventName::ChannelDestroy {
                    let cause = event.get("Hangup-Cause").unwrap_or_default().into_owned();
                    return played(kind, &performance, answered, cause);
                }
            }
            () = tokio::time::sleep_until(alarm) => {
                let now = Instant::now();
                assert!(now < end, "the call does not end: {performance:?}");
                performance.on_alarm(now, &context, &mut acts);
                if hold_over.is_some_and(|over| over <= now) && !ended {
                    ended = true;
                    performance.end(&context);
                    let side = Side::Caller;
                    acts.push(Act::HangUp { side, cause: esl_core::HangupCause::NORMAL_CLEARING });
                }
            }
        }
        for act in acts {
            perform(&client, &context, act).await;
        }
    }
}

fn played(kind: &AppKind, performance: &Performance, answered: bool, cause: String) -> Played {
    Played {
        failure: performance.failure().map(ToString::to_string).unwrap_or_default(),
        results: kind.results.iter().map(|result| result.name).zip(*performance.results()).collect(),
        files: performance.files().to_vec(),
        answered,
        cause,
    }
}

/// Whose event it is. The first call that comes in with the call's header is its far leg.
fn side_of(event: &Event, context: &mut Context<'_>) -> Option<Side> {
    let leg = event.unique_id()?;
    if leg == context.uuid {
        return Some(Side::Caller);
    }
    let tag = event.variable("sip_h_X-loadgen-call").and_then(|tag| Uuid::try_parse(&tag).ok());
    let comes_in = event.get("Call-Direction").is_some_and(|direction| direction == "inbound");
    if context.far.is_none() && tag == Some(context.uuid) && comes_in {
        context.far = Some(leg);
    }
    (context.far == Some(leg)).then_some(Side::Callee)
}

async fn perform(client: &Client, context: &Context<'_>, act: Act) {
    let leg = |side| if side == Side::Caller { context.uuid } else { context.far.expect("a far leg") };
    // A leg may have gone meanwhile, which is no news to its performance.
    let _reply = match act {
        Act::Api { command, slow: true, .. } => client.api(&format!("bgapi {command}")).await.map(drop),
        Act::Api { command, slow: false, .. } => client.api(&command).await.map(drop),
        Act::HangUp { side, cause } => client.api(&format!("uuid_kill {} {cause}", leg(side))).await.map(drop),
        Act::Execute { side, application, argument, event_uuid } => {
            let message = Message::execute(application, argument).to(leg(side)).event_uuid(event_uuid);
            client.sendmsg(&message).await.map(drop)
        }
    };
}

const PARKED: &str = "sofia/external/x@127.0.0.1:5090";

/// An app that has nothing to say against its call.
async fn works(kind: &str, options: &str, hold: f64, results: &[u32]) -> Vec<Played> {
    let mut all = Vec::new();
    for server in servers().await {
        let played = play(&server, kind, options, PARKED, hold).await;
        assert_eq!(played.failure, "", "{kind} {options}: {played:?}");
        let counts: Vec<u32> = played.results.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, results, "{kind} {options}: {played:?}");
        all.push(played);
    }
    all
}

/// One that has.
async fn fails(kind: &str, options: &str, to: &str, hold: f64, failure: &str) {
    for server in servers().await {
        let played = play(&server, kind, options, to, hold).await;
        assert_eq!(played.failure, failure, "{kind} {options}: {played:?}");
    }
}

#[tokio::test]
async fn tones_are_played_and_echoed() {
    let played = works("tone_play", "", 1.0, &[]).await;
    assert!(played.iter().all(|played| played.answered && played.cause == "NORMAL_CLEARING"), "{played:?}");
    fails(
        "tone_play",
        "",
        "sofia/external/9196@127.0.0.1:5080",
        0.5,
        "callee's step 1, expected a far leg that is parked on one of the slaves, got none",
    )
    .await;
}

#[tokio::test]
async fn calls_are_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sub folder/{uuid}");
    let options = format!("record = \"both\"\npath = \"{}\"", path.display());
    for played in works("play_rec", &options, 1.5, &[2]).await {
        assert_eq!(played.files.len(), 2, "{played:?}");
        assert!(played.files.iter().any(|file| file.ends_with("-caller.wav")), "{played:?}");
    }
    for played in works("muted_play_rec", &format!("{options}\nturn = \"300ms\""), 1.5, &[2]).await {
        assert_eq!(played.files.len(), 2, "{played:?}");
    }
    assert_eq!(works("play_rec", "record_every = 2", 0.5, &[0]).await[0].files, [""; 0]);
    let missing = "play = \"/no/such/file.wav\"\nrecord_every = 0";
    fails("play_rec", missing, PARKED, 2.0, "expected /no/such/file.wav to be played, got FILE NOT FOUND").await;
}

#[tokio::test]
async fn speech_is_compared_bit_for_bit() {
    works("bert", "", 2.5, &[1, 0, 0]).await;
    works("bert", "sides = 2", 2.5, &[2, 0, 0]).await;
    fails("bert", "", PARKED, 0.3, "expected to get in sync on each side, got none").await;
}

#[tokio::test]
async fn digits_arrive_as_they_were_sent() {
    works("dtmf_check", "digits = \"12*#\"", 4.5, &[1, 0]).await;
    works("dtmf_check", "digits = \"42\"\nsender = \"both\"", 4.5, &[2, 0]).await;
    fails("dtmf_check", "digits = \"1234\"", PARKED, 0.3, "callee's step 2, expected digits 1234, got nothing").await;
}

#[tokio::test]
async fn calls_ring_and_are_not_answered() {
    for ring in ["ring", "early_media"] {
        let options = format!("ring = \"{ring}\"\nafter = \"500ms\"");
        let played = works("callee_ringback", &options, 1.0, &[1]).await;
        assert!(played.iter().all(|played| !played.answered && played.cause == "USER_BUSY"), "{played:?}");
    }
    let played = works("callee_ringback", "after = \"500ms\"\nhang_up = \"caller\"", 1.0, &[1]).await;
    assert!(played.iter().all(|played| !played.answered), "{played:?}");
}

#[tokio::test]
async fn calls_are_turned_down() {
    for (options, cause) in [
        ("", "CALL_REJECTED"),
        ("cause = \"USER_BUSY\"", "USER_BUSY"),
        ("response = 486", "USER_BUSY"),
        ("response = \"404 Nobody\"\nafter = \"200ms\"", "UNALLOCATED_NUMBER"),
    ] {
        let played = works("callee_block", options, 1.0, &[1, 0]).await;
        assert!(played.iter().all(|played| !played.answered && played.cause == cause), "{options}: {played:?}");
    }
}

#[tokio::test]
async fn legs_are_connected() {
    let to = |number: &str| format!("bridge_to = \"sofia/external/{number}@127.0.0.1:5080\"");
    works("bridge", &format!("{}\ncallee = \"app\"", to("9196")), 1.0, &[1]).await;
    works("proxy", &to("9196"), 1.0, &[1, 0]).await;
    let busy = format!("{}\ncallee = \"app\"", to("486"));
    fails("bridge", &busy, PARKED, 1.0, "expected a bridge, got none").await;
    for server in servers().await {
        let played = play(&server, "proxy", &to("486"), PARKED, 1.0).await;
        assert_eq!((played.answered, played.cause.as_str()), (false, "USER_BUSY"), "{played:?}");
        assert_eq!(played.results, [("proxied", 0), ("unreached", 1)]);
    }
}

const FLOW: &str = r##"
caller = [
    { wait = "500ms" },
    { send_digits = "1", duration = "100ms" },
    { expect_event = "PLAYBACK_START", headers = { Playback-File-Path = "~tone_stream" }, leg = "callee" },
    { expect_digits = "42#", timeout = "5s" },
    { play = "tone_stream://%(200,0,440)" },
    { set = { some_thing = "it's {attempt}" } },
    "mute",
    { execute = "sleep", argument = 200 },
    { wait = "200ms" },
    "hang_up",
]
callee = [
    "ring",
    { wait = "300ms" },
    "answer",
    { expect_digits = "1" },
    { play = "tone_stream://%(300,0,600)" },
    { send_digits = "42#", duration = "100ms" },
    { expect_event = "CHANNEL_HANGUP", leg = "caller", timeout = "10s" },
]"##;

#[tokio::test]
async fn a_flow_of_ten_steps_is_walked() {
    let played = works("flow", FLOW, 20.0, &[]).await;
    assert!(played.iter().all(|played| played.answered && played.cause == "NORMAL_CLEARING"), "{played:?}");
    let other = FLOW.replace("send_digits = \"42#\"", "send_digits = \"43#\"");
    fails("flow", &other, PARKED, 20.0, "step 4, expected digits 42#, got 43").await;
    let fewer = FLOW.replace("send_digits = \"42#\"", "send_digits = \"4\"");
    fails("flow", &fewer, PARKED, 20.0, "step 4, expected digits 42#, got 4").await;
}
