//! Why a channel ended, by FreeSWITCH's own names (`switch_call_cause_t`).

use std::fmt;

/// A hangup cause. Its name says more than its Q.850 number: those of FreeSWITCH's own over 127 all show as 16, and
/// several SIP statuses share one.
///
/// ```
/// use esl_core::HangupCause;
///
/// assert_eq!(HangupCause::of("USER_BUSY"), HangupCause::USER_BUSY);
/// assert_eq!(HangupCause::of("no such cause"), HangupCause::UNKNOWN);
/// assert_eq!(HangupCause::NO_ANSWER.to_string(), "NO_ANSWER");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HangupCause(&'static str);

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The causes of a FreeSWITCH 1.10.
        impl HangupCause {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $(#[doc = ""] #[$doc])*
                pub const $name: Self = Self(stringify!($name));
            )*
        }

        /// Every cause that a FreeSWITCH 1.10 knows.
        const NAMES: &[&str] = &[$(stringify!($name),)*];
    };
}

causes! {
    NONE,
    UNALLOCATED_NUMBER,
    NO_ROUTE_TRANSIT_NET,
    NO_ROUTE_DESTINATION,
    CHANNEL_UNACCEPTABLE,
    CALL_AWARDED_DELIVERED,
    /// The usual end of a call (Q.850 16).
    NORMAL_CLEARING,
    USER_BUSY,
    NO_USER_RESPONSE,
    NO_ANSWER,
    SUBSCRIBER_ABSENT,
    CALL_REJECTED,
    NUMBER_CHANGED,
    REDIRECTION_TO_NEW_DESTINATION,
    EXCHANGE_ROUTING_ERROR,
    DESTINATION_OUT_OF_ORDER,
    INVALID_NUMBER_FORMAT,
    FACILITY_REJECTED,
    RESPONSE_TO_STATUS_ENQUIRY,
    NORMAL_UNSPECIFIED,
    NORMAL_CIRCUIT_CONGESTION,
    NETWORK_OUT_OF_ORDER,
    NORMAL_TEMPORARY_FAILURE,
    SWITCH_CONGESTION,
    ACCESS_INFO_DISCARDED,
    REQUESTED_CHAN_UNAVAIL,
    PRE_EMPTED,
    FACILITY_NOT_SUBSCRIBED,
    OUTGOING_CALL_BARRED,
    INCOMING_CALL_BARRED,
    BEARERCAPABILITY_NOTAUTH,
    BEARERCAPABILITY_NOTAVAIL,
    SERVICE_UNAVAILABLE,
    BEARERCAPABILITY_NOTIMPL,
    CHAN_NOT_IMPLEMENTED,
    FACILITY_NOT_IMPLEMENTED,
    SERVICE_NOT_IMPLEMENTED,
    INVALID_CALL_REFERENCE,
    INCOMPATIBLE_DESTINATION,
    INVALID_MSG_UNSPECIFIED,
    MANDATORY_IE_MISSING,
    MESSAGE_TYPE_NONEXIST,
    WRONG_MESSAGE,
    IE_NONEXIST,
    INVALID_IE_CONTENTS,
    WRONG_CALL_STATE,
    RECOVERY_ON_TIMER_EXPIRE,
    MANDATORY_IE_LENGTH_ERROR,
    PROTOCOL_ERROR,
    INTERWORKING,
    SUCCESS,
    ORIGINATOR_CANCEL,
    CRASH,
    SYSTEM_SHUTDOWN,
    LOSE_RACE,
    MANAGER_REQUEST,
    BLIND_TRANSFER,
    ATTENDED_TRANSFER,
    /// The server's own limit on the call's time has passed (`sched_hangup`, by default).
    ALLOTTED_TIMEOUT,
    USER_CHALLENGE,
    MEDIA_TIMEOUT,
    PICKED_OFF,
    USER_NOT_REGISTERED,
    PROGRESS_TIMEOUT,
    INVALID_GATEWAY,
    GATEWAY_DOWN,
    INVALID_URL,
    INVALID_PROFILE,
    NO_PICKUP,
    SRTP_READ_ERROR,
    BOWOUT,
    BUSY_EVERYWHERE,
    DECLINE,
    DOES_NOT_EXIST_ANYWHERE,
    NOT_ACCEPTABLE,
    UNWANTED,
    NO_IDENTITY,
    BAD_IDENTITY_INFO,
    UNSUPPORTED_CERTIFICATE,
    INVALID_IDENTITY,
    STALE_DATE,
    REJECT_ALL,
}

impl HangupCause {
    /// Stands for a cause that is not in the table, so that causes stay a closed set.
    pub const UNKNOWN: Self = Self("UNKNOWN");

    /// Every cause of the table, [`HangupCause::UNKNOWN`] last.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|name| Self(name)).chain([Self::UNKNOWN])
    }

    /// The cause of that name, [`HangupCause::UNKNOWN`] where it is not in the table.
    #[must_use]
    pub fn of(name: &str) -> Self {
        NAMES.iter().find(|known| **known == name).map_or(Self::UNKNOWN, |known| Self(known))
    }

    /// The name as FreeSWITCH writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for HangupCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_found_by_their_names() {
        assert_eq!(HangupCause::of("USER_BUSY").as_str(), "USER_BUSY");
        assert_eq!(HangupCause::of("USER_BUSY"), HangupCause::USER_BUSY);
        assert_eq!(HangupCause::of("USER_BUSIER"), HangupCause::UNKNOWN);
        assert!(HangupCause::all().all(|cause| HangupCause::of(cause.as_str()) == cause));
    }
}
