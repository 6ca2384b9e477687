//! The progress of a run on stderr: one line that is redrawn on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::{Created, FinishedRun, Output, OutputOptions, Update};
use crate::measure::{Latency, Snapshot, seconds};

/// How often a line is written where stderr is not a terminal, such as the log of a CI job.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Snapshots that wait to be shown. Where stderr takes no more, further ones are left out.
const WAITING_MAX: usize = 2;

/// How long the end of a run waits for the last line to be written.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Hands snapshots to a thread that writes them, since a terminal can block.
struct Progress {
    snapshots: Option<SyncSender<Arc<Snapshot>>>,
    /// Closed when the thread has written its last line.
    written: Receiver<()>,
}

/// The progress, which every run shows.
pub(super) fn create(_: &OutputOptions) -> Created {
    let (snapshots, receiver) = sync_channel(WAITING_MAX);
    let (done, written) = sync_channel(1);
    std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
        show(&receiver);
        drop(done);
    })?;
    Ok(Some(Box::new(Progress { snapshots: Some(snapshots), written })))
}

impl Output for Progress {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        if let Some(snapshots) = &self.snapshots {
            let _ = snapshots.try_send(update.snapshot.clone());
        }
        Ok(())
    }

    fn finish(&mut self, _run: &FinishedRun, _stdout: &mut String) -> io::Result<()> {
        self.snapshots = None;
        let _: Result<(), RecvTimeoutError> = self.written.recv_timeout(WRITE_MAX);
        Ok(())
    }
}

/// Shows each snapshot until the channel closes. Errors of stderr are ignored: the run goes on without its progress.
fn show(snapshots: &Receiver<Arc<Snapshot>>) {
    let mut out = io::stderr();
    let terminal = out.is_terminal();
    let mut last: Option<Arc<Snapshot>> = None;
    let mut shown = Duration::ZERO;
    for snapshot in snapshots {
        let line = line(&snapshot, last.as_deref());
        if terminal {
            let fits: String = line.chars().take(columns().saturating_sub(1)).collect();
            let _ = write!(out, "\r\x1b[2K{fits}");
            let _ = out.flush();
        } else if snapshot.elapsed >= shown + PLAIN_EVERY {
            shown = snapshot.elapsed;
            let _ = writeln!(out, "{line}");
        }
        last = Some(snapshot);
    }
    if terminal && last.is_some() {
        let _ = writeln!(out);
    }
}

/// The width of the terminal. A wider line would be wrapped, and only its end redrawn.
fn columns() -> usize {
    #[cfg(target_os = "linux")]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stderr())
        && size.ws_col > 0
    {
        return size.ws_col.into();
    }
    80
}

fn line(now: &Snapshot, before: Option<&Snapshot>) -> String {
    let counts = now.counts();
    let (attempted, elapsed) = before.map_or((0, Duration::ZERO), |before| (before.counts().attempted, before.elapsed));
    let rate = (counts.attempted - attempted) as f64 / now.elapsed.saturating_sub(elapsed).as_secs_f64().max(0.001);
    let quantile = |latency, quantile| {
        let value = now.total.latencies.get(latency).quantile(quantile);
        value.map_or("-".to_owned(), seconds)
    };
    let up = now.slaves.iter().filter(|slave| slave.status.up).count();
    let failed = counts.ended() - counts.completed;
    let seconds = now.elapsed.as_secs();
    let mut line = format!(
        "{:02}:{:02}  {rate:.1}/{} calls/s  {} up  {} done  {failed} failed  setup {} p99 {}  lag p99 {}",
        seconds / 60,
        seconds % 60,
        now.rate_target,
        counts.active,
        counts.completed,
        quantile(Latency::Setup, 0.5),
        quantile(Latency::Setup, 0.99),
        quantile(Latency::ScheduleLag, 0.99),
    );
    if counts.skipped() > 0 {
        line += &format!("  {} skipped", counts.skipped());
    }
    if up < now.slaves.len() {
        line += &format!("  {up} of {} slaves", now.slaves.len());
    }
    line
}
