//! The apps of a plan.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::call::TextRules;
use super::validator::Validator;
use super::{App, Target};
use crate::apps::{self, APPS, DEFAULT};
use crate::config::{AppConfig, ConfigError, ToConfig, did_you_mean};

impl Validator<'_> {
    /// The apps and their weights. The addresses that they call are added to the targets.
    pub(super) fn apps(
        &self,
        configs: &[AppConfig],
        (to, call): (Option<&Spanned<ToConfig>>, Range<usize>),
        texts: &TextRules<'_>,
        targets: &mut Vec<Target>,
    ) -> Result<(Vec<App>, Vec<u64>), ConfigError> {
        let mut called = |to: Option<&Spanned<ToConfig>>| match to {
            Some(to) => self.targets(to, texts, targets),
            None => {
                let message =
                    "the key \"to\" is missing in [call]: the dial string, such as \"sofia/external/9196@host:5060\"";
                Err(self.source.error(call.clone(), message))
            }
        };
        let of_apps = apps::TextScope {
            columns: &texts.numbers.columns,
            may_dial: &|to| texts.may_dial(to),
            checks_dialled_addresses: !texts.allowed.allows_all(),
        };
        if configs.is_empty() {
            let script = Arc::new(DEFAULT.script(None, of_apps, self.source)?);
            let app = App { name: DEFAULT.name.to_owned(), kind: DEFAULT, script, targets: called(to)? };
            return Ok((vec![app], vec![1]));
        }
        let mut names = BTreeSet::new();
        let mut weights = Vec::new();
        let mut apps = Vec::new();
        for config in configs {
            let kind = config.kind.get_ref();
            let Some(kind) = APPS.iter().find(|app| app.name == kind) else {
                let names: Vec<&str> = APPS.iter().map(|app| app.name).collect();
                let message = format!("unknown app {kind:?}{}", did_you_mean(kind, &names));
                return Err(self.source.error(config.kind.span(), message));
            };
            let name = match &config.name {
                Some(name) => self.name("an app's name", name)?,
                None => kind.name.to_owned(),
            };
            if !names.insert(name.clone()) {
                let message = format!("duplicate app name {name:?}: app names are unique");
                let span = config.name.as_ref().map_or(config.kind.span(), Spanned::span);
                return Err(self.source.error(span, message));
            }
            weights.push(self.weight(config.weight.as_ref()));
            let script = Arc::new(kind.script(Some(config), of_apps, self.source)?);
            apps.push(App { name, kind, script, targets: called(config.to.as_ref().or(to))? });
        }
        self.not_all_zero("apps", configs.iter().map(|config| config.weight.as_ref()))?;
        Ok((apps, weights))
    }
}
