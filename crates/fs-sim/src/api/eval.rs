//! `eval` and `expand`: variables and commands put in for `${…}` (`switch_event_expand_headers`).

use super::{Answer, Call, execute, text};
use crate::{
    channel::SessionId,
    switch::{Job, Switch, leading_number},
};

/// How deep `${…}` may lie in each other (switch_event.c).
const DEPTH_MAX: usize = 100;

/// The most bytes that an expansion makes, so that variables which name each other cannot grow the server.
const EXPANDED_BYTES_MAX: usize = 1024 * 1024;

/// Whose variables are put in, and when.
struct Expansion<'a> {
    switch: &'a mut Switch,
    now: std::time::Duration,
    channel: Option<SessionId>,
    left: usize,
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
    let job = Job { command: command.to_owned(), arguments, ..call.job.clone() };
    match super::run(call.switch, call.now, &job) {
        Answer::Unknown => text("INVALID COMMAND!\n-ERR Cannot execute command\n"),
        answer => answer,
    }
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
    Expansion { switch, now, channel, left: EXPANDED_BYTES_MAX }.text(text, 0)
}

impl Expansion<'_> {
    fn text(&mut self, text: &str, depth: usize) -> String {
        if depth > DEPTH_MAX || !(text.contains("${") || text.contains('\\')) {
            return text.to_owned();
        }
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
            let value = self.value(name, global, depth + 1);
            let allowed = value.len() <= self.left;
            self.left = self.left.saturating_sub(value.len());
            if allowed {
                out += &value;
            }
            rest = behind;
        }
        out
    }

    /// What stands for the text between the braces.
    fn value(&mut self, name: &str, global: bool, depth: usize) -> String {
        if let Some(at) = name.find([' ', '(']) {
            let arguments = if name[at..].starts_with('(') { parenthesized(&name[at + 1..]) } else { &name[at + 1..] };
            let command = self.text(name[..at].trim_end_matches(' '), depth);
            let arguments = self.text(arguments, depth);
            if !self.switch.settings.knobs.api_expansion {
                return "<API Execute Permission Denied>".to_owned();
            }
            return execute(self.switch, self.now, &command, &arguments).unwrap_or_default();
        }
        let name = self.text(name, depth);
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
        let value = self.text(&value, depth);
        cut(&value, from.map_or(0, leading_number), length.map_or(0, leading_number))
    }

    fn variable(&self, name: &str, global: bool) -> Option<String> {
        let channel = self.channel.filter(|_| !global).and_then(|id| self.switch.channels.get(&id));
        let own = channel.and_then(|channel| channel.variable(name.strip_prefix("variable_").unwrap_or(name)));
        own.or_else(|| self.switch.settings.global(name)).map(str::to_owned)
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
