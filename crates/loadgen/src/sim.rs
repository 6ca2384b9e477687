//! `loadgen sim`: simulated FreeSWITCH servers, alone.

use std::net::SocketAddr;

use anyhow::Context;

/// Starts so many servers, from `listen` on port by port (port 0: free ones), prints where they listen, and keeps them up
/// until SIGINT or SIGTERM.
///
/// # Errors
/// A port cannot be had.
pub async fn sim(configs: Vec<fs_sim::Config>, listen: SocketAddr) -> anyhow::Result<String> {
    let mut servers = Vec::new();
    let mut places = String::new();
    for (n, config) in (0_u16..).zip(configs) {
        let port = match listen.port() {
            0 => 0,
            first => first.checked_add(n).context("there are not that many ports behind the first one")?,
        };
        let address = SocketAddr::new(listen.ip(), port);
        let name = config.name.clone();
        let server = fs_sim::Server::start(fs_sim::Config { listen: address, ..config }).await;
        let server = server.with_context(|| format!("{name} cannot listen on {address}"))?;
        places += &format!("{name} {}\n", server.addr());
        servers.push(server);
    }
    crate::cli::print(&places);
    let stop = async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    };
    stop.await.context("cannot wait for signals")?;
    let mut carried = String::new();
    for server in servers {
        let state = server.state();
        carried += &format!("{} carried {} sessions\n", server.addr(), state.sessions_since_startup);
        server.stop().await;
    }
    Ok(carried)
}
