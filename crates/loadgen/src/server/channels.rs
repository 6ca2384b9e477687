//! Whose a server's channels are, as far as a list of them and their variables say. No I/O.

use serde::Deserialize;

/// `show channels as json` (`mod_commands`): there are no `rows` where there is none.
#[derive(Debug, Deserialize)]
struct List {
    #[serde(default)]
    rows: Vec<Listed>,
}

/// A channel as a list has it.
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
    /// The state of its call, `ACTIVE` once it is answered.
    #[serde(default)]
    pub callstate: String,
}

/// Reads the output of `show channels … as json`, `None` where it is none.
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
