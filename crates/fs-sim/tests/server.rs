//! A server as a client meets it: line ends, when events are handed over, limits, stopping and starting again.

#[path = "support/client.rs"]
mod client;

use std::{io, time::Duration};

use client::{Client, SOON};
use fs_sim::{Callee, Config, Server};

async fn start(event_delay: Duration) -> Server {
    Server::start(Config { event_delay, ..Config::default() }).await.expect("a server")
}

#[tokio::test]
async fn both_line_ends_are_understood() {
    let server = start(Duration::ZERO).await;
    let mut client = Client::login(&server).await;
    client.say("api echo one\r\n\r\n").await;
    client.expect("Content-Length: 3\n\none").await;
    client.say("\n\napi echo two\n\nnoop\n\n").await;
    client.expect("two").await;
    client.expect("-ERR command not found").await;
}

#[tokio::test]
async fn event_waits_for_a_command_and_not_for_a_line_end() {
    let server = start(Duration::from_secs(3_600)).await;
    let mut listener = Client::login(&server).await;
    listener.say("event plain CHANNEL_CREATE\n\n").await;
    listener.expect("listener enabled plain\n\n").await;
    let mut caller = Client::login(&server).await;
    caller.ask("api originate null/x &park()", "+OK").await;
    listener.hears_nothing(&mut caller).await;
    listener.say("\n").await;
    listener.hears_nothing(&mut caller).await;
    listener.ask_next("noop", "Content-Type: command/reply\nReply-Text: -ERR command not found\n\n").await;
    listener.expect("CHANNEL_CREATE").await;
}

#[tokio::test]
async fn events_come_by_themselves_at_the_end_of_a_turn() {
    for delay in [Duration::ZERO, Duration::from_millis(20)] {
        let server = start(delay).await;
        let mut client = Client::login(&server).await;
        client
            .say("event plain BACKGROUND_JOB\n\nbgapi originate sofia/external/ring50@127.0.0.1:5080 &park()\n\n")
            .await;
        client.expect("Event-Name: BACKGROUND_JOB").await;
    }
}

#[tokio::test]
async fn half_sent_command_holds_events_up() {
    let server = start(Duration::ZERO).await;
    let (mut client, mut other) = (Client::login(&server).await, Client::login(&server).await);
    for client in [&mut client, &mut other] {
        client.ask("event plain BACKGROUND_JOB", "enabled plain\n").await;
    }
    client.say("bgapi originate sofia/external/ring30@127.0.0.1:5080 &park()\n\napi st").await;
    client.expect("+OK Job-UUID").await;
    client.expect("\n\n").await;
    other.expect("Event-Name: BACKGROUND_JOB").await;
    client.ask_next("atus", "is ready").await;
    client.expect("Event-Name: BACKGROUND_JOB").await;
}

#[tokio::test]
async fn stopped_server_frees_its_port_and_forgets_its_channels() {
    let server = start(Duration::ZERO).await;
    let address = server.addr();
    let mut client = Client::login(&server).await;
    client.say("api originate null/x &park()\n\n").await;
    client.expect("+OK").await;
    let state = server.wait_for(SOON, |state| state.channels == 1).await.expect("a channel");
    assert_eq!((state.listeners, state.originates, state.sessions_since_startup), (1, 1, 1));
    server.stop().await;
    client.hears_the_end().await;

    let server = Server::start(Config { listen: address, ..Config::default() }).await.expect("the same port");
    let mut client = Client::login(&server).await;
    client.ask("api status", "\n0 session(s) since startup").await;
    client.ask("api originate null/x &park()", "+OK").await;
    let state = server.wait_for(SOON, |state| state.channels > 0).await.expect("a new channel");
    assert_eq!((state.channels, state.originates, state.sessions_since_startup), (1, 1, 1), "the new one alone");
}

#[tokio::test]
async fn an_impossible_callee_is_refused_with_the_reason() {
    let callee = Callee { failures: [("USER_BUSY".to_owned(), 1.5.into())].into(), ..Callee::default() };
    let error = Server::start(Config { callee, ..Config::default() }).await.expect_err("more than all");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("USER_BUSY is 1.5"), "{error}");
}

#[tokio::test]
async fn a_client_without_an_end_to_its_command_is_closed() {
    let server = start(Duration::ZERO).await;
    let mut client = Client::login(&server).await;
    client.say("api status\nContent-Length: 99999999999\n\n").await;
    client.hears_the_end().await;
}
