//! `loadgen sim`: simulated FreeSWITCH servers, alone.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use fs_sim::{Config, Number, SERVERS_MAX};
use serde_json::{Value, json};
use tracing::info;

use super::plan_file;
use crate::config::{self, ConfigError, SimConfig};
use crate::exit::CommandResult;
use crate::plan::{Plan, ServerPlan};

/// Tables that only the configuration of a run has.
const RUN_TABLES: [&str; 4] = ["run", "load", "call", "slaves"];

/// Run simulated FreeSWITCH servers, alone, until they are stopped.
#[derive(Debug, Args)]
pub(super) struct SimArgs {
    /// A file with `[[servers]]`, such as configs/sim.toml, or a configuration whose simulated slaves are started;
    /// without one, servers with the default behaviour.
    config: Option<PathBuf>,
    /// How many servers, without a configuration.
    #[arg(long, default_value_t = 1, conflicts_with = "config")]
    servers: u16,
    /// The address of the first server that the file gives none; the others take the ports after it. Port 0 takes free
    /// ports.
    #[arg(long, default_value = "127.0.0.1:8021", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// The seed of the first server's random choices, instead of the file's seeds; the others take the numbers after it.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The format in which the servers, and at the end their counters, are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The format of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(super) async fn run(args: SimArgs) -> anyhow::Result<CommandResult> {
    let mut servers = match args.config.as_deref().map(config::text).transpose()? {
        Some((name, text)) if is_for_sim(&text) => servers(name, text, plan_file::environment)?,
        Some(text) => slaves(plan_file::plan(text)?),
        None => defaults(args.servers),
    };
    place(&mut servers, args.listen, args.seed)?;
    Ok(CommandResult::success(serve(servers, args.format).await?))
}

/// A server to be started, and whether its address is configured.
#[derive(Debug)]
pub(super) struct Planned {
    config: Config,
    placed: bool,
}

/// Whether a file is a list of simulated servers instead of the configuration of a run.
pub(super) fn is_for_sim(text: &str) -> bool {
    !config::has_key(text, &RUN_TABLES)
}

/// The servers of a file with `[[servers]]`.
///
/// # Errors
/// A mistake, with its place.
pub(super) fn servers(
    name: String,
    text: String,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Planned>, ConfigError> {
    let (file, source) = config::parse::<SimConfig>(name, text, environment)?;
    let mut servers = Vec::new();
    let mut names = BTreeSet::new();
    for (table, n) in file.servers.iter().zip(1_u64..) {
        // Each server has a seed of its own.
        let base = Config { name: format!("fs{n}"), seed: servers.len() as u64 + 1, ..Config::default() };
        let configs = table.get_ref().configs(&base).map_err(|message| source.error(table.span(), message))?;
        for config in configs {
            if !names.insert(config.name.clone()) {
                let message = format!("duplicate server name {:?}: server names are unique", config.name);
                return Err(source.error(table.span(), message));
            }
            servers.push(Planned { config, placed: table.get_ref().has_address() });
        }
    }
    match servers.len() {
        0 => Err(source.whole("no servers: add a [[servers]] table")),
        count if count as u64 > SERVERS_MAX => {
            Err(source.whole(format!("{count} servers: the limit is {SERVERS_MAX}")))
        }
        _ => Ok(servers),
    }
}

/// The simulated slaves of a run.
fn slaves(plan: Plan) -> Vec<Planned> {
    let servers = plan.slaves.into_iter().filter_map(|slave| match slave.server {
        ServerPlan::Simulated(config) => Some(Planned { placed: config.listen.port() != 0, config: *config }),
        ServerPlan::Real { .. } => None,
    });
    servers.collect()
}

/// `count` servers with the default behaviour.
fn defaults(count: u16) -> Vec<Planned> {
    let server = |n: u16| Config { name: format!("fs{n}"), seed: n.into(), ..Config::default() };
    (1..=count).map(|n| Planned { config: server(n), placed: false }).collect()
}

/// Gives servers without an address the ports from `listen` on (free ports for port 0), and all of them seeds from
/// `seed` on.
///
/// # Errors
/// There are not that many ports.
fn place(servers: &mut [Planned], listen: SocketAddr, seed: Option<u64>) -> anyhow::Result<()> {
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

/// The description of servers that would be started.
pub(super) fn describe(servers: &[Planned]) -> String {
    let line = |server: &Planned| {
        let config = &server.config;
        let place =
            if server.placed { config.listen.to_string() } else { "at the addresses given by --listen".to_owned() };
        format!(
            "server {} ({place}): at most {} sessions, {} new ones a second\n",
            config.name, config.max_sessions, config.sessions_per_second
        )
    };
    servers.iter().map(line).collect()
}

/// Starts servers on one network, prints their addresses and numbers, and keeps them up until SIGINT or SIGTERM.
/// Returns their counters, as text or as one JSON object.
///
/// # Errors
/// A port cannot be bound.
async fn serve(planned: Vec<Planned>, format: Format) -> anyhow::Result<String> {
    // A single server is at 127.0.0.1, as the recorded server is; several can call each other by name.
    let network = (planned.len() > 1).then(fs_sim::Network::new);
    let mut servers = Vec::new();
    for Planned { mut config, .. } in planned {
        config.network.clone_from(&network);
        let server = fs_sim::Server::start(config.clone()).await;
        let server = server.with_context(|| format!("{} cannot listen on {}", config.name, config.listen))?;
        config.listen = server.addr();
        servers.push(Running { config, server });
    }
    let stop = signals().context("cannot wait for signals")?;
    super::print(&match format {
        Format::Text => beginning(&servers),
        Format::Json => beginning_json(&servers),
    });
    info!(servers = servers.len(), "listening");
    stop.await;
    let end = match format {
        Format::Text => servers.iter().map(carried).collect(),
        Format::Json => format!("{}\n", json!({ "servers": servers.iter().map(carried_json).collect::<Vec<_>>() })),
    };
    for Running { server, .. } in servers {
        server.stop().await;
    }
    Ok(end)
}

/// A server that is up, with its actual address.
struct Running {
    config: Config,
    server: fs_sim::Server,
}

/// The addresses and numbers of the servers, and how to log in.
fn beginning(servers: &[Running]) -> String {
    let mut out = String::new();
    for Running { config, .. } in servers {
        out += &format!("{} listens on {}\n", config.name, config.listen);
    }
    if servers.len() > 1 {
        for Running { config, server } in servers {
            let (host, sip) = (&config.name, server.sip_addr());
            out += &format!("other hosts reach {host} at sofia/external/<number>@{host}:{} or @{sip}\n", sip.port());
        }
    }
    for (names, numbers) in by_numbers(servers) {
        out += &format!("\n{names}: sofia/external/<number>@127.0.0.1:5080 or loopback/<number>/<context>\n");
        let of_default = |number: &&Number| number.context == "default";
        let width = numbers.iter().map(|number| number.number.chars().count()).max().unwrap_or(0);
        let line = |number: &Number| format!("  {:width$}  {}\n", number.number, number.about);
        out += &numbers.iter().filter(of_default).map(line).collect::<String>();
        for number in numbers.iter().filter(|number| !of_default(number)) {
            out += &format!("  in the context {}: {}", number.context, line(number).trim_start());
        }
    }
    if let Some(Running { config, .. }) = servers.first() {
        // Only the default password is shown.
        let known = Config::default().password;
        let password = if config.password == known { format!("-p {known}") } else { "and its password".to_owned() };
        let (host, port) = (config.listen.ip(), config.listen.port());
        out += &format!("\nto log in: fs_cli -H {host} -P {port} {password}\n");
    }
    out
}

/// The servers that answer to the same numbers, with these numbers.
fn by_numbers(servers: &[Running]) -> Vec<(String, Vec<Number>)> {
    let mut groups: Vec<(Vec<&str>, Vec<Number>)> = Vec::new();
    for Running { config, .. } in servers {
        let numbers = config.numbers();
        match groups.iter_mut().find(|(_, known)| *known == numbers) {
            Some((names, _)) => names.push(&config.name),
            None => groups.push((vec![&config.name], numbers)),
        }
    }
    let all = groups.len() == 1 && servers.len() > 1;
    let title = |names: Vec<&str>| if all { "all servers answer".to_owned() } else { names.join(", ") + " answers" };
    groups.into_iter().map(|(names, numbers)| (title(names), numbers)).collect()
}

fn beginning_json(servers: &[Running]) -> String {
    let server = |Running { config, server }: &Running| {
        let number =
            |number: Number| json!({ "context": number.context, "number": number.number, "about": number.about });
        let numbers: Vec<_> = config.numbers().into_iter().map(number).collect();
        json!({
            "name": config.name,
            "listen": config.listen.to_string(),
            "sip": server.sip_addr().to_string(),
            "numbers": numbers,
        })
    };
    format!("{}\n", json!({ "servers": servers.iter().map(server).collect::<Vec<_>>() }))
}

/// The counters of a server: what it carried, refused and lost.
fn carried(Running { config, server }: &Running) -> String {
    let state = server.state();
    let mut out = format!("{} carried {} sessions", config.name, state.sessions_since_startup);
    for (count, what) in [
        (state.channels as u64, "still up"),
        (state.refused, "sessions refused"),
        (state.events_lost, "events lost"),
        (state.connections_refused, "connections refused"),
    ] {
        if count > 0 {
            out += &format!(", {count} {what}");
        }
    }
    out + "\n"
}

fn carried_json(Running { config, server }: &Running) -> Value {
    let state = server.state();
    json!({
        "name": config.name,
        "sessions": state.sessions_since_startup,
        "sessions_up": state.channels,
        "sessions_refused": state.refused,
        "originates": state.originates,
        "events_sent": state.events_sent,
        "events_lost": state.events_lost,
        "connections_refused": state.connections_refused,
    })
}

/// Waits for SIGINT or SIGTERM, from this call on.
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
