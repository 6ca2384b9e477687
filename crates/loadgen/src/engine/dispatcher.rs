//! Dispatches the schedule: assigns each slave its calls a moment before they are due, obeys the operator and signals,
//! and ends the run.
//!
//! The schedule is walked in one place, so that a change while the run lasts applies from the same call on at every
//! slave, and a closed loop sees all slots. Each slave sends its calls on time by itself: a call that is due never
//! waits for the dispatcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::engine::precise_timer::PreciseTimer;
use crate::engine::slave::{AssignedCall, FailoverPicker, RunStage, Shared};
use crate::measure::Labels;
use crate::plan::{Mode, Placement, Plan, RATE_MAX};
use crate::schedule::{Arrivals, Due, DueCalls, RoundRobin};
use crate::signals::Signal;

/// How long before they are due calls are assigned: longer than a busy machine keeps a task waiting. A change of the
/// rate takes effect at most this much later.
const AHEAD: Duration = Duration::from_millis(100);
/// The interval between two batches of calls. Each batch wakes a slave's task once.
const BATCH: Duration = Duration::from_millis(40);
/// In a closed loop, how long before it is due a call takes its slot and is assigned: longer than assigning takes, and
/// short against the hold times.
const LEAD: Duration = Duration::from_millis(5);
/// In a closed loop, how long after a call could not be assigned to any slave it is tried again, unless a slot is freed
/// before.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// How long hanging up may take before the run ends anyway. Calls that a server does not release are counted as lost
/// before that.
const HANG_UP_MAX: Duration = Duration::from_secs(30);
/// Commands of an operator that may wait for the dispatcher.
const CONTROLS_MAX: usize = 64;

/// What an operator can change about a run that is under way.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Calls per second from now on, instead of the phases' rates; `None` for the phases' rates again.
    Rate(Option<f64>),
    /// Concurrent calls at most.
    Limit(Option<u64>),
    /// The slaves' weights, in the plan's order.
    Weights(Vec<u64>),
    /// Places no calls until [`Control::Resume`]. The schedule's clock stands still.
    Pause,
    /// Continues the schedule from where it was paused.
    Resume,
    /// Places no more calls. Calls that are up may end.
    Stop,
    /// Hangs up every call of the run.
    HangUpAll,
}

/// Sends a [`Control`] to a run.
#[derive(Clone, Debug)]
pub struct Operator(mpsc::Sender<Control>);

impl Operator {
    /// Queues a command.
    ///
    /// # Errors
    /// A value out of range, a run that has ended, or a queue that is full.
    pub fn ask(&self, control: Control) -> Result<(), String> {
        match &control {
            Control::Rate(Some(rate)) if !(0.0..=RATE_MAX).contains(rate) => {
                return Err(format!("invalid rate {rate}: expected 0 to {RATE_MAX} calls per second"));
            }
            Control::Weights(weights) if RoundRobin::new(weights).is_none() => {
                return Err("invalid weights: at least one weight must be above 0".to_owned());
            }
            Control::Limit(Some(0)) => {
                return Err("invalid limit 0: expected at least 1; use a pause to place no calls".to_owned());
            }
            _ => {}
        }
        self.0.try_send(control).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "too many commands are waiting".to_owned(),
            mpsc::error::TrySendError::Closed(_) => "the run has ended".to_owned(),
        })
    }
}

/// The channel from an operator to a run.
pub fn controls() -> (Operator, mpsc::Receiver<Control>) {
    let (operator, controls) = mpsc::channel(CONTROLS_MAX);
    (Operator(operator), controls)
}

/// The rate that is asked for at the moment.
#[derive(Debug, Default)]
pub struct TargetRate(AtomicU64);

impl TargetRate {
    /// Calls per second; 0 during a pause, and once no more calls are placed.
    pub fn now(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, rate: f64) {
        self.0.store(rate.to_bits(), Ordering::Relaxed);
    }
}

/// The end of a run, as the dispatcher saw it.
#[derive(Debug)]
pub struct RunEnd {
    /// The signal that cut the run short.
    pub signal: Option<Signal>,
    /// How long calls were offered, without pauses.
    pub offering: Duration,
    /// Errors of this program.
    pub failures: Vec<String>,
}

/// The handles through which the dispatcher reaches the rest of a run.
pub struct RunHandles {
    /// The slaves' tasks.
    pub tasks: JoinSet<()>,
    /// What the slaves' tasks share.
    pub shared: Arc<Shared>,
    /// Where each slave's calls are sent, in the plan's order.
    pub senders: Vec<mpsc::Sender<Vec<AssignedCall>>>,
    /// The stage of the run, which every slave's task watches.
    pub stages: watch::Sender<RunStage>,
    /// Commands of the operator.
    pub controls: mpsc::Receiver<Control>,
    /// Signals of the operating system.
    pub signals: mpsc::Receiver<Signal>,
}

/// Walks a run's schedule from its first call to its last.
pub struct Dispatcher {
    plan: Arc<Plan>,
    calls: DueCalls,
    /// The start of the schedule, moved on by every pause.
    start: Instant,
    paused: Option<Instant>,
    /// The length of all phases together, where they have an end.
    length: Option<Duration>,
    /// When the last call that was offered was due, from the schedule's start.
    last: Duration,
    /// How many calls have been offered, other shards' included.
    offered: u64,
    /// Calls that are assigned with the next batch, by slave.
    batches: Vec<Vec<AssignedCall>>,
    /// How many calls each slave has had with each app.
    turns: Vec<Vec<u64>>,
    failover: FailoverPicker,
    /// A call of a closed loop that waits for a slot.
    waiting: Option<Due>,
    /// When the offering of calls ended.
    ended: Option<Instant>,
    target_rate: Arc<TargetRate>,
    handles: RunHandles,
}

/// When to look at the schedule again.
enum Next {
    At(Instant),
    /// When a slot is freed; at the latest at this time.
    Slot(Option<Instant>),
    Never,
}

impl Dispatcher {
    /// A dispatcher for a plan whose first call is due at `start`.
    pub fn new(plan: Arc<Plan>, start: Instant, target_rate: Arc<TargetRate>, handles: RunHandles) -> Self {
        Self {
            calls: plan.schedule.calls(),
            start,
            paused: None,
            length: plan.schedule.duration(),
            last: Duration::ZERO,
            offered: 0,
            batches: vec![Vec::new(); plan.slaves.len()],
            turns: vec![vec![0; plan.calls.apps.len()]; plan.slaves.len()],
            failover: FailoverPicker::default(),
            waiting: None,
            ended: None,
            target_rate,
            handles,
            plan,
        }
    }

    /// Runs the schedule to its end, and waits until every call is accounted for.
    pub async fn run(mut self) -> RunEnd {
        let mut stopped: Option<Signal> = None;
        let mut failures = Vec::new();
        let mut hang_up_ends: Option<Instant> = None;
        let mut timer = PreciseTimer::new();
        let _ = self.handles.stages.send(RunStage::Run(self.start));
        loop {
            let next = if self.ended.is_none() { self.dispatch_due() } else { Next::Never };
            self.publish_target_rate();
            let at = match next {
                Next::At(at) => Some(at),
                Next::Slot(end) => end,
                Next::Never => None,
            };
            let hang_up_at = self.ended.filter(|_| hang_up_ends.is_none()).map(|end| end + self.plan.grace);
            let ledger_counts = self.ended.is_some();
            tokio::select! {
                () = timer.until(at.unwrap_or(self.start)), if at.is_some() => {}
                () = self.handles.shared.slots.freed(), if matches!(next, Next::Slot(_)) => {}
                Some(control) = self.handles.controls.recv() => {
                    if let Control::HangUpAll = control {
                        hang_up_ends.get_or_insert_with(|| self.hang_up());
                    } else {
                        self.apply(control);
                    }
                }
                Some(signal) = self.handles.signals.recv() => {
                    stopped.get_or_insert(signal);
                    if self.ended.is_none() {
                        info!("stopping: no new calls; active calls have {:?} to end", self.plan.grace);
                        self.stop();
                    } else if hang_up_ends.is_none() {
                        info!("hanging up all calls");
                        hang_up_ends = Some(self.hang_up());
                    }
                }
                () = sleep_until(hang_up_at.unwrap_or(self.start)), if hang_up_at.is_some() => {
                    info!("calls are still up {:?} after the end: hanging them up", self.plan.grace);
                    hang_up_ends = Some(self.hang_up());
                }
                () = self.handles.shared.open_calls.none_left(), if ledger_counts => break,
                Some(ended) = self.handles.tasks.join_next() => {
                    let error = ended.err().map_or("it ended early".to_owned(), |error| error.to_string());
                    error!(%error, "a slave's task failed");
                    failures.push(format!("a slave's task failed: {error}"));
                    // The calls of the failed task will never be accounted for.
                    self.stop();
                    hang_up_ends.get_or_insert_with(|| self.hang_up());
                }
                () = sleep_until(hang_up_ends.unwrap_or(self.start)), if hang_up_ends.is_some() => {
                    error!("not all calls are accounted for after hanging up");
                    failures.push("not all calls were accounted for after hanging up".to_owned());
                    break;
                }
            }
        }
        let offering = self.ended.map_or(Duration::ZERO, |ended| ended.saturating_duration_since(self.start));
        self.finish(&mut failures).await;
        RunEnd { signal: stopped, offering, failures }
    }

    /// Lets the slaves look for channels that are left, and end.
    async fn finish(&mut self, failures: &mut Vec<String>) {
        let _ = self.handles.stages.send(RunStage::Finish);
        let all = async {
            while let Some(ended) = self.handles.tasks.join_next().await {
                if let Err(error) = ended {
                    error!(%error, "a slave's task failed");
                    failures.push(format!("a slave's task failed: {error}"));
                }
            }
        };
        if tokio::time::timeout(HANG_UP_MAX, all).await.is_err() {
            error!("a slave's task does not end");
            failures.push("a slave's task did not end".to_owned());
            let _ = tokio::time::timeout(Duration::from_secs(5), self.handles.tasks.shutdown()).await;
        }
    }

    /// Assigns the calls that are due soon. Returns when to do so again.
    fn dispatch_due(&mut self) -> Next {
        let now = Instant::now();
        if self.paused.is_some() {
            return Next::Never;
        }
        let next = match self.plan.mode {
            Mode::Skip => self.dispatch_ahead(now),
            Mode::Wait => self.dispatch_by_slots(now),
        };
        self.send_batches();
        next
    }

    fn dispatch_ahead(&mut self, now: Instant) -> Next {
        let until = (now + AHEAD).saturating_duration_since(self.start);
        while let Some(due) = self.calls.next_before(until) {
            (self.offered, self.last) = (due.attempt + 1, due.at);
            let at = self.start + due.at;
            self.assign(&due, at, due.slave, false);
        }
        let waiting = self.batches.iter().any(|batch| !batch.is_empty());
        match self.calls.next_at() {
            None => self.end_at(now),
            Some(_) if waiting => Next::At(now + BATCH),
            Some(at) => match self.start.checked_add(at) {
                Some(at) => Next::At((at - AHEAD).max(now) + BATCH),
                None => Next::Never,
            },
        }
    }

    /// A closed loop: a call is due when both the schedule and a free slot allow it.
    fn dispatch_by_slots(&mut self, now: Instant) -> Next {
        loop {
            let elapsed = now.saturating_duration_since(self.start);
            if self.length.is_some_and(|length| elapsed >= length) {
                return self.end_at(now);
            }
            let waited = self.waiting.is_some();
            let due = match self.waiting.take().or_else(|| self.calls.next_before(elapsed + LEAD)) {
                Some(due) => due,
                None => {
                    return match self.calls.next_at().map(|at| self.start.checked_add(at)) {
                        None => self.end_at(now),
                        Some(Some(at)) => Next::At((at - LEAD).max(now)),
                        Some(None) => Next::Never,
                    };
                }
            };
            self.offered = due.attempt + 1;
            if !self.plan.shard.owns(due.slave) {
                continue;
            }
            let next = match self.slave_with_room(&due) {
                None => Next::Slot(Some(now + RETRY_AFTER)),
                Some(_) if !self.handles.shared.slots.take() => Next::Slot(self.end()),
                Some(slave) => {
                    // A call that did not wait for a slot is due when the schedule says, even where this machine is
                    // late for it: the delays would add up to a lower rate.
                    if waited {
                        self.calls.delay_to(elapsed);
                    }
                    let at = self.start + due.at;
                    let at = if waited { at.max(now) } else { at };
                    self.last = at.saturating_duration_since(self.start);
                    self.assign(&due, at, slave, true);
                    continue;
                }
            };
            self.waiting = Some(due);
            return next;
        }
    }

    /// The slave that a call is assigned to: its own, or another where its own cannot place it and failover is allowed.
    fn slave_with_room(&mut self, due: &Due) -> Option<usize> {
        let slave_states = &self.handles.shared.slave_states;
        let down = !slave_states.is_up(due.slave);
        if down && !self.plan.redistribute {
            // The slave skips the call, and counts it.
            return Some(due.slave);
        }
        match down || slave_states.is_full(due.slave) {
            true => self.failover.next(slave_states, due.slave),
            false => Some(due.slave),
        }
    }

    fn assign(&mut self, due: &Due, at: Instant, slave: usize, has_slot: bool) {
        if !self.plan.shard.owns(due.slave) {
            return;
        }
        let turn = &mut self.turns[due.slave][due.app];
        let target = self.plan.calls.apps[due.app].targets.of(*turn);
        *turn += 1;
        // At the rate at the start of a ramp, calls would last for hours.
        let rate = self.calls.rate_max_at(due.at);
        if has_slot {
            self.handles.shared.slave_states.reserve(slave);
        }
        let call = Placement {
            attempt: due.attempt,
            due: at,
            labels: Labels { phase: due.phase as u16, app: due.app as u16, target },
            hold: self.plan.hold.of(self.plan.schedule.seed, due.attempt, rate, self.handles.shared.slots.max()),
        };
        self.batches[slave].push(AssignedCall { has_slot, ..AssignedCall::new(call) });
        self.handles.shared.open_calls.add(1);
    }

    fn send_batches(&mut self) {
        for (sender, batch) in self.handles.senders.iter().zip(&mut self.batches) {
            if !batch.is_empty()
                && let Err(error) = sender.try_send(std::mem::take(batch))
            {
                // The slave is far behind: it gets the batch later.
                *batch = error.into_inner();
            }
        }
    }

    /// No calls are left: the offering lasts until the schedule's end.
    fn end_at(&mut self, now: Instant) -> Next {
        let exhausted = self.plan.schedule.max_offered.is_some_and(|max| self.offered >= max);
        let end = match (exhausted, self.end()) {
            // With `max_offered`, the offering ends one mean gap after the last call; a burst has one gap for each of
            // its calls.
            (true, end) => {
                let gaps = match self.plan.schedule.arrivals {
                    Arrivals::Burst(size) => (self.offered.max(1) - 1) % size + 1,
                    Arrivals::Constant | Arrivals::Poisson | Arrivals::Uniform => 1,
                };
                let gap = gaps as f64 / self.calls.rate_at(self.last);
                let gap = Duration::try_from_secs_f64(gap).unwrap_or_default();
                let after = self.start + self.last + gap;
                end.map_or(after, |end| end.min(after))
            }
            (false, Some(end)) => end,
            // The schedule does not advance at the moment, as with a rate of 0.
            (false, None) => return Next::Never,
        };
        if now < end {
            return Next::At(end);
        }
        if self.batches.iter().any(|batch| !batch.is_empty()) {
            return Next::At(now + BATCH);
        }
        self.ended = Some(end);
        self.handles.senders.clear();
        Next::Never
    }

    /// The end of the schedule as it is now.
    fn end(&self) -> Option<Instant> {
        self.length.and_then(|length| self.start.checked_add(length))
    }

    fn publish_target_rate(&self) {
        let on = self.ended.is_none() && self.paused.is_none();
        self.target_rate.set(if on { self.calls.rate_at(self.start.elapsed()) * self.plan.share() } else { 0.0 });
    }

    fn apply(&mut self, control: Control) {
        info!(?control, "operator command");
        let now = Instant::now();
        // During a pause the schedule's clock shows the time at which the pause began.
        let at = (self.paused.unwrap_or(now) + AHEAD).saturating_duration_since(self.start);
        match control {
            Control::Rate(rate) => self.calls.set_rate(at, rate),
            Control::Limit(limit) => self.handles.shared.slots.set_max(limit),
            Control::Weights(weights) => match RoundRobin::new(&weights) {
                Some(turns) if weights.len() == self.plan.slaves.len() => {
                    self.handles.shared.slave_states.set_weights(&weights);
                    self.calls.set_slaves(turns);
                }
                _ => {
                    warn!("{} weights for {} slaves: weights unchanged", weights.len(), self.plan.slaves.len())
                }
            },
            Control::Pause | Control::Resume if self.ended.is_some() => {}
            Control::Pause => {
                self.paused.get_or_insert(now);
            }
            Control::Resume => {
                if let Some(since) = self.paused.take() {
                    self.start += now.saturating_duration_since(since.max(self.start));
                }
            }
            Control::Stop => self.stop(),
            Control::HangUpAll => {}
        }
    }

    /// Ends the offering of calls.
    fn stop(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(self.paused.take().unwrap_or_else(Instant::now));
            self.drop_batches();
            self.handles.senders.clear();
            let _ = self.handles.stages.send(RunStage::Drain);
        }
    }

    /// Drops the calls that were to be assigned with the next batch.
    fn drop_batches(&mut self) {
        for (slave, batch) in self.batches.iter_mut().enumerate() {
            for call in std::mem::take(batch) {
                if call.has_slot {
                    self.handles.shared.slave_states.release(slave);
                    self.handles.shared.slots.release();
                }
                self.handles.shared.open_calls.remove(1);
            }
        }
    }

    /// Hangs up every call. Returns when that has to be over.
    fn hang_up(&mut self) -> Instant {
        self.stop();
        let _ = self.handles.stages.send(RunStage::HangUp);
        Instant::now() + HANG_UP_MAX
    }
}
