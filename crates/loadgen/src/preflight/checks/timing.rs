//! How far away it is, and how late its events are: both are part of what a run measures.

use std::time::Duration;

use super::super::describe::{about, median_and_max};
use super::{CheckInput, Finding};

/// A round trip that is longer says that the server is on another continent, or has no time for its connections.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(50);
/// One that took so much longer than the others says that something stalls.
const STALL: Duration = Duration::from_millis(500);
/// A server looks at its event queue every 20 ms, and on a connection that is kept awake sooner; more is not its habit.
const EVENT_DELAY_MAX: Duration = Duration::from_millis(30);

pub(super) fn finds(subject: &CheckInput<'_>) -> Vec<Finding> {
    // One that is simulated here is as quick as this machine.
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
