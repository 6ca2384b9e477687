//! `show channels` and the counts: what FreeSWITCH reads from its core database.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{Answer, Call, text};
use crate::{
    channel::{Channel, Codec},
    dial_string::words,
};

const USAGE: &str = "-USAGE: codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|say|interfaces|interface_types|tasks|limits|status\n";

/// Columns of the channels table, in its order.
const COLUMNS: usize = 38;

pub(super) fn show(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (what, rest) = match words.as_slice() {
        [] => return text(USAGE),
        [what, rest @ ..] => (*what, rest),
    };
    let channels = || call.switch.channels.values().map(|channel| &**channel);
    let count = |count: usize, as_json: bool| {
        if as_json { json!({ "row_count": count }).to_string() + "\n" } else { format!("\n{count} total.\n") }
    };
    match (what, rest) {
        // A call has one row for both its channels only where they are bridged.
        ("calls", ["count", rest @ ..]) => text(count(channels().count(), is_json(rest))),
        ("channels", ["count", rest @ ..]) => text(count(channels().count(), is_json(rest))),
        ("channels", ["like", wanted, rest @ ..]) => {
            let wanted = wanted.trim_matches('%');
            let matching = channels().filter(|channel| is_like(channel, wanted));
            table(matching, call.switch.switchname(), is_json(rest))
        }
        ("channels" | "calls", rest) => table(channels(), call.switch.switchname(), is_json(rest)),
        _ => text(USAGE),
    }
}

fn is_json(words: &[&str]) -> bool {
    matches!(words, ["as", format, ..] if format.eq_ignore_ascii_case("json"))
}

/// FreeSWITCH looks for the text in the UUID, the name, the caller and the account code.
fn is_like(channel: &Channel, wanted: &str) -> bool {
    let profile = &channel.profile;
    [
        &*channel.uuid,
        &profile.channel_name,
        &profile.caller_name,
        &profile.caller_number,
        channel.variables.get("accountcode").unwrap_or_default(),
    ]
    .iter()
    .any(|text| text.to_lowercase().contains(&wanted.to_lowercase()))
}

fn table<'a>(channels: impl Iterator<Item = &'a Channel>, switchname: &str, as_json: bool) -> Answer {
    let rows: Vec<_> = channels.map(|channel| row(channel, switchname)).collect();
    if rows.is_empty() {
        return text(if as_json { "{\"row_count\": 0}\n" } else { "\n0 total.\n" });
    }
    if as_json {
        let objects: Vec<Value> = rows
            .iter()
            .map(|row| {
                Value::Object(
                    row.iter()
                        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
                        .collect::<Map<_, _>>(),
                )
            })
            .collect();
        return text(json!({ "row_count": objects.len(), "rows": objects }).to_string());
    }
    let line = |cells: Vec<&str>| cells.join(",") + "\n";
    let mut out = line(rows[0].iter().map(|(name, _)| *name).collect());
    for row in &rows {
        out += &line(row.iter().map(|(_, value)| value.as_str()).collect());
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n{} total.", rows.len());
    text(out)
}

fn row(channel: &Channel, switchname: &str) -> [(&'static str, String); COLUMNS] {
    let profile = &channel.profile;
    let (codec, rate, bits) = match channel.codec {
        Some(Codec::L16) => ("L16", "8000", "128000"),
        Some(Codec::Pcmu) => ("PCMU", "8000", "64000"),
        None => ("", "", ""),
    };
    let application = channel.application.as_ref();
    let flipped = channel.variables.get("channel_cid_flipped").is_some();
    let cells = [
        ("uuid", &*channel.uuid),
        ("direction", channel.direction.name()),
        ("created", &channel.times.created.local()),
        ("created_epoch", &channel.times.created.seconds().to_string()),
        ("name", &profile.channel_name),
        ("state", channel.state.name()),
        ("cid_name", &profile.caller_name),
        ("cid_num", &profile.caller_number),
        ("ip_addr", &profile.network_address),
        ("dest", &profile.destination),
        ("application", application.map_or("", |application| &application.name)),
        ("application_data", application.map_or("", |application| &application.data)),
        ("dialplan", &profile.dialplan),
        ("context", &profile.context),
        ("read_codec", codec),
        ("read_rate", rate),
        ("read_bit_rate", bits),
        ("write_codec", codec),
        ("write_rate", rate),
        ("write_bit_rate", bits),
        ("secure", ""),
        ("hostname", switchname),
        ("presence_id", ""),
        ("presence_data", ""),
        ("accountcode", channel.variables.get("accountcode").unwrap_or_default()),
        ("callstate", channel.call_state.name()),
        ("callee_name", &profile.callee_name),
        ("callee_num", &profile.callee_number),
        ("callee_direction", if flipped { "RECV" } else { "SEND" }),
        ("call_uuid", &channel.uuid),
        ("sent_callee_name", ""),
        ("sent_callee_num", ""),
        ("initial_cid_name", &profile.original_name),
        ("initial_cid_num", &profile.original_number),
        ("initial_ip_addr", ""),
        ("initial_dest", &profile.destination),
        ("initial_dialplan", ""),
        ("initial_context", &profile.context),
    ];
    cells.map(|(name, value)| (name, value.to_owned()))
}
