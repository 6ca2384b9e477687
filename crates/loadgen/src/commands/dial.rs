//! `loadgen dial`: a test from flags alone, with the flags of switchio's `dial` and their meaning.
//!
//! The flags become a configuration, and that becomes the plan: the rules of a file hold here too, and messages name
//! the flag.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::plan_file;
use super::run::place_calls;
use crate::config::{self, APP_KEYS, Config, ConfigError, Source};
use crate::exit::CommandResult;
use crate::plan::{Plan, RunId};

/// The environment variable with the servers' password. Its default is FreeSWITCH's.
const PASSWORD: &str = "FS_PASSWORD";
/// How long calls last by default, where it does not follow from the limit.
const HOLD: &str = "10s";
/// What messages name that are about no flag in particular.
const NAME: &str = "dial";

/// Run a test from flags alone, with switchio's names; a file can say more.
///
/// The shortest one: loadgen dial 10.0.0.1 --to 9196@pbx.example:5060 --rate 1
///
/// Times are such as 10s or 250ms; a bare number is seconds. Signals and exit codes are those of "loadgen run".
#[derive(Clone, Debug, Args)]
pub(super) struct DialArgs {
    /// The FreeSWITCH servers that place the calls: HOST or HOST:PORT of each Event Socket. The port is 8021 by
    /// default.
    #[arg(required = true, value_name = "HOST[:PORT]")]
    hosts: Vec<String>,
    /// The address to call: USER@HOST[:PORT], a number at the proxy or gateway, or a whole dial string such as
    /// sofia/external/9196@pbx.example:5060. Several addresses take turns.
    #[arg(long, required = true, visible_alias = "dest-url", value_name = "ADDRESS")]
    to: Vec<String>,
    /// The proxy that calls go through, usually the system under test.
    #[arg(long, value_name = "HOST[:PORT]")]
    proxy: Option<String>,
    /// The Sofia profile of the calls.
    #[arg(long, default_value = "internal", value_name = "NAME")]
    profile: String,
    /// The gateway of the calls, instead of a profile.
    #[arg(long, conflicts_with = "profile", value_name = "NAME")]
    gateway: Option<String>,
    /// Calls per second, over all servers.
    #[arg(long, value_name = "CPS")]
    rate: String,
    /// Concurrent calls at most, over all servers.
    #[arg(long, value_name = "CALLS")]
    limit: Option<String>,
    /// What becomes of a call that is due at the limit: it waits for a slot, or is skipped and counted.
    #[arg(long, value_enum, default_value_t = LimitAction::Wait)]
    mode: LimitAction,
    /// Calls to place at most.
    #[arg(long, value_name = "CALLS")]
    max_offered: Option<String>,
    /// How long a call lasts from its answer. The default is 10s; with --limit and --mode wait, limit / rate.
    #[arg(long, visible_alias = "duration", value_name = "TIME")]
    hold: Option<String>,
    /// How long to place calls. Without it and --max-offered, until a signal.
    #[arg(long, value_name = "TIME")]
    run_for: Option<String>,
    /// How long a call may ring.
    #[arg(long, default_value = "60s", value_name = "TIME")]
    timeout: String,
    /// The app that calls run, see "loadgen apps".
    #[arg(long, default_value = "park", value_name = "NAME")]
    app: String,
    /// An option of the app. Can be repeated.
    #[arg(long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// A file whose first line is the servers' password, instead of the environment variable FS_PASSWORD. Without
    /// either the password is ClueCon.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Raise the servers' own limits for the run where they are too low, and put them back at its end.
    #[arg(long, requires = "out")]
    raise_limits: bool,
    /// The run folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The run's id, 12 hexadecimal digits: the first digits of its calls' UUIDs. Random by default.
    #[arg(long, value_name = "ID")]
    run_id: Option<RunId>,
    /// Skip the preflight checks of the servers.
    #[arg(long)]
    no_preflight: bool,
}

pub(super) async fn run(args: DialArgs) -> anyhow::Result<CommandResult> {
    let (config, source) = args.config(plan_file::environment)?;
    let mut plan = Plan::new(config, &source, args.run_id.unwrap_or_else(RunId::random))?;
    plan.preflight.enabled &= !args.no_preflight;
    place_calls(plan).await
}

/// What becomes of a call that is due at the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LimitAction {
    /// It waits for a slot.
    Wait,
    /// It is skipped and counted.
    Skip,
}

/// The lines of a configuration, each with the flag that it comes from.
type Lines = Vec<(String, String)>;

/// A time with its unit: a bare number is seconds, as in switchio.
fn with_unit(time: &str) -> String {
    match time.parse::<f64>() {
        Ok(_) => format!("{time}s"),
        Err(_) => time.to_owned(),
    }
}

impl DialArgs {
    /// The configuration that the flags stand for.
    ///
    /// # Errors
    /// A mistake, with its flag.
    fn config(&self, environment: impl Fn(&str) -> Option<String>) -> Result<(Config, Source), ConfigError> {
        let lines = self.lines()?;
        // Only the password comes from the environment: the shell has expanded everything else.
        config::parse_flags(NAME.to_owned(), lines, |name| environment(name).filter(|_| name == PASSWORD))
    }

    fn lines(&self) -> Result<Lines, ConfigError> {
        let mut lines = vec![table("[run]"), line("dial", "name", quoted("dial"))];
        let text = |flag: &str, value: &Option<String>| {
            let key = flag.trim_start_matches('-').replace('-', "_");
            value.iter().map(|value| line(flag, &key, quoted(value))).collect::<Lines>()
        };
        let time = |flag: &str, key: &str, value: &Option<String>| {
            value.iter().map(|value| line(flag, key, quoted(&with_unit(value)))).collect::<Lines>()
        };
        lines.extend(time("--run-for", "duration", &self.run_for));
        lines.extend(self.out.iter().map(|path| line("--out", "out", quoted(&path.to_string_lossy()))));
        if self.raise_limits {
            lines.push(line("--raise-limits", "raise_limits", "true".to_owned()));
        }
        lines.push(table("[load]"));
        lines.push(line("--rate", "rate", quoted(&self.rate)));
        lines.extend(text("--limit", &self.limit));
        lines.extend(text("--max-offered", &self.max_offered));
        let waits = self.mode == LimitAction::Wait && self.limit.is_some();
        if waits {
            lines.push(line("--mode", "mode", quoted("wait")));
        }
        lines.push(table("[call]"));
        lines.push(line("--to", "to", self.targets()?));
        let hold = self.hold.clone().or_else(|| (!waits).then(|| HOLD.to_owned()));
        lines.extend(time("--hold", "hold", &hold));
        lines.push(line("--timeout", "timeout", quoted(&with_unit(&self.timeout))));
        lines.push(table("[[apps]]"));
        lines.push(line("--app", "kind", quoted(&self.app)));
        for option in &self.options {
            lines.push(app_option(option)?);
        }
        for host in &self.hosts {
            lines.extend(self.slave(host)?);
        }
        Ok(lines)
    }

    /// The list of addresses.
    fn targets(&self) -> Result<String, ConfigError> {
        let target = |to: &String| {
            let address = self.address(to).map_err(|message| ConfigError::new(format!("--to {to}"), message))?;
            Ok(format!("{{ to = {} }}", quoted(&address)))
        };
        let targets = self.to.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("[{}]", targets.join(", ")))
    }

    /// An address as FreeSWITCH writes it.
    fn address(&self, to: &str) -> Result<String, String> {
        let user = to.split('@').next().unwrap_or_default();
        if user.contains('/') {
            return match (&self.proxy, &self.gateway) {
                (None, None) => Ok(to.to_owned()),
                _ => Err("a complete dial string includes its route: remove --proxy and --gateway".to_owned()),
            };
        }
        if user.is_empty() {
            return Err("no destination: give USER@HOST, such as 9196@pbx.example:5060".to_owned());
        }
        let path = self.proxy.as_ref().map_or(String::new(), |proxy| format!(";fs_path=sip:{proxy}"));
        let (profile, user_and_host) = match (&self.gateway, &self.proxy) {
            (Some(gateway), _) => (format!("gateway/{gateway}"), to.to_owned()),
            (None, _) if to.contains('@') => (self.profile.clone(), to.to_owned()),
            (None, Some(proxy)) => (self.profile.clone(), format!("{to}@{proxy}")),
            (None, None) => {
                let message = format!(
                    "{to} has no host: give {to}@HOST, --proxy or --gateway; a user registered at the server is user/{to}"
                );
                return Err(message);
            }
        };
        Ok(format!("sofia/{profile}/{user_and_host}{path}"))
    }

    fn slave(&self, given: &str) -> Result<Lines, ConfigError> {
        let (host, port) = host_and_port(given).map_err(|message| ConfigError::new(given, message))?;
        let mut lines = vec![(given.to_owned(), "[[slaves]]".to_owned()), line(given, "host", quoted(host))];
        lines.extend(port.map(|port| line(given, "port", quoted(port))));
        lines.push(match &self.password_file {
            Some(path) => line("--password-file", "password_file", quoted(&path.to_string_lossy())),
            // Read from the environment as in a file, so that no text contains it.
            None => line(PASSWORD, "password", format!("\"${{{PASSWORD}:-ClueCon}}\"")),
        });
        Ok(lines)
    }
}

/// Splits `host:port` or `[::1]:port`; the port may be missing.
fn host_and_port(text: &str) -> Result<(&str, Option<&str>), String> {
    let wrong = || "expected HOST or HOST:PORT, such as 10.0.0.1:8021 or [::1]:8021".to_owned();
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or_else(wrong)?,
        // Several colons are an IPv6 address without a port.
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, &text[text.len() - port.len() - 1..]),
            _ => (text, ""),
        },
    };
    match rest.strip_prefix(':') {
        _ if host.trim().is_empty() => Err(wrong()),
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(wrong()),
    }
}

/// Reads `key=value`. A value that is a list or a table in TOML is one; any other is text, which stands for numbers
/// too.
fn app_option(option: &str) -> Result<(String, String), ConfigError> {
    let flag = format!("--option {option}");
    let Some((key, value)) = option.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
        return Err(ConfigError::new(flag, "expected KEY=VALUE"));
    };
    if key.is_empty() || APP_KEYS.contains(&key) {
        return Err(ConfigError::new(flag, format!("unknown option {key:?}: \"loadgen apps\" lists them")));
    }
    let is_toml = value.starts_with(['[', '{']) && !value.contains('\n');
    Ok(line(&flag, &quoted(key), if is_toml { value.to_owned() } else { quoted(value) }))
}

fn table(name: &str) -> (String, String) {
    (NAME.to_owned(), name.to_owned())
}

fn line(flag: &str, key: &str, value: String) -> (String, String) {
    (flag.to_owned(), format!("{key} = {value}"))
}

/// A TOML string, whose escapes are those of JSON. FreeSWITCH's `${name}` is not a variable of the environment.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::plan::ServerPlan;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        dial: DialArgs,
    }

    fn dial(flags: &str) -> Result<Plan, String> {
        let words = std::iter::once("dial").chain(flags.split(' '));
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let (config, source) = line.dial.config(|_| None).map_err(|error| error.to_string())?;
        Plan::new(config, &source, RunId::random()).map_err(|error| error.to_string())
    }

    const SOME: &str = "--rate 5 --hold 1s";

    #[test]
    fn an_address_goes_the_way_that_the_flags_say() {
        for (flags, address) in [
            ("--to 9196@h:5080", "sofia/internal/9196@h:5080"),
            ("--to 9196@h --profile external", "sofia/external/9196@h"),
            ("--to 9196@h --proxy p:5070", "sofia/internal/9196@h;fs_path=sip:p:5070"),
            ("--to 9196 --proxy p:5070", "sofia/internal/9196@p:5070;fs_path=sip:p:5070"),
            ("--to 9196 --gateway g", "sofia/gateway/g/9196"),
            ("--to 9196@h --gateway g --proxy p", "sofia/gateway/g/9196@h;fs_path=sip:p"),
            ("--dest-url loopback/9196/default", "loopback/9196/default"),
        ] {
            let plan = dial(&format!("fs1 {SOME} {flags}")).unwrap();
            assert_eq!(plan.calls.address(0), address, "{flags}");
        }
        let plan = dial(&format!("fs1 {SOME} --to a@h --to b@h")).unwrap();
        assert_eq!(
            (plan.calls.address(0), plan.calls.address(1)),
            ("sofia/internal/a@h".into(), "sofia/internal/b@h".into())
        );
    }

    #[test]
    fn servers_are_hosts_with_and_without_ports() {
        let plan = dial(&format!("fs1 10.0.0.1:8022 [::1]:8023 ::1 --to 1@h {SOME}")).unwrap();
        let addresses = plan.slaves.iter().map(|slave| match &slave.server {
            ServerPlan::Real { address, .. } => address.as_str(),
            ServerPlan::Simulated(_) => "simulated",
        });
        assert_eq!(addresses.collect::<Vec<_>>(), ["fs1:8021", "10.0.0.1:8022", "[::1]:8023", "[::1]:8021"]);
    }

    #[test]
    fn with_a_limit_calls_wait_and_their_hold_follows() {
        let plan = dial("fs1 --to 1@h --rate 5 --limit 10").unwrap();
        assert_eq!((plan.mode, plan.limit), (crate::plan::Mode::Wait, Some(10)));
        assert_eq!(plan.mean_hold(5.0), 2.0);
        let plan = dial("fs1 --to 1@h --rate 5 --limit 10 --hold 1s --mode skip").unwrap();
        assert_eq!(plan.mode, crate::plan::Mode::Skip);
    }

    #[test]
    fn what_is_wrong_is_said_of_its_flag() {
        for (flags, message) in [
            ("fs1 --to 1@h --rate 0 --hold 1s", "--rate: rate = 0: it must be from"),
            ("fs1 --to 1@h --rate x --hold 1s", "--rate: "),
            ("fs1 --to 1@h --rate 5 --hold soon", "--hold: \"soon\" is not a time"),
            ("fs1 --to 1@h --rate 5 --hold -1", "unexpected argument '-1'"),
            ("fs1 --to 1@h --rate 5 --limit 0", "--limit: limit = 0: it must be at least 1"),
            ("fs1 --to 1@h --rate 100 --limit 1 --hold 1s --mode skip", "--limit: "),
            ("fs1 --to 9196 --rate 5 --hold 1s", "--to 9196: 9196 has no host"),
            ("fs1 --to @h --rate 5 --hold 1s", "--to @h: no destination"),
            ("fs1 --to user/1 --proxy p --rate 5 --hold 1s", "--to user/1: a complete dial string includes its route"),
            ("fs1 --to 1@h --to 1@h{nope} --rate 5 --hold 1s", "--to: "),
            // A variable of FreeSWITCH, not of the environment.
            ("fs1 --to ${a}@h --rate 5 --hold 1s", "--to: an address to call \"sofia/internal/${a}@h\" holds '{'"),
            ("fs1 --to 1@h --app ecko --rate 5 --hold 1s", "--app: unknown app \"ecko\": did you mean \"echo\"?"),
            ("fs1 --to 1@h --option digits --rate 5 --hold 1s", "--option digits: expected KEY=VALUE"),
            ("fs1 --to 1@h --option weight=2 --rate 5 --hold 1s", "--option weight=2: unknown option \"weight\""),
            ("fs1 --to 1@h --option tome=1 --rate 5 --hold 1s", "--option tome=1: the app park has no option \"tome\""),
            ("fs1 --to 1@h --option a=1 --option a=2 --rate 5 --hold 1s", "--option a=2: duplicate key"),
            ("[::1 --to 1@h --rate 5 --hold 1s", "[::1: expected HOST or HOST:PORT"),
            (":8021 --to 1@h --rate 5 --hold 1s", ":8021: expected HOST or HOST:PORT"),
            ("fs1:x --to 1@h --rate 5 --hold 1s", "fs1:x: "),
            ("fs1 fs1 --to 1@h --rate 5 --hold 1s", "fs1: duplicate slave name"),
            ("fs1 --password-file /nowhere --to 1@h --rate 5 --hold 1s", "--password-file: /nowhere: cannot be read"),
            ("fs1 --to 1@h --rate 5 --hold 1s --run-for 0s", "--run-for: duration = 0ns: it must be above 0"),
            ("fs1 --to 1@h --rate 5 --hold 1s --gateway g --profile p", "cannot be used"),
            ("fs1 --to 1@h --rate 5 --hold 1s --raise-limits", "--out"),
        ] {
            let error = dial(flags).unwrap_err();
            assert!(error.contains(message), "{flags}: {error}");
        }
    }

    #[test]
    fn app_options_come_through_as_they_are() {
        let plan = dial(&format!("fs1 --to 1@h {SOME} --app dtmf_check --option digits=42#")).unwrap();
        assert_eq!(plan.calls.apps[0].name, "dtmf_check");
        let plan =
            dial(&format!("fs1 --to 1@h {SOME} --app flow --option caller=[{{wait=\"1s\"}},\"hang_up\"]")).unwrap();
        assert_eq!(plan.calls.apps[0].script.caller.len(), 2, "a list is one");
    }

    /// In switchio, `--duration` is how long a call lasts, in seconds.
    #[test]
    fn duration_and_bare_numbers_have_the_meaning_of_switchio() {
        for (flags, hold, duration) in [
            ("--rate 1 --limit 1 --max-offered 3 --duration 7", 7.0, None),
            ("--rate 1 --hold 0.5", 0.5, None),
            ("--rate 1", 10.0, None),
            ("--rate 1 --limit 30 --mode skip", 10.0, None),
            ("--rate 2 --limit 30", 15.0, None),
            ("--rate 1 --hold 250ms --run-for 90", 0.25, Some(90)),
        ] {
            let plan = dial(&format!("fs1 --to 1@h {flags}")).unwrap();
            let rate = plan.schedule.rate_max();
            let duration = duration.map(std::time::Duration::from_secs);
            assert_eq!((plan.mean_hold(rate), plan.schedule.duration()), (hold, duration), "{flags}");
        }
    }

    #[test]
    fn every_other_flag_is_in_the_plan() {
        let plan = dial(&format!("fs1 --to 1@h {SOME}")).unwrap();
        let seconds = std::time::Duration::from_secs;
        assert_eq!(
            (plan.calls.timeout, plan.schedule.duration(), plan.schedule.max_offered),
            (seconds(60), None, None)
        );
        assert_eq!((plan.limit, &plan.out, plan.raise_limits), (None, &None, false));
        let flags = "--timeout 7s --run-for 9 --max-offered 11 --limit 13 --out here --raise-limits";
        let plan = dial(&format!("fs1 --to 1@h {SOME} {flags}")).unwrap();
        let times = (plan.calls.timeout, plan.schedule.duration(), plan.schedule.max_offered);
        assert_eq!(times, (seconds(7), Some(seconds(9)), Some(11)));
        assert_eq!((plan.limit, &plan.out, plan.raise_limits), (Some(13), &Some("here".into()), true));
        assert_eq!((plan.mean_hold(5.0), plan.schedule.rate_max()), (1.0, 5.0));
    }
}
