//! What a listener knows, to be read while it runs.

use std::collections::HashMap;

use uuid::Uuid;

use super::EventListener;
use crate::HangupCause;
use crate::job::Job;
use crate::session::{Call, Session};

/// Views.
impl EventListener {
    /// The calls that are up, in the order in which they came.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.tracker().calls()
    }

    /// The call that this session began.
    #[must_use]
    pub fn call(&self, uuid: Uuid) -> Option<Call> {
        self.tracker().call(uuid)
    }

    /// The sessions that are up, in the order in which they came.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.tracker().sessions()
    }

    /// The session of this channel, if it is up.
    #[must_use]
    pub fn session(&self, uuid: Uuid) -> Option<Session> {
        self.tracker().session(uuid)
    }

    /// The jobs that have no result yet, in the order in which they were started.
    #[must_use]
    pub fn bg_jobs(&self) -> Vec<Job> {
        self.tracker().jobs()
    }

    /// How often sessions ended for which cause.
    #[must_use]
    pub fn hangup_causes(&self) -> HashMap<HangupCause, u64> {
        self.tracker().hangup_causes()
    }

    /// The latest sessions that failed, for this cause: not answered, or ended otherwise than by a normal clearing. At
    /// most [`ListenerOptions::failed`](crate::ListenerOptions::failed) are kept, the oldest first.
    #[must_use]
    pub fn failed_sessions(&self, cause: HangupCause) -> Vec<Session> {
        self.tracker().failed(cause)
    }

    /// How many calls are up.
    #[must_use]
    pub fn count_calls(&self) -> usize {
        self.counts().calls
    }

    /// How many sessions are up.
    #[must_use]
    pub fn count_sessions(&self) -> usize {
        self.counts().sessions
    }

    /// How many jobs have no result yet.
    #[must_use]
    pub fn count_jobs(&self) -> usize {
        self.counts().jobs
    }

    /// How many sessions failed, kept or not.
    #[must_use]
    pub fn count_failed(&self) -> u64 {
        self.counts().failed
    }

    /// How many sessions were answered, those that have ended among them.
    #[must_use]
    pub fn count_answered(&self) -> u64 {
        self.counts().answered
    }

    /// How many events of new sessions were passed over since there were too many sessions
    /// ([`ListenerOptions::sessions`](crate::ListenerOptions::sessions)).
    #[must_use]
    pub fn untracked(&self) -> u64 {
        self.counts().untracked
    }

    /// How many events came that were none: not what their format says, or beyond the limits.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.counts().malformed
    }

    /// Forgets what it counted and the failed sessions that it kept. What is up stays.
    pub fn reset(&self) {
        self.tracker().reset();
    }
}
