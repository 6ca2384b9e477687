//! `latency.hlog`: the histogram of every latency in each second, in HdrHistogram's log format, tagged with the
//! latency's name. Phases that are not measured have tags of their own, so that the tags without a prefix add up to the
//! report.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};

use super::{Created, Output, OutputOptions, RunStart, Update};
use crate::measure::{Interval, Latency};

/// The columns, as other readers of the format expect them.
const LEGEND: &str = r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;

/// The prefix of a latency's tag in phases that are not measured.
const UNMEASURED: &str = "unmeasured.";

/// Writes the log of a run.
struct LatencyLog {
    path: PathBuf,
    /// The file; `None` before the run.
    file: Option<LogFile>,
}

struct LogFile {
    file: BufWriter<File>,
    serializer: V2DeflateSerializer,
}

/// The log, where there is a run folder.
pub(super) fn create(options: &OutputOptions) -> Created {
    Ok(options.file("latency.hlog").map(|path| Box::new(LatencyLog { path, file: None }) as Box<dyn Output>))
}

impl Output for LatencyLog {
    fn start(&mut self, start: &RunStart) -> io::Result<()> {
        self.file = Some(LogFile::create(&self.path, start.wall_clock)?);
        Ok(())
    }

    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.add(update.from, update.to, update.interval))
    }
}

impl LogFile {
    fn create(path: &Path, started_at: SystemTime) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment(
                "Values in microseconds; the tag is the latency's name, with \"unmeasured.\" before it in a warm-up.",
            )
            .with_start_time(started_at)
            .with_base_time(started_at)
            .begin_log_with(&mut file, &mut serializer)?;
        writeln!(file, "{LEGEND}")?;
        Ok(Self { file, serializer })
    }

    /// Adds the latencies of an interval.
    fn add(&mut self, from: Duration, to: Duration, interval: &Interval) -> io::Result<()> {
        // Without comments and times, a writer adds nothing of its own.
        let mut log = IntervalLogWriterBuilder::new().begin_log_with(&mut self.file, &mut self.serializer)?;
        for (prefix, latencies) in [("", &interval.measured), (UNMEASURED, &interval.unmeasured)] {
            for latency in Latency::ALL {
                let Some(histogram) = latencies.get(*latency).histogram() else { continue };
                let tag = format!("{prefix}{}", latency.as_str());
                log.write_histogram(histogram, from, to.saturating_sub(from), Tag::new(&tag)).map_err(|error| {
                    match error {
                        IntervalLogWriterError::IoError(error) => error,
                        IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
                    }
                })?;
            }
        }
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_log_adds_up_to_what_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.hlog");
        let mut log = LogFile::create(&path, SystemTime::now()).unwrap();
        let empty = || Histogram::<u64>::new(3).unwrap();
        let mut whole = [("setup", empty()), ("unmeasured.setup", empty())];
        for second in 0..3 {
            let mut interval = Interval::default();
            for n in 0..100 {
                interval.measured.record_micros(Latency::Setup, 500 + 37 * n * (second + 1));
                interval.unmeasured.record_micros(Latency::Setup, 700 + 11 * n * (second + 1));
                whole[0].1.record(500 + 37 * n * (second + 1)).unwrap();
                whole[1].1.record(700 + 11 * n * (second + 1)).unwrap();
            }
            log.add(Duration::from_secs(second), Duration::from_secs(second + 1), &interval).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut sums = [("setup", empty()), ("unmeasured.setup", empty())];
        let mut deserializer = Deserializer::new();
        for entry in IntervalLogIterator::new(&bytes) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let tag = interval.tag().expect("a tag").as_str().to_owned();
                let (_, sum) = sums.iter_mut().find(|(name, _)| *name == tag).expect("one of the two tags");
                let bytes =
                    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, interval.encoded_histogram())
                        .unwrap();
                sum.add(deserializer.deserialize::<u64, _>(&mut &bytes[..]).unwrap()).unwrap();
            }
        }
        assert_eq!(sums, whole);
    }
}
