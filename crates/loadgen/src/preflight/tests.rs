//! Preflight checks against simulated servers.

use std::time::Instant;

use super::*;
use crate::config;
use crate::plan::RunId;
use crate::schedule::Shard;

async fn server(config: fs_sim::Config) -> fs_sim::Server {
    fs_sim::Server::start(config).await.expect("a port")
}

fn roomy() -> fs_sim::Config {
    fs_sim::Config { max_sessions: 10_000, sessions_per_second: 10_000, ..fs_sim::Config::default() }
}

pub(crate) fn server_of(server: &fs_sim::Server) -> Server {
    Server { address: server.addr().to_string(), credentials: esl_core::Credentials::password("ClueCon") }
}

/// A plan of calls to this address on this many slaves.
pub(crate) fn plan(rest: &str, to: &str, slaves: usize) -> Plan {
    weighted(rest, to, &vec![1; slaves])
}

/// A plan on slaves of these weights.
fn weighted(rest: &str, to: &str, weights: &[u64]) -> Plan {
    let slave = |(n, weight)| {
        format!("[[slaves]]\nhost = \"pbx{n}\"\npassword = \"x\"\nname = \"pbx{n}\"\nweight = {weight}\n")
    };
    let slaves: String = weights.iter().enumerate().map(slave).collect();
    let text = format!("[call]\nto = \"{to}\"\nhold = \"10s\"\n{rest}\n{slaves}");
    let (config, source) = config::parse("a.toml".into(), text, |_| None).unwrap();
    Plan::new(config, &source, RunId::random()).unwrap()
}

fn has(preflight: &Preflight, severity: Severity, words: &str) -> bool {
    preflight.findings.iter().any(|finding| finding.severity == severity && finding.what.contains(words))
}

async fn cmd(server: &fs_sim::Server, command: &str) -> String {
    let Server { address, credentials } = server_of(server);
    let client = esl_core::Client::connect(&address, &credentials, &esl_core::Options::default()).await.unwrap();
    client.api(command).await.unwrap().text().into_owned()
}

const LOAD: &str = "[load]\nrate = 10\n";

#[tokio::test]
async fn a_server_that_carries_the_plan_is_described() {
    let server = server(roomy()).await;
    let plan = plan(LOAD, "sofia/external/9196@127.0.0.1:5080", 1);
    let preflight = preflight(&plan, &[server_of(&server)]).await;
    assert!(!preflight.has_errors(), "{:?}", preflight.findings);
    let facts = &preflight.slaves[0];
    assert_eq!((facts.version.as_deref(), facts.reached), (Some("1.10.12-release"), true));
    assert_eq!((facts.load.sessions_per_second, facts.load.sessions), (20.0, 200.0), "a call to itself is two");
    assert_eq!((facts.round_trips.len(), facts.event_delays.len()), (10, 5));
    let text = describe(&preflight);
    assert!(text.starts_with("preflight: 1 of 1 slaves reached, 0 errors, 1 warning\n"), "{text}");
    assert!(
        text.contains("slave pbx0: FreeSWITCH 1.10.12-release, up 0s, 0 of 10000 sessions, 200 planned, 20.0 of 10000"),
        "{text}"
    );
    assert_eq!(server.state().originates, 0, "nothing was dialled");
}

#[tokio::test]
async fn what_a_server_says_of_itself_is_found() {
    let limited =
        |sps, max| fs_sim::Config { sessions_per_second: sps, max_sessions: max, ..fs_sim::Config::default() };
    for (config, command, to, severity, words) in [
        (
            limited(19, 1000),
            "status",
            "sofia/external/9196@127.0.0.1:5080",
            Severity::Error,
            "the server accepts 19 new sessions",
        ),
        (limited(10, 1000), "status", "null/x", Severity::Warning, "it rejects some"),
        (
            limited(1000, 199),
            "status",
            "sofia/external/9196@127.0.0.1:5080",
            Severity::Error,
            "the server accepts 199 at a time",
        ),
        (roomy(), "fsctl pause", "null/x", Severity::Error, "the server is paused for outbound calls"),
        (roomy(), "fsctl pause inbound", "null/x", Severity::Warning, "the server is paused for inbound calls"),
        (roomy(), "fsctl min_idle_cpu 30", "null/x", Severity::Warning, "while less than 30 %"),
        (roomy(), "status", "sofia/nope/1@h", Severity::Error, "no SIP profile \"nope\""),
        (roomy(), "status", "sofia/gateway/nope/1", Severity::Error, "no gateway \"nope\""),
        (roomy(), "status", "verto.rtc/x", Severity::Error, "no endpoint \"verto.rtc\""),
        (roomy(), "status", "user/1000@home", Severity::Warning, "is not registered"),
        (
            roomy(),
            "originate {loadgen_run=ffffffffffff,origination_uuid=ffffffff-ffff-4000-8000-000000000001}null/x &park()",
            "null/x",
            Severity::Warning,
            "channels of loadgen run ffffffffffff, which is active or was killed: 1",
        ),
        (roomy(), "originate null/x &park()", "null/x", Severity::Warning, "sessions that are up already: 1"),
        (roomy(), "status", "null/x", Severity::Warning, "the server has been up for only 0s"),
    ] {
        let server = server(config).await;
        cmd(&server, command).await;
        let preflight = preflight(&plan(LOAD, to, 1), &[server_of(&server)]).await;
        assert!(has(&preflight, severity, words), "{words}: {:#?}", preflight.findings);
    }
}

#[tokio::test]
async fn a_user_s_rights_are_looked_at() {
    let user = |api: &str, events: &str| fs_sim::User {
        name: "joe".into(),
        domain: "home".into(),
        password: "secret".into(),
        allowed_api: Some(api.into()),
        allowed_events: Some(events.into()),
        allowed_log: false,
    };
    let own = "CUSTOM loadgen::probe";
    for (user, words) in [
        (
            user("status version", "ALL CUSTOM loadgen::probe"),
            "the user lacks permission for \"originate\": a run could not place calls",
        ),
        (
            user("originate uuid_kill uuid_exists show", "ALL CUSTOM loadgen::probe"),
            "the user lacks permission for \"hupall\"",
        ),
        (user("status", own), "the user lacks permission for call events"),
        (user("status", "CHANNEL_CREATE"), "not usable: -ERR permission denied"),
    ] {
        let server = server(fs_sim::Config { users: vec![user], ..roomy() }).await;
        let credentials = esl_core::Credentials::user("joe@home", "secret");
        let joe = Server { address: server.addr().to_string(), credentials };
        let preflight = preflight(&plan(LOAD, "null/x", 1), &[joe]).await;
        assert!(has(&preflight, Severity::Error, words), "{words}: {:#?}", preflight.findings);
    }
}

/// The commands and events of a run without apps.
const RIGHTS: (&str, &str) = (
    "originate uuid_kill uuid_exists hupall show fsctl module_exists sofia sofia_contact status strepoch uptime version",
    "CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_ANSWER CHANNEL_HANGUP CHANNEL_DESTROY BACKGROUND_JOB \
     HEARTBEAT CUSTOM loadgen::probe",
);

/// The findings for a user with these permissions.
async fn with_rights(plan: &Plan, api: &str, events: &str) -> Vec<(Option<usize>, Severity, String, String)> {
    let user = fs_sim::User {
        name: "joe".into(),
        domain: "home".into(),
        password: "secret".into(),
        allowed_api: Some(api.into()),
        allowed_events: Some(events.into()),
        allowed_log: false,
    };
    let server = server(fs_sim::Config { users: vec![user], ..roomy() }).await;
    let credentials = esl_core::Credentials::user("joe@home", "secret");
    let joe = Server { address: server.addr().to_string(), credentials };
    let places = vec![joe; plan.slaves.len()];
    let findings = preflight(plan, &places).await.findings.into_iter();
    let of_rights = findings.filter(|finding| finding.what.starts_with("the user lacks permission for"));
    of_rights.map(|it| (it.slave, it.severity, it.what, it.remedy)).collect()
}

#[tokio::test]
async fn a_user_s_rights_are_those_that_the_apps_need() {
    let apps = "[[apps]]\nkind = \"play_rec\"\nname = \"rec\"\n[[apps]]\nkind = \"bert\"\n[[apps]]\nkind = \"flow\"\n\
                caller = [{ send_digits = \"1\" }, { expect_digits = \"2\" }]\n";
    let plan = weighted(&format!("{LOAD}{apps}"), "null/x", &[1, 0]);
    let needs = need::needs(&plan);
    let wanted = plan.calls.events();
    for name in wanted.events.iter().filter(|name| !crate::plan::marks::MEASURED_EVENTS.contains(name)) {
        assert!(needs[0].events.contains_key(name.as_str()), "{name:?}: what a run listens to is looked at");
    }
    for subclass in &wanted.customs {
        assert!(needs[0].events.contains_key(&format!("{}{subclass}", need::CUSTOM)), "{subclass}");
    }
    let (api, events) = RIGHTS;
    let found = with_rights(&plan, api, events).await;
    assert!(found.iter().all(|(_, severity, ..)| *severity == Severity::Error), "{found:#?}");
    let of = |slave| found.iter().filter(move |found| found.0 == Some(slave)).map(|found| found.2.as_str());
    let commands = ["\"uuid_answer\", which the apps rec, bert need", "\"uuid_record\", which the app rec needs"];
    let sent = "\"uuid_send_dtmf\", which the app flow needs";
    let listened = [
        "event CHANNEL_PARK (-ERR permission denied), which the apps rec, bert, flow need",
        "event CUSTOM mod_bert::in_sync (-ERR permission denied), which the app bert needs",
        "event CUSTOM mod_bert::lost_sync (-ERR permission denied), which the app bert needs",
        "event CUSTOM mod_bert::timeout (-ERR permission denied), which the app bert needs",
        "event DTMF (-ERR permission denied), which the app flow needs",
        "event RECORD_START (-ERR permission denied), which the app rec needs",
    ];
    let wanted =
        |words: &[&str]| words.iter().map(|it| format!("the user lacks permission for {it}")).collect::<Vec<_>>();
    assert_eq!(of(0).collect::<Vec<_>>(), wanted(&[&commands[..], &[sent], &listened[..]].concat()));
    assert_eq!(of(1).collect::<Vec<_>>(), wanted(&[&commands[..], &listened[..]].concat()), "no near leg is there");
    for (_, _, what, remedy) in &found {
        let (list, name) = if what.contains(" event ") {
            ("esl-allowed-events", what.split(' ').nth(6))
        } else {
            ("esl-allowed-api", what.split('"').nth(1))
        };
        assert!(remedy.contains(list) && remedy.contains(name.unwrap()), "{what}: {remedy}");
    }

    let api = format!("{api} uuid_answer uuid_record uuid_send_dtmf");
    let events =
        format!("CHANNEL_PARK DTMF RECORD_START {events} mod_bert::in_sync mod_bert::lost_sync mod_bert::timeout");
    assert_eq!(with_rights(&plan, &api, &events).await, []);
    let few = with_rights(&plan, &api, "CUSTOM loadgen::probe").await;
    assert!(few[0].2.starts_with("the user lacks permission for call events"), "{few:?}");
    for event in events.split(' ') {
        assert!(few[0].3.contains(event), "{event}: {}", few[0].3);
    }
}

#[tokio::test]
async fn one_that_cannot_be_reached_is_an_error_only_where_none_can() {
    let server = server(roomy()).await;
    let mut gone = server_of(&server);
    gone.credentials = esl_core::Credentials::password("wrong");
    let some = preflight(&plan(LOAD, "null/x", 2), &[server_of(&server), gone.clone()]).await;
    assert!(has(&some, Severity::Warning, "not usable: the server refused the password"), "{:?}", some.findings);
    assert!(!some.has_errors());
    let none = preflight(&plan(LOAD, "null/x", 1), &[gone]).await;
    assert!(has(&none, Severity::Error, "not usable"), "{:?}", none.findings);
    assert!(describe(&none).contains("error: pbx0: not usable"), "{}", describe(&none));
}

/// A slave without a weight, and another shard's.
#[tokio::test]
async fn who_only_listens_is_not_judged_as_if_it_dialled() {
    let to = "sofia/nope/1@127.0.0.1:5080";
    for (plan, places) in [
        (weighted(LOAD, to, &[1, 0]), 0),
        (weighted(LOAD, to, &[1, 1]).for_shard(Shard { index: 0, count: 2 }).unwrap(), 0),
        (weighted(LOAD, to, &[1, 1]).for_shard(Shard { index: 1, count: 2 }).unwrap(), 1),
    ] {
        let user = fs_sim::User {
            name: "joe".into(),
            domain: "home".into(),
            password: "secret".into(),
            allowed_api: Some("fsctl uuid_kill uuid_exists hupall show status version".into()),
            allowed_events: Some("ALL CUSTOM loadgen::probe".into()),
            allowed_log: false,
        };
        let servers = [server(roomy()).await, server(fs_sim::Config { users: vec![user], ..roomy() }).await];
        let mut places_of = [server_of(&servers[0]), server_of(&servers[0])];
        cmd(&servers[1], "fsctl pause outbound").await;
        places_of[1 - places] = Server {
            address: servers[1].addr().to_string(),
            credentials: esl_core::Credentials::user("joe@home", "secret"),
        };
        let preflight = preflight(&plan, &places_of).await;
        let errors = preflight.findings.iter().filter(|finding| finding.severity == Severity::Error);
        let errors: Vec<_> = errors.map(|finding| (finding.slave, finding.what.as_str())).collect();
        assert_eq!(errors, [(Some(places), "no SIP profile \"nope\": known are park, external")]);
    }
}

#[tokio::test]
async fn each_shard_probes_from_its_own_slaves() {
    let servers = [server(roomy()).await, server(roomy()).await, server(roomy()).await];
    let places: Vec<_> = servers.iter().map(server_of).collect();
    let shard = |index| {
        let mut plan = weighted("[preflight]\nprobe = true\n[load]\nrate = 10\n", "null/x", &[1, 1, 0]);
        plan.run_id = "0123456789ab".parse().unwrap();
        plan.for_shard(Shard { index, count: 2 }).unwrap()
    };
    let (first, second) = (shard(0), shard(1));
    let (first, second) = tokio::join!(preflight(&first, &places), preflight(&second, &places));
    assert!(!first.has_errors() && !second.has_errors(), "{first:?} {second:?}");
    let dialled: Vec<_> = servers.iter().map(|server| server.state().originates).collect();
    assert_eq!(dialled, [1, 1, 0]);
}

/// A shard has its part of the limit, and a slave its share of the shard's calls.
#[test]
fn sessions_that_follow_of_a_limit_are_the_same_in_every_shard() {
    let load = "[load]\nrate = 1000\nlimit = 1000\nmode = \"wait\"\n";
    let concurrent = |plan: &Plan| need::needs(plan).iter().map(|need| need.concurrent).collect::<Vec<_>>();
    let plan = || weighted(load, "null/x", &[3, 1, 0]);
    assert_eq!(concurrent(&plan()), [750.0, 250.0, 0.0]);
    for index in 0..2 {
        assert_eq!(concurrent(&plan().for_shard(Shard { index, count: 2 }).unwrap()), [750.0, 250.0, 0.0]);
    }
}

#[tokio::test]
async fn it_is_an_error_where_none_can_be_reached_that_places_calls() {
    let server = server(roomy()).await;
    let mut gone = server_of(&server);
    gone.credentials = esl_core::Credentials::password("wrong");
    let there = server_of(&server);
    for (weights, servers, severity) in [
        ([1, 0], [gone.clone(), there.clone()], Severity::Error),
        ([1, 0], [there.clone(), gone.clone()], Severity::Warning),
        ([1, 1], [gone, there], Severity::Warning),
    ] {
        let preflight = preflight(&weighted(LOAD, "null/x", &weights), &servers).await;
        assert!(has(&preflight, severity, "not usable"), "{weights:?}: {:?}", preflight.findings);
    }
}

#[tokio::test]
async fn what_only_a_probe_call_would_show_is_said_where_there_is_none() {
    let server = server(roomy()).await;
    let simulated = "[[slaves]]\nname = \"sim\"\nsimulated = {}\n";
    for (rest, probe, warns) in [
        ("[[apps]]\nkind = \"play_rec\"\n[[apps]]\nkind = \"echo\"\n".to_owned(), false, true),
        ("[[apps]]\nkind = \"play_rec\"\n".to_owned(), true, false),
        ("[[apps]]\nkind = \"play_rec\"\ncallee = \"none\"\nrecord = \"caller\"\n".to_owned(), false, false),
        (format!("[[apps]]\nkind = \"play_rec\"\n{simulated}"), false, false),
    ] {
        let of = usize::from(!rest.contains("simulated"));
        let to = "sofia/park/x@127.0.0.1:5090";
        let plan = plan(&format!("[preflight]\nprobe = {probe}\n{LOAD}{rest}"), to, of);
        let preflight = preflight(&plan, &[server_of(&server)]).await;
        let not_seen = "the app play_rec drives far legs, which have to reach a slave and be parked there, \
         unanswered; this was not checked";
        assert_eq!(has(&preflight, Severity::Warning, not_seen), warns, "{rest}: {:#?}", preflight.findings);
        let remedy = preflight.findings.iter().find(|finding| finding.what.starts_with(not_seen)).map(|it| &it.remedy);
        assert!(
            remedy.is_none_or(|it| it.contains("probe = true") && it.contains("application=\"park\"")),
            "{remedy:?}"
        );
    }
}

/// A server that has everything but one module.
#[test]
fn a_module_that_is_missing_is_missed_by_these_apps() {
    let apps =
        "[[apps]]\nkind = \"bert\"\n[[apps]]\nkind = \"bert\"\nname = \"both\"\nsides = 2\n[[apps]]\nkind = \"echo\"\n";
    let plan = plan(&format!("{LOAD}{apps}"), "null/x", 1);
    let needs = need::needs(&plan);
    let mut answers = Answers::default();
    answers.add("module_exists mod_bert".into(), "false".into());
    let subject = checks::CheckInput { slave: 0, need: &needs[0], answers: &answers, load: SessionLoad::default() };
    let missing = checks::findings(&subject).into_iter().find(|finding| finding.what.contains("mod_bert")).unwrap();
    assert_eq!(missing.what, "module mod_bert is not loaded, which the apps bert, both need");
}

/// A server that accepts logins and subscriptions, and answers nothing else.
async fn silent() -> Server {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let answer = "Content-Type: auth/request\n\nContent-Type: command/reply\nReply-Text: +OK accepted\n\n\
                            Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n";
                let _ = stream.write_all(answer.as_bytes()).await;
                while stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    Server { address, credentials: esl_core::Credentials::password("x") }
}

#[tokio::test]
async fn one_that_does_not_answer_is_a_finding_and_holds_nothing_up() {
    let server = server(roomy()).await;
    let found = preflight(&plan(LOAD, "null/x", 2), &[server_of(&server), silent().await]).await;
    let words = "not usable: the server's answers to the preflight queries took longer than 10s";
    assert!(has(&found, Severity::Warning, words), "{:?}", found.findings);
    assert!(found.slaves[0].reached && !found.has_errors(), "{:?}", found.findings);
}

#[tokio::test]
async fn far_legs_on_another_slave_count_there() {
    let (one, other) = (server(roomy()).await, server(roomy()).await);
    // Both servers' profiles are at their own 127.0.0.1.
    let plan = plan(LOAD, "sofia/external/9196@127.0.0.1:5080", 2);
    let preflight = preflight(&plan, &[server_of(&one), server_of(&other)]).await;
    let loads: Vec<_> = preflight.slaves.iter().map(|slave| slave.load.sessions_per_second).collect();
    assert_eq!(loads, [10.0, 10.0]);
}

#[tokio::test]
async fn two_hundred_slaves_are_looked_at_together() {
    let mut servers = Vec::new();
    for _ in 0..200 {
        servers.push(server(roomy()).await);
    }
    let started = Instant::now();
    let places: Vec<_> = servers.iter().map(server_of).collect();
    let preflight = preflight(&plan(LOAD, "null/x", 200), &places).await;
    assert_eq!(preflight.slaves.iter().filter(|slave| slave.reached).count(), 200);
    // Equal findings are merged into one line.
    assert!(preflight.findings.len() >= 200, "{}", preflight.findings.len());
    assert!(
        describe(&preflight).contains("pbx0, pbx1, pbx2 and 197 more: the server has been up"),
        "{}",
        describe(&preflight)
    );
    // A tenth of it on an idle machine.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
