//! Something that a session is told to do: sent when it is awaited, and done when the server has done it.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::{Expected, Session, is_answered};
use crate::error::{ApiError, ApiErrorKind, CommandError, Error, Kind};
use crate::{Command, Event, EventName, Message};

/// An application that took less than this is not repeated (`switch_ivr_parse_event`), in microseconds.
const REPEATED_MICROSECONDS: u64 = 500_000;

/// Something for a channel to do.
///
/// Awaiting it sends it and waits until the server has done it, which for an application is its end. A channel that ends
/// first ends the waiting with [`Error::ended`], and so does, with an error of its own, a connection that broke meanwhile,
/// since the event may have been lost with it; [`Action::within`] limits it besides. [`Action::at_once`] sends it and
/// waits for nothing. An action that is neither awaited nor sent does nothing.
///
/// ```no_run
/// # async fn example(session: esl_core::Session) -> Result<(), esl_core::Error> {
/// use std::time::Duration;
///
/// session.start_record("/tmp/call.wav", Some(8000)).at_once()?;
/// let played = session.playback("ivr/ivr-welcome.wav").within(Duration::from_secs(30)).await?;
/// assert_eq!(played.response().as_deref(), Some("FILE PLAYED"));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Awaiting it gives [`Error::ended`] where the channel has ended or ends first; [`Error::command_failure`] where the
/// server refuses, or a bridge does not come about; [`Error::is_timeout`] after [`Action::within`];
/// [`Error::is_not_subscribed`] where the listener does not get the events that it is done by;
/// [`Error::command_error`] where a text cannot be sent; [`Error::is_lost`] or [`Error::is_closed`] where the connection
/// broke; an error where the listener has no client to send it through.
#[must_use = "an action is sent when it is awaited, or by `at_once`"]
#[derive(Debug)]
pub struct Action<'a> {
    session: &'a Session,
    plan: Result<Plan, CommandError>,
    limit: Option<Duration>,
}

/// What an action did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    words: String,
    event: Option<Event>,
}

impl Done {
    /// What the server answered, as a rule `+OK …`. Empty where there was nothing to do.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The event that told that it was done, where one does.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        self.event.as_ref()
    }

    /// What the application says of its end (`Application-Response`), such as `FILE PLAYED`.
    #[must_use]
    pub fn response(&self) -> Option<String> {
        let response = self.event.as_ref()?.get("Application-Response")?;
        Some(response.into_owned()).filter(|text| text != "_none_")
    }
}

/// What is sent, and what has to happen for it to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// `api` commands that have to succeed before.
    pub(super) before: Vec<String>,
    pub(super) what: What,
    pub(super) until: Until,
}

impl Plan {
    /// Whether there is nothing to do any more.
    fn is_done(&self, session: &Session) -> bool {
        match self.until {
            Until::Already => true,
            Until::Event(EventName::ChannelAnswer) => session.answered(),
            _ => false,
        }
    }
}

#[derive(Debug)]
pub(super) enum What {
    Api(String),
    Execute { application: Cow<'static, str>, argument: String, loops: Option<NonZeroU32>, lock: bool },
}

/// What an action is done by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The server's answer.
    Reply,
    /// The channel's next event of this name.
    Event(EventName),
    /// The application's beginning: it never ends by itself.
    Started,
    /// The application's end.
    Completed,
    /// A bridge, or the application's end, which is a failure then.
    Bridged,
    /// Nothing: there is nothing to do.
    Already,
}

impl Until {
    fn events(self) -> &'static [EventName] {
        match self {
            Self::Reply | Self::Already => &[],
            Self::Event(EventName::ChannelAnswer) => &[EventName::ChannelAnswer, EventName::ChannelDestroy],
            Self::Event(EventName::ChannelPark) => &[EventName::ChannelPark, EventName::ChannelDestroy],
            Self::Event(_) => &[EventName::ChannelHangup, EventName::ChannelDestroy],
            Self::Started => &[EventName::ChannelExecute, EventName::ChannelDestroy],
            Self::Completed => {
                &[EventName::ChannelExecute, EventName::ChannelExecuteComplete, EventName::ChannelDestroy]
            }
            Self::Bridged => &[EventName::ChannelBridge, EventName::ChannelExecuteComplete, EventName::ChannelDestroy],
        }
    }
}

impl<'a> Action<'a> {
    pub(super) fn new(session: &'a Session, plan: Result<Plan, CommandError>) -> Self {
        Self { session, plan, limit: None }
    }

    /// Waits for so long at the most. What was sent is not taken back then.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs the application so many times. The server stops repeating one that took less than half a second. Actions that
    /// run no application (those of an `api` command, such as [`Session::park`]) take no notice.
    pub fn loops(mut self, count: NonZeroU32) -> Self {
        if let Ok(Plan { what: What::Execute { loops, .. }, .. }) = &mut self.plan {
            *loops = Some(count);
        }
        self
    }

    /// Lets no other message to the channel in while the application runs (`event-lock`), where one runs.
    pub fn lock(mut self) -> Self {
        if let Ok(Plan { what: What::Execute { lock, .. }, .. }) = &mut self.plan {
            *lock = true;
        }
        self
    }

    /// Sends it and waits for nothing, not even for the server's answer.
    ///
    /// # Errors
    /// A text cannot be sent, the channel has ended, there is no client or no connection to send it through, or too much
    /// waits to be sent.
    pub fn at_once(self) -> Result<(), Error> {
        let plan = self.plan?;
        if plan.is_done(self.session) {
            return Ok(());
        }
        if self.session.ended() {
            return Err(self.session.end());
        }
        let client = self.session.0.control.client().ok_or(Kind::NoClient(self.session.uuid()))?;
        for command in plan.before {
            client.post(&Command::api(command))?;
        }
        client.post(&plan.what.command(self.session.uuid(), None).borrow())
    }

    async fn perform(self) -> Result<Done, Error> {
        let (session, limit) = (self.session, self.limit);
        let plan = self.plan?;
        match limit {
            None => perform(session, plan).await,
            Some(limit) => {
                let late = Kind::Timeout { what: "what the channel was told to do", after: limit };
                timeout(limit, perform(session, plan)).await.unwrap_or_else(|_| Err(late.into()))
            }
        }
    }
}

impl<'a> IntoFuture for Action<'a> {
    type Output = Result<Done, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.perform())
    }
}

async fn perform(session: &Session, plan: Plan) -> Result<Done, Error> {
    if plan.is_done(session) {
        return Ok(Done::default());
    }
    if session.ended() {
        return Err(session.end());
    }
    let client = session.0.control.client().ok_or(Kind::NoClient(session.uuid()))?;
    for &name in plan.until.events() {
        if !session.0.control.is_subscribed(name) {
            return Err(Kind::NotSubscribed { name }.into());
        }
    }
    for command in &plan.before {
        let reply = client.request(&Command::api(command.as_str())).await?;
        reply.ok().map_err(|refusal| unless_ended(session, refusal))?;
    }
    let id = Uuid::new_v4();
    // Expected before it is sent: the event may be here before the reply is.
    let expected = expect(session, &plan, id);
    // And it may have come before it was expected.
    if plan.is_done(session) {
        return Ok(Done::default());
    }
    let reply = client.request(&plan.what.command(session.uuid(), Some(id)).borrow()).await?;
    let words = reply.ok().map_err(|refusal| unless_ended(session, refusal))?.into_owned();
    let event = match expected {
        None => None,
        Some(expected) => Some(expected.arrival().await?),
    };
    if let (Until::Bridged, Some(event)) = (plan.until, &event)
        && event.name() != EventName::ChannelBridge
    {
        let why = event.get("variable_originate_disposition").or_else(|| event.get("Application-Response"));
        let words = why.unwrap_or_default().into_owned();
        return Err(ApiError { kind: ApiErrorKind::Refused, words }.into());
    }
    Ok(Done { words, event })
}

/// The server's refusal, or the channel's end where that is what it says: its event may be still under way.
fn unless_ended(session: &Session, refusal: ApiError) -> Error {
    let gone = ["No such channel!", "Cannot locate session!", "invalid session id"];
    match session.times().hung_up.is_some() || gone.iter().any(|words| refusal.words.starts_with(words)) {
        true => session.end(),
        false => refusal.into(),
    }
}

fn expect(session: &Session, plan: &Plan, id: Uuid) -> Option<Expected> {
    let of_this = move |event: &Event| event.application_uuid() == Some(id);
    Some(match plan.until {
        Until::Reply | Until::Already => return None,
        Until::Event(EventName::ChannelAnswer) => session.expect(true, |event| match event.name() {
            EventName::ChannelAnswer => true,
            // The answer itself may have been lost with a connection.
            EventName::ChannelData => is_answered(event),
            _ => false,
        }),
        Until::Event(name) => session.expect(true, move |event| event.name() == name),
        Until::Started => {
            let started = [EventName::ChannelExecute, EventName::ChannelExecuteComplete];
            session.expect(true, move |event| started.contains(&event.name()) && of_this(event))
        }
        Until::Bridged => session.expect(true, move |event| match event.name() {
            EventName::ChannelBridge => true,
            EventName::ChannelExecuteComplete => of_this(event),
            _ => false,
        }),
        Until::Completed => {
            let mut repeats = Repeats { count: plan.what.loops(), begun: None };
            session.expect(true, move |event| of_this(event) && repeats.is_last(event))
        }
    })
}

/// Which of an application's ends is the last one. The server tells which round it is, and stops early after a short one.
struct Repeats {
    count: u32,
    begun: Option<u64>,
}

impl Repeats {
    fn is_last(&mut self, event: &Event) -> bool {
        let number = |name: &str| event.get(name).and_then(|text| text.parse::<u64>().ok());
        let now = number("Event-Date-Timestamp");
        match event.name() {
            EventName::ChannelExecute => self.begun = now,
            EventName::ChannelExecuteComplete => {
                let round = number("variable_current_loop").unwrap_or(1);
                let short =
                    now.zip(self.begun).is_some_and(|(now, then)| now.saturating_sub(then) < REPEATED_MICROSECONDS);
                return round >= u64::from(self.count) || short;
            }
            _ => {}
        }
        false
    }
}

/// A command that owns its texts.
enum Owned {
    Api(String),
    Message(Message<'static>),
}

impl Owned {
    fn borrow(&self) -> Command<'_> {
        match self {
            Self::Api(command) => Command::api(command.as_str()),
            Self::Message(message) => Command::SendMsg(message),
        }
    }
}

impl What {
    pub(super) fn execute(application: impl Into<Cow<'static, str>>, argument: impl Into<String>) -> Self {
        Self::Execute { application: application.into(), argument: argument.into(), loops: None, lock: false }
    }

    fn loops(&self) -> u32 {
        match self {
            Self::Execute { loops: Some(count), .. } => count.get(),
            _ => 1,
        }
    }

    fn command(self: &What, channel: Uuid, id: Option<Uuid>) -> Owned {
        let mut message = match self {
            Self::Api(command) => return Owned::Api(command.clone()),
            Self::Execute { application, argument, loops, lock } => {
                let mut message = Message::execute(application.clone(), argument.clone());
                if let Some(count) = loops {
                    message = message.loops(*count);
                }
                if *lock {
                    message = message.lock();
                }
                message
            }
        };
        message = message.to(channel);
        Owned::Message(match id {
            Some(id) => message.event_uuid(id),
            None => message,
        })
    }
}
