//! Calls from a script, without async: each function waits for what it asks for. A client has a runtime of its own, whose
//! threads read events meanwhile.
//!
//! ```no_run
//! use esl_core::apps::TonePlay;
//! use esl_core::{Credentials, Originate, Scope, blocking};
//! use std::time::Duration;
//! use uuid::Uuid;
//!
//! let scope = Scope::new("127.0.0.1:8021", Credentials::password("ClueCon")).app(TonePlay);
//! let client = blocking::Client::open(scope)?;
//! let call = Originate::new(Uuid::new_v4(), "sofia/external/park@127.0.0.1:5080", "park");
//! let session = client.call(call, "TonePlay", Duration::from_secs(30))?;
//! session.hangup()?;
//! # Ok::<(), esl_core::Error>(())
//! ```
//!
//! None of this can be called from within an async runtime, whose thread it would stop: it gives an error there
//! ([`Error::is_inside_runtime`](crate::Error::is_inside_runtime)). A thread of `tokio::task::spawn_blocking` counts as one; one of `std::thread` does not.

mod client;
mod job;
mod runtime;
mod session;

pub use self::client::Client;
pub use self::job::Job;
pub use self::session::{Expected, Session};
