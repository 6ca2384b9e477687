//! `run.json`: what a run writes into its folder as it starts, so that `loadgen cleanup` finds its calls after a crash.
//! The run holds a lock on the file while it is active; the lock ends with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, RunId, ServerPlan};

/// Its name in the run folder.
pub const RUN_FILE: &str = "run.json";

/// The run and the slaves of its calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The run's id, see [`RunId`].
    pub id: String,
    /// The run's name.
    pub name: String,
    /// The version of loadgen.
    pub version: String,
    /// The process of the run.
    pub pid: u32,
    /// The slaves that its calls are placed on, except simulated ones, which end with the process, and those of other
    /// shards.
    pub slaves: Vec<SlaveAt>,
    /// The indices of this shard's slaves in the plan, including simulated ones: far legs of other shards' calls may be
    /// on its servers, and are not its own.
    pub own: Vec<usize>,
}

/// The name and address of a slave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlaveAt {
    /// Its name in the results.
    pub name: String,
    /// `host:port`
    pub address: String,
}

/// The lock of an active run, which holds it while this value exists.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunFile {
    /// The contents for a plan.
    pub fn of(plan: &Plan) -> Self {
        let own: Vec<usize> = (0..plan.slaves.len()).filter(|slave| plan.shard.owns(*slave)).collect();
        let real = own.iter().map(|slave| &plan.slaves[*slave]).filter_map(|slave| match &slave.server {
            ServerPlan::Real { address, .. } => Some(SlaveAt { name: slave.name.clone(), address: address.clone() }),
            ServerPlan::Simulated(_) => None,
        });
        Self {
            id: plan.run_id.to_string(),
            name: plan.names.run.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            slaves: real.collect(),
            own,
        }
    }

    /// The run's id.
    ///
    /// # Errors
    /// The file was changed.
    pub fn run_id(&self) -> anyhow::Result<RunId> {
        self.id.parse().map_err(anyhow::Error::msg).with_context(|| format!("{RUN_FILE}: id = {:?}", self.id))
    }

    /// Writes the file, and locks it for as long as the returned value exists.
    ///
    /// # Errors
    /// The file cannot be written, or another run is active in the folder.
    pub fn lock(&self, folder: &Path) -> anyhow::Result<RunLock> {
        let path = folder.join(RUN_FILE);
        let at = || format!("cannot write {}", path.display());
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).with_context(at)?;
        if is_held(&file) {
            bail!("another run is active in {}: choose another folder with --out", folder.display());
        }
        file.set_len(0).with_context(at)?;
        file.rewind().with_context(at)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes()).with_context(at)?;
        // For `loadgen cleanup` after a crash of this machine.
        file.sync_all().with_context(at)?;
        Ok(RunLock { _file: file })
    }

    /// Reads the file of a run folder, and whether its run is active.
    ///
    /// # Errors
    /// The file does not exist, or cannot be read.
    pub fn read(folder: &Path) -> anyhow::Result<(Self, bool)> {
        let path = folder.join(RUN_FILE);
        let mut text = String::new();
        let mut file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        file.read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
        let read = serde_json::from_str(&text).with_context(|| format!("{} is not a run's file", path.display()))?;
        Ok((read, is_held(&file)))
    }
}

/// Whether another process holds the lock. Locks it otherwise. A file system without locks holds none.
fn is_held(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_file() -> RunFile {
        let slaves = vec![SlaveAt { name: "a".into(), address: "h:1".into() }];
        RunFile { id: "0123456789ab".into(), name: "x".into(), version: "1".into(), pid: 1, slaves, own: vec![0] }
    }

    #[test]
    fn a_run_holds_its_folder_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunFile::read(folder.path()).is_err());
        let held = run_file().lock(folder.path()).unwrap();
        assert_eq!(RunFile::read(folder.path()).unwrap(), (run_file(), true));
        let error = run_file().lock(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another run is active in"), "{error}");
        drop(held);
        assert_eq!(RunFile::read(folder.path()).unwrap(), (run_file(), false));
        // A shorter file leaves nothing of the one before.
        let shorter = RunFile { slaves: Vec::new(), ..run_file() };
        shorter.lock(folder.path()).unwrap();
        assert_eq!(RunFile::read(folder.path()).unwrap().0, shorter);
    }

    #[test]
    fn what_is_no_run_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(RUN_FILE), "{}").unwrap();
        assert!(RunFile::read(folder.path()).unwrap_err().to_string().contains("is not a run's file"));
        assert!(RunFile { id: "".into(), ..run_file() }.run_id().is_err());
    }
}
