//! A running server: its handle, its state from outside, and its accept loop.

use std::{
    fmt, io,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    clock::Stamp,
    config::Config,
    connection::Connection,
    driver::{Dial, Driver, Input},
    event::ListenerId,
    network::Wire,
    switch::Switch,
};

/// The most connections to one server at a time; beyond, a connection is closed as soon as it is accepted.
const CONNECTIONS_MAX: usize = 1_000;

/// Commands that wait for the switch; a connection that finds no room waits with its command.
const INPUTS_MAX: usize = 1_024;

/// How long a connection to a client may take to come about: on loopback, where alone they lead, it is there at once
/// or never.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A simulated FreeSWITCH that is running. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    state: watch::Receiver<State>,
    accept: JoinHandle<()>,
    driver: JoinHandle<()>,
}

/// What a server counts. Every count starts at zero when the server starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Channels that are up.
    pub channels: usize,
    /// Channels that there have been, as `Session-Since-Startup` says.
    pub sessions_since_startup: u64,
    /// Connections, authenticated or not.
    pub listeners: usize,
    /// `originate` commands.
    pub originates: u64,
    /// Channels that were refused: over a limit, paused, or with a UUID in use.
    pub refused: u64,
    /// Events that were put into a listener's queue; one for each listener.
    pub events_sent: u64,
    /// Events that a listener's full queue did not take.
    pub events_lost: u64,
    /// Connections that were closed at once because there were too many.
    pub connections_refused: u64,
}

impl Server {
    /// Starts a server and returns once it listens.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidInput` if [`Config::callee`] is impossible, or the network has a server of this name or address,
    /// with the reason; otherwise whatever
    /// binding [`Config::listen`] gives.
    pub async fn start(config: Config) -> io::Result<Server> {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wire = config.network.as_ref().map(|network| network.join(&config.name, config.sip.host)).transpose()?;
        let place = wire.as_ref().map(Wire::place);
        let switch = Switch::new(&config, place, Stamp(since_epoch.as_micros() as u64))
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        let socket = TcpListener::bind(config.listen).await?;
        let address = socket.local_addr()?;
        let (inputs, commands) = mpsc::channel(INPUTS_MAX);
        let (report, state) = watch::channel(State::default());
        let (dials, wanted) = mpsc::unbounded_channel();
        let driver = tokio::spawn(Driver::new(switch, commands, dials, report, wire).run());
        let accept = tokio::spawn(accept(socket, inputs, wanted, config.event_delay));
        tracing::debug!(name = config.name, %address, "simulated FreeSWITCH listens");
        Ok(Server { address, state, accept, driver })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The state as it is now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until `condition` holds, at most for `deadline`, and returns the state in which it held.
    ///
    /// # Errors
    ///
    /// The last state, if the condition did not hold in time.
    pub async fn wait_for(&self, deadline: Duration, condition: impl Fn(&State) -> bool) -> Result<State, State> {
        let mut state = self.state.clone();
        match timeout(deadline, state.wait_for(|state| condition(state))).await {
            Ok(Ok(state)) => Ok(state.clone()),
            _ => Err(self.state()),
        }
    }

    /// Drops every connection at once, ends all channels without a word, and frees the port.
    pub async fn stop(mut self) {
        self.accept.abort();
        self.driver.abort();
        // The port is free and the connections are gone once the accept loop has been dropped.
        let _ = (&mut self.accept).await;
        let _ = (&mut self.driver).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accept.abort();
        self.driver.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Accepts connections, and makes those that the switch wants, for as long as it is not aborted; its
/// connections end with it.
async fn accept(
    socket: TcpListener,
    inputs: mpsc::Sender<Input>,
    mut dials: mpsc::UnboundedReceiver<Dial>,
    event_delay: Duration,
) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => {
                    if connections.len() >= CONNECTIONS_MAX {
                        let _ = inputs.send(Input::Refused).await;
                        continue;
                    }
                    number += 1;
                    let listener = ListenerId(number);
                    connections.spawn(Connection::new(listener, stream, inputs.clone(), event_delay, false).run());
                }
                Err(error) => {
                    // Out of file descriptors, or a client that was gone again: neither lasts.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            Some(dial) = dials.recv() => {
                let full = connections.len() >= CONNECTIONS_MAX;
                connections.spawn(connect(dial, inputs.clone(), event_delay, full));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Makes one connection that the switch wants, and serves it.
async fn connect(dial: Dial, inputs: mpsc::Sender<Input>, event_delay: Duration, full: bool) {
    let connected = if full { None } else { timeout(DIAL_TIMEOUT, TcpStream::connect(dial.address)).await.ok() };
    match connected {
        Some(Ok(stream)) => Connection::new(dial.listener, stream, inputs, event_delay, true).run().await,
        _ => drop(inputs.send(Input::DialFailed(dial.listener)).await),
    }
}
