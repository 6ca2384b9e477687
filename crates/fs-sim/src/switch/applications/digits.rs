//! Applications about DTMF digits.

use std::time::Duration;

use super::Next;
use crate::{channel::SessionId, switch::Switch};

/// To the other end.
pub(super) fn send_dtmf(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.send_digits(now, id, data);
    Next::Done
}

/// As if the other end had sent them.
pub(super) fn queue_dtmf(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.receive_digits(now, id, data, "APP");
    Next::Done
}

/// In-band digits: there is no audio to find them in.
pub(super) fn start_dtmf(_switch: &mut Switch, _now: Duration, _id: SessionId, _data: &str) -> Next {
    Next::Done
}
