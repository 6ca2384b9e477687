//! Checks the round trip and the event delay, which are part of every measurement.

use std::time::Duration;

use super::super::describe::{about, median_and_max};
use super::{CheckInput, Finding};

/// A longer round trip means that the server is on another continent, or overloaded.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(50);
/// A round trip that is longer than the median by this much means that something stalls.
const STALL: Duration = Duration::from_millis(500);
/// A server handles its event queue every 20 ms, sooner when it is kept awake; a longer delay is unusual.
const EVENT_DELAY_MAX: Duration = Duration::from_millis(30);

pub(super) fn finds(subject: &CheckInput<'_>) -> Vec<Finding> {
    // A simulated server is as fast as this machine.
    if subject.need.simulated {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if let Some((median, max)) = median_and_max(&subject.answers.round_trips) {
        if median > ROUND_TRIP_MAX {
            findings.push(subject.warning(
                format!("a command that does nothing takes {}: every latency has that in it", about(median)),
                "run loadgen nearer to it, or see what keeps it busy",
            ));
        } else if max > STALL {
            findings.push(subject.warning(
                format!("a command that does nothing took {} once: it or the network stalls", about(max)),
                "see what else runs on it",
            ));
        }
    }
    let awake = subject.need.keep_awake.period().is_some();
    match median_and_max(&subject.answers.event_delays) {
        None => findings.push(subject.warning(
            "it does not pass on what is sent by sendevent: how late its events are will not be known",
            "allow the user CUSTOM loadgen::probe in its esl-allowed-events",
        )),
        Some((median, _)) if median > EVENT_DELAY_MAX => findings.push(subject.warning(
            format!(
                "its events come {} late{}: every latency has that in it",
                about(median),
                if awake { ", though it is kept awake" } else { "" }
            ),
            "see what keeps it busy: other listeners, a full disk under its log, its processors",
        )),
        Some(_) => {}
    }
    findings
}
