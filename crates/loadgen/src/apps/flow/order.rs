//! Which steps may follow which, by the state of the leg.

use super::step::{LegEffect, LegRequirement, StepKind};
use crate::apps::script::Side;

/// The state of a leg after the steps so far.
pub(super) struct Leg {
    side: Side,
    is: LegEffect,
    /// The step that ended it.
    last: &'static str,
    /// Whether it executes applications, which may have answered it.
    runs: bool,
}

impl Leg {
    pub(super) fn new(side: Side) -> Self {
        let is = if side == Side::Caller { LegEffect::Answered } else { LegEffect::Nothing };
        Self { side, is, last: "", runs: false }
    }

    /// Applies a step.
    ///
    /// # Errors
    /// The step cannot follow the ones before.
    pub(super) fn take(&mut self, step: &StepKind) -> Result<(), String> {
        let name = step.name;
        if self.is == LegEffect::Over {
            return Err(format!("nothing can follow {:?}: the call is over", self.last));
        }
        let for_callee = matches!(step.needs, LegRequirement::NoAnswer | LegRequirement::NoMedia);
        if for_callee && self.side == Side::Caller {
            return Err(format!("{name:?} is for the callee: the caller's steps start after the answer"));
        }
        match (step.needs, self.is) {
            (LegRequirement::NoAnswer | LegRequirement::NoMedia, LegEffect::Answered) => {
                Err(format!("{name:?} after an answer: the call is answered already"))
            }
            (LegRequirement::NoMedia, LegEffect::EarlyMedia) => {
                Err(format!("{name:?} after \"early_media\": the call is past ringing"))
            }
            (LegRequirement::NoMedia, LegEffect::Ringing) if step.makes == LegEffect::Ringing => {
                Err(format!("{name:?} a second time: the leg is ringing already"))
            }
            (LegRequirement::Media, LegEffect::Nothing | LegEffect::Ringing) => {
                Err(format!("{name:?} on a leg without media: put \"answer\" or \"early_media\" before it"))
            }
            (LegRequirement::Answer, LegEffect::Nothing | LegEffect::Ringing | LegEffect::EarlyMedia) => {
                Err(format!("{name:?} on a leg that is not answered: put \"answer\" before it"))
            }
            _ => Ok(()),
        }?;
        self.runs |= name == "execute";
        if step.makes != LegEffect::Nothing {
            (self.is, self.last) = (step.makes, name);
        }
        Ok(())
    }

    /// Whether its steps answer or reject the call, or may do so.
    pub(super) fn is_decided(&self) -> bool {
        self.runs || matches!(self.is, LegEffect::Answered | LegEffect::Over)
    }
}
