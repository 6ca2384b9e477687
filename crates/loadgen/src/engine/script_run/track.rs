//! The progress of one leg through its steps.

use esl_core::{Event, EventName};
use tokio::time::Instant;
use uuid::Uuid;

use super::ScriptRun;
use crate::apps::script::{Action, NOT_PLAYED, Side, Step};

/// The progress of one leg through its steps.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) state: TrackState,
    /// The next step, or the pending one.
    pub(super) at: usize,
    /// When the step before was done; `None` before the leg exists.
    pub(super) since: Option<Instant>,
    /// When the pending step times out.
    pub(super) deadline: Option<Instant>,
    /// The UUID that the events of the last executed application carry.
    pub(super) execution: Uuid,
    /// Whether the leg takes commands: the near leg runs its application, the far leg is parked.
    pub(super) parked: bool,
    pub(super) answered: bool,
    /// Whether the leg was hung up, and takes no more commands.
    pub(super) gone: bool,
    /// Digits that arrived before a step expected them.
    pub(super) digits: String,
    /// Expected events that arrived before their step, as bits.
    pub(super) seen: u128,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TrackState {
    /// The leg is not there yet.
    #[default]
    Before,
    /// The next step can be entered.
    Ready,
    /// The next step needs a leg that takes commands.
    Parking,
    /// A step is under way.
    Pending,
    /// No steps are left.
    Done,
}

impl Track {
    /// The result of the pending step, where an event on this leg completes it.
    pub(super) fn outcome(&self, action: &Action, event: &Event) -> Option<Result<(), String>> {
        let name = event.name();
        let executed = name == EventName::ChannelExecuteComplete && event.application_uuid() == Some(self.execution);
        match action {
            Action::Answer => (name == EventName::ChannelAnswer).then_some(Ok(())),
            Action::Ring | Action::EarlyMedia => {
                let media = [EventName::ChannelProgressMedia, EventName::ChannelAnswer].contains(&name);
                let rings = matches!(action, Action::Ring) && name == EventName::ChannelProgress;
                (media || rings).then_some(Ok(()))
            }
            Action::Play { .. } if executed => {
                let response = event.get("Application-Response").unwrap_or_default();
                Some(if NOT_PLAYED.contains(&&*response) { Err(response.into_owned()) } else { Ok(()) })
            }
            Action::Execute { .. } if executed => Some(Ok(())),
            Action::Record { .. } => (name == EventName::RecordStart).then_some(Ok(())),
            Action::StopRecord => (name == EventName::RecordStop).then_some(Ok(())),
            Action::Bridge { .. } if name == EventName::ChannelBridge => Some(Ok(())),
            Action::Bridge { .. } if executed => {
                let disposition = event.variable("originate_disposition").unwrap_or_default();
                Some(Err(if disposition.is_empty() { "no bridge".to_owned() } else { disposition.into_owned() }))
            }
            _ => None,
        }
    }
}

/// Compares the digits that arrived with the expected ones. Complete digits are taken out.
pub(super) fn match_digits(expected: &str, digits: &mut String) -> Option<Result<(), String>> {
    if let Some(rest) = digits.strip_prefix(expected) {
        *digits = rest.to_owned();
        return Some(Ok(()));
    }
    match expected.starts_with(&**digits) {
        true => None,
        false => Some(Err(digits.clone())),
    }
}

pub(super) fn got_digits(digits: &str) -> String {
    if digits.is_empty() { "nothing".to_owned() } else { digits.to_owned() }
}

impl ScriptRun {
    /// Whether all steps are done and the last one waited for the end of the call, by either side.
    pub fn has_seen_its_end(&self) -> bool {
        let of = |side: Side| (self.script.steps(side), &self.tracks[side as usize]);
        let all_done = Side::BOTH.into_iter().map(of).all(|(steps, track)| track.at >= steps.len());
        let waits_for_it =
            |step: &Step| matches!(&step.action, Action::ExpectEvent { watch, .. } if is_end_of_leg(watch.name));
        all_done
            && self.failure.is_none()
            && Side::BOTH.into_iter().any(|side| of(side).0.last().is_some_and(waits_for_it))
    }
}

/// Whether an event reports the end of a leg.
fn is_end_of_leg(name: EventName) -> bool {
    matches!(name, EventName::ChannelHangup | EventName::ChannelHangupComplete | EventName::ChannelDestroy)
}
