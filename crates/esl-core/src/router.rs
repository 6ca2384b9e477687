//! Where calls go that come in: guards, patterns, and the handlers of those that match.

mod route;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, error, info, warn};

pub use self::route::{Handling, Match, Routing};
use self::route::{Route, header};
use crate::error::Error;
use crate::{App, BoxError, Bridge, Callbacks, Event, EventName, HangupCause, Session, unwind};

/// Routes calls from outside that are parked: an [`App`] for `CHANNEL_PARK`.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::{Bridge, Contact, Credentials, Router, Routing, Service};
/// use std::sync::Arc;
///
/// let router = Router::new()
///     .guard("variable_sofia_profile_name", "external")
///     .route("9(1[0-9]{2})$", Router::bridge_with(|_, found| Bridge::to(format!("{}@10.0.0.2", &found[1]))))?
///     .route_on("Caller-Caller-ID-Number", "anonymous", |session, _, _| async move {
///         session.respond("603").await?;
///         Ok(Routing::Stop)
///     })?;
/// let router = Arc::new(router);
///
/// let service = Service::connect([Contact::new("pbx.example:8021", Credentials::password("ClueCon"))]).await?;
/// service.load_app(|_| router.clone()).await?;
/// service.run().await
/// # }
/// ```
///
/// What a call meets, in this order:
///
/// 1. **Guards** ([`Router::guard`]): headers that have to have a value. One that does not passes the call by, and it is
///    rejected, or left alone ([`Router::reject_on_guard`]).
/// 2. **Routes** ([`Router::route`]): regular expressions, each on a header, in the order in which they were given. The
///    handlers of each that matches run, one after the other, until one says [`Routing::Stop`]. One that fails or panics
///    is logged and counted, and the next one runs.
/// 3. A call that no route matches is rejected, or left alone ([`Router::reject_unmatched`]).
///
/// Calls reach it parked: the server's dialplan has to do so (`park`). It routes what belongs to the id that it is loaded
/// under, which is [`DEFAULT_APP_ID`](crate::DEFAULT_APP_ID) for calls from outside; a [`Service`](crate::Service) does
/// that by itself. What is parked again is routed again. Legs that this server calls itself are left alone.
///
/// # Patterns
///
/// They match at the start of a value, and need not go on to its end: `10` matches `1000`, `10$` does not, and `.*00$`
/// does. Syntax is that of the crate `regex-lite`, without Unicode classes; time is linear in the value's length.
pub struct Router {
    name: String,
    guards: Vec<(String, String)>,
    reject_on_guard: bool,
    reject_unmatched: bool,
    cause: HangupCause,
    routes: Vec<Route>,
    subscribed: Vec<EventName>,
    counters: Counters,
}

/// What a router did, see [`Router::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterStats {
    /// Calls that a route matched.
    pub routed: u64,
    /// Calls that a guard kept out.
    pub guarded: u64,
    /// Calls that no route matched.
    pub unmatched: u64,
    /// Calls that were hung up because of a guard or of no route.
    pub rejected: u64,
    /// Handlers that failed or panicked. That a call ended under one is no failure.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    routed: AtomicU64,
    guarded: AtomicU64,
    unmatched: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// Without guards or routes: it rejects every call, with `NO_ROUTE_DESTINATION`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            name: "Router".to_owned(),
            guards: Vec::new(),
            reject_on_guard: true,
            reject_unmatched: true,
            cause: HangupCause::NO_ROUTE_DESTINATION,
            routes: Vec::new(),
            subscribed: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Under another name than `Router`, so that there can be several under one id. They get the same calls, so that at
    /// most one of them should reject what it does not route.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Routes only calls whose header `header` is `value`.
    #[must_use]
    pub fn guard(mut self, header: impl Into<String>, value: impl Into<String>) -> Self {
        self.guards.push((header.into(), value.into()));
        self
    }

    /// Whether calls that a guard keeps out are rejected, as they are unless this is said. Else they are left alone, for
    /// somebody else to route.
    #[must_use]
    pub fn reject_on_guard(mut self, reject: bool) -> Self {
        self.reject_on_guard = reject;
        self
    }

    /// Whether calls that no route matches are rejected, as they are unless this is said. Else they are left alone.
    #[must_use]
    pub fn reject_unmatched(mut self, reject: bool) -> Self {
        self.reject_unmatched = reject;
        self
    }

    /// Rejects with this cause instead of `NO_ROUTE_DESTINATION`.
    #[must_use]
    pub fn reject_with(mut self, cause: HangupCause) -> Self {
        self.cause = cause;
        self
    }

    /// Has the listener subscribe to events that handlers wait for.
    #[must_use]
    pub fn subscribe(mut self, name: EventName) -> Self {
        self.subscribed.push(name);
        self
    }

    /// Runs `handler` for calls whose number (`Caller-Destination-Number`) matches, see [Patterns](Self#patterns).
    ///
    /// It gets the session, what matched, and this router. Where the same pattern is given again, its handlers run one
    /// after the other, in its first place.
    ///
    /// # Errors
    /// [`Error::is_pattern`].
    pub fn route<F, Fut>(self, pattern: &str, handler: F) -> Result<Self, Error>
    where
        F: Fn(Session, Match, Arc<Router>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Routing, BoxError>> + Send + 'static,
    {
        self.route_on("Caller-Destination-Number", pattern, handler)
    }

    /// Runs `handler` for calls whose header `header` matches, see [`Router::route`].
    ///
    /// # Errors
    /// [`Error::is_pattern`].
    pub fn route_on<F, Fut>(mut self, header: &str, pattern: &str, handler: F) -> Result<Self, Error>
    where
        F: Fn(Session, Match, Arc<Router>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Routing, BoxError>> + Send + 'static,
    {
        let handler = Box::new(move |session, found, router| -> Handling { Box::pin(handler(session, found, router)) });
        match self.routes.iter_mut().find(|route| route.is(header, pattern)) {
            Some(route) => route.handlers.push(handler),
            None => self.routes.push(Route::new(header, pattern, handler)?),
        }
        Ok(self)
    }

    /// A handler that bridges the call to a place, and goes on when both hear each other.
    pub fn bridge(to: Bridge) -> impl Fn(Session, Match, Arc<Router>) -> Handling + Send + Sync + 'static {
        Self::bridge_with(move |_, _| to.clone())
    }

    /// A handler that bridges the call to where `to` says, and goes on when both hear each other.
    pub fn bridge_with(
        to: impl Fn(&Session, &Match) -> Bridge + Send + Sync + 'static,
    ) -> impl Fn(Session, Match, Arc<Router>) -> Handling + Send + Sync + 'static {
        move |session, found, _| {
            let to = to(&session, &found);
            Box::pin(async move {
                session.bridge(to).await?;
                Ok(Routing::Continue)
            })
        }
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> RouterStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { routed, guarded, unmatched, rejected, failed } = &self.counters;
        RouterStats {
            routed: read(routed),
            guarded: read(guarded),
            unmatched: read(unmatched),
            rejected: read(rejected),
            failed: read(failed),
        }
    }

    async fn take(self: Arc<Self>, event: Event, session: Session) {
        let is_so = |(name, value): &&(String, String)| header(&event, &session, name).as_ref() == Some(value);
        if let Some((name, _)) = self.guards.iter().find(|guard| !is_so(guard)) {
            count(&self.counters.guarded);
            info!(router = self.name, session = %session.uuid(), guard = name, "a guard keeps a call out");
            if self.reject_on_guard {
                self.reject(&session).await;
            }
            return;
        }
        let mut is_routed = false;
        for route in &self.routes {
            let Some(found) = route.find(&event, &session) else { continue };
            if !is_routed {
                count(&self.counters.routed);
                is_routed = true;
            }
            for handler in &route.handlers {
                debug!(router = self.name, session = %session.uuid(), pattern = route.pattern(), "a route matches");
                let handled = async { handler(session.clone(), found.clone(), self.clone()).await };
                match unwind::catch(handled).await {
                    Ok(Ok(Routing::Continue)) => {}
                    Ok(Ok(Routing::Stop)) => return,
                    Ok(Err(error)) => self.failed(&session, route, &*error),
                    Err(panic) => {
                        count(&self.counters.failed);
                        let (pattern, panic) = (route.pattern(), unwind::words(&*panic));
                        error!(router = self.name, session = %session.uuid(), pattern, panic, "a handler panicked");
                    }
                }
            }
        }
        if !is_routed {
            count(&self.counters.unmatched);
            if self.reject_unmatched {
                self.reject(&session).await;
            }
        }
    }

    fn failed(&self, session: &Session, route: &Route, error: &(dyn std::error::Error + Send + Sync + 'static)) {
        let (session, pattern) = (session.uuid(), route.pattern());
        if error.downcast_ref::<Error>().is_some_and(|error| error.ended().is_some()) {
            debug!(router = self.name, %session, pattern, "a call ended under its handler");
            return;
        }
        count(&self.counters.failed);
        warn!(router = self.name, %session, pattern, error, "a handler failed");
    }

    async fn reject(&self, session: &Session) {
        count(&self.counters.rejected);
        let (uuid, cause) = (session.uuid(), self.cause);
        match session.hangup_with(cause).await {
            Ok(()) => info!(router = self.name, session = %uuid, %cause, "a call is rejected"),
            Err(error) => warn!(router = self.name, session = %uuid, %error, "a call cannot be rejected"),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl App for Router {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        let router = self.clone();
        on.handler(EventName::ChannelPark, move |event, session| {
            let router = router.clone();
            async move {
                if session.is_inbound() {
                    router.take(event, session).await;
                }
                Ok(())
            }
        });
        for name in &self.subscribed {
            on.subscribe(*name);
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<_> = self.routes.iter().map(Route::pattern).collect();
        f.debug_struct("Router")
            .field("name", &self.name)
            .field("guards", &self.guards)
            .field("routes", &routes)
            .finish()
    }
}
