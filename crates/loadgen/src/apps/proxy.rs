//! `proxy`

use std::time::Duration;

use super::script::{Action, Script, Step};
use super::{AppKind, AppOption, AppOptions, AppResult, bridge};
use crate::config::ConfigError;
use crate::config::template::Template;

pub(super) const KIND: AppKind = AppKind {
    name: "proxy",
    about: "Bridges the far leg to a third party, whose answer answers the call: the slave is a PBX between the two. A call whose \
         far leg cannot be bridged fails with the cause of that bridge.",
    options: &[
        bridge::TO,
        AppOption { name: "timeout", shape: "a time", default: "60s", about: "How long the third party may ring." },
    ],
    results: &[
        AppResult { name: "proxied", about: "calls that were bridged" },
        AppResult { name: "unreached", about: "calls that were not bridged" },
    ],
    far: true,
    build,
    ..AppKind::PLAIN
};

/// How long beyond its own time-out the server may take to report a failure.
const GRACE: Duration = Duration::from_secs(5);

fn build(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let timeout = options.time("timeout")?;
    let seconds = timeout.as_millis().div_ceil(1000);
    let variables = vec![
        // When one side hangs up, the other does too.
        ("hangup_after_bridge".to_owned(), Template::constant("true")),
        ("call_timeout".to_owned(), Template::constant(seconds.to_string())),
    ];
    let action = Action::Bridge { to: options.address(bridge::TO.name)?, timeout: timeout + GRACE };
    let callee = vec![Action::SetVariables(variables).into(), Step { action, met: Some(0), missed: Some(1) }];
    Ok(Script { callee, ..Script::default() })
}
