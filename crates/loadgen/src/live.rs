//! What a person sees while it runs, on stderr: one line that is drawn again on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::latency::Latency;
use crate::report::seconds;
use crate::snapshot::Snapshot;

/// Elsewhere than on a terminal a line comes so often: a CI job's log is read afterwards.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows each snapshot until there are no more.
pub async fn show(mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let mut out = std::io::stderr();
    let terminal = out.is_terminal();
    let mut last: Option<Arc<Snapshot>> = None;
    let mut shown = Duration::ZERO;
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        let line = line(&snapshot, last.as_deref());
        // Nobody to show it to is no reason to stop.
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

/// How wide the terminal is: a line that is wider would be wrapped, and only its end drawn again.
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
