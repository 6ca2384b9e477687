//! `[[apps]]`: the keys that every app has, and the options of its kind.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::{Count, ToConfig, Value};

/// `[[apps]]`
#[derive(Debug)]
pub struct AppConfig {
    /// The kind of app, see `loadgen apps`.
    pub kind: Spanned<String>,
    /// Its name in the results; its kind by default.
    pub name: Option<Spanned<String>>,
    /// Its share of the calls, relative to the other apps' weights.
    pub weight: Option<Spanned<Count>>,
    /// The address that its calls go to, instead of `[call]`'s `to`.
    pub to: Option<Spanned<ToConfig>>,
    /// All other keys: the options of its kind, see [`crate::apps::AppKind::script`].
    pub options: Vec<(Spanned<String>, Spanned<Value>)>,
}

/// The keys that are not options.
pub const KEYS: [&str; 4] = ["kind", "name", "weight", "to"];

impl<'de> Deserialize<'de> for AppConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tables;
        impl<'de> Visitor<'de> for Tables {
            type Value = AppConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with an app's \"kind\" and options")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<AppConfig, A::Error> {
                let (mut kind, mut name, mut weight, mut to, mut options) = (None, None, None, None, Vec::new());
                while let Some(key) = table.next_key::<Spanned<String>>()? {
                    match key.get_ref().as_str() {
                        "kind" => kind = Some(table.next_value()?),
                        "name" => name = Some(table.next_value()?),
                        "weight" => weight = Some(table.next_value()?),
                        "to" => to = Some(table.next_value()?),
                        _ => options.push((key, table.next_value()?)),
                    }
                }
                options.sort_by_key(|(key, _): &(Spanned<String>, _)| key.span().start);
                let kind = kind.ok_or_else(|| de::Error::missing_field("kind"))?;
                Ok(AppConfig { kind, name, weight, to, options })
            }
        }
        deserializer.deserialize_map(Tables)
    }
}
