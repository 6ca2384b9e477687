//! One extension: whose calls it takes, and what they run.

use regex_lite::{Captures, Regex};
use serde::Deserialize;

use super::{Application, Number, Seen};
use crate::switch;
use units::value::unknown;

/// What a dialplan runs while it is still being looked at: what only sets variables (`SAF_ROUTING_EXEC`).
pub(super) const INLINE: [&str; 4] = ["set", "export", "multiset", "unset"];

/// One extension of a dialplan: a number and what a call to it runs.
///
/// ```
/// let extension = fs_sim::Extension::new("default", r"^7(\d+)$", &["answer", "sleep $1", "hangup"])?;
/// let config = fs_sim::Config { dialplan: vec![extension], ..fs_sim::Config::default() };
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct Extension {
    pub(super) context: String,
    pub(super) number: Pattern,
    /// What is looked at once the number matches, one after the other.
    pub(super) conditions: Vec<Condition>,
    /// The extensions behind it are looked at too (`continue`).
    pub(super) goes_on: bool,
    /// Its number, for people.
    pub(super) shown: Option<String>,
    pub(super) about: Option<String>,
    /// Who is called behaves as the configuration's callee.
    pub(super) is_callee: bool,
}

/// A condition of an extension, with what is run if it is met, and what if it is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    /// Variables or fields of the caller's profile, and what each is to be like; none are always met.
    pub(super) when: Vec<(String, Regex)>,
    pub(super) run: Vec<Action>,
    pub(super) otherwise: Vec<Action>,
    pub(super) breaks: Break,
}

/// Whether the conditions behind one are looked at (`break`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Break {
    /// Not if it is not met.
    #[default]
    OnFalse,
    /// Not if it is met.
    OnTrue,
    /// Never.
    Always,
    /// Always.
    Never,
}

/// An application of an extension, with `$1` and `${name}` still in its argument.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) application: Application,
    pub(super) inline: bool,
}

/// Which numbers: one, or those that an expression matches.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Exact(String),
    /// With the letters and digits that any match begins with, which are faster to look at.
    Expression(Regex, String),
}

/// What an extension makes of a call to its number.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) matched: Option<String>,
    pub(super) inline: Vec<Application>,
    pub(super) applications: Vec<Application>,
    /// The last condition that was looked at says that the call is this extension's.
    pub(super) is_its_own: bool,
}

impl Extension {
    /// An extension of `context` that takes calls to `number`, which is a regular expression if it begins with `^`, and
    /// the whole number otherwise; they run `applications`, each a name with its argument behind a space. `$1` is what
    /// the expression's first group matched, `${name}` the value of a variable at the time.
    ///
    /// # Errors
    /// Says which application is not known, or what is wrong with the expression.
    pub fn new(context: &str, number: &str, applications: &[&str]) -> Result<Extension, String> {
        Ok(Extension {
            context: context.to_owned(),
            number: Pattern::new(number)?,
            conditions: vec![Condition {
                run: applications.iter().map(|text| Action::parse(text)).collect::<Result<_, _>>()?,
                ..Condition::default()
            }],
            goes_on: false,
            shown: None,
            about: None,
            is_callee: false,
        })
    }

    /// What it makes of a call to `number`; nothing if that is another number, or nothing is run.
    pub(super) fn take(&self, number: &str, seen: &mut Seen<'_>) -> Option<Taken> {
        let numbers = self.number.groups(number)?;
        let mut taken = Taken::default();
        if numbers.len() > 1 {
            taken.matched = Some(array(&numbers));
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            let groups = condition.groups(seen);
            let is_met = groups.is_some();
            let actions = if is_met { &condition.run } else { &condition.otherwise };
            taken.is_its_own = is_met || !actions.is_empty();
            // The first condition has the number's groups, each behind it has its own.
            let groups = if index == 0 { numbers.clone() } else { groups.unwrap_or_default() };
            if index > 0 && !groups.is_empty() {
                taken.matched = Some(array(&groups));
            }
            for action in actions {
                taken.add(action, &groups, seen);
            }
            if condition.breaks.ends(is_met) {
                break;
            }
        }
        let is_anything = taken.is_its_own || !taken.inline.is_empty() || !taken.applications.is_empty();
        is_anything.then_some(taken)
    }

    pub(super) fn describe(&self) -> Number {
        let actions = self.conditions.iter().flat_map(|condition| &condition.run);
        let names: Vec<&str> = actions.map(|action| action.application.name.as_str()).collect();
        Number {
            context: self.context.clone(),
            number: self.shown.clone().unwrap_or_else(|| self.number.text().to_owned()),
            about: self.about.clone().unwrap_or_else(|| names.join(", ")),
        }
    }
}

impl Condition {
    /// What the groups of its expression matched, the whole first; nothing if it is not met.
    fn groups(&self, seen: &Seen<'_>) -> Option<Vec<String>> {
        let mut groups = Vec::new();
        for (field, expression) in &self.when {
            groups = captured(&expression.captures(&seen.value(field))?);
        }
        // Without groups nothing is put in.
        if groups.len() < 2 {
            groups.clear();
        }
        Some(groups)
    }
}

impl Break {
    fn ends(self, is_met: bool) -> bool {
        match self {
            Break::OnFalse => !is_met,
            Break::OnTrue => is_met,
            Break::Always => true,
            Break::Never => false,
        }
    }
}

impl Taken {
    fn add(&mut self, action: &Action, groups: &[String], seen: &mut Seen<'_>) {
        let mut application = action.application.clone();
        if !groups.is_empty() {
            application.data = substitute(&application.data, groups);
        }
        if action.inline {
            seen.note(&application);
            self.inline.push(application);
        } else {
            self.applications.push(application);
        }
    }
}

impl Action {
    /// `application argument`
    pub(super) fn parse(text: &str) -> Result<Action, String> {
        let (name, data) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        Action::new(name, data.trim_start(), false)
    }

    pub(super) fn new(name: &str, data: &str, inline: bool) -> Result<Action, String> {
        if !switch::applications().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(unknown("application", name, switch::applications()));
        }
        if inline && !INLINE.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(format!("{name} cannot be inline: what can is {}", INLINE.join(", ")));
        }
        Ok(Action { application: Application::new(&name.to_ascii_lowercase(), data), inline })
    }
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("a number must not be empty: \"^.*$\" is every number".to_owned());
        }
        if !text.starts_with('^') {
            return Ok(Pattern::Exact(text.to_owned()));
        }
        Ok(Pattern::Expression(expression(text)?, prefix(text).to_owned()))
    }

    pub(super) fn matches(&self, number: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == number,
            Pattern::Expression(expression, prefix) => number.starts_with(prefix) && expression.is_match(number),
        }
    }

    /// What its groups matched, the whole first; an exact number has none.
    fn groups(&self, number: &str) -> Option<Vec<String>> {
        match self {
            Pattern::Exact(exact) => (exact == number).then(Vec::new),
            Pattern::Expression(_, prefix) if !number.starts_with(prefix) => None,
            Pattern::Expression(expression, _) => Some(captured(&expression.captures(number)?)),
        }
    }

    fn text(&self) -> &str {
        match self {
            Pattern::Exact(exact) => exact,
            Pattern::Expression(expression, _) => expression.as_str(),
        }
    }
}

fn captured(captures: &Captures<'_>) -> Vec<String> {
    captures.iter().map(|group| group.map_or("", |group| group.as_str()).to_owned()).collect()
}

/// What the groups matched, as `DP_MATCH` has it.
fn array(groups: &[String]) -> String {
    format!("ARRAY::{}", groups.join("|:"))
}

/// # Errors
/// What is wrong with it.
pub(super) fn expression(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("{text:?} is not a regular expression: {error}"))
}

/// The letters and digits that whatever matches this expression begins with.
fn prefix(text: &str) -> &str {
    let text = text.strip_prefix('^').unwrap_or(text);
    let end = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    match text.as_bytes().get(end) {
        _ if text.contains('|') => "",
        // The last one may be missing.
        Some(b'*' | b'?' | b'{') => &text[..end.saturating_sub(1)],
        _ => &text[..end],
    }
}

/// Puts in what the groups matched for `$1` and `${1}`; any other `$` stays (switch_regex.c).
fn substitute(text: &str, groups: &[String]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let bare = after.strip_prefix('{').unwrap_or(after);
        let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
        let behind = match bare.len() == after.len() {
            true => Some(&bare[digits..]),
            false => bare[digits..].strip_prefix('}'),
        };
        match (digits, behind) {
            (1.., Some(behind)) => {
                let number: usize = bare[..digits].parse().unwrap_or(usize::MAX);
                out.push_str(groups.get(number).map_or("", String::as_str));
                rest = behind;
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        let error = |number: &str, run: &str| Extension::new("default", number, &[run]).expect_err("impossible");
        assert!(
            error("1", "anser")
                .starts_with("unknown application `anser`, expected one of `acknowledge_call`, `answer`")
        );
        assert!(error("^(", "answer").starts_with("\"^(\" is not a regular expression: "));
        assert!(error("", "answer").starts_with("a number must not be empty"));
        let inline = Action::new("answer", "", true).map(drop);
        assert_eq!(inline, Err("answer cannot be inline: what can is set, export, multiset, unset".to_owned()));
    }

    #[test]
    fn a_prefix_is_what_every_match_begins_with() {
        for (text, expected) in
            [("^ring(\\d+)$", "ring"), ("^12?3$", "1"), ("^12+", "12"), ("^1|2", ""), ("^.*$", ""), ("^7{2}", "")]
        {
            assert_eq!(prefix(text), expected, "{text}");
        }
    }
}
