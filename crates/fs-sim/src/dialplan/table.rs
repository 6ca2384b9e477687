//! An extension as a TOML file describes it, `[[…dialplan]]`.

use std::{collections::BTreeMap, fmt};

use regex_lite::Regex;
use serde::{Deserialize, Deserializer, de};

use super::{
    Extension,
    extension::{Action, Pattern, expression},
};

/// The longest name of a context and the longest text about a number: both are printed.
const TEXT_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    number: Pattern,
    #[serde(default = "default_context")]
    context: String,
    about: Option<String>,
    #[serde(default)]
    when: BTreeMap<String, Expression>,
    #[serde(rename = "do")]
    run: Vec<Action>,
    #[serde(default, rename = "else")]
    otherwise: Vec<Action>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
    #[serde(default)]
    callee: bool,
}

fn default_context() -> String {
    "default".to_owned()
}

struct Expression(Regex);

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expression, D::Error> {
        expression(&String::deserialize(deserializer)?).map(Expression).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        Pattern::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Extension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Extension, D::Error> {
        let table = Table::deserialize(deserializer)?;
        let short = |text: &String| text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
        if ![Some(&table.context), table.about.as_ref()].into_iter().flatten().all(short) {
            let message = format!("context and about have at most {TEXT_MAX} characters and no control characters");
            return Err(de::Error::custom(message));
        }
        // `${name}` is how mod_dialplan_xml's conditions name a variable.
        let bare =
            |field: &str| field.strip_prefix("${").and_then(|name| name.strip_suffix('}')).unwrap_or(field).to_owned();
        Ok(Extension {
            context: table.context,
            number: table.number,
            when: table.when.into_iter().map(|(field, Expression(regex))| (bare(&field), regex)).collect(),
            run: table.run,
            otherwise: table.otherwise,
            goes_on: table.goes_on,
            shown: None,
            about: table.about,
            is_callee: table.callee,
        })
    }
}

/// `"application argument"`, or a table.
impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            application: String,
            #[serde(default)]
            data: String,
            #[serde(default)]
            inline: bool,
        }

        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Action;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""application argument", or { application = "…", data = "…", inline = true }"#)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Action, E> {
                Action::parse(text).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Action, A::Error> {
                let long = Long::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Action::new(&long.application, &long.data, long.inline).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
