//! The task that owns the changing state of a slave: its connections, the calls to be sent, the calls that are up, and
//! its figures.

mod connect;
mod event_probe;
mod far_legs;
mod leg_commands;
mod placing;
mod resync;

use std::sync::Arc;
use std::time::Duration;

use esl_core::{Command, Error, EventName, HangupCause};
use tokio::sync::{mpsc, watch};
use tokio::task::unconstrained;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, trace};

use connect::Connecting;
use event_probe::ProbeState;
use far_legs::FarLegs;
use resync::UnconfirmedCalls;

use super::active_calls::ActiveCalls;
use super::call_event::{self, CallEvent};
use super::connection::{Incoming, Purpose, SlaveConnection};
use super::failover::FailoverPicker;
use super::originator::{Offer, Originator};
use super::shared::{PeerMessage, Shared};
use super::{AssignedCall, RunStage, SlaveMessage, TICK};
use crate::apps::script::Side;
use crate::engine::call::{Call, HangupReason, NearLegEvent, Transition};
use crate::engine::precise_timer::PreciseTimer;
use crate::measure::{Outcome, Refusal, SlaveRecorder, SlaveStatus};
use crate::plan::{FarLegMatch, Plan, marks};
use crate::server::{RaisedLimit, Server};

/// Events that are handled before the schedule is looked at again.
const EVENTS_AT_ONCE: usize = 64;
/// A call that is sent later than this after it was due, without waiting for the server or the ceiling, counts against
/// the run.
const LATE: Duration = Duration::from_millis(100);
/// Messages of other slaves that are handled before the listener is looked at again.
const PEER_MESSAGES_AT_ONCE: usize = 64;
/// Batches of calls that may wait for a slave's task: one comes every 40 ms, and further ones wait at the dispatcher.
const BATCHES_MAX: usize = 256;
/// One slave's task, see [`SlaveTask::run`].
pub struct SlaveTask {
    index: usize,
    name: String,
    plan: Arc<Plan>,
    server: Server,
    shared: Arc<Shared>,
    /// The limits of its server that were raised for this run.
    raised: Vec<RaisedLimit>,
    stages: watch::Receiver<RunStage>,
    /// The calls that the dispatcher assigns to this slave.
    assigned: mpsc::Receiver<Vec<AssignedCall>>,
    inbox: mpsc::Receiver<PeerMessage>,
    messages: mpsc::Sender<SlaveMessage>,

    connection: Option<SlaveConnection>,
    connecting: Option<Connecting>,
    /// How often connecting has failed in a row.
    failures: u32,
    originator: Option<Originator>,
    failover: FailoverPicker,
    calls: ActiveCalls,
    /// The far legs on this slave's server, of its own calls and of other slaves'.
    far_legs: FarLegs,
    /// Calls of which it is not known whether they still exist.
    unconfirmed: UnconfirmedCalls,
    recorder: SlaveRecorder,
    status: SlaveStatus,
    probing: ProbeState,
    /// Whether every call is being hung up.
    hanging_up: bool,
    /// Whether calls were given up whose channels may still appear.
    gave_up: bool,
    /// Whether the slave's calls await events whose time is measured.
    awaits: bool,
    /// Whether far legs are matched to calls.
    far_legs_matter: bool,
}

/// The tasks of a plan's slaves, what they share, and where their calls are to be sent, in the plan's order.
pub fn slaves(
    plan: &Arc<Plan>,
    servers: Vec<Server>,
    raised: Vec<Vec<RaisedLimit>>,
    stages: &watch::Receiver<RunStage>,
    messages: &mpsc::Sender<SlaveMessage>,
) -> (Vec<SlaveTask>, Arc<Shared>, Vec<mpsc::Sender<Vec<AssignedCall>>>) {
    let (shared, inboxes) = Shared::new(plan);
    let shared = Arc::new(shared);
    let mut senders = Vec::new();
    let slaves = servers.into_iter().zip(raised).zip(inboxes).enumerate();
    let slaves = slaves.map(|(index, ((server, raised), inbox))| {
        let (sender, assigned) = mpsc::channel(BATCHES_MAX);
        senders.push(sender);
        SlaveTask {
            index,
            name: plan.slaves[index].name.clone(),
            recorder: SlaveRecorder::new(plan.dimensions()),
            plan: plan.clone(),
            server,
            shared: shared.clone(),
            raised,
            stages: stages.clone(),
            assigned,
            inbox,
            messages: messages.clone(),
            connection: None,
            connecting: None,
            failures: 0,
            originator: None,
            failover: FailoverPicker::default(),
            calls: ActiveCalls::default(),
            far_legs: FarLegs::default(),
            unconfirmed: UnconfirmedCalls::default(),
            status: SlaveStatus::default(),
            probing: ProbeState::default(),
            hanging_up: false,
            gave_up: false,
            awaits: false,
            far_legs_matter: !matches!(plan.calls.far_leg, FarLegMatch::Ignored),
        }
    });
    (slaves.collect(), shared, senders)
}

impl SlaveTask {
    /// Connects, places the calls that are assigned to it, follows each to its end, and returns at the last stage of
    /// the run.
    pub async fn run(mut self) {
        let connected = self.connect().await;
        let ready = connected.as_ref().map(|connection| connection.info.clone()).map_err(Clone::clone);
        match connected {
            Ok(connection) => self.connected(connection),
            Err(error) => self.connect_later(&error),
        }
        // The run has ended before it began.
        if self.messages.send(SlaveMessage::Ready(self.index, ready)).await.is_err() {
            return;
        }
        let Some(stage) = self.wait_for_start().await else { return };
        // A run that was stopped before this slave saw its start.
        let start = if let RunStage::Run(start) = stage { start } else { Instant::now() };
        let gap = self.plan.slaves[self.index].gap;
        self.originator = Some(Originator::new(start, self.plan.max_lag, gap));
        self.work(start).await;
        self.sweep().await;
        self.report().await;
    }

    /// Waits for the first stage after connecting; `None` where the run has ended. Events that arrive meanwhile are
    /// handled.
    async fn wait_for_start(&mut self) -> Option<RunStage> {
        loop {
            tokio::select! {
                stage = async { self.stages.wait_for(|stage| *stage != RunStage::Prepare).await.map(|stage| *stage) } => {
                    return stage.ok();
                }
                incoming = async { self.connection.as_mut().expect("it is there").next().await }, if self.connection.is_some() => {
                    self.handle_batch(incoming);
                }
            }
        }
    }

    /// Whether the slave's calls are this process's. On another shard's slave, only far legs of this shard's calls
    /// matter: near legs with the same run id are the other shard's to count and hang up.
    fn is_own(&self) -> bool {
        self.plan.shard.owns(self.index)
    }

    async fn work(&mut self, start: Instant) {
        let mut timer = PreciseTimer::new();
        let mut tick = interval_at(start + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut open = true;
        while *self.stages.borrow() != RunStage::Finish {
            for _ in 0..PEER_MESSAGES_AT_ONCE {
                let Ok(message) = self.inbox.try_recv() else { break };
                self.on_peer_message(message);
            }
            let offer = self.offer().await;
            self.handle_deadlines();
            self.shared.slave_states.set_active(self.index, self.calls.len());
            self.set_awaits(self.calls.awaited());
            if let Some(connection) = &mut self.connection {
                // The far leg of another slave's call may be on this server.
                let far = self.far_legs_matter && self.shared.is_awaiting();
                connection.set_awaited(self.awaits || far || self.probing.awaited());
                if let Err(error) = unconstrained(connection.try_flush()).await {
                    self.disconnected(&error);
                }
            }
            let next = if let Offer::Wait(until) = offer { until } else { None };
            // While commands have to wait, the next reply wakes the task.
            let call_deadline = if self.has_room() { self.calls.next_deadline() } else { None };
            let wake = [next, call_deadline].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = timer.until(wake.unwrap_or(start)), if wake.is_some() => {}
                changed = self.stages.changed() => match changed {
                    Ok(()) => self.follow_stage(),
                    // The run has ended without this task.
                    Err(_) => break,
                },
                handed = self.assigned.recv(), if open => match handed {
                    Some(calls) => self.take(calls),
                    None => {
                        open = false;
                        self.originator.iter_mut().for_each(Originator::close);
                    }
                },
                _ = tick.tick() => self.tick().await,
                result = async { self.connecting.as_mut().expect("it is there").await }, if self.connecting.is_some() => {
                    self.connecting = None;
                    match result {
                        Ok(connection) => self.reconnected(connection),
                        Err(error) => self.connect_later(&error),
                    }
                }
                incoming = async { self.connection.as_mut().expect("it is there").next().await }, if self.connection.is_some() => {
                    self.handle_batch(incoming);
                }
                Some(message) = self.inbox.recv() => self.on_peer_message(message),
                // A far leg of another slave's call may come to this server: its listener has to be kept awake.
                () = self.shared.begins_to_await(), if self.far_legs_matter => {}
            }
        }
    }

    fn set_awaits(&mut self, awaits: bool) {
        if awaits != self.awaits {
            self.awaits = awaits;
            self.shared.set_awaiting(awaits);
        }
    }

    /// Handles the deadlines of calls: hold times that are over, calls that are overdue, steps of apps.
    fn handle_deadlines(&mut self) {
        let now = Instant::now();
        let plan = self.plan.clone();
        while self.has_room()
            && let Some(attempt) = self.calls.due(now)
        {
            let (recorder, index, mut commands) = (&mut self.recorder, self.index, Vec::new());
            let done = self.calls.with(attempt, |call| {
                let context = plan.calls.context(index, attempt, call.labels());
                let reaction = call.on_deadline(now, &context, recorder);
                commands = reaction.commands;
                reaction.transition
            });
            self.follow(attempt, done);
            self.send_leg_commands(attempt, commands);
        }
    }

    /// Whether a command can be queued. True without a connection, which holds nothing up.
    fn has_room(&self) -> bool {
        self.connection.as_ref().is_none_or(SlaveConnection::has_room)
    }

    /// Carries out what a change of a call requires.
    fn follow(&mut self, attempt: u64, done: Option<(Transition, Option<Call>)>) {
        match done {
            Some((Transition::End(outcome), Some(call))) => self.ended(attempt, outcome, &call),
            Some((Transition::HangUp, _)) => self.hang_up(attempt),
            Some((Transition::HangUpFarLeg, _)) => self.hang_up_far(attempt),
            _ => {}
        }
    }

    fn ended(&mut self, attempt: u64, outcome: Outcome, call: &Call) {
        self.recorder.ended(call.labels(), outcome);
        self.gave_up |= outcome == Outcome::Lost;
        if let Some(script_run) = call.script_run() {
            let failure =
                script_run.failure().map(|failure| ((failure.side as usize, failure.step), failure.to_string()));
            self.recorder.record_app_results(call.labels(), script_run.results(), failure);
        }
        let uuid = self.plan.calls.uuid(self.index, attempt);
        self.recorder.record(call.record(uuid, self.index, outcome, Instant::now()));
        self.shared.slots.release();
        self.shared.open_calls.remove(1);
        self.unconfirmed.known(attempt);
        if let Some(row) = self.plan.calls.far_row(attempt) {
            self.shared.owners.release(row, self.index, attempt);
        }
        if call.answer_missed() {
            self.anomaly("answer_missed");
            self.recorder.answer_missed(call.labels());
        }
        if let Some(kind) = call.anomaly(Instant::now()) {
            self.anomaly(kind);
        }
        if outcome == Outcome::Lost {
            debug!(slave = self.name, attempt, "lost a call");
        }
    }

    fn hang_up(&mut self, attempt: u64) {
        let uuid = self.plan.calls.uuid(self.index, attempt);
        let cause = self.calls.get(attempt).map_or(HangupCause::NORMAL_CLEARING, Call::cause_asked);
        // The default cause is left out.
        let command = match cause {
            HangupCause::NORMAL_CLEARING => format!("uuid_kill {uuid}"),
            cause => format!("uuid_kill {uuid} {cause}"),
        };
        self.send(&Command::api(command), Purpose::HangUp(attempt));
    }

    fn send(&mut self, command: &Command<'_>, purpose: Purpose) {
        if let Some(connection) = &mut self.connection
            && let Err(error) = connection.send(command, purpose)
        {
            self.disconnected(&error);
        }
    }

    fn handle_batch(&mut self, first: Result<Incoming, Error>) {
        let mut next = first.map(Some);
        for _ in 0..EVENTS_AT_ONCE {
            match next {
                Ok(Some(incoming)) => self.handle(incoming),
                Ok(None) => return,
                Err(error) => return self.disconnected(&error),
            }
            // Handling the event may have ended the connection.
            let Some(connection) = &mut self.connection else { return };
            next = connection.buffered();
        }
        // The last event was taken out of the buffer and has to be handled too.
        match next {
            Ok(Some(incoming)) => self.handle(incoming),
            Ok(None) => {}
            Err(error) => self.disconnected(&error),
        }
    }

    fn handle(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Event(event, at) => {
                self.status.events += 1;
                self.probing.record_event(at);
                match call_event::read(&event, self.plan.run_id, self.index) {
                    CallEvent::Call(..) | CallEvent::Near(_) | CallEvent::Stray(..) if !self.is_own() => {}
                    CallEvent::Call(attempt, change) => {
                        if event.name() != EventName::BackgroundJob {
                            self.on_app_event(attempt, Side::Caller, &event, at);
                        }
                        self.changed(attempt, change, at);
                    }
                    CallEvent::Near(attempt) => self.on_app_event(attempt, Side::Caller, &event, at),
                    CallEvent::Other(leg, change) => self.on_other_leg(leg, change, &event, at),
                    CallEvent::Stray(attempt, channel) => {
                        self.anomaly("duplicate_uuid");
                        self.send(&Command::api(format!("uuid_kill {channel}")), Purpose::HangUp(attempt));
                        self.changed(attempt, NearLegEvent::Job(Err(Refusal::Duplicate)), at);
                    }
                    CallEvent::ServerHealth(health) => self.status.health = health,
                    CallEvent::Probe(id) => self.probe_arrived(&id, at),
                    CallEvent::Nothing => {}
                }
            }
            Incoming::Reply(Purpose::Originate(attempt), reply) => {
                let job = self.plan.calls.uuid(self.index, attempt);
                if reply.job_uuid().is_some_and(|of| of != job) {
                    // A reply was lost, and each later one would be matched to the wrong command.
                    self.anomaly("replies_out_of_step");
                    return self.disconnected(&Error::timed_out("the reply to a command", Duration::ZERO));
                }
                if let Some(reason) = call_event::refusal(&reply) {
                    self.changed(attempt, NearLegEvent::Job(Err(reason)), reply.received_at);
                }
            }
            Incoming::Reply(Purpose::LegCommand, reply) => {
                if let Err(refusal) = reply.ok() {
                    debug!(slave = self.name, %refusal, "the server refused a command of an app");
                    self.anomaly("app_command_refused");
                }
            }
            Incoming::Reply(Purpose::Channels, reply) => self.channels_there(&reply),
            Incoming::Reply(Purpose::Exists(attempt), reply) => self.exists(attempt, &reply),
            Incoming::Reply(Purpose::Probe, reply) => self.probe_answered(&reply),
            // A channel that is gone already needs no hangup.
            Incoming::Reply(Purpose::HangUp(_) | Purpose::HangUpAll | Purpose::Question | Purpose::Sweep, _) => {}
        }
    }

    fn changed(&mut self, attempt: u64, change: NearLegEvent, at: Instant) {
        // For a comparison with a capture, call by call: the event arrived `ago_us` before the line's own time.
        trace!(call = %self.plan.calls.uuid(self.index, attempt), ?change, ago_us = at.elapsed().as_micros() as u64);
        let recorder = &mut self.recorder;
        let done = self.calls.with(attempt, |call| call.on(change, at, recorder));
        if done.is_none() {
            match change {
                // A call that was given up has a channel after all, which must not stay.
                NearLegEvent::Created | NearLegEvent::Answered => {
                    self.anomaly("channel_after_end");
                    self.hang_up(attempt);
                }
                // The result of a failed call may follow its last event.
                NearLegEvent::Job(_) => {}
                _ => self.anomaly("event_after_end"),
            }
        }
        self.follow(attempt, done);
    }

    fn anomaly(&mut self, kind: &'static str) {
        *self.status.anomalies.entry(kind).or_default() += 1;
    }

    fn follow_stage(&mut self) {
        let stage = *self.stages.borrow_and_update();
        if let (RunStage::Drain | RunStage::HangUp, Some(originator)) = (stage, &mut self.originator) {
            let dropped = originator.stop(Instant::now(), &mut self.recorder);
            dropped.iter().for_each(|call| self.arrived(call));
            self.dropped(&dropped);
        }
        if stage == RunStage::HangUp && !self.hanging_up {
            self.hang_up_all();
        }
    }

    /// Hangs up every call of this run, and no others.
    fn hang_up_all(&mut self) {
        let now = Instant::now();
        self.hanging_up = true;
        if !self.is_own() {
            return;
        }
        for attempt in self.calls.attempts() {
            // One command hangs up all of them.
            self.calls.with(attempt, |call| call.hang_up(now, HangupReason::Stopped));
        }
        self.send(&Command::api(marks::hang_up_run(self.plan.run_id)), Purpose::HangUpAll);
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        self.check_silence(now);
        if self.hanging_up {
            // Calls whose originate was still under way were not hung up before.
            self.hang_up_all();
        }
        self.send_probe().await;
        self.report().await;
    }

    /// Hands the slave's figures over. The run always receives them, so this does not block.
    async fn report(&mut self) {
        if let Some(malformed) =
            self.connection.as_mut().map(SlaveConnection::take_malformed).filter(|malformed| *malformed > 0)
        {
            *self.status.anomalies.entry("malformed_event").or_default() += malformed;
        }
        self.status.up = self.connection.is_some();
        self.status.active = self.calls.len() as u64;
        let report = SlaveMessage::Delta(self.index, Box::new(self.recorder.take()), Box::new(self.status.clone()));
        let _ = self.messages.send(report).await;
    }
}
