//! What a listener knows of its server: sessions, calls and jobs, made and ended by events. Does no I/O.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::error::Kind;
use crate::job::Job;
use crate::session::{Call, Control, Session};
use crate::{ClientOptions, Error, Event, EventName, HangupCause};

/// Things by their keys, in the order in which they came.
#[derive(Debug)]
struct Ordered<K, T> {
    places: HashMap<K, u64>,
    things: BTreeMap<u64, T>,
    next: u64,
}

impl<K, T> Default for Ordered<K, T> {
    fn default() -> Self {
        Self { places: HashMap::new(), things: BTreeMap::new(), next: 0 }
    }
}

impl<K: Eq + Hash, T> Ordered<K, T> {
    fn get(&self, key: &K) -> Option<&T> {
        self.things.get(self.places.get(key)?)
    }

    fn insert(&mut self, key: K, thing: T) {
        if let Some(old) = self.places.insert(key, self.next) {
            self.things.remove(&old);
        }
        self.things.insert(self.next, thing);
        self.next += 1;
    }

    fn remove(&mut self, key: &K) -> Option<T> {
        self.things.remove(&self.places.remove(key)?)
    }

    fn len(&self) -> usize {
        self.things.len()
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.things.values()
    }
}

/// How an [`EventListener`](crate::EventListener) keeps track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerOptions {
    /// The header of events by which sessions of one call find each other across SIP; a UUID is its value. `None` for
    /// that of the attached client's calls ([`ClientOptions::call_header`](crate::ClientOptions::call_header)). Where a
    /// session has none, the server's own `Channel-Call-UUID` says what belongs together: bridged legs do.
    pub call_header: Option<String>,
    /// Headers of events that say which app a session belongs to, the first one that is there; besides that of the
    /// attached client's calls ([`ClientOptions::app_header`](crate::ClientOptions::app_header)).
    pub app_headers: Vec<String>,
    /// Events that a session keeps, besides its first one: 2 to 9 KB each. 0 for none.
    pub history: usize,
    /// Failed sessions that are kept for each hangup cause.
    pub failed: usize,
    /// Sessions that are tracked at most. What comes beyond is counted, see
    /// [`EventListener::untracked`](crate::EventListener::untracked), and told to nobody.
    pub sessions: usize,
    /// Events that wait for the apps of one id at most. What comes beyond is dropped, counted
    /// ([`AppStats::dropped`](crate::AppStats::dropped)), so that slow apps slow nobody else.
    pub app_events: usize,
    /// Handlers of the apps of one id that run at the same time at most. What comes beyond is dropped, counted.
    pub app_handlers: usize,
    /// Where many share a server: only channels with this text in their UUID, name, caller or account code are looked for
    /// when the connection is back (`show channels like …`).
    pub like: Option<String>,
}

impl Default for ListenerOptions {
    /// 32 events a session (a call of two legs and a few applications), 1,000 failed sessions a cause, 100,000 sessions
    /// (more than a server carries), 4,096 events and 10,000 handlers for the apps of an id, and the headers of the
    /// client's calls.
    fn default() -> Self {
        Self {
            call_header: None,
            app_headers: Vec::new(),
            history: 32,
            failed: 1000,
            sessions: 100_000,
            app_events: 4096,
            app_handlers: 10_000,
            like: None,
        }
    }
}

/// What an event was about.
pub(crate) struct About {
    pub(crate) session: Session,
    pub(crate) call: Option<Call>,
}

pub(crate) struct Tracker {
    pub(crate) options: ListenerOptions,
    /// The headers by which the attached client's calls tell their call and their app.
    call_header: String,
    app_header: String,
    control: Arc<Control>,
    sessions: Ordered<Uuid, Session>,
    calls: Ordered<Uuid, Call>,
    jobs: Ordered<Uuid, Job>,
    causes: HashMap<HangupCause, u64>,
    failed: HashMap<HangupCause, VecDeque<Session>>,
    failed_count: u64,
    answered_count: u64,
    untracked: u64,
    malformed: u64,
}

impl Tracker {
    pub(crate) fn new(options: ListenerOptions, control: Arc<Control>) -> Self {
        let client = ClientOptions::default();
        Self {
            call_header: options.call_header.clone().unwrap_or_else(|| client.call_variable_header()),
            app_header: client.app_variable_header(),
            options,
            control,
            sessions: Ordered::default(),
            calls: Ordered::default(),
            jobs: Ordered::default(),
            causes: HashMap::new(),
            failed: HashMap::new(),
            failed_count: 0,
            answered_count: 0,
            untracked: 0,
            malformed: 0,
        }
    }

    /// The calls of this client are looked for from now on.
    pub(crate) fn set_client(&mut self, client: &ClientOptions) {
        self.app_header = client.app_variable_header();
        if self.options.call_header.is_none() {
            self.call_header = client.call_variable_header();
        }
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.sessions.values().cloned().collect()
    }

    pub(crate) fn session(&self, uuid: Uuid) -> Option<Session> {
        self.sessions.get(&uuid).cloned()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.values().cloned().collect()
    }

    pub(crate) fn call(&self, uuid: Uuid) -> Option<Call> {
        self.calls.get(&uuid).cloned()
    }

    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.jobs.values().cloned().collect()
    }

    pub(crate) fn hangup_causes(&self) -> HashMap<HangupCause, u64> {
        self.causes.clone()
    }

    pub(crate) fn failed(&self, cause: HangupCause) -> Vec<Session> {
        self.failed.get(&cause).map(|kept| kept.iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.len(),
            calls: self.calls.len(),
            jobs: self.jobs.len(),
            failed: self.failed_count,
            answered: self.answered_count,
            untracked: self.untracked,
            malformed: self.malformed,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.causes.clear();
        self.failed.clear();
        (self.failed_count, self.answered_count, self.untracked, self.malformed) = (0, 0, 0, 0);
    }

    /// An event that was none. Returns how many there have been.
    pub(crate) fn malformed(&mut self) -> u64 {
        self.malformed += 1;
        self.malformed
    }

    pub(crate) fn add_job(&mut self, job: Job) {
        self.jobs.insert(job.uuid(), job);
    }

    pub(crate) fn remove_job(&mut self, uuid: Uuid) {
        self.jobs.remove(&uuid);
    }

    /// What an event tells. Returns what it is about, where that is a session that is tracked.
    pub(crate) fn told(&mut self, event: &Event, at: Instant) -> Option<About> {
        if event.name() == EventName::BackgroundJob {
            if let Some(job) = event.job_uuid().and_then(|uuid| self.jobs.remove(&uuid)) {
                job.finish(Job::outcome_of(event));
            }
            return None;
        }
        let uuid = event.unique_id()?;
        let session = match self.sessions.get(&uuid) {
            Some(session) => session.clone(),
            None => self.create(uuid, event, at)?,
        };
        let answered = session.answered();
        session.update(event, at);
        if !answered && session.answered() {
            self.answered_count += 1;
        }
        let headers = self.options.app_headers.iter().chain([&self.app_header]);
        if let Some(app) = headers.filter_map(|header| event.get(header)).next() {
            session.set_app(&app);
        }
        let call = session.call();
        if event.name() == EventName::ChannelDestroy {
            self.end(&session, at);
        }
        Some(About { session, call })
    }

    /// A channel that is new: whatever event is its first, since their order is not fixed. Its end is no beginning.
    fn create(&mut self, uuid: Uuid, event: &Event, at: Instant) -> Option<Session> {
        let ends = [EventName::ChannelDestroy, EventName::ChannelHangupComplete, EventName::ChannelHangup];
        let is_over = ends.contains(&event.name()) || event.get("Answer-State").as_deref() == Some("hangup");
        if is_over || event.get("Channel-State").is_none() {
            return None;
        }
        if self.sessions.len() >= self.options.sessions {
            self.untracked += 1;
            return None;
        }
        let session = Session::new(uuid, at, self.options.history, self.control.clone());
        let id = |header: &str| Uuid::try_parse(&event.get(header)?).ok();
        let call = id(&self.call_header).or_else(|| id("Channel-Call-UUID")).unwrap_or(uuid);
        match self.calls.get(&call) {
            Some(call) => call.append(&session),
            None => self.calls.insert(call, Call::new(call, session.clone())),
        }
        self.sessions.insert(uuid, session.clone());
        Some(session)
    }

    fn end(&mut self, session: &Session, at: Instant) {
        self.sessions.remove(&session.uuid());
        session.finish(at);
        let cause = session.hangup_cause().unwrap_or(HangupCause::UNKNOWN);
        *self.causes.entry(cause).or_default() += 1;
        if !session.answered() || cause != HangupCause::NORMAL_CLEARING {
            self.failed_count += 1;
            let kept = self.failed.entry(cause).or_default();
            kept.push_back(session.clone());
            if kept.len() > self.options.failed {
                kept.pop_front();
            }
        }
        if let Some(call) = session.call()
            && call.remove(session)
        {
            self.calls.remove(&call.uuid());
        }
    }

    /// A session whose channel is not there any more, and whose end nobody saw.
    pub(crate) fn lost(&mut self, uuid: Uuid, at: Instant) {
        if let Some(session) = self.session(uuid) {
            self.end(&session, at);
        }
    }

    /// What was awaited before the connection was lost and is not known to have come: nobody waits for it any more.
    pub(crate) fn miss(&self, awaited_before: Instant) {
        for session in self.sessions.values() {
            session.miss(awaited_before);
        }
    }

    /// Jobs from before the connection was back whose result may have been told to nobody: that of a call which was
    /// answered is known all the same, and that of a call whose channel is not there cannot be known any more.
    pub(crate) fn lose_jobs(&mut self, sent_before: Instant) {
        let over = |job: &Job| {
            let uuid = job.session_uuid().filter(|_| job.started() < sent_before)?;
            match self.sessions.get(&uuid) {
                None => Some((job.uuid(), Err(Kind::JobLost(job.uuid()).into()))),
                Some(session) => session.answered().then(|| (job.uuid(), Ok(uuid.to_string()))),
            }
        };
        let over: Vec<(Uuid, Result<String, Error>)> = self.jobs.values().filter_map(over).collect();
        for (uuid, outcome) in over {
            if let Some(job) = self.jobs.remove(&uuid) {
                job.finish(outcome);
            }
        }
    }

    /// Ends the jobs whose time is over.
    pub(crate) fn expire_jobs(&mut self, now: Instant) {
        let late: Vec<Uuid> = self.jobs.values().filter(|job| job.deadline() <= now).map(Job::uuid).collect();
        for uuid in late {
            if let Some(job) = self.jobs.remove(&uuid) {
                let after: Duration = job.deadline() - job.started();
                job.finish(Err(Error::timed_out("a job's result", after)));
            }
        }
    }

    /// Nothing more will be told: every session, call and job ends.
    pub(crate) fn close(&mut self, error: &Error, at: Instant) {
        for session in self.sessions() {
            session.finish(at);
        }
        for job in self.jobs() {
            job.finish(Err(error.clone()));
        }
        (self.sessions, self.calls, self.jobs) = (Ordered::default(), Ordered::default(), Ordered::default());
    }
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sessions: usize,
    pub(crate) calls: usize,
    pub(crate) jobs: usize,
    pub(crate) failed: u64,
    pub(crate) answered: u64,
    pub(crate) untracked: u64,
    pub(crate) malformed: u64,
}

#[cfg(test)]
mod tests;
