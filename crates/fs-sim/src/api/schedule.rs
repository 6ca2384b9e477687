//! `sched_hangup` and `sched_del`.

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{cause::Cause, dial_string::words};

pub(super) fn sched_hangup(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let Some(when) = words.first() else { return text("-USAGE: [+]<time> <uuid> [<cause>]\n") };
    let Some(id) = words.get(1).and_then(|uuid| call.switch.find(uuid)) else { return text(NO_SUCH_CHANNEL) };
    let cause = words.get(2).map_or(Cause::ALLOTTED_TIMEOUT, |text| Cause::from_command(text));
    call.switch.schedule_hangup(call.now, id, when, cause);
    text("+OK\n")
}

/// By task number or by channel.
pub(super) fn sched_del(call: Call<'_>) -> Answer {
    if call.arguments.is_empty() {
        return text("-ERR Invalid syntax\n");
    }
    let deleted = call.switch.unschedule(call.arguments);
    text(format!("+OK Deleted: {deleted}\n"))
}
