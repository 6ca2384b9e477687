//! The call apps: what a call does once it is answered. One line of the table for each.

/// A kind of app.
#[derive(Debug)]
pub struct AppKind {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What it counts.
    pub results: &'static [AppResult],
    /// The FreeSWITCH application that the near leg runs (`mod_dptools`).
    pub application: &'static str,
}

/// Something that an app counts.
#[derive(Clone, Copy, Debug)]
pub struct AppResult {
    /// Its name in reports and metrics.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
}

/// Every app, in the order in which they are shown.
pub const APPS: &[AppKind] = &[
    AppKind {
        name: "park",
        about: "Parks the near leg: no media of its own, the least work for the slave.",
        results: &[],
        application: "park",
    },
    AppKind {
        name: "echo",
        about: "Sends back what the far end says: media in both directions.",
        results: &[],
        application: "echo",
    },
];

/// The app that calls run when the configuration names none.
pub const DEFAULT: &AppKind = &APPS[0];

/// What `loadgen apps` prints.
pub fn describe() -> String {
    let width = APPS.iter().map(|app| app.name.len()).max().unwrap_or(0);
    APPS.iter().map(|app| format!("{:width$}  {}\n", app.name, app.about)).collect()
}
