//! Queries to one FreeSWITCH server, apart from the connections that a run drives it with.

mod channels;
mod limit;
mod query_connection;
mod servers;

use esl_core::Credentials;

pub use channels::{Listed, read_channels};
pub use limit::{RaisedLimit, ServerLimit};
pub use query_connection::QueryConnection;
pub use servers::{Servers, start};

/// Where a slave's server is.
#[derive(Clone, Debug)]
pub struct Server {
    /// `host:port`
    pub address: String,
    /// How to get in.
    pub credentials: Credentials,
}
