//! `bridge`: calls another leg and joins it with this one (see [`crate::switch`]'s bridge for what follows).

use std::time::Duration;

use super::Next;
use crate::{channel::SessionId, switch::Switch};

pub(super) fn bridge(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.call_by_bridge(now, id, data).map_or(Next::Done, Next::Doing)
}
