//! Servers that misbehave while calls are placed: nothing is unaccounted for, at no snapshot, and the others go on.
//!
//! That every snapshot adds up, the program looks at itself: a run where one does not is invalid, and says so.

mod support;

use std::time::Duration;

use esl_core::{Client, Credentials, EventName, Options};
use fs_sim::{Callee, Config, Delay, Fault, Server};
use serde_json::Value;
use support::{Bench, Run, server, server_with, slave};

/// What a test may wait for.
const SOON: Duration = Duration::from_secs(20);

/// A run of so many seconds on these servers, at 30 calls a second for each.
fn bench(servers: &[&Server], seconds: u64) -> Bench {
    let mut text = format!(
        "[run]\nduration = \"{seconds}s\"\ngrace = \"8s\"\n[load]\nrate = {}\n[call]\nhold = \"500ms\"\n\
         timeout = \"2s\"\nto = \"sofia/external/9196@127.0.0.1:5080\"\n",
        30 * servers.len()
    );
    servers.iter().for_each(|server| text += &slave(server));
    Bench::new(&text)
}

fn of_slave<'a>(run: &'a Run, index: usize, path: &str) -> &'a Value {
    run.report()["slaves"][index].pointer(path).unwrap_or(&Value::Null)
}

fn count(run: &Run, index: usize, name: &str) -> u64 {
    of_slave(run, index, &format!("/calls/{name}")).as_u64().unwrap_or_default()
}

/// The second slave was not harmed: each of its calls was placed and completed.
fn is_untouched(run: &Run, seconds: u64) {
    let expected = 30 * seconds;
    assert_eq!((count(run, 1, "attempted"), count(run, 1, "completed")), (expected, expected), "{}", run.stdout);
    assert!(!run.stdout.contains("did not add up"), "{}", run.stdout);
}

#[tokio::test]
async fn a_server_that_loses_events_loses_no_call() {
    let (bad, good) = (server().await, server().await);
    bad.order(Fault::LoseEvents { share: 0.05 }, None).await.expect("a fault");
    let run = bench(&[&bad, &good], 4).run().await;
    is_untouched(&run, 4);
    assert_eq!(count(&run, 0, "attempted"), 120);
    assert!(count(&run, 0, "completed") > 100, "{}", run.stdout);
}

#[tokio::test]
async fn events_that_come_twice_or_out_of_order_count_once() {
    let (bad, good) = (server().await, server().await);
    bad.order(Fault::DuplicateEvents { share: 0.5 }, None).await.expect("a fault");
    let delay = fs_sim::Delay::Uniform { from: Duration::ZERO, to: Duration::from_millis(60) };
    bad.order(Fault::DelayEvents { delay, share: 0.3 }, None).await.expect("a fault");
    let run = bench(&[&bad, &good], 3).run().await;
    is_untouched(&run, 3);
    assert_eq!(count(&run, 0, "attempted"), 90);
    assert!(count(&run, 0, "completed") + count(&run, 0, "dropped") >= 85, "{}", run.stdout);
}

#[tokio::test]
async fn a_server_that_stalls_catches_up_and_the_lag_is_seen() {
    let (bad, good) = (server().await, server().await);
    let running = bench(&[&bad, &good], 6);
    let running = running.start(&["run", "a.toml", "--out", "out"]);
    bad.wait_for(SOON, |state| state.originates > 30).await.expect("it runs");
    bad.order(Fault::Stall, Some(Duration::from_secs(2))).await.expect("a fault");
    let run = running.end().await;
    is_untouched(&run, 6);
    assert_eq!(count(&run, 0, "attempted") + count(&run, 0, "skipped"), 180);
    let setup = of_slave(&run, 0, "/latency_seconds/setup/max").as_f64().expect("measured");
    assert!((1.5..3.5).contains(&setup), "calls that were due in the stall waited for it: {setup}");
}

#[tokio::test]
async fn a_half_open_connection_is_given_up_and_got_again() {
    let (bad, good) = (server().await, server().await);
    let running = bench(&[&bad, &good], 26);
    let running = running.start(&["run", "a.toml", "--out", "out"]);
    bad.wait_for(SOON, |state| state.originates > 30).await.expect("it runs");
    bad.order(Fault::Silent, Some(Duration::from_secs(17))).await.expect("a fault");
    let run = running.end().await;
    is_untouched(&run, 26);
    assert_eq!(of_slave(&run, 0, "/reconnects"), 1, "{}", run.stderr);
    assert_eq!(count(&run, 0, "scheduled"), 780);
    assert!(count(&run, 0, "completed") > 150, "calls went again: {}", run.stdout);
}

#[tokio::test]
async fn replies_that_got_lost_are_noticed() {
    let (bad, good) = (server().await, server().await);
    let running = bench(&[&bad, &good], 8);
    let running = running.start(&["run", "a.toml", "--out", "out"]);
    bad.wait_for(SOON, |state| state.originates > 30).await.expect("it runs");
    // What is said is done, and nothing is heard of it: the replies after it would be taken for those that are missing.
    bad.order(Fault::Mute, Some(Duration::from_millis(500))).await.expect("a fault");
    let run = running.end().await;
    is_untouched(&run, 8);
    assert_eq!(of_slave(&run, 0, "/reconnects"), 1, "{}", run.stderr);
    assert_eq!(of_slave(&run, 0, "/anomalies/replies_out_of_step"), 1);
    assert!(count(&run, 0, "completed") > 180, "{}", run.stdout);
}

#[tokio::test]
async fn nonsense_in_the_stream_ends_no_run() {
    for fault in
        [Fault::Garbage { share: 0.01 }, Fault::GarbageInstead { share: 0.01 }, Fault::Truncate { share: 0.01 }]
    {
        let (bad, good) = (server().await, server().await);
        bad.order(fault.clone(), None).await.expect("a fault");
        let run = bench(&[&bad, &good], 3).run().await;
        is_untouched(&run, 3);
        assert_eq!(count(&run, 0, "scheduled"), 90, "{fault:?}: {}", run.stdout);
    }
}

/// A server that says whatever it likes of calls that never were.
#[tokio::test]
async fn lies_are_counted_by_kind() {
    let (bad, good) = (server().await, server().await);
    let bench = bench(&[&bad, &good], 3);
    let running = bench.start(&["run", "a.toml", "--out", "out", "--run-id", "0123456789ab"]);
    bad.wait_for(SOON, |state| state.originates > 10).await.expect("it runs");
    let (address, credentials) = (bad.addr().to_string(), Credentials::password("ClueCon"));
    let client = Client::connect(&address, &credentials, &Options::default()).await.expect("a client");
    for (name, uuid) in [
        ("CHANNEL_ANSWER", "01234567-89ab-4000-8000-0000000fffff"),
        ("CHANNEL_CREATE", "01234567-89ab-4000-8000-0000000ffffe"),
        ("CHANNEL_DESTROY", "01234567-89ab-4000-8000-0000000ffffd"),
        ("CHANNEL_ANSWER", "01234567-89ab-4fff-8fff-0000000ffffd"),
    ] {
        let name = EventName::of(name.as_bytes());
        client.sendevent(name, &[("Unique-ID", uuid)], "").await.expect("a reply");
    }
    let run = running.end().await;
    is_untouched(&run, 3);
    assert_eq!((count(&run, 0, "attempted"), count(&run, 0, "completed")), (90, 90));
    let anomalies = of_slave(&run, 0, "/anomalies");
    assert_eq!((&anomalies["channel_after_end"], &anomalies["event_after_end"]), (&2.into(), &1.into()), "{anomalies}");
}

/// What a server keeps to itself, or says in no order, is counted by kind too.
#[tokio::test]
async fn what_events_leave_out_is_counted_by_kind() {
    let (bad, good) = (server().await, server().await);
    bad.order(Fault::LoseJobs { share: 1.0 }, None).await.expect("a fault");
    let bench = bench(&[&bad, &good], 2);
    let text = std::fs::read_to_string(bench.path().join("a.toml")).expect("the file");
    let run = Bench::new(&text.replace("hold = \"500ms\"", "hold = \"1500ms\"")).run().await;
    is_untouched(&run, 2);
    assert_eq!((count(&run, 0, "completed"), of_slave(&run, 0, "/anomalies/job_never_ended")), (60, &60.into()));
}

/// Whatever the server keeps to itself, each attempt ends by a deadline.
#[tokio::test]
async fn every_attempt_ends_though_nothing_is_ever_heard() {
    let (bad, good) = (server().await, server().await);
    let bench = bench(&[&bad, &good], 2);
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    bad.wait_for(SOON, |state| state.originates > 5).await.expect("it runs");
    bad.order(Fault::LoseEvents { share: 1.0 }, None).await.expect("a fault");
    let run = running.end().await;
    is_untouched(&run, 2);
    assert_eq!(count(&run, 0, "scheduled"), 60);
    assert!(count(&run, 0, "lost") > 30, "{}", run.stdout);
    assert_eq!(run.code(), 6, "a run that lost so much says nothing: {}", run.stdout);
}

/// What a restarted server does not know any more is over at once, and not when it would have been.
#[tokio::test]
async fn calls_that_went_with_a_restarted_server_are_not_waited_for() {
    let server = server().await;
    let text = format!(
        "[run]\ngrace = \"80s\"\n[load]\nrate = 50\nmax_offered = 10\n[call]\nto = \"null/x\"\nhold = \"1h\"\n{}",
        slave(&server)
    );
    let running = Bench::new(&text);
    let running = running.start(&["run", "a.toml", "--out", "out"]);
    server.wait_for(SOON, |state| state.channels == 10).await.expect("calls");
    server.order(Fault::Restart, None).await.expect("a fault");
    let run = running.end().await;
    assert_eq!((run.calls("lost"), of_slave(&run, 0, "/reconnects")), (10, &1.into()), "{run:?}");
    assert!(run.number("run.duration_seconds") < 60.0, "{}", run.report()["run"]);
}

/// Calls that are answered while the connection is away are known to be when it is back.
#[tokio::test]
async fn an_answer_that_came_while_nobody_heard_it_is_known_by_the_call_s_state() {
    let callee = Callee { answer_after: Some(Delay::Constant(Duration::from_secs(3))), ..Callee::default() };
    let server = server_with(Config { callee, ..Config::default() }).await;
    let text = format!(
        "[run]\ngrace = \"60s\"\n[load]\nrate = 50\nmax_offered = 10\n[call]\nhold = \"10s\"\ntimeout = \"30s\"\n\
         to = \"sofia/external/9196@127.0.0.1:5080\"\n{}",
        slave(&server)
    );
    let running = Bench::new(&text);
    let running = running.start(&["run", "a.toml", "--out", "out"]);
    server.wait_for(SOON, |state| state.channels == 20).await.expect("both legs of each call");
    server.order(Fault::Drop, Some(Duration::from_secs(3))).await.expect("a fault");
    let run = running.end().await;
    assert_eq!((run.calls("answered"), run.calls("lost")), (10, 0), "{}", run.stdout);
}
