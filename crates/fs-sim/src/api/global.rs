//! `global_getvar` and `global_setvar`.

use super::{Answer, Call, interfaces, text};
use crate::dial_string::fields;

/// One global variable, or all of them.
pub(super) fn global_getvar(call: Call<'_>) -> Answer {
    let settings = &call.switch.settings;
    if call.arguments.is_empty() {
        let lines = settings.globals().iter().map(|(name, value)| format!("{name}={value}\n"));
        return text(lines.collect::<String>());
    }
    text(settings.global(call.arguments).unwrap_or_default())
}

/// `global_setvar <var>=<value> [=<value2>]`: with a second value the first is set only where the second was.
pub(super) fn global_setvar(call: Call<'_>) -> Answer {
    let fields = fields(call.arguments, '=', 3);
    let Some(name) = fields.first().filter(|name| !name.is_empty()) else {
        return text(interfaces::usage("global_setvar"));
    };
    let value = fields.get(1).map_or("", String::as_str);
    let settings = &mut call.switch.settings;
    let expected = fields.get(2).filter(|expected| !expected.is_empty());
    if expected.is_none_or(|expected| settings.global(name) == Some(expected)) {
        settings.set_global(name, value);
    }
    text("+OK")
}
