//! `show`: what FreeSWITCH reads from its core database, and `help`, which is a report of the same kind.

mod calls;

use super::{
    Answer, Call, interfaces,
    interfaces::Interface,
    status,
    table::{Form, Table},
    text,
};
use crate::dial_string::words;

/// Kinds of interfaces that are named as a report is, by how the report's name begins. One `s` at its end is ignored.
const KINDS: [&str; 9] = ["codec", "dialplan", "file", "timer", "chat", "limit", "say", "management", "endpoint"];

/// What a report is made of.
enum Report {
    Table(Table),
    Count(usize),
}

pub(super) fn show(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(what) = words.first().map(|what| what.to_ascii_lowercase()) else { return usage() };
    if what.starts_with("status") {
        return status::status(call);
    }
    let word = |index: usize| words.get(index).copied();
    let is = |index: usize, wanted: &str| word(index).is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    // `as` stands behind the report's name, or behind `count` and what is looked for where there is a word for that.
    let mut form = if is(1, "as") { word(2) } else { None };
    let name = word(1).filter(|word| !word.eq_ignore_ascii_case("as"));
    let columns =
        |columns: &[&'static str], rows: Vec<Vec<String>>| Report::Table(Table { columns: columns.to_vec(), rows });
    let report = match what.as_str() {
        known if KINDS.iter().any(|kind| known.starts_with(kind)) => {
            let kind = known.strip_suffix('s').unwrap_or(known);
            columns(&["type", "name", "ikey"], listed(|interface| interface.kind == kind, short))
        }
        known if known.starts_with("module") => {
            let mut rows = listed(
                |interface| name.is_none_or(|name| interface.module == name),
                |interface| [short(interface), vec![interface.file()]].concat(),
            );
            rows.dedup();
            columns(&["type", "name", "ikey", "filename"], rows)
        }
        "interfaces" => columns(&["type", "name", "ikey"], listed(|_| true, short)),
        "application" | "api" => {
            let rows = listed(
                |interface| {
                    interface.kind == what
                        && !interface.description.is_empty()
                        && name.is_none_or(|name| interface.name == name)
                },
                |interface| {
                    let words = [interface.name, &interface.description, &interface.syntax, interface.module];
                    words.map(str::to_owned).to_vec()
                },
            );
            columns(&["name", "description", "syntax", "ikey"], rows)
        }
        "tasks" => calls::tasks(&call),
        "aliases" => {
            let rows = call.switch.settings.aliases.iter();
            let rows = rows.map(|(sticky, alias, command)| {
                let host = call.switch.hostname().to_owned();
                vec![u8::from(*sticky).to_string(), alias.clone(), command.clone(), host]
            });
            // They are looked for by the switch's name and kept by its machine's.
            let rows = rows.filter(|_| call.switch.hostname() == call.switch.switchname());
            columns(&["sticky", "alias", "command", "hostname"], rows.collect())
        }
        "complete" | "nat_map" | "interface_types" => columns(&[], Vec::new()),
        "registrations" if is(1, "count") => Report::Count(0),
        "registrations" => columns(&[], Vec::new()),
        "calls" | "channels" if is(1, "count") => {
            form = if is(2, "as") { word(3) } else { None };
            Report::Count(if what == "calls" { calls::count_calls(&call) } else { call.switch.channels.len() })
        }
        "channels" if is(1, "like") => {
            form = if is(3, "as") { word(4) } else { None };
            calls::channels(&call, word(2))
        }
        "channels" => calls::channels(&call, None),
        "calls" | "bridged_calls" => calls::calls(&call, false, what != "calls"),
        "detailed_calls" | "detailed_bridged_calls" => calls::calls(&call, true, what != "detailed_calls"),
        _ => return usage(),
    };
    // Without a form the separator is not looked at.
    match Form::parse(form, word(3)) {
        Ok(form) => text(match report {
            Report::Table(table) => table.write(&form),
            Report::Count(count) => form.count(count),
        }),
        Err(answer) => text(answer),
    }
}

/// `help [<anything>]`: all commands, whatever is asked for.
pub(super) fn help(call: Call<'_>) -> Answer {
    let lines = interfaces::commands()
        .map(|command| format!("{},{},{},{}\n", command.name, command.syntax, command.description, command.module));
    let lines: String = lines.collect();
    text(if call.arguments.is_empty() { format!("\nValid Commands:\n\n{lines}") } else { lines })
}

fn usage() -> Answer {
    text(interfaces::usage("show"))
}

fn listed(wanted: impl Fn(&Interface) -> bool, row: impl Fn(&Interface) -> Vec<String>) -> Vec<Vec<String>> {
    interfaces::all().iter().filter(|interface| wanted(interface)).map(row).collect()
}

fn short(interface: &Interface) -> Vec<String> {
    [interface.kind, interface.name, interface.module].map(str::to_owned).to_vec()
}
