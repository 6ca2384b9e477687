//! Commands at random: whatever a client says, calls end, timers drain and the counts stay right.

use std::{collections::HashSet, time::Duration};

use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    sample::select,
};

use super::ms;
use crate::{
    Config,
    clock::Stamp,
    command::{Command, Decoder},
    event::{ListenerId, Output},
    switch::Switch,
};

/// Those who say something; the last is told of all events.
const LISTENERS: u64 = 3;

struct Play {
    switch: Switch,
    now: Duration,
    /// Channels that have been told of, and whose end has not been.
    told: HashSet<Vec<u8>>,
}

impl Play {
    fn new(seed: u64) -> Play {
        let config = Config { seed, sessions_per_second: 200, max_sessions: 50, ..Config::default() };
        let switch = Switch::new(&config, None, Stamp(1_795_393_566_000_000)).expect("a possible callee");
        let mut play = Play { switch, now: Duration::ZERO, told: HashSet::new() };
        for number in 1..=LISTENERS {
            play.switch.connect(Duration::ZERO, ListenerId(number));
            play.say(number, "auth ClueCon\n\n");
        }
        play.say(LISTENERS, "event plain ALL\n\n");
        play
    }

    fn say(&mut self, listener: u64, text: &str) {
        let mut decoder = Decoder::default();
        decoder.feed(text.as_bytes());
        while let Ok(Some(command)) = decoder.next() {
            self.command(listener, &command);
        }
    }

    fn command(&mut self, listener: u64, command: &Command) {
        self.switch.advance(self.now);
        self.switch.command(self.now, ListenerId(listener), command);
        self.hear();
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.switch.advance(self.now);
        self.hear();
    }

    /// Nobody listens where the switch dials.
    fn hear(&mut self) {
        let outputs: Vec<Output> = self.switch.drain().collect();
        for output in outputs {
            match output {
                Output::Event(ListenerId(LISTENERS), bytes) => {
                    let value = |name: &[u8]| {
                        bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name)).unwrap_or_default()
                    };
                    match value(b"Event-Name: ") {
                        b"CHANNEL_CREATE" => drop(self.told.insert(value(b"Unique-ID: ").to_vec())),
                        // One that is refused before it is made is destroyed all the same.
                        b"CHANNEL_DESTROY" => drop(self.told.remove(value(b"Unique-ID: "))),
                        _ => {}
                    }
                }
                Output::Close(listener, _) | Output::Goodbye(listener, _) => {
                    self.switch.disconnect(self.now, listener);
                    self.hear();
                }
                Output::Dial(listener, _) => {
                    self.switch.dial_failed(self.now, listener);
                    self.hear();
                }
                _ => {}
            }
        }
    }

    /// Ends everything that a client can have begun.
    fn end(&mut self) {
        for number in 1..LISTENERS {
            self.switch.disconnect(self.now, ListenerId(number));
        }
        self.say(LISTENERS, "api fsctl resume\n\napi sched_del g\n\n");
        for uuid in UUIDS {
            self.say(LISTENERS, &format!("api sched_del {uuid}\n\n"));
        }
        for _ in 0..5 {
            self.say(LISTENERS, "api hupall\n\n");
            self.wait(Duration::from_secs(10));
        }
    }
}

const UUIDS: [&str; 4] = ["u1", "u2", "u3", "u4"];

fn uuid() -> impl Strategy<Value = String> {
    select(&[UUIDS[0], UUIDS[1], UUIDS[2], UUIDS[3], "nobody", ""][..]).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = String> {
    select(&["0", "1", "2", "-1", "70", "1000", "99999999999999999999", "x", ""][..]).prop_map(str::to_owned)
}

fn endpoint() -> impl Strategy<Value = String> {
    let extensions = ["9196", "9197", "486", "ring100", "early100", "noanswer", "drop100", "park", "nowhere", ""];
    let extension = || select(extensions.to_vec());
    prop_oneof![
        3 => Just("null/x".to_owned()),
        2 => extension().prop_map(|extension| format!("loopback/{extension}/default")),
        4 => extension().prop_map(|extension| format!("sofia/external/{extension}@127.0.0.1:5080")),
        1 => Just("sofia/external/x@127.0.0.1:5090".to_owned()),
        1 => select(vec!["sofia/gateway/x/1", "user/1", "sofia/x/y", "sofia/external/x", "", "null", "{a=b}null/x"])
            .prop_map(str::to_owned),
    ]
}

/// An application with its argument.
fn application() -> impl Strategy<Value = (String, String)> {
    let named = |name: &'static str| number().prop_map(move |number| (name.to_owned(), number));
    let with = |name: &'static str, argument: &'static str| Just((name.to_owned(), argument.to_owned()));
    let plain = ["park", "echo", "answer", "pre_answer", "ring_ready", "hangup", "sleep", "unknown", "stop_dtmf"];
    prop_oneof![
        4 => select(plain.to_vec()).prop_map(|name| (name.to_owned(), String::new())),
        2 => named("sleep"),
        2 => number().prop_map(|number| ("playback".to_owned(), format!("silence_stream://{number}"))),
        1 => number().prop_map(|number| ("endless_playback".to_owned(), format!("silence_stream://{number}"))),
        2 => endpoint().prop_map(|endpoint| ("bridge".to_owned(), endpoint)),
        1 => number().prop_map(|number| ("record".to_owned(), format!("/tmp/a.wav {number}"))),
        1 => with("record_session", "/tmp/b.wav"),
        2 => with("set", "a=${a}${a}bc"),
        1 => with("export", "e=f"),
        1 => number().prop_map(|number| ("sched_hangup".to_owned(), format!("+{number}"))),
        1 => select(vec!["9196", "park", "nowhere"]).prop_map(|to| ("transfer".to_owned(), to.to_owned())),
        1 => with("socket", "127.0.0.1:1 async full"),
        1 => with("socket", "127.0.0.1:1|localhost|192.0.2.1"),
        1 => with("respond", "486"),
        1 => with("deflect", "sip:x@y"),
        1 => with("playback", "/tmp/a.wav"),
        1 => with("send_dtmf", "12*#@100"),
        1 => with("park::x", ""),
    ]
}

fn originate() -> impl Strategy<Value = String> {
    let options = [
        "",
        ",originate_timeout=2",
        ",ignore_early_media=true",
        ",execute_on_answer='sched_hangup +1'",
        ",park_after_bridge=true",
        ",hangup_after_bridge=true",
        ",continue_on_fail=true",
        ",x='",
    ];
    let then = prop_oneof![
        3 => application().prop_map(|(name, data)| format!("&{name}({data})")),
        1 => select(vec!["9196 XML default", "park", "nowhere"]).prop_map(str::to_owned),
    ];
    (uuid(), select(options.to_vec()), endpoint(), then).prop_map(|(uuid, option, endpoint, then)| {
        format!("originate {{origination_uuid={uuid}{option}}}{endpoint} {then}")
    })
}

fn api() -> impl Strategy<Value = String> {
    let of_one = [
        "uuid_kill",
        "uuid_answer",
        "uuid_park",
        "uuid_dump",
        "uuid_exists",
        "uuid_hold",
        "uuid_media",
        "uuid_break",
        "uuid_pre_answer",
        "uuid_ring_ready",
        "uuid_flush_dtmf",
        "sched_del",
        "uuid_getvar",
        "uuid_setvar",
    ];
    let others = [
        "status",
        "show channels",
        "show calls as json",
        "hupall",
        "hupall NORMAL_CLEARING a b",
        "fsctl pause",
        "fsctl resume",
        "fsctl max_sessions 3",
        "fsctl sps 5",
        "sched_del g",
        "sim fault pause",
        "sim clear",
        "",
        "sim fault lose_jobs share 0.5",
        "bgapi uuid:j status",
        "create_uuid",
        "originate",
        "uuid_setvar_multi",
    ];
    prop_oneof![
        6 => originate(),
        4 => (select(of_one.to_vec()), uuid()).prop_map(|(name, uuid)| format!("{name} {uuid}")),
        2 => select(others.to_vec()).prop_map(str::to_owned),
        2 => (uuid(), uuid()).prop_map(|(one, other)| format!("uuid_bridge {one} {other}")),
        2 => (uuid(), select(vec!["", "-both", "-bleg"]), select(vec!["9196", "park", "nowhere", ""]))
            .prop_map(|(uuid, leg, to)| format!("uuid_transfer {uuid} {leg} {to}")),
        2 => (uuid(), application(), select(vec!["", "both", "bleg"]))
            .prop_map(|(uuid, (name, data), legs)| format!("uuid_broadcast {uuid} {name}::{data} {legs}")),
        1 => (uuid(), number()).prop_map(|(uuid, limit)| format!("uuid_record {uuid} start /tmp/c.wav {limit}")),
        1 => uuid().prop_map(|uuid| format!("uuid_record {uuid} stop all")),
        1 => (uuid(), select(vec!["12", "*#w1@100", "x"])).prop_map(|(uuid, d)| format!("uuid_send_dtmf {uuid} {d}")),
        1 => (uuid(), select(vec!["12", "*#w1@100", "x"])).prop_map(|(uuid, d)| format!("uuid_recv_dtmf {uuid} {d}")),
        1 => (number(), uuid()).prop_map(|(number, uuid)| format!("sched_hangup +{number} {uuid}")),
        1 => (number(), uuid()).prop_map(|(number, uuid)| format!("sched_transfer +{number} {uuid} park")),
        1 => (number(), uuid()).prop_map(|(number, uuid)| format!("sched_broadcast +{number} {uuid} park")),
        1 => (select(vec!["+", "@", ""]), number(), originate())
            .prop_map(|(how, number, originate)| format!("sched_api {how}{number} g {originate}")),
        1 => uuid().prop_map(|uuid| format!("uuid_setvar_multi {uuid} a=b;c=;=d;playback_terminators=any")),
    ]
}

/// One or more commands as a client sends them.
fn said() -> impl Strategy<Value = String> {
    let own = [
        "event json CHANNEL_PARK CUSTOM a",
        "event plain ALL",
        "nixevent CHANNEL_PARK",
        "noevents",
        "log 7",
        "nolog",
        "filter Unique-ID u1",
        "filter delete all",
        "filter Event-Name /CHANNEL/",
        "linger 1",
        "linger",
        "nolinger",
        "divert_events on",
        "divert_events off",
        "resume",
        "getvar a",
        "noop",
        "exit",
        "auth x",
        "connect",
    ];
    let execute = (uuid(), application(), number(), select(vec!["", "event-lock: true\n", "lead-frames: 5\n"]))
        .prop_map(|(uuid, (name, data), loops, more)| {
            format!(
                "sendmsg {uuid}\ncall-command: execute\nexecute-app-name: {name}\nexecute-app-arg: {data}\n\
                 loops: {loops}\n{more}\n"
            )
        });
    prop_oneof![
        8 => (select(vec!["api", "bgapi"]), api()).prop_map(|(how, api)| format!("{how} {api}\n\n")),
        4 => execute,
        1 => uuid().prop_map(|uuid| format!("sendmsg {uuid}\ncall-command: hangup\nhangup-cause: USER_BUSY\n\n")),
        1 => uuid().prop_map(|uuid| format!("sendevent NOTIFY\nUnique-ID: {uuid}\n\n")),
        1 => uuid().prop_map(|uuid| format!("myevents {uuid}\n\n")),
        2 => select(own.to_vec()).prop_map(|line| format!("{line}\n\n")),
        1 => any::<String>().prop_map(|text| format!("{text}\n\n")),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_that_is_said_breaks_the_switch(
        seed in any::<u64>(),
        talk in vec((1..LISTENERS, said(), select(vec![0, 0, 1, 20, 100, 700, 5_000])), 1..60),
    ) {
        let mut play = Play::new(seed);
        for (listener, text, wait) in talk {
            play.say(listener, &text);
            play.wait(ms(wait));
            let up = play.switch.figures().channels;
            prop_assert!(up <= 50);
            prop_assert!(play.told.len() <= up, "{} told of, {} up after {}", play.told.len(), up, text);
            prop_assert!(play.switch.timers.len() < 20_000, "{} timers", play.switch.timers.len());
        }
        play.end();
        let figures = play.switch.figures();
        prop_assert_eq!(figures.channels, 0, "every channel ends");
        prop_assert!(play.told.is_empty(), "every end is told");
        prop_assert!(play.switch.attempts.is_empty() && play.switch.by_uuid.is_empty());
        prop_assert!(play.switch.controlled_by.is_empty() && play.switch.dialling.is_empty());
        // Originates may be more patient than this, and what is planned is far away: both are swept when they are many.
        play.switch.sweep_timers();
        prop_assert_eq!(play.switch.timers.len(), 1 + play.switch.tasks.len(), "the heartbeat and what is planned");
    }

    #[test]
    fn any_bytes_cut_anywhere_are_the_same_commands(
        parts in vec(
            prop_oneof![
                select(vec![&b"\n"[..], b"\r\n", b"\n\n", b"api status", b":", b"Content-Length: 5", b"a: b", b"\0\xff"])
                    .prop_map(<[u8]>::to_vec),
                vec(any::<u8>(), 0..20),
            ],
            0..60,
        ),
        cut in 1..40_usize,
    ) {
        let bytes = parts.concat();
        let commands = |decoder: &mut Decoder| {
            std::iter::from_fn(|| decoder.next().ok().flatten()).collect::<Vec<Command>>()
        };
        let mut whole = Decoder::default();
        whole.feed(&bytes);
        let expected = commands(&mut whole);
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(cut) {
            decoder.feed(piece);
            found.extend(commands(&mut decoder));
        }
        prop_assert_eq!(&found, &expected);
        prop_assert!(decoder.held() <= bytes.len());
        let mut play = Play::new(1);
        for command in &found {
            play.command(1, command);
        }
    }
}
