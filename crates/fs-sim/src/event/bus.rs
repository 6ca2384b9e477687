//! Where events are numbered, dated, written once per form and handed to the listeners that want them.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use esl_core::wire::percent_encode;

use super::{EventKind, EventWriter, Format, Space, Subscription};
use crate::{
    channel::{Channel, Message},
    clock::{Clock, Stamp},
    network::Packet,
};

/// One connection, from its accept to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListenerId(pub(crate) u64);

impl ListenerId {
    /// Connections that the server makes are numbered apart from those that it accepts.
    const DIALLED: u64 = 1 << 63;

    pub(crate) fn dialled(number: u64) -> ListenerId {
        ListenerId(ListenerId::DIALLED | number)
    }
}

/// What the switch wants done to a connection.
#[derive(Debug)]
pub(crate) enum Output {
    /// The answer to the command that the connection waits for.
    Reply(ListenerId, Bytes),
    /// The answer, after which the connection is closed.
    Goodbye(ListenerId, Bytes),
    /// An event for the connection's queue.
    Event(ListenerId, Bytes),
    /// A log line for the connection's queue.
    Log(ListenerId, Bytes),
    /// The events that wait in the connection's queue are dropped.
    Flush(ListenerId),
    /// For the connection's queue: the session that it controls has ended. The notice follows what is ready.
    Notice(ListenerId, Bytes),
    /// For the connection's queue: the notice with which the server closes the connection.
    Close(ListenerId, Bytes),
    /// A connection to this address is wanted, under this id.
    Dial(ListenerId, SocketAddr),
    /// A SIP message for another server.
    Packet(Box<Packet>),
    /// A datagram for the capture server.
    Copy(Bytes),
}

/// Where in FreeSWITCH's source an event comes from: events carry it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(pub(crate) &'static str, pub(crate) &'static str, pub(crate) u32);

/// A place in the order of events (see [`Bus::reserve`]).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserved {
    sequence: u64,
    at: Duration,
}

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
    /// Every event of a channel carries its variables (`fsctl verbose_events`).
    pub(crate) verbose: bool,
    outbox: Vec<Output>,
    sequence: u64,
    head: Head,
    /// Where events are written before they are as long as they are.
    scratch: Vec<u8>,
    space: Space,
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
    pub(crate) fn new(clock: Clock, identity: Identity, verbose: bool) -> Bus {
        Bus {
            clock,
            identity,
            subscriptions: BTreeMap::new(),
            verbose,
            outbox: Vec::new(),
            sequence: 0,
            head: Head::default(),
            scratch: Vec::new(),
            space: Space::default(),
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.outbox.push(output);
    }

    /// How much there is to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.len()
    }

    pub(crate) fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.outbox.drain(..)
    }

    /// Whether anybody gets events of this kind, so that they are worth being made.
    pub(crate) fn is_wanted(&self, kind: EventKind) -> bool {
        self.subscriptions.values().any(|subscription| subscription.wants(kind, None))
    }

    /// Sends a channel's event as the channel is now.
    pub(crate) fn channel(&mut self, now: Duration, kind: EventKind, origin: Origin, channel: &Channel) {
        let verbose = self.verbose;
        self.publish(now, kind, None, None, |writer, head| {
            head(writer, kind, origin);
            channel.write(writer, kind, verbose);
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
        let verbose = self.verbose;
        self.publish(now, kind, None, None, |writer, head| {
            head(writer, kind, origin);
            for (name, value) in before {
                writer.header(name, value);
            }
            channel.write(writer, kind, verbose);
            for (name, value) in after {
                writer.header_if(name, value);
            }
        });
    }

    /// The same with a body.
    pub(crate) fn channel_with_body(
        &mut self,
        now: Duration,
        (kind, origin): (EventKind, Origin),
        channel: &Channel,
        before: &[(&str, &str)],
        body: &str,
    ) {
        let verbose = self.verbose;
        self.publish(now, kind, None, Some(body), |writer, head| {
            head(writer, kind, origin);
            for (name, value) in before {
                writer.header(name, value);
            }
            channel.write(writer, kind, verbose);
        });
    }

    /// Sends an event of a module's own about a channel, without its variables.
    pub(crate) fn custom(
        &mut self,
        now: Duration,
        subclass: &str,
        origin: Origin,
        channel: &Channel,
        after: &[(&str, &str)],
    ) {
        self.publish(now, EventKind::CUSTOM, Some(subclass), None, |writer, head| {
            writer.header("Event-Subclass", subclass);
            head(writer, EventKind::CUSTOM, origin);
            channel.write_basic(writer, EventKind::CUSTOM);
            for (name, value) in after {
                writer.header(name, value);
            }
        });
    }

    /// Sends an event of a module's own that belongs to no channel.
    pub(crate) fn custom_general(&mut self, now: Duration, subclass: &str, origin: Origin, after: &[(&str, &str)]) {
        self.publish(now, EventKind::CUSTOM, Some(subclass), None, |writer, head| {
            writer.header("Event-Subclass", subclass);
            head(writer, EventKind::CUSTOM, origin);
            for (name, value) in after {
                writer.header(name, value);
            }
        });
    }

    /// Sends what a channel tells of itself with the application `event`, its own headers first.
    pub(crate) fn application(
        &mut self,
        now: Duration,
        kind: EventKind,
        subclass: Option<&str>,
        origin: Origin,
        channel: &Channel,
        own: &[(&str, &str)],
    ) {
        let verbose = self.verbose;
        self.publish(now, kind, subclass, None, |writer, head| {
            if let Some(subclass) = subclass {
                writer.header("Event-Subclass", subclass);
            }
            head(writer, kind, origin);
            for (name, value) in own {
                writer.header(name, value);
            }
            channel.write(writer, kind, verbose);
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
        self.write_head(&mut writer, kind, origin);
        channel.write(&mut writer, kind, self.verbose);
        let (frame, _) = writer.finish(None, &mut Space::default());
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
    pub(crate) fn client(
        &mut self,
        now: Duration,
        kind: EventKind,
        subclass: Option<&str>,
        headers: &[(String, String)],
        body: Option<&str>,
    ) {
        self.publish(now, kind, subclass, body, |writer, head| {
            for (name, value) in headers {
                writer.header(name, value);
            }
            head(writer, kind, Origin("mod_event_socket.c", "parse_command", 2250));
        });
    }

    /// Takes a place in the order of events for one that is sent later, under this number and of this time.
    pub(crate) fn reserve(&mut self, now: Duration) -> Reserved {
        self.sequence += 1;
        Reserved { sequence: self.sequence, at: now }
    }

    /// Sends an event that belongs to no channel in the place that was taken for it.
    pub(crate) fn general_reserved(
        &mut self,
        place: Reserved,
        kind: EventKind,
        origin: Origin,
        headers: &[(&str, &str)],
    ) {
        let last = std::mem::replace(&mut self.sequence, place.sequence - 1);
        self.general(place.at, kind, origin, headers, None);
        self.sequence = last;
    }

    /// Sends a client's event that a channel passes on: with its own headers and the channel's alone.
    pub(crate) fn passed_on(
        &mut self,
        now: Duration,
        kind: EventKind,
        channel: &Channel,
        headers: &[(String, String)],
        body: Option<&str>,
    ) {
        self.publish(now, kind, None, body, |writer, _| {
            for (name, value) in headers {
                writer.header(name, value);
            }
            channel.write_basic(writer, kind);
        });
    }

    /// Sends the message that a channel has dealt with: its headers, then what the channel says about itself.
    pub(crate) fn private_command(&mut self, now: Duration, origin: Origin, channel: &Channel, message: &Message) {
        let verbose = self.verbose;
        let kind = EventKind::PRIVATE_COMMAND;
        self.publish(now, kind, None, message.body.as_deref(), |writer, head| {
            for (name, value) in &message.headers {
                writer.header(name, value);
            }
            head(writer, kind, origin);
            channel.write(writer, kind, verbose);
        });
    }

    /// The headers that an event of the server's own begins with, for one that is not sent yet.
    pub(crate) fn head(&mut self, now: Duration, kind: EventKind, origin: Origin) -> Vec<(String, String)> {
        self.sequence += 1;
        self.date(now);
        let mut writer = EventWriter::list();
        self.write_head(&mut writer, kind, origin);
        writer.into_list()
    }

    /// A client's event for one listener, just as it came.
    pub(crate) fn divert(&mut self, listener: ListenerId, headers: &[(String, String)], body: Option<&str>) {
        let Some(subscription) = self.subscriptions.get(&listener).filter(|known| known.is_enabled()) else { return };
        let mut writer = EventWriter::new(subscription.format, std::mem::take(&mut self.scratch));
        for (name, value) in headers {
            writer.header(name, value);
        }
        let frame;
        (frame, self.scratch) = writer.finish(body, &mut self.space);
        self.outbox.push(Output::Event(listener, frame));
    }

    /// All that a channel says about itself, its caller profile twice, then `after`: the plain form alone, without
    /// a frame.
    pub(crate) fn snapshot(&mut self, now: Duration, channel: &Channel, after: &[(&str, &str)]) -> Bytes {
        self.sequence += 1;
        self.date(now);
        let mut writer = EventWriter::new(Format::Plain, Vec::new());
        self.write_head(&mut writer, EventKind::CHANNEL_DATA, Origin("mod_event_socket.c", "parse_command", 2021));
        let mut profile = EventWriter::list();
        channel.write_caller(&mut profile);
        for (name, value) in profile.into_list() {
            writer.header(&name.replacen("Caller", "Channel", 1), &value);
        }
        channel.write(&mut writer, EventKind::CHANNEL_DATA, self.verbose);
        for (name, value) in after {
            writer.header(name, value);
        }
        writer.finish_bare()
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
        let mut outbox = std::mem::take(&mut self.outbox);
        let mut space = std::mem::take(&mut self.space);
        let mut headers = None;
        let write = |writer: &mut EventWriter| {
            write(writer, &|writer, kind, origin| self.write_head(writer, kind, origin));
        };
        for (listener, subscription) in &self.subscriptions {
            if !subscription.wants(kind, subclass) {
                continue;
            }
            if subscription.looks_inside() {
                let headers = headers.get_or_insert_with(|| {
                    let mut writer = EventWriter::list();
                    write(&mut writer);
                    writer.into_list()
                });
                if !subscription.passes(headers) {
                    continue;
                }
            }
            let format = subscription.format;
            let frame = frames[format as usize].get_or_insert_with(|| {
                let mut writer = EventWriter::new(format, std::mem::take(&mut scratch));
                write(&mut writer);
                let frame;
                (frame, scratch) = writer.finish(body, &mut space);
                frame
            });
            outbox.push(Output::Event(*listener, frame.clone()));
        }
        self.outbox = outbox;
        self.scratch = scratch;
        self.space = space;
    }

    fn write_head(&self, writer: &mut EventWriter, kind: EventKind, origin: Origin) {
        writer.header("Event-Name", kind.name());
        if writer.takes_rendered() {
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
