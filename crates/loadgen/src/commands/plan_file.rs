//! Reads a configuration into a plan, for the subcommands that take one.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, ConfigError};
use crate::plan::{Plan, RunId};

/// The configuration that runs when none is given.
const QUICKSTART: &str = include_str!("../../../../configs/quickstart.toml");

/// The text of a configuration, with the name that messages give it.
pub(super) fn text(path: Option<&Path>) -> Result<(String, String), ConfigError> {
    match path {
        Some(path) => config::text(path),
        None => Ok(("quickstart".to_owned(), QUICKSTART.to_owned())),
    }
}

/// The plan of a configuration.
pub(super) fn plan((name, text): (String, String)) -> Result<Plan, ConfigError> {
    let (config, source) = config::parse(name, text, environment)?;
    Plan::new(config, &source, RunId::random())
}

/// The plan of a configuration, checked for what a run needs besides: a run folder where limits are to be raised.
pub(super) fn plan_of_run(
    (name, text): (String, String),
    run_id: Option<RunId>,
    out: Option<PathBuf>,
) -> Result<Plan, ConfigError> {
    let (mut config, source) = config::parse::<Config>(name, text, environment)?;
    config.run.out = out.or(config.run.out);
    if let (Some(raise), None) = (&config.run.raise_limits, &config.run.out)
        && *raise.get_ref()
    {
        let message = "raise_limits = true needs a run folder, from which \"loadgen cleanup\" restores the limits if the run is \
             killed: set \"out\" in [run], or give --out";
        return Err(source.error(raise.span(), message));
    }
    Plan::new(config, &source, run_id.unwrap_or_else(RunId::random))
}

/// A variable of this process's environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
