//! The Event Socket's own commands (mod_event_socket's `parse_command`).

use std::time::Duration;

use bytes::Bytes;

use super::{Job, Switch, jobs::Waits};
use crate::{
    channel::Message,
    command::Command,
    event::{EventKind, ListenerId, Output},
    frame,
};

const NOT_FOUND: &str = "-ERR command not found";

impl Switch {
    /// Runs what a connection sent. There is one reply to each command; that of an `api` may come later.
    pub(crate) fn command(&mut self, now: Duration, listener: ListenerId, command: &Command) {
        let Some(peer) = self.listeners.get_mut(&listener) else { return };
        let line = command.line.trim_end_matches(['\r', ' ']);
        if starts(line, "exit") || starts(line, "...") {
            return self.bus.push(Output::Goodbye(listener, frame::farewell("+OK bye")));
        }
        if !peer.authenticated {
            let output = match after(line, "auth ") {
                Some(password) if password == self.password => {
                    peer.authenticated = true;
                    Output::Reply(listener, frame::command_reply("+OK accepted"))
                }
                Some(_) => Output::Goodbye(listener, frame::farewell("-ERR invalid")),
                None => Output::Goodbye(listener, frame::command_reply(NOT_FOUND)),
            };
            return self.bus.push(output);
        }
        if let Some(text) = after(line, "api ") {
            return self.start(now, Job::new(text, Waits::Connection(listener)));
        }
        let reply = if let Some(text) = after(line, "bgapi ") {
            let uuid = match command.header("Job-UUID") {
                Some(uuid) => uuid.to_owned(),
                None => self.random_uuid(),
            };
            self.bus.push(Output::Reply(listener, frame::job_reply(&uuid)));
            return self.start(now, Job::new(text, Waits::Background(uuid)));
        } else if starts(line, "sendmsg") {
            self.send_message(now, line["sendmsg".len()..].trim(), command)
        } else if starts(line, "sendevent") {
            self.send_event(now, line["sendevent".len()..].trim(), command)
        } else {
            self.listener_command(listener, line)
        };
        self.bus.push(Output::Reply(listener, reply));
    }

    /// The commands that change nothing but the connection itself.
    fn listener_command(&mut self, listener: ListenerId, line: &str) -> Bytes {
        let (Some(subscription), Some(peer)) =
            (self.bus.subscriptions.get_mut(&listener), self.listeners.get_mut(&listener))
        else {
            return frame::command_reply(NOT_FOUND);
        };
        // In mod_event_socket's order, since it looks at beginnings only.
        let text = if starts(line, "divert_events") {
            "-ERR not controlling a session."
        } else if starts(line, "log") {
            peer.logging = true;
            return frame::command_reply(&format!("+OK log level {0} [{0}]", line["log".len()..].trim()));
        } else if starts(line, "linger") || starts(line, "nolinger") {
            "-ERR not controlling a session"
        } else if starts(line, "nolog") {
            if std::mem::take(&mut peer.logging) { "+OK no longer logging" } else { "-ERR not loging" }
        } else if starts(line, "event") {
            return frame::command_reply(&subscription.event(after_space(line)));
        } else if starts(line, "nixevent") {
            subscription.nixevent(after_space(line))
        } else if starts(line, "noevents") {
            subscription.noevents()
        } else {
            NOT_FOUND
        };
        frame::command_reply(text)
    }

    /// `sendmsg [uuid]`: a message for a channel, named here or in the header `session-id`. That it is queued says
    /// nothing about when the channel looks at it.
    fn send_message(&mut self, now: Duration, uuid: &str, command: &Command) -> Bytes {
        let uuid = if uuid.is_empty() { command.header("session-id").unwrap_or_default() } else { uuid };
        let Some(id) = self.find(uuid) else {
            return frame::command_reply(&format!("-ERR invalid session id [{uuid}]"));
        };
        let message = Message { headers: command.headers.clone(), body: command.body.clone() };
        frame::command_reply(if self.queue_message(now, id, message) { "+OK" } else { "-ERR memory error" })
    }

    /// `sendevent NAME`, with the event's headers behind it.
    fn send_event(&mut self, now: Duration, name: &str, command: &Command) -> Bytes {
        let uuid = self.random_uuid();
        let kind = EventKind::by_name(name).unwrap_or(EventKind::CLONE);
        let mut headers = vec![("Command".to_owned(), command.line.clone())];
        headers
            .extend(command.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Length")).cloned());
        headers.push(("Event-UUID".to_owned(), uuid.clone()));
        self.bus.client(now, kind, &headers, command.body.as_deref());
        frame::command_reply(&format!("+OK {uuid}"))
    }
}

/// `true` if `line` begins with `word` in any case of letters, whatever follows.
fn starts(line: &str, word: &str) -> bool {
    line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// What follows `word`, if `line` begins with it and goes on.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    starts(line, word).then(|| &line[word.len()..]).filter(|rest| !rest.is_empty())
}

fn after_space(line: &str) -> &str {
    line.split_once(' ').map_or("", |(_, rest)| rest)
}
