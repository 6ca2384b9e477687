//! `module_exists`, `load`, `unload`, `reload`: the recorded server's modules are there and stay.

use super::{Answer, Call, interfaces, text};
use crate::dial_string::words;

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
        name => text(format!("+OK Reloading XML\n-ERR [{}]\n", loading(name))),
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
    text(match unloading(&name) {
        Some(error) => {
            format!("+OK Reloading XML\n-ERR unloading module [{error}]\n-ERR loading module [{}]\n", loading(&name))
        }
        None => "+OK Reloading XML\n+OK module unloaded\n+OK module loaded\n".to_owned(),
    })
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
