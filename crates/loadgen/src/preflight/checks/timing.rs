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

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    // A simulated server is as fast as this machine.
    if subject.need.simulated {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if let Some((median, max)) = median_and_max(&subject.answers.round_trips) {
        if median > ROUND_TRIP_MAX {
            findings.push(subject.warning(
                format!("the round trip of an empty command is {}, and every latency includes it", about(median)),
                "run loadgen closer to the server, or find out what keeps it busy",
            ));
        } else if max > STALL {
            findings.push(subject.warning(
                format!("the round trip of an empty command was {} once: the server or the network stalls", about(max)),
                "check what else runs on the server",
            ));
        }
    }
    let awake = subject.need.keep_awake.period().is_some();
    match median_and_max(&subject.answers.event_delays) {
        None => findings.push(subject.warning(
            "the server does not deliver events sent by sendevent: event delay will not be measured",
            "allow the user CUSTOM loadgen::probe in its esl-allowed-events",
        )),
        Some((median, _)) if median > EVENT_DELAY_MAX => findings.push(subject.warning(
            format!(
                "the server's events are {} late{}, and every latency includes it",
                about(median),
                if awake { ", although the server is kept awake" } else { "" }
            ),
            "find out what keeps the server busy: other listeners, a full disk under its log, its CPU",
        )),
        Some(_) => {}
    }
    findings
}
