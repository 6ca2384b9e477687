//! Runs the program on a configuration, and reads what it leaves behind.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// No run of a test takes so long.
const DEADLINE: Duration = Duration::from_secs(90);

/// A folder of its own, with a configuration in it.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    report: Option<Value>,
}

/// A run that goes on.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it has said on stderr so far.
    said: String,
    report: PathBuf,
}

impl Bench {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.toml"), config).expect("a file");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts `loadgen` with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// The same, with these variables of the environment.
    pub(crate) fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(self.folder.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Running { child, stderr, said: String::new(), report: self.folder.path().join("out/report.json") }
    }

    /// `loadgen run a.toml --out out`, to its end.
    pub(crate) async fn run(&self) -> Run {
        self.start(&["run", "a.toml", "--out", "out"]).end().await
    }

    /// The rows of `calls.csv`, by the columns' names.
    pub(crate) fn records(&self) -> Vec<HashMap<String, String>> {
        let file = csv::Reader::from_path(self.folder.path().join("out/calls.csv"));
        file.expect("a file").into_deserialize().map(|row| row.expect("a row")).collect()
    }
}

impl Running {
    /// Sends a signal: `INT`, `TERM`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill");
        assert!(status.success());
    }

    /// Waits until it says this on stderr. Returns the line.
    pub(crate) async fn says(&mut self, words: &str) -> String {
        self.says_times(words, 1).await;
        self.said.lines().find(|line| line.contains(words)).unwrap_or_default().to_owned()
    }

    /// Waits until it has said this so often on stderr.
    pub(crate) async fn says_times(&mut self, words: &str, times: usize) {
        let said = async {
            while self.said.matches(words).count() < times {
                let read = self.stderr.read_line(&mut self.said).await.expect("text");
                assert!(read > 0, "it ended without {words:?}: {}", self.said);
            }
        };
        timeout(DEADLINE, said).await.unwrap_or_else(|_| panic!("it does not say {words:?} {times} times"));
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Run {
        let (mut stdout, mut stderr) = (String::new(), self.said);
        let mut out = self.child.stdout.take().expect("piped");
        let mut err = self.stderr;
        let all = async {
            let (status, out, err) =
                tokio::join!(self.child.wait(), out.read_to_string(&mut stdout), err.read_to_string(&mut stderr));
            out.and(err).expect("text");
            status.expect("a status")
        };
        let status = timeout(DEADLINE, all).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end"));
        let report = std::fs::read_to_string(&self.report).ok();
        let report = report.map(|text| serde_json::from_str(&text).expect("a report is JSON"));
        let run = Run { status, stdout, stderr, report };
        run.report.iter().for_each(check_identity);
        run
    }
}

impl Run {
    /// What it exited with.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    pub(crate) fn report(&self) -> &Value {
        self.report.as_ref().unwrap_or_else(|| panic!("no report: {self:?}"))
    }

    /// A count of `calls`.
    pub(crate) fn calls(&self, name: &str) -> u64 {
        self.report()["calls"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {}", self.report()["calls"]))
    }

    /// A value by its path, such as `skipped.limit`; 0 where there is none.
    pub(crate) fn number(&self, path: &str) -> f64 {
        path.split('.').fold(self.report(), |value, key| &value[key]).as_f64().unwrap_or(0.0)
    }
}

/// The identity of the outcomes: for all calls, for each slave and for each app, and that their parts add up.
pub(crate) fn check_identity(report: &Value) {
    let parts = |list: &str| report[list].as_array().expect("a list").clone();
    for figures in [vec![report.clone()], parts("slaves"), parts("apps"), parts("phases"), parts("targets")].concat() {
        let calls = &figures["calls"];
        let count = |name: &str| calls[name].as_u64().unwrap_or_else(|| panic!("{name}: {calls}"));
        assert_eq!((count("pending"), count("active")), (0, 0), "nothing is open at the end: {calls}");
        assert_eq!(count("scheduled"), count("attempted") + count("skipped"), "{calls}");
        let ends = ["refused", "failed", "completed", "app_failed", "dropped", "lost", "canceled"];
        assert_eq!(count("attempted"), ends.into_iter().map(count).sum::<u64>(), "{calls}");
        assert!(count("answered") >= count("completed") + count("dropped"), "{calls}");
        for (whole, reasons) in [("failed", "hangup_causes"), ("skipped", "skipped"), ("refused", "refused")] {
            let sum: u64 = figures[reasons].as_object().expect("a map").values().filter_map(Value::as_u64).sum();
            assert_eq!(count(whole), sum, "{whole} by reason");
        }
    }
    for list in ["slaves", "apps", "phases", "targets"] {
        for name in ["scheduled", "attempted", "answered", "completed", "failed"] {
            // A phase that is not measured counts by itself.
            let counted = parts(list).into_iter().filter(|part| part["measured"] != false);
            let sum: u64 = counted.filter_map(|part| part["calls"][name].as_u64()).sum();
            assert_eq!(Some(sum), report["calls"][name].as_u64(), "{name} over {list}");
        }
    }
}

/// A table for a server that was started by the test.
pub(crate) fn slave(server: &fs_sim::Server) -> String {
    slave_at(server.addr().port(), "ClueCon")
}

/// A table for a port of this machine.
pub(crate) fn slave_at(port: u16, password: &str) -> String {
    format!("[[slaves]]\nhost = \"127.0.0.1\"\nport = {port}\npassword = \"{password}\"\n")
}

/// A simulated server without the stock limits.
pub(crate) async fn server() -> fs_sim::Server {
    server_with(fs_sim::Config::default()).await
}

/// The same, with these properties.
pub(crate) async fn server_with(config: fs_sim::Config) -> fs_sim::Server {
    let config = fs_sim::Config { max_sessions: 100_000, sessions_per_second: 100_000, ..config };
    fs_sim::Server::start(config).await.expect("a port")
}

/// A listener at a server, of these events.
pub(crate) async fn listener(server: &fs_sim::Server, events: &[esl_core::EventName]) -> esl_core::Listener {
    let (address, credentials) = (server.addr().to_string(), esl_core::Credentials::password("ClueCon"));
    let subscription = esl_core::Subscription::new(events.iter().copied());
    let options = esl_core::Options::default();
    esl_core::Listener::connect(&address, &credentials, &options, &subscription).await.expect("a listener")
}
