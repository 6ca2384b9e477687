//! What becomes of a call: the words for it and the closed sets of reasons.

use esl_core::HangupCause;

use super::labelled_enum::labelled_enum;

labelled_enum! {
    /// Why a call that was due was never sent.
    Skip {
        /// As many calls as allowed were up.
        Limit = "limit",
        /// The slave's ceiling held it back for too long.
        Ceiling = "ceiling",
        /// It was older than `max_lag` when it could have been sent.
        Late = "late",
        /// There was no connection to its slave.
        SlaveDown = "slave_down",
        /// The run was stopped first.
        Stopped = "stopped",
    }
}

labelled_enum! {
    /// Why a call that was sent had no channel.
    Refusal {
        /// The server's own limit, or it is paused, or it could not take the dial string apart: it gives the same words
        /// for all three.
        Limit = "limit",
        /// The server does not know the endpoint, the profile or the gateway.
        Endpoint = "endpoint",
        /// The server's `originate` could not be used so.
        Command = "command",
        /// The user may not use the command.
        Permission = "permission",
        /// A channel with this UUID was there: the server made one with another (`null/`), or refused with the words of a
        /// limit (`sofia/`), which cannot be told apart from it.
        Duplicate = "duplicate",
        /// Anything else.
        Other = "other",
    }
}

impl Refusal {
    /// The reason behind the server's words, without their `-ERR`.
    pub fn of(words: &str) -> Self {
        let words = words.to_ascii_uppercase();
        let first = words.split_whitespace().next().unwrap_or_default();
        match first {
            "DESTINATION_OUT_OF_ORDER" => Self::Limit,
            "CHAN_NOT_IMPLEMENTED" | "INVALID_PROFILE" | "INVALID_GATEWAY" | "GATEWAY_DOWN" | "INVALID_URL" => {
                Self::Endpoint
            }
            "PERMISSION" => Self::Permission,
            _ if words.contains("COMMAND NOT FOUND") || words.contains("<CALL URL>") => Self::Command,
            _ => Self::Other,
        }
    }
}

/// How a call that was sent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No channel came of it.
    Refused(Refusal),
    /// It had a channel and was never answered.
    Failed {
        /// Why the channel ended.
        cause: HangupCause,
        /// The final SIP status, where there was one.
        sip: Option<u16>,
    },
    /// Answered, and ended as planned.
    Completed,
    /// Its app's own check failed: of what it does, or of a step that its far leg had to do before the answer.
    AppFailed,
    /// Answered, and ended by somebody else before its time.
    Dropped,
    /// Nobody can know.
    Lost,
    /// Stopped by this program before an answer.
    Canceled,
}

impl Outcome {
    /// Its name in reports and call records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Failed { .. } => "failed",
            Self::Completed => "completed",
            Self::AppFailed => "app_failed",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
            Self::Canceled => "canceled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_words_have_reasons() {
        for (words, reason) in [
            ("DESTINATION_OUT_OF_ORDER", Refusal::Limit),
            ("CHAN_NOT_IMPLEMENTED", Refusal::Endpoint),
            ("INVALID_PROFILE", Refusal::Endpoint),
            ("permission denied", Refusal::Permission),
            ("command not found", Refusal::Command),
            ("originate Command not found!", Refusal::Command),
            ("<call url> <exten>|&<application_name>(<app_args>)", Refusal::Command),
            ("", Refusal::Other),
        ] {
            assert_eq!(Refusal::of(words), reason, "{words:?}");
        }
    }
}
