//! What a simulated server is told about its SIP.

use std::net::Ipv4Addr;

use serde::Deserialize;

/// A server's SIP: where it is, and what is where no server is.
///
/// ```toml
/// sip = { host = "10.0.0.2", elsewhere = "unreachable" }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// The address of its profiles, by which the other servers of its network call it. Without one the network gives it
    /// one; a server without a network is at 127.0.0.1, as the recorded one.
    pub host: Option<Ipv4Addr>,
    /// What calls reach that go to an address which no server has, or to a port of none of its profiles.
    pub elsewhere: Elsewhere,
}

/// What is at addresses that nobody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Elsewhere {
    /// The server itself: every call arrives somewhere.
    #[default]
    Itself,
    /// Nothing: such calls fail with 503, as they do on a machine without a server there.
    Unreachable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sip_is_read_and_nonsense_refused() {
        let read = |text: &str| toml::from_str::<Sip>(text).map_err(|error| error.message().to_owned());
        assert_eq!(read(""), Ok(Sip::default()));
        let host = Some(Ipv4Addr::new(10, 0, 0, 2));
        let sip = Sip { host, elsewhere: Elsewhere::Unreachable };
        assert_eq!(read("host = \"10.0.0.2\"\nelsewhere = \"unreachable\""), Ok(sip));
        for text in ["host = \"fs2\"", "elsewhere = \"nowhere\"", "port = 5080"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
