//! `loadgen sim`: what a file of servers may say, what it gets where it is wrong, and what is printed.

mod support;

use support::Bench;

const GOOD: &str = r#"[[servers]]
name = "one"
password = "secret"
[[servers]]
count = 2
answer_after = "1s"
failures = { USER_BUSY = 0.1 }
[[servers.users]]
name = "joe"
domain = "home"
password = "y"
"#;

#[tokio::test]
async fn bad_files_are_refused_with_their_place() {
    for (from, to, message) in [
        (
            "[[servers]]\nname",
            "[[severs]]\nname",
            "a.toml:1:3: unknown key \"severs\" at the top level: did you mean \"servers\"?",
        ),
        (
            "answer_after = ",
            "anser_after = ",
            "a.toml:6:1: unknown key \"anser_after\" in [servers]: did you mean \"answer_after\"?",
        ),
        ("\"1s\"", "\"soon\"", "a.toml:6:16: \"soon\" is not a time such as \"250ms\", \"3s\" or \"1h\": "),
        ("\"1s\"", "\"${NO_SUCH}\"", "a.toml:6:16: the environment variable \"NO_SUCH\" is not set"),
        ("\"1s\"", "{ uniform = [\"2s\", \"1s\"] }", "a.toml:6:16: uniform: the first time is above the second"),
        ("USER_BUSY", "USRE_BUSY", "a.toml:7:14: unknown hangup cause \"USRE_BUSY\": did you mean \"USER_BUSY\"?"),
        ("USER_BUSY = 0.1", "USER_BUSY = \"much\"", "a.toml:7:26: \"much\" is not a number"),
        ("USER_BUSY = 0.1", "USER_BUSY = 1.1", "a.toml:7:12: the share of USER_BUSY is 1.1, not between 0 and 1"),
        ("count = 2", "count = 1001", "a.toml:5:9: 1001: it must be from 1 to 1000"),
        (
            "count = 2",
            "listen = \"here\"",
            "a.toml:5:10: \"here\" is not an address and a port such as \"127.0.0.1:8021\"",
        ),
        ("count = 2", "count = 9\nlisten = \"127.0.0.1:65530\"", "a.toml:4:1: there are not 6 ports behind 65530"),
        ("count = 2", "name = \"one\"", "a.toml:4:1: duplicate server name \"one\": server names are unique"),
        ("\"secret\"", "31337", "a.toml:3:12: a password must be text, in quotes"),
        ("domain = \"home\"\n", "", "a.toml:8:1: the key \"domain\" is missing here"),
        (GOOD, "", "a.toml: no servers: add a [[servers]] table"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        for command in ["check", "sim"] {
            let run = Bench::new(&text).start(&[command, "a.toml"]).end().await;
            assert_eq!((run.code(), run.stdout.as_str()), (2, ""), "{to}: {}", run.stderr);
            let expected = format!("loadgen: {message}");
            assert!(run.stderr.starts_with(&expected), "{to}:\n{}{expected}", run.stderr);
            assert_eq!(run.stderr.lines().count(), 1, "one message: {}", run.stderr);
            assert!(!run.stderr.contains("31337"), "{}", run.stderr);
        }
    }
}

const DIALPLAN: &str = r#"[[servers]]
name = "one"
[[servers.dialplan]]
number = "^7(\\d+)$"
about = "the menu"
when = { caller_id_number = "^1" }
do = [
    "answer",
    { application = "set", data = "x=$1", inline = true },
]
"#;

#[tokio::test]
async fn bad_dialplans_are_refused_with_their_place() {
    for (from, to, message) in [
        ("\"answer\"", "\"anser\"", "a.toml:8:5: unknown application \"anser\": did you mean \"answer\"?"),
        ("\"set\"", "\"xyzzy\"", "a.toml:9:"),
        ("\"set\"", "\"xyzzy\"", "known are acknowledge_call, answer, "),
        ("\"set\"", "\"playback\"", "playback cannot be inline: what can is set, export, multiset, unset"),
        ("\"^7(\\\\d+)$\"", "\"^7(\"", "a.toml:4:10: \"^7(\" is not a regular expression: "),
        ("\"^1\"", "\"^[\"", "a.toml:6:29: \"^[\" is not a regular expression: "),
        ("about", "abuot", "a.toml:5:1: unknown key \"abuot\" in [servers.dialplan]: did you mean \"about\"?"),
        ("inline", "in_line", "unknown key \"in_line\" in [servers.dialplan.do]: did you mean \"inline\"?"),
        ("do = [", "dont = [", "unknown key \"dont\" in [servers.dialplan]"),
        (
            "when = { caller_id_number = \"^1\" }",
            "callee = 1",
            "a.toml:6:10: invalid type: integer \"1\", expected a boolean",
        ),
    ] {
        let text = DIALPLAN.replace(from, to);
        assert_ne!(text, DIALPLAN, "{from}");
        let run = Bench::new(&text).start(&["sim", "a.toml"]).end().await;
        assert_eq!((run.code(), run.stdout.as_str()), (2, ""), "{to}: {}", run.stderr);
        assert!(run.stderr.contains(message), "{to}:\n{}{message}", run.stderr);
        assert!(run.stderr.starts_with("loadgen: a.toml:"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "one message: {}", run.stderr);
    }
}

#[tokio::test]
async fn servers_say_where_they_are_and_end_by_a_signal() {
    for (signal, arguments) in [("INT", &[][..]), ("TERM", &["--format", "json"][..])] {
        let bench = Bench::new(DIALPLAN);
        let mut running = bench.start(&[&["sim", "a.toml", "--listen", "127.0.0.1:0"], arguments].concat());
        running.says("listening").await;
        running.signal(signal);
        let run = running.end().await;
        assert_eq!(run.code(), 0, "{}", run.stderr);
        if arguments.is_empty() {
            let wanted = [
                "one listens on 127.0.0.1:",
                "^7(\\d+)$",
                "the menu",
                "ring<ms>",
                "to log in: fs_cli -H 127.0.0.1 -P ",
            ];
            for words in wanted {
                assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
            }
            assert!(run.stdout.ends_with("one carried 0 sessions\n"), "{}", run.stdout);
        } else {
            let lines: Vec<serde_json::Value> =
                run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let [begin, end] = lines.as_slice() else { panic!("{}", run.stdout) };
            assert_eq!(begin["servers"][0]["numbers"][0]["about"], "the menu");
            assert_eq!((&end["servers"][0]["name"], &end["servers"][0]["sessions"]), (&"one".into(), &0.into()));
        }
    }
}

#[tokio::test]
async fn check_tells_of_the_servers() {
    let run = Bench::new(GOOD).start(&["check", "a.toml"]).end().await;
    assert_eq!(run.code(), 0, "{}", run.stderr);
    let names: Vec<&str> = run.stdout.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(names, ["one", "fs21", "fs22"]);
}
