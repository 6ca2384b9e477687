//! Channels as an application sees them. A [`Session`] is one channel: its history, what is awaited of it, and (in
//! `commands`) what can be done with it. A [`Call`] is the sessions that belong together; each session knows its call.

mod action;
mod call;
mod commands;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

pub use self::action::{Action, Done};
pub use self::call::Call;
use self::call::CallInner;
pub use self::commands::{Bridge, Playback};
use crate::error::{Error, Kind};
use crate::handle::{Awaited, AwaitedGuard, Handle, WeakHandle};
use crate::{Event, EventName, HangupCause};

/// What sessions reach their server through.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The client's connection, for commands.
    pub(crate) client: Mutex<Option<WeakHandle>>,
    /// The listener's, which knows what is subscribed to.
    pub(crate) listener: Mutex<Option<WeakHandle>>,
    pub(crate) awaited: Arc<Awaited>,
}

impl Control {
    pub(crate) fn client(&self) -> Option<Handle> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()
    }

    fn is_subscribed(&self, name: EventName) -> bool {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        listener.as_ref().and_then(WeakHandle::upgrade).is_some_and(|handle| handle.subscription().contains(name))
    }
}

/// When things happened to a channel, by this machine's clock as their events arrived: a server's own times move in steps
/// of 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The channel was first heard of.
    pub created: Instant,
    /// It rang (`CHANNEL_PROGRESS`), where that is subscribed to.
    pub ringing: Option<Instant>,
    /// Early media came (`CHANNEL_PROGRESS_MEDIA`), where that is subscribed to.
    pub early_media: Option<Instant>,
    /// It was answered.
    pub answered: Option<Instant>,
    /// Its hang-up began.
    pub hung_up: Option<Instant>,
    /// It was gone.
    pub ended: Option<Instant>,
}

/// One channel, one leg of a call, as its events tell of it. Clones are the same session.
///
/// It is made when its first event arrives, and updated before any application hears of an event, whether or not somebody
/// looks. Its history is bounded, see [`ListenerOptions::history`](crate::ListenerOptions::history).
///
/// ```no_run
/// # async fn example(session: esl_core::Session) -> Result<(), esl_core::Error> {
/// use std::time::Duration;
///
/// use esl_core::{Bridge, EventName, Playback};
///
/// println!("{:?} calls, up for {:?}", session.get("Caller-Caller-ID-Number"), session.uptime());
/// session.answer().await?;
/// let digit = session.recv(EventName::Dtmf, Duration::from_secs(10));
/// session.playback(Playback::new("ivr/ivr-welcome.wav")).within(Duration::from_secs(60)).await?;
/// if digit.await?.get("DTMF-Digit").as_deref() == Some("1") {
///     session.setvar("greeted", "true").await?;
///     session.bridge(Bridge::to("9196@127.0.0.1:5080").profile("external")).await?;
/// }
/// session.hangup().await
/// # }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    uuid: Uuid,
    control: Arc<Control>,
    history_max: usize,
    state: Mutex<State>,
    vars: Mutex<HashMap<String, String>>,
}

struct State {
    /// What the channel was at first, kept when the history runs over; there from the first update on.
    first: Option<Event>,
    history: VecDeque<Event>,
    times: Times,
    cause: Option<HangupCause>,
    app: Option<String>,
    call: Weak<CallInner>,
    waiters: Vec<Waiter>,
    waiters_count: u64,
}

/// An event that is awaited. Dropping it ends the waiting.
#[derive(Debug)]
struct Expected {
    session: Session,
    id: u64,
    given: oneshot::Receiver<Event>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut state = self.session.state();
        let gone = state.waiters.iter().position(|waiter| waiter.id == self.id);
        let gone = gone.map(|place| state.waiters.swap_remove(place));
        drop(state);
        drop(gone);
    }
}

struct Waiter {
    id: u64,
    since: Instant,
    /// Whether it waits no more where the event may have been lost with a connection.
    gives_up: bool,
    matches: Box<dyn FnMut(&Event) -> bool + Send>,
    give: oneshot::Sender<Event>,
    _awaited: AwaitedGuard,
}

impl Session {
    pub(crate) fn new(uuid: Uuid, at: Instant, history_max: usize, control: Arc<Control>) -> Self {
        let times = Times { created: at, ringing: None, early_media: None, answered: None, hung_up: None, ended: None };
        let state = State {
            first: None,
            history: VecDeque::new(),
            times,
            cause: None,
            app: None,
            call: Weak::new(),
            waiters: Vec::new(),
            waiters_count: 0,
        };
        Self(Arc::new(Inner { uuid, control, history_max, state: Mutex::new(state), vars: Mutex::default() }))
    }

    /// Its UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.0.uuid
    }

    /// The value of a header in the latest event that has it, not counting empty ones. Only events that are kept are
    /// looked at.
    #[must_use]
    pub fn get(&self, header: &str) -> Option<String> {
        let state = self.state();
        let mut events = state.history.iter().rev().chain(&state.first);
        events.find_map(|event| event.get(header).filter(|value| !value.is_empty()).map(|value| value.into_owned()))
    }

    /// The value of a channel variable as the latest event that has it told. [`Session::getvar`] asks the server.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.get(&format!("variable_{name}"))
    }

    /// The events that are kept, the oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Event> {
        let state = self.state();
        state.first.iter().chain(&state.history).cloned().collect()
    }

    /// The latest event of that name among those that are kept.
    #[must_use]
    pub fn last(&self, name: EventName) -> Option<Event> {
        let state = self.state();
        state.history.iter().rev().chain(&state.first).find(|event| event.name() == name).cloned()
    }

    /// When things happened.
    #[must_use]
    pub fn times(&self) -> Times {
        self.state().times
    }

    /// How long it has been there, or was.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        let times = self.times();
        times.ended.unwrap_or_else(Instant::now).saturating_duration_since(times.created)
    }

    /// Whether it was answered.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.times().answered.is_some()
    }

    /// Whether it is gone.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.times().ended.is_some()
    }

    /// Why it was hung up, `None` while it is not.
    #[must_use]
    pub fn hangup_cause(&self) -> Option<HangupCause> {
        self.state().cause
    }

    /// Whether somebody calls this server on it.
    #[must_use]
    pub fn is_inbound(&self) -> bool {
        self.get("Call-Direction").as_deref() == Some("inbound")
    }

    /// Whether this server calls somebody on it.
    #[must_use]
    pub fn is_outbound(&self) -> bool {
        self.get("Call-Direction").as_deref() == Some("outbound")
    }

    /// The call that it is a leg of, `None` once that is over and nobody else keeps it.
    #[must_use]
    pub fn call(&self) -> Option<Call> {
        self.state().call.upgrade().map(Call::from)
    }

    /// The id of the app that it belongs to, `None` where its call was made without one.
    #[must_use]
    pub fn app_id(&self) -> Option<String> {
        self.state().app.clone()
    }

    /// A place where an application keeps what it knows of this session. The server knows nothing of it.
    pub fn vars<R>(&self, look: impl FnOnce(&mut HashMap<String, String>) -> R) -> R {
        look(&mut self.0.vars.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next event of that name, for so long at the most. What comes after this call counts, whether or not the result
    /// is awaited yet; the time counts from when it is. The listener has to be subscribed to it, see
    /// [`EventListener::subscribe`](crate::EventListener::subscribe) and [`Callbacks::subscribe`](crate::Callbacks::subscribe).
    ///
    /// # Errors
    /// [`Error::ended`] where the channel ends first, [`Error::is_timeout`].
    pub fn recv(&self, name: EventName, limit: Duration) -> impl Future<Output = Result<Event, Error>> + Send + use<> {
        self.recv_any(&[name], limit)
    }

    /// The next event with one of these names, for so long at the most, as [`Session::recv`].
    ///
    /// # Errors
    /// As [`Session::recv`].
    pub fn recv_any(
        &self,
        names: &[EventName],
        limit: Duration,
    ) -> impl Future<Output = Result<Event, Error>> + Send + use<> {
        let names = names.to_vec();
        let expected = self.expect(false, move |event| names.contains(&event.name()));
        async move {
            let late = Kind::Timeout { what: "an event", after: limit };
            timeout(limit, expected.arrival()).await.unwrap_or_else(|_| Err(late.into()))
        }
    }

    /// Waits for an event from now on. Where it `gives_up`, only for as long as it cannot have been lost.
    fn expect(&self, gives_up: bool, matches: impl FnMut(&Event) -> bool + Send + 'static) -> Expected {
        let (give, given) = oneshot::channel();
        let awaited = self.0.control.awaited.one();
        let mut state = self.state();
        state.waiters_count += 1;
        let id = state.waiters_count;
        if state.times.ended.is_none() {
            let since = Instant::now();
            state.waiters.push(Waiter { id, since, gives_up, matches: Box::new(matches), give, _awaited: awaited });
        }
        drop(state);
        Expected { session: self.clone(), id, given }
    }

    fn end(&self) -> Error {
        let cause = self.hangup_cause().unwrap_or(HangupCause::UNKNOWN);
        Kind::Ended { channel: self.0.uuid, cause }.into()
    }

    fn join(&self, call: &Arc<CallInner>) {
        self.state().call = Arc::downgrade(call);
    }

    pub(crate) fn set_app(&self, app: &str) {
        self.state().app.get_or_insert_with(|| app.to_owned());
    }

    /// What an event tells of it.
    pub(crate) fn update(&self, event: &Event, at: Instant) {
        let mut state = self.state();
        let times = &mut state.times;
        match event.name() {
            EventName::ChannelProgress => drop(times.ringing.get_or_insert(at)),
            EventName::ChannelProgressMedia => drop(times.early_media.get_or_insert(at)),
            EventName::ChannelAnswer => drop(times.answered.get_or_insert(at)),
            // What the server told when it was asked.
            EventName::ChannelData if is_answered(event) => drop(times.answered.get_or_insert(at)),
            EventName::ChannelHangup => drop(times.hung_up.get_or_insert(at)),
            _ => {}
        }
        if let Some(cause) = event.get("Hangup-Cause") {
            state.cause = Some(HangupCause::of(&cause));
        }
        if state.first.is_none() {
            state.first = Some(event.detached());
        } else if self.0.history_max > 0 {
            if state.history.len() >= self.0.history_max {
                state.history.pop_front();
            }
            state.history.push_back(event.detached());
        }
        // The lock is not held while matchers run: they are short, but not ours alone.
        let mut waiters = std::mem::take(&mut state.waiters);
        drop(state);
        let mut left = Vec::with_capacity(waiters.len());
        for mut waiter in waiters.drain(..) {
            if (waiter.matches)(event) {
                let _ = waiter.give.send(event.clone());
            } else {
                left.push(waiter);
            }
        }
        // Who began to wait meanwhile waits for what comes next; who gave up meanwhile does not.
        left.retain(|waiter| !waiter.give.is_closed());
        self.state().waiters.append(&mut left);
    }

    /// Ends the waiting for what began to be awaited before then and may have been lost.
    pub(crate) fn miss(&self, awaited_before: Instant) {
        let mut state = self.state();
        let missed = |waiter: &mut Waiter| waiter.gives_up && waiter.since < awaited_before;
        let missed: Vec<Waiter> = state.waiters.extract_if(.., missed).collect();
        drop(state);
        drop(missed);
    }

    /// It is gone; who waits for something of it waits no more. Without a cause, nobody knows why.
    pub(crate) fn finish(&self, at: Instant) {
        let mut state = self.state();
        state.times.ended.get_or_insert(at);
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        drop(waiters);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_answered(event: &Event) -> bool {
    event.get("Answer-State").as_deref() == Some("answered")
}

impl Expected {
    async fn arrival(mut self) -> Result<Event, Error> {
        match (&mut self.given).await {
            Ok(event) => Ok(event),
            Err(_) if self.session.ended() => Err(self.session.end()),
            Err(_) => Err(Kind::Missed(self.session.uuid()).into()),
        }
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Session {}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.hangup_cause(), self.answered()) {
            (Some(cause), _) => cause.as_str(),
            (None, true) => "answered",
            (None, false) => "not answered",
        };
        write!(f, "Session({}, {state})", self.0.uuid)
    }
}
