//! What a channel runs: the applications that it is inside of, and the messages that wait for it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{Bert, Collect, CollectStage, Heard, Play, Playing, SessionId};
use crate::{cause::Cause, dialplan::Application, event::ListenerId};

/// The most messages that wait for a channel: the length of its queue in FreeSWITCH (`SWITCH_EVENT_QUEUE_LEN`).
const MESSAGES_MAX: usize = 256;

/// The most bytes of them: far more than real ones have.
const MESSAGES_BYTES_MAX: usize = 1024 * 1024;

/// The most applications that a channel is inside of. FreeSWITCH has no such limit, but each takes some of its thread's
/// stack there.
pub(crate) const RUNS_MAX: usize = 128;

/// The most digits that wait for a channel: the length of its queue in FreeSWITCH (`SWITCH_DTMF_LOG_LEN`).
const DIGITS_MAX: usize = 1_000;

/// How often a channel looks at what has come in: a frame of audio.
pub(crate) const FRAME: Duration = Duration::from_millis(20);

/// How long the read of a frame waits on a SIP leg that hears nothing, as recorded.
const FRAME_UNHEARD: Duration = Duration::from_millis(40);

/// The most frames that a message waits for: a minute, since no caller of this asks for more.
const LEAD_FRAMES_MAX: u32 = 3_000;

/// A `sendmsg` on its way to the channel's own thread (switch_ivr.c `switch_ivr_parse_event`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    /// No `PRIVATE_COMMAND` tells of it: whoever sent it waits for it, or nothing but a park without media took it.
    pub(crate) unheard: bool,
    /// It has waited for media.
    pub(crate) has_waited: bool,
}

impl Message {
    /// A message that runs `application`, as the server's own parts send it.
    pub(crate) fn execute(application: &str, data: &str) -> Message {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Message {
            headers: vec![
                header("call-command", "execute"),
                header("execute-app-name", application),
                header("execute-app-arg", data),
            ],
            body: None,
            unheard: false,
            has_waited: false,
        }
    }

    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        headers + self.body.as_ref().map_or(0, String::len)
    }

    /// A header's value; an empty one is none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The application's argument: a header, or the body of a plain text.
    pub(crate) fn argument(&self) -> &str {
        let text = self.header("content-type").is_some_and(|kind| kind.eq_ignore_ascii_case("text/plain"));
        let body = if text { self.body.as_deref() } else { None };
        self.header("execute-app-arg").or(body).unwrap_or_default()
    }
}

/// The message that made an application run, and how far its loops are.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) message: Arc<Message>,
    /// Nothing else is taken from the queue until it is done (`event-lock`).
    pub(crate) locks: bool,
    /// Which loop this is, from 1 on.
    pub(crate) turn: i64,
    /// How many there are; below zero for no end.
    pub(crate) turns: i64,
    pub(crate) began: Duration,
    /// A `uuid_break` ends its loops.
    pub(crate) stopped: bool,
}

/// An application that has begun and not ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// Never used twice.
    pub(crate) number: u64,
    pub(crate) application: Application,
    /// `Application-UUID`: the message's `Event-UUID`, or one of its own.
    pub(crate) uuid: String,
    pub(crate) uuid_name: Option<String>,
    pub(crate) doing: Doing,
    pub(crate) asked: Option<Asked>,
    /// No event tells of its end.
    pub(crate) silent: bool,
}

/// What an application does while it takes time.
#[derive(Debug)]
pub(crate) enum Doing {
    /// It has just begun, or is over.
    Nothing,
    Park,
    Echo,
    /// An echo that lags: it looks at nothing.
    DelayEcho,
    /// Until this uptime, whatever runs meanwhile.
    Sleep(Duration),
    Play(Box<Play>),
    /// A file plays and digits are waited for.
    Collect(Box<Collect>),
    /// It hears what this leg says and hears.
    Eavesdrop(SessionId),
    Record(Recording),
    /// It runs what the dialplan has for another number: what is left of that, last first.
    Extension(Vec<Application>),
    /// It waits for the channel's answer.
    AwaitAnswer,
    /// It listens, until this uptime if there is one; then it sets these variables.
    Listen(Option<Duration>, Vec<(&'static str, String)>),
    /// It waits for the answer of a leg that it has called: the number of the dial.
    Call(u64),
    Bridge(Bridge),
    Socket(Socket),
    Bert(Box<Bert>),
    /// It waits for an answer to its own message, then ends the call.
    Deflect(Duration),
}

/// Two legs that hear each other, from one's side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bridge {
    pub(crate) partner: SessionId,
    /// This leg's thread holds the bridge, and tells of its end.
    pub(crate) leads: bool,
    /// The partner has gone, with this cause if it has hung up.
    pub(crate) parted: Option<Option<Cause>>,
}

/// A digit that a channel has received and not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digit {
    pub(crate) digit: char,
    /// In samples of 8 kHz.
    pub(crate) duration: u32,
    /// `DTMF-Source`.
    pub(crate) source: &'static str,
}

/// A channel whose client the server has connected to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    pub(crate) listener: ListenerId,
    pub(crate) stage: Stage,
}

/// How far a channel's connection to its client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is being made.
    Dialling,
    /// Asynchronous: the client has not said `connect` yet.
    Waiting,
    /// Asynchronous: the channel is parked, and takes messages as they come.
    Parked,
    /// Synchronous: the channel does what the client says, and nothing else.
    Serving,
    /// The channel is not parked any longer: it leaves as soon as nothing runs above it.
    Leaving,
    /// There is no connection, or not any longer: nothing is left to do.
    Failed,
}

impl Doing {
    /// Whether the channel is parked in it.
    pub(crate) fn is_park(&self) -> bool {
        matches!(self, Doing::Park | Doing::Socket(Socket { stage: Stage::Parked, .. }))
    }
}

/// A file that is written.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) path: String,
    pub(crate) began: Duration,
    /// When its limit is reached.
    pub(crate) until: Option<Duration>,
    /// What its events say beside, as whoever ordered it wants.
    pub(crate) variables: Vec<(String, String)>,
    /// Since when it stands still, and for how long it has before.
    pub(crate) paused_at: Option<Duration>,
    pub(crate) paused: Duration,
}

impl Recording {
    pub(crate) fn new(path: &str, now: Duration, until: Option<Duration>) -> Recording {
        let path = path.to_owned();
        Recording { path, began: now, until, variables: Vec::new(), paused_at: None, paused: Duration::ZERO }
    }

    /// For how long it has run until now.
    pub(crate) fn ran(&self, now: Duration) -> Duration {
        self.paused_at.unwrap_or(now).saturating_sub(self.began).saturating_sub(self.paused)
    }

    /// Stands still or goes on.
    pub(crate) fn pause(&mut self, now: Duration, on: bool) {
        match (on, self.paused_at) {
            (true, None) => self.paused_at = Some(now),
            (false, Some(since)) => {
                self.paused += now.saturating_sub(since);
                self.paused_at = None;
            }
            _ => {}
        }
    }
}

impl Run {
    /// One that no event tells of.
    pub(crate) fn silent(number: u64, name: &str, doing: Doing) -> Run {
        let application = Application::new(name, "");
        Run { number, application, uuid: String::new(), uuid_name: None, doing, asked: None, silent: true }
    }

    /// Whether the channel's messages are looked at while this runs.
    pub(crate) fn listens(&self, has_media: bool) -> bool {
        match self.doing {
            Doing::Nothing | Doing::Deflect(_) | Doing::DelayEcho | Doing::Extension(_) | Doing::Listen(..) => false,
            Doing::Socket(socket) => socket.stage == Stage::Parked,
            // Without media a sleep does nothing but wait (switch_ivr.c).
            Doing::Sleep(_) => has_media,
            _ => true,
        }
    }

    /// Whether digits that have come in are looked at while this runs.
    pub(crate) fn hears_digits(&self) -> bool {
        match &self.doing {
            Doing::Play(_) | Doing::Record(_) | Doing::Bridge(_) => true,
            // What comes in while it is told that digits were wrong waits for the next prompt.
            Doing::Collect(collect) => !matches!(collect.stage, CollectStage::Invalid(_)),
            doing => doing.is_park(),
        }
    }

    /// When it ends by itself.
    pub(crate) fn ends(&self) -> Option<Duration> {
        match &self.doing {
            Doing::Nothing
            | Doing::Extension(_)
            | Doing::Socket(Socket { stage: Stage::Leaving | Stage::Failed, .. }) => Some(Duration::ZERO),
            Doing::Sleep(until) => Some(*until),
            Doing::Play(play) => match &play.heard {
                Heard::File(playing) => playing.ends(),
                Heard::Pause(until) => Some(*until),
                Heard::Tones(until) => *until,
            },
            Doing::Collect(collect) => match &collect.stage {
                CollectStage::Prompt(playing) | CollectStage::Invalid(playing) => playing.ends(),
                CollectStage::Digits(until) => Some(*until),
            },
            Doing::Record(recording) => recording.until,
            Doing::Deflect(until) => Some(*until),
            Doing::Listen(until, _) => *until,
            Doing::Bridge(bridge) => bridge.parted.map(|_| Duration::ZERO),
            Doing::Bert(bert) => bert.due(),
            Doing::Park
            | Doing::Echo
            | Doing::DelayEcho
            | Doing::Eavesdrop(_)
            | Doing::Call(_)
            | Doing::AwaitAnswer
            | Doing::Socket(_) => None,
        }
    }

    /// The file that plays.
    pub(crate) fn playing(&mut self) -> Option<&mut Playing> {
        match &mut self.doing {
            Doing::Play(play) => match &mut play.heard {
                Heard::File(playing) => Some(playing),
                Heard::Pause(_) | Heard::Tones(_) => None,
            },
            Doing::Collect(collect) => collect.playing_mut(),
            _ => None,
        }
    }

    /// Something else runs on top of it: a file stands still, a clock does not.
    pub(crate) fn covered(&mut self, now: Duration) {
        if let Some(playing) = self.playing() {
            playing.hold(now);
        }
        if let Doing::Bert(bert) = &mut self.doing {
            bert.covered(now);
        }
    }

    /// It is on top again.
    pub(crate) fn uncovered(&mut self, now: Duration) {
        if let Some(playing) = self.playing() {
            playing.go_on(now);
        }
        if let Doing::Bert(bert) = &mut self.doing {
            bert.uncovered(now);
        }
    }
}

/// The applications that a channel is inside of, the innermost last, and its queue.
#[derive(Debug, Default)]
pub(crate) struct Thread {
    pub(crate) runs: Vec<Run>,
    messages: VecDeque<Arc<Message>>,
    message_bytes: usize,
    /// A message that was taken from the queue and waits until so many frames of audio have passed (`lead-frames`).
    leading: Option<(Duration, Arc<Message>)>,
    digits: VecDeque<Digit>,
    /// What it has taken of them, the first [`DIGITS_MAX`] (`dtmf_log_queue`).
    dialed: String,
    /// A message whose application needs media waits for that, until this uptime.
    for_media: Option<(Duration, Arc<Message>)>,
    /// It is about to go elsewhere: nothing new begins until then.
    pub(crate) leaving: bool,
    /// A text of its variables is being run.
    pub(crate) runs_text: bool,
    /// The SIP status with which it refuses its caller (`respond`), where that is not its cause's own.
    pub(crate) responds: Option<u16>,
    /// When the channel is woken up next for what ends by itself.
    wakes: Option<Duration>,
}

/// What a channel finds when it looks at its queue.
#[derive(Debug)]
pub(crate) enum Next {
    Nothing,
    /// A message waits for frames of audio until this uptime; meanwhile nothing else goes on.
    At(Duration),
    Message(Arc<Message>),
}

impl Thread {
    /// `false` if the queue is full.
    pub(crate) fn queue(&mut self, message: Arc<Message>) -> bool {
        let bytes = self.message_bytes + message.bytes();
        if self.messages.len() >= MESSAGES_MAX || bytes > MESSAGES_BYTES_MAX {
            return false;
        }
        self.message_bytes = bytes;
        self.messages.push_back(message);
        true
    }

    pub(crate) fn flush(&mut self) {
        self.messages.clear();
        self.message_bytes = 0;
    }

    /// The message that waits for its frames, since they do not come any more.
    pub(crate) fn take_leading(&mut self) -> Option<Arc<Message>> {
        self.leading.take().or_else(|| self.for_media.take()).map(|(_, message)| message)
    }

    /// Lets a message wait for media: nothing else is looked at meanwhile.
    pub(crate) fn wait_for_media(&mut self, until: Duration, message: &Arc<Message>) {
        let mut message = message.clone();
        Arc::make_mut(&mut message).has_waited = true;
        self.for_media = Some((until, message));
    }

    /// Whether it is in the midst of what a message asks for.
    pub(crate) fn is_busy(&self) -> bool {
        !self.runs.is_empty() || self.leading.is_some() || self.for_media.is_some()
    }

    /// The next message, if what runs now looks at the queue and no message locks it. A channel that runs nothing
    /// looks at it while it waits (`idle`), and not between two applications. A frame that nobody sends comes late.
    pub(crate) fn next(&mut self, now: Duration, has_media: bool, idle: bool, hears: bool) -> Next {
        if let Some((until, _)) = &self.for_media
            && *until > now
            && !has_media
        {
            return Next::At(*until);
        }
        if let Some((_, message)) = self.for_media.take() {
            return Next::Message(message);
        }
        if let Some((until, _)) = &self.leading
            && *until > now
        {
            return Next::At(*until);
        }
        if let Some((_, message)) = self.leading.take() {
            return Next::Message(message);
        }
        let locked = self.runs.iter().any(|run| run.asked.as_ref().is_some_and(|asked| asked.locks));
        let listens = self.runs.last().map_or(idle, |run| run.listens(has_media));
        if locked || !listens {
            return Next::Nothing;
        }
        let Some(mut message) = self.messages.pop_front() else { return Next::Nothing };
        self.message_bytes -= message.bytes();
        if !has_media && self.runs.last().is_some_and(|run| run.doing.is_park()) {
            Arc::make_mut(&mut message).unheard = true;
        }
        let frames: u32 = message.header("lead-frames").and_then(|frames| frames.parse().ok()).unwrap_or(0);
        if frames > 0 && has_media {
            let frame = if hears { FRAME } else { FRAME_UNHEARD };
            let until = now.saturating_add(frame.saturating_mul(frames.min(LEAD_FRAMES_MAX)));
            self.leading = Some((until, message));
            return Next::At(until);
        }
        Next::Message(message)
    }

    /// `false` if the queue is full.
    pub(crate) fn queue_digit(&mut self, digit: Digit) -> bool {
        if self.digits.len() >= DIGITS_MAX {
            return false;
        }
        self.digits.push_back(digit);
        true
    }

    pub(crate) fn flush_digits(&mut self) {
        while let Some(digit) = self.digits.pop_front() {
            self.note_dialed(digit.digit);
        }
    }

    /// What the call record says was dialed.
    pub(crate) fn dialed(&self) -> Option<&str> {
        Some(self.dialed.as_str()).filter(|dialed| !dialed.is_empty())
    }

    fn note_dialed(&mut self, digit: char) {
        if self.dialed.len() < DIGITS_MAX {
            self.dialed.push(digit);
        }
    }

    /// The next digit, if what runs now looks at them, and whether there are more.
    pub(crate) fn next_digit(&mut self) -> Option<(Digit, bool)> {
        if !self.runs.last().is_some_and(Run::hears_digits) {
            return None;
        }
        let digit = self.digits.pop_front()?;
        self.note_dialed(digit.digit);
        Some((digit, !self.digits.is_empty()))
    }

    /// Whether it has to be woken up at `at`: not if that is planned already, so that timers do not pile up.
    pub(crate) fn wakes_at(&mut self, at: Duration) -> bool {
        self.wakes.replace(at) != Some(at)
    }

    /// It is awake.
    pub(crate) fn woken(&mut self, now: Duration) {
        if self.wakes.is_some_and(|at| at <= now) {
            self.wakes = None;
        }
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.runs.iter().any(|run| run.doing.is_park())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(doing: Doing, locks: bool) -> Run {
        let message = Arc::new(Message::execute("playback", "x"));
        let asked = Asked { message, locks, turn: 1, turns: 1, began: Duration::ZERO, stopped: false };
        let application = Application::new("playback", "x");
        Run { number: 1, application, uuid: String::new(), uuid_name: None, doing, asked: Some(asked), silent: false }
    }

    #[test]
    fn a_lock_holds_the_queue_and_a_full_queue_takes_no_more() {
        let mut thread = Thread::default();
        for _ in 0..MESSAGES_MAX {
            assert!(thread.queue(Arc::new(Message::default())));
        }
        assert!(!thread.queue(Arc::new(Message::default())));
        let now = Duration::ZERO;
        assert!(matches!(thread.next(now, true, false, true), Next::Nothing), "nothing runs that would look at it");
        assert!(matches!(thread.next(now, false, true, true), Next::Message(_)), "it waits for an answer");
        thread.runs.push(run(Doing::Echo, false));
        assert!(matches!(thread.next(now, true, false, true), Next::Message(_)));
        thread.runs.push(run(Doing::Echo, true));
        assert!(matches!(thread.next(now, true, false, true), Next::Nothing));
    }

    #[test]
    fn a_file_stands_still_under_another_application_and_a_sleep_does_not() {
        let ms = Duration::from_millis;
        let file = Playing {
            file: String::new(),
            length: Some(ms(600)),
            left: Some(ms(600)),
            since: ms(0),
            heard: ms(0),
            part: None,
            parts: Vec::new(),
            paused: false,
            held: false,
        };
        let play = Play {
            heard: Heard::File(file),
            files: Vec::new(),
            next: 0,
            pause: ms(0),
            turns: crate::channel::Turns::More(0),
        };
        let mut playing = run(Doing::Play(Box::new(play)), false);
        playing.covered(ms(200));
        playing.uncovered(ms(500));
        assert_eq!(playing.ends(), Some(ms(900)));
        let mut sleeping = run(Doing::Sleep(ms(600)), false);
        sleeping.covered(ms(200));
        sleeping.uncovered(ms(500));
        assert_eq!(sleeping.ends(), Some(ms(600)));
        assert!(!sleeping.listens(false) && sleeping.listens(true));
    }

    #[test]
    fn a_message_waits_for_its_frames() {
        let ms = Duration::from_millis;
        let mut thread = Thread::default();
        let mut message = Message::execute("playback", "x");
        message.headers.push(("lead-frames".to_owned(), "5".to_owned()));
        thread.queue(Arc::new(message));
        thread.runs.push(run(Doing::Echo, false));
        assert!(matches!(thread.next(ms(10), true, false, true), Next::At(at) if at == ms(110)));
        assert!(matches!(thread.next(ms(109), true, false, true), Next::At(at) if at == ms(110)));
        assert!(matches!(thread.next(ms(110), true, false, true), Next::Message(_)));
        assert!(matches!(thread.next(ms(110), true, false, true), Next::Nothing));
    }

    #[test]
    fn digits_wait_for_who_hears_them() {
        let mut thread = Thread::default();
        let digit = |digit| Digit { digit, duration: 2_000, source: "APP" };
        assert!(thread.queue_digit(digit('1')) && thread.queue_digit(digit('2')));
        thread.runs.push(run(Doing::Echo, false));
        assert_eq!(thread.next_digit(), None);
        thread.runs.push(run(Doing::Park, false));
        assert_eq!(thread.next_digit(), Some((digit('1'), true)));
        assert_eq!(thread.next_digit(), Some((digit('2'), false)));
        assert_eq!(thread.next_digit(), None);
    }

    #[test]
    fn an_argument_is_a_header_or_a_plain_text() {
        let mut message = Message::execute("set", "");
        message.body = Some("a=b".to_owned());
        assert_eq!(message.argument(), "");
        message.headers.push(("Content-Type".to_owned(), "text/plain".to_owned()));
        assert_eq!(message.argument(), "a=b");
        message.headers[2].1 = "c=d".to_owned();
        assert_eq!(message.argument(), "c=d");
    }
}
