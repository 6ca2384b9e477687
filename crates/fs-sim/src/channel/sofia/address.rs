//! The address of a dial string: `9196@127.0.0.1:5080;fs_path=sip:10.0.0.9:5090`.

/// The parts of `9196@127.0.0.1:5080`.
pub(crate) struct Address<'a> {
    /// All of it.
    pub(crate) text: &'a str,
    pub(crate) number: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<&'a str>,
    /// The proxy that the request goes to instead (`;fs_path=sip:host:port`).
    pub(crate) path: Option<&'a str>,
}

/// `host` and `port` of `host:port`.
pub(super) fn host_and_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (text, None),
    }
}

impl Address<'_> {
    pub(crate) fn parse(text: &str) -> Option<Address<'_>> {
        let (number, rest) = text.split_once('@')?;
        let (rest, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_and_port(rest);
        let path = parameters.split(';').find_map(|parameter| parameter.strip_prefix("fs_path="));
        let path = path.map(|path| path.strip_prefix("sip:").unwrap_or(path));
        Some(Address { text, number, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_its_parts() {
        let parts = |text| Address::parse(text).map(|a| (a.number, a.host, a.port, a.path));
        assert_eq!(parts("9196@fs2"), Some(("9196", "fs2", None, None)));
        assert_eq!(parts("a@10.0.0.2:5090"), Some(("a", "10.0.0.2", Some("5090"), None)));
        assert_eq!(parts("a@b:1;x=y;fs_path=sip:c:2"), Some(("a", "b", Some("1"), Some("c:2"))));
        assert_eq!(parts("a@b:1;fs_path=c"), Some(("a", "b", Some("1"), Some("c"))));
        assert_eq!(parts("9196"), None);
    }
}
