//! The client library's examples, each run as its own documentation says, against a simulated FreeSWITCH.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use esl_core::{Client, Credentials, Options};
use fs_sim::{Config, Server};

const PASSWORD: &str = "ClueCon";
const DIALPLAN: &str = "127.0.0.1:5080";
const PARK: &str = "127.0.0.1:5090";

/// An example's program, built by the cargo that runs this test.
fn example(name: &str) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "esl-core", "--example", name])
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{name} compiles");
    let test = std::env::current_exe().expect("a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples").join(name)
}

fn start(name: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(example(name));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// What it says, from its start to its end, which has to be a good one.
fn finish(name: &str, child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Runs it off the runtime's threads, since the server is on them.
async fn run(name: &'static str, arguments: Vec<String>) -> String {
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        finish(name, start(name, &arguments))
    };
    tokio::task::spawn_blocking(run).await.expect("it ran")
}

async fn server() -> (Server, String) {
    let server = Server::start(Config::default()).await.expect("a server");
    let address = server.addr().to_string();
    (server, address)
}

fn arguments(address: &str, more: &[&str]) -> Vec<String> {
    [address, PASSWORD].into_iter().chain(more.iter().copied()).map(str::to_owned).collect()
}

async fn nothing_is_left(server: Server) {
    server.wait_for(Duration::from_secs(10), |state| state.channels == 0).await.expect("no channel is left");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn internals_tutorial_prints_what_it_shows() {
    let (server, address) = server().await;
    let said = run("internals_tutorial", arguments(&address, &[DIALPLAN, PARK])).await;
    for line in ["-ERR not Command not found!", "attach one", "disconnected)", "connected)", "running)", "2 sessions)"]
    {
        assert!(said.contains(line), "{line:?} is missing:\n{said}");
    }
    let seconds = said.lines().last().and_then(|line| line.strip_prefix("a call of ")?.strip_suffix(" s"));
    let seconds: f64 = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(seconds >= 0.5, "it plays for half a second: {said}");
    nothing_is_left(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocking() {
    let (server, address) = server().await;
    let said = run("blocking", arguments(&address, &["9196@127.0.0.1:5080"])).await;
    assert!(said.contains("is up") && said.contains("NORMAL_CLEARING"), "{said}");
    nothing_is_left(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined() {
    let (server, address) = server().await;
    let said = run("pipelined", arguments(&address, &["1000"])).await;
    assert_eq!(said.matches("a second").count(), 7, "{said}");
    nothing_is_left(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn router() {
    let (server, address) = server().await;
    let mut child = start("router", &[&address, PASSWORD, DIALPLAN]);
    // It says nothing until its end: it is there when a call is answered by it.
    let client =
        Client::connect(&address, &Credentials::password(PASSWORD), &Options::default()).await.expect("a client");
    let call =
        format!("originate {{ignore_early_media=true,originate_timeout=5}}sofia/external/89196@{PARK} &hangup()");
    let bridged = async {
        while let Err(error) = client.cmd(&call).await {
            assert!(error.command_failure().is_some(), "{error}");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), bridged).await.expect("the router bridges it");
    let stop = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(stop.success() && child.wait().expect("it ends").success());
    let mut said = String::new();
    child.stdout.take().expect("its output").read_to_string(&mut said).expect("text");
    assert!(said.contains("routed: "), "{said}");
    nothing_is_left(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outbound() {
    let (server, address) = server().await;
    let mut child = start("outbound", &["127.0.0.1:0", "2"]);
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let listening = lines.next().expect("a line").expect("text");
    let there = listening.strip_prefix("listening on ").expect("its address");
    let client =
        Client::connect(&address, &Credentials::password(PASSWORD), &Options::default()).await.expect("a client");
    for mode in ["async full", "async"] {
        client.cmd(&format!("originate null/x &socket('{there} {mode}')")).await.expect("a call");
    }
    let said: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert!(child.wait().expect("it ends").success(), "{said:?}");
    assert_eq!(said.iter().filter(|line| *line == "played: FILE PLAYED").count(), 2, "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("2 calls, 0 of them failed"), "{said:?}");
    nothing_is_left(server).await;
}
