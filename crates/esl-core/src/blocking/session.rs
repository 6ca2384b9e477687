//! A session that does what it is told while its caller waits.

use std::pin::Pin;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::runtime::{Runtime, may_block};
use crate::error::{Error, Kind};
use crate::{Action, Bridge, Done, Event, EventName, HangupCause, Playback};

/// How often a condition is looked at: what an app keeps in a session tells nobody when it changes.
const LOOKED_AT: Duration = Duration::from_millis(10);

/// How long an app may go on after its session's end, since it hears of that later.
const APPS_CATCH_UP: Duration = Duration::from_secs(1);

/// A session, see [`crate::Session`]. Clones are the same.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) runtime: Runtime,
    pub(super) session: crate::Session,
}

impl Session {
    /// What its events tell, and what has no function here.
    #[must_use]
    pub fn get_ref(&self) -> &crate::Session {
        &self.session
    }

    /// Its UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.session.uuid()
    }

    /// Whether it was answered.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.session.answered()
    }

    /// Whether it is gone.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.session.ended()
    }

    /// The other leg of its call, `None` while there is none.
    #[must_use]
    pub fn peer(&self) -> Option<Self> {
        let session = self.session.call()?.get_peer(&self.session)?;
        Some(Self { runtime: self.runtime.clone(), session })
    }

    /// Waits for any action of [`crate::Session`], for so long at the most as that says
    /// ([`Action::within`](crate::Action::within)).
    ///
    /// ```no_run
    /// # fn example(session: esl_core::blocking::Session) -> Result<(), esl_core::Error> {
    /// use std::time::Duration;
    ///
    /// session.perform(|session| session.send_dtmf("12#", None).within(Duration::from_secs(2)))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The action's; [`Error::is_inside_runtime`].
    pub fn perform<'a>(&'a self, action: impl FnOnce(&'a crate::Session) -> Action<'a>) -> Result<Done, Error> {
        let action = action(&self.session);
        self.runtime.wait_ok(action.into_future())
    }

    /// Answers it, see [`crate::Session::answer`].
    ///
    /// # Errors
    /// As [`Session::perform`].
    pub fn answer(&self) -> Result<(), Error> {
        self.perform(crate::Session::answer).map(drop)
    }

    /// Hangs it up, and waits until its hang-up has begun.
    ///
    /// # Errors
    /// As [`crate::Session::hangup`]; [`Error::is_inside_runtime`].
    pub fn hangup(&self) -> Result<(), Error> {
        self.hangup_with(HangupCause::NORMAL_CLEARING)
    }

    /// Hangs it up with this cause.
    ///
    /// # Errors
    /// As [`Session::hangup`].
    pub fn hangup_with(&self, cause: HangupCause) -> Result<(), Error> {
        self.runtime.wait_ok(self.session.hangup_with(cause))
    }

    /// Plays something to its end, see [`crate::Session::playback`].
    ///
    /// # Errors
    /// As [`Session::perform`].
    pub fn playback(&self, what: impl Into<Playback>) -> Result<Done, Error> {
        let what = what.into();
        self.perform(|session| session.playback(what))
    }

    /// Runs an application to its end, see [`crate::Session::execute`].
    ///
    /// # Errors
    /// As [`Session::perform`].
    pub fn execute(&self, application: &str, argument: &str) -> Result<Done, Error> {
        self.perform(|session| session.execute(application, argument))
    }

    /// Connects it to somebody else, see [`crate::Session::bridge`].
    ///
    /// # Errors
    /// As [`Session::perform`].
    pub fn bridge(&self, to: Bridge) -> Result<Done, Error> {
        self.perform(|session| session.bridge(to))
    }

    /// The value of a channel variable as the server has it now, see [`crate::Session::getvar`].
    ///
    /// # Errors
    /// As [`crate::Session::getvar`]; [`Error::is_inside_runtime`].
    pub fn getvar(&self, name: &str) -> Result<Option<String>, Error> {
        self.runtime.wait_ok(self.session.getvar(name))
    }

    /// Sets a channel variable, see [`crate::Session::setvar`].
    ///
    /// # Errors
    /// As [`Session::perform`].
    pub fn setvar(&self, name: &str, value: &str) -> Result<(), Error> {
        self.perform(|session| session.setvar(name, value)).map(drop)
    }

    /// The next event of that name, for so long at the most. What came before this call does not count: see
    /// [`Session::expect`].
    ///
    /// # Errors
    /// As [`crate::Session::recv`]; [`Error::is_inside_runtime`].
    pub fn recv(&self, name: EventName, limit: Duration) -> Result<Event, Error> {
        self.expect(name, limit).get()
    }

    /// Expects an event of that name from now on, to be got later: something can be done in between that brings it about.
    pub fn expect(&self, name: EventName, limit: Duration) -> Expected {
        Expected { runtime: self.runtime.clone(), event: Box::pin(self.session.recv(name, limit)) }
    }

    /// Waits until `is_so`, for so long at the most, whatever an app makes of the session.
    ///
    /// # Errors
    /// [`Error::is_timeout`]; [`Error::ended`] where it was not so a moment after the session's end either;
    /// [`Error::is_inside_runtime`].
    pub fn wait_until(&self, limit: Duration, mut is_so: impl FnMut(&crate::Session) -> bool) -> Result<(), Error> {
        may_block()?;
        let began = Instant::now();
        loop {
            let ended = self.session.times().ended;
            if is_so(&self.session) {
                return Ok(());
            }
            if ended.is_some_and(|ended| ended.elapsed() >= APPS_CATCH_UP) {
                let cause = self.session.hangup_cause().unwrap_or(HangupCause::UNKNOWN);
                return Err(Kind::Ended { channel: self.uuid(), cause }.into());
            }
            if began.elapsed() >= limit {
                return Err(Error::timed_out("what was waited for", limit));
            }
            std::thread::sleep(LOOKED_AT.min(limit.saturating_sub(began.elapsed())));
        }
    }

    /// Waits until an app has put something into the session under that name ([`crate::Session::vars`]), for so long at
    /// the most, and gives it. An empty text does not count.
    ///
    /// # Errors
    /// As [`Session::wait_until`].
    pub fn wait_for(&self, name: &str, limit: Duration) -> Result<String, Error> {
        let mut value = None;
        self.wait_until(limit, |session| {
            value = session.vars(|vars| vars.get(name).filter(|value| !value.is_empty()).cloned());
            value.is_some()
        })?;
        Ok(value.unwrap_or_default())
    }
}

/// An event to come, see [`Session::expect`].
#[must_use = "an event that is expected is got by `get`"]
pub struct Expected {
    runtime: Runtime,
    event: Pin<Box<dyn Future<Output = Result<Event, Error>> + Send>>,
}

impl Expected {
    /// Waits for it. The time counts from here.
    ///
    /// # Errors
    /// As [`Session::recv`].
    pub fn get(self) -> Result<Event, Error> {
        self.runtime.wait_ok(self.event)
    }
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Expected")
    }
}
