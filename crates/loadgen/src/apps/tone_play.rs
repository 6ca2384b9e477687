//! `tone_play`

use super::script::{Action, Application, Script};
use super::{AppKind, AppOption, AppOptions, CALLEE};
use crate::config::ConfigError;

pub(super) const KIND: AppKind = AppKind {
    name: "tone_play",
    about: "Plays a tone for as long as the call lasts; the far leg is answered and echoes it.",
    options: &[
        AppOption {
            name: "tone",
            shape: "text",
            default: "tone_stream://%(251,0,1004);loops=-1",
            about: "A stream, or a file that lasts longer than the call: when playback ends, the call ends and counts as dropped.",
        },
        CALLEE,
    ],
    modules: &["mod_tone_stream"],
    far: true,
    build,
    ..AppKind::PLAIN
};

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    // As the near leg's own application it needs no event and no command.
    let application = Application { name: "playback", argument: options.required("tone")? };
    let callee = match super::is_callee_ours(options)? {
        true => vec![Action::Answer.into(), super::run_on("echo")],
        false => Vec::new(),
    };
    Ok(Script { application, callee, ..Script::default() })
}
