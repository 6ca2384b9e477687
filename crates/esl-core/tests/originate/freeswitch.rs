//! Awkward values on a real server: each one that is taken is the channel's afterwards, to the byte.

use std::time::Duration;

use esl_core::{Application, Client, Credentials, Extension, Group, HangupCause, Leg, OnAnswer, Options, Originate};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::fact_30::rows;
use crate::parser::parse;
use crate::round_trip::awkward;

/// Random values, beside those of the list.
const RANDOM: usize = 400;
/// The random values are the same each time.
const SEED: [u8; 32] = *b"the same awkward values each day";
/// How long a server may take over anything here.
const PATIENCE: Duration = Duration::from_secs(10);

const FIXED: &[&str] = &[
    "plain",
    "a b",
    "a,b",
    "a, b",
    "it's",
    "'",
    "''",
    "'''",
    "\\'",
    "'\\",
    "a'b'c",
    "'a b'",
    "\\",
    "\\\\",
    "\\\\\\",
    "a\\b",
    "a\\",
    "\\a",
    "\\n",
    "\\s",
    "\\t",
    "\\r",
    "\\,",
    "\\=",
    "\\\"",
    "\\$",
    "\\|",
    "\\;",
    "\\'\\",
    "C:\\new\\table",
    "\"",
    "\"a b\"",
    "\"a\" <b>",
    " ",
    "  ",
    " a",
    "a ",
    "  a  b  ",
    "\t",
    " \t ",
    "\n",
    "a\nb",
    "a\n",
    "\r\n",
    "a\r\nb",
    ",",
    ",,",
    ", ",
    "=",
    "==",
    "a=b",
    "n=1,m=2",
    "{}",
    "{x}",
    "a{b}c",
    "{{}}",
    "{",
    "}",
    "a}b",
    "}{",
    "{}}",
    "[]",
    "[x]",
    "[",
    "]",
    "[n=1]",
    "<>",
    "<x>",
    "<",
    ">",
    "$",
    "$$",
    "$1",
    "a$",
    "$a",
    "${",
    "${x}",
    "$${x}",
    "$\\{x}",
    "\\${x}",
    "$ {x}",
    "{$}",
    "|",
    "a|b",
    "||",
    ":",
    "::",
    ":_:",
    ":_:_:",
    "a:_:b",
    ";",
    "a;b",
    "a:b,c;d|e",
    "^^",
    "^^:a:b",
    "^^;",
    "&",
    "&park()",
    "(",
    ")",
    "a(b)",
    "%41",
    "%",
    "a%2Cb",
    "#",
    "!",
    "~",
    "`",
    "/",
    "@",
    "?",
    "*",
    "+",
    "é☎",
    "日本語",
    "🎉 it's",
    "\u{85}",
    "\u{a0}",
    "\u{7f}",
    "\u{1}",
    "\u{2}",
    "\u{1f}",
    "\u{1b}[0m",
    "\u{feff}",
    "\0",
    "undef",
    "_undef_",
    "ARRAY::",
    "ARRAY::a",
    "ARRAY::a|:b",
    "ARRAY::a|:b c|:d",
    "ARRAY::a|:",
    "ARRAY::|:a",
    "ARRAY::ARRAY::a|:b",
    "reload mod_event_socket",
    "unload MOD_EVENT_SOCKET",
    "origination_uuid=x",
    "<sip:a@b>;c=\"d e\"",
    "{\"json\": [1, \"it's\"]}",
    "sched_hangup +12 allotted_timeout",
    "",
];

/// What became of the values of one kind.
#[derive(Debug, Default)]
struct Tally {
    tried: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn compare(&mut self, sent: &str, had: &[u8]) {
        let expected = if sent.is_empty() { "_undef_" } else { sent };
        if had != expected.as_bytes() {
            self.wrong.push(format!("{sent:?} became {:?}", String::from_utf8_lossy(had)));
        }
    }
}

struct Server(Client);

impl Server {
    /// The server of the environment; without one the test is skipped.
    async fn connect() -> Option<Self> {
        let Ok(server) = std::env::var("FREESWITCH_ESL") else {
            eprintln!("skipped: FREESWITCH_ESL=host:port:password is not set");
            return None;
        };
        let (address, password) = server.rsplit_once(':').expect("host:port:password");
        let client = Client::connect(address, &Credentials::password(password), &Options::default()).await;
        Some(Self(client.expect("a FreeSWITCH")))
    }

    /// Sends what the model has understood, so that nothing harmful is sent.
    async fn originate(&self, originate: &Originate) -> Result<String, String> {
        let command = originate.command().expect("a command");
        parse(&command).expect("a command that the model understands");
        self.0.cmd(&command).await.map_err(|error| error.to_string())
    }

    async fn variable(&self, channel: Uuid, name: &str) -> Vec<u8> {
        self.0.api(&format!("uuid_getvar {channel} {name}")).await.expect("a reply").body().to_vec()
    }

    /// Waits until the channel runs an application.
    async fn runs(&self, channel: Uuid, application: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.variable(channel, "current_application").await != application.as_bytes() {
            assert!(Instant::now() < deadline, "{channel} does not run {application}");
        }
    }

    async fn kill(&self, channel: Uuid) {
        self.0.cmd(&format!("uuid_kill {channel}")).await.expect("a channel to hang up");
    }
}

/// A call to nothing, beyond the server's limit on calls a second.
fn call(channel: Uuid, leg: impl Into<Leg>, on_answer: impl Into<OnAnswer>) -> Originate {
    Originate::new(channel, leg, on_answer).variable("no_throttle_limits", "true")
}

#[tokio::test]
async fn awkward_values_come_back_from_a_server() {
    let Some(server) = Server::connect().await else { return };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let random = (0..RANDOM).map(|_| awkward().new_tree(&mut runner).expect("a value").current());
    let values: Vec<String> = FIXED.iter().map(|&value| value.to_owned()).chain(random).collect();

    type Make = fn(Uuid, &str) -> Originate;
    let kinds: [(&str, &str, Make); 5] = [
        ("{}", "n", |channel, value| call(channel, "null/x", "park").variable("n", value).variable("m", "1")),
        ("{} nested", "n", |channel, value| call(channel, "null/x", "park").nested_variables().variable("n", value)),
        ("<>", "n", |channel, value| {
            call(channel, "null/x", "park").enterprise_variable("n", value).variable("m", "1")
        }),
        ("[]", "n", |channel, value| {
            call(channel, Leg::new("null/x").variable("n", value).variable("k", value).variable("m", "1"), "park")
        }),
        ("&park()", "current_application_data", |channel, value| {
            call(channel, "null/x", Application::new("park").arguments(value))
        }),
    ];
    let mut wrong = 0;
    for (kind, name, make) in kinds {
        let mut tally = Tally::default();
        for value in &values {
            // As a variable to read, arguments would become a list; the application gets them as they are.
            if name != "n" && value.starts_with("ARRAY::") {
                continue;
            }
            tally.tried += 1;
            let channel = Uuid::new_v4();
            let originate = make(channel, value);
            if originate.command().is_err() {
                tally.refused += 1;
                continue;
            }
            match server.originate(&originate).await {
                Ok(reply) if reply == format!("+OK {channel}") => {}
                other => {
                    tally.wrong.push(format!("{value:?} was answered {other:?}"));
                    continue;
                }
            }
            server.runs(channel, "park").await;
            tally.compare(value, &server.variable(channel, name).await);
            server.kill(channel).await;
        }
        eprintln!("{kind}: {} tried, {} refused, {} wrong", tally.tried, tally.refused, tally.wrong.len());
        tally.wrong.iter().for_each(|value| eprintln!("  {value}"));
        wrong += tally.wrong.len();
    }
    assert_eq!(wrong, 0);
}

#[tokio::test]
async fn a_server_still_answers_as_recorded() {
    let Some(server) = Server::connect().await else { return };
    for row in rows() {
        // A channel of its own, so that this can run beside another one.
        let (before, after) = row.command.split_once("abababab-0000-4000-8000-").expect("a UUID");
        let channel = Uuid::new_v4();
        let command = format!("{before}{channel}{}", &after["000000000000".len()..]);
        let command = command.replacen('{', "{no_throttle_limits=true,", 1).replace("true,^^", "true}{^^");
        let reply = server.0.cmd(&command).await;
        match (&row.n, reply) {
            (Some(n), Ok(_)) => {
                assert_eq!(server.variable(channel, "n").await, n.as_bytes(), "{row:?}");
                let m = row.m.as_deref().unwrap_or_default();
                assert_eq!(server.variable(channel, "m").await, m.as_bytes(), "{row:?}");
                server.kill(channel).await;
            }
            (None, Err(error)) => assert_eq!(error.to_string(), row.reply, "{row:?}"),
            (_, reply) => panic!("{row:?}: {reply:?}"),
        }
    }
}

#[tokio::test]
async fn legs_and_groups_on_a_server() {
    let Some(server) = Server::connect().await else { return };
    let leg = |uuid| Leg::new("null/x").uuid(uuid).variable("n", "it's, \\ a leg");
    let busy = |to: &str| call(Uuid::new_v4(), to, "park").variable("all", "a 'b', \\c");
    type Make<'a> = &'a dyn Fn(Uuid) -> Originate;
    let cases: [Make<'_>; 3] = [
        &|second| busy("error/USER_BUSY").or(leg(second)),
        &|second| busy("null/cause-USER_BUSY").and(leg(second)),
        &|second| busy("error/USER_BUSY").enterprise(Group::new(leg(second)).variable("k", "1")),
    ];
    for make in cases {
        let second = Uuid::new_v4();
        assert_eq!(server.originate(&make(second)).await, Ok(format!("+OK {second}")));
        assert_eq!(server.variable(second, "n").await, b"it's, \\ a leg");
        assert_eq!(server.variable(second, "all").await, b"a 'b', \\c");
        server.kill(second).await;
    }
}

#[tokio::test]
async fn extensions_and_guards_on_a_server() {
    let Some(server) = Server::connect().await else { return };
    let channel = Uuid::new_v4();
    let inline = Extension::new("set:n=a b,park:").dialplan("inline");
    assert!(server.originate(&call(channel, "null/x", inline)).await.is_ok());
    server.runs(channel, "park").await;
    assert_eq!(server.variable(channel, "n").await, b"a b");
    server.kill(channel).await;

    let channel = Uuid::new_v4();
    let guarded = call(channel, "null/x", "park")
        .timeout(Duration::from_millis(1500))
        .hangup_after(Duration::from_millis(1500), HangupCause::USER_BUSY)
        .codecs(["PCMU", "PCMA@20i"])
        .caller_id("Jo O'Neill, é", "+49 30")
        .x_header("Call", "a, b;c=\"d\"");
    assert!(server.originate(&guarded).await.is_ok());
    for (name, value) in [
        ("originate_timeout", "2"),
        ("absolute_codec_string", "PCMU,PCMA@20i"),
        ("origination_caller_id_name", "Jo O'Neill, é"),
        ("origination_caller_id_number", "+49 30"),
        ("sip_h_X-Call", "a, b;c=\"d\""),
    ] {
        assert_eq!(String::from_utf8_lossy(&server.variable(channel, name).await), value, "{name}");
    }
    let gone = async { while server.0.cmd(&format!("uuid_exists {channel}")).await.expect("a reply") == "true" {} };
    timeout(PATIENCE, gone).await.expect("the guard ends the call");
}
