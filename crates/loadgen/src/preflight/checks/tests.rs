use std::collections::BTreeMap;

use esl_core::KeepAwake;

use super::super::need::{Apps, DialledAddress, Spread};
use super::*;

const STATUS: &str = "UP 0 years, 1 day\nFreeSWITCH (Version 1.10.12-release  64bit) is ready\n\
    9 session(s) since startup\n0 session(s) - peak 0, last 5min 0 \n\
    0 session(s) per Sec out of max 30, peak 0, last 5min 0 \n1000 session(s) max\nmin idle cpu 0.00/97.93\n";
const SOFIA: &str = "Name\t   Type\tData\tState\n====\n  park\tprofile\tsip:mod_sofia@127.0.0.1:5090\tRUNNING (0)\n\
    external\tprofile\tsip:mod_sofia@127.0.0.1:5080\tRUNNING (0)\n\
    external::pstn\tgateway\tsip:u@h\tREGED\n====\n2 profiles 0 aliases\n";
const ENDPOINTS: &str = "{\"row_count\":4,\"rows\":[{\"name\":\"sofia\"},{\"name\":\"loopback\"},{\"name\":\"null\"},\
    {\"name\":\"user\"}]}";
const OTHERS: &str = "{\"row_count\":2,\"rows\":[{\"uuid\":\"aaaaaaaa-aaaa-4000-8000-000000000001\"},\
    {\"uuid\":\"bbbbbbbb-bbbb-4000-8000-000000000001\"}]}";

fn need(to: &str) -> Need {
    Need {
        name: "pbx7".into(),
        simulated: false,
        places: true,
        rate: 10.0,
        concurrent: 100.0,
        spread: Spread::Within(1.0),
        targets: vec![DialledAddress { to: to.into(), share: 1.0, parked: false }],
        modules: [("mod_dptools", Apps::Every)].into(),
        commands: BTreeMap::new(),
        events: BTreeMap::new(),
        far_legs: None,
        run: "0123456789ab".parse().unwrap(),
        keep_awake: KeepAwake::OFF,
        raise: false,
        probe: false,
    }
}

/// A healthy server's answers.
fn healthy() -> Answers {
    let mut answers = Answers { background: true, queried_at: 1000.0, ..Answers::default() };
    answers.subscribed = Some("+OK event listener enabled plain".into());
    answers.round_trips = vec![std::time::Duration::from_millis(1); 10];
    answers.event_delays = vec![std::time::Duration::from_millis(10); 5];
    for (command, words) in [
        ("version", "FreeSWITCH Version 1.10.12-release~64bit ( 64bit)"),
        ("uptime s", "86400"),
        ("strepoch", "1001"),
        ("status", STATUS),
        ("fsctl pause_check outbound", "false"),
        ("fsctl pause_check inbound", "false"),
        ("fsctl shutdown_check", "false"),
        ("show endpoint as json", ENDPOINTS),
        ("sofia status", SOFIA),
        ("sofia status profile external", "====\nName             \texternal\n"),
        ("sofia status gateway pstn", "====\nName    \tpstn\nState   \tREGED\nStatus  \tUP\n"),
        ("sofia_contact 1000@home", "sofia/external/sip:1000@192.0.2.1"),
        ("module_exists mod_dptools", "true"),
        ("originate", "-USAGE: <call url> <exten>"),
        ("uuid_kill", "-USAGE: <uuid> [cause]"),
        ("uuid_exists", "-USAGE: <uuid>"),
    ] {
        answers.add(command.into(), words.into());
    }
    answers
}

fn found(need: &Need, answers: &Answers, load: SessionLoad) -> Vec<Finding> {
    findings(&CheckInput { slave: 0, need, answers, load })
}

/// Two legs a call.
fn load() -> SessionLoad {
    SessionLoad { sessions_per_second: 20.0, sessions_per_second_peak: 22.0, sessions: 200.0, sessions_peak: 202.0 }
}

#[test]
fn a_healthy_server_has_no_finding() {
    for to in ["sofia/external/1@h", "sofia/gateway/pstn/1", "loopback/1/default", "null/x", "user/1000@home"] {
        assert_eq!(found(&need(to), &healthy(), load()), [], "{to}");
    }
}

#[test]
fn each_answer_that_does_not_fit_is_a_finding_with_its_remedy() {
    use Severity::{Error, Warning};
    let cases: &[(&str, &str, &str, Severity, &str, &str)] = &[
        (
            "null/x",
            "version",
            "Asterisk 20",
            Warning,
            "the answer to \"version\" is not FreeSWITCH's",
            "may not be FreeSWITCH",
        ),
        ("null/x", "uptime s", "3", Warning, "the server has been up for only 3s", "wait for half a minute"),
        ("null/x", "strepoch", "990", Warning, "the server's clock is 10 s behind this machine's", "NTP"),
        (
            "null/x",
            "fsctl pause_check outbound",
            "true",
            Error,
            "the server is paused for outbound calls",
            "fsctl resume",
        ),
        (
            "null/x",
            "fsctl pause_check inbound",
            "true",
            Error,
            "the server is paused for inbound calls",
            "fsctl resume",
        ),
        ("null/x", "fsctl shutdown_check", "true", Error, "the server is shutting down", "fsctl shutdown cancel"),
        (
            "null/x",
            "status",
            "min idle cpu 20.00/97.93\n",
            Warning,
            "while less than 20 % of its CPU time is idle",
            "fsctl min_idle_cpu 0",
        ),
        (
            "null/x",
            "status",
            "5 session(s) per Sec out of max 19, peak 0\n",
            Error,
            "20.0 new sessions a second with the far legs that land on the server, but the server accepts 19 new sessions a second",
            "fsctl sps 83 ",
        ),
        (
            "null/x",
            "status",
            "5 session(s) per Sec out of max 21, peak 0\n",
            Warning,
            "it rejects some if 22 coincide",
            "sessions-per-second",
        ),
        (
            "null/x",
            "status",
            "0 session(s) - peak 0\n199 session(s) max\n",
            Error,
            "the plan has 200 concurrent sessions, but the server accepts 199 at a time",
            "fsctl max_sessions 353 ",
        ),
        (
            "null/x",
            "status",
            "0 session(s) - peak 0\n201 session(s) max\n",
            Warning,
            "it rejects some if 202 coincide",
            "raise_limits = true in [run]",
        ),
        (
            "null/x",
            "status",
            "7 session(s) - peak 0\n1000 session(s) max\n",
            Warning,
            "sessions that are up already: 7",
            "show channels",
        ),
        (
            "sofia/externl/1@h",
            "sofia status profile externl",
            "Invalid Profile!",
            Error,
            "no SIP profile \"externl\": did you mean \"external\"?",
            "sip_profiles/externl.xml",
        ),
        (
            "sofia/internal/1@h",
            "sofia status profile internal",
            "====\nName\tinternal",
            Error,
            "the SIP profile \"internal\" is down",
            "sofia profile internal restart",
        ),
        (
            "sofia/gateway/pstm/1",
            "sofia status gateway pstm",
            "Invalid Gateway!",
            Error,
            "no gateway \"pstm\": did you mean \"pstn\"?",
            "<gateway name=\"pstm\">",
        ),
        (
            "sofia/gateway/pstn/1",
            "sofia status gateway pstn",
            "Profile \texternal\nState   \tFAIL_WAIT\nStatus  \tDOWN\n",
            Error,
            "the gateway \"pstn\" is down (state FAIL_WAIT)",
            "sofia profile external register pstn",
        ),
        (
            "sofia/gateway/pstn/1",
            "sofia status gateway pstn",
            "State   \tTRYING\nStatus  \tUP\n",
            Warning,
            "the gateway \"pstn\" is not registered (state TRYING)",
            "register pstn",
        ),
        (
            "user/1000@home",
            "sofia_contact 1000@home",
            "error/user_not_registered",
            Warning,
            "1000@home is not registered",
            "dial-string",
        ),
        ("verto.rtc/1", "x", "", Error, "no endpoint \"verto.rtc\"", "load the module"),
        ("nonsense", "x", "", Error, "invalid dial string \"nonsense\"", "sofia/<profile>"),
        (
            "null/x",
            "show endpoint as json",
            "{\"rows\":[{\"name\":\"sofia\"}]}",
            Error,
            "no endpoint \"null\"",
            "load mod_loopback",
        ),
        (
            "null/x",
            "module_exists mod_dptools",
            "false",
            Error,
            "module mod_dptools is not loaded, which every app needs",
            "load mod_dptools",
        ),
        (
            "null/x",
            "originate",
            "-ERR permission denied",
            Error,
            "the user lacks permission for \"originate\": a run could not place calls",
            "esl-allowed-api",
        ),
        (
            "null/x",
            "strepoch",
            "-ERR permission denied",
            Warning,
            "the user lacks permission for strepoch: this was not checked",
            "esl-allowed-api",
        ),
    ];
    for (to, command, words, severity, what, remedy) in cases {
        let mut answers = healthy();
        answers.add((*command).into(), (*words).into());
        let found = found(&need(to), &answers, load());
        let [finding] = found.as_slice() else { panic!("{command}: one finding for {words:?}, not {found:?}") };
        assert_eq!(finding.severity, *severity, "{finding:?}");
        assert!(finding.what.contains(what), "{finding:?}");
        assert!(finding.remedy.contains(remedy), "{finding:?}");
    }
}

#[test]
fn what_is_no_answer_is_a_finding_too() {
    let with = |change: fn(&mut Answers)| {
        let mut answers = healthy();
        change(&mut answers);
        let found = found(&need("null/x"), &answers, load());
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].severity, found[0].what.clone())
    };
    let (severity, what) = with(|answers| answers.background = false);
    assert_eq!(severity, Severity::Warning);
    assert!(what.contains("plain bgapi is used"), "{what}");
    let (severity, what) = with(|answers| answers.subscribed = Some("-ERR permission denied".into()));
    assert_eq!(severity, Severity::Error);
    assert!(what.contains("lacks permission for call events"), "{what}");
    let (severity, what) = with(|answers| answers.event_delays.clear());
    assert_eq!(severity, Severity::Warning);
    assert!(what.contains("does not deliver events"), "{what}");
    let (_, what) = with(|answers| answers.event_delays = vec![std::time::Duration::from_millis(300)]);
    assert!(what.contains("the server's events are about 300 ms late"), "{what}");
    let (_, what) = with(|answers| answers.round_trips = vec![std::time::Duration::from_millis(84)]);
    assert!(
        what.contains("the round trip of an empty command is about 80.0 ms, and every latency includes it"),
        "{what}"
    );
    let (_, what) = with(|answers| answers.round_trips[3] = std::time::Duration::from_secs(1));
    assert!(what.contains("was about 1.00 s once"), "{what}");
}

#[test]
fn a_rate_that_plain_bgapi_cannot_place_is_impossible() {
    let mut answers = healthy();
    answers.background = false;
    answers.add("status".into(), String::new());
    let need = Need { rate: 1000.0, ..need("null/x") };
    let found = found(&need, &answers, load());
    assert_eq!((found.len(), found[0].severity), (1, Severity::Error), "{found:?}");
}

#[test]
fn limits_that_will_be_raised_are_no_finding() {
    let mut answers = healthy();
    answers.add("status".into(), "5 session(s) per Sec out of max 1, peak 0\n1 session(s) max\n".into());
    assert_eq!(found(&Need { raise: true, ..need("null/x") }, &answers, load()), []);
    assert_eq!(wanted(&answers.health(), &load()), (Some(83), Some(353)));
    assert_eq!(wanted(&healthy().health(), &load()), (None, None));
}

#[test]
fn channels_of_an_older_run_are_told_from_those_of_others() {
    let mut answers = healthy();
    answers.add("status".into(), "2 session(s) - peak 2\n".into());
    answers.add("show channels as json".into(), OTHERS.into());
    let query = others::queries(&need("null/x"), &answers);
    assert!(query.contains(&"uuid_getvar aaaaaaaa-aaaa-4000-8000-000000000001 loadgen_run".to_owned()), "{query:?}");
    answers.add("uuid_getvar aaaaaaaa-aaaa-4000-8000-000000000001 loadgen_run".into(), "aaaaaaaaaaaa".into());
    answers.add("uuid_getvar bbbbbbbb-bbbb-4000-8000-000000000001 loadgen_run".into(), "_undef_".into());
    let found = found(&need("null/x"), &answers, load());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].what.contains("channels of loadgen run aaaaaaaaaaaa, which is active or was killed: 1"),
        "{found:?}"
    );
    assert!(found[1].remedy.contains("loadgen cleanup CONFIG --run-id aaaaaaaaaaaa"));
}

#[test]
fn every_check_has_a_name_of_its_own() {
    let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
}
