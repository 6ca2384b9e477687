//! The Event Socket's own commands (mod_event_socket's `parse_command`).

use std::time::Duration;

use bytes::Bytes;

use super::{
    Job, Switch, is_true,
    jobs::Waits,
    peer::{Rights, credentials, welcome},
};
use crate::{
    command::Command,
    event::{Allowed, EventKind, ListenerId, Output},
    frame, log,
};

pub(super) const NOT_FOUND: &str = "-ERR command not found";
const INVALID: &str = "-ERR invalid";
/// What no real server answers: it has no limit.
const TOO_LONG: &str = "-ERR command too long";

/// The most bytes of an API command: more than any real one, and what it leaves behind, in channels and elsewhere, is
/// of that size at most.
const API_BYTES_MAX: usize = 256 * 1024;

const DENIED: &str = "-ERR permission denied";

impl Switch {
    /// Runs what a connection sent. There is one reply to each command; that of an `api`, or of a message that a
    /// session's own connection waits for, may come later.
    pub(crate) fn command(&mut self, now: Duration, listener: ListenerId, command: &Command) {
        self.run_command(now, listener, command);
        // It looks at its own channel after each command, before anything that the channel still says.
        let session = self.listeners.get(&listener).and_then(|peer| peer.session.as_ref());
        let Some(id) = session.map(|session| session.id) else { return };
        if self.channels.get(&id).is_some_and(|channel| !channel.is_up()) {
            self.tell_listener(now, id, listener);
        }
    }

    fn run_command(&mut self, now: Duration, listener: ListenerId, command: &Command) {
        let Some(peer) = self.listeners.get_mut(&listener) else { return };
        peer.mute = peer.outbound.is_some() && !peer.has_spoken;
        peer.has_spoken = true;
        let line = command.line.as_str();
        if line.is_empty() {
            let farewell = frame::farewell("-ERR command parse error.", peer.session_uuid());
            return self.bus.push(Output::Goodbye(listener, farewell));
        }
        if starts(line, "exit") || starts(line, "...") {
            let farewell = if peer.mute { peer.notice() } else { frame::farewell("+OK bye", peer.session_uuid()) };
            return self.bus.push(Output::Goodbye(listener, farewell));
        }
        if !peer.authenticated {
            return self.log_in(listener, line);
        }
        // In mod_event_socket's order, since it looks at beginnings only.
        if let Some(words) = after(line, "filter ") {
            let Some(subscription) = self.bus.subscriptions.get_mut(&listener) else { return };
            let text = subscription.filters.command(words);
            self.refusals.subscriptions += subscription.take_refused();
            return self.reply(listener, &text);
        }
        if self.session_command(now, listener, command) {
            return;
        }
        let Some(peer) = self.listeners.get(&listener) else { return };
        if peer.outbound.is_some_and(|outbound| !outbound.full) {
            return self.reply(listener, NOT_FOUND);
        }
        if starts(line, "sendevent") {
            let text = self.send_event(now, line["sendevent".len()..].trim_start_matches(['\t', ' ']), command);
            return self.reply(listener, &text);
        }
        if line.len() > API_BYTES_MAX && (starts(line, "api ") || starts(line, "bgapi ")) {
            self.refusals.api += 1;
            return self.reply(listener, TOO_LONG);
        }
        if let Some(text) = after(line, "api ") {
            if !peer.rights.permit_api(text) {
                return self.reply(listener, DENIED);
            }
            let mut job = Job::new(text, Waits::Connection(listener));
            // What a person typed.
            if command.header("console_execute").is_some_and(is_true) {
                self.settings.expand_alias(&mut job.command, &mut job.arguments);
            }
            return self.start(now, job);
        }
        if let Some(text) = after(line, "bgapi ") {
            if !peer.rights.permit_api(text) {
                return self.reply(listener, DENIED);
            }
            let mute = peer.mute;
            let owner = peer.session.as_ref().map(|session| session.uuid.clone());
            let uuid = match command.header("Job-UUID") {
                Some(uuid) => uuid.to_owned(),
                None => self.random_uuid(),
            };
            let reply = if mute { Bytes::new() } else { frame::job_reply(&uuid) };
            self.bus.push(Output::Reply(listener, reply));
            return self.start(now, Job { owner, ..Job::new(text, Waits::Background(uuid)) });
        }
        self.listener_command(listener, line);
    }

    pub(super) fn reply(&mut self, listener: ListenerId, text: &str) {
        // A reply without a text is none at all: mod_event_socket takes the command for unknown then.
        let text = if text.is_empty() { NOT_FOUND } else { text };
        let mute = self.listeners.get(&listener).is_some_and(|peer| peer.mute);
        let reply = if mute { Bytes::new() } else { frame::command_reply(text) };
        self.bus.push(Output::Reply(listener, reply));
    }

    /// `auth` and `userauth`: who fails is out, who says anything else may try again.
    fn log_in(&mut self, listener: ListenerId, line: &str) {
        let knows_none = self.knows_no_password();
        let Some(peer) = self.listeners.get_mut(&listener) else { return };
        let goodbye = |text| Output::Goodbye(listener, frame::farewell(text, None));
        let output = if starts(line, "auth ") {
            if line["auth ".len()..] == self.password && !knows_none {
                peer.authenticated = true;
                Output::Reply(listener, frame::command_reply("+OK accepted"))
            } else {
                goodbye(INVALID)
            }
        } else if starts(line, "userauth ") {
            let user = credentials(&line["userauth ".len()..]).and_then(|(name, domain, password)| {
                // Without a password in the directory nobody gets in.
                self.users.iter().find(|user| {
                    user.name.eq_ignore_ascii_case(name)
                        && user.domain.eq_ignore_ascii_case(domain)
                        && !password.is_empty()
                        && user.password == password
                        && !knows_none
                })
            });
            match user {
                Some(user) => {
                    peer.authenticated = true;
                    peer.rights = Rights::of(user);
                    if let Some(subscription) = self.bus.subscriptions.get_mut(&listener) {
                        subscription.allowed = user.allowed_events.as_deref().map(Allowed::parse);
                    }
                    Output::Reply(listener, frame::headers_reply(&welcome(user)))
                }
                None => goodbye(INVALID),
            }
        } else {
            Output::Reply(listener, frame::command_reply(NOT_FOUND))
        };
        self.bus.push(output);
    }

    /// The commands that change nothing but the connection itself.
    fn listener_command(&mut self, listener: ListenerId, line: &str) {
        let (Some(subscription), Some(peer)) =
            (self.bus.subscriptions.get_mut(&listener), self.listeners.get_mut(&listener))
        else {
            return;
        };
        let text: String = if starts(line, "log") {
            if !peer.rights.log {
                DENIED.to_owned()
            } else {
                let word = line["log".len()..].trim_start_matches(' ');
                let word = word.split(' ').next().unwrap_or(word);
                match if word.is_empty() { Some(log::DEBUG) } else { log::level(word) } {
                    Some(level) => {
                        peer.log_level = Some(level);
                        format!("+OK log level {word} [{level}]")
                    }
                    None => "-ERR invalid log level".to_owned(),
                }
            }
        } else if starts(line, "linger") {
            return self.linger(listener, &line["linger".len()..]);
        } else if starts(line, "nolinger") {
            match peer.session {
                Some(_) => {
                    peer.linger = None;
                    "+OK will not linger".to_owned()
                }
                None => "-ERR not controlling a session".to_owned(),
            }
        } else if starts(line, "nolog") {
            match peer.log_level.take() {
                Some(_) => "+OK no longer logging".to_owned(),
                None => "-ERR not loging".to_owned(),
            }
        } else if starts(line, "event") {
            let text = subscription.event(after_space(line));
            self.refusals.subscriptions += subscription.take_refused();
            text
        } else if starts(line, "nixevent") {
            subscription.nixevent(after_space(line)).to_owned()
        } else if starts(line, "noevents") {
            let text = subscription.noevents().to_owned();
            self.bus.push(Output::Flush(listener));
            text
        } else {
            NOT_FOUND.to_owned()
        };
        self.reply(listener, &text);
    }

    /// `sendevent [NAME]`, with the event's headers behind it. One that is for a channel goes to its queue instead
    /// of the listeners; what is not known by its name is CUSTOM.
    fn send_event(&mut self, now: Duration, name: &str, command: &Command) -> String {
        let uuid = self.random_uuid();
        let known = EventKind::by_name(name);
        let kind = known.unwrap_or(EventKind::CUSTOM);
        let mut headers = vec![("Command".to_owned(), command.line.clone())];
        headers.extend(command.headers.iter().cloned());
        headers.push(("Event-UUID".to_owned(), uuid.clone()));
        let mut subclass = None;
        if known == Some(EventKind::CUSTOM)
            && let Some(index) = headers.iter().position(|(name, _)| name.eq_ignore_ascii_case("Event-Subclass"))
        {
            // Setting a subclass puts its header first.
            let (_, value) = headers.remove(index);
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Event-Subclass"));
            headers.insert(0, ("Event-Subclass".to_owned(), value.clone()));
            subclass = Some(value);
        }
        match command.header("Unique-ID").and_then(|uuid| self.find(uuid)) {
            Some(id) => self.queue_event(now, id, kind, &headers, command.body.as_deref()),
            None => self.bus.client(now, kind, subclass.as_deref(), &headers, command.body.as_deref()),
        }
        format!("+OK {uuid}")
    }
}

/// `true` if `line` begins with `word` in any case of letters, whatever follows.
pub(super) fn starts(line: &str, word: &str) -> bool {
    line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// What follows `word`, if `line` begins with it.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    starts(line, word).then(|| &line[word.len()..])
}

fn after_space(line: &str) -> &str {
    line.split_once(' ').map_or("", |(_, rest)| rest)
}
