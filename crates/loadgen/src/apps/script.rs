//! What an app's calls do, as data: made once from the app's options. The engine runs it for each call.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use esl_core::{Event, EventName, HangupCause};
use regex_lite::Regex;

use crate::config::template::{Context, Template};

/// How long a step's effect may take to show by default.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A leg of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The near leg: the one that was originated.
    Caller,
    /// The far leg: the call where it comes in on a slave.
    Callee,
}

impl Side {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// The variable that carries the argument of the near leg's application: the first `)` in an originate would end it.
pub const ARGUMENT: &str = "loadgen_argument";

/// What an app's calls do.
#[derive(Debug, Default)]
pub struct Script {
    /// The application that the near leg executes when it is answered (`mod_dptools`), with its argument.
    pub application: Application,
    /// Variables of the near leg besides the call's own, see [`Script::variables`].
    pub settings: Vec<(&'static str, Template)>,
    /// The steps of the near leg, from its answer on.
    pub caller: Vec<Step>,
    /// The steps of the far leg, from its parking on. Without any, the far leg is not controlled.
    pub callee: Vec<Step>,
    /// What events mean, whenever they come.
    pub rules: Vec<EventRule>,
    /// The results that an answered call must have at its end.
    pub requires: Vec<Requirement>,
}

/// An application of a FreeSWITCH dialplan.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its name.
    pub name: &'static str,
    /// Its argument.
    pub argument: Template,
}

/// The application that dials: its argument is an address.
pub const DIAL: &str = "bridge";

/// Whether an application is [`DIAL`]. FreeSWITCH ignores case (`application_hash` in `switch_loadable_module.c`).
pub fn is_dial(application: &str) -> bool {
    application.eq_ignore_ascii_case(DIAL)
}

/// The application that waits for commands from outside.
const PARK: &str = "park";

impl Application {
    /// An application without an argument.
    pub fn new(name: &'static str) -> Self {
        Self { name, argument: Template::default() }
    }

    fn has_argument(&self) -> bool {
        self.argument.constants().next().is_some() || !self.argument.is_constant()
    }

    /// Whether the application waits for commands from outside.
    pub fn is_park(&self) -> bool {
        self.name == PARK
    }
}

impl Default for Application {
    fn default() -> Self {
        Self::new(PARK)
    }
}

/// An action or expectation, after the step before it.
#[derive(Debug)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// The result to count when it is done, by index.
    pub met: Option<usize>,
    /// The result to count when it fails, by index.
    pub missed: Option<usize>,
}

impl From<Action> for Step {
    fn from(action: Action) -> Self {
        Self { action, met: None, missed: None }
    }
}

/// The action of a step.
#[derive(Debug)]
pub enum Action {
    /// Waits.
    Wait(Duration),
    /// Answers the far leg (`uuid_answer`).
    Answer,
    /// Makes the far leg ring (180, `uuid_ring_ready`).
    Ring,
    /// Opens the far leg's media before it is answered (183, `uuid_pre_answer`).
    EarlyMedia,
    /// Plays a file or a stream (`playback`), to its end unless it is in the background.
    Play {
        /// The file or stream.
        file: Template,
        /// Whether the next step follows at once.
        background: bool,
    },
    /// Stops playing (`uuid_break`).
    StopPlay,
    /// Records both directions of the leg into a file on its server (`uuid_record`).
    Record {
        /// The file.
        path: Template,
        /// Records every *n*-th attempt of a slave only.
        every: u64,
    },
    /// Stops all recordings of the leg.
    StopRecord,
    /// Sends silence instead of the leg's audio, or ends that (`uuid_audio`).
    Mute(bool),
    /// Sends digits (`uuid_send_dtmf`). The next step follows at once, while the server sends them.
    SendDigits {
        /// The digits.
        digits: Template,
        /// The length of each digit; the server's default otherwise.
        duration: Option<Duration>,
    },
    /// Awaits digits on this leg. Digits since the start of the leg count.
    ExpectDigits {
        /// The digits.
        digits: Template,
        /// How long to wait.
        timeout: Duration,
    },
    /// Awaits an event. An event that comes before its step counts: each event for the first open step that it matches.
    ExpectEvent {
        /// The event.
        watch: EventPattern,
        /// How long to wait.
        timeout: Duration,
    },
    /// Sets channel variables (`uuid_setvar`). An empty value removes one.
    SetVariables(Vec<(String, Template)>),
    /// Executes an application (`sendmsg`).
    Execute {
        /// Its name.
        application: String,
        /// Its argument.
        argument: Template,
        /// How long the application may take; `None` for not waiting for its end.
        timeout: Option<Duration>,
    },
    /// Bridges the leg to another party (`bridge`).
    Bridge {
        /// The address, as FreeSWITCH writes it.
        to: Template,
        /// How long the bridge may take to come about.
        timeout: Duration,
    },
    /// Answers the far leg's INVITE with a final SIP status (`respond`).
    Respond(Template),
    /// Ends the call, as planned.
    HangUp {
        /// The leg that hangs up.
        side: Side,
        /// The hangup cause.
        cause: HangupCause,
    },
    /// Goes back to the step at this index.
    Repeat(usize),
}

impl Action {
    /// What a failure says was expected.
    pub fn expected(&self, context: &Context<'_>) -> String {
        self.words(|text| text.render(context).into_owned())
    }

    /// What a failure says was expected, with placeholders, for all calls of the app.
    pub fn label(&self) -> String {
        self.words(Template::to_string)
    }

    fn words(&self, text: impl Fn(&Template) -> String) -> String {
        match self {
            Self::Wait(time) => format!("a wait of {time:?}"),
            Self::Answer => "an answer".to_owned(),
            Self::Ring => "ringing".to_owned(),
            Self::EarlyMedia => "early media".to_owned(),
            Self::Play { file, .. } => format!("{} to play", text(file)),
            Self::StopPlay => "the playback to end".to_owned(),
            Self::Record { path, .. } => format!("the recording {} to start", text(path)),
            Self::StopRecord => "the recording to end".to_owned(),
            Self::Mute(true) => "silence".to_owned(),
            Self::Mute(false) => "an end of silence".to_owned(),
            Self::SendDigits { digits, .. } => format!("digits {} to go out", text(digits)),
            Self::ExpectDigits { digits, .. } => format!("digits {}", text(digits)),
            Self::ExpectEvent { watch, .. } => watch.words(text),
            Self::SetVariables(variables) => {
                let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
                format!("{} to be set", names.join(", "))
            }
            Self::Execute { application, .. } => format!("{application} to end"),
            Self::Bridge { to, .. } => format!("a bridge to {}", text(to)),
            Self::Respond(status) => format!("the answer {}", text(status)),
            Self::HangUp { cause, .. } => format!("to hang up with {cause}"),
            Self::Repeat(_) => "to begin again".to_owned(),
        }
    }

    /// Whether a call that ends before this step is done has failed.
    pub fn is_expectation(&self) -> bool {
        matches!(self, Self::ExpectDigits { .. } | Self::ExpectEvent { .. } | Self::Bridge { .. })
    }

    /// The events that complete the step, besides those that an [`Action::ExpectEvent`] names.
    fn event(&self) -> &'static [EventName] {
        match self {
            Self::Answer => &[EventName::ChannelAnswer],
            Self::Ring => &[EventName::ChannelProgress, EventName::ChannelProgressMedia],
            Self::EarlyMedia => &[EventName::ChannelProgressMedia],
            Self::Play { background: false, .. } | Self::Execute { timeout: Some(_), .. } => {
                &[EventName::ChannelExecuteComplete]
            }
            Self::Record { .. } => &[EventName::RecordStart],
            Self::StopRecord => &[EventName::RecordStop],
            Self::ExpectDigits { .. } => &[EventName::Dtmf],
            Self::Bridge { .. } => &[EventName::ChannelBridge, EventName::ChannelExecuteComplete],
            _ => &[],
        }
    }
}

/// A pattern for events.
#[derive(Debug)]
pub struct EventPattern {
    /// The leg; either leg where it is `None`.
    pub side: Option<Side>,
    /// Its name.
    pub name: EventName,
    /// A CUSTOM event's subclass.
    pub subclass: Option<String>,
    /// The headers that the event must have.
    pub headers: Vec<(String, HeaderPattern)>,
}

impl EventPattern {
    /// Every event of this name.
    pub fn new(name: EventName) -> Self {
        Self { side: None, name, subclass: None, headers: Vec::new() }
    }

    /// Every CUSTOM event of this subclass.
    pub fn custom(subclass: &str) -> Self {
        Self { subclass: Some(subclass.to_owned()), ..Self::new(EventName::Custom) }
    }

    /// Restricts the pattern to one leg.
    #[must_use]
    pub fn on(self, side: Side) -> Self {
        Self { side: Some(side), ..self }
    }

    /// Requires a header with this value.
    #[must_use]
    pub fn with(mut self, header: &str, value: &str) -> Self {
        self.headers.push((header.to_owned(), HeaderPattern::Is(Template::constant(value))));
        self
    }

    /// Whether an event on this leg matches.
    pub fn fits(&self, side: Side, event: &Event, context: &Context<'_>) -> bool {
        self.name == event.name()
            && self.side.is_none_or(|of| of == side)
            && self.subclass.as_deref().is_none_or(|subclass| event.subclass().is_some_and(|of| of == subclass))
            && self.headers.iter().all(|(name, pattern)| event.get(name).is_some_and(|it| pattern.fits(&it, context)))
    }

    fn words(&self, text: impl Fn(&Template) -> String) -> String {
        let mut words = self.subclass.clone().unwrap_or_else(|| self.name.as_str().to_owned());
        for (at, (name, pattern)) in self.headers.iter().enumerate() {
            let value = match pattern {
                HeaderPattern::Is(value) => text(value),
                HeaderPattern::Matches(regex) => format!("~{regex}"),
            };
            words += &format!("{} {name} {value}", if at == 0 { " with" } else { "," });
        }
        words
    }
}

/// The responses of `playback` for a file that it cannot play (`mod_dptools`).
pub const NOT_PLAYED: [&str; 2] = ["FILE NOT FOUND", "PLAYBACK ERROR"];

/// A pattern for a header's value.
#[derive(Debug)]
pub enum HeaderPattern {
    /// Exactly this value.
    Is(Template),
    /// A value that the regular expression matches.
    Matches(Regex),
}

impl HeaderPattern {
    fn fits(&self, value: &str, context: &Context<'_>) -> bool {
        match self {
            Self::Is(expected) => expected.render(context) == value,
            Self::Matches(regex) => regex.is_match(value),
        }
    }
}

/// The effect of an event, whenever it comes.
#[derive(Debug)]
pub struct EventRule {
    /// The event.
    pub watch: EventPattern,
    /// Its effect.
    pub then: RuleEffect,
}

/// The effect of an event.
#[derive(Debug)]
pub enum RuleEffect {
    /// Counts a result, by index.
    Count(usize),
    /// The call has failed.
    Fail {
        /// What was expected instead.
        expected: String,
        /// Except where this result has been counted, by index.
        unless: Option<usize>,
    },
}

/// How often a result must have been counted by the end of an answered call.
#[derive(Debug)]
pub struct Requirement {
    /// The result, by index.
    pub result: usize,
    /// The permitted counts.
    pub times: RangeInclusive<u32>,
    /// What a failure says was expected.
    pub expected: String,
}

impl Script {
    /// A near leg that only executes this application.
    pub fn running(application: Application) -> Self {
        Self { application, ..Self::default() }
    }

    /// The application that the originate names. Its argument is in a variable.
    pub fn on_answer(&self) -> esl_core::Application {
        let application = esl_core::Application::new(self.application.name);
        match self.application.has_argument() {
            true => application.expanded_arguments(format!("${{{ARGUMENT}}}")),
            false => application,
        }
    }

    /// The variables of the near leg's originate, besides the call's own.
    pub fn variables<'a>(&'a self, context: &'a Context<'_>) -> impl Iterator<Item = (&'static str, Cow<'a, str>)> {
        let argument = &self.application.argument;
        let argument = self.application.has_argument().then_some((ARGUMENT, argument));
        let settings = self.settings.iter().map(|(name, value)| (*name, value));
        argument.into_iter().chain(settings).map(|(name, value)| (name, value.render(context)))
    }

    /// The address that the near leg dials when it is answered, if any.
    pub fn dials(&self) -> Option<&Template> {
        is_dial(self.application.name).then_some(&self.application.argument)
    }

    /// Whether there is nothing to do or watch.
    pub fn is_empty(&self) -> bool {
        self.caller.is_empty() && self.callee.is_empty() && self.rules.is_empty() && self.requires.is_empty()
    }

    /// Whether a leg sends audio: an application other than `park`, or any step but waiting and signalling.
    pub fn has_audio(&self) -> bool {
        let is_silent = |step: &Step| {
            matches!(
                step.action,
                Action::Wait(_)
                    | Action::Answer
                    | Action::Ring
                    | Action::ExpectDigits { .. }
                    | Action::ExpectEvent { .. }
                    | Action::SetVariables(_)
                    | Action::Respond(_)
                    | Action::HangUp { .. }
                    | Action::Repeat(_)
            )
        };
        !self.application.is_park() || !self.caller.iter().chain(&self.callee).all(is_silent)
    }

    /// Whether the script controls the far leg, which has to be parked for that.
    pub fn controls_far_leg(&self) -> bool {
        !self.callee.is_empty()
    }

    /// Whether the script needs the far leg's events.
    pub fn needs_far_leg_events(&self) -> bool {
        self.controls_far_leg() || self.event_patterns().any(|watch| watch.side != Some(Side::Caller))
    }

    /// The steps of one leg.
    pub fn steps(&self, side: Side) -> &[Step] {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    /// The events to subscribe to.
    pub fn events(&self) -> Vec<EventName> {
        let mut names: Vec<EventName> = self.event_patterns().map(|watch| watch.name).collect();
        names.extend(Side::BOTH.iter().flat_map(|side| self.steps(*side)).flat_map(|step| step.action.event()));
        let parks = self.controls_far_leg() || (!self.caller.is_empty() && self.application.is_park());
        names.extend(parks.then_some(EventName::ChannelPark));
        names.sort_by_key(|name| name.as_str());
        names.dedup();
        names
    }

    /// The CUSTOM events to subscribe to, by subclass.
    pub fn customs(&self) -> Vec<String> {
        let mut customs: Vec<String> = self.event_patterns().filter_map(|watch| watch.subclass.clone()).collect();
        customs.sort();
        customs.dedup();
        customs
    }

    fn event_patterns(&self) -> impl Iterator<Item = &EventPattern> {
        let steps = Side::BOTH.iter().flat_map(|side| self.steps(*side));
        let expected = steps.filter_map(|step| match &step.action {
            Action::ExpectEvent { watch, .. } => Some(watch),
            _ => None,
        });
        expected.chain(self.rules.iter().map(|rule| &rule.watch))
    }
}
