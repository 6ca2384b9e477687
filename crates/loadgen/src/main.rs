//! `loadgen` stresses PBX clusters through FreeSWITCH: rate-limited originators place calls on many servers over the
//! Event Socket, and call-setup latency goes into histograms that a person watches, Prometheus scrapes and CI gates on.
//!
//! ARCHITECTURE.md says how the modules fit together.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use loadgen::commands::{Cli, LogFormat, print, print_error};
use loadgen::config::ConfigError;
use loadgen::exit::Exit;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(message) = log(&cli) {
        print_error(&message);
        return Exit::UsageError.into();
    }
    match cli.run().await {
        Ok(result) => {
            print(&result.summary);
            result.exit.into()
        }
        Err(error) => {
            print_error(&format!("{error:#}"));
            if error.is::<ConfigError>() { Exit::UsageError.into() } else { Exit::InternalError.into() }
        }
    }
}

/// Sends the log to stderr.
fn log(cli: &Cli) -> Result<(), String> {
    let filter: Targets = cli.log.parse().map_err(|error| format!("--log {:?}: {error}", cli.log))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match cli.log_format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            registry.with(lines.with_target(false).with_ansi(colours)).init();
        }
        LogFormat::Json => registry.with(lines.json()).init(),
    }
    Ok(())
}
