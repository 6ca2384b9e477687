//! The options of an app: read from the configuration, or their defaults.

use std::ops::Range;
use std::time::Duration;

use std::borrow::Cow;

use esl_core::HangupCause;
use toml::Spanned;

use super::AppKind;
use super::script::Side;
use crate::config::template::Template;
use crate::config::{APP_KEYS, AppConfig, ConfigError, Source, Time, Value, did_you_mean};

/// An option of an app.
#[derive(Clone, Copy, Debug)]
pub struct AppOption {
    /// Its key.
    pub name: &'static str,
    /// Its type: a time, text, one of some words.
    pub shape: &'static str,
    /// Its default, as it is written in a file; empty for none.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

/// What the texts of an app's options may refer to.
#[derive(Clone, Copy)]
pub struct TextScope<'a> {
    /// The columns of the CSV file, which placeholders name.
    pub columns: &'a [String],
    /// Checks that an address may be dialled.
    pub may_dial: &'a dyn Fn(&Template) -> Result<(), String>,
    /// Whether only some addresses may be dialled.
    pub checks_dialled_addresses: bool,
}

impl TextScope<'_> {
    /// No CSV file, and no restriction on addresses.
    pub fn plain() -> Self {
        Self { columns: &[], may_dial: &|_| Ok(()), checks_dialled_addresses: false }
    }
}

/// The options of one app in a configuration.
pub struct AppOptions<'a> {
    kind: &'static AppKind,
    config: Option<&'a AppConfig>,
    texts: TextScope<'a>,
    source: &'a Source,
}

/// The value of an option, given or by default.
#[derive(Clone)]
struct OptionEntry<'a> {
    value: Cow<'a, Value>,
    span: Range<usize>,
}

impl<'a> AppOptions<'a> {
    /// Reads the options of an app of this kind.
    ///
    /// # Errors
    /// An option that the kind does not have, with the nearest one that it has.
    pub(super) fn new(
        kind: &'static AppKind,
        config: Option<&'a AppConfig>,
        texts: TextScope<'a>,
        source: &'a Source,
    ) -> Result<Self, ConfigError> {
        let known: Vec<&str> = kind.options.iter().map(|option| option.name).chain(APP_KEYS).collect();
        let given = config.map_or(&[][..], |config| &config.options);
        if let Some((key, _)) = given.iter().find(|(key, _)| !known.contains(&key.get_ref().as_str())) {
            let word = key.get_ref();
            let message = format!("the app {} has no option {word:?}{}", kind.name, did_you_mean(word, &known));
            return Err(source.error(key.span(), message));
        }
        Ok(Self { kind, config, texts, source })
    }

    /// The value of an option, where it is given.
    pub(super) fn value(&self, name: &str) -> Option<&'a Spanned<Value>> {
        let options = self.config.map_or(&[][..], |config| &config.options);
        options.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    /// An error about an option, at its place, or at its app's where the option is left out.
    pub(super) fn error(&self, name: &str, message: impl Into<String>) -> ConfigError {
        self.source.error(self.get(name).span, message)
    }

    /// The text that errors point into.
    pub(super) fn source(&self) -> &'a Source {
        self.source
    }

    /// What texts may refer to.
    pub(super) fn texts(&self) -> TextScope<'a> {
        self.texts
    }

    /// A time above 0.
    pub(super) fn time(&self, name: &str) -> Result<Duration, ConfigError> {
        let given = self.get(name);
        read_time(name, &given.value).map_err(|message| self.source.error(given.span, message))
    }

    /// A time, where one is given or is the default.
    pub(super) fn time_or_none(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        if self.is_empty(name) { Ok(None) } else { self.time(name).map(Some) }
    }

    /// A number from `0` to `max`.
    pub(super) fn number(&self, name: &str, max: f64) -> Result<f64, ConfigError> {
        let given = self.get(name);
        let number = match &*given.value {
            Value::Whole(value) => Ok(*value as f64),
            Value::Number(value) => Ok(*value),
            Value::Text(text) => text.trim().parse().map_err(|_| format!("{name}: {text:?} is not a number")),
            other => Err(format!("{name} is {}: it must be a number", other.what())),
        };
        let number = number.and_then(|value| match (0.0..=max).contains(&value) {
            true => Ok(value),
            false => Err(format!("{name} = {value}: it must be from 0 to {max}")),
        });
        number.map_err(|message| self.source.error(given.span, message))
    }

    /// A whole number from `0` to `max`.
    pub(super) fn count(&self, name: &str, max: u16) -> Result<u16, ConfigError> {
        let value = self.number(name, f64::from(max))?;
        match value.fract() == 0.0 {
            true => Ok(value as u16),
            false => Err(self.error(name, format!("{name} = {value}: it must be a whole number"))),
        }
    }

    /// A text with placeholders. It is empty only where the default is.
    pub(super) fn template(&self, name: &str) -> Result<Template, ConfigError> {
        let given = self.get(name);
        let text = read_text(name, &given.value).and_then(|text| template(name, text, self.texts.columns));
        let text = text.map_err(|message| self.source.error(given.span, message))?;
        if text.to_string().trim().is_empty() && self.value(name).is_some() {
            return Err(self.error(name, format!("{name} is empty: leave it out instead")));
        }
        Ok(text)
    }

    /// A text with placeholders and a suffix.
    pub(super) fn template_with(&self, name: &str, suffix: &str) -> Result<Template, ConfigError> {
        let given = self.get(name);
        let text = read_text(name, &given.value).map(|text| format!("{text}{suffix}"));
        let text = text.and_then(|text| template(name, &text, self.texts.columns));
        text.map_err(|message| self.source.error(given.span, message))
    }

    /// Text, or a number as text.
    pub(super) fn words(&self, name: &str) -> Result<String, ConfigError> {
        let given = self.get(name);
        read_words(name, &given.value).map_err(|message| self.source.error(given.span, message))
    }

    /// A text that must not be empty.
    pub(super) fn required(&self, name: &str) -> Result<Template, ConfigError> {
        match self.is_empty(name) {
            true => Err(self.error(name, format!("the app {} needs the option {name:?}", self.kind.name))),
            false => self.template(name),
        }
    }

    /// An address that is dialled.
    pub(super) fn address(&self, name: &str) -> Result<Template, ConfigError> {
        let address = self.required(name)?;
        (self.texts.may_dial)(&address).map_err(|message| self.error(name, message))?;
        Ok(address)
    }

    /// One of these words.
    pub(super) fn choice(&self, name: &str, known: &[&'static str]) -> Result<&'static str, ConfigError> {
        let given = self.get(name);
        let text = read_text(name, &given.value).map_err(|message| self.source.error(given.span.clone(), message))?;
        known.iter().copied().find(|word| *word == text).ok_or_else(|| {
            self.source.error(given.span, format!("unknown {name} {text:?}{}", did_you_mean(text, known)))
        })
    }

    /// `"caller"`, `"callee"`, or `"both"`.
    pub(super) fn sides(&self, name: &str) -> Result<&'static [Side], ConfigError> {
        Ok(match self.choice(name, &["caller", "callee", "both"])? {
            "caller" => &[Side::Caller],
            "callee" => &[Side::Callee],
            _ => &Side::BOTH,
        })
    }

    /// A hangup cause by its name.
    pub(super) fn cause(&self, name: &str) -> Result<HangupCause, ConfigError> {
        let given = self.get(name);
        let cause = read_text(name, &given.value).and_then(cause);
        cause.map_err(|message| self.source.error(given.span, message))
    }

    /// Digits, without placeholders.
    pub(super) fn digits(&self, name: &str) -> Result<String, ConfigError> {
        let given = self.get(name);
        let digits = read_words(name, &given.value);
        let digits = digits.and_then(|digits| check_digits(&digits).map(|()| digits));
        digits.map_err(|message| self.source.error(given.span, message))
    }

    /// Whether the option is neither given nor has a default.
    pub(super) fn is_empty(&self, name: &str) -> bool {
        matches!(&*self.get(name).value, Value::Text(text) if text.is_empty())
    }

    fn get(&self, name: &str) -> OptionEntry<'a> {
        match self.value(name) {
            Some(value) => OptionEntry { value: Cow::Borrowed(value.get_ref()), span: value.span() },
            None => {
                let option = self.kind.options.iter().find(|option| option.name == name);
                let default = option.map_or("", |option| option.default);
                let span = self.config.map_or(0..0, |config| config.kind.span());
                OptionEntry { value: Cow::Owned(Value::Text(default.to_owned())), span }
            }
        }
    }
}

/// A text of an app that a command can carry.
pub(super) fn template(name: &str, text: &str, columns: &[String]) -> Result<Template, String> {
    let template = Template::parse_in_app(text, columns).map_err(|message| format!("{name}: {message}"))?;
    if template.constants().any(|text| text.contains(['\r', '\n', '\0'])) {
        return Err(format!("{name} must not have line breaks: no command carries them"));
    }
    Ok(template)
}

/// Parses a hangup cause by its name.
pub(super) fn cause(text: &str) -> Result<HangupCause, String> {
    match HangupCause::of(text) {
        HangupCause::UNKNOWN => {
            let known: Vec<&str> = HangupCause::all().map(HangupCause::as_str).collect();
            Err(format!("unknown hangup cause {text:?}{}", did_you_mean(text, &known)))
        }
        cause => Ok(cause),
    }
}

/// The digits of a telephone, and FreeSWITCH's pauses of half a second and a second.
const DIGITS: &str = "0123456789*#ABCDabcdFfwW";

/// Checks that digits can be sent.
pub(super) fn check_digits(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !DIGITS.contains(*c)) {
        Some(c) => Err(format!("invalid digit {c:?}: expected {DIGITS}")),
        None if text.is_empty() => Err("no digits: expected at least one".to_owned()),
        None => Ok(()),
    }
}

/// Reads a time above 0.
pub(super) fn read_time(name: &str, value: &Value) -> Result<Duration, String> {
    let Value::Text(text) = value else {
        return Err(format!("{name} is {}: it must be a time such as \"250ms\", \"3s\" or \"1h\"", value.what()));
    };
    match Time::parse(text) {
        Ok(Time(time)) if time.is_zero() => Err(format!("{name} = {time:?}: it must be above 0")),
        Ok(Time(time)) if time > TIME_MAX => Err(format!("{name} = {time:?}: it must be at most {TIME_MAX:?}")),
        Ok(Time(time)) => Ok(time),
        Err(message) => Err(format!("{name}: {message}")),
    }
}

/// Reads `true` or `false`.
pub(super) fn read_flag(name: &str, value: &Value) -> Result<bool, String> {
    match value {
        Value::Flag(flag) => Ok(*flag),
        Value::Text(text) if text == "true" => Ok(true),
        Value::Text(text) if text == "false" => Ok(false),
        other => Err(format!("{name} is {}: it must be true or false", other.what())),
    }
}

/// Reads text, or a whole number that stands for text: digits, a status.
pub(super) fn read_words(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Whole(number) if *number >= 0 => Ok(number.to_string()),
        value => read_text(name, value).map(str::to_owned),
    }
}

/// Reads text.
pub(super) fn read_text<'v>(name: &str, value: &'v Value) -> Result<&'v str, String> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(format!("{name} is {}: it must be text, in quotes", other.what())),
    }
}

/// The longest time of a step: a call lasts no longer.
const TIME_MAX: Duration = Duration::from_secs(7 * 86_400);
