//! What commands set and other commands read back: global variables, aliases, the knobs of `fsctl`.

use super::sofia::Counts;
use crate::event::{IPV4, IPV6};

/// The most global variables and the most aliases: far above any real server's, so that a client that never stops
/// setting new ones cannot grow this one.
const ENTRIES_MAX: usize = 10_000;

/// The folders of a server that was built without a prefix of its own, in the order in which they are set.
const FOLDERS: [(&str, &str); 20] = [
    ("base_dir", ""),
    ("recordings_dir", "/var/lib/freeswitch/recordings"),
    ("sound_prefix", "/share/freeswitch/sounds"),
    ("sounds_dir", "/share/freeswitch/sounds"),
    ("conf_dir", "/etc/freeswitch"),
    ("log_dir", "/var/log/freeswitch"),
    ("run_dir", "/var/run/freeswitch"),
    ("db_dir", "/var/lib/freeswitch/db"),
    ("mod_dir", "/lib/freeswitch/mod"),
    ("htdocs_dir", "/share/freeswitch/htdocs"),
    ("script_dir", "/share/freeswitch/scripts"),
    ("temp_dir", "/tmp"),
    ("grammar_dir", "/share/freeswitch/grammar"),
    ("fonts_dir", "/share/freeswitch/fonts"),
    ("images_dir", "/var/lib/freeswitch/images"),
    ("certs_dir", "/etc/freeswitch/tls"),
    ("storage_dir", "/var/lib/freeswitch/storage"),
    ("cache_dir", "/var/cache/freeswitch"),
    ("data_dir", "/share/freeswitch"),
    ("localstate_dir", "/var/lib/freeswitch"),
];

/// Where the folders lie.
const PREFIX: &str = "/usr/local/freeswitch";

/// All of it.
#[derive(Debug)]
pub(crate) struct Settings {
    globals: Vec<(String, String)>,
    /// Sticky or not, the alias, what it stands for.
    pub(super) aliases: Vec<(bool, String, String)>,
    pub(crate) knobs: Knobs,
    pub(super) nesting: Nesting,
    /// How many calls each SIP profile has had.
    pub(crate) sip_calls: Counts,
    /// `hash insert`: realm and key, value.
    pub(super) hash: Vec<(String, String)>,
}

/// How deep commands and expansions may lie in each other (switch_event.c has this number for the latter).
const DEPTH_MAX: usize = 100;

/// The most bytes and `${…}` of one command, so that variables which name each other cannot hold the server up.
const EXPANDED_MAX: usize = 1024 * 1024;

/// How deep the command that runs lies in others, and what it may still expand.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    depth: usize,
    left: usize,
}

impl Nesting {
    /// One level deeper, unless that is too deep. What is entered has to be left.
    pub(super) fn enter(&mut self) -> bool {
        if self.depth == 0 {
            self.left = EXPANDED_MAX;
        }
        let allowed = self.depth < DEPTH_MAX;
        self.depth += usize::from(allowed);
        allowed
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Takes some of what may still be expanded.
    pub(super) fn take(&mut self, size: usize) -> bool {
        let allowed = size <= self.left;
        self.left = self.left.saturating_sub(size);
        allowed
    }
}

/// What `fsctl` sets and shows, as the recorded server has it at its start.
#[derive(Debug)]
pub(crate) struct Knobs {
    pub(crate) log_level: i32,
    pub(super) debug_level: u32,
    pub(super) dtmf_min: u32,
    pub(super) dtmf_default: u32,
    pub(super) dtmf_max: u32,
    pub(super) api_expansion: bool,
    pub(super) threaded_system_exec: bool,
    pub(super) tracelevel: i32,
    pub(super) debug_presence: bool,
    pub(super) debug_sla: bool,
    /// It ends once its calls have ended.
    pub(super) shutting_down: bool,
}

impl Settings {
    pub(crate) fn new(hostname: &str, core_uuid: &str) -> Settings {
        let mut globals: Vec<(String, String)> =
            [("hostname", hostname), ("local_ip_v4", IPV4), ("local_mask_v4", "255.255.255.0"), ("local_ip_v6", IPV6)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec();
        globals.extend(FOLDERS.map(|(name, folder)| {
            let prefix = if folder == "/tmp" { "" } else { PREFIX };
            (name.to_owned(), format!("{prefix}{folder}"))
        }));
        globals.push(("core_uuid".to_owned(), core_uuid.to_owned()));
        Settings {
            globals,
            aliases: Vec::new(),
            knobs: Knobs::default(),
            nesting: Nesting::default(),
            sip_calls: Counts::default(),
            hash: Vec::new(),
        }
    }

    pub(crate) fn global(&self, name: &str) -> Option<&str> {
        self.globals.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn globals(&self) -> &[(String, String)] {
        &self.globals
    }

    /// Sets a global variable; without a value it is gone.
    pub(crate) fn set_global(&mut self, name: &str, value: &str) {
        self.globals.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if !value.is_empty() && self.globals.len() < ENTRIES_MAX {
            self.globals.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(super) fn set_alias(&mut self, sticky: bool, alias: &str, command: &str) {
        self.aliases.retain(|(_, known, _)| known != alias);
        if self.aliases.len() < ENTRIES_MAX {
            self.aliases.push((sticky, alias.to_owned(), command.to_owned()));
        }
    }

    /// Puts in what an alias stands for, before the arguments.
    pub(crate) fn expand_alias(&self, command: &mut String, arguments: &mut String) {
        let known = self.aliases.iter().find(|(_, alias, _)| alias.eq_ignore_ascii_case(command));
        let Some((_, _, text)) = known else { return };
        let (name, first) = text.split_once(' ').unwrap_or((text, ""));
        *arguments = format!("{first} {arguments}").trim().to_owned();
        *command = name.to_owned();
    }

    pub(super) fn set_hash(&mut self, key: String, value: &str) {
        self.hash.retain(|(known, _)| *known != key);
        if self.hash.len() < ENTRIES_MAX {
            self.hash.push((key, value.to_owned()));
        }
    }
}

impl Default for Knobs {
    fn default() -> Knobs {
        Knobs {
            log_level: crate::log::SERVER_LEVEL,
            debug_level: 0,
            dtmf_min: 400,
            dtmf_default: 2_000,
            dtmf_max: 192_000,
            // The recorded conversations, whose events these are, were held with it.
            api_expansion: true,
            threaded_system_exec: false,
            tracelevel: 0,
            debug_presence: false,
            debug_sla: false,
            shutting_down: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_and_go() {
        let mut settings = Settings::new("vm", "core");
        assert_eq!(settings.global("HOSTNAME"), Some("vm"));
        assert_eq!(settings.global("mod_dir"), Some("/usr/local/freeswitch/lib/freeswitch/mod"));
        settings.set_global("a", "1");
        settings.set_global("a", "2");
        assert_eq!(settings.global("a"), Some("2"));
        settings.set_global("a", "");
        assert_eq!(settings.global("a"), None);
    }
}
