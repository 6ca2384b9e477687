//! What a simulated server is told before it starts.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde::{Deserialize, Deserializer, de};

use crate::{Network, Sip, cause::Cause, delay::Delay};

/// One simulated server. The default is the recorded FreeSWITCH's configuration on a free port.
#[derive(Clone, Debug)]
pub struct Config {
    /// The switch name, which events carry as `FreeSWITCH-Switchname`.
    pub name: String,
    /// Where the Event Socket listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What `auth` must say.
    pub password: String,
    /// Who may log in with `userauth`, beside those who know the password.
    pub users: Vec<User>,
    /// The most channels at once; `fsctl max_sessions` changes it.
    pub max_sessions: u32,
    /// The most new channels a second; `fsctl sps` changes it. As in FreeSWITCH one less than this passes
    /// in a second (switch_core_session.c).
    pub sessions_per_second: u32,
    /// How often HEARTBEAT is sent; zero for never.
    pub heartbeat: Duration,
    /// How long a connection without input waits before it hands over its events: FreeSWITCH's 20 ms, or
    /// zero to hand them over at once.
    pub event_delay: Duration,
    /// What every random choice follows from.
    pub seed: u64,
    /// How the numbers behave that would answer at once.
    pub callee: Callee,
    /// Where its SIP is.
    pub sip: Sip,
    /// The network on which it reaches other simulated servers over SIP; without one it is alone.
    pub network: Option<Network>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            name: "fs1".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            password: "ClueCon".to_owned(),
            users: Vec::new(),
            max_sessions: 1_000,
            sessions_per_second: 30,
            heartbeat: Duration::from_secs(20),
            event_delay: Duration::from_millis(20),
            seed: 1,
            callee: Callee::default(),
            sip: Sip::default(),
            network: None,
        }
    }
}

/// A user of the directory, with what mod_event_socket reads from it (`esl-password`, `esl-allowed-…`). The
/// default is allowed everything.
#[derive(Clone, Debug)]
pub struct User {
    /// The user's id.
    pub name: String,
    /// The domain: `userauth` names both as `name@domain`.
    pub domain: String,
    /// What `userauth` must say; with none nobody gets in.
    pub password: String,
    /// Names of events, apart by commas or by spaces; without it all are allowed.
    pub allowed_events: Option<String>,
    /// API commands, apart by commas or by spaces; without it all are allowed.
    pub allowed_api: Option<String>,
    /// Whether `log` is allowed.
    pub allowed_log: bool,
}

impl Default for User {
    fn default() -> User {
        User {
            name: String::new(),
            domain: String::new(),
            password: String::new(),
            allowed_events: None,
            allowed_api: None,
            allowed_log: true,
        }
    }
}

/// How a called number behaves that would otherwise answer at once (`9196`, `9197`, `park`). The default
/// changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callee {
    /// From the call's arrival to its ringing; without it a call rings at once if `answer_after` is given,
    /// and not at all otherwise.
    pub ring_after: Option<Delay>,
    /// From ringing to the answer; without it a call is answered as soon as it rings.
    pub answer_after: Option<Delay>,
    /// The share of calls that fail, by hangup cause such as `USER_BUSY`; all together at most 1.
    #[serde(deserialize_with = "failures")]
    pub failures: BTreeMap<String, f64>,
}

impl Callee {
    /// Whether its failures are possible: known causes, shares from 0 to 1 that add up to at most 1.
    ///
    /// # Errors
    /// Says which is not.
    pub fn check(&self) -> Result<(), String> {
        self.shares().map(drop)
    }

    /// The same, known to be possible: shares by cause.
    pub(crate) fn shares(&self) -> Result<Vec<(Cause, f64)>, String> {
        let mut shares = Vec::new();
        for (name, share) in &self.failures {
            let cause = Cause::by_name(name).ok_or_else(|| format!("unknown hangup cause \"{name}\""))?;
            if !(0.0..=1.0).contains(share) {
                return Err(format!("the share of {name} is {share}, not between 0 and 1"));
            }
            shares.push((cause, *share));
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if sum > 1.0 + f64::EPSILON {
            return Err(format!("the shares of failures add up to {sum}, more than 1"));
        }
        Ok(shares)
    }
}

fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let callee = Callee { failures: BTreeMap::deserialize(deserializer)?, ..Callee::default() };
    callee.shares().map_err(de::Error::custom)?;
    Ok(callee.failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Callee, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_callee_is_read() {
        let callee =
            read("ring_after = \"100ms\"\nfailures = { USER_BUSY = 0.01, NO_ANSWER = 0.5 }").expect("a callee");
        assert_eq!(callee.ring_after, Some(Delay::Constant(Duration::from_millis(100))));
        assert_eq!(callee.failures["NO_ANSWER"], 0.5);
        assert_eq!(read(""), Ok(Callee::default()));
    }

    #[test]
    fn impossible_callees_are_refused_with_the_reason() {
        for (text, reason) in [
            ("failures = { BUSY = 0.1 }", "unknown hangup cause \"BUSY\""),
            ("failures = { USER_BUSY = 0.6, NO_ANSWER = 0.6 }", "add up to 1.2"),
            ("failures = { USER_BUSY = -0.1 }", "not between 0 and 1"),
            ("rings = 1", "unknown field"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
