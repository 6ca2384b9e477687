//! The list of a server's channels. No I/O.

use serde::Deserialize;

/// The output of `show channels as json` (`mod_commands`), which has no `rows` without channels.
#[derive(Debug, Deserialize)]
struct List {
    #[serde(default)]
    rows: Vec<Listed>,
}

/// A channel in the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// Its UUID, as FreeSWITCH writes it.
    pub uuid: String,
    /// `inbound` or `outbound`.
    #[serde(default)]
    pub direction: String,
    /// When it was created, as the server writes it.
    #[serde(default)]
    pub created: String,
    /// The state of its call: `ACTIVE` once it is answered.
    #[serde(default)]
    pub callstate: String,
}

/// Reads the output of `show channels … as json`; `None` where it is not such a list.
pub fn read_channels(text: &str) -> Option<Vec<Listed>> {
    serde_json::from_str::<List>(text).ok().map(|list| list.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_channels_are_read() {
        assert_eq!(read_channels("{\"row_count\": 0}\n"), Some(Vec::new()));
        assert_eq!(
            read_channels("{\"row_count\":1,\"rows\":[{\"uuid\":\"u\",\"direction\":\"inbound\"}]}").unwrap()[0].uuid,
            "u"
        );
        assert_eq!(read_channels("-ERR"), None);
    }
}
