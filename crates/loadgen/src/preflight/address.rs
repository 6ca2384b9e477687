//! Addresses as the server that dials them sees them: profile, gateway, host.

/// An address by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// `sofia/<profile>/<destination>`
    Profile { profile: &'a str, destination: &'a str },
    /// `sofia/gateway/<gateway>/<number>`
    Gateway(&'a str),
    /// `loopback/<extension>[/<context>]`
    Loopback,
    /// `user/<id>[@<domain>]`
    User(&'a str),
    /// Another endpoint: `null`, `error`, `verto.rtc`, …
    Other(&'a str),
    /// Not an address that FreeSWITCH can dial.
    Nonsense,
}

/// SIP's own port (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

impl<'a> Address<'a> {
    pub(super) fn parse(to: &'a str) -> Self {
        let Some((endpoint, rest)) = to.split_once('/') else { return Self::Nonsense };
        match (endpoint, rest.split_once('/')) {
            ("sofia", Some(("gateway", rest))) => match rest.split_once('/') {
                Some((gateway, _)) if !gateway.is_empty() => Self::Gateway(gateway),
                _ => Self::Nonsense,
            },
            ("sofia", Some((profile, destination))) if !profile.is_empty() => Self::Profile { profile, destination },
            ("sofia", _) | ("", _) => Self::Nonsense,
            ("loopback", _) => Self::Loopback,
            ("user", _) => Self::User(rest),
            (other, _) => Self::Other(other),
        }
    }

    /// The endpoint interface that the address needs.
    pub(super) fn endpoint(&self) -> Option<&'a str> {
        match self {
            Self::Profile { .. } | Self::Gateway(_) => Some("sofia"),
            Self::Loopback => Some("loopback"),
            Self::User(_) => Some("user"),
            Self::Other(name) => Some(name),
            Self::Nonsense => None,
        }
    }

    /// The host and port that a SIP call goes to first, in lower case.
    pub(super) fn host(&self) -> Option<(String, u16)> {
        let Self::Profile { destination, .. } = self else { return None };
        // A proxy comes first, whatever the destination is.
        let proxy = destination.split_once("fs_path=").map(|(_, proxy)| proxy.split(';').next().unwrap_or_default());
        let uri = proxy.unwrap_or(destination.split(';').next().unwrap_or_default());
        host_of(uri)
    }
}

/// The host and the port of a SIP URI: `sip:user@host:port;parameters`, with or without its parts.
pub(super) fn host_of(uri: &str) -> Option<(String, u16)> {
    let uri = uri.strip_prefix("sips:").or(uri.strip_prefix("sip:")).unwrap_or(uri);
    let uri = uri.split([';', '?']).next().unwrap_or_default();
    let place = uri.rsplit_once('@').map_or(uri, |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(SIP_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

/// Whether the host means the machine itself on every machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_as_freeswitch_does() {
        let profile = |profile, destination| Address::Profile { profile, destination };
        for (to, address, host) in [
            ("sofia/external/9196@PBX:5080", profile("external", "9196@PBX:5080"), Some(("pbx", 5080))),
            ("sofia/a/9196@[::1]:5080;x=y", profile("a", "9196@[::1]:5080;x=y"), Some(("::1", 5080))),
            ("sofia/a/sip:1@h", profile("a", "sip:1@h"), Some(("h", 5060))),
            ("sofia/a/1@h;fs_path=sip:p:5", profile("a", "1@h;fs_path=sip:p:5"), Some(("p", 5))),
            ("sofia/gateway/carrier/49", Address::Gateway("carrier"), None),
            ("sofia/gateway/x", Address::Nonsense, None),
            ("sofia/x", Address::Nonsense, None),
            ("x", Address::Nonsense, None),
            ("loopback/9196/default", Address::Loopback, None),
            ("user/1000@home", Address::User("1000@home"), None),
            ("null/x", Address::Other("null"), None),
        ] {
            assert_eq!(Address::parse(to), address, "{to}");
            let expected = host.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(Address::parse(to).host(), expected, "{to}");
        }
    }
}
