//! Checks that far legs come to a slave and are parked there for the app that controls them. Only a probe call can show
//! it; without one the check warns that nothing is known.

use super::super::need::Apps;
use super::super::probe::PARK;
use super::{CheckInput, Finding};

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let need = subject.need;
    // A simulated server has a profile that parks every call, and its dialplan is in the same file.
    if need.simulated || need.probe || !need.places {
        return Vec::new();
    }
    let finding = |apps: &Apps| {
        let drive = apps.with("drives far legs", "drive far legs");
        subject.warning(
            format!(
                "{drive}, which have to reach a slave and be parked there, unanswered; this was not \
                 checked"
            ),
            format!(
                "set probe = true in [preflight] to place one call to each address and check it; this dialplan parks \
                 them:\n{PARK}"
            ),
        )
    };
    need.far_legs.iter().map(finding).collect()
}
