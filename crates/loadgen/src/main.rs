//! `loadgen` stresses PBX clusters through FreeSWITCH: rate-limited originators place calls on many servers over the
//! Event Socket, and call-setup latency goes into histograms that a person watches, Prometheus scrapes and CI gates on.
//!
//! ARCHITECTURE.md says how the modules fit together.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use loadgen::cli::{Cli, Command, LogFormat, complain, print};
use loadgen::config::{self, Config, ConfigError};
use loadgen::plan::Plan;
use loadgen::run_id::RunId;
use loadgen::schedule::Shard;
use loadgen::{apps, check, cleanup, dispatcher, prepare, run, sim};

/// What runs without a configuration.
const QUICKSTART: &str = include_str!("../../../configs/quickstart.toml");

/// An internal error.
const EXIT_INTERNAL: u8 = 1;
/// A wrong configuration.
const EXIT_CONFIG: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(message) = log(&cli) {
        complain(&message);
        return EXIT_CONFIG.into();
    }
    match dispatch(cli.command).await {
        Ok(code) => code.into(),
        Err(error) if error.is::<ConfigError>() => {
            complain(&error.to_string());
            EXIT_CONFIG.into()
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            EXIT_INTERNAL.into()
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Run { config, out, run_id, shard, no_preflight } => {
            let mut plan = load(config.as_deref(), run_id, out)?;
            plan.preflight.enabled &= !no_preflight;
            place_calls(shared_out(plan, shard, run_id)?).await
        }
        Command::Dial(dial) => {
            let (config, source) = dial.config(environment)?;
            let mut plan = Plan::new(config, &source, dial.run_id.unwrap_or_else(RunId::random))?;
            plan.preflight.enabled &= !dial.no_preflight;
            place_calls(plan).await
        }
        Command::Check { config, out, preflight } => {
            let (name, text) = config::text(&config)?;
            if sim::is_for_sim(&text) {
                print(&sim::describe(&sim::servers(name, text, environment)?));
                return Ok(0);
            }
            let plan = plan_of_run(name, text, None, out)?;
            print(&check::describe(&plan));
            if !preflight {
                return Ok(0);
            }
            let outcome = prepare::check(&plan).await?;
            print(&outcome.summary);
            Ok(outcome.exit_code)
        }
        Command::Cleanup { path, run_id, all_runs, config, password_file, force } => {
            let options = cleanup::CleanupOptions { run_id, all_runs, password_file, force };
            let plan_of = |path: &Path| config::text(path).and_then(|(name, text)| plan(name, text, None));
            let target = if path.is_dir() {
                let config = config.as_deref().map(plan_of).transpose()?;
                cleanup::CleanupTarget::of_folder(&path, config.as_ref(), &options, environment)
            } else {
                cleanup::CleanupTarget::of_plan(&plan_of(&path)?, &options)
            };
            let target = match target {
                Ok(target) => target,
                Err(error) => {
                    complain(&format!("{error:#}"));
                    return Ok(EXIT_CONFIG);
                }
            };
            let outcome = cleanup::cleanup(target).await?;
            print(&outcome.summary);
            Ok(outcome.exit_code)
        }
        Command::Sim { config, servers, listen, seed, format } => {
            let mut servers = match config.as_deref().map(config::text).transpose()? {
                Some((name, text)) if sim::is_for_sim(&text) => sim::servers(name, text, environment)?,
                Some((name, text)) => sim::slaves(plan(name, text, None)?),
                None => sim::defaults(servers),
            };
            sim::place(&mut servers, listen, seed)?;
            print(&sim::sim(servers, format).await?);
            Ok(0)
        }
        Command::Apps { name: None } => {
            print(&apps::describe());
            Ok(0)
        }
        Command::Apps { name: Some(name) } => match apps::describe_one(&name) {
            Ok(text) => {
                print(&text);
                Ok(0)
            }
            Err(message) => {
                complain(&message);
                Ok(EXIT_CONFIG)
            }
        },
    }
}

async fn place_calls(plan: Plan) -> anyhow::Result<u8> {
    let (_operator, controls) = dispatcher::controls();
    let outcome = run::run(plan, controls).await?;
    print(&outcome.summary);
    Ok(outcome.exit_code)
}

/// This process's part of a run.
fn shared_out(plan: Plan, shard: Option<Shard>, run_id: Option<RunId>) -> Result<Plan, ConfigError> {
    let Some(shard) = shard.filter(|shard| shard.count > 1) else {
        return Ok(plan);
    };
    let flag = format!("--shard {shard}");
    if run_id.is_none() {
        let message = "needs a --run-id, the same for all of them: they are one run, and find each other's legs by it";
        return Err(ConfigError::new(flag, message));
    }
    plan.shared_out(shard).map_err(|message| ConfigError::new(flag, message))
}

fn load(path: Option<&Path>, run_id: Option<RunId>, out: Option<PathBuf>) -> Result<Plan, ConfigError> {
    let (name, text) = match path {
        Some(path) => config::text(path)?,
        None => ("quickstart".to_owned(), QUICKSTART.to_owned()),
    };
    plan_of_run(name, text, run_id, out)
}

/// A plan that can be run.
fn plan_of_run(name: String, text: String, run_id: Option<RunId>, out: Option<PathBuf>) -> Result<Plan, ConfigError> {
    let (mut config, source) = config::parse::<Config>(name, text, environment)?;
    config.run.out = out.or(config.run.out);
    if let (Some(raise), None) = (&config.run.raise_limits, &config.run.out)
        && *raise.get_ref()
    {
        let message = "raise_limits = true needs a run folder, where \"loadgen cleanup\" finds what to put back when the \
                       run is killed: set \"out\" in [run], or give --out";
        return Err(source.error(raise.span(), message));
    }
    Plan::new(config, &source, run_id.unwrap_or_else(RunId::random))
}

fn plan(name: String, text: String, run_id: Option<RunId>) -> Result<Plan, ConfigError> {
    let (config, source) = config::parse(name, text, environment)?;
    Plan::new(config, &source, run_id.unwrap_or_else(RunId::random))
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

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
