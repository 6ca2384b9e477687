//! What bad input gets: one message with the place and the way out, exit 2, nothing dialled. And what good input gets.

mod support;

use support::Bench;

const GOOD: &str = r#"[run]
duration = "1s"
[load]
rate = 50
[call]
to = "null/x"
hold = "2s"
[[slaves]]
name = "sim"
simulated = { count = 3 }
"#;

async fn check(text: &str) -> (i32, String, String) {
    let run = Bench::new(text).start(&["check", "a.toml"]).end().await;
    (run.code(), run.stdout, run.stderr)
}

#[tokio::test]
async fn bad_configurations_are_refused_with_their_place() {
    for (from, to, message) in [
        ("rate = 50", "raet = 50", r#"a.toml:4:1: unknown key "raet" in [load]: did you mean "rate"?"#),
        ("rate = 50", "rate = []", "a.toml:4:8: invalid type: sequence, expected a number"),
        ("rate = 50", "rate = -5", "a.toml:4:8: rate = -5: it must be from 0.000001 to 100000 calls per second"),
        ("rate = 50", "rate = \"${NO_SUCH}\"", "a.toml:4:8: the environment variable \"NO_SUCH\" is not set"),
        ("rate = 50", "rate = 50\narrivals = \"poison\"", "unknown arrivals \"poison\": did you mean \"poisson\"?"),
        ("\"1s\"", "\"1000000y\"", "a.toml:2:12: duration = "),
        ("rate = 50", "rate = 50\nmax_offered = 10000000000", "it must be at most 100000000"),
        ("\"2s\"", "\"2 parsecs\"", "a.toml:7:8: \"2 parsecs\" is not a time such as"),
        ("hold = \"2s\"\n", "", "a.toml:5:1: the key \"hold\" is missing here"),
        ("\"null/x\"", "\"null/x &hangup()\"", "a.toml:6:6: an address to call"),
        (
            "count = 3",
            "count = 3 }\nweight = 0 #",
            "a.toml:11:10: weight = 0 for all slaves: at least one must be above 0",
        ),
        ("to = \"null/x\"\n", "", "a.toml:5:1: the key \"to\" is missing in [call]"),
        ("[call]", "[call]\nvariables = { Ignore_Early_Media = \"false\" }", "is set by loadgen itself"),
        ("\"null/x\"", "\"${A:-${B}}\"", "a default cannot have a \"${…}\" in it"),
        ("name = \"sim\"", "keep_awake = \"1us\"", "it must be at least 1ms"),
        ("count = 3", "count = 0", "a.toml:10:23: 0: it must be from 1 to 1000"),
        ("simulated = { count = 3 }", "", "a.toml:8:1: a slave needs a \"host\", or \"simulated"),
        (
            "simulated = { count = 3 }",
            "host = \"x\"",
            "a.toml:8:1: a slave needs a \"password\" or a \"password_file\"",
        ),
        ("[[slaves]]\nname = \"sim\"\nsimulated = { count = 3 }", "", "a.toml: no slaves: add a [[slaves]] table"),
        (
            "[[slaves]]",
            "[[apps]]\nkind = \"ecko\"\n[[slaves]]",
            "a.toml:9:8: unknown app \"ecko\": did you mean \"echo\"?",
        ),
        ("[[slaves]]", "[thresholds]\n\"setup.p99\" = \"250ms\"\n[[slaves]]", "expected <, <=, > or >= first"),
        (
            "count = 3",
            "failures = { USRE_BUSY = 0.1 }",
            "a.toml:10:28: unknown hangup cause \"USRE_BUSY\": did you mean \"USER_BUSY\"?",
        ),
        ("count = 3", "answer_after = { gama = \"1s\" }", "unknown variant \"gama\""),
        ("[call]", "[call]\nvariables = { loadgen_run = \"x\" }", "is set by loadgen itself"),
        ("[call]", "[call]\nvariables = { a = \"a}}b\" }", "which FreeSWITCH's originate cannot carry there"),
        ("rate = 50", "", "a.toml:3:1: the key \"rate\" is missing here: calls per second"),
        ("rate = 50", "rate = 50\nmode = \"weit\"", "a.toml:5:8: unknown mode \"weit\": did you mean \"wait\"?"),
        ("rate = 50", "rate = 50\nmode = \"wait\"", "a.toml:5:8: mode = \"wait\" needs a \"limit\""),
        ("rate = 50", "rate = 50\narrivals = { burst = 0 }", "a.toml:5:12: burst = 0: it must be at least 1"),
        (
            "rate = 50",
            "rate = 50\narrivals = \"burst\"",
            "a.toml:5:12: no burst size: set it, as in arrivals = { burst = 50 }",
        ),
        ("[[slaves]]", "[[phases]]\nrate = 5\n[[slaves]]", "a.toml:4:8: each phase has its own rate: remove this one"),
        (
            "rate = 50",
            "rate = 50\nlimit = 40",
            "a.toml:5:9: 50 calls that last 2s each are due in the 2s before 1s, and limit = 40",
        ),
        (
            "count = 3 }",
            "count = 3 }\nmax_rate = 10",
            "a.toml:4:8: 50 calls/s at any time, and the max_rate of all 3 slaves together is 30",
        ),
        ("\"null/x\"", "\"null/{number}\"", "a.toml:6:6: unknown placeholder \"{number}\""),
        (
            "simulated = { count = 3 }",
            "host = \"x\"\npassword = \"p\"\nuser = \"joe\"",
            "a.toml:12:8: invalid directory user \"joe\": expected one such as \"joe@example.com\"",
        ),
        ("\"2s\"", "{ exponential = \"10h\" }", "a.toml:7:8: hold: random times are capped at 3600s"),
        ("\"null/x\"", "[]", "a.toml:6:6: a list of addresses needs at least one"),
        ("\"null/x\"", "[{ to = \"null/x\", weight = 0 }]", "the weight of \"null/x\" is 0: it must be at least 1"),
        ("\"null/x\"", "\"null/x\"\nallow = [\"^sofia/\"]", "\"null/x\" matches no pattern of \"allow\""),
        ("\"null/x\"", "\"null/x\"\nallow = [\"(\"]", "a.toml:7:10: invalid regular expression \"(\""),
        ("\"null/x\"", "\"null/x\"\nnumbers = \"none.csv\"", "a.toml:7:11: none.csv: cannot be read"),
        (
            "\"null/x\"",
            "\"null/x\"\nfar_leg = { destination = \"{run}\" }",
            "a.toml:7:11: correlation by number needs \"numbers\" in [call]",
        ),
        (
            "\"null/x\"",
            "\"null/x\"\nfar_leg = { caller_id = \"{run}\" }",
            "a.toml:7:11: calls have no number to correlate their legs by: set \"caller_id\" in [call]",
        ),
        (
            "simulated = { count = 3 }",
            "host = \"pbx\"\npassword = \"p\"\n[[slaves]]\nname = \"other\"\nhost = \"PBX\"\nport = 8021\npassword = \"p\"",
            "a.toml:12:1: \"other\" and \"sim\" are both at PBX:8021",
        ),
        (
            "\"null/x\"",
            "\"null/x\"\ncaller_id = \"1\"\nnumbers = { from = \"10\", count = 2 }\nfar_leg = { caller_id = \"1{app}\" }",
            "a.toml:9:11: rows 1 and 2 both have \"1app\": calls could not be told apart",
        ),
        ("\"2s\"", "\"0s\"", "a.toml:7:8: hold = 0ns: it must be above 0"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let (code, stdout, stderr) = check(&text).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{to}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "one message: {stderr}");
        assert!(stderr.starts_with("loadgen: a.toml") && stderr.contains(message), "{to}:\n{stderr}{message}");
        let run = Bench::new(&text).run().await;
        assert_eq!((run.code(), &run.stderr), (2, &stderr), "run says the same");
    }
}

#[tokio::test]
async fn limits_that_could_not_be_put_back_are_refused_by_check_as_by_run() {
    let bench = Bench::new(&GOOD.replace("[run]", "[run]\nraise_limits = true"));
    for command in ["check", "run"] {
        let refused = bench.start(&[command, "a.toml"]).end().await;
        assert_eq!((refused.code(), refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(
            refused.stderr.starts_with("loadgen: a.toml:2:16: raise_limits = true needs a run folder"),
            "{}",
            refused.stderr
        );
        let allowed = bench.start(&[command, "a.toml", "--out", "out"]).end().await;
        assert_eq!(allowed.code(), 0, "{allowed:?}");
    }
}

/// A configuration with phases instead of one rate.
fn phased(phases: &str) -> String {
    GOOD.replace("duration = \"1s\"\n", "").replace("[load]\nrate = 50\n", phases)
}

#[tokio::test]
async fn phases_that_cannot_be_are_refused_with_their_place() {
    for (phases, message) in [
        ("[[phases]]\nfrom = 1\nto = 5\n", "a.toml:2:1: the key \"duration\" is missing here"),
        ("[[phases]]\nrate = 1\n[[phases]]\nrate = 2\n", "a.toml:2:1: the key \"duration\" is missing here"),
        ("[[phases]]\nduration = \"1s\"\n", "a.toml:2:1: a phase has either \"rate\", or \"from\" and \"to\""),
        ("[[phases]]\nduration = \"1s\"\nrate = 1\npause = true\n", "a phase has either \"rate\""),
        ("[[phases]]\nfrom = 0\nto = 0\nduration = \"1s\"\n", "a.toml:2:1: a ramp from 0 to 0 has no calls"),
        ("[[phases]]\nfrom = 1\nto = 5\nstep = 1\n", "a.toml:2:1: steps need both \"step\""),
        (
            "[[phases]]\nfrom = 1\nto = 5\nstep = 1\neach = \"1s\"\nduration = \"5s\"\n",
            "a.toml:7:12: each step has its own duration: remove this one",
        ),
        (
            "[[phases]]\nrate = 1\nmix = { prak = 1 }\n",
            "a.toml:4:16: unknown app \"prak\" in the mix: did you mean \"park\"?",
        ),
        ("[[phases]]\nrate = 1\nmeasured = false\n", "a.toml:2:1: no phase is measured: all have measured = false"),
        (
            "[[phases]]\nrate = 9\nduration = \"1s\"\nmeasured = false\n[[phases]]\nrate = 0.1\nduration = \"1s\"\n",
            "a.toml:6:1: less than one call is due in the measured phases: 0.1",
        ),
        ("[[phases]]\nrate = 1\nmix = { park = 0 }\n", "a.toml:4:7: the weights of the mix are all 0"),
        (
            "[[phases]]\nname = \"a\"\nduration = \"1s\"\nrate = 1\n[[phases]]\nname = \"a\"\nrate = 1\n",
            "duplicate phase name \"a\"",
        ),
    ] {
        // A limit is not what such a phase is about.
        let phases = &format!("{phases}[load]\nlimit = 1000\n");
        let (code, _, stderr) = check(&phased(phases)).await;
        assert_eq!((code, stderr.lines().count()), (2, 1), "{phases}: {stderr}");
        assert!(stderr.contains(message), "{phases}:\n{stderr}{message}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let run = Bench::new("").start(&["run", "b.toml"]).end().await;
    assert_eq!(run.code(), 2);
    assert!(run.stderr.starts_with("loadgen: b.toml: cannot be read: "), "{}", run.stderr);
}

#[tokio::test]
async fn usage_is_refused_with_2() {
    for arguments in [&["dance"][..], &["run", "a.toml", "--run-id", "xyz"], &["--log", "loadgen=loud", "apps"]] {
        let run = Bench::new(GOOD).start(arguments).end().await;
        assert_eq!(run.code(), 2, "{arguments:?}: {}", run.stderr);
    }
}

#[tokio::test]
async fn check_prints_the_plan() {
    let (code, stdout, stderr) = check(GOOD).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    for line in
        ["50 calls/s, Constant arrivals", "for 1s, 50 calls", "100.0 erlangs", "slave sim3 (simulated): 16.67 calls/s"]
    {
        assert!(stdout.contains(line), "{line}: {stdout}");
    }
    for (word, arrivals) in
        [("\"poisson\"", "Poisson"), ("\"uniform\"", "uniformly jittered"), ("\"constant\"", "Constant")]
    {
        let (_, stdout, _) = check(&GOOD.replace("rate = 50", &format!("rate = 50\narrivals = {word}"))).await;
        assert!(stdout.contains(&format!("50 calls/s, {arrivals} arrivals")), "{word}: {stdout}");
    }
}

#[tokio::test]
async fn passwords_come_from_a_file_and_are_never_shown() {
    let bench = Bench::new(
        &GOOD.replace("simulated = { count = 3 }", "host = \"127.0.0.1\"\nport = 1\npassword_file = \"secret.txt\""),
    );
    let missing = bench.start(&["check", "a.toml"]).end().await;
    assert_eq!(missing.code(), 2);
    assert!(missing.stderr.contains("a.toml:12:17: secret.txt: cannot be read"), "{}", missing.stderr);
    std::fs::write(bench.path().join("secret.txt"), "hunter2\n").unwrap();
    let run = bench.start(&["--log", "trace", "run", "a.toml"]).end().await;
    assert_eq!(run.code(), 3, "nobody listens at port 1");
    assert!(!format!("{run:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_password_that_is_wrong_is_not_shown_either() {
    for (password, message) in [
        ("31337777", "a password must be text, in quotes"),
        ("\"31337777${A\"", "without its \"}\""),
        ("\" \"", "a password must not be empty"),
        ("\"31337777\\n\"", "must not have line breaks"),
    ] {
        let text = GOOD.replace("simulated = { count = 3 }", &format!("host = \"x\"\npassword = {password}"));
        let (code, _, stderr) = check(&text).await;
        assert_eq!(code, 2, "{password}: {stderr}");
        assert!(stderr.contains("a.toml:11:12: ") && stderr.contains(message), "{stderr}");
        assert!(!stderr.contains("31337777"), "{stderr}");
    }
}

#[tokio::test]
async fn every_configuration_of_the_project_is_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let run = Bench::new("").start(&["check", path.to_str().unwrap()]).end().await;
        assert_eq!(run.code(), 0, "{}: {}", path.display(), run.stderr);
        checked += 1;
    }
    assert!(checked >= 6);
}

#[tokio::test]
async fn apps_are_listed() {
    let run = Bench::new("").start(&["apps"]).end().await;
    assert_eq!(run.code(), 0);
    assert!(run.stdout.lines().any(|line| line.starts_with("park ")), "{}", run.stdout);
    assert!(run.stdout.contains("\n  max_error       = 10 (a number, in percent)\n"), "{}", run.stdout);
    let flow = Bench::new("").start(&["apps", "flow"]).end().await;
    assert!(flow.code() == 0 && flow.stdout.contains("\n  expect_digits   { expect_digits = "), "{}", flow.stdout);
    let unknown = Bench::new("").start(&["apps", "flaw"]).end().await;
    let message = "loadgen: unknown app \"flaw\": did you mean \"flow\"?\n";
    assert_eq!((unknown.code(), unknown.stderr.as_str()), (2, message));
}

/// What an app is told is checked as everything else: at its own place.
#[tokio::test]
async fn apps_options_and_steps_are_refused_with_their_place() {
    for (app, message) in [
        ("kind = \"bert\"\nside = 2", "a.toml:11:1: the app bert has no option \"side\": did you mean \"sides\"?"),
        ("kind = \"bert\"\nsides = 3", "a.toml:11:9: sides = 3: it must be from 0 to 2"),
        (
            "kind = \"flow\"\ncaller = [\n  \"hang_pu\"\n]",
            "a.toml:12:3: unknown step \"hang_pu\": did you mean \"hang_up\"?",
        ),
        ("kind = \"flow\"\ncallee = [\"answer\", \"ring\"]", "a.toml:11:21: \"ring\" after an answer"),
        (
            "kind = \"flow\"\ncaller = [{ play = \"${NO}\" }]",
            "a.toml:11:20: the environment variable \"NO\" is not set",
        ),
        ("kind = \"proxy\"\nbridge_to = \"null/y\"", "a.toml:11:13: \"null/y\" matches no pattern of \"allow\""),
        ("weight = 2", "the key \"kind\" is missing here"),
    ] {
        let text = GOOD.replace("[[slaves]]", &format!("[[apps]]\n{app}\n[[slaves]]"));
        let text = text.replace("[call]", "[call]\nallow = [\"null/x\"]");
        let (code, _, stderr) = check(&text).await;
        assert_eq!((code, stderr.lines().count()), (2, 1), "{app}: {stderr}");
        assert!(stderr.contains(message), "{app}:\n{stderr}{message}");
    }
}
