//! Connects a slave, and reconnects it.

use std::pin::Pin;
use std::time::Duration;

use esl_core::{Backoff, Command, Error};
use tracing::{info, warn};

use super::SlaveTask;
use crate::engine::slave::connection::{Purpose, SlaveConnection};
use crate::server::Server;

/// The pauses between attempts to reconnect: a server that has come back gets calls again within two seconds.
const BACKOFF: Backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_millis(1500) };

/// An attempt to connect that is under way.
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
            // Another attempt would fail the same way.
            warn!(slave = self.name, address = self.server.address, %error, "cannot log in: not connecting again");
            return;
        }
        let pause = BACKOFF.pause(self.failures);
        if self.failures == 0 {
            warn!(slave = self.name, address = self.server.address, %error, "not connected, retrying");
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
        info!(slave = self.name, address = self.server.address, "reconnected");
        self.status.reconnects += 1;
        let health = connection.info.health;
        self.connected(connection);
        // A server that was restarted has its configured limits again.
        let limits: Vec<_> = self.raised.iter().filter_map(|limit| limit.raise_again(&health)).collect();
        for command in limits {
            self.send(&Command::api(command), Purpose::Question);
        }
        self.list_channels();
        if self.hanging_up {
            self.hang_up_all();
        }
    }

    /// Drops both connections. The fate of the calls is found out after reconnecting.
    pub(super) fn disconnected(&mut self, error: &Error) {
        if self.connection.take().is_some() {
            self.shared.slave_states.set_up(self.index, false);
            self.connect_later(error);
        }
    }
}
