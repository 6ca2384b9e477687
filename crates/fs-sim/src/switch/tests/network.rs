//! Calls between several switches on one network, at given instants.

use std::{net::Ipv4Addr, time::Duration};

use esl_core::wire::percent_decode;
use tokio::time::Instant;

use super::ms;
use crate::{
    Config, Elsewhere, Network, Sip,
    clock::Stamp,
    command::Command,
    event::{ListenerId, Output},
    network::Wire,
    switch::Switch,
};

const ME: ListenerId = ListenerId(1);

/// One server of several, with a listener to all events.
struct Site {
    switch: Switch,
    wire: Option<Wire>,
    events: Vec<String>,
}

/// Servers on one network, and one clock for all.
struct Sites {
    network: Network,
    began: Instant,
    now: Duration,
    sites: Vec<Site>,
}

fn roomy(name: &str) -> Config {
    let name = name.to_owned();
    Config { name, sessions_per_second: 1_000, heartbeat: Duration::ZERO, ..Config::default() }
}

fn strict(name: &str, host: [u8; 4]) -> Config {
    let sip = Sip { host: Some(Ipv4Addr::from(host)), elsewhere: Elsewhere::Unreachable };
    Config { sip, ..roomy(name) }
}

impl Sites {
    fn new(configs: impl IntoIterator<Item = Config>) -> Sites {
        let mut sites =
            Sites { network: Network::new(), began: Instant::now(), now: Duration::ZERO, sites: Vec::new() };
        for config in configs {
            sites.join(&config);
        }
        sites
    }

    fn join(&mut self, config: &Config) {
        let wire = self.network.join(&config.name, config.sip.host).expect("a free name and address");
        let site = Site::new(config, Some(wire), self.now);
        self.sites.push(site);
    }

    fn say(&mut self, site: usize, line: &str) {
        self.sites[site].say(self.now, line);
        self.carry();
    }

    /// Lets time pass, a millisecond at a time.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += ms(1);
            for site in &mut self.sites {
                site.switch.advance(self.now);
            }
            self.carry();
        }
    }

    /// Carries messages until none is on its way any more.
    fn carry(&mut self) {
        for site in &mut self.sites {
            site.hear(self.began, self.now);
        }
        for site in &mut self.sites {
            while let Some((at, packet)) = site.wire.as_mut().and_then(|wire| wire.queue.try_recv().ok()) {
                site.switch.packet(at - self.began, packet);
            }
        }
    }

    fn story(&mut self, site: usize) -> Vec<String> {
        self.sites[site].events.drain(..).filter_map(|event| tell(&event)).collect()
    }

    fn channels(&self) -> Vec<usize> {
        self.sites.iter().map(|site| site.switch.figures().channels).collect()
    }

    /// A header of the last event of that name on a site.
    fn last(&self, site: usize, event: &str, header: &str) -> Option<String> {
        let found = self.sites[site].events.iter().rfind(|text| text.contains(&format!("Event-Name: {event}\n")));
        value(found?, header).map(decoded)
    }
}

impl Site {
    fn new(config: &Config, wire: Option<Wire>, now: Duration) -> Site {
        let place = wire.as_ref().map(Wire::place);
        let mut switch = Switch::new(config, place, Stamp(1_795_393_566_000_000)).expect("a possible callee");
        switch.connect(now, ME);
        let mut site = Site { switch, wire, events: Vec::new() };
        site.say(now, "auth ClueCon");
        site.say(now, "event plain ALL");
        site
    }

    fn say(&mut self, now: Duration, line: &str) {
        self.switch.command(now, ME, &Command { line: line.to_owned(), ..Command::default() });
    }

    fn hear(&mut self, began: Instant, now: Duration) {
        let mut failed = Vec::new();
        for output in self.switch.drain() {
            match output {
                Output::Event(_, bytes) => self.events.push(String::from_utf8_lossy(&bytes).into_owned()),
                Output::Packet(packet) => {
                    if let Some(wire) = &self.wire {
                        failed.extend(wire.send(began + packet.at, *packet).err());
                    }
                }
                _ => {}
            }
        }
        for packet in failed {
            self.switch.undelivered(now, packet);
        }
    }
}

fn value<'a>(event: &'a str, name: &str) -> Option<&'a str> {
    event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn decoded(value: &str) -> String {
    String::from_utf8_lossy(&percent_decode(value.as_bytes())).into_owned()
}

/// What happened to which leg, and why.
fn tell(event: &str) -> Option<String> {
    let name = value(event, "Event-Name")?;
    const TOLD: [&str; 8] = ["CREATE", "PROGRESS", "PROGRESS_MEDIA", "ANSWER", "BRIDGE", "HANGUP", "PARK", "DESTROY"];
    if name == "DTMF" {
        return Some(format!("DTMF {}", decoded(value(event, "DTMF-Digit")?)));
    }
    if name == "BACKGROUND_JOB" {
        return event
            .lines()
            .last()
            .map(str::to_owned)
            .filter(|body| body.contains("originate") || body.starts_with('-'));
    }
    let short = name.strip_prefix("CHANNEL_").filter(|short| TOLD.contains(short))?;
    let direction = if value(event, "Call-Direction")? == "inbound" { "in" } else { "out" };
    let cause = value(event, "Hangup-Cause").map(|cause| format!(" {cause}")).unwrap_or_default();
    Some(format!("{short} {direction}{cause}"))
}

const NEAR: &str = "origination_uuid=near";

#[test]
fn a_call_arrives_at_another_server_and_ends_across() {
    for address in ["fs2:5080", "FS2:5080", "10.0.0.2:5080", "fs2"] {
        let mut sites = Sites::new([roomy("fs1"), roomy("fs2")]);
        sites.say(0, &format!("bgapi originate {{{NEAR},sip_h_X-call=one}}sofia/external/9196@{address} &park()"));
        sites.wait(ms(10));
        assert_eq!(sites.channels(), [1, 1], "{address}");
        assert_eq!(sites.last(1, "CHANNEL_CREATE", "variable_sip_h_X-call").as_deref(), Some("one"));
        for (site, header, expected) in [
            (1, "variable_sip_network_ip", "10.0.0.1"),
            (1, "variable_sip_local_network_addr", "10.0.0.2"),
            (1, "Channel-Name", "sofia/external/0000000000@10.0.0.1"),
            (1, "variable_local_media_ip", "10.0.0.2"),
            (0, "variable_sip_network_ip", "10.0.0.2"),
            (0, "variable_sip_contact_host", "10.0.0.2"),
            (0, "variable_remote_media_ip", "10.0.0.2"),
        ] {
            assert_eq!(sites.last(site, "CHANNEL_ANSWER", header).as_deref(), Some(expected), "{address} {header}");
        }
        let call_id = sites.last(1, "CHANNEL_ANSWER", "variable_sip_call_id");
        assert!(call_id.is_some() && call_id == sites.last(0, "CHANNEL_PARK", "variable_sip_call_id"));
        sites.story(1);
        sites.say(0, "api uuid_kill near USER_BUSY");
        sites.wait(ms(30));
        assert_eq!(sites.story(1), ["HANGUP in USER_BUSY", "DESTROY in USER_BUSY"]);
        assert_eq!(sites.channels(), [0, 0]);
        assert!(sites.sites[1].switch.calls.is_empty());
    }
}

#[test]
fn who_is_called_decides_how_it_goes() {
    for (number, near, far) in [
        ("486@fs2:5080", "HANGUP out USER_BUSY", "HANGUP in USER_BUSY"),
        ("nobody@fs2:5080", "HANGUP out NO_ROUTE_DESTINATION", "HANGUP in NO_ROUTE_DESTINATION"),
        ("drop20@fs2:5080", "HANGUP out NORMAL_CLEARING", "HANGUP in NORMAL_CLEARING"),
        ("ring20@fs2:5080", "PROGRESS out", "PROGRESS in"),
        ("early20@fs2:5080", "PROGRESS_MEDIA out", "PROGRESS_MEDIA in"),
        ("any@fs2:5090", "CREATE out", "PARK in"),
        // Those that are the server itself.
        ("486@127.0.0.1:5080", "HANGUP out USER_BUSY", ""),
        ("486@fs1:5080", "HANGUP out USER_BUSY", ""),
        ("486@10.0.0.1:5080", "HANGUP out USER_BUSY", ""),
        ("486@192.0.2.9:5080", "HANGUP out USER_BUSY", ""),
    ] {
        let mut sites = Sites::new([roomy("fs1"), roomy("fs2")]);
        sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/{number} &park()"));
        sites.wait(ms(100));
        let (first, second) = (sites.story(0), sites.story(1));
        assert!(first.contains(&near.to_owned()), "{number}: {first:?}");
        assert_eq!(second.is_empty(), far.is_empty(), "{number}: {second:?}");
        assert!(far.is_empty() || second.contains(&far.to_owned()), "{number}: {second:?}");
    }
}

#[test]
fn a_caller_that_gives_up_cancels_across() {
    let mut sites = Sites::new([roomy("fs1"), roomy("fs2")]);
    sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/noanswer@fs2:5080 &park()"));
    sites.wait(ms(50));
    sites.say(0, "api uuid_kill near");
    sites.wait(ms(50));
    assert_eq!(sites.last(1, "CHANNEL_HANGUP", "variable_sip_hangup_disposition").as_deref(), Some("recv_cancel"));
    assert_eq!(sites.story(1)[2..], ["HANGUP in ORIGINATOR_CANCEL", "DESTROY in ORIGINATOR_CANCEL"]);
    // Before the other server has said anything, too.
    sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/9196@fs2:5080 &park()"));
    sites.say(0, "api uuid_kill near");
    sites.wait(ms(50));
    assert_eq!(sites.channels(), [0, 0]);
}

#[test]
fn a_cancel_that_crosses_the_answer_ends_the_call() {
    let mut sites = Sites::new([roomy("fs1"), roomy("fs2")]);
    sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/9196@fs2:5080 &park()"));
    sites.wait(ms(1));
    assert!(sites.story(1).contains(&"ANSWER in".to_owned()));
    sites.say(0, "api uuid_kill near");
    sites.wait(ms(50));
    assert_eq!(sites.channels(), [0, 0]);
}

#[test]
fn a_server_without_room_refuses_with_503() {
    for (max_sessions, order) in [(0, "noop"), (1_000, "fsctl pause")] {
        let mut sites = Sites::new([roomy("fs1"), Config { max_sessions, ..roomy("fs2") }]);
        sites.say(1, &format!("api {order}"));
        sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/9196@fs2:5080 &park()"));
        sites.wait(ms(50));
        let status = sites.last(0, "CHANNEL_HANGUP", "variable_sip_term_status");
        assert_eq!(status.as_deref(), Some("503"), "{order}");
        assert!(sites.story(0).contains(&"-ERR NORMAL_TEMPORARY_FAILURE".to_owned()), "{order}");
        assert_eq!(sites.story(1), [""; 0], "{order}");
    }
}

#[test]
fn digits_travel_both_ways() {
    let mut sites = Sites::new([roomy("fs1"), roomy("fs2")]);
    sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/park@fs2:5080 &park()"));
    sites.wait(ms(20));
    let far = sites.last(1, "CHANNEL_CREATE", "Unique-ID").expect("a far leg");
    sites.say(1, &format!("api uuid_answer {far}"));
    sites.wait(ms(20));
    sites.say(0, "api uuid_send_dtmf near 1#");
    sites.say(1, &format!("api uuid_send_dtmf {far} 5"));
    sites.wait(ms(1_000));
    let digits = |sites: &mut Sites, site| -> Vec<String> {
        sites.story(site).into_iter().filter(|told| told.starts_with("DTMF")).collect()
    };
    assert_eq!(
        (digits(&mut sites, 0), digits(&mut sites, 1)),
        (vec!["DTMF 5".into()], vec!["DTMF 1".to_owned(), "DTMF #".into()])
    );
}

#[test]
fn a_proxy_bridges_on_to_a_third_server() {
    let mut sites = Sites::new([roomy("fs1"), roomy("sut"), roomy("fs3")]);
    sites.say(
        0,
        &format!("bgapi originate {{{NEAR},sip_h_X-call=one,sip_cid_type=pid}}sofia/external/any@sut:5090 &park()"),
    );
    sites.wait(ms(20));
    let a = sites.last(1, "CHANNEL_CREATE", "Unique-ID").expect("a far leg");
    let headers = [("call-command", "execute"), ("execute-app-name", "bridge")];
    let headers = headers.into_iter().chain([("execute-app-arg", "sofia/external/ring100@fs3:5080")]);
    let command = Command {
        line: format!("sendmsg {a}"),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: None,
    };
    sites.sites[1].switch.command(sites.now, ME, &command);
    sites.wait(ms(400));
    assert_eq!(sites.channels(), [1, 2, 1]);
    for (header, expected) in [
        ("variable_sip_h_X-call", "one"),
        ("variable_max_forwards", "69"),
        ("variable_sip_cid_type", "pid"),
        ("variable_sip_P-Asserted-Identity", "0000000000"),
        ("variable_sip_Privacy", "none"),
        ("variable_sip_network_ip", "10.0.0.2"),
    ] {
        assert_eq!(sites.last(2, "CHANNEL_CREATE", header).as_deref(), Some(expected), "{header}");
    }
    assert_eq!(sites.last(0, "CHANNEL_ANSWER", "Caller-Callee-ID-Name").as_deref(), Some("ring100"));
    sites.story(2);
    sites.say(0, "api uuid_kill near");
    sites.wait(ms(100));
    assert_eq!(sites.channels(), [0, 0, 0]);
    assert_eq!(sites.story(2), ["HANGUP in NORMAL_CLEARING", "DESTROY in NORMAL_CLEARING"]);
}

#[test]
fn a_path_leads_there_and_the_address_stays() {
    let mut sites = Sites::new([roomy("fs1"), roomy("fs2")]);
    let variables = format!("{NEAR},sip_invite_params=user=phone");
    let address = "9196@198.51.100.1:5080;fs_path=sip:10.0.0.2:5080";
    sites.say(0, &format!("bgapi originate {{{variables}}}sofia/external/{address} &park()"));
    sites.wait(ms(20));
    for (site, header, expected) in [
        (1, "variable_sip_full_route", "<sip:10.0.0.2:5080>"),
        (1, "variable_sip_req_params", "user=phone"),
        (1, "variable_sip_req_uri", "9196@198.51.100.1:5080"),
        (0, "variable_sip_req_uri", "9196@198.51.100.1:5080;user=phone"),
        (0, "variable_sip_contact_uri", "9196@10.0.0.2:5080"),
        (0, "variable_sip_destination_url", "sip:9196@198.51.100.1:5080;fs_path=sip:10.0.0.2:5080"),
    ] {
        let found = sites.last(site, "CHANNEL_ANSWER", header).unwrap_or_default();
        assert_eq!(found, expected, "{header}");
    }
}

#[test]
fn where_nobody_is_a_call_fails_as_on_a_dead_port() {
    for address in ["198.51.100.1:5080", "10.0.0.2:6000", "127.0.0.1:5060", "fs3:5080"] {
        let mut sites = Sites::new([strict("fs1", [10, 0, 0, 1]), strict("fs2", [10, 0, 0, 2])]);
        sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/9196@{address} &park()"));
        sites.wait(ms(50));
        for (header, expected) in [
            ("variable_sip_term_status", "503"),
            ("variable_sip_invite_failure_phrase", "Service Unavailable"),
            ("variable_sip_reply_port", "0"),
        ] {
            assert_eq!(sites.last(0, "CHANNEL_HANGUP_COMPLETE", header).as_deref(), Some(expected), "{address}");
        }
        assert_eq!(sites.last(0, "CHANNEL_HANGUP_COMPLETE", "variable_sip_network_ip"), None);
        assert!(sites.story(0).contains(&"-ERR NORMAL_TEMPORARY_FAILURE".to_owned()), "{address}");
    }
}

#[test]
fn a_server_that_goes_leaves_legs_as_sip_does() {
    let mut sites = Sites::new([roomy("fs1"), roomy("fs2")]);
    sites.say(0, &format!("bgapi originate {{{NEAR}}}sofia/external/9196@fs2:5080 &park()"));
    sites.say(0, "bgapi originate sofia/external/ring1000@fs2:5080 &park()");
    sites.wait(ms(100));
    // The callers' server goes: what is answered stays, what answers waits 32 s for its ACK.
    sites.sites.remove(0);
    sites.story(0);
    sites.wait(ms(32_900));
    assert_eq!(sites.channels(), [2]);
    assert_eq!(sites.story(0), ["ANSWER in"]);
    sites.wait(ms(300));
    assert_eq!(sites.story(0), ["HANGUP in NORMAL_UNSPECIFIED", "DESTROY in NORMAL_UNSPECIFIED"]);
    assert_eq!(sites.channels(), [1]);
    // Its address is nobody's now, even where others' lead back to the server itself.
    sites.say(0, "bgapi originate sofia/external/9196@fs1:5080 &park()");
    sites.wait(ms(50));
    assert!(sites.story(0).contains(&"-ERR NORMAL_TEMPORARY_FAILURE".to_owned()));
    // It comes back: the old calls' messages mean nothing to it, and new calls arrive.
    sites.join(&roomy("fs1"));
    sites.say(1, &format!("bgapi originate {{{NEAR}}}null/x &park()"));
    let left = sites.last(0, "CHANNEL_CREATE", "Unique-ID");
    assert!(left.is_none_or(|uuid| !uuid.is_empty()));
    sites.say(0, "api hupall");
    sites.wait(ms(100));
    assert_eq!(sites.channels(), [0, 1]);
    sites.say(0, "bgapi originate sofia/external/9196@fs1:5080 &park()");
    sites.wait(ms(50));
    assert_eq!(sites.channels(), [1, 2]);
}

#[test]
fn two_servers_of_one_name_or_address_are_refused() {
    let network = Network::new();
    let first = network.join("fs1", None).expect("a place");
    let error = network.join("FS1", None).expect_err("the same name").to_string();
    assert!(error.contains("fs1") && error.contains("sip.host"), "{error}");
    let error = network.join("fs2", Some(Ipv4Addr::new(10, 0, 0, 1))).expect_err("the same address").to_string();
    assert!(error.contains("10.0.0.1"), "{error}");
    assert_eq!(format!("{network:?}"), "Network { servers: 1 }");
    drop(first);
    assert_eq!(format!("{network:?}"), "Network { servers: 0 }", "who goes leaves nothing behind");
}

#[test]
fn a_call_that_goes_round_in_circles_ends() {
    let mut sites = Sites::new([roomy("fs1")]);
    sites.say(0, &format!("bgapi originate {{{NEAR},max_forwards=1}}null/x '&bridge(sofia/external/9196@fs1:5080)'"));
    sites.wait(ms(100));
    assert_eq!(sites.last(0, "CHANNEL_HANGUP", "Hangup-Cause").as_deref(), Some("EXCHANGE_ROUTING_ERROR"));
}

#[test]
fn a_test_hears_its_echo_from_another_server_and_packets_are_counted_on_both() {
    let mut sites = Sites::new([strict("one", [10, 0, 0, 1]), strict("two", [10, 0, 0, 2])]);
    sites.say(0, "bgapi originate {bert_window_ms=400}sofia/external/9196@10.0.0.2:5080 &bert_test()");
    sites.wait(ms(600));
    assert_eq!(sites.last(0, "CUSTOM", "Event-Subclass").as_deref(), Some("mod_bert::in_sync"));
    sites.wait(ms(1_400));
    sites.say(0, "api hupall");
    sites.wait(ms(100));
    for site in [0, 1] {
        let count = sites.last(site, "CHANNEL_HANGUP_COMPLETE", "variable_rtp_audio_in_packet_count");
        let count: u32 = count.expect("a count").parse().expect("a number");
        assert!((90..100).contains(&count), "{site}: {count}");
    }
}
