//! Checks that each address can be dialled: its endpoint exists, its SIP profile or gateway is up.

use super::super::address::Address;
use super::super::answers::gateway_field;
use super::{Answers, CheckInput, Finding, Need};
use crate::config::did_you_mean;

const ENDPOINTS: &str = "show endpoint as json";

pub(super) fn queries(need: &Need, _: &Answers) -> Vec<String> {
    let mut commands = vec![ENDPOINTS.to_owned(), "sofia status".to_owned()];
    commands.extend(need.targets.iter().filter_map(|target| question(&Address::parse(&target.to))));
    commands
}

/// The query about an address.
fn question(address: &Address<'_>) -> Option<String> {
    match address {
        Address::Profile { profile, .. } => Some(format!("sofia status profile {profile}")),
        Address::Gateway(gateway) => Some(format!("sofia status gateway {gateway}")),
        Address::User(user) => Some(format!("sofia_contact {user}")),
        _ => None,
    }
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for target in subject.need.dialled() {
        let address = Address::parse(&target.to);
        let found = missing_endpoint(subject, &target.to, &address).or_else(|| not_up(subject, &target.to, &address));
        // Several addresses of one profile make one finding.
        findings.extend(found.filter(|found| !findings.contains(found)).into_iter().collect::<Vec<_>>());
    }
    findings
}

fn missing_endpoint(subject: &CheckInput<'_>, to: &str, address: &Address<'_>) -> Option<Finding> {
    let Some(endpoint) = address.endpoint() else {
        return Some(subject.error(
            format!("invalid dial string {to:?}"),
            "write it as FreeSWITCH does: sofia/<profile>/<user>@<host>:<port>, sofia/gateway/<gateway>/<number>, …",
        ));
    };
    let text = subject.answers.successful(ENDPOINTS)?;
    let list: serde_json::Value = serde_json::from_str(text).ok()?;
    let known: Vec<&str> = list.get("rows")?.as_array()?.iter().filter_map(|row| row.get("name")?.as_str()).collect();
    if known.is_empty() || known.iter().any(|known| known.eq_ignore_ascii_case(endpoint)) {
        return None;
    }
    let remedy = match endpoint {
        "sofia" => "load mod_sofia".to_owned(),
        "loopback" | "null" => "load mod_loopback".to_owned(),
        _ => format!("load the module that provides it; available: {}", known.join(", ")),
    };
    Some(subject.error(format!("no endpoint {endpoint:?}, which {to:?} uses"), remedy))
}

fn not_up(subject: &CheckInput<'_>, to: &str, address: &Address<'_>) -> Option<Finding> {
    let answer = subject.answers.successful(&question(address)?)?;
    match address {
        Address::Profile { profile, .. } => profile_down(subject, profile, answer),
        Address::Gateway(gateway) => gateway_down(subject, gateway, answer),
        Address::User(user) if answer.starts_with("error/") => Some(subject.warning(
            format!("{to:?}: {user} is not registered ({answer})"),
            format!("let {user} register, or give it a dial-string in the directory that needs no registration"),
        )),
        _ => None,
    }
}

fn profile_down(subject: &CheckInput<'_>, profile: &str, answer: &str) -> Option<Finding> {
    let up: Vec<&str> = subject.answers.sofia().filter(|line| line.kind != "gateway").map(|line| line.name).collect();
    if answer.starts_with("Invalid Profile") {
        let what = format!("no SIP profile {profile:?}{}", did_you_mean(profile, &up));
        let remedy = format!(
            "sofia profile {profile} start, if the profile has a file; otherwise put\n\
             <profile name={profile:?}><settings><param name=\"sip-ip\" value=\"$${{local_ip_v4}}\"/>\
             <param name=\"sip-port\" value=\"5080\"/><param name=\"context\" value=\"default\"/></settings></profile>\n\
             into sip_profiles/{profile}.xml first"
        );
        return Some(subject.error(what, remedy));
    }
    // The list has only the profiles that run.
    let down = !up.is_empty() && !up.iter().any(|up| up.eq_ignore_ascii_case(profile));
    down.then(|| {
        subject.error(format!("the SIP profile {profile:?} is down"), format!("sofia profile {profile} restart"))
    })
}

fn gateway_down(subject: &CheckInput<'_>, gateway: &str, answer: &str) -> Option<Finding> {
    if answer.starts_with("Invalid Gateway") {
        let gateways = subject.answers.sofia().filter(|line| line.kind == "gateway");
        let known: Vec<&str> = gateways.map(|line| line.name.rsplit("::").next().unwrap_or(line.name)).collect();
        let hint = if known.is_empty() { ": none is configured".to_owned() } else { did_you_mean(gateway, &known) };
        let remedy = format!(
            "<gateway name={gateway:?}><param name=\"proxy\" value=\"HOST:PORT\"/>\
             <param name=\"register\" value=\"false\"/></gateway>\n\
             in the <gateways> of a SIP profile, then sofia profile <profile> rescan"
        );
        return Some(subject.error(format!("no gateway {gateway:?}{hint}"), remedy));
    }
    let field = |name| gateway_field(answer, name);
    let (state, profile) = (field("State").unwrap_or("unknown"), field("Profile").unwrap_or("<profile>"));
    if field("Status").is_some_and(|status| status.starts_with("DOWN")) {
        return Some(subject.error(
            format!(
                "the gateway {gateway:?} is down (state {state}): every call through it would fail with GATEWAY_DOWN"
            ),
            format!("find out why its pings or registrations fail; then sofia profile {profile} register {gateway}"),
        ));
    }
    (!["REGED", "NOREG"].contains(&state)).then(|| {
        subject.warning(
            format!("the gateway {gateway:?} is not registered (state {state})"),
            format!("sofia profile {profile} register {gateway}"),
        )
    })
}
