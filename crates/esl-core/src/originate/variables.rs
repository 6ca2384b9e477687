//! Channel variables in an originate, in the brackets of whoever they are for.

use std::fmt::Write;

use super::quoting::{Scope, check, value};
use crate::error::CommandError;

/// FreeSWITCH's own limit on the variables in one pair of brackets (`switch_event_create_brackets`).
const VARIABLES_MAX: usize = 1024;
/// Variables that become SIP headers (`mod_sofia`), where a line break would begin a header of its own.
const SIP_HEADERS: [&str; 4] = ["sip_h_", "sip_rh_", "sip_ph_", "sip_bye_h_"];

#[derive(Clone, Debug, Default)]
pub(super) struct Variables(Vec<Variable>);

#[derive(Clone, Debug)]
struct Variable {
    name: String,
    value: String,
    text: Text,
}

/// What a value may hold, by what FreeSWITCH makes of it afterwards.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    Any,
    /// A line of a SIP message.
    SipHeader,
    /// The From header's display name, in quotes that nothing escapes.
    CallerName,
    /// The From header's user, as it stands.
    CallerNumber,
    /// A list, which is taken apart once more.
    Codecs,
}

impl Variables {
    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<String>, text: Text) {
        self.0.push(Variable { name: name.into(), value: value.into(), text });
    }

    pub(super) fn append(&mut self, more: &Variables) {
        self.0.extend_from_slice(&more.0);
    }

    /// Whether FreeSWITCH is told to leave `${…}` in values.
    pub(super) fn nested(&self) -> bool {
        self.0.iter().rev().find(|it| it.is("origination_nested_vars")).is_some_and(|it| it.value == "true")
    }

    /// Appends the variables in their brackets, nothing where there is none.
    pub(super) fn write(&self, scope: Scope, nested: bool, out: &mut String) -> Result<(), CommandError> {
        if self.0.len() > VARIABLES_MAX {
            return Err(CommandError::TooMany { what: "variables", most: VARIABLES_MAX });
        }
        let (open, close) = scope.brackets();
        let mut before = format!("{open}{}", scope.preamble());
        let mut any = false;
        for (at, variable) in self.0.iter().enumerate() {
            check("a variable's name", &variable.name, |c| !c.is_ascii_alphanumeric() && !"_-.".contains(c))?;
            variable.text.check(variable)?;
            let replaced = self.0[at + 1..].iter().any(|later| later.is(&variable.name));
            if replaced || variable.value.is_empty() {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "{before}{}={}", variable.name, value(&variable.value, scope, nested)?);
            before.clear();
            before.push(scope.separator());
            any = true;
        }
        if any {
            out.push(close);
        }
        Ok(())
    }
}

impl Variable {
    /// FreeSWITCH looks variables up whatever their case.
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl Text {
    fn check(self, Variable { name, value, .. }: &Variable) -> Result<(), CommandError> {
        let header = |start: &&str| name.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start));
        let (place, unfit) = match self {
            Self::Any if SIP_HEADERS.iter().any(header) => ("a SIP header", ""),
            Self::SipHeader => ("a SIP header", ""),
            Self::CallerName => ("a caller's name", "\""),
            // Measured: none of these arrives at the far end.
            Self::CallerNumber => ("a caller's number", "\"<>@;:/%"),
            Self::Codecs => ("a codec", " '\"\\"),
            Self::Any => return Ok(()),
        };
        if value.is_empty() { Ok(()) } else { check(place, value, |c| c.is_control() || unfit.contains(c)) }
    }
}
