//! `regex` and `cond`: does it match, is it more.

use regex_lite::{Captures, RegexBuilder};

use super::{Answer, Call, text, text::delimited};
use crate::dial_string::fields;

/// What is wrong is told in one word.
const FAILED: &str = "-ERR";

/// `regex <data>|<pattern>[|<subst string>][|n|b]`: Perl's expressions in FreeSWITCH; here those that look around or
/// back are not understood, and match nothing.
pub(super) fn regex(call: Call<'_>) -> Answer {
    let (separator, data) = delimited(call.arguments);
    let fields = fields(data, separator, 4);
    let [data, pattern, rest @ ..] = fields.as_slice() else { return text(FAILED) };
    let compiled = compile(pattern);
    let found = compiled.as_ref().and_then(|pattern| pattern.captures(data));
    let [substitute, flags @ ..] = rest else { return text(found.is_some().to_string()) };
    let flags = flags.first().map_or("", String::as_str);
    text(match found {
        Some(found) => put_in(substitute, &found),
        None if flags.contains('n') => String::new(),
        None if flags.contains('b') => "false".to_owned(),
        None => data.clone(),
    })
}

/// An expression, or `/expression/` with the options `i` and `s`.
fn compile(text: &str) -> Option<regex_lite::Regex> {
    let (expression, options) = match text.strip_prefix('/') {
        Some(rest) => rest.rsplit_once('/')?,
        None => (text, ""),
    };
    RegexBuilder::new(expression)
        .case_insensitive(options.contains('i'))
        .dot_matches_new_line(options.contains('s'))
        .build()
        .ok()
}

/// Puts in what `$1`, `%1`, `${1}` stand for; a group that has not matched is nothing.
fn put_in(text: &str, found: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%']) {
        out += &rest[..at];
        let behind = &rest[at + 1..];
        let inner = behind.strip_prefix('{').unwrap_or(behind);
        let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            // A percent sign is a dollar by then.
            out.push('$');
            rest = behind;
            continue;
        }
        let group = inner[..digits].parse::<usize>().ok().and_then(|index| found.get(index));
        out += group.map_or("", |group| group.as_str());
        rest = &inner[digits..];
        if behind.starts_with('{') {
            rest = rest.strip_prefix('}').unwrap_or(rest);
        }
    }
    out + rest
}

/// `cond <a> <operator> <b> ? <if true> : <if not>`: numbers by their value, other texts by their length, but equal
/// are texts only that are the same.
pub(super) fn cond(call: Call<'_>) -> Answer {
    text(condition(call.arguments).unwrap_or(FAILED.to_owned()))
}

fn condition(arguments: &str) -> Option<String> {
    let (a, rest) = Operand::parse(arguments)?;
    let rest = rest.trim_start();
    let operator = ["!=", ">=", "<=", "==", ">", "<"].into_iter().find(|operator| rest.starts_with(operator))?;
    // One more character belongs to the operator.
    let mut rest = rest[operator.len()..].chars();
    rest.next()?;
    let (b, rest) = Operand::parse(rest.as_str().trim_start())?;
    let chosen = fields(rest.trim_start().strip_prefix('?')?, ':', 3);
    let [yes, no @ ..] = chosen.as_slice() else { return None };
    let is_true = match operator {
        "==" => a.equals(&b),
        "!=" => !a.equals(&b),
        ">" => a.size() > b.size(),
        ">=" => a.size() >= b.size(),
        "<" => a.size() < b.size(),
        _ => a.size() <= b.size(),
    };
    match (is_true, no) {
        (true, _) => Some(yes.clone()),
        (false, [no, ..]) => Some(no.clone()),
        (false, []) => Some(String::new()),
    }
}

struct Operand<'a> {
    text: &'a str,
    number: Option<f64>,
}

impl<'a> Operand<'a> {
    /// An operand in quotes, or up to a space, and what follows.
    fn parse(text: &'a str) -> Option<(Operand<'a>, &'a str)> {
        if let Some(quoted) = text.strip_prefix('\'') {
            let end = end_of_quoted(quoted)?;
            let rest = &quoted[end + 1..];
            return rest
                .starts_with(char::is_whitespace)
                .then_some((Operand { text: &quoted[..end], number: None }, rest));
        }
        let (text, rest) = text.split_once(' ')?;
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
        let number = if is_number { Some(text.parse().unwrap_or(0.0)) } else { None };
        Some((Operand { text, number }, rest))
    }

    fn size(&self) -> f64 {
        self.number.unwrap_or(self.text.len() as f64)
    }

    fn equals(&self, other: &Operand<'_>) -> bool {
        match (self.number, other.number) {
            (None, None) => self.text == other.text,
            _ => self.size() == other.size(),
        }
    }
}

fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        for (text, expected) in [
            ("1 == 1 ? a : b", Some("a")),
            ("1 == 2 ? a : b", Some("b")),
            ("a != a ? yes : no", Some("no")),
            ("3 >= 3 ? x : y", Some("x")),
            ("abc > abd ? x : y", Some("y")),
            ("1 == 1 ? a", Some("a")),
            ("1 == 2 ? a", Some("")),
            ("'a b' == 'a b' ? 1 : 0", Some("1")),
            ("foo == foo ? sip:1 : b", Some("sip")),
            ("1==1?a:b", None),
            ("1 == 1", None),
            ("1 =~ 1 ? a : b", None),
            ("", None),
        ] {
            assert_eq!(condition(text).as_deref(), expected, "{text}");
        }
    }
}
