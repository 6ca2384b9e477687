//! `sofia` and its relatives: what mod_sofia says of its profiles. There are no gateways and no registrations.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Answer, Call, text};
use crate::{
    channel::{
        Channel, Direction, Endpoint,
        sofia::{PROFILES, SipProfile},
    },
    dial_string::words,
    log,
    switch::{Switch, is_true},
};

const USAGE: &str = "\
USAGE:
--------------------------------------------------------------------------------
sofia global siptrace <on|off>
sofia        capture  <on|off>
             watchdog <on|off>

sofia profile <name> [start | stop | restart | rescan] [wait]
                     flush_inbound_reg [<call_id> | <[user]@domain>] [reboot]
                     check_sync [<call_id> | <[user]@domain>]
                     [register | unregister] [<gateway name> | all]
                     killgw <gateway name>
                     [stun-auto-disable | stun-enabled] [true | false]]
                     siptrace <on|off>
                     capture  <on|off>
                     watchdog <on|off>

sofia <status|xmlstatus> profile <name> [reg [<contact str>]] | [pres <pres str>] | [user <user@domain>]
sofia <status|xmlstatus> gateway <name>

sofia loglevel <all|default|tport|iptsec|nea|nta|nth_client|nth_server|nua|soa|sresolv|stun> [0-9]
sofia tracelevel <console|alert|crit|err|warning|notice|info|debug>

sofia help
--------------------------------------------------------------------------------
";

const GLOBAL_USAGE: &str = "-ERR Usage: siptrace <on|off>|capture <on|off>|watchdog <on|off>|debug <sla|presence|none";

const LINE: &str =
    "=================================================================================================\n";
const XML: &str = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n";
const INVALID_PROFILE: &str = "Invalid Profile!\n";
const INVALID_GATEWAY: &str = "Invalid Gateway!\n";

/// What parts of the SIP stack write a log of their own.
const LOGGED: [&str; 12] =
    ["all", "default", "tport", "iptsec", "nea", "nta", "nth_client", "nth_server", "nua", "soa", "sresolv", "stun"];

/// What a profile has counted since the server's start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    inbound: u64,
    outbound: u64,
    inbound_failed: u64,
    outbound_failed: u64,
}

/// The counts of all profiles, in their order.
#[derive(Debug, Default)]
pub(crate) struct Counts([Calls; PROFILES.len()]);

impl Counts {
    /// A channel has come up.
    pub(crate) fn count(&mut self, channel: &Channel) {
        let inbound = channel.direction == Direction::Inbound;
        if let Some(calls) = self.of_mut(channel) {
            *if inbound { &mut calls.inbound } else { &mut calls.outbound } += 1;
        }
    }

    /// A channel has ended: one that was never answered has failed.
    pub(crate) fn count_failed(&mut self, channel: &Channel) {
        let inbound = channel.direction == Direction::Inbound;
        if let Some(calls) = self.of_mut(channel).filter(|_| !channel.is_answered()) {
            *if inbound { &mut calls.inbound_failed } else { &mut calls.outbound_failed } += 1;
        }
    }

    fn of_mut(&mut self, channel: &Channel) -> Option<&mut Calls> {
        let name = profile_of(channel)?.name;
        PROFILES.iter().zip(&mut self.0).find(|(known, _)| known.name == name).map(|(_, calls)| calls)
    }

    fn of(&self, profile: &SipProfile) -> Calls {
        let counted = PROFILES.iter().zip(self.0).find(|(known, _)| known.name == profile.name);
        counted.map_or(Calls::default(), |(_, calls)| calls)
    }
}

/// The profile that a channel is on.
fn profile_of(channel: &Channel) -> Option<&'static SipProfile> {
    let Endpoint::Sofia(dialog) = &channel.endpoint else { return None };
    Some(if channel.direction == Direction::Outbound { dialog.near_profile } else { dialog.far_profile })
}

pub(super) fn sofia(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    text(match words.as_slice() {
        [] | ["help", ..] => USAGE.to_owned(),
        ["status", rest @ ..] => status(&call, rest),
        ["xmlstatus", rest @ ..] => xml_status(&call, rest),
        ["jsonstatus", ..] => json_status(&call),
        ["profile", rest @ ..] => {
            let said = profile(call.switch, rest);
            if said.starts_with("Reload XML") {
                call.switch.reload_xml(call.now);
            }
            said
        }
        ["global", rest @ ..] => global(call, rest),
        ["loglevel", part, level, ..] => match (LOGGED.contains(part), level.parse::<u8>()) {
            (true, Ok(level @ 0..=9)) => format!("Sofia log level for component [{part}] has been set to [{level}]"),
            _ => USAGE.to_owned(),
        },
        ["loglevel", ..] => USAGE.to_owned(),
        ["tracelevel", rest @ ..] => {
            let knobs = &mut call.switch.settings.knobs;
            if let Some(word) = rest.first() {
                // What is no level is the least grave one.
                knobs.tracelevel = log::level(word).unwrap_or(log::DEBUG);
            }
            format!("+OK tracelevel is {}", log::name(knobs.tracelevel))
        }
        ["recover", "flush", ..] => "Flushing recovery database.\n".to_owned(),
        ["recover", ..] => "No calls to recover.\n".to_owned(),
        [unknown, ..] => format!("Unknown Command [{unknown}]\n"),
    })
}

fn find(name: &str) -> Option<&'static SipProfile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

/// The profiles in the order of FreeSWITCH's hash, which has the last one first.
fn listed() -> impl Iterator<Item = &'static SipProfile> {
    PROFILES.iter().rev()
}

fn in_use(call: &Call<'_>, profile: &SipProfile) -> usize {
    let channels = call.switch.channels.values();
    channels.filter(|channel| profile_of(channel).is_some_and(|known| known.name == profile.name)).count()
}

fn url(call: &Call<'_>, profile: &SipProfile) -> String {
    format!("sip:mod_sofia@{}:{}", call.switch.sip_host(), profile.port)
}

fn status(call: &Call<'_>, words: &[&str]) -> String {
    match words {
        [] => {
            let mut out = format!("{:>25}\t{:>7}\t{:>42}\t{}\n{LINE}", "Name", "Type", "Data", "State");
            for profile in listed() {
                // Writing to a String cannot fail.
                let _ = writeln!(
                    out,
                    "{:>25}\tprofile\t{:>42}\tRUNNING ({})",
                    profile.name,
                    url(call, profile),
                    in_use(call, profile)
                );
            }
            out + LINE + &format!("{} profiles 0 aliases\n", PROFILES.len())
        }
        ["profile", name, rest @ ..] => match (find(name), rest) {
            (None, _) => INVALID_PROFILE.to_owned(),
            (Some(_), ["user"]) => String::new(),
            (Some(_), ["reg" | "user", ..]) => format!("\nRegistrations:\n{LINE}Total items returned: 0\n{LINE}"),
            (Some(profile), _) => {
                let figures = figures(call, profile);
                let lines = figures.iter().filter(|figure| !figure.name.is_empty());
                let lines: String = lines.map(|figure| format!("{:<17}\t{}\n", figure.name, figure.value)).collect();
                let registrations = match rest {
                    ["pres", _, ..] => format!("\nRegistrations:\n{LINE}Total items returned: 0\n{LINE}"),
                    _ => String::new(),
                };
                format!("{LINE}{lines}{registrations}")
            }
        },
        ["gateway", _, ..] => INVALID_GATEWAY.to_owned(),
        _ => format!(
            "    Profile::Gateway-Name\t                        Data    \tState\tPing Time\tIB Calls(F/T)\tOB Calls(F/T)\n\
             {LINE}{LINE}0 gateways: Inbound(Failed/Total): 0/0,Outbound(Failed/Total):0/0\n"
        ),
    }
}

fn xml_status(call: &Call<'_>, words: &[&str]) -> String {
    match words {
        [] => {
            let mut out = format!("{XML}<profiles>\n");
            for profile in listed() {
                let _ = writeln!(
                    out,
                    "<profile>\n<name>{}</name>\n<type>profile</type>\n<data>{}</data>\n<state>RUNNING ({})</state>\n\
                     </profile>",
                    profile.name,
                    url(call, profile),
                    in_use(call, profile)
                );
            }
            out + "</profiles>\n"
        }
        ["profile", name, rest @ ..] => match (find(name), rest) {
            (None, _) => INVALID_PROFILE.to_owned(),
            (Some(_), ["reg" | "user", ..]) => {
                format!("{XML}<profile>\n  <registrations>\n  </registrations>\n</profile>\n")
            }
            (Some(profile), _) => {
                let mut figures = figures(call, profile);
                // Here the failed ones come last.
                if let Some(at) = figures.iter().position(|figure| figure.tag == "failed-calls-in") {
                    figures.swap(at, at + 1);
                }
                let lines: String =
                    figures.iter().map(|figure| format!("    <{0}>{1}</{0}>\n", figure.tag, figure.value)).collect();
                format!("{XML}<profile>\n  <profile-info>\n{lines}  </profile-info>\n</profile>\n")
            }
        },
        ["gateway", _, ..] => INVALID_GATEWAY.to_owned(),
        _ => format!("{XML}<gateways>\n</gateways>\n"),
    }
}

/// One line of a profile's status.
struct Figure {
    name: &'static str,
    tag: &'static str,
    value: String,
}

fn figures(call: &Call<'_>, profile: &SipProfile) -> Vec<Figure> {
    let calls = call.switch.settings.sip_calls.of(profile);
    let (number, url) = (|n: u64| n.to_string(), url(call, profile));
    let host = call.switch.sip_host().to_string();
    let database = format!("sofia_reg_{}", profile.name);
    let bind = format!("{url};transport=udp,tcp");
    let (inbound, inbound_failed) = (number(calls.inbound), number(calls.inbound_failed));
    let (outbound, outbound_failed) = (number(calls.outbound), number(calls.outbound_failed));
    let lines: [(&'static str, &'static str, &str); 31] = [
        ("Name", "name", profile.name),
        ("Domain Name", "domain-name", "N/A"),
        ("Auto-NAT", "auto-nat", "false"),
        ("DBName", "db-name", &database),
        ("Pres Hosts", "pres-hosts", ""),
        ("Dialplan", "dialplan", "XML"),
        ("Context", "context", profile.context),
        ("Challenge Realm", "challenge-realm", "auto_to"),
        ("RTP-IP", "rtp-ip", &host),
        ("SIP-IP", "sip-ip", &host),
        ("URL", "url", &url),
        ("BIND-URL", "bind-url", &bind),
        ("HOLD-MUSIC", "hold-music", "N/A"),
        ("OUTBOUND-PROXY", "outbound-proxy", "N/A"),
        ("CODECS IN", "inbound-codecs", "PCMU"),
        ("CODECS OUT", "outbound-codecs", "PCMU"),
        ("TEL-EVENT", "tel-event", "101"),
        ("DTMF-MODE", "dtmf-mode", "rfc2833"),
        ("CNG", "cng", "13"),
        ("SESSION-TO", "session-to", "0"),
        ("MAX-DIALOG", "max-dialog", "0"),
        ("MAX-RECV-RPS", "max-recv-rps", "1000"),
        ("NOMEDIA", "nomedia", "false"),
        ("LATE-NEG", "late-neg", "false"),
        ("PROXY-MEDIA", "proxy-media", "false"),
        ("AGGRESSIVENAT", "aggressive-nat", "false"),
        ("CALLS-IN", "calls-in", &inbound),
        ("FAILED-CALLS-IN", "failed-calls-in", &inbound_failed),
        ("CALLS-OUT", "calls-out", &outbound),
        ("FAILED-CALLS-OUT", "failed-calls-out", &outbound_failed),
        ("REGISTRATIONS", "registrations", "0"),
    ];
    lines.map(|(name, tag, value)| Figure { name, tag, value: value.to_owned() }).into()
}

/// The form of cJSON's printer: tabs before names and behind colons.
fn json_status(call: &Call<'_>) -> String {
    let profiles = listed().map(|profile| {
        let url = url(call, profile);
        let host = call.switch.sip_host().to_string();
        let value = json!({
            "status": { "type": "profile", "state": "RUNNING", "in-use": in_use(call, profile), "data": url },
            "info": {
                "domain-name": "N/A",
                "auto-nat": "false",
                "db-name": format!("sofia_reg_{}", profile.name),
                "pres-hosts": "",
                "dialplan": "XML",
                "context": profile.context,
                "challenge-realm": "auto_to",
                "rtp-ip": [host],
                "sip-ip": host,
                "ext-sip-ip": "",
                "url": url,
                "bind-url": format!("{url};transport=udp,tcp"),
                "hold-music": "",
                "outbound-proxy": "N/A",
            },
        });
        (profile.name.to_owned(), value)
    });
    let profiles: serde_json::Map<String, Value> = profiles.collect();
    tabbed(&json!({ "profiles": profiles }), 0) + "\n"
}

fn tabbed(value: &Value, depth: usize) -> String {
    match value {
        Value::Object(fields) => {
            let indent = "\t".repeat(depth + 1);
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{indent}\"{name}\":\t{}", tabbed(value, depth + 1)))
                .collect();
            format!("{{\n{}\n{}}}", fields.join(",\n"), "\t".repeat(depth))
        }
        value => value.to_string(),
    }
}

/// `sofia profile <name> <what> …`: words only, but those about a profile that is not there.
fn profile(switch: &mut Switch, words: &[&str]) -> String {
    let [name, what, rest @ ..] = words else { return "Invalid Args!\n".to_owned() };
    let known = find(name).is_some();
    let switched = |label: &str| match rest.first() {
        None => format!("Usage: sofia profile <name> {what} <on/off>\n"),
        Some(word) => format!("{} sip {label} on {name}", if is_true(word) { "Enabled" } else { "Disabled" }),
    };
    let gateway = |all: &str, one: &str| match rest.first() {
        None => "No gateway name provided!\n".to_owned(),
        Some(&"all") => all.to_owned(),
        Some(_) => one.to_owned(),
    };
    let registrations = |doing: &str| match rest {
        [] => format!("+OK {doing} all registrations\n"),
        [_, "reboot", ..] => "+OK rebooting all registrations matching specified call_id\n".to_owned(),
        _ => format!("+OK {doing} all registrations matching specified call_id\n"),
    };
    match *what {
        "start" if known => format!("Reload XML [Success]\n{name} started successfully\n"),
        "start" => format!("Reload XML [Success]\nFailure starting {name}\n"),
        _ if !known => format!("Invalid Profile [{name}]"),
        "rescan" => "Reload XML [Success]\n+OK scan complete\n".to_owned(),
        "stop" => "Reload XML [Success]\nstopping: ".to_owned() + name,
        "restart" => "Reload XML [Success]\nrestarting: ".to_owned() + name,
        "siptrace" | "watchdog" => switched("debugging"),
        "capture" => {
            if let Some(word) = rest.first() {
                switch.capture(Some(name), is_true(word));
            }
            switched("capturing")
        }
        "flush_inbound_reg" => registrations("flushing"),
        "check_sync" => registrations("syncing"),
        "register" | "unregister" => gateway("+OK\n", "Invalid gateway!\n"),
        "killgw" => match rest.first() {
            None => "-ERR missing gw name\n".to_owned(),
            Some(&"_all_") => "+OK every gateway marked for deletion.\n".to_owned(),
            Some(_) => "-ERR no such gateway.\n".to_owned(),
        },
        "startgw" => match rest.first() {
            None => "-ERR missing gw name\n".to_owned(),
            Some(name) => format!("Reload XML [Success]\n+OK start gateway {name} complete\n"),
        },
        "gwlist" => String::new(),
        "recover" => "No sessions to recover.\n".to_owned(),
        _ => "-ERR Unknown command!\n".to_owned(),
    }
}

fn global(call: Call<'_>, words: &[&str]) -> String {
    match words {
        ["debug", rest @ ..] => debug(call, rest),
        [what @ ("siptrace" | "capture" | "watchdog" | "standby"), word, ..] => {
            if *what == "capture" {
                call.switch.capture(None, is_true(word));
            }
            format!("+OK Global {what} {}", if is_true(word) { "on" } else { "off" })
        }
        _ => GLOBAL_USAGE.to_owned(),
    }
}

fn debug(call: Call<'_>, words: &[&str]) -> String {
    let knobs = &mut call.switch.settings.knobs;
    let said = match words {
        ["none", ..] => {
            (knobs.debug_presence, knobs.debug_sla) = (false, false);
            "+OK Debugging nothing\n"
        }
        ["presence", ..] => {
            knobs.debug_presence = true;
            "+OK Debugging presence\n"
        }
        ["sla", ..] => {
            knobs.debug_sla = true;
            "+OK Debugging sla\n"
        }
        _ => "",
    };
    let word = |is: bool| if is { "on" } else { "off" };
    format!("{said}+OK Debugging summary: presence: {} sla: {}\n", word(knobs.debug_presence), word(knobs.debug_sla))
}

/// `sofia_count_reg [profile/]<user>@<domain>`: no domain leads to a profile here.
pub(super) fn sofia_count_reg(call: Call<'_>) -> Answer {
    let known = call.arguments.split_once('/').is_some_and(|(profile, _)| find(profile).is_some());
    text(if known { "0" } else { "-1" })
}

/// `sofia_presence_data [list|status|rpid|user_agent] [profile/]<user>@domain`
pub(super) fn sofia_presence_data(call: Call<'_>) -> Answer {
    text(if call.arguments.starts_with("list ") { "+OK\n" } else { "" })
}
