//! Conducts a run once its slaves are ready: hands each slave its calls a moment before they are due, does what an operator
//! or a signal asks for, and brings the run to its end.
//!
//! The schedule is walked in one place, so that a change in flight meets every slave at the same call, and a closed loop
//! knows all slots. Each slave sends its calls on time by itself: nothing here is in the way of a call that is due.

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

/// Calls are handed over so long before they are due: longer than a busy machine lets a task wait. A change in flight is
/// seen that much later at the most.
const AHEAD: Duration = Duration::from_millis(100);
/// They are handed over in handfuls of so long: each one wakes a slave's task once.
const BATCH: Duration = Duration::from_millis(40);
/// In a closed loop a call has its slot, and is handed over, so long before it is due: longer than that takes, and of no
/// weight against how long calls last.
const LEAD: Duration = Duration::from_millis(5);
/// In a closed loop, a call that no slave can take is offered again after this, should nobody say that one can.
const AGAIN: Duration = Duration::from_millis(50);
/// How long hanging up may take before what is left is given up: calls that the server does not let go are lost before.
const HANG_UP_MAX: Duration = Duration::from_secs(30);
/// Commands of an operator that wait.
const CONTROLS_MAX: usize = 64;

/// What an operator can ask of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Calls per second from now on, whatever the phases say; `None` for what they say.
    Rate(Option<f64>),
    /// Concurrent calls at most.
    Limit(Option<u64>),
    /// The slaves' weights, in the plan's order.
    Weights(Vec<u64>),
    /// No calls until [`Control::Resume`]: the schedule's clock stands still.
    Pause,
    /// On with the schedule, from where it stands.
    Resume,
    /// No more calls; those that are up may end.
    Stop,
    /// Hang up every call of this run.
    HangUpAll,
}

/// Asks a run for something, see [`Control`].
#[derive(Clone, Debug)]
pub struct Operator(mpsc::Sender<Control>);

impl Operator {
    /// A command, and whether it can be obeyed.
    ///
    /// # Errors
    /// Says why it cannot be: a rate that is none, or a run that is over or does not keep up with its commands.
    pub fn ask(&self, control: Control) -> Result<(), String> {
        match &control {
            Control::Rate(Some(rate)) if !(0.0..=RATE_MAX).contains(rate) => {
                return Err(format!("{rate} is no rate: it must be from 0 to {RATE_MAX} calls per second"));
            }
            Control::Weights(weights) if RoundRobin::new(weights).is_none() => {
                return Err("these weights make no turns: one at least must be above 0".to_owned());
            }
            Control::Limit(Some(0)) => return Err("a limit of 0 is a pause: ask for that".to_owned()),
            _ => {}
        }
        self.0.try_send(control).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "too many commands wait already".to_owned(),
            mpsc::error::TrySendError::Closed(_) => "the run is over".to_owned(),
        })
    }
}

/// The channel of an operator's commands.
pub fn controls() -> (Operator, mpsc::Receiver<Control>) {
    let (operator, controls) = mpsc::channel(CONTROLS_MAX);
    (Operator(operator), controls)
}

/// What a run asks for now, for those who show it.
#[derive(Debug, Default)]
pub struct TargetRate(AtomicU64);

impl TargetRate {
    /// Calls per second; none once no more are offered, or in a pause.
    pub fn now(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, rate: f64) {
        self.0.store(rate.to_bits(), Ordering::Relaxed);
    }
}

/// How a run came to its end.
#[derive(Debug)]
pub struct RunEnd {
    /// What cut it short.
    pub signal: Option<Signal>,
    /// For how long calls were offered, without pauses.
    pub offering: Duration,
    /// What went wrong in this program.
    pub failures: Vec<String>,
}

/// What a conductor has to do with.
pub struct RunHandles {
    /// The slaves' tasks.
    pub tasks: JoinSet<()>,
    /// What they share.
    pub shared: Arc<Shared>,
    /// Where each one's calls are handed to.
    pub senders: Vec<mpsc::Sender<Vec<AssignedCall>>>,
    /// What they are told.
    pub stages: watch::Sender<RunStage>,
    /// What an operator asks for.
    pub controls: mpsc::Receiver<Control>,
    /// What this program is asked for by the system.
    pub signals: mpsc::Receiver<Signal>,
}

/// Leads a run from its first call to its last.
pub struct Dispatcher {
    plan: Arc<Plan>,
    calls: DueCalls,
    /// The schedule's beginning: later by every pause.
    start: Instant,
    paused: Option<Instant>,
    /// How long the phases are together, where they have an end.
    length: Option<Duration>,
    /// When the last call was due that was offered, in the schedule's time.
    last: Duration,
    /// How many calls have been offered, those of other shards too.
    offered: u64,
    /// Handed out at the next opportunity, by slave.
    batches: Vec<Vec<AssignedCall>>,
    /// How many calls each slave has had with each app.
    turns: Vec<Vec<u64>>,
    failover: FailoverPicker,
    /// A call that waits for its slot.
    waiting: Option<Due>,
    /// No more calls are offered from this moment on.
    ended: Option<Instant>,
    target_rate: Arc<TargetRate>,
    handles: RunHandles,
}

/// When to look at the schedule again.
enum Next {
    At(Instant),
    /// When a slot is free, or the schedule ends.
    Slot(Option<Instant>),
    Never,
}

impl Dispatcher {
    /// One for a plan, whose first call is due at `start`.
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

    /// Conducts it to its end.
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
                        self.obey(control);
                    }
                }
                Some(signal) = self.handles.signals.recv() => {
                    stopped.get_or_insert(signal);
                    if self.ended.is_none() {
                        info!("stopping: no new calls, those that are up may end within {:?}", self.plan.grace);
                        self.stop();
                    } else if hang_up_ends.is_none() {
                        info!("hanging up what is still up");
                        hang_up_ends = Some(self.hang_up());
                    }
                }
                () = sleep_until(hang_up_at.unwrap_or(self.start)), if hang_up_at.is_some() => {
                    info!("calls are still up after {:?}: hanging them up", self.plan.grace);
                    hang_up_ends = Some(self.hang_up());
                }
                () = self.handles.shared.open_calls.settled(), if ledger_counts => break,
                Some(ended) = self.handles.tasks.join_next() => {
                    let error = ended.err().map_or("it came to an end".to_owned(), |error| error.to_string());
                    error!(%error, "a slave's task failed");
                    failures.push(format!("a slave's task failed: {error}"));
                    // Its calls will never be accounted for.
                    self.stop();
                    hang_up_ends.get_or_insert_with(|| self.hang_up());
                }
                () = sleep_until(hang_up_ends.unwrap_or(self.start)), if hang_up_ends.is_some() => {
                    error!("slaves do not come to an end");
                    failures.push("slaves did not come to an end".to_owned());
                    break;
                }
            }
        }
        let offering = self.ended.map_or(Duration::ZERO, |ended| ended.saturating_duration_since(self.start));
        self.finish(&mut failures).await;
        RunEnd { signal: stopped, offering, failures }
    }

    /// Lets the slaves look whether anything is left, and end.
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

    /// Hands out what is due before long. Returns when to do so again.
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
            self.hand(&due, at, due.slave, false);
        }
        let waiting = self.batches.iter().any(|batch| !batch.is_empty());
        match self.calls.next_at() {
            None => self.over_at(now),
            Some(_) if waiting => Next::At(now + BATCH),
            Some(at) => match self.start.checked_add(at) {
                Some(at) => Next::At((at - AHEAD).max(now) + BATCH),
                None => Next::Never,
            },
        }
    }

    /// A closed loop: a call is due when the schedule says so and there is a slot for it, whatever comes last.
    fn dispatch_by_slots(&mut self, now: Instant) -> Next {
        loop {
            let elapsed = now.saturating_duration_since(self.start);
            if self.length.is_some_and(|length| elapsed >= length) {
                return self.over_at(now);
            }
            let waited = self.waiting.is_some();
            let due = match self.waiting.take().or_else(|| self.calls.next_before(elapsed + LEAD)) {
                Some(due) => due,
                None => {
                    return match self.calls.next_at().map(|at| self.start.checked_add(at)) {
                        None => self.over_at(now),
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
                None => Next::Slot(Some(now + AGAIN)),
                Some(_) if !self.handles.shared.slots.take() => Next::Slot(self.end()),
                Some(slave) => {
                    // What has not waited is due when the schedule says so, also where this machine is late for it:
                    // every call's little lateness would add up to a lower rate.
                    if waited {
                        self.calls.delay_to(elapsed);
                    }
                    let at = self.start + due.at;
                    let at = if waited { at.max(now) } else { at };
                    self.last = at.saturating_duration_since(self.start);
                    self.hand(&due, at, slave, true);
                    continue;
                }
            };
            self.waiting = Some(due);
            return next;
        }
    }

    /// The slave that a call was assigned to; another one where it cannot place it and may be stood in for.
    fn slave_with_room(&mut self, due: &Due) -> Option<usize> {
        let slave_states = &self.handles.shared.slave_states;
        let down = !slave_states.is_up(due.slave);
        if down && !self.plan.redistribute {
            // It skips the call, and counts it.
            return Some(due.slave);
        }
        match down || slave_states.is_full(due.slave) {
            true => self.failover.next(slave_states, due.slave),
            false => Some(due.slave),
        }
    }

    fn hand(&mut self, due: &Due, at: Instant, slave: usize, has_slot: bool) {
        if !self.plan.shard.owns(due.slave) {
            return;
        }
        let turn = &mut self.turns[due.slave][due.app];
        let target = self.plan.calls.apps[due.app].targets.of(*turn);
        *turn += 1;
        // At a ramp's own rate, calls at its beginning would last for hours.
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
        self.handles.shared.open_calls.open(1);
    }

    fn send_batches(&mut self) {
        for (sender, batch) in self.handles.senders.iter().zip(&mut self.batches) {
            if !batch.is_empty()
                && let Err(error) = sender.try_send(std::mem::take(batch))
            {
                // A slave that is that far behind gets them later.
                *batch = error.into_inner();
            }
        }
    }

    /// There are no more calls: the offering lasts to the schedule's end.
    fn over_at(&mut self, now: Instant) -> Next {
        let exhausted = self.plan.schedule.max_offered.is_some_and(|max| self.offered >= max);
        let end = match (exhausted, self.end()) {
            // With so many calls as there may be, it ends one gap behind the last one; calls of a burst have one each too.
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
            // Nothing moves it on at the moment, as when the rate was set to 0.
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

    /// When the schedule ends, as things stand.
    fn end(&self) -> Option<Instant> {
        self.length.and_then(|length| self.start.checked_add(length))
    }

    fn publish_target_rate(&self) {
        let on = self.ended.is_none() && self.paused.is_none();
        self.target_rate.set(if on { self.calls.rate_at(self.start.elapsed()) * self.plan.share() } else { 0.0 });
    }

    fn obey(&mut self, control: Control) {
        info!(?control, "asked for");
        let now = Instant::now();
        // While the schedule's clock stands still, it is as late as it was when that began.
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
                    warn!("{} weights were given for {} slaves: nothing changes", weights.len(), self.plan.slaves.len())
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

    /// No more calls.
    fn stop(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(self.paused.take().unwrap_or_else(Instant::now));
            self.drop_batches();
            self.handles.senders.clear();
            let _ = self.handles.stages.send(RunStage::Drain);
        }
    }

    /// What was to be handed out and never will be.
    fn drop_batches(&mut self) {
        for (slave, batch) in self.batches.iter_mut().enumerate() {
            for call in std::mem::take(batch) {
                if call.has_slot {
                    self.handles.shared.slave_states.release(slave);
                    self.handles.shared.slots.give_back();
                }
                self.handles.shared.open_calls.settle(1);
            }
        }
    }

    /// Hangs up. Returns when that has to be over.
    fn hang_up(&mut self) -> Instant {
        self.stop();
        let _ = self.handles.stages.send(RunStage::HangUp);
        Instant::now() + HANG_UP_MAX
    }
}
