//! The run of one call's script. No I/O, no clock: events and instants come in, commands go out.
//!
//! ```text
//!   begin         the step is entered          its event, its time          no step is left
//!   ──────► Ready ───────────────────► Pending ───────────────────► Ready ─────────────────► Done
//!                                         │ time-out, unexpected event
//!                                         ▼
//!                                       StepFailure: the call is hung up
//! ```
//!
//! Each leg progresses through its own list of steps, independently of the other. The order of events is not fixed:
//! digits and expected events that arrive before their step are kept for it.

mod api_commands;
mod leg_command;
mod track;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use esl_core::{Event, EventName, HangupCause};
use tokio::time::Instant;
use uuid::Uuid;

use crate::apps::RESULTS_MAX;
use crate::apps::script::{Action, DIAL, RuleEffect, Script, Side, TIMEOUT};
use crate::config::template::Context;
use crate::plan::App;

use api_commands::{ApiCommands, api_commands};
pub use leg_command::{LegCommand, StepFailure};
use track::{Track, TrackState, got_digits, match_digits};

/// Digits of a leg that are kept at most for later steps: more than the longest number and the way through a menu
/// before it.
const DIGITS_MAX: usize = 128;

/// Recordings of a call whose names are kept at most.
const FILES_MAX: usize = 8;

/// Steps that are taken in one go at most: more are a loop without a wait, or a clock that jumped.
const STEPS_AT_ONCE: usize = 512;

/// How long after its answer a near leg may take to be parked. Its application starts within a millisecond, and would
/// interrupt a command that came before.
const PARKED_BY: Duration = Duration::from_secs(2);

/// The run of one call's script.
#[derive(Debug)]
pub struct ScriptRun {
    script: Arc<Script>,
    tracks: [Track; 2],
    counts: [u32; RESULTS_MAX],
    /// How many applications were executed: the events of each have their own UUID.
    executions: u16,
    files: Vec<String>,
    failure: Option<Box<StepFailure>>,
    /// Whether the call's end was asked for: no step follows.
    over: bool,
}

/// The result of entering a step.
enum Entered {
    /// The step is done.
    Done,
    /// The step does not apply to this call.
    Skipped,
    /// The step is under way, until this time at most.
    Pending(Option<Instant>),
    /// The step is done, and no step follows.
    Last,
    /// The step cannot be done: what happened instead.
    Failed(String),
}

impl ScriptRun {
    /// The run of an app's script; `None` where there is nothing to do or watch.
    pub fn of(app: &App) -> Option<Self> {
        (!app.script.is_empty()).then(|| Self::new(app.script.clone()))
    }

    /// A run that has not begun.
    pub fn new(script: Arc<Script>) -> Self {
        Self {
            script,
            tracks: Default::default(),
            counts: [0; RESULTS_MAX],
            executions: 0,
            files: Vec::new(),
            failure: None,
            over: false,
        }
    }

    /// Begins a leg's steps: the caller's when the call is answered, the callee's when its leg is parked. The latter
    /// begin by themselves when [`ScriptRun::on_event`] gets that event.
    pub fn begin(&mut self, side: Side, context: &Context<'_>, at: Instant) -> Vec<LegCommand> {
        let mut commands = Vec::new();
        self.begin_steps(side, context, at, &mut commands);
        commands
    }

    /// Applies an event of a leg. Any event may come at any time, in any order.
    pub fn on_event(&mut self, side: Side, event: &Event, context: &Context<'_>, at: Instant) -> Vec<LegCommand> {
        let mut commands = Vec::new();
        self.note(side, event);
        if event.name() == EventName::ChannelPark && side == Side::Callee {
            self.begin_steps(side, context, at, &mut commands);
        }
        self.apply_rules(side, event, context, &mut commands);
        self.remember(side, event, context);
        for of in Side::BOTH {
            self.progress(of, (side, event), context, at, &mut commands);
        }
        commands
    }

    fn begin_steps(&mut self, side: Side, context: &Context<'_>, at: Instant, commands: &mut Vec<LegCommand>) {
        let track = &mut self.tracks[side as usize];
        if track.state != TrackState::Before {
            return;
        }
        track.state = TrackState::Ready;
        track.since = Some(at);
        // A far leg begins by being parked; any other application than `park` does not take commands.
        track.parked |= side == Side::Callee || !self.script.application.is_park();
        track.answered |= side == Side::Caller;
        self.advance(side, context, at, commands);
    }

    /// When [`ScriptRun::on_deadline`] is to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.tracks.iter().filter_map(|track| track.deadline);
        deadlines.min().filter(|_| !self.over)
    }

    /// Applies a deadline. Calling it early or twice does no harm.
    pub fn on_deadline(&mut self, at: Instant, context: &Context<'_>) -> Vec<LegCommand> {
        let mut commands = Vec::new();
        for side in Side::BOTH {
            let track = &mut self.tracks[side as usize];
            let Some(deadline) = track.deadline.filter(|deadline| *deadline <= at && !self.over) else { continue };
            track.deadline = None;
            match track.state {
                TrackState::Parking => (track.parked, track.since) = (true, Some(at)),
                TrackState::Pending => match self.script.steps(side).get(track.at).map(|step| &step.action) {
                    // The next step counts from when this one should have ended, so that delays do not add up.
                    Some(Action::Wait(_)) => self.done(side, deadline),
                    Some(Action::ExpectDigits { .. }) => {
                        let got = got_digits(&track.digits);
                        self.fail_at(side, got, context, &mut commands);
                    }
                    _ => self.fail_at(side, "nothing".to_owned(), context, &mut commands),
                },
                TrackState::Before | TrackState::Ready | TrackState::Done => {}
            }
            self.advance(side, context, at, &mut commands);
        }
        commands
    }

    /// The answered call, or its hold, has ended: what should have happened by now and did not is a failure.
    pub fn end(&mut self, context: &Context<'_>) {
        self.over = true;
        for side in Side::BOTH {
            if self.failure.is_none() {
                self.check_steps(side, context);
            }
        }
        let script = Arc::clone(&self.script);
        for require in &script.requires {
            let times = self.counts.get(require.result).copied().unwrap_or_default();
            if !require.times.contains(&times) && self.failure.is_none() {
                let got = if times == 0 { "none".to_owned() } else { times.to_string() };
                self.fail(StepFailure { side: Side::Caller, step: 0, expected: require.expected.clone(), got });
            }
        }
    }

    /// Whether the steps of this leg have begun.
    pub fn has_begun(&self, side: Side) -> bool {
        self.tracks[side as usize].state != TrackState::Before && !self.script.steps(side).is_empty()
    }

    /// How often each of the app's results was counted.
    pub fn results(&self) -> &[u32; RESULTS_MAX] {
        &self.counts
    }

    /// The first failure.
    pub fn failure(&self) -> Option<&StepFailure> {
        self.failure.as_deref()
    }

    /// Whether the script has asked for the call's end, by plan or because it failed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The files that were recorded, on the servers.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Notes what an event says about the leg itself.
    fn note(&mut self, side: Side, event: &Event) {
        let hears = self.script.steps(side).iter().any(|step| matches!(step.action, Action::ExpectDigits { .. }));
        let track = &mut self.tracks[side as usize];
        match event.name() {
            EventName::ChannelPark => {
                track.parked = true;
                track.answered |= event.get("Answer-State").is_some_and(|state| state == "answered");
            }
            EventName::ChannelAnswer => track.answered = true,
            EventName::ChannelHangup => track.gone = true,
            EventName::Dtmf if hears => {
                let digit = event.get("DTMF-Digit");
                let digit = digit.as_deref().and_then(|digit| digit.chars().next());
                track.digits.extend(digit.filter(|digit| digit.is_ascii_graphic() && track.digits.len() < DIGITS_MAX));
            }
            _ => {}
        }
    }

    fn apply_rules(&mut self, side: Side, event: &Event, context: &Context<'_>, commands: &mut Vec<LegCommand>) {
        let script = Arc::clone(&self.script);
        for rule in script.rules.iter().filter(|rule| rule.watch.fits(side, event, context)) {
            match &rule.then {
                RuleEffect::Count(result) => self.count(Some(*result)),
                RuleEffect::Fail { expected, unless } => {
                    let counted = unless.and_then(|result| self.counts.get(result)).is_some_and(|count| *count > 0);
                    if !self.over && !counted {
                        let response =
                            ["Application-Response", "Hangup-Cause"].into_iter().find_map(|name| event.get(name));
                        let got = response.map_or(event.name().as_str().to_owned(), Cow::into_owned);
                        self.fail(StepFailure { side, step: 0, expected: expected.clone(), got });
                        hang_up(commands);
                    }
                }
            }
        }
    }

    /// Keeps an event for the first open step of each leg that expects it.
    fn remember(&mut self, side: Side, event: &Event, context: &Context<'_>) {
        for of in Side::BOTH {
            let track = &mut self.tracks[of as usize];
            let open = self.script.steps(of).iter().enumerate().skip(track.at).find(|(index, step)| {
                let is_open = track.seen & bit(*index) == 0;
                matches!(&step.action, Action::ExpectEvent { watch, .. } if is_open && watch.fits(side, event, context))
            });
            track.seen |= open.map_or(0, |(index, _)| bit(index));
        }
    }

    /// Continues with the leg's pending step where the event completes it.
    fn progress(
        &mut self,
        of: Side,
        (side, event): (Side, &Event),
        context: &Context<'_>,
        at: Instant,
        commands: &mut Vec<LegCommand>,
    ) {
        let track = &self.tracks[of as usize];
        if self.over {
            return;
        }
        if track.state == TrackState::Parking && track.parked {
            self.tracks[of as usize].since = Some(at);
            return self.advance(of, context, at, commands);
        }
        let script = Arc::clone(&self.script);
        let Some(step) = script.steps(of).get(track.at).filter(|_| track.state == TrackState::Pending) else { return };
        let outcome = match (&step.action, event.name()) {
            (Action::ExpectDigits { digits, .. }, EventName::Dtmf) if side == of => {
                match_digits(&digits.render(context), &mut self.tracks[of as usize].digits)
            }
            (Action::ExpectEvent { .. }, _) => (track.seen & bit(track.at) != 0).then_some(Ok(())),
            (action, _) if side == of => track.outcome(action, event),
            _ => None,
        };
        match outcome {
            None => return,
            Some(Ok(())) => {
                if let Action::Record { path, .. } = &step.action
                    && self.files.len() < FILES_MAX
                {
                    self.files.push(path.render(context).into_owned());
                }
                self.done(of, at);
            }
            Some(Err(got)) => self.fail_at(of, got, context, commands),
        }
        self.advance(of, context, at, commands);
    }

    /// Enters steps as long as they are done at once.
    fn advance(&mut self, side: Side, context: &Context<'_>, at: Instant, commands: &mut Vec<LegCommand>) {
        let script = Arc::clone(&self.script);
        let steps = script.steps(side);
        for _ in 0..STEPS_AT_ONCE {
            let track = &mut self.tracks[side as usize];
            if self.over || track.gone || !matches!(track.state, TrackState::Ready | TrackState::Parking) {
                return;
            }
            let Some(step) = steps.get(track.at) else {
                track.state = TrackState::Done;
                track.deadline = None;
                return;
            };
            let waits = matches!(step.action, Action::Wait(_)) || step.action.is_expectation();
            if !track.parked && !waits {
                track.deadline.get_or_insert(at + PARKED_BY);
                track.state = TrackState::Parking;
                return;
            }
            match self.enter(side, &step.action, context, at, commands) {
                // A step that takes no time does not delay the next one.
                Entered::Done => self.done(side, self.tracks[side as usize].since.unwrap_or(at)),
                Entered::Skipped => self.tracks[side as usize].at += 1,
                Entered::Pending(deadline) => {
                    let track = &mut self.tracks[side as usize];
                    (track.state, track.deadline) = (TrackState::Pending, deadline);
                    if let (Action::Wait(_), Some(over)) = (&step.action, deadline)
                        && over <= at
                    {
                        self.done(side, over);
                    }
                }
                Entered::Last => {
                    let track = &mut self.tracks[side as usize];
                    (track.state, track.deadline) = (TrackState::Done, None);
                    self.count(step.met);
                }
                Entered::Failed(got) => self.fail_at(side, got, context, commands),
            }
        }
        // The next deadline continues here.
        let track = &mut self.tracks[side as usize];
        if matches!(track.state, TrackState::Ready) {
            (track.deadline, track.state) = (Some(at + Duration::from_millis(1)), TrackState::Parking);
        }
    }

    /// Completes the pending step, or the step that was entered.
    fn done(&mut self, side: Side, at: Instant) {
        let track = &mut self.tracks[side as usize];
        let step = self.script.steps(side).get(track.at);
        let met = step.and_then(|step| step.met);
        track.at = match step.map(|step| &step.action) {
            Some(Action::Repeat(index)) => *index,
            _ => track.at + 1,
        };
        (track.state, track.since, track.deadline) = (TrackState::Ready, Some(at), None);
        self.count(met);
    }

    fn enter(
        &mut self,
        side: Side,
        action: &Action,
        context: &Context<'_>,
        at: Instant,
        commands: &mut Vec<LegCommand>,
    ) -> Entered {
        let track = &mut self.tracks[side as usize];
        let soon = Entered::Pending(Some(at + TIMEOUT));
        match action {
            Action::Wait(time) => return Entered::Pending(track.since.unwrap_or(at).checked_add(*time)),
            Action::Repeat(_) => return Entered::Done,
            Action::Record { every, .. } if !context.attempt.is_multiple_of(*every) => return Entered::Skipped,
            Action::ExpectDigits { digits, timeout } => {
                return match match_digits(&digits.render(context), &mut track.digits) {
                    Some(Ok(())) => Entered::Done,
                    Some(Err(got)) => Entered::Failed(got),
                    None => Entered::Pending(at.checked_add(*timeout)),
                };
            }
            Action::ExpectEvent { timeout, .. } => {
                return match track.seen & bit(track.at) != 0 {
                    true => Entered::Done,
                    false => Entered::Pending(at.checked_add(*timeout)),
                };
            }
            Action::Answer if track.answered => return Entered::Done,
            Action::HangUp { side, cause } => {
                commands.push(LegCommand::HangUp { side: *side, cause: *cause });
                self.over = true;
                return Entered::Last;
            }
            Action::Respond(status) => {
                self.execute(side, "respond", status.render(context).into_owned(), context, commands);
                return Entered::Last;
            }
            Action::Play { file, background } => {
                self.execute(side, "playback", file.render(context).into_owned(), context, commands);
                return if *background { Entered::Done } else { Entered::Pending(None) };
            }
            Action::Execute { application, argument, timeout } => {
                self.execute(side, application, argument.render(context).into_owned(), context, commands);
                return match timeout {
                    Some(timeout) => Entered::Pending(at.checked_add(*timeout)),
                    None => Entered::Done,
                };
            }
            Action::Bridge { to, timeout } => {
                self.execute(side, DIAL, to.render(context).into_owned(), context, commands);
                return Entered::Pending(at.checked_add(*timeout));
            }
            _ => {}
        }
        // The other actions are API commands.
        let Some(uuid) = (match side {
            Side::Caller => Some(context.uuid),
            Side::Callee => context.far,
        }) else {
            return Entered::Failed("an unknown leg".to_owned());
        };
        match api_commands(action, uuid, context) {
            Err(error) => Entered::Failed(error.to_string()),
            Ok(ApiCommands { commands: sent, slow }) => {
                commands.extend(sent.into_iter().map(|command| LegCommand::Api { side, command, slow }));
                if slow { soon } else { Entered::Done }
            }
        }
    }

    fn execute(
        &mut self,
        side: Side,
        application: &str,
        argument: String,
        context: &Context<'_>,
        commands: &mut Vec<LegCommand>,
    ) {
        self.executions = self.executions.wrapping_add(1);
        // Unique, and different from every call's UUID.
        let event_uuid = Uuid::from_u128(!context.uuid.as_u128() ^ u128::from(self.executions));
        self.tracks[side as usize].execution = event_uuid;
        commands.push(LegCommand::Execute { side, application: application.to_owned(), argument, event_uuid });
    }

    /// The first expectation that is open, or was never reached, is a failure.
    fn check_steps(&mut self, side: Side, context: &Context<'_>) {
        let script = Arc::clone(&self.script);
        let track = &self.tracks[side as usize];
        let steps = script.steps(side);
        let failure = |index: usize, expected: String, got: &str| {
            Some(StepFailure { side, step: index + 1, expected, got: got.to_owned() })
        };
        let failure = match (track.state, steps.first()) {
            (TrackState::Done, _) | (_, None) => None,
            // Another party answered the call.
            (TrackState::Before, Some(_)) if side == Side::Callee => {
                failure(0, "a far leg that is parked on one of the slaves".to_owned(), "none")
            }
            _ => {
                let open = steps.iter().enumerate().skip(track.at).find(|(index, step)| {
                    // The event came before its step was reached.
                    step.action.is_expectation() && track.seen & bit(*index) == 0
                });
                open.and_then(|(index, step)| {
                    let expected = step.action.expected(context);
                    match (&step.action, track.state == TrackState::Pending && index == track.at) {
                        (Action::ExpectDigits { .. }, true) => failure(index, expected, &got_digits(&track.digits)),
                        (_, true) => failure(index, expected, "nothing"),
                        (_, false) => failure(index, expected, "an end before that"),
                    }
                })
            }
        };
        if let Some(failure) = failure {
            let missed = failure.step.checked_sub(1).and_then(|index| steps.get(index)?.missed);
            self.count(missed);
            self.fail(failure);
        }
    }

    fn fail_at(&mut self, side: Side, got: String, context: &Context<'_>, commands: &mut Vec<LegCommand>) {
        let script = Arc::clone(&self.script);
        let track = &mut self.tracks[side as usize];
        (track.state, track.deadline) = (TrackState::Done, None);
        let at = track.at;
        if let Some(step) = script.steps(side).get(at) {
            self.count(step.missed);
            self.fail(StepFailure { side, step: at + 1, expected: step.action.expected(context), got });
        }
        hang_up(commands);
    }

    fn fail(&mut self, failure: StepFailure) {
        self.over = true;
        self.failure.get_or_insert_with(|| Box::new(failure));
    }

    fn count(&mut self, result: Option<usize>) {
        if let Some(count) = result.and_then(|result| self.counts.get_mut(result)) {
            *count = count.saturating_add(1);
        }
    }
}

fn hang_up(commands: &mut Vec<LegCommand>) {
    commands.push(LegCommand::HangUp { side: Side::Caller, cause: HangupCause::NORMAL_CLEARING });
}

/// The bit of a step; 0 for a step beyond the last bit, which flows are too short for.
fn bit(step: usize) -> u128 {
    1_u128.checked_shl(u32::try_from(step).unwrap_or(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
