//! The record of one call: its outcome and its instants.

use esl_core::HangupCause;
use tokio::time::Instant;
use uuid::Uuid;

use super::Labels;
use super::Outcome;
use super::RtpStats;

/// A call that has ended, with both of its legs.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The UUID of its near leg.
    pub uuid: Uuid,
    /// The slave that placed it.
    pub slave: usize,
    /// What it is counted under.
    pub labels: Labels,
    /// Its outcome.
    pub outcome: Outcome,
    /// The near leg's hangup cause, where it is known.
    pub cause: Option<HangupCause>,
    /// The final SIP status, where there was one.
    pub sip: Option<u16>,
    /// When it was due.
    pub due: Instant,
    /// When it was sent.
    pub sent: Instant,
    /// When its near leg was created.
    pub created: Option<Instant>,
    /// The first of ringing, early media and answer.
    pub progressed: Option<Instant>,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// When it was hung up.
    pub hung_up: Option<Instant>,
    /// When it ended.
    pub ended: Instant,
    /// Its far leg, where one was seen.
    pub far: Option<FarLegRecord>,
    /// The RTP statistics of its near leg.
    pub rtp: Option<RtpStats>,
    /// Where its app failed.
    pub failure: Option<String>,
    /// The files that its app recorded, on the servers.
    pub files: Vec<String>,
}

/// The far leg of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FarLegRecord {
    /// Its UUID.
    pub uuid: Uuid,
    /// The slave on whose server it was.
    pub slave: usize,
    /// When it was created, where that event arrived.
    pub created: Option<Instant>,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// When it was hung up.
    pub hung_up: Option<Instant>,
    /// Its hangup cause.
    pub cause: Option<HangupCause>,
    /// Its RTP statistics.
    pub rtp: Option<RtpStats>,
}
