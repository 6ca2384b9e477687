//! What a run leaves behind: one documented structure, and the ways in which it is written.

mod calls;
mod hlog;
mod json;
mod summary;

pub use calls::CallLog;
pub use hlog::LatencyLog;
pub use json::{Report, RunFacts};
pub use summary::summary;

/// A time in seconds as people write it: `950 µs`, `12.3 ms`, `2.05 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds == 0.0 {
        "0".to_owned()
    } else if seconds < 0.001 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.01 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 0.1 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 100.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.0} s")
    }
}
