//! Connections that control a channel: those that the application `socket` makes, and what becomes of the
//! channel, or of them, at the end (mod_event_socket's `socket_function` and `listener_run`).
//!
//! ```text
//! async   Dialling ──► Waiting ──connect──► Parked ──connection ends──► Leaving
//! sync    Dialling ──► Serving ──connection ends──► Leaving
//! ```
//!
//! A channel that ends tells its connections, which close or linger; it is destroyed when the last is gone.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{
    Due, Step, Switch, applications,
    execute::leading_number,
    is_true,
    peer::{Controlled, Linger, Outbound, Peer, linger_ends},
};
use crate::{
    channel::{ChannelState, Doing, Message, SessionId, Socket, Stage},
    event::{EventKind, ListenerId, Origin, Output, Subscription},
    frame,
};

/// Where a client listens if the application does not say (mod_event_socket).
const PORT: u16 = 8084;

/// The most hosts that one `socket` tries (mod_event_socket).
const HOSTS_MAX: usize = 50;

const PARKED: Origin = Origin("switch_ivr.c", "switch_ivr_park", 1002);

/// A connection that is being made.
#[derive(Debug)]
pub(super) struct Dialling {
    id: SessionId,
    outbound: Outbound,
    /// What is tried next, should this one fail.
    hosts: VecDeque<String>,
    /// A host without a port has that of the one before.
    port: u16,
}

impl Switch {
    /// Connects a channel to the first of `hosts` that can be reached.
    pub(super) fn dial(&mut self, id: SessionId, hosts: &str, outbound: Outbound) -> Option<Socket> {
        let hosts = hosts.split('|').filter(|host| !host.is_empty()).take(HOSTS_MAX).map(str::to_owned).collect();
        let listener = self.dial_next(Dialling { id, outbound, hosts, port: PORT })?;
        Some(Socket { listener, stage: Stage::Dialling })
    }

    /// Hosts that are not on loopback cannot be reached: a simulated server calls nobody else.
    fn dial_next(&mut self, mut dialling: Dialling) -> Option<ListenerId> {
        loop {
            let text = dialling.hosts.pop_front()?;
            let channel = self.channels.get_mut(&dialling.id)?;
            let (mut host, mut rest) = text.rsplit_once(':').map_or((text.as_str(), None), |(h, r)| (h, Some(r)));
            let path = match &mut rest {
                Some(port) => port.split_once('/').map(|(digits, path)| (std::mem::replace(port, digits), path).1),
                None => host.split_once('/').map(|(name, path)| (std::mem::replace(&mut host, name), path).1),
            };
            if let Some(port) = rest {
                dialling.port = u16::try_from(leading_number(port)).unwrap_or(0);
            }
            if let Some(path) = path {
                channel.variables.set("socket_path", path);
            }
            channel.variables.set("socket_host", host);
            let address = if host.eq_ignore_ascii_case("localhost") {
                Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
            } else {
                host.parse::<IpAddr>().ok().filter(IpAddr::is_loopback)
            };
            let Some(address) = address else { continue };
            self.dials += 1;
            let listener = ListenerId::dialled(self.dials);
            self.bus.push(Output::Dial(listener, SocketAddr::new(address, dialling.port)));
            self.dialling.insert(listener, dialling);
            return Some(listener);
        }
    }

    /// A connection that was asked for did not come about: the next host's turn, or the application is over.
    pub(crate) fn dial_failed(&mut self, now: Duration, listener: ListenerId) {
        let Some(dialling) = self.dialling.remove(&listener) else { return };
        let id = dialling.id;
        if self.socket(id, listener).is_none() {
            return;
        }
        let next = self.dial_next(dialling);
        let Some(socket) = self.socket(id, listener) else { return };
        match next {
            Some(next) => socket.listener = next,
            None => {
                socket.stage = Stage::Failed;
                self.proceed(now, id);
            }
        }
    }

    /// A connection that was asked for is there: it waits for the client's first command.
    pub(crate) fn dialled(&mut self, now: Duration, listener: ListenerId) {
        let dialling = self.dialling.remove(&listener);
        let channel = dialling.as_ref().and_then(|dialling| self.channels.get(&dialling.id));
        let (Some(Dialling { id, outbound, .. }), Some(channel)) = (dialling, channel) else {
            return self.bus.push(Output::Close(listener, frame::disconnect_notice(None)));
        };
        let session = Controlled { id, uuid: channel.uuid.clone(), told: false };
        let Some(socket) = self.socket(id, listener) else {
            let notice = frame::disconnect_notice(Some(&session.uuid));
            return self.bus.push(Output::Close(listener, notice));
        };
        socket.stage = if outbound.is_async { Stage::Waiting } else { Stage::Serving };
        let peer = Peer { authenticated: true, session: Some(session), outbound: Some(outbound), ..Peer::default() };
        self.listeners.insert(listener, peer);
        self.bus.subscriptions.insert(listener, Subscription::default());
        self.control(id, listener);
        self.timers.add(now + crate::command::AUTH_TIMEOUT, Due::AuthTimeout(listener));
    }

    /// `connect` has been answered: an asynchronous channel parks, unless it is parked already.
    pub(super) fn connected(&mut self, now: Duration, listener: ListenerId, id: SessionId) {
        let parked = self.channels.get(&id).is_some_and(|channel| channel.thread.is_parked());
        let Some(socket) = self.socket(id, listener).filter(|socket| socket.stage == Stage::Waiting) else { return };
        if parked {
            socket.stage = Stage::Failed;
        } else {
            socket.stage = Stage::Parked;
            self.emit(now, id, EventKind::CHANNEL_PARK, PARKED);
        }
        self.proceed(now, id);
    }

    /// Notes that a connection controls or watches a channel: the channel stays for as long as it does.
    pub(super) fn control(&mut self, id: SessionId, listener: ListenerId) {
        self.controlled_by.entry(id).or_default().push(listener);
    }

    /// A message of a synchronous connection for its own channel: it is done there and then, and answered when it is
    /// over.
    pub(super) fn do_message(&mut self, now: Duration, listener: ListenerId, id: SessionId, message: Message) {
        let Some(channel) = self.channels.get(&id) else { return self.reply(listener, "+OK") };
        if let Some(peer) = self.listeners.get_mut(&listener) {
            peer.awaits = true;
        }
        if channel.is_up() {
            self.parse_message(now, id, &Arc::new(message));
            self.proceed(now, id);
            if self.channels.get(&id).is_some_and(|channel| !channel.is_up()) {
                self.report(now, id);
            }
        } else {
            self.parse_after_hangup(now, id, &Arc::new(message));
            self.is_kept(now, id);
        }
        self.settle(id);
    }

    /// Answers the message that a synchronous connection waits for, if its channel has nothing left to do.
    pub(super) fn settle(&mut self, id: SessionId) {
        let Some(run) = self.channels.get(&id).and_then(|channel| channel.thread.runs.last()) else { return };
        let Doing::Socket(Socket { listener, stage: Stage::Serving }) = run.doing else { return };
        if let Some(peer) = self.listeners.get_mut(&listener)
            && std::mem::take(&mut peer.awaits)
        {
            self.reply(listener, "+OK");
        }
    }

    /// A connection is gone. Its jobs go on, as they do in FreeSWITCH; its channel leaves the application, or what
    /// it was parked in.
    pub(crate) fn disconnect(&mut self, now: Duration, listener: ListenerId) {
        self.bus.subscriptions.remove(&listener);
        self.dialling.remove(&listener);
        let Some(Peer { session: Some(session), .. }) = self.listeners.remove(&listener) else { return };
        let id = session.id;
        if let Some(controlling) = self.controlled_by.get_mut(&id) {
            controlling.retain(|known| *known != listener);
            if controlling.is_empty() {
                self.controlled_by.remove(&id);
            }
        }
        let stage = self.leave_control(now, id, listener);
        let Some(channel) = self.channels.get(&id) else { return };
        if !channel.is_up() {
            // It may have waited for this connection: to run on to its end, or to go.
            return if channel.state == ChannelState::Reporting { self.destroy(now, id) } else { self.report(now, id) };
        }
        let resumes = channel.variables.get("socket_resume").is_some_and(is_true);
        let on_top = matches!(channel.thread.runs.last(), Some(run) if matches!(run.doing, Doing::Socket(_)));
        if resumes && on_top && stage == Some(Stage::Serving) {
            // A synchronous channel resets itself then, and nothing more comes of it.
            self.over(now, id);
            return self.enter(now, id, ChannelState::Reset);
        }
        self.proceed(now, id);
    }

    /// Makes a channel leave what its connection kept it in: the stage that the application was at.
    fn leave_control(&mut self, now: Duration, id: SessionId, listener: ListenerId) -> Option<Stage> {
        let stage = self.socket(id, listener).map(|socket| socket.stage);
        if stage == Some(Stage::Waiting) {
            // A channel that is not parked yet parks without its connection, for good.
            let is_up = self.channels.get(&id).is_some_and(|channel| channel.is_up());
            if let Some(doing) = self.doing(id, listener).filter(|_| is_up) {
                *doing = Doing::Park;
                self.emit(now, id, EventKind::CHANNEL_PARK, PARKED);
            }
            return stage;
        }
        if let Some(socket) = self.socket(id, listener).filter(|socket| socket.stage == Stage::Serving) {
            socket.stage = Stage::Failed;
        }
        // The end of a connection takes control away from a channel, whoever parked it.
        for run in self.channels.get_mut(&id).into_iter().flat_map(|channel| &mut channel.thread.runs) {
            if run.doing.is_park() {
                run.doing = Doing::Socket(Socket { listener, stage: Stage::Leaving });
            }
        }
        stage
    }

    /// Whether a synchronous connection keeps a channel that has hung up from going on to its end. The connection
    /// has been told, and what ran above it has ended.
    pub(super) fn is_kept(&mut self, now: Duration, id: SessionId) -> bool {
        let Some(index) = self.serves_at(id) else { return false };
        self.unwind_to(now, id, index + 1);
        self.settle(id);
        self.tell_ended(now, id);
        true
    }

    /// How deep in what a channel runs the application is in which a synchronous connection has it.
    fn serves_at(&self, id: SessionId) -> Option<usize> {
        self.channels.get(&id)?.thread.runs.iter().position(|run| {
            matches!(run.doing, Doing::Socket(Socket { listener, stage: Stage::Serving })
                if self.listeners.contains_key(&listener))
        })
    }

    /// A channel has hung up: its connections look at it every 20 ms at least. One that waits for an application, of a
    /// synchronous channel, does so after that.
    pub(super) fn connections_look(&mut self, now: Duration, id: SessionId) {
        if self.controlled_by.contains_key(&id) && self.serves_at(id).is_none() {
            let frame = self.part_of_a_frame();
            self.add_leg(now + frame, id, Step::ConnectionsLook);
        }
    }

    /// Tells the connections of a channel that it has hung up: one closes, one that lingers is noticed.
    pub(super) fn tell_ended(&mut self, now: Duration, id: SessionId) {
        for listener in self.controlled_by.get(&id).cloned().into_iter().flatten() {
            self.tell_listener(now, id, listener);
        }
    }

    /// Tells one of them.
    pub(super) fn tell_listener(&mut self, now: Duration, id: SessionId, listener: ListenerId) {
        let (Some(channel), Some(peer)) = (self.channels.get(&id), self.listeners.get_mut(&listener)) else { return };
        let notice = peer.notice();
        let Some(session) = peer.session.as_mut().filter(|session| !session.told) else { return };
        let output = match peer.linger {
            None => {
                self.bus.subscriptions.remove(&listener);
                Output::Close(listener, notice)
            }
            Some(linger) => {
                let seconds = match linger {
                    Linger::Ever => -1,
                    Linger::Seconds(seconds) => {
                        let at = linger_ends(self.bus.clock, now, seconds);
                        self.timers.add(at, Due::LingerEnds(listener));
                        seconds
                    }
                };
                let name = &channel.profile.channel_name;
                Output::Notice(listener, frame::linger_notice(&session.uuid, name, seconds))
            }
        };
        session.told = true;
        self.bus.push(output);
    }

    pub(super) fn linger_ended(&mut self, listener: ListenerId) {
        if let Some(peer) = self.listeners.get(&listener) {
            self.bus.push(Output::Close(listener, peer.notice()));
        }
    }

    /// An event that a client sends to a channel: with `divert_events` its connection gets it just as it is, and
    /// otherwise a channel that is parked passes it on, with what it says about itself.
    pub(super) fn queue_event(
        &mut self,
        now: Duration,
        id: SessionId,
        kind: EventKind,
        headers: &[(String, String)],
        body: Option<&str>,
    ) {
        if self.diverted.contains(&id) {
            if let Some(listener) = self.controlled_by.get(&id).and_then(|listeners| listeners.first()) {
                self.bus.divert(*listener, headers, body);
            }
            return;
        }
        let Some(channel) = self.channels.get(&id) else { return };
        if channel.thread.runs.last().is_some_and(|run| run.doing.is_park()) {
            self.bus.passed_on(now, kind, channel, headers, body);
        }
    }

    fn doing(&mut self, id: SessionId, listener: ListenerId) -> Option<&mut Doing> {
        let runs = &mut self.channels.get_mut(&id)?.thread.runs;
        let of_listener = |doing: &&mut Doing| matches!(doing, Doing::Socket(socket) if socket.listener == listener);
        runs.iter_mut().map(|run| &mut run.doing).find(of_listener)
    }

    fn socket(&mut self, id: SessionId, listener: ListenerId) -> Option<&mut Socket> {
        match self.doing(id, listener)? {
            Doing::Socket(socket) => Some(socket),
            _ => None,
        }
    }
}

/// What the application does at its end, by where it was: the channel tells that it leaves what it was parked in.
pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, socket: &Socket) {
    if socket.stage == Stage::Waiting {
        switch.emit(now, id, EventKind::CHANNEL_PARK, PARKED);
    }
    if matches!(socket.stage, Stage::Waiting | Stage::Parked | Stage::Leaving) {
        switch.emit(now, id, EventKind::CHANNEL_UNPARK, applications::UNPARKED);
    }
}
