//! The command line.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::dial::Dial;
use crate::run_id::RunId;
use crate::schedule::Shard;

/// Stresses PBX clusters through FreeSWITCH, and measures how calls are set up.
///
/// Exits with 0 where every threshold held, 4 where one did not, 6 where the run says nothing, 3 where no slave could be
/// reached or one cannot do what is asked of it, 2 on a wrong configuration, 130 or 143 where a signal cut the run short,
/// 1 on an internal error.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, max_term_width = 100)]
pub struct Cli {
    /// What is logged on stderr, such as "info" or "esl_core=debug,info".
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// How it is logged.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What loadgen can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a test from start to end, or until it is stopped.
    ///
    /// The first SIGINT or SIGTERM stops offering calls and lets those that are up end; the second one hangs up this
    /// run's calls, and only those. The report is written either way.
    Run {
        /// The configuration; without one, a test on simulated servers.
        config: Option<PathBuf>,
        /// The run folder, instead of the configuration's.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// The run's id, 12 hexadecimal digits: the first ones of its calls' UUIDs. Random where it is left out.
        #[arg(long, value_name = "ID")]
        run_id: Option<RunId>,
        /// Which part of the run is this process's, such as 2/5: the calls of every fifth slave, from the second on. All
        /// of them have one --run-id. job/5 takes the index from an indexed Kubernetes Job.
        #[arg(long, value_name = "N/COUNT", env = "LOADGEN_SHARD", value_parser = shard)]
        shard: Option<Shard>,
        /// Dial without a look at the slaves before it.
        #[arg(long)]
        no_preflight: bool,
    },
    /// Run a test from flags alone, with switchio's names; a file can say more.
    ///
    /// With a limit, calls wait for a slot, and last limit / rate unless --hold says how long. What becomes of signals
    /// and how it exits is as with "loadgen run".
    Dial(Box<Dial>),
    /// Validate a configuration and print the plan.
    Check {
        /// The configuration.
        config: PathBuf,
        /// The run folder that "loadgen run" will be given, instead of the configuration's.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Also connect to every slave, and say what does not fit the plan: exits with 3 where it cannot work.
        #[arg(long)]
        preflight: bool,
    },
    /// Hang up what a killed run left on its slaves, and put back the limits that it raised.
    ///
    /// Exits with 0 where everything is clean, 1 where something is left, 3 where a slave could not be reached.
    Cleanup {
        /// A run folder, or a configuration. A configuration is about the run in its run folder; without one, about the
        /// run of --run-id, and without that the runs that have calls are listed.
        path: PathBuf,
        /// The run whose calls are hung up, instead of the run folder's.
        #[arg(long, value_name = "ID")]
        run_id: Option<RunId>,
        /// Hang up every run's calls, other people's too.
        #[arg(long, conflicts_with = "run_id")]
        all_runs: bool,
        /// With a run folder: the configuration that has the slaves' passwords.
        #[arg(long, value_name = "CONFIG")]
        config: Option<PathBuf>,
        /// A file whose first line is the password of slaves that no configuration has, instead of LOADGEN_PASSWORD.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Also where the run goes on.
        #[arg(long)]
        force: bool,
    },
    /// Run simulated FreeSWITCH servers, alone, until they are stopped.
    Sim {
        /// A file with `[[servers]]`, such as configs/sim.toml, or a configuration whose simulated slaves are started;
        /// without one, servers with the default behaviour.
        config: Option<PathBuf>,
        /// How many servers, without a configuration.
        #[arg(long, default_value_t = 1, conflicts_with = "config")]
        servers: u16,
        /// Where the first one listens that the file has no place for; the others take the ports behind it. Port 0 takes
        /// free ones.
        #[arg(long, default_value = "127.0.0.1:8021", value_name = "HOST:PORT")]
        listen: SocketAddr,
        /// What the first one's random choices follow from, instead of the file's seeds; the others take the numbers
        /// behind it.
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
        /// How the servers, and at the end what they carried, are printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the call apps with their options, defaults and results, or say all of one.
    Apps {
        /// The one.
        name: Option<String>,
    },
}

fn shard(text: &str) -> Result<Shard, String> {
    Shard::parse(text, |name| std::env::var(name).ok())
}

/// Prints a result on stdout. A reader that is gone, such as `head`, is no error.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Says on stderr why something does not work.
pub fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "loadgen: {message}");
}
