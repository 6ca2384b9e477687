//! FreeSWITCH's way through an `originate`, step by step as its source goes (`originate_function` in mod_commands,
//! switch_ivr_originate.c, `switch_event_create_brackets` in switch_event.c, `switch_separate_string` in switch_utils.c):
//! what the tests hold the builder against. It is itself held against what a server answered.

use std::collections::BTreeMap;

/// Variables by name in lower case.
pub(crate) type Variables = BTreeMap<String, String>;

/// What a server makes of an `originate`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) groups: Vec<Group>,
    /// `&app(arguments)` or an extension, then dialplan and context.
    pub(crate) words: Vec<String>,
}

/// One group: its alternatives, each of legs at the same time.
pub(crate) type Group = Vec<Vec<Leg>>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) endpoint: String,
    /// As the channel has them.
    pub(crate) variables: Variables,
    /// The UUID that its endpoint is given.
    pub(crate) uuid: Option<String>,
}

/// `-USAGE`, or the cause after `-ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed(pub &'static str);

pub(crate) const USAGE: Failed = Failed("-USAGE");
const BROKEN: Failed = Failed("DESTINATION_OUT_OF_ORDER");
const NO_ENDPOINT: Failed = Failed("CHAN_NOT_IMPLEMENTED");

const QUOTED_COMMA: u8 = 1;
const UNQUOTED_COMMA: u8 = 2;

/// What a server does with the text of an `api` command.
pub(crate) fn parse(command: &str) -> Result<Parsed, Failed> {
    assert!(!command.contains(['\0', '\n', '\r']), "{command:?} would not arrive as one command");
    let lower = command.to_lowercase();
    assert!(
        !(lower.contains("mod_event_socket") && (lower.contains("unload") || lower.contains("reload"))),
        "{command:?} would unload the Event Socket"
    );
    let arguments = command.strip_prefix("originate ").ok_or(USAGE)?.trim_matches([' ', '\t', '\x0b']);
    let mut words = separate(arguments.as_bytes(), b' ', 10);
    if !(2..=7).contains(&words.len()) {
        return Err(USAGE);
    }
    for word in &words {
        assert!(!word.eq_ignore_ascii_case(b"undef"), "{command:?} has a word that is taken for a missing one");
    }
    let address = words.remove(0);
    let groups = if contains(&address, b":_:") { enterprise(&address)? } else { vec![group(&address, Event::new())?] };
    Ok(Parsed { groups, words: words.iter().map(|word| text(word)).collect() })
}

/// The name and the arguments of `&app(arguments)`, as the application gets them; `None` where it is not run.
pub(crate) fn application(word: &str) -> Option<(String, String)> {
    let rest = word.strip_prefix('&').filter(|rest| !rest.is_empty())?;
    let rest = rest.split(')').next().unwrap_or(rest);
    let (name, arguments) = rest.split_once('(').unwrap_or((rest, ""));
    if arguments.contains("\\'") {
        return None;
    }
    let expanded = expand(arguments.as_bytes());
    let starts = |at: usize| expanded.get(at) == Some(&b'[');
    if expanded.first() == Some(&b'%') && (starts(1) || starts(2)) {
        return None;
    }
    Some((name.to_owned(), text(&expanded)))
}

/// Headers of an event: a value and, for a list, its elements.
#[derive(Clone, Debug)]
struct Event(BTreeMap<String, Vec<u8>>);

impl Event {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = text(name).to_lowercase();
        assert!(!name.contains('['), "{name:?} is an element of a list");
        self.0.remove(&name);
        if value.is_empty() {
            return;
        }
        let Some(list) = value.strip_prefix(b"ARRAY::") else {
            self.0.insert(name, value.to_vec());
            return;
        };
        if list.is_empty() {
            return;
        }
        let mut elements: Vec<Vec<u8>> = Vec::new();
        for element in split_string(list, b"|:") {
            if elements.is_empty() && element.is_empty() {
                continue;
            }
            // A list in a list: the first one is taken apart once more.
            if elements.is_empty() && element.starts_with(b"ARRAY::") {
                let mut inner = Event::new();
                inner.add(name.as_bytes(), element);
                elements.extend(inner.0.remove(&name));
                continue;
            }
            elements.push(element.to_vec());
        }
        let start: &[u8] = if elements.len() > 1 { b"ARRAY::" } else { b"" };
        if !elements.is_empty() {
            self.0.insert(name, [start, &elements.join(&b"|:"[..])].concat());
        }
    }
}

/// `switch_ivr_enterprise_originate`.
fn enterprise(address: &[u8]) -> Result<Vec<Group>, Failed> {
    let mut rest = skip_spaces(address);
    let mut variables = Event::new();
    while rest.first() == Some(&b'<') {
        rest = brackets(rest, (b'<', b'>'), b',', &mut variables)?;
    }
    variables.add(b"ignore_early_media", b"true");
    split_string(skip_spaces(rest), b":_:").into_iter().map(|part| group(part, variables.clone())).collect()
}

/// `switch_ivr_originate`.
fn group(address: &[u8], given: Event) -> Result<Group, Failed> {
    let mut variables = given;
    let mut rest = skip_spaces(address);
    let nested = contains(&rest.to_ascii_lowercase(), b"origination_nested_vars=true")
        || variables.0.get("origination_nested_vars").is_some_and(|value| value == b"true");
    while rest.first() == Some(&b'<') {
        rest = brackets(rest, (b'<', b'>'), b',', &mut variables)?;
    }
    while rest.first() == Some(&b'{') {
        rest = brackets(rest, (b'{', b'}'), b',', &mut variables)?;
    }
    let rest = skip_spaces(rest);
    if rest.is_empty() {
        return Err(BROKEN);
    }
    let alternatives = separate(rest, b'|', 128).into_iter();
    alternatives.map(|alternative| legs(alternative, &variables, nested)).collect()
}

fn legs(mut alternative: Vec<u8>, variables: &Event, nested: bool) -> Result<Vec<Leg>, Failed> {
    mark_commas(&mut alternative);
    let mut legs = Vec::new();
    for leg in separate(&alternative, b',', 128) {
        let mut own = Event::new();
        let mut rest = skip_spaces(&leg).to_vec();
        while rest.first() == Some(&b'[') {
            let end = end_of_brackets(&rest, (b'[', b']')).unwrap_or(0);
            for byte in rest.iter_mut().take(end).skip(1).filter(|byte| **byte == QUOTED_COMMA) {
                *byte = b',';
            }
            rest = brackets(&rest, (b'[', b']'), UNQUOTED_COMMA, &mut own)?.to_vec();
        }
        let endpoint = text(skip_spaces(&rest));
        let module = endpoint.split('/').next().unwrap_or("");
        if !["null", "sofia", "loopback", "user", "error"].contains(&module) {
            return Err(NO_ENDPOINT);
        }
        // The endpoint is given both, and a leg's own win there; on the channel those for all do.
        let uuid = own.0.get("origination_uuid").or(variables.0.get("origination_uuid")).map(|uuid| text(uuid));
        let mut channel = Event::new();
        for (name, value) in own.0.iter().chain(&variables.0) {
            if nested || !names_variable(value) {
                channel.add(name.as_bytes(), value);
            }
        }
        let variables = channel.0.into_iter().map(|(name, value)| (name, text(&value))).collect();
        legs.push(Leg { endpoint, variables, uuid });
    }
    Ok(legs)
}

/// Commas in a leg's brackets are set apart from those between legs.
fn mark_commas(text: &mut [u8]) {
    let (mut end, mut quoted, mut other_separator) = (None, false, false);
    for at in 0..text.len() {
        if end.is_none() && text[at] == b'[' {
            end = end_of_brackets(&text[at..], (b'[', b']')).map(|end| at + end);
            other_separator = text[at + 1..].starts_with(b"^^");
            quoted = false;
        }
        if text[at] == b'\'' {
            quoted = !quoted;
        }
        if end.is_some_and(|end| at < end) && text[at] == b',' && text[at - 1] != b'\\' {
            text[at] = if quoted || other_separator { QUOTED_COMMA } else { UNQUOTED_COMMA };
        }
        if end == Some(at) {
            end = None;
        }
    }
}

/// `switch_event_create_brackets`: what follows the brackets.
fn brackets<'a>(text: &'a [u8], pair: (u8, u8), separator: u8, event: &mut Event) -> Result<&'a [u8], Failed> {
    let end = end_of_brackets(text, pair).ok_or(BROKEN)?;
    let (mut inner, mut separator) = (&text[1..end], separator);
    if let [b'^', b'^', chosen, rest @ ..] = inner {
        (inner, separator) = (rest, *chosen);
    }
    for variable in separate(inner, separator, 1024) {
        if let [name, value] = &separate(&variable, b'=', 2)[..] {
            event.add(name, value);
        }
    }
    Ok(&text[end + 1..])
}

/// `switch_find_end_paren`.
fn end_of_brackets(text: &[u8], (open, close): (u8, u8)) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte == open {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// `switch_separate_string`.
fn separate(mut text: &[u8], mut separator: u8, most: usize) -> Vec<Vec<u8>> {
    if let [b'^', b'^', chosen, rest @ ..] = text
        && !rest.is_empty()
    {
        (text, separator) = (rest, *chosen);
    }
    let words = separator == b' ';
    let mut fields = Vec::new();
    let mut at = 0;
    while at < text.len() && fields.len() < most {
        let start = at;
        while words && text.get(at) == Some(&b' ') {
            at += 1;
        }
        let mut quoted = false;
        // The last one that there is a place for has everything.
        let last = fields.len() + 1 == most;
        while at < text.len() && !last {
            match text[at] {
                b'\\' => at += 1,
                b'\'' if words || quoted || text[at + 1..].contains(&b'\'') => quoted = !quoted,
                byte if byte == separator && !quoted => break,
                _ => {}
            }
            at += 1;
        }
        let end = if last { text.len() } else { at.min(text.len()) };
        // A quote looks for its partner no further than the field's end, which is a NUL by now.
        fields.push(clean(&text[start..end], if words { None } else { Some(separator) }));
        at = end + 1;
        while words && text.get(at) == Some(&b' ') {
            at += 1;
        }
    }
    fields
}

/// `cleanup_separated_string`.
fn clean(text: &[u8], separator: Option<u8>) -> Vec<u8> {
    let text = skip_spaces(text);
    let (mut out, mut end, mut quoted, mut at) = (Vec::new(), 0, false, 0);
    while at < text.len() {
        let byte = text[at];
        let next = text.get(at + 1).copied();
        let plain = match (byte, next) {
            (b'\\', Some(b'n')) => Some(b'\n'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b's')) => Some(b' '),
            (b'\\', Some(next)) if b"'\"\\".contains(&next) || Some(next) == separator => Some(next),
            _ => None,
        };
        if let Some(plain) = plain {
            out.push(plain);
            end = out.len();
            at += 2;
            continue;
        }
        if byte == b'\'' && (quoted || text[at + 1..].contains(&b'\'')) {
            quoted = !quoted;
            if quoted {
                end = out.len();
            }
        } else {
            out.push(byte);
            if byte != b' ' || quoted {
                end = out.len();
            }
        }
        at += 1;
    }
    out.truncate(end);
    out
}

/// `switch_channel_expand_variables` of a text whose variables are all empty.
fn expand(text: &[u8]) -> Vec<u8> {
    let escapes = text.windows(2).any(|pair| pair[0] == b'\\' && b"\\nst'".contains(&pair[1]));
    if !names_variable(text) && !escapes {
        return text.to_vec();
    }
    let (mut out, mut at) = (Vec::new(), 0);
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    while at < text.len() {
        match (byte(at), byte(at + 1)) {
            (b'\\', b'$') => {
                at += if byte(at + 2) == b'$' { 3 } else { 2 };
                out.push(b'$');
                continue;
            }
            (b'\\', b'\'') => at += 2,
            (b'\\', b'\\') => {
                out.push(b'\\');
                at += 2;
            }
            (b'$', b'{') => {
                let mut depth = 1;
                at += 2;
                while at < text.len() && depth > 0 {
                    depth += i32::from(byte(at) == b'{') - i32::from(byte(at) == b'}');
                    at += 1;
                }
            }
            (b'$', b'$') => at += 1,
            (plain, _) => {
                out.push(plain);
                at += 1;
            }
        }
    }
    out
}

/// `switch_string_var_check_const`.
fn names_variable(text: &[u8]) -> bool {
    let mut dollar = false;
    for byte in text {
        match byte {
            b'$' => dollar = true,
            b'{' if dollar => return true,
            b'\\' => {}
            _ => dollar = false,
        }
    }
    false
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| **byte == b' ').count()..]
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn split_string<'a>(mut text: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = text.windows(delimiter.len()).position(|window| window == delimiter) {
        parts.push(&text[..at]);
        text = &text[at + delimiter.len()..];
    }
    parts.push(text);
    parts
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("FreeSWITCH takes ASCII characters away only")
}
