//! A running server: its handle, and its state from outside.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    accept::Accept,
    bounds::Refusals,
    clock::Stamp,
    config::Config,
    driver::{Ask, Driver, Ends},
    fault::{Board, Fault, OrderNumber, Planned},
    hep,
    network::Wire,
    switch::Switch,
};

/// Commands that wait for the switch; a connection that finds no room waits with its command.
const INPUTS_MAX: usize = 1_024;

/// Orders of faults that wait; who finds no room waits with the order.
const ASKS_MAX: usize = 16;

/// A simulated FreeSWITCH that is running. Dropping it stops it.
pub struct Server {
    name: String,
    address: SocketAddr,
    sip_address: SocketAddr,
    state: watch::Receiver<State>,
    asks: mpsc::Sender<Ask>,
    /// The version of the board that the accept loop has seen last.
    seen: watch::Receiver<u64>,
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
    /// `originate` commands that could be read.
    pub originates: u64,
    /// Channels that were refused: over a limit, paused, or with a UUID in use.
    pub refused: u64,
    /// Events that were put into a listener's queue; one for each listener.
    pub events_sent: u64,
    /// Events that a listener's full queue did not take.
    pub events_lost: u64,
    /// Connections that were closed at once because there were too many.
    pub connections_refused: u64,
    /// What clients asked for beyond a limit and did not get.
    pub refusals: Refusals,
    /// Faults that are in force.
    pub faults: usize,
    /// How often the server has gone down by [`Fault::Restart`](crate::Fault::Restart); what else counts the switch
    /// starts at zero again with it.
    pub restarts: u64,
}

impl Server {
    /// Starts a server and returns once it listens.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidInput` if [`Config::callee`] or one of [`Config::faults`] is impossible, or the network has a
    /// server of this name or address, with the reason; otherwise whatever binding [`Config::listen`] gives.
    pub async fn start(config: Config) -> io::Result<Server> {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wire = config.network.as_ref().map(|network| network.join(&config.name, config.sip.host)).transpose()?;
        let sip_address = sip_address(&config, wire.as_ref());
        let place = wire.as_ref().map(Wire::place);
        let mut switch = Switch::new(&config, place, Stamp(since_epoch.as_micros() as u64)).map_err(invalid)?;
        for planned in &config.faults {
            switch.faults.order(Duration::ZERO, planned.clone()).map_err(invalid)?;
        }
        let probe = config.hep.as_ref().map(hep::probe).transpose()?;
        let socket = TcpListener::bind(config.listen).await?;
        let address = socket.local_addr()?;
        let (inputs, commands) = mpsc::channel(INPUTS_MAX);
        let (report, state) = watch::channel(State::default());
        let (dials, wanted) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (board, watched) = watch::channel(Board::default());
        let (sees, seen) = watch::channel(0);
        let accept = Accept::new(address, &config, inputs, wanted, watched, sees);
        tracing::debug!(name = config.name, %address, "simulated FreeSWITCH listens");
        let ends = Ends { inputs: commands, asks: asked, dials, report, board, wire, probe };
        let name = config.name.clone();
        let driver = tokio::spawn(Driver::new(config, switch, ends).run());
        let accept = tokio::spawn(accept.run(socket));
        let server = Server { name, address, sip_address, state, asks, seen, accept, driver };
        server.has_seen(1).await;
        Ok(server)
    }

    /// Makes something go wrong from now on: for a time, or until it is cleared. Faults that take no time happen once
    /// then. Returns when it is in force.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidInput` if the fault is impossible or there are too many, with the reason.
    pub async fn order(&self, fault: Fault, lasting: Option<Duration>) -> io::Result<OrderNumber> {
        self.plan(Planned { lasting, ..Planned::new(fault) }).await
    }

    /// The same with everything that an order says: when, and whose connections it concerns.
    ///
    /// # Errors
    ///
    /// As [`Server::order`].
    pub async fn plan(&self, planned: Planned) -> io::Result<OrderNumber> {
        let (answer, ordered) = oneshot::channel();
        let asked = self.asks.send(Ask::Order(planned, answer)).await;
        let ordered = match asked {
            Ok(()) => ordered.await.map_err(gone)?.map_err(invalid)?,
            Err(error) => return Err(gone(error)),
        };
        self.has_seen(ordered.version).await;
        Ok(ordered.number)
    }

    /// Ends what an order has made, or takes the order back before it does. One that is over already is none.
    pub async fn clear(&self, order: OrderNumber) {
        self.clear_those(Some(order)).await;
    }

    /// Ends all faults and takes all orders back.
    pub async fn clear_all(&self) {
        self.clear_those(None).await;
    }

    async fn clear_those(&self, which: Option<OrderNumber>) {
        let (answer, version) = oneshot::channel();
        if self.asks.send(Ask::Clear(which, answer)).await.is_ok()
            && let Ok(version) = version.await
        {
            self.has_seen(version).await;
        }
    }

    async fn has_seen(&self, version: u64) {
        // The one who sees is gone only where the server is.
        let _ = self.seen.clone().wait_for(|seen| *seen >= version).await;
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Its name, by which other servers of its network call it too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its SIP profile `external` is: on its network, or for itself alone.
    #[must_use]
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip_address
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

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
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

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

fn sip_address(config: &Config, wire: Option<&Wire>) -> SocketAddr {
    let host = wire.map(|wire| wire.place().host).or(config.sip.host).unwrap_or(Ipv4Addr::LOCALHOST);
    SocketAddr::from((host, crate::channel::sofia::PROFILES[0].port))
}

/// What orders get from a server whose tasks are not there any more.
fn gone(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}
