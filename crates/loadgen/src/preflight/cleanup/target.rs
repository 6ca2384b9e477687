//! What to clean up: the run, the slaves, and the logins.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use esl_core::Credentials;

use super::Runs;
use crate::plan::{Plan, RunId, ServerPlan, read_password};
use crate::preflight::run_file::{RUN_FILE, RunFile};
use crate::server::Server;

/// The environment variable with the password of slaves that no configuration has.
const PASSWORD: &str = "LOADGEN_PASSWORD";

/// The flags of the command line.
#[derive(Clone, Debug, Default)]
pub struct CleanupOptions {
    /// The run, instead of the run folder's.
    pub run_id: Option<RunId>,
    /// Whether to clean up every run.
    pub all_runs: bool,
    /// A file with the password of slaves that no configuration has.
    pub password_file: Option<PathBuf>,
    /// Whether to clean up even while the run is active.
    pub force: bool,
}

/// What to clean up.
#[derive(Debug)]
pub struct CleanupTarget {
    /// The runs.
    pub runs: Runs,
    /// The slaves, each with its name.
    pub slaves: Vec<(String, Server)>,
    /// The slaves whose calls are hung up, by their index in the plan; all where it is `None`.
    pub own: Option<Vec<usize>>,
    /// The run folder, with the limits that were raised.
    pub folder: Option<PathBuf>,
}

impl CleanupTarget {
    /// The slaves of a configuration, and the run in its run folder, if there is one.
    ///
    /// # Errors
    /// The run is active, or its folder cannot be read.
    pub fn of_plan(plan: &Plan, options: &CleanupOptions) -> anyhow::Result<Self> {
        let folder = plan.out.clone().filter(|folder| folder.join(RUN_FILE).exists());
        let run = folder.as_deref().map(|folder| last_run(folder, options)).transpose()?;
        let runs = runs(options, run.as_ref())?;
        let own = run.filter(|_| options.run_id.is_none() && !options.all_runs).map(|run| run.own);
        Ok(Self { runs, slaves: slaves(plan), own, folder })
    }

    /// The slaves and the run of a run folder. The passwords are those of a configuration, for the slaves that it has,
    /// otherwise of `--password-file` or the environment.
    ///
    /// # Errors
    /// The run is active, its folder cannot be read, or there is no password.
    pub fn of_folder(
        folder: &Path,
        plan: Option<&Plan>,
        options: &CleanupOptions,
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let run = last_run(folder, options)?;
        let known = plan.map(slaves).unwrap_or_default();
        let given = match &options.password_file {
            Some(path) => Some(read_password(path).map_err(anyhow::Error::msg)?),
            None => environment(PASSWORD).filter(|password| !password.is_empty()).map(Into::into),
        };
        let slaves = run.slaves.iter().map(|slave| {
            let known = known.iter().find(|(_, server)| server.address == slave.address);
            let credentials = match (known, &given) {
                (Some((_, server)), _) => server.credentials.clone(),
                (None, Some(password)) => Credentials::password(password.clone()),
                (None, None) => bail!(
                    "the password of {} is not in a run folder: give --config, --password-file, or {PASSWORD}",
                    slave.address
                ),
            };
            Ok((slave.name.clone(), Server { address: slave.address.clone(), credentials }))
        });
        let slaves = slaves.collect::<anyhow::Result<_>>()?;
        let runs = runs(options, Some(&run))?;
        let own = (options.run_id.is_none() && !options.all_runs).then_some(run.own);
        Ok(Self { runs, slaves, own, folder: Some(folder.to_owned()) })
    }
}

fn last_run(folder: &Path, options: &CleanupOptions) -> anyhow::Result<RunFile> {
    let (run, goes_on) = RunFile::read(folder).with_context(|| format!("{} is not a run folder", folder.display()))?;
    if goes_on && !options.force {
        bail!(
            "the run in {} is active (process {}): stop it with a signal, which hangs up its calls, or use --force",
            folder.display(),
            run.pid
        );
    }
    Ok(run)
}

fn runs(options: &CleanupOptions, run: Option<&RunFile>) -> anyhow::Result<Runs> {
    Ok(match (options.run_id, options.all_runs, run) {
        (Some(run), _, _) => Runs::One(run),
        (None, true, _) => Runs::All,
        (None, false, Some(run)) => Runs::One(run.run_id()?),
        (None, false, None) => Runs::List,
    })
}

fn slaves(plan: &Plan) -> Vec<(String, Server)> {
    let real = plan.slaves.iter().filter_map(|slave| match &slave.server {
        ServerPlan::Real { address, credentials } => {
            Some((slave.name.clone(), Server { address: address.clone(), credentials: credentials.clone() }))
        }
        ServerPlan::Simulated(_) => None,
    });
    real.collect()
}
