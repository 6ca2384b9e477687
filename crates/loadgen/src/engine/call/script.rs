//! A call's app: the events that it is given, and what its commands mean for the call.

use esl_core::{Event, EventName};
use tokio::time::Instant;

use super::{Call, HangupReason, Reaction, Transition};
use crate::apps::script::Side;
use crate::config::template::Context;
use crate::engine::script_run::{LegCommand, ScriptRun};
use crate::measure::SlaveRecorder;

impl Call {
    /// The run of its app's script: its results, and where it failed. `None` for an app that only holds the call.
    pub fn script_run(&self) -> Option<&ScriptRun> {
        self.script_run.as_deref()
    }

    /// Whether its app needs the events of its legs.
    pub fn has_script(&self) -> bool {
        self.script_run.is_some()
    }

    /// Hands an event of one of the legs to the call's app. To be called before [`Call::on`] with the same event.
    pub fn on_app_event(&mut self, side: Side, event: &Event, context: &Context<'_>, at: Instant) -> Reaction {
        let context = Context { far: self.far_leg().map(|(leg, _)| leg), ..*context };
        let is_active = !self.state.is_awaiting_far_leg();
        let Some(script_run) = self.script_run.as_mut().filter(|_| is_active) else { return Transition::Wait.into() };
        let mut commands = Vec::new();
        if side == Side::Caller && event.name() == EventName::ChannelAnswer {
            commands = script_run.begin(side, &context, at);
        }
        commands.extend(script_run.on_event(side, event, &context, at));
        let reaction = self.react(commands, at);
        // With the near leg's last event: what the far leg's server reports of the same moment may follow it.
        let ends = side == Side::Caller && event.name() == EventName::ChannelDestroy;
        if ends && self.timeline.answer.known().is_some() && self.ends_as_planned() {
            self.script_run.iter_mut().for_each(|script_run| script_run.end(&context));
        }
        reaction
    }

    /// A deadline of the call or of its app has passed.
    pub fn on_deadline(&mut self, now: Instant, context: &Context<'_>, recorder: &mut SlaveRecorder) -> Reaction {
        let context = Context { far: self.far_leg().map(|(leg, _)| leg), ..*context };
        let mut commands = Vec::new();
        let is_active = !self.state.is_awaiting_far_leg();
        if let Some(script_run) = self.script_run.as_mut().filter(|_| is_active)
            && script_run.next_deadline().is_some_and(|deadline| deadline <= now)
        {
            let reaction = script_run.on_deadline(now, &context);
            let reaction = self.react(reaction, now);
            if reaction.transition != Transition::Wait || self.deadline > now {
                return reaction;
            }
            commands = reaction.commands;
        }
        Reaction { transition: self.on_own_deadline(now, recorder), commands }
    }

    /// Takes out of the app's commands the hangup of the near leg, which is the call's own to do.
    fn react(&mut self, mut commands: Vec<LegCommand>, at: Instant) -> Reaction {
        let mut transition = Transition::Wait;
        commands.retain(|command| match *command {
            LegCommand::HangUp { side: Side::Caller, cause } => {
                if self.hang_up(at, HangupReason::Planned) == Transition::HangUp {
                    self.cause_asked = cause;
                    transition = Transition::HangUp;
                }
                false
            }
            LegCommand::HangUp { side: Side::Callee, .. } => {
                // The far leg hangs up: nothing is sent to the near one.
                let _ = self.hang_up(at, HangupReason::ByCallee);
                true
            }
            _ => true,
        });
        Reaction { transition, commands }
    }

    /// Whether the script has asked for the call's end, by plan or because it failed.
    pub(super) fn script_is_over(&self) -> bool {
        self.script_run().is_some_and(ScriptRun::is_over)
    }

    pub(super) fn script_has_failed(&self) -> bool {
        self.script_run().is_some_and(|script_run| script_run.failure().is_some())
    }

    /// Whether the call's end is what its hold or its app asked for.
    pub(super) fn ends_as_planned(&self) -> bool {
        let planned = self.is_planned_to_end() || self.script_is_over();
        !self.hung_up_by_peer && planned || self.script_run().is_some_and(ScriptRun::has_seen_its_end)
    }
}
