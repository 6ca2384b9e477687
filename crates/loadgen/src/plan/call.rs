//! The calls of a plan: their addresses, their callers, and how their far legs are matched.

use std::collections::HashMap;
use std::ops::Range;

use esl_core::Originate;
use regex_lite::Regex;
use toml::Spanned;
use uuid::Uuid;

use super::load::RANDOM_HOLD_MAX;
use super::marks::{RUN_VARIABLE, TRACKING_VARIABLE};
use super::validator::{TIME_MAX, Validator};
use super::{Hold, Mode, Numbers, Target};
use crate::apps::script::ARGUMENT;
use crate::config::template::{Context, Template};
use crate::config::{
    CallConfig, ConfigError, Delay, FarLegConfig, NumbersConfig, ToConfig, did_you_mean, resolve_relative,
};
use crate::schedule::RoundRobin;

/// Targets at most: each has figures of its own at every slave.
const TARGETS_MAX: usize = 1000;
/// The variables that `loadgen` sets on every call, and those that other keys set.
const RESERVED: [&str; 9] = [
    ARGUMENT,
    "origination_uuid",
    "ignore_early_media",
    "originate_timeout",
    "execute_on_answer",
    RUN_VARIABLE,
    TRACKING_VARIABLE,
    "origination_caller_id_number",
    "origination_caller_id_name",
];

/// How a far leg is matched to its call.
#[derive(Clone, Debug)]
pub enum FarLegMatch {
    /// Far legs are not matched.
    Ignored,
    /// By the header `X-loadgen-call`, which travels with the call.
    Header,
    /// By the caller's number that the far leg shows; the rows by number.
    CallerId(HashMap<String, u32>),
    /// By the number that was called; the rows by number.
    Destination(HashMap<String, u32>),
}

/// Targets that take turns by weight.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Their indices in the plan.
    pub(super) members: Vec<u16>,
    pub(super) round_robin: RoundRobin,
}

impl Targets {
    /// The target of the *n*-th call of an app.
    pub fn of(&self, n: u64) -> u16 {
        self.members[self.round_robin.pick(n)]
    }

    /// The indices of all of them in the plan.
    pub fn members(&self) -> &[u16] {
        &self.members
    }

    /// The index of each, with its share of the calls, 0 to 1.
    pub fn shares(&self) -> impl Iterator<Item = (u16, f64)> {
        self.members.iter().enumerate().map(|(n, member)| (*member, self.round_robin.share(n)))
    }
}

/// Addresses that may be dialled.
#[derive(Clone, Debug)]
pub struct AllowList(Vec<Regex>);

impl AllowList {
    /// Whether there is no pattern.
    pub fn allows_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address matches one of the patterns; without any, every address does.
    pub fn allows(&self, address: &str) -> bool {
        self.allows_all() || self.0.iter().any(|pattern| pattern.is_match(address))
    }
}

/// What the texts of a configuration are read with.
pub(super) struct TextRules<'a> {
    pub(super) numbers: &'a Numbers,
    pub(super) allowed: &'a AllowList,
}

impl TextRules<'_> {
    /// Whether an address may be dialled, with every row.
    ///
    /// # Errors
    /// One that may not.
    pub(super) fn may_dial(&self, to: &Template) -> Result<(), String> {
        let rows = self.numbers.rows.iter().filter(|_| !to.is_constant()).map(|row| Some(row.as_slice()));
        let first = self.numbers.rows.first().map(Vec::as_slice);
        std::iter::once(first).chain(rows).try_for_each(|row| {
            let address = to.render(&Context { row, ..Context::sample() });
            match self.allowed.allows(&address) {
                true => Ok(()),
                false => Err(format!("{address:?} matches no pattern of \"allow\" in [call]")),
            }
        })
    }
}

impl Validator<'_> {
    pub(super) fn numbers(&self, config: Option<&Spanned<NumbersConfig>>) -> Result<Numbers, ConfigError> {
        let Some(config) = config else {
            return Ok(Numbers::default());
        };
        let numbers = match config.get_ref() {
            NumbersConfig::File(path) => Numbers::read(&resolve_relative(self.source, path)),
            NumbersConfig::Range(range) => Numbers::range(&range.from, range.count.0),
        };
        numbers.map_err(|message| self.source.error(config.span(), message))
    }

    pub(super) fn allowed(&self, config: Option<&Vec<Spanned<String>>>) -> Result<AllowList, ConfigError> {
        let patterns = config.into_iter().flatten().map(|pattern| {
            Regex::new(pattern.get_ref()).map_err(|error| {
                self.source
                    .error(pattern.span(), format!("invalid regular expression {:?}: {error}", pattern.get_ref()))
            })
        });
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        if config.is_some_and(Vec::is_empty) {
            return Err(self.source.whole("\"allow\" has no pattern: no call could be placed"));
        }
        Ok(AllowList(patterns))
    }

    pub(super) fn text(&self, text: &Spanned<String>, numbers: &Numbers) -> Result<Template, ConfigError> {
        Template::parse(text.get_ref(), &numbers.columns).map_err(|message| self.source.error(text.span(), message))
    }

    /// Adds the targets of one `to` to the plan's.
    pub(super) fn targets(
        &self,
        to: &Spanned<ToConfig>,
        texts: &TextRules<'_>,
        targets: &mut Vec<Target>,
    ) -> Result<Targets, ConfigError> {
        let error = |message: String| self.source.error(to.span(), message);
        let configs: Vec<(&str, Option<&str>, u64)> = match to.get_ref() {
            ToConfig::One(to) => vec![(to, None, 1)],
            ToConfig::Weighted(list) => list
                .iter()
                .map(|one| (one.to.as_str(), one.name.as_deref(), one.weight.map_or(1, |weight| weight.0)))
                .collect(),
        };
        if configs.is_empty() {
            return Err(error("a list of addresses needs at least one".to_owned()));
        }
        let mut members = Vec::new();
        let mut weights = Vec::new();
        for (address, name, weight) in configs {
            if weight == 0 {
                return Err(error(format!("the weight of {address:?} is 0: it must be at least 1")));
            }
            let template = Template::parse(address, &texts.numbers.columns).map_err(error)?;
            self.address(&template, to.span(), texts)?;
            let name = name.unwrap_or(address).to_owned();
            let same = |target: &Target| target.name == name && target.to == template;
            let member = match targets.iter().position(same) {
                Some(known) => known,
                None if targets.iter().any(|target| target.name == name) => {
                    return Err(error(format!("duplicate address name {name:?}: address names are unique")));
                }
                None => {
                    targets.push(Target { name, to: template });
                    targets.len() - 1
                }
            };
            members.push(member as u16);
            weights.push(weight);
        }
        if targets.len() > TARGETS_MAX {
            return Err(error(format!("{} addresses: the limit is {TARGETS_MAX}", targets.len())));
        }
        Ok(Targets { members, round_robin: self.round_robin(&weights, "addresses")? })
    }

    /// Whether FreeSWITCH can carry what comes of an address with every row, and whether it may be dialled.
    fn address(&self, to: &Template, span: Range<usize>, texts: &TextRules<'_>) -> Result<(), ConfigError> {
        let rows = texts.numbers.rows.iter().map(|row| Some(row.as_slice()));
        let rows: Box<dyn Iterator<Item = Option<&[String]>>> = match to.is_constant() || texts.numbers.rows.is_empty()
        {
            true => Box::new(std::iter::once(None)),
            false => Box::new(rows),
        };
        for (n, row) in (1..).zip(rows) {
            let address = to.render(&Context { row, ..Context::sample() });
            let place = if row.is_some() { format!("row {n}: ") } else { String::new() };
            if let Err(error) = Originate::new(Uuid::nil(), &*address, "park").command() {
                return Err(self.source.error(span, format!("{place}{error}")));
            }
            if !texts.allowed.allows(&address) {
                let message = format!("{place}{address:?} matches no pattern of \"allow\" in [call]");
                return Err(self.source.error(span, message));
            }
        }
        Ok(())
    }

    /// The channel variables of every call, its caller among them.
    pub(super) fn variables(
        &self,
        call: &CallConfig,
        numbers: &Numbers,
    ) -> Result<Vec<(String, Template)>, ConfigError> {
        let mut variables = Vec::new();
        for (name, value) in
            [("origination_caller_id_number", &call.caller_id), ("origination_caller_id_name", &call.caller_name)]
        {
            if let Some(value) = value {
                variables.push((name.to_owned(), self.variable(name, value, numbers)?));
            }
        }
        for (name, value) in &call.variables {
            // FreeSWITCH looks variables up whatever their case.
            if let Some(reserved) = RESERVED.iter().find(|reserved| reserved.eq_ignore_ascii_case(name)) {
                let message = match *reserved {
                    "origination_caller_id_number" => "set the caller's number with \"caller_id\" in [call]".to_owned(),
                    "origination_caller_id_name" => "set the caller's name with \"caller_name\" in [call]".to_owned(),
                    _ => format!("the variable {name:?} is set by loadgen itself, so that no call outlives it"),
                };
                return Err(self.source.error(value.span(), message));
            }
            variables.push((name.clone(), self.variable(name, value, numbers)?));
        }
        Ok(variables)
    }

    fn variable(&self, name: &str, value: &Spanned<String>, numbers: &Numbers) -> Result<Template, ConfigError> {
        let template = self.text(value, numbers)?;
        // Whether FreeSWITCH can carry it is its builder's to say, for every row.
        let rows = numbers.rows.iter().filter(|_| !template.is_constant()).map(|row| Some(row.as_slice()));
        for row in std::iter::once(None).chain(rows) {
            let text = template.render(&Context { row, ..Context::sample() });
            let trial = Originate::new(Uuid::nil(), "null/x", "park").variable(name, text).command();
            trial.map_err(|error| self.source.error(value.span(), error.to_string()))?;
        }
        Ok(template)
    }

    pub(super) fn far_leg(&self, call: &CallConfig, numbers: &Numbers) -> Result<FarLegMatch, ConfigError> {
        let Some(config) = &call.far_leg else {
            return Ok(FarLegMatch::Header);
        };
        let error = |message: String| self.source.error(config.span(), message);
        let number = match config.get_ref() {
            FarLegConfig::Word(word) => {
                return match word.as_str() {
                    "header" => Ok(FarLegMatch::Header),
                    "none" => Ok(FarLegMatch::Ignored),
                    other => {
                        let known = did_you_mean(other, &["header", "none"]);
                        Err(error(format!("unknown far-leg correlation {other:?}{known}")))
                    }
                };
            }
            FarLegConfig::Number(number) => number,
        };
        let (text, make): (_, fn(_) -> FarLegMatch) = match (&number.caller_id, &number.destination) {
            (Some(text), None) => (text, FarLegMatch::CallerId),
            (None, Some(text)) => (text, FarLegMatch::Destination),
            _ => return Err(error("either by { caller_id = … } or by { destination = … }".to_owned())),
        };
        if number.caller_id.is_some() && call.caller_id.is_none() {
            return Err(error(
                "calls have no number to correlate their legs by: set \"caller_id\" in [call]".to_owned(),
            ));
        }
        if numbers.rows.is_empty() {
            return Err(error("correlation by number needs \"numbers\" in [call]".to_owned()));
        }
        let template = Template::parse(text, &numbers.columns).map_err(error)?;
        let mut rows = HashMap::new();
        for (n, row) in (0..).zip(&numbers.rows) {
            let text = template.render(&Context { row: Some(row), ..Context::sample() }).into_owned();
            if let Some(other) = rows.insert(text.clone(), n) {
                let (first, second) = (other + 1, n + 1);
                return Err(error(format!(
                    "rows {first} and {second} both have {text:?}: calls could not be told apart"
                )));
            }
        }
        Ok(make(rows))
    }

    /// How long calls last. It can be left out only where it follows from the limit and the rate.
    pub(super) fn hold(&self, call: &Spanned<CallConfig>, mode: Mode, limit: Option<u64>) -> Result<Hold, ConfigError> {
        match (&call.get_ref().hold, mode, limit) {
            (Some(hold), ..) => {
                let longest = match hold.get_ref() {
                    Delay::Constant(time) => Some(*time),
                    Delay::Uniform { to, .. } => Some(*to),
                    Delay::List(list) => list.iter().map(|(time, _)| *time).max(),
                    _ => None,
                };
                let drawn = match hold.get_ref() {
                    Delay::Constant(_) => None,
                    Delay::Exponential { mean } | Delay::Normal { mean, .. } => Some(*mean),
                    Delay::LogNormal { median, .. } => Some(*median),
                    Delay::Uniform { .. } | Delay::List(_) => longest,
                };
                match longest {
                    _ if drawn.is_some_and(|time| time > RANDOM_HOLD_MAX) => {
                        let message = format!("hold: random times are capped at {:?}", RANDOM_HOLD_MAX);
                        Err(self.source.error(hold.span(), message))
                    }
                    Some(time) if time.is_zero() || time > TIME_MAX => {
                        let message = format!("hold = {time:?}: it must be above 0 and at most {TIME_MAX:?}");
                        Err(self.source.error(hold.span(), message))
                    }
                    _ => Ok(Hold::Drawn(hold.get_ref().clone())),
                }
            }
            (None, Mode::Wait, Some(limit)) => Ok(Hold::Computed { limit }),
            (None, ..) => Err(self.source.error(
                call.span(),
                "the key \"hold\" is missing here: the time from answer to hangup (only mode = \"wait\" can go without it: limit / \
                 rate)",
            )),
        }
    }
}
