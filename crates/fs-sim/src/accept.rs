//! Where connections come from: those that are accepted, and those that the switch wants made.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    bounds::{Budget, Share},
    config::Config,
    connection::{Connection, Means},
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

/// What all connections may have sent of commands that are not whole yet: a few dozen of the largest, so that a thousand
/// half-sent ones cannot eat the machine. A connection that goes beyond is closed; one with a command of an ordinary
/// size never is.
const SENT_BYTES_MAX: usize = 256 * 1024 * 1024;
const SENT_BYTES_OWN: usize = 64 * 1024;

/// What may wait for all connections together, so that a thousand clients that never read cost no more than a few. A
/// connection that has less than its own part loses nothing by the others.
const QUEUED_BYTES_MAX: usize = 1024 * 1024 * 1024;
const QUEUED_BYTES_OWN: usize = 1024 * 1024;

/// What connections hold together.
#[derive(Clone, Debug)]
pub(crate) struct Budgets {
    sent: Arc<Budget>,
    queued: Arc<Budget>,
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets { sent: Budget::new(SENT_BYTES_MAX), queued: Budget::new(QUEUED_BYTES_MAX) }
    }
}

impl Budgets {
    pub(crate) fn sent(&self) -> Share {
        self.sent.share(SENT_BYTES_OWN)
    }

    pub(crate) fn queued(&self) -> Share {
        self.queued.share(QUEUED_BYTES_OWN)
    }
}

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
    budgets: Budgets,
    connections: JoinSet<()>,
    connections_max: usize,
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
            budgets: Budgets::default(),
            connections: JoinSet::new(),
            connections_max: CONNECTIONS_MAX,
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
                if self.connections.len() >= self.connections_max {
                    return self.refuse();
                }
                self.accepted += 1;
                let (listener, means) = (ListenerId(self.accepted), self.means(address, self.accepted));
                self.connections.spawn(Connection::new(listener, stream, false, means).run());
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

    fn means(&self, address: SocketAddr, stream: u64) -> Means {
        let client = Client::new(address, &self.board.borrow());
        let line = Line::new(self.board.clone(), client, self.seed, stream);
        Means { inputs: self.inputs.clone(), turn: self.turn, line, budgets: self.budgets.clone() }
    }

    fn dial(&mut self, dial: Dial) {
        let is_full = self.connections.len() >= self.connections_max;
        let means = self.means(dial.address, dial.listener.0);
        self.connections.spawn(connect(dial, means, is_full));
    }
}

/// Makes one connection that the switch wants, and serves it.
async fn connect(dial: Dial, means: Means, is_full: bool) {
    let connected = if is_full { None } else { timeout(DIAL_TIMEOUT, TcpStream::connect(dial.address)).await.ok() };
    match connected {
        Some(Ok(stream)) => Connection::new(dial.listener, stream, true, means).run().await,
        _ => drop(means.inputs.send(Input::DialFailed(dial.listener)).await),
    }
}

/// The next connection; never one where nobody listens.
async fn next(socket: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match socket {
        Some(socket) => socket.accept().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::driver::Reply;

    #[tokio::test]
    async fn one_connection_too_many_is_closed_at_once_and_counted() {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let (inputs, mut told) = mpsc::channel(16);
        let (_dials, wanted) = mpsc::unbounded_channel();
        let (_board, watched) = watch::channel(Board::default());
        let (sees, _seen) = watch::channel(0);
        let mut accept = Accept::new(address, &Config::default(), inputs, wanted, watched, sees);
        accept.connections_max = 2;
        let accept = tokio::spawn(accept.run(socket));
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams.push(TcpStream::connect(address).await.expect("a connection"));
        }
        assert_eq!(streams[2].read(&mut [0]).await.expect("an end"), 0);
        let mut refused = 0;
        while refused == 0 {
            if let Some(Input::Refused(count)) = told.recv().await {
                refused += count;
            }
        }
        assert_eq!(refused, 1);
        let mut byte = [0];
        streams[1].read_exact(&mut byte).await.expect("the others are greeted");
        accept.abort();
    }

    #[tokio::test]
    async fn a_large_reply_goes_back_when_it_has_been_read() {
        const LARGE: usize = 8 * 1024 * 1024;
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let (inputs, mut told) = mpsc::channel(16);
        let (_dials, wanted) = mpsc::unbounded_channel();
        let (_board, watched) = watch::channel(Board::default());
        let (sees, _seen) = watch::channel(0);
        let accept = Accept::new(address, &Config::default(), inputs, wanted, watched, sees);
        let budgets = accept.budgets.clone();
        let accept = tokio::spawn(accept.run(socket));
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"noop\n\n").await.expect("it is open");
        let Some(Input::Connected { queued, events: _events, .. }) = told.recv().await else { panic!("no connection") };
        let Some(Input::Command { reply, .. }) = told.recv().await else { panic!("no command") };
        assert!(queued.take(LARGE));
        let bytes = bytes::Bytes::from(vec![b'x'; LARGE]);
        reply.send(Reply { bytes, queued: LARGE, last: false }).expect("it is waited for");
        let mut heard = vec![0; crate::frame::AUTH_REQUEST.len()];
        stream.read_exact(&mut heard).await.expect("a greeting");
        assert_eq!(budgets.queued.used(), LARGE, "more than a socket takes waits");
        let mut heard = vec![0; LARGE];
        stream.read_exact(&mut heard).await.expect("a reply");
        timeout(DIAL_TIMEOUT, async {
            while budgets.queued.used() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it goes back");
        accept.abort();
    }
}
