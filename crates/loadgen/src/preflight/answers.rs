//! A server's answers to the preflight queries.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::ServerHealth;

use super::address::host_of;

/// The answers of one server.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The text of the answer to each command.
    pub(super) replies: BTreeMap<String, String>,
    /// Whether it supports jobs by `api bgapi uuid:…`.
    pub(super) background: bool,
    /// Its answer to the subscription of a run.
    pub(super) subscribed: Option<String>,
    /// Its answer to the subscription to each event of an app that it refused.
    pub(super) refused_events: BTreeMap<String, String>,
    /// The time of this machine's clock when the server's was queried, in seconds of the epoch.
    pub(super) queried_at: f64,
    pub(super) round_trips: Vec<Duration>,
    pub(super) event_delays: Vec<Duration>,
}

/// One line of `sofia status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SofiaLine<'a> {
    pub(super) name: &'a str,
    /// `profile`, `alias`, `gateway`
    pub(super) kind: &'a str,
    pub(super) data: &'a str,
    pub(super) state: &'a str,
}

impl Answers {
    pub(super) fn add(&mut self, command: String, words: String) {
        self.replies.insert(command, words);
    }

    pub(super) fn has(&self, command: &str) -> bool {
        self.replies.contains_key(command)
    }

    /// The text of the answer to a command.
    pub(super) fn answer_to(&self, command: &str) -> Option<&str> {
        self.replies.get(command).map(String::as_str)
    }

    /// The text of the answer to a command, unless it is a refusal.
    pub(super) fn successful(&self, command: &str) -> Option<&str> {
        self.answer_to(command).filter(|words| !is_refusal(words) && !words.starts_with("-USAGE"))
    }

    /// The commands that the user is not allowed.
    pub(super) fn denied(&self) -> impl Iterator<Item = &str> {
        let denied = self.replies.iter().filter(|(_, words)| words.contains("permission denied"));
        denied.map(|(command, _)| command.as_str())
    }

    /// The version without its build: `FreeSWITCH Version 1.10.12-release+git~… (…)` is `1.10.12-release`.
    pub(super) fn version(&self) -> Option<String> {
        let text = self.successful("version")?.strip_prefix("FreeSWITCH Version ")?;
        let word = text.split([' ', '+', '~']).next().unwrap_or_default();
        Some(word.chars().take(40).collect())
    }

    pub(super) fn uptime(&self) -> Option<Duration> {
        self.successful("uptime s")?.trim().parse().ok().map(Duration::from_secs)
    }

    pub(super) fn health(&self) -> ServerHealth {
        self.successful("status").map(ServerHealth::of_status).unwrap_or_default()
    }

    /// The lines of `sofia status`.
    pub(super) fn sofia(&self) -> impl Iterator<Item = SofiaLine<'_>> {
        let lines = self.successful("sofia status").unwrap_or_default().lines();
        lines.filter_map(|line| {
            let mut fields = line.split('\t').map(str::trim).filter(|field| !field.is_empty());
            let (name, kind, data, state) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            ["profile", "alias", "gateway"].contains(&kind).then_some(SofiaLine { name, kind, data, state })
        })
    }

    /// The host and port that a gateway's calls go to first.
    pub(super) fn gateway_place(&self, gateway: &str) -> Option<(String, u16)> {
        gateway_field(self.successful(&format!("sofia status gateway {gateway}"))?, "Proxy").and_then(host_of)
    }

    /// The hosts and ports that the SIP profiles listen on.
    pub(super) fn sip_places(&self) -> impl Iterator<Item = (String, u16)> {
        self.sofia().filter(|line| line.kind == "profile").filter_map(|line| host_of(line.data))
    }
}

/// Whether an answer is a refusal.
pub(super) fn is_refusal(answer: &str) -> bool {
    answer.starts_with("-ERR")
}

/// A field of `sofia status gateway …`: `State <TAB>REGED`.
pub(super) fn gateway_field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let line = answer.lines().find_map(|line| line.split_once('\t').filter(|(key, _)| key.trim() == name));
    line.map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_read() {
        let mut answers = Answers::default();
        answers.add("version".into(), "FreeSWITCH Version 1.10.12-release~64bit ( 64bit)".into());
        answers.add("uptime s".into(), "20\n".into());
        answers.add(
            "sofia status".into(),
            "                     Name\t   Type\t                                      Data\tState\n=====\n\
             \x20                park\tprofile\t              sip:mod_sofia@127.0.0.1:5090\tRUNNING (0)\n\
             \x20      external::pstn\tgateway\t                        sip:u@pbx.example\tREGED\n\
             \x20               alias\t  alias\t                                     park\tALIASED\n=====\n"
                .into(),
        );
        answers.add("show".into(), "-ERR permission denied".into());
        assert_eq!(answers.version().as_deref(), Some("1.10.12-release"));
        assert_eq!(answers.uptime(), Some(Duration::from_secs(20)));
        assert_eq!(answers.sip_places().collect::<Vec<_>>(), [("127.0.0.1".to_owned(), 5090)]);
        assert_eq!(answers.sofia().map(|line| line.state).collect::<Vec<_>>(), ["RUNNING (0)", "REGED", "ALIASED"]);
        assert_eq!((answers.successful("show"), answers.denied().collect::<Vec<_>>()), (None, vec!["show"]));
    }
}
