//! `uuid_dump`: all that an event of the channel would say, as the answer to a command.
//!
//! Without a format it is a plain event, percent-encoded; `plain` is another form that puts values in brackets and
//! encodes nothing.

use std::{fmt::Write, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{
    channel::SessionId,
    dial_string::words,
    event::{EventKind, Format, Origin},
    switch::Switch,
};

const DUMPED: Origin = Origin("mod_commands.c", "uuid_dump_function", 6468);

pub(super) fn uuid_dump(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let Some(uuid) = words.first() else { return text("-USAGE: <uuid> [format]\n") };
    let Some(id) = call.switch.find(uuid) else { return text(NO_SUCH_CHANNEL) };
    let wanted = words.get(1).map_or("txt", String::as_str).to_ascii_lowercase();
    let format = match wanted.as_str() {
        "json" | "plain" => Format::Json,
        "xml" => Format::Xml,
        _ => Format::Plain,
    };
    let event = call.switch.describe(call.now, id, EventKind::CHANNEL_DATA, DUMPED, format);
    text(if wanted == "plain" { bracketed(&event) } else { event })
}

/// The headers of an event that tells all about a channel.
pub(super) fn headers(switch: &mut Switch, now: Duration, id: SessionId) -> Vec<(String, String)> {
    let event = switch.describe(now, id, EventKind::CHANNEL_DATA, DUMPED, Format::Json);
    serde_json::from_str(&event).map_or(Vec::new(), |Headers(headers)| headers)
}

/// `Name: [value]` on each line.
fn bracketed(json: &str) -> String {
    let Ok(Headers(headers)) = serde_json::from_str(json) else { return String::new() };
    let mut out = String::new();
    for (name, value) in headers {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name}: [{value}]");
    }
    out + "\n"
}

/// A JSON object of texts in its own order.
struct Headers(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Headers;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(header) = map.next_entry()? {
                    headers.push(header);
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
