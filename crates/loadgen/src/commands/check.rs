//! `loadgen check`

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{plan_file, sim};
use crate::config;
use crate::exit::CommandResult;
use crate::plan::{Mode, Plan, ServerPlan};
use crate::preflight::prepare;
use crate::schedule::{Arrivals, Rate};

/// Validate a configuration and print the plan.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration.
    config: PathBuf,
    /// The run folder that "loadgen run" will be given, instead of the configuration's.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also connect to every slave and check it against the plan: exits with 3 where the plan cannot work.
    #[arg(long)]
    preflight: bool,
}

pub(super) async fn run(args: CheckArgs) -> anyhow::Result<CommandResult> {
    let (name, text) = config::text(&args.config)?;
    if sim::is_for_sim(&text) {
        let servers = sim::servers(name, text, plan_file::environment)?;
        return Ok(CommandResult::success(sim::describe(&servers)));
    }
    let plan = plan_file::plan_of_run((name, text), None, args.out)?;
    if !args.preflight {
        return Ok(CommandResult::success(describe(&plan)));
    }
    super::print(&describe(&plan));
    prepare::check(&plan).await
}

/// The description of a plan.
fn describe(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_plan(&mut out, plan);
    out
}

fn write_plan(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let schedule = &plan.schedule;
    let max = schedule.rate_max();
    let arrivals = match schedule.arrivals {
        Arrivals::Constant => "Constant arrivals".to_owned(),
        Arrivals::Poisson => "Poisson arrivals".to_owned(),
        Arrivals::Uniform => "uniformly jittered arrivals".to_owned(),
        Arrivals::Burst(calls) => format!("bursts of {calls}"),
    };
    let exact = !matches!(schedule.arrivals, Arrivals::Poisson);
    writeln!(
        out,
        "{}: {}{max} calls/s, {arrivals}",
        plan.names.run,
        if schedule.phases.len() > 1 { "up to " } else { "" }
    )?;
    match schedule.length() {
        Some(length) => {
            let calls = schedule.expected(Duration::ZERO, length).ceil();
            writeln!(out, "  for {length:?}, {calls:.0} calls{}", if exact { "" } else { " or so" })?;
        }
        None => writeln!(out, "  until it is stopped")?,
    }
    if schedule.phases.len() > 1 {
        for phase in &schedule.phases {
            let time = phase.length().map_or("until it is stopped".to_owned(), |time| format!("for {time:?}"));
            let measured = if phase.measured { "" } else { ", not measured" };
            writeln!(out, "  phase {}: {} {time}{measured}", phase.name, rate(phase.rate))?;
        }
    }
    let erlangs = max * plan.mean_hold(max);
    writeln!(
        out,
        "  each rings up to {:?} and lasts {}: an offered load of {erlangs:.1} erlangs",
        plan.calls.timeout,
        plan.hold.describe()
    )?;
    if let Some(limit) = plan.limit {
        let beyond = match plan.mode {
            Mode::Skip => "calls due beyond it are skipped",
            Mode::Wait => "the next call is due when one ends",
        };
        writeln!(out, "  at most {limit} at a time: {beyond}")?;
    }
    for app in &plan.calls.apps {
        let names = app.targets.members().iter().map(|target| plan.calls.targets[usize::from(*target)].name.as_str());
        writeln!(out, "  app {} ({}): {}", app.name, app.kind.name, names.collect::<Vec<_>>().join(", "))?;
    }
    for (index, slave) in plan.slaves.iter().enumerate() {
        let place = match &slave.server {
            ServerPlan::Real { address, .. } => address.clone(),
            ServerPlan::Simulated(_) => "simulated".to_owned(),
        };
        let awake = slave.keep_awake.period().map_or("off".to_owned(), |period| format!("{period:?}"));
        let rate = max * schedule.slaves.share(index);
        write!(out, "  slave {} ({place}): {rate:.2} calls/s, kept awake {awake}", slave.name)?;
        if let Some(limit) = slave.limit {
            write!(out, ", at most {limit} calls")?;
        }
        if let Some(gap) = slave.gap {
            write!(out, ", calls at least {gap:?} apart")?;
        }
        writeln!(out)?;
    }
    for threshold in &plan.thresholds {
        writeln!(out, "  threshold {} {}", threshold.name, threshold.expression)?;
    }
    Ok(())
}

fn rate(rate: Rate) -> String {
    match rate {
        Rate::Flat(rate) => format!("{rate} calls/s"),
        Rate::Linear { from, to } => format!("{from} to {to} calls/s"),
        Rate::Steps { from, to, step, each } => {
            format!("{from} to {to} calls/s in steps of {step} that last {each:?} each,")
        }
        Rate::Pause => "no calls".to_owned(),
    }
}
