//! The outputs of a run: what is shown while it lasts, and what it leaves behind.
//!
//! Each output is one file of this folder, one implementation of `Output`, and one line of `OUTPUTS`. All of them
//! read the same snapshots, so that their figures agree. Nothing reads an output.

mod calls_csv;
mod http;
mod latency_hlog;
mod metrics;
mod progress;
mod report_json;
mod run_facts;
mod summary;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tracing::error;

use crate::measure::{CallRecord, FinalResults, Interval, Snapshot};
use crate::plan::Names;
use crate::verdict::threshold::Threshold;
use crate::verdict::{Incidents, Judgement, judge};

pub use run_facts::{PhaseFacts, RunFacts, SlaveFacts};

/// One output of a run. An output that fails is dropped, and the run counts as incomplete.
trait Output: Send {
    /// The run starts.
    fn start(&mut self, _start: &RunStart) -> io::Result<()> {
        Ok(())
    }

    /// The figures of another second.
    fn update(&mut self, _update: &Update<'_>) -> io::Result<()> {
        Ok(())
    }

    /// The run has ended. Text for a person is appended to `stdout`.
    fn finish(&mut self, _run: &FinishedRun, _stdout: &mut String) -> io::Result<()> {
        Ok(())
    }
}

/// An output that was made, or `None` where the options leave it out.
type Created = anyhow::Result<Option<Box<dyn Output>>>;

/// A kind of output.
struct OutputKind {
    /// The name: the file's where it writes one.
    name: &'static str,
    /// Whether it writes a file of this name into the run folder.
    is_file: bool,
    /// Makes the output.
    create: fn(&OutputOptions) -> Created,
}

/// Every output, in the order in which they are updated and finished: the summary tells what has become of the others.
const OUTPUTS: &[OutputKind] = &[
    OutputKind { name: "progress", is_file: false, create: progress::create },
    OutputKind { name: "metrics", is_file: false, create: http::create },
    OutputKind { name: "latency.hlog", is_file: true, create: latency_hlog::create },
    OutputKind { name: "calls.csv", is_file: true, create: calls_csv::create },
    OutputKind { name: "report.json", is_file: true, create: report_json::create },
    OutputKind { name: "summary", is_file: false, create: summary::create },
];

/// What the outputs of a run are made with.
#[derive(Clone, Debug)]
pub struct OutputOptions {
    /// The run folder.
    pub folder: Option<PathBuf>,
    /// The address that `/metrics` is served on.
    pub http: Option<SocketAddr>,
    /// The names of the run and of what its figures are broken down by.
    pub names: Arc<Names>,
    /// The thresholds of the run.
    pub thresholds: Arc<[Threshold]>,
    /// The figures before the first call.
    pub first: Arc<Snapshot>,
}

impl OutputOptions {
    /// The path of a file in the run folder.
    fn file(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name))
    }
}

/// The start of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunStart {
    /// When the first call is due.
    pub at: Instant,
    /// The same by the wall clock.
    pub wall_clock: SystemTime,
}

/// The figures of a run at some moment, and those of the time since the update before.
#[derive(Debug)]
pub struct Update<'a> {
    /// The start of the interval, from the start of the run.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// The run up to now.
    pub snapshot: &'a Arc<Snapshot>,
    /// The latencies of the interval.
    pub interval: &'a Interval,
    /// The calls that ended in it.
    pub records: &'a [CallRecord],
}

/// A run that has ended.
#[derive(Debug)]
pub struct FinishedRun {
    /// The names of the run and of what its figures are broken down by.
    pub names: Arc<Names>,
    /// The run itself: its times, its rates, its slaves.
    pub facts: RunFacts,
    /// The figures.
    pub results: FinalResults,
    /// The thresholds, in the plan's order.
    pub thresholds: Arc<[Threshold]>,
    /// Everything that speaks against the run besides its figures.
    pub incidents: Incidents,
    /// The verdict.
    pub judgement: Judgement,
}

impl FinishedRun {
    /// Judges a run that has ended.
    pub fn new(
        names: Arc<Names>,
        facts: RunFacts,
        results: FinalResults,
        thresholds: Arc<[Threshold]>,
        incidents: Incidents,
    ) -> Self {
        let judgement = judge(&thresholds, facts.has_end, &results.last, &incidents);
        Self { names, facts, results, thresholds, incidents, judgement }
    }

    /// Counts an output that could not be written, and judges the run again.
    fn add_incomplete(&mut self, failure: String) {
        self.incidents.incomplete.push(failure);
        self.judgement = judge(&self.thresholds, self.facts.has_end, &self.results.last, &self.incidents);
    }
}

/// The outputs of one run.
pub struct Outputs {
    outputs: Vec<(&'static str, Box<dyn Output>)>,
    failures: Vec<String>,
}

impl Outputs {
    /// Makes the outputs: removes the files of an earlier run from the run folder, and binds ports.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub fn create(options: &OutputOptions) -> anyhow::Result<Self> {
        if let Some(folder) = &options.folder {
            remove_former_files(folder);
        }
        let mut outputs = Vec::new();
        for kind in OUTPUTS {
            if let Some(output) = (kind.create)(options)? {
                outputs.push((kind.name, output));
            }
        }
        Ok(Self { outputs, failures: Vec::new() })
    }

    /// The run starts.
    pub fn start(&mut self, start: &RunStart) {
        self.each(|output| output.start(start));
    }

    /// Hands the figures of another second to every output.
    pub fn update(&mut self, update: &Update<'_>) {
        self.each(|output| output.update(update));
    }

    /// The outputs that failed so far, each with its error.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Finishes every output. Returns the text for stdout.
    pub fn finish(mut self, run: &mut FinishedRun) -> String {
        let mut stdout = String::new();
        for (name, output) in &mut self.outputs {
            if let Err(error) = output.finish(run, &mut stdout) {
                run.add_incomplete(format!("{name}: {error}"));
            }
        }
        stdout
    }

    fn each(&mut self, mut step: impl FnMut(&mut dyn Output) -> io::Result<()>) {
        let failures = &mut self.failures;
        self.outputs.retain_mut(|(name, output)| match step(output.as_mut()) {
            Ok(()) => true,
            Err(error) => {
                error!(%error, "{name} can no longer be written");
                failures.push(format!("{name}: {error}"));
                false
            }
        });
    }
}

/// Removes the files of an earlier run. A file that cannot be removed is reported when this run cannot write it.
fn remove_former_files(folder: &Path) {
    for kind in OUTPUTS.iter().filter(|kind| kind.is_file) {
        let _ = std::fs::remove_file(folder.join(kind.name));
    }
}
