//! A client library for FreeSWITCH's Event Socket (`mod_event_socket`): commands, events, calls that are followed to their
//! end, apps that control them, and the outbound mode.
//!
//! # From a command to a call
//!
//! A [`Client`] sends commands over a connection of its own. [`Client::api`] gives the server's reply, [`Client::cmd`] its
//! words, and an error with the server's own words where it refuses:
//!
//! ```no_run
//! # async fn example() -> Result<(), esl_core::Error> {
//! use esl_core::{Client, Credentials, Options};
//!
//! let credentials = Credentials::password("ClueCon");
//! let client = Client::connect("127.0.0.1:8021", &credentials, &Options::default()).await?;
//! println!("{}", client.cmd("global_getvar local_ip_v4").await?);
//! let error = client.cmd("not a real command").await.unwrap_err();
//! assert_eq!(error.to_string(), "-ERR not Command not found!");
//! assert_eq!(error.command_failure().map(|refusal| &*refusal.words), Some("not Command not found!"));
//! # Ok(()) }
//! ```
//!
//! A call is originated in the background. What becomes of it is told by events, so that without somebody to hear them it
//! is refused: [`Error::is_no_listener`]. An [`EventListener`] hears them. It is built disconnected, so that what is not
//! needed can be unsubscribed from; then connected, started, and attached to the client:
//!
//! ```no_run
//! # async fn example(client: esl_core::Client, credentials: esl_core::Credentials) -> Result<(), esl_core::Error> {
//! use esl_core::{EventListener, EventName};
//!
//! assert!(client.originate("9196@127.0.0.1:5080").await.unwrap_err().is_no_listener());
//! let listener = EventListener::new("127.0.0.1:8021", credentials);
//! listener.unsubscribe(EventName::ChannelBridge).await?;
//! listener.connect().await?;
//! listener.start()?;
//! client.attach(&listener);
//! # Ok(()) }
//! ```
//!
//! Now an originate gives a [`Job`]. Its channel's UUID is chosen here and known at once; its result is awaited, for as
//! long as one likes. The listener's views are there meanwhile: [`EventListener::calls`], sessions, jobs, hangup causes.
//!
//! ```no_run
//! # async fn example(client: esl_core::Client, listener: esl_core::EventListener) -> Result<(), esl_core::Error> {
//! use std::time::Duration;
//!
//! let job = client.originate("9196@127.0.0.1:5080").await?;
//! job.get(Duration::from_secs(30)).await?;
//! if let Some(call) = listener.call(job.uuid()) {
//!     println!("{call:?}, peer of the first leg: {:?}", call.get_peer(&call.first()));
//!     call.first().playback("tone_stream://%(1000,0,425)").await?;
//!     call.hangup().await?;
//! }
//! client.hupall(None).await?;
//! # Ok(()) }
//! ```
//!
//! An [`App`] is called for the events of the sessions that belong to it: those of the calls that were originated under its
//! id, far legs included, since the id travels in a SIP header. Loading is atomic. A [`Scope`] does all of the above and
//! takes it down again:
//!
//! ```no_run
//! # async fn example() -> Result<(), esl_core::Error> {
//! use std::time::Duration;
//!
//! use esl_core::apps::TonePlay;
//! use esl_core::{Credentials, Scope};
//!
//! let scope = Scope::new("127.0.0.1:8021", Credentials::password("ClueCon")).app(TonePlay);
//! scope
//!     .run(async |client| {
//!         let job = client.originate_as("TonePlay", "park@127.0.0.1:5090").await?;
//!         job.get(Duration::from_secs(30)).await?;
//!         client.hupall(Some("TonePlay")).await
//!     })
//!     .await
//! # }
//! ```
//!
//! `examples/internals_tutorial.rs` is the same as a program. [`blocking`] has it for scripts without async, [`Pool`] and
//! [`Service`] for many servers, [`Router`] for calls that come in, [`outbound`] for servers that connect to you.
//!
//! # Layers
//!
//! Each can be used without those above it.
//!
//! | | |
//! | --- | --- |
//! | [`wire`] | bytes to frames and events, and back. No I/O |
//! | [`Connection`] | owns one authenticated socket and pairs each reply with what was asked, in order |
//! | [`Listener`] | a connection with a [`Subscription`], driven by whoever reads its events: as light as that subscription |
//! | [`Client`] | a handle to a connection that a task drives |
//! | [`EventListener`] | a connection that a task drives, and what its events say of sessions, calls and jobs |
//! | [`Scope`], [`Pool`], [`Service`], [`Router`] | clients with their listeners and apps, for one server or many |
//!
//! # Pipelining
//!
//! FreeSWITCH answers the commands of one connection in the order in which they came. Commands are therefore written
//! as they are given, without waiting, and the n-th reply belongs to the n-th command:
//!
//! ```text
//! Sequential              Pipelined
//! | client | server |     | client | server |
//! | send 1 |        |     | send 1 |        |
//! |        | do 1   |     | send 2 | do 1   |
//! | get 1  |        |     | send 3 | do 2   |
//! | send 2 |        |     | get 1  | do 3   |
//! |        | do 2   |     | get 2  |        |
//! | get 2  |        |     | get 3  |        |
//! ```
//!
//! A caller that stops waiting (a dropped future, a time-out) leaves its place in that order behind, so that no other
//! caller gets its reply.
//!
//! # Time
//!
//! A FreeSWITCH hands events over up to 20 ms late unless the connection gets input. [`Options::keep_awake`] keeps a
//! connection awake while an event is awaited whose time matters, see [`KeepAwake`].
//!
//! # When things go wrong
//!
//! A connection that breaks is got back with growing pauses ([`Backoff`]), subscribed as before, and a listener asks for
//! what changed meanwhile. A server that says nothing any more is found out within a limit ([`Liveness`]). Whoever is slow
//! with events loses some, counted ([`Feed::dropped`], [`AppStats::dropped`]), and never slows the socket: a FreeSWITCH that
//! cannot hand its events over harms itself. What a server may send at most is limited ([`wire::Limits`]), and so is what is
//! kept ([`ListenerOptions`]). Text that would break out of its place in a command is refused ([`CommandError`]).
//!
#![doc = include_str!("switchio.md")]

pub mod apps;
pub mod blocking;
pub mod outbound;
pub mod wire;

mod argument;
mod backoff;
mod callbacks;
mod client;
mod client_options;
mod command;
mod connection;
mod error;
mod event;
mod event_listener;
mod event_name;
mod feed;
mod handle;
mod hangup_cause;
mod job;
mod keep_awake;
mod listener;
mod log_line;
mod message;
mod originate;
mod pool;
mod reply;
mod router;
mod scope;
mod service;
mod session;
mod slave;
mod subscription;
mod tracker;
mod unwind;
mod whole;

pub use argument::word;
pub use backoff::Backoff;
pub use callbacks::{AppStats, Callbacks, DEFAULT_APP_ID};
pub use client::{App, AppSet, BoxError, Client, Context, WeakClient};
pub use client_options::ClientOptions;
pub use command::{Command, LogLevel};
pub use connection::{Connection, Credentials, Incoming, Options};
pub use error::{ApiError, ApiErrorKind, CommandError, Error};
pub use event::Event;
pub use event_listener::EventListener;
pub use event_name::EventName;
pub use feed::Feed;
pub use handle::Status;
pub use hangup_cause::HangupCause;
pub use job::Job;
pub use keep_awake::{KEEP_AWAKE_COST, KeepAwake, Liveness};
pub use listener::Listener;
pub use log_line::LogLine;
pub use message::Message;
pub use originate::{Application, Endpoint, Extension, Group, Leg, OnAnswer, Originate, Sofia};
pub use pool::Pool;
pub use reply::Reply;
pub use router::{Handling, Match, Router, RouterStats, Routing};
pub use scope::{Scope, Scoped};
pub use service::{Service, Stopper};
pub use session::{Action, Bridge, Call, Done, Playback, Session, Times};
pub use slave::{Contact, Slave};
pub use subscription::{Filter, Subscription};
pub use tracker::ListenerOptions;
pub use wire::Format;
