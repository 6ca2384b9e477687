//! Getting a slave's connections, and getting them again.

use std::pin::Pin;
use std::time::Duration;

use esl_core::{Backoff, Command, Error};
use tracing::{info, warn};

use super::SlaveTask;
use crate::engine::slave::connection::{Purpose, SlaveConnection};
use crate::server::Server;

/// The pauses before connecting again: a server that is back gets calls again within two seconds.
const BACKOFF: Backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_millis(1500) };

/// A link in the making.
pub(super) type Connecting = Pin<Box<dyn Future<Output = Result<SlaveConnection, Error>> + Send>>;

impl SlaveTask {
    pub(super) fn connect(&self) -> Connecting {
        let Server { address, credentials } = self.server.clone();
        let keep_awake = self.plan.slaves[self.index].keep_awake;
        let wanted = self.plan.calls.events();
        Box::pin(async move { SlaveConnection::open(&address, &credentials, keep_awake, &wanted).await })
    }

    pub(super) fn connect_later(&mut self, error: &Error) {
        if error.is_password() || error.is_rejected() {
            // Trying again would not make it better.
            warn!(slave = self.name, address = self.server.address, %error, "not connected, and never will be");
            return;
        }
        let pause = BACKOFF.pause(self.failures);
        if self.failures == 0 {
            warn!(slave = self.name, address = self.server.address, %error, "not connected, trying again");
        }
        self.failures += 1;
        let connect = self.connect();
        self.connecting = Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            connect.await
        }));
    }

    pub(super) fn connected(&mut self, connection: SlaveConnection) {
        self.failures = 0;
        self.status.version.clone_from(&connection.info.version);
        self.status.health = connection.info.health;
        self.connection = Some(connection);
        self.forget_probe();
        self.shared.slave_states.set_up(self.index, true);
    }

    pub(super) fn reconnected(&mut self, connection: SlaveConnection) {
        info!(slave = self.name, address = self.server.address, "connected again");
        self.status.reconnects += 1;
        let health = connection.info.health;
        self.connected(connection);
        // One that was restarted has its own limits again.
        let limits: Vec<_> = self.raised.iter().filter_map(|limit| limit.raise_again(&health)).collect();
        for command in limits {
            self.send(&Command::api(command), Purpose::Question);
        }
        self.ask_what_is_there();
        if self.hanging_up {
            self.hang_up_all();
        }
    }

    /// Drops both connections. What becomes of the calls is known when they are back.
    pub(super) fn disconnected(&mut self, error: &Error) {
        if self.connection.take().is_some() {
            self.shared.slave_states.set_up(self.index, false);
            self.connect_later(error);
        }
    }
}
