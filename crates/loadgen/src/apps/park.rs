//! `park`

use super::script::{Application, Script};
use super::{AppKind, Options};

pub(super) const KIND: AppKind = AppKind {
    name: "park",
    about: "Parks the near leg: no media of its own, the least work for the slave.",
    build: |_: &Options<'_>| Ok(Script::running(Application::new("park"))),
    ..AppKind::PLAIN
};
