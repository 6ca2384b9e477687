//! `uuid_answer` and `uuid_pre_answer`: an inbound call is answered from outside of its dialplan.

use super::{Answer, Call, text};

/// What these two answer where there is no such channel: not the words of the others.
const FAILED: &str = "-ERROR\n";

pub(super) fn uuid_answer(call: Call<'_>) -> Answer {
    let Some(id) = call.switch.find(call.arguments).filter(|id| call.switch.is_up(*id)) else { return text(FAILED) };
    call.switch.answered(call.now, id);
    text("+OK\n")
}

pub(super) fn uuid_pre_answer(call: Call<'_>) -> Answer {
    let Some(id) = call.switch.find(call.arguments).filter(|id| call.switch.is_up(*id)) else { return text(FAILED) };
    call.switch.early_media(call.now, id);
    text("+OK\n")
}
