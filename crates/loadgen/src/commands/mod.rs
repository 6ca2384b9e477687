//! The command line: one file and one line of the table for each subcommand.

mod apps;
mod check;
mod cleanup;
mod dial;
mod plan_file;
mod run;
mod sim;

use std::io::Write;
use std::pin::Pin;

use clap::{Parser, Subcommand, ValueEnum};

use crate::exit::{CommandResult, Exit};

/// Stresses PBX clusters through FreeSWITCH, and measures how calls are set up.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, max_term_width = 100, after_help = Exit::table())]
pub struct Cli {
    /// What is logged on stderr, such as "info" or "esl_core=debug,info".
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// The format of the log.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A subcommand at work. Its type is erased here, so that the future is compiled with the library and not with each
/// program that awaits it.
pub type CommandFuture = Pin<Box<dyn Future<Output = anyhow::Result<CommandResult>>>>;

/// Defines [`Command`]: a variant for each subcommand, with its arguments and the function that runs it.
macro_rules! commands {
    ($($variant:ident($arguments:ty) => $run:path,)*) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($variant(Box<$arguments>),)*
        }

        impl Command {
            fn run(self) -> CommandFuture {
                match self {
                    $(Self::$variant(arguments) => Box::pin($run(*arguments)),)*
                }
            }
        }
    };
}

commands! {
    Run(run::RunArgs) => run::run,
    Dial(dial::DialArgs) => dial::run,
    Check(check::CheckArgs) => check::run,
    Cleanup(cleanup::CleanupArgs) => cleanup::run,
    Sim(sim::SimArgs) => sim::run,
    Apps(apps::AppsArgs) => apps::run,
}

impl Cli {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// A [`ConfigError`](crate::config::ConfigError) where the configuration or a flag is wrong; otherwise something
    /// that this machine refuses.
    pub fn run(self) -> CommandFuture {
        self.command.run()
    }
}

/// Prints a result on stdout. A reader that has gone, such as `head`, is not an error.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints an error on stderr.
pub fn print_error(message: &str) {
    let _ = writeln!(std::io::stderr(), "loadgen: {message}");
}
