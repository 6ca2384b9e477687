//! Applications that plan something for later.

use std::time::Duration;

use super::Next;
use crate::{cause::Cause, channel::SessionId, dial_string::words, switch::Switch};

pub(in crate::switch) fn sched_hangup(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let Some(when) = words.first() {
        let cause = words.get(1).map_or(Cause::ALLOTTED_TIMEOUT, |text| Cause::from_command(text));
        switch.schedule_hangup(now, id, when, cause);
    }
    Next::Done
}
