//! The task that owns all that changes at a slave: its connections, what is to be sent, the calls that are up, its shard
//! of the record.

mod acts;
mod connect;
mod far;
mod placing;
mod probing;
mod resync;

use std::sync::Arc;
use std::time::Duration;

use esl_core::{Command, Error, EventName, HangupCause};
use tokio::sync::{mpsc, watch};
use tokio::task::unconstrained;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, trace};

use connect::Connecting;
use far::FarLegs;
use probing::Probing;
use resync::Unsure;

use super::calls::Calls;
use super::link::{Ask, Heard, Link};
use super::originator::{Offer, Originator};
use super::shared::{Mail, Shared, Substitutes};
use super::told::{self, Told};
use super::{Order, Report, Server, Status, TICK};
use crate::alarm::Alarm;
use crate::apps::performance::Act;
use crate::apps::script::Side;
use crate::call::{Call, Change, Step, Why};
use crate::limits::Limits;
use crate::outcome::{Outcome, Refusal};
use crate::plan::{FarLeg, Placement, Plan};
use crate::recorder::Shard;

/// Events that are handled before the schedule is looked at again.
const EVENTS_AT_ONCE: usize = 64;
/// A call that leaves later than this, for no other reason than that this program was late, speaks against the run.
const LATE: Duration = Duration::from_millis(100);
/// Letters of other slaves that are read before the listener is looked at again.
const LETTERS_AT_ONCE: usize = 64;
/// Handfuls of calls that wait at a slave's task: one comes every 40 ms at most, and what does not fit waits.
const HANDED_MAX: usize = 256;
/// One slave's task, see [`Slave::run`].
pub struct Slave {
    index: usize,
    name: String,
    plan: Arc<Plan>,
    server: Server,
    shared: Arc<Shared>,
    /// The servers' own limits, where they were raised for this run.
    limits: Option<Arc<Limits>>,
    orders: watch::Receiver<Order>,
    /// The calls that are to be placed, as they come from the schedule.
    placements: mpsc::Receiver<Vec<Placement>>,
    mailbox: mpsc::Receiver<Mail>,
    reports: mpsc::Sender<Report>,

    link: Option<Link>,
    connecting: Option<Connecting>,
    /// How often connecting failed in a row.
    failures: u32,
    originator: Option<Originator>,
    /// What apps have asked for and is not done yet.
    acts: Vec<Act>,
    substitutes: Substitutes,
    calls: Calls,
    /// Legs of others' calls, and far legs of its own, at this server.
    far_legs: FarLegs,
    /// Calls of which it is not known whether they are still there.
    unsure: Unsure,
    shard: Shard,
    status: Status,
    probing: Probing,
    /// Everything is to be hung up.
    hanging_up: bool,
    /// Calls were given up, whose channels may come yet.
    gave_up: bool,
    /// Its calls have events to come whose times are measured.
    awaits: bool,
    /// Far legs are looked for.
    far_legs_matter: bool,
}

/// The tasks of a plan's slaves, what they share, and where their calls are to be handed to, in the plan's order.
pub fn slaves(
    plan: &Arc<Plan>,
    servers: Vec<Server>,
    limits: Option<Arc<Limits>>,
    orders: &watch::Receiver<Order>,
    reports: &mpsc::Sender<Report>,
) -> (Vec<Slave>, Arc<Shared>, Vec<mpsc::Sender<Vec<Placement>>>) {
    let (shared, mailboxes) = Shared::new(plan);
    let shared = Arc::new(shared);
    let mut posts = Vec::new();
    let slaves = servers.into_iter().zip(mailboxes).enumerate().map(|(index, (server, mailbox))| {
        let (post, placements) = mpsc::channel(HANDED_MAX);
        posts.push(post);
        Slave {
            index,
            name: plan.slaves[index].name.clone(),
            shard: Shard::new(plan.measured(), plan.apps.len(), plan.targets.len()),
            plan: plan.clone(),
            server,
            shared: shared.clone(),
            limits: limits.clone(),
            orders: orders.clone(),
            placements,
            mailbox,
            reports: reports.clone(),
            link: None,
            connecting: None,
            failures: 0,
            originator: None,
            acts: Vec::new(),
            substitutes: Substitutes::default(),
            calls: Calls::default(),
            far_legs: FarLegs::default(),
            unsure: Unsure::default(),
            status: Status::default(),
            probing: Probing::default(),
            hanging_up: false,
            gave_up: false,
            awaits: false,
            far_legs_matter: !matches!(plan.far_leg, FarLeg::Ignored),
        }
    });
    (slaves.collect(), shared, posts)
}

impl Slave {
    /// Connects, places the calls that are handed to it, follows each one to its end, and returns when it is told that
    /// every slave's calls have ended.
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
        let Some(order) = self.wait_for_start().await else { return };
        // A run that was stopped before this slave heard of its start is over when it says so.
        let start = if let Order::Run(start) = order { start } else { Instant::now() };
        let gap = self.plan.slaves[self.index].gap;
        self.originator = Some(Originator::new(start, self.plan.max_lag, gap));
        self.work(start).await;
        self.sweep().await;
        self.report().await;
    }

    /// The first order, `None` where there will be none. Others may take seconds to connect: what comes meanwhile is read.
    async fn wait_for_start(&mut self) -> Option<Order> {
        loop {
            tokio::select! {
                order = async { self.orders.wait_for(|order| *order != Order::Prepare).await.map(|order| *order) } => {
                    return order.ok();
                }
                heard = async { self.link.as_mut().expect("it is there").next().await }, if self.link.is_some() => {
                    self.hear_all(heard);
                }
            }
        }
    }

    /// Whether its calls are this process's. At another shard's slave only far legs of this shard's calls are of interest:
    /// its near legs have the same run id, and are the other shard's to hang up.
    fn is_own(&self) -> bool {
        self.plan.shard.owns(self.index)
    }

    async fn work(&mut self, start: Instant) {
        let mut alarm = Alarm::new();
        let mut tick = interval_at(start + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut open = true;
        while *self.orders.borrow() != Order::Finish {
            for _ in 0..LETTERS_AT_ONCE {
                let Ok(mail) = self.mailbox.try_recv() else { break };
                self.read_mail(mail);
            }
            let offer = self.offer().await;
            self.look_after_calls();
            self.shared.roster.set_active(self.index, self.calls.len());
            self.set_awaits(self.calls.awaited());
            if let Some(link) = &mut self.link {
                // Of another slave's call, the far leg may be here.
                let far = self.far_legs_matter && self.shared.is_awaiting();
                link.set_awaited(self.awaits || far || self.probing.awaited());
                if let Err(error) = unconstrained(link.try_flush()).await {
                    self.disconnected(&error);
                }
            }
            let next = if let Offer::Wait(until) = offer { until } else { None };
            // Where commands have to wait, a reply wakes.
            let alarm_of_calls = if self.has_room() { self.calls.next_alarm() } else { None };
            let wake = [next, alarm_of_calls].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = alarm.until(wake.unwrap_or(start)), if wake.is_some() => {}
                changed = self.orders.changed() => match changed {
                    Ok(()) => self.obey(),
                    // The run is gone: nobody waits for these calls.
                    Err(_) => break,
                },
                handed = self.placements.recv(), if open => match handed {
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
                        Ok(link) => self.reconnected(link),
                        Err(error) => self.connect_later(&error),
                    }
                }
                heard = async { self.link.as_mut().expect("it is there").next().await }, if self.link.is_some() => {
                    self.hear_all(heard);
                }
                Some(mail) = self.mailbox.recv() => self.read_mail(mail),
                // Another slave has a call whose far leg may come here: the listener is to be kept awake.
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

    /// Hangs up whose hold is over, gives up who is overdue, goes on with what apps wait for.
    fn look_after_calls(&mut self) {
        let now = Instant::now();
        let plan = self.plan.clone();
        while self.has_room()
            && let Some(attempt) = self.calls.due(now)
        {
            let (shard, index, acts) = (&mut self.shard, self.index, &mut self.acts);
            let done = self.calls.with(attempt, |call| {
                let context = plan.context(index, attempt, call.labels());
                call.on_alarm(now, &context, shard, acts)
            });
            self.follow(attempt, done);
            self.act(attempt);
        }
    }

    /// Whether the server can be told more; one that is away cannot be told anything, and holds nothing up.
    fn has_room(&self) -> bool {
        self.link.as_ref().is_none_or(Link::has_room)
    }

    /// Does what has come of a call.
    fn follow(&mut self, attempt: u64, done: Option<(Step, Option<Call>)>) {
        match done {
            Some((Step::End(outcome), Some(call))) => self.ended(attempt, outcome, &call),
            Some((Step::HangUp, _)) => self.hang_up(attempt),
            Some((Step::HangUpFar, _)) => self.hang_up_far(attempt),
            _ => {}
        }
    }

    fn ended(&mut self, attempt: u64, outcome: Outcome, call: &Call) {
        self.shard.ended(call.labels(), outcome);
        self.gave_up |= outcome == Outcome::Lost;
        if let Some(performance) = call.performance() {
            let failure =
                performance.failure().map(|failure| ((failure.side as usize, failure.step), failure.to_string()));
            self.shard.app_said(call.labels(), performance.results(), failure);
        }
        let uuid = self.plan.run_id.call(self.index, attempt);
        self.shard.record(call.record(uuid, self.index, outcome, Instant::now()));
        self.shared.slots.give_back();
        self.shared.ledger.settle(1);
        self.unsure.known(attempt);
        if let Some(row) = self.plan.far_row(attempt) {
            self.shared.owners.give_back(row, self.index, attempt);
        }
        if call.answer_missed() {
            self.anomaly("answer_missed");
            self.shard.answer_missed(call.labels());
        }
        if let Some(kind) = call.oddity(Instant::now()) {
            self.anomaly(kind);
        }
        if outcome == Outcome::Lost {
            debug!(slave = self.name, attempt, "nobody knows what became of a call");
        }
    }

    fn hang_up(&mut self, attempt: u64) {
        let uuid = self.plan.run_id.call(self.index, attempt);
        let cause = self.calls.get(attempt).map_or(HangupCause::NORMAL_CLEARING, Call::cause_asked);
        // The cause that it has by itself is not said.
        let command = match cause {
            HangupCause::NORMAL_CLEARING => format!("uuid_kill {uuid}"),
            cause => format!("uuid_kill {uuid} {cause}"),
        };
        self.send(&Command::api(command), Ask::HangUp(attempt));
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
                self.probing.heard(at);
                match told::read(&event, self.plan.run_id, self.index) {
                    Told::Call(..) | Told::Near(_) | Told::Stray(..) if !self.is_own() => {}
                    Told::Call(attempt, change) => {
                        if event.name() != EventName::BackgroundJob {
                            self.perform(attempt, Side::Caller, &event, at);
                        }
                        self.changed(attempt, change, at);
                    }
                    Told::Near(attempt) => self.perform(attempt, Side::Caller, &event, at),
                    Told::Other(leg, change) => self.heard_of(leg, change, &event, at),
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
                let job = self.plan.run_id.call(self.index, attempt);
                if reply.job_uuid().is_some_and(|of| of != job) {
                    // A reply got lost, and every one after it would be taken for another one's.
                    self.anomaly("replies_out_of_step");
                    return self.disconnected(&Error::timed_out("the reply to a command", Duration::ZERO));
                }
                if let Some(reason) = told::refusal(&reply) {
                    self.changed(attempt, Change::Job(Err(reason)), reply.received_at);
                }
            }
            Heard::Reply(Ask::Act, reply) => {
                if let Err(refusal) = reply.ok() {
                    debug!(slave = self.name, %refusal, "the server does not do what an app asks for");
                    self.anomaly("app_command_refused");
                }
            }
            Heard::Reply(Ask::Channels, reply) => self.channels_there(&reply),
            Heard::Reply(Ask::Exists(attempt), reply) => self.exists(attempt, &reply),
            Heard::Reply(Ask::Probe, reply) => self.probe_answered(&reply),
            // A call that is gone already is what was wanted.
            Heard::Reply(Ask::HangUp(_) | Ask::HangUpAll | Ask::Question | Ask::Sweep, _) => {}
        }
    }

    fn changed(&mut self, attempt: u64, change: Change, at: Instant) {
        // For a comparison with a capture, call by call: the line's own time less `ago_us` is the event's.
        trace!(call = %self.plan.run_id.call(self.index, attempt), ?change, ago_us = at.elapsed().as_micros() as u64);
        let shard = &mut self.shard;
        let done = self.calls.with(attempt, |call| call.on(change, at, shard));
        if done.is_none() {
            match change {
                // A call that was given up has a channel after all: it must not stay.
                Change::Created | Change::Answered => {
                    self.anomaly("channel_after_end");
                    self.hang_up(attempt);
                }
                // A failed call's result may come after its last event.
                Change::Job(_) => {}
                _ => self.anomaly("event_after_end"),
            }
        }
        self.follow(attempt, done);
    }

    fn anomaly(&mut self, kind: &'static str) {
        *self.status.anomalies.entry(kind).or_default() += 1;
    }

    fn obey(&mut self) {
        let order = *self.orders.borrow_and_update();
        if let (Order::Drain | Order::HangUp, Some(originator)) = (order, &mut self.originator) {
            let dropped = originator.stop(Instant::now(), &mut self.shard);
            dropped.iter().for_each(|call| self.arrived(call));
            self.dropped(&dropped);
        }
        if order == Order::HangUp && !self.hanging_up {
            self.hang_up_all();
        }
    }

    /// Hangs up every call of this run, and only those.
    fn hang_up_all(&mut self) {
        let now = Instant::now();
        self.hanging_up = true;
        if !self.is_own() {
            return;
        }
        for attempt in self.calls.attempts() {
            // One command is for all of them.
            self.calls.with(attempt, |call| call.hang_up(now, Why::Stopped));
        }
        // An empty value would hang up everybody's calls: a run id is never empty.
        let command = format!("hupall NORMAL_CLEARING loadgen_run {}", self.plan.run_id);
        self.send(&Command::api(command), Ask::HangUpAll);
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        self.look_for_silence(now);
        if self.hanging_up {
            // Again: calls whose originate was under way were not met the first time.
            self.hang_up_all();
        }
        self.send_probe().await;
        self.report().await;
    }

    /// Hands the shard over. The run always takes it: that is what it waits for.
    async fn report(&mut self) {
        if let Some(malformed) = self.link.as_mut().map(Link::take_malformed).filter(|malformed| *malformed > 0) {
            *self.status.anomalies.entry("malformed_event").or_default() += malformed;
        }
        self.status.up = self.link.is_some();
        self.status.active = self.calls.len() as u64;
        let report = Report::Shard(self.index, Box::new(self.shard.take()), Box::new(self.status.clone()));
        let _ = self.reports.send(report).await;
    }
}
