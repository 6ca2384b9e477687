//! Writes what the fuzzers start with, out of the recordings, to `corpus/<target>`.

#[path = "../../tests/support/recordings.rs"]
mod recordings;
#[path = "../../tests/support/seeds.rs"]
mod seeds;

use std::path::Path;

fn main() -> std::io::Result<()> {
    for target in ["plain", "json", "xml", "connect_reply"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        for (at, seed) in seeds::seeds(target).into_iter().enumerate() {
            std::fs::write(folder.join(format!("recorded-{at:04}")), seed)?;
        }
    }
    Ok(())
}
