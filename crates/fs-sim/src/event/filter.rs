//! What a listener lets through of the events that it asked for: `filter` (mod_event_socket's `event_handler`).

use regex_lite::{Regex, RegexBuilder};

/// The most filters of one listener: far above any real one's use, so that a client that never stops adding
/// cannot grow the server.
const FILTERS_MAX: usize = 1_000;

/// The most bytes of one filter's name and value, and of an expression that has been understood: longer ones are not
/// added, or match nothing.
const FILTER_BYTES_MAX: usize = 4 * 1024;
const EXPRESSION_BYTES_MAX: usize = 64 * 1024;

/// An event's headers, in its order; a name can be there more than once.
pub(crate) type Headers = [(String, String)];

/// The first value of `name`, in any case of letters.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// One listener's filters.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    filters: Vec<Filter>,
    refused: u64,
}

#[derive(Debug)]
struct Filter {
    name: String,
    /// As it was given: `filter delete` compares with it.
    value: String,
    lets_through: bool,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// The whole value, in any case of letters.
    Text(String),
    Pattern(Regex),
    /// A pattern that cannot be understood matches nothing.
    Never,
}

impl Filters {
    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// What follows `filter `: `[add] header value`, `delete header [value]`, `delete all`. The reply's text.
    pub(crate) fn command(&mut self, words: &str) -> String {
        let words = words.trim_start_matches(' ');
        let (first, rest) = split(words);
        match (first, rest) {
            ("", None) | (_, None) => "-ERR invalid syntax".to_owned(),
            (first, Some(rest)) if first.eq_ignore_ascii_case("delete") => {
                let (name, value) = split(rest);
                self.delete(name, value.unwrap_or_default());
                format!("+OK filter deleted. [{name}][{}]", value.unwrap_or_default())
            }
            (first, Some(rest)) => {
                let (name, value) = if first.eq_ignore_ascii_case("add") { split(rest) } else { (first, Some(rest)) };
                self.add(name, value.unwrap_or_default());
                // The text is printf's own for a value that is not there.
                format!("+OK filter added. [{name}]=[{}]", value.unwrap_or("(null)"))
            }
        }
    }

    /// An empty value adds nothing, as with any header of an event.
    fn add(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if self.filters.len() >= FILTERS_MAX || name.len() + value.len() > FILTER_BYTES_MAX {
            self.refused += 1;
            return;
        }
        self.filters.push(Filter::new(name, value));
    }

    /// How many were not added because there were too many or they were too long, since the last call.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    fn delete(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("all") {
            return self.filters.clear();
        }
        self.filters
            .retain(|filter| !(filter.name.eq_ignore_ascii_case(name) && (value.is_empty() || filter.value == value)));
    }

    /// Whether an event with these headers passes: with filters there, one that lets through has to match and
    /// none that keeps out may.
    pub(crate) fn pass(&self, headers: &Headers) -> bool {
        let mut passes = self.is_empty();
        for filter in &self.filters {
            let Some(value) = header(headers, &filter.name) else { continue };
            if passes && filter.lets_through {
                continue;
            }
            if filter.matches(value) {
                if !filter.lets_through {
                    return false;
                }
                passes = true;
            }
        }
        passes
    }
}

impl Filter {
    /// Any number of signs and spaces may come before what is compared; the last sign counts. With one before
    /// it a pattern is a text.
    fn new(name: &str, value: &str) -> Filter {
        let compared = value.trim_start_matches(['+', '-', ' ']);
        let signs = &value[..value.len() - compared.len()];
        let lets_through = signs.chars().rev().find(|c| *c != ' ') != Some('-');
        let test = if value.starts_with('/') { pattern(compared) } else { Test::Text(compared.to_owned()) };
        Filter { name: name.to_owned(), value: value.to_owned(), lets_through, test }
    }

    fn matches(&self, value: &str) -> bool {
        match &self.test {
            Test::Text(text) => value.eq_ignore_ascii_case(text),
            Test::Pattern(pattern) => pattern.is_match(value),
            Test::Never => false,
        }
    }
}

/// `/expression/` with the options `i` and `s` (switch_regex.c). The expressions are Perl's there; here those
/// that look around or back are not understood.
fn pattern(text: &str) -> Test {
    let Some((expression, options)) = text.strip_prefix('/').and_then(|text| text.rsplit_once('/')) else {
        return Test::Never;
    };
    RegexBuilder::new(expression)
        .case_insensitive(options.contains('i'))
        .dot_matches_new_line(options.contains('s'))
        .size_limit(EXPRESSION_BYTES_MAX)
        .build()
        .map_or(Test::Never, Test::Pattern)
}

fn split(words: &str) -> (&str, Option<&str>) {
    words.split_once(' ').map_or((words, None), |(first, rest)| (first, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(commands: &[&str]) -> Filters {
        let mut filters = Filters::default();
        for command in commands {
            assert!(filters.command(command).starts_with("+OK"), "{command}");
        }
        filters
    }

    fn passes(commands: &[&str], headers: &[(&str, &str)]) -> bool {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        filters(commands).pass(&headers)
    }

    const EVENT: &[(&str, &str)] = &[("Event-Name", "CHANNEL_PARK"), ("Unique-ID", "abc"), ("unique-id", "def")];

    #[test]
    fn replies() {
        let mut filters = Filters::default();
        for (command, reply) in [
            ("Event-Name X", "+OK filter added. [Event-Name]=[X]"),
            (" A b c", "+OK filter added. [A]=[b c]"),
            ("add A b", "+OK filter added. [A]=[b]"),
            ("add A", "+OK filter added. [A]=[(null)]"),
            ("A ", "+OK filter added. [A]=[]"),
            ("delete A", "+OK filter deleted. [A][]"),
            ("delete A b", "+OK filter deleted. [A][b]"),
            ("DELETE ALL", "+OK filter deleted. [ALL][]"),
            ("delete", "-ERR invalid syntax"),
            ("A", "-ERR invalid syntax"),
            ("", "-ERR invalid syntax"),
        ] {
            assert_eq!(filters.command(command), reply, "{command}");
        }
    }

    #[test]
    fn one_that_matches_lets_through() {
        assert!(passes(&[], EVENT));
        assert!(passes(&["event-name channel_park"], EVENT));
        assert!(!passes(&["Event-Name CHANNEL"], EVENT));
        assert!(!passes(&["Job-UUID x"], EVENT));
        assert!(passes(&["Job-UUID x", "Unique-ID abc"], EVENT));
        assert!(!passes(&["Unique-ID def"], EVENT), "the first of a name counts");
    }

    #[test]
    fn one_that_keeps_out_wins() {
        assert!(!passes(&["Event-Name CHANNEL_PARK", "Unique-ID -abc"], EVENT));
        assert!(passes(&["Event-Name CHANNEL_PARK", "Unique-ID - xyz"], EVENT));
        assert!(!passes(&["Unique-ID -xyz"], EVENT), "keeping out alone lets nothing through");
        assert!(passes(&["Unique-ID -+abc"], EVENT));
        assert!(!passes(&["Unique-ID !xyz"], EVENT), "no sign at all");
    }

    #[test]
    fn patterns() {
        assert!(passes(&["Event-Name /^CHANNEL_(PARK|ANSWER)$/"], EVENT));
        assert!(!passes(&["Event-Name /^channel/"], EVENT));
        assert!(passes(&["Event-Name /^channel/i"], EVENT));
        assert!(!passes(&["Event-Name +/^CHANNEL/"], EVENT), "a sign makes it a text");
        for broken in ["/^CHANNEL", "/(/", "//(/"] {
            assert!(!passes(&[&format!("Event-Name {broken}")], EVENT), "{broken}");
        }
    }

    #[test]
    fn deleting_takes_by_name_and_value() {
        let mut some = filters(&["A x", "A y", "B z"]);
        some.command("delete a y");
        assert_eq!(some.filters.len(), 2);
        some.command("delete A");
        assert_eq!(some.filters.len(), 1);
        some.command("delete all");
        assert!(some.is_empty());
    }
}
