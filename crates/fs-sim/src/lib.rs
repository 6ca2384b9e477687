//! A simulated FreeSWITCH that speaks Event Socket: a test double for ESL clients, and load for load generators.
//!
//! Its replies, the order of its events and the headers that they carry are those of a recorded FreeSWITCH
//! 1.10.12; the recordings are among its tests. Here it tests another Event Socket client, eslrs:
//!
//! ```
//! use std::time::Duration;
//!
//! use eslrs::{Command, Inbound};
//! use fs_sim::{Config, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::start(Config::default()).await?;
//! let mut client = Inbound::connect(server.addr(), "ClueCon").await?;
//!
//! // A call over SIP: two channels of this server.
//! let uuid = "2b4a8a0e-0b6b-4f7c-9a64-5d0a5b0f8a11";
//! let call = format!("originate {{origination_uuid={uuid}}}sofia/external/9196@127.0.0.1:5080 &park()");
//! assert!(client.send_recv(Command::api(call)).await?.is_ok());
//! let up = server.wait_for(Duration::from_secs(5), |state| state.channels == 2).await;
//! assert!(up.is_ok(), "two channels: {up:?}");
//!
//! client.send_recv(Command::api(format!("uuid_kill {uuid}"))).await?;
//! let gone = server.wait_for(Duration::from_secs(5), |state| state.channels == 0).await;
//! assert!(gone.is_ok(), "none is left: {gone:?}");
//! server.stop().await;
//! # Ok(()) }
//! ```
//!
//! A server listens on a port of its own, keeps its channels to itself, and is gone when it is stopped.
//! [`Config`] says how it behaves; [`Callee`] how those that it calls behave.
//!
//! # What it answers to
//!
//! `originate` to `sofia/external/<number>@127.0.0.1:5080` reaches the recorded dialplan, as does
//! `loopback/<number>/default`: `9196` answers and echoes, `9197` answers and plays a tone, `486` is busy,
//! `ring<ms>` and `early<ms>` ring or send early media before they answer, `noanswer` rings, `drop<ms>`
//! answers and hangs up, `park` parks; any other number has no route. Port 5090 parks every number, and any
//! other address leads to where 5080 does, unless [`Sip::elsewhere`] says that nothing is there. `null/<anything>`
//! answers at once. Servers that share a [`Network`], as [`Servers`] do, call each other by name or address; no packet
//! of SIP leaves the process, but copies of the messages go to a capture server where [`Config::hep`] names one.
//!
//! A channel runs what `sendmsg` and `uuid_broadcast` ask for inside of what it runs already, with the events of
//! FreeSWITCH's own: `answer`, `bridge`, `playback` (files that were recorded here, `tone_stream://`,
//! `silence_stream://`), `read` and `play_and_get_digits`, `record`, `bert_test`, `eavesdrop`, `sleep`, `set` and many
//! more; an application that is unknown hangs up. Calls are
//! answered, held, parked, transferred, bridged, recorded and ended by the `uuid_…` commands, at once or by `sched_…`.
//! There is no audio, but files have a length, digits travel, and it is known who would hear what: a `bert_test` is in
//! sync with what echoes it, and the RTP statistics of a call's end count the packets that would have gone.
//! [`Config::media`] loses some of them.
//!
//! `help` names the API commands; nearly all of them answer, in FreeSWITCH's words. Nothing is ever run outside of the
//! server (`system` says that it did), no network is asked, and `shutdown` ends nothing.
//!
//! The Event Socket has all commands of mod_event_socket, its reply buffers and its turns of 20 ms included, and the
//! users of [`Config::users`]. The application `socket` connects to clients on loopback and nowhere else.
//!
//! # What goes wrong
//!
//! A [`Fault`] is ordered by [`Server::order`], by [`Config::faults`], or through the Event Socket by the command
//! `api sim`, which no real server has: without arguments it lists them.
//!
//! ```
//! # use std::{io, time::Duration};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
//! use fs_sim::{Config, Fault, Server};
//!
//! let at_night = "restart at 1h for 5s".parse().map_err(io::Error::other)?;
//! let server = Server::start(Config { faults: vec![at_night], ..Config::default() }).await?;
//! server.order(Fault::LoseEvents { share: 0.01 }, None).await?;
//! server.order(Fault::Stall, Some(Duration::from_secs(2))).await?;
//! server.clear_all().await;
//! # server.stop().await; Ok(()) }
//! ```

mod accept;
mod api;
#[doc(hidden)]
pub mod bench;
mod bounds;
mod cause;
mod channel;
mod clock;
mod command;
mod config;
mod connection;
mod dial_string;
mod dialplan;
mod driver;
mod event;
mod fault;
mod frame;
mod hep;
mod log;
mod media;
mod network;
mod server;
mod servers;
mod sip;
mod switch;

pub use bounds::Refusals;
pub use config::{Callee, Capacity, Config, Failure, SERVERS_MAX, ServerTable, User, port_behind};
pub use dialplan::{Extension, Number};
pub use fault::{Fault, OrderNumber, Planned, Whom};
pub use hep::Hep;
pub use media::{Quality, Toward};
pub use network::Network;
pub use server::{Server, State};
pub use servers::Servers;
pub use sip::{Elsewhere, Sip};
pub use units::Delay;

/// The longest random delay of anything simulated.
const DELAY_MAX: std::time::Duration = std::time::Duration::from_secs(3_600);

/// What this server says its version is: the recorded one, since clients look at it.
const VERSION: &str = "1.10.12-release+git~20260821T141014Z~cc93a683ca~64bit";
const VERSION_HUMAN: &str = "1.10.12-release git cc93a68 2026-08-21 14:10:14Z 64bit";
