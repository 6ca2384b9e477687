//! The legs of an originate: at the same time, one after another, and in groups of their own.

use uuid::Uuid;

use super::endpoint::{Endpoint, Sofia};
use super::quoting::Scope;
use super::variables::{Text, Variables};
use crate::error::CommandError;

/// FreeSWITCH's own limit on legs at the same time, one after another, and on groups (`MAX_PEERS`).
const LEGS_MAX: usize = 128;

/// The variable that gives a channel its UUID.
pub(super) const CHANNEL_UUID: &str = "origination_uuid";

/// One leg: whom it calls, with its own variables.
#[derive(Clone, Debug)]
pub struct Leg {
    endpoint: Endpoint,
    uuid: Option<Uuid>,
    variables: Variables,
}

impl Leg {
    /// A leg to an endpoint.
    pub fn new(endpoint: impl Into<Endpoint>) -> Self {
        Self { endpoint: endpoint.into(), uuid: None, variables: Variables::default() }
    }

    /// The UUID of this leg's channel. FreeSWITCH chooses one otherwise.
    #[must_use]
    pub fn uuid(mut self, uuid: Uuid) -> Self {
        self.uuid = Some(uuid);
        self
    }

    /// Sets a variable on this leg's channel only (`[…]`). Where all legs have one of the same name, the channel gets
    /// that one, unless the variable `local_var_clobber` is `true` for all.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.set(name, value, Text::Any);
        self
    }

    fn write(&self, nested: bool, out: &mut String) -> Result<(), CommandError> {
        let mut variables = Variables::default();
        if let Some(uuid) = self.uuid {
            variables.set(CHANNEL_UUID, uuid.to_string(), Text::Any);
        }
        variables.append(&self.variables);
        variables.write(Scope::Leg, nested, out)?;
        out.push_str(&self.endpoint.text()?);
        Ok(())
    }
}

/// Legs that are tried as an originate of their own, beside other groups: see [`Originate::enterprise`].
///
/// [`Originate::enterprise`]: super::Originate::enterprise
#[derive(Clone, Debug)]
pub struct Group {
    variables: Variables,
    first: Leg,
    more: Vec<(Join, Leg)>,
}

/// How a leg follows the one before it. Legs at the same time belong together more closely.
#[derive(Clone, Copy, Debug)]
enum Join {
    SameTime,
    Afterwards,
}

impl Group {
    /// A group of one leg.
    pub fn new(leg: impl Into<Leg>) -> Self {
        Self { variables: Variables::default(), first: leg.into(), more: Vec::new() }
    }

    /// Calls one more leg at the same time as the one before (`,`).
    #[must_use]
    pub fn and(mut self, leg: impl Into<Leg>) -> Self {
        self.more.push((Join::SameTime, leg.into()));
        self
    }

    /// Calls one more leg when those before have failed (`|`).
    #[must_use]
    pub fn or(mut self, leg: impl Into<Leg>) -> Self {
        self.more.push((Join::Afterwards, leg.into()));
        self
    }

    /// Sets a variable on the channels of this group's legs (`{…}`).
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.set(name, value, Text::Any);
        self
    }

    pub(super) fn is_one_leg(&self) -> bool {
        self.more.is_empty()
    }

    /// Gives the first leg's channel its UUID, unless it has one of its own.
    pub(super) fn identify(&mut self, uuid: Uuid) {
        self.first.uuid.get_or_insert(uuid);
    }

    /// Puts variables before those that the group has.
    pub(super) fn inherit(&mut self, mut variables: Variables) {
        variables.append(&self.variables);
        self.variables = variables;
    }

    pub(super) fn write(&self, nested: bool, out: &mut String) -> Result<(), CommandError> {
        if self.more.len() >= LEGS_MAX {
            return Err(CommandError::TooMany { what: "legs", most: LEGS_MAX });
        }
        self.variables.write(Scope::Group, nested, out)?;
        self.first.write(nested, out)?;
        for (join, leg) in &self.more {
            out.push(match join {
                Join::SameTime => ',',
                Join::Afterwards => '|',
            });
            leg.write(nested, out)?;
        }
        Ok(())
    }
}

/// That there are no more groups than FreeSWITCH takes.
pub(super) fn check_groups(groups: usize) -> Result<(), CommandError> {
    if groups > LEGS_MAX { Err(CommandError::TooMany { what: "groups", most: LEGS_MAX }) } else { Ok(()) }
}

impl From<Endpoint> for Leg {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint)
    }
}

impl From<Sofia> for Leg {
    fn from(sofia: Sofia) -> Self {
        Self::new(sofia)
    }
}

impl From<String> for Leg {
    fn from(address: String) -> Self {
        Self::new(address)
    }
}

impl From<&String> for Leg {
    fn from(address: &String) -> Self {
        Self::new(address)
    }
}

impl From<&str> for Leg {
    fn from(address: &str) -> Self {
        Self::new(address)
    }
}
