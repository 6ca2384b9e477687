//! The reports on channels, calls and tasks.

use super::Report;
use crate::{
    api::{Call, table::Table},
    channel::{Channel, Codec, Direction},
};

/// How many columns of a channel's row come before what it began with, which only `show channels` says.
const DETAILED: usize = 32;

/// The columns of a call that are not only in the detailed report.
const BASIC: [&str; 21] = [
    "uuid",
    "direction",
    "created",
    "created_epoch",
    "name",
    "state",
    "cid_name",
    "cid_num",
    "ip_addr",
    "dest",
    "presence_id",
    "presence_data",
    "accountcode",
    "callstate",
    "callee_name",
    "callee_num",
    "callee_direction",
    "call_uuid",
    "hostname",
    "sent_callee_name",
    "sent_callee_num",
];

/// What a call's row does not say again of its other channel.
const OF_ONE_ONLY: [&str; 2] = ["call_uuid", "hostname"];

type Row = Vec<(&'static str, String)>;

/// All channels, or those in which `wanted` is found, by the time at which they began.
pub(super) fn channels(call: &Call<'_>, wanted: Option<&str>) -> Report {
    let switchname = call.switch.switchname();
    let found = call.switch.channels.values().filter(|channel| wanted.is_none_or(|wanted| is_like(channel, wanted)));
    let rows: Vec<Row> = found.map(|channel| row(channel, switchname)).collect();
    table(rows)
}

/// A row for each channel that was not called by another one, with that one's columns where the two are bridged.
pub(super) fn calls(call: &Call<'_>, detailed: bool, bridged: bool) -> Report {
    let switchname = call.switch.switchname();
    let pick = |channel: &Channel| -> Row {
        let row = row(channel, switchname);
        if detailed {
            return row.into_iter().take(DETAILED).collect();
        }
        BASIC.iter().filter_map(|name| row.iter().find(|(known, _)| known == name).cloned()).collect()
    };
    let mut rows = Vec::new();
    for (channel, other) in pairs(call).filter(|(_, other)| other.is_some() || !bridged) {
        let mut row = pick(channel);
        let theirs = pick(other.unwrap_or(channel)).into_iter();
        let theirs = theirs.filter(|(name, _)| detailed || !OF_ONE_ONLY.contains(name));
        row.extend(theirs.map(|(name, value)| (b_column(name), if other.is_some() { value } else { String::new() })));
        let met = other.map_or(String::new(), |_| channel.times.bridged.seconds().to_string());
        row.push(("call_created_epoch", met));
        rows.push(row);
    }
    table(rows)
}

/// How many rows `show calls` has.
pub(super) fn count_calls(call: &Call<'_>) -> usize {
    pairs(call).count()
}

/// The scheduler's own task; those of `sched_…` are not in the database.
pub(super) fn tasks(call: &Call<'_>) -> Report {
    const EVERY_SECONDS: u64 = 900;
    let began = call.switch.stamp(std::time::Duration::ZERO).seconds();
    let runs = began + (call.now.as_secs() / EVERY_SECONDS + 1) * EVERY_SECONDS;
    let row = vec![
        ("task_id", "3".to_owned()),
        ("task_desc", "limit_hash_cleanup".to_owned()),
        ("task_group", "mod_hash".to_owned()),
        ("task_runtime", runs.to_string()),
        ("task_sql_manager", "0".to_owned()),
        ("hostname", call.switch.hostname().to_owned()),
    ];
    table(vec![row])
}

/// Each channel but those that another one's row stands for; in the order in which they met, first those that are alone.
fn pairs<'a>(call: &'a Call<'_>) -> impl Iterator<Item = (&'a Channel, Option<&'a Channel>)> {
    let pair = |channel: &'a Channel| {
        let partner = channel.partner.and_then(|id| call.switch.channels.get(&id)).map(|partner| &**partner);
        match partner {
            Some(_) if channel.was_called() => None,
            partner => Some((channel, partner)),
        }
    };
    let mut pairs: Vec<_> = call.switch.channels.values().filter_map(|channel| pair(channel)).collect();
    pairs.sort_by_key(|(channel, partner)| partner.map(|_| channel.times.bridged.seconds()));
    pairs.into_iter()
}

fn table(rows: Vec<Row>) -> Report {
    let columns = rows.first().map_or(Vec::new(), |row| row.iter().map(|(name, _)| *name).collect());
    let rows = rows.into_iter().map(|row| row.into_iter().map(|(_, value)| value).collect()).collect();
    Report::Table(Table { columns, rows })
}

/// FreeSWITCH looks for the text in the UUID, the name, the caller and the account code; `%` is any text.
fn is_like(channel: &Channel, wanted: &str) -> bool {
    let profile = &channel.profile;
    let wanted = wanted.to_lowercase();
    [
        &*channel.uuid,
        &profile.channel_name,
        &profile.caller_name,
        &profile.caller_number,
        channel.variables.get("accountcode").unwrap_or_default(),
    ]
    .iter()
    .any(|text| {
        let text = text.to_lowercase();
        if wanted.contains('%') { matches_like(&text, &wanted) } else { text.contains(&wanted) }
    })
}

/// SQL's `like`: the pieces between the `%` follow each other, the first and the last at the ends.
fn matches_like(text: &str, pattern: &str) -> bool {
    let pieces: Vec<&str> = pattern.split('%').collect();
    let [first, middle @ .., last] = pieces.as_slice() else { return text == pattern };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// The name of the other channel's column.
fn b_column(name: &'static str) -> &'static str {
    B_COLUMNS.iter().find(|column| column[2..] == *name).copied().unwrap_or(name)
}

const B_COLUMNS: [&str; DETAILED] = [
    "b_uuid",
    "b_direction",
    "b_created",
    "b_created_epoch",
    "b_name",
    "b_state",
    "b_cid_name",
    "b_cid_num",
    "b_ip_addr",
    "b_dest",
    "b_application",
    "b_application_data",
    "b_dialplan",
    "b_context",
    "b_read_codec",
    "b_read_rate",
    "b_read_bit_rate",
    "b_write_codec",
    "b_write_rate",
    "b_write_bit_rate",
    "b_secure",
    "b_hostname",
    "b_presence_id",
    "b_presence_data",
    "b_accountcode",
    "b_callstate",
    "b_callee_name",
    "b_callee_num",
    "b_callee_direction",
    "b_call_uuid",
    "b_sent_callee_name",
    "b_sent_callee_num",
];

/// All that `show channels` says of one.
fn row(channel: &Channel, switchname: &str) -> Row {
    let profile = &channel.profile;
    let (codec, rate, bits) = match channel.codec {
        Some(Codec::L16) => ("L16", "8000", "128000"),
        Some(Codec::Pcmu) => ("PCMU", "8000", "64000"),
        None => ("", "", ""),
    };
    let application = channel.application.as_ref();
    let outbound = channel.direction == Direction::Outbound;
    let call_uuid =
        channel.call_uuid.as_deref().filter(|_| outbound).unwrap_or(if outbound { &channel.uuid } else { "" });
    let (sent_name, sent_number) = channel.shown.as_deref().map_or(("", ""), |(name, number)| (name, number));
    // The list has what stood there when the channel was made, which is nothing where nobody else called it.
    let address = match &channel.other_leg {
        _ if !outbound => &*profile.network_address,
        Some(caller) if caller.is_originator() => caller.network_address(),
        _ => "",
    };
    let cells = [
        ("uuid", &*channel.uuid),
        ("direction", channel.direction.name()),
        ("created", &channel.times.created.local()),
        ("created_epoch", &channel.times.created.seconds().to_string()),
        ("name", &profile.channel_name),
        ("state", channel.state.name()),
        ("cid_name", &profile.caller_name),
        ("cid_num", &profile.caller_number),
        ("ip_addr", address),
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
        ("callee_direction", channel.update.unwrap_or_default()),
        ("call_uuid", call_uuid),
        ("sent_callee_name", sent_name),
        ("sent_callee_num", sent_number),
        ("initial_cid_name", &profile.original_name),
        ("initial_cid_num", &profile.original_number),
        ("initial_ip_addr", address),
        ("initial_dest", &profile.destination),
        ("initial_dialplan", &profile.dialplan),
        ("initial_context", &profile.context),
    ];
    cells.map(|(name, value)| (name, value.to_owned())).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_as_sql_has_it() {
        for (text, pattern, expected) in [
            ("abcd", "ab%", true),
            ("abcd", "%cd", true),
            ("abcd", "a%d", true),
            ("abcd", "%b%c%", true),
            ("abcd", "b%", false),
            ("abcd", "%c", false),
            ("abcd", "a%e%d", false),
        ] {
            assert_eq!(matches_like(text, pattern), expected, "{text} {pattern}");
        }
    }
}
