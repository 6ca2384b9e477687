//! One pattern on one header, with its handlers.

use std::ops::Index;
use std::pin::Pin;
use std::sync::Arc;

use regex_lite::Regex;

use super::Router;
use crate::error::{Error, Kind};
use crate::{BoxError, Event, Session};

/// Whether a call is handed on to the handlers that come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// It is.
    Continue,
    /// It has its route.
    Stop,
}

/// What a handler does.
pub type Handling = Pin<Box<dyn Future<Output = Result<Routing, BoxError>> + Send>>;

type Handler = Box<dyn Fn(Session, Match, Arc<Router>) -> Handling + Send + Sync>;

pub(super) struct Route {
    header: String,
    pattern: String,
    regex: Regex,
    pub(super) handlers: Vec<Handler>,
}

impl Route {
    pub(super) fn new(header: &str, pattern: &str, handler: Handler) -> Result<Self, Error> {
        let bad = |source| Error::from(Kind::Pattern { pattern: pattern.to_owned(), source });
        let (header, regex) = (header.to_owned(), Regex::new(pattern).map_err(bad)?);
        Ok(Self { header, pattern: pattern.to_owned(), regex, handlers: vec![handler] })
    }

    pub(super) fn is(&self, header: &str, pattern: &str) -> bool {
        self.header == header && self.pattern == pattern
    }

    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }

    pub(super) fn find(&self, event: &Event, session: &Session) -> Option<Match> {
        self.matches(header(event, session, &self.header)?)
    }

    fn matches(&self, value: String) -> Option<Match> {
        let captures = self.regex.captures(&value)?;
        // The leftmost match is what is found: where it is not at the start, there is none at the start.
        if captures.get(0)?.start() > 0 {
            return None;
        }
        let groups = captures.iter().map(|group| group.map(|group| group.as_str().to_owned())).collect();
        let names = self.regex.capture_names().map(|name| name.map(str::to_owned)).collect();
        Some(Match { header: self.header.clone(), groups, names, value })
    }
}

/// A header as the event has it, or as the session had it before. An empty one is none.
pub(super) fn header(event: &Event, session: &Session, name: &str) -> Option<String> {
    let told = event.get(name).filter(|value| !value.is_empty());
    told.map(|value| value.into_owned()).or_else(|| session.get(name))
}

/// What a route's pattern found. `found[0]` is the text that it matched, `found[1]` that of its first group, empty where
/// that took no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    header: String,
    value: String,
    groups: Vec<Option<String>>,
    names: Vec<Option<String>>,
}

impl Match {
    /// The header that the pattern was looked for in.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The header's whole value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The text of a group, 0 for what the whole pattern matched. `None` where there is no such group or it took no part.
    #[must_use]
    pub fn get(&self, group: usize) -> Option<&str> {
        self.groups.get(group)?.as_deref()
    }

    /// The text of a group with a name, `(?<name>…)`. `None` as for [`Match::get`].
    #[must_use]
    pub fn name(&self, name: &str) -> Option<&str> {
        self.get(self.names.iter().position(|known| known.as_deref() == Some(name))?)
    }

    /// How many groups there are, 0 among them.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always group 0")]
    pub fn len(&self) -> usize {
        self.groups.len()
    }
}

impl Index<usize> for Match {
    type Output = str;

    fn index(&self, group: usize) -> &str {
        self.get(group).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, value: &str) -> Option<Match> {
        let handler: Handler = Box::new(|_, _, _| Box::pin(async { Ok(Routing::Stop) }));
        Route::new("n", pattern, handler).unwrap().matches(value.to_owned())
    }

    #[test]
    fn a_pattern_matches_at_the_start_and_need_not_reach_the_end() {
        for (pattern, value, matched) in [
            ("10", "1000", Some("10")),
            ("10", "2100", None),
            ("10$", "1000", None),
            (".*00$", "2100", Some("2100")),
            ("a|b", "xb", None),
            ("a|xb", "xb", Some("xb")),
            ("(?x) 1 0 # a comment", "10", Some("10")),
            ("", "x", Some("")),
            ("(?i)DOGGY", "doggy", Some("doggy")),
        ] {
            assert_eq!(find(pattern, value).as_ref().map(|found| &found[0]), matched, "{pattern} on {value}");
        }
    }

    #[test]
    fn groups_by_number_and_by_name() {
        let found = find("(?<area>0[0-9]+)-([0-9]+)(x)?", "030-12 and more").unwrap();
        assert_eq!((found.value(), found.header(), found.len()), ("030-12 and more", "n", 4));
        assert_eq!((&found[0], &found[1], &found[2], &found[3], &found[9]), ("030-12", "030", "12", "", ""));
        assert_eq!((found.name("area"), found.name("x"), found.get(3)), (Some("030"), None, None));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let handler: Handler = Box::new(|_, _, _| Box::pin(async { Ok(Routing::Stop) }));
        let error = Route::new("n", "(", handler).err().unwrap();
        assert!(error.is_pattern(), "{error}");
        assert!(error.to_string().contains("\"(\""), "{error}");
    }
}
