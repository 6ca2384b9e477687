//! `loadgen`, the load generator, as a library: the program itself is a few lines around it.
//!
//! ARCHITECTURE.md says how the modules fit together.

pub mod alarm;
pub mod apps;
pub mod call;
pub mod channels;
pub mod check;
pub mod cleanup;
pub mod cli;
pub mod conductor;
pub mod config;
pub mod dial;
pub mod http;
pub mod latency;
pub mod limits;
pub mod live;
pub mod media;
pub mod metrics;
pub mod outcome;
pub mod plan;
pub mod preflight;
pub mod prepare;
pub mod questions;
pub mod record;
pub mod recorder;
pub mod report;
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
