//! The steps of flows: one line of the table each, from which help and errors are made.

use std::time::Duration;

use esl_core::{EventName, HangupCause};
use regex_lite::Regex;
use toml::Spanned;

use crate::apps::AppOptions;
use crate::apps::callee_block::check_response;
use crate::apps::options::{cause, check_digits, read_flag, read_text, read_time, read_words, template};
use crate::apps::script::{Action, EventPattern, HeaderPattern, Side, TIMEOUT, is_dial};
use crate::config::template::Template;
use crate::config::{ConfigError, Value, did_you_mean};

/// A kind of step.
pub(in crate::apps) struct StepKind {
    /// Its key.
    pub(in crate::apps) name: &'static str,
    /// How it is written.
    pub(in crate::apps) shape: &'static str,
    /// What it does, in a sentence.
    pub(in crate::apps) about: &'static str,
    /// The keys that may stand beside its own.
    with: &'static [&'static str],
    /// Whether the name alone is a complete step.
    bare: bool,
    /// What it requires of its leg.
    pub(super) needs: LegRequirement,
    /// How it changes its leg.
    pub(super) makes: LegEffect,
    read: fn(&StepTable<'_>) -> Result<Action, ConfigError>,
}

const PLAIN: StepKind = StepKind {
    name: "",
    shape: "",
    about: "",
    with: &[],
    bare: false,
    needs: LegRequirement::Nothing,
    makes: LegEffect::Nothing,
    read: |_| Ok(Action::Repeat(0)),
};

/// What a step requires of its leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegRequirement {
    /// Nothing.
    Nothing,
    /// A far leg that has not been answered.
    NoAnswer,
    /// A far leg that has not been answered and has no early media.
    NoMedia,
    /// Media; early media are enough.
    Media,
    /// An answer.
    Answer,
}

/// How a step changes its leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegEffect {
    /// Not at all.
    Nothing,
    /// It rings.
    Ringing,
    /// It has early media.
    EarlyMedia,
    /// It is answered.
    Answered,
    /// It has ended.
    Over,
}

/// Every step, in the order of the help.
pub(in crate::apps) const STEPS: &[StepKind] = &[
    StepKind {
        name: "wait",
        shape: "{ wait = \"500ms\" }",
        about: "Waits for a time, counted from the end of the previous step.",
        read: |step| Ok(Action::Wait(step.time(step.name, step.value)?)),
        ..PLAIN
    },
    StepKind {
        name: "ring",
        shape: "\"ring\"",
        about: "Sends ringing on the far leg (180).",
        bare: true,
        needs: LegRequirement::NoMedia,
        makes: LegEffect::Ringing,
        read: |step| step.only(Action::Ring),
        ..PLAIN
    },
    StepKind {
        name: "early_media",
        shape: "\"early_media\"",
        about: "Opens the far leg's media before its answer (183).",
        bare: true,
        needs: LegRequirement::NoMedia,
        makes: LegEffect::EarlyMedia,
        read: |step| step.only(Action::EarlyMedia),
        ..PLAIN
    },
    StepKind {
        name: "answer",
        shape: "\"answer\"",
        about: "Answers the far leg.",
        bare: true,
        needs: LegRequirement::NoAnswer,
        makes: LegEffect::Answered,
        read: |step| step.only(Action::Answer),
        ..PLAIN
    },
    StepKind {
        name: "respond",
        shape: "{ respond = 486 }",
        about: "Rejects the far leg with this SIP status, from 400 to 699, optionally with a reason phrase.",
        needs: LegRequirement::NoAnswer,
        makes: LegEffect::Over,
        read: respond,
        ..PLAIN
    },
    StepKind {
        name: "play",
        shape: "{ play = \"menu.wav\", background = false }",
        about: "Plays a file on the slave, or a stream, to its end; in the background, the next step follows at once.",
        with: &["background"],
        needs: LegRequirement::Media,
        read: |step| Ok(Action::Play { file: step.text()?, background: step.flag("background")? }),
        ..PLAIN
    },
    StepKind {
        name: "stop_play",
        shape: "\"stop_play\"",
        about: "Stops playback.",
        bare: true,
        needs: LegRequirement::Media,
        read: |step| step.only(Action::StopPlay),
        ..PLAIN
    },
    StepKind {
        name: "record",
        shape: "{ record = \"/tmp/{uuid}.wav\" }",
        about: "Records both directions of the leg into a file on the slave. The call record has the file's name.",
        needs: LegRequirement::Media,
        read: |step| Ok(Action::Record { path: step.text()?, every: 1 }),
        ..PLAIN
    },
    StepKind {
        name: "stop_record",
        shape: "\"stop_record\"",
        about: "Ends the leg's recordings.",
        bare: true,
        needs: LegRequirement::Media,
        read: |step| step.only(Action::StopRecord),
        ..PLAIN
    },
    StepKind {
        name: "mute",
        shape: "\"mute\"",
        about: "Mutes the leg: silence is sent in place of its audio.",
        bare: true,
        needs: LegRequirement::Media,
        read: |step| step.only(Action::Mute(true)),
        ..PLAIN
    },
    StepKind {
        name: "unmute",
        shape: "\"unmute\"",
        about: "Unmutes the leg.",
        bare: true,
        needs: LegRequirement::Media,
        read: |step| step.only(Action::Mute(false)),
        ..PLAIN
    },
    StepKind {
        name: "send_digits",
        shape: "{ send_digits = \"42#\", duration = \"100ms\" }",
        about: "Sends digits; w and W are pauses of 0.5 s and 1 s. The next step follows at once, while they are sent.",
        with: &["duration"],
        needs: LegRequirement::Answer,
        read: send_digits,
        ..PLAIN
    },
    StepKind {
        name: "expect_digits",
        shape: "{ expect_digits = \"42#\", timeout = \"10s\" }",
        about: "Waits for digits. Digits that arrived earlier on this leg count as well.",
        with: &["timeout"],
        needs: LegRequirement::Answer,
        read: |step| Ok(Action::ExpectDigits { digits: step.digits()?, timeout: step.timeout(TIMEOUT)? }),
        ..PLAIN
    },
    StepKind {
        name: "expect_event",
        shape: "{ expect_event = \"PLAYBACK_START\", headers = { Playback-File-Path = \"~menu\" }, leg = \"any\", \
                timeout = \"10s\" }",
        about: "Waits for a FreeSWITCH event on either leg, or on the caller's or callee's; a CUSTOM event needs its \"subclass\". \
             A header is compared with the value given, or matched with the regular expression after ~. An event counts for the \
             first open step it matches, even before that step is reached.",
        with: &["headers", "subclass", "leg", "timeout"],
        read: expect_event,
        ..PLAIN
    },
    StepKind {
        name: "set",
        shape: "{ set = { name = \"value\" } }",
        about: "Sets variables of the leg's channel; an empty value unsets one.",
        read: set,
        ..PLAIN
    },
    StepKind {
        name: "execute",
        shape: "{ execute = \"application\", argument = \"\", timeout = \"10s\", background = false }",
        about: "Runs a FreeSWITCH application to its end.",
        with: &["argument", "timeout", "background"],
        read: execute,
        ..PLAIN
    },
    StepKind {
        name: "bridge",
        shape: "{ bridge = \"sofia/external/9196@pbx.example:5060\", timeout = \"60s\" }",
        about: "Bridges the leg to a third party; a far leg is answered when the third party answers.",
        with: &["timeout"],
        makes: LegEffect::Answered,
        read: |step| {
            let to = step.text()?;
            step.may_dial(step.value, &to)?;
            Ok(Action::Bridge { to, timeout: step.timeout(BRIDGE_TIMEOUT)? })
        },
        ..PLAIN
    },
    StepKind {
        name: "hang_up",
        shape: "\"hang_up\" or { hang_up = \"USER_BUSY\" }",
        about: "Ends the call as planned, with this cause or NORMAL_CLEARING.",
        bare: true,
        makes: LegEffect::Over,
        read: hang_up,
        ..PLAIN
    },
];

/// How long a bridged party may ring by default.
const BRIDGE_TIMEOUT: Duration = Duration::from_secs(60);

/// A step as it is written.
struct StepTable<'a> {
    options: &'a AppOptions<'a>,
    side: Side,
    name: &'static str,
    /// The value of its key; an empty text for the name alone.
    value: &'a Spanned<Value>,
    /// The keys beside its own.
    with: &'a [(Spanned<String>, Spanned<Value>)],
    bare: bool,
}

/// Reads one step of a list.
pub(super) fn read(
    options: &AppOptions<'_>,
    side: Side,
    value: &Spanned<Value>,
) -> Result<(&'static StepKind, Action), ConfigError> {
    let error = |span, message: String| options.source().error(span, message);
    match value.get_ref() {
        Value::Text(name) => {
            let kind = named(name).ok_or_else(|| error(value.span(), unknown(name)))?;
            if !kind.bare {
                return Err(error(value.span(), format!("{name:?} needs a value: {}", kind.shape)));
            }
            let written = StepTable { options, side, name: kind.name, value, with: &[], bare: true };
            Ok((kind, (kind.read)(&written)?))
        }
        Value::Table(table) => {
            let steps: Vec<_> = table.iter().filter_map(|(key, it)| Some((named(key.get_ref())?, key, it))).collect();
            let (kind, it) = match (&steps[..], table.first()) {
                ([(kind, _, it)], _) => (*kind, *it),
                ([], None) => return Err(error(value.span(), "this step is empty".to_owned())),
                ([], Some((key, _))) => return Err(error(key.span(), unknown(key.get_ref()))),
                ([(first, ..), (second, key, _), ..], _) => {
                    let message = format!("{:?} beside {:?}: a step does one thing", second.name, first.name);
                    return Err(error(key.span(), message));
                }
            };
            let modifier = table
                .iter()
                .find(|(key, _)| key.get_ref() != kind.name && !kind.with.contains(&key.get_ref().as_str()));
            if let Some((key, _)) = modifier {
                let word = key.get_ref();
                let known = match kind.with {
                    [] => ": it takes no other keys".to_owned(),
                    known => did_you_mean(word, known),
                };
                return Err(error(key.span(), format!("unknown key {word:?} beside {:?}{known}", kind.name)));
            }
            let written = StepTable { options, side, name: kind.name, value: it, with: table, bare: false };
            Ok((kind, (kind.read)(&written)?))
        }
        other => {
            let message =
                format!("a step is {}: it must be its name or a table, see \"loadgen apps flow\"", other.what());
            Err(error(value.span(), message))
        }
    }
}

fn named(name: &str) -> Option<&'static StepKind> {
    STEPS.iter().find(|kind| kind.name == name)
}

fn unknown(name: &str) -> String {
    let known: Vec<&str> = STEPS.iter().map(|kind| kind.name).collect();
    format!("unknown step {name:?}{}", did_you_mean(name, &known))
}

impl StepTable<'_> {
    fn error(&self, value: &Spanned<Value>, message: impl Into<String>) -> ConfigError {
        self.options.source().error(value.span(), message)
    }

    fn modifier(&self, name: &str) -> Option<&Spanned<Value>> {
        self.with.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    /// A step without a value.
    fn only(&self, action: Action) -> Result<Action, ConfigError> {
        let is_true = matches!(self.value.get_ref(), Value::Flag(true));
        match self.bare || is_true {
            true => Ok(action),
            false => Err(self.error(self.value, format!("{0:?} takes no value: write \"{0}\"", self.name))),
        }
    }

    fn time(&self, name: &str, value: &Spanned<Value>) -> Result<Duration, ConfigError> {
        read_time(name, value.get_ref()).map_err(|message| self.error(value, message))
    }

    fn timeout(&self, default: Duration) -> Result<Duration, ConfigError> {
        self.modifier("timeout").map_or(Ok(default), |value| self.time("timeout", value))
    }

    fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        let Some(value) = self.modifier(name) else { return Ok(false) };
        read_flag(name, value.get_ref()).map_err(|message| self.error(value, message))
    }

    fn text(&self) -> Result<Template, ConfigError> {
        self.text_of(self.name, self.value)
    }

    fn text_of(&self, name: &str, value: &Spanned<Value>) -> Result<Template, ConfigError> {
        let text = read_text(name, value.get_ref()).and_then(|text| match text.trim().is_empty() {
            true => Err(format!("{name} is empty")),
            false => template(name, text, self.options.texts().columns),
        });
        text.map_err(|message| self.error(value, message))
    }

    fn may_dial(&self, value: &Spanned<Value>, to: &Template) -> Result<(), ConfigError> {
        (self.options.texts().may_dial)(to).map_err(|message| self.error(value, message))
    }

    /// Digits, which may have placeholders.
    fn digits(&self) -> Result<Template, ConfigError> {
        let digits = read_words(self.name, self.value.get_ref()).and_then(|text| {
            let digits = template(self.name, &text, self.options.texts().columns)?;
            if digits.is_constant() {
                check_digits(&text)?;
            }
            digits.constants().try_for_each(check_digits)?;
            Ok(digits)
        });
        digits.map_err(|message| self.error(self.value, message))
    }
}

fn respond(step: &StepTable<'_>) -> Result<Action, ConfigError> {
    let status = read_words(step.name, step.value.get_ref());
    let status = status.and_then(|status| check_response(&status).map(Template::constant));
    status.map(Action::Respond).map_err(|message| step.error(step.value, message))
}

fn send_digits(step: &StepTable<'_>) -> Result<Action, ConfigError> {
    let duration = step.modifier("duration").map(|value| step.time("duration", value)).transpose()?;
    Ok(Action::SendDigits { digits: step.digits()?, duration })
}

fn expect_event(step: &StepTable<'_>) -> Result<Action, ConfigError> {
    let name = read_text(step.name, step.value.get_ref()).and_then(event_name);
    let mut watch = EventPattern::new(name.map_err(|message| step.error(step.value, message))?);
    match (step.modifier("subclass"), watch.name) {
        (Some(value), EventName::Custom) => {
            let subclass = read_text("subclass", value.get_ref()).map_err(|message| step.error(value, message))?;
            if subclass.is_empty() || subclass.contains(char::is_whitespace) {
                return Err(step
                    .error(value, format!("invalid subclass {subclass:?}: expected one such as \"sofia::register\"")));
            }
            watch.subclass = Some(subclass.to_owned());
        }
        (None, EventName::Custom) => {
            return Err(step.error(step.value, "a CUSTOM event needs its \"subclass\", such as \"mod_bert::in_sync\""));
        }
        (Some(value), _) => return Err(step.error(value, "only CUSTOM events have a subclass")),
        (None, _) => {}
    }
    if let Some(value) = step.modifier("leg") {
        watch.side = match value.get_ref() {
            Value::Text(leg) if leg == "caller" => Some(Side::Caller),
            Value::Text(leg) if leg == "callee" => Some(Side::Callee),
            Value::Text(leg) if leg == "any" => None,
            _ => return Err(step.error(value, "leg must be \"caller\", \"callee\" or \"any\"")),
        };
    }
    if let Some(value) = step.modifier("headers") {
        let Value::Table(headers) = value.get_ref() else {
            return Err(step.error(value, "headers must be a table: { Playback-File-Path = \"menu.wav\" }"));
        };
        for (name, value) in headers {
            watch.headers.push((name.get_ref().clone(), pattern(step, name.get_ref(), value)?));
        }
    }
    Ok(Action::ExpectEvent { watch, timeout: step.timeout(TIMEOUT)? })
}

fn pattern(step: &StepTable<'_>, name: &str, value: &Spanned<Value>) -> Result<HeaderPattern, ConfigError> {
    let words = read_words(name, value.get_ref()).map_err(|message| step.error(value, message))?;
    match words.strip_prefix('~') {
        Some(regex) => {
            let regex = Regex::new(regex).map_err(|error| step.error(value, format!("{name}: {regex:?}: {error}")))?;
            Ok(HeaderPattern::Matches(regex))
        }
        None => {
            let text = template(name, &words, step.options.texts().columns);
            Ok(HeaderPattern::Is(text.map_err(|message| step.error(value, message))?))
        }
    }
}

fn event_name(text: &str) -> Result<EventName, String> {
    match EventName::of(text.as_bytes()) {
        EventName::Unknown => {
            let known: Vec<&str> = EventName::ALL.iter().map(|name| name.as_str()).collect();
            Err(format!("unknown event {text:?}{}", did_you_mean(text, &known)))
        }
        name => Ok(name),
    }
}

fn set(step: &StepTable<'_>) -> Result<Action, ConfigError> {
    let Value::Table(variables) = step.value.get_ref() else {
        return Err(step.error(step.value, "set must be a table: { set = { name = \"value\" } }"));
    };
    let variables = variables.iter().map(|(name, value)| {
        if name.get_ref().is_empty() || name.get_ref().contains(|c: char| c.is_whitespace() || "'\\".contains(c)) {
            let message = format!("invalid variable name {:?}", name.get_ref());
            return Err(step.options.source().error(name.span(), message));
        }
        let text = read_words(name.get_ref(), value.get_ref());
        let text = text.and_then(|text| template(name.get_ref(), &text, step.options.texts().columns));
        Ok((name.get_ref().clone(), text.map_err(|message| step.error(value, message))?))
    });
    Ok(Action::SetVariables(variables.collect::<Result<_, _>>()?))
}

/// Applications that dial by what a dialplan, a script or their argument says (`mod_dptools` and others).
const DIAL_ON_THEIR_OWN: [&str; 13] = [
    "att_xfer",
    "conference",
    "deflect",
    "enqueue",
    "execute_extension",
    "fifo",
    "javascript",
    "lua",
    "python",
    "redirect",
    "socket",
    "system",
    "transfer",
];

fn execute(step: &StepTable<'_>) -> Result<Action, ConfigError> {
    let application = read_text(step.name, step.value.get_ref()).map_err(|message| step.error(step.value, message))?;
    // FreeSWITCH ends a call that executes an unknown application.
    if application.is_empty() || !application.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(
            step.error(step.value, format!("invalid application {application:?}: expected one such as \"sleep\""))
        );
    }
    let argument = match step.modifier("argument") {
        Some(value) => {
            let text = read_words("argument", value.get_ref());
            let text = text.and_then(|text| template("argument", &text, step.options.texts().columns));
            text.map_err(|message| step.error(value, message))?
        }
        None => Template::default(),
    };
    if step.options.texts().checks_dialled_addresses
        && let Some(dials) = DIAL_ON_THEIR_OWN.iter().find(|known| application.eq_ignore_ascii_case(known))
    {
        let message = format!(
            "\"{dials}\" can dial numbers that \"allow\" in [call] does not check: remove one of the two, or use {{ bridge = … }}"
        );
        return Err(step.error(step.value, message));
    }
    if is_dial(application) {
        step.may_dial(step.modifier("argument").unwrap_or(step.value), &argument)?;
    }
    let timeout = step.timeout(TIMEOUT)?;
    let timeout = (!step.flag("background")?).then_some(timeout);
    Ok(Action::Execute { application: application.to_owned(), argument, timeout })
}

fn hang_up(step: &StepTable<'_>) -> Result<Action, ConfigError> {
    let cause = match step.bare {
        true => Ok(HangupCause::NORMAL_CLEARING),
        false => read_text(step.name, step.value.get_ref()).and_then(cause),
    };
    let cause = cause.map_err(|message| step.error(step.value, message))?;
    Ok(Action::HangUp { side: step.side, cause })
}
