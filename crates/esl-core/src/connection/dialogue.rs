//! The server's side of a conversation, for tests: what it expects and what it says, over an in-memory pipe.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

use crate::connection::{Connection, Credentials};
use crate::error::Error;
use crate::wire::Limits;

pub(crate) struct Server<S = DuplexStream>(pub(crate) S);

impl Server {
    /// The server's end of a pipe.
    pub(crate) fn over(pipe: DuplexStream) -> Self {
        Self(pipe)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Server<S> {
    /// Expects exactly this text.
    pub(crate) async fn expect(&mut self, text: &str) {
        let mut got = vec![0; text.len()];
        self.0.read_exact(&mut got).await.unwrap_or_else(|error| panic!("{error}: awaited {text:?}"));
        assert_eq!(String::from_utf8_lossy(&got), text);
    }

    /// The next command, whatever it is.
    pub(crate) async fn command(&mut self) -> String {
        let mut got = Vec::new();
        while !got.ends_with(b"\n\n") {
            got.push(self.0.read_u8().await.expect("the client is there"));
        }
        String::from_utf8_lossy(&got).trim_end().to_owned()
    }

    /// Says this text.
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the client is there");
    }

    /// Lets the client in.
    pub(crate) async fn let_in(&mut self) {
        self.say("Content-Type: auth/request\n\n").await;
        self.expect("auth ClueCon\n\n").await;
        self.reply("+OK accepted").await;
    }

    /// Replies to a command that is not `api`.
    pub(crate) async fn reply(&mut self, text: &str) {
        self.say(&format!("Content-Type: command/reply\nReply-Text: {text}\n\n")).await;
    }

    /// Sends an event with these lines.
    pub(crate) async fn event(&mut self, lines: &str) {
        self.say(&format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{lines}\n", lines.len() + 1)).await;
    }

    /// Says what `api` gave.
    pub(crate) async fn answer(&mut self, output: &str) {
        self.say(&format!("Content-Type: api/response\nContent-Length: {}\n\n{output}", output.len())).await;
    }

    /// How many of these bytes come until nothing more comes for now.
    pub(crate) async fn count(&mut self, text: &str) -> usize {
        tokio::task::yield_now().await;
        let mut got = vec![0; 1 << 16];
        let mut read = 0;
        while let Ok(Ok(length)) = tokio::time::timeout(std::time::Duration::ZERO, self.0.read(&mut got[read..])).await
            && length > 0
        {
            read += length;
        }
        assert_eq!(read % text.len(), 0, "whole commands");
        assert!(got[..read].chunks(text.len()).all(|chunk| chunk == text.as_bytes()), "only {text:?}");
        read / text.len()
    }
}

/// A connection that has logged in, and its server.
pub(crate) async fn logged_in<T>() -> (Connection<T, DuplexStream>, Server) {
    let (connection, server) = log_in(|mut server| async move {
        server.let_in().await;
        server
    })
    .await;
    (connection.expect("the server let us in"), server)
}

/// Logs in to a server that behaves so.
pub(crate) async fn log_in<T, F: Future<Output = Server>>(
    behaviour: impl FnOnce(Server) -> F,
) -> (Result<Connection<T, DuplexStream>, Error>, Server) {
    let (here, there) = tokio::io::duplex(1 << 20);
    let credentials = Credentials::password("ClueCon");
    tokio::join!(Connection::log_in(here, &credentials, Limits::default()), behaviour(Server(there)))
}
