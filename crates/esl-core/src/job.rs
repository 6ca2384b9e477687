//! A command that a server works off in the background, and its result.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::error::{Error, Kind};
use crate::handle::AwaitedGuard;
use crate::{ApiError, ApiErrorKind, Event};

/// A background job: what `client.originate(…)` and `client.bgapi(…)` start.
///
/// Its result comes as an event to the listener, so that it is there whether or not anybody waits for it. Awaiting the
/// job, or [`Job::get`], gives it. Clones are the same job.
///
/// ```no_run
/// # async fn example(client: esl_core::Client) -> Result<(), esl_core::Error> {
/// use std::time::Duration;
///
/// let job = client.originate("9196@127.0.0.1:5080").await?;
/// println!("channel {:?} is on its way", job.session_uuid());
/// job.on_done(|result| println!("{result:?}"));
/// match job.get(Duration::from_secs(60)).await {
///     Ok(channel) => println!("{channel} is up"),
///     Err(error) if error.is_timeout() => println!("no result yet: {}", !job.ready()),
///     Err(error) => match error.command_failure() {
///         Some(refusal) => println!("it failed: {}", refusal.words),
///         None => return Err(error),
///     },
/// }
/// # Ok(()) }
/// ```
///
/// A server does not promise a result: each job has a deadline, and fails with [`Error::is_timeout`] after it.
#[derive(Clone)]
pub struct Job(Arc<Inner>);

type Outcome = Result<String, Error>;

type Callback = Box<dyn FnOnce(Outcome) + Send>;

/// Whose call a job makes: a client's, under the id of an app or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) client: Uuid,
    pub(crate) app: Option<String>,
}

struct Inner {
    uuid: Uuid,
    session: Option<Uuid>,
    owner: Option<Owner>,
    started: Instant,
    deadline: Instant,
    outcome: watch::Sender<Option<Outcome>>,
    callbacks: Mutex<Vec<Callback>>,
    /// Keeps the listener's connection awake until there is a result.
    awaited: Mutex<Option<AwaitedGuard>>,
}

impl Job {
    /// A job; with an `owner`, the originate of a call of that UUID.
    pub(crate) fn new(uuid: Uuid, owner: Option<Owner>, lifetime: Duration, awaited: AwaitedGuard) -> Self {
        let started = Instant::now();
        Self(Arc::new(Inner {
            uuid,
            session: owner.is_some().then_some(uuid),
            owner,
            started,
            // A lifetime without end still ends; a century is as far as a clock is sure to go.
            deadline: started + lifetime.min(Duration::from_secs(3_155_760_000)),
            outcome: watch::Sender::new(None),
            callbacks: Mutex::default(),
            awaited: Mutex::new(Some(awaited)),
        }))
    }

    /// Its UUID, as in `Job-UUID`.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.0.uuid
    }

    /// The channel that it makes, where it is an `originate`. Known before the server has answered, since this side
    /// chooses it.
    #[must_use]
    pub fn session_uuid(&self) -> Option<Uuid> {
        self.0.session
    }

    /// When it was sent.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// Whether it makes a call of this client's, and of this app's where one is named.
    pub(crate) fn is_call_of(&self, client: Uuid, app: Option<&str>) -> bool {
        let owner = self.0.owner.as_ref().filter(|owner| owner.client == client);
        owner.is_some_and(|owner| app.is_none() || owner.app.as_deref() == app)
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Whether there is a result.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.0.outcome.borrow().is_some()
    }

    /// Whether it went well, `None` while there is no result.
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        self.0.outcome.borrow().as_ref().map(Result::is_ok)
    }

    /// The result, `None` while there is none: the server's words after `+OK`, the channel's UUID for an `originate`.
    #[must_use]
    pub fn result(&self) -> Option<Result<String, Error>> {
        self.0.outcome.borrow().clone()
    }

    /// Waits for the result, for so long at the most. The job goes on if that was not long enough.
    ///
    /// # Errors
    /// [`Error::command_failure`] with the server's words where it refused or failed, [`Error::is_timeout`] where there
    /// is no result in time, [`Error::is_closed`] where the connection ended for good, [`Error::is_lost`] where it was
    /// gone for a while and the result came meanwhile.
    pub async fn get(&self, limit: Duration) -> Result<String, Error> {
        let late = Kind::Timeout { what: "a job's result", after: limit };
        timeout(limit, self.outcome()).await.unwrap_or_else(|_| Err(late.into()))
    }

    /// Waits until there is a result, for so long at the most, and says whether there is.
    pub async fn wait(&self, limit: Duration) -> bool {
        timeout(limit, self.outcome()).await.is_ok()
    }

    async fn outcome(&self) -> Outcome {
        let mut outcome = self.0.outcome.subscribe();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Kind::Dropped.into())),
            Err(_) => Err(Kind::Dropped.into()),
        }
    }

    /// Calls `callback` with the result as soon as there is one, or now if it is there: in a task of its own, or here where
    /// there is no runtime.
    pub fn on_done(&self, callback: impl FnOnce(Result<String, Error>) + Send + 'static) {
        let mut callbacks = self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        callbacks.push(Box::new(callback));
        drop(callbacks);
        // It may have finished before that.
        if let Some(outcome) = self.result() {
            self.call_back(&outcome);
        }
    }

    fn call_back(&self, outcome: &Outcome) {
        // The lock is not held while they run: they may ask for another one.
        let callbacks = std::mem::take(&mut *self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner));
        for callback in callbacks {
            let outcome = outcome.clone();
            match Runtime::try_current() {
                Ok(runtime) => drop(runtime.spawn(async move { callback(outcome) })),
                Err(_) => callback(outcome),
            }
        }
    }

    /// The result has come. Only the first one counts.
    pub(crate) fn finish(&self, outcome: Outcome) {
        self.0.outcome.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(outcome);
            first
        });
        if let Some(outcome) = self.result() {
            self.call_back(&outcome);
        }
        drop(self.0.awaited.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The result that a `BACKGROUND_JOB` event tells.
    pub(crate) fn outcome_of(event: &Event) -> Outcome {
        let text = String::from_utf8_lossy(event.body());
        let words = ApiError::check(text.trim())?;
        // A job that `api bgapi` started says so without the `-ERR` that it has elsewhere (`mod_commands`).
        let unknown = words.strip_suffix(": Command not found!");
        if unknown.is_some() && unknown == event.get("Job-Command").as_deref() {
            return Err(ApiError { kind: ApiErrorKind::Refused, words: words.to_owned() }.into());
        }
        Ok(words.strip_prefix("+OK").map_or(words, str::trim).to_owned())
    }
}

impl IntoFuture for Job {
    type Output = Result<String, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.outcome().await })
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result: Cow<'_, str> = match &*self.0.outcome.borrow() {
            None => "under way".into(),
            Some(Ok(words)) => format!("+OK {words}").into(),
            Some(Err(error)) => error.to_string().into(),
        };
        write!(f, "Job({}, {result})", self.0.uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(lifetime: Duration) -> Job {
        Job::new(Uuid::nil(), None, lifetime, Arc::<crate::handle::Awaited>::default().one())
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_is_there_for_all_who_ask_and_only_the_first_counts() {
        let job = job(Duration::MAX);
        assert!(!job.ready() && job.successful().is_none() && job.result().is_none());
        assert!(job.get(Duration::from_secs(1)).await.unwrap_err().is_timeout());
        assert!(!job.wait(Duration::from_secs(1)).await);
        let (told, telling) = tokio::sync::oneshot::channel();
        job.on_done(move |result| drop(told.send(result.unwrap())));
        job.finish(Ok("one".to_owned()));
        job.finish(Ok("two".to_owned()));
        assert_eq!(telling.await.unwrap(), "one");
        assert_eq!(job.clone().await.unwrap(), "one");
        assert_eq!((job.ready(), job.successful()), (true, Some(true)));
    }

    #[test]
    fn a_callback_may_ask_for_another_one_where_there_is_no_runtime() {
        let job = job(Duration::MAX);
        job.finish(Ok("one".to_owned()));
        let (told, telling) = std::sync::mpsc::channel();
        let again = job.clone();
        let asked = std::thread::spawn(move || job.on_done(move |_| again.on_done(move |two| drop(told.send(two)))));
        assert_eq!(telling.recv_timeout(Duration::from_secs(10)).expect("called back").unwrap(), "one");
        asked.join().unwrap();
    }

    #[test]
    fn what_an_event_tells() {
        let outcome = |body: &str| {
            let text = format!("Event-Name: BACKGROUND_JOB\nContent-Length: {}\n\n{body}", body.len());
            Job::outcome_of(&Event::from_plain(text.into()).unwrap())
        };
        assert_eq!(outcome("+OK aaaa\n").unwrap(), "aaaa");
        assert_eq!(outcome("FreeSWITCH Version 1\n").unwrap(), "FreeSWITCH Version 1");
        let error = outcome("-ERR USER_BUSY\n").unwrap_err();
        assert_eq!(error.command_failure().unwrap().words, "USER_BUSY");
        assert!(outcome("-USAGE: x\n").is_err());
        assert!(outcome("x: Command not found!\n").is_ok(), "it is what somebody's command gives");
        let text = "Event-Name: BACKGROUND_JOB\nJob-Command: x\nContent-Length: 22\n\nx: Command not found!\n";
        assert!(Job::outcome_of(&Event::from_plain(text.into()).unwrap()).is_err());
        assert_eq!(outcome("").unwrap(), "");
    }
}
