//! Where one leg is in its steps.

use esl_core::{Event, EventName};
use tokio::time::Instant;
use uuid::Uuid;

use super::ScriptRun;
use crate::apps::script::{Action, NOT_PLAYED, Side, Step};

/// Where one leg is in its steps.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) state: State,
    /// The next step, or the one that is pending.
    pub(super) at: usize,
    /// When the step before it was done; once the leg is there.
    pub(super) since: Option<Instant>,
    /// When the pending step has waited for long enough.
    pub(super) deadline: Option<Instant>,
    /// What the events of the application that was run last say.
    pub(super) execution: Uuid,
    /// The near leg runs its application, the far leg is parked: it does what it is told.
    pub(super) parked: bool,
    pub(super) answered: bool,
    /// It was hung up: it can be told nothing any more.
    pub(super) gone: bool,
    /// Digits that came and were not expected yet.
    pub(super) digits: String,
    /// Expected events that came before their step, as bits.
    pub(super) seen: u128,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// The leg is not there yet.
    #[default]
    Before,
    /// The next step can be entered.
    Ready,
    /// The next step needs a leg that does what it is told.
    Parking,
    /// A step is under way.
    Pending,
    /// There is nothing left to do.
    Done,
}

impl Track {
    /// What an event on this leg says of the step that is under way.
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

/// Whether the digits are those expected, so far: they are taken away when they are all there.
pub(super) fn heard(expected: &str, digits: &mut String) -> Option<Result<(), String>> {
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
    /// Whether the last thing that a leg's steps waited for was the call's end, by whomever, and all steps are done.
    pub fn has_seen_its_end(&self) -> bool {
        let of = |side: Side| (self.script.steps(side), &self.tracks[side as usize]);
        let all_done = Side::BOTH.into_iter().map(of).all(|(steps, track)| track.at >= steps.len());
        let waits_for_it =
            |step: &Step| matches!(&step.action, Action::ExpectEvent { watch, .. } if is_an_end(watch.name));
        all_done
            && self.failure.is_none()
            && Side::BOTH.into_iter().any(|side| of(side).0.last().is_some_and(waits_for_it))
    }
}

/// Whether an event says that a leg is over.
fn is_an_end(name: EventName) -> bool {
    matches!(name, EventName::ChannelHangup | EventName::ChannelHangupComplete | EventName::ChannelDestroy)
}
