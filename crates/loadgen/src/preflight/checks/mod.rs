//! The checks: one line of the table each. A check queries answers and derives findings from them; it is pure, so that
//! its tests are tables of answers.

mod clock;
mod endpoints;
mod far_legs;
mod limits;
mod modules;
mod others;
mod paused;
mod permission;
mod timing;
mod version;

use super::{Answers, Finding, Need, SessionLoad, Severity};

pub(super) use limits::wanted;

/// One check.
pub(super) struct Check {
    /// Its name, in tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests walk the table by it"))]
    pub(super) name: &'static str,
    /// The `api` commands whose answers it reads. Called again with the answers, for queries that depend on them.
    pub(super) queries: fn(&Need, &Answers) -> Vec<String>,
    /// Derives the findings.
    pub(super) evaluate: fn(&CheckInput<'_>) -> Vec<Finding>,
}

/// Every check, in the order of the findings.
pub(super) const CHECKS: &[Check] = &[
    Check { name: "permission", queries: permission::queries, evaluate: permission::evaluate },
    Check { name: "version", queries: version::queries, evaluate: version::evaluate },
    Check { name: "clock", queries: clock::queries, evaluate: clock::evaluate },
    Check { name: "paused", queries: paused::queries, evaluate: paused::evaluate },
    Check { name: "limits", queries: limits::queries, evaluate: limits::evaluate },
    Check { name: "others", queries: others::queries, evaluate: others::evaluate },
    Check { name: "endpoints", queries: endpoints::queries, evaluate: endpoints::evaluate },
    Check { name: "modules", queries: modules::queries, evaluate: modules::evaluate },
    Check { name: "far legs", queries: |_, _| Vec::new(), evaluate: far_legs::evaluate },
    Check { name: "timing", queries: |_, _| Vec::new(), evaluate: timing::evaluate },
];

/// The input of a check: one slave.
pub(super) struct CheckInput<'a> {
    pub(super) slave: usize,
    pub(super) need: &'a Need,
    pub(super) answers: &'a Answers,
    pub(super) load: SessionLoad,
}

impl CheckInput<'_> {
    fn error(&self, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        self.finding(Severity::Error, what.into(), remedy.into())
    }

    fn warning(&self, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        self.finding(Severity::Warning, what.into(), remedy.into())
    }

    fn finding(&self, severity: Severity, what: String, remedy: String) -> Finding {
        Finding { severity, slave: Some(self.slave), what, remedy }
    }
}

/// The findings about one slave.
pub(super) fn findings(subject: &CheckInput<'_>) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| (check.evaluate)(subject)).collect()
}

fn queries(commands: &[&str]) -> Vec<String> {
    commands.iter().map(|&command| command.to_owned()).collect()
}

#[cfg(test)]
mod tests;
