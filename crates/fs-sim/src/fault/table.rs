//! The kinds of faults by their names, and how they are read: from a configuration's keys and from the API's words.

use std::{mem::discriminant, net::SocketAddr, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::{Fault, Planned, Whom};
use units::Delay;

/// One kind of fault.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What is seen of it, in a line.
    pub(crate) about: &'static str,
    /// Keys of its own.
    pub(crate) takes: &'static [&'static str],
    /// It cannot concern some connections alone.
    pub(super) is_of_the_whole_server: bool,
    make: fn(Keys) -> Result<Fault, String>,
}

const SHARE: &[&str] = &["share"];
const SHARE_AND_DELAY: &[&str] = &["share", "delay"];

type Make = fn(Keys) -> Result<Fault, String>;

const fn of_connections(name: &'static str, takes: &'static [&'static str], make: Make, about: &'static str) -> Kind {
    Kind { name, about, takes, is_of_the_whole_server: false, make }
}

const fn of_server(name: &'static str, takes: &'static [&'static str], make: Make, about: &'static str) -> Kind {
    Kind { name, about, takes, is_of_the_whole_server: true, make }
}

pub(crate) const TABLE: &[Kind] = &[
    of_connections("drop", &[], |_| Ok(Fault::Drop), "connections are closed; with a time, new ones too"),
    of_connections("silent", &[], |_| Ok(Fault::Silent), "connections stand, nothing is read or sent"),
    of_connections("mute", &[], |_| Ok(Fault::Mute), "what clients say is done, nothing is sent"),
    of_server("stall", &[], |_| Ok(Fault::Stall), "the server does nothing, then catches up"),
    of_connections(
        "delay_events",
        SHARE_AND_DELAY,
        |mut keys| Ok(Fault::DelayEvents { delay: keys.delay()?, share: keys.share() }),
        "events come late and overtake each other",
    ),
    of_connections("lose_events", SHARE, |keys| Ok(Fault::LoseEvents { share: keys.share() }), "events do not come"),
    of_connections(
        "duplicate_events",
        SHARE,
        |keys| Ok(Fault::DuplicateEvents { share: keys.share() }),
        "events come twice",
    ),
    of_connections(
        "truncate",
        SHARE,
        |keys| Ok(Fault::Truncate { share: keys.share() }),
        "a frame ends in its middle, and the connection with it",
    ),
    of_connections(
        "garbage",
        SHARE,
        |keys| Ok(Fault::Garbage { share: keys.share() }),
        "random bytes come before a frame",
    ),
    of_connections(
        "garbage_instead",
        SHARE,
        |keys| Ok(Fault::GarbageInstead { share: keys.share() }),
        "random bytes come instead of a frame",
    ),
    of_connections(
        "huge_length",
        SHARE,
        |keys| Ok(Fault::HugeLength { share: keys.share() }),
        "a frame's Content-Length is enormous",
    ),
    of_connections(
        "negative_length",
        SHARE,
        |keys| Ok(Fault::NegativeLength { share: keys.share() }),
        "a frame's Content-Length is -1",
    ),
    of_connections(
        "dribble",
        &["gap"],
        |keys| Ok(Fault::Dribble { gap: keys.gap.unwrap_or_default() }),
        "everything comes one byte at a time",
    ),
    of_server("refuse", &[], |_| Ok(Fault::Refuse), "nobody listens on the port"),
    of_server("rude", &[], |_| Ok(Fault::Rude), "new connections get text/rude-rejection and their end"),
    of_server("wrong_password", &[], |_| Ok(Fault::WrongPassword), "no password is right"),
    of_server("restart", &[], |_| Ok(Fault::Restart), "down without a word, then a new server on the same port"),
    of_server("pause", &[], |_| Ok(Fault::Pause), "new calls are refused, as with fsctl pause"),
    of_server("freeze_clock", &[], |_| Ok(Fault::FreezeClock), "the times that events carry stand still"),
    of_server(
        "lose_jobs",
        SHARE,
        |keys| Ok(Fault::LoseJobs { share: keys.share() }),
        "jobs are done, their BACKGROUND_JOB never comes",
    ),
    of_connections(
        "late_answers",
        SHARE_AND_DELAY,
        |mut keys| Ok(Fault::LateAnswers { delay: keys.delay()?, share: keys.share() }),
        "commands are done at once and answered late",
    ),
    of_connections(
        "swap_answers",
        SHARE,
        |keys| Ok(Fault::SwapAnswers { share: keys.share() }),
        "an answer comes behind the next command's",
    ),
];

/// The kind of a fault.
pub(super) fn kind(fault: &Fault) -> Option<&'static Kind> {
    TABLE
        .iter()
        .find(|kind| (kind.make)(Keys::example()).is_ok_and(|example| discriminant(&example) == discriminant(fault)))
}

/// A fault as it is written down: its kind, its time, and what its kind takes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    kind: String,
    #[serde(default, deserialize_with = "time")]
    at: Option<Duration>,
    #[serde(default, rename = "for", deserialize_with = "time")]
    lasting: Option<Duration>,
    against: Option<String>,
    share: Option<f64>,
    delay: Option<Delay>,
    #[serde(default, deserialize_with = "time")]
    gap: Option<Duration>,
}

impl Keys {
    /// With a value for whatever a kind needs.
    fn example() -> Keys {
        Keys { delay: Some(Delay::Constant(Duration::ZERO)), ..Keys::default() }
    }

    fn share(&self) -> f64 {
        self.share.unwrap_or(1.0)
    }

    fn delay(&mut self) -> Result<Delay, String> {
        self.delay.take().ok_or_else(|| format!("{} needs a delay, such as \"250ms\"", self.kind))
    }

    /// Those that only some kinds take.
    fn own(&self) -> impl Iterator<Item = &'static str> {
        let given = [("share", self.share.is_some()), ("delay", self.delay.is_some()), ("gap", self.gap.is_some())];
        given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name))
    }

    fn plan(self, me: Option<SocketAddr>) -> Result<Planned, String> {
        let Some(kind) = TABLE.iter().find(|kind| kind.name == self.kind) else {
            let names = TABLE.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
            return Err(format!("unknown fault \"{}\": there are {names}", self.kind));
        };
        if let Some(name) = self.own().find(|name| !kind.takes.contains(name)) {
            return Err(format!("{} takes no \"{name}\"", kind.name));
        }
        let whom = self.against.as_deref().map_or(Ok(Whom::Everyone), |text| whom(text, me))?;
        let (at, lasting) = (self.at.unwrap_or_default(), self.lasting);
        let planned = Planned { at, lasting, whom, fault: (kind.make)(self)? };
        planned.check()?;
        Ok(planned)
    }
}

impl TryFrom<Keys> for Planned {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Planned, String> {
        keys.plan(None)
    }
}

/// Reads a fault as the API command takes it: `lose_events share 0.01 at 10s for 2s`.
impl FromStr for Planned {
    type Err = String;

    fn from_str(text: &str) -> Result<Planned, String> {
        read(text, None)
    }
}

/// Reads the API's words; `me` is the client that says them.
pub(crate) fn read(text: &str, me: Option<SocketAddr>) -> Result<Planned, String> {
    let mut words = text.split_ascii_whitespace();
    let mut keys = Keys { kind: words.next().unwrap_or_default().to_owned(), ..Keys::default() };
    while let Some(key) = words.next() {
        let value = words.next().ok_or_else(|| format!("\"{key}\" has no value"))?;
        match key {
            "at" => keys.at = Some(duration(value)?),
            "for" => keys.lasting = Some(duration(value)?),
            "gap" => keys.gap = Some(duration(value)?),
            "share" => {
                keys.share = Some(value.parse().map_err(|_| format!("the share \"{value}\" is no number"))?);
            }
            "delay" => keys.delay = Some(delay(value)?),
            "against" if value == "but" => {
                keys.against = Some(format!("but {}", words.next().unwrap_or_default()));
            }
            "against" => keys.against = Some(value.to_owned()),
            _ => return Err(format!("unknown key \"{key}\": there are at, for, against, share, delay, gap")),
        }
    }
    keys.plan(me)
}

fn whom(text: &str, me: Option<SocketAddr>) -> Result<Whom, String> {
    let address = |text: &str| text.parse().map_err(|_| format!("\"{text}\" is no address such as 127.0.0.1:4711"));
    let me = || me.ok_or_else(|| format!("\"{text}\" is for clients to say: name an address, or newcomers"));
    if let Some(("but", text)) = text.split_once(' ') {
        return address(text).map(Whom::Others);
    }
    match text {
        "everyone" => Ok(Whom::Everyone),
        "newcomers" => Ok(Whom::Newcomers),
        "me" => me().map(Whom::Client),
        "others" => me().map(Whom::Others),
        text => address(text).map(Whom::Client),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("\"{text}\" is not a time such as \"250ms\": {error}"))
}

/// A time, or a configuration's table as JSON without spaces: `{"uniform":["1ms","9ms"]}`.
fn delay(text: &str) -> Result<Delay, String> {
    let quoted = if text.starts_with('{') { text.to_owned() } else { format!("\"{text}\"") };
    serde_json::from_str(&quoted).map_err(|error| error.to_string())
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_and_written_by_its_name() {
        for kind in TABLE {
            let mut text = kind.name.to_owned();
            if kind.takes.contains(&"delay") {
                text += " delay 250ms";
            }
            let planned = read(&text, None).expect(kind.name);
            assert_eq!(planned.fault.name(), kind.name);
            assert!(!kind.about.is_empty() && kind.about.len() <= 60, "{}", kind.name);
            let again = Planned { at: Duration::from_secs(1), lasting: Some(Duration::from_millis(20)), ..planned };
            assert_eq!(again.to_string().parse(), Ok(again), "{text}");
        }
    }

    #[test]
    fn a_configuration_and_the_api_say_the_same() {
        #[derive(Deserialize)]
        struct Holder {
            faults: Vec<Planned>,
        }
        let text = "[[faults]]\nkind = \"delay_events\"\nat = \"10s\"\nfor = \"2s\"\nshare = 0.01\n\
                    delay = { uniform = [\"1ms\", \"9ms\"] }\nagainst = \"newcomers\"";
        let faults = toml::from_str::<Holder>(text).expect("a fault").faults;
        let words = r#"delay_events share 0.01 delay {"uniform":["1ms","9ms"]} at 10s for 2s against newcomers"#;
        assert_eq!(read(words, None).as_ref(), Ok(&faults[0]));
        assert_eq!(faults[0].lasting, Some(Duration::from_secs(2)));
    }

    #[test]
    fn whom_it_concerns() {
        let me = "127.0.0.1:4711".parse().expect("an address");
        let read = |whom: &str| read(&format!("silent against {whom}"), Some(me)).map(|planned| planned.whom);
        for (text, whom) in [
            ("everyone", Whom::Everyone),
            ("newcomers", Whom::Newcomers),
            ("me", Whom::Client(me)),
            ("others", Whom::Others(me)),
            ("127.0.0.1:4711", Whom::Client(me)),
            ("but 127.0.0.1:4711", Whom::Others(me)),
        ] {
            assert_eq!(read(text), Ok(whom), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        for (text, reason) in [
            ("stal", "unknown fault \"stal\": there are drop, silent,"),
            ("", "unknown fault \"\""),
            ("stall share 0.5", "stall takes no \"share\""),
            ("lose_events share 1.5", "the share of lose_events is 1.5, not between 0 and 1"),
            ("lose_events share NaN", "not between 0 and 1"),
            ("lose_events share half", "\"half\" is no number"),
            ("lose_events share", "\"share\" has no value"),
            ("late_answers", "late_answers needs a delay"),
            ("late_answers delay soon", "\"soon\" is not a time"),
            ("drop for ever", "\"ever\" is not a time"),
            ("drop until 3s", "unknown key \"until\""),
            ("drop against them", "\"them\" is no address"),
            ("drop against me", "is for clients to say"),
            ("stall against newcomers", "stall concerns the whole server"),
        ] {
            let error = read(text, None).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
