//! `loadgen check`: the plan, for a person to read before it is run.

use std::fmt::Write;

use crate::plan::{Plan, ServerPlan};
use crate::schedule::Arrivals;

/// Describes a plan.
pub fn describe(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_plan(&mut out, plan);
    out
}

fn write_plan(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let schedule = &plan.schedule;
    let constant = schedule.arrivals == Arrivals::Constant;
    writeln!(out, "{}: {} calls/s, {:?} arrivals", plan.name, schedule.rate_max(), schedule.arrivals)?;
    match schedule.length() {
        Some(length) => {
            let calls = (schedule.rate_max() * length.as_secs_f64()).ceil();
            writeln!(out, "  for {length:?}, {calls:.0} calls{}", if constant { "" } else { " or so" })?;
        }
        None => writeln!(out, "  until it is stopped")?,
    }
    let erlangs = schedule.rate_max() * plan.terms.hold.as_secs_f64();
    writeln!(
        out,
        "  each rings up to {:?} and lasts {:?}: an offered load of {erlangs:.1} erlangs",
        plan.terms.timeout, plan.terms.hold
    )?;
    if let Some(limit) = plan.limit {
        writeln!(out, "  at most {limit} at a time: what is due beyond is skipped")?;
        if erlangs > limit as f64 {
            writeln!(out, "  note: {erlangs:.1} erlangs do not fit {limit} calls at a time")?;
        }
    }
    for app in &plan.apps {
        writeln!(out, "  app {} ({}): {}", app.name, app.kind.name, app.to)?;
    }
    for (index, slave) in plan.slaves.iter().enumerate() {
        let place = match &slave.server {
            ServerPlan::Real { address, .. } => address.clone(),
            ServerPlan::Simulated(_) => "simulated".to_owned(),
        };
        let awake = slave.keep_awake.period().map_or("off".to_owned(), |period| format!("{period:?}"));
        let rate = schedule.rate_max() * schedule.slaves.share(index);
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
