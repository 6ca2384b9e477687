//! Checks that far legs come to a slave and are parked there for the app that controls them. Only a probe call can show
//! it; without one the check warns that nothing is known.

use super::super::need::Apps;
use super::super::probe::PARK;
use super::{CheckInput, Finding};

pub(super) fn finds(subject: &CheckInput<'_>) -> Vec<Finding> {
    let need = subject.need;
    // A simulated server has a profile that parks every call, and its dialplan is in the same file.
    if need.simulated || need.probe || !need.places {
        return Vec::new();
    }
    let finding = |apps: &Apps| {
        let tell = apps.with("tells far legs", "tell far legs");
        subject.warning(
            format!("{tell} what to do, which have to come to a slave and be parked there, unanswered: nobody has looked"),
            format!("probe = true in [preflight] has one call placed to each address that shows it; what parks them is\n{PARK}"),
        )
    };
    need.far_legs.iter().map(finding).collect()
}
