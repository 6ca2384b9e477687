//! Hangup causes by name and number, and the SIP status that mod_sofia gives for each.

/// Why a channel ended, by FreeSWITCH's number for it: Q.850's below 128, its own above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause(pub(crate) u16);

/// Number and name, as in `switch_channel_cause2str`; unknown numbers keep `UNKNOWN`.
const TABLE: &[(u16, &str)] = &[
    (0, "NONE"),
    (1, "UNALLOCATED_NUMBER"),
    (2, "NO_ROUTE_TRANSIT_NET"),
    (3, "NO_ROUTE_DESTINATION"),
    (6, "CHANNEL_UNACCEPTABLE"),
    (7, "CALL_AWARDED_DELIVERED"),
    (16, "NORMAL_CLEARING"),
    (17, "USER_BUSY"),
    (18, "NO_USER_RESPONSE"),
    (19, "NO_ANSWER"),
    (20, "SUBSCRIBER_ABSENT"),
    (21, "CALL_REJECTED"),
    (22, "NUMBER_CHANGED"),
    (23, "REDIRECTION_TO_NEW_DESTINATION"),
    (25, "EXCHANGE_ROUTING_ERROR"),
    (27, "DESTINATION_OUT_OF_ORDER"),
    (28, "INVALID_NUMBER_FORMAT"),
    (29, "FACILITY_REJECTED"),
    (30, "RESPONSE_TO_STATUS_ENQUIRY"),
    (31, "NORMAL_UNSPECIFIED"),
    (34, "NORMAL_CIRCUIT_CONGESTION"),
    (38, "NETWORK_OUT_OF_ORDER"),
    (41, "NORMAL_TEMPORARY_FAILURE"),
    (42, "SWITCH_CONGESTION"),
    (43, "ACCESS_INFO_DISCARDED"),
    (44, "REQUESTED_CHAN_UNAVAIL"),
    (45, "PRE_EMPTED"),
    (50, "FACILITY_NOT_SUBSCRIBED"),
    (52, "OUTGOING_CALL_BARRED"),
    (54, "INCOMING_CALL_BARRED"),
    (57, "BEARERCAPABILITY_NOTAUTH"),
    (58, "BEARERCAPABILITY_NOTAVAIL"),
    (63, "SERVICE_UNAVAILABLE"),
    (65, "BEARERCAPABILITY_NOTIMPL"),
    (66, "CHAN_NOT_IMPLEMENTED"),
    (69, "FACILITY_NOT_IMPLEMENTED"),
    (79, "SERVICE_NOT_IMPLEMENTED"),
    (81, "INVALID_CALL_REFERENCE"),
    (88, "INCOMPATIBLE_DESTINATION"),
    (95, "INVALID_MSG_UNSPECIFIED"),
    (96, "MANDATORY_IE_MISSING"),
    (97, "MESSAGE_TYPE_NONEXIST"),
    (98, "WRONG_MESSAGE"),
    (99, "IE_NONEXIST"),
    (100, "INVALID_IE_CONTENTS"),
    (101, "WRONG_CALL_STATE"),
    (102, "RECOVERY_ON_TIMER_EXPIRE"),
    (103, "MANDATORY_IE_LENGTH_ERROR"),
    (111, "PROTOCOL_ERROR"),
    (127, "INTERWORKING"),
    (142, "SUCCESS"),
    (487, "ORIGINATOR_CANCEL"),
    (700, "CRASH"),
    (701, "SYSTEM_SHUTDOWN"),
    (702, "LOSE_RACE"),
    (703, "MANAGER_REQUEST"),
    (800, "BLIND_TRANSFER"),
    (801, "ATTENDED_TRANSFER"),
    (802, "ALLOTTED_TIMEOUT"),
    (803, "USER_CHALLENGE"),
    (804, "MEDIA_TIMEOUT"),
    (805, "PICKED_OFF"),
    (806, "USER_NOT_REGISTERED"),
    (807, "PROGRESS_TIMEOUT"),
    (808, "INVALID_GATEWAY"),
    (809, "GATEWAY_DOWN"),
    (810, "INVALID_URL"),
    (811, "INVALID_PROFILE"),
    (812, "NO_PICKUP"),
    (813, "SRTP_READ_ERROR"),
    (814, "BOWOUT"),
    (815, "BUSY_EVERYWHERE"),
    (816, "DECLINE"),
    (817, "DOES_NOT_EXIST_ANYWHERE"),
    (818, "NOT_ACCEPTABLE"),
    (819, "UNWANTED"),
    (825, "REJECT_ALL"),
];

impl Cause {
    pub(crate) const NORMAL_CLEARING: Cause = Cause(16);
    pub(crate) const NO_ROUTE_DESTINATION: Cause = Cause(3);
    pub(crate) const USER_BUSY: Cause = Cause(17);
    pub(crate) const NO_ANSWER: Cause = Cause(19);
    pub(crate) const CALL_REJECTED: Cause = Cause(21);
    pub(crate) const EXCHANGE_ROUTING_ERROR: Cause = Cause(25);
    pub(crate) const DESTINATION_OUT_OF_ORDER: Cause = Cause(27);
    pub(crate) const NORMAL_UNSPECIFIED: Cause = Cause(31);
    pub(crate) const NORMAL_TEMPORARY_FAILURE: Cause = Cause(41);
    pub(crate) const CHAN_NOT_IMPLEMENTED: Cause = Cause(66);
    pub(crate) const NONE: Cause = Cause(0);
    pub(crate) const ORIGINATOR_CANCEL: Cause = Cause(487);
    pub(crate) const LOSE_RACE: Cause = Cause(702);
    pub(crate) const SUBSCRIBER_ABSENT: Cause = Cause(20);
    pub(crate) const PICKED_OFF: Cause = Cause(805);
    pub(crate) const NO_USER_RESPONSE: Cause = Cause(18);
    pub(crate) const INCOMPATIBLE_DESTINATION: Cause = Cause(88);
    pub(crate) const BLIND_TRANSFER: Cause = Cause(800);
    pub(crate) const MANAGER_REQUEST: Cause = Cause(703);
    pub(crate) const ALLOTTED_TIMEOUT: Cause = Cause(802);
    pub(crate) const MEDIA_TIMEOUT: Cause = Cause(804);
    pub(crate) const USER_NOT_REGISTERED: Cause = Cause(806);
    pub(crate) const INVALID_GATEWAY: Cause = Cause(808);
    pub(crate) const INVALID_PROFILE: Cause = Cause(811);

    /// The names of all causes.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(_, name)| *name)
    }

    /// The cause that a configuration names exactly, in any case of letters.
    pub(crate) fn by_name(name: &str) -> Option<Cause> {
        TABLE.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(code, _)| Cause(*code))
    }

    /// What a command's text means: a name, a number, or NORMAL_CLEARING for anything else, as
    /// `switch_channel_str2cause` has it.
    pub(crate) fn from_command(text: &str) -> Cause {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            return Cause(text[..digits].parse().unwrap_or(Cause::NORMAL_CLEARING.0));
        }
        Cause::by_name(text).unwrap_or(Cause::NORMAL_CLEARING)
    }

    pub(crate) fn name(self) -> &'static str {
        TABLE.iter().find(|(code, _)| *code == self.0).map_or("UNKNOWN", |(_, name)| name)
    }

    /// Q.850's number: FreeSWITCH's own causes, which begin at 128, all show as 16.
    pub(crate) fn q850(self) -> u16 {
        if self.0 > 127 { 16 } else { self.0 }
    }

    /// The Reason header of a BYE or CANCEL for this cause (mod_sofia).
    pub(crate) fn sip_reason(self) -> String {
        // Another leg has answered, or somebody else has taken the call: RFC 3326's example of it.
        if matches!(self, Cause::LOSE_RACE | Cause::PICKED_OFF) {
            return "SIP;cause=200;text=\"Call completed elsewhere\"".to_owned();
        }
        let protocol = if self.0 > 127 { "SIP" } else { "Q.850" };
        format!("{protocol};cause={};text=\"{}\"", self.0, self.name())
    }

    /// The SIP status with which mod_sofia refuses a call for this cause.
    pub(crate) fn sip_status(self) -> u16 {
        match self.0 {
            1..=3 => 404,
            17 => 486,
            18 => 408,
            19 | 20 | 31 => 480,
            21 | 816 | 825 => 603,
            22 | 23 => 410,
            27 | 811 => 502,
            28 | 808 | 810 => 484,
            29 | 69 | 79 => 501,
            34 | 38 | 41 | 42 | 44 | 58 | 809 => 503,
            52 | 54 | 57 => 403,
            65 | 88 => 488,
            102 => 504,
            487 => 487,
            25 => 483,
            815 => 600,
            817 => 604,
            818 => 606,
            819 => 607,
            _ => 480,
        }
    }

    /// The cause that the other end of a refusal sees: the reason itself where a Q.850 Reason header can carry
    /// it, else what the SIP status stands for (mod_sofia).
    pub(crate) fn over_sip(reason: Option<Cause>, status: u16) -> Cause {
        reason.filter(|cause| cause.0 <= 127).unwrap_or_else(|| Cause::from_sip_status(status))
    }

    /// What a SIP status stands for (mod_sofia `sip_to_cause`).
    pub(crate) fn from_sip_status(status: u16) -> Cause {
        match status {
            401 | 402 | 403 | 407 | 603 | 608 => Cause(21),
            404 => Cause(1),
            485 | 604 => Cause::NO_ROUTE_DESTINATION,
            408 | 504 => Cause(102),
            410 => Cause(22),
            413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => Cause(127),
            480 => Cause::NO_USER_RESPONSE,
            400 | 481 | 500 | 503 => Cause::NORMAL_TEMPORARY_FAILURE,
            486 | 600 => Cause(17),
            484 => Cause(28),
            488 | 606 => Cause::INCOMPATIBLE_DESTINATION,
            502 => Cause(38),
            405 => Cause(63),
            406 | 415 | 501 => Cause(79),
            482 | 483 => Cause(25),
            487 => Cause::ORIGINATOR_CANCEL,
            607 => Cause(819),
            _ => Cause(31),
        }
    }
}

/// The reason phrase of a SIP status (RFC 3261 §21).
pub(crate) fn sip_phrase(status: u16) -> &'static str {
    match status {
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        410 => "Gone",
        480 => "Temporarily Unavailable",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_nonsense_become_causes() {
        assert_eq!(Cause::from_command("user_busy"), Cause(17));
        assert_eq!(Cause::from_command("21"), Cause(21));
        assert_eq!(Cause::from_command("nonsense"), Cause::NORMAL_CLEARING);
        assert_eq!(Cause::by_name("nonsense"), None);
    }

    #[test]
    fn own_causes_show_as_16_and_travel_as_sip() {
        assert_eq!(Cause::ALLOTTED_TIMEOUT.q850(), 16);
        assert_eq!(Cause::ALLOTTED_TIMEOUT.sip_reason(), "SIP;cause=802;text=\"ALLOTTED_TIMEOUT\"");
        assert_eq!(Cause(17).sip_reason(), "Q.850;cause=17;text=\"USER_BUSY\"");
    }
}
