//! What the load engine costs, and how well it keeps time: calls on simulated servers in another process, with events of
//! real size, both legs of each call over SIP.
//!
//! ```text
//! cargo run --release -p loadgen --example engine                 100, 1,000 and 3,000 calls/s on 3 servers
//! cargo run --release -p loadgen --example engine -- slaves       1,000 calls/s on 1, 10, 50 and 200 servers, and at rest
//! cargo run --release -p loadgen --example engine -- memory       100,000 calls at once
//! cargo run --release -p loadgen --example engine -- wake         what being woken costs on this machine
//! cargo run --release -p loadgen --example engine -- one RATE SECONDS SERVERS [HOLD_SECONDS [KEEP_AWAKE]]
//! ```
//!
//! A call is some wake-ups of a slave's task: to send it, to hang it up, and for each bunch of events that its server
//! hands over. The fewer calls there are, the fewer share one, and what one costs is the machine's: `wake` has a program
//! that does nothing but being woken by its timer.
//!
//! The processor's time is of the run alone (`/proc`), less what as many servers cost at rest: marginal. A machine that
//! does something else at the same time makes all figures worse: read the ratios.

#![allow(clippy::print_stdout, reason = "it prints figures")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadgen::engine::dispatcher;
use loadgen::engine::precise_timer::PreciseTimer;
use loadgen::plan::{Plan, RunId};
use loadgen::{config, run};
use serde_json::Value;
use tokio::time::Instant;

/// One measurement.
#[derive(Clone, Copy)]
struct Trial {
    rate: f64,
    seconds: u64,
    servers: usize,
    hold: f64,
    keep_awake: &'static str,
}

/// What came of it.
struct Outcome {
    report: Value,
    cpu: Duration,
    wakes: u64,
    memory_bytes: u64,
}

const USUAL: Trial = Trial { rate: 1000.0, seconds: 30, servers: 3, hold: 2.0, keep_awake: "off" };

/// Calls a second so few that only the servers' being there costs anything.
const REST: f64 = 0.2;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize| arguments.get(n).and_then(|text| text.parse::<f64>().ok());
    match arguments.first().map_or("", String::as_str) {
        "serve" => return serve(number(1).unwrap_or(1.0) as usize).await,
        "slaves" => {
            for servers in [1, 10, 50, 200] {
                measure(Trial { servers, ..USUAL }).await?;
            }
            for keep_awake in ["off", "2ms"] {
                rest(Trial { servers: 200, keep_awake, ..USUAL }).await?;
                rest(Trial { servers: 1, keep_awake, ..USUAL }).await?;
            }
        }
        "memory" => memory().await?,
        "wake" => {
            for rate in [30, 100, 1000, 3000] {
                wake(rate).await;
            }
        }
        "one" => {
            let keep_awake = match arguments.get(5).map(String::as_str) {
                Some("2ms") => "2ms",
                _ => "off",
            };
            let trial = Trial {
                rate: number(1).unwrap_or(USUAL.rate),
                seconds: number(2).map_or(USUAL.seconds, |seconds| seconds as u64),
                servers: number(3).map_or(USUAL.servers, |servers| servers as usize),
                hold: number(4).unwrap_or(USUAL.hold),
                keep_awake,
            };
            measure(trial).await?;
        }
        _ => {
            for rate in [100.0, 1000.0, 3000.0] {
                measure(Trial { rate, ..USUAL }).await?;
            }
        }
    }
    Ok(())
}

/// The servers, in a process of their own: prints where each listens, and ends with whoever started it.
async fn serve(servers: usize) -> anyhow::Result<()> {
    let mut running = Vec::new();
    for n in 0..servers {
        let config = fs_sim::Config {
            seed: n as u64 + 1,
            max_sessions: 1_000_000,
            sessions_per_second: 100_000,
            ..fs_sim::Config::default()
        };
        let server = fs_sim::Server::start(config).await?;
        println!("{}", server.addr().port());
        running.push(server);
    }
    println!("ready");
    // Its input ends with the one who holds the other end.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    Ok(())
}

struct Servers {
    child: Child,
    ports: Vec<u16>,
}

impl Servers {
    fn start(count: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?).lines();
        let ports = lines.map_while(|line| line.ok()?.parse().ok()).collect();
        Ok(Self { child, ports })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

async fn run_trial(trial: Trial) -> anyhow::Result<Outcome> {
    let servers = Servers::start(trial.servers)?;
    let folder = tempfile::tempdir()?;
    let Trial { rate, seconds, hold, keep_awake, .. } = trial;
    let mut text = format!(
        "[run]\nduration = \"{seconds}s\"\ngrace = \"{}s\"\nout = {:?}\n[load]\nrate = {rate}\n[preflight]\nenabled = false\n\
         [call]\nto = \"sofia/external/9196@127.0.0.1:5080\"\nhold = \"{}ms\"\ntimeout = \"10s\"\n",
        hold as u64 + 30,
        folder.path().join("out"),
        (hold * 1e3) as u64,
    );
    for port in &servers.ports {
        text += &format!(
            "[[slaves]]\nhost = \"127.0.0.1\"\nport = {port}\npassword = \"ClueCon\"\nkeep_awake = \"{keep_awake}\"\n"
        );
    }
    let (config, source) = config::parse("engine".to_owned(), text, |_| None)?;
    let plan = Plan::new(config, &source, RunId::random())?;
    let (cpu_before, wakes_before) = (cpu(), wakes());
    let (_operator, controls) = dispatcher::controls();
    run::run(plan, controls).await?;
    let (cpu, wakes) = (cpu() - cpu_before, wakes().saturating_sub(wakes_before));
    let report = serde_json::from_str(&std::fs::read_to_string(folder.path().join("out/report.json"))?)?;
    Ok(Outcome { report, cpu, wakes, memory_bytes: memory_bytes() })
}

/// The processor's time of this process so far (`proc(5)`: fields 14 and 15 of `stat`, in hundredths of a second).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// How often the threads of this process went to sleep so far: they were woken as often.
fn wakes() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_one = |thread: std::fs::DirEntry| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    threads.map(of_one).sum()
}

/// Is woken so often a second, for a while, and does nothing.
async fn wake(rate: u32) {
    const WHILE: u32 = 5;
    let mut alarm = PreciseTimer::new();
    let (start, before) = (Instant::now(), cpu());
    for n in 1..=rate * WHILE {
        alarm.until(start + Duration::from_secs(1) * n / rate).await;
    }
    let each = (cpu() - before).as_secs_f64() / f64::from(rate * WHILE);
    println!("woken {rate:>4} times a second: {:.3} ms each", each * 1e3);
}

/// The most memory that this process had so far.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}

async fn measure(trial: Trial) -> anyhow::Result<()> {
    let idle = run_trial(Trial { rate: REST, seconds: 10, hold: 0.5, ..trial }).await?;
    let at_rest = idle.cpu.as_secs_f64() / 10.0;
    let outcome = run_trial(trial).await?;
    let number = |path: &str| outcome.report.pointer(path).and_then(Value::as_f64).unwrap_or_default();
    let calls = number("/calls/attempted");
    let marginal = (outcome.cpu.as_secs_f64() - at_rest * trial.seconds as f64) / calls;
    println!(
        "{:>5} calls/s, {:>3} servers: offered {:.2}, completed {} of {}, lag p50 {:.3} p99 {:.3} p99.9 {:.3} max {:.3} ms, \
         skipped {}, CPU {:.3} ms and {:.1} wake-ups a call, at rest {:.2} % of a core",
        trial.rate,
        trial.servers,
        number("/rates/offered_cps"),
        number("/calls/completed"),
        number("/calls/scheduled"),
        number("/latency_seconds/schedule_lag/p50") * 1e3,
        number("/latency_seconds/schedule_lag/p99") * 1e3,
        number("/latency_seconds/schedule_lag/p999") * 1e3,
        number("/latency_seconds/schedule_lag/max") * 1e3,
        number("/calls/skipped"),
        marginal * 1e3,
        outcome.wakes as f64 / calls,
        at_rest * 100.0,
    );
    Ok(())
}

async fn rest(trial: Trial) -> anyhow::Result<()> {
    let idle = run_trial(Trial { rate: REST, seconds: 15, hold: 0.5, ..trial }).await?;
    let share = idle.cpu.as_secs_f64() / 15.0 / trial.servers as f64;
    println!(
        "at rest, kept awake {}: {:.4} % of a core for each of {} servers",
        trial.keep_awake,
        share * 100.0,
        trial.servers
    );
    Ok(())
}

async fn memory() -> anyhow::Result<()> {
    let small = run_trial(Trial { rate: 2000.0, seconds: 5, hold: 1.0, ..USUAL }).await?;
    let large = run_trial(Trial { rate: 2000.0, seconds: 50, hold: 51.0, ..USUAL }).await?;
    let calls = large.report.pointer("/rates/peak_concurrent").and_then(Value::as_f64).unwrap_or_default();
    let bytes = large.memory_bytes.saturating_sub(small.memory_bytes) as f64;
    println!(
        "{calls} calls at once: {:.0} MB in all, {:.0} bytes a call",
        large.memory_bytes as f64 / 1e6,
        bytes / calls
    );
    Ok(())
}
