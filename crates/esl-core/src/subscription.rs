//! What a listener asks the server for: which events, in which format, past which filters; and the way from one such
//! subscription to another without a gap.

use std::fmt;

use bytes::BytesMut;

use crate::EventName;
use crate::command::{put, sound};
use crate::error::CommandError;

/// How events are written. A connection has one format for all its events: the last `event` command wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// `Name: value` lines, percent-encoded. A value that itself holds `%41` cannot be told from one that holds `A`.
    #[default]
    Plain,
    /// A JSON object. Exact.
    Json,
    /// XML, its values percent-encoded as in the plain format.
    Xml,
}

impl Format {
    /// As in the `event` command.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A filter: events that have this header with this value pass.
///
/// A server's filters start from nothing: with one set, an event passes only if some filter lets it. `/…/` is a regular
/// expression, and a `-` in front makes a filter that holds back what another one let pass; alone, it lets nothing pass
/// (`mod_event_socket`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    pub(crate) header: String,
    pub(crate) value: String,
}

impl Filter {
    /// Lets events pass that have `header` with `value`, upper and lower case alike.
    pub fn new(header: impl Into<String>, value: impl Into<String>) -> Self {
        Self { header: header.into(), value: value.into() }
    }
}

/// Which events a listener gets. Every channel event is large (2 to 9 KB), and what is not subscribed to costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    format: Format,
    names: Vec<EventName>,
    custom: Vec<String>,
    filters: Vec<Filter>,
}

impl Subscription {
    /// A subscription to events by their names, in the plain format.
    pub fn new(names: impl IntoIterator<Item = EventName>) -> Self {
        names.into_iter().fold(Self::default(), Self::with)
    }

    /// To events of this name too.
    #[must_use]
    pub fn with(mut self, name: EventName) -> Self {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        self
    }

    /// To events of this name no more.
    #[must_use]
    pub fn without(mut self, name: EventName) -> Self {
        self.names.retain(|&known| known != name);
        self
    }

    /// To a subclass of `CUSTOM` events too.
    #[must_use]
    pub fn custom(mut self, subclass: impl Into<String>) -> Self {
        let subclass = subclass.into();
        if !self.custom.contains(&subclass) {
            self.custom.push(subclass);
        }
        self
    }

    /// In this format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Past this filter. Events that tell of no channel, `BACKGROUND_JOB` and `HEARTBEAT`, are let through where they
    /// are subscribed to: a filter on a channel would end them otherwise, and with them the results of jobs.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        if !self.filters.contains(&filter) {
            self.filters.push(filter);
        }
        self
    }

    /// Whether events of this name come.
    #[must_use]
    pub fn contains(&self, name: EventName) -> bool {
        self.names.contains(&name) || self.names.contains(&EventName::All)
    }

    /// The names, in the order in which they were given.
    #[must_use]
    pub fn names(&self) -> &[EventName] {
        &self.names
    }

    /// Whether nothing is subscribed to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.custom.is_empty()
    }

    /// The filters that the server is told: those given, and those that keep alive what no channel's filter lets pass.
    fn server_filters(&self) -> Vec<Filter> {
        if self.filters.is_empty() {
            return Vec::new();
        }
        let kept = [EventName::BackgroundJob, EventName::Heartbeat].into_iter();
        kept.filter(|&name| self.contains(name))
            .map(|name| Filter::new("Event-Name", name.as_str()))
            .chain(self.filters.iter().cloned())
            .collect()
    }

    /// The commands that make a connection which is subscribed to nothing subscribed to this, as they go over the wire.
    ///
    /// # Errors
    /// [`CommandError`] where a subclass or a filter cannot be sent.
    pub fn encode(&self, out: &mut BytesMut) -> Result<usize, CommandError> {
        Self::default().encode_change(self, out)
    }

    /// Appends the commands that lead from this subscription to `new`, and says how many they are. At every moment
    /// between them, what is in both is delivered: first what comes in addition, then what goes.
    ///
    /// # Errors
    /// [`CommandError`] where a subclass or a filter cannot be sent. Nothing is appended then.
    pub fn encode_change(&self, new: &Self, out: &mut BytesMut) -> Result<usize, CommandError> {
        new.check()?;
        let mut commands = 0;
        let (old_filters, new_filters) = (self.server_filters(), new.server_filters());
        // A first filter would hold back what only the next ones let pass: one that lets everything pass stands beside
        // them until they are all there.
        let opened = old_filters.is_empty() && !new_filters.is_empty() && !self.is_empty();
        if opened {
            put(out, &["filter Event-Name /./\n\n"]);
            commands += 1;
        }
        for filter in new_filters.iter().filter(|filter| !old_filters.contains(filter)) {
            put(out, &["filter ", &filter.header, " ", &filter.value, "\n\n"]);
            commands += 1;
        }
        if opened {
            put(out, &["filter delete Event-Name /./\n\n"]);
            commands += 1;
        }
        let added = |name: &&EventName| !self.names.contains(name);
        let names: Vec<&str> = new.names.iter().filter(added).map(|name| name.as_str()).collect();
        let custom: Vec<&str> =
            new.custom.iter().filter(|one| !self.custom.contains(one)).map(String::as_str).collect();
        if !names.is_empty() || !custom.is_empty() {
            put(out, &["event ", new.format.as_str()]);
            list(out, &names, &custom);
            commands += 1;
        } else if self.format != new.format && !new.is_empty() {
            // What is subscribed to already does no harm, and the format is taken over.
            new.encode_list("event", out)?;
            commands += 1;
        }
        let wanted = |name: EventName| new.contains(name);
        let gone: Vec<&str> = if self.names.contains(&EventName::All) && !new.names.contains(&EventName::All) {
            // `nixevent ALL` would end everything; one name nixed turns ALL into all the others.
            let nixed = EventName::ALL.iter().filter(|&&name| name != EventName::All && !wanted(name));
            nixed.map(|name| name.as_str()).filter(|&name| name != "CUSTOM").collect()
        } else {
            self.names.iter().filter(|&&name| !wanted(name)).map(|name| name.as_str()).collect()
        };
        let custom: Vec<&str> =
            self.custom.iter().filter(|one| !new.custom.contains(one)).map(String::as_str).collect();
        if !gone.is_empty() || !custom.is_empty() {
            put(out, &["nixevent"]);
            list(out, &gone, &custom);
            commands += 1;
        }
        if new_filters.is_empty() && !old_filters.is_empty() {
            put(out, &["filter delete all\n\n"]);
            return Ok(commands + 1);
        }
        for filter in old_filters.iter().filter(|filter| !new_filters.contains(filter)) {
            put(out, &["filter delete ", &filter.header, " ", &filter.value, "\n\n"]);
            commands += 1;
        }
        Ok(commands)
    }

    /// Appends `<command> …` with everything that is subscribed to.
    pub(crate) fn encode_list(&self, command: &str, out: &mut BytesMut) -> Result<(), CommandError> {
        self.check()?;
        let names: Vec<&str> = self.names.iter().map(|name| name.as_str()).collect();
        let custom: Vec<&str> = self.custom.iter().map(String::as_str).collect();
        match command {
            "event" => put(out, &["event ", self.format.as_str()]),
            command => put(out, &[command]),
        }
        list(out, &names, &custom);
        Ok(())
    }

    fn check(&self) -> Result<(), CommandError> {
        for subclass in &self.custom {
            sound("an event's subclass", subclass)?;
            no_space("an event's subclass", subclass)?;
        }
        for Filter { header, value } in &self.filters {
            sound("a filter's header", header)?;
            no_space("a filter's header", header)?;
            sound("a filter's value", value)?;
        }
        Ok(())
    }
}

/// Everything behind CUSTOM is a subclass, so it comes last.
fn list(out: &mut BytesMut, names: &[&str], custom: &[&str]) {
    for name in names.iter().filter(|&&name| name != "CUSTOM") {
        put(out, &[" ", name]);
    }
    if !custom.is_empty() || names.contains(&"CUSTOM") {
        put(out, &[" CUSTOM"]);
    }
    for subclass in custom {
        put(out, &[" ", subclass]);
    }
    put(out, &["\n\n"]);
}

fn no_space(place: &'static str, text: &str) -> Result<(), CommandError> {
    match text.contains(char::is_whitespace) {
        true => Err(CommandError::Space { place, text: text.to_owned() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventName::{BackgroundJob, ChannelAnswer, ChannelCreate, ChannelDestroy, Custom, Heartbeat};

    fn change(old: &Subscription, new: &Subscription) -> Vec<String> {
        let mut out = BytesMut::new();
        let count = old.encode_change(new, &mut out).unwrap();
        let text = String::from_utf8(out.to_vec()).unwrap();
        let commands: Vec<String> = text.split_terminator("\n\n").map(str::to_owned).collect();
        assert_eq!(commands.len(), count);
        commands
    }

    #[test]
    fn the_difference_comes_before_it_goes() {
        let old = Subscription::new([ChannelCreate, ChannelAnswer]).custom("a::b");
        let new = Subscription::new([ChannelAnswer, ChannelDestroy]).custom("a::c");
        assert_eq!(
            change(&old, &new),
            ["event plain CHANNEL_DESTROY CUSTOM a::c", "nixevent CHANNEL_CREATE CUSTOM a::b"]
        );
        assert_eq!(change(&old, &old), [""; 0]);
        assert_eq!(
            change(&old, &old.clone().format(Format::Json)),
            ["event json CHANNEL_CREATE CHANNEL_ANSWER CUSTOM a::b"]
        );
    }

    #[test]
    fn from_all_to_some_without_a_gap() {
        let commands = change(&Subscription::new([EventName::All]), &Subscription::new([ChannelAnswer]));
        assert_eq!(commands[0], "event plain CHANNEL_ANSWER");
        assert!(commands[1].starts_with("nixevent ") && commands[1].contains(" HEARTBEAT"));
        assert!(!commands[1].contains(" ALL") && !commands[1].contains(" CHANNEL_ANSWER"), "{}", commands[1]);
    }

    #[test]
    fn fact_10_behind_custom_everything_is_a_subclass() {
        let all = Subscription::new([Custom, Heartbeat]).custom("x::y").with(ChannelAnswer);
        assert_eq!(change(&Subscription::default(), &all), ["event plain HEARTBEAT CHANNEL_ANSWER CUSTOM x::y"]);
        for text in ["a b", "", "a\nb"] {
            let subscription = Subscription::default().custom(text);
            assert!(subscription.encode(&mut BytesMut::new()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn fact_10_a_filter_keeps_jobs_deliverable() {
        let plain = Subscription::new([BackgroundJob, Heartbeat, ChannelAnswer]);
        let filtered = plain.clone().filter(Filter::new("Unique-ID", "x"));
        let commands = [
            "filter Event-Name BACKGROUND_JOB",
            "filter Event-Name HEARTBEAT",
            "filter Unique-ID x",
            "event plain BACKGROUND_JOB HEARTBEAT CHANNEL_ANSWER",
        ];
        assert_eq!(change(&Subscription::default(), &filtered), commands);
        let later = change(&plain, &filtered);
        assert_eq!(later[1..4], commands[..3]);
        assert_eq!([&*later[0], &*later[4]], ["filter Event-Name /./", "filter delete Event-Name /./"]);
        assert_eq!(change(&filtered, &plain), ["filter delete all"]);
        let other = plain.filter(Filter::new("Unique-ID", "y"));
        assert_eq!(change(&filtered, &other), ["filter Unique-ID y", "filter delete Unique-ID x"]);
    }
}
