//! The call apps, as data: what a call does once it is answered, and what its far leg does. One file and one line of
//! the table each.

mod bert;
mod bridge;
mod callee_block;
mod callee_ringback;
mod describe;
mod dtmf_check;
mod echo;
mod flow;
mod options;
mod park;
mod play_rec;
mod proxy;
mod tone_play;

pub mod script;

use crate::config::template::Template;
use crate::config::{AppConfig, ConfigError, Source};

pub use describe::{describe, describe_one};
pub use options::{AppOption, AppOptions, TextScope};
use script::{Action, Script, Step};

/// A kind of app.
#[derive(Debug)]
pub struct AppKind {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Its options, besides the keys `kind`, `name`, `weight` and `to`.
    pub options: &'static [AppOption],
    /// The results that it counts.
    pub results: &'static [AppResult],
    /// The modules that its slaves need, besides the usual ones.
    pub modules: &'static [&'static str],
    /// Whether it can control the far leg, which has to be parked on a slave for that.
    pub far: bool,
    /// Makes the script of its calls.
    build: fn(&AppOptions<'_>) -> Result<Script, ConfigError>,
}

/// Results of an app at most: every call has a counter for each.
pub const RESULTS_MAX: usize = 4;

/// A result that an app counts.
#[derive(Clone, Copy, Debug)]
pub struct AppResult {
    /// Its name in reports and metrics.
    pub name: &'static str,
    /// Its meaning.
    pub about: &'static str,
}

/// Every app, in the order of the help.
pub const APPS: &[AppKind] = &[
    park::KIND,
    echo::KIND,
    tone_play::KIND,
    play_rec::KIND,
    play_rec::MUTED,
    bert::KIND,
    dtmf_check::KIND,
    callee_ringback::KIND,
    callee_block::KIND,
    bridge::KIND,
    proxy::KIND,
    flow::KIND,
];

/// The app that calls run when the configuration names none.
pub const DEFAULT: &AppKind = &APPS[0];

/// For apps that work with and without controlling the far leg.
const CALLEE: AppOption = AppOption {
    name: "callee",
    shape: "\"app\" or \"none\"",
    default: "app",
    about: "\"app\": this app drives the far leg, which has to be parked on a slave. \"none\": the far leg is left alone.",
};

impl AppKind {
    /// The defaults of a kind.
    const PLAIN: Self = Self {
        name: "",
        about: "",
        options: &[],
        results: &[],
        modules: &[],
        far: false,
        build: |_| Ok(Script::running(script::Application::default())),
    };

    /// The kind of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        APPS.iter().find(|kind| kind.name == name)
    }

    /// The script of its calls, with the options of `config`, or with the defaults.
    ///
    /// # Errors
    /// An unknown option, or an invalid value, with its place.
    pub fn script(
        &'static self,
        config: Option<&AppConfig>,
        texts: TextScope<'_>,
        source: &Source,
    ) -> Result<Script, ConfigError> {
        (self.build)(&AppOptions::new(self, config, texts, source)?)
    }
}

fn is_callee_ours(options: &AppOptions<'_>) -> Result<bool, ConfigError> {
    Ok(options.choice(CALLEE.name, &["app", "none"])? == "app")
}

/// Executes an application until it is ended from outside.
fn run_on(application: &str) -> Step {
    Action::Execute { application: application.to_owned(), argument: Template::default(), timeout: None }.into()
}

#[cfg(test)]
mod tests;
