//! The story of a run: prepare the servers, connect the slaves, place the calls, collect the figures, finish the outputs.
//! The only place that spawns tasks and wires them together.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{error, info, warn};

use crate::engine::dispatcher::{Control, Dispatcher, RunEnd, RunHandles, TargetRate};
use crate::engine::slave::{self, RunStage, SlaveMessage, TICK};
use crate::exit::{CommandResult, Exit};
use crate::measure::{Collector, FinalResults, Snapshot};
use crate::output::{FinishedRun, OutputOptions, Outputs, PhaseFacts, RunFacts, RunStart, SlaveFacts, Update};
use crate::plan::{Mode, Plan};
use crate::preflight::prepare;
use crate::server::{self, RaisedLimit, Server};
use crate::signals::{Signal, Signals};
use crate::verdict::Incidents;

/// Messages of the slaves that wait for the collector: each slave sends one a second.
const MESSAGES_MAX: usize = 1024;
/// From the start signal to the first call: by then every slave has received the signal.
const HEAD_START: Duration = Duration::from_millis(50);
/// How long after the end of a second its figures have arrived from all slaves.
const COLLECT_AFTER: Duration = Duration::from_millis(100);
/// The niceness of the thread that collects the figures.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// How long the collector may take to end when the slaves have.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Runs a plan and obeys the operator's controls meanwhile.
///
/// # Errors
/// This machine refuses something that the run needs: a port, the run folder.
pub async fn run(plan: Plan, controls: mpsc::Receiver<Control>) -> anyhow::Result<CommandResult> {
    let mut signals = Signals::new()?;
    let mut lock = None;
    if let Some(folder) = &plan.out {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the run folder {}", folder.display()))?;
        lock = prepare::lock(&plan)?;
    }
    let collector = Collector::new(plan.dimensions());
    let outputs = Outputs::create(&OutputOptions {
        folder: plan.out.clone(),
        http: plan.http,
        names: plan.names.clone(),
        thresholds: plan.thresholds.clone().into(),
        first: collector.snapshot(Duration::ZERO, 0.0),
    })?;
    let servers = server::start(&plan).await?;
    let prepared = tokio::select! {
        prepared = prepare::prepare(&plan, &servers.servers) => prepared?,
        signal = signals.next() => {
            prepare::undo_halfway(&plan, &servers.servers).await;
            return Ok(cut_short(signal));
        }
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(failed) => return Ok(failed),
    };
    let raised = (0..plan.slaves.len()).map(|slave| prepared.raised_limits(slave)).collect();
    let run = Run { plan: Arc::new(plan), collector, outputs, signals, controls };
    let result = run.place_calls(servers.servers.clone(), raised).await;
    prepared.undo().await;
    servers.stop().await;
    drop(lock);
    result
}

fn cut_short(signal: Signal) -> CommandResult {
    CommandResult { summary: String::new(), exit: Exit::Signal(signal) }
}

/// A run whose servers are prepared.
struct Run {
    plan: Arc<Plan>,
    collector: Collector,
    outputs: Outputs,
    signals: Signals,
    controls: mpsc::Receiver<Control>,
}

impl Run {
    /// Connects the slaves, lets them place the calls, and judges the result.
    async fn place_calls(self, servers: Vec<Server>, raised: Vec<Vec<RaisedLimit>>) -> anyhow::Result<CommandResult> {
        let Self { plan, collector, mut outputs, mut signals, controls } = self;
        let (stages, stage) = watch::channel(RunStage::Prepare);
        let (sender, mut messages) = mpsc::channel(MESSAGES_MAX);
        let (slaves, shared, senders) = slave::slaves(&plan, servers, raised, &stage, &sender);
        let mut tasks = JoinSet::new();
        for slave in slaves {
            tasks.spawn(slave.run());
        }
        drop((stage, sender));
        let connected = tokio::select! {
            connected = wait_until_connected(&plan, &mut messages) => connected,
            signal = signals.next() => return Ok(cut_short(signal)),
        };
        if connected == 0 {
            let summary = "no slave can be reached; no call was placed\n".to_owned();
            return Ok(CommandResult { summary, exit: Exit::PreflightFailed });
        }

        let start = RunStart { at: Instant::now() + HEAD_START, wall_clock: SystemTime::now() + HEAD_START };
        outputs.start(&start);
        let target_rate = Arc::new(TargetRate::default());
        let stop = Arc::new(Notify::new());
        let collecting = Collecting {
            collector,
            messages,
            start: start.at,
            target_rate: target_rate.clone(),
            outputs,
            stop: stop.clone(),
        };
        let mut collecting = collecting.spawn();
        let handles =
            RunHandles { tasks, shared: shared.clone(), senders, stages, controls, signals: signals.forward() };
        let end = Dispatcher::new(plan.clone(), start.at, target_rate, handles).run().await;
        let ended = Instant::now();

        let mut incidents = Incidents { signal: end.signal, internal: end.failures.clone(), incomplete: Vec::new() };
        let collected = match timeout(STOP_MAX, &mut collecting).await {
            Ok(collected) => collected,
            // A slave's task that does not end still holds its end of the channel.
            Err(_) => {
                incidents.incomplete.push("the last results of a slave are missing".to_owned());
                stop.notify_one();
                collecting.await
            }
        };
        let Collected { results, outputs, mut incomplete } = collected.context("the collecting task failed")?;
        incidents.incomplete.append(&mut incomplete);
        let facts = facts(&plan, &end, &start, ended, shared.slots.peak());
        let mut run = FinishedRun::new(plan.names.clone(), facts, results, plan.thresholds.clone().into(), incidents);
        let summary = outputs.finish(&mut run);
        Ok(CommandResult { summary, exit: run.judgement.exit })
    }
}

fn facts(plan: &Plan, end: &RunEnd, start: &RunStart, ended: Instant, peak_concurrent: u64) -> RunFacts {
    let schedule = &plan.schedule;
    let spans = schedule.spans().map(|(from, to)| to.unwrap_or(end.offering).min(end.offering).saturating_sub(from));
    let phases = schedule.phases.iter().zip(spans);
    let slaves = plan.slaves.iter().enumerate();
    let target = match plan.mode {
        Mode::Skip => schedule.mean_rate_measured(end.offering),
        Mode::Wait => schedule.mean_rate_measured_closed(end.offering),
    };
    RunFacts {
        id: plan.run_id.to_string(),
        seed: schedule.seed,
        shard: Some(plan.shard).filter(|shard| shard.count > 1).map(|shard| shard.to_string()),
        has_end: schedule.has_end(),
        started_at: jiff::Timestamp::try_from(start.wall_clock).unwrap_or_default(),
        duration: ended.saturating_duration_since(start.at),
        offering: end.offering,
        measured: schedule.measured_time(end.offering),
        target_cps: target.map(|rate| rate * plan.share()),
        peak_concurrent,
        has_audio: plan.calls.apps.iter().any(|app| app.script.has_audio()),
        phases: phases.map(|(phase, offering)| PhaseFacts { measured: phase.measured, offering }).collect(),
        slaves: slaves
            .map(|(index, slave)| SlaveFacts { is_own: plan.shard.owns(index), keep_awake: slave.keep_awake.period() })
            .collect(),
    }
}

/// Waits for every slave's first attempt to connect. Returns how many of the slaves that place this shard's calls are
/// connected.
async fn wait_until_connected(plan: &Plan, messages: &mut mpsc::Receiver<SlaveMessage>) -> usize {
    let placing = (0..plan.slaves.len()).filter(|slave| plan.places_calls(*slave)).count();
    let (mut connected, mut listening) = (0, 0);
    for _ in &plan.slaves {
        match messages.recv().await {
            Some(SlaveMessage::Ready(slave, Ok(info))) => {
                let name = &plan.names.slaves[slave];
                let version = info.version.as_deref().unwrap_or("unknown");
                info!(slave = name, version, "connected");
                *if plan.places_calls(slave) { &mut connected } else { &mut listening } += 1;
            }
            Some(SlaveMessage::Ready(slave, Err(error))) => {
                error!(slave = plan.names.slaves[slave], %error, "not usable");
            }
            _ => {}
        }
    }
    if connected == 0 && listening > 0 {
        error!(
            "the connected slaves place no calls of this process: their weight is 0, or they belong to another shard"
        );
    }
    if connected > 0 && connected < placing {
        warn!("{connected} of {placing} slaves are connected: the calls of the others are skipped");
    }
    connected
}

/// Collects the figures of the slaves while the run lasts, and hands them to the outputs once a second.
struct Collecting {
    collector: Collector,
    messages: mpsc::Receiver<SlaveMessage>,
    start: Instant,
    target_rate: Arc<TargetRate>,
    outputs: Outputs,
    /// Notified to end the collection although slaves have not ended.
    stop: Arc<Notify>,
}

/// The figures of a run, and the outputs that they were handed to.
struct Collected {
    results: FinalResults,
    outputs: Outputs,
    /// What is missing in them, and why.
    incomplete: Vec<String>,
}

impl Collecting {
    /// Runs on a thread of its own with a lower priority: adding up a second's figures takes milliseconds, and no call
    /// must wait for it.
    fn spawn(self) -> tokio::task::JoinHandle<Collected> {
        let handle = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            lower_thread_priority();
            handle.block_on(self.run())
        })
    }

    async fn run(mut self) -> Collected {
        let mut tick = interval_at(self.start + TICK + COLLECT_AFTER, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut from = Duration::ZERO;
        let mut unbalanced = None;
        loop {
            let ended = tokio::select! {
                message = self.messages.recv() => match message {
                    Some(SlaveMessage::Delta(slave, delta, status)) => {
                        self.collector.add(slave, *delta, *status);
                        continue;
                    }
                    Some(SlaveMessage::Ready(..)) => continue,
                    None => true,
                },
                _ = tick.tick() => false,
                () = self.stop.notified() => true,
            };
            let to = self.start.elapsed().saturating_sub(if ended { Duration::ZERO } else { COLLECT_AFTER });
            let snapshot = self.update(from, to);
            from = to;
            if !snapshot.is_balanced() && unbalanced.is_none() {
                unbalanced = Some(format!("after {to:?} the calls did not add up: {:?}", snapshot.counts()));
            }
            if ended {
                let incomplete = self.outputs.failures().iter().cloned().chain(unbalanced).collect();
                return Collected { results: self.collector.close(snapshot), outputs: self.outputs, incomplete };
            }
        }
    }

    fn update(&mut self, from: Duration, to: Duration) -> Arc<Snapshot> {
        let (interval, records) = (self.collector.take_interval(), self.collector.take_records());
        let snapshot = self.collector.snapshot(to, self.target_rate.now());
        self.outputs.update(&Update { from, to, snapshot: &snapshot, interval: &interval, records: &records });
        snapshot
    }
}

/// Has this thread run when no other needs the processor (`nice(2)`, which on Linux applies to the thread).
fn lower_thread_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "cannot lower the collecting thread's priority");
    }
}
