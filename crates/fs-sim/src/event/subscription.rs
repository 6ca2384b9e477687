//! What one listener asked for by `event`, `nixevent` and `noevents` (mod_event_socket).

use std::collections::HashSet;

use super::{EventKind, Format};

/// The most CUSTOM subclasses that one listener may name: far above any real one's use, so that a
/// client that never stops naming new ones cannot grow the server.
const SUBCLASSES_MAX: usize = 1_000;

/// One listener's choice of events and their form.
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    pub(crate) format: Format,
    enabled: bool,
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

impl Subscription {
    /// `event [plain|json|xml] NAME… [CUSTOM subclass…]`: the reply's text.
    pub(crate) fn event(&mut self, words: &str) -> String {
        let mut named = false;
        let mut custom = false;
        for (index, word) in words.split(' ').enumerate() {
            if index == 0
                && let Some(format) = Format::by_name(word)
            {
                self.format = format;
                continue;
            }
            if custom {
                if self.subclasses.len() < SUBCLASSES_MAX {
                    self.subclasses.insert(word.to_owned());
                }
            } else if word.eq_ignore_ascii_case("ALL") {
                named = true;
                self.all = true;
                self.kinds = Kinds::ALL;
            } else if let Some(kind) = EventKind::by_name(word) {
                named = true;
                custom = kind == EventKind::CUSTOM;
                self.kinds.insert(kind);
            }
        }
        if !named {
            return "-ERR no keywords supplied".to_owned();
        }
        self.enabled = true;
        format!("+OK event listener enabled {}", self.format.name())
    }

    /// `nixevent NAME… [CUSTOM subclass…]`: the reply's text.
    pub(crate) fn nixevent(&mut self, words: &str) -> &'static str {
        let mut named = false;
        let mut custom = false;
        for word in words.split(' ') {
            if custom {
                self.subclasses.remove(word);
            } else if word.eq_ignore_ascii_case("ALL") {
                named = true;
                self.all = false;
                self.kinds = Kinds::default();
            } else if let Some(kind) = EventKind::by_name(word) {
                named = true;
                custom = kind == EventKind::CUSTOM;
                if !custom {
                    self.all = false;
                    self.kinds.remove(kind);
                }
            }
        }
        if !named {
            return "-ERR no keywords supplied";
        }
        self.enabled = true;
        "+OK events nixed"
    }

    /// `noevents`: the reply's text.
    pub(crate) fn noevents(&mut self) -> &'static str {
        if !self.enabled {
            return "-ERR not listening for events";
        }
        *self = Subscription { format: self.format, ..Subscription::default() };
        "+OK no longer listening for events"
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
}
