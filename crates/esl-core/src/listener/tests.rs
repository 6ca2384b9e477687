use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::time::{advance, timeout};

use super::*;
use crate::connection::dialogue::{Server, logged_in};
use crate::{EventName, Liveness};

const NOOP: &str = "noop\n\n";

async fn listener() -> (Listener<DuplexStream>, Server) {
    let (connection, mut server) = logged_in().await;
    let subscription = Subscription::new([EventName::Heartbeat]);
    let (listener, ()) = tokio::join!(Listener::subscribe(connection, &subscription), async {
        server.expect("event plain HEARTBEAT\n\n").await;
        server.say("Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n").await;
    });
    (listener.unwrap(), server)
}

/// Lets the listener run for so long in steps of a millisecond, the server answering nothing.
async fn run(listener: &mut Listener<DuplexStream>, milliseconds: u64) {
    for _ in 0..milliseconds {
        let _ = timeout(Duration::ZERO, listener.next()).await;
        advance(Duration::from_millis(1)).await;
    }
    let _ = timeout(Duration::ZERO, listener.next()).await;
}

#[tokio::test(start_paused = true)]
async fn a_noop_goes_out_every_period_while_something_is_awaited() {
    let (mut listener, mut server) = listener().await;
    listener.set_keep_awake(KeepAwake::every(Duration::from_millis(2)));
    run(&mut listener, 20).await;
    assert_eq!(server.count(NOOP).await, 0, "nothing is awaited");

    listener.set_awaited(true);
    run(&mut listener, 10).await;
    assert_eq!(server.count(NOOP).await, 6);
    run(&mut listener, 100).await;
    assert_eq!(server.count(NOOP).await, 2, "eight may be unanswered");

    for _ in 0..8 {
        server.say("Content-Type: command/reply\nReply-Text: -ERR command not found\n\n").await;
    }
    run(&mut listener, 4).await;
    assert!((2..=3).contains(&server.count(NOOP).await), "answers make room");

    listener.set_awaited(false);
    run(&mut listener, 20).await;
    assert_eq!(server.count(NOOP).await, 0);
}

#[tokio::test(start_paused = true)]
async fn off_means_off() {
    let (mut listener, mut server) = listener().await;
    listener.set_awaited(true);
    run(&mut listener, 50).await;
    assert_eq!(server.count(NOOP).await, 0);
}

#[tokio::test]
async fn a_refused_subscription_is_an_error() {
    let (connection, mut server) = logged_in().await;
    let subscription = Subscription::new([EventName::Heartbeat]);
    let (listener, ()) = tokio::join!(Listener::subscribe(connection, &subscription), async {
        server.expect("event plain HEARTBEAT\n\n").await;
        server.say("Content-Type: command/reply\nReply-Text: -ERR permission denied\n\n").await;
    });
    assert_eq!(listener.unwrap_err().command_failure().unwrap().words, "permission denied");
}

#[tokio::test]
async fn unanswered_subscription_times_out_and_is_named() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (credentials, subscription) = (Credentials::password("ClueCon"), Subscription::new([EventName::All]));
    let options = Options { timeout: Duration::from_secs(60), liveness: Liveness::OFF, ..Options::default() };
    let connecting = timeout(2 * options.timeout, Listener::connect(&address, &credentials, &options, &subscription));
    let (error, _server) = tokio::join!(connecting, async {
        let mut server = Server(socket.accept().await.unwrap().0);
        server.let_in().await;
        server.expect("event plain ALL\n\n").await;
        // Nothing is on its way any more: the clock jumps to the time-out.
        tokio::time::pause();
        server
    });
    let error = error.expect("given up").unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.to_string(), "subscribing took longer than 60s");
}
