//! The names under which a run's figures appear in reports and metrics.

/// The names of a run and of everything that its figures are broken down by, in the plan's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The run: the label `run` of every metric.
    pub run: String,
    /// The slaves.
    pub slaves: Vec<String>,
    /// The apps.
    pub apps: Vec<AppNames>,
    /// The phases.
    pub phases: Vec<String>,
    /// The addresses that are called.
    pub targets: Vec<String>,
}

/// The names of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppNames {
    /// The app in this run.
    pub name: String,
    /// Its kind, as in `loadgen apps`.
    pub kind: &'static str,
    /// The results that it counts, in the order of its kind's table.
    pub results: Vec<&'static str>,
}
