//! One body for both: a simulated FreeSWITCH always, and a real one, set up as the recorded one was, where
//! `FREESWITCH_ESL=host:port:password` is set. It calls its own dialplan over SIP, bounded in calls and time.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::time::Duration;

use esl_core::{Client, Credentials, Options};
use serde_json::Value;
use support::{Bench, Run};

/// What has to be raised on a server for this test, and put back.
struct Limits {
    client: Client,
    before: Vec<(&'static str, String)>,
}

impl Limits {
    async fn raise(address: &str, password: &str) -> Self {
        let credentials = Credentials::password(password);
        let client = Client::connect(address, &credentials, &Options::default()).await.expect("a FreeSWITCH");
        let mut before = Vec::new();
        for name in ["sps", "max_sessions"] {
            let said = client.cmd(&format!("fsctl {name}")).await.expect("a limit");
            before.push((name, said.rsplit(' ').next().expect("a number").to_owned()));
            client.cmd(&format!("fsctl {name} 10000")).await.expect("raised");
        }
        // The limit of a second is in force from the server's next second on, and nothing says when that has begun.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        Self { client, before }
    }

    async fn put_back(self) {
        for (name, value) in self.before {
            self.client.cmd(&format!("fsctl {name} {value}")).await.expect("put back");
        }
    }

    async fn sessions_since_startup(&self) -> u64 {
        let status = self.client.cmd("status").await.expect("a status");
        let line = status.lines().find(|line| line.contains("since startup")).expect("a count");
        line.split(' ').next().and_then(|count| count.parse().ok()).expect("a number")
    }

    /// Waits until the server has no channel whose UUID begins so.
    async fn no_channel_of(&self, run: &str) {
        let prefix = format!("{}-{}", &run[..8], &run[8..]);
        let command = format!("show channels like {prefix} as json");
        let empty = async {
            loop {
                let channels = self.client.cmd(&command).await.expect("a list");
                let channels: Value = serde_json::from_str(&channels).expect("JSON");
                if channels["row_count"] == 0 {
                    break;
                }
                // The list is made from a database that runs behind.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), empty).await.expect("no channel is left");
    }
}

fn config(address: &str, password: &str, load: &str) -> Bench {
    let (host, port) = address.rsplit_once(':').expect("host:port");
    Bench::new(&format!("{load}\n[[slaves]]\nhost = \"{host}\"\nport = {port}\npassword = \"{password}\"\n"))
}

fn app<'a>(run: &'a Run, name: &str) -> &'a Value {
    let apps = run.report()["apps"].as_array().expect("apps");
    apps.iter().find(|app| app["name"] == name).expect("an app")
}

async fn every_end_of_a_call(address: &str, password: &str) {
    let limits = Limits::raise(address, password).await;
    // What an unknown profile comes to is among what is looked at.
    let mut load = "[preflight]\nenabled = false\n\
        [run]\nduration = \"3s\"\n[load]\nrate = 30\n[call]\ntimeout = \"2s\"\nhold = \"1s\"\n"
        .to_owned();
    for (name, to) in [
        ("answered", "sofia/external/9196@127.0.0.1:5080"),
        ("busy", "sofia/external/486@127.0.0.1:5080"),
        ("ringing", "sofia/external/ring300@127.0.0.1:5080"),
        ("early", "sofia/external/early300@127.0.0.1:5080"),
        ("dropped", "sofia/external/drop200@127.0.0.1:5080"),
        ("unanswered", "sofia/external/noanswer@127.0.0.1:5080"),
        ("unrouted", "sofia/external/nobody@127.0.0.1:5080"),
        ("unknown", "sofia/nope/9196@127.0.0.1:5080"),
        ("null", "null/x"),
    ] {
        load += &format!("[[apps]]\nkind = \"park\"\nname = \"{name}\"\nto = \"{to}\"\n");
    }
    let run = config(address, password, &load).run().await;
    assert_eq!(run.code(), 0, "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.calls("attempted"), 90);
    for (name, path) in [
        ("answered", "/calls/completed"),
        ("busy", "/hangup_causes/USER_BUSY"),
        ("busy", "/sip_statuses/486"),
        ("ringing", "/calls/completed"),
        ("early", "/calls/completed"),
        ("dropped", "/calls/dropped"),
        ("unanswered", "/hangup_causes/NO_ANSWER"),
        ("unanswered", "/latency_seconds/post_dial_delay/count"),
        ("unrouted", "/hangup_causes/NO_ROUTE_DESTINATION"),
        ("unknown", "/refused/endpoint"),
        ("null", "/calls/completed"),
    ] {
        assert_eq!(app(&run, name).pointer(path), Some(&Value::from(10)), "{name} {path}: {}", app(&run, name));
    }
    let seconds = |name: &str, path: &str| app(&run, name).pointer(path).and_then(Value::as_f64).expect("measured");
    for name in ["ringing", "early"] {
        // The server's own times move in steps of 20 ms, its sleep may be as much short.
        assert!(seconds(name, "/latency_seconds/setup_uncorrected/min") >= 0.28, "{name}");
        assert!(seconds(name, "/latency_seconds/post_dial_delay/p90") < 0.28, "{name}");
    }
    assert!(seconds("dropped", "/latency_seconds/hold/p90") < 0.9);
    assert!(seconds("answered", "/latency_seconds/hold/min") >= 0.99);
    limits.no_channel_of(run.report()["run"]["id"].as_str().expect("an id")).await;
    limits.put_back().await;
}

/// A call to itself is two sessions: the server's own count says that each attempt was placed, and placed once.
async fn the_server_counts_the_same(address: &str, password: &str) {
    let limits = Limits::raise(address, password).await;
    let before = limits.sessions_since_startup().await;
    let load = "[run]\nduration = \"2s\"\n[load]\nrate = 40\n[call]\nhold = \"500ms\"\n\
                to = \"sofia/external/9196@127.0.0.1:5080\"\n[[apps]]\nkind = \"echo\"\n";
    let run = config(address, password, load).run().await;
    assert_eq!((run.calls("attempted"), run.calls("completed")), (80, 80), "{}", run.stdout);
    assert_eq!(limits.sessions_since_startup().await - before, 160);
    limits.put_back().await;
}

/// A look at it finds nothing wrong, and a killed run's calls, each with its far leg, are gone after `cleanup`.
async fn a_killed_run_is_cleaned_up(address: &str, password: &str) {
    let limits = Limits::raise(address, password).await;
    let load = "[load]\nrate = 40\nlimit = 20\nmode = \"wait\"\n[call]\nhold = \"60s\"\n\
                to = \"sofia/external/9196@127.0.0.1:5080\"\n[preflight]\nprobe = true\n";
    let bench = config(address, password, load);
    let checked = bench.start(&["check", "a.toml", "--preflight"]).end().await;
    assert_eq!(checked.code(), 0, "{checked:?}");
    assert!(checked.stdout.contains("1 of 1 slaves reached, 0 errors"), "{}", checked.stdout);
    let before = limits.sessions_since_startup().await;
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    let up = async {
        // The probe's two sessions, and two for each call.
        while limits.sessions_since_startup().await < before + 42 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), up).await.expect("its calls are up");
    running.signal("KILL");
    running.end().await;
    let cleaned = bench.start(&["cleanup", "out", "--config", "a.toml"]).end().await;
    assert_eq!(cleaned.code(), 0, "{cleaned:?}");
    assert!(cleaned.stdout.contains(", none left after "), "{}", cleaned.stdout);
    let run: String = cleaned.stdout.split("of run ").nth(1).expect("its id").chars().take(12).collect();
    limits.no_channel_of(&run).await;
    limits.put_back().await;
}

#[tokio::test]
async fn on_a_simulated_server() {
    let server = support::server().await;
    let address = server.addr().to_string();
    every_end_of_a_call(&address, "ClueCon").await;
    the_server_counts_the_same(&address, "ClueCon").await;
    a_killed_run_is_cleaned_up(&address, "ClueCon").await;
}

#[tokio::test]
async fn on_a_real_server() {
    let Ok(place) = std::env::var("FREESWITCH_ESL") else {
        eprintln!("skipped: FREESWITCH_ESL=host:port:password is not set");
        return;
    };
    let (address, password) = place.rsplit_once(':').expect("FREESWITCH_ESL is host:port:password");
    every_end_of_a_call(address, password).await;
    the_server_counts_the_same(address, password).await;
    a_killed_run_is_cleaned_up(address, password).await;
}
