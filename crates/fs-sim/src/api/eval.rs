//! `eval` and `expand`: variables and commands put in for `${…}` (`switch_event_expand_headers`).

use super::{Answer, Call, execute, text};
use crate::{
    channel::SessionId,
    switch::{Job, Switch, leading_number},
};

/// Whose variables are put in, and when.
struct Expansion<'a> {
    switch: &'a mut Switch,
    now: std::time::Duration,
    /// What an event of the channel would say.
    headers: Vec<(String, String)>,
}

/// `eval [uuid:<uuid> ]<expression>`
pub(super) fn eval(call: Call<'_>) -> Answer {
    let (channel, rest) = subject(&call);
    let rest = rest.to_owned();
    text(expand_text(call.switch, call.now, channel, &rest))
}

/// `expand [uuid:<uuid> ]<command> <arguments>`: the arguments are expanded, then the command runs.
pub(super) fn expand(call: Call<'_>) -> Answer {
    let (channel, rest) = subject(&call);
    if rest.is_empty() {
        return text("-ERR No input\n");
    }
    let (command, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
    let arguments = expand_text(call.switch, call.now, channel, arguments);
    let outer = (call.job.command.clone(), call.job.arguments.clone());
    let job = Job { command: command.to_owned(), arguments, within: Some(Box::new(outer)), ..call.job.clone() };
    let output = match super::run(call.switch, call.now, &job) {
        Answer::Unknown => "INVALID COMMAND!\n-ERR Cannot execute command\n".to_owned(),
        Answer::Text(text) => text,
        Answer::Later => return Answer::Later,
    };
    call.switch.finish(call.now, &job, &output);
    Answer::Later
}

/// The channel that `uuid:` names, and what follows it.
fn subject<'a>(call: &Call<'a>) -> (Option<SessionId>, &'a str) {
    match call.arguments.get(..5) {
        Some(start) if start.eq_ignore_ascii_case("uuid:") => {
            let (uuid, rest) = call.arguments[5..].split_once(' ').unwrap_or_default();
            (call.switch.find(uuid), rest)
        }
        _ => (None, call.arguments),
    }
}

/// Puts in what `${…}` names: a variable of the channel or of the server, or the output of a command.
pub(crate) fn expand_text(
    switch: &mut Switch,
    now: std::time::Duration,
    channel: Option<SessionId>,
    text: &str,
) -> String {
    let headers = channel.map_or(Vec::new(), |id| super::uuid_dump::headers(switch, now, id));
    Expansion { switch, now, headers }.text(text)
}

impl Expansion<'_> {
    fn text(&mut self, text: &str) -> String {
        if !(text.contains("${") || text.contains('\\')) || !self.switch.settings.nesting.enter() {
            return text.to_owned();
        }
        let expanded = self.expand(text);
        self.switch.settings.nesting.leave();
        expanded
    }

    fn expand(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c == '\\' {
                let (taken, put) = escape(rest);
                out += put;
                rest = &rest[taken..];
                continue;
            }
            let global = rest.starts_with("$${");
            let inner = rest.strip_prefix("$${").or_else(|| rest.strip_prefix("${"));
            let Some(inner) = inner else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            };
            let (name, behind) = braced(inner);
            let value = self.value(name, global);
            if self.switch.settings.nesting.take(value.len()) {
                out += &value;
            }
            rest = behind;
        }
        out
    }

    /// What stands for the text between the braces.
    fn value(&mut self, name: &str, global: bool) -> String {
        // Each costs something, so that variables which name each other twice come to an end.
        if !self.switch.settings.nesting.take(1) {
            return String::new();
        }
        if let Some(at) = name.find([' ', '(']) {
            let arguments = if name[at..].starts_with('(') { parenthesized(&name[at + 1..]) } else { &name[at + 1..] };
            let command = self.text(name[..at].trim_end_matches(' '));
            let arguments = self.text(arguments);
            if !self.switch.settings.knobs.api_expansion {
                return "<API Execute Permission Denied>".to_owned();
            }
            return execute(self.switch, self.now, &command, &arguments).unwrap_or_default();
        }
        let name = self.text(name);
        let mut parts = name.splitn(3, ':');
        let (name, from, length) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let (name, index) = match name.split_once('[') {
            Some((name, index)) if index.contains(']') => (name, usize::try_from(leading_number(index)).ok()),
            _ => (name, None),
        };
        let mut value = self.variable(name, global).unwrap_or_default();
        if let Some(index) = index
            && let Some(array) = value.strip_prefix("ARRAY::")
        {
            value = array.split("|:").nth(index).unwrap_or_default().to_owned();
        }
        let value = self.text(&value);
        cut(&value, from.map_or(0, leading_number), length.map_or(0, leading_number))
    }

    /// A header of the channel's event, which has the channel's variables under names of their own, or a global variable.
    fn variable(&self, name: &str, global: bool) -> Option<String> {
        let header = self.headers.iter().find(|(known, _)| !global && known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str()).or_else(|| self.switch.settings.global(name)).map(str::to_owned)
    }
}

/// A backslash: how many bytes it takes, and what is put in for them.
fn escape(text: &str) -> (usize, &str) {
    for (escaped, put) in [("\\$$", "$"), ("\\$", "$"), ("\\'", ""), ("\\\\", "\\")] {
        if text.starts_with(escaped) {
            return (escaped.len(), put);
        }
    }
    (1, "\\")
}

/// What stands before the brace that closes, and what behind it; where none does it is all of it.
fn braced(text: &str) -> (&str, &str) {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '}' if depth == 1 => return (&text[..at], &text[at + 1..]),
            '}' => depth -= 1,
            '{' if at > 0 => depth += 1,
            _ => {}
        }
    }
    (text, "")
}

fn parenthesized(text: &str) -> &str {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return &text[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// `length` characters from `from` on, which counts from the end if it is below zero; zero for all.
fn cut(value: &str, from: i64, length: i64) -> String {
    let count = value.chars().count();
    let distance = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
    let skipped = if from >= 0 { distance.min(count) } else { count.saturating_sub(distance) };
    let most = usize::try_from(length).ok().filter(|length| *length > 0).unwrap_or(usize::MAX);
    value.chars().skip(skipped).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_value() {
        for (from, length, expected) in
            [(0, 0, "abcd"), (1, 0, "bcd"), (0, 2, "ab"), (-1, 0, "d"), (-3, 2, "bc"), (9, 0, ""), (-9, 0, "abcd")]
        {
            assert_eq!(cut("abcd", from, length), expected, "{from}:{length}");
        }
    }

    #[test]
    fn braces_and_parentheses_in_pairs() {
        assert_eq!(braced("a} b"), ("a", " b"));
        assert_eq!(braced("echo(${a})} b"), ("echo(${a})", " b"));
        assert_eq!(braced("a"), ("a", ""));
        assert_eq!(parenthesized("a(b)c) d"), "a(b)c");
    }
}
