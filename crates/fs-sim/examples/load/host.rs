//! The servers, all in one thread.

use std::{error::Error, io, net::SocketAddr, thread, time::Duration};

use fs_sim::{Config, Server};
use tokio::sync::{mpsc, oneshot};

/// What the servers and their thread have come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// The processor's time that their thread has used.
    pub(crate) cpu: Duration,
    /// Of that, the kernel's.
    pub(crate) kernel: Duration,
    pub(crate) channels: usize,
    pub(crate) events_lost: u64,
}

/// The thread of the servers.
pub(crate) struct Host {
    pub(crate) addresses: Vec<SocketAddr>,
    asks: mpsc::UnboundedSender<oneshot::Sender<Figures>>,
}

impl Host {
    pub(crate) fn start(servers: usize) -> Result<Host, Box<dyn Error>> {
        let (asks, asked) = mpsc::unbounded_channel();
        let (started, addresses) = std::sync::mpsc::channel();
        thread::Builder::new().name("servers".to_owned()).spawn(move || {
            pin_to(0);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.and_then(|runtime| runtime.block_on(serve(servers, &started, asked)));
            if let Err(error) = served {
                let _ = started.send(Err(error));
            }
        })?;
        Ok(Host { addresses: addresses.recv()??, asks })
    }

    pub(crate) async fn figures(&self) -> Result<Figures, Box<dyn Error>> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(answer)?;
        Ok(answered.await?)
    }
}

async fn serve(
    count: usize,
    started: &std::sync::mpsc::Sender<io::Result<Vec<SocketAddr>>>,
    mut asked: mpsc::UnboundedReceiver<oneshot::Sender<Figures>>,
) -> io::Result<()> {
    let mut servers = Vec::new();
    for seed in 0..count {
        let config =
            Config { max_sessions: u32::MAX, sessions_per_second: u32::MAX, seed: seed as u64, ..Config::default() };
        servers.push(Server::start(config).await?);
    }
    let _ = started.send(Ok(servers.iter().map(Server::addr).collect()));
    while let Some(answer) = asked.recv().await {
        let states: Vec<_> = servers.iter().map(Server::state).collect();
        let (cpu, kernel) = cpu();
        let _ = answer.send(Figures {
            cpu,
            kernel,
            channels: states.iter().map(|state| state.channels).sum(),
            events_lost: states.iter().map(|state| state.events_lost).sum(),
        });
    }
    Ok(())
}

/// What this thread has used of the processor's time, and what of that was the kernel's.
fn cpu() -> (Duration, Duration) {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Clock ticks, of which there are 100 a second: good enough for a share.
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    let total = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32);
    (total, Duration::from_millis(10 * fields.get(1).copied().unwrap_or(0)))
}

/// Keeps this thread on one core, where the system can and there is one more.
pub(crate) fn pin_to(core: usize) {
    #[cfg(target_os = "linux")]
    if thread::available_parallelism().is_ok_and(|cores| cores.get() > core) {
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
}
