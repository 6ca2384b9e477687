//! `loadgen sim`: simulated FreeSWITCH servers, alone.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::Context;
use fs_sim::{Config, SERVERS_MAX};

use crate::config::{self, ConfigError, SimConfig};
use crate::plan::{Plan, ServerPlan};

/// What only a run's configuration has: such a file is not for `loadgen sim` alone.
const RUN_TABLES: [&str; 4] = ["run", "load", "call", "slaves"];

/// A server that is to be started, and whether it has a place of its own.
#[derive(Debug)]
pub struct Planned {
    config: Config,
    placed: bool,
}

/// Whether a file is a list of simulated servers, and no run's configuration.
pub fn is_for_sim(text: &str) -> bool {
    !config::has_key(text, &RUN_TABLES)
}

/// The servers of a file with `[[servers]]`.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn servers(
    name: String,
    text: String,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Planned>, ConfigError> {
    let (file, source) = config::parse::<SimConfig>(name, text, environment)?;
    let mut servers = Vec::new();
    let mut names = BTreeSet::new();
    for (table, n) in file.servers.iter().zip(1_u64..) {
        // One after another, each has another seed.
        let base = Config { name: format!("fs{n}"), seed: servers.len() as u64 + 1, ..Config::default() };
        let configs = table.get_ref().configs(&base).map_err(|message| source.error(table.span(), message))?;
        for config in configs {
            if !names.insert(config.name.clone()) {
                let message = format!("there are two servers named {:?}: give each a name of its own", config.name);
                return Err(source.error(table.span(), message));
            }
            servers.push(Planned { config, placed: table.get_ref().has_address() });
        }
    }
    match servers.len() {
        0 => Err(source.whole("there are no servers: add a [[servers]] table")),
        count if count as u64 > SERVERS_MAX => {
            Err(source.whole(format!("{count} servers are over the limit of {SERVERS_MAX}")))
        }
        _ => Ok(servers),
    }
}

/// The simulated slaves of a run.
pub fn slaves(plan: Plan) -> Vec<Planned> {
    let servers = plan.slaves.into_iter().filter_map(|slave| match slave.server {
        ServerPlan::Simulated(config) => Some(Planned { placed: config.listen.port() != 0, config: *config }),
        ServerPlan::Real { .. } => None,
    });
    servers.collect()
}

/// So many servers with the default behaviour.
pub fn defaults(count: u16) -> Vec<Planned> {
    let server = |n: u16| Config { name: format!("fs{n}"), seed: n.into(), ..Config::default() };
    (1..=count).map(|n| Planned { config: server(n), placed: false }).collect()
}

/// Gives those without a place the ports from `listen` on (port 0: free ones), and all of them seeds from `seed` on.
///
/// # Errors
/// There are not that many ports.
pub fn place(servers: &mut [Planned], listen: SocketAddr, seed: Option<u64>) -> anyhow::Result<()> {
    for (n, server) in (0_u16..).zip(servers.iter_mut().filter(|server| !server.placed)) {
        server.config.listen = fs_sim::port_behind(listen, n).map_err(anyhow::Error::msg)?;
    }
    if let Some(seed) = seed {
        for (n, server) in (0..).zip(servers) {
            server.config.seed = seed.wrapping_add(n);
        }
    }
    Ok(())
}

/// What would be started, for a person to read.
pub fn describe(servers: &[Planned]) -> String {
    let line = |server: &Planned| {
        let config = &server.config;
        let place = if server.placed { config.listen.to_string() } else { "where --listen says".to_owned() };
        format!(
            "server {} ({place}): at most {} sessions, {} new ones a second\n",
            config.name, config.max_sessions, config.sessions_per_second
        )
    };
    servers.iter().map(line).collect()
}

/// Starts servers, prints where they listen, and keeps them up until SIGINT or SIGTERM.
///
/// # Errors
/// A port cannot be had.
pub async fn sim(planned: Vec<Planned>) -> anyhow::Result<String> {
    let mut servers = Vec::new();
    let mut places = String::new();
    for Planned { config, .. } in planned {
        let (name, address) = (config.name.clone(), config.listen);
        let server = fs_sim::Server::start(config).await;
        let server = server.with_context(|| format!("{name} cannot listen on {address}"))?;
        places += &format!("{name} {}\n", server.addr());
        servers.push(server);
    }
    crate::cli::print(&places);
    wait_for_signal().await.context("cannot wait for signals")?;
    let mut carried = String::new();
    for server in servers {
        let state = server.state();
        carried += &format!("{} carried {} sessions\n", server.addr(), state.sessions_since_startup);
        server.stop().await;
    }
    Ok(carried)
}

async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
