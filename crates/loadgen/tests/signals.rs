//! How a run is ended from outside, and what is left on the server.

mod support;

use std::time::Duration;

use esl_core::{Client, Credentials, Options};
use support::{Bench, Running, server, slave};

const SOON: Duration = Duration::from_secs(20);

/// A run of long calls that has a number of them up, on a server that also carries a call of somebody else's.
async fn run_with_calls(to: &str, timeout: u64, hold: u64, duration: &str) -> (Bench, Running, fs_sim::Server, Client) {
    let server = server().await;
    let (address, credentials) = (server.addr().to_string(), Credentials::password("ClueCon"));
    let client =
        Client::connect(&address, &credentials, &Options::default()).await.expect("the simulated server does it");
    client
        .cmd("originate {loadgen_run=ffffffffffff}null/somebody &park()")
        .await
        .expect("the simulated server does it");
    let bench = Bench::new(&format!(
        "[run]\n{duration}\n[load]\nrate = 50\nlimit = 20\nmode = \"wait\"\n[call]\nto = \"{to}\"\ntimeout = \"{timeout}s\"\n\
         hold = \"{hold}s\"\n{}",
        slave(&server)
    ));
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    server.wait_for(SOON, |state| state.originates >= 21).await.expect("the simulated server does it");
    (bench, running, server, client)
}

#[tokio::test]
async fn one_signal_lets_calls_end() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (_bench, running, server, _client) = run_with_calls("null/x", 10, 2, "duration = \"60s\"").await;
        running.signal(signal);
        let run = running.end().await;
        assert_eq!((run.code(), &run.report()["verdict"]), (code, &"aborted".into()), "{}", run.stderr);
        assert_eq!((run.calls("attempted"), run.calls("completed")), (20, 20));
        assert!(run.number("latency_seconds.hold.min") > 1.9, "they were not cut short");
        server.wait_for(SOON, |state| state.channels == 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_run_without_an_end_ends_by_a_signal_as_it_should() {
    let (_bench, running, _server, _client) = run_with_calls("null/x", 10, 1, "").await;
    running.signal("TERM");
    let run = running.end().await;
    assert_eq!((run.code(), &run.report()["verdict"]), (0, &"pass".into()), "{}", run.stdout);
}

#[tokio::test]
async fn a_second_signal_hangs_up_this_run_s_calls_and_only_those() {
    let (_bench, mut running, server, client) = run_with_calls("null/x", 10, 600, "duration = \"60s\"").await;
    running.signal("INT");
    // Two at the same moment are one.
    running.says("stopping").await;
    running.signal("INT");
    let run = running.end().await;
    assert_eq!(run.code(), 130, "{}", run.stderr);
    assert_eq!(run.calls("completed"), 20, "answered, and ended as they were told to");
    assert!(run.number("run.duration_seconds") < 30.0);
    let left = server.wait_for(SOON, |state| state.channels == 1).await;
    assert!(left.is_ok(), "somebody else's call is still up: {left:?}");
    assert!(client.cmd("show channels").await.unwrap().contains("somebody"));
}

#[tokio::test]
async fn calls_that_ring_are_canceled_by_the_second_signal() {
    let to = "sofia/external/noanswer@127.0.0.1:5080";
    let (_bench, mut running, server, _client) = run_with_calls(to, 60, 600, "duration = \"60s\"").await;
    running.signal("TERM");
    // Two at the same moment are one.
    running.says("stopping").await;
    running.signal("TERM");
    let run = running.end().await;
    assert_eq!(run.code(), 143, "{}", run.stderr);
    assert_eq!((run.calls("canceled"), run.calls("answered")), (20, 0), "{}", run.stdout);
    server.wait_for(SOON, |state| state.channels == 1).await.unwrap();
}

/// The server ends the calls of a program that is no more: within the originate's time-out, the hold and four seconds.
#[tokio::test]
async fn calls_do_not_outlive_a_killed_run() {
    for (to, timeout, hold) in [
        ("null/x", 10, 1),
        ("sofia/external/ring300@127.0.0.1:5080", 3, 1),
        ("sofia/external/early300@127.0.0.1:5080", 3, 1),
        ("sofia/external/noanswer@127.0.0.1:5080", 2, 1),
    ] {
        let (_bench, running, server, _client) = run_with_calls(to, timeout, hold, "duration = \"60s\"").await;
        running.signal("KILL");
        drop(running);
        let limit = Duration::from_secs(timeout + hold + 4);
        server.wait_for(limit, |state| state.channels == 1).await.unwrap_or_else(|state| panic!("{to}: {state:?}"));
    }
}
