//! A background job that can be waited for.

use std::time::Duration;

use uuid::Uuid;

use super::runtime::Runtime;
use crate::error::Error;

/// A background job, see [`crate::Job`].
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) runtime: Runtime,
    pub(super) job: crate::Job,
}

impl Job {
    /// Its UUID, as in `Job-UUID`.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.job.uuid()
    }

    /// The channel that it makes, where it is an `originate`.
    #[must_use]
    pub fn session_uuid(&self) -> Option<Uuid> {
        self.job.session_uuid()
    }

    /// Whether there is a result.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.job.ready()
    }

    /// Whether it went well, `None` while there is no result.
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        self.job.successful()
    }

    /// The result, `None` while there is none.
    #[must_use]
    pub fn result(&self) -> Option<Result<String, Error>> {
        self.job.result()
    }

    /// Waits for the result, for so long at the most.
    ///
    /// # Errors
    /// As [`crate::Job::get`]; [`Error::is_inside_runtime`].
    pub fn get(&self, limit: Duration) -> Result<String, Error> {
        self.runtime.wait_ok(self.job.get(limit))
    }

    /// Waits until there is a result, for so long at the most, and says whether there is.
    ///
    /// # Errors
    /// [`Error::is_inside_runtime`].
    pub fn wait(&self, limit: Duration) -> Result<bool, Error> {
        self.runtime.wait(self.job.wait(limit))
    }
}
