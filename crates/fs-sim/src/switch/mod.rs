//! The simulated switch itself: a state machine without I/O and without a clock.
//!
//! Commands and the passing of time go in with the uptime at which they happen; replies, events and the
//! time of the next deadline come out. The same inputs give the same outputs, for a given seed.

mod applications;
mod bridge;
mod broadcast;
mod bugs;
mod callee;
mod capture;
mod commands;
mod control;
mod digits;
mod display;
mod execute;
mod far;
mod faults;
mod hangup;
mod hold;
mod jobs;
mod legs;
mod limits;
mod load;
mod near;
mod originate;
mod outbound;
mod peer;
mod player;
mod record;
mod redirect;
mod schedule;
mod sip;
mod sound;
mod states;
mod timers;
mod uuid_bridge;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) use applications::{INFO_TYPE, names as applications};
pub(crate) use broadcast::Legs;
pub(crate) use callee::CalleeNumber;
pub(crate) use execute::leading_number;
pub(crate) use hangup::HangUps;
use jobs::WAITING_BYTES_MAX;
pub(crate) use jobs::{Job, Waits};
pub(crate) use limits::Limits;
pub(crate) use redirect::{Redirect, inline};
pub(crate) use schedule::Planned;
pub(crate) use timers::{Due, Step};

use crate::{
    api::Settings,
    bounds::{Budget, Refusals},
    channel::{Channel, Direction, SessionId},
    clock::{Clock, Stamp, spelled},
    config::{Config, User},
    dialplan::Dialplan,
    event::{Bus, EventKind, Format, Identity, ListenerId, Origin, Output, Subscription},
    fault::{self, Timetable},
    log::frame,
    media::{self, Quality},
    network::{Call, Place},
};
use callee::Callees;
use capture::Capture;
use load::Load;
use originate::Dial;
use outbound::Dialling;
use peer::Peer;
use schedule::Tasks;
use sip::Line;
use timers::Timers;

/// One simulated FreeSWITCH.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) channels: BTreeMap<SessionId, Box<Channel>>,
    pub(crate) limits: Limits,
    by_uuid: HashMap<Arc<str>, SessionId>,
    bus: Bus,
    timers: Timers,
    rng: ChaCha8Rng,
    /// Who calls somebody and has no answer yet, by number.
    dials_open: HashMap<u64, Dial>,
    /// How many dials there have been.
    dials_begun: u64,
    /// The dial of each leg that has not been answered yet.
    attempts: HashMap<SessionId, u64>,
    /// How many applications have begun.
    runs: u64,
    /// What has been recorded, by its path.
    files: HashMap<String, Duration>,
    tasks: Tasks,
    listeners: HashMap<ListenerId, Peer>,
    password: String,
    users: Vec<User>,
    /// Channels whose events go to their own connection (`divert_events`).
    diverted: HashSet<SessionId>,
    /// The connections that control or watch a channel, which stays for as long as they do.
    controlled_by: HashMap<SessionId, Vec<ListenerId>>,
    /// Connections that are being made.
    dialling: HashMap<ListenerId, Dialling>,
    dials: u64,
    heartbeat: Duration,
    dialplan: Dialplan,
    callees: Callees,
    load: Load,
    originates: u64,
    line: Line,
    capture: Capture,
    /// The far legs of calls from other servers.
    calls: HashMap<Call, SessionId>,
    pub(crate) settings: Settings,
    /// What waits for its time alone.
    waiting: Arc<Budget>,
    /// What clients did not get.
    pub(crate) refusals: Refusals,
    /// What it is to do wrong.
    pub(crate) faults: Timetable,
    fault_rng: ChaCha8Rng,
    /// When it was started, as time since the server's first start.
    started_at: Duration,
    /// What was due before happens now at the earliest.
    not_before: Duration,
    /// How audio arrives, and what that is drawn from.
    quality: Quality,
    seed: u64,
}

/// What [`Switch`] counts, for those who watch it from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) channels: usize,
    pub(crate) sessions_since_startup: u64,
    pub(crate) listeners: usize,
    pub(crate) originates: u64,
    pub(crate) refused: u64,
    pub(crate) refusals: Refusals,
}

impl Switch {
    /// A switch that started at `started`; an error says what of it is impossible.
    pub(crate) fn new(config: &Config, place: Option<Place>, started: Stamp) -> Result<Switch, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let identity = Identity {
            core_uuid: random_uuid(&mut rng),
            hostname: config.hostname.clone(),
            switchname: config.name.clone(),
        };
        let settings = Settings::new(&identity.hostname, &identity.core_uuid);
        let mut timers = Timers::default();
        if !config.heartbeat.is_zero() {
            timers.add(config.heartbeat, Due::Heartbeat);
        }
        Ok(Switch {
            channels: BTreeMap::new(),
            limits: Limits::new(config.max_sessions, config.sessions_per_second),
            by_uuid: HashMap::new(),
            bus: Bus::new(Clock::new(started), identity, config.verbose_events),
            timers,
            rng,
            dials_open: HashMap::new(),
            dials_begun: 0,
            attempts: HashMap::new(),
            runs: 0,
            files: HashMap::new(),
            tasks: Tasks::default(),
            listeners: HashMap::new(),
            password: config.password.clone(),
            users: config.users.clone(),
            diverted: HashSet::new(),
            controlled_by: HashMap::new(),
            dialling: HashMap::new(),
            dials: 0,
            heartbeat: config.heartbeat,
            dialplan: Dialplan::new(config.dialplan.clone()),
            callees: Callees::new(config.seed, &config.callee)?,
            load: Load::new(&config.capacity, config.idle_cpu, config.seed),
            originates: 0,
            line: Line::new(config, place),
            capture: Capture::new(config.hep.as_ref()),
            calls: HashMap::new(),
            settings,
            waiting: Budget::new(WAITING_BYTES_MAX),
            refusals: Refusals::default(),
            faults: Timetable::default(),
            fault_rng: fault::generator(config.seed, 0),
            started_at: Duration::ZERO,
            not_before: Duration::ZERO,
            quality: {
                media::check(&config.media)?;
                config.media.clone()
            },
            seed: config.seed,
        })
    }

    /// A connection was accepted.
    pub(crate) fn connect(&mut self, now: Duration, listener: ListenerId) {
        self.listeners.insert(listener, Peer::default());
        self.bus.subscriptions.insert(listener, Subscription::default());
        self.timers.add(now + crate::command::AUTH_TIMEOUT, Due::AuthTimeout(listener));
    }

    /// Lets everything happen that is due at `now`.
    #[cfg(test)]
    pub(crate) fn advance(&mut self, now: Duration) {
        while !self.advance_until(now, usize::MAX) {}
    }

    /// Lets things happen that are due at `now`, each at its own time, until so much waits to be sent: whether that was
    /// all. What is due at once may say more than a machine holds; in pieces it is the same, in the same order.
    pub(crate) fn advance_until(&mut self, now: Duration, outputs: usize) -> bool {
        if self.timers.is_crowded() {
            self.sweep_timers();
        }
        while self.bus.waiting() < outputs {
            let Some((at, due)) = self.timers.pop(now) else { return true };
            let at = at.max(self.not_before);
            match due {
                Due::Leg(id, step) => self.step(at, id, step),
                Due::Copy(copy) => self.send_copy(at, &copy),
                Due::Packet(packet) => self.packet_arrived(at, *packet),
                Due::OriginateTimeout(dial, round) => self.originate_timed_out(at, dial, round),
                Due::LegTimeout(id) => self.leg_timed_out(at, id),
                Due::Redial(dial) => self.redial(at, dial),
                Due::Task(number) => self.run_task(at, number),
                Due::Finish(job) => self.finish(at, &job.job, &job.output),
                Due::HangUps(rest) => {
                    if let Some(all) = self.hang_up_all(at, *rest) {
                        self.finish(at, &all.job, &all.output);
                    }
                }
                Due::Heartbeat => {
                    self.send_heartbeat(at);
                    self.heartbeat_again(at);
                    self.timers.add(at + self.heartbeat, Due::Heartbeat);
                }
                Due::LingerEnds(listener) => self.linger_ended(listener),
                Due::AuthTimeout(listener) => {
                    if let Some(peer) = self.listeners.get(&listener).filter(|peer| !peer.has_spoken) {
                        self.bus.push(Output::Close(listener, peer.notice()));
                    }
                }
            }
        }
        false
    }

    /// Takes those timers away whose subject is gone: what was cancelled must not pile up until its time.
    fn sweep_timers(&mut self) {
        let Switch { timers, channels, attempts, dials_open, tasks, listeners, .. } = self;
        timers.sweep(|at, due| match due {
            Due::Leg(id, Step::RecordLimit) => channels
                .get(id)
                .is_some_and(|channel| channel.recordings.iter().any(|recording| recording.until == Some(at))),
            Due::Leg(id, _) => channels.contains_key(id),
            Due::OriginateTimeout(dial, round) => dials_open.get(dial).is_some_and(|dial| dial.round == *round),
            Due::LegTimeout(id) => attempts.contains_key(id),
            Due::Redial(dial) => dials_open.contains_key(dial),
            Due::Task(number) => tasks.at(*number) == Some(at),
            Due::AuthTimeout(listener) | Due::LingerEnds(listener) => listeners.contains_key(listener),
            // What comes over a network, and what happens once and soon.
            _ => true,
        });
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.timers.next_at()
    }

    /// What is to be sent, in order.
    pub(crate) fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.bus.drain()
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            channels: self.channels.len(),
            sessions_since_startup: self.limits.since_startup,
            listeners: self.listeners.len(),
            originates: self.originates,
            refused: self.limits.refused,
            refusals: self.refusals,
        }
    }

    pub(crate) fn find(&self, uuid: &str) -> Option<SessionId> {
        self.by_uuid.get(uuid).copied()
    }

    pub(crate) fn channel(&self, uuid: &str) -> Option<&Channel> {
        self.channels.get(&self.find(uuid)?).map(|channel| &**channel)
    }

    pub(crate) fn is_up(&self, id: SessionId) -> bool {
        self.channels.get(&id).is_some_and(|channel| channel.is_up())
    }

    pub(crate) fn random_uuid(&mut self) -> String {
        random_uuid(&mut self.rng)
    }

    pub(crate) fn stamp(&self, now: Duration) -> Stamp {
        self.bus.clock.stamp(now)
    }

    /// The same, not rounded to a step.
    fn exact_stamp(&self, now: Duration) -> Stamp {
        Stamp(self.bus.clock.micros(now))
    }

    pub(crate) fn switchname(&self) -> &str {
        &self.bus.identity.switchname
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.bus.identity.hostname
    }

    /// `fsctl verbose_events`: whether every event of a channel carries its variables.
    pub(crate) fn set_verbose(&mut self, verbose: bool) {
        self.bus.verbose = verbose;
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.bus.verbose
    }

    pub(crate) fn add_leg(&mut self, at: Duration, id: SessionId, step: Step) {
        self.timers.add(at, Due::Leg(id, step));
    }

    /// Puts a channel among the others.
    fn insert(&mut self, id: SessionId, channel: Channel) {
        self.settings.sip_calls.count(&channel);
        self.by_uuid.insert(channel.uuid.clone(), id);
        self.channels.insert(id, Box::new(channel));
    }

    /// Takes one session out of the limits.
    fn take_session(&mut self, now: Duration, direction: Direction) -> Option<SessionId> {
        // Below `fsctl min_idle_cpu` nothing new comes about (switch_core_session.c).
        if self.load.min_idle > 0.0 && self.idle_cpu(now) < self.load.min_idle {
            self.limits.refused += 1;
            return None;
        }
        self.limits.take(now, direction == Direction::Inbound, self.channels.len()).map(SessionId)
    }

    pub(crate) fn emit(&mut self, now: Duration, id: SessionId, kind: EventKind, origin: Origin) {
        if let Some(channel) = self.channels.get(&id) {
            self.bus.channel(now, kind, origin, channel);
        }
    }

    /// A channel's event as text that goes to no listener.
    pub(crate) fn describe(
        &mut self,
        now: Duration,
        id: SessionId,
        kind: EventKind,
        origin: Origin,
        format: Format,
    ) -> String {
        self.channels.get(&id).map_or(String::new(), |channel| self.bus.describe(now, kind, origin, channel, format))
    }

    /// Sends an event that belongs to no channel.
    pub(crate) fn announce(&mut self, now: Duration, kind: EventKind, origin: Origin, headers: &[(&str, &str)]) {
        self.bus.general(now, kind, origin, headers, None);
    }

    /// Its configuration is read again, and is the same.
    pub(crate) fn reload_xml(&mut self, now: Duration) {
        self.announce(now, EventKind::RELOADXML, Origin("switch_xml.c", "switch_xml_open_root", 2385), &[]);
    }

    /// Writes a line into the log: to those connections that get lines of its level.
    pub(crate) fn log(&mut self, now: Duration, level: i32, origin: Origin, line: &str) {
        let stamp = self.stamp(now);
        for (listener, peer) in &self.listeners {
            if level <= self.settings.knobs.log_level && peer.log_level.is_some_and(|wanted| wanted >= level) {
                self.bus.push(Output::Log(*listener, frame(stamp, level, origin, line)));
            }
        }
    }

    /// Idle-CPU in percent.
    pub(crate) fn idle_cpu(&mut self, now: Duration) -> f64 {
        self.load.idle(now, self.channels.len())
    }

    /// `fsctl min_idle_cpu`: the limit, changed if there is a new one.
    pub(crate) fn min_idle_cpu(&mut self, limit: Option<f64>) -> f64 {
        if let Some(limit) = limit {
            self.load.min_idle = limit;
        }
        self.load.min_idle
    }

    fn send_heartbeat(&mut self, now: Duration) {
        let rate = self.limits.rate(now);
        let text = |n: u64| n.to_string();
        let headers = [
            ("Event-Info", "System Ready".to_owned()),
            ("Up-Time", spelled(now)),
            ("FreeSWITCH-Version", crate::VERSION.to_owned()),
            ("Uptime-msec", text(now.as_millis() as u64)),
            ("Session-Count", text(self.channels.len() as u64)),
            ("Max-Sessions", text(u64::from(self.limits.max_sessions))),
            ("Session-Per-Sec", text(u64::from(rate.left))),
            ("Session-Per-Sec-Last", text(u64::from(rate.last_second))),
            ("Session-Per-Sec-Max", text(u64::from(rate.peak))),
            ("Session-Per-Sec-FiveMin", text(u64::from(rate.peak))),
            ("Session-Since-Startup", text(self.limits.since_startup)),
            ("Session-Peak-Max", text(self.limits.peak_sessions as u64)),
            ("Session-Peak-FiveMin", text(self.limits.peak_sessions as u64)),
            ("Idle-CPU", format!("{:.6}", self.idle_cpu(now))),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.bus.general(now, EventKind::HEARTBEAT, Origin("switch_core.c", "send_heartbeat", 95), &headers, None);
    }
}

/// A random UUID (version 4) from the seeded generator.
pub(crate) fn random_uuid(rng: &mut impl Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// FreeSWITCH's idea of a true value (`switch_true`).
pub(crate) fn is_true(text: &str) -> bool {
    ["yes", "on", "true", "t", "enabled", "active", "allow"].iter().any(|known| known.eq_ignore_ascii_case(text))
        || text.parse::<i64>().is_ok_and(|number| number != 0)
}

/// Its idea of a false one (`switch_false`).
pub(crate) fn is_false(text: &str) -> bool {
    ["no", "off", "false", "f", "disabled", "inactive", "disallow"].iter().any(|known| known.eq_ignore_ascii_case(text))
        || text.parse::<i64>() == Ok(0)
}
