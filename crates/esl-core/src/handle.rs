//! A handle to a connection that a task drives: commands from many callers, pipelined over one socket; and that task,
//! which gets the connection back where it is told to.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::error::{Error, Kind};
use crate::whole::whole;
use crate::wire::EventError;
use crate::{Backoff, Command, Connection, Credentials, Event, Incoming, LogLine, Options, Reply, Subscription};

/// Requests that wait for the connection's task; callers beyond it wait for a place.
const REQUESTS_MAX: usize = 1024;

/// How long a good-bye may take before the connection is closed without one.
const PARTING: Duration = Duration::from_secs(1);

/// Whether a connection is there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Status {
    /// It is. Also after it was got back: watchers see each change.
    Connected,
    /// It is gone, for this reason, and is being got back. Commands fail meanwhile.
    Reconnecting(Error),
    /// It is gone for good.
    Closed(Error),
}

/// What the task tells whoever listens to its connection, as it happens.
pub(crate) enum Told {
    Event(Event, Instant),
    Log(LogLine),
    /// Something that should have been an event and is none.
    Malformed(EventError),
    /// The connection is gone. What was under way will not be told of.
    Lost,
    /// It is back, and subscribed as before.
    Back,
    /// It is gone for good.
    Closed(Error),
}

pub(crate) type Sink = Box<dyn FnMut(Told) + Send>;

pub(crate) type Answer = oneshot::Sender<Result<Reply, Error>>;

/// What is outstanding, by its reply: nobody's where it was only sent.
pub(crate) type Tag = Option<Answer>;

#[derive(Debug)]
struct Request {
    bytes: BytesMut,
    tag: Tag,
}

/// Where a connection is got from, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) credentials: Credentials,
    pub(crate) options: Options,
}

impl Server {
    pub(crate) async fn connect(&self) -> Result<Connection<Tag>, Error> {
        Connection::connect(&self.address, &self.credentials, &self.options).await
    }
}

/// How many wait for an event whose time matters; the connection is kept awake while there is one.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    count: Mutex<usize>,
    changed: Notify,
}

/// Stands for one who waits.
#[derive(Debug)]
pub(crate) struct AwaitedGuard(Arc<Awaited>);

impl Awaited {
    pub(crate) fn one(self: &Arc<Self>) -> AwaitedGuard {
        self.change(|count| count + 1);
        AwaitedGuard(self.clone())
    }

    fn change(&self, change: impl Fn(usize) -> usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *count;
        *count = change(before);
        if (before == 0) != (*count == 0) {
            self.changed.notify_one();
        }
    }

    fn any(&self) -> bool {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) > 0
    }
}

impl Drop for AwaitedGuard {
    fn drop(&mut self) {
        self.0.change(|count| count.saturating_sub(1));
    }
}

/// Sends commands over a connection. Clones share it; when the last one goes, it is closed.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    requests: mpsc::Sender<Request>,
    view: View,
}

/// A [`Handle`] that does not keep the connection.
#[derive(Clone, Debug)]
pub(crate) struct WeakHandle {
    requests: mpsc::WeakSender<Request>,
    view: View,
}

/// What every handle sees of the connection's task.
#[derive(Clone, Debug)]
struct View {
    closing: CancellationToken,
    status: watch::Receiver<Status>,
    subscription: Arc<Mutex<Subscription>>,
    /// One change of the subscription at a time.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl WeakHandle {
    pub(crate) fn upgrade(&self) -> Option<Handle> {
        Some(Handle { requests: self.requests.upgrade()?, view: self.view.clone() })
    }
}

impl Handle {
    /// Starts the task of `connection`, which is subscribed to `subscription` already. With a `server`, the connection
    /// is got back as its options say.
    pub(crate) fn new<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        connection: Connection<Tag, S>,
        server: Option<Server>,
        subscription: Subscription,
        awaited: Arc<Awaited>,
        sink: Sink,
    ) -> Self {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let (sender, status) = watch::channel(Status::Connected);
        let subscription = Arc::new(Mutex::new(subscription));
        let closing = CancellationToken::new();
        let task = Task {
            requests: receiver,
            closing: closing.clone(),
            status: sender,
            subscription: subscription.clone(),
            awaited,
            sink,
        };
        tokio::spawn(task.run(connection, server));
        Self { requests, view: View { closing, status, subscription, changing: Arc::default() } }
    }

    pub(crate) fn downgrade(&self) -> WeakHandle {
        WeakHandle { requests: self.requests.downgrade(), view: self.view.clone() }
    }

    pub(crate) fn status(&self) -> Status {
        self.view.status.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Status> {
        self.view.status.clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Sends a command and waits for its reply.
    pub(crate) async fn request(&self, command: &Command<'_>) -> Result<Reply, Error> {
        let mut bytes = BytesMut::new();
        command.encode(&mut bytes)?;
        self.request_encoded(bytes).await
    }

    async fn request_encoded(&self, bytes: BytesMut) -> Result<Reply, Error> {
        let (answer, reply) = oneshot::channel();
        self.requests.send(Request { bytes, tag: Some(answer) }).await.map_err(|_| self.end())?;
        reply.await.unwrap_or_else(|_| Err(self.end()))
    }

    /// Sends a command, and lets nobody wait for its reply.
    pub(crate) fn post(&self, command: &Command<'_>) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        command.encode(&mut bytes)?;
        self.requests.try_send(Request { bytes, tag: None }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Kind::Overrun(REQUESTS_MAX).into(),
            mpsc::error::TrySendError::Closed(_) => self.end(),
        })
    }

    /// What the connection is subscribed to.
    pub(crate) fn subscription(&self) -> Subscription {
        self.view.subscription.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what the connection is subscribed to, without a gap in what stays.
    pub(crate) async fn change_subscription(
        &self,
        change: impl FnOnce(Subscription) -> Subscription,
    ) -> Result<(), Error> {
        let one_at_a_time = self.view.changing.clone().lock_owned().await;
        let old = self.subscription();
        let new = change(old.clone());
        let (commands, handle) = (old.changes(&new)?, self.clone());
        // Given up half way, nobody would know what the server knows.
        let changed = whole(async move {
            let _one_at_a_time = one_at_a_time;
            for command in commands {
                handle.request_encoded(command).await?.ok()?;
            }
            *handle.view.subscription.lock().unwrap_or_else(PoisonError::into_inner) = new;
            Ok(())
        });
        changed.await
    }

    /// Says good-bye, after what was sent before, and closes.
    pub(crate) async fn close(&self) {
        self.view.closing.cancel();
        let mut status = self.view.status.clone();
        let _ = status.wait_for(|status| matches!(status, Status::Closed(_))).await;
    }

    fn end(&self) -> Error {
        match &*self.view.status.borrow() {
            Status::Closed(error) | Status::Reconnecting(error) => error.clone(),
            Status::Connected => Kind::Dropped.into(),
        }
    }
}

/// Owns the socket.
struct Task {
    requests: mpsc::Receiver<Request>,
    closing: CancellationToken,
    status: watch::Sender<Status>,
    subscription: Arc<Mutex<Subscription>>,
    awaited: Arc<Awaited>,
    sink: Sink,
}

/// Why a connection is driven no more.
enum End {
    /// The server's doing, or the network's.
    Lost(Error),
    /// Nobody has a handle any more, or somebody closed it.
    Unwanted,
}

impl Task {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, connection: Connection<Tag, S>, server: Option<Server>) {
        let (mut failures, mut since) = (0, Instant::now());
        let mut end = self.drive(connection).await;
        let error = loop {
            let error = match end {
                End::Unwanted => break Error::from(Kind::Dropped),
                End::Lost(error) => error,
            };
            let Some((server, backoff)) = server.as_ref().and_then(|server| Some((server, server.options.reconnect?)))
            else {
                break error;
            };
            // A server that lets in and throws out again is not asked again and again at once.
            failures = if since.elapsed() < backoff.max { failures + 1 } else { 0 };
            warn!(server.address, %error, "the connection is gone, connecting again");
            self.status.send_replace(Status::Reconnecting(error.clone()));
            (self.sink)(Told::Lost);
            end = match self.reconnect(server, backoff, &mut failures, error).await {
                Ok(connection) => {
                    since = Instant::now();
                    info!(server.address, "connected again");
                    self.status.send_replace(Status::Connected);
                    (self.sink)(Told::Back);
                    self.drive(connection).await
                }
                Err(None) => End::Unwanted,
                Err(Some(error)) => break error,
            };
        };
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            refuse(request, &error);
        }
        (self.sink)(Told::Closed(error.clone()));
        self.status.send_replace(Status::Closed(error));
    }

    /// Drives one connection until its end.
    async fn drive<S: AsyncRead + AsyncWrite + Unpin>(&mut self, mut connection: Connection<Tag, S>) -> End {
        let end = loop {
            connection.set_awaited(self.awaited.any());
            tokio::select! {
                request = self.requests.recv(), if connection.has_room() => match request {
                    Some(request) => {
                        if let Err(error) = send(&mut connection, request) {
                            break End::Lost(error);
                        }
                    }
                    None => {
                        part(&mut connection).await;
                        break End::Unwanted;
                    }
                },
                () = self.closing.cancelled() => {
                    // What was given before it was closed is sent before the good-bye.
                    while let Ok(request) = self.requests.try_recv() {
                        let _ = send(&mut connection, request);
                    }
                    part(&mut connection).await;
                    break End::Unwanted;
                }
                () = self.awaited.changed.notified() => {}
                incoming = connection.next() => match incoming {
                    // An answer that nobody waits for any more is thrown away: its place in the order was kept.
                    Ok(Incoming::Reply(Some(answer), reply)) => drop(answer.send(Ok(reply))),
                    Ok(Incoming::Event(event)) => (self.sink)(Told::Event(event, connection.received_at())),
                    Ok(Incoming::Log(line)) => (self.sink)(Told::Log(line)),
                    Ok(Incoming::Malformed(error)) => (self.sink)(Told::Malformed(error)),
                    Ok(Incoming::Reply(None, _) | Incoming::Lingering(_)) => {}
                    Ok(Incoming::Other(frame)) => debug!(?frame, "a frame of an unknown kind"),
                    Err(error) => break End::Lost(error),
                },
            }
        };
        let error = match &end {
            End::Lost(error) => error.clone(),
            End::Unwanted => Kind::Dropped.into(),
        };
        for answer in connection.into_waiting().flatten() {
            let _ = answer.send(Err(error.clone()));
        }
        end
    }

    /// Gets the connection back, and its subscription. `Err(None)` where nobody wants it any more, `Err(Some(_))` where
    /// trying again would not make it better.
    async fn reconnect(
        &mut self,
        server: &Server,
        backoff: Backoff,
        failures: &mut u32,
        mut error: Error,
    ) -> Result<Connection<Tag>, Option<Error>> {
        loop {
            let known = self.subscription.clone();
            let pause = backoff.pause(*failures);
            let attempt = async {
                tokio::time::sleep(pause).await;
                let mut connection = server.connect().await?;
                // Not before: whoever changed it may have had the server's answer just before the connection was gone.
                let subscription = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let subscribed = connection.subscribe(&subscription, || None);
                timeout(server.options.timeout, subscribed)
                    .await
                    .map_err(|_| Kind::Timeout { what: "subscribing", after: server.options.timeout })??;
                Ok(connection)
            };
            tokio::pin!(attempt);
            let result: Result<_, Error> = loop {
                tokio::select! {
                    result = &mut attempt => break result,
                    () = self.closing.cancelled() => return Err(None),
                    request = self.requests.recv() => match request {
                        Some(request) => refuse(request, &error),
                        None => return Err(None),
                    },
                }
            };
            match result {
                Ok(connection) => return Ok(connection),
                Err(failure) if failure.is_password() || failure.is_rejected() => return Err(Some(failure)),
                Err(failure) => {
                    debug!(server.address, error = %failure, "not connected, trying again");
                    self.status.send_replace(Status::Reconnecting(failure.clone()));
                    *failures = failures.saturating_add(1);
                    error = failure;
                }
            }
        }
    }
}

fn send<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<Tag, S>,
    Request { bytes, tag }: Request,
) -> Result<(), Error> {
    // A caller that is gone before its command was sent wants it sent no more.
    match tag.as_ref().is_none_or(|answer| !answer.is_closed()) {
        true => connection.send_encoded(&bytes, tag),
        false => Ok(()),
    }
}

fn refuse(request: Request, error: &Error) {
    if let Some(answer) = request.tag {
        let _ = answer.send(Err(error.clone()));
    }
}

/// Says good-bye, and reads until the server has closed, for a moment: what was sent before is done then.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(connection: &mut Connection<Tag, S>) {
    let _ = timeout(PARTING, read_to_the_end(connection)).await;
}

async fn read_to_the_end<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<Tag, S>,
) -> Result<Infallible, Error> {
    connection.send(&Command::Exit, None)?;
    loop {
        if let Incoming::Reply(Some(answer), reply) = connection.next().await? {
            let _ = answer.send(Ok(reply));
        }
    }
}
