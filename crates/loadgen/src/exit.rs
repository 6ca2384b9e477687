//! The exit codes of the program, in one table: `--help` prints it, and README's table is tested against it.

use std::fmt::Write;
use std::process::ExitCode;

use crate::signals::Signal;

/// How the program exits. When several hold, [`Exit::Signal`] comes first, then [`Exit::InternalError`],
/// [`Exit::Inconclusive`], [`Exit::ThresholdFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every threshold passed, or the command did what was asked.
    Success,
    /// Something failed in this program or on this machine.
    InternalError,
    /// The command line or the configuration is wrong; no call was placed.
    UsageError,
    /// A server cannot be reached or cannot carry out the plan; no call was placed.
    PreflightFailed,
    /// A threshold failed.
    ThresholdFailed,
    /// The result is inconclusive, or the report is incomplete.
    Inconclusive,
    /// A signal cut the run short.
    Signal(Signal),
}

impl Exit {
    /// Every way to exit, in the order of the codes.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::InternalError,
        Self::UsageError,
        Self::PreflightFailed,
        Self::ThresholdFailed,
        Self::Inconclusive,
        Self::Signal(Signal::Interrupt),
        Self::Signal(Signal::Terminate),
    ];

    /// The code that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::InternalError => 1,
            Self::UsageError => 2,
            Self::PreflightFailed => 3,
            Self::ThresholdFailed => 4,
            Self::Inconclusive => 6,
            Self::Signal(Signal::Interrupt) => 130,
            Self::Signal(Signal::Terminate) => 143,
        }
    }

    /// What the code means, for `--help` and README.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "every threshold passed",
            Self::InternalError => "internal error",
            Self::UsageError => "wrong usage or configuration; no call was placed",
            Self::PreflightFailed => "a server cannot be reached or cannot carry out the plan; no call was placed",
            Self::ThresholdFailed => "a threshold failed",
            Self::Inconclusive => "the result is inconclusive, or the report is incomplete",
            Self::Signal(Signal::Interrupt) => "cut short by SIGINT",
            Self::Signal(Signal::Terminate) => "cut short by SIGTERM",
        }
    }

    /// The table of all codes, one line each.
    pub fn table() -> String {
        let mut table = String::from("Exit codes:");
        for exit in Self::ALL {
            // Writing to a String cannot fail.
            let _ = write!(table, "\n  {:<4} {}", exit.code(), exit.meaning());
        }
        table
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// What a command prints on stdout at its end, and how the program exits.
#[derive(Debug)]
pub struct CommandResult {
    /// The text for stdout.
    pub summary: String,
    /// How the program exits.
    pub exit: Exit,
}

impl CommandResult {
    /// A command that did what was asked.
    pub fn success(summary: String) -> Self {
        Self { summary, exit: Exit::Success }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../../README.md");

    #[test]
    fn readme_lists_every_exit_code_with_its_meaning() {
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(README.contains(&row), "README has no row {row:?}");
        }
    }

    #[test]
    fn codes_are_distinct_and_ascending() {
        let codes = Exit::ALL.map(Exit::code);
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    }
}
