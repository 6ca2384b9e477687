//! The runtime beneath.

use std::sync::Arc;

use tokio::runtime::{Builder, Handle};

use crate::error::{Error, Kind};

/// Threads that drive connections and apps: two, so that an app's callback that takes long does not keep the socket from
/// being read.
const THREADS: usize = 2;

/// A runtime that can be dropped anywhere.
#[derive(Clone, Debug)]
pub(super) struct Runtime(Arc<Owned>);

#[derive(Debug)]
struct Owned(Option<tokio::runtime::Runtime>);

impl Drop for Owned {
    fn drop(&mut self) {
        // Waiting for its threads would panic within another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// That this thread may be stopped.
pub(super) fn may_block() -> Result<(), Error> {
    match Handle::try_current() {
        Ok(_) => Err(Kind::InsideRuntime.into()),
        Err(_) => Ok(()),
    }
}

impl Runtime {
    pub(super) fn new() -> Result<Self, Error> {
        may_block()?;
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(THREADS).thread_name("esl-blocking").enable_io().enable_time().build();
        Ok(Self(Arc::new(Owned(Some(runtime.map_err(Kind::Runtime)?)))))
    }

    /// Waits for a future.
    pub(super) fn wait<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        may_block()?;
        let runtime = self.0.0.as_ref().ok_or(Kind::Dropped)?;
        Ok(runtime.block_on(future))
    }

    /// Waits for a future that can fail.
    pub(super) fn wait_ok<T>(&self, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.wait(future)?
    }

    /// Runs a future to its end in a thread of its own, where this one must not be stopped.
    pub(super) fn finish(self, future: impl Future<Output = ()> + Send + 'static) {
        if may_block().is_ok() {
            let _ = self.wait(future);
            return;
        }
        // Without a thread it is dropped, which closes connections less politely.
        let _ = std::thread::Builder::new().name("esl-blocking".to_owned()).spawn(move || self.wait(future));
    }
}
