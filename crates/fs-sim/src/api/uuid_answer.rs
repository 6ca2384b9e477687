//! `uuid_answer`, `uuid_pre_answer` and `uuid_ring_ready`: an inbound call is answered from outside of its dialplan.

use super::{Answer, Call, text};

/// What these answer where there is no such channel: not the words of the others.
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

/// `uuid_ring_ready <uuid> [queued]`
pub(super) fn uuid_ring_ready(call: Call<'_>) -> Answer {
    let (uuid, queued) = call.arguments.split_once(' ').unwrap_or((call.arguments, ""));
    if uuid.is_empty() || !(queued.is_empty() || queued.eq_ignore_ascii_case("queued")) {
        return text("-USAGE: <uuid> [queued]\n");
    }
    let Some(id) = call.switch.find(uuid).filter(|id| call.switch.is_up(*id)) else { return text(FAILED) };
    call.switch.ringing(call.now, id);
    text("+OK\n")
}
