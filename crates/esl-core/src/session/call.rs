//! The legs that make up one call.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::Session;
use crate::error::Error;

/// One call: the sessions that belong together, because a tracking header ties them or because the server bridged them.
/// Clones are the same call.
///
/// ```no_run
/// # async fn example(listener: esl_core::EventListener) -> Result<(), esl_core::Error> {
/// for call in listener.calls() {
///     let first = call.first();
///     println!("{} legs, {first:?} speaks with {:?}", call.sessions().len(), call.get_peer(&first));
///     call.hangup().await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Call(Arc<CallInner>);

pub(super) struct CallInner {
    uuid: Uuid,
    legs: Mutex<Legs>,
    vars: Mutex<HashMap<String, String>>,
}

struct Legs {
    /// Those that are up, in the order in which they came.
    up: Vec<Session>,
    first: Session,
    last: Option<Session>,
}

impl From<Arc<CallInner>> for Call {
    fn from(inner: Arc<CallInner>) -> Self {
        Self(inner)
    }
}

impl Call {
    pub(crate) fn new(uuid: Uuid, first: Session) -> Self {
        let legs = Legs { up: vec![first.clone()], first: first.clone(), last: None };
        let inner = Arc::new(CallInner { uuid, legs: Mutex::new(legs), vars: Mutex::default() });
        first.join(&inner);
        Self(inner)
    }

    /// Its UUID: that of its first session, for the most part.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.0.uuid
    }

    /// Its sessions that are up, in the order in which they came.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.legs().up.clone()
    }

    /// The session that began it, ended or not.
    #[must_use]
    pub fn first(&self) -> Session {
        self.legs().first.clone()
    }

    /// The session that joined it last, ended or not; `None` while there is only the first one.
    #[must_use]
    pub fn last(&self) -> Option<Session> {
        self.legs().last.clone()
    }

    /// The other one of [`Call::first`] and [`Call::last`], `None` for a session that is neither.
    #[must_use]
    pub fn get_peer(&self, session: &Session) -> Option<Session> {
        let legs = self.legs();
        if *session == legs.first {
            legs.last.clone()
        } else {
            legs.last.as_ref().filter(|&last| last == session).map(|_| legs.first.clone())
        }
    }

    /// Hangs up its first session that is up, and waits until the server has done so. The others end with it where the
    /// server bridged them.
    ///
    /// # Errors
    /// As [`Session::hangup`]. A call that is over is none.
    pub async fn hangup(&self) -> Result<(), Error> {
        let first = self.legs().up.first().cloned();
        match first {
            Some(session) => session.hangup().await,
            None => Ok(()),
        }
    }

    /// A place where an application keeps what it knows of this call. The server knows nothing of it.
    pub fn vars<R>(&self, look: impl FnOnce(&mut HashMap<String, String>) -> R) -> R {
        look(&mut self.0.vars.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn append(&self, session: &Session) {
        let mut legs = self.legs();
        legs.up.push(session.clone());
        legs.last = Some(session.clone());
        session.join(&self.0);
    }

    /// Takes a session that ended out, and says whether it was the last one that was up.
    pub(crate) fn remove(&self, session: &Session) -> bool {
        let mut legs = self.legs();
        legs.up.retain(|leg| leg != session);
        legs.up.is_empty()
    }

    fn legs(&self) -> MutexGuard<'_, Legs> {
        self.0.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Call {}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({}, {} sessions)", self.0.uuid, self.legs().up.len())
    }
}
