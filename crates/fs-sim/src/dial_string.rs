//! The text of an `originate`: words, quotes, variables in brackets, the endpoint and what runs on answer
//! (switch_utils.c, switch_event.c, mod_commands).

use crate::dialplan::Application;

/// Names and their values.
type Assignments = Vec<(String, String)>;

/// The most destinations between two `|`, and between two commas: FreeSWITCH's own number (`MAX_PEERS`).
const PEERS_MAX: usize = 128;

/// Whom to call, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// For all legs, in the order in which they will show; a name appears once.
    pub(crate) variables: Assignments,
    /// One after the other, as they stand between `|`; those that stand between commas are called at once.
    pub(crate) groups: Vec<Vec<Destination>>,
    pub(crate) caller_name: Option<String>,
    pub(crate) caller_number: Option<String>,
    pub(crate) timeout_seconds: u64,
}

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// For this leg alone (`[…]`).
    pub(crate) variables: Assignments,
    /// `sofia/external/9196@127.0.0.1:5080`.
    pub(crate) endpoint: String,
}

/// What the leg does once it is answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OnAnswer {
    /// `&park()`
    Application(Application),
    /// `9197 XML default`
    Extension { number: String, dialplan: String, context: String },
}

/// Why an `originate` cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Too few or too many words.
    Usage,
    /// Brackets that do not close, which FreeSWITCH answers like a refused call.
    Brackets,
}

/// FreeSWITCH's own default for an originate's patience.
const TIMEOUT_SECONDS: u64 = 60;

impl Request {
    /// Reads an `originate`: whom to call, and what the leg does once it is answered.
    pub(crate) fn parse(text: &str) -> Result<(Request, OnAnswer), Malformed> {
        let words = words(text);
        if !(2..=7).contains(&words.len()) {
            return Err(Malformed::Usage);
        }
        let word = |index: usize| words.get(index).filter(|word| !word.eq_ignore_ascii_case("undef"));
        let (variables, destinations) = variables(&words[0], &BRACES)?;
        let timeout = variables.iter().find(|(name, _)| name == "originate_timeout").map(|(_, value)| value.as_str());
        let timeout =
            timeout.or(word(6).map(String::as_str)).and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
        let mut variables = variables;
        // Who calls, as the command says it, is a variable like the others.
        for (name, value) in [("origination_caller_id_name", word(4)), ("origination_caller_id_number", word(5))] {
            if let (Some(value), false) = (value, variables.iter().any(|(known, _)| known == name)) {
                variables.push((name.to_owned(), value.clone()));
            }
        }
        let request = Request {
            caller_name: None,
            caller_number: None,
            timeout_seconds: timeout.unwrap_or(TIMEOUT_SECONDS),
            variables,
            groups: groups(destinations)?,
        };
        let word = |index: usize, other: &str| word(index).map_or(other, String::as_str).to_owned();
        Ok((request, OnAnswer::parse(&words[1], word(2, "XML"), word(3, "default"))))
    }

    /// Reads the dial string of a `bridge`.
    pub(crate) fn bridge(text: &str) -> Result<Request, Malformed> {
        let (variables, destinations) = variables(text, &BRACES)?;
        Ok(Request {
            caller_name: None,
            caller_number: None,
            timeout_seconds: TIMEOUT_SECONDS,
            variables,
            groups: groups(destinations)?,
        })
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl OnAnswer {
    fn parse(word: &str, dialplan: String, context: String) -> OnAnswer {
        match word.strip_prefix('&').filter(|rest| !rest.is_empty()) {
            Some(rest) => {
                let rest = rest.split(')').next().unwrap_or(rest);
                let (name, data) = rest.split_once('(').unwrap_or((rest, ""));
                OnAnswer::Application(Application::new(name, data))
            }
            None => OnAnswer::Extension { number: word.to_owned(), dialplan, context },
        }
    }
}

/// Splits at spaces outside of single quotes, and takes quotes and escapes away.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while !rest.is_empty() {
        let end = end_of_word(rest, ' ', true);
        found.push(unquote(&rest[..end], None));
        rest = rest[end..].trim_start_matches(' ');
    }
    found
}

/// Splits at `separator`, as [`words`] does at spaces; a quote without a partner is an ordinary character.
pub(crate) fn fields(text: &str, separator: char, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && found.len() < most {
        let end = end_of_word(rest, separator, false);
        // The last field keeps everything, separators included.
        let end = if found.len() + 1 == most { rest.len() } else { end };
        found.push(unquote(&rest[..end], Some(separator)));
        rest = rest.get(end + separator.len_utf8()..).unwrap_or("");
    }
    found
}

/// What is more than a character: a quote, or what escapes one.
const MARKS: [char; 2] = ['\'', '\\'];

fn end_of_word(text: &str, separator: char, lone_quotes: bool) -> usize {
    // Most words have none, and end at the first separator.
    let end = text.find(separator).unwrap_or(text.len());
    if !text[..end].contains(MARKS) && !MARKS.contains(&separator) {
        return end;
    }
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '\'' && (lone_quotes || quoted || text[at + 1..].contains('\'')) {
            quoted = !quoted;
        } else if c == separator && !quoted {
            return at;
        }
    }
    text.len()
}

/// Takes quotes, escapes and outer spaces away.
fn unquote(text: &str, separator: Option<char>) -> String {
    let text = text.trim_start_matches(' ');
    if !text.contains(MARKS) {
        return text.trim_end_matches(' ').to_owned();
    }
    let mut out = String::with_capacity(text.len());
    // Spaces after this are not part of the word.
    let mut end = 0;
    let mut quoted = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            let replaced = match chars.peek().map(|(_, next)| *next) {
                Some('n') => Some('\n'),
                Some('r') => Some('\r'),
                Some('t') => Some('\t'),
                Some('s') => Some(' '),
                Some(next @ ('\'' | '"' | '\\')) => Some(next),
                Some(next) if Some(next) == separator => Some(next),
                _ => None,
            };
            if let Some(replaced) = replaced {
                chars.next();
                out.push(replaced);
                end = out.len();
                continue;
            }
        }
        if c == '\'' && (quoted || text[at + 1..].contains('\'')) {
            quoted = !quoted;
            if quoted {
                end = out.len();
            }
        } else {
            out.push(c);
            if c != ' ' || quoted {
                end = out.len();
            }
        }
    }
    out.truncate(end);
    out
}

/// What opens and closes variables for all legs, and for one; later ones win over earlier ones.
const BRACES: [(char, char); 2] = [('<', '>'), ('{', '}')];
const BRACKETS: [(char, char); 1] = [('[', ']')];

/// Takes variables off the front of a dial string: those in what comes last of `kinds` win.
fn variables<'a>(dial_string: &'a str, kinds: &[(char, char)]) -> Result<(Assignments, &'a str), Malformed> {
    let mut found: Vec<(usize, String, String)> = Vec::new();
    let mut rest = dial_string.trim_start_matches(' ');
    while let Some(rank) = kinds.iter().position(|(open, _)| rest.starts_with(*open)) {
        let end = end_of_brackets(rest, kinds[rank].1).ok_or(Malformed::Brackets)?;
        for (name, value) in assignments(&rest[1..end]) {
            match found.iter_mut().find(|(_, known, _)| *known == name) {
                Some(known) if known.0 > rank => {}
                Some(known) => (known.0, known.2) = (rank, value),
                None => found.push((rank, name, value)),
            }
        }
        rest = rest[end + 1..].trim_start_matches(' ');
    }
    let variables =
        found.into_iter().map(|(_, name, value)| (name, value)).filter(|(_, value)| !value.is_empty()).collect();
    Ok((variables, rest))
}

/// The destinations of a dial string, without what stands before all of them.
fn groups(text: &str) -> Result<Vec<Vec<Destination>>, Malformed> {
    let destination = |text: &str| {
        let (variables, endpoint) = variables(text, &BRACKETS)?;
        Ok(Destination { variables, endpoint: endpoint.trim_end().to_owned() })
    };
    split(text, '|').map(|group| split(group, ',').map(destination).collect()).collect()
}

/// Splits at `separator` outside of brackets and quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut depth, mut quoted) = (0_usize, false);
        let end = text.char_indices().find_map(|(at, c)| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                '\'' => quoted = !quoted,
                c if c == separator && depth == 0 && !quoted => return Some(at),
                _ => {}
            }
            None
        });
        rest = end.map(|end| &text[end + separator.len_utf8()..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
    .take(PEERS_MAX)
}

fn end_of_brackets(text: &str, close: char) -> Option<usize> {
    let open = text.chars().next()?;
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// `name=value` pairs between commas, or between what `^^` names instead.
fn assignments(text: &str) -> Assignments {
    let mut separator = ',';
    let mut text = text;
    if let Some(rest) = text.strip_prefix("^^")
        && let Some(named) = rest.chars().next()
    {
        separator = named;
        text = &rest[named.len_utf8()..];
    }
    fields(text, separator, usize::MAX)
        .iter()
        .filter_map(|field| match fields(field, '=', 2).as_slice() {
            [name, value] => Some((name.clone(), expand(value))),
            _ => None,
        })
        .collect()
}

/// `${…}` of a leg that does not exist yet is nothing.
fn expand(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        out.push_str(&rest[..start]);
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a FreeSWITCH made of `n` in an originate: its value, no value, or a failure.
    const RECORDED: &[(&str, Result<Option<&str>, Malformed>)] = &[
        ("{n=plain}null/x &park()", Ok(Some("plain"))),
        ("{n='a b'}null/x &park()", Ok(Some("a b"))),
        ("{n=a b}null/x &park()", Err(Malformed::Brackets)),
        ("{n='a,b'}null/x &park()", Ok(Some("a"))),
        (r"{n=a\,b}null/x &park()", Ok(Some("a,b"))),
        (r"{n='a\,b'}null/x &park()", Ok(Some("a,b"))),
        ("{n=\"a,b\"}null/x &park()", Ok(Some("\"a"))),
        ("{n=\"a b\"}null/x &park()", Err(Malformed::Brackets)),
        ("{^^:n=a,b:m=2}null/x &park()", Ok(Some("a,b"))),
        ("{^^;n=a:b,c;m=2}null/x &park()", Ok(Some("a:b,c"))),
        ("{n=a=b}null/x &park()", Ok(Some("a=b"))),
        (r"{n='it\'s'}null/x &park()", Ok(Some("it's"))),
        ("{n=it's}null/x &park()", Err(Malformed::Usage)),
        ("{n='{x}'}null/x &park()", Ok(Some("{x}"))),
        ("{n=[x]}null/x &park()", Ok(Some("[x]"))),
        ("{n=a(b)}null/x &park()", Ok(Some("a(b)"))),
        ("{n=$1}null/x &park()", Ok(Some("$1"))),
        ("{n=${hostname}}null/x &park()", Ok(None)),
        (r"{n=a\nb}null/x &park()", Ok(Some("a\nb"))),
        (r"{n=a\\b}null/x &park()", Ok(Some(r"a\b"))),
        ("{n=}null/x &park()", Ok(None)),
        ("{n=%41}null/x &park()", Ok(Some("%41"))),
        ("{n=é☎}null/x &park()", Ok(Some("é☎"))),
        ("{n=^^:a:b}null/x &park()", Ok(Some("^^:a:b"))),
        ("{n=x, m=y}null/x &park()", Err(Malformed::Brackets)),
        ("{m=1}[n=plain]null/x &park()", Ok(Some("plain"))),
        ("{m=1}[n='a,b']null/x &park()", Ok(Some("a"))),
        ("{m=1}[^^:n=a,b:m=2]null/x &park()", Ok(Some("a,b"))),
        (r"<n=a\,b>{m=1}null/x &park()", Ok(Some("a,b"))),
        ("{n=1}[n=2]null/x &park()", Ok(Some("1"))),
        ("<n=0>{n=1}{m=1}null/x &park()", Ok(Some("1"))),
        ("{n='a b',m=2}null/x &park()", Ok(Some("a b"))),
        ("{ n = spaced }null/x &park()", Err(Malformed::Brackets)),
        ("{n=tab\tx}null/x &park()", Ok(Some("tab\tx"))),
    ];

    #[test]
    fn variables_come_out_as_recorded() {
        for (text, expected) in RECORDED {
            let parsed = Request::parse(text).map(|(request, _)| request);
            let own = |request: &Request| -> Option<String> {
                let variables = &request.groups[0][0].variables;
                variables.iter().find(|(name, _)| name == "n").map(|(_, value)| value.clone())
            };
            // What stands in braces is set last.
            let value = parsed.as_ref().map(|request| request.variable("n").map(str::to_owned).or(own(request)));
            let value = value.as_ref().map(|value| value.as_deref());
            assert_eq!(value.map_err(|error| *error), expected.as_ref().map(|value| *value), "{text}");
        }
    }

    #[test]
    fn a_brace_too_many_ends_up_in_the_endpoint() {
        let request = Request::parse("{n=a}b}null/x &park()").expect("a request").0;
        assert_eq!(request.groups[0][0].endpoint, "b}null/x");
    }

    #[test]
    fn destinations_at_once_and_one_after_the_other() {
        let text = "{a=1,originate_timeout=3}[b=2,c=4]null/x,[b=3]null/y|null/z";
        let request = Request::bridge(text).expect("a request");
        let told: Vec<Vec<String>> = request
            .groups
            .iter()
            .map(|group| group.iter().map(|one| format!("{} {:?}", one.endpoint, one.variables)).collect())
            .collect();
        let expected = [
            vec![r#"null/x [("b", "2"), ("c", "4")]"#.to_owned(), r#"null/y [("b", "3")]"#.to_owned()],
            vec!["null/z []".to_owned()],
        ];
        assert_eq!(told, expected);
        assert_eq!((request.variable("a"), request.variable("b")), (Some("1"), None));
        assert_eq!(Request::bridge("{a=1"), Err(Malformed::Brackets));
        assert_eq!(Request::bridge("[a=1"), Err(Malformed::Brackets));
    }

    #[test]
    fn what_runs_on_answer() {
        let on_answer = |text: &str| Request::parse(text).expect("a request").1;
        assert_eq!(on_answer("null/x &park()"), OnAnswer::Application(Application::new("park", "")));
        assert_eq!(on_answer("null/x &park"), OnAnswer::Application(Application::new("park", "")));
        assert_eq!(on_answer("null/x '&playback(a b)'"), OnAnswer::Application(Application::new("playback", "a b")));
        let extension = |number: &str, dialplan: &str| {
            let [number, dialplan, context] = [number, dialplan, "default"].map(str::to_owned);
            OnAnswer::Extension { number, dialplan, context }
        };
        assert_eq!(on_answer("null/x 9197 XML default"), extension("9197", "XML"));
        assert_eq!(on_answer("null/x 9197"), extension("9197", "XML"));
        assert_eq!(on_answer("null/x 'answer,park' inline"), extension("answer,park", "inline"));
    }

    #[test]
    fn a_variable_beats_the_command_for_the_timeout() {
        let timeout = |text: &str| Request::parse(text).expect("a request").0.timeout_seconds;
        assert_eq!(timeout("null/x &park()"), 60);
        assert_eq!(timeout("null/x &park() XML default undef undef 7"), 7);
        assert_eq!(timeout("{originate_timeout=3}null/x &park() XML default undef undef 7"), 3);
    }
}
