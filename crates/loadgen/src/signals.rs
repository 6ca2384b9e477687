//! SIGINT and SIGTERM.

use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc;

/// Signals that wait for the run; a third one adds nothing to two.
const SIGNALS_MAX: usize = 4;

/// A signal that asks the program to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM, as service managers send it.
    Terminate,
}

impl Signal {
    /// Its POSIX name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// Receives SIGINT and SIGTERM instead of letting them end the program.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Registers for both signals.
    ///
    /// # Errors
    /// The system refuses the handlers.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }

    /// Forwards every further signal into a channel.
    pub fn forward(mut self) -> mpsc::Receiver<Signal> {
        let (sender, receiver) = mpsc::channel(SIGNALS_MAX);
        tokio::spawn(async move { while sender.send(self.next().await).await.is_ok() {} });
        receiver
    }
}
