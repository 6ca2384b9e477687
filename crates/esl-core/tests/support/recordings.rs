//! Conversations with a real FreeSWITCH 1.10.12, byte for byte, as both the tests and the benchmark read them.

use std::path::Path;

/// What the server said in each recording of an inbound connection, with the recording's name.
pub(crate) fn inbound() -> Vec<(String, Vec<u8>)> {
    said("../fs-sim/tests/recordings")
}

/// The same of the `socket` application, in which FreeSWITCH connects to the client.
pub(crate) fn outbound() -> Vec<(String, Vec<u8>)> {
    said("tests/recordings-outbound")
}

fn said(folder: &str) -> Vec<(String, Vec<u8>)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The fuzzers are a package of their own, inside this one.
    let package = if package.ends_with("fuzz") { package.join("..") } else { package.to_owned() };
    let folder = package.join(folder);
    let mut recordings = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a recording");
        let mut bytes = Vec::new();
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
            if line["from"] == "server" {
                bytes.extend_from_slice(line["data"].as_str().expect("text").as_bytes());
            }
        }
        recordings.push((path.file_stem().expect("a name").to_string_lossy().into_owned(), bytes));
    }
    recordings.sort();
    recordings
}
