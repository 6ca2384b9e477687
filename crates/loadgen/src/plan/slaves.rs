//! The slaves of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use esl_core::{Credentials, KeepAwake};
use secrecy::{ExposeSecret, SecretString};
use toml::Spanned;

use super::validator::Validator;
use super::{ServerPlan, SlavePlan};
use crate::config::{ConfigError, Number, SlaveConfig, Time, resolve_relative};

/// Slaves at most: a UUID has room for more, an operator's screen does not.
const SLAVES_MAX: usize = 1000;
/// How often a listener is kept awake by default. It costs 2.4 % of a core a slave on the machine of README's figures.
const KEEP_AWAKE: Duration = Duration::from_millis(2);
/// The shortest interval at which a listener is kept awake: shorter ones do not help, and harm the server.
const KEEP_AWAKE_MIN: Duration = Duration::from_millis(1);
/// What keeping all listeners awake may cost by default, as a share of one core.
const KEEP_AWAKE_BUDGET: f64 = 0.1;
/// The session limits of simulated slaves by default.
const ROOMY: u32 = 100_000;

impl Validator<'_> {
    pub(super) fn slaves(
        &self,
        configs: &[Spanned<SlaveConfig>],
        seed: u64,
        budget: Option<&Spanned<Number>>,
    ) -> Result<Vec<SlavePlan>, ConfigError> {
        if configs.is_empty() {
            return Err(self.source.whole("no slaves: add a [[slaves]] table, real or simulated"));
        }
        let mut names = BTreeSet::new();
        let mut places = BTreeMap::new();
        let mut slaves = Vec::new();
        for config in configs {
            let span = config.span();
            let config = config.get_ref();
            let weight = self.weight(config.weight.as_ref());
            for (name, server) in self.servers(config, &span, seed.wrapping_add(slaves.len() as u64))? {
                if !names.insert(name.clone()) {
                    let message = format!("duplicate slave name {name:?}: slave names are unique");
                    return Err(self.source.error(span, message));
                }
                if let ServerPlan::Real { address, .. } = &server
                    && let Some(other) = places.insert(address.to_ascii_lowercase(), name.clone())
                {
                    return Err(self.source.error(
                        span,
                        format!(
                            "{name:?} and {other:?} are both at {address}, and each would count and hang up the other's calls: \
                             configure one slave per server and raise its \"weight\""
                        ),
                    ));
                }
                let limit = config.limit.as_ref().map(|limit| self.count("limit", limit)).transpose()?;
                let rate = config.max_rate.as_ref().map(|rate| self.rate("max_rate", rate)).transpose()?;
                let gap = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
                let keep_awake = self.keep_awake(config.keep_awake.as_ref())?;
                slaves.push(SlavePlan { name, server, weight, limit, gap, keep_awake, span: span.clone() });
            }
        }
        self.not_all_zero("slaves", configs.iter().map(|config| config.get_ref().weight.as_ref()))?;
        if slaves.len() > SLAVES_MAX {
            return Err(self.source.whole(format!("{} slaves: the limit is {SLAVES_MAX}", slaves.len())));
        }
        let budget = budget.map_or(Ok(KEEP_AWAKE_BUDGET), |budget| self.number("keep_awake_budget", budget, 1.0))?;
        let awake = slaves.iter().filter(|slave| slave.keep_awake.period().is_some()).count();
        for slave in &mut slaves {
            slave.keep_awake = slave.keep_awake.within(awake, budget);
        }
        Ok(slaves)
    }

    /// The servers behind one `[[slaves]]` table, with their names.
    fn servers(
        &self,
        config: &SlaveConfig,
        span: &std::ops::Range<usize>,
        seed: u64,
    ) -> Result<Vec<(String, ServerPlan)>, ConfigError> {
        let configured = config.name.as_ref().map(|name| self.name("a slave's name", name)).transpose()?;
        match (&config.host, &config.simulated) {
            (Some(host), None) => {
                let port = config.port.as_ref().map_or(8021, |port| port.get_ref().0);
                let Ok(port @ 1..) = u16::try_from(port) else {
                    let at = config.port.as_ref().map_or(host.span(), Spanned::span);
                    return Err(self.source.error(at, format!("port = {port}: it must be from 1 to 65535")));
                };
                let host = self.name("a host", host)?;
                let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
                let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
                let password = self.password(config, span)?;
                let credentials = match &config.user {
                    Some(user) => Credentials::user(self.user(user)?, password),
                    None => Credentials::password(password),
                };
                let name = configured.unwrap_or_else(|| address.clone());
                Ok(vec![(name, ServerPlan::Real { address, credentials })])
            }
            (None, Some(simulated)) => {
                let unused = [
                    config.port.as_ref().map(Spanned::span),
                    config.user.as_ref().map(Spanned::span),
                    config.password.as_ref().map(Spanned::span),
                    config.password_file.as_ref().map(Spanned::span),
                ];
                if let Some(span) = unused.into_iter().flatten().next() {
                    return Err(self.source.error(
                        span,
                        "this key is for a real slave: a simulated slave has \"listen\" and \
                         \"password\" in \"simulated\"",
                    ));
                }
                let base = configured.unwrap_or_else(|| "sim".to_owned());
                // Not FreeSWITCH's stock limits: a simulated server carries any load by default.
                let defaults = fs_sim::Config {
                    name: base.clone(),
                    seed,
                    max_sessions: ROOMY,
                    sessions_per_second: ROOMY,
                    ..fs_sim::Config::default()
                };
                let servers = simulated.get_ref().configs(&defaults);
                let servers = servers.map_err(|message| self.source.error(simulated.span(), message))?;
                let single = servers.len() == 1;
                let servers = (1..).zip(servers).map(|(n, server)| {
                    let name = if single { base.clone() } else { format!("{base}{n}") };
                    (name, ServerPlan::Simulated(Box::new(server)))
                });
                Ok(servers.collect())
            }
            (Some(_), Some(_)) => {
                Err(self.source.error(span.clone(), "a slave has either \"host\" or \"simulated\", not both"))
            }
            (None, None) => {
                Err(self.source.error(span.clone(), "a slave needs a \"host\", or \"simulated = { count = 1 }\""))
            }
        }
    }

    fn password(&self, config: &SlaveConfig, span: &std::ops::Range<usize>) -> Result<SecretString, ConfigError> {
        match (&config.password, &config.password_file) {
            (Some(password), None) => {
                let secret = &password.get_ref().0;
                let text = secret.expose_secret();
                if text.trim().is_empty() || text.contains(['\r', '\n', '\0']) {
                    let message = "a password must not be empty and must not have line breaks";
                    return Err(self.source.error(password.span(), message));
                }
                Ok(secret.clone())
            }
            (None, Some(file)) => {
                let path = resolve_relative(self.source, file.get_ref());
                read_password(&path).map_err(|message| self.source.error(file.span(), message))
            }
            (None, None) => Err(self.source.error(span.clone(), "a slave needs a \"password\" or a \"password_file\"")),
            (Some(_), Some(file)) => Err(self
                .source
                .error(file.span(), "a slave has either a \"password\" or a \"password_file\", not both")),
        }
    }

    /// Checks a user of the directory, as `userauth` takes it.
    fn user(&self, user: &Spanned<String>) -> Result<String, ConfigError> {
        let sound = |part: &str| !part.is_empty() && !part.contains([':', '@']) && !part.contains(char::is_whitespace);
        match user.get_ref().split_once('@') {
            Some((name, domain)) if sound(name) && sound(domain) => Ok(user.get_ref().clone()),
            _ => {
                let message =
                    format!("invalid directory user {:?}: expected one such as \"joe@example.com\"", user.get_ref());
                Err(self.source.error(user.span(), message))
            }
        }
    }

    fn keep_awake(&self, config: Option<&Spanned<String>>) -> Result<KeepAwake, ConfigError> {
        let Some(text) = config else {
            return Ok(KeepAwake::every(KEEP_AWAKE));
        };
        if text.get_ref() == "off" {
            return Ok(KeepAwake::OFF);
        }
        match Time::parse(text.get_ref()) {
            Ok(Time(period)) if period >= KEEP_AWAKE_MIN => Ok(KeepAwake::every(period)),
            Ok(Time(period)) => {
                let message = format!("keep_awake = {period:?}: it must be at least {KEEP_AWAKE_MIN:?}, or \"off\"");
                Err(self.source.error(text.span(), message))
            }
            Err(message) => Err(self.source.error(text.span(), format!("{message}; or \"off\""))),
        }
    }
}

/// The password in the first line of a file.
///
/// # Errors
/// The file cannot be read, or its first line is empty.
pub fn read_password(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    match text.lines().next().map(str::trim) {
        Some(password) if !password.is_empty() => Ok(password.into()),
        _ => Err(format!("{}: the first line must be the password, and it is empty", path.display())),
    }
}
