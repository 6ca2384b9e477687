//! The outcomes of calls, and the reasons why calls are skipped or refused.

use esl_core::HangupCause;

use super::labelled_enum::labelled_enum;

labelled_enum! {
    /// Why a call that was due was never sent.
    Skip {
        /// The limit on concurrent calls was reached.
        Limit = "limit",
        /// The slave's rate ceiling held it back for too long.
        Ceiling = "ceiling",
        /// It was later than `max_lag` when it could have been sent.
        Late = "late",
        /// Its slave was not connected.
        SlaveDown = "slave_down",
        /// The run was stopped before it was sent.
        Stopped = "stopped",
    }
}

labelled_enum! {
    /// Why a call that was sent had no channel.
    Refusal {
        /// The server is at its session limit, is paused, or cannot parse the dial string: it gives the same answer for
        /// all three.
        Limit = "limit",
        /// The server does not know the endpoint, the SIP profile or the gateway.
        Endpoint = "endpoint",
        /// The `originate` command is not usable.
        Command = "command",
        /// The user may not use the command.
        Permission = "permission",
        /// A channel with this UUID existed: the server created one with another UUID (`null/`), or refused as it does
        /// at a limit (`sofia/`), which cannot be told apart.
        Duplicate = "duplicate",
        /// Anything else.
        Other = "other",
    }
}

impl Refusal {
    /// The reason behind the text of a server's answer, without its `-ERR`.
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

/// The outcome of a call that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No channel was created.
    Refused(Refusal),
    /// It had a channel and was never answered.
    Failed {
        /// The hangup cause of its channel.
        cause: HangupCause,
        /// The final SIP status, where there was one.
        sip: Option<u16>,
    },
    /// Answered, and ended as planned.
    Completed,
    /// Its app's own check failed: a check after the answer, or a step of the far leg before it.
    AppFailed,
    /// Answered, and ended by the other side before its time.
    Dropped,
    /// Unknown: events were lost, or the connection was away.
    Lost,
    /// Hung up by this program before an answer.
    Canceled,
}

impl Outcome {
    /// The name in reports and call records.
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
