//! The one task that owns a [`Switch`]: it gives it the time and the commands, and delivers what comes out.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::yield_now,
    time::{Instant, sleep_until},
};

use crate::{
    bounds::{Refusals, Share},
    clock::Stamp,
    command::Command,
    config::Config,
    event::{ListenerId, Output},
    fault::{Board, Change, Client, Fault, OrderNumber, Planned, Spoiler},
    frame,
    hep::Probe,
    network::{InFlight, Wire},
    server::State,
    switch::Switch,
};

/// Events that wait for one listener: FreeSWITCH's own number (mod_event_socket).
pub(crate) const QUEUE_EVENTS_MAX: usize = 100_000;

/// Bytes that wait for one listener, so that a client that never reads costs a bounded share of memory.
const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A reply of at most this size is given whatever waits: a connection has one at a time.
const REPLY_BYTES_FREE: usize = 64 * 1024;

/// What no real server answers: it holds whatever comes out.
const TOO_MUCH: &str = "-ERR too much waits to be read\n";

/// Events, or log lines, that a listener may lose in a row: one more, and FreeSWITCH closes its connection
/// (mod_event_socket).
const LOST_MAX: u64 = 500;

/// Commands that are taken in before what came out is looked at again.
const BATCH: usize = 64;

/// What comes out of the switch before it is handed out: so much of it is held twice at most. A hundred thousand channels
/// that end at once say gigabytes.
const PIECE: usize = 1_000;

/// What connections tell the driver.
#[derive(Debug)]
pub(crate) enum Input {
    Connected {
        listener: ListenerId,
        events: mpsc::Sender<Delivery>,
        queued: Arc<Share>,
        /// The switch asked for this connection.
        dialled: bool,
        client: Client,
        /// Ends the connection at once, with all that waits.
        kill: oneshot::Sender<()>,
    },
    /// A connection that the switch asked for did not come about.
    DialFailed(ListenerId),
    Command {
        listener: ListenerId,
        command: Command,
        reply: oneshot::Sender<Reply>,
    },
    Disconnected(ListenerId),
    /// There were too many connections for so many more.
    Refused(u64),
    /// A connection has sent too much of a command.
    TooMuch,
}

/// What the owner of a server asks for: faults.
#[derive(Debug)]
pub(crate) enum Ask {
    Order(Planned, oneshot::Sender<Result<Ordered, String>>),
    /// One order, or all of them.
    Clear(Option<OrderNumber>, oneshot::Sender<u64>),
}

/// An order that has been taken in, and the version of the board that has it if it is for now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered {
    pub(crate) number: OrderNumber,
    pub(crate) version: u64,
}

/// How a driver is connected to everything else.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    /// Where connections to clients are made.
    pub(crate) dials: mpsc::UnboundedSender<Dial>,
    pub(crate) report: watch::Sender<State>,
    pub(crate) board: watch::Sender<Board>,
    /// Its place in a network of servers.
    pub(crate) wire: Option<Wire>,
    /// Where copies of its SIP messages go.
    pub(crate) probe: Option<Probe>,
}

/// What the driver puts into a connection's queue.
#[derive(Debug)]
pub(crate) enum Delivery {
    Event(Bytes),
    /// Comes before the events.
    Log(Bytes),
    /// The events before it are not wanted any more.
    Flush,
    /// Comes after all events that are there.
    Notice(Bytes),
    /// The last notice.
    Close(Bytes),
}

/// The answer to a command.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Bytes,
    /// What of it is to be given back when it has been written.
    pub(crate) queued: usize,
    /// The connection ends with it.
    pub(crate) last: bool,
}

/// The driver's end of one connection.
struct Peer {
    events: mpsc::Sender<Delivery>,
    queued: Arc<Share>,
    reply: Option<oneshot::Sender<Reply>>,
    /// What has been lost in a row, of events and of log lines.
    lost: u64,
    lost_logs: u64,
    client: Client,
    kill: oneshot::Sender<()>,
}

/// A connection that the switch wants.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) listener: ListenerId,
    pub(crate) address: SocketAddr,
}

/// Runs a switch until every connection's sender is gone, or it is aborted.
pub(crate) struct Driver {
    switch: Switch,
    ends: Ends,
    peers: HashMap<ListenerId, Peer>,
    started: Instant,
    state: State,
    config: Config,
    /// When it was first started, restarts or not.
    born: Instant,
    spoiler: Spoiler,
    /// It does nothing at the moment, or is not even there.
    idleness: Option<Idleness>,
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idleness {
    Stalled,
    /// There is no server.
    Down,
}

impl Driver {
    pub(crate) fn new(mut config: Config, switch: Switch, ends: Ends) -> Driver {
        let started = Instant::now();
        // The address that it has got is its own from now on, restarts or not.
        config.sip.host = ends.wire.as_ref().map(|wire| wire.place().host).or(config.sip.host);
        Driver {
            switch,
            ends,
            peers: HashMap::new(),
            started,
            state: State::default(),
            born: started,
            spoiler: Spoiler::new(config.seed),
            idleness: None,
            config,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        self.post(&[]);
        loop {
            self.see_to_faults();
            if self.idleness.is_some() {
                self.idle(&mut batch).await;
                continue;
            }
            let deadline = self.deadline();
            tokio::select! {
                received = self.ends.inputs.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        return;
                    }
                }
                Some(packet) = receive(&mut self.ends.wire) => self.arrives(packet),
                Some(ask) = self.ends.asks.recv() => self.grant(ask),
                () = wait(deadline) => {}
            }
            self.catch_up().await;
            for input in batch.drain(..) {
                let now = self.catch_up().await;
                self.take(now, input);
            }
            self.catch_up().await;
            self.deliver();
            self.publish();
        }
    }

    /// Lets everything happen that is due, and hands it out where it is much: connections write it meanwhile.
    /// Returns up to when.
    async fn catch_up(&mut self) -> Duration {
        let now = self.started.elapsed();
        while !self.switch.advance_until(now, PIECE) {
            self.deliver();
            yield_now().await;
        }
        now
    }

    /// When something is due by itself.
    fn deadline(&self) -> Option<Instant> {
        let due = self.switch.next_deadline().and_then(|up| self.started.checked_add(up));
        if self.switch.faults.is_idle() && self.spoiler.next_at().is_none() {
            return due;
        }
        let late = self.spoiler.next_at().and_then(|up| self.started.checked_add(up));
        due.into_iter().chain(late).chain(self.next_fault()).min()
    }

    fn next_fault(&self) -> Option<Instant> {
        self.switch.faults.next_at().and_then(|at| self.born.checked_add(at))
    }

    /// Waits for the end of a stall, or of a server's downtime. What clients say stays where it is, or is lost.
    async fn idle(&mut self, batch: &mut Vec<Input>) {
        let next = self.next_fault();
        let is_down = self.idleness == Some(Idleness::Down);
        tokio::select! {
            Some(ask) = self.ends.asks.recv() => self.grant(ask),
            _ = self.ends.inputs.recv_many(batch, BATCH), if is_down => batch.clear(),
            () = wait(next) => {}
        }
    }

    /// Does what the owner asks for, and answers when it is in force.
    fn grant(&mut self, ask: Ask) {
        let now = self.born.elapsed();
        match ask {
            Ask::Order(planned, answer) => {
                let number = self.switch.faults.order(now, planned);
                self.see_to_faults();
                let version = self.ends.board.borrow().version;
                // Whoever does not wait for the answer needs none.
                let _ = answer.send(number.map(|number| Ordered { number, version }));
            }
            Ask::Clear(number, answer) => {
                self.switch.faults.clear(now, |order| number.is_none_or(|number| order.number == number));
                self.see_to_faults();
                let _ = answer.send(self.ends.board.borrow().version);
            }
        }
    }

    /// Lets faults begin and end.
    fn see_to_faults(&mut self) {
        let now = self.born.elapsed();
        if self.switch.faults.next_at().is_none_or(|at| at > now) {
            return;
        }
        let changes = self.switch.faults.advance(now);
        for change in &changes {
            let up = self.started.elapsed();
            match change {
                Change::Begins { fault: Fault::Restart, .. } => self.state.restarts += 1,
                Change::Ends(Fault::Restart) => self.start_anew(),
                Change::Ends(Fault::Stall) => self.switch.stood_still_until(up),
                change => self.switch.fault_changed(up, change),
            }
        }
        self.spoiler.renew(&self.switch.faults);
        let is = |fault| self.switch.faults.is_in_force(&fault);
        self.idleness = match () {
            () if is(Fault::Restart) => Some(Idleness::Down),
            () if is(Fault::Stall) => Some(Idleness::Stalled),
            () => None,
        };
        if self.idleness == Some(Idleness::Down) {
            self.forget_all();
            self.ends.wire = None;
        }
        self.post(&changes);
        self.publish();
    }

    /// Says what is in force.
    fn post(&mut self, changes: &[Change]) {
        self.state.faults = self.switch.faults.in_force().count();
        self.ends.board.send_modify(|board| board.renew(&self.switch.faults, changes));
    }

    /// Nobody is left, and no call either: a switch that has just been made has neither.
    fn forget_all(&mut self) {
        let seed = self.config.seed.wrapping_add(self.state.restarts);
        let config = Config { seed, ..self.config.clone() };
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Its configuration has been possible before.
        let place = self.ends.wire.as_ref().map(Wire::place);
        let Ok(mut switch) = Switch::new(&config, place, Stamp(since_epoch.as_micros() as u64)) else { return };
        switch.succeeds(std::mem::take(&mut self.switch.faults), self.born.elapsed());
        self.switch = switch;
        self.peers.clear();
        self.spoiler.forget();
        self.started = Instant::now();
    }

    /// A server that has just been started is in the old one's place, with what is in force.
    fn start_anew(&mut self) {
        self.join_again();
        self.forget_all();
        let in_force: Vec<Change> = self.switch.faults.begun_again().collect();
        for change in &in_force {
            self.switch.fault_changed(Duration::ZERO, change);
        }
    }

    /// The others of a network must not take a server's new legs for its old ones: it has the same address and is
    /// another one.
    fn join_again(&mut self) {
        let Some(network) = &self.config.network else { return };
        self.ends.wire = None;
        match network.join(&self.config.name, self.config.sip.host) {
            Ok(wire) => self.ends.wire = Some(wire),
            Err(error) => tracing::warn!(%error, "a server that was down has lost its place in the network"),
        }
    }

    fn take(&mut self, now: Duration, input: Input) {
        match input {
            Input::Connected { listener, events, queued, dialled, client, kill } => {
                let peer = Peer { events, queued, reply: None, lost: 0, lost_logs: 0, client, kill };
                self.peers.insert(listener, peer);
                if dialled {
                    self.switch.dialled(now, listener);
                } else {
                    self.switch.connect(now, listener);
                }
                self.switch.located(listener, client.address());
            }
            Input::DialFailed(listener) => self.switch.dial_failed(now, listener),
            Input::Command { listener, command, reply } => {
                if let Some(peer) = self.peers.get_mut(&listener) {
                    peer.reply = Some(reply);
                    self.switch.command(now, listener, &command);
                }
            }
            Input::Disconnected(listener) => self.forget(now, listener),
            Input::TooMuch => self.state.refusals.commands += 1,
            Input::Refused(count) => self.state.connections_refused += count,
        }
    }

    /// A message from another server has been sent.
    fn arrives(&mut self, (at, packet): InFlight) {
        let at = at.saturating_duration_since(self.started);
        self.switch.packet(at, packet);
        if let Some(wire) = &mut self.ends.wire {
            for _ in 0..BATCH {
                let Ok((at, packet)) = wire.queue.try_recv() else { break };
                self.switch.packet(at.saturating_duration_since(self.started), packet);
            }
        }
    }

    fn forget(&mut self, now: Duration, listener: ListenerId) {
        self.peers.remove(&listener);
        self.switch.disconnect(now, listener);
    }

    fn deliver(&mut self) {
        let mut overrun = Vec::new();
        let mut undelivered = Vec::new();
        let now = self.started.elapsed();
        for output in self.switch.drain() {
            match output {
                Output::Reply(listener, bytes) => {
                    self.state.refusals.replies += u64::from(!answer(&mut self.peers, listener, bytes, false));
                }
                Output::Goodbye(listener, bytes) => drop(answer(&mut self.peers, listener, bytes, true)),
                Output::Event(listener, bytes) => {
                    let Some(peer) = self.peers.get_mut(&listener) else { continue };
                    let times = match self.spoiler.is_idle() {
                        true => 1,
                        false => self.spoiler.take(now, listener, &peer.client, &bytes),
                    };
                    if (0..times).any(|_| peer.hand_over(bytes.clone(), &mut self.state)) {
                        overrun.extend(self.peers.remove_entry(&listener));
                    }
                }
                Output::Log(listener, bytes) => {
                    let Some(peer) = self.peers.get_mut(&listener) else { continue };
                    if peer.hand_over_log(bytes, &mut self.state) {
                        overrun.extend(self.peers.remove_entry(&listener));
                    }
                }
                Output::Flush(listener) => put(&self.peers, listener, Delivery::Flush),
                Output::Notice(listener, bytes) => put(&self.peers, listener, Delivery::Notice(bytes)),
                Output::Close(listener, bytes) => {
                    put(&self.peers, listener, Delivery::Close(bytes));
                    self.peers.remove(&listener);
                }
                Output::Copy(datagram) => {
                    if let Some(probe) = &self.ends.probe {
                        probe.send(&datagram);
                    }
                }
                Output::Packet(packet) => {
                    let Some(wire) = &self.ends.wire else { continue };
                    undelivered.extend(wire.send(self.started + packet.at, *packet).err());
                }
                // The one who dials is gone only where the server is.
                Output::Dial(listener, address) => drop(self.ends.dials.send(Dial { listener, address })),
            }
        }
        for packet in undelivered {
            self.switch.undelivered(now, packet);
        }
        while let Some((listener, bytes)) = self.spoiler.due(now) {
            if self.peers.get_mut(&listener).is_some_and(|peer| peer.hand_over(bytes, &mut self.state)) {
                overrun.extend(self.peers.remove_entry(&listener));
            }
        }
        for (listener, peer) in overrun {
            tracing::debug!(?listener, "too much lost, connection closed");
            // One that has ended by itself is gone already.
            let _ = peer.kill.send(());
            self.switch.disconnect(now, listener);
        }
    }

    fn publish(&mut self) {
        let figures = self.switch.figures();
        self.state.channels = figures.channels;
        self.state.sessions_since_startup = figures.sessions_since_startup;
        self.state.listeners = figures.listeners;
        self.state.originates = figures.originates;
        self.state.refused = figures.refused;
        let Refusals { commands, log_lines, replies, .. } = self.state.refusals;
        self.state.refusals = Refusals { commands, log_lines, replies, ..figures.refusals };
        self.ends.report.send_if_modified(|known| {
            let changed = *known != self.state;
            if changed {
                known.clone_from(&self.state);
            }
            changed
        });
    }
}

impl Peer {
    /// Puts an event into the queue, or counts it as lost: whether that was one too many.
    fn hand_over(&mut self, event: Bytes, state: &mut State) -> bool {
        if self.push(event, Delivery::Event) {
            state.events_sent += 1;
            self.lost = 0;
            return false;
        }
        state.events_lost += 1;
        self.lost += 1;
        self.lost > LOST_MAX
    }

    /// The same for a log line.
    fn hand_over_log(&mut self, line: Bytes, state: &mut State) -> bool {
        if self.push(line, Delivery::Log) {
            self.lost_logs = 0;
            return false;
        }
        state.refusals.log_lines += 1;
        self.lost_logs += 1;
        self.lost_logs > LOST_MAX
    }

    /// `false` if the queue is full.
    fn push(&mut self, bytes: Bytes, as_what: fn(Bytes) -> Delivery) -> bool {
        let length = bytes.len();
        if self.queued.held() + length > QUEUE_BYTES_MAX || !self.queued.take(length) {
            return false;
        }
        let taken = self.events.try_send(as_what(bytes)).is_ok();
        if !taken {
            self.queued.give(length);
        }
        taken
    }
}

/// Answers the command that a connection waits for. Without one a last word goes through the queue. Returns `false` where
/// the client gets another answer, since too much waits to be read.
fn answer(peers: &mut HashMap<ListenerId, Peer>, listener: ListenerId, bytes: Bytes, last: bool) -> bool {
    let Some(peer) = peers.get_mut(&listener) else { return true };
    match peer.reply.take() {
        Some(reply) => {
            let queued = if bytes.len() > REPLY_BYTES_FREE { bytes.len() } else { 0 };
            let taken = peer.queued.take(queued);
            let sent = match taken {
                true => Reply { bytes, queued, last },
                false => Reply { bytes: frame::api_response(TOO_MUCH), queued: 0, last },
            };
            // A connection that is gone needs no answer: what it had goes back with it.
            drop(reply.send(sent));
            return taken;
        }
        None if last => {
            put(peers, listener, Delivery::Close(bytes));
            peers.remove(&listener);
        }
        None => {}
    }
    true
}

/// A queue that is full takes no notice; that its sender is dropped closes the connection all the same.
fn put(peers: &HashMap<ListenerId, Peer>, listener: ListenerId, delivery: Delivery) {
    if let Some(peer) = peers.get(&listener) {
        let _ = peer.events.try_send(delivery);
    }
}

/// The next message from another server.
async fn receive(wire: &mut Option<Wire>) -> Option<InFlight> {
    match wire {
        Some(wire) => wire.queue.recv().await,
        None => std::future::pending().await,
    }
}

async fn wait(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::Budget;

    /// A client's end of the driver, with a queue for so many events.
    fn peer(events: usize, share: Share) -> (Peer, mpsc::Receiver<Delivery>) {
        let (events, queue) = mpsc::channel(events);
        let client = Client::new("127.0.0.1:1".parse().expect("an address"), &Board::default());
        let (kill, _) = oneshot::channel();
        (Peer { events, queued: Arc::new(share), reply: None, lost: 0, lost_logs: 0, client, kill }, queue)
    }

    #[test]
    fn who_loses_too_much_in_a_row_is_out() {
        let budget = Budget::new(QUEUE_BYTES_MAX);
        let (mut peer, mut queue) = peer(1, budget.share(0));
        let mut state = State::default();
        let text = Bytes::from_static(b"12345");
        let mut outs = |peer: &mut Peer, what: fn(&mut Peer, Bytes, &mut State) -> bool, times: usize| {
            (0..times).filter(|_| what(peer, text.clone(), &mut state)).count()
        };
        for what in [Peer::hand_over, Peer::hand_over_log] {
            assert_eq!(outs(&mut peer, what, 501), 0, "one is taken, and 500 are lost");
            queue.try_recv().expect("an event");
            assert_eq!(outs(&mut peer, what, 501), 0, "what is taken makes good what was lost");
            assert_eq!(outs(&mut peer, what, 1), 1);
            queue.try_recv().expect("an event");
        }
        assert_eq!((state.events_sent, state.events_lost, state.refusals.log_lines), (2, 1_001, 1_001));
    }

    #[test]
    fn a_full_queue_takes_no_more() {
        let budget = Budget::new(QUEUE_BYTES_MAX * 2);
        let (mut peer, mut queue) = peer(2, budget.share(0));
        let queued = peer.queued.clone();
        let event = Bytes::from_static(b"12345");
        let push = |peer: &mut Peer| peer.push(event.clone(), Delivery::Event);
        assert!(push(&mut peer) && push(&mut peer));
        assert!(!push(&mut peer));
        assert_eq!(queued.held(), 10);
        assert!(queue.try_recv().is_ok() && push(&mut peer));

        assert!(queued.hold(QUEUE_BYTES_MAX - 4));
        assert!(queue.try_recv().is_ok() && !push(&mut peer));
    }

    #[test]
    fn many_that_never_read_share_what_there_is() {
        let budget = Budget::new(1_000);
        let (mut peers, _queues): (Vec<Peer>, Vec<_>) = (0..10).map(|_| peer(1_000, budget.share(50))).unzip();
        let event = Bytes::from_static(b"1234567890");
        let taken: Vec<usize> = peers
            .iter_mut()
            .map(|peer| (0..200).filter(|_| peer.push(event.clone(), Delivery::Event)).count())
            .collect();
        assert_eq!(taken, [100, 5, 5, 5, 5, 5, 5, 5, 5, 5], "the first took all, and the others have their own part");
    }

    #[test]
    fn large_replies_share_the_room_and_small_ones_always_come() {
        const LARGE: usize = REPLY_BYTES_FREE + 1;
        let budget = Budget::new(2 * LARGE);
        let mut peers = HashMap::new();
        let asked = |number: u64, size: usize, peers: &mut HashMap<ListenerId, Peer>| {
            let (reply, answered) = oneshot::channel();
            let (asks, _) = peer(1, budget.share(0));
            peers.insert(ListenerId(number), Peer { reply: Some(reply), ..asks });
            (answer(peers, ListenerId(number), Bytes::from(vec![b'x'; size]), false), answered)
        };
        let mut answers: Vec<_> = [LARGE, LARGE, LARGE, REPLY_BYTES_FREE]
            .into_iter()
            .zip(0..)
            .map(|(s, n)| asked(n, s, &mut peers))
            .collect();
        assert_eq!(answers.iter().map(|(taken, _)| *taken).collect::<Vec<_>>(), [true, true, false, true]);
        let told = answers.iter_mut().map(|(_, answered)| answered.try_recv().expect("an answer"));
        let told: Vec<Reply> = told.collect();
        assert_eq!(told.iter().map(|reply| reply.queued).collect::<Vec<_>>(), [LARGE, LARGE, 0, 0]);
        assert!(told[2].bytes.ends_with(b"\n\n-ERR too much waits to be read\n"));
        assert_eq!(told[3].bytes.len(), REPLY_BYTES_FREE);
        peers.clear();
        assert!(asked(9, 2 * LARGE, &mut peers).0, "who is gone holds nothing");
    }
}
