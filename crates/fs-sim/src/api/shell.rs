//! What a person at a command line uses: `alias`, `complete`, `console_complete`, `xml_wrap`, `json`.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Answer, Call, execute, interfaces, text};
use crate::{clock::parts, dial_string::words, log, switch::is_true};

/// `alias [add|stickyadd] <alias> <command> | del [<alias>|*]`
pub(super) fn alias(call: Call<'_>) -> Answer {
    let mut parts = call.arguments.splitn(3, ' ').filter(|part| !part.is_empty());
    let settings = &mut call.switch.settings;
    match (parts.next(), parts.next(), parts.next()) {
        (Some("add"), Some(alias), Some(command)) => settings.set_alias(false, alias, command),
        (Some("stickyadd"), Some(alias), Some(command)) => settings.set_alias(true, alias, command),
        (Some("del"), Some("*"), _) => settings.aliases.clear(),
        (Some("del"), Some(alias), _) => settings.aliases.retain(|(_, known, _)| known != alias),
        _ => return text(interfaces::usage("alias")),
    }
    text("+OK\n")
}

/// `complete add <word>|del [<word>|*]`: what is added is offered by a real server's own console only.
pub(super) fn complete(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["add", ..] | ["del", _, ..] => text("+OK\n"),
        _ => text(interfaces::usage("complete")),
    }
}

const CONSOLE: &str = "USAGE:\n--------------------------------------------------------------------------------\n\
    console help\nconsole loglevel [[0-7] | <loglevel_string>]\nconsole uuid [on|off|toggle]\n\
    console json [on|off|toggle]\nconsole colorize [on|off|toggle]\n\
    --------------------------------------------------------------------------------\n";

/// `console loglevel|colorize|uuid|json`: the words of a console that nobody sees.
pub(super) fn console(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    text(match words.as_slice() {
        ["loglevel"] => format!("+OK console log level set to {}\n", log::name(log::SERVER_LEVEL)),
        ["loglevel", level, ..] => match log::level(level) {
            Some(known) => format!("+OK console log level set to {}\n", log::name(known)),
            None => format!("-ERR Invalid console loglevel ({level})!\n\n"),
        },
        [what @ ("colorize" | "uuid" | "json"), rest @ ..] => {
            let what = if *what == "colorize" { "color" } else { what };
            let is_on = rest.first().is_some_and(|word| is_true(word) || word.eq_ignore_ascii_case("toggle"));
            format!("+OK console {what} {}\n", if is_on { "enabled" } else { "disabled" })
        }
        _ => CONSOLE.to_owned(),
    })
}

/// `chat <proto>|<from>|<to>|<message>|[<content-type>]`: nobody can be reached.
pub(super) fn chat(call: Call<'_>) -> Answer {
    const LEAST: usize = 4;
    text(if call.arguments.split('|').count() < LEAST { "Invalid" } else { "Error! Message Not Sent" })
}

/// `sndfile_debug <on|off>`
pub(super) fn sndfile_debug(call: Call<'_>) -> Answer {
    text(match call.arguments.to_ascii_lowercase().as_str() {
        word @ ("on" | "off") => format!("Sndfile Debug: {word}\n"),
        _ => interfaces::usage("sndfile_debug"),
    })
}

/// `xml_locate [root | <section> <tag> <attribute> <value>]`: the sections that a server without any configuration
/// has.
pub(super) fn xml_locate(call: Call<'_>) -> Answer {
    const SECTIONS: [&str; 5] = ["configuration", "dialplan", "directory", "chatplan", "languages"];
    let words = words(call.arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let section = |name: &str| format!("<section name=\"{name}\"></section>\n");
    text(match words.as_slice() {
        [] => "-ERR bad args\n".to_owned(),
        ["root", ..] => {
            let sections: String = SECTIONS.iter().map(|name| format!("  {}", section(name))).collect();
            format!("<document type=\"freeswitch/xml\">\n{sections}</document>\n")
        }
        [name] if SECTIONS.contains(name) => section(name),
        _ => "can't find anything\n".to_owned(),
    })
}

/// What may follow some commands: those that a person completes most.
const WORDS: &[(&str, &[&str])] = &[
    (
        "fsctl",
        &[
            "api_expansion",
            "debug_level",
            "debug_sql",
            "default_dtmf_duration",
            "hupall",
            "last_sps",
            "loglevel",
            "max_dtmf_duration",
            "max_sessions",
            "min_dtmf_duration",
            "pause",
            "pause_check",
            "ready_check",
            "reclaim_mem",
            "recover",
            "resume",
            "save_history",
            "send_sighup",
            "shutdown",
            "shutdown_check",
            "sps",
            "sync_clock",
            "verbose_events",
        ],
    ),
    (
        "show",
        &[
            "aliases",
            "api",
            "application",
            "bridged_calls",
            "calls",
            "channels",
            "chat",
            "codec",
            "complete",
            "detailed_bridged_calls",
            "detailed_calls",
            "dialplan",
            "endpoint",
            "file",
            "interface_types",
            "interfaces",
            "limits",
            "management",
            "modules",
            "nat_map",
            "registrations",
            "say",
            "status",
            "tasks",
            "timer",
        ],
    ),
    ("sofia", &["help", "jsonstatus", "loglevel", "profile", "recover", "status", "tracelevel", "xmlstatus"]),
    ("sofia status", &["gateway", "profile"]),
    ("sofia xmlstatus", &["gateway", "profile"]),
    ("sofia profile", &["external", "park"]),
    ("sofia status profile", &["external", "park"]),
    ("sofia xmlstatus profile", &["external", "park"]),
];

/// What a line can be completed to, and what would be written in its place.
struct Completion {
    matches: Vec<&'static str>,
    length: usize,
    common: String,
}

fn completion(line: &str) -> Completion {
    // The place of the cursor.
    let line = match line.strip_prefix("c=").and_then(|rest| rest.split_once(';')) {
        Some((at, line)) => at.parse::<usize>().ok().and_then(|at| line.get(..at)).unwrap_or(line),
        None => line,
    };
    let (before, last) = line.rsplit_once(' ').unwrap_or(("", line));
    let matches: Vec<&'static str> = if before.trim().is_empty() {
        interfaces::commands().map(|command| command.name).filter(|name| name.starts_with(last)).collect()
    } else {
        let known = WORDS.iter().find(|(command, _)| *command == before.trim()).map_or(&[][..], |(_, words)| words);
        known.iter().copied().filter(|word| word.starts_with(last)).collect()
    };
    let mut common = matches.first().map_or(String::new(), |first| (*first).to_owned());
    for name in &matches {
        let same = common.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    Completion { matches, length: last.len(), common }
}

pub(super) fn console_complete(call: Call<'_>) -> Answer {
    const IN_A_ROW: usize = 4;
    let found = completion(call.arguments);
    let mut out = "\n\n".to_owned();
    for (index, name) in found.matches.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(out, "[{name:>20}]\t");
        if (index + 1) % IN_A_ROW == 0 {
            out.push('\n');
        }
    }
    out += "\n\n";
    if !found.common.is_empty() {
        let space = if found.matches.len() == 1 { " " } else { "" };
        let _ = write!(out, "write={}:{}{space}", found.length, found.common);
    }
    text(out)
}

pub(super) fn console_complete_xml(call: Call<'_>) -> Answer {
    let found = completion(call.arguments);
    let mut out = "<?xml version=\"1.0\"?>\n<complete>\n".to_owned();
    for name in &found.matches {
        let _ = writeln!(out, "  <match>{name}</match>");
    }
    if !found.common.is_empty() {
        let _ = writeln!(out, "  <write length=\"{}\">{}</write>", found.length, found.common);
    }
    text(out + "</complete>\n")
}

/// `xml_wrap [encoded ]<command> <arguments>`
pub(super) fn xml_wrap(call: Call<'_>) -> Answer {
    let (encoded, rest) = match call.arguments.strip_prefix("encoded ") {
        Some(rest) => (true, rest),
        None => (false, call.arguments),
    };
    let (command, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
    let output = execute(call.switch, call.now, command, arguments).unwrap_or("INVALID COMMAND!\n".to_owned());
    let output = if encoded { super::text::encoded(&output) } else { output };
    text(format!("<result>\n  <row id=\"1\">\n    <data>{output}</data>\n  </row>\n</result>\n"))
}

/// `json {"command": …, "data": …}`: `status` and `fsapi`, as most ask for.
pub(super) fn json(call: Call<'_>) -> Answer {
    if call.arguments.is_empty() {
        return text("-ERR No JSON supplied.\n");
    }
    let Ok(Value::Object(mut request)) = serde_json::from_str::<Value>(call.arguments) else {
        return text("-ERR Parse error.\n");
    };
    let command = request.get("command").and_then(Value::as_str).unwrap_or_default().to_owned();
    let data = request.get("data").cloned();
    let response = match (command.as_str(), &data) {
        ("status", Some(_)) => Some(status(&mut *call.switch, call.now)),
        ("fsapi", Some(data)) => {
            let field = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let output = execute(call.switch, call.now, &field("cmd"), &field("arg"));
            Some(json!({ "message": output.unwrap_or("INVALID COMMAND!\n".to_owned()) }))
        }
        _ => None,
    };
    match response {
        Some(response) => {
            request.insert("status".to_owned(), json!("success"));
            request.insert("response".to_owned(), response);
        }
        None => {
            request.insert("status".to_owned(), json!("error"));
            request.insert("message".to_owned(), json!("Invalid request or non-existant command"));
            request.insert("response".to_owned(), Value::Null);
        }
    }
    text(Value::Object(request).to_string() + "\n")
}

/// A number as cJSON writes it: a whole one without a point.
fn number(number: f64) -> Value {
    if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
}

fn status(switch: &mut crate::switch::Switch, now: std::time::Duration) -> Value {
    // Its names are FreeSWITCH's: the least that is left is said to be used.
    let (idle, min_idle) = (switch.idle_cpu(now), switch.min_idle_cpu(None));
    let rate = switch.limits.rate(now);
    let limits = &switch.limits;
    let [years, days, hours, minutes, seconds, milliseconds, microseconds] = parts(now);
    json!({
        "systemStatus": limits.readiness(),
        "uptime": {
            "years": years, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds,
            "milliseconds": milliseconds, "microseconds": microseconds,
        },
        "version": crate::VERSION_HUMAN,
        "sessions": {
            "count": {
                "total": limits.since_startup,
                "active": switch.channels.len(),
                "peak": limits.peak_sessions,
                "peak5Min": limits.peak_sessions,
                "limit": limits.max_sessions,
            },
            "rate": { "current": rate.last_second, "max": rate.limit, "peak": rate.peak, "peak5Min": rate.peak },
        },
        "idleCPU": { "used": number(min_idle), "allowed": number(idle) },
        "stackSizeKB": { "current": 240, "max": 8192 },
    })
}
