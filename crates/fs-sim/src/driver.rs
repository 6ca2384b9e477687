//! The one task that owns a [`Switch`]: it gives it the time and the commands, and delivers what comes out.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use crate::{
    command::Command,
    event::{ListenerId, Output},
    network::{InFlight, Wire},
    server::State,
    switch::Switch,
};

/// Events that wait for one listener: FreeSWITCH's own number (mod_event_socket).
pub(crate) const QUEUE_EVENTS_MAX: usize = 100_000;

/// Bytes that wait for one listener, so that a client that never reads costs a bounded share of memory.
const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Lost events after which FreeSWITCH closes a listener's connection (mod_event_socket).
const LOST_MAX: u64 = 500;

/// Commands that are taken in before what came out is looked at again.
const BATCH: usize = 64;

/// What connections tell the driver.
#[derive(Debug)]
pub(crate) enum Input {
    Connected {
        listener: ListenerId,
        events: mpsc::Sender<Delivery>,
        queued_bytes: Arc<AtomicUsize>,
        /// The switch asked for this connection.
        dialled: bool,
    },
    /// A connection that the switch asked for did not come about.
    DialFailed(ListenerId),
    Command {
        listener: ListenerId,
        command: Command,
        reply: oneshot::Sender<Reply>,
    },
    Disconnected(ListenerId),
    /// There were too many connections for one more.
    Refused,
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
    /// The connection ends with it.
    pub(crate) last: bool,
}

/// The driver's end of one connection.
struct Peer {
    events: mpsc::Sender<Delivery>,
    queued_bytes: Arc<AtomicUsize>,
    reply: Option<oneshot::Sender<Reply>>,
    lost: u64,
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
    inputs: mpsc::Receiver<Input>,
    /// Where connections to clients are made.
    dials: mpsc::UnboundedSender<Dial>,
    report: watch::Sender<State>,
    peers: HashMap<ListenerId, Peer>,
    started: Instant,
    state: State,
    /// Its place in a network of servers.
    wire: Option<Wire>,
}

impl Driver {
    pub(crate) fn new(
        switch: Switch,
        inputs: mpsc::Receiver<Input>,
        dials: mpsc::UnboundedSender<Dial>,
        report: watch::Sender<State>,
        wire: Option<Wire>,
    ) -> Driver {
        Driver {
            switch,
            inputs,
            dials,
            report,
            peers: HashMap::new(),
            started: Instant::now(),
            state: State::default(),
            wire,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let deadline = self.switch.next_deadline().map(|up| self.started + up);
            tokio::select! {
                received = self.inputs.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        return;
                    }
                }
                Some(packet) = receive(&mut self.wire) => self.arrives(packet),
                () = wait(deadline) => {}
            }
            self.switch.advance(self.started.elapsed());
            for input in batch.drain(..) {
                self.take(input);
            }
            self.switch.advance(self.started.elapsed());
            self.deliver();
            self.publish();
        }
    }

    fn take(&mut self, input: Input) {
        let now = self.started.elapsed();
        match input {
            Input::Connected { listener, events, queued_bytes, dialled } => {
                self.peers.insert(listener, Peer { events, queued_bytes, reply: None, lost: 0 });
                if dialled {
                    self.switch.dialled(now, listener);
                } else {
                    self.switch.connect(now, listener);
                }
            }
            Input::DialFailed(listener) => self.switch.dial_failed(now, listener),
            Input::Command { listener, command, reply } => {
                if let Some(peer) = self.peers.get_mut(&listener) {
                    peer.reply = Some(reply);
                    self.switch.advance(now);
                    self.switch.command(now, listener, &command);
                }
            }
            Input::Disconnected(listener) => self.forget(now, listener),
            Input::Refused => self.state.connections_refused += 1,
        }
    }

    /// A message from another server has been sent.
    fn arrives(&mut self, (at, packet): InFlight) {
        let at = at.saturating_duration_since(self.started);
        self.switch.packet(at, packet);
        if let Some(wire) = &mut self.wire {
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
        for output in self.switch.drain() {
            match output {
                Output::Reply(listener, bytes) => answer(&mut self.peers, listener, bytes, false),
                Output::Goodbye(listener, bytes) => answer(&mut self.peers, listener, bytes, true),
                Output::Event(listener, bytes) => {
                    let Some(peer) = self.peers.get_mut(&listener) else { continue };
                    if peer.push(bytes) {
                        self.state.events_sent += 1;
                    } else {
                        self.state.events_lost += 1;
                        peer.lost += 1;
                        if peer.lost == LOST_MAX {
                            overrun.push(listener);
                        }
                    }
                }
                Output::Log(listener, bytes) => put(&self.peers, listener, Delivery::Log(bytes)),
                Output::Flush(listener) => put(&self.peers, listener, Delivery::Flush),
                Output::Notice(listener, bytes) => put(&self.peers, listener, Delivery::Notice(bytes)),
                Output::Close(listener, bytes) => {
                    put(&self.peers, listener, Delivery::Close(bytes));
                    self.peers.remove(&listener);
                }
                // The one who dials is gone only where the server is.
                Output::Packet(packet) => {
                    let Some(wire) = &self.wire else { continue };
                    undelivered.extend(wire.send(self.started + packet.at, *packet).err());
                }
                Output::Dial(listener, address) => drop(self.dials.send(Dial { listener, address })),
            }
        }
        let now = self.started.elapsed();
        for packet in undelivered {
            self.switch.undelivered(now, packet);
        }
        for listener in overrun {
            tracing::debug!(?listener, "too many events lost, connection closed");
            self.forget(now, listener);
        }
    }

    fn publish(&mut self) {
        let figures = self.switch.figures();
        self.state.channels = figures.channels;
        self.state.sessions_since_startup = figures.sessions_since_startup;
        self.state.listeners = figures.listeners;
        self.state.originates = figures.originates;
        self.state.refused = figures.refused;
        self.report.send_if_modified(|known| {
            let changed = *known != self.state;
            if changed {
                known.clone_from(&self.state);
            }
            changed
        });
    }
}

impl Peer {
    /// `false` if the queue is full.
    fn push(&mut self, bytes: Bytes) -> bool {
        let length = bytes.len();
        if self.queued_bytes.load(Ordering::Relaxed) + length > QUEUE_BYTES_MAX
            || self.events.try_send(Delivery::Event(bytes)).is_err()
        {
            return false;
        }
        self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        true
    }
}

/// Answers the command that a connection waits for. Without one a last word goes through the queue.
fn answer(peers: &mut HashMap<ListenerId, Peer>, listener: ListenerId, bytes: Bytes, last: bool) {
    let Some(peer) = peers.get_mut(&listener) else { return };
    match peer.reply.take() {
        // A connection that is gone needs no answer.
        Some(reply) => drop(reply.send(Reply { bytes, last })),
        None if last => {
            put(peers, listener, Delivery::Close(bytes));
            peers.remove(&listener);
        }
        None => {}
    }
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

    #[test]
    fn a_full_queue_takes_no_more() {
        let (events, mut queue) = mpsc::channel(2);
        let mut peer = Peer { events, queued_bytes: Arc::default(), reply: None, lost: 0 };
        let event = Bytes::from_static(b"12345");
        assert!(peer.push(event.clone()) && peer.push(event.clone()));
        assert!(!peer.push(event.clone()));
        assert_eq!(peer.queued_bytes.load(Ordering::Relaxed), 10);
        assert!(queue.try_recv().is_ok() && peer.push(event.clone()));

        peer.queued_bytes.store(QUEUE_BYTES_MAX - 4, Ordering::Relaxed);
        assert!(queue.try_recv().is_ok() && !peer.push(event));
    }
}
