//! How calls are taken.

use std::time::Duration;

use crate::wire::Limits;
use crate::{Format, Liveness};

/// How a [`Server`](super::Server) takes calls, and how a [`Call`](super::Call) begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls that may be open at once. One more is refused: its connection is closed in good order, so that its channel
    /// goes on in its dialplan with what stands behind `socket`. Holding it back instead would not do: a FreeSWITCH waits
    /// for 25 s, and then leaves the channel parked for ever.
    pub calls_max: usize,
    /// How long the beginning may take: `connect`, and what is enabled at the start. Also how long closing in good order
    /// may take.
    pub timeout: Duration,
    /// What the peer may send at most.
    pub limits: Limits,
    /// Enables the channel's events at the start, in this format. Without them, [`Call::execute`](super::Call::execute)
    /// cannot see an application's end.
    pub my_events: Option<Format>,
    /// How long the connection stays after its channel's end, so that its last events arrive, rounded up to whole
    /// seconds; `None` for not at all. Takes effect only where the dialplan says `full`.
    pub linger: Option<Duration>,
    /// Events that may wait in a call while a command's reply is awaited. The oldest ones are dropped beyond that, and
    /// counted.
    pub events_max: usize,
    /// When a silent FreeSWITCH is taken for gone. In sync mode it answers nothing while an application runs, so this is
    /// for async mode only.
    pub liveness: Liveness,
    /// How long open calls may go on after [`Server::serve_until`](super::Server::serve_until) was told to stop.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // The sessions that a FreeSWITCH allows in its stock configuration.
            calls_max: 1000,
            timeout: Duration::from_secs(5),
            limits: Limits::default(),
            my_events: Some(Format::Plain),
            // A channel's last events come within 100 ms of its end.
            linger: Some(Duration::from_secs(5)),
            // A channel's whole life is a few dozens, at 2 to 9 KB each.
            events_max: 256,
            liveness: Liveness::default(),
            grace: Duration::from_secs(10),
        }
    }
}
