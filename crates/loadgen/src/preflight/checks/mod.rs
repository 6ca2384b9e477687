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
    pub(super) asks: fn(&Need, &Answers) -> Vec<String>,
    /// Derives the findings.
    pub(super) finds: fn(&CheckInput<'_>) -> Vec<Finding>,
}

/// Every check, in the order of the findings.
pub(super) const CHECKS: &[Check] = &[
    Check { name: "permission", asks: permission::asks, finds: permission::finds },
    Check { name: "version", asks: version::asks, finds: version::finds },
    Check { name: "clock", asks: clock::asks, finds: clock::finds },
    Check { name: "paused", asks: paused::asks, finds: paused::finds },
    Check { name: "limits", asks: limits::asks, finds: limits::finds },
    Check { name: "others", asks: others::asks, finds: others::finds },
    Check { name: "endpoints", asks: endpoints::asks, finds: endpoints::finds },
    Check { name: "modules", asks: modules::asks, finds: modules::finds },
    Check { name: "far legs", asks: |_, _| Vec::new(), finds: far_legs::finds },
    Check { name: "timing", asks: |_, _| Vec::new(), finds: timing::finds },
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
    CHECKS.iter().flat_map(|check| (check.finds)(subject)).collect()
}

fn asks(commands: &[&str]) -> Vec<String> {
    commands.iter().map(|&command| command.to_owned()).collect()
}

#[cfg(test)]
mod tests;
