//! `module_exists`, `load`, `unload`, `reload`, `reloadxml`, and `presence`, which mod_dptools has: the recorded server's modules are there and stay.

use super::{Answer, Call, interfaces, text};
use crate::{
    dial_string::words,
    event::{EventKind, Origin},
};

/// The modules that can be unloaded in FreeSWITCH; the others refuse.
const UNLOADABLE: [&str; 7] =
    ["mod_bert", "mod_expr", "mod_hash", "mod_loopback", "mod_sndfile", "mod_tone_stream", "mod_sofia"];

const NO_FILE: &str = "module load file routine returned an error";
const LOADED: &str = "Module already loaded";

pub(super) fn module_exists(call: Call<'_>) -> Answer {
    text(match call.arguments {
        "" => String::new(),
        name => interfaces::has_module(name).to_string(),
    })
}

pub(super) fn load(call: Call<'_>) -> Answer {
    match call.arguments {
        "" => text(interfaces::usage("load")),
        name => {
            call.switch.reload_xml(call.now);
            text(format!("+OK Reloading XML\n-ERR [{}]\n", loading(name)))
        }
    }
}

/// What is unloaded is there again at once: the simulated server needs all of it.
pub(super) fn unload(call: Call<'_>) -> Answer {
    let Some(name) = named(&call) else { return text(interfaces::usage("unload")) };
    text(match unloading(&name) {
        Some(error) => format!("-ERR [{error}]\n"),
        None => "+OK\n".to_owned(),
    })
}

pub(super) fn reload(call: Call<'_>) -> Answer {
    let Some(name) = named(&call) else { return text(interfaces::usage("reload")) };
    call.switch.reload_xml(call.now);
    text(match unloading(&name) {
        Some(error) => {
            format!("+OK Reloading XML\n-ERR unloading module [{error}]\n-ERR loading module [{}]\n", loading(&name))
        }
        None => "+OK Reloading XML\n+OK module unloaded\n+OK module loaded\n".to_owned(),
    })
}

pub(super) fn reloadxml(call: Call<'_>) -> Answer {
    call.switch.reload_xml(call.now);
    text("+OK [Success]\n")
}

/// `presence [in|out] <user> <rpid> <message>`
pub(super) fn presence(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [direction, user, rpid, message, ..] = words.as_slice() else {
        return text("Invalid: presence [in|out] <user> <rpid> <message>");
    };
    let (kind, line) = match direction.to_ascii_lowercase().as_str() {
        "in" => (EventKind::PRESENCE_IN, 2087),
        "out" => (EventKind::PRESENCE_OUT, 2089),
        _ => return text("Invalid: presence [in|out] <user> <rpid> <message>"),
    };
    let headers = [
        ("proto", "dp"),
        ("login", "mod_dptools.c"),
        ("from", user),
        ("rpid", rpid),
        ("status", message),
        ("event_type", "presence"),
        ("alt_event_type", "dialog"),
        ("event_count", "0"),
    ];
    call.switch.announce(call.now, kind, Origin("mod_dptools.c", "presence_api_function", line), &headers);
    text("Event Sent")
}

fn named(call: &Call<'_>) -> Option<String> {
    words(call.arguments).into_iter().find(|word| word != "-f")
}

fn loading(name: &str) -> &'static str {
    if interfaces::has_module(name) { LOADED } else { NO_FILE }
}

fn unloading(name: &str) -> Option<&'static str> {
    if !interfaces::has_module(name) {
        Some("No such module!")
    } else if UNLOADABLE.contains(&name) {
        None
    } else {
        Some("Module is not unloadable")
    }
}
