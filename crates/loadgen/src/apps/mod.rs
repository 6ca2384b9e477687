//! The call apps: what a call does once it is answered, and its far leg when it comes in. One file and one line of the
//! table for each.

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
    /// What can be said of it, beside `kind`, `name`, `weight` and `to`.
    pub options: &'static [AppOption],
    /// What it counts.
    pub results: &'static [AppResult],
    /// The modules that its slaves need, beside those that every one has.
    pub modules: &'static [&'static str],
    /// Whether it can tell the far leg what to do, which has to be parked on a slave for that.
    pub far: bool,
    /// Works out what its calls do.
    build: fn(&AppOptions<'_>) -> Result<Script, ConfigError>,
}

/// Results of an app at most: every call has a counter for each.
pub const RESULTS_MAX: usize = 4;

/// Something that an app counts.
#[derive(Clone, Copy, Debug)]
pub struct AppResult {
    /// Its name in reports and metrics.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
}

/// Every app, in the order in which they are shown.
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

/// Whether the far leg is an app's to control, for those that can do without.
const CALLEE: AppOption = AppOption {
    name: "callee",
    shape: "\"app\" or \"none\"",
    default: "app",
    about: "Whose the far leg is: this app's, so that it has to be parked on a slave, or nobody's here.",
};

impl AppKind {
    /// The least that an app can be.
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

    /// What its calls do, with the options of `config`, or without any.
    ///
    /// # Errors
    /// An option that it does not have, or that cannot be as it is, with its place.
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

/// Runs an application until something else ends it.
fn run_on(application: &str) -> Step {
    Action::Execute { application: application.to_owned(), argument: Template::default(), timeout: None }.into()
}

#[cfg(test)]
mod tests;
