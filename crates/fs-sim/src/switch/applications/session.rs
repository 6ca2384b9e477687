//! Applications about the session itself.

use std::time::Duration;

use super::Next;
use crate::{
    channel::SessionId,
    event::{EventKind, Origin},
    switch::{Step, Switch, execute::leading_number, is_true},
};

const HEARTBEAT: Origin = Origin("switch_core_io.c", "switch_core_session_read_frame", 157);

/// How often it is sent where nobody says.
const HEARTBEAT_SECONDS: u64 = 60;

/// `[<seconds>|off]`: SESSION_HEARTBEAT is sent as often, the first one after as long.
pub(super) fn enable_heartbeat(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let Some(channel) = switch.channels.get_mut(&id) else { return Next::Done };
    channel.heartbeat += 1;
    let order = channel.heartbeat;
    let seconds = match u64::try_from(leading_number(data)) {
        Ok(seconds) if seconds > 0 => seconds,
        _ if data.is_empty() || is_true(data) => HEARTBEAT_SECONDS,
        _ => return Next::Done,
    };
    let every = Duration::from_secs(seconds);
    switch.add_leg(now.saturating_add(every), id, Step::Heartbeat(every, order));
    Next::Done
}

impl Switch {
    pub(in crate::switch) fn session_heartbeat(&mut self, now: Duration, id: SessionId, every: Duration, order: u64) {
        if self.channels.get(&id).is_some_and(|channel| channel.heartbeat == order) {
            self.emit(now, id, EventKind::SESSION_HEARTBEAT, HEARTBEAT);
            self.add_leg(now.saturating_add(every), id, Step::Heartbeat(every, order));
        }
    }
}
