//! A server as a TOML file describes it, `[[servers]]` of `loadgen sim` and `simulated` of its slaves: the keys of
//! [`Config`], flat, each of which may be left out.
//!
//! Each value is checked as it is read, so that a reader that knows places names the right one. What has keys of its own
//! (users, …) is a struct of its own, with its own checks, and one line in [`ServerTable`] and in its `configure`.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};
use units::{Count, Delay, Number, Time};

use super::{Callee, Capacity, Config, Failure, User, callee};
use crate::{
    Extension, Hep, Sip,
    fault::Planned,
    media::{self, Quality},
};

/// The most servers that one table stands for: more do not fit an operator's screen, or the ports of a machine.
pub const SERVERS_MAX: u64 = 1_000;

/// The longest name, in characters: names become labels and columns.
const NAME_MAX: usize = 64;

/// The shortest time between two heartbeats: FreeSWITCH's is a second, tests want less, nobody wants a flood.
const HEARTBEAT_MIN: Duration = Duration::from_millis(10);

/// The longest time that a connection's events wait: beyond, a client takes the server for dead.
const EVENT_DELAY_MAX: Duration = Duration::from_secs(60);

/// One server, or some alike, as a file describes them.
///
/// ```
/// let table: fs_sim::ServerTable = toml::from_str(r#"
///     name = "busy"
///     answer_after = { uniform = ["1s", "4s"] }
///     failures = { USER_BUSY = 0.2 }
/// "#)?;
/// let configs = table.configs(&fs_sim::Config::default())?;
/// assert_eq!(configs[0].callee.failures["USER_BUSY"].share, 0.2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTable {
    #[serde(deserialize_with = "name")]
    name: Option<String>,
    #[serde(deserialize_with = "servers")]
    count: Option<u16>,
    #[serde(deserialize_with = "name")]
    hostname: Option<String>,
    #[serde(deserialize_with = "address")]
    listen: Option<SocketAddr>,
    #[serde(deserialize_with = "some_password")]
    password: Option<String>,
    users: Option<Vec<User>>,
    #[serde(deserialize_with = "positive")]
    max_sessions: Option<u32>,
    #[serde(deserialize_with = "positive")]
    sessions_per_second: Option<u32>,
    verbose_events: Option<bool>,
    #[serde(deserialize_with = "heartbeat")]
    heartbeat: Option<Duration>,
    #[serde(deserialize_with = "event_delay")]
    event_delay: Option<Duration>,
    seed: Option<Count>,
    ring_after: Option<Delay>,
    answer_after: Option<Delay>,
    hold: Option<Delay>,
    #[serde(deserialize_with = "callee::early_media")]
    early_media: f64,
    #[serde(deserialize_with = "callee::failures")]
    failures: BTreeMap<String, Failure>,
    #[serde(deserialize_with = "crate::dialplan::extensions")]
    dialplan: Option<Vec<Extension>>,
    capacity: Option<Capacity>,
    #[serde(deserialize_with = "percent")]
    idle_cpu: Option<f64>,
    media: Option<Quality>,
    sip: Option<Sip>,
    faults: Option<Vec<Planned>>,
    hep: Option<Hep>,
}

impl ServerTable {
    /// How many servers it stands for.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.count.unwrap_or(1))
    }

    /// Whether it says where they listen.
    #[must_use]
    pub fn has_address(&self) -> bool {
        self.listen.is_some()
    }

    /// The servers, each on the port behind the one before (on free ones where the first is 0), with a seed and, if there
    /// are several, a number behind its name. What the table leaves out is `base`'s.
    ///
    /// # Errors
    /// Says which keys do not go together.
    pub fn configs(&self, base: &Config) -> Result<Vec<Config>, String> {
        let mut first = base.clone();
        self.configure(&mut first);
        media::check(&first.media)?;
        let name = |n: u16| if self.count() == 1 { first.name.clone() } else { format!("{}{}", first.name, n + 1) };
        let servers = (0..self.count() as u16).map(|n| {
            let listen = port_behind(first.listen, n)?;
            let seed = first.seed.wrapping_add(n.into());
            // Two servers cannot have one address: each has the one behind.
            let host = first.sip.host.map(|host| Ipv4Addr::from(u32::from(host).wrapping_add(n.into())));
            let sip = Sip { host, ..first.sip.clone() };
            Ok(Config { name: name(n), listen, seed, sip, ..first.clone() })
        });
        servers.collect()
    }

    /// Overrides what the table says. One line for each key.
    fn configure(&self, config: &mut Config) {
        put(&mut config.name, &self.name);
        put(&mut config.hostname, &self.hostname);
        put(&mut config.listen, &self.listen);
        put(&mut config.password, &self.password);
        put(&mut config.users, &self.users);
        put(&mut config.max_sessions, &self.max_sessions);
        put(&mut config.sessions_per_second, &self.sessions_per_second);
        put(&mut config.verbose_events, &self.verbose_events);
        put(&mut config.heartbeat, &self.heartbeat);
        put(&mut config.event_delay, &self.event_delay);
        put(&mut config.seed, &self.seed.map(|seed| seed.0));
        config.callee = Callee {
            ring_after: self.ring_after.clone(),
            answer_after: self.answer_after.clone(),
            hold: self.hold.clone(),
            early_media: self.early_media,
            failures: self.failures.clone(),
        };
        put(&mut config.dialplan, &self.dialplan);
        put(&mut config.capacity, &self.capacity);
        put(&mut config.idle_cpu, &self.idle_cpu.map(Some));
        put(&mut config.media, &self.media);
        put(&mut config.sip, &self.sip);
        put(&mut config.faults, &self.faults);
        config.hep = self.hep.clone().or_else(|| config.hep.take());
    }
}

fn put<T: Clone>(to: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        to.clone_from(value);
    }
}

/// The address `n` ports behind `first`; a free one stays a free one.
///
/// # Errors
/// There are not that many ports.
pub fn port_behind(first: SocketAddr, n: u16) -> Result<SocketAddr, String> {
    let port = match first.port() {
        0 => 0,
        port => port.checked_add(n).ok_or_else(|| format!("there are not {n} ports behind {port}"))?,
    };
    Ok(SocketAddr::new(first.ip(), port))
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) || text.chars().count() > NAME_MAX {
        let message = format!("a name must have 1 to {NAME_MAX} characters and no control characters, not {text:?}");
        return Err(de::Error::custom(message));
    }
    Ok(Some(text.to_owned()))
}

/// Whatever is wrong with it, no message shows it.
pub(super) fn password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text =
        String::deserialize(deserializer).map_err(|_| de::Error::custom("a password must be text, in quotes"))?;
    if text.contains(['\r', '\n', '\0']) {
        return Err(de::Error::custom("a password must not have line breaks"));
    }
    Ok(text)
}

fn some_password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match password(deserializer)? {
        text if text.trim().is_empty() => Err(de::Error::custom("a password must not be empty")),
        text => Ok(Some(text)),
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let address = text.parse().map_err(|_| {
        de::Error::custom(format!(
            "{text:?} is not an address and a port such as \"127.0.0.1:8021\"; port 0 takes a free one"
        ))
    });
    address.map(Some)
}

fn counted<'de, D: Deserializer<'de>>(deserializer: D, max: u64) -> Result<u64, D::Error> {
    match Count::deserialize(deserializer)?.0 {
        count if (1..=max).contains(&count) => Ok(count),
        count => Err(de::Error::custom(format!("{count}: it must be from 1 to {max}"))),
    }
}

fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    counted(deserializer, SERVERS_MAX).map(|count| Some(count as u16))
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    counted(deserializer, u32::MAX.into()).map(|count| Some(count as u32))
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Number::deserialize(deserializer)?.0 {
        percent if (0.0..=100.0).contains(&percent) => Ok(Some(percent)),
        percent => Err(de::Error::custom(format!("{percent}: it must be from 0 to 100 percent"))),
    }
}

fn heartbeat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match Time::deserialize(deserializer)?.0 {
        time if time.is_zero() || time >= HEARTBEAT_MIN => Ok(Some(time)),
        time => {
            let message = format!("{time:?}: it must be at least {HEARTBEAT_MIN:?}, or \"0s\" for no heartbeats");
            Err(de::Error::custom(message))
        }
    }
}

fn event_delay<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match Time::deserialize(deserializer)?.0 {
        time if time <= EVENT_DELAY_MAX => Ok(Some(time)),
        time => Err(de::Error::custom(format!("{time:?}: it must be at most {EVENT_DELAY_MAX:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Config>, String> {
        let table: ServerTable = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.configs(&Config::default())
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        let configs = read("").expect("a server");
        assert_eq!(format!("{configs:?}"), format!("{:?}", [Config::default()]));
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            name = "a"
            hostname = "pbx"
            listen = "127.0.0.1:4000"
            password = "x"
            users = [{ name = "joe", domain = "home", password = "y" }]
            max_sessions = 7
            sessions_per_second = "8"
            heartbeat = "1s"
            event_delay = "0s"
            seed = 9
            verbose_events = true
            faults = [{ kind = "pause", at = "1m" }]
            ring_after = "1ms"
            answer_after = "2ms"
            hold = "3ms"
            early_media = 0.25
            failures = { USER_BUSY = 0.5 }
            capacity = { service_time = "2ms", load_per_session = 0.001 }
            idle_cpu = 12.5
            dialplan = [{ number = "^7", do = ["answer"] }]
            media = { loss = 0.01, toward = "callee", jitter = "4ms" }
            sip = { host = "10.0.0.9" }
            hep = { to = "127.0.0.1:9060", capture_id = 7 }
        "#;
        let config = read(text).expect("a server").remove(0);
        assert_eq!((config.name.as_str(), config.hostname.as_str()), ("a", "pbx"));
        assert_eq!((config.listen, config.password.as_str()), (SocketAddr::from(([127, 0, 0, 1], 4000)), "x"));
        assert!(config.users[0].allowed_log && config.users[0].allowed_api.is_none());
        assert_eq!((config.max_sessions, config.sessions_per_second, config.seed), (7, 8, 9));
        assert_eq!((config.heartbeat, config.event_delay), (Duration::from_secs(1), Duration::ZERO));
        assert!(
            config.verbose_events
                && config.faults == [Planned { at: Duration::from_secs(60), ..Planned::new(crate::Fault::Pause) }]
        );
        assert_eq!(config.callee.ring_after, Some(Delay::Constant(Duration::from_millis(1))));
        assert_eq!(config.callee.failures["USER_BUSY"].share, 0.5);
        assert_eq!(config.callee.hold, Some(Delay::Constant(Duration::from_millis(3))));
        assert_eq!((config.callee.early_media, config.capacity.load_per_session), (0.25, 0.001));
        assert_eq!((config.idle_cpu, config.dialplan.len()), (Some(12.5), 1));
        assert_eq!((config.media.loss, config.media.toward), (0.01, crate::Toward::Callee));
        assert_eq!(config.sip.host, Some(Ipv4Addr::new(10, 0, 0, 9)));
        let to = SocketAddr::from(([127, 0, 0, 1], 9060));
        assert_eq!(config.hep, Some(Hep { capture_id: 7, ..Hep::new(to) }));
    }

    #[test]
    fn a_table_tells_whether_it_has_an_address() {
        let has_address = |text: &str| toml::from_str::<ServerTable>(text).expect("a table").has_address();
        assert!(has_address("listen = \"127.0.0.1:0\"") && !has_address("name = \"x\""));
    }

    #[test]
    fn several_servers_listen_port_by_port() {
        let configs = read("name = \"x\"\ncount = 3\nlisten = \"127.0.0.1:4000\"").expect("servers");
        let told: Vec<_> = configs.iter().map(|c| (c.name.as_str(), c.listen.port(), c.seed)).collect();
        assert_eq!(told, [("x1", 4000, 1), ("x2", 4001, 2), ("x3", 4002, 3)]);
        assert!(read("count = 2").expect("servers").iter().all(|config| config.listen.port() == 0));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_way_out() {
        for (text, reason) in [
            ("count = 0", "0: it must be from 1 to 1000"),
            ("max_sessions = -1", "-1 is below 0"),
            ("listen = \"localhost\"", "such as \"127.0.0.1:8021\""),
            ("count = 2\nlisten = \"127.0.0.1:65535\"", "there are not 1 ports behind 65535"),
            ("password = 31337", "a password must be text, in quotes"),
            ("heartbeat = \"1ms\"", "it must be at least 10ms, or \"0s\""),
            ("event_delay = \"1h\"", "it must be at most 60s"),
            ("idle_cpu = 101", "101: it must be from 0 to 100 percent"),
            ("early_media = 2", "early_media is 2, not between 0 and 1"),
            ("capacity = { load_per_session = -1 }", "load_per_session is -1, not between 0 and 1"),
            ("dialplan = [{ number = \"1\", do = [\"anser\"] }]", "unknown application `anser`"),
            ("name = \"\"", "a name must have 1 to 64 characters"),
            ("users = [{ name = \"joe\" }]", "missing field `domain`"),
            ("media = { loss = 2.0 }", "2 is no share: it must be between 0 and 1"),
            ("media = { loss = 0.1, mos = 3.0 }", "leave out loss, or mos"),
            ("rings = 1", "unknown field `rings`"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(!read("password = 31337").expect_err("no password").contains("31337"));
    }
}
