//! The apps as a user has them: one body for a simulated FreeSWITCH always, and for a real one, set up as the recorded one
//! was, where `FREESWITCH_ESL=host:port:password` is set. The far legs are parked at its port 5090.

mod support;

use serde_json::Value;
use support::{Bench, Run, server, slave, slave_at};

/// An app's table, and what its calls come to.
struct Case {
    name: &'static str,
    options: &'static str,
    /// How all of its calls end.
    ends: &'static str,
    /// How often each result is counted, for each call.
    results: &'static [(&'static str, u64)],
}

/// What `{folder}` stands for in options.
const FOLDER: &str = "{folder}";

/// Calls of each app.
const CALLS: u64 = 2;

const TO: &str = "sofia/external/x@127.0.0.1:5090";

/// A run of these apps on a server, to its end.
async fn run(tables: &str, apps: usize, slave: &str) -> (Bench, Run) {
    let calls = CALLS * apps as u64;
    let config = format!(
        "[run]\ngrace = \"20s\"\n[load]\nrate = 8\nmax_offered = {calls}\n\
         [call]\nto = \"{TO}\"\ntimeout = \"10s\"\nhold = \"4s\"\n{slave}{tables}"
    );
    let bench = Bench::new(&config);
    let folder = bench.path().display().to_string();
    std::fs::write(bench.path().join("a.toml"), config.replace(FOLDER, &folder)).expect("a file");
    let run = bench.run().await;
    assert_eq!(run.calls("attempted"), calls, "{run:?}");
    (bench, run)
}

fn app<'a>(run: &'a Run, name: &str) -> &'a Value {
    let apps = run.report()["apps"].as_array().expect("apps");
    apps.iter().find(|app| app["name"] == name).unwrap_or_else(|| panic!("no {name}: {apps:?}"))
}

fn tables(cases: &[Case]) -> String {
    let table = |case: &Case| {
        let kind = case.name.split(' ').next().expect("a word");
        format!("[[apps]]\nkind = \"{kind}\"\nname = \"{}\"\n{}\n", case.name, case.options)
    };
    cases.iter().map(table).collect()
}

/// The slaves' tables, with what keeps them.
async fn slaves() -> Vec<(String, Option<fs_sim::Server>)> {
    let simulated = server().await;
    let mut slaves = vec![(slave(&simulated), Some(simulated))];
    if let Ok(real) = std::env::var("FREESWITCH_ESL") {
        let (address, password) = real.rsplit_once(':').expect("host:port:password");
        let (_, port) = address.rsplit_once(':').expect("host:port");
        slaves.push((slave_at(port.parse().expect("a port"), password), None));
    }
    slaves
}

/// Each app's calls end as they should, count what they should, and say nothing against it.
#[tokio::test]
async fn every_app_does_what_it_says() {
    let cases = [
        Case { name: "park", options: "to = \"sofia/external/9196@127.0.0.1:5080\"", ends: "completed", results: &[] },
        Case { name: "echo", options: "to = \"sofia/external/9197@127.0.0.1:5080\"", ends: "completed", results: &[] },
        Case { name: "tone_play", options: "", ends: "completed", results: &[] },
        Case {
            name: "play_rec",
            options: "record = \"both\"\npath = \"{folder}/a folder/{uuid}\"",
            ends: "completed",
            results: &[("recorded", 2)],
        },
        Case {
            name: "muted_play_rec",
            options: "turn = \"500ms\"\npath = \"{folder}/{uuid}\"",
            ends: "completed",
            results: &[("recorded", 1)],
        },
        Case { name: "bert", options: "", ends: "completed", results: &[("in_sync", 1)] },
        Case { name: "bert both", options: "sides = 2", ends: "completed", results: &[("in_sync", 2)] },
        Case {
            name: "dtmf_check",
            options: "digits = \"42#\"\nsender = \"both\"\nduration = \"80ms\"",
            ends: "completed",
            results: &[("matched", 2)],
        },
        Case { name: "callee_ringback", options: "after = \"1s\"", ends: "failed", results: &[("rung", 1)] },
        Case {
            name: "callee_ringback by caller",
            options: "ring = \"ring\"\nafter = \"1s\"\nhang_up = \"caller\"",
            ends: "canceled",
            results: &[("rung", 1)],
        },
        Case { name: "callee_block", options: "response = 486", ends: "failed", results: &[("blocked", 1)] },
        Case {
            name: "callee_block by cause",
            options: "after = \"500ms\"",
            ends: "failed",
            results: &[("blocked", 1)],
        },
        Case {
            name: "bridge",
            options: "callee = \"app\"\nbridge_to = \"sofia/external/9196@127.0.0.1:5080\"",
            ends: "completed",
            results: &[("bridged", 1)],
        },
        Case {
            name: "proxy",
            options: "bridge_to = \"sofia/external/9196@127.0.0.1:5080\"",
            ends: "completed",
            results: &[("proxied", 1)],
        },
        Case { name: "flow", options: IVR, ends: "completed", results: &[] },
    ];
    for (slave, _keep) in slaves().await {
        let (bench, run) = run(&tables(&cases), cases.len(), &slave).await;
        for case in &cases {
            let app = app(&run, case.name);
            assert_eq!(app["calls"][case.ends], CALLS, "{}: {app}", case.name);
            for (name, count) in case.results {
                assert_eq!(app["results"][name], CALLS * count, "{}: {app}", case.name);
            }
            assert_eq!(app["failures"].as_array().map(Vec::len).unwrap_or_default(), 0, "{}: {app}", case.name);
        }
        let causes = &run.report()["hangup_causes"];
        assert_eq!((&causes["USER_BUSY"], &causes["CALL_REJECTED"]), (&(2 * CALLS).into(), &CALLS.into()), "{causes}");
        let real = _keep.is_none();
        let recorded = std::fs::read_dir(bench.path().join("a folder")).map(Iterator::count).unwrap_or_default();
        assert!(!real || recorded as u64 == 2 * CALLS, "{recorded} files");
    }
}

/// A flow of ten steps through an IVR.
const IVR: &str = r##"
caller = [
    { wait = "300ms" },
    { send_digits = "1", duration = "100ms" },
    { expect_event = "PLAYBACK_START", headers = { Playback-File-Path = "~tone_stream" }, leg = "callee" },
    { expect_digits = "42#", timeout = "5s" },
    { play = "tone_stream://%(200,0,440)" },
    { set = { some_thing = "it's $${caller_id_number} {attempt}" } },
    "mute",
    { execute = "sleep", argument = 100 },
    { wait = "100ms" },
    "hang_up",
]
callee = [
    "ring",
    { wait = "300ms" },
    "answer",
    { expect_digits = "1" },
    { play = "tone_stream://%(300,0,600)" },
    { send_digits = "42#", duration = "100ms" },
]
"##;

/// A step or a check that fails names itself, and its calls count as such.
#[tokio::test]
async fn what_fails_says_where() {
    let flow = |digits: &str| IVR.replace("send_digits = \"42#\"", &format!("send_digits = \"{digits}\""));
    let not_parked = "to = \"sofia/external/9196@127.0.0.1:5080\"";
    let cases = [
        ("flow wrong", flow("43#"), "step 4, expected digits 42#, got 43"),
        ("flow short", flow("4"), "step 4, expected digits 42#, got 4"),
        (
            "flow unanswered",
            "callee = [\"ring\", { expect_event = \"CHANNEL_BRIDGE\", timeout = \"300ms\" }, \"answer\"]".to_owned(),
            "callee's step 2, expected CHANNEL_BRIDGE, got nothing",
        ),
        (
            "tone_play",
            not_parked.to_owned(),
            "callee's step 1, expected a far leg that is parked on one of the slaves, got none",
        ),
        (
            "bert",
            "callee = \"none\"\nto = \"sofia/external/drop10000@127.0.0.1:5080\"".to_owned(),
            "expected sync on each side, got none",
        ),
        (
            "play_rec",
            "play = \"/no/such/file.wav\"\nrecord_every = 0".to_owned(),
            "expected /no/such/file.wav to play, got FILE NOT FOUND",
        ),
        (
            "bridge",
            "callee = \"app\"\nbridge_to = \"sofia/external/486@127.0.0.1:5080\"".to_owned(),
            "expected a bridge, got USER_BUSY",
        ),
    ];
    let table = |(name, options, _): &(&str, String, &str)| {
        let kind = name.split(' ').next().expect("a word");
        format!("[[apps]]\nkind = \"{kind}\"\nname = \"{name}\"\n{options}\n")
    };
    let tables: String = cases.iter().map(table).collect();
    for (slave, _keep) in slaves().await {
        let (_bench, run) = run(&tables, cases.len(), &format!("[preflight]\nenabled = false\n{slave}")).await;
        for (name, _, failure) in &cases {
            let app = app(&run, name);
            assert_eq!(app["calls"]["app_failed"], CALLS, "{name}: {app}");
            assert_eq!(app["failures"][0]["example"], *failure, "{name}: {app}");
            assert_eq!(app["failures"][0]["count"], CALLS, "{name}: {app}");
        }
    }
}

/// The example that walks an IVR of a dialplan, with its far leg's events.
#[tokio::test]
async fn the_example_s_ivr_is_walked() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/ivr.toml");
    let text = std::fs::read_to_string(example).expect("the example");
    let run = Bench::new(&text.replace("duration = \"10s\"", "duration = \"1s\"")).run().await;
    assert_eq!((run.code(), run.calls("completed")), (0, 10), "{run:?}");
    let other = text.replace("duration = \"10s\"", "duration = \"1s\"").replace("send_dtmf 42#@100", "send_dtmf 7@100");
    let run = Bench::new(&other).run().await;
    assert_eq!((run.code(), run.calls("app_failed")), (4, 10), "{run:?}");
    assert_eq!(app(&run, "ivr")["failures"][0]["example"], "step 6, expected digits 42#, got 7");
}

/// A flow that waits for the other side's hanging up is done when that comes; without that, nobody wanted it.
#[tokio::test]
async fn an_end_that_a_flow_waits_for_is_planned() {
    let flow = "[[apps]]\nkind = \"flow\"\nname = \"goodbye\"\nto = \"sofia/external/drop300@127.0.0.1:5080\"\n\
                caller = [{ expect_event = \"CHANNEL_HANGUP\", timeout = \"10s\" }]\n\
                [[apps]]\nkind = \"park\"\nname = \"plain\"\nto = \"sofia/external/drop300@127.0.0.1:5080\"\n";
    for (slave, _keep) in slaves().await {
        let text = format!(
            "[load]\nrate = 20\nmax_offered = 6\n[call]\nto = \"null/x\"\nhold = \"20s\"\n{flow}[preflight]\nenabled = false\n{slave}"
        );
        let run = Bench::new(&text).run().await;
        let ends =
            |name: &str| (app(&run, name)["calls"]["completed"].clone(), app(&run, name)["calls"]["dropped"].clone());
        assert_eq!(ends("goodbye"), (3.into(), 0.into()), "{}", run.stdout);
        assert_eq!(ends("plain"), (0.into(), 3.into()), "{}", run.stdout);
    }
}
