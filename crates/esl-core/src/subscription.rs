//! What a listener asks the server for: which events, in which format, past which filters; and the way from one such
//! subscription to another without a gap.

use bytes::BytesMut;

use crate::EventName;
use crate::argument::{put, sound};
use crate::error::CommandError;
use crate::wire::Format;

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
///
/// ```
/// use esl_core::{EventName, Filter, Format, Subscription};
///
/// let answers = Subscription::new([EventName::ChannelAnswer, EventName::ChannelHangup])
///     .custom("sofia::register")
///     .filter(Filter::new("variable_direction", "outbound"))
///     .format(Format::Json);
/// let digits = answers.clone().with(EventName::Dtmf).without(EventName::ChannelHangup);
/// assert!(digits.contains(EventName::Dtmf) && !digits.contains(EventName::ChannelHangup));
///
/// // What leads from one to the other, without a gap in what stays.
/// assert_eq!(answers.changes(&digits)?, ["event json DTMF\n\n", "nixevent CHANNEL_HANGUP\n\n"]);
/// # Ok::<(), esl_core::CommandError>(())
/// ```
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

    /// The commands that lead from this subscription to `new`, one by one as they go over the wire. At every moment between
    /// them what is in both is delivered: first comes what is added, then goes what is not wanted any more.
    ///
    /// # Errors
    /// [`CommandError`] where a subclass or a filter cannot be sent.
    pub fn changes(&self, new: &Self) -> Result<Vec<BytesMut>, CommandError> {
        new.check()?;
        let mut commands = Vec::new();
        let mut command = |parts: &[&str]| {
            let mut out = BytesMut::new();
            put(&mut out, parts);
            commands.push(out);
        };
        let (old_filters, new_filters) = (self.server_filters(), new.server_filters());
        // A first filter would hold back what only the next ones let pass: one that lets everything pass stands beside
        // them until they are all there.
        let opened = old_filters.is_empty() && !new_filters.is_empty() && !self.is_empty();
        if opened {
            command(&["filter Event-Name /./\n\n"]);
        }
        for filter in new_filters.iter().filter(|filter| !old_filters.contains(filter)) {
            command(&["filter ", &filter.header, " ", &filter.value, "\n\n"]);
        }
        if opened {
            command(&["filter delete Event-Name /./\n\n"]);
        }
        let names: Vec<&str> = names(&new.names, |name| !self.names.contains(&name));
        let custom: Vec<&str> =
            new.custom.iter().filter(|one| !self.custom.contains(one)).map(String::as_str).collect();
        if !names.is_empty() || !custom.is_empty() {
            command(&["event ", new.format.name(), &list(&names, &custom)]);
        } else if self.format != new.format && !new.is_empty() {
            // What is subscribed to already does no harm, and the format is taken over.
            command(&["event ", new.format.name(), &new.list()]);
        }
        let gone = if self.names.contains(&EventName::All) && !new.names.contains(&EventName::All) {
            // `nixevent ALL` would end everything; one name nixed turns ALL into all the others.
            let kept = [EventName::All, EventName::Custom];
            self::names(EventName::ALL, |name| !kept.contains(&name) && !new.contains(name))
        } else {
            self::names(&self.names, |name| !new.contains(name))
        };
        let custom: Vec<&str> =
            self.custom.iter().filter(|one| !new.custom.contains(one)).map(String::as_str).collect();
        if new.is_empty() && self.names.contains(&EventName::All) {
            // ALL came with every subclass of CUSTOM, which no nixevent takes away.
            command(&["noevents\n\n"]);
        } else if !gone.is_empty() || !custom.is_empty() {
            command(&["nixevent", &list(&gone, &custom)]);
        }
        if new_filters.is_empty() && !old_filters.is_empty() {
            command(&["filter delete all\n\n"]);
        } else {
            for filter in old_filters.iter().filter(|filter| !new_filters.contains(filter)) {
                command(&["filter delete ", &filter.header, " ", &filter.value, "\n\n"]);
            }
        }
        Ok(commands)
    }

    /// Everything that is subscribed to, as it stands behind `event plain` and `nixevent`.
    pub(crate) fn encode_list(&self, out: &mut BytesMut) -> Result<(), CommandError> {
        self.check()?;
        put(out, &[&self.list()]);
        Ok(())
    }

    fn list(&self) -> String {
        let custom: Vec<&str> = self.custom.iter().map(String::as_str).collect();
        list(&names(&self.names, |_| true), &custom)
    }

    /// The format.
    pub(crate) fn format_name(&self) -> &'static str {
        self.format.name()
    }

    fn check(&self) -> Result<(), CommandError> {
        for subclass in &self.custom {
            sound("an event's subclass", subclass)?;
            no_space("an event's subclass", subclass)?;
        }
        for Filter { header, value } in &self.filters {
            sound("a filter's header", header)?;
            no_space("a filter's header", header)?;
            // `mod_event_socket` takes these words for commands of its own.
            if ["add", "all", "delete"].iter().any(|word| header.eq_ignore_ascii_case(word)) {
                return Err(CommandError::Reserved { place: "a filter's header", text: header.clone() });
            }
            sound("a filter's value", value)?;
        }
        Ok(())
    }
}

fn names(names: &[EventName], wanted: impl Fn(EventName) -> bool) -> Vec<&'static str> {
    names.iter().filter(|&&name| wanted(name)).map(|name| name.as_str()).collect()
}

/// Everything behind CUSTOM is a subclass, so it comes last.
fn list(names: &[&str], custom: &[&str]) -> String {
    let mut words = vec![""];
    words.extend(names.iter().filter(|&&name| name != "CUSTOM"));
    if !custom.is_empty() || names.contains(&"CUSTOM") {
        words.push("CUSTOM");
    }
    words.extend(custom);
    words.join(" ") + "\n\n"
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
        let commands = old.changes(new).unwrap();
        commands.iter().map(|one| std::str::from_utf8(one).unwrap().strip_suffix("\n\n").unwrap().to_owned()).collect()
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
    fn from_all_to_nothing_ends_the_custom_events_too() {
        let all = Subscription::new([EventName::All]).custom("a::b");
        assert_eq!(change(&all, &Subscription::default()), ["noevents"]);
    }

    #[test]
    fn fact_10_behind_custom_everything_is_a_subclass() {
        let all = Subscription::new([Custom, Heartbeat]).custom("x::y").with(ChannelAnswer);
        assert_eq!(change(&Subscription::default(), &all), ["event plain HEARTBEAT CHANNEL_ANSWER CUSTOM x::y"]);
        for text in ["a b", "", "a\nb"] {
            let subscription = Subscription::default().custom(text);
            assert!(Subscription::default().changes(&subscription).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_filter_s_header_that_is_a_command_is_refused() {
        for header in ["delete", "Add", "all"] {
            let subscription = Subscription::new([ChannelAnswer]).filter(Filter::new(header, "x"));
            let error = Subscription::default().changes(&subscription).unwrap_err();
            assert!(matches!(error, CommandError::Reserved { .. }), "{error}");
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
