//! Measures calls: latencies, RTP statistics, outcomes and the counts that add up.

mod call_record;
mod counts;
mod labelled_enum;
mod labels;
mod latency;
mod outcome;
mod recorder;
mod rtp_stats;
mod server_health;
mod slave_status;
mod snapshot;

pub use call_record::{CallRecord, FarLegRecord};
pub use counts::Counts;
pub use labels::{Dimensions, Labels};
pub use latency::{Buckets, Latencies, Latency, Samples, micros, seconds};
pub use outcome::{Outcome, Refusal, Skip};
pub use recorder::{AppTally, EventDelaySample, Measured, Sample, ShardDelta, SlaveRecorder, Tally};
pub use rtp_stats::{RtpMetric, RtpSamples, RtpStats};
pub use server_health::ServerHealth;
pub use slave_status::SlaveStatus;
pub use snapshot::{Collector, Figures, FinalResults, Interval, SlaveView, Snapshot};
