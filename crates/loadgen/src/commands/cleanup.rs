//! `loadgen cleanup`

use std::path::{Path, PathBuf};

use clap::Args;

use super::plan_file;
use crate::config::{self, ConfigError};
use crate::exit::CommandResult;
use crate::plan::{Plan, RunId};
use crate::preflight::cleanup::{CleanupOptions, CleanupTarget, cleanup};

/// Hang up the calls that a killed run left on its slaves, and put back the limits that it raised.
///
/// Exits with 0 where nothing is left, 1 where something is, 3 where a slave could not be reached.
#[derive(Debug, Args)]
pub(super) struct CleanupArgs {
    /// A run folder, or a configuration. A configuration stands for the run in its run folder; without one, for the run
    /// of --run-id; without that, the runs that have calls are listed.
    path: PathBuf,
    /// The run whose calls are hung up, instead of the run folder's.
    #[arg(long, value_name = "ID")]
    run_id: Option<RunId>,
    /// Hang up the calls of every run, other people's too.
    #[arg(long, conflicts_with = "run_id")]
    all_runs: bool,
    /// With a run folder: the configuration that has the slaves' passwords.
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// A file whose first line is the password of slaves that no configuration has, instead of LOADGEN_PASSWORD.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Clean up even while the run is active.
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(args: CleanupArgs) -> anyhow::Result<CommandResult> {
    let CleanupArgs { path, run_id, all_runs, config, password_file, force } = args;
    let options = CleanupOptions { run_id, all_runs, password_file, force };
    let plan_of = |path: &Path| -> Result<Plan, ConfigError> { plan_file::plan(config::text(path)?) };
    let target = if path.is_dir() {
        let config = config.as_deref().map(plan_of).transpose()?;
        CleanupTarget::of_folder(&path, config.as_ref(), &options, plan_file::environment)
    } else {
        CleanupTarget::of_plan(&plan_of(&path)?, &options)
    };
    let target = target.map_err(|error| ConfigError::whole(format!("{error:#}")))?;
    cleanup(target).await
}
