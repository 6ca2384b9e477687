//! `uuid_broadcast` and `uuid_break`: an application is run in a channel from outside, or ended
//! (switch_ivr_async.c `switch_ivr_broadcast`, mod_commands `break_function`).

use std::time::Duration;

use super::{
    Step, Switch,
    applications::{self, End},
};
use crate::{
    channel::{Channel, Doing, Message, SessionId},
    event::{EventKind, Origin},
};

const TO_PARTNER: Origin = Origin("switch_ivr_async.c", "switch_ivr_broadcast", 5695);
const TO_ITSELF: Origin = Origin("switch_ivr_async.c", "switch_ivr_broadcast", 5731);
const THEN_HANGUP: Origin = Origin("switch_ivr_async.c", "switch_ivr_broadcast", 5753);

/// Which of two bridged legs hear a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Legs {
    pub(crate) a: bool,
    pub(crate) b: bool,
    /// The other leg is to hear music meanwhile, if there is some.
    pub(crate) holds_b: bool,
}

impl Legs {
    /// `aleg`, `bleg` or `both`; anything else names none.
    pub(crate) fn named(text: &str) -> Legs {
        let text = text.to_ascii_lowercase();
        let both = text.contains("both");
        let holds_b = text.contains("holdb");
        Legs { a: both || text.contains("aleg"), b: both || (text.contains("bleg") && !holds_b), holds_b }
    }
}

/// How music on hold gets to a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Music {
    /// Behind what waits for the leg already.
    Plain,
    /// Before it.
    First,
}

/// Frames of audio that pass before a broadcast begins.
const LEAD_FRAMES: &str = "5";

impl Switch {
    /// Runs `application[!cause]::argument`, or plays a file; with a cause the channel hangs up afterwards.
    pub(crate) fn broadcast(&mut self, now: Duration, id: SessionId, path: &str, legs: Legs) {
        let (application, argument) = path.split_once("::").unwrap_or(("playback", path));
        let (application, cause) = match application.split_once('!') {
            Some((application, "")) => (application, Some("normal_clearing")),
            Some((application, cause)) => (application, Some(cause)),
            None => (application, None),
        };
        let partner = self.channels.get(&id).and_then(|channel| channel.partner);
        if let (true, Some(partner)) = (legs.b, partner) {
            self.broadcast_to(now, partner, TO_PARTNER, [application, argument], (Some(LEAD_FRAMES), legs.holds_b));
        }
        if legs.a {
            self.broadcast_to(now, id, TO_ITSELF, [application, argument], (Some(LEAD_FRAMES), legs.holds_b));
        }
        if let Some(cause) = cause {
            self.broadcast_to(now, id, THEN_HANGUP, ["hangup", cause], (None, false));
        }
    }

    /// Plays music to a leg, again and again, while the one that it talks to is on hold.
    pub(super) fn play_music(&mut self, now: Duration, id: SessionId, file: &str, music: Music) {
        let mut message = self.own_message(now, TO_ITSELF, "playback", file);
        if music == Music::First
            && let Some((name, _)) = message.headers.last_mut()
        {
            "event-lock-pri".clone_into(name);
        }
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        message.headers.push(header("lead-frames", LEAD_FRAMES));
        message.headers.push(header("loops", "-1"));
        self.queue_message(now, id, message);
    }

    /// Ends what a message plays to a leg (`switch_channel_stop_broadcast`).
    pub(super) fn stop_music(&mut self, now: Duration, id: SessionId) {
        let by_message = |channel: &Channel| channel.thread.runs.last().is_some_and(|run| run.asked.is_some());
        if self.channels.get(&id).is_some_and(|channel| by_message(channel)) {
            let frame = self.part_of_a_frame();
            self.add_leg(now + frame, id, Step::Break);
        }
    }

    fn broadcast_to(
        &mut self,
        now: Duration,
        id: SessionId,
        origin: Origin,
        [application, argument]: [&str; 2],
        (lead_frames, holds_b): (Option<&str>, bool),
    ) {
        let mut message = self.own_message(now, origin, application, argument);
        if let Some(frames) = lead_frames {
            message.headers.push(("lead-frames".to_owned(), frames.to_owned()));
        }
        if holds_b {
            message.headers.push(("hold-bleg".to_owned(), "true".to_owned()));
        }
        self.queue_message(now, id, message);
    }

    /// A message of the server's own that runs an application, which an event begins as.
    pub(super) fn own_message(&mut self, now: Duration, origin: Origin, application: &str, data: &str) -> Message {
        let mut message = Message::execute(application, data);
        message.headers.push(("event-lock".to_owned(), "true".to_owned()));
        message.headers.splice(..0, self.bus.head(now, EventKind::COMMAND, origin));
        message
    }

    /// Ends what a channel plays, records, or waits for, at its next frame; with `all` what waits for it too.
    pub(crate) fn break_off(&mut self, now: Duration, id: SessionId, all: bool) {
        if let Some(channel) = self.channels.get_mut(&id).filter(|_| all) {
            channel.thread.flush();
        }
        let frame = self.part_of_a_frame();
        self.add_leg(now + frame, id, Step::Break);
    }

    /// An application that a message runs takes all those with it that it is inside of.
    pub(super) fn broken(&mut self, now: Duration, id: SessionId) {
        while let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) {
            let Some(run) = channel.thread.runs.last_mut() else { break };
            match &run.doing {
                Doing::Play(_) | Doing::Record(_) | Doing::Sleep(_) | Doing::Echo => {}
                Doing::Collect(collect) if collect.playing().is_some() => {}
                _ => break,
            }
            let by_message = run.asked.is_some();
            if let Some(asked) = &mut run.asked {
                asked.stopped = true;
            }
            if applications::finish(self, now, id, End::Broken) {
                break;
            }
            self.over(now, id);
            if !by_message {
                break;
            }
        }
        self.proceed(now, id);
    }
}
