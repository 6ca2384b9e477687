//! Runs from start to end on simulated servers. Every report is checked for the identity of the outcomes.

mod support;

use std::time::Duration;

use support::{Bench, Run, server, slave};

const SIMULATED: &str = "[[slaves]]\nsimulated = { count = 3 }\n";

fn config(rest: &str) -> Bench {
    Bench::new(rest)
}

#[tokio::test]
async fn a_run_accounts_for_every_call() {
    let bench = config(
        r#"
        [run]
        duration = "2s"
        [load]
        rate = 100
        [call]
        to = "sofia/external/9196@127.0.0.1:5080"
        hold = "500ms"
        [[slaves]]
        simulated = { count = 3, answer_after = { uniform = ["5ms", "50ms"] }, failures = { USER_BUSY = 0.1, CALL_REJECTED = 0.05 } }
        [thresholds]
        "setup.p99" = "< 5s"
        "success" = "> 50%"
        "#,
    );
    let run = bench.run().await;
    assert_eq!(run.code(), 0, "{}", run.stdout);
    assert_eq!(run.calls("scheduled"), 200);
    assert_eq!(run.calls("attempted"), 200);
    assert_eq!(run.number("rates.offered_cps"), 100.0);
    let failed = run.calls("failed");
    assert_eq!(run.calls("completed"), 200 - failed);
    assert_eq!(run.number("hangup_causes.USER_BUSY") + run.number("hangup_causes.CALL_REJECTED"), failed as f64);
    assert_eq!(run.number("sip_statuses.486"), run.number("hangup_causes.USER_BUSY"));
    let answered = run.calls("answered") as f64;
    for latency in ["setup", "setup_uncorrected", "post_dial_delay", "hold", "teardown"] {
        assert_eq!(run.number(&format!("latency_seconds.{latency}.count")), answered, "{latency}");
    }
    // A callee that answers after 5 to 50 ms is not answered before.
    assert!(run.number("latency_seconds.setup.min") >= 0.005);
    assert!(run.number("latency_seconds.hold.min") >= 0.499);
    assert!(run.number("latency_seconds.event_delay.count") > 0.0);
    assert_eq!(run.report()["verdict"], "pass");
    assert!(run.stdout.contains("pass"), "{}", run.stdout);
}

#[tokio::test]
async fn finished_run_exits_by_its_thresholds() {
    let run = |thresholds: &'static str| async move {
        let text = format!(
            "[run]\nduration = \"500ms\"\n[load]\nrate = 40\n[call]\nto = \"null/x\"\nhold = \"100ms\"\n{SIMULATED}\
             [thresholds]\n{thresholds}"
        );
        let run = config(&text).run().await;
        (run.code(), run.report()["verdict"].clone(), run)
    };
    let (passed, failed, both) = tokio::join!(
        run("success = \"> 99%\"\n\"post_dial_delay.p99\" = \"< 1s\""),
        run("\"setup.p50\" = \"> 1h\""),
        run("\"setup.p50\" = \"> 1h\"\nasr = \"> 99%\"\n\"lost\" = \"< 0%\""),
    );
    assert_eq!((passed.0, passed.1), (0, "pass".into()), "{}", passed.2.stdout);
    assert_eq!((failed.0, failed.1), (4, "fail".into()));
    assert_eq!((both.0, both.1), (4, "fail".into()));
    assert_eq!(failed.2.report()["thresholds"][0]["ok"], false);
    assert_eq!(failed.2.report()["thresholds"][0]["samples"], 20);
}

/// Calls to a busy callee: no setup, and a threshold that fails beside one that has no samples.
fn busy(duration: &str, slaves: &str) -> Bench {
    config(&format!(
        "[run]\n{duration}\n[load]\nrate = 40\n[call]\nto = \"sofia/external/486@127.0.0.1:5080\"\nhold = \"1s\"\n{slaves}\
         [thresholds]\nsuccess = \"> 50%\"\n\"setup.p99\" = \"< 1s\"\n"
    ))
}

/// Makes the report impossible to write: a folder is in its place.
fn block_report(bench: &Bench) {
    std::fs::create_dir_all(bench.path().join("out/report.json")).expect("a folder");
}

/// Interrupts a run of busy calls once it has placed some.
async fn interrupted(duration: &str, signal: &str, prepare: impl Fn(&Bench)) -> Run {
    let server = server().await;
    let bench = busy(duration, &slave(&server));
    prepare(&bench);
    let running = bench.start(&["run", "a.toml", "--out", "out"]);
    server.wait_for(Duration::from_secs(20), |state| state.originates >= 5).await.expect("calls");
    running.signal(signal);
    running.end().await
}

#[tokio::test]
async fn inconclusive_run_exits_6_although_a_threshold_failed() {
    let run = busy("duration = \"500ms\"", SIMULATED).run().await;
    assert_eq!((run.code(), &run.report()["verdict"]), (6, &"invalid".into()), "{}", run.stdout);
    assert_eq!(run.report()["thresholds"][1]["ok"], false, "{}", run.stdout);
    // A run without an end is meant to be ended by a signal.
    let endless = interrupted("", "TERM", |_| ()).await;
    assert_eq!((endless.code(), &endless.report()["verdict"]), (6, &"invalid".into()), "{}", endless.stdout);
}

#[tokio::test]
async fn run_cut_short_exits_by_its_signal_whatever_else_holds() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let run = interrupted("duration = \"600s\"", signal, |_| ()).await;
        assert_eq!((run.code(), &run.report()["verdict"]), (code, &"aborted".into()), "{}", run.stdout);
        assert_eq!(run.report()["thresholds"][1]["ok"], false, "{}", run.stdout);
        assert!(run.stdout.contains(&format!("cut short by SIG{signal}")), "{}", run.stdout);
    }
    let unwritten = interrupted("duration = \"600s\"", "INT", block_report).await;
    assert_eq!(unwritten.code(), 130, "{}", unwritten.stdout);
    assert!(unwritten.stdout.contains("report.json: "), "{}", unwritten.stdout);
}

#[tokio::test]
async fn unwritten_report_exits_6_although_a_threshold_failed() {
    let bench = config(&format!(
        "[run]\nduration = \"500ms\"\n[load]\nrate = 40\n[call]\nto = \"null/x\"\nhold = \"100ms\"\n{SIMULATED}\
         [thresholds]\n\"setup.p50\" = \"> 1h\"\n"
    ));
    block_report(&bench);
    let run = bench.run().await;
    assert_eq!(run.code(), 6, "{}", run.stdout);
    assert!(run.stdout.contains("FAIL") && run.stdout.contains("report.json: "), "{}", run.stdout);
}

#[tokio::test]
async fn a_threshold_without_samples_makes_the_run_invalid() {
    let run = config(
        r#"
        [run]
        duration = "500ms"
        [load]
        rate = 20
        [call]
        to = "sofia/external/486@127.0.0.1:5080"
        hold = "1s"
        [[slaves]]
        simulated = {}
        [thresholds]
        "setup.p99" = "< 1s"
        "success" = "> 50%"
        "#,
    );
    let run = run.run().await;
    assert_eq!(run.code(), 6, "{}", run.stdout);
    assert_eq!(run.report()["verdict"], "invalid");
    assert!(run.stdout.contains("threshold setup.p99 < 1s has no samples"), "{}", run.stdout);
    assert_eq!(run.number("hangup_causes.USER_BUSY"), 10.0);
}

#[tokio::test]
async fn what_is_due_at_the_limit_is_skipped() {
    // They would fit without ringing.
    let run = config(
        "[run]\nduration = \"1s\"\n[load]\nrate = 50\nlimit = 10\n[call]\nhold = \"100ms\"\n\
         to = \"sofia/external/9196@127.0.0.1:5080\"\n[[slaves]]\nsimulated = { answer_after = \"3s\" }\n",
    );
    let run = run.run().await;
    assert_eq!(run.calls("attempted"), 10);
    assert_eq!(run.number("skipped.limit"), 40.0);
    assert_eq!(run.number("rates.peak_concurrent"), 10.0);
}

#[tokio::test]
async fn a_ceiling_holds_calls_back_and_then_skips_them() {
    let text = r#"
        [run]
        duration = "3s"
        [load]
        rate = 19
        arrivals = "poisson"
        max_lag = "60ms"
        [call]
        to = "null/x"
        hold = "100ms"
        [[slaves]]
        simulated = {}
        max_rate = 20
    "#;
    let run = config(text).run().await;
    let attempted = run.calls("attempted");
    // Twenty a second at most, over the three seconds and the lag that is allowed.
    assert!((20..=62).contains(&attempted), "{attempted}");
    assert!(run.number("skipped.ceiling") > 0.0);
    let lag = run.number("latency_seconds.schedule_lag.p90");
    assert!((0.001..=0.11).contains(&lag), "a call that goes was not held back for longer than allowed: {lag}");
}

#[tokio::test]
async fn a_server_s_own_limit_refuses() {
    let text = r#"
        [run]
        duration = "1s"
        [load]
        rate = 40
        [call]
        to = "null/x"
        hold = "5s"
        [[slaves]]
        simulated = { max_sessions = 15 }
        [preflight]
        enabled = false
        [thresholds]
        refused = "<= 0"
    "#;
    let run = config(text).run().await;
    assert_eq!(run.code(), 4);
    assert_eq!(run.calls("completed"), 15);
    assert_eq!(run.number("refused.limit"), 25.0);
}

#[tokio::test]
async fn other_ends_have_their_names() {
    // The server counts a time-out in seconds of its clock: one of 2 s lasts at least 1 s.
    let run = |to: &'static str| async move {
        let text = format!(
            "[preflight]\nenabled = false\n[run]\nduration = \"500ms\"\n[load]\nrate = 20\n[call]\nto = \"{to}\"\n\
             timeout = \"2s\"\nhold = \"1500ms\"\n{SIMULATED}"
        );
        config(&text).run().await
    };
    let (dropped, unanswered, no_route, no_profile, no_endpoint, early) = tokio::join!(
        run("sofia/external/drop100@127.0.0.1:5080"),
        run("sofia/external/noanswer@127.0.0.1:5080"),
        run("sofia/external/nobody@127.0.0.1:5080"),
        run("sofia/nope/9196@127.0.0.1:5080"),
        run("nosuchendpoint/x"),
        run("sofia/external/early200@127.0.0.1:5080"),
    );
    assert_eq!(dropped.calls("dropped"), 10);
    assert!(dropped.number("latency_seconds.hold.p90") < 1.0, "they lasted as long as the callee liked");
    assert_eq!(unanswered.number("hangup_causes.NO_ANSWER"), 10.0);
    assert_eq!(unanswered.number("latency_seconds.post_dial_delay.count"), 10.0, "they rang");
    assert_eq!(no_route.number("hangup_causes.NO_ROUTE_DESTINATION"), 10.0);
    assert_eq!(no_profile.number("refused.endpoint"), 10.0);
    assert_eq!(no_endpoint.number("refused.endpoint"), 10.0);
    assert_eq!(early.calls("completed"), 10, "early media is no answer");
    assert!(early.number("latency_seconds.setup.min") >= 0.2);
}

#[tokio::test]
async fn apps_share_the_calls_by_weight() {
    let text = format!(
        r#"
        [load]
        rate = 100
        arrivals = "poisson"
        max_offered = 90
        [call]
        hold = "100ms"
        to = "null/x"
        [[apps]]
        kind = "park"
        weight = 2
        [[apps]]
        kind = "echo"
        name = "talkative"
        to = "sofia/external/9196@127.0.0.1:5080"
        {SIMULATED}
        "#
    );
    let run = config(&text).run().await;
    assert_eq!(run.calls("completed"), 90);
    let apps = run.report()["apps"].as_array().unwrap();
    let attempted: Vec<_> = apps.iter().map(|app| (app["name"].as_str(), app["calls"]["attempted"].as_u64())).collect();
    assert_eq!(attempted, [(Some("park"), Some(60)), (Some("talkative"), Some(30))]);
}

#[tokio::test]
async fn the_same_seed_makes_the_same_calls() {
    let run = || async {
        let text = "[run]\nseed = 5\nduration = \"1s\"\n[load]\nrate = 60\narrivals = \"poisson\"\n[call]\n\
                    to = \"sofia/external/9196@127.0.0.1:5080\"\nhold = \"100ms\"\n[[slaves]]\n\
                    simulated = { failures = { USER_BUSY = 0.3 } }\n";
        let run = config(text).run().await;
        (run.calls("scheduled"), run.calls("failed"))
    };
    let (one, two) = tokio::join!(run(), run());
    assert_eq!(one, two);
    assert!(one.1 > 0);
}

/// A run id that was used before, whose call is still there: the server gives the new call another UUID, and says so only
/// in the originate's result.
#[tokio::test]
async fn a_call_whose_uuid_was_taken_is_refused_and_its_channel_hung_up() {
    let server = support::server().await;
    let (address, credentials) = (server.addr().to_string(), esl_core::Credentials::password("ClueCon"));
    let client = esl_core::Client::connect(&address, &credentials, &esl_core::Options::default()).await.unwrap();
    let taken = "01234567-89ab-4000-8000-000000000000";
    client.cmd(&format!("originate {{origination_uuid={taken}}}null/x &park()")).await.unwrap();
    let load = "[load]\nrate = 50\nmax_offered = 10\n[call]\nto = \"null/x\"\nhold = \"200ms\"\n";
    let bench = config(&format!("{load}{}", support::slave(&server)));
    let run = bench.start(&["run", "a.toml", "--out", "out", "--run-id", "0123456789ab"]).end().await;
    assert_eq!((run.number("refused.duplicate"), run.calls("completed")), (1.0, 9), "{}", run.stdout);
    assert_eq!(run.report()["anomalies"]["duplicate_uuid"], 1);
    assert_eq!(server.state().channels, 0, "neither the stray channel is left nor, of the same run, the old one");
}

#[tokio::test]
async fn a_ceiling_that_smooths_bursts_is_no_fault_of_the_generator() {
    let text = r#"
        [run]
        duration = "2s"
        [load]
        rate = 20
        arrivals = { burst = 20 }
        [call]
        to = "null/x"
        hold = "100ms"
        [[slaves]]
        simulated = {}
        max_rate = 40
    "#;
    let run = config(text).run().await;
    assert_eq!((run.code(), run.calls("completed")), (0, 40), "{}", run.stdout);
    assert!(run.number("latency_seconds.schedule_lag.p99") > 0.2, "they were held back");
}

#[tokio::test]
async fn a_closed_loop_keeps_to_a_slave_s_limit_and_ceiling() {
    let text = r#"
        [run]
        duration = "3s"
        [load]
        rate = 100
        limit = 30
        mode = "wait"
        [call]
        to = "null/x"
        hold = "200ms"
        [[slaves]]
        name = "few"
        simulated = {}
        limit = 2
        [[slaves]]
        name = "slow"
        simulated = {}
        max_rate = 10
    "#;
    let run = config(text).run().await;
    assert_eq!((run.code(), run.calls("skipped")), (0, 0), "{}", run.stdout);
    let slaves = run.report()["slaves"].as_array().expect("slaves").clone();
    let attempted = |index: usize| slaves[index]["calls"]["attempted"].as_u64().expect("a count");
    // Two at a time of 200 ms each, and ten a second.
    assert!((15..=31).contains(&attempted(0)), "{}", attempted(0));
    assert!((15..=31).contains(&attempted(1)), "{}", attempted(1));
    // Those that wait for the ceiling have their slot.
    assert!(run.number("rates.peak_concurrent") <= 6.0, "{}", run.stdout);
}
