//! Access to one FreeSWITCH server: its address, its limits, and queries apart from the connections of a run.

mod channels;
mod limit;
mod query_connection;
mod servers;

use esl_core::Credentials;

pub use channels::{Listed, read_channels};
pub use limit::{RaisedLimit, ServerLimit};
pub use query_connection::QueryConnection;
pub use servers::{Servers, start};

/// The address of a server and the login for it.
#[derive(Clone, Debug)]
pub struct Server {
    /// `host:port`
    pub address: String,
    /// The login for its Event Socket.
    pub credentials: Credentials,
}
