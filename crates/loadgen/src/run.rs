//! A run from start to end: the only place that spawns and wires.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::http::Http;
use crate::live;
use crate::metrics::Metrics;
use crate::plan::{Plan, ServerPlan};
use crate::report::{LatencyLog, Report as RunReport, RunFacts, summary};
use crate::slave::{Order, Report, Server, Slave, Slots, TICK};
use crate::snapshot::{Collector, Snapshot};
use crate::verdict::{Signal, Troubles, judge};

/// Shards that wait to be put together: each slave hands one over a second.
const REPORTS_MAX: usize = 1024;
/// Between the order to start and the first call: every slave has heard it by then.
const HEAD_START: Duration = Duration::from_millis(50);
/// The slaves' shards of a second are there so long after it.
const COLLECT_AFTER: Duration = Duration::from_millis(100);
/// How long hanging up may take before what is left is given up: calls that the server does not let go are lost before.
const HANG_UP_MAX: Duration = Duration::from_secs(30);

/// How long a task may take to be stopped, which it is at its next await.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The summary, for a person.
    pub summary: String,
    /// What the program exits with.
    pub exit_code: u8,
}

/// Preflight failed: no slave can be reached.
pub const EXIT_NO_SLAVE: u8 = 3;

/// Runs a plan.
///
/// # Errors
/// Something of this machine's is not to be had: a port, a folder.
pub async fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let mut signals = Signals::new()?;
    let http = match plan.http {
        Some(address) => Some(Http::bind(address).await?),
        None => None,
    };
    if let Some(folder) = &plan.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the run folder {}", folder.display()))?;
        // What an earlier run left there is not this one's.
        for name in ["report.json", "latency.hlog"] {
            let _ = std::fs::remove_file(folder.join(name));
        }
    }
    let (servers, simulated) = servers(&plan).await?;
    let plan = Arc::new(plan);

    let (orders, order) = watch::channel(Order::Prepare);
    let (reporting, reports) = mpsc::channel(REPORTS_MAX);
    let slots = Arc::new(Slots::new(plan.limit));
    let mut slaves = JoinSet::new();
    for (index, server) in servers.into_iter().enumerate() {
        let slave = Slave::new(index, plan.clone(), server, slots.clone(), order.clone(), reporting.clone());
        slaves.spawn(slave.run());
    }
    drop((order, reporting));

    let collector = Collector::new(&plan);
    let (publish, snapshots) = watch::channel(collector.snapshot(Duration::ZERO, 0.0));
    let web = match http {
        Some(http) => {
            info!(address = %http.address()?, "serving /metrics");
            Some(tokio::spawn(http.serve(Metrics::new(plan.clone(), snapshots.clone())?)))
        }
        None => None,
    };
    let mut reports = reports;
    let ready = tokio::select! {
        ready = wait_until_ready(&plan, &mut reports) => ready,
        signal = signals.next() => return Ok(Outcome { summary: String::new(), exit_code: signal.exit_code() }),
    };
    if ready == 0 {
        let summary = "no slave can be reached: nothing was dialled\n".to_owned();
        return Ok(Outcome { summary, exit_code: EXIT_NO_SLAVE });
    }

    let length = plan.schedule.length();
    let start = Instant::now() + HEAD_START;
    let started_at = SystemTime::now() + HEAD_START;
    let live = tokio::spawn(live::show(snapshots.clone()));
    let log = plan.out.as_deref().map(|folder| LatencyLog::create(&folder.join("latency.hlog"), started_at));
    let target =
        Target { rate: plan.schedule.rate_max(), ends: length.map(|length| start + length), order: orders.subscribe() };
    let collecting = tokio::spawn(collect(collector, reports, publish, start, target, log.transpose()));
    // The receivers are there until their tasks end.
    let _ = orders.send(Order::Run(start));
    let ending = conduct(&plan, start, length, &orders, &mut slaves, &mut signals).await;
    let ended = Instant::now();

    // With the last slave gone, so is the last sender of reports. One that does not even stop is left behind.
    if timeout(STOP_MAX, slaves.shutdown()).await.is_err() {
        error!("a slave's task does not stop");
    }
    // It still holds its end of the reports: then the last snapshot is what is known.
    let (last, log) = match timeout(STOP_MAX, collecting).await {
        Ok(collected) => collected.context("the collecting task failed")?,
        Err(_) => (snapshots.borrow().clone(), Ok(())),
    };
    let _ = timeout(STOP_MAX, live).await;
    if let Some(web) = web {
        web.abort();
    }
    let facts = RunFacts {
        started_at: jiff::Timestamp::try_from(started_at).unwrap_or_default(),
        duration: ended.saturating_duration_since(start),
        offering: ending.offering,
        peak_concurrent: slots.peak(),
    };
    let mut troubles = Troubles { signal: ending.signal, internal: ending.failures, incomplete: Vec::new() };
    troubles.incomplete.extend(log.err().map(|error| format!("latency.hlog: {error}")));
    let mut finding = judge(&plan, &last, &troubles);
    if let Some(folder) = &plan.out {
        let report = RunReport::new(&plan, &facts, &last, &finding).to_json();
        if let Err(error) = write(&folder.join("report.json"), &report) {
            troubles.incomplete.push(format!("report.json: {error}"));
            finding = judge(&plan, &last, &troubles);
        }
    }
    for server in simulated {
        server.stop().await;
    }
    Ok(Outcome { summary: summary(&plan, &facts, &last, &finding), exit_code: finding.exit_code })
}

/// Where each slave's server is; those that are simulated are started.
async fn servers(plan: &Plan) -> anyhow::Result<(Vec<Server>, Vec<fs_sim::Server>)> {
    let mut servers = Vec::new();
    let mut simulated = Vec::new();
    // A call of one reaches another by its name.
    let network = fs_sim::Network::new();
    for slave in &plan.slaves {
        match &slave.server {
            ServerPlan::Real { address, credentials } => {
                servers.push(Server { address: address.clone(), credentials: credentials.clone() });
            }
            ServerPlan::Simulated(config) => {
                let mut config = (**config).clone();
                config.network.get_or_insert_with(|| network.clone());
                let server = fs_sim::Server::start(config.clone()).await;
                let server = server.with_context(|| format!("cannot start the simulated server {}", slave.name))?;
                let credentials = esl_core::Credentials::password(config.password);
                servers.push(Server { address: server.addr().to_string(), credentials });
                simulated.push(server);
            }
        }
    }
    Ok((servers, simulated))
}

/// Waits for every slave's first attempt to connect. Returns how many are connected.
async fn wait_until_ready(plan: &Plan, reports: &mut mpsc::Receiver<Report>) -> usize {
    let mut ready = 0;
    for _ in &plan.slaves {
        match reports.recv().await {
            Some(Report::Ready(slave, Ok(about))) => {
                let name = &plan.slaves[slave].name;
                let version = about.version.as_deref().unwrap_or("of an unknown version");
                info!(slave = name, version, "connected");
                ready += 1;
                warn_of_limits(plan, slave, &about.health);
            }
            Some(Report::Ready(slave, Err(error))) => {
                error!(slave = plan.slaves[slave].name, %error, "cannot be used");
            }
            _ => {}
        }
    }
    if ready > 0 && ready < plan.slaves.len() {
        warn!("going on with {ready} of {} slaves: the others' calls are skipped", plan.slaves.len());
    }
    ready
}

/// A server's own limits refuse calls that a plan counts on.
fn warn_of_limits(plan: &Plan, slave: usize, health: &crate::slave::Health) {
    let name = &plan.slaves[slave].name;
    let rate = plan.schedule.rate_max() * plan.schedule.slaves.share(slave);
    if let Some(max) = health.sessions_per_second_max.filter(|max| rate > *max as f64) {
        warn!(
            slave = name,
            "{rate:.1} calls/s are planned, and the server allows {max} sessions a second: raise it with \"fsctl sps\""
        );
    }
    let concurrent = rate * plan.terms.hold.as_secs_f64();
    if let Some(max) = health.sessions_max.filter(|max| concurrent > *max as f64) {
        warn!(
            slave = name,
            "{concurrent:.0} calls at a time are planned, and the server allows {max} sessions: raise it with \"fsctl max_sessions\""
        );
    }
}

/// How a run came to its end.
struct Ending {
    /// What cut it short.
    signal: Option<Signal>,
    /// For how long calls were offered.
    offering: Duration,
    /// What went wrong in this program.
    failures: Vec<String>,
}

/// Lets the slaves run to their end, and sees to that it comes.
async fn conduct(
    plan: &Plan,
    start: Instant,
    length: Option<Duration>,
    orders: &watch::Sender<Order>,
    slaves: &mut JoinSet<()>,
    signals: &mut Signals,
) -> Ending {
    let mut stopped = None;
    let mut failures = Vec::new();
    let mut offering_ends = length.map(|length| start + length);
    let mut hang_up_ends = None;
    loop {
        let hang_up_at = offering_ends.filter(|_| hang_up_ends.is_none()).map(|end| end + plan.grace);
        tokio::select! {
            ended = slaves.join_next() => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    error!(%error, "a slave's task failed");
                    failures.push(format!("a slave's task failed: {error}"));
                }
                None => break,
            },
            signal = signals.next() => {
                let now = Instant::now();
                if stopped.is_none() && offering_ends.is_none_or(|end| now < end) {
                    info!("stopping: no new calls, those that are up may end within {:?}", plan.grace);
                    stopped = Some((signal, now.saturating_duration_since(start)));
                    offering_ends = Some(now);
                    let _ = orders.send(Order::Drain);
                } else if hang_up_ends.is_none() {
                    stopped.get_or_insert((signal, length.unwrap_or_default()));
                    info!("hanging up what is still up");
                    hang_up_ends = Some(now + HANG_UP_MAX);
                    let _ = orders.send(Order::HangUp);
                }
            }
            () = sleep_until(hang_up_at.unwrap_or(start)), if hang_up_at.is_some() => {
                info!("calls are still up after {:?}: hanging them up", plan.grace);
                hang_up_ends = Some(Instant::now() + HANG_UP_MAX);
                let _ = orders.send(Order::HangUp);
            }
            () = sleep_until(hang_up_ends.unwrap_or(start)), if hang_up_ends.is_some() => {
                error!("slaves do not come to an end");
                failures.push("slaves did not come to an end".to_owned());
                break;
            }
        }
    }
    let offering = stopped.map(|(_, at)| at).or(length).unwrap_or_else(|| start.elapsed());
    Ending { signal: stopped.map(|(signal, _)| signal), offering, failures }
}

/// The rate that the plan asks for.
struct Target {
    rate: f64,
    ends: Option<Instant>,
    order: watch::Receiver<Order>,
}

impl Target {
    /// Calls per second, none once no more are offered.
    fn now(&self) -> f64 {
        let over = self.ends.is_some_and(|end| Instant::now() >= end);
        let running = matches!(*self.order.borrow(), Order::Run(_));
        if running && !over { self.rate } else { 0.0 }
    }
}

/// Puts the shards together, publishes a snapshot a second, writes the log. Returns the last snapshot, and whether the
/// log is whole.
async fn collect(
    mut collector: Collector,
    mut reports: mpsc::Receiver<Report>,
    publish: watch::Sender<Arc<Snapshot>>,
    start: Instant,
    target: Target,
    log: std::io::Result<Option<LatencyLog>>,
) -> (Arc<Snapshot>, std::io::Result<()>) {
    let (mut log, mut logged) = match log {
        Ok(log) => (log, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let mut tick = interval_at(start + TICK + COLLECT_AFTER, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut from = Duration::ZERO;
    loop {
        let over = tokio::select! {
            report = reports.recv() => match report {
                Some(Report::Shard(slave, taken, status)) => {
                    collector.add(slave, *taken, *status);
                    continue;
                }
                Some(Report::Ready(..)) => continue,
                None => true,
            },
            _ = tick.tick() => false,
        };
        let elapsed = start.elapsed().saturating_sub(if over { Duration::ZERO } else { COLLECT_AFTER });
        let interval = collector.take_interval();
        if let Some(file) = &mut log
            && let Err(error) = file.add(from, elapsed, &interval)
        {
            error!(%error, "latency.hlog cannot be written any more");
            logged = Err(error);
            log = None;
        }
        from = elapsed;
        let snapshot = collector.snapshot(elapsed, target.now());
        publish.send_replace(snapshot.clone());
        if over {
            return (snapshot, logged);
        }
    }
}

/// Writes a file so that nobody ever reads half of it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, path)
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}
