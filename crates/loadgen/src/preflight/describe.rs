//! The description of a preflight.

use std::fmt::Write;
use std::time::Duration;

use super::{Facts, Finding, Preflight, Severity};
use crate::measure::seconds;

/// Slaves that a shared finding names at most.
const NAMES_MAX: usize = 3;
/// Slaves that are described at most: more would not fit a screen.
const SLAVES_MAX: usize = 20;

/// Describes the slaves, and the findings about them.
pub fn describe(preflight: &Preflight) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut out, preflight);
    out
}

fn write_all(out: &mut String, preflight: &Preflight) -> std::fmt::Result {
    let count = |severity| preflight.findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    writeln!(
        out,
        "preflight: {} of {} slaves reached, {errors} error{}, {warnings} warning{}",
        preflight.slaves.iter().filter(|slave| slave.reached).count(),
        preflight.slaves.len(),
        plural(errors),
        plural(warnings),
    )?;
    let reached: Vec<_> = preflight.slaves.iter().filter(|slave| slave.reached).collect();
    for slave in reached.iter().take(SLAVES_MAX) {
        writeln!(out, "  slave {}: {}", slave.name, facts(slave))?;
    }
    if let Some(more @ 1..) = reached.len().checked_sub(SLAVES_MAX) {
        writeln!(out, "  and {more} more slaves")?;
    }
    for (finding, names) in preflight.together() {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        writeln!(out, "  {severity}: {}{}", names, finding.what)?;
        for (number, line) in finding.remedy.lines().enumerate() {
            writeln!(out, "    {}{line}", if number == 0 { "→ " } else { "  " })?;
        }
    }
    Ok(())
}

impl Preflight {
    /// The findings, with equal findings of several slaves merged, each with the slaves' names as a prefix.
    pub fn together(&self) -> Vec<(&Finding, String)> {
        let mut together: Vec<(&Finding, Vec<&str>)> = Vec::new();
        for finding in &self.findings {
            let same = |(other, _): &&mut (&Finding, Vec<&str>)| {
                (other.severity, &other.what, &other.remedy) == (finding.severity, &finding.what, &finding.remedy)
            };
            let name = finding.slave.and_then(|slave| self.slaves.get(slave)).map(|slave| slave.name.as_str());
            match together.iter_mut().find(same) {
                Some((_, names)) => names.extend(name),
                None => together.push((finding, name.into_iter().collect())),
            }
        }
        together.into_iter().map(|(finding, names)| (finding, listed(&names))).collect()
    }
}

fn listed(names: &[&str]) -> String {
    match names.len() {
        0 => String::new(),
        count if count <= NAMES_MAX => format!("{}: ", names.join(", ")),
        count => format!("{} and {} more: ", names[..NAMES_MAX].join(", "), count - NAMES_MAX),
    }
}

fn facts(slave: &Facts) -> String {
    let mut parts = vec![match &slave.version {
        Some(version) => format!("FreeSWITCH {version}"),
        None => "FreeSWITCH of unknown version".to_owned(),
    }];
    parts.extend(slave.uptime.map(|uptime| format!("up {}", humantime::format_duration(uptime))));
    let health = &slave.health;
    if let (Some(now), Some(max)) = (health.sessions, health.sessions_max) {
        parts.push(format!("{now} of {max} sessions, {:.0} planned", slave.load.sessions));
    }
    if let Some(max) = health.sessions_per_second_max {
        parts.push(format!("{:.1} of {max} sessions/s planned", slave.load.sessions_per_second));
    }
    if let Some((median, max)) = median_and_max(&slave.round_trips) {
        parts.push(format!("round trip {} (at most {})", time(median), time(max)));
    }
    if let Some((median, max)) = median_and_max(&slave.event_delays) {
        parts.push(format!("events after {} (at most {})", time(median), time(max)));
    }
    parts.join(", ")
}

/// The median and the maximum; `None` without times.
pub(super) fn median_and_max(times: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    Some((*sorted.get(sorted.len() / 2)?, *sorted.last()?))
}

/// Rounds to one digit, so that similar times of many slaves make one finding.
pub(super) fn about(time: Duration) -> String {
    let millis = time.as_millis().max(1);
    let digit = 10_u128.pow(millis.ilog10());
    let rounded = (millis + digit / 2) / digit * digit;
    format!("about {}", seconds(rounded as f64 / 1000.0))
}

fn time(time: Duration) -> String {
    seconds(time.as_secs_f64())
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
