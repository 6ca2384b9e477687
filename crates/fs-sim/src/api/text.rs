//! Commands that say something about the text that they are given.

use std::fmt::Write;

use super::{Answer, Call, interfaces, text};
use crate::dial_string::fields;

/// What is not left as it is in a URL, beside what is not printable ASCII.
const URL_UNSAFE: &[u8] = b"\r\n #%&+:;<=>?@[\\]^`{|}\"";

pub(super) fn echo(call: Call<'_>) -> Answer {
    text(call.arguments)
}

pub(super) fn create_uuid(call: Call<'_>) -> Answer {
    text(call.switch.random_uuid())
}

pub(super) fn hostname(call: Call<'_>) -> Answer {
    text(call.switch.hostname())
}

pub(super) fn switchname(call: Call<'_>) -> Answer {
    text(call.switch.switchname())
}

/// ASCII letters only, as the other.
pub(super) fn toupper(call: Call<'_>) -> Answer {
    text(call.arguments.to_ascii_uppercase())
}

pub(super) fn tolower(call: Call<'_>) -> Answer {
    text(call.arguments.to_ascii_lowercase())
}

pub(super) fn md5(call: Call<'_>) -> Answer {
    if call.arguments.is_empty() {
        return text("!err!");
    }
    let digest = super::md5::digest(call.arguments.as_bytes());
    text(digest.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    }))
}

pub(super) fn escape(call: Call<'_>) -> Answer {
    let mut out = String::new();
    for c in call.arguments.chars() {
        match c {
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            ' ' => out += "\\s",
            '$' => out += "\\$",
            c => out.push(c),
        }
    }
    text(out)
}

pub(super) fn sql_escape(call: Call<'_>) -> Answer {
    text(call.arguments.replace('\'', "''"))
}

pub(super) fn quote_shell_arg(call: Call<'_>) -> Answer {
    text(match call.arguments {
        "" => String::new(),
        argument => format!("'{}'", argument.replace('\'', "'\\''")),
    })
}

pub(super) fn url_encode(call: Call<'_>) -> Answer {
    text(encoded(call.arguments))
}

pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && !URL_UNSAFE.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What is no `%` and two hexadecimal digits stays.
pub(super) fn url_decode(call: Call<'_>) -> Answer {
    let bytes = call.arguments.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    text(String::from_utf8_lossy(&out))
}

/// `replace <data>|<string1>|<string2>`, or with another separator that `m:` names.
pub(super) fn replace(call: Call<'_>) -> Answer {
    let (separator, data) = delimited(call.arguments);
    match fields(data, separator, 3).as_slice() {
        // FreeSWITCH never comes to an end where nothing is to be replaced.
        [data, from, _] if from.is_empty() => text(data.clone()),
        [data, from, to] => text(data.replace(from, to)),
        _ => text("-ERR"),
    }
}

/// `coalesce [^^<delim>]<value1>,<value2>,…`: the first one that is not empty.
pub(super) fn coalesce(call: Call<'_>) -> Answer {
    let mut separator = ',';
    let mut rest = call.arguments;
    if let Some(behind) = rest.strip_prefix("^^") {
        let mut characters = behind.chars();
        separator = characters.next().unwrap_or(',');
        rest = characters.as_str();
    }
    match fields(rest, separator, 256).as_slice() {
        [] => text(interfaces::usage("coalesce")),
        values => text(values.iter().find(|value| !value.is_empty()).cloned().unwrap_or_default()),
    }
}

/// The separator that `m:` names, and what follows.
pub(super) fn delimited(arguments: &str) -> (char, &str) {
    for separator in ['|', '~', '/'] {
        if let Some(rest) = arguments.strip_prefix("m:").and_then(|rest| rest.strip_prefix(separator)) {
            return (separator, rest);
        }
    }
    ('|', arguments)
}
