//! `loadgen run`

use std::path::PathBuf;

use clap::Args;

use super::plan_file;
use crate::config::ConfigError;
use crate::engine::dispatcher;
use crate::exit::CommandResult;
use crate::plan::{Plan, RunId};
use crate::run;
use crate::schedule::Shard;

/// Run a test from start to end, or until it is stopped.
///
/// The first SIGINT or SIGTERM stops placing calls and lets the calls that are up end; the second one hangs up this
/// run's calls, and no others. The report is written either way.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The configuration; without one, a test on simulated servers.
    config: Option<PathBuf>,
    /// The run folder, instead of the configuration's.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The run's id, 12 hexadecimal digits: the first digits of its calls' UUIDs. Random by default.
    #[arg(long, value_name = "ID")]
    run_id: Option<RunId>,
    /// This process's part of the run, such as 2/5: the calls of every fifth slave, from the second on. All parts have
    /// the same --run-id. job/5 takes the index from an indexed Kubernetes Job.
    #[arg(long, value_name = "N/COUNT", env = "LOADGEN_SHARD", value_parser = shard)]
    shard: Option<Shard>,
    /// Skip the preflight checks of the slaves.
    #[arg(long)]
    no_preflight: bool,
}

fn shard(text: &str) -> Result<Shard, String> {
    Shard::parse(text, plan_file::environment)
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<CommandResult> {
    let text = plan_file::text(args.config.as_deref())?;
    let mut plan = plan_file::plan_of_run(text, args.run_id, args.out)?;
    plan.preflight.enabled &= !args.no_preflight;
    place_calls(apply_shard(plan, args.shard, args.run_id)?).await
}

/// Runs a plan without an operator.
pub(super) async fn place_calls(plan: Plan) -> anyhow::Result<CommandResult> {
    let (_operator, controls) = dispatcher::controls();
    run::run(plan, controls).await
}

/// This process's part of a run.
fn apply_shard(plan: Plan, shard: Option<Shard>, run_id: Option<RunId>) -> Result<Plan, ConfigError> {
    let Some(shard) = shard.filter(|shard| shard.count > 1) else {
        return Ok(plan);
    };
    let flag = format!("--shard {shard}");
    if run_id.is_none() {
        let message = "needs a --run-id, the same for all shards: they find each other's legs by it";
        return Err(ConfigError::new(flag, message));
    }
    plan.for_shard(shard).map_err(|message| ConfigError::new(flag, message))
}
