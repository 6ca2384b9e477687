//! Servers that are not there, do not let in, are something else, or go away.

mod support;

use std::time::Duration;

use support::{Bench, server, slave, slave_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LOAD: &str = "[run]\nduration = \"1s\"\n[load]\nrate = 20\n[call]\nto = \"null/x\"\nhold = \"100ms\"\n";

/// Something that greets each connection so, and stays.
async fn greeter(greeting: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(greeting.as_bytes()).await;
                while stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    port
}

/// A port at which nobody listens.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port()
}

#[tokio::test]
async fn each_slave_that_cannot_be_used_is_named_with_the_reason() {
    let server = server().await;
    for (table, reason) in [
        (slave_at(closed_port().await, "ClueCon"), "cannot connect to 127.0.0.1"),
        (slave_at(server.addr().port(), "wrong"), "the server refused the password: invalid"),
        (
            slave_at(
                greeter("Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n").await,
                "x",
            ),
            "the server does not accept connections from this address",
        ),
        (
            slave_at(greeter("SSH-2.0-OpenSSH_9.2p1\r\n").await, "x"),
            "not an Event Socket frame: \"SSH-2.0-OpenSSH_9.2p1",
        ),
        (slave_at(greeter("").await, "x"), "did not speak Event Socket within 5s"),
        (
            slave_at(
                greeter("Content-Type: auth/request\n\nContent-Type: command/reply\nReply-Text: +OK accepted\n\n")
                    .await,
                "x",
            ),
            "subscribing took longer than 5s",
        ),
    ] {
        let bench = Bench::new(&format!("{LOAD}{table}name = \"pbx7\"\n"));
        let run = bench.run().await;
        assert_eq!(run.code(), 3, "{run:?}");
        let line = run.stderr.lines().find(|line| line.contains("not usable")).unwrap_or_default();
        assert!(line.contains("pbx7") && line.contains(reason), "{}", run.stderr);
        assert!(!run.stderr.contains("wrong\""), "the password is not shown");
    }
    assert_eq!(server.state().originates, 0, "nothing was dialled");
}

#[tokio::test]
async fn a_run_goes_on_with_the_slaves_that_are_there() {
    let server = server().await;
    let missing = slave_at(closed_port().await, "ClueCon");
    let run = Bench::new(&format!("{LOAD}{}{missing}", slave(&server))).run().await;
    assert!(run.stderr.contains("1 of 2 slaves are connected"), "{}", run.stderr);
    assert_eq!(run.calls("completed"), 10);
    assert_eq!(run.number("skipped.slave_down"), 10.0);
}

#[tokio::test]
async fn a_slave_that_goes_away_and_comes_back_gets_calls_again() {
    let (steady, other) = (server().await, server().await);
    let address = other.addr();
    let load = "[run]\nduration = \"5s\"\n[load]\nrate = 40\n[call]\nto = \"null/x\"\nhold = \"1s\"\n";
    let bench = Bench::new(&format!("{load}{}{}", slave(&steady), slave(&other)));
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    other.wait_for(Duration::from_secs(20), |state| state.originates >= 20).await.unwrap();
    other.stop().await;
    // It is away for as long as the steady one takes for ten calls.
    let before = steady.state().originates;
    steady.wait_for(Duration::from_secs(20), |state| state.originates >= before + 10).await.unwrap();
    let config =
        fs_sim::Config { listen: address, max_sessions: 1000, sessions_per_second: 1000, ..Default::default() };
    let again = fs_sim::Server::start(config).await.unwrap();
    let run = running.end().await;

    assert_eq!(run.report()["slaves"][1]["reconnects"], 1, "{}", run.stderr);
    let calls = |slave: usize, name: &str| run.report()["slaves"][slave]["calls"][name].as_u64().unwrap();
    assert_eq!((calls(0, "completed"), calls(0, "lost")), (100, 0), "the other one's calls are untouched");
    assert!(calls(1, "lost") > 0, "calls that were up when it went are lost");
    assert!(calls(1, "skipped") > 0, "and those that were due meanwhile are skipped");
    assert_eq!(calls(1, "completed"), calls(1, "attempted") - calls(1, "lost"));
    assert!(again.state().originates > 0, "it gets calls again");
    assert_eq!(again.state().channels + steady.state().channels, 0);
}
