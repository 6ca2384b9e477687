//! The call apps: what a call does once it is answered. One line of the table for each.

/// A kind of app.
#[derive(Debug)]
pub struct AppKind {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// The FreeSWITCH application that the near leg runs (`mod_dptools`).
    pub application: &'static str,
}

/// Every app, in the order in which they are shown.
pub const APPS: &[AppKind] = &[
    AppKind {
        name: "park",
        about: "Parks the near leg: no media of its own, the least work for the slave.",
        application: "park",
    },
    AppKind { name: "echo", about: "Sends back what the far end says: media in both directions.", application: "echo" },
];

/// The app that calls run when the configuration names none.
pub const DEFAULT: &AppKind = &APPS[0];

/// What `loadgen apps` prints.
pub fn describe() -> String {
    let width = APPS.iter().map(|app| app.name.len()).max().unwrap_or(0);
    APPS.iter().map(|app| format!("{:width$}  {}\n", app.name, app.about)).collect()
}
