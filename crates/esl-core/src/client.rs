//! A handle to a connection that a task drives: commands from many callers, pipelined over one socket.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::error::{Error, Kind};
use crate::{Command, Connection, Credentials, Incoming, Options, Reply};

/// Requests that wait for the connection's task; callers beyond it wait for a place.
const REQUESTS_MAX: usize = 1024;

type Answer = oneshot::Sender<Result<Reply, Error>>;

#[derive(Debug)]
struct Request {
    bytes: BytesMut,
    answer: Answer,
}

/// Sends commands to one server. Clones share the connection; when the last one goes, the connection is closed.
///
/// A future of one of its methods can be dropped at any time. The command may have been sent then; its reply is thrown
/// away, and no other caller gets it.
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    /// Why the connection ended, once it has.
    ended: Arc<OnceLock<Error>>,
}

impl Client {
    /// Connects to `address` (`host:port`), logs in, and starts the connection's task.
    ///
    /// # Errors
    /// As [`Connection::connect`].
    pub async fn connect(address: &str, credentials: &Credentials, options: &Options) -> Result<Self, Error> {
        Ok(Self::new(Connection::connect(address, credentials, options).await?))
    }

    fn new<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(connection: Connection<Answer, S>) -> Self {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let ended = Arc::new(OnceLock::new());
        tokio::spawn(drive(connection, receiver, ended.clone()));
        Self { requests, ended }
    }

    /// Whether the connection is over. Every call fails from then on.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// `api <command>`: the server's reply, whatever it says.
    ///
    /// # Errors
    /// The command's text cannot be sent, or the connection ended before the reply came.
    pub async fn api(&self, command: &str) -> Result<Reply, Error> {
        self.request(&Command::api(command)).await
    }

    /// `api <command>`: the output without white space at its ends.
    ///
    /// # Errors
    /// As [`Client::api`]; also [`Error::command_failure`] where the server answers `-ERR` or `-USAGE`.
    pub async fn cmd(&self, command: &str) -> Result<String, Error> {
        Ok(self.api(command).await?.ok()?.into_owned())
    }

    /// `api <command>`, for so long at the most.
    ///
    /// # Errors
    /// As [`Client::api`]; also [`Error::is_timeout`].
    pub async fn api_within(&self, command: &str, limit: Duration) -> Result<Reply, Error> {
        let expired = Kind::Timeout { what: "the server's reply", after: limit };
        timeout(limit, self.api(command)).await.unwrap_or_else(|_| Err(expired.into()))
    }

    /// Starts `command` as a job in the server. Its result comes in a `BACKGROUND_JOB` event with this `Job-UUID`, to
    /// the listeners; it may never come, so that a caller needs a deadline.
    ///
    /// # Errors
    /// As [`Client::cmd`].
    pub async fn background(&self, job: Uuid, command: &str) -> Result<(), Error> {
        self.request(&Command::Background { job, command: command.into() }).await?.ok()?;
        Ok(())
    }

    /// Sends any command.
    ///
    /// # Errors
    /// As [`Client::api`].
    pub async fn request(&self, command: &Command<'_>) -> Result<Reply, Error> {
        let mut bytes = BytesMut::new();
        command.encode(&mut bytes)?;
        let (answer, reply) = oneshot::channel();
        self.requests.send(Request { bytes, answer }).await.map_err(|_| self.end())?;
        reply.await.unwrap_or_else(|_| Err(self.end()))
    }

    fn end(&self) -> Error {
        self.ended.get().cloned().unwrap_or_else(|| Kind::Dropped.into())
    }
}

/// Owns the socket until the server ends the connection or the last handle is gone.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<Answer, S>,
    mut requests: mpsc::Receiver<Request>,
    ended: Arc<OnceLock<Error>>,
) {
    let end = loop {
        tokio::select! {
            request = requests.recv(), if connection.has_room() => match request {
                // A caller that is gone before its command was sent wants it sent no more.
                Some(request) if request.answer.is_closed() => {}
                Some(request) => match connection.send_encoded(&request.bytes, request.answer) {
                    Ok(()) => {}
                    Err(error) => break error,
                },
                None => break Error::from(Kind::Dropped),
            },
            incoming = connection.next() => match incoming {
                // An answer that nobody waits for any more is thrown away: its place in the order was kept.
                Ok(Incoming::Reply(answer, reply)) => drop(answer.send(Ok(reply))),
                Ok(_) => {}
                Err(error) => break error,
            },
        }
    };
    let _ = ended.set(end.clone());
    requests.close();
    for answer in connection.into_waiting() {
        let _ = answer.send(Err(end.clone()));
    }
    while let Ok(request) = requests.try_recv() {
        let _ = request.answer.send(Err(end.clone()));
    }
}

#[cfg(test)]
mod tests;
