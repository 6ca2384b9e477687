//! The caller profile: who calls whom, as the `Caller-` headers tell it (switch_caller.c).

use super::Direction;
use crate::clock::Stamp;

/// Names and numbers of one leg; an empty text is no header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) username: String,
    pub(crate) dialplan: String,
    pub(crate) caller_name: String,
    pub(crate) caller_number: String,
    pub(crate) original_name: String,
    pub(crate) original_number: String,
    pub(crate) callee_name: String,
    pub(crate) callee_number: String,
    pub(crate) network_address: String,
    pub(crate) ani: String,
    pub(crate) destination: String,
    pub(crate) source: String,
    pub(crate) transfer_source: String,
    pub(crate) context: String,
    pub(crate) rdnis: String,
    pub(crate) channel_name: String,
    /// Its logical direction, where this profile is not the leg's first one.
    pub(crate) logical: Option<Direction>,
    /// What it hides of its caller (`privacy`).
    pub(crate) hides_name: bool,
    pub(crate) hides_number: bool,
    /// Grows by one with each transfer.
    pub(crate) index: u64,
    pub(crate) created: Stamp,
}

/// The number that calls where no other is given, as `switch_ivr_originate` has it.
pub(crate) const ANONYMOUS_NUMBER: &str = "0000000000";

/// The name of the called party until it says another.
pub(crate) const OUTBOUND_CALL: &str = "Outbound Call";

impl Profile {
    /// An originated leg that was answered is the called party from here on: caller and callee change places.
    pub(crate) fn flip(&mut self) {
        std::mem::swap(&mut self.caller_name, &mut self.callee_name);
        std::mem::swap(&mut self.caller_number, &mut self.callee_number);
    }

    /// Caller and callee change places, and somebody always calls (`switch_channel_invert_cid`).
    pub(crate) fn invert(&mut self) {
        self.flip();
        for text in [&mut self.caller_name, &mut self.caller_number] {
            if text.is_empty() {
                "Unknown".clone_into(text);
            }
        }
    }

    /// `"name" <number>`, or the number alone.
    pub(crate) fn caller_id(&self) -> String {
        if self.caller_name.is_empty() {
            self.caller_number.clone()
        } else {
            format!("\"{}\" <{}>", self.caller_name, self.caller_number)
        }
    }
}
