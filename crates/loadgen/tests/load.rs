//! How calls are offered: limits, modes, phases, who takes over whose calls, whom they call. Every report is checked for
//! the identity of the outcomes.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use esl_core::EventName;
use fs_sim::{Callee, Config, Delay, Fault, Server};
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use support::{Bench, Run, listener, server, server_with, slave, slave_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
const ECHO: &str = "sofia/external/9196@127.0.0.1:5080";

/// The names of a list's members with one of their counts.
fn counts(run: &Run, list: &str, count: &str) -> Vec<(String, u64)> {
    let of = |part: &Value| {
        let name = part["name"].as_str().expect("a name").to_owned();
        (name, part["calls"][count].as_u64().expect("a count"))
    };
    run.report()[list].as_array().expect("a list").iter().map(of).collect()
}

async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port()
}

// A closed loop.

#[tokio::test]
async fn without_a_hold_calls_fill_the_limit_at_the_rate() {
    let text = "[run]\nduration = \"3s\"\n[load]\nrate = 50\nlimit = 25\nmode = \"wait\"\n[call]\nto = \"null/x\"\n\
                [[slaves]]\nsimulated = { count = 2 }\n";
    let run = Bench::new(text).run().await;
    assert_eq!((run.number("rates.peak_concurrent"), run.calls("skipped")), (25.0, 0), "{}", run.stdout);
    // Each slot is used again after 25 / 50 s and what setup and teardown take: half of the rate on a machine that is
    // busy, and never more than the rate and the slots that are free at the beginning.
    let attempted = run.calls("attempted");
    assert!((75..=150).contains(&attempted), "{attempted}");
    assert!(run.number("latency_seconds.hold.min") >= 0.499, "{}", run.stdout);
    assert_eq!(run.calls("completed"), attempted);
}

#[tokio::test]
async fn calls_that_wait_for_a_slot_are_due_when_there_is_one() {
    let text = format!(
        "[run]\nduration = \"4s\"\n[load]\nrate = 100\nlimit = 5\nmode = \"wait\"\n[call]\nto = \"{ECHO}\"\nhold = \"100ms\"\n\
         [[slaves]]\nsimulated = {{ answer_after = \"1s\" }}\n"
    );
    let run = Bench::new(&text).run().await;
    // The fifth call takes the last slot 40 ms after the start, and each lasts longer than 1.1 s: four rounds at most.
    let attempted = run.calls("attempted");
    assert!((10..=20).contains(&attempted), "{attempted}");
    assert_eq!(
        (run.calls("skipped"), run.calls("scheduled"), run.number("rates.peak_concurrent")),
        (0, attempted, 5.0)
    );
    // Were they due by the schedule, the sixth would be more than a second late, and the last one three.
    assert!(run.number("latency_seconds.setup.max") < 2.0, "{}", run.stdout);
    assert!(run.number("latency_seconds.setup.min") >= 1.0);
    assert!(run.number("latency_seconds.schedule_lag.p50") < 0.1, "{}", run.stdout);
}

#[tokio::test]
async fn so_many_calls_are_offered_and_no_more() {
    for mode in ["skip", "wait"] {
        let text = format!(
            "[run]\nduration = \"60s\"\n[load]\nrate = 100\nlimit = 20\nmode = \"{mode}\"\nmax_offered = 40\n[call]\nto = \"null/x\"\nhold = \"100ms\"\n\
             [[slaves]]\nsimulated = {{ count = 3 }}\n"
        );
        let run = Bench::new(&text).run().await;
        assert_eq!((run.code(), run.calls("scheduled")), (0, 40), "{mode}: {run:?}");
        let skipped = if mode == "wait" { 0 } else { run.number("skipped.limit") as u64 };
        assert_eq!((run.calls("completed"), run.calls("skipped")), (40 - skipped, skipped), "{mode}");
        assert_eq!(
            counts(&run, "slaves", "scheduled").iter().map(|(_, count)| *count).collect::<Vec<_>>(),
            [14, 13, 13]
        );
        // It is over one gap behind the last one, long before its time: in an open loop that is by the schedule alone.
        let offered = run.number("run.offered_seconds");
        assert!(
            if mode == "skip" { (offered - 0.4).abs() < 1e-9 } else { (0.4..59.0).contains(&offered) },
            "{offered}"
        );
    }
}

#[tokio::test]
async fn calls_that_fill_the_limit_of_a_ramp_last_as_its_highest_rate_says() {
    let text = "[load]\nlimit = 10\nmode = \"wait\"\n[[phases]]\nfrom = 0\nto = 40\nduration = \"2s\"\n\
                [call]\nto = \"null/x\"\n[[slaves]]\nsimulated = {}\n";
    let run = Bench::new(text).run().await;
    // By the rate at which the first one is due, which is nothing, it would never end.
    assert_eq!((run.calls("completed"), run.calls("canceled")), (run.calls("attempted"), 0), "{}", run.stdout);
    let hold = |which: &str| run.number(&format!("latency_seconds.hold.{which}"));
    assert!(hold("min") >= 0.249 && hold("p50") < 0.5, "{} {}", hold("min"), hold("p50"));
    assert!(hold("max") < 20.0, "one was hung up when the grace was over: {}", hold("max"));
}

// Bursts.

#[tokio::test]
async fn a_burst_is_offered_over_the_time_that_it_stands_for() {
    let text = "[load]\nrate = 50\narrivals = { burst = 60 }\nmax_offered = 100\n[call]\nto = \"null/x\"\n\
                hold = \"100ms\"\n[[slaves]]\nsimulated = {}\n";
    let run = Bench::new(text).run().await;
    assert_eq!((run.calls("attempted"), run.number("rates.offered_cps")), (100, 50.0), "{}", run.report()["rates"]);
    assert_eq!(run.number("run.measured_seconds"), 2.0);
}

#[tokio::test]
async fn a_burst_leaves_as_one_whatever_the_server_says_meanwhile() {
    let server = server().await;
    let text = format!(
        "[run]\ngrace = \"1s\"\n[load]\nrate = 150\narrivals = {{ burst = 600 }}\nmax_offered = 1200\n[call]\n\
         to = \"null/x\"\nhold = \"100ms\"\n[preflight]\nenabled = false\n{}",
        slave(&server)
    );
    let bench = Bench::new(&text);
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    let over = |state: &fs_sim::State| state.originates == 600 && state.channels == 0;
    server.wait_for(PATIENCE, over).await.expect("the first burst, well before the second one");
    // Replies and events wake who sends: without them, all has to leave by itself.
    server.order(Fault::Mute, Some(PATIENCE)).await.expect("a fault");
    server.wait_for(PATIENCE, |state| state.originates == 1200).await.expect("the second burst");
    running.signal("INT");
    running.signal("INT");
    let run = running.end().await;
    assert_eq!((run.calls("attempted"), run.calls("skipped")), (1200, 0), "{}", run.stdout);
}

// Phases.

const PHASES: &str = r#"
[[phases]]
name = "warm-up"
duration = "1s"
rate = 20
measured = false
mix = { chatty = 1 }
[[phases]]
name = "ramp"
duration = "1s"
from = 20
to = 60
[[phases]]
name = "rest"
duration = "300ms"
pause = true
[[phases]]
name = "steady"
duration = "1s"
rate = 40
mix = { chatty = 1, quiet = 3 }
[call]
to = "null/x"
hold = "3s"
[[apps]]
kind = "echo"
name = "chatty"
[[apps]]
kind = "park"
name = "quiet"
[[slaves]]
simulated = {}
[http]
listen = "127.0.0.1:0"
"#;

/// What `/metrics` has at an address.
async fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    text
}

/// The sum of a metric's series.
fn metric(text: &str, name: &str) -> f64 {
    let series = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn a_warm_up_is_no_result_and_each_phase_has_its_mix() {
    let bench = Bench::new(PHASES);
    let mut running = bench.start(&["run", "a.toml", "--out", "out"]);
    let line = running.says("serving /metrics").await;
    let address = line.split("127.0.0.1:").nth(1).expect("an address");
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    // The last calls last 3 s: so long all of them are there to be seen.
    let all = async {
        while metric(&metrics(&format!("127.0.0.1:{port}")).await, "loadgen_calls_scheduled_total") < 100.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, all).await.expect("metrics count the calls of every phase");
    let run = running.end().await;

    let by_phase = [("warm-up", 20), ("ramp", 40), ("rest", 0), ("steady", 40)];
    assert_eq!(counts(&run, "phases", "scheduled"), by_phase.map(|(name, count)| (name.to_owned(), count)));
    let measured = |phase: &Value| phase["measured"].as_bool();
    let phases = run.report()["phases"].as_array().expect("phases");
    assert_eq!(phases.iter().filter_map(measured).collect::<Vec<_>>(), [false, true, true, true]);
    // The results are those of the measured phases, over the time that they took.
    assert_eq!((run.calls("scheduled"), run.calls("completed")), (80, 80), "{}", run.stdout);
    assert_eq!(run.number("latency_seconds.setup.count"), 80.0);
    assert!((run.number("run.measured_seconds") - 2.3).abs() < 1e-9, "{}", run.report()["run"]);
    assert!((run.number("rates.target_cps") - 80.0 / 2.3).abs() < 0.01, "{}", run.report()["rates"]);
    assert!(run.stdout.contains("warm-up      20"), "{}", run.stdout);
    let mut by_app: BTreeMap<(String, String), u64> = BTreeMap::new();
    for call in bench.records() {
        *by_app.entry((call["phase"].clone(), call["app"].clone())).or_default() += 1;
    }
    let of = |phase: &str, app: &str| by_app.get(&(phase.to_owned(), app.to_owned())).copied().unwrap_or(0);
    assert_eq!((of("warm-up", "chatty"), of("warm-up", "quiet")), (20, 0));
    assert_eq!((of("ramp", "chatty"), of("ramp", "quiet")), (20, 20));
    assert_eq!((of("steady", "chatty"), of("steady", "quiet")), (10, 30));
}

/// How many values a log of histograms has under each tag.
fn logged(bench: &Bench) -> BTreeMap<String, u64> {
    let bytes = std::fs::read(bench.path().join("out/latency.hlog")).expect("a log");
    let (mut counts, mut deserializer) = (BTreeMap::new(), Deserializer::new());
    for entry in IntervalLogIterator::new(&bytes) {
        if let LogEntry::Interval(interval) = entry.expect("an entry") {
            let tag = interval.tag().expect("a tag").as_str().to_owned();
            let histogram = STANDARD.decode(interval.encoded_histogram()).expect("base64");
            let histogram = deserializer.deserialize::<u64, _>(&mut &histogram[..]).expect("a histogram");
            *counts.entry(tag).or_default() += histogram.len();
        }
    }
    counts
}

#[tokio::test]
async fn a_warm_up_makes_no_peak_and_is_apart_in_the_log() {
    let text = "[[phases]]\nname = \"warm-up\"\nduration = \"2500ms\"\nrate = 40\nmeasured = false\n\
                [[phases]]\nname = \"rest\"\nduration = \"2s\"\npause = true\nmeasured = false\n\
                [[phases]]\nname = \"steady\"\nduration = \"2500ms\"\nrate = 8\n\
                [call]\nto = \"null/x\"\nhold = \"1s\"\n[[slaves]]\nsimulated = { count = 2 }\n";
    let bench = Bench::new(text);
    let run = bench.run().await;
    // By 40 calls/s some 40 calls are up at a time, by 8 some 8.
    let peak = run.number("rates.peak_concurrent");
    assert!((8.0..30.0).contains(&peak), "{peak}");
    let logged = logged(&bench);
    for latency in ["schedule_lag", "originate", "setup", "hold", "event_delay"] {
        let count = run.number(&format!("latency_seconds.{latency}.count"));
        assert_eq!(logged.get(latency).map(|count| *count as f64), Some(count), "{latency}: {logged:?}");
    }
    assert_eq!((logged["setup"], logged["unmeasured.setup"]), (20, 100));
    // A probe a second from each server: those before the first measured call are no results.
    assert!(logged["unmeasured.event_delay"] >= 2, "{logged:?}");
}

// Who takes over whose calls.

#[tokio::test]
async fn the_others_take_over_a_missing_slave_s_calls_where_that_is_asked_for() {
    for mode in ["skip", "wait"] {
        for redistribute in [true, false] {
            let (one, other) = (server().await, server().await);
            let text = format!(
                "[run]\nduration = \"1s\"\n[load]\nrate = 60\nlimit = 60\nmode = \"{mode}\"\nredistribute = {redistribute}\n\
                 [call]\nto = \"null/x\"\nhold = \"100ms\"\n{}weight = 2\n{}{}weight = 3\n",
                slave(&one),
                slave(&other),
                slave_at(closed_port().await, "ClueCon"),
            );
            let run = Bench::new(&text).run().await;
            assert_eq!(run.calls("scheduled"), 60, "{mode} {redistribute}: {}", run.stderr);
            let attempted: Vec<_> = counts(&run, "slaves", "attempted").into_iter().map(|(_, count)| count).collect();
            // Half of the calls are the missing one's; the others have them by their own weights.
            let (expected, skipped) = if redistribute { ([40, 20, 0], 0.0) } else { ([20, 10, 0], 30.0) };
            assert_eq!(attempted, expected, "{mode} {redistribute}");
            assert_eq!(run.number("skipped.slave_down"), skipped, "{mode} {redistribute}");
        }
    }
}

#[tokio::test]
async fn a_slave_that_goes_is_stood_in_for_until_it_is_back() {
    let (steady, other) = (server().await, server().await);
    let address = other.addr();
    let text = format!(
        "[run]\nduration = \"6s\"\n[load]\nrate = 40\nredistribute = true\n[call]\nto = \"null/x\"\nhold = \"200ms\"\n{}{}",
        slave(&steady),
        slave(&other)
    );
    let running = Bench::new(&text);
    let running = running.start(&["run", "a.toml", "--out", "out"]);
    other.wait_for(PATIENCE, |state| state.originates >= 20).await.expect("calls");
    other.stop().await;
    // It is away for as long as the steady one takes for twenty calls.
    let before = steady.state().originates;
    steady.wait_for(PATIENCE, |state| state.originates >= before + 20).await.expect("calls");
    let roomy = Config { listen: address, max_sessions: 1000, sessions_per_second: 1000, ..Config::default() };
    let again = Server::start(roomy).await.expect("its port");
    again.wait_for(PATIENCE, |state| state.originates >= 5).await.expect("it gets calls again");
    let run = running.end().await;
    assert_eq!(run.report()["slaves"][1]["reconnects"], 1);
    assert_eq!(run.calls("scheduled"), 240);
    let attempted = counts(&run, "slaves", "attempted");
    assert!(attempted[0].1 > 120 && attempted[1].1 < 120, "the other's calls were placed by this one: {attempted:?}");
    // One that was being sent as the connection went cannot be told from one that was sent.
    assert!(run.calls("skipped") <= 2, "{}", run.stdout);
    assert_eq!(run.calls("completed") + run.calls("lost") + run.calls("skipped"), 240, "{}", run.stdout);
}

#[tokio::test]
async fn a_slave_that_is_full_passes_its_calls_on() {
    let (small, large) = (server_with(slow_callee()).await, server_with(slow_callee()).await);
    let load = "[run]\nduration = \"1s\"\n[load]\nrate = 40\n[call]\nhold = \"100ms\"\n";
    let text = format!("{load}to = \"{ECHO}\"\n{}limit = 3\n{}", slave(&small), slave(&large));
    let run = Bench::new(&text).run().await;
    let attempted: Vec<_> = counts(&run, "slaves", "attempted").into_iter().map(|(_, count)| count).collect();
    assert_eq!((attempted, run.calls("skipped")), (vec![3, 37], 0), "nobody answers before all are placed");
    assert_eq!(run.calls("completed"), 40);
}

#[tokio::test]
async fn nobody_passes_calls_on_to_a_slave_of_weight_0() {
    let (small, none) = (server_with(slow_callee()).await, server_with(slow_callee()).await);
    let load = "[run]\nduration = \"1s\"\n[load]\nrate = 20\n[call]\nhold = \"100ms\"\n";
    let text = format!("{load}to = \"{ECHO}\"\n{}limit = 3\n{}weight = 0\n", slave(&small), slave(&none));
    let run = Bench::new(&text).run().await;
    assert_eq!(counts(&run, "slaves", "attempted").into_iter().map(|(_, count)| count).collect::<Vec<_>>(), [3, 0]);
    assert_eq!(run.number("skipped.limit"), 17.0);
}

/// Nobody is answered in the first three seconds.
fn slow_callee() -> Config {
    let callee = Callee { answer_after: Some(Delay::Constant(Duration::from_secs(3))), ..Callee::default() };
    Config { callee, ..Config::default() }
}

// Whom calls call.

#[tokio::test]
async fn targets_share_the_calls_by_weight_and_have_results_of_their_own() {
    let text = "[load]\nrate = 100\nmax_offered = 40\n[call]\nhold = \"50ms\"\nto = [\n\
                { to = \"sofia/external/9196@127.0.0.1:5080\", name = \"good\", weight = 3 },\n\
                { to = \"sofia/external/486@127.0.0.1:5080\", name = \"busy\" },\n]\n[[slaves]]\nsimulated = {}\n";
    let run = Bench::new(text).run().await;
    assert_eq!(counts(&run, "targets", "attempted"), [("good".to_owned(), 30), ("busy".to_owned(), 10)]);
    assert_eq!(counts(&run, "targets", "completed"), [("good".to_owned(), 30), ("busy".to_owned(), 0)]);
    assert_eq!(run.report()["targets"][1]["hangup_causes"]["USER_BUSY"], 10);
}

const NUMBERS: &str =
    "number,account,caller\n9196,\"north, one\",15550100\n9197,south,15550101\nring20,east,15550102\n";

fn with_numbers(slaves: &str, allow: &str) -> Bench {
    let text = format!(
        "[load]\nrate = 50\nmax_offered = 9\n[call]\nhold = \"100ms\"\nto = \"sofia/external/{{number}}@127.0.0.1:5080\"\n\
         numbers = \"numbers.csv\"\ncaller_id = \"{{caller}}\"\ncaller_name = \"row of {{account}}\"\nallow = [{allow}]\n\
         variables = {{ sip_h_X-account = \"{{account}}\", tag = \"{{attempt}}-{{number}}\" }}\n{slaves}"
    );
    let bench = Bench::new(&text);
    std::fs::write(bench.path().join("numbers.csv"), NUMBERS).expect("a file");
    bench
}

#[tokio::test]
async fn rows_of_a_file_fill_addresses_callers_and_variables() {
    let server = server().await;
    let mut events = listener(&server, &[EventName::ChannelCreate, EventName::ChannelDestroy]).await;
    let bench = with_numbers(&slave(&server), "'^sofia/external/(919[67]|ring20)@127\\.0\\.0\\.1:5080$'");
    let run = bench.run().await;
    assert_eq!(run.calls("completed"), 9, "{run:?}");
    // What arrived: both legs of each call, once they are over.
    let (mut near, mut far) = (Vec::new(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    while near.len() + far.len() < 18 {
        let event = tokio::time::timeout_at(deadline, events.next()).await.expect("in time").expect("an event");
        if event.name() != EventName::ChannelDestroy {
            continue;
        }
        let text = |value: Option<std::borrow::Cow<'_, str>>| value.unwrap_or_default().into_owned();
        let caller = text(event.get("Caller-Caller-ID-Number"));
        if event.get("Call-Direction").as_deref() == Some("inbound") {
            let name = text(event.get("Caller-Caller-ID-Name"));
            let called = text(event.get("Caller-Destination-Number"));
            far.push((called, caller, name, text(event.variable("sip_h_X-account"))));
        } else {
            near.push(text(event.variable("tag")));
        }
    }
    far.sort();
    far.dedup();
    let row = |number: &str, caller: &str, account: &str| {
        (number.to_owned(), caller.to_owned(), format!("row of {account}"), account.to_owned())
    };
    let expected =
        [row("9196", "15550100", "north, one"), row("9197", "15550101", "south"), row("ring20", "15550102", "east")];
    assert_eq!(far, expected);
    near.sort();
    let numbers = ["9196", "9197", "ring20"];
    assert_eq!(near, (0..9).map(|n| format!("{n}-{}", numbers[n % 3])).collect::<Vec<_>>(), "row by row");
}

#[tokio::test]
async fn what_is_not_allowed_is_never_dialled() {
    let server = server().await;
    let run = with_numbers(&slave(&server), "'^sofia/external/91'").run().await;
    assert_eq!(run.code(), 2);
    let message = "row 3: \"sofia/external/ring20@127.0.0.1:5080\" matches no pattern of \"allow\" in [call]";
    assert!(run.stderr.contains(message), "{}", run.stderr);
    // Whom an app connects calls to is dialled as well.
    let app = "[[apps]]\nkind = \"bridge\"\nto = \"null/x\"\nbridge_to = \"null/{number}\"\n";
    let run = with_numbers(&format!("{app}{}", slave(&server)), "'^sofia/', '^null/[x9]'").run().await;
    let message = "\"null/ring20\" matches no pattern of \"allow\" in [call]";
    assert!(run.code() == 2 && run.stderr.contains(message), "{}", run.stderr);
    assert_eq!(server.state().listeners, 0);
}

#[tokio::test]
async fn what_turns_out_not_to_be_allowed_is_not_dialled_and_is_written_down() {
    let server = server().await;
    let text = format!(
        "[load]\nrate = 50\nmax_offered = 9\n[call]\nto = \"null/{{attempt}}\"\nallow = ['^null/[0-4]$']\nhold = \"100ms\"\n{}",
        slave(&server)
    );
    let bench = Bench::new(&text);
    let run = bench.run().await;
    assert_eq!((run.calls("completed"), run.number("refused.command")), (5, 4.0), "{run:?}");
    assert_eq!((run.number("anomalies.not_allowed"), server.state().originates), (4.0, 5));
    let refused: Vec<_> = bench.records().into_iter().filter(|call| call["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 4);
    assert!(refused.iter().all(|call| call["reason"] == "command" && call["failure"].contains("allow")), "{refused:?}");
}

#[tokio::test]
async fn a_row_that_a_variable_cannot_carry_is_refused() {
    let server = server().await;
    let bench = with_numbers(&slave(&server), "'^sofia/'");
    std::fs::write(bench.path().join("numbers.csv"), NUMBERS.replace("south", "so}}uth")).expect("a file");
    let run = bench.run().await;
    assert_eq!(run.code(), 2, "{run:?}");
    assert!(run.stderr.contains("so}}uth\"") && run.stderr.contains("cannot carry"), "{}", run.stderr);
    assert_eq!(server.state().listeners, 0);
}

/// What an address comes to can depend on the call, which no look at the configuration shows: each way to dial has a look
/// of its own.
#[tokio::test]
async fn what_is_not_allowed_for_some_calls_is_not_dialled_for_them() {
    let app = |app: &str| format!("to = \"null/x\"\n[[apps]]\n{app}\n");
    for (way, refused, sessions) in [
        ("to = \"null/{attempt}\"\n".to_owned(), 5.0, 5),
        (app("kind = \"bridge\"\nbridge_to = \"null/{attempt}\""), 5.0, 10),
        (app("kind = \"flow\"\ncaller = [{ bridge = \"null/{attempt}\", timeout = \"5s\" }]"), 0.0, 15),
    ] {
        let server = server().await;
        // One at a time: none keeps its slot.
        let text = format!(
            "[load]\nrate = 100\nmax_offered = 10\nlimit = 1\nmode = \"wait\"\n[call]\nhold = \"200ms\"\n\
             allow = [\"^null/[x0-4]$\"]\n{way}{}",
            slave(&server)
        );
        let run = Bench::new(&text).run().await;
        assert_eq!((run.calls("attempted"), run.number("refused.command")), (10, refused), "{way}: {run:?}");
        assert_eq!(run.report()["anomalies"]["not_allowed"], 5, "{way}: {}", run.stdout);
        assert_eq!(server.state().sessions_since_startup, sessions, "{way}");
    }
}

/// The example with rows of a file, whose slaves call themselves.
#[tokio::test]
async fn the_example_s_rows_are_called() {
    let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
    let read = |name: &str| std::fs::read_to_string(format!("{configs}/{name}")).expect("the example");
    let bench = Bench::new(&read("numbers.toml").replace("duration = \"10s\"", "duration = \"1s\""));
    std::fs::write(bench.path().join("numbers.csv"), read("numbers.csv")).expect("a file");
    let run = bench.run().await;
    assert_eq!(run.code(), 0, "{run:?}");
    assert_eq!(counts(&run, "targets", "completed"), [("answered".to_owned(), 16), ("busy".to_owned(), 0)]);
    assert_eq!(run.number("hangup_causes.USER_BUSY"), 4.0);
    assert!(bench.records().iter().all(|call| !call["far_uuid"].is_empty() || call["outcome"] == "failed"));
}
