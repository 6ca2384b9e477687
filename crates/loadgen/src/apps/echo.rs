//! `echo`

use super::script::{Application, Script};
use super::{AppKind, Options};

pub(super) const KIND: AppKind = AppKind {
    name: "echo",
    about: "Sends back what the far end says: media in both directions.",
    build: |_: &Options<'_>| Ok(Script::running(Application::new("echo"))),
    ..AppKind::PLAIN
};
