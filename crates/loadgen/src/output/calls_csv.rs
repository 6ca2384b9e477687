//! `calls.csv`: a row for each call that ended, with both of its legs (RFC 4180; times in seconds from the start of the run).

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::Instant;

use super::{Created, Output, OutputOptions, RunStart, Update};
use crate::measure::{CallRecord, Outcome, RtpStats};
use crate::plan::Names;

/// The columns.
const COLUMNS: [&str; 30] = [
    "uuid",
    "slave",
    "app",
    "phase",
    "target",
    "outcome",
    "reason",
    "sip_status",
    "due_seconds",
    "sent_seconds",
    "created_seconds",
    "progressed_seconds",
    "answered_seconds",
    "hung_up_seconds",
    "ended_seconds",
    "packets",
    "mos",
    "jitter_seconds",
    "loss_ratio",
    "far_uuid",
    "far_slave",
    "far_created_seconds",
    "far_answered_seconds",
    "far_hung_up_seconds",
    "far_cause",
    "far_packets",
    "far_mos",
    "far_jitter_seconds",
    "failure",
    "files",
];

/// Writes the record of every call.
struct CallLog {
    path: PathBuf,
    names: Arc<Names>,
    /// The file, and when the first call was due; `None` before the run.
    file: Option<(csv::Writer<File>, Instant)>,
}

/// The log, where there is a run folder.
pub(super) fn create(options: &OutputOptions) -> Created {
    let log = |path| Box::new(CallLog { path, names: options.names.clone(), file: None }) as Box<dyn Output>;
    Ok(options.file("calls.csv").map(log))
}

impl Output for CallLog {
    fn start(&mut self, start: &RunStart) -> io::Result<()> {
        let mut file = csv::Writer::from_path(&self.path)?;
        file.write_record(COLUMNS)?;
        file.flush()?;
        self.file = Some((file, start.at));
        Ok(())
    }

    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        let Some((file, start)) = &mut self.file else { return Ok(()) };
        for call in update.records {
            write(file, call, &self.names, *start)?;
        }
        file.flush()
    }
}

/// Writes the row of one call.
fn write(file: &mut csv::Writer<File>, call: &CallRecord, names: &Names, start: Instant) -> io::Result<()> {
    let seconds = |at: Instant| {
        let micros = match at.checked_duration_since(start) {
            Some(after) => after.as_micros() as i128,
            None => -(start.saturating_duration_since(at).as_micros() as i128),
        };
        let sign = if micros < 0 { "-" } else { "" };
        let micros = micros.unsigned_abs();
        format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    };
    let maybe = |at: Option<Instant>| at.map_or_else(String::new, seconds);
    let labels = call.labels;
    file.write_field(call.uuid.to_string())?;
    file.write_field(&names.slaves[call.slave])?;
    file.write_field(&names.apps[usize::from(labels.app)].name)?;
    file.write_field(&names.phases[usize::from(labels.phase)])?;
    file.write_field(&names.targets[usize::from(labels.target)])?;
    file.write_field(call.outcome.as_str())?;
    file.write_field(match call.outcome {
        Outcome::Refused(reason) => reason.as_str(),
        _ => call.cause.map_or("", |cause| cause.as_str()),
    })?;
    file.write_field(call.sip.map_or_else(String::new, |status| status.to_string()))?;
    file.write_field(seconds(call.due))?;
    file.write_field(seconds(call.sent))?;
    file.write_field(maybe(call.created))?;
    file.write_field(maybe(call.progressed))?;
    file.write_field(maybe(call.answered))?;
    file.write_field(maybe(call.hung_up))?;
    file.write_field(seconds(call.ended))?;
    for value in rtp_fields(call.rtp) {
        file.write_field(value)?;
    }
    let far = call.far.as_ref();
    file.write_field(far.map_or_else(String::new, |far| far.uuid.to_string()))?;
    file.write_field(far.map_or("", |far| &names.slaves[far.slave]))?;
    file.write_field(maybe(far.and_then(|far| far.created)))?;
    file.write_field(maybe(far.and_then(|far| far.answered)))?;
    file.write_field(maybe(far.and_then(|far| far.hung_up)))?;
    file.write_field(far.and_then(|far| far.cause).map_or("", |cause| cause.as_str()))?;
    for value in rtp_fields(far.and_then(|far| far.rtp)).into_iter().take(3) {
        file.write_field(value)?;
    }
    file.write_field(call.failure.as_deref().unwrap_or_default())?;
    file.write_field(call.files.join(" "))?;
    file.write_record(None::<&[u8]>)?;
    Ok(())
}

/// Packets, MOS, jitter and loss. A leg without packets has no scores.
fn rtp_fields(rtp: Option<RtpStats>) -> [String; 4] {
    match rtp {
        None => Default::default(),
        Some(RtpStats { packets: 0, .. }) => ["0".to_owned(), String::new(), String::new(), String::new()],
        Some(RtpStats { packets, mos, jitter_seconds, loss_ratio }) => {
            let loss = loss_ratio.map_or_else(String::new, |loss| format!("{loss:.2}"));
            [packets.to_string(), format!("{mos:.2}"), format!("{jitter_seconds:.6}"), loss]
        }
    }
}
