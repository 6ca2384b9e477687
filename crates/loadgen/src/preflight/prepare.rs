//! Prepares the servers before a run, and restores them after it: preflight checks, raised limits, the lock of the run
//! folder.

use tracing::{error, info, warn};

use crate::exit::{CommandResult, Exit};
use crate::plan::Plan;
use crate::preflight::limits::{self, Limits, RAISED_FILE};
use crate::preflight::run_file::{RunFile, RunLock};
use crate::preflight::{self, Preflight, Severity};
use crate::server::{self, RaisedLimit, Server};

/// Servers that are prepared for a run.
#[derive(Debug)]
pub struct Prepared {
    /// The limits that were raised, if any.
    limits: Option<Limits>,
}

/// Locks the run folder for this run, and writes what `loadgen cleanup` needs into it.
///
/// # Errors
/// Another run is active in the folder, or it cannot be written.
pub fn lock(plan: &Plan) -> anyhow::Result<Option<RunLock>> {
    plan.out.as_deref().map(|folder| RunFile::of(plan).lock(folder)).transpose()
}

/// Checks every slave, and raises limits where the plan says so. The inner `Err` is the result of a run that cannot
/// start.
///
/// # Errors
/// The run folder cannot be written.
pub async fn prepare(plan: &Plan, servers: &[Server]) -> anyhow::Result<Result<Prepared, CommandResult>> {
    if let Some(folder) = plan.out.as_deref().filter(|folder| folder.join(RAISED_FILE).exists() && !plan.raise_limits) {
        let folder = folder.display();
        warn!(
            "an earlier run in {folder} was killed and the limits it raised are still in force: loadgen cleanup {folder} restores \
             them"
        );
    }
    if !plan.preflight.enabled && !plan.raise_limits {
        return Ok(Ok(Prepared { limits: None }));
    }
    let found = preflight::preflight(plan, servers).await;
    if plan.preflight.enabled {
        log(&found);
        if found.has_errors() {
            let summary = format!("{}no call was placed\n", preflight::describe(&found));
            return Ok(Err(CommandResult { summary, exit: Exit::PreflightFailed }));
        }
    }
    let limits = match (&plan.out, plan.raise_limits) {
        (Some(folder), true) => Some(Limits::raise(&found, servers, folder).await?),
        _ => None,
    };
    Ok(Ok(Prepared { limits }))
}

impl Prepared {
    /// The limits that were raised on a slave's server.
    pub fn raised_limits(&self, slave: usize) -> Vec<RaisedLimit> {
        self.limits.as_ref().map_or_else(Vec::new, |limits| limits.of_slave(slave))
    }

    /// Puts back the limits that were raised.
    pub async fn undo(self) {
        if let Some(limits) = &self.limits {
            log_failures(&limits.put_back().await);
        }
    }
}

/// Puts back the limits of a run that was stopped before it started.
pub async fn undo_halfway(plan: &Plan, servers: &[Server]) {
    if let Some(folder) = plan.out.as_deref().filter(|_| plan.raise_limits) {
        log_failures(&limits::put_back(folder, servers).await.unwrap_or_else(|error| vec![format!("{error:#}")]));
    }
}

fn log_failures(failures: &[String]) {
    for failure in failures {
        error!("{failure}: loadgen cleanup restores it");
    }
}

fn log(found: &Preflight) {
    let reached = found.slaves.iter().filter(|slave| slave.reached).count();
    info!("preflight: {reached} of {} slaves reached", found.slaves.len());
    for (finding, slaves) in found.together() {
        let remedy = finding.remedy.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        match finding.severity {
            Severity::Error => error!("{slaves}{} → {remedy}", finding.what),
            Severity::Warning => warn!("{slaves}{} → {remedy}", finding.what),
        }
    }
}

/// `loadgen check --preflight`: checks every slave, and describes the findings.
///
/// # Errors
/// A simulated slave cannot be started.
pub async fn check(plan: &Plan) -> anyhow::Result<CommandResult> {
    let servers = server::start(plan).await?;
    let found = preflight::preflight(plan, &servers.servers).await;
    servers.stop().await;
    let exit = if found.has_errors() { Exit::PreflightFailed } else { Exit::Success };
    Ok(CommandResult { summary: preflight::describe(&found), exit })
}
