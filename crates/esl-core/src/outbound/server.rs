//! Accepts outbound connections, and runs a handler for each in a task of its own.

use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::stats::Open;
use super::{Call, Options, Stats};
use crate::error::{Error, Kind};

/// Connections that are refused in good order at once, each of which takes some 40 ms. Any more are closed as they come,
/// so that nobody can hold up accepting.
const REFUSALS_MAX: usize = 256;

/// How long accepting waits after it failed, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What calls that are over their grace time get in addition to [`Options::timeout`], for leaving.
const LEAVE_SLACK: Duration = Duration::from_secs(1);

/// Listens for the connections of `socket(host:port …)`.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::Error;
/// use esl_core::outbound::{Call, Options, Server};
///
/// let server = Server::bind("127.0.0.1:8084", Options { calls_max: 100, ..Options::default() }).await?;
/// let stats = server.stats();
/// let echo = async |mut call: Call| -> Result<(), Error> {
///     call.answer().await?;
///     call.execute("echo", "").await?;
///     Ok(())
/// };
/// let shutdown = async { drop(tokio::signal::ctrl_c().await) };
/// server.serve_until(echo, shutdown).await;
/// println!("{} calls, {} refused", stats.accepted(), stats.refused());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    options: Arc<Options>,
    stats: Stats,
}

impl Server {
    /// Listens on `address` (`host:port`, port 0 for any that is free). The port that FreeSWITCH tries where it is given
    /// none is 8084.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(address: &str, options: Options) -> Result<Self, Error> {
        let fail = |source| Kind::Bind { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address, options: Arc::new(options), stats: Stats::default() })
    }

    /// What it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Its counts, which can be looked at while it serves.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Runs `handler` for each call, for ever. Dropping the future ends all calls at once; [`Server::serve_until`] ends in
    /// good order.
    ///
    /// A handler that fails or panics ends its own call only. When a handler has returned and its call was dropped, the
    /// connection is closed in good order, so that the channel goes on in its dialplan.
    pub async fn serve<H, F, E>(self, handler: H)
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        self.serve_until(handler, pending()).await;
    }

    /// As [`Server::serve`], until `shutdown` is ready. Then nothing is listened on any more, connections that wait to be
    /// accepted are refused, and open calls have [`Options::grace`] to end. What is left then is ended: handlers are
    /// dropped, and their connections closed in good order.
    pub async fn serve_until<H, F, E>(self, handler: H, shutdown: impl Future<Output = ()>)
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let Self { listener, options, stats, .. } = self;
        let handler = Arc::new(handler);
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        let over = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let mut stopping = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown, if !stopping => {
                    stopping = true;
                    tokio::task::yield_now().await;
                    continue;
                }
                Some(_) = tasks.join_next() => continue,
                // Only those that are here already are met once the server stops: they would be left parked otherwise.
                accepted = listener.accept() => accepted,
                () = std::future::ready(()), if stopping => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "an outbound call cannot be accepted");
                    if !stopping {
                        sleep(ACCEPT_PAUSE).await;
                    }
                    continue;
                }
            };
            stats.count_accepted();
            // Commands are small and must leave at once.
            let _ = stream.set_nodelay(true);
            if stopping || stats.open() >= options.calls_max as u64 {
                stats.count_refused();
                if let Ok(permit) = refusals.clone().try_acquire_owned() {
                    let options = options.clone();
                    tasks.spawn(async move {
                        refuse(stream, &options).await;
                        drop(permit);
                    });
                }
                continue;
            }
            let task =
                Task { open: stats.opened(), options: options.clone(), stats: stats.clone(), over: over.clone() };
            tasks.spawn(task.run(stream, handler.clone()));
        }
        drop(listener);
        let drain = async |tasks: &mut JoinSet<()>| while tasks.join_next().await.is_some() {};
        if timeout(options.grace, drain(&mut tasks)).await.is_err() {
            over.cancel();
            // What does not end by then is ended with the set.
            let _ = timeout(options.timeout + LEAVE_SLACK, drain(&mut tasks)).await;
        }
    }
}

/// Lets the channel go on in its dialplan.
async fn refuse(stream: TcpStream, options: &Options) {
    let options = Options { my_events: None, linger: None, ..options.clone() };
    if let Ok(call) = Call::accept(stream, &options).await {
        tracing::debug!(channel = %call.unique_id(), "an outbound call is refused: too many are open");
        call.exit().await;
    }
}

/// The task of one connection.
struct Task {
    open: Open,
    options: Arc<Options>,
    stats: Stats,
    /// That the grace time is over.
    over: CancellationToken,
}

impl Task {
    async fn run<H, F, E>(self, stream: TcpStream, handler: Arc<H>)
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let Self { open, options, stats, over } = self;
        let (call, link) = match Call::accept_shared(stream, &options).await {
            Ok(accepted) => accepted,
            Err(error) => {
                stats.count_failed_handshake();
                tracing::warn!(%error, "an outbound call did not begin");
                return;
            }
        };
        let channel = call.unique_id().into_owned();
        // In a task of its own, whose panic ends nothing else.
        let mut running = AbortOnDropHandle::new(tokio::spawn(async move { handler(call).await }));
        let failure = tokio::select! {
            ended = &mut running => match ended {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            },
            () = over.cancelled() => Some("its time was over".to_owned()),
        };
        if let Some(error) = failure {
            stats.count_failed_handler();
            tracing::warn!(%channel, %error, "the handler of an outbound call failed");
        }
        drop(running);
        // Where the handler gave the call to somebody else, it goes on until that one drops it.
        link.lock().await.leave(options.timeout).await;
        drop(open);
    }
}
