//! Behaviour to order: what callees do, dialplans of the configuration, a capacity that can be exceeded.

use std::collections::BTreeMap;

use super::*;
use crate::{Capacity, Extension, ServerTable};

/// Room for everything.
fn roomy() -> Config {
    Config { max_sessions: 100_000, sessions_per_second: 100_000, ..Config::default() }
}

fn configured(table: &str) -> Talk {
    let table: ServerTable = toml::from_str(table).expect("a table");
    Talk::new(table.configs(&roomy()).expect("a server").remove(0))
}

fn value<'a>(event: &'a str, name: &str) -> &'a str {
    event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// What the far leg of each call was told to run, by the call's header X-n.
fn callees(talk: &mut Talk) -> BTreeMap<String, Vec<String>> {
    let mut callees: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in talk.events.drain(..).filter(|event| value(event, "Call-Direction") == "inbound") {
        let call = value(&event, "variable_sip_h_X-n").to_owned();
        let did = match value(&event, "Event-Name") {
            "CHANNEL_EXECUTE" => [value(&event, "Application"), value(&event, "Application-Data")].join(" "),
            "CHANNEL_HANGUP" => value(&event, "Hangup-Cause").to_owned(),
            _ => continue,
        };
        if !call.is_empty() {
            callees.entry(call).or_default().push(did);
        }
    }
    callees
}

fn call(talk: &mut Talk, n: usize, number: &str) {
    talk.say(&format!(
        "bgapi originate {{sip_h_X-n={n},ignore_early_media=true}}sofia/external/{number}@127.0.0.1:5080 &park()"
    ));
}

#[test]
fn a_callee_hangs_up_after_its_hold() {
    let mut talk = configured("hold = \"2500ms\"\nanswer_after = \"100ms\"");
    call(&mut talk, 1, "9196");
    talk.wait(ms(2_600));
    assert!(!talk.story().iter().any(|told| told.starts_with("CHANNEL_HANGUP")));
    talk.wait(ms(10));
    assert_eq!(talk.story()[0], "CHANNEL_HANGUP inbound NORMAL_CLEARING");
    talk.wait(ms(100));
    assert_eq!(talk.switch.figures().channels, 0);
}

#[test]
fn early_media_comes_at_its_share_and_failures_when_they_are_ordered() {
    let mut talk = configured(
        "ring_after = \"50ms\"\nanswer_after = \"1s\"\nearly_media = 0.5\n\
         failures = { USER_BUSY = 0.1, NO_ANSWER = 0.1, CALL_REJECTED = { share = 0.2, after = \"300ms\" } }",
    );
    for n in 0..400 {
        call(&mut talk, n, "9196");
    }
    talk.wait(ms(30));
    let count = |story: &[String], start: &str| story.iter().filter(|told| told.starts_with(start)).count();
    let at_once = talk.story();
    let busy = count(&at_once, "BACKGROUND_JOB -ERR USER_BUSY");
    assert!((20..60).contains(&busy), "{busy}");
    assert_eq!(count(&at_once, "CHANNEL_PROGRESS"), 0);
    talk.wait(ms(50));
    let rang = talk.story();
    let early = count(&rang, "CHANNEL_PROGRESS_MEDIA inbound");
    assert_eq!(count(&rang, "CHANNEL_PROGRESS inbound") + early, 400 - busy);
    assert!((140..220).contains(&early), "{early}");
    talk.wait(ms(300));
    let rejected = count(&talk.story(), "BACKGROUND_JOB -ERR CALL_REJECTED");
    assert!((55..110).contains(&rejected), "{rejected}");
    talk.wait(ms(1_000));
    let answered = count(&talk.story(), "BACKGROUND_JOB +OK");
    talk.wait(ms(62_000));
    let unanswered = count(&talk.story(), "BACKGROUND_JOB -ERR NO_ANSWER");
    assert_eq!(answered + unanswered + busy + rejected, 400);
    assert!((20..60).contains(&unanswered), "{unanswered}");
}

/// The same calls at other times, between other commands, over a limit now and then: each gets the same callee.
#[test]
fn each_call_has_its_callee_whatever_else_goes_on() {
    let table = "seed = 3\nring_after = { exponential = \"20ms\" }\nanswer_after = { uniform = [\"1ms\", \"90ms\"] }\n\
                 early_media = 0.3\nfailures = { USER_BUSY = 0.2, CALL_REJECTED = { share = 0.1, after = \"10ms\" } }\n";
    let run = |rate: u32, gap: u64, others: bool| {
        let mut talk = configured(&format!("{table}sessions_per_second = {rate}"));
        for n in 0..60 {
            talk.wait(ms(gap * (n as u64 % 7)));
            if others {
                talk.say("api status");
                talk.say("bgapi originate null/x &park()");
                call(&mut talk, 1_000 + n, "ring20");
                call(&mut talk, 2_000 + n, "9197");
            }
            call(&mut talk, n, "9196");
        }
        talk.wait(ms(1_000));
        callees(&mut talk).into_iter().filter(|(n, _)| n.len() < 3).collect::<BTreeMap<_, _>>()
    };
    let plain = run(100_000, 0, false);
    assert_eq!(plain.len(), 60);
    assert!(plain.values().collect::<std::collections::BTreeSet<_>>().len() > 40, "each its own: {plain:?}");
    assert_eq!(run(100_000, 1, false), plain);
    assert_eq!(run(100_000, 3, true), plain);
    let refused_some = run(60, 5, false);
    assert!((10..60).contains(&refused_some.len()), "{}", refused_some.len());
    assert!(refused_some.iter().all(|(n, callee)| plain[n] == *callee));
}

/// An IVR: it answers, plays until a digit comes, and goes by that digit to an extension that sends back, calls on, or
/// hangs up.
const IVR: &str = r#"
[[dialplan]]
number = "^7(\\d+)$"
about = "asks what to do"
do = [
    { application = "set", data = "menu=$1", inline = true },
    "answer",
    "set playback_terminators=any",
    "playback silence_stream://5000",
    "transfer menu-${playback_terminator_used}",
]
[[dialplan]]
number = "menu-1"
do = ["set transfer_ringback=", "bridge {ignore_early_media=true}loopback/ring50/default"]
[[dialplan]]
number = "menu-2"
when = { menu = "^77" }
do = ["hangup USER_BUSY"]
else = ["hangup CALL_REJECTED"]
[[dialplan]]
number = "^menu-"
do = ["transfer 755"]
"#;

fn digit(talk: &mut Talk, digits: &str) {
    talk.say(&format!("api uuid_send_dtmf near {digits}"));
    talk.wait(ms(1_000));
}

fn ivr(number: &str) -> Talk {
    let mut talk = configured(IVR);
    talk.say(&format!("bgapi originate {{origination_uuid=near}}sofia/external/{number}@127.0.0.1:5080 &park()"));
    talk.wait(ms(500));
    let doings = talk.doings();
    let far: Vec<&str> = doings.iter().filter_map(|told| told.split(' ').nth(2)).collect();
    assert_eq!(far[..2], ["set", "set"], "{doings:?}");
    assert!(doings.iter().any(|told| told.starts_with("EXECUTE ") && told.ends_with("playback")), "{doings:?}");
    talk
}

#[test]
fn an_ivr_goes_where_the_caller_dials() {
    let mut talk = ivr("701");
    digit(&mut talk, "2");
    assert!(talk.story().contains(&"CHANNEL_HANGUP inbound CALL_REJECTED".to_owned()));
    let mut talk = ivr("777");
    digit(&mut talk, "2");
    assert!(talk.story().contains(&"CHANNEL_HANGUP inbound USER_BUSY".to_owned()));

    let mut talk = ivr("701");
    digit(&mut talk, "9");
    assert_eq!(talk.switch.figures().channels, 2, "asked again");
    digit(&mut talk, "1");
    assert_eq!(talk.switch.figures().channels, 4, "a bridge through a loopback");
    talk.say("api uuid_kill near");
    talk.wait(ms(200));
    assert_eq!(talk.switch.figures().channels, 0);
}

/// Another one, which asks for so many digits of a kind, again if it must, and bridges, hangs up or gives up by them.
const ASKING: &str = r#"
[[dialplan]]
number = "^8$"
do = [
    "answer",
    "playback silence_stream://200",
    "play_and_get_digits 2 4 2 1500 # silence_stream://300 silence_stream://100 wanted ^\\d+$ 1000",
    "transfer wanted-${wanted}",
]
[[dialplan]]
number = "^wanted-1(\\d+)$"
do = ["bridge {ignore_early_media=true}loopback/ring$1/default", "hangup NORMAL_CLEARING"]
[[dialplan]]
number = "^wanted-$"
do = ["hangup NO_USER_RESPONSE"]
[[dialplan]]
number = "^wanted-"
do = ["hangup UNALLOCATED_NUMBER"]
"#;

fn asking() -> Talk {
    let mut talk = configured(ASKING);
    talk.say("bgapi originate {origination_uuid=near}sofia/external/8@127.0.0.1:5080 &park()");
    talk.wait(ms(300));
    talk.story();
    talk
}

#[test]
fn an_ivr_asks_for_digits_and_bridges_or_hangs_up_by_them() {
    let mut talk = asking();
    digit(&mut talk, "150#");
    talk.wait(ms(1_500));
    let story = talk.story();
    assert_eq!(talk.switch.figures().channels, 4, "a bridge through a loopback: {story:?}");
    assert!(story.iter().any(|told| told.starts_with("CHANNEL_BRIDGE")), "{story:?}");
    talk.say("api hupall NORMAL_CLEARING");
    talk.wait(ms(500));
    assert_eq!(talk.switch.figures().channels, 0);

    let mut talk = asking();
    digit(&mut talk, "99#");
    talk.wait(ms(1_500));
    assert!(talk.story().contains(&"CHANNEL_HANGUP inbound UNALLOCATED_NUMBER".to_owned()));
}

#[test]
fn an_ivr_asks_so_often_and_gives_up() {
    let mut talk = asking();
    talk.wait(ms(1_000));
    digit(&mut talk, "7#");
    assert_eq!(talk.switch.figures().channels, 2, "one digit is too few: asked again");
    talk.wait(ms(4_000));
    assert!(talk.story().contains(&"CHANNEL_HANGUP inbound NO_USER_RESPONSE".to_owned()));
    assert_eq!(talk.switch.figures().channels, 0);
}

#[test]
fn an_extension_of_the_configuration_can_have_an_ordered_callee() {
    let mut talk = configured(
        "answer_after = \"100ms\"\ndialplan = [{ number = \"^55\", callee = true, do = [\"answer\", \"park\"] }]",
    );
    call(&mut talk, 1, "5512");
    talk.wait(ms(50));
    assert_eq!(talk.switch.find("x"), None);
    assert_eq!(callees(&mut talk)["1"], ["ring_ready ", "sleep 100.000"]);
    talk.wait(ms(100));
    assert_eq!(callees(&mut talk)["1"], ["answer ", "park "]);
}

#[test]
fn sessions_wait_for_each_other_and_idle_cpu_says_so() {
    let mut talk = configured("capacity = { service_time = \"4ms\" }\nheartbeat = \"1s\"");
    talk.say("noevents");
    talk.say("event plain BACKGROUND_JOB HEARTBEAT");
    // 100 calls a second are 200 sessions: 80 % of what it can do.
    for _ in 0..400 {
        talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &hangup()");
        talk.wait(ms(10));
    }
    let jobs = talk.events.iter().filter(|event| event.contains("+OK")).count();
    assert!(jobs > 390, "nothing waits for long: {jobs}");
    talk.say("api status");
    let idle = talk.last_reply().lines().find_map(|line| line.strip_prefix("min idle cpu 0.00/")).map(str::to_owned);
    let idle: f64 = idle.expect("a line").parse().expect("a number");
    assert!((15.0..30.0).contains(&idle), "{idle}");
    let beat = talk.events.iter().rfind(|event| value(event, "Event-Name") == "HEARTBEAT").cloned().expect("a beat");
    assert!((value(&beat, "Idle-CPU").parse::<f64>().expect("a number") - idle).abs() < 5.0, "{beat}");

    talk.say("api fsctl min_idle_cpu 50");
    assert_eq!(talk.last_reply(), "+OK min idle cpu: 50.00");
    talk.say("api originate null/x &park()");
    assert_eq!(talk.last_reply(), "-ERR DESTINATION_OUT_OF_ORDER\n");
    talk.say("api fsctl min_idle_cpu 0");
    assert_eq!(talk.last_reply(), "+OK min idle cpu: DISABLED\n");

    // Twice as many: each waits longer than the one before.
    talk.events.clear();
    for _ in 0..200 {
        talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &hangup()");
        talk.wait(ms(5));
    }
    let jobs = talk.events.iter().filter(|event| event.contains("+OK")).count();
    assert!(jobs < 140, "the queue grows: {jobs}");
}

#[test]
fn a_fixed_idle_cpu_stays() {
    let mut talk = Talk::new(Config { idle_cpu: Some(12.5), capacity: Capacity::default(), ..roomy() });
    talk.say("api status");
    assert!(talk.last_reply().contains("min idle cpu 0.00/12.50\n"), "{}", talk.last_reply());
    let status = r#"api json {"command":"status","data":""}"#;
    talk.say(status);
    assert!(talk.last_reply().contains(r#""idleCPU":{"used":0,"allowed":12.5}"#), "{}", talk.last_reply());
    talk.say("api fsctl min_idle_cpu 7");
    talk.say(status);
    assert!(talk.last_reply().contains(r#""idleCPU":{"used":7,"allowed":12.5}"#), "{}", talk.last_reply());
}

#[test]
fn an_extension_from_code() {
    let extension = Extension::new("default", r"^8(\d+)$", &["answer", "sleep $1", "hangup USER_BUSY"]).expect("one");
    let mut talk = Talk::new(Config { dialplan: vec![extension], ..roomy() });
    call(&mut talk, 1, "8300");
    talk.wait(ms(400));
    assert_eq!(callees(&mut talk)["1"], ["answer ", "sleep 300", "hangup USER_BUSY", "USER_BUSY"]);
}

#[test]
fn jobs_are_lost_at_their_share_and_by_no_other_fault() {
    for (fault, lost) in [("lose_jobs share 1", 20), ("lose_jobs share 0", 0), ("pause", 0)] {
        let mut talk = Talk::roomy();
        talk.switch.faults.order(talk.now, fault.parse().expect("a fault")).expect("room");
        talk.switch.faults.advance(talk.now);
        for _ in 0..20 {
            talk.say("bgapi echo x");
        }
        talk.wait(ms(10));
        let told = talk.events.iter().filter(|event| event.contains("Event-Name: BACKGROUND_JOB\n")).count();
        assert_eq!(told, 20 - lost, "{fault}");
    }
}

#[test]
fn a_server_that_was_started_again_goes_on_with_the_time_of_its_faults() {
    let mut talk = Talk::roomy();
    talk.switch.succeeds(crate::fault::Timetable::default(), Duration::from_secs(100));
    assert_eq!(talk.switch.since_start(ms(500)), Duration::from_millis(100_500));
}
