//! What the switch knows of a connection beside its subscription: who it is, what it may do, what it controls.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use crate::{channel::SessionId, config::User, frame};

/// API commands that run another one: what they run has to be allowed too.
const RUNS_ANOTHER: [&str; 5] = ["bgapi", "sched_api", "eval", "expand", "xml_wrap"];

/// The most bytes of one line of a `userauth` reply: mod_event_socket makes each in a buffer of 512.
const LINE_BYTES_MAX: usize = 511;

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) authenticated: bool,
    /// It has sent a command, and may take its time from then on.
    pub(super) has_spoken: bool,
    pub(super) rights: Rights,
    /// The least grave level whose lines it gets, while it gets any.
    pub(super) log_level: Option<i32>,
    /// The session that it controls, or watches by `myevents`.
    pub(super) session: Option<Controlled>,
    /// Set where the switch connected to the client.
    pub(super) outbound: Option<Outbound>,
    pub(super) linger: Option<Linger>,
    /// Where the client is.
    pub(super) address: Option<SocketAddr>,
    /// It waits for the end of what a message made its session do.
    pub(super) awaits: bool,
    /// What it does now has no reply: the first command of a connection that the switch made.
    pub(super) mute: bool,
}

/// The session of a connection, whatever has become of it.
#[derive(Clone, Debug)]
pub(super) struct Controlled {
    pub(super) id: SessionId,
    pub(super) uuid: Arc<str>,
    /// The connection has been told of the session's end.
    pub(super) told: bool,
}

/// What the `socket` application was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outbound {
    /// All commands are there, not only those for the session.
    pub(super) full: bool,
    /// The session goes on by itself and takes messages as they come, instead of waiting for each.
    pub(super) is_async: bool,
}

/// How long a connection stays after its session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linger {
    Seconds(i64),
    /// Until the client closes it.
    Ever,
}

/// What a connection may do; everything unless a `userauth` user has logged in.
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) log: bool,
    api: Option<HashSet<String>>,
}

impl Default for Rights {
    fn default() -> Rights {
        Rights { log: true, api: None }
    }
}

impl Rights {
    pub(super) fn of(user: &User) -> Rights {
        let api = user.allowed_api.as_ref().map(|names| {
            let apart_by = if names.contains(' ') { ' ' } else { ',' };
            names.split(apart_by).map(str::to_owned).collect()
        });
        Rights { log: user.allowed_log, api }
    }

    /// Whether `command arguments` may run, and what it makes run.
    pub(super) fn permit_api(&self, text: &str) -> bool {
        let Some(allowed) = &self.api else { return true };
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (name, arguments) = text.split_once(' ').map_or((text, None), |(name, rest)| (name, Some(rest)));
            if !allowed.contains(name) {
                return false;
            }
            if !RUNS_ANOTHER.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return true;
            }
            rest = arguments;
        }
        true
    }
}

/// The headers of the reply to a `userauth` that is accepted.
pub(super) fn welcome(user: &User) -> String {
    let line = |name: &str, value: &str| {
        let mut line = format!("{name}: {value}\n");
        let end = (0..=LINE_BYTES_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
        line.truncate(end.unwrap_or(0));
        line
    };
    let all = |names: &Option<String>| names.clone().unwrap_or_else(|| "all".to_owned());
    let events = line("Allowed-Events", &all(&user.allowed_events));
    let api = line("Allowed-API", &all(&user.allowed_api));
    let log = line("Allowed-LOG", if user.allowed_log { "true" } else { "false" });
    format!("Reply-Text: +OK accepted\n{events}{api}{log}\n")
}

/// The user and the password of `name@domain:password` or `name:password@domain`.
pub(super) fn credentials(text: &str) -> Option<(&str, &str, &str)> {
    let (user, rest) = text.split_once('@')?;
    let (domain, mut password) = rest.split_once(':').unwrap_or((rest, ""));
    let (name, before) = user.split_once(':').unwrap_or((user, ""));
    if !before.is_empty() || user.contains(':') {
        password = before;
    }
    (!name.is_empty() && !domain.is_empty()).then_some((name, domain, password))
}

impl Peer {
    /// The UUID that notices carry.
    pub(super) fn session_uuid(&self) -> Option<&str> {
        self.session.as_ref().map(|session| &*session.uuid)
    }

    pub(super) fn notice(&self) -> bytes::Bytes {
        frame::disconnect_notice(self.session_uuid())
    }
}

/// When a connection that lingers from `now` on is closed: FreeSWITCH compares whole seconds, and the last has to be
/// over.
pub(super) fn linger_ends(clock: crate::clock::Clock, now: Duration, seconds: i64) -> Duration {
    let last = clock.second(now).saturating_add_signed(seconds);
    clock.up_at_second(last.saturating_add(1)).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_and_with_what() {
        assert_eq!(credentials("joe@home:secret"), Some(("joe", "home", "secret")));
        assert_eq!(credentials("joe:secret@home"), Some(("joe", "home", "secret")));
        assert_eq!(credentials("joe@home"), Some(("joe", "home", "")));
        for nobody in ["joe", "@home:x", "joe@:x", ""] {
            assert_eq!(credentials(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn what_runs_another_needs_both() {
        let rights = |names: &str| Rights::of(&User { allowed_api: Some(names.to_owned()), ..User::default() });
        let some = rights("status,bgapi,expand");
        for (text, permitted) in [
            ("status", true),
            ("status as json", true),
            ("STATUS", false),
            ("show calls", false),
            ("bgapi status", true),
            ("bgapi show calls", false),
            ("bgapi expand bgapi status", true),
            ("bgapi expand show", false),
            ("bgapi uuid:1 status", false),
            ("bgapi", true),
            ("", false),
        ] {
            assert_eq!(some.permit_api(text), permitted, "{text}");
        }
        assert!(rights("show status").permit_api("show calls"));
        assert!(Rights::default().permit_api("anything"));
    }
}
