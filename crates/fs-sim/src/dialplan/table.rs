//! An extension as a TOML file describes it, `[[…dialplan]]`.

use std::{collections::BTreeMap, fmt};

use regex_lite::Regex;
use serde::{Deserialize, Deserializer, de};

use super::{
    Extension,
    extension::{Action, Break, Condition, Pattern, expression},
};

/// The most extensions of a server: each call looks at them one after the other.
const EXTENSIONS_MAX: usize = 10_000;

/// The most conditions of an extension, and applications of a condition: nobody writes that many, and a channel holds them
/// until they have run.
const CONDITIONS_MAX: usize = 100;
const ACTIONS_MAX: usize = 1_000;

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
    #[serde(default, rename = "do", deserialize_with = "actions")]
    run: Vec<Action>,
    #[serde(default, rename = "else", deserialize_with = "actions")]
    otherwise: Vec<Action>,
    #[serde(default, rename = "break")]
    breaks: Break,
    #[serde(default, deserialize_with = "conditions")]
    conditions: Vec<More>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
    #[serde(default)]
    callee: bool,
}

/// One of `[[…dialplan.conditions]]`, behind the first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    field: Option<String>,
    expression: Option<Expression>,
    #[serde(default, rename = "do", deserialize_with = "actions")]
    run: Vec<Action>,
    #[serde(default, rename = "else", deserialize_with = "actions")]
    otherwise: Vec<Action>,
    #[serde(default, rename = "break")]
    breaks: Break,
}

/// Reads the extensions of a server.
pub(crate) fn extensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Extension>>, D::Error> {
    at_most(deserializer, EXTENSIONS_MAX, "extensions").map(Some)
}

fn conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<More>, D::Error> {
    at_most(deserializer, CONDITIONS_MAX, "conditions")
}

fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Action>, D::Error> {
    at_most(deserializer, ACTIONS_MAX, "applications")
}

fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    most: usize,
    what: &str,
) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.len() > most {
        return Err(de::Error::custom(format!("{} {what} are too many: there may be {most}", list.len())));
    }
    Ok(list)
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
        if table.run.is_empty() && table.conditions.iter().all(|condition| condition.run.is_empty()) {
            return Err(de::Error::missing_field("do"));
        }
        let mut conditions = vec![Condition {
            when: table.when.into_iter().map(|(field, Expression(regex))| (bare(&field), regex)).collect(),
            run: table.run,
            otherwise: table.otherwise,
            breaks: table.breaks,
        }];
        for more in table.conditions {
            let when = match (more.field, more.expression) {
                (Some(field), Some(Expression(regex))) => vec![(bare(&field), regex)],
                (None, None) => Vec::new(),
                _ => return Err(de::Error::custom("a condition has a field and an expression, or neither")),
            };
            let More { run, otherwise, breaks, .. } = more;
            conditions.push(Condition { when, run, otherwise, breaks });
        }
        Ok(Extension {
            context: table.context,
            number: table.number,
            conditions,
            goes_on: table.goes_on,
            shown: None,
            about: table.about,
            is_callee: table.callee,
        })
    }
}

/// `${name}` is how mod_dialplan_xml's conditions name a variable.
fn bare(field: &str) -> String {
    field.strip_prefix("${").and_then(|name| name.strip_suffix('}')).unwrap_or(field).to_owned()
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
