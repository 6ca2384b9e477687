//! mod_hash: values that a realm and a key name.

use super::{Answer, Call, text};

const USAGE: &str = "-ERR Usage: hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]\n";

/// `hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]`
pub(super) fn hash(call: Call<'_>) -> Answer {
    let mut parts = call.arguments.splitn(4, '/');
    let action = parts.next().unwrap_or_default();
    let (realm, key, value) = (parts.next(), parts.next(), parts.next());
    let (Some(realm), Some(key)) = (realm, key) else { return text(USAGE) };
    let name = format!("{realm}_{key}");
    let settings = &mut call.switch.settings;
    let known = settings.hash.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    text(match (action, value, known) {
        ("insert", Some(value), _) | ("insert_ifempty", Some(value), None) => {
            settings.set_hash(name, value);
            "+OK\n".to_owned()
        }
        ("insert_ifempty", Some(_), Some(_)) => "-ERR key already exists\n".to_owned(),
        ("select", _, known) => known.unwrap_or_default(),
        ("delete_ifmatch", Some(value), Some(known)) if known != value => "-ERR Doesn't match\n".to_owned(),
        ("delete" | "delete_ifmatch", _, Some(_)) => {
            settings.hash.retain(|(known, _)| *known != name);
            "+OK\n".to_owned()
        }
        ("delete" | "delete_ifmatch", _, None) => "-ERR Not found\n".to_owned(),
        _ => USAGE.to_owned(),
    })
}

/// `hash_dump all|limit|db [<realm>]`
pub(super) fn hash_dump(call: Call<'_>) -> Answer {
    let (what, realm) = call.arguments.split_once(' ').unwrap_or((call.arguments, ""));
    let of_realm = |name: &str| realm.is_empty() || name.starts_with(&format!("{realm}_"));
    text(match what {
        "all" | "db" => {
            let entries = call.switch.settings.hash.iter().filter(|(name, _)| of_realm(name));
            entries.map(|(name, value)| format!("D/{name}/{value}\n")).collect()
        }
        "limit" => String::new(),
        _ => "Usage: all|limit|db [<realm>]\n".to_owned(),
    })
}

/// `hash_remote list|kill [name]|rescan`
pub(super) fn hash_remote(call: Call<'_>) -> Answer {
    let words: Vec<&str> = call.arguments.split(' ').collect();
    text(match words.as_slice() {
        ["list", ..] => "Remote connections:\nName\t\t\tState\n+OK\n",
        ["rescan", ..] | ["kill", _, ..] => "+OK\n",
        _ => "-ERR Usage: list|kill [name]|rescan\n",
    })
}
