//! Far legs: at which server they come out, and which call they are known to be of.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use fs_sim::{Config, Extension, Fault, Server, Servers};
use support::{Bench, Run, slave};

/// Two slaves, and between them a PBX that is nobody's slave: it connects what begins with 7 on to the second one.
async fn cluster(on_its_way: &[&str]) -> Servers {
    let bridge = "bridge sofia/external/$1@fs2:5080";
    let run: Vec<&str> = on_its_way.iter().copied().chain([bridge]).collect();
    let pbx = Extension::new("default", r"^7(\d+)$", &run).expect("an extension");
    let callee = Extension::new("default", r"^5\d+$", &["answer", "echo"]).expect("an extension");
    let parked = Extension::new("default", r"^6\d+$", &["park"]).expect("an extension");
    let roomy = Config { max_sessions: 10_000, sessions_per_second: 10_000, ..Config::default() };
    let server = |name: &str, dialplan: Vec<Extension>| Config { name: name.to_owned(), dialplan, ..roomy.clone() };
    let configs = [server("fs1", vec![]), server("fs2", vec![callee, parked]), server("pbx", vec![pbx])];
    Servers::start_each(configs).await.expect("servers")
}

/// Calls of the first slave, by way of the PBX.
async fn call(servers: &Servers, call: &str) -> (Run, Bench) {
    // The second one listens, and gets no calls of its own.
    let text = format!(
        "[load]\nrate = 50\nmax_offered = 20\n[call]\nhold = \"200ms\"\n{call}{}{}weight = 0\n",
        slave(&servers[0]),
        slave(&servers[1])
    );
    let bench = Bench::new(&text);
    let run = bench.run().await;
    assert_eq!(run.calls("completed"), 20, "{run:?}");
    (run, bench)
}

/// How many records have their far leg at this server, each a leg of its own.
fn far_legs(bench: &Bench, at: &Server) -> usize {
    let slave = at.addr().to_string();
    let legs: BTreeSet<_> = bench
        .records()
        .into_iter()
        .filter(|call| call["far_slave"] == slave)
        .collect::<Vec<_>>()
        .into_iter()
        .map(|call| {
            let time = |column: &str| call[column].parse::<f64>().unwrap_or_else(|_| panic!("{column}: {call:?}"));
            assert!(time("far_answered_seconds") >= time("far_created_seconds"), "{call:?}");
            assert!(time("far_hung_up_seconds") >= time("far_answered_seconds"), "{call:?}");
            assert_eq!(call["far_cause"], "NORMAL_CLEARING");
            call["far_uuid"].clone()
        })
        .collect();
    legs.len()
}

/// How often `invite` and `answer_propagation` were measured.
fn measured(run: &Run) -> (f64, f64) {
    let count = |latency: &str| run.number(&format!("latency_seconds.{latency}.count"));
    (count("invite"), count("answer_propagation"))
}

#[tokio::test]
async fn both_legs_of_a_call_through_a_proxy_are_in_one_record() {
    let servers = cluster(&[]).await;
    let (run, bench) = call(&servers, "to = \"sofia/external/75001@pbx:5080\"\n").await;
    assert_eq!((far_legs(&bench, &servers[1]), measured(&run)), (20, (20.0, 20.0)));
    assert_eq!(run.report()["anomalies"], serde_json::json!({}));
}

const STRIP: &str = "unset sip_h_X-loadgen-call";

#[tokio::test]
async fn without_the_header_a_far_leg_is_nobody_s() {
    let servers = cluster(&[STRIP]).await;
    let (run, bench) = call(&servers, "to = \"sofia/external/75001@pbx:5080\"\n").await;
    assert_eq!((far_legs(&bench, &servers[1]), measured(&run)), (0, (0.0, 0.0)));
}

#[tokio::test]
async fn a_far_leg_is_known_by_its_caller_s_number() {
    let servers = cluster(&[STRIP]).await;
    let numbers = "to = \"sofia/external/75001@pbx:5080\"\nnumbers = { from = \"15550100\", count = 50 }\n\
                   caller_id = \"{number}\"\nfar_leg = { caller_id = \"{number}\" }\n";
    let (run, bench) = call(&servers, numbers).await;
    assert_eq!((far_legs(&bench, &servers[1]), measured(&run)), (20, (20.0, 20.0)));
}

#[tokio::test]
async fn a_far_leg_is_known_by_the_number_that_was_called() {
    let servers = cluster(&[STRIP]).await;
    let numbers = "to = \"sofia/external/7{number}@pbx:5080\"\nnumbers = { from = \"5100\", count = 50 }\n\
                   far_leg = { destination = \"{number}\" }\n";
    let (run, bench) = call(&servers, numbers).await;
    assert_eq!((far_legs(&bench, &servers[1]), measured(&run)), (20, (20.0, 20.0)));
}

/// With fewer numbers than calls that are up, a number is two calls': the later one has it, and it is said.
#[tokio::test]
async fn numbers_that_are_used_twice_at_a_time_are_said() {
    let servers = cluster(&[STRIP]).await;
    let numbers = "to = \"sofia/external/75001@pbx:5080\"\nnumbers = { from = \"15550100\", count = 2 }\n\
                   caller_id = \"{number}\"\nfar_leg = { caller_id = \"{number}\" }\n";
    let (run, _bench) = call(&servers, numbers).await;
    assert!(run.report()["anomalies"]["number_in_use"].as_u64().is_some_and(|count| count > 0), "{}", run.report());
}

/// A number is its call's only as long as that is up.
#[tokio::test]
async fn numbers_that_are_used_again_are_nobody_s_in_between() {
    let servers = cluster(&[STRIP]).await;
    let text = format!(
        "[load]\nrate = 50\nmax_offered = 8\nlimit = 1\nmode = \"wait\"\n[call]\nhold = \"50ms\"\n\
         to = \"sofia/external/75001@pbx:5080\"\nnumbers = {{ from = \"15550100\", count = 2 }}\n\
         caller_id = \"{{number}}\"\nfar_leg = {{ caller_id = \"{{number}}\" }}\n{}{}weight = 0\n",
        slave(&servers[0]),
        slave(&servers[1])
    );
    let bench = Bench::new(&text);
    let run = bench.run().await;
    assert_eq!((run.calls("completed"), far_legs(&bench, &servers[1])), (8, 8), "{run:?}");
    assert_eq!(run.report()["anomalies"]["number_in_use"], serde_json::Value::Null);
}

/// What an app does on a far leg, and what it hears of it, goes by way of the slave at which that is.
#[tokio::test]
async fn a_far_leg_at_another_slave_does_what_the_app_says() {
    let servers = cluster(&[]).await;
    let text = format!(
        "[load]\nrate = 10\nmax_offered = 4\n[call]\nhold = \"5s\"\nto = \"sofia/external/6001@fs2:5080\"\n\
         [[apps]]\nkind = \"dtmf_check\"\ndigits = \"42#\"\nsender = \"both\"\nduration = \"80ms\"\n{}{}weight = 0\n",
        slave(&servers[0]),
        slave(&servers[1])
    );
    let bench = Bench::new(&text);
    let run = bench.run().await;
    assert_eq!((run.calls("completed"), far_legs(&bench, &servers[1])), (4, 4), "{run:?}");
    assert_eq!(run.report()["apps"][0]["results"]["matched"], 8);
}

/// A far leg whose near one is gone, and which nobody on the way hangs up, is hung up where it is.
#[tokio::test]
async fn a_far_leg_that_stays_is_hung_up_at_its_slave() {
    let servers = cluster(&[]).await;
    let text = format!(
        "[load]\nrate = 50\nlimit = 5\nmode = \"wait\"\n[call]\nhold = \"1h\"\nto = \"sofia/external/75001@pbx:5080\"\n{}{}weight = 0\n",
        slave(&servers[0]),
        slave(&servers[1])
    );
    let bench = Bench::new(&text);
    // The answers have to be seen by the program, which is later than their channels are at the server.
    let mut running = bench.start(&["run", "a.toml", "--out", "out", "--log", "info,loadgen=trace"]);
    running.says_times("change=Answered", 5).await;
    let far_legs = servers[1].wait_for(Duration::from_secs(20), |state| state.channels == 5);
    far_legs.await.expect("far legs");
    servers[2].order(Fault::Stall, Some(Duration::from_secs(600))).await.expect("a fault");
    running.signal("INT");
    running.says("stopping").await;
    running.signal("INT");
    let run = running.end().await;
    assert_eq!(run.report()["anomalies"]["far_leg_stayed"], 5, "{run:?}");
    let left = run.report()["slaves"][1]["channels_left"].as_u64();
    assert_eq!((left, servers[1].state().channels), (Some(0), 0), "none is left for the last look: {}", run.report());
}
