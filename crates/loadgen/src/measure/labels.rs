//! What calls are counted under.

/// What a call is counted under, by index in the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The phase in which the call was due.
    pub phase: u16,
    /// The app that the call runs.
    pub app: u16,
    /// The address that is called.
    pub target: u16,
}

/// What the figures of a run are broken down by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// How many slaves there are.
    pub slaves: usize,
    /// Whether each phase is measured.
    pub phases: Vec<bool>,
    /// How many apps there are.
    pub apps: usize,
    /// How many targets there are.
    pub targets: usize,
}
