//! The task that owns all that changes at a slave: its connections, what is to be sent, the calls that are up, its shard
//! of the record.

mod connect;
mod resync;

use std::sync::Arc;
use std::time::Duration;

use esl_core::{Command, Error, EventName};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, trace};

use connect::Connecting;
use resync::Unsure;

use super::calls::Calls;
use super::link::{Ask, Heard, Link, PROBE};
use super::originator::{Obstacle, Offer, Originator};
use super::told::{self, PROBE_ID, Told};
use super::{Order, Report, Server, Slots, Status, TICK};
use crate::alarm::Alarm;
use crate::call::{Call, Change, Step, Why};
use crate::outcome::{Outcome, Refusal, Skip};
use crate::plan::Plan;
use crate::recorder::Shard;
use crate::schedule::Due;

/// Events that are handled before the schedule is looked at again.
const EVENTS_AT_ONCE: usize = 64;
/// A server that is silent for so long is taken for gone. Events of an overloaded one come seconds late.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// One slave's task, see [`Slave::run`].
pub struct Slave {
    index: usize,
    name: String,
    plan: Arc<Plan>,
    server: Server,
    slots: Arc<Slots>,
    orders: watch::Receiver<Order>,
    reports: mpsc::Sender<Report>,

    link: Option<Link>,
    connecting: Option<Connecting>,
    /// How often connecting failed in a row.
    failures: u32,
    originator: Option<Originator>,
    calls: Calls,
    /// Calls of which it is not known whether they are still there.
    unsure: Unsure,
    shard: Shard,
    status: Status,
    /// The probe that is under way.
    probe: Option<(u64, Instant)>,
    probes: u64,
    /// Everything is to be hung up.
    hanging_up: bool,
}

impl Slave {
    /// The task of the plan's slave of that number.
    pub fn new(
        index: usize,
        plan: Arc<Plan>,
        server: Server,
        slots: Arc<Slots>,
        orders: watch::Receiver<Order>,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            index,
            name: plan.slaves[index].name.clone(),
            shard: Shard::new(plan.apps.len()),
            plan,
            server,
            slots,
            orders,
            reports,
            link: None,
            connecting: None,
            failures: 0,
            originator: None,
            calls: Calls::default(),
            unsure: Unsure::default(),
            status: Status::default(),
            probe: None,
            probes: 0,
            hanging_up: false,
        }
    }

    /// Connects, places the calls that the schedule has for this slave, follows each one to its end, and returns when
    /// the last one has ended.
    pub async fn run(mut self) {
        let connected = self.connect().await;
        let ready = connected.as_ref().map(|link| link.about.clone()).map_err(Clone::clone);
        match connected {
            Ok(link) => self.connected(link),
            Err(error) => self.connect_later(&error),
        }
        // Nobody to tell: the run is over before it began.
        if self.reports.send(Report::Ready(self.index, ready)).await.is_err() {
            return;
        }
        let Ok(order) = self.orders.wait_for(|order| *order != Order::Prepare).await.map(|order| *order) else {
            return;
        };
        if let Order::Run(start) = order {
            let calls = self.plan.schedule.of_slave(self.index);
            let gap = self.plan.slaves[self.index].gap;
            self.originator = Some(Originator::new(calls, start, self.plan.max_lag, gap));
            self.work(start).await;
        }
        self.sweep().await;
        self.report().await;
    }

    async fn work(&mut self, start: Instant) {
        let mut alarm = Alarm::new();
        let mut tick = interval_at(start + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let offer = self.offer().await;
            self.look_after_calls();
            if offer == Offer::Done && self.calls.len() == 0 {
                break;
            }
            if let Some(link) = &mut self.link {
                link.set_awaited(self.calls.awaited() || self.probe.is_some());
                if let Err(error) = link.try_flush().await {
                    self.disconnected(&error);
                }
            }
            let next = if let Offer::Wait(until) = offer { until } else { None };
            let wake = [next, self.calls.next_alarm()].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = alarm.until(wake.unwrap_or(start)), if wake.is_some() => {}
                changed = self.orders.changed() => match changed {
                    Ok(()) => self.obey(),
                    // The run is gone: nobody waits for these calls.
                    Err(_) => break,
                },
                _ = tick.tick() => self.tick().await,
                result = async { self.connecting.as_mut().expect("it is there").await }, if self.connecting.is_some() => {
                    self.connecting = None;
                    match result {
                        Ok(link) => self.reconnected(link),
                        Err(error) => self.connect_later(&error),
                    }
                }
                heard = async { self.link.as_mut().expect("it is there").next().await }, if self.link.is_some() => {
                    self.hear_all(heard);
                }
            }
        }
    }

    /// Sends every call that is due and may go.
    async fn offer(&mut self) -> Offer {
        let Some(mut originator) = self.originator.take() else {
            return Offer::Done;
        };
        let offer = loop {
            let (link, slots, full) = (&self.link, &self.slots, self.is_full());
            let obstacle = || match link {
                None => Obstacle::Skip(Skip::SlaveDown),
                Some(_) if full || slots.is_full() => Obstacle::Skip(Skip::Limit),
                Some(link) if !link.is_ready() => Obstacle::Busy,
                Some(_) => Obstacle::None,
            };
            match originator.next(Instant::now(), &mut self.shard, obstacle) {
                Offer::Send(due, due_at) => self.place(due, due_at).await,
                other => break other,
            }
        };
        self.originator = Some(originator);
        offer
    }

    fn is_full(&self) -> bool {
        self.plan.slaves[self.index].limit.is_some_and(|limit| self.calls.len() as u64 >= limit)
    }

    async fn place(&mut self, due: Due, due_at: Instant) {
        let uuid = self.plan.run_id.call(self.index, due.attempt);
        let Some(link) = &mut self.link else {
            return self.shard.skipped(due.app, Skip::SlaveDown);
        };
        // Another slave may have taken the last slot since it was looked at.
        if !self.slots.take() {
            return self.shard.skipped(due.app, Skip::Limit);
        }
        let originate = self.plan.originate(due.app, uuid).map_err(Error::from);
        let queued = originate.and_then(|command| link.start(uuid, &command, Ask::Originate(due.attempt)));
        if let Err(error) = queued {
            self.slots.give_back();
            self.shard.skipped(due.app, Skip::SlaveDown);
            return self.disconnected(&error);
        }
        let flushed = link.try_flush().await;
        let sent = Instant::now();
        self.shard.attempted(due.app, sent.saturating_duration_since(due_at));
        self.calls.insert(due.attempt, Call::new(due.app, self.plan.terms, due_at, sent));
        if let Err(error) = flushed {
            self.disconnected(&error);
        }
    }

    /// Hangs up whose hold is over, gives up who is overdue.
    fn look_after_calls(&mut self) {
        let now = Instant::now();
        while let Some(attempt) = self.calls.due(now) {
            let shard = &mut self.shard;
            let done = self.calls.with(attempt, |call| call.on_alarm(now, shard));
            self.follow(attempt, done);
        }
    }

    /// Does what has come of a call.
    fn follow(&mut self, attempt: u64, done: Option<(Step, Option<Call>)>) {
        match done {
            Some((Step::End(outcome), Some(call))) => {
                self.shard.ended(call.app(), outcome);
                self.slots.give_back();
                self.unsure.known(attempt);
                if call.answer_missed() {
                    self.anomaly("answer_missed");
                }
                if outcome == Outcome::Lost {
                    debug!(slave = self.name, attempt, "nobody knows what became of a call");
                }
            }
            Some((Step::HangUp, _)) => self.hang_up(attempt),
            _ => {}
        }
    }

    fn hang_up(&mut self, attempt: u64) {
        let uuid = self.plan.run_id.call(self.index, attempt);
        self.send(&Command::api(format!("uuid_kill {uuid}")), Ask::HangUp(attempt));
    }

    fn send(&mut self, command: &Command<'_>, ask: Ask) {
        if let Some(link) = &mut self.link
            && let Err(error) = link.send(command, ask)
        {
            self.disconnected(&error);
        }
    }

    fn hear_all(&mut self, first: Result<Heard, Error>) {
        let mut next = first.map(Some);
        for _ in 0..EVENTS_AT_ONCE {
            match next {
                Ok(Some(heard)) => self.hear(heard),
                Ok(None) => return,
                Err(error) => return self.disconnected(&error),
            }
            // Hearing may have ended the connection.
            let Some(link) = &mut self.link else { return };
            next = link.buffered();
        }
        // The last one that was taken out has to be heard too.
        match next {
            Ok(Some(heard)) => self.hear(heard),
            Ok(None) => {}
            Err(error) => self.disconnected(&error),
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Event(event, at) => {
                self.status.events += 1;
                match told::read(&event, self.plan.run_id, self.index) {
                    Told::Call(attempt, change) => self.changed(attempt, change, at),
                    Told::Stray(attempt, channel) => {
                        self.anomaly("duplicate_uuid");
                        self.send(&Command::api(format!("uuid_kill {channel}")), Ask::HangUp(attempt));
                        self.changed(attempt, Change::Job(Err(Refusal::Duplicate)), at);
                    }
                    Told::Health(health) => self.status.health = health,
                    Told::Probe(id) => self.probe_arrived(&id, at),
                    Told::Nothing => {}
                }
            }
            Heard::Reply(Ask::Originate(attempt), reply) => {
                if let Some(reason) = told::refusal(&reply) {
                    self.changed(attempt, Change::Job(Err(reason)), reply.received_at);
                }
            }
            Heard::Reply(Ask::Channels, reply) => self.channels_there(&reply),
            Heard::Reply(Ask::Exists(attempt), reply) => self.exists(attempt, &reply),
            Heard::Reply(Ask::Probe, reply) => {
                if let Err(refusal) = reply.ok() {
                    debug!(slave = self.name, %refusal, "the server does not pass probes on");
                    self.probe = None;
                }
            }
            // A call that is gone already is what was wanted.
            Heard::Reply(Ask::HangUp(_) | Ask::HangUpAll | Ask::Question, _) => {}
        }
    }

    fn changed(&mut self, attempt: u64, change: Change, at: Instant) {
        // For a comparison with a capture, call by call: the line's own time less `ago_us` is the event's.
        trace!(call = %self.plan.run_id.call(self.index, attempt), ?change, ago_us = at.elapsed().as_micros() as u64);
        let shard = &mut self.shard;
        let done = self.calls.with(attempt, |call| call.on(change, at, shard));
        if done.is_none() && matches!(change, Change::Created | Change::Answered) {
            // A call that was given up has a channel after all: it must not stay.
            self.anomaly("channel_after_end");
            self.hang_up(attempt);
        }
        self.follow(attempt, done);
    }

    fn anomaly(&mut self, kind: &'static str) {
        *self.status.anomalies.entry(kind).or_default() += 1;
    }

    fn obey(&mut self) {
        let order = *self.orders.borrow_and_update();
        if let (Order::Drain | Order::HangUp, Some(originator)) = (order, &mut self.originator) {
            originator.stop(&mut self.shard);
        }
        if order == Order::HangUp && !self.hanging_up {
            self.hang_up_all();
        }
    }

    /// Hangs up every call of this run, and only those.
    fn hang_up_all(&mut self) {
        let now = Instant::now();
        self.hanging_up = true;
        for attempt in self.calls.attempts() {
            let done = self.calls.with(attempt, |call| call.hang_up(now, Why::Stopped));
            // One command is for all of them.
            debug_assert!(!matches!(done, Some((Step::End(_), _))));
        }
        // An empty value would hang up everybody's calls: a run id is never empty.
        let command = format!("hupall NORMAL_CLEARING loadgen_run {}", self.plan.run_id);
        self.send(&Command::api(command), Ask::HangUpAll);
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        if self.probe.is_some_and(|(_, sent)| now - sent > SILENCE_MAX) {
            self.disconnected(&Error::timed_out("a sign of life", SILENCE_MAX));
        }
        if self.hanging_up {
            // Again: calls whose originate was under way were not met the first time.
            self.hang_up_all();
        }
        self.send_probe().await;
        self.report().await;
    }

    async fn send_probe(&mut self) {
        if self.link.is_none() || self.probe.is_some() {
            return;
        }
        self.probes += 1;
        let id = self.probe_id(self.probes);
        let headers = [("Event-Subclass", PROBE), (PROBE_ID, id.as_str())];
        self.send(&Command::SendEvent { name: EventName::Custom, headers: &headers, body: "" }, Ask::Probe);
        if let Some(link) = &mut self.link {
            let flushed = link.try_flush().await;
            self.probe = Some((self.probes, Instant::now()));
            if let Err(error) = flushed {
                self.disconnected(&error);
            }
        }
    }

    fn probe_id(&self, probe: u64) -> String {
        format!("{}-{}-{probe}", self.plan.run_id, self.index)
    }

    fn probe_arrived(&mut self, id: &str, at: Instant) {
        // One that was given up, or another listener's, is nobody's.
        if let Some((probe, sent)) = self.probe
            && id == self.probe_id(probe)
        {
            self.probe = None;
            self.shard.probed(at.saturating_duration_since(sent));
        }
    }

    /// Hands the shard over. The run always takes it: that is what it waits for.
    async fn report(&mut self) {
        self.status.up = self.link.is_some();
        let report = Report::Shard(self.index, Box::new(self.shard.take()), Box::new(self.status.clone()));
        let _ = self.reports.send(report).await;
    }
}
