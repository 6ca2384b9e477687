//! `log [LEVEL] TEXT`: a line for the server's log, and for the connections that get it (`log` on an Event Socket).

use super::{Answer, Call, text};
use crate::{
    event::Origin,
    log::{DEBUG, level},
};

/// Without a level that is known it is one for finding mistakes; a single word is the text.
pub(super) fn log(call: Call<'_>) -> Answer {
    let (level, line) = match call.arguments.split_once(' ') {
        Some((word, line)) => (level(word).unwrap_or(DEBUG), line),
        None => (DEBUG, call.arguments),
    };
    call.switch.log(call.now, level, Origin("mod_commands.c", "log_function", 7200), line);
    text("+OK\n")
}
