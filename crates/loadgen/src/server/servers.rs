//! The servers of a plan's slaves, with the simulated ones started.

use anyhow::Context;
use esl_core::Credentials;

use super::Server;
use crate::plan::{Plan, ServerPlan};

/// The servers of a plan's slaves, in the plan's order.
#[derive(Debug)]
pub struct Servers {
    /// Address and credentials of each server.
    pub servers: Vec<Server>,
    /// The servers that are simulated in this process; they end when they are dropped or stopped.
    simulated: Vec<fs_sim::Server>,
}

/// Starts the simulated servers of a plan on one network, where they reach each other by name.
///
/// # Errors
/// A simulated server cannot bind its port.
pub async fn start(plan: &Plan) -> anyhow::Result<Servers> {
    let mut servers = Servers { servers: Vec::new(), simulated: Vec::new() };
    let network = fs_sim::Network::new();
    for slave in &plan.slaves {
        let server = match &slave.server {
            ServerPlan::Real { address, credentials } => {
                Server { address: address.clone(), credentials: credentials.clone() }
            }
            ServerPlan::Simulated(config) => {
                let mut config = (**config).clone();
                config.network.get_or_insert_with(|| network.clone());
                let server = fs_sim::Server::start(config.clone()).await;
                let server = server.with_context(|| format!("cannot start the simulated server {}", slave.name))?;
                let address = server.addr().to_string();
                servers.simulated.push(server);
                Server { address, credentials: Credentials::password(config.password) }
            }
        };
        servers.servers.push(server);
    }
    Ok(servers)
}

impl Servers {
    /// Stops the simulated servers.
    pub async fn stop(self) {
        for server in self.simulated {
            server.stop().await;
        }
    }
}
