//! What one listener asked for by `event`, `nixevent`, `noevents` and `myevents`, and what it may ask for
//! (mod_event_socket).

use std::{collections::HashSet, sync::Arc};

use super::{
    EventKind, Format,
    filter::{Filters, Headers, header},
};

/// The most CUSTOM subclasses that one listener may name: far above any real one's use, so that a
/// client that never stops naming new ones cannot grow the server.
const SUBCLASSES_MAX: usize = 1_000;

/// The most bytes of a subclass's name.
const SUBCLASS_BYTES_MAX: usize = 1_024;

const DENIED: &str = "-ERR permission denied";

/// One listener's choice of events and their form.
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    pub(crate) format: Format,
    pub(crate) filters: Filters,
    pub(crate) mine: Mine,
    /// Without it everything may be asked for.
    pub(crate) allowed: Option<Allowed>,
    enabled: bool,
    all: bool,
    kinds: Kinds,
    subclasses: HashSet<String>,
    refused: u64,
}

/// What `myevents` narrows a listener's events to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Mine {
    #[default]
    Off,
    /// Those of any channel: where no channel was found.
    Any,
    /// Those of the channel with this UUID, and the results of the jobs that its listener started.
    Only(Arc<str>),
}

/// What a `userauth` user may ask for.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    all: bool,
    kinds: Kinds,
    subclasses: HashSet<String>,
}

/// A set of kinds; there are fewer than 128.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds(u128);

const _: () = assert!(EventKind::COUNT <= 128);

impl Kinds {
    const ALL: Kinds = Kinds((1 << EventKind::COUNT) - 1);

    fn insert(&mut self, kind: EventKind) {
        self.0 |= 1 << kind.index();
    }

    fn remove(&mut self, kind: EventKind) {
        self.0 &= !(1 << kind.index());
    }

    fn contains(self, kind: EventKind) -> bool {
        self.0 >> kind.index() & 1 == 1
    }
}

/// What `myevents` subscribes to.
const MY_KINDS: [&str; 23] = [
    "CHANNEL_ANSWER",
    "CHANNEL_APPLICATION",
    "CHANNEL_BRIDGE",
    "CHANNEL_CREATE",
    "CHANNEL_DATA",
    "CHANNEL_DESTROY",
    "CHANNEL_EXECUTE",
    "CHANNEL_EXECUTE_COMPLETE",
    "CHANNEL_HANGUP",
    "CHANNEL_HANGUP_COMPLETE",
    "CHANNEL_ORIGINATE",
    "CHANNEL_UUID",
    "CHANNEL_OUTGOING",
    "CHANNEL_PARK",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_STATE",
    "CHANNEL_UNBRIDGE",
    "CHANNEL_UNPARK",
    "DETECTED_SPEECH",
    "DTMF",
    "NOTALK",
    "TALK",
];

/// A word among those that a client names.
enum Named {
    All,
    Kind(EventKind),
}

impl Named {
    fn parse(word: &str) -> Option<Named> {
        if word.eq_ignore_ascii_case("ALL") || word.eq_ignore_ascii_case("SWITCH_EVENT_ALL") {
            return Some(Named::All);
        }
        EventKind::by_name(word).map(Named::Kind)
    }
}

impl Allowed {
    /// The names of `esl-allowed-events`, apart by commas, or by spaces where there is one.
    pub(crate) fn parse(names: &str) -> Allowed {
        let mut allowed = Allowed::default();
        let mut custom = false;
        for word in names.split(if names.contains(' ') { ' ' } else { ',' }) {
            if custom {
                allowed.subclasses.insert(word.to_owned());
                continue;
            }
            match Named::parse(word) {
                Some(Named::All) => {
                    allowed.all = true;
                    allowed.kinds = Kinds::ALL;
                }
                Some(Named::Kind(kind)) => {
                    custom = kind == EventKind::CUSTOM;
                    allowed.kinds.insert(kind);
                }
                None => {}
            }
        }
        allowed
    }

    fn permits(&self, named: &Named) -> bool {
        match named {
            Named::All => self.all,
            Named::Kind(kind) => self.all || self.kinds.contains(*kind),
        }
    }
}

impl Subscription {
    /// `event [plain|json|xml] NAME… [CUSTOM subclass…]`: the reply's text.
    pub(crate) fn event(&mut self, words: &str) -> String {
        let mut any = false;
        let mut custom = false;
        for (index, word) in words.split(' ').enumerate() {
            if index == 0
                && let Some(format) = Format::by_name(word)
            {
                self.format = format;
                continue;
            }
            if custom {
                if self.allowed.as_ref().is_some_and(|allowed| !allowed.subclasses.contains(word)) {
                    return DENIED.to_owned();
                }
                if self.subclasses.contains(word) {
                    continue;
                }
                if self.subclasses.len() < SUBCLASSES_MAX && word.len() <= SUBCLASS_BYTES_MAX {
                    self.subclasses.insert(word.to_owned());
                } else {
                    self.refused += 1;
                }
                continue;
            }
            let Some(named) = Named::parse(word) else { continue };
            // What was named before a refusal stays.
            if self.allowed.as_ref().is_some_and(|allowed| !allowed.permits(&named)) {
                return DENIED.to_owned();
            }
            any = true;
            match named {
                Named::All => {
                    self.all = true;
                    self.kinds = Kinds::ALL;
                    if let Some(allowed) = &self.allowed {
                        self.subclasses.extend(allowed.subclasses.iter().cloned());
                    }
                }
                Named::Kind(kind) => {
                    custom = kind == EventKind::CUSTOM;
                    self.kinds.insert(kind);
                }
            }
        }
        if !any {
            return "-ERR no keywords supplied".to_owned();
        }
        self.enabled = true;
        format!("+OK event listener enabled {}", self.format.name())
    }

    /// How many filters and subclasses were not taken because there were too many, since the last call.
    pub(crate) fn take_refused(&mut self) -> u64 {
        self.filters.take_refused() + std::mem::take(&mut self.refused)
    }

    /// `nixevent NAME… [CUSTOM subclass…]`: the reply's text.
    pub(crate) fn nixevent(&mut self, words: &str) -> &'static str {
        let mut any = false;
        let mut custom = false;
        for word in words.split(' ') {
            if custom {
                self.subclasses.remove(word);
                continue;
            }
            match Named::parse(word) {
                Some(Named::All) => {
                    any = true;
                    self.all = false;
                    self.kinds = Kinds::default();
                }
                Some(Named::Kind(kind)) => {
                    any = true;
                    custom = kind == EventKind::CUSTOM;
                    if !custom {
                        self.all = false;
                        self.kinds.remove(kind);
                    }
                }
                None => {}
            }
        }
        if !any {
            return "-ERR no keywords supplied";
        }
        self.enabled = true;
        "+OK events nixed"
    }

    /// `noevents`: the reply's text. Filters and `myevents` stay.
    pub(crate) fn noevents(&mut self) -> &'static str {
        if !self.enabled {
            return "-ERR not listening for events";
        }
        self.enabled = false;
        self.all = false;
        self.kinds = Kinds::default();
        self.subclasses.clear();
        "+OK no longer listening for events"
    }

    /// `myevents`: all of a channel's events, and of those that were asked for otherwise only that channel's.
    pub(crate) fn myevents(&mut self, mine: Mine) {
        self.enabled = true;
        self.mine = mine;
        for kind in MY_KINDS.into_iter().filter_map(EventKind::by_name) {
            self.kinds.insert(kind);
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    pub(crate) fn wants(&self, kind: EventKind, subclass: Option<&str>) -> bool {
        if !self.enabled {
            return false;
        }
        if self.all {
            return true;
        }
        self.kinds.contains(kind)
            && (kind != EventKind::CUSTOM || subclass.is_none_or(|name| self.subclasses.contains(name)))
    }

    /// Whether an event's headers decide whether it is wanted.
    pub(crate) fn looks_inside(&self) -> bool {
        !self.filters.is_empty() || self.mine != Mine::Off
    }

    /// Whether an event of a wanted kind is wanted with these headers.
    pub(crate) fn passes(&self, headers: &Headers) -> bool {
        self.filters.pass(headers)
            && match &self.mine {
                Mine::Off => true,
                Mine::Any => header(headers, "Unique-ID").is_some(),
                Mine::Only(uuid) => {
                    let own = |name| header(headers, name) == Some(uuid);
                    own("Unique-ID") || own("Job-Owner-UUID")
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_count_and_the_last_format_wins() {
        let mut subscription = Subscription::default();
        assert_eq!(subscription.event("plain"), "-ERR no keywords supplied");
        assert_eq!(subscription.event("plain NOT_AN_EVENT"), "-ERR no keywords supplied");
        assert_eq!(subscription.event("json HEARTBEAT NOT_AN_EVENT"), "+OK event listener enabled json");
        assert_eq!(subscription.event("bogus CHANNEL_CREATE"), "+OK event listener enabled json");
        assert!(subscription.wants(EventKind::HEARTBEAT, None) && subscription.wants(EventKind::CHANNEL_CREATE, None));
        assert!(!subscription.wants(EventKind::CHANNEL_ANSWER, None));
    }

    #[test]
    fn what_follows_custom_is_a_subclass() {
        let mut subscription = Subscription::default();
        subscription.event("plain CUSTOM demo::one HEARTBEAT");
        assert!(subscription.wants(EventKind::CUSTOM, Some("demo::one")));
        assert!(!subscription.wants(EventKind::CUSTOM, Some("demo::two")));
        assert!(!subscription.wants(EventKind::HEARTBEAT, None));
    }

    #[test]
    fn all_can_be_taken_apart_again() {
        let mut subscription = Subscription::default();
        subscription.event("plain ALL");
        assert!(subscription.wants(EventKind::CUSTOM, Some("demo::one")));
        assert_eq!(subscription.nixevent("HEARTBEAT"), "+OK events nixed");
        assert!(!subscription.wants(EventKind::HEARTBEAT, None) && subscription.wants(EventKind::CHANNEL_PARK, None));
        assert_eq!(subscription.noevents(), "+OK no longer listening for events");
        assert_eq!(subscription.noevents(), "-ERR not listening for events");
        assert!(!subscription.wants(EventKind::CHANNEL_PARK, None));
    }

    #[test]
    fn names_can_have_freeswitchs_own_prefix() {
        let mut subscription = Subscription::default();
        assert_eq!(subscription.event("SWITCH_EVENT_HEARTBEAT"), "+OK event listener enabled plain");
        assert!(subscription.wants(EventKind::HEARTBEAT, None) && !subscription.wants(EventKind::CHANNEL_PARK, None));
        subscription.event("SWITCH_EVENT_ALL");
        assert!(subscription.wants(EventKind::CHANNEL_PARK, None));
    }

    #[test]
    fn what_is_not_allowed_is_denied() {
        let allowed = |names| Some(Allowed::parse(names));
        let mut some = Subscription { allowed: allowed("CHANNEL_PARK,CUSTOM,demo::one"), ..Subscription::default() };
        assert_eq!(some.event("plain CHANNEL_PARK CUSTOM demo::one"), "+OK event listener enabled plain");
        assert_eq!(some.event("json CUSTOM demo::two"), DENIED);
        assert_eq!(some.event("CHANNEL_PARK HEARTBEAT"), DENIED);
        assert_eq!(some.event("ALL"), DENIED);
        assert_eq!(some.format, Format::Json, "what comes before a refusal has been done");
        let mut all = Subscription { allowed: allowed("ALL"), ..Subscription::default() };
        assert_eq!(all.event("plain HEARTBEAT"), "+OK event listener enabled plain");
        assert_eq!(all.event("plain CUSTOM demo::one"), DENIED, "all are no subclasses");
    }

    #[test]
    fn my_events_are_one_channels_and_its_jobs() {
        let mut subscription = Subscription::default();
        subscription.myevents(Mine::Only("abc".into()));
        assert!(subscription.wants(EventKind::CHANNEL_PARK, None) && !subscription.wants(EventKind::HEARTBEAT, None));
        let passes = |name: &str, value: &str| subscription.passes(&[(name.to_owned(), value.to_owned())]);
        assert!(passes("Unique-ID", "abc") && passes("Job-Owner-UUID", "abc"));
        assert!(!passes("Unique-ID", "def") && !passes("Other-Leg-Unique-ID", "abc"));
    }
}
