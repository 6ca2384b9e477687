//! Whose a server's channels are, as far as a list of them and their variables say. No I/O.

use serde::Deserialize;
use uuid::Uuid;

use crate::run_id::RunId;

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
pub fn read(text: &str) -> Option<Vec<Listed>> {
    serde_json::from_str::<List>(text).ok().map(|list| list.rows)
}

/// The run that a channel is of by its UUID, if it is one of a run's; one in four random UUIDs looks like that too, so
/// that its variable has to say the same, see [`loadgen_run`].
pub fn run_of(uuid: &str) -> Option<RunId> {
    let uuid = Uuid::try_parse(uuid).ok()?.simple().to_string();
    let shaped = uuid.as_bytes()[12] == b'4' && uuid.as_bytes()[16] == b'8';
    shaped.then(|| uuid[..12].parse().ok())?
}

/// The command that lists a run's channels, and whatever else has its first digits somewhere.
pub fn list_of(run: RunId) -> String {
    format!("show channels like {} as json", run.prefix())
}

/// The command that asks a channel of which run it is.
pub fn loadgen_run(uuid: &str) -> String {
    format!("uuid_getvar {uuid} loadgen_run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_s_uuid_says_of_which_run_it_may_be() {
        let run: RunId = "0123456789ab".parse().unwrap();
        assert_eq!(run_of(&run.call(7, 9).to_string()), Some(run));
        for other in ["", "x", "01234567-89ab-1000-8000-000000000000", "01234567-89ab-4000-9000-000000000000"] {
            assert_eq!(run_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn lists_of_channels_are_read() {
        assert_eq!(read("{\"row_count\": 0}\n"), Some(Vec::new()));
        assert_eq!(
            read("{\"row_count\":1,\"rows\":[{\"uuid\":\"u\",\"direction\":\"inbound\"}]}").unwrap()[0].uuid,
            "u"
        );
        assert_eq!(read("-ERR"), None);
    }
}
