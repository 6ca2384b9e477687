//! A client that says and reads plain bytes.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{io, time::Duration};

use fs_sim::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for anything that is to happen, on a machine that does other things too.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) heard: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Client {
        Client { stream: TcpStream::connect(server.addr()).await.expect("a connection"), heard: Vec::new() }
    }

    pub(crate) async fn login(server: &Server) -> Client {
        let mut client = Client::connect(server).await;
        client.expect("auth/request\n\n").await;
        client.say("auth ClueCon\n\n").await;
        client.expect("+OK accepted\n\n").await;
        client
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("an open connection");
    }

    /// Says a command and reads frames up to its reply, which holds `reply`.
    pub(crate) async fn ask(&mut self, command: &str, reply: &str) -> String {
        self.say(&format!("{command}\n\n")).await;
        loop {
            let frame = self.frame().await;
            if !frame.starts_with("Content-Length: ") {
                assert!(frame.contains(reply), "no {reply:?} in {frame:?}");
                return frame;
            }
        }
    }

    /// Says a command whose reply, which holds `reply`, is the next frame: nothing else has come before it.
    pub(crate) async fn ask_next(&mut self, command: &str, reply: &str) {
        self.say(&format!("{command}\n\n")).await;
        let frame = self.frame().await;
        let is_event = frame.starts_with("Content-Length: ");
        assert!(!is_event && frame.contains(reply), "no {reply:?} in {frame:?}");
    }

    /// The next whole frame: an event's begins with its length.
    pub(crate) async fn frame(&mut self) -> String {
        let head = self.expect("\n\n").await;
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let body = self.hears(length.map_or(0, |length| length.parse().expect("a length"))).await;
        head + &String::from_utf8_lossy(&body)
    }

    /// Reads until `text` has come, and forgets all up to its end.
    pub(crate) async fn expect(&mut self, text: &str) -> String {
        let find = |heard: &[u8]| {
            heard.windows(text.len()).position(|window| window == text.as_bytes()).map(|start| start + text.len())
        };
        let end = timeout(SOON, async {
            loop {
                if let Some(end) = find(&self.heard) {
                    return Some(end);
                }
                if self.stream.read_buf(&mut self.heard).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        });
        let end = end.await.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text()));
        let end = end.unwrap_or_else(|| panic!("the end instead of {text:?} in {:?}", self.text()));
        let rest = self.heard.split_off(end);
        String::from_utf8_lossy(&std::mem::replace(&mut self.heard, rest)).into_owned()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).chars().take(2_000).collect()
    }

    /// Checks that nothing has come. `marker` is a connection in the same runtime that nothing holds up: what is answered
    /// there was said after all that was said here, and takes the same way.
    pub(crate) async fn hears_nothing(&mut self, marker: &mut Client) {
        for _ in 0..2 {
            marker.ask("api echo marker", "\n\nmarker").await;
        }
        let read = self.stream.try_read_buf(&mut self.heard);
        let is_open = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        assert!(is_open && self.heard.is_empty(), "heard {:?}: {read:?}", self.text());
    }

    /// All that comes up to the end of the connection.
    pub(crate) async fn hears_the_end(&mut self) -> Vec<u8> {
        let read = timeout(SOON, self.stream.read_to_end(&mut self.heard)).await;
        let read = read.unwrap_or_else(|_| panic!("no end after {:?}", self.text()));
        let reset = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
        assert!(read.is_ok() || reset, "{read:?}");
        std::mem::take(&mut self.heard)
    }

    /// Reads once.
    pub(crate) async fn reads(&mut self) {
        let read = timeout(SOON, self.stream.read_buf(&mut self.heard)).await.expect("in time").expect("a stream");
        assert_ne!(read, 0, "the end after {:?}", self.text());
    }

    /// Reads so many bytes.
    pub(crate) async fn hears(&mut self, length: usize) -> Vec<u8> {
        while self.heard.len() < length {
            self.reads().await;
        }
        let rest = self.heard.split_off(length);
        std::mem::replace(&mut self.heard, rest)
    }
}
