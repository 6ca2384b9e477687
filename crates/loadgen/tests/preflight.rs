//! The look at the slaves before a run, limits that are raised for it, and what is put right after one was killed.

mod support;

use std::time::Duration;

use esl_core::{Client, Credentials, Options};
use support::{Bench, Running, server, slave};

const SOON: Duration = Duration::from_secs(30);
const ITSELF: &str = "sofia/external/9196@127.0.0.1:5080";

async fn stock() -> fs_sim::Server {
    fs_sim::Server::start(fs_sim::Config::default()).await.expect("a port")
}

async fn client(server: &fs_sim::Server) -> Client {
    let address = server.addr().to_string();
    let credentials = Credentials::password("ClueCon");
    Client::connect(&address, &credentials, &Options::default()).await.expect("a connection")
}

async fn cmd(server: &fs_sim::Server, command: &str) -> String {
    client(server).await.cmd(command).await.expect("an answer")
}

/// 40 calls a second to itself, of so many seconds, 30 at a time.
fn load(run: &str, hold: u64, server: &fs_sim::Server) -> Bench {
    Bench::new(&format!(
        "[run]\n{run}\n[load]\nrate = 40\nlimit = 30\nmode = \"wait\"\n[call]\nto = \"{ITSELF}\"\nhold = \"{hold}s\"\n{}name = \"pbx7\"\n",
        slave(server)
    ))
}

#[tokio::test]
async fn a_plan_that_a_server_cannot_carry_is_not_begun() {
    let server = stock().await;
    let bench = load("duration = \"1s\"", 1, &server);
    let checked = bench.start(&["check", "a.toml", "--preflight"]).end().await;
    assert_eq!(checked.code(), 3, "{checked:?}");
    let finding = "error: pbx7: the plan has 40.0 calls/s, 80.0 new sessions a second with the far legs that land on the server, \
     but the server accepts 30 new sessions a second: it would reject the rest\n    → fsctl sps 173";
    assert!(checked.stdout.contains("loadgen: 40 calls/s") && checked.stdout.contains(finding), "{}", checked.stdout);

    let run = bench.run().await;
    assert_eq!(run.code(), 3, "{run:?}");
    assert!(run.stdout.contains(finding) && run.stdout.ends_with("no call was placed\n"), "{}", run.stdout);
    assert!(run.stderr.contains("ERROR") && run.stderr.contains("fsctl sps 173"), "{}", run.stderr);
    assert_eq!(server.state().originates, 0);

    let run = bench.start(&["run", "a.toml", "--out", "out", "--no-preflight"]).end().await;
    assert!(run.calls("completed") < run.calls("attempted"), "the server refused some: {}", run.stdout);
}

#[tokio::test]
async fn a_run_is_not_begun_where_nobody_is_there_who_places_its_calls() {
    let server = server().await;
    let gone = "[[slaves]]\nname = \"gone\"\nhost = \"127.0.0.1\"\nport = 1\npassword = \"x\"\n";
    let bench = Bench::new(&format!(
        "[run]\nduration = \"60s\"\n[load]\nrate = 1\n[call]\nhold = \"1s\"\nto = \"{ITSELF}\"\n{gone}{}\
         name = \"ears\"\nweight = 0\n",
        slave(&server)
    ));
    for arguments in [&["run", "a.toml"][..], &["run", "a.toml", "--no-preflight"]] {
        let run = bench.start(arguments).end().await;
        assert_eq!(run.code(), 3, "{run:?}");
        assert!(run.stdout.ends_with("no call was placed\n"), "{}", run.stdout);
    }
}

#[tokio::test]
async fn a_probe_call_is_placed_where_it_is_allowed() {
    let server = server().await;
    let text = |to: &str| {
        format!(
            "[preflight]\nprobe = true\n[load]\nrate = 1\n[call]\nhold = \"1s\"\nto = \"{to}\"\n{}name = \"pbx7\"\n",
            slave(&server)
        )
    };
    let checked = Bench::new(&text(ITSELF)).start(&["check", "a.toml", "--preflight"]).end().await;
    assert_eq!(checked.code(), 0, "{checked:?}");
    assert!(!checked.stdout.contains("probe call"), "{}", checked.stdout);
    let busy = "sofia/external/486@127.0.0.1:5080";
    let checked = Bench::new(&text(busy)).start(&["check", "a.toml", "--preflight"]).end().await;
    assert_eq!(checked.code(), 0, "who is busy may be what is to be measured: {checked:?}");
    assert!(
        checked.stdout.contains(&format!("warning: pbx7: a probe call to \"{busy}\" failed: USER_BUSY")),
        "{}",
        checked.stdout
    );
    assert_eq!(server.state().originates, 2);
    server.wait_for(SOON, |state| state.channels == 0).await.expect("nothing is left");
}

#[tokio::test]
async fn limits_are_raised_for_a_run_and_put_back_at_its_end() {
    let server = stock().await;
    let bench = load("duration = \"1s\"\nraise_limits = true", 1, &server);
    let run = bench.run().await;
    assert_eq!((run.code(), run.calls("refused")), (0, 0), "{} {}", run.stdout, run.stderr);
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 30");
    assert!(!bench.path().join("out/raised.json").exists());
}

/// A run of long calls on a server whose limit it has raised, with all its calls up.
async fn raised() -> (fs_sim::Server, Bench, Running) {
    let server = stock().await;
    let bench = load("duration = \"60s\"\ngrace = \"100ms\"\nraise_limits = true", 600, &server);
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    server.wait_for(SOON, |state| state.channels >= 60).await.expect("30 calls of two legs each");
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 173");
    (server, bench, running)
}

#[tokio::test]
async fn a_signal_puts_limits_back_too() {
    let (server, bench, running) = raised().await;
    running.signal("TERM");
    let run = running.end().await;
    assert_eq!(run.code(), 143, "{}", run.stderr);
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 30");
    assert!(!bench.path().join("out/raised.json").exists());
    server.wait_for(SOON, |state| state.channels == 0).await.expect("its calls are gone");
}

#[tokio::test]
async fn a_server_that_was_restarted_is_raised_again() {
    let (server, _bench, running) = raised().await;
    server.order(fs_sim::Fault::Restart, None).await.expect("a fault");
    let again = async {
        while cmd(&server, "fsctl sps").await != "+OK sessions per second: 173" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("it is raised when it is back");
    running.signal("TERM");
    running.end().await;
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 30");
}

#[tokio::test]
async fn one_that_comes_before_the_first_call_does_so_as_well() {
    let server = stock().await;
    let bench = load("duration = \"60s\"\ngrace = \"100ms\"\nraise_limits = true", 600, &server);
    let mut running = bench.start(&["run", "a.toml", "--out", "out"]);
    // It waits for the limit to be in force.
    running.says("\"fsctl sps 173\" for the run, from 30").await;
    running.signal("TERM");
    let run = running.end().await;
    assert_eq!(run.code(), 143, "{}", run.stderr);
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 30");
    assert!(!bench.path().join("out/raised.json").exists());
}

#[tokio::test]
async fn what_an_earlier_run_left_raised_is_said() {
    let server = server().await;
    let bench = load("duration = \"1s\"", 1, &server);
    std::fs::create_dir(bench.path().join("out")).expect("a folder");
    let raised = format!(
        r#"{{"raised":[{{"slave":"pbx7","address":"{}","limit":"sps","from":30,"to":100000}}]}}"#,
        server.addr()
    );
    std::fs::write(bench.path().join("out/raised.json"), raised).expect("a file");
    let run = bench.run().await;
    assert!(
        run.stderr.contains("an earlier run in out was killed and the limits it raised are still in force"),
        "{}",
        run.stderr
    );
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 100000", "not this one's to put back");
    let cleaned = bench.start(&["cleanup", "out", "--config", "a.toml"]).end().await;
    assert_eq!(cleaned.code(), 0, "{cleaned:?}");
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 30");
}

#[tokio::test]
async fn what_a_killed_run_left_is_cleaned_up_and_nothing_else() {
    let (server, bench, running) = raised().await;
    let refused = bench.start(&["cleanup", "out", "--config", "a.toml"]).end().await;
    assert_eq!(refused.code(), 2, "{refused:?}");
    assert!(refused.stderr.contains("the run in out is active (process "), "{}", refused.stderr);
    running.signal("KILL");
    // Its folder is its own until the system has taken it away.
    running.end().await;
    let somebody = client(&server).await;
    for uuid in ["origination_uuid=aaaaaaaa-aaaa-4000-8000-000000000001,loadgen_run=aaaaaaaaaaaa", "x=y"] {
        somebody.cmd(&format!("originate {{{uuid}}}null/somebody &park()")).await.expect("a call");
    }
    let secret = bench.start(&["cleanup", "out"]).end().await;
    assert_eq!(secret.code(), 2, "{secret:?}");
    assert!(secret.stderr.contains("give --config, --password-file, or LOADGEN_PASSWORD"), "{}", secret.stderr);

    std::fs::write(bench.path().join("password"), "ClueCon\n").expect("a file");
    let cleaned = bench.start(&["cleanup", "out", "--password-file", "password"]).end().await;
    assert_eq!(cleaned.code(), 0, "{cleaned:?}");
    let address = server.addr();
    assert!(
        cleaned.stdout.starts_with(&format!("pbx7 ({address}): 60 channels of run "))
            && cleaned.stdout.contains(", none left after "),
        "{}",
        cleaned.stdout
    );
    assert_eq!(server.state().channels, 2, "other people's calls stay");
    assert_eq!(cmd(&server, "fsctl sps").await, "+OK sessions per second: 30");
    assert!(!bench.path().join("out/raised.json").exists());

    let again = bench.start(&["cleanup", "out", "--config", "a.toml"]).end().await;
    assert_eq!(again.code(), 0, "{again:?}");
    assert!(again.stdout.contains("no channel of run "), "{}", again.stdout);

    // A configuration that has no run folder is about no run: those that there are are listed.
    let listed = bench.start(&["cleanup", "a.toml"]).end().await;
    assert_eq!(listed.code(), 1, "{listed:?}");
    assert!(listed.stdout.contains("1 channel of run aaaaaaaaaaaa, not hung up"), "{}", listed.stdout);
    assert_eq!(server.state().channels, 2);
    let one = bench.start(&["cleanup", "a.toml", "--run-id", "aaaaaaaaaaaa"]).end().await;
    assert_eq!((one.code(), server.state().channels), (0, 1), "{one:?}");
    somebody.cmd("originate {loadgen_run=bbbbbbbbbbbb}null/somebody &park()").await.expect("a call");
    let all = bench.start(&["cleanup", "a.toml", "--all-runs"]).end().await;
    assert_eq!(all.code(), 0, "{all:?}");
    server.wait_for(SOON, |state| state.channels == 1).await.expect("the one that is nobody's run's stays");
    assert!(somebody.cmd("show channels").await.expect("a list").contains("somebody"));
}

#[tokio::test]
async fn what_cannot_be_reached_is_not_clean() {
    let server = server().await;
    let bench = load("", 1, &server);
    server.stop().await;
    let run = bench.start(&["cleanup", "a.toml", "--all-runs"]).end().await;
    assert_eq!(run.code(), 3, "{run:?}");
    assert!(run.stdout.contains("): not cleaned up: cannot connect to 127.0.0.1"), "{}", run.stdout);
    let none = bench.start(&["cleanup", "."]).end().await;
    assert_eq!(none.code(), 2, "{none:?}");
    assert!(none.stderr.contains(". is not a run folder: cannot read ./run.json"), "{}", none.stderr);
}

#[tokio::test]
async fn what_may_not_be_listed_is_not_clean() {
    let user = fs_sim::User {
        name: "joe".to_owned(),
        domain: "pbx.example".to_owned(),
        password: "ClueCon".to_owned(),
        allowed_api: Some("status,version,uuid_exists,uuid_kill,hupall".to_owned()),
        ..fs_sim::User::default()
    };
    let server = fs_sim::Server::start(fs_sim::Config { users: vec![user], ..fs_sim::Config::default() });
    let server = server.await.expect("a port");
    let text = load("", 1, &server);
    let text = std::fs::read_to_string(text.path().join("a.toml")).expect("the file");
    let bench = Bench::new(&text.replace("password =", "user = \"joe@pbx.example\"\npassword ="));
    for which in [&["--all-runs"][..], &["--run-id", "0123456789ab"], &[]] {
        let run = bench.start(&[&["cleanup", "a.toml"], which].concat()).end().await;
        assert_eq!(run.code(), 3, "{run:?}");
        assert!(run.stdout.contains("was answered \"-ERR permission denied\""), "{}", run.stdout);
    }
}

#[tokio::test]
async fn one_run_at_a_time_is_in_a_folder() {
    let server = server().await;
    let bench = load("duration = \"60s\"", 600, &server);
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    server.wait_for(SOON, |state| state.originates >= 1).await.expect("a call");
    let second = bench.start(&["run", "a.toml", "--out", "out"]).end().await;
    assert_eq!(second.code(), 1, "{second:?}");
    assert!(second.stderr.contains("another run is active in out: choose another folder"), "{}", second.stderr);
    running.signal("KILL");
    drop(running);
}

#[tokio::test]
async fn limits_are_raised_only_where_that_can_be_written_down() {
    let server = server().await;
    let bench = load("duration = \"1s\"\nraise_limits = true", 1, &server);
    let run = bench.start(&["run", "a.toml"]).end().await;
    assert_eq!(run.code(), 2, "{run:?}");
    assert!(run.stderr.contains("a.toml:3:16: raise_limits = true needs a run folder"), "{}", run.stderr);
}
