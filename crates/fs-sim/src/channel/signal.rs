//! What one leg tells the other end of its own connection: over SIP, where each is a message, or inside of a loopback.

use super::Sound;
use crate::cause::Cause;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// INVITE.
    Invite {
        /// Linear audio is all that is offered, which SIP here does not speak.
        linear: bool,
    },
    /// 100: the INVITE is there.
    Trying,
    /// 180.
    Ringing,
    /// 183, with media.
    EarlyMedia,
    /// 200.
    Answer,
    /// ACK.
    Acknowledge,
    /// The call is refused with this SIP status, by a channel for this reason.
    Refuse { status: u16, phrase: Option<&'static str>, reason: Option<Cause> },
    /// CANCEL: the caller has given up.
    Cancel(Cause),
    /// BYE: the call has ended.
    Bye(Cause),
    /// No ACK has come for the answer: what a far leg's own stack says.
    Unacknowledged,
    /// A new INVITE in the dialog, to hold the other end or not: which one of its sender's it is, and which session
    /// description of its own it carries.
    Offer { hold: bool, request: u32, description: u32 },
    /// 200 to that, with a session description of its sender's own.
    Accept { hold: bool, request: u32, description: u32 },
    /// A DTMF digit, which travels over RTP.
    Digit(char, u32),
    /// What a leg sends over RTP from now on.
    Sound(Sound),
}

impl Signal {
    /// The refusal of a call for which a server has no room.
    pub(crate) const NO_ROOM: Signal =
        Signal::Refuse { status: 503, phrase: Some("Maximum Calls In Progress"), reason: None };

    /// What a caller's own stack says of an address where nothing listens.
    pub(crate) const UNREACHABLE: Signal = Signal::Refuse { status: 503, phrase: None, reason: None };
}
