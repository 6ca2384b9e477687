//! `loadgen dial`: a test from flags alone.

mod support;

use std::time::Duration;

use fs_sim::{Callee, Config, Delay};
use support::{Bench, Run, server, server_with};

/// Dials by these flags, behind the servers' addresses.
async fn dial(servers: &[&fs_sim::Server], flags: &str) -> (Run, Bench) {
    let bench = Bench::new("");
    let addresses: Vec<String> = servers.iter().map(|server| server.addr().to_string()).collect();
    let words = ["dial"].into_iter().chain(addresses.iter().map(String::as_str)).chain(flags.split(' '));
    let run = bench.start(&words.chain(["--out", "out"]).collect::<Vec<_>>()).end().await;
    (run, bench)
}

#[tokio::test]
async fn flags_alone_make_a_run_on_several_servers() {
    let (one, other) = (server().await, server().await);
    let flags = "--to 9196@127.0.0.1:5080 --to 486@127.0.0.1:5080 --profile external --rate 50 --max-offered 40 --hold \
                 100ms --timeout 5s --app echo --run-id 0123456789ab";
    let (run, _bench) = dial(&[&one, &other], flags).await;
    assert_eq!(run.code(), 0, "{run:?}");
    assert_eq!((run.calls("attempted"), run.calls("completed")), (40, 20));
    assert_eq!(run.number("hangup_causes.USER_BUSY"), 20.0);
    assert_eq!(run.report()["run"]["id"], "0123456789ab");
    assert_eq!(run.report()["apps"][0]["name"], "echo");
    assert_eq!((one.state().originates, other.state().originates), (20, 20));
    assert_eq!(run.report()["slaves"][0]["name"], one.addr().to_string());
}

/// As switchio does: the hold follows from limit and rate, and a call waits for its slot.
#[tokio::test]
async fn a_limit_without_a_hold_keeps_so_many_calls_up() {
    let server = server().await;
    let (run, _bench) = dial(&[&server], "--to null/x --rate 40 --limit 20 --run-for 3s").await;
    assert_eq!(run.code(), 0, "{run:?}");
    assert_eq!((run.number("rates.peak_concurrent"), run.calls("skipped")), (20.0, 0), "{}", run.stdout);
    let (attempted, hold) = (run.calls("attempted"), run.number("latency_seconds.hold.p50"));
    assert!((40..=120).contains(&attempted), "a slot comes free every 25 ms, and a bit: {attempted}");
    assert!((0.499..0.7).contains(&hold), "20 / 40 s, and what a busy machine adds: {hold}");
    assert_eq!(server.state().channels, 0);
}

#[tokio::test]
async fn calls_at_the_limit_are_skipped_where_that_is_asked_for() {
    let answer_after = Some(Delay::Constant(Duration::from_secs(3)));
    let callee = Callee { answer_after, ..Callee::default() };
    let server = server_with(Config { callee, ..Config::default() }).await;
    let to = "--to 9196@127.0.0.1:5080 --profile external";
    let flags = format!("{to} --rate 50 --limit 10 --mode skip --hold 100ms --run-for 1s");
    let (run, _bench) = dial(&[&server], &flags).await;
    assert_eq!((run.calls("attempted"), run.number("skipped.limit")), (10, 40.0));
}

#[tokio::test]
async fn the_password_comes_from_the_environment_or_a_file() {
    let server = server_with(Config { password: "hush".to_owned(), ..Config::default() }).await;
    let bench = Bench::new("hush\n");
    let address = server.addr().to_string();
    let flags = ["dial", &address, "--to", "null/x", "--rate", "50", "--max-offered", "5", "--hold", "50ms"];
    let by_file = [&flags[..], &["--password-file", "a.toml"]].concat();
    let (named, filed, stock) = tokio::join!(
        bench.start_with(&flags, &[("FS_PASSWORD", "hush")]).end(),
        bench.start(&by_file).end(),
        bench.start(&flags).end(),
    );
    assert_eq!((named.code(), filed.code(), stock.code()), (0, 0, 3), "{named:?} {filed:?} {stock:?}");
    assert!(stock.stderr.contains("the server refused the password"), "{}", stock.stderr);
    let given = bench.start(&[&flags[..], &["--password", "hush"]].concat()).end().await;
    assert_eq!(given.code(), 2, "everybody on the machine would see it");
    assert_eq!(server.state().originates, 10);
}

#[tokio::test]
async fn what_is_wrong_is_said_of_its_flag_and_nothing_is_dialled() {
    let server = server().await;
    for (flags, message) in [
        ("--to 9196 --rate 5 --hold 1s", "loadgen: --to 9196: 9196 has no host: give 9196@HOST"),
        ("--to 9196@h --rate 0 --hold 1s", "loadgen: --rate: rate = 0: it must be from"),
        ("--to 9196@h --rate 5 --hold soon", "loadgen: --hold: \"soon\" is not a time"),
        ("--to 9196@h --rate 5 --hold 1s --app bert --option tome=1", "--option tome=1: the app bert has no option"),
    ] {
        let (run, _bench) = dial(&[&server], flags).await;
        assert_eq!(run.code(), 2, "{flags}");
        assert!(run.stderr.contains(message), "{flags}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
    assert_eq!(server.state().listeners, 0);
}

#[tokio::test]
async fn an_app_s_options_are_taken() {
    let server = server().await;
    let flags = "--to 9196@127.0.0.1:5080 --profile external --rate 20 --max-offered 5 --hold 5s --app dtmf_check \
                 --option digits=42#";
    let (run, _bench) = dial(&[&server], flags).await;
    assert_eq!(run.report()["apps"][0]["kind"], "dtmf_check", "{run:?}");
    assert_eq!(run.calls("attempted"), 5);
}

/// A call that waits for a slot is late by its own closed loop: the target stays what was asked.
#[tokio::test]
async fn closed_loop_is_compared_with_the_rate_that_was_asked() {
    let server = server().await;
    let (run, _bench) = dial(&[&server], "--to null/x --rate 20 --limit 1 --max-offered 5 --duration 0.1").await;
    assert_eq!(run.number("rates.target_cps"), 20.0, "{}", run.stdout);
    assert!(run.stdout.contains(" of 20 calls/s over "), "{}", run.stdout);
}

/// Two events of one batch have one instant, and silence is as planned where no app sends audio.
#[tokio::test]
async fn summary_of_parked_calls_has_bounds_for_zero_and_nothing_of_audio() {
    let server = server().await;
    let to = "--to 9196@127.0.0.1:5080 --profile external --rate 20 --max-offered 5 --hold 0.1";
    let (parked, _bench) = dial(&[&server], to).await;
    let rows = parked.stdout.lines().filter(|line| line.contains(" invite ") || line.contains(" answer propagation "));
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| !row.split_whitespace().any(|cell| cell == "0")), "{rows:?}");
    assert!(!parked.stdout.contains("audio"), "{}", parked.stdout);
    let (echoed, _bench) = dial(&[&server], &format!("{to} --app echo")).await;
    assert!(echoed.stdout.contains("\n  audio        of 0 calls; 5 without a packet"), "{}", echoed.stdout);
}
