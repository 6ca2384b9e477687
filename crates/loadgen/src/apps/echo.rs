//! `echo`

use super::script::{Application, Script};
use super::{AppKind, AppOptions};

pub(super) const KIND: AppKind = AppKind {
    name: "echo",
    about: "Echoes the far end's audio: media in both directions.",
    build: |_: &AppOptions<'_>| Ok(Script::running(Application::new("echo"))),
    ..AppKind::PLAIN
};
