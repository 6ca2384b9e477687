//! The dashboard against a real Prometheus that scrapes a real run: every panel has something to show.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

const DASHBOARD: &str = include_str!("../../../dashboards/loadgen.json");

/// What the dashboard's variables stand for here. Grafana makes the rate interval four times the data source's scrape
/// interval; here it is one more, so that a scrape that comes late leaves no gap.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "5s"), ("$slave", ".*"), ("$run", "dashboard")];

/// Calls that are completed, that fail for two causes, that a server refuses and that are skipped at the limit, so that
/// every panel has more than zeros. The test ends it as soon as it has seen them all; by itself it ends after the
/// longest time that the test waits.
const RUN: &str = r#"
[run]
name = "dashboard"
duration = "60s"

[load]
rate = 40
limit = 25

[call]
to = "sofia/external/9196@127.0.0.1:5080"
timeout = "10s"
hold = "500ms"

[preflight]
enabled = false  # one slave refuses calls, on purpose

[[slaves]]
name = "wide"
simulated = { count = 2, ring_after = "20ms", answer_after = "200ms", failures = { USER_BUSY = 0.1, CALL_REJECTED = 0.1 } }

[[slaves]]
name = "narrow"
simulated = { sessions_per_second = 8 }

[thresholds]
"setup.p99" = "< 10s"

[http]
listen = "127.0.0.1:0"
"#;

/// How long a program may take to start, and all panels to fill, which takes some five seconds.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a condition that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long an answer over HTTP may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

#[test]
fn every_panel_has_something_to_show() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let config = folder.path().join("run.toml");
    std::fs::write(&config, RUN).expect("the run's configuration is written");
    let mut loadgen = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    loadgen.args(["--log", "info", "--log-format", "json", "run"]).arg(&config);
    let mut loadgen = Process::start(&mut loadgen, folder.path());
    let metrics = loadgen.address(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = line.get("fields").filter(|fields| fields["message"] == "serving /metrics")?;
        fields["address"].as_str().map(str::to_owned)
    });

    let mut prometheus = Prometheus::start(folder.path(), &metrics);
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("the dashboard is JSON");
    let panels = panels(&dashboard);
    let mut unfilled: Vec<&Panel> = panels.iter().collect();
    let filled = before(DEADLINE, || {
        loadgen.assert_running();
        prometheus.process.assert_running();
        unfilled.retain(|panel| !prometheus.fills(panel));
        unfilled.is_empty().then_some(())
    });
    assert!(filled.is_some(), "{}\n{}", prometheus.what_is_empty(&unfilled), prometheus.scrapes());

    for (metric, label) in label_queries(&dashboard) {
        let values = prometheus.ask(&format!("/api/v1/label/{label}/values?match[]={}", encoded(&metric)));
        assert!(values.as_array().is_some_and(|values| !values.is_empty()), "no {label} of {metric} to choose from");
    }
    let (status, text) = get(&metrics, "/metrics").expect("/metrics answers");
    assert_eq!(status, 200, "{text}");
    promtool(folder.path(), &["check", "metrics"], &text);
}

/// A panel of the dashboard.
struct Panel {
    title: String,
    queries: Vec<Query>,
}

/// A query of a panel, its variables replaced.
struct Query {
    expression: String,
    /// For the end of the time range alone, not for all of it.
    instant: bool,
}

/// All panels that query something, those inside of rows included.
fn panels(dashboard: &Value) -> Vec<Panel> {
    let mut panels = Vec::new();
    let mut waiting: Vec<&Value> = dashboard["panels"].as_array().expect("panels").iter().collect();
    while let Some(panel) = waiting.pop() {
        let title = panel["title"].as_str().expect("a panel's title").to_owned();
        waiting.extend(panel["panels"].as_array().into_iter().flatten());
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(panel["type"] == "row" || !targets.is_empty(), "{title:?} queries nothing");
        if targets.is_empty() {
            continue;
        }
        for asked in targets.iter().chain([panel]) {
            assert_eq!(asked["datasource"]["uid"], "${datasource}", "{title:?} asks a data source of its own");
        }
        let queries = targets.iter().map(|target| Query {
            expression: substituted(target["expr"].as_str().expect("a query's expression")),
            instant: target["instant"] == true,
        });
        panels.push(Panel { title, queries: queries.collect() });
    }
    panels
}

/// What `label_values(metric, label)` asks for, of all the variables that do.
fn label_queries(dashboard: &Value) -> Vec<(String, String)> {
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let queries = variables.iter().filter(|variable| variable["type"] == "query").map(|variable| {
        let query = variable["query"]["query"].as_str().expect("a variable's query");
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (metric, label) = inner.and_then(|inner| inner.rsplit_once(", ")).expect("label_values(metric, label)");
        (substituted(metric), label.to_owned())
    });
    queries.collect()
}

fn substituted(expression: &str) -> String {
    let text = VARIABLES.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!text.contains('$'), "an unknown variable in {expression}");
    text
}

/// A Prometheus that scrapes one address.
struct Prometheus {
    process: Process,
    address: String,
    /// In seconds since 1970.
    started_at: f64,
}

impl Prometheus {
    fn start(folder: &Path, target: &str) -> Self {
        let config = "global: { scrape_interval: 1s, scrape_timeout: 1s }\n\
            scrape_configs: [ { job_name: loadgen, static_configs: [ { targets: [ \"TARGET\" ] } ] } ]\n";
        std::fs::write(folder.join("prometheus.yml"), config.replace("TARGET", target))
            .expect("Prometheus' configuration is written");
        promtool(folder, &["check", "config", "prometheus.yml"], "");
        let started_at = now();
        let mut prometheus = Command::new("prometheus");
        prometheus.args(["--config.file=prometheus.yml", "--storage.tsdb.path=series"]);
        let mut process = Process::start(prometheus.arg("--web.listen-address=127.0.0.1:0"), folder);
        let address = process.address(|line| {
            let (_, address) = line.split_once("msg=\"Listening on\"")?.1.split_once("address=")?;
            address.split_whitespace().next().map(str::to_owned)
        });
        // It listens before it answers queries.
        let ready = before(DEADLINE, || get(&address, "/-/ready").ok().filter(|(status, _)| *status == 200));
        assert!(ready.is_some(), "Prometheus does not get ready:\n{}", process.output());
        Self { process, address, started_at }
    }

    /// Whether every query of a panel has a value, and one of them one that is not 0.
    fn fills(&self, panel: &Panel) -> bool {
        let values: Vec<Vec<f64>> = panel.queries.iter().map(|query| self.values(panel, query)).collect();
        values.iter().all(|values| !values.is_empty()) && values.iter().flatten().any(|value| *value != 0.0)
    }

    /// Which queries leave these panels empty.
    fn what_is_empty(&self, panels: &[&Panel]) -> String {
        let mut text = "these panels have nothing to show:".to_owned();
        for panel in panels {
            text += &format!("\n  {:?}", panel.title);
            let empty = panel.queries.iter().filter(|query| self.values(panel, query).is_empty());
            let empty: Vec<&str> = empty.map(|query| query.expression.as_str()).collect();
            match empty[..] {
                [] => text += ": only zeros",
                _ => text += &format!(": nothing from {}", empty.join(", ")),
            }
        }
        text
    }

    /// What a query has to show, as Grafana asks it. What is not a number is nothing.
    fn values(&self, panel: &Panel, query: &Query) -> Vec<f64> {
        let expression = encoded(&query.expression);
        let (path, values) = if query.instant {
            (format!("/api/v1/query?query={expression}"), "/value")
        } else {
            let (start, end) = (self.started_at, now());
            (format!("/api/v1/query_range?query={expression}&start={start}&end={end}&step=1"), "/values")
        };
        let data =
            self.try_ask(&path).unwrap_or_else(|error| panic!("{:?}: {}: {error}", panel.title, query.expression));
        let series = data["result"].as_array().unwrap_or_else(|| panic!("{:?}: no series: {data}", panel.title));
        // One pair of time and value, or a list of them.
        let pairs = series.iter().filter_map(|series| series.pointer(values)?.as_array()).flat_map(|values| {
            if query.instant { vec![&values[1]] } else { values.iter().map(|pair| &pair[1]).collect() }
        });
        let numbers = pairs.filter_map(|value| value.as_str()?.parse().ok());
        numbers.filter(|value: &f64| value.is_finite()).collect()
    }

    /// How the last scrape went.
    fn scrapes(&self) -> String {
        let targets = self.ask("/api/v1/targets?state=active");
        let target = &targets["activeTargets"][0];
        format!("the last scrape of {}: {} {}", target["scrapeUrl"], target["health"], target["lastError"])
    }

    fn ask(&self, path: &str) -> Value {
        self.try_ask(path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The data of an answer of Prometheus' API.
    fn try_ask(&self, path: &str) -> Result<Value, String> {
        let (_, body) = get(&self.address, path).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].take()),
            _ => Err(body),
        }
    }
}

/// Lets promtool check something, which it reads from a file in the folder or from its input.
fn promtool(folder: &Path, arguments: &[&str], input: &str) {
    let mut promtool = Command::new("promtool");
    let mut promtool = Process::start(promtool.args(arguments).stdin(Stdio::piped()), folder);
    let written = promtool.child.stdin.take().expect("piped").write_all(input.as_bytes());
    let status = before(DEADLINE, || promtool.child.try_wait().expect("a child can be asked"));
    let output = promtool.output();
    assert!(status.is_some_and(|status| status.success()), "promtool {}: {status:?}\n{output}", arguments.join(" "));
    written.expect("promtool reads its input");
}

/// A program that this test started; it ends with this value.
struct Process {
    child: Child,
    name: String,
    /// The file that it writes to.
    output: PathBuf,
}

impl Process {
    /// Starts a program in a folder, which its output goes to as well.
    fn start(command: &mut Command, folder: &Path) -> Self {
        let program = Path::new(command.get_program());
        let name = program.file_name().expect("a program's name").to_string_lossy().into_owned();
        let output = folder.join(format!("{name}.log"));
        let file = File::create(&output).expect("a file for a program's output");
        let errors = file.try_clone().expect("one file for both");
        match command.current_dir(folder).stdout(file).stderr(errors).spawn() {
            Ok(child) => Self { child, name, output },
            Err(error) if error.kind() == ErrorKind::NotFound => panic!(
                "{name} is not in PATH: install Debian's package \"prometheus\" (apt-get install prometheus), which has \
                 prometheus and promtool"
            ),
            Err(error) => panic!("{name} cannot be started: {error}"),
        }
    }

    /// Waits for the line that says where the program listens.
    fn address(&mut self, find: impl Fn(&str) -> Option<String>) -> String {
        let address = before(DEADLINE, || {
            self.assert_running();
            // A line that is being written is whole the next time.
            self.output().split_inclusive('\n').filter(|line| line.ends_with('\n')).find_map(&find)
        });
        address.unwrap_or_else(|| panic!("{} does not say where it listens:\n{}", self.name, self.output()))
    }

    fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "{} ended, {ended:?}:\n{}", self.name, self.output());
    }

    fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status and the body of what is at `path`.
fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    // With HTTP/1.0 the body is what comes until the end, in one piece.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(ErrorKind::InvalidData)?, body.to_owned()))
}

/// Text as part of a URL's query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What the condition gives, `None` where it gave nothing in this time.
fn before<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        let found = condition();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs_f64()
}
