//! Text written so that it comes out of FreeSWITCH's parsers as it went in (`switch_separate_string` in switch_utils.c,
//! `switch_event_create_brackets` in switch_event.c, switch_ivr_originate.c).
//!
//! A variable's value is taken apart several times over, and each time quotes and escapes are taken away: once for the
//! words of the command, once between variables, once between name and value, and in a leg's brackets twice more, at
//! `|` and at `,`. Brackets are counted in between, quoted or not, so that only pairs of them get through.

use crate::error::CommandError;

/// A module's name that must not appear beside `unload` or `reload` in anything sent: `mod_event_socket` takes such a
/// command for its own unloading, whatever else it says.
const CHEAT: &str = "mod_event_socket";
/// Where that name is broken in two.
const CHEAT_BREAK: usize = "mod_event_".len();
/// Makes an originate an enterprise one, wherever in its address or variables it stands.
pub(super) const ENTERPRISE: &str = ":_:";
/// Makes a value a list (`switch_event_add_array`).
const ARRAY: &str = "ARRAY::";
/// Ends an element of such a list.
const ARRAY_SEPARATOR: &str = "|:";

/// Whose a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// `<…>`: every leg of every group.
    Enterprise,
    /// `{…}`: every leg of one group.
    Group,
    /// `[…]`: one leg.
    Leg,
}

impl Scope {
    pub(super) fn brackets(self) -> (char, char) {
        match self {
            Self::Enterprise => ('<', '>'),
            Self::Group => ('{', '}'),
            Self::Leg => ('[', ']'),
        }
    }

    /// What stands before the first variable: a leg's have a separator of their own, since FreeSWITCH confuses their
    /// commas after a value with an odd number of quotes.
    pub(super) fn preamble(self) -> &'static str {
        if self == Self::Leg { "^^;" } else { "" }
    }

    pub(super) fn separator(self) -> char {
        if self == Self::Leg { ';' } else { ',' }
    }

    /// How often quotes and escapes are taken away.
    fn passes(self) -> u32 {
        if self == Self::Leg { 5 } else { 3 }
    }

    /// What would end a value. None of these is special to a pass before or after its own, so that one escape is enough.
    fn ends(self) -> &'static str {
        if self == Self::Leg { ",|;" } else { "," }
    }

    fn place(self) -> &'static str {
        match self {
            Self::Enterprise => "an enterprise variable's value",
            Self::Group => "a variable's value",
            Self::Leg => "a leg variable's value",
        }
    }
}

/// A variable's value as it stands in an originate.
pub(super) fn value(text: &str, scope: Scope, nested: bool) -> Result<String, CommandError> {
    let place = scope.place();
    // FreeSWITCH marks commas in a leg's brackets with this one.
    check(place, text, |c| c == '\0' || (c == '\x01' && scope == Scope::Leg))?;
    if let Some(unfit) = unpaired(text, scope.brackets()) {
        return Err(CommandError::Originate { place, text: text.to_owned(), unfit });
    }
    if !nested && names_variable(text) {
        return Err(sequence(place, text, "${"));
    }
    if !array_survives(text) {
        return Err(sequence(place, text, ARRAY));
    }
    Ok(escaped(text, scope.passes(), scope.ends()))
}

/// A word of the command, or a part of one.
pub(super) fn word(place: &'static str, text: &str) -> Result<String, CommandError> {
    check(place, text, |c| c == '\0')?;
    Ok(escaped(text, 1, ""))
}

/// That a text is not empty and has no unfit character.
pub(super) fn check(place: &'static str, text: &str, unfit: impl Fn(char) -> bool) -> Result<(), CommandError> {
    if text.is_empty() {
        return Err(CommandError::Empty(place));
    }
    match text.chars().find(|&c| unfit(c)) {
        Some(unfit) => Err(CommandError::Originate { place, text: text.to_owned(), unfit }),
        None => Ok(()),
    }
}

/// A refusal for what several characters do together.
pub(super) fn sequence(place: &'static str, text: &str, sequence: &'static str) -> CommandError {
    CommandError::OriginateSequence { place, text: text.to_owned(), sequence }
}

/// Whether `mod_event_socket` would take the command for its own unloading.
pub(super) fn cheats(command: &str) -> bool {
    let command = command.to_ascii_lowercase();
    command.contains(CHEAT) && (command.contains("unload") || command.contains("reload"))
}

/// Whether FreeSWITCH sees a variable in there, to be expanded: a dollar sign and a brace, backslashes between them or
/// not (`switch_string_var_check_const`).
pub(super) fn names_variable(text: &str) -> bool {
    let mut dollar = false;
    for c in text.chars() {
        match c {
            '$' => dollar = true,
            '{' if dollar => return true,
            '\\' => {}
            _ => dollar = false,
        }
    }
    false
}

/// The first bracket without a partner.
fn unpaired(text: &str, (open, close): (char, char)) -> Option<char> {
    let mut depth = 0_usize;
    for c in text.chars() {
        if c == open {
            depth += 1;
        } else if c == close {
            match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return Some(close),
            }
        }
    }
    (depth > 0).then_some(open)
}

/// Whether a text that begins like a list is the same after FreeSWITCH has made a list of it and joined it again.
fn array_survives(text: &str) -> bool {
    let Some(elements) = text.strip_prefix(ARRAY) else { return true };
    let mut elements = elements.split(ARRAY_SEPARATOR);
    // A first one that is empty is left out, and one that begins like a list is made a list again.
    let first = elements.next().is_some_and(|first| !first.is_empty() && !first.starts_with(ARRAY));
    // A list of one is no list.
    first && elements.next().is_some()
}

/// The text with whatever `passes` passes would take away or stumble over escaped that often.
fn escaped(text: &str, passes: u32, ends: &str) -> String {
    let inner = text.trim_matches(' ');
    let leading = text.len() - text.trim_start_matches(' ').len();
    let inner = leading..leading + inner.len();
    // A space ends a word, except in quotes; quotes may begin and end anywhere in one.
    let quote = if text[inner.clone()].contains(' ') { "'" } else { "" };
    let all = 1 << passes;
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(quote);
    for (at, c) in text.char_indices() {
        if c == ':' && passes > 1 && text[..at].ends_with(":_") {
            // Nothing, in quotes that only the second pass takes away. FreeSWITCH looks for this in the address only.
            out.push_str("\\'\\'");
        } else if at >= CHEAT_BREAK && is_cheat(text.as_bytes(), at - CHEAT_BREAK) {
            out.push_str("''");
        }
        let backslashes = match c {
            '\\' => all - 1,
            '\'' => all - 1,
            // At an end it is taken for padding, quoted or not.
            ' ' if !inner.contains(&at) => all / 2,
            '\n' | '\r' | '\t' => 1,
            c if ends.contains(c) => 1,
            _ => 0,
        };
        out.extend(std::iter::repeat_n('\\', backslashes));
        out.push(match c {
            ' ' if backslashes > 0 => 's',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            c => c,
        });
    }
    out.push_str(quote);
    out
}

fn is_cheat(text: &[u8], at: usize) -> bool {
    text.get(at..at + CHEAT.len()).is_some_and(|found| found.eq_ignore_ascii_case(CHEAT.as_bytes()))
}
