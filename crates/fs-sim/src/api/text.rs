//! Commands that only say something: `echo`, `create_uuid`, `global_getvar`.

use super::{Answer, Call, text};
use crate::event::IPV4;

pub(super) fn echo(call: Call<'_>) -> Answer {
    text(call.arguments)
}

pub(super) fn create_uuid(call: Call<'_>) -> Answer {
    text(call.switch.random_uuid())
}

/// One global variable, or all of them.
pub(super) fn global_getvar(call: Call<'_>) -> Answer {
    let variables = [
        ("hostname", call.switch.hostname()),
        ("local_ip_v4", IPV4),
        ("local_mask_v4", "255.255.255.0"),
        ("local_ip_v6", crate::event::IPV6),
        ("switchname", call.switch.switchname()),
    ];
    if call.arguments.is_empty() {
        return text(variables.map(|(name, value)| format!("{name}={value}\n")).concat());
    }
    text(variables.iter().find(|(name, _)| *name == call.arguments).map_or("", |(_, value)| value))
}
