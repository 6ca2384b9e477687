//! Reads a file: TOML, values from the environment, and errors that name the place and the remedy.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// In a dialplan, `${name}` is a variable of the call, not of the environment.
const DIALPLAN: &str = "dialplan";

/// The key under which the `toml` crate passes a date to a type that does not expect one.
const DATE: &str = "$__toml_private_datetime";

/// The similarity (Jaro-Winkler, 0 to 1) from which an unknown word is taken for a misspelled known one.
const ALIKE: f64 = 0.7;

/// A mistake in the configuration: one message with its place.
#[derive(Debug, Error)]
#[error("{place}{separator}{message}", separator = if place.is_empty() { "" } else { ": " })]
pub struct ConfigError {
    /// `file:line:column`, the file alone, or a flag; empty where the message names its subject itself.
    place: String,
    message: String,
}

impl ConfigError {
    /// An error whose message names its subject itself.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::new("", message)
    }

    /// An error about something that is not in a file, such as a flag.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

/// The text of a configuration, which messages point into.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    /// For a text that was made from flags: the flag that each line comes from.
    flags: Vec<String>,
}

impl Source {
    /// An error at a place in the text.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        if let Some(flag) = self.flags.get(line - 1) {
            return ConfigError::new(flag, message);
        }
        ConfigError { place: format!("{}:{line}:{column}", self.name), message: message.into() }
    }

    /// An error about the text as a whole.
    pub fn whole(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { place: self.name.clone(), message: message.into() }
    }
}

/// Reads the file at `path`. `${NAME}` and `${NAME:-default}` in strings come from `environment`; `$${NAME}` stands for
/// FreeSWITCH's own `${NAME}`.
///
/// # Errors
/// The file cannot be read or is not TOML, has an unknown key or a value of the wrong type, or names a variable that is
/// not set.
pub fn read<T: DeserializeOwned>(
    path: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(T, Source), ConfigError> {
    let (name, text) = text(path)?;
    parse(name, text, environment)
}

/// The text of a file, with its name for messages.
///
/// # Errors
/// The file cannot be read.
pub fn text(path: &Path) -> Result<(String, String), ConfigError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(ConfigError { place: name, message: format!("cannot be read: {error}") }),
    }
}

/// Whether a text has one of these tables or keys at its top level. Invalid TOML has none.
pub fn has_key(text: &str, keys: &[&str]) -> bool {
    DeTable::parse(text).is_ok_and(|table| keys.iter().any(|key| table.get_ref().contains_key(*key)))
}

/// Reads a configuration from its text; `name` stands for the file in messages.
///
/// # Errors
/// As [`read`].
pub fn parse<T: DeserializeOwned>(
    name: String,
    text: String,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(T, Source), ConfigError> {
    parse_source(Source { name, text, flags: Vec::new() }, environment)
}

/// Reads a configuration that was made from flags: each line with its flag, which messages name instead of a place.
///
/// # Errors
/// As [`read`].
pub fn parse_flags<T: DeserializeOwned>(
    name: String,
    lines: Vec<(String, String)>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(T, Source), ConfigError> {
    let (flags, lines): (_, Vec<String>) = lines.into_iter().unzip();
    parse_source(Source { name, text: lines.join("\n"), flags }, environment)
}

fn parse_source<T: DeserializeOwned>(
    source: Source,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(T, Source), ConfigError> {
    let located = |error: toml::de::Error, keys: &[Key]| {
        let span = error.span().unwrap_or(0..0);
        let message = explain(error.message(), &span, keys);
        source.error(span, message)
    };
    let mut table = DeTable::parse(&source.text).map_err(|error| located(error, &[]))?;
    let mut keys = Vec::new();
    list_keys(table.get_ref(), "", &mut keys);
    substitute(table.get_mut(), &environment).map_err(|(span, message)| source.error(span, message))?;
    let config = T::deserialize(Deserializer::from(table));
    let config = config.map_err(|error| located(error, &keys))?;
    Ok((config, source))
}

/// The place of a key, and the table that it is in.
struct Key {
    span: Range<usize>,
    table: String,
}

fn list_keys(table: &DeTable<'_>, path: &str, keys: &mut Vec<Key>) {
    for (key, value) in table {
        keys.push(Key { span: key.span(), table: path.to_owned() });
        let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(table) => list_keys(table, &path, keys),
            DeValue::Array(array) => {
                for table in array.iter().filter_map(|value| value.get_ref().as_table()) {
                    list_keys(table, &path, keys);
                }
            }
            _ => {}
        }
    }
}

/// Rewords serde's messages.
fn explain(message: &str, span: &Range<usize>, keys: &[Key]) -> String {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    if message.starts_with("unknown field") {
        let names = quoted(message);
        let (unknown, known) = names.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let table = keys.iter().find(|key| key.span == *span).map_or("", |key| key.table.as_str());
        let place = if table.is_empty() { "at the top level".to_owned() } else { format!("in [{table}]") };
        return format!("unknown key {unknown:?} {place}{}", did_you_mean(unknown, known));
    }
    if let (true, Some((what, rest))) = (message.starts_with("unknown "), message.split_once(" `")) {
        // Of a variant, a cause, an application: serde's form of words.
        if let ([unknown, known @ ..], true) = (quoted(&format!(" `{rest}")).as_slice(), rest.contains("expected")) {
            return format!("{what} {unknown:?}{}", did_you_mean(unknown, known));
        }
    }
    if message.starts_with("missing field") {
        return format!("the key {:?} is missing here", quoted(message).concat());
    }
    if message.contains(DATE) {
        return "expected a string: put it in quotes".to_owned();
    }
    message.replace('`', "\"").lines().collect::<Vec<_>>().join(" ")
}

/// `: did you mean …?` where a known word is similar, otherwise the list of them.
pub fn did_you_mean(word: &str, known: &[impl AsRef<str>]) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known.as_ref()), known.as_ref()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, known)) => format!(": did you mean {known:?}?"),
        None => {
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!(": known are {}", known.join(", "))
        }
    }
}

type Located = (Range<usize>, String);

fn substitute(table: &mut DeTable<'_>, environment: &impl Fn(&str) -> Option<String>) -> Result<(), Located> {
    let mut values = table.iter_mut().filter(|(key, _)| key.get_ref() != DIALPLAN);
    values.try_for_each(|(_, value)| substitute_value(value, environment))
}

fn substitute_value(
    value: &mut Spanned<DeValue<'_>>,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<(), Located> {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => {
            *text = Cow::Owned(expand(text, environment).map_err(|message| (span, message))?);
            Ok(())
        }
        DeValue::Table(table) => substitute(table, environment),
        DeValue::Array(array) => array.iter_mut().try_for_each(|value| substitute_value(value, environment)),
        _ => Ok(()),
    }
}

fn expand(text: &str, environment: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            // A variable of FreeSWITCH.
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let Some((inner, after)) = after.split_once('}') else {
            // The text is left out, since it may be a password.
            return Err("this text has a \"${\" without its \"}\"".to_owned());
        };
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if inner.contains("${") {
            return Err("a default cannot have a \"${…}\" in it".to_owned());
        }
        let value = environment(name).filter(|value| default.is_none() || !value.is_empty());
        match value.or(default.map(str::to_owned)) {
            Some(value) => expanded.push_str(&value),
            None => {
                return Err(format!(
                    "the environment variable {name:?} is not set: set it, give a default with ${{{name}:-…}}, or write \
                     $${{{name}}} for a FreeSWITCH variable"
                ));
            }
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// A path relative to the file that names it.
pub fn resolve_relative(source: &Source, path: &Path) -> PathBuf {
    Path::new(&source.name).parent().unwrap_or(Path::new("")).join(path)
}

#[cfg(test)]
mod tests;
