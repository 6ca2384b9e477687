//! One run shared out over several processes.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use fs_sim::{Callee, Config, Delay, Fault, Server, Servers};
use support::{Bench, Run, slave};

const PATIENCE: Duration = Duration::from_secs(20);
const RUN_ID: &str = "0123456789ab";

async fn three() -> Servers {
    let roomy = Config { max_sessions: 10_000, sessions_per_second: 10_000, ..Config::default() };
    let servers = (1..=3).map(|n| Config { name: format!("fs{n}"), ..roomy.clone() });
    Servers::start_each(servers).await.expect("servers")
}

/// Every call's far leg is at the second server.
fn bench(servers: &Servers, load: &str, hold: &str) -> Bench {
    bench_to(servers, load, hold, "fs2")
}

/// Every call's far leg is at this server.
fn bench_to(servers: &Servers, load: &str, hold: &str, far: &str) -> Bench {
    let tables: String = servers.iter().map(|server: &Server| slave(server)).collect();
    Bench::new(&format!("{load}\n[call]\nto = \"sofia/external/9196@{far}:5080\"\nhold = \"{hold}\"\n{tables}"))
}

fn shard(shard: &str) -> [&str; 8] {
    ["run", "a.toml", "--out", "out", "--run-id", RUN_ID, "--shard", shard]
}

/// The attempts of a run's record: the last digits of their UUIDs.
fn attempts(bench: &Bench) -> BTreeSet<u64> {
    let digits = |uuid: &str| u64::from_str_radix(&uuid[24..], 16).expect("digits");
    bench.records().iter().map(|call| digits(&call["uuid"])).collect()
}

#[tokio::test]
async fn shards_together_place_the_whole_schedule_and_no_call_twice() {
    let servers = three().await;
    let load = "[run]\nduration = \"2s\"\n[load]\nrate = 60\narrivals = \"poisson\"\nmax_lag = \"20s\"";
    let whole = {
        let text =
            format!("{load}\n[call]\nto = \"null/x\"\nhold = \"10ms\"\n[[slaves]]\nsimulated = {{ count = 3 }}\n");
        let (config, source) = loadgen::config::parse("whole".to_owned(), text, |_| None).expect("a file");
        let plan = loadgen::plan::Plan::new(config, &source, RUN_ID.parse().expect("an id")).expect("a plan");
        plan.schedule.calls().map(|due| due.attempt).collect::<BTreeSet<u64>>()
    };
    let (first, second) = (bench(&servers, load, "300ms"), bench(&servers, load, "300ms"));
    let (one, two): (Run, Run) = tokio::join!(first.start(&shard("1/2")).end(), second.start(&shard("2/2")).end());
    assert_eq!((one.code(), two.code()), (0, 0), "{one:?} {two:?}");
    let (a, b) = (attempts(&first), attempts(&second));
    assert!(a.is_disjoint(&b) && !a.is_empty() && !b.is_empty());
    assert_eq!(&a | &b, whole);
    assert_eq!(one.calls("completed") + two.calls("completed"), whole.len() as u64);
    assert_eq!((&one.report()["run"]["shard"], &two.report()["run"]["shard"]), (&"1/2".into(), &"2/2".into()));
    // The first has two slaves of three, and is asked for as much.
    assert_eq!((one.number("rates.target_cps"), two.number("rates.target_cps")), (40.0, 20.0));
    // The far legs of the first one's calls are at the second one's slave.
    let far = servers[1].addr().to_string();
    for call in first.records().iter().chain(&second.records()) {
        assert_eq!(call["far_slave"], far, "{call:?}");
    }
    for run in [&one, &two] {
        assert_eq!(run.report()["anomalies"], serde_json::json!({}), "what is another shard's is no surprise");
    }
}

#[tokio::test]
async fn a_shard_that_hangs_up_leaves_the_others_calls_alone() {
    let servers = three().await;
    let load = "[run]\nduration = \"3s\"\n[load]\nrate = 30\n";
    let (first, second) = (bench(&servers, load, "2s"), bench(&servers, load, "2s"));
    let stopped = first.start(&shard("1/2"));
    let on = second.start(&shard("2/2"));
    let up = |states: &[fs_sim::State]| states.iter().all(|state| state.originates >= 5);
    servers.wait_for(PATIENCE, up).await.expect("calls");
    stopped.signal("INT");
    stopped.signal("INT");
    let (stopped, on) = tokio::join!(stopped.end(), on.end());
    assert_eq!(stopped.code(), 130);
    assert!(stopped.stdout.contains("cut short"), "{}", stopped.stdout);
    assert_eq!((on.code(), on.calls("completed"), on.calls("attempted")), (0, 30, 30), "{}", on.stdout);
    let left = |slave: usize| on.report()["slaves"][slave]["channels_left"].as_u64();
    assert_eq!((left(0), left(1)), (None, Some(0)), "only its own slave is its own to look after");
    let over = |states: &[fs_sim::State]| states.iter().all(|state| state.channels == 0);
    servers.wait_for(PATIENCE, over).await.expect("nothing left");
}

#[tokio::test]
async fn what_a_killed_shard_left_is_cleaned_up_alone() {
    let servers = three().await;
    let load = "[run]\nduration = \"3s\"\n[load]\nrate = 30\n";
    // Both shards' far legs are at a slave of the one that is killed.
    let (first, second) = (bench_to(&servers, load, "2s", "fs1"), bench_to(&servers, load, "2s", "fs1"));
    let killed = first.start(&shard("1/2"));
    let on = second.start(&shard("2/2"));
    let up = |states: &[fs_sim::State]| states.iter().all(|state| state.originates >= 5);
    servers.wait_for(PATIENCE, up).await.expect("calls");
    killed.signal("KILL");
    drop(killed);
    let cleanup = first.start(&["cleanup", "out", "--config", "a.toml", "--force"]).end().await;
    assert_eq!(cleanup.code(), 0, "{cleanup:?}");
    let own = servers.iter().map(|server| cleanup.stdout.contains(&server.addr().to_string())).collect::<Vec<_>>();
    assert_eq!(own, [true, false, true], "{}", cleanup.stdout);
    let on = on.end().await;
    assert_eq!((on.code(), on.calls("completed"), on.calls("attempted")), (0, 30, 30), "{}", on.stdout);
    assert!(servers.states().iter().all(|state| state.channels == 0));
}

#[tokio::test]
async fn the_limit_is_shared_out_too() {
    let servers = three().await;
    let load = "[run]\nduration = \"2s\"\n[load]\nrate = 90\nlimit = 10\nmode = \"wait\"\n";
    let (first, second) = (bench(&servers, load, "300ms"), bench(&servers, load, "300ms"));
    let (one, two) = tokio::join!(first.start(&shard("1/2")).end(), second.start(&shard("2/2")).end());
    let peaks = (one.number("rates.peak_concurrent"), two.number("rates.peak_concurrent"));
    assert_eq!(peaks, (6.0, 4.0), "two thirds of ten, and the rest");
}

#[tokio::test]
async fn a_closed_loop_s_slots_are_for_a_shard_s_own_calls() {
    let servers = three().await;
    let load = "[load]\nrate = 90\nlimit = 10\nmode = \"wait\"\nmax_offered = 60\n";
    let (first, second) = (bench(&servers, load, "50ms"), bench(&servers, load, "50ms"));
    let (one, two) = tokio::join!(first.start(&shard("1/2")).end(), second.start(&shard("2/2")).end());
    assert_eq!((one.calls("completed"), two.calls("completed")), (40, 20), "{one:?} {two:?}");
}

#[tokio::test]
async fn a_shard_s_calls_are_passed_on_to_nobody_else_s_slave() {
    let callee = Callee { answer_after: Some(Delay::Constant(Duration::from_secs(3))), ..Callee::default() };
    let roomy = Config { max_sessions: 10_000, sessions_per_second: 10_000, callee, ..Config::default() };
    let servers = (1..=2).map(|n| Config { name: format!("fs{n}"), ..roomy.clone() });
    let servers = Servers::start_each(servers).await.expect("servers");
    let bench = Bench::new(&format!(
        "[run]\nduration = \"1s\"\n[load]\nrate = 40\n[call]\nto = \"sofia/external/9196@fs1:5080\"\n\
         hold = \"100ms\"\n{}limit = 3\n{}",
        slave(&servers[0]),
        slave(&servers[1])
    ));
    let run = bench.start(&shard("1/2")).end().await;
    assert_eq!((run.calls("attempted"), run.number("skipped.limit")), (3, 17.0), "{run:?}");
    assert_eq!(servers[1].state().originates, 0);
}

/// A shard that gets its connection to another's slave again finds the other's calls there.
#[tokio::test]
async fn calls_of_another_shard_are_none_that_were_left() {
    let servers = three().await;
    let load = "[run]\nduration = \"3s\"\n[load]\nrate = 30\n";
    let (first, second) = (bench(&servers, load, "4s"), bench(&servers, load, "4s"));
    let (one, two) = (first.start(&shard("1/2")), second.start(&shard("2/2")));
    let up = |states: &[fs_sim::State]| states.iter().all(|state| state.originates >= 5);
    servers.wait_for(PATIENCE, up).await.expect("calls");
    servers[1].order(Fault::Drop, None).await.expect("a fault");
    let (one, two) = tokio::join!(one.end(), two.end());
    let reconnects = |run: &Run| run.report()["slaves"][1]["reconnects"].as_u64();
    assert_eq!((reconnects(&one), reconnects(&two)), (Some(1), Some(1)), "{one:?} {two:?}");
    assert_eq!(one.report()["anomalies"]["channel_after_end"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_shard_that_cannot_be_is_refused() {
    let servers = three().await;
    let bench = bench(&servers, "[load]\nrate = 30\nlimit = 2\nmode = \"wait\"", "300ms");
    for (arguments, environment, message) in [
        (&["--shard", "1/2"][..], &[][..], "--shard 1/2: needs a --run-id"),
        (
            &["--shard", "4/4", "--run-id", RUN_ID],
            &[],
            "--shard 4/4: shard 4/4 has no slave that places calls: 3 slaves are configured",
        ),
        (&["--shard", "1/3", "--run-id", RUN_ID], &[], "--shard 1/3: limit = 2 leaves nothing for shard 1/3"),
        (&["--shard", "3/2", "--run-id", RUN_ID], &[], "invalid shard 3/2"),
        (&["--shard", "job/2", "--run-id", RUN_ID], &[], "JOB_COMPLETION_INDEX is not set"),
        (&["--run-id", RUN_ID], &[("LOADGEN_SHARD", "0/2")], "invalid shard 0/2"),
        (&[], &[("LOADGEN_SHARD", "job/2"), ("JOB_COMPLETION_INDEX", "1")], "--shard 2/2: needs a --run-id"),
    ] {
        let run = bench.start_with(&[&["run", "a.toml"], arguments].concat(), environment).end().await;
        assert_eq!(run.code(), 2, "{run:?}");
        assert!(run.stderr.contains(message), "{message}: {}", run.stderr);
    }
}
