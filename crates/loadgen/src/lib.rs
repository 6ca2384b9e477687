//! `loadgen`, the load generator, as a library: the program itself is a few lines around it.
//!
//! ARCHITECTURE.md says how the modules fit together.

pub mod apps;
pub mod call;
pub mod call_record;
pub mod channels;
pub mod check;
pub mod cleanup;
pub mod cli;
pub mod config;
pub mod dial;
pub mod dispatcher;
pub mod http;
pub mod latency;
pub mod limits;
pub mod live;
pub mod metrics;
pub mod outcome;
pub mod plan;
pub mod precise_timer;
pub mod preflight;
pub mod prepare;
pub mod query_connection;
pub mod recorder;
pub mod report;
pub mod rtp_stats;
pub mod run;
pub mod run_file;
pub mod run_id;
pub mod schedule;
pub mod sim;
pub mod slave;
pub mod snapshot;
pub mod text;
pub mod threshold;
pub mod verdict;
