//! A run from start to end: the only place that spawns and wires.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{error, info, warn};

use crate::dispatcher::{Control, Dispatcher, RunHandles, TargetRate};
use crate::http::Http;
use crate::limits::Limits;
use crate::live;
use crate::metrics::Metrics;
use crate::plan::{Plan, ServerPlan};
use crate::prepare;
use crate::report::{CallLog, LatencyLog, Report as JsonReport, RunFacts, summary};
use crate::slave::{self, RunStage, Server, SlaveMessage, TICK};
use crate::snapshot::{Collector, FinalResults, Snapshot};
use crate::verdict::{Incidents, Signal, judge};

/// Shards that wait to be put together: each slave hands one over a second.
const REPORTS_MAX: usize = 1024;
/// Between the order to start and the first call: every slave has heard it by then.
const HEAD_START: Duration = Duration::from_millis(50);
/// The slaves' shards of a second are there so long after it.
const COLLECT_AFTER: Duration = Duration::from_millis(100);
/// How much the thread that puts figures together gives way to the others.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// Signals that wait: a third one says nothing that two did not.
const SIGNALS_MAX: usize = 4;
/// How long a task may take to be stopped, which it is at its next await.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What a run came to.
#[derive(Debug)]
pub struct RunResult {
    /// The summary, for a person.
    pub summary: String,
    /// What the program exits with.
    pub exit_code: u8,
}

/// Preflight failed: no slave can be reached.
pub const EXIT_NO_SLAVE: u8 = 3;

/// Runs a plan, and does what its operator asks for meanwhile.
///
/// # Errors
/// Something of this machine's is not to be had: a port, a folder.
pub async fn run(plan: Plan, controls: mpsc::Receiver<Control>) -> anyhow::Result<RunResult> {
    let mut signals = Signals::new()?;
    let http = match plan.http {
        Some(address) => Some(Http::bind(address).await?),
        None => None,
    };
    let mut held = None;
    if let Some(folder) = &plan.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the run folder {}", folder.display()))?;
        held = prepare::hold(&plan)?;
        // What an earlier run left there is not this one's.
        for name in ["report.json", "latency.hlog", "calls.csv"] {
            let _ = std::fs::remove_file(folder.join(name));
        }
    }
    let (servers, simulated) = servers(&plan).await?;
    let prepared = tokio::select! {
        prepared = prepare::prepare(&plan, &servers) => prepared?,
        signal = signals.next() => {
            prepare::undo_halfway(&plan, &servers).await;
            return Ok(RunResult { summary: String::new(), exit_code: signal.exit_code() });
        }
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(impossible) => return Ok(impossible),
    };
    let outcome = place_calls(plan, servers, prepared.limits.clone(), http, signals, controls).await;
    prepared.undo().await;
    for server in simulated {
        server.stop().await;
    }
    drop(held);
    outcome
}

/// Connects the slaves, lets them place the calls, and judges what came of it.
async fn place_calls(
    plan: Plan,
    servers: Vec<Server>,
    limits: Option<Arc<Limits>>,
    http: Option<Http>,
    mut signals: Signals,
    controls: mpsc::Receiver<Control>,
) -> anyhow::Result<RunResult> {
    let plan = Arc::new(plan);
    let (stages, stage) = watch::channel(RunStage::Prepare);
    let (reporting, mut reports) = mpsc::channel(REPORTS_MAX);
    let (slaves, shared, senders) = slave::slaves(&plan, servers, limits, &stage, &reporting);
    let mut tasks = JoinSet::new();
    for slave in slaves {
        tasks.spawn(slave.run());
    }
    drop((stage, reporting));

    let collector = Collector::new(&plan);
    let (publish, snapshots) = watch::channel(collector.snapshot(Duration::ZERO, 0.0));
    let web = match http {
        Some(http) => {
            info!(address = %http.address()?, "serving /metrics");
            Some(tokio::spawn(http.serve(Metrics::new(plan.clone(), snapshots.clone())?)))
        }
        None => None,
    };
    let ready = tokio::select! {
        ready = wait_until_ready(&plan, &mut reports) => ready,
        signal = signals.next() => return Ok(RunResult { summary: String::new(), exit_code: signal.exit_code() }),
    };
    if ready == 0 {
        let summary = "no slave can be reached: nothing was dialled\n".to_owned();
        return Ok(RunResult { summary, exit_code: EXIT_NO_SLAVE });
    }

    let start = Instant::now() + HEAD_START;
    let started_at = SystemTime::now() + HEAD_START;
    let live = tokio::spawn(live::show(snapshots.clone()));
    let files = Files::create(&plan, start, started_at);
    let target_rate = Arc::new(TargetRate::default());
    let collecting = collect(collector, reports, publish, start, target_rate.clone(), files);
    let handle = tokio::runtime::Handle::current();
    // On a thread of its own that gives way to the others: a second's figures take milliseconds to put together, in which
    // no call must wait.
    let collecting = tokio::task::spawn_blocking(move || {
        lower_thread_priority();
        handle.block_on(collecting)
    });
    let handles = RunHandles { tasks, shared: shared.clone(), senders, stages, controls, signals: signals.forward() };
    let ending = Dispatcher::new(plan.clone(), start, target_rate, handles).run().await;
    let ended = Instant::now();

    // It still holds its end of the reports: then the last snapshot is what is known.
    let (results, mut missing) = match timeout(STOP_MAX, collecting).await {
        Ok(collected) => collected.context("the collecting task failed")?,
        Err(_) => (Collector::new(&plan).close(snapshots.borrow().clone()), vec!["the last figures".to_owned()]),
    };
    let last = results.last.clone();
    let _ = timeout(STOP_MAX, live).await;
    if let Some(web) = web {
        web.abort();
    }
    let facts = RunFacts {
        started_at: jiff::Timestamp::try_from(started_at).unwrap_or_default(),
        duration: ended.saturating_duration_since(start),
        offering: ending.offering,
        measured: plan.schedule.measured_time(ending.offering),
        peak_concurrent: shared.slots.peak(),
    };
    let mut incidents = Incidents { signal: ending.signal, internal: ending.failures, incomplete: Vec::new() };
    incidents.incomplete.append(&mut missing);
    let mut judgement = judge(&plan, &last, &incidents);
    if let Some(folder) = &plan.out {
        let report = JsonReport::new(&plan, &facts, &results, &judgement).to_json();
        if let Err(error) = write(&folder.join("report.json"), &report) {
            incidents.incomplete.push(format!("report.json: {error}"));
            judgement = judge(&plan, &last, &incidents);
        }
    }
    Ok(RunResult { summary: summary(&plan, &facts, &results, &judgement), exit_code: judgement.exit_code })
}

/// Where each slave's server is; those that are simulated are started.
pub(crate) async fn servers(plan: &Plan) -> anyhow::Result<(Vec<Server>, Vec<fs_sim::Server>)> {
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

/// Waits for every slave's first attempt to connect. Returns how many are connected of those that place
/// this shard's calls.
async fn wait_until_ready(plan: &Plan, reports: &mut mpsc::Receiver<SlaveMessage>) -> usize {
    let placing = (0..plan.slaves.len()).filter(|slave| plan.places_calls(*slave)).count();
    let (mut ready, mut listening) = (0, 0);
    for _ in &plan.slaves {
        match reports.recv().await {
            Some(SlaveMessage::Ready(slave, Ok(info))) => {
                let name = &plan.slaves[slave].name;
                let version = info.version.as_deref().unwrap_or("of an unknown version");
                info!(slave = name, version, "connected");
                *if plan.places_calls(slave) { &mut ready } else { &mut listening } += 1;
            }
            Some(SlaveMessage::Ready(slave, Err(error))) => {
                error!(slave = plan.slaves[slave].name, %error, "cannot be used");
            }
            _ => {}
        }
    }
    if ready == 0 && listening > 0 {
        error!(
            "who is there places no calls of this process's: a slave without a weight, or another shard's, only listens"
        );
    }
    if ready > 0 && ready < placing {
        warn!("going on with {ready} of {placing} slaves: the others' calls are skipped");
    }
    ready
}

/// What is written while a run goes on.
struct Files {
    hlog: Option<LatencyLog>,
    calls: Option<CallLog>,
    /// What could not be written, and why.
    missing: Vec<String>,
}

impl Files {
    fn create(plan: &Arc<Plan>, start: Instant, started_at: SystemTime) -> Self {
        let mut files = Self { hlog: None, calls: None, missing: Vec::new() };
        if let Some(folder) = &plan.out {
            let hlog = LatencyLog::create(&folder.join("latency.hlog"), started_at);
            files.hlog = hlog.map_err(|error| files.missing.push(format!("latency.hlog: {error}"))).ok();
            let calls = CallLog::create(&folder.join("calls.csv"), plan.clone(), start);
            files.calls = calls.map_err(|error| files.missing.push(format!("calls.csv: {error}"))).ok();
        }
        files
    }

    fn add(&mut self, from: Duration, to: Duration, collector: &mut Collector) {
        let (interval, records) = (collector.take_interval(), collector.take_records());
        if let Some(Err(error)) = self.hlog.as_mut().map(|file| file.add(from, to, &interval)) {
            self.gave_up("latency.hlog", &error);
            self.hlog = None;
        }
        if let Some(Err(error)) = self.calls.as_mut().map(|file| file.add(&records)) {
            self.gave_up("calls.csv", &error);
            self.calls = None;
        }
    }

    fn gave_up(&mut self, name: &str, error: &std::io::Error) {
        error!(%error, "{name} cannot be written any more");
        self.missing.push(format!("{name}: {error}"));
    }
}

/// Puts the shards together, publishes a snapshot a second, writes what is written meanwhile. Returns everything, and what
/// could not be written.
async fn collect(
    mut collector: Collector,
    mut reports: mpsc::Receiver<SlaveMessage>,
    publish: watch::Sender<Arc<Snapshot>>,
    start: Instant,
    target_rate: Arc<TargetRate>,
    mut files: Files,
) -> (FinalResults, Vec<String>) {
    let mut tick = interval_at(start + TICK + COLLECT_AFTER, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut from = Duration::ZERO;
    loop {
        let over = tokio::select! {
            report = reports.recv() => match report {
                Some(SlaveMessage::Delta(slave, delta, status)) => {
                    collector.add(slave, *delta, *status);
                    continue;
                }
                Some(SlaveMessage::Ready(..)) => continue,
                None => true,
            },
            _ = tick.tick() => false,
        };
        let elapsed = start.elapsed().saturating_sub(if over { Duration::ZERO } else { COLLECT_AFTER });
        files.add(from, elapsed, &mut collector);
        from = elapsed;
        let snapshot = collector.snapshot(elapsed, target_rate.now());
        publish.send_replace(snapshot.clone());
        if !snapshot.is_balanced() && files.missing.is_empty() {
            files.missing.push(format!("after {elapsed:?} the calls did not add up: {:?}", snapshot.counts()));
        }
        if over {
            return (collector.close(snapshot), files.missing);
        }
    }
}

/// Has this thread run when the others do not need the processor (`nice(2)`, which on Linux is of the thread).
fn lower_thread_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "this thread does not give way");
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

    /// Hands them on as they come.
    fn forward(mut self) -> mpsc::Receiver<Signal> {
        let (sender, receiver) = mpsc::channel(SIGNALS_MAX);
        tokio::spawn(async move { while sender.send(self.next().await).await.is_ok() {} });
        receiver
    }
}
