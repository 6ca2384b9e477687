//! Where connections come from: those that are accepted, and those that the switch wants made.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    config::Config,
    connection::Connection,
    driver::{Dial, Input},
    event::ListenerId,
    fault::{Board, Client, Gate, Line},
};

/// The most connections to one server at a time; beyond, a connection is closed as soon as it is accepted.
const CONNECTIONS_MAX: usize = 1_000;

/// How long a connection to a client may take to come about: on loopback, where alone they lead, it is there at once
/// or never.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits after a socket has failed it: out of file descriptors, or the port in somebody else's hands.
const PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections, and makes those that the switch wants, for as long as it is not aborted; its connections end
/// with it.
pub(crate) struct Accept {
    address: SocketAddr,
    inputs: mpsc::Sender<Input>,
    dials: mpsc::UnboundedReceiver<Dial>,
    turn: Duration,
    seed: u64,
    board: watch::Receiver<Board>,
    /// Says which version of the board it goes by.
    sees: watch::Sender<u64>,
    connections: JoinSet<()>,
    accepted: u64,
    /// Connections that were refused and that nobody has been told of yet.
    refused: u64,
}

impl Accept {
    pub(crate) fn new(
        address: SocketAddr,
        config: &Config,
        inputs: mpsc::Sender<Input>,
        dials: mpsc::UnboundedReceiver<Dial>,
        board: watch::Receiver<Board>,
        sees: watch::Sender<u64>,
    ) -> Accept {
        Accept {
            address,
            inputs,
            dials,
            turn: config.event_delay,
            seed: config.seed,
            board,
            sees,
            connections: JoinSet::new(),
            accepted: 0,
            refused: 0,
        }
    }

    pub(crate) async fn run(mut self, socket: TcpListener) {
        let mut socket = Some(socket);
        loop {
            let gate = self.look(&mut socket).await;
            tokio::select! {
                biased;
                Ok(()) = self.board.changed() => {}
                Some(_) = self.connections.join_next() => {}
                Some(dial) = self.dials.recv() => self.dial(dial),
                accepted = next(socket.as_ref()), if gate == Gate::Open => self.accepted(accepted).await,
                () = sleep(PAUSE), if socket.is_none() && gate != Gate::Closed => {}
            }
        }
    }

    /// Opens or closes the port, as the faults in force have it.
    async fn look(&mut self, socket: &mut Option<TcpListener>) -> Gate {
        let (gate, version) = {
            let board = self.board.borrow_and_update();
            (board.gate(), board.version)
        };
        match gate {
            Gate::Closed => *socket = None,
            Gate::Open | Gate::Unattended if socket.is_none() => match TcpListener::bind(self.address).await {
                Ok(bound) => *socket = Some(bound),
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "cannot listen again yet");
                    return gate;
                }
            },
            Gate::Open | Gate::Unattended => {}
        }
        self.sees.send_if_modified(|seen| std::mem::replace(seen, version) != version);
        gate
    }

    async fn accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, address)) => {
                if self.connections.len() >= CONNECTIONS_MAX {
                    return self.refuse();
                }
                self.accepted += 1;
                let (listener, line) = (ListenerId(self.accepted), self.line(address, self.accepted));
                let connection = Connection::new(listener, stream, self.inputs.clone(), self.turn, false, line);
                self.connections.spawn(connection.run());
            }
            Err(error) => {
                // Out of file descriptors, or a client that was gone again: neither lasts.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }

    /// A switch that has no time for it now is told with the next one.
    fn refuse(&mut self) {
        self.refused += 1;
        if self.inputs.try_send(Input::Refused(self.refused)).is_ok() {
            self.refused = 0;
        }
    }

    fn line(&self, address: SocketAddr, stream: u64) -> Line {
        let client = Client::new(address, &self.board.borrow());
        Line::new(self.board.clone(), client, self.seed, stream)
    }

    fn dial(&mut self, dial: Dial) {
        let is_full = self.connections.len() >= CONNECTIONS_MAX;
        let line = self.line(dial.address, dial.listener.0);
        self.connections.spawn(connect(dial, self.inputs.clone(), self.turn, line, is_full));
    }
}

/// Makes one connection that the switch wants, and serves it.
async fn connect(dial: Dial, inputs: mpsc::Sender<Input>, turn: Duration, line: Line, is_full: bool) {
    let connected = if is_full { None } else { timeout(DIAL_TIMEOUT, TcpStream::connect(dial.address)).await.ok() };
    match connected {
        Some(Ok(stream)) => Connection::new(dial.listener, stream, inputs, turn, true, line).run().await,
        _ => drop(inputs.send(Input::DialFailed(dial.listener)).await),
    }
}

/// The next connection; never one where nobody listens.
async fn next(socket: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match socket {
        Some(socket) => socket.accept().await,
        None => std::future::pending().await,
    }
}
