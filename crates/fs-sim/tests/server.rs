//! A server as a client meets it: line ends, when events are handed over, limits, stopping and starting again.

use std::{io, time::Duration};

use fs_sim::{Callee, Config, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for anything that is to happen, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(10);

/// How long it is watched that something does not happen.
const A_WHILE: Duration = Duration::from_millis(60);

struct Client {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Client {
    async fn login(server: &Server) -> Client {
        let mut client =
            Client { stream: TcpStream::connect(server.addr()).await.expect("a connection"), heard: Vec::new() };
        client.expect("auth/request").await;
        client.say("auth ClueCon\n\n").await;
        client.expect("+OK accepted").await;
        client
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("an open connection");
    }

    /// Reads until `text` has come, and forgets all up to its end.
    async fn expect(&mut self, text: &str) -> String {
        let found = |heard: &[u8]| String::from_utf8_lossy(heard).find(text).map(|start| start + text.len());
        let end = timeout(SOON, async {
            loop {
                if let Some(end) = found(&self.heard) {
                    return end;
                }
                assert_ne!(
                    self.stream.read_buf(&mut self.heard).await.expect("a stream"),
                    0,
                    "the end instead of {text}"
                );
            }
        });
        let end = end.await.unwrap_or_else(|_| panic!("no {text} in {:?}", String::from_utf8_lossy(&self.heard)));
        let rest = self.heard.split_off(end);
        String::from_utf8(std::mem::replace(&mut self.heard, rest)).expect("UTF-8")
    }

    async fn hears_nothing(&mut self) {
        let read = timeout(A_WHILE, self.stream.read_buf(&mut self.heard)).await;
        assert!(read.is_err() && self.heard.is_empty(), "heard {:?}", String::from_utf8_lossy(&self.heard));
    }

    async fn hears_the_end(&mut self) {
        let read = timeout(SOON, self.stream.read_to_end(&mut self.heard)).await.expect("an end");
        let reset = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
        assert!(read.is_ok() || reset, "{read:?}");
    }
}

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
async fn events_wait_for_the_turn_to_end_or_for_a_command() {
    let server = start(Duration::from_secs(3_600)).await;
    let mut listener = Client::login(&server).await;
    listener.say("event plain CHANNEL_CREATE\n\n").await;
    listener.expect("listener enabled plain\n\n").await;
    let mut caller = Client::login(&server).await;
    caller.say("api originate null/x &park()\n\n").await;
    caller.expect("+OK").await;
    listener.hears_nothing().await;
    listener.say("\n").await;
    listener.hears_nothing().await;
    listener.say("noop\n\n").await;
    let before = listener.expect("CHANNEL_CREATE").await;
    assert!(before.starts_with("Content-Type: command/reply\nReply-Text: -ERR command not found\n\n"), "{before}");
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
async fn a_half_sent_command_holds_events_up() {
    let server = start(Duration::ZERO).await;
    let mut client = Client::login(&server).await;
    client.say("event plain BACKGROUND_JOB\n\n").await;
    client.expect("enabled plain\n\n").await;
    client.say("bgapi originate sofia/external/ring30@127.0.0.1:5080 &park()\n\napi st").await;
    client.expect("+OK Job-UUID").await;
    client.expect("\n\n").await;
    client.hears_nothing().await;
    client.say("atus\n\n").await;
    client.expect("is ready").await;
    client.expect("BACKGROUND_JOB").await;
}

#[tokio::test]
async fn a_stopped_server_frees_its_port_and_forgets_its_channels() {
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
    client.say("api status\n\n").await;
    client.expect("\n0 session(s) since startup").await;
    assert_eq!(server.wait_for(A_WHILE, |state| state.channels > 0).await.expect_err("none").channels, 0);
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
