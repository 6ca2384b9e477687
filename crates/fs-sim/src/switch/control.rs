//! The commands of a connection about the session that it controls: its own, or one that `myevents` named
//! (mod_event_socket's `parse_command`).

use std::time::Duration;

use super::{
    Switch,
    commands::starts,
    execute::leading_number,
    is_true,
    peer::{Controlled, Linger},
};
use crate::{
    channel::{Message, SessionId},
    command::Command,
    event::{Format, ListenerId, Mine, Output},
};

impl Switch {
    /// Runs one of these commands; `false` if it is another.
    pub(super) fn session_command(&mut self, now: Duration, listener: ListenerId, command: &Command) -> bool {
        let line = command.line.as_str();
        let session = self.listeners.get(&listener).and_then(|peer| peer.session.clone());
        if let Some(session) = &session {
            if starts(line, "resume") {
                self.resume(listener, session.id);
                return true;
            }
            if starts(line, "connect") {
                self.connect_reply(now, listener, session.id);
                return true;
            }
            if starts(line, "getvar") {
                let value = line.split_once(' ').and_then(|(_, name)| self.variable(session.id, name));
                let value = value.unwrap_or_default();
                self.reply(listener, &value);
                return true;
            }
        }
        if starts(line, "myevents ") || session.is_some() && starts(line, "myevents") {
            let text = self.myevents(listener, session.as_ref(), line);
            self.reply(listener, text);
        } else if starts(line, "divert_events") {
            let text = self.divert_events(session.as_ref(), line["divert_events".len()..].trim_start_matches(' '));
            self.reply(listener, text);
        } else if starts(line, "sendmsg") {
            self.send_message(now, listener, session.as_ref(), command);
        } else {
            return false;
        }
        true
    }

    /// A channel's variable, as its own copy: the channel may change with the next command.
    fn variable(&self, id: SessionId, name: &str) -> Option<String> {
        self.channels.get(&id)?.variable(name).map(str::to_owned)
    }

    fn resume(&mut self, listener: ListenerId, id: SessionId) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.variables.set("socket_resume", "true");
        }
        self.reply(listener, "+OK");
    }

    /// `connect`: all that the channel says about itself, its caller profile twice, as an event that is a reply.
    fn connect_reply(&mut self, now: Duration, listener: ListenerId, id: SessionId) {
        let Some(channel) = self.channels.get(&id) else { return self.reply(listener, "") };
        let outbound = self.listeners.get(&listener).and_then(|peer| peer.outbound);
        let (is_async, is_full) = outbound.map_or((true, true), |outbound| (outbound.is_async, outbound.full));
        let after = [
            ("Content-Type", "command/reply"),
            ("Reply-Text", "+OK\n"),
            ("Socket-Mode", if is_async { "async" } else { "static" }),
            ("Control", if is_full { "full" } else { "single-channel" }),
        ];
        let reply = self.bus.snapshot(now, channel, &after);
        self.bus.push(Output::Reply(listener, reply));
        self.connected(now, listener, id);
    }

    /// `myevents [UUID] [FORMAT]`: the UUID where the connection has no session yet. With a UUID a format only
    /// makes an unknown one an error.
    fn myevents(&mut self, listener: ListenerId, session: Option<&Controlled>, line: &str) -> &'static str {
        let mut words = line;
        let mut session = session.cloned();
        let Some(subscription) = self.bus.subscriptions.get(&listener) else { return "" };
        if subscription.mine != Mine::Off {
            return "-ERR aready enabled.";
        }
        if session.is_none() {
            let rest = line.get("myevents ".len()..).unwrap_or_default();
            let (uuid, format) = rest.split_once(' ').map_or((rest, None), |(uuid, format)| (uuid, Some(format)));
            words = &line[..line.len() - format.map_or(0, |format| format.len() + 1)];
            session = self.find(uuid).map(|id| Controlled { id, uuid: uuid.into(), told: false });
            if session.is_none() && format.is_some() {
                return "-ERR invalid uuid";
            }
        }
        let (Some(subscription), Some(peer)) =
            (self.bus.subscriptions.get_mut(&listener), self.listeners.get_mut(&listener))
        else {
            return "";
        };
        let mine = session.as_ref().map_or(Mine::Any, |session| Mine::Only(session.uuid.clone()));
        subscription.myevents(mine);
        for (name, format) in
            [("xml", Format::Xml), ("XML", Format::Xml), ("json", Format::Json), ("JSON", Format::Json)]
        {
            if words.contains(name) {
                subscription.format = format;
            }
        }
        if let (None, Some(session)) = (&peer.session, session) {
            let id = session.id;
            peer.session = Some(session);
            self.control(id, listener);
        }
        "+OK Events Enabled"
    }

    fn divert_events(&mut self, session: Option<&Controlled>, word: &str) -> &'static str {
        match (session, word) {
            (None, _) => "-ERR not controlling a session.",
            (_, "") => "-ERR missing value.",
            (Some(session), word) if word.eq_ignore_ascii_case("on") => {
                self.diverted.insert(session.id);
                "+OK events diverted"
            }
            (Some(session), _) => {
                self.diverted.remove(&session.id);
                "+OK events not diverted"
            }
        }
    }

    /// `linger [SECONDS]`: what follows the word.
    pub(super) fn linger(&mut self, listener: ListenerId, rest: &str) {
        let Some(peer) = self.listeners.get_mut(&listener) else { return };
        if peer.session.is_none() {
            return self.reply(listener, "-ERR not controlling a session");
        }
        let linger = match rest.strip_prefix(' ').map(leading_number) {
            None | Some(-1) => Linger::Ever,
            Some(seconds) => Linger::Seconds(seconds),
        };
        peer.linger = Some(linger);
        let text = match linger {
            Linger::Ever => "+OK will linger".to_owned(),
            Linger::Seconds(seconds) => format!("+OK will linger {seconds} seconds"),
        };
        self.reply(listener, &text);
    }

    /// `sendmsg [UUID]`, or with the UUID in the header `session-id`; without one it is for the connection's own
    /// session. That a message is queued says nothing about when the channel looks at it.
    fn send_message(&mut self, now: Duration, listener: ListenerId, session: Option<&Controlled>, command: &Command) {
        let named = command.line["sendmsg".len()..].trim_start_matches(' ');
        let uuid = if named.is_empty() { command.header("session-id").unwrap_or_default() } else { named };
        let own = session.filter(|session| uuid.is_empty() || *session.uuid == *uuid);
        let Some(id) = own.map(|session| session.id).or_else(|| self.find(uuid)) else {
            return self.reply(listener, &format!("-ERR invalid session id [{uuid}]"));
        };
        let mut headers = vec![("Command".to_owned(), command.line.clone())];
        headers.extend(command.headers.iter().cloned());
        let message = Message { headers, body: command.body.clone(), ..Message::default() };
        let outbound = self.listeners.get(&listener).and_then(|peer| peer.outbound);
        let waits = outbound.is_some_and(|outbound| !outbound.is_async);
        if own.is_some() && waits && !command.header("async").is_some_and(is_true) {
            return self.do_message(now, listener, id, Message { unheard: true, ..message });
        }
        let text = if self.queue_message(now, id, message) { "+OK" } else { "-ERR memory error" };
        self.reply(listener, text);
    }
}
