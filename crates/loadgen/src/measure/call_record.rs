//! One call as it is written down: what became of it, and when.

use esl_core::HangupCause;
use tokio::time::Instant;
use uuid::Uuid;

use super::Labels;
use super::Outcome;
use super::RtpStats;

/// A call that has ended, with both of its legs.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Its near leg's UUID: the call's own.
    pub uuid: Uuid,
    /// The slave that placed it.
    pub slave: usize,
    /// What it counts under.
    pub labels: Labels,
    /// What became of it.
    pub outcome: Outcome,
    /// Why its near leg ended, where that is known.
    pub cause: Option<HangupCause>,
    /// The final SIP status, where there was one.
    pub sip: Option<u16>,
    /// When it was due.
    pub due: Instant,
    /// When it was sent.
    pub sent: Instant,
    /// When its near leg was there.
    pub created: Option<Instant>,
    /// When it rang, had early media or was answered.
    pub progressed: Option<Instant>,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// When it was hung up.
    pub hung_up: Option<Instant>,
    /// When it ended.
    pub ended: Instant,
    /// Its far leg, where one was seen.
    pub far: Option<FarRecord>,
    /// How its near leg's audio arrived.
    pub rtp: Option<RtpStats>,
    /// Where its app failed, in words.
    pub failure: Option<String>,
    /// The files that it recorded, on its servers.
    pub files: Vec<String>,
}

/// The far leg of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FarRecord {
    /// Its UUID.
    pub uuid: Uuid,
    /// The slave on which it was seen.
    pub slave: usize,
    /// When it was there, where that was seen.
    pub created: Option<Instant>,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// When it was hung up.
    pub hung_up: Option<Instant>,
    /// Why.
    pub cause: Option<HangupCause>,
    /// How its audio arrived.
    pub rtp: Option<RtpStats>,
}
