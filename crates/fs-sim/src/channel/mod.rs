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
//! Two legs of one call are two channels; which drives which is in [`crate::switch`]. What a channel is inside of, its
//! applications and the messages that ask for more, is its [`Thread`].

mod audio;
mod bert;
mod cdr;
mod hold;
pub(crate) mod loopback;
mod other_leg;
mod play;
pub(crate) mod profile;
mod run;
mod signal;
pub(crate) mod sofia;
mod variables;
mod write;

use std::{sync::Arc, time::Duration};

pub(crate) use audio::{Audio, Sound};
pub(crate) use bert::{Bert, Verdict};
pub(crate) use hold::Hold;
pub(crate) use loopback::LoopbackSide;
pub(crate) use other_leg::{OtherLeg, Relation};
pub(crate) use play::{Asks, Collect, CollectStage, Heard, Judges, Play, Playing, Turns};
pub(crate) use profile::Profile;
pub(crate) use run::{
    Asked, Bridge, Digit, Doing, FRAME, Message, Next, RUNS_MAX, Recording, Run, Socket, Stage, Thread,
};
pub(crate) use signal::Signal;
pub(crate) use sofia::Dialog;
pub(crate) use variables::Variables;

use crate::{cause::Cause, clock::Stamp, dialplan::Application, network::Remote, switch::CalleeNumber};

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
    New,
    Init,
    Routing,
    Execute,
    SoftExecute,
    ExchangeMedia,
    Park,
    ConsumeMedia,
    Hangup,
    Reporting,
    /// It waits to be reset, on its way into a bridge.
    Hibernate,
    /// Nothing is done any more, and nothing ended.
    Reset,
    Destroy,
}

impl ChannelState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ChannelState::None => "CS_NONE",
            ChannelState::New => "CS_NEW",
            ChannelState::Init => "CS_INIT",
            ChannelState::Routing => "CS_ROUTING",
            ChannelState::Execute => "CS_EXECUTE",
            ChannelState::SoftExecute => "CS_SOFT_EXECUTE",
            ChannelState::ExchangeMedia => "CS_EXCHANGE_MEDIA",
            ChannelState::Park => "CS_PARK",
            ChannelState::ConsumeMedia => "CS_CONSUME_MEDIA",
            ChannelState::Hangup => "CS_HANGUP",
            ChannelState::Reporting => "CS_REPORTING",
            ChannelState::Hibernate => "CS_HIBERNATE",
            ChannelState::Reset => "CS_RESET",
            ChannelState::Destroy => "CS_DESTROY",
        }
    }

    pub(crate) fn number(self) -> u64 {
        match self {
            ChannelState::New => 0,
            ChannelState::Init => 1,
            ChannelState::Routing => 2,
            ChannelState::SoftExecute => 3,
            ChannelState::Execute => 4,
            ChannelState::ExchangeMedia => 5,
            ChannelState::Park => 6,
            ChannelState::ConsumeMedia => 7,
            ChannelState::Hibernate => 8,
            ChannelState::Reset => 9,
            ChannelState::Hangup => 10,
            ChannelState::Reporting => 11,
            ChannelState::Destroy => 12,
            ChannelState::None => 13,
        }
    }
}

/// `Channel-Call-State`: what a person would say about the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallState {
    Down,
    /// It waits for the answer of a leg that it calls.
    RingWait,
    Ringing,
    Early,
    Active,
    Held,
    /// Not held any more, until its next frame.
    Unheld,
    Hangup,
}

impl CallState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            CallState::Down => "DOWN",
            CallState::RingWait => "RING_WAIT",
            CallState::Ringing => "RINGING",
            CallState::Early => "EARLY",
            CallState::Active => "ACTIVE",
            CallState::Held => "HELD",
            CallState::Unheld => "UNHELD",
            CallState::Hangup => "HANGUP",
        }
    }

    /// `Channel-Call-State-Number`.
    pub(crate) fn number(self) -> u64 {
        match self {
            CallState::Down => 0,
            CallState::Ringing => 2,
            CallState::Early => 3,
            CallState::Active => 4,
            CallState::Held => 5,
            CallState::RingWait => 6,
            CallState::Hangup => 7,
            CallState::Unheld => 8,
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

impl Codec {
    /// Its name as FreeSWITCH writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::L16 => "L16",
            Codec::Pcmu => "PCMU",
        }
    }

    /// Bits a second, as events tell them.
    pub(crate) fn bit_rate(self) -> &'static str {
        match self {
            Codec::L16 => "128000",
            Codec::Pcmu => "64000",
        }
    }
}

/// Something that looks at a channel's audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bug {
    pub(crate) function: &'static str,
    pub(crate) target: String,
    /// The channel that hears through it.
    pub(crate) listener: Option<SessionId>,
    /// When it ends by itself.
    pub(crate) until: Option<Duration>,
}

impl Bug {
    pub(crate) fn new(function: &'static str, target: &str) -> Bug {
        Bug { function, target: target.to_owned(), listener: None, until: None }
    }
}

/// When a channel passed each milestone; zero where it has not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) created: Stamp,
    pub(crate) progress: Stamp,
    pub(crate) progress_media: Stamp,
    pub(crate) answered: Stamp,
    pub(crate) bridged: Stamp,
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
    /// `Channel-State`: the state whose work is being done.
    pub(crate) state: ChannelState,
    /// `Channel-State-Number`: the state that is asked for, and comes next.
    pub(crate) next: ChannelState,
    pub(crate) call_state: CallState,
    pub(crate) hit_dialplan: bool,
    /// A leg that called and was then joined as if it had been called (`CF_BLEG`).
    pub(crate) b_leg: bool,
    pub(crate) codec: Option<Codec>,
    /// It reads linear audio for the sake of the run of this number, whatever its codec is.
    pub(crate) reads_linear: Option<u64>,
    /// The codec is that of both directions, not only of what is read.
    pub(crate) writes: bool,
    pub(crate) profile: Profile,
    pub(crate) times: Times,
    pub(crate) variables: Variables,
    pub(crate) cause: Option<Cause>,
    /// The other end of this leg's own connection, while there is one: over SIP, or of a loopback.
    pub(crate) peer: Option<SessionId>,
    /// The same where that end is on another server.
    pub(crate) remote: Option<Box<Remote>>,
    /// The leg that it is bridged with.
    pub(crate) partner: Option<SessionId>,
    /// What it knows of the leg that it called or was called by.
    pub(crate) other_leg: Option<Box<OtherLeg>>,
    /// Whom it has shown to the other end of its connection last: name and number.
    pub(crate) shown: Option<Box<(String, String)>>,
    /// How many it has shown.
    pub(crate) updates: u32,
    /// `Direction` of its last CALL_UPDATE.
    pub(crate) update: Option<&'static str>,
    /// The call's UUID, where it is another channel's.
    pub(crate) call_uuid: Option<Arc<str>>,
    /// What is recorded of it beside its applications.
    pub(crate) recordings: Vec<Recording>,
    /// What looks at its audio beside its applications (`switch_core_media_bug.c`).
    pub(crate) bugs: Vec<Bug>,
    /// `enable_heartbeat`: the one that was ordered last.
    pub(crate) heartbeat: u64,
    /// What it sends and hears.
    pub(crate) audio: Audio,
    /// What the dialplan still has for it to run, last first.
    pub(crate) todo: Vec<Application>,
    /// Which callee its call gets, known from the moment that the call was asked for.
    pub(crate) callee: Option<CalleeNumber>,
    /// Its media does not go through the server (`uuid_media off`).
    pub(crate) without_media: bool,
    /// How it is held, once it has been.
    pub(crate) held: Option<Box<Hold>>,
    /// It hangs up so long after its answer.
    pub(crate) hold: Option<Duration>,
    /// What it runs now, and what it is asked to run.
    pub(crate) thread: Thread,
    /// The application that began last, with its argument.
    pub(crate) application: Option<Application>,
}

impl Channel {
    pub(crate) fn is_answered(&self) -> bool {
        self.times.answered != Stamp::default()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.cause.is_none()
    }

    /// Whether its caller is the party at the other end of its connection, and not its callee: a display update from
    /// there changes that one (`switch_channel_inbound_display`).
    pub(crate) fn faces_its_caller(&self) -> bool {
        match self.direction {
            Direction::Inbound => !self.b_leg,
            Direction::Outbound => self.hit_dialplan,
        }
    }

    /// The UUID of the leg that it is bound to, bridged or being called.
    pub(crate) fn bond(&self) -> Option<&str> {
        self.variables.get("signal_bond").or_else(|| self.variables.get("originate_signal_bond"))
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

    /// Whether it has media: it is answered, or has early media.
    pub(crate) fn has_media(&self) -> bool {
        self.is_answered() || self.times.progress_media != Stamp::default()
    }

    /// Whether the leg that it met was the one that called.
    pub(crate) fn was_called(&self) -> bool {
        self.other_leg.as_ref().is_some_and(|other| other.is_originator())
    }

    /// Whether frames of audio come in as they should: only SIP waits for another end's.
    pub(crate) fn hears_frames(&self) -> bool {
        !matches!(self.endpoint, Endpoint::Sofia(_)) || self.audio.heard != Sound::Nothing
    }

    /// Notes what runs now, as `switch_core_session_exec` does.
    pub(crate) fn begin(&mut self, application: Application) {
        self.variables.set("current_application", &application.name);
        self.variables.set("current_application_data", &application.data);
        self.variables.unset("current_application_response");
        self.application = Some(application);
    }

    /// A variable, or what the caller profile calls by this name (`switch_channel_get_variable`).
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let profile = &self.profile;
        let known = || {
            let value = match name {
                "caller_id_name" => &profile.caller_name,
                "caller_id_number" => &profile.caller_number,
                "callee_id_name" => &profile.callee_name,
                "callee_id_number" => &profile.callee_number,
                "orig_caller_id_name" => &profile.original_name,
                "orig_caller_id_number" => &profile.original_number,
                "destination_number" => &profile.destination,
                "network_addr" => &profile.network_address,
                "chan_name" => &profile.channel_name,
                "ani" => &profile.ani,
                "rdnis" => &profile.rdnis,
                "username" => &profile.username,
                "dialplan" => &profile.dialplan,
                "context" => &profile.context,
                "source" => &profile.source,
                "uuid" => return Some(&*self.uuid),
                _ => return None,
            };
            Some(value.as_str()).filter(|value| !value.is_empty())
        };
        self.variables.get(name).or_else(known)
    }

    /// Puts variables in for `${name}` (`switch_channel_expand_variables`); what is not set is nothing.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while out.len() <= variables::BYTES_MAX
            && let Some((before, after)) = rest.split_once("${")
        {
            let Some((name, behind)) = after.split_once('}') else { break };
            out.push_str(before);
            out.push_str(self.variable(name).unwrap_or_default());
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}
