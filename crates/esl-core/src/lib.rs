//! A library for FreeSWITCH's Event Socket (`mod_event_socket`): a client of its inbound mode, and a server of the
//! [outbound] one, in which FreeSWITCH connects and hands over a call.
//!
//! ```no_run
//! use esl_core::{Client, Credentials, EventName, Listener, Options, Originate, Subscription};
//!
//! # async fn example() -> Result<(), esl_core::Error> {
//! let options = Options::default();
//! let credentials = Credentials::password("ClueCon");
//!
//! // One connection receives events …
//! let subscription = Subscription::new([EventName::ChannelAnswer, EventName::ChannelDestroy]);
//! let mut listener =
//!     Listener::connect("127.0.0.1:8021", &credentials, &options, &subscription).await?;
//!
//! // … and another one sends commands, so that they never wait behind events.
//! let client = Client::connect("127.0.0.1:8021", &credentials, &options).await?;
//! println!("{}", client.cmd("version").await?);
//!
//! let uuid = uuid::Uuid::new_v4();
//! let call = Originate::new(uuid, "sofia/external/9196@127.0.0.1:5080", "park")
//!     .variable("ignore_early_media", "true")
//!     .command()?;
//! client.background(uuid, &call).await?;
//!
//! loop {
//!     let event = listener.next().await?;
//!     if event.unique_id() == Some(uuid) && event.name() == EventName::ChannelAnswer {
//!         break;
//!     }
//! }
//! client.cmd(&format!("uuid_kill {uuid}")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//!
//! [`wire`] turns bytes into frames and does no I/O. A [`Connection`] owns one authenticated socket and pairs each
//! reply with what was asked, in order. A [`Client`] is a handle to a connection that a task drives; a [`Listener`] is
//! a connection with a [`Subscription`], driven by whoever reads its events.
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
//! A FreeSWITCH hands events over up to 20 ms late unless the connection gets input. [`Listener::set_awaited`] keeps a
//! connection awake while an event is awaited whose time matters, see [`KeepAwake`].

pub mod outbound;
pub mod wire;

mod app;
mod backoff;
mod call;
mod client;
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
mod reply;
mod session;
mod subscription;
mod tracker;

pub use app::{App, AppSet, AppStats, BoxError, Callbacks, Context, DEFAULT_APP_ID};
pub use backoff::Backoff;
pub use call::Call;
pub use client::{Client, ClientOptions};
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
pub use reply::Reply;
pub use session::{Action, Bridge, Done, Playback, Session, Times};
pub use subscription::{Filter, Subscription};
pub use tracker::ListenerOptions;
pub use wire::Format;
