//! How many calls a second simulated servers carry on one core, with events of real size.
//!
//!     cargo run --release -p fs-sim --example load -- [--rate 3000] [--seconds 20] [--hold 1000|0] [--servers 1]
//!
//! All servers run in one thread, the callers in another, each on a core of its own where there are two. A call has two
//! legs over SIP; it is placed by `api bgapi uuid:… originate`, answered, held for so many milliseconds and hung up by
//! `uuid_kill`; with 0, all calls are hung up by one `hupall` once the last one is up. A listener with the subscription of
//! a load test follows them. Calls are due at a steady rate, whatever the servers do.
//!
//! The limit is the core, of which the kernel's sockets take an eighth. No one thing takes the rest: of the server's time a
//! fifth allocates and frees, an eighth encodes values, a tenth finds and indexes variables.
//!
//! The processor's time is what the servers' thread used, the kernel's work for its sockets included, so that others on
//! the same machine change it little; memory is that of the whole process.

mod caller;
mod host;

use std::{env, error::Error, fs, io::Write, time::Duration};

use caller::Figures;
use host::Host;
use tokio::time::{Instant, sleep_until};

/// How long calls may take to end after the last one was due.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is asked for.
#[derive(Clone, Copy)]
struct Asked {
    rate: u64,
    seconds: u64,
    hold: Duration,
    servers: usize,
}

impl Asked {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Asked, Box<dyn Error>> {
        let mut asked = Asked { rate: 3_000, seconds: 20, hold: Duration::from_secs(1), servers: 1 };
        while let Some(name) = arguments.next() {
            let value: u64 = arguments.next().ok_or_else(|| format!("{name} has no value"))?.parse()?;
            match name.as_str() {
                "--rate" => asked.rate = value.max(1),
                "--seconds" => asked.seconds = value,
                "--hold" => asked.hold = Duration::from_millis(value),
                "--servers" => asked.servers = value.max(1) as usize,
                _ => {
                    return Err(format!("unknown option {name}: there are --rate, --seconds, --hold, --servers").into());
                }
            }
        }
        Ok(asked)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let asked = Asked::parse(env::args().skip(1))?;
    let mut out = std::io::stdout();
    host::pin_to(1);
    let before = memory();
    let host = Host::start(asked.servers)?;
    let idle = host.figures().await?;
    writeln!(out, "{} servers, {:.0} KB each", asked.servers, (memory() - before) as f64 / asked.servers as f64)?;

    let total = asked.rate * asked.seconds;
    let began = Instant::now() + Duration::from_millis(200);
    let hold = Some(asked.hold).filter(|hold| !hold.is_zero());
    let callers: Vec<_> = (0..asked.servers)
        .map(|number| {
            let plan = caller::Plan { number, of: asked.servers, total, rate: asked.rate, hold, began };
            tokio::spawn(caller::run(host.addresses[number].to_string(), plan))
        })
        .collect();
    for part in 1..=4 {
        sleep_until(began + Duration::from_secs(asked.seconds) * part / 4).await;
        let now = host.figures().await?;
        let share = (now.cpu - idle.cpu).as_secs_f64() / began.elapsed().as_secs_f64();
        let memory = memory() / 1_024;
        writeln!(
            out,
            "{:3.0} s: {memory} MB, {} channels, {:.0} % of a core",
            began.elapsed().as_secs_f64(),
            now.channels,
            share * 100.0
        )?;
    }
    let mut all = Figures::default();
    for caller in callers {
        all.add(tokio::time::timeout(PATIENCE, caller).await???);
    }
    let elapsed = began.elapsed().saturating_sub(asked.hold).as_secs_f64();
    let end = host.figures().await?;
    let cpu = end.cpu - idle.cpu;

    writeln!(
        out,
        "offered {} calls/s for {} s: {total} calls, {} ended, {} refused",
        asked.rate, asked.seconds, all.ended, all.refused
    )?;
    writeln!(out, "done    {:.0} calls/s", all.ended as f64 / elapsed)?;
    writeln!(out, "late    p50 {:?}, p99 {:?}", all.lateness(0.5), all.lateness(0.99))?;
    writeln!(out, "answer  p50 {:?}, p99 {:?} after it was sent", all.setup(0.5), all.setup(0.99))?;
    let calls = all.ended.max(1) as f64;
    let (each, size) = (all.events as f64 / calls, all.sized_bytes as f64 / all.sized_events.max(1) as f64 / 1e3);
    writeln!(out, "events  {each:.1} a call of {size:.1} KB each, {} lost", end.events_lost)?;
    writeln!(
        out,
        "server  {:.1} µs of a core a call, of which {:.1} in the kernel",
        micros(cpu) / calls,
        micros(end.kernel - idle.kernel) / calls
    )?;
    writeln!(out, "        one core would carry {:.0} calls/s", calls / cpu.as_secs_f64())?;
    writeln!(out, "memory  {} MB at most", kilobytes("VmHWM:") / 1_024)?;
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What the process has of memory, in KB; nothing where the system does not say.
fn kilobytes(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    line.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// What it has now, in KB.
fn memory() -> u64 {
    kilobytes("VmRSS:")
}
