//! What an operator asks of a run, through the library.

mod support;

use std::time::Duration;

use fs_sim::{Callee, Config, Delay, Server, State};
use loadgen::engine::dispatcher::{Control, Operator, controls};
use loadgen::exit::CommandResult;
use loadgen::plan::{Plan, RunId};
use loadgen::run::run;
use serde_json::Value;
use support::{check_identity, server, server_with, slave};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

/// A run that goes on in this process.
struct Going {
    operator: Operator,
    run: JoinHandle<anyhow::Result<CommandResult>>,
    folder: tempfile::TempDir,
}

/// Places calls on these servers, which last so long; as long as fills the limit where that is empty.
fn start(servers: &[&Server], load: &str, hold: &str) -> Going {
    let hold = if hold.is_empty() { String::new() } else { format!("hold = \"{hold}\"\n") };
    let slaves: String = servers.iter().map(|server| slave(server)).collect();
    start_on(&slaves, load, &format!("to = \"null/x\"\n{hold}"))
}

/// The same on slaves whose tables say more.
fn start_on(slaves: &str, load: &str, call: &str) -> Going {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display();
    let text = format!("[run]\nout = \"{out}\"\n{load}[call]\n{call}[preflight]\nenabled = false\n{slaves}");
    let (config, source) = loadgen::config::parse("test".to_owned(), text, |_| None).expect("a file");
    let plan = Plan::new(config, &source, RunId::random()).expect("a plan");
    let (operator, controls) = controls();
    Going { operator, run: tokio::spawn(run(plan, controls)), folder }
}

impl Going {
    fn ask(&self, control: Control) {
        self.operator.ask(control).expect("it is obeyed");
    }

    /// The report of its end, in which every call is accounted for and nothing speaks against the run.
    async fn end(self) -> Value {
        let (report, outcome) = self.end_as_it_may().await;
        assert_eq!(outcome.exit.code(), 0, "{}", outcome.summary);
        report
    }

    /// The same where calls that a busy machine makes late are no matter.
    async fn end_as_it_may(self) -> (Value, CommandResult) {
        let ended = tokio::time::timeout(PATIENCE, self.run).await.expect("an end");
        let outcome = ended.expect("no panic").expect("a run");
        let text = std::fs::read_to_string(self.folder.path().join("report.json")).expect("a report");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        check_identity(&report);
        (report, outcome)
    }
}

fn calls(report: &Value, name: &str) -> u64 {
    report["calls"][name].as_u64().unwrap_or_else(|| panic!("no {name}"))
}

async fn until(server: &Server, condition: impl Fn(&State) -> bool) -> State {
    server.wait_for(PATIENCE, condition).await.expect("in time")
}

#[tokio::test]
async fn the_rate_is_changed_and_given_back_to_the_phases() {
    let server = server().await;
    let going = start(&[&server], "duration = \"4s\"\n[load]\nrate = 10\n", "100ms");
    until(&server, |state| state.originates >= 3).await;
    going.ask(Control::Rate(Some(500.0)));
    // At the old rate this would take half a minute.
    let now = until(&server, |state| state.originates >= 300).await.originates;
    going.ask(Control::Rate(None));
    let report = going.end().await;
    // A tenth of a second's calls were handed out already, and as many as a busy machine makes of it.
    let attempted = calls(&report, "attempted");
    assert!(attempted >= 300 && attempted < now + 700, "{attempted}: at that rate to the end there would be 1700");
    assert_eq!(attempted, calls(&report, "completed"));
}

#[tokio::test]
async fn a_limit_is_set_and_taken_away() {
    let server = server().await;
    let going = start(&[&server], "duration = \"4s\"\n[load]\nrate = 50\n", "400ms");
    until(&server, |state| state.channels >= 10).await;
    going.ask(Control::Limit(Some(2)));
    // Those that are up go on; at 50 calls/s there would be twenty.
    until(&server, |state| state.channels <= 2).await;
    going.ask(Control::Limit(None));
    until(&server, |state| state.channels >= 10).await;
    let report = going.end().await;
    assert!(report["skipped"]["limit"].as_u64().is_some_and(|count| count > 0), "{}", report["skipped"]);
    assert_eq!(calls(&report, "scheduled"), 200);
}

#[tokio::test]
async fn the_slaves_weights_are_changed() {
    let (one, other) = (server().await, server().await);
    let going = start(&[&one, &other], "duration = \"3s\"\n[load]\nrate = 60\n", "100ms");
    until(&other, |state| state.originates >= 5).await;
    going.ask(Control::Weights(vec![1, 0]));
    until(&other, |state| state.channels == 0).await;
    let (first, second) = (one.state().originates, other.state().originates);
    until(&one, |state| state.originates >= first + 20).await;
    let report = going.end().await;
    let attempted = |slave: usize| report["slaves"][slave]["calls"]["attempted"].as_u64();
    assert_eq!(attempted(1), Some(other.state().originates));
    assert!(other.state().originates <= second + 6, "what was handed out before is placed, and no more");
    assert_eq!(attempted(0), Some(180 - other.state().originates), "the other one has the rest");
}

/// Calls that ring for three seconds: a slave with a limit is full of them.
const SLOW: &str = "to = \"sofia/external/9196@127.0.0.1:5080\"\nhold = \"100ms\"\n";

async fn slow_server() -> Server {
    let callee = Callee { answer_after: Some(Delay::Constant(Duration::from_secs(3))), ..Callee::default() };
    server_with(Config { callee, ..Config::default() }).await
}

#[tokio::test]
async fn a_slave_whose_weight_is_taken_away_stands_in_for_nobody() {
    let (small, other) = (slow_server().await, slow_server().await);
    let slaves = format!("{}limit = 3\n{}", slave(&small), slave(&other));
    let going = start_on(&slaves, "[load]\nrate = 50\nmax_offered = 200\nmax_lag = \"20s\"\n", SLOW);
    going.ask(Control::Weights(vec![1, 0]));
    let (report, _) = going.end_as_it_may().await;
    assert_eq!(calls(&report, "scheduled"), 200);
    // What was handed out before it was said went to both.
    assert!(other.state().originates < 100, "{}", report["slaves"][1]["calls"]);
    assert!(report["skipped"]["limit"].as_u64().is_some_and(|count| count > 80), "{}", report["skipped"]);
}

/// Faster than a ceiling lets calls go, they are somebody else's as soon as they would come too late, and never those
/// of another slave that is held itself.
#[tokio::test]
async fn what_a_ceiling_holds_for_too_long_is_passed_on_to_who_has_none() {
    let (full, held, free) = (slow_server().await, server().await, server().await);
    let slaves = format!("{}limit = 1\n{}max_rate = 2\n{}", slave(&full), slave(&held), slave(&free));
    let going = start_on(&slaves, "[load]\nrate = 5\nmax_lag = \"10s\"\n", SLOW);
    going.ask(Control::Rate(Some(100.0)));
    until(&free, |state| state.originates >= 200).await;
    going.ask(Control::Stop);
    let (report, _) = going.end_as_it_may().await;
    assert_eq!(report["skipped"]["ceiling"].as_u64().unwrap_or(0), 0, "{}", report["skipped"]);
    let scheduled = |slave: usize| report["slaves"][slave]["calls"]["scheduled"].as_u64().expect("a count");
    assert!(scheduled(2) > 2 * scheduled(1), "two a second for 10 s at most: {}", report["slaves"]);
}

#[tokio::test]
async fn a_pause_stops_the_schedule_s_clock() {
    let server = server().await;
    let going = start(&[&server], "duration = \"2s\"\n[load]\nrate = 50\n", "300ms");
    until(&server, |state| state.originates >= 20).await;
    going.ask(Control::Pause);
    // Fifteen are up all the time unless there are no new ones.
    let paused = until(&server, |state| state.channels == 0).await.originates;
    assert!(paused < 100);
    going.ask(Control::Resume);
    let report = going.end().await;
    assert_eq!((calls(&report, "scheduled"), calls(&report, "completed")), (100, 100), "nothing was due in the pause");
    let run = |name: &str| report["run"][name].as_f64().unwrap_or_default();
    assert!((1.9..2.1).contains(&run("offered_seconds")), "{}", report["run"]);
    assert!(run("duration_seconds") > 2.3, "the pause comes on top: {}", report["run"]);
}

#[tokio::test]
async fn a_run_is_stopped_and_its_calls_end_by_themselves() {
    let server = server().await;
    let going = start(&[&server], "[load]\nrate = 50\n", "500ms");
    until(&server, |state| state.originates >= 20).await;
    going.ask(Control::Pause);
    going.ask(Control::Stop);
    let report = going.end().await;
    assert_eq!(calls(&report, "completed"), calls(&report, "attempted"), "also out of a pause");
    assert!(report["latency_seconds"]["hold"]["min"].as_f64().is_some_and(|hold| hold >= 0.499));
    assert_eq!(server.state().channels, 0);
}

#[tokio::test]
async fn what_waits_when_a_run_is_stopped_is_skipped() {
    let server = server().await;
    // All are due at once, and leave one a second.
    let load = "[load]\nrate = 1\narrivals = { burst = 40 }\nmax_lag = \"60s\"\n";
    let call = "to = \"null/x\"\nhold = \"100ms\"\n";
    let going = start_on(&format!("{}max_rate = 1\n", slave(&server)), load, call);
    until(&server, |state| state.originates >= 2).await;
    going.ask(Control::Stop);
    let (report, _) = going.end_as_it_may().await;
    let attempted = calls(&report, "attempted");
    assert_eq!((calls(&report, "scheduled"), report["skipped"]["stopped"].as_u64()), (40, Some(40 - attempted)));
    assert_eq!(server.state().originates, attempted);
}

#[tokio::test]
async fn every_call_is_hung_up() {
    let (one, other) = (server().await, server().await);
    let going = start(&[&one, &other], "[load]\nrate = 100\n", "1h");
    until(&one, |state| state.channels >= 10).await;
    going.ask(Control::HangUpAll);
    let report = going.end().await;
    assert_eq!((one.state().channels, other.state().channels), (0, 0));
    let ended = calls(&report, "completed") + calls(&report, "canceled");
    assert_eq!(ended, calls(&report, "attempted"), "{}", report["calls"]);
    assert!(calls(&report, "attempted") >= 15);
}

#[tokio::test]
async fn in_a_closed_loop_a_higher_limit_is_filled_at_once() {
    let server = server().await;
    let going = start(&[&server], "[load]\nrate = 200\nlimit = 2\nmode = \"wait\"\n", "1h");
    until(&server, |state| state.channels == 2).await;
    going.ask(Control::Limit(Some(30)));
    until(&server, |state| state.channels == 30).await;
    going.ask(Control::Pause);
    going.ask(Control::Limit(Some(31)));
    going.ask(Control::Resume);
    until(&server, |state| state.channels == 31).await;
    going.ask(Control::HangUpAll);
    let report = going.end().await;
    assert_eq!((calls(&report, "attempted"), calls(&report, "skipped")), (31, 0), "{}", report["calls"]);
}

#[tokio::test]
async fn calls_that_fill_the_limit_fill_a_higher_one_too() {
    let server = server().await;
    let going = start(&[&server], "[load]\nrate = 20\nlimit = 4\nmode = \"wait\"\n", "");
    until(&server, |state| state.originates >= 4).await;
    // Of calls of 4 / 20 s there would never be more than a few.
    going.ask(Control::Limit(Some(40)));
    until(&server, |state| state.channels >= 20).await;
    going.ask(Control::Stop);
    let report = going.end().await;
    assert_eq!(calls(&report, "completed"), calls(&report, "attempted"), "{}", report["calls"]);
}

#[tokio::test]
async fn what_cannot_be_obeyed_is_refused() {
    let server = server().await;
    let going = start(&[&server], "[load]\nrate = 20\n", "100ms");
    until(&server, |state| state.originates >= 1).await;
    for (control, message) in [
        (Control::Rate(Some(-1.0)), "invalid rate -1"),
        (Control::Rate(Some(f64::NAN)), "invalid rate NaN"),
        (Control::Limit(Some(0)), "invalid limit 0"),
        (Control::Weights(vec![0, 0]), "invalid weights: at least one weight must be above 0"),
    ] {
        let error = going.operator.ask(control).expect_err("refused");
        assert!(error.contains(message), "{error}");
    }
    // Of another number of slaves: not obeyed, and no harm.
    going.ask(Control::Weights(vec![1, 2, 3]));
    going.ask(Control::Stop);
    let operator = going.operator.clone();
    going.end().await;
    assert_eq!(operator.ask(Control::Stop), Err("the run has ended".to_owned()));
}
