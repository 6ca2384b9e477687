//! A connection for a few queries to a server, apart from the connections of a run.

use std::time::Duration;

use esl_core::{Command, Connection, Error, Incoming, Options, Reply};
use tokio::time::timeout;

use crate::server::Server;

/// How long a server may take to answer the queries of one batch. A healthy server takes milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Queries that are under way at a time: far fewer than a connection queues, and no more than a server answers before
/// it counts as silent.
const PIPELINED_MAX: usize = 5000;

/// A connection that API commands are sent on.
#[derive(Debug)]
pub struct QueryConnection {
    connection: Connection<()>,
}

impl QueryConnection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// As [`Connection::connect`].
    pub async fn connect(server: &Server) -> Result<Self, Error> {
        let connection = Connection::connect(&server.address, &server.credentials, &Options::default()).await?;
        Ok(Self { connection })
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// The connection has ended, or the server does not answer in time.
    pub async fn send(&mut self, command: &Command<'_>) -> Result<Reply, Error> {
        self.connection.send(command, ())?;
        self.reply().await
    }

    /// The text of the reply to an `api` command.
    ///
    /// # Errors
    /// As [`QueryConnection::send`].
    pub async fn query(&mut self, command: &str) -> Result<String, Error> {
        Ok(self.send(&Command::api(command)).await?.text().into_owned())
    }

    /// The texts of the replies to `api` commands, in their order and in few round trips.
    ///
    /// # Errors
    /// As [`QueryConnection::send`].
    pub async fn query_all(&mut self, commands: &[String]) -> Result<Vec<String>, Error> {
        let mut answers = Vec::with_capacity(commands.len());
        for commands in commands.chunks(PIPELINED_MAX) {
            for command in commands {
                self.connection.send(&Command::api(command), ())?;
            }
            for _ in commands {
                answers.push(self.reply().await?.text().into_owned());
            }
        }
        Ok(answers)
    }

    async fn reply(&mut self) -> Result<Reply, Error> {
        let replied = timeout(ANSWER_MAX, async {
            loop {
                // Events may arrive in between, after a subscription.
                if let Incoming::Reply((), reply) = self.connection.next().await? {
                    return Ok(reply);
                }
            }
        });
        replied.await.unwrap_or_else(|_| Err(Error::timed_out("the server's answer", ANSWER_MAX)))
    }
}
