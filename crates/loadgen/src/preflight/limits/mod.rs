//! Raises a server's own limits, `sps` and `max_sessions`, for a run, and puts them back at its end.
//!
//! A change is written into the run folder before it is made (`raised.json`), and removed when it is put back, so that
//! `loadgen cleanup` can undo it after a SIGKILL. A limit that an administrator has changed meanwhile is left alone.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::Preflight;
use crate::atomic_file::write_atomically;
use crate::server::{QueryConnection, RaisedLimit, Server, ServerLimit};

/// Its name in the run folder.
pub const RAISED_FILE: &str = "raised.json";

/// How long a new `sps` takes to apply: it does so at the server's next second.
const IN_FORCE_AFTER: Duration = Duration::from_millis(1100);

/// `raised.json`
#[derive(Debug, Default, Serialize, Deserialize)]
struct RaisedFile {
    raised: Vec<RaisedLimit>,
}

/// The limits that were raised for a run.
#[derive(Debug)]
pub struct Limits {
    folder: PathBuf,
    raised: Vec<RaisedLimit>,
    servers: Vec<Server>,
}

impl Limits {
    /// Raises the limits that the preflight found too low, and returns when they apply. A limit that cannot be raised
    /// is logged.
    ///
    /// # Errors
    /// The run folder cannot be written; nothing was changed.
    pub async fn raise(preflight: &Preflight, servers: &[Server], folder: &Path) -> anyhow::Result<Self> {
        let mut raised = too_low(preflight, servers).await;
        // Limits that a killed run left raised are put back to what they were before that run.
        let earlier = read(folder)?;
        for limit in &mut raised {
            let same = |other: &&RaisedLimit| {
                (&other.address, other.limit, other.to) == (&limit.address, limit.limit, limit.from)
            };
            limit.from = earlier.iter().find(same).map_or(limit.from, |other| other.from);
        }
        let taken = |other: &RaisedLimit| {
            raised.iter().any(|limit| (&other.address, other.limit) == (&limit.address, limit.limit))
        };
        let others = earlier.iter().filter(|other| !taken(other)).cloned();
        let limits = Self {
            folder: folder.to_owned(),
            raised: raised.iter().cloned().chain(others).collect(),
            servers: servers.to_vec(),
        };
        write(folder, &limits.raised)?;
        let set = raised.iter().map(|limit| (limit.clone(), limit.to)).collect();
        for (limit, result) in set_all(set, servers).await {
            match result {
                Ok(_) => {
                    info!(
                        slave = limit.slave,
                        "\"{}\" for the run, from {}",
                        limit.limit.set_command(limit.to),
                        limit.from
                    )
                }
                Err(error) => warn!(slave = limit.slave, "\"{}\": {error}", limit.limit.set_command(limit.to)),
            }
        }
        if raised.iter().any(|limit| limit.limit == ServerLimit::Sps) {
            sleep_until(Instant::now() + IN_FORCE_AFTER).await;
        }
        Ok(limits)
    }

    /// The limits that were raised on a slave's server.
    pub fn of_slave(&self, slave: usize) -> Vec<RaisedLimit> {
        let address = self.servers.get(slave).map(|server| server.address.as_str());
        self.raised.iter().filter(|limit| Some(limit.address.as_str()) == address).cloned().collect()
    }

    /// Puts all limits back. Returns a message for each that could not be.
    pub async fn put_back(&self) -> Vec<String> {
        put_back(&self.folder, &self.servers).await.unwrap_or_else(|error| vec![format!("{error:#}")])
    }
}

/// Puts back the limits in a run folder. Returns a message for each that could not be, and keeps it in the folder.
///
/// # Errors
/// The file cannot be read or written.
pub async fn put_back(folder: &Path, servers: &[Server]) -> anyhow::Result<Vec<String>> {
    let raised = read(folder)?;
    let set: Vec<_> = raised.iter().map(|limit| (limit.clone(), limit.from)).collect();
    let mut left = Vec::new();
    let mut failures = Vec::new();
    for (limit, result) in set_all(set, servers).await {
        match result {
            Ok(true) => info!(slave = limit.slave, "\"{}\": restored", limit.limit.set_command(limit.from)),
            Ok(false) => info!(
                slave = limit.slave,
                "\"{}\": not restored, since its value was changed in the meantime",
                limit.limit.query()
            ),
            Err(error) => {
                failures.push(format!(
                    "{}: \"{}\" was not restored: {error}",
                    limit.slave,
                    limit.limit.set_command(limit.from)
                ));
                left.push(limit);
            }
        }
    }
    if left != raised {
        write(folder, &left)?;
    }
    Ok(failures)
}

/// The limits that are too low at the moment.
async fn too_low(preflight: &Preflight, servers: &[Server]) -> Vec<RaisedLimit> {
    let mut asking = JoinSet::new();
    for (facts, server) in preflight.slaves.iter().zip(servers) {
        let wanted = [(ServerLimit::Sps, facts.sps_wanted), (ServerLimit::MaxSessions, facts.max_sessions_wanted)];
        let wanted: Vec<_> = wanted.into_iter().filter_map(|(limit, to)| Some((limit, to?))).collect();
        if !wanted.is_empty() {
            let (name, server) = (facts.name.clone(), server.clone());
            asking.spawn(async move { lower_than(&name, &server, &wanted).await });
        }
    }
    let mut raised: Vec<RaisedLimit> = Vec::new();
    while let Some(found) = asking.join_next().await {
        raised.extend(found.unwrap_or_default());
    }
    raised.sort_by(|a, b| (&a.slave, a.limit as u8).cmp(&(&b.slave, b.limit as u8)));
    raised
}

async fn lower_than(slave: &str, server: &Server, wanted: &[(ServerLimit, u64)]) -> Vec<RaisedLimit> {
    let query = async {
        let mut queries = QueryConnection::connect(server).await?;
        let commands: Vec<_> = wanted.iter().map(|(limit, _)| limit.query().to_owned()).collect();
        queries.query_all(&commands).await
    };
    let answers = query.await.unwrap_or_else(|error| {
        warn!(slave, %error, "cannot raise its limits");
        Vec::new()
    });
    let limits = wanted.iter().zip(answers).filter_map(|((limit, to), answer)| match number(&answer) {
        Some(from) => (from < *to).then(|| RaisedLimit {
            slave: slave.to_owned(),
            address: server.address.clone(),
            limit: *limit,
            from,
            to: *to,
        }),
        None => {
            warn!(slave, answer, "\"{}\" returned no number: not raised", limit.query());
            None
        }
    });
    limits.collect()
}

/// The value in `+OK sessions per second: 30`. A negative value stands for no limit.
fn number(answer: &str) -> Option<u64> {
    let word = answer.strip_prefix("+OK")?.rsplit(' ').next()?;
    word.parse::<i64>().ok().map(|number| u64::try_from(number).unwrap_or(u64::MAX))
}

/// Sets limits on all servers at once. Returns for each whether it was set, or left because an administrator had
/// changed it.
async fn set_all(limits: Vec<(RaisedLimit, u64)>, servers: &[Server]) -> Vec<(RaisedLimit, Result<bool, String>)> {
    let mut setting = JoinSet::new();
    for (number, (limit, value)) in limits.into_iter().enumerate() {
        let server = servers.iter().find(|server| server.address == limit.address).cloned();
        setting.spawn(async move {
            let result = match server {
                Some(server) => set(&server, &limit, value).await,
                None => Err("no credentials for this server: set \"password\" or \"password_file\"".to_owned()),
            };
            (number, limit, result)
        });
    }
    let mut set = Vec::new();
    while let Some(Ok(done)) = setting.join_next().await {
        set.push(done);
    }
    set.sort_by_key(|(number, ..)| *number);
    set.into_iter().map(|(_, limit, result)| (limit, result)).collect()
}

async fn set(server: &Server, limit: &RaisedLimit, value: u64) -> Result<bool, String> {
    let set = async {
        let mut queries = QueryConnection::connect(server).await?;
        let is = number(&queries.query(limit.limit.query()).await?);
        // A value that has changed since was set by an administrator, or belongs to a restarted server.
        if value == limit.from && is.is_some_and(|is| is != limit.to) {
            return Ok(None);
        }
        queries.query(&limit.limit.set_command(value)).await.map(Some)
    };
    match set.await {
        Ok(None) => Ok(false),
        Ok(Some(answer)) if number(&answer) == Some(value) => Ok(true),
        Ok(Some(answer)) => Err(format!("unexpected answer {answer:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn read(folder: &Path) -> anyhow::Result<Vec<RaisedLimit>> {
    let path = folder.join(RAISED_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let file: RaisedFile =
                serde_json::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))?;
            Ok(file.raised)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes the file, or removes it where no limit is raised.
fn write(folder: &Path, raised: &[RaisedLimit]) -> anyhow::Result<()> {
    let path = folder.join(RAISED_FILE);
    let written = if raised.is_empty() {
        fs::remove_file(&path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
    } else {
        let text = serde_json::to_string_pretty(&RaisedFile { raised: raised.to_vec() })?;
        write_atomically(&path, &text)
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
