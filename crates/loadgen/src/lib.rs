//! `loadgen`, the load generator, as a library: the program itself is a few lines around it.
//!
//! ARCHITECTURE.md says how the modules fit together.

pub mod apps;
mod atomic_file;
pub mod commands;
pub mod config;
pub mod engine;
pub mod exit;
pub mod measure;
pub mod output;
pub mod plan;
pub mod preflight;
pub mod run;
pub mod schedule;
pub mod server;
pub mod signals;
pub mod verdict;
