//! `loadgen cleanup`: hangs up what a killed run left on its slaves, and puts back the limits that it raised.
//!
//! A call belongs to a run by its UUID or by its variable, and to nothing else: other calls are not touched. The run is
//! the one of the run folder or of `--run-id`. Without either, the runs that have calls are listed and nothing is hung
//! up, since one of them may be active.

mod hang_up;
mod target;

use std::fmt::Write;

use tokio::task::JoinSet;

pub use target::{CleanupOptions, CleanupTarget};

use super::limits;
use crate::exit::{CommandResult, Exit};
use crate::plan::RunId;
use hang_up::HangupSummary;

/// The runs whose calls are hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// One run.
    One(RunId),
    /// Every run.
    All,
    /// None: runs are only listed.
    List,
}

/// Cleans up on all slaves at once.
///
/// # Errors
/// The limits that were raised cannot be read from the run folder, or not be written there.
pub async fn cleanup(target: CleanupTarget) -> anyhow::Result<CommandResult> {
    let mut cleaning = JoinSet::new();
    for (number, (_, server)) in target.slaves.iter().enumerate() {
        let (server, runs, own) = (server.clone(), target.runs, target.own.clone());
        cleaning.spawn(async move { (number, hang_up::clean(&server, runs, own.as_deref()).await) });
    }
    let mut cleaned: Vec<_> = target.slaves.iter().map(|_| None).collect();
    while let Some(done) = cleaning.join_next().await {
        let (number, result) = done?;
        cleaned[number] = Some(result);
    }
    let mut report = CleanupSummary { summary: String::new(), unknown: false, left: false };
    if target.slaves.is_empty() {
        report.line("no real slaves: simulated ones have ended with their run");
    }
    for ((name, server), cleaned) in target.slaves.iter().zip(cleaned.into_iter().flatten()) {
        let place = if *name == server.address { name.clone() } else { format!("{name} ({})", server.address) };
        report.slave(&place, target.runs, cleaned);
    }
    if let Some(folder) = &target.folder {
        let servers: Vec<_> = target.slaves.iter().map(|(_, server)| server.clone()).collect();
        for failure in limits::put_back(folder, &servers).await? {
            report.left = true;
            report.line(&failure);
        }
    }
    let exit = match () {
        () if report.unknown => Exit::PreflightFailed,
        () if report.left => Exit::InternalError,
        () => Exit::Success,
    };
    Ok(CommandResult { summary: report.summary, exit })
}

struct CleanupSummary {
    summary: String,
    unknown: bool,
    left: bool,
}

impl CleanupSummary {
    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.summary, "{line}");
    }

    fn slave(&mut self, place: &str, runs: Runs, cleaned: anyhow::Result<HangupSummary>) {
        let cleaned = match cleaned {
            Ok(cleaned) => cleaned,
            Err(error) => {
                self.unknown = true;
                return self.line(&format!("{place}: not cleaned up: {error:#}"));
            }
        };
        if cleaned.runs.is_empty() {
            let whose = if let Runs::One(run) = runs { format!("run {run}") } else { "any run".to_owned() };
            return self.line(&format!("{place}: no channel of {whose}"));
        }
        for run in &cleaned.runs {
            let there = format!("{place}: {} of run {}", channels(run.found), run.id);
            match (runs, run.left) {
                (Runs::List, _) => {
                    self.left = true;
                    self.line(&format!(
                        "{there}, not hung up, since that run may be active: give --run-id {}, or --all-runs",
                        run.id
                    ));
                }
                (_, 0) => self.line(&format!("{there}, none left after {:.1} s", run.took.as_secs_f64())),
                (_, left) => {
                    self.left = true;
                    self.line(&format!("{there}, {left} left after {:.1} s", run.took.as_secs_f64()));
                }
            }
        }
    }
}

fn channels(count: usize) -> String {
    if count == 1 { "1 channel".to_owned() } else { format!("{count} channels") }
}
