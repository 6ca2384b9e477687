//! `park`

use super::script::{Application, Script};
use super::{AppKind, AppOptions};

pub(super) const KIND: AppKind = AppKind {
    name: "park",
    about: "Parks the near leg: no media of its own, the least work for the slave.",
    build: |_: &AppOptions<'_>| Ok(Script::running(Application::new("park"))),
    ..AppKind::PLAIN
};
