//! `loadgen apps`

use clap::Args;

use crate::apps;
use crate::config::ConfigError;
use crate::exit::CommandResult;

/// List the call apps with their options, defaults and results, or describe one of them.
#[derive(Debug, Args)]
pub(super) struct AppsArgs {
    /// The app to describe.
    name: Option<String>,
}

pub(super) async fn run(args: AppsArgs) -> anyhow::Result<CommandResult> {
    let text = match args.name {
        None => apps::describe(),
        Some(name) => apps::describe_one(&name).map_err(ConfigError::whole)?,
    };
    Ok(CommandResult::success(text))
}
