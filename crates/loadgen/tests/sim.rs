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
        ("count = 2", "name = \"one\"", "a.toml:4:1: there are two servers named \"one\": give each a name of its own"),
        ("\"secret\"", "31337", "a.toml:3:12: a password must be text, in quotes"),
        ("domain = \"home\"\n", "", "a.toml:8:1: the key \"domain\" is missing here"),
        (GOOD, "", "a.toml: there are no servers: add a [[servers]] table"),
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

#[tokio::test]
async fn check_tells_of_the_servers() {
    let run = Bench::new(GOOD).start(&["check", "a.toml"]).end().await;
    assert_eq!(run.code(), 0, "{}", run.stderr);
    let names: Vec<&str> = run.stdout.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(names, ["one", "fs21", "fs22"]);
}
