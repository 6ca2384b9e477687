//! Several servers on one network.

use std::{io, ops::Deref, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet, time::timeout};

use crate::{Config, Network, Server, State};

/// Simulated FreeSWITCH servers that call each other over SIP. Dropping it stops them.
///
/// ```
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let servers = fs_sim::Servers::start(2).await?;
/// // A client of the first one originates `sofia/external/9196@fs2:5080`, and the second one gets the call:
/// # let calls = async || Ok::<_, Vec<fs_sim::State>>(());
/// # calls().await.expect("no call");
/// let quiet = servers.wait_for(Duration::from_secs(1), |states| states.iter().all(|state| state.channels == 0)).await;
/// # assert!(quiet.is_ok());
/// servers.stop().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Servers {
    servers: Vec<Server>,
}

impl Servers {
    /// Starts so many servers with the default configuration, on free ports and one network of their own, called `fs1`,
    /// `fs2` and so on.
    ///
    /// # Errors
    ///
    /// Those of [`Server::start`].
    pub async fn start(count: usize) -> io::Result<Servers> {
        let named = |number: usize| Config { name: format!("fs{number}"), seed: number as u64, ..Config::default() };
        Servers::start_each((1..=count).map(named)).await
    }

    /// Starts a server for each configuration; those that have no network share a new one.
    ///
    /// # Errors
    ///
    /// Those of [`Server::start`]: two servers of one name on one network are one.
    pub async fn start_each(configs: impl IntoIterator<Item = Config>) -> io::Result<Servers> {
        let network = Network::new();
        let mut servers = Vec::new();
        for mut config in configs {
            config.network.get_or_insert_with(|| network.clone());
            servers.push(Server::start(config).await?);
        }
        Ok(Servers { servers })
    }

    /// The states as they are now, in the servers' order.
    #[must_use]
    pub fn states(&self) -> Vec<State> {
        self.servers.iter().map(Server::state).collect()
    }

    /// Waits until `condition` holds for the servers' states, at most for `deadline`, and returns those in which it held.
    ///
    /// # Errors
    ///
    /// The last states, if the condition did not hold in time.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        condition: impl Fn(&[State]) -> bool,
    ) -> Result<Vec<State>, Vec<State>> {
        let changed = Arc::new(Notify::new());
        let mut watching = JoinSet::new();
        for server in &self.servers {
            let (mut state, changed) = (server.watch(), changed.clone());
            watching.spawn(async move {
                while state.changed().await.is_ok() {
                    changed.notify_one();
                }
            });
        }
        let held = async {
            loop {
                let states = self.states();
                if condition(&states) {
                    return states;
                }
                changed.notified().await;
            }
        };
        timeout(deadline, held).await.map_err(|_| self.states())
    }

    /// Stops them all, as [`Server::stop`] does.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

impl Deref for Servers {
    type Target = [Server];

    fn deref(&self) -> &[Server] {
        &self.servers
    }
}
