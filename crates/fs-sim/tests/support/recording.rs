//! A recorded conversation of a client with a FreeSWITCH 1.10.12, from `tests/recordings`.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Recording {
    /// What the client said, and when.
    pub(crate) said: Vec<(Duration, String)>,
    pub(crate) heard: String,
    pub(crate) ends: Duration,
}

impl Recording {
    /// The recording of that name, `folder/name` for one in a folder.
    pub(crate) fn load(name: &str) -> Recording {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(format!("{name}.jsonl"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut recording = Recording { said: Vec::new(), heard: String::new(), ends: Duration::ZERO };
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let at = Duration::from_secs_f64(record["t"].as_f64().expect("a time"));
            let data = record["data"].as_str().expect("a text");
            match record["from"].as_str() {
                Some("client") => recording.said.push((at, data.to_owned())),
                Some("server") => recording.heard.push_str(data),
                _ => {}
            }
            recording.ends = at;
        }
        recording
    }
}
