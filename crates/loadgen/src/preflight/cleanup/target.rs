//! What is to be cleaned up: which run, on which slaves, and how to get into them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use esl_core::Credentials;

use super::Runs;
use crate::plan::{Plan, RunId, ServerPlan, read_password};
use crate::preflight::run_file::{RUN_FILE, RunFile};
use crate::server::Server;

/// The environment's password for slaves that no configuration has.
const PASSWORD: &str = "LOADGEN_PASSWORD";

/// What the command line says beside the run folder or the configuration.
#[derive(Clone, Debug, Default)]
pub struct CleanupOptions {
    /// The run, instead of the one of the run folder.
    pub run_id: Option<RunId>,
    /// Every run.
    pub all_runs: bool,
    /// The password of slaves that no configuration has.
    pub password_file: Option<PathBuf>,
    /// Also where the run goes on.
    pub force: bool,
}

/// What is to be cleaned up.
#[derive(Debug)]
pub struct CleanupTarget {
    /// Which runs' calls.
    pub runs: Runs,
    /// The slaves, with their names.
    pub slaves: Vec<(String, Server)>,
    /// The slaves, by their numbers in the plan, whose calls are meant; all where that is not known.
    pub own: Option<Vec<usize>>,
    /// Where it is written what was raised.
    pub folder: Option<PathBuf>,
}

impl CleanupTarget {
    /// What a configuration is about: its slaves, and the run in its run folder where there is one.
    ///
    /// # Errors
    /// That run goes on, or its folder cannot be read.
    pub fn of_plan(plan: &Plan, options: &CleanupOptions) -> anyhow::Result<Self> {
        let folder = plan.out.clone().filter(|folder| folder.join(RUN_FILE).exists());
        let run = folder.as_deref().map(|folder| last_run(folder, options)).transpose()?;
        let runs = runs(options, run.as_ref())?;
        let own = run.filter(|_| options.run_id.is_none() && !options.all_runs).map(|run| run.own);
        Ok(Self { runs, slaves: slaves(plan), own, folder })
    }

    /// What a run folder is about. The passwords are the ones in a configuration, for slaves that it has, else the one in
    /// `--password-file` or in the environment.
    ///
    /// # Errors
    /// That run goes on, its folder cannot be read, or there is no password.
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
    let (run, goes_on) = RunFile::read(folder).with_context(|| format!("{} is no run folder", folder.display()))?;
    if goes_on && !options.force {
        bail!(
            "the run in {} goes on (process {}): stop it with a signal, which hangs up its calls; or say --force",
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
