//! Where events are numbered, dated, written once per form and handed to the listeners that want them.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use esl_core::wire::percent_encode;

use super::{EventKind, EventWriter, Format, Subscription};
use crate::{
    channel::Channel,
    clock::{Clock, Stamp},
};

/// One connection, from its accept to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListenerId(pub(crate) u64);

/// What the switch wants done to a connection.
#[derive(Debug)]
pub(crate) enum Output {
    /// The answer to the command that the connection waits for.
    Reply(ListenerId, Bytes),
    /// The answer, after which the connection is closed.
    Goodbye(ListenerId, Bytes),
    /// An event for the connection's queue.
    Event(ListenerId, Bytes),
}

/// Where in FreeSWITCH's source an event comes from: events carry it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(pub(crate) &'static str, pub(crate) &'static str, pub(crate) u32);

/// The names that every event of a server carries.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) core_uuid: String,
    pub(crate) hostname: String,
    pub(crate) switchname: String,
}

/// Addresses that the simulated host says it has; reserved for documentation (RFC 5737) and private use.
pub(crate) const IPV4: &str = "192.0.2.2";
pub(crate) const IPV6: &str = "fd00::2";

/// The subscriptions of all listeners and the one counter of events.
#[derive(Debug)]
pub(crate) struct Bus {
    pub(crate) clock: Clock,
    pub(crate) identity: Identity,
    pub(crate) subscriptions: BTreeMap<ListenerId, Subscription>,
    outbox: Vec<Output>,
    sequence: u64,
    head: Head,
    /// Where events are written before they are as long as they are.
    scratch: Vec<u8>,
}

/// The headers from Core-UUID to Event-Date-Timestamp, which change only when the clock steps.
#[derive(Debug, Default)]
struct Head {
    stamp: Stamp,
    local: String,
    gmt: String,
    plain: Vec<u8>,
}

impl Bus {
    pub(crate) fn new(clock: Clock, identity: Identity) -> Bus {
        Bus {
            clock,
            identity,
            subscriptions: BTreeMap::new(),
            outbox: Vec::new(),
            sequence: 0,
            head: Head::default(),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.outbox.push(output);
    }

    pub(crate) fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.outbox.drain(..)
    }

    /// Sends a channel's event as the channel is now.
    pub(crate) fn channel(&mut self, now: Duration, kind: EventKind, origin: Origin, channel: &Channel) {
        self.publish(now, kind, None, None, |writer, head| {
            head(writer, kind, origin);
            channel.write(writer, kind);
        });
    }

    /// The same with headers of the event's own: some before what the channel says about itself, some after it.
    pub(crate) fn channel_with(
        &mut self,
        now: Duration,
        kind: EventKind,
        origin: Origin,
        channel: &Channel,
        before: &[(&str, &str)],
        after: &[(&str, &str)],
    ) {
        self.publish(now, kind, None, None, |writer, head| {
            head(writer, kind, origin);
            for (name, value) in before {
                writer.header(name, value);
            }
            channel.write(writer, kind);
            for (name, value) in after {
                writer.header_if(name, value);
            }
        });
    }

    /// An event of a channel as text that goes to no listener.
    pub(crate) fn describe(
        &mut self,
        now: Duration,
        kind: EventKind,
        origin: Origin,
        channel: &Channel,
        format: Format,
    ) -> String {
        self.sequence += 1;
        self.date(now);
        let mut writer = EventWriter::new(format, Vec::new());
        self.write_head(&mut writer, format, kind, origin);
        channel.write(&mut writer, kind);
        let (frame, _) = writer.finish(None);
        let text = String::from_utf8_lossy(&frame).into_owned();
        // The headers of the frame are not part of it.
        text.split_once("\n\n").map_or(String::new(), |(_, event)| event.to_owned())
    }

    /// Sends an event that belongs to no channel.
    pub(crate) fn general(
        &mut self,
        now: Duration,
        kind: EventKind,
        origin: Origin,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) {
        self.publish(now, kind, None, body, |writer, head| {
            head(writer, kind, origin);
            for (name, value) in headers {
                writer.header(name, value);
            }
        });
    }

    /// Sends a client's event: its own headers come first, as they were there first.
    pub(crate) fn client(&mut self, now: Duration, kind: EventKind, headers: &[(String, String)], body: Option<&str>) {
        let subclass = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Event-Subclass"))
            .map(|(_, value)| value.as_str());
        self.publish(now, kind, subclass, body, |writer, head| {
            for (name, value) in headers {
                writer.header(name, value);
            }
            head(writer, kind, Origin("mod_event_socket.c", "parse_command", 2250));
        });
    }

    fn publish(
        &mut self,
        now: Duration,
        kind: EventKind,
        subclass: Option<&str>,
        body: Option<&str>,
        write: impl Fn(&mut EventWriter, &dyn Fn(&mut EventWriter, EventKind, Origin)),
    ) {
        self.sequence += 1;
        if !self.subscriptions.values().any(|subscription| subscription.wants(kind, subclass)) {
            return;
        }
        self.date(now);
        let mut frames: [Option<Bytes>; Format::ALL.len()] = Default::default();
        let mut scratch = std::mem::take(&mut self.scratch);
        for (listener, subscription) in &self.subscriptions {
            if !subscription.wants(kind, subclass) {
                continue;
            }
            let format = subscription.format;
            let frame = frames[format as usize].get_or_insert_with(|| {
                let mut writer = EventWriter::new(format, std::mem::take(&mut scratch));
                write(&mut writer, &|writer, kind, origin| self.write_head(writer, format, kind, origin));
                let (frame, space) = writer.finish(body);
                scratch = space;
                frame
            });
            self.outbox.push(Output::Event(*listener, frame.clone()));
        }
        self.scratch = scratch;
    }

    fn write_head(&self, writer: &mut EventWriter, format: Format, kind: EventKind, origin: Origin) {
        writer.header("Event-Name", kind.name());
        if format == Format::Plain {
            writer.rendered(&self.head.plain);
        } else {
            for (name, value) in self.head_headers() {
                writer.header(name, value);
            }
            writer.number("Event-Date-Timestamp", self.head.stamp.0);
        }
        writer.header("Event-Calling-File", origin.0);
        writer.header("Event-Calling-Function", origin.1);
        writer.number("Event-Calling-Line-Number", u64::from(origin.2));
        writer.number("Event-Sequence", self.sequence);
    }

    fn head_headers(&self) -> [(&'static str, &str); 7] {
        [
            ("Core-UUID", &self.identity.core_uuid),
            ("FreeSWITCH-Hostname", &self.identity.hostname),
            ("FreeSWITCH-Switchname", &self.identity.switchname),
            ("FreeSWITCH-IPv4", IPV4),
            ("FreeSWITCH-IPv6", IPV6),
            ("Event-Date-Local", &self.head.local),
            ("Event-Date-GMT", &self.head.gmt),
        ]
    }

    fn date(&mut self, now: Duration) {
        let stamp = self.clock.stamp(now);
        if stamp == self.head.stamp {
            return;
        }
        self.head.stamp = stamp;
        self.head.local = stamp.local();
        self.head.gmt = stamp.gmt();
        let mut plain = Vec::new();
        for (name, value) in self.head_headers() {
            write_line(&mut plain, name, value);
        }
        write_line(&mut plain, "Event-Date-Timestamp", &stamp.0.to_string());
        self.head.plain = plain;
    }
}

fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    percent_encode(value.as_bytes(), out);
    out.push(b'\n');
}
