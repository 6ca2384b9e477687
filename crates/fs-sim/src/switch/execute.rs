//! How a channel runs applications: the dialplan's one after the other, and inside of them those that messages
//! ask for (switch_ivr.c `switch_ivr_parse_event`, switch_core_session.c `switch_core_session_exec`).
//!
//! An application that takes time looks at the channel's messages at every frame of audio. One that asks for
//! another application is run there and then: the first stands still until the second is over.

use std::{sync::Arc, time::Duration};

use rand::RngExt;

use super::{
    Step, Switch,
    applications::{self, End, Next},
};
use crate::{
    cause::Cause,
    channel::{Asked, ChannelState, Direction, Doing, FRAME, Message, Next as Queued, RUNS_MAX, Run, SessionId},
    dialplan::Application,
    event::{EventKind, Origin},
};

/// An execution that took less is not repeated, whatever its `loops` say (switch_ivr.c).
const LOOP_AT_LEAST: Duration = Duration::from_millis(500);

/// How long an application that needs media waits for it on a leg that is called (switch_core_session.c).
const MEDIA_PATIENCE: Duration = Duration::from_secs(2);

/// How much one channel does at one time, and how long it then pauses.
const AT_ONCE_MAX: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(1);

const EXECUTED: Origin = Origin("switch_core_session.c", "switch_core_session_exec", 2944);
const EXECUTED_LATER: Origin = Origin("switch_core_session.c", "switch_core_session_execute_application_async", 2692);
const PARSED: Origin = Origin("switch_ivr.c", "switch_ivr_parse_next_event", 804);
const COMPLETED: Origin = Origin("switch_core_session.c", "switch_core_session_exec", 2967);

impl Switch {
    /// Puts a message into a channel's queue: `false` if it is full. The channel looks at it at its next frame.
    pub(crate) fn queue_message(&mut self, now: Duration, id: SessionId, message: Message) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        if !channel.thread.queue(Arc::new(message)) {
            self.refusals.messages += 1;
            return false;
        }
        let frame = self.part_of_a_frame();
        self.add_leg(now + frame, id, Step::Look);
        true
    }

    /// The number of one more application that begins.
    pub(super) fn next_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    /// How long it is until a channel's next frame.
    pub(super) fn part_of_a_frame(&mut self) -> Duration {
        FRAME.mul_f64(self.rng.random())
    }

    /// Lets a channel run on: its messages, what is over by now, what the dialplan has next.
    pub(super) fn proceed(&mut self, now: Duration, id: SessionId) {
        for _ in 0..AT_ONCE_MAX {
            let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) else { return };
            channel.thread.woken(now);
            if channel.thread.leaving {
                return;
            }
            let has_media = channel.has_media();
            let idle = matches!(channel.state, ChannelState::ConsumeMedia | ChannelState::Park);
            let hears = channel.hears_frames();
            match channel.thread.next(now, has_media, idle, hears) {
                Queued::Message(message) => {
                    self.parse_message(now, id, &message);
                    continue;
                }
                Queued::At(at) => return self.wake(at, id),
                Queued::Nothing => {}
            }
            match channel.thread.runs.last().map(Run::ends) {
                Some(Some(at)) if at <= now => self.over(now, id),
                Some(Some(at)) => {
                    self.wake(at, id);
                    return self.hear_digit(now, id);
                }
                Some(None) => {
                    self.settle(id);
                    return self.hear_digit(now, id);
                }
                // Out of its park it has nothing to do, but is there until somebody ends it.
                None if matches!(
                    channel.state,
                    ChannelState::Park | ChannelState::Reset | ChannelState::SoftExecute
                ) =>
                {
                    return;
                }
                // A leg that is not answered yet has not begun.
                None if matches!(channel.state, ChannelState::ConsumeMedia | ChannelState::Init) => return,
                None => {
                    let Some(application) = channel.todo.pop() else {
                        return self.hang_up(now, id, Cause::NORMAL_CLEARING);
                    };
                    if !self.begin(now, id, &application, None) {
                        return;
                    }
                }
            }
        }
        // So much without any pause is an extension that calls itself: others have their turn.
        self.add_leg(now + PAUSE, id, Step::Look);
    }

    fn wake(&mut self, at: Duration, id: SessionId) {
        if self.channels.get_mut(&id).is_some_and(|channel| channel.thread.wakes_at(at)) {
            self.add_leg(at, id, Step::Look);
        }
    }

    /// Does what a message says, in the channel's own thread.
    pub(super) fn parse_message(&mut self, now: Duration, id: SessionId, message: &Arc<Message>) {
        let command = message.header("call-command").unwrap_or_default();
        match command {
            "execute" => {
                let turns = message.header("loops").map_or(1, leading_number);
                let Some(name) = message.header("execute-app-name").filter(|_| turns != 0) else {
                    return self.parsed(now, id, message);
                };
                let application = Application::new(name, message.argument());
                let locks = message.header("event-lock").is_some_and(super::is_true);
                let asked = Asked { message: message.clone(), locks, turn: 1, turns, began: now, stopped: false };
                self.begin(now, id, &application, Some(asked));
            }
            "hangup" => {
                let cause = message.header("hangup-cause").map_or(Cause::NORMAL_CLEARING, Cause::from_command);
                self.hang_up(now, id, cause);
                self.parsed(now, id, message);
            }
            // `unicast`, `xferext` and `nomedia` need media or a dialplan that are not there; anything else is
            // ignored by FreeSWITCH too.
            _ => self.parsed(now, id, message),
        }
    }

    /// Begins an application: `false` if the channel does not get to run it.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        id: SessionId,
        application: &Application,
        asked: Option<Asked>,
    ) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        if let Some(asked) = &asked {
            if let Some(uuid) = asked.message.header("event-uuid") {
                channel.variables.set("app_uuid", uuid);
            }
            if let Some(name) = asked.message.header("event-uuid-name") {
                channel.variables.set("app_uuid_name", name);
            }
            channel.variables.set("current_loop", &asked.turn.to_string());
            channel.variables.set("total_loops", &asked.turns.to_string());
        }
        // `app::argument` without an argument beside it goes through the queue (switch_core_session.c).
        if application.data.is_empty()
            && let Some((name, data)) = application.name.split_once("::")
        {
            let message = self.own_message(now, EXECUTED_LATER, name, data);
            self.queue_message(now, id, message);
            self.end_of_message(now, id, asked);
            return true;
        }
        let Some(known) = applications::find(&application.name) else {
            self.hang_up(now, id, Cause::DESTINATION_OUT_OF_ORDER);
            self.end_of_message(now, id, asked);
            return false;
        };
        if known.needs_media && !channel.has_media() {
            if channel.direction == Direction::Outbound {
                if let Some(asked) = asked.as_ref().filter(|asked| !asked.message.has_waited) {
                    channel.thread.wait_for_media(now.saturating_add(MEDIA_PATIENCE), &asked.message);
                    return false;
                }
                self.end_of_message(now, id, asked);
                return false;
            }
            self.early_media(now, id);
        }
        if self.channels.get(&id).is_some_and(|channel| channel.thread.runs.len() >= RUNS_MAX) {
            self.refusals.applications += 1;
            self.end_of_message(now, id, asked);
            return true;
        }
        let fresh = self.random_uuid();
        let number = self.next_run();
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let uuid = channel.variables.get("app_uuid").map_or(fresh, str::to_owned);
        let uuid_name = channel.variables.get("app_uuid_name").map(str::to_owned);
        channel.variables.unset("app_uuid");
        channel.variables.unset("app_uuid_name");
        let application = Application::new(known.name, &channel.expand(&application.data));
        channel.begin(application.clone());
        if let Some(covered) = channel.thread.runs.last_mut() {
            covered.covered(now);
        }
        let (name, data) = (application.name.clone(), application.data.clone());
        channel.thread.runs.push(Run {
            number,
            application,
            uuid,
            uuid_name,
            doing: Doing::Nothing,
            asked,
            silent: false,
        });
        self.emit_run(now, id, EventKind::CHANNEL_EXECUTE, EXECUTED);
        if let Some(channel) = self.channels.get_mut(&id) {
            // FreeSWITCH sets it twice, which shows in the order of the variables.
            channel.variables.set("current_application", &name);
        }
        let next = (known.run)(self, now, id, &data);
        if let Next::Doing(doing) = next
            && let Some(channel) = self.channels.get_mut(&id)
            && let Some(run) = channel.thread.runs.iter_mut().find(|run| run.number == number)
        {
            run.doing = doing;
            self.sound_begins(now, id);
        }
        true
    }

    /// Runs what the variables of this name, or of one that begins with it, say: `set:a=1`, `set a=1`; with two colons
    /// it waits its turn (`switch_channel_execute_on`).
    ///
    /// What such a text runs makes no other one run: they could go round for ever.
    pub(super) fn execute_on(&mut self, now: Duration, id: SessionId, prefix: &str) {
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| !channel.thread.runs_text) else { return };
        let begins = |name: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let of_prefix = channel.variables.iter().filter(|(name, _)| begins(name));
        let wanted: Vec<String> = of_prefix.map(|(_, value)| value.to_owned()).collect();
        self.without_texts(id, |switch| {
            for text in &wanted {
                switch.execute_text(now, id, text);
            }
        });
    }

    /// Does something while no text of a channel's variables is run.
    fn without_texts(&mut self, id: SessionId, does: impl FnOnce(&mut Switch)) {
        let set = |switch: &mut Switch, runs_text| {
            switch.channels.get_mut(&id).map(|channel| std::mem::replace(&mut channel.thread.runs_text, runs_text))
        };
        let before = set(self, true).unwrap_or_default();
        does(self);
        set(self, before);
    }

    fn execute_text(&mut self, now: Duration, id: SessionId, text: &str) {
        let (name, data) = match text.find([' ', ':']) {
            Some(at) if text[at..].starts_with("::") => {
                let message = self.own_message(now, EXECUTED_LATER, &text[..at], &text[at + 2..]);
                self.queue_message(now, id, message);
                return;
            }
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, ""),
        };
        let runs = applications::find(name).is_some_and(|known| known.after_hangup) || self.is_up(id);
        let before = self.innermost_run(id);
        if !runs || !self.begin(now, id, &Application::new(name, data), None) || self.innermost_run(id) == before {
            return;
        }
        let at_once = |run: &Run| matches!(run.doing, Doing::Nothing);
        if self.channels.get(&id).and_then(|channel| channel.thread.runs.last()).is_some_and(at_once) {
            self.complete(now, id);
        }
    }

    /// Tells of the application that runs now.
    fn emit_run(&mut self, now: Duration, id: SessionId, kind: EventKind, origin: Origin) {
        let Some(channel) = self.channels.get(&id) else { return };
        let Some(run) = channel.thread.runs.last().filter(|run| !run.silent) else { return };
        let response = channel.variables.get("current_application_response").unwrap_or("_none_");
        let after = [
            ("Application", run.application.name.as_str()),
            ("Application-Data", &run.application.data),
            ("Application-Response", if kind == EventKind::CHANNEL_EXECUTE { "" } else { response }),
            ("Application-UUID", &run.uuid),
            ("Application-UUID-Name", run.uuid_name.as_deref().unwrap_or_default()),
        ];
        self.bus.channel_with(now, kind, origin, channel, &[], &after);
    }

    /// The innermost application of a channel is over: its end is told, and its loops go on.
    pub(super) fn over(&mut self, now: Duration, id: SessionId) {
        let ended = self.innermost_run(id);
        if applications::finish(self, now, id, End::ItsOwn) || !self.is_up(id) {
            return;
        }
        self.cut_above(now, id, ended);
        let Some(Run { application, asked, .. }) = self.complete(now, id) else { return };
        let Some(mut asked) = asked else { return };
        let took = now.saturating_sub(asked.began);
        let up = self.channels.get(&id).is_some_and(|channel| channel.is_up());
        let more = asked.turns < 0 || asked.turn < asked.turns;
        if up && more && took >= LOOP_AT_LEAST && !asked.stopped {
            asked.turn += 1;
            asked.began = now;
            let application = Application::new(&application.name, asked.message.argument());
            self.begin(now, id, &application, Some(asked));
        } else {
            self.end_of_message(now, id, Some(asked));
        }
    }

    /// The number of the innermost application of a channel.
    fn innermost_run(&self, id: SessionId) -> Option<u64> {
        self.channels.get(&id)?.thread.runs.last().map(|run| run.number)
    }

    /// Ends what an application has begun in its own last moment.
    fn cut_above(&mut self, now: Duration, id: SessionId, ended: Option<u64>) {
        let Some(channel) = self.channels.get(&id) else { return };
        let index = channel.thread.runs.iter().position(|run| Some(run.number) == ended);
        let Some(index) = index.filter(|index| index + 1 < channel.thread.runs.len()) else { return };
        self.without_texts(id, |switch| switch.unwind_to(now, id, index + 1));
    }

    /// Tells that the innermost application is over and takes it away.
    fn complete(&mut self, now: Duration, id: SessionId) -> Option<Run> {
        self.read_again(now, id);
        self.emit_run(now, id, EventKind::CHANNEL_EXECUTE_COMPLETE, COMPLETED);
        let thread = &mut self.channels.get_mut(&id)?.thread;
        let run = thread.runs.pop();
        if let Some(uncovered) = thread.runs.last_mut() {
            uncovered.uncovered(now);
        }
        self.sound_changed(now, id);
        run
    }

    fn end_of_message(&mut self, now: Duration, id: SessionId, asked: Option<Asked>) {
        if let (Some(asked), Some(channel)) = (asked, self.channels.get_mut(&id)) {
            channel.variables.unset("current_loop");
            channel.variables.unset("total_loops");
            self.parsed(now, id, &asked.message);
        }
    }

    /// A channel has done what a message says, or cannot do it: that is told.
    fn parsed(&mut self, now: Duration, id: SessionId, message: &Message) {
        if let Some(channel) = self.channels.get(&id).filter(|_| !message.unheard) {
            self.bus.private_command(now, PARSED, channel, message);
        }
    }

    /// Ends all that a channel is inside of, the innermost first, because it has hung up or goes elsewhere.
    pub(super) fn unwind(&mut self, now: Duration, id: SessionId) {
        self.unwind_to(now, id, 0);
    }

    /// The same for those above the first `depth`.
    pub(super) fn unwind_to(&mut self, now: Duration, id: SessionId, depth: usize) {
        if let Some(message) = self.channels.get_mut(&id).and_then(|channel| channel.thread.take_leading()) {
            self.parsed(now, id, &message);
        }
        while self.channels.get(&id).is_some_and(|channel| channel.thread.runs.len() > depth) {
            let ended = self.innermost_run(id);
            applications::finish(self, now, id, End::Cut);
            self.cut_above(now, id, ended);
            let asked = self.complete(now, id).and_then(|run| run.asked);
            let by_message = asked.is_some();
            self.end_of_message(now, id, asked);
            if by_message {
                self.messages_after_hangup(now, id);
            }
        }
    }
}

impl Switch {
    /// A channel that hangs up still takes the messages that wait for it, but only applications that need no channel
    /// run any more: the others are never heard of.
    fn messages_after_hangup(&mut self, now: Duration, id: SessionId) {
        while let Some(channel) = self.channels.get_mut(&id).filter(|channel| !channel.is_up()) {
            let (has_media, hears) = (channel.has_media(), channel.hears_frames());
            let Queued::Message(message) = channel.thread.next(now, has_media, false, hears) else { return };
            self.parse_after_hangup(now, id, &message);
        }
    }

    /// Takes one such message; the end of what it runs comes with that of the others.
    pub(super) fn parse_after_hangup(&mut self, now: Duration, id: SessionId, message: &Arc<Message>) {
        let name = message.header("execute-app-name").unwrap_or_default();
        if message.header("call-command") != Some("execute") {
            return self.parsed(now, id, message);
        }
        if applications::find(name).is_some_and(|known| known.after_hangup) {
            self.parse_message(now, id, message);
        } else if let (Some(uuid), Some(channel)) = (message.header("event-uuid"), self.channels.get_mut(&id)) {
            channel.variables.set("app_uuid", uuid);
            self.parsed(now, id, message);
        } else {
            self.parsed(now, id, message);
        }
    }
}

/// The number that a text begins with, as C's `atoi` reads it.
pub(crate) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    sign * digits[..end].parse::<i64>().unwrap_or(0)
}
