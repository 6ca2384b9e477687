//! One channel: what it is, where in its life it stands, and what its events say about it.
//!
//! ```text
//!                     outbound (near leg)              inbound (far leg)
//!                            │ CHANNEL_CREATE                 │ CHANNEL_CREATE
//!                            │ CHANNEL_ORIGINATE              │
//!                            ▼                                ▼
//!                    ┌──── Init ────┐                 ┌──── Init ────┐
//!                    ▼              │                 ▼              │
//!   CHANNEL_PROGRESS ConsumeMedia   │              Routing           │ CHANNEL_PROGRESS
//!   CHANNEL_ANSWER   │              │                 │              │ CHANNEL_ANSWER
//!                    ▼              │                 ▼              │
//!                 Execute ──────────┤              Execute ──────────┤
//!   CHANNEL_PARK     │              │                 │              │
//!                    └── CHANNEL_HANGUP, from any ────┘──────────────┘
//!                            ▼
//!                        Reporting   CHANNEL_HANGUP_COMPLETE, CHANNEL_DESTROY
//! ```
//!
//! Two legs of one call are two channels; which drives which is in [`crate::switch`].

mod cdr;
pub(crate) mod loopback;
pub(crate) mod profile;
pub(crate) mod sofia;
mod variables;
mod write;

use std::sync::Arc;

pub(crate) use loopback::LoopbackSide;
pub(crate) use profile::Profile;
pub(crate) use sofia::Dialog;
pub(crate) use variables::Variables;

use crate::{cause::Cause, clock::Stamp, dialplan::Application};

/// A channel's number: FreeSWITCH's session id, never used twice while a server is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// Who called whom, seen from this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }
}

/// `Channel-State`: where the channel's state machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelState {
    None,
    Init,
    Routing,
    Execute,
    ConsumeMedia,
    Reporting,
}

impl ChannelState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ChannelState::None => "CS_NONE",
            ChannelState::Init => "CS_INIT",
            ChannelState::Routing => "CS_ROUTING",
            ChannelState::Execute => "CS_EXECUTE",
            ChannelState::ConsumeMedia => "CS_CONSUME_MEDIA",
            ChannelState::Reporting => "CS_REPORTING",
        }
    }

    /// `Channel-State-Number` says where the machine goes next, which in `Init` is `Routing`.
    pub(crate) fn number(self) -> u64 {
        match self {
            ChannelState::None => 0,
            ChannelState::Init | ChannelState::Routing => 2,
            ChannelState::Execute => 4,
            ChannelState::ConsumeMedia => 7,
            ChannelState::Reporting => 11,
        }
    }
}

/// `Channel-Call-State`: what a person would say about the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallState {
    Down,
    Ringing,
    Early,
    Active,
    Hangup,
}

impl CallState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            CallState::Down => "DOWN",
            CallState::Ringing => "RINGING",
            CallState::Early => "EARLY",
            CallState::Active => "ACTIVE",
            CallState::Hangup => "HANGUP",
        }
    }
}

/// The codec of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// 16-bit linear, which loopback and null channels speak.
    L16,
    /// G.711 µ-law, the only codec of the recorded server's SIP profiles.
    Pcmu,
}

/// When a channel passed each milestone; zero where it has not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) created: Stamp,
    pub(crate) progress: Stamp,
    pub(crate) progress_media: Stamp,
    pub(crate) answered: Stamp,
    pub(crate) hangup: Stamp,
}

/// What kind of channel it is, with what only that kind has.
#[derive(Debug)]
pub(crate) enum Endpoint {
    Null,
    Loopback,
    Sofia(Arc<Dialog>),
    /// A channel whose endpoint refused it before it had a name.
    Unborn,
}

/// One leg.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) uuid: Arc<str>,
    pub(crate) direction: Direction,
    pub(crate) endpoint: Endpoint,
    pub(crate) state: ChannelState,
    pub(crate) call_state: CallState,
    pub(crate) hit_dialplan: bool,
    pub(crate) codec: Option<Codec>,
    pub(crate) profile: Profile,
    pub(crate) times: Times,
    pub(crate) variables: Variables,
    pub(crate) cause: Option<Cause>,
    /// The other leg of this call, while there is one.
    pub(crate) peer: Option<SessionId>,
    /// What the channel still has to run, last first.
    pub(crate) todo: Vec<Application>,
    /// The application that runs or ran last, with its argument.
    pub(crate) application: Option<Application>,
}

impl Channel {
    pub(crate) fn is_answered(&self) -> bool {
        self.times.answered != Stamp::default()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.cause.is_none()
    }

    /// `Answer-State`.
    pub(crate) fn answer_state(&self) -> &'static str {
        if self.cause.is_some() {
            "hangup"
        } else if self.is_answered() {
            "answered"
        } else if self.times.progress_media != Stamp::default() {
            "early"
        } else {
            "ringing"
        }
    }

    /// Notes what runs now, as `switch_core_session_exec` does.
    pub(crate) fn begin(&mut self, application: Application) {
        self.variables.set("current_application_data", &application.data);
        self.variables.set("current_application", &application.name);
        self.application = Some(application);
    }
}
