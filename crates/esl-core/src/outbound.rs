//! The Event Socket's outbound mode: FreeSWITCH's dialplan runs `socket(host:port async full)`, FreeSWITCH connects, and
//! the connection controls that one channel.
//!
//! A [`Server`] accepts such connections and runs a handler for each; a [`Call`] is one of them.
//!
//! ```no_run
//! use esl_core::outbound::{Call, Options, Server};
//! use esl_core::{Error, HangupCause};
//!
//! async fn greet(mut call: Call) -> Result<(), Error> {
//!     call.answer().await?;
//!     call.execute("playback", "ivr/ivr-welcome.wav").await?;
//!     call.hangup(HangupCause::NORMAL_CLEARING).await
//! }
//!
//! # async fn example() -> Result<(), Error> {
//! let server = Server::bind("0.0.0.0:8084", Options::default()).await?;
//! server.serve(greet).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What a FreeSWITCH does
//!
//! Measured with 1.10.12, and read in `mod_event_socket`:
//!
//! - With `async`, the channel is parked and runs what it is told while the connection answers on. Without, it is in
//!   *sync* mode (`static`): a message is answered when its application is over, and nothing else is answered meanwhile.
//! - Without `full`, `api`, `bgapi`, `event`, `log`, `linger` and `nolinger` are commands that it does not know. They are
//!   refused here before anything is sent, see [`Error::is_not_full`](crate::Error::is_not_full).
//! - **When the connection ends, the channel goes on in its dialplan** with what stands behind `socket`; where nothing
//!   does, it is hung up. That is so in both modes, whether or not `resume` was said.
//! - **A connection in async mode that ends before the channel is parked leaves it parked for ever.** That was so for 12
//!   of 12 connections that were closed as soon as `connect` was answered, for those that were closed unanswered, and for
//!   one on which nothing was said for 25 s. A [`Server`] therefore closes each connection only once the channel is known
//!   to be parked, those that it refuses too, and whatever its handler did. For a `Call` of your own, [`Call::exit`] does.
//! - Where nobody listens, `socket` fails at once and the dialplan goes on.

mod call;
mod link;
mod options;
mod server;
mod stats;

pub use call::Call;
pub use link::Notice;
pub use options::Options;
pub use server::Server;
pub use stats::Stats;

#[cfg(test)]
mod tests;
