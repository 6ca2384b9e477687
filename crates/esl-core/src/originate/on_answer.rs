//! What an answered call does: an application, or an extension of a dialplan.

use super::quoting::{check, names_variable, sequence, word};
use crate::error::CommandError;

/// What a call does once it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnAnswer {
    /// Runs an application.
    Application(Application),
    /// Goes to an extension.
    Extension(Extension),
}

/// An application with its arguments: `&playback(tone_stream://%(100,0,800))` cannot be written, since the first `)`
/// ends the arguments, `&playback(silence_stream://100)` can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    name: String,
    arguments: String,
    expanded: bool,
}

/// An extension of a dialplan, which is `XML` and whose context is `default` unless told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    extension: String,
    dialplan: Option<String>,
    context: Option<String>,
}

impl Application {
    /// An application without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: String::new(), expanded: false }
    }

    /// Its arguments, to be given to it as they stand here.
    #[must_use]
    pub fn arguments(mut self, arguments: impl Into<String>) -> Self {
        (self.arguments, self.expanded) = (arguments.into(), false);
        self
    }

    /// Its arguments, in which FreeSWITCH expands `${…}` and takes escapes away when the application starts
    /// (`switch_channel_expand_variables`).
    #[must_use]
    pub fn expanded_arguments(mut self, arguments: impl Into<String>) -> Self {
        (self.arguments, self.expanded) = (arguments.into(), true);
        self
    }

    fn text(&self) -> Result<String, CommandError> {
        const PLACE: &str = "an application's arguments";
        check("an application", &self.name, |c| !c.is_ascii_alphanumeric() && c != '_')?;
        let mut text = format!("&{}(", self.name);
        if !self.arguments.is_empty() {
            // There is no way to escape it: the first one ends the arguments.
            check(PLACE, &self.arguments, |c| c == ')')?;
            let arguments = if self.expanded { self.arguments.clone() } else { unexpanded(&self.arguments) };
            // FreeSWITCH does not run the application then ("App not added").
            if arguments.contains("\\'") {
                return Err(sequence(PLACE, &self.arguments, "\\'"));
            }
            // These would be variables for the application's time.
            let mut scope = self.arguments.bytes();
            if scope.next() == Some(b'%') && scope.take(2).any(|byte| byte == b'[') {
                return Err(sequence(PLACE, &self.arguments, "%["));
            }
            text.push_str(&word(PLACE, &arguments)?);
        }
        text.push(')');
        Ok(text)
    }
}

impl Extension {
    /// An extension, such as `9196`. With the dialplan `inline` it is a list of applications.
    pub fn new(extension: impl Into<String>) -> Self {
        Self { extension: extension.into(), dialplan: None, context: None }
    }

    /// The dialplan's kind: `XML`, `inline`, ….
    #[must_use]
    pub fn dialplan(mut self, dialplan: impl Into<String>) -> Self {
        self.dialplan = Some(dialplan.into());
        self
    }

    /// The dialplan's context.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    fn text(&self) -> Result<String, CommandError> {
        if self.extension.starts_with('&') {
            let text = self.extension.clone();
            return Err(CommandError::Originate { place: "an extension", text, unfit: '&' });
        }
        let mut text = defined("an extension", &self.extension)?;
        if self.dialplan.is_some() || self.context.is_some() {
            text.push(' ');
            text.push_str(&defined("a dialplan", self.dialplan.as_deref().unwrap_or("XML"))?);
        }
        if let Some(context) = &self.context {
            text.push(' ');
            text.push_str(&defined("a dialplan's context", context)?);
        }
        Ok(text)
    }
}

impl OnAnswer {
    /// As it stands in an originate, after the address.
    pub(super) fn text(&self) -> Result<String, CommandError> {
        match self {
            Self::Application(application) => application.text(),
            Self::Extension(extension) => extension.text(),
        }
    }
}

/// A word that FreeSWITCH does not take for a missing one. An extension that is missing so ends the whole server.
fn defined(place: &'static str, text: &str) -> Result<String, CommandError> {
    if text.eq_ignore_ascii_case("undef") {
        return Err(sequence(place, text, "undef"));
    }
    word(place, text)
}

/// Arguments that are the same after `switch_channel_expand_variables`, which leaves a text alone unless it has a
/// variable or an escape in it.
fn unexpanded(text: &str) -> String {
    let escape = |pair: &[u8]| pair[0] == b'\\' && b"\\nst'".contains(&pair[1]);
    if !names_variable(text) && !text.as_bytes().windows(2).any(escape) {
        return text.to_owned();
    }
    text.replace('\\', "\\\\").replace('$', "\\$")
}

impl From<Application> for OnAnswer {
    fn from(application: Application) -> Self {
        Self::Application(application)
    }
}

impl From<Extension> for OnAnswer {
    fn from(extension: Extension) -> Self {
        Self::Extension(extension)
    }
}

impl From<&str> for OnAnswer {
    fn from(application: &str) -> Self {
        Application::new(application).into()
    }
}

impl From<String> for OnAnswer {
    fn from(application: String) -> Self {
        Application::new(application).into()
    }
}

impl From<&String> for OnAnswer {
    fn from(application: &String) -> Self {
        Application::new(application).into()
    }
}
