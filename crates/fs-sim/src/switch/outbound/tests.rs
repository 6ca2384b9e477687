//! Conversations with the switch alone about channels that connections control, at given instants.

use std::{net::SocketAddr, time::Duration};

use crate::{
    Config,
    clock::Stamp,
    command::{AUTH_TIMEOUT, Command},
    event::{ListenerId, Output},
    switch::Switch,
};

const WATCHER: ListenerId = ListenerId(1);

const NAMES: &str = "CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_PARK CHANNEL_UNPARK CHANNEL_HANGUP \
                     CHANNEL_HANGUP_COMPLETE CHANNEL_DESTROY";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A switch with somebody who watches, and what has come out of it.
struct Talk {
    switch: Switch,
    now: Duration,
    dials: Vec<(ListenerId, SocketAddr)>,
    /// Replies and notices of connections other than the watcher's, by their first line that says something.
    heard: Vec<String>,
    watched: Vec<String>,
}

impl Talk {
    fn new() -> Talk {
        let mut switch =
            Switch::new(&Config::default(), None, Stamp(1_795_393_566_000_000)).expect("a possible callee");
        switch.connect(Duration::ZERO, WATCHER);
        let mut talk = Talk { switch, now: Duration::ZERO, dials: Vec::new(), heard: Vec::new(), watched: Vec::new() };
        talk.says(WATCHER, "auth ClueCon");
        talk.says(WATCHER, &format!("event plain {NAMES}"));
        talk
    }

    /// A channel that runs `socket(DATA)`, and what it has told of it.
    fn calling(data: &str) -> Talk {
        let mut talk = Talk::new();
        talk.says(WATCHER, &format!("bgapi originate {{origination_uuid=u}}null/x '&socket({data})'"));
        talk.waits(ms(1));
        assert_eq!(talk.story(), ["CHANNEL_EXECUTE socket"]);
        talk
    }

    /// The same with a connection that has said `connect`.
    fn connected(data: &str) -> (Talk, ListenerId) {
        let mut talk = Talk::calling(data);
        let listener = talk.dialled();
        talk.says(listener, "connect");
        talk.story();
        talk.heard.clear();
        (talk, listener)
    }

    fn dialled(&mut self) -> ListenerId {
        let (listener, _) = self.dials.pop().expect("a connection that is wanted");
        self.switch.dialled(self.now, listener);
        self.hears();
        listener
    }

    fn says(&mut self, listener: ListenerId, text: &str) {
        let mut lines = text.lines();
        let line = lines.next().expect("a command").to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.switch.command(self.now, listener, &Command { line, headers, body: None });
        self.hears();
    }

    fn executes(&mut self, listener: ListenerId, application: &str, data: &str) {
        let text = format!("sendmsg\ncall-command: execute\nexecute-app-name: {application}\nexecute-app-arg: {data}");
        self.says(listener, &text);
    }

    fn waits(&mut self, time: Duration) {
        self.now += time;
        self.switch.advance(self.now);
        self.hears();
    }

    fn disconnects(&mut self, listener: ListenerId) {
        self.switch.disconnect(self.now, listener);
        self.hears();
    }

    fn hears(&mut self) {
        let value = |text: &str, name: &str| {
            text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
        };
        for output in self.switch.drain() {
            match output {
                Output::Event(WATCHER, bytes) => {
                    let text = String::from_utf8_lossy(&bytes);
                    let parts = [value(&text, "Event-Name"), value(&text, "Application")];
                    self.watched.push(parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
                }
                Output::Event(..) => self.heard.push("an event".to_owned()),
                Output::Dial(listener, address) => self.dials.push((listener, address)),
                Output::Reply(listener, bytes)
                | Output::Goodbye(listener, bytes)
                | Output::Close(listener, bytes)
                | Output::Notice(listener, bytes)
                    if listener != WATCHER =>
                {
                    let text = String::from_utf8_lossy(&bytes);
                    let told = value(&text, "Reply-Text").or_else(|| value(&text, "Content-Disposition"));
                    self.heard.push(told.unwrap_or_else(|| text.into_owned()));
                }
                _ => {}
            }
        }
    }

    fn story(&mut self) -> Vec<String> {
        std::mem::take(&mut self.watched)
    }

    fn exists(&self) -> bool {
        self.switch.find("u").is_some()
    }
}

#[test]
fn hosts_are_tried_in_order_and_nobody_off_loopback() {
    let mut talk = Talk::calling("192.0.2.1:1|127.0.0.1:7/some/path|localhost|[::1]|127.0.0.9:8/x full");
    for expected in ["127.0.0.1:7", "127.0.0.1:7", "127.0.0.9:8"] {
        let (listener, address) = talk.dials.pop().expect("a connection that is wanted");
        assert_eq!(address.to_string(), expected, "a host without a port has the one before");
        talk.switch.dial_failed(talk.now, listener);
        talk.hears();
    }
    assert!(talk.dials.is_empty());
    assert_eq!(talk.story(), ["CHANNEL_EXECUTE_COMPLETE socket", "CHANNEL_HANGUP"]);

    let mut talk = Talk::new();
    talk.says(WATCHER, "bgapi originate null/x '&socket(192.0.2.1:8084 async full)'");
    talk.waits(ms(1));
    assert!(talk.dials.is_empty(), "not even one");
    assert_eq!(talk.story()[..2], ["CHANNEL_EXECUTE socket", "CHANNEL_EXECUTE_COMPLETE socket"]);
}

#[test]
fn the_first_command_has_no_reply_unless_it_is_connect() {
    let mut talk = Talk::calling("127.0.0.1:7 async full");
    let listener = talk.dialled();
    talk.says(listener, "myevents");
    assert_eq!(talk.heard, [""], "an answer without a byte");
    talk.says(listener, "myevents");
    assert_eq!(talk.heard[1], "-ERR aready enabled.");
    assert_eq!(talk.story(), [""; 0], "it is not parked before the client connects");
    talk.says(listener, "connect");
    assert_eq!(talk.heard[2], "%2BOK%0A");
    assert_eq!(talk.story(), ["CHANNEL_PARK"]);
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let mut talk = Talk::calling("127.0.0.1:7 async full");
    let listener = talk.dialled();
    talk.waits(AUTH_TIMEOUT - ms(2));
    assert_eq!(talk.heard, [""; 0]);
    talk.waits(ms(2));
    assert_eq!(talk.heard, ["disconnect"]);
    talk.disconnects(listener);
    assert_eq!(talk.story(), ["CHANNEL_PARK"]);
    talk.waits(ms(60_000));
    assert!(talk.exists(), "a channel that parks without its connection stays");

    let mut talk = Talk::new();
    let (silent, slow) = (ListenerId(2), ListenerId(3));
    talk.switch.connect(talk.now, silent);
    talk.switch.connect(talk.now, slow);
    talk.says(slow, "noop");
    talk.waits(AUTH_TIMEOUT);
    assert_eq!(talk.heard[0], "-ERR command not found");
    assert!(talk.heard[1].contains("text/disconnect-notice") && talk.heard.len() == 2, "{:?}", talk.heard);
}

#[test]
fn a_synchronous_message_is_answered_when_it_is_done() {
    let (mut talk, listener) = Talk::connected("127.0.0.1:7");
    talk.executes(listener, "set", "a=b");
    assert_eq!(talk.heard, ["+OK"]);
    talk.executes(listener, "sleep", "300");
    talk.waits(ms(299));
    assert_eq!(talk.heard.len(), 1);
    talk.waits(ms(1));
    assert_eq!(talk.heard, ["+OK", "+OK"]);
    assert_eq!(
        talk.story(),
        [
            "CHANNEL_EXECUTE set",
            "CHANNEL_EXECUTE_COMPLETE set",
            "CHANNEL_EXECUTE sleep",
            "CHANNEL_EXECUTE_COMPLETE sleep"
        ]
    );
    talk.says(listener, "sendmsg\nasync: true\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: c=d");
    talk.waits(ms(1_000));
    assert_eq!((talk.heard.len(), talk.story()), (3, Vec::new()), "nothing looks at the queue");
}

#[test]
fn a_killed_synchronous_channel_waits_for_its_connection() {
    let (mut talk, listener) = Talk::connected("127.0.0.1:7 full");
    talk.says(listener, "linger 1");
    talk.executes(listener, "sleep", "5000");
    talk.says(WATCHER, "api uuid_kill u");
    talk.waits(ms(20));
    assert_eq!(talk.heard, ["+OK will linger 1 seconds", "+OK", "linger"]);
    assert_eq!(talk.story(), ["CHANNEL_EXECUTE sleep", "CHANNEL_HANGUP", "CHANNEL_EXECUTE_COMPLETE sleep"]);
    talk.says(listener, "getvar socket_host");
    talk.executes(listener, "answer", "");
    talk.executes(listener, "set", "a=b");
    assert_eq!(talk.heard[3..], ["127.0.0.1", "+OK", "+OK"]);
    assert_eq!(talk.story(), ["CHANNEL_EXECUTE set", "CHANNEL_EXECUTE_COMPLETE set"]);
    talk.waits(ms(2_000));
    assert_eq!(talk.heard[6..], ["disconnect"]);
    talk.disconnects(listener);
    assert_eq!(talk.story(), ["CHANNEL_EXECUTE_COMPLETE socket", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY"]);
    assert!(!talk.exists());
}

#[test]
fn a_lingering_connection_keeps_an_asynchronous_channel_from_its_end() {
    let (mut talk, listener) = Talk::connected("127.0.0.1:7 full async");
    talk.says(listener, "linger");
    talk.says(WATCHER, "api uuid_kill u");
    talk.waits(ms(20));
    assert_eq!(talk.heard, ["+OK will linger", "linger"]);
    assert_eq!(
        talk.story(),
        ["CHANNEL_HANGUP", "CHANNEL_UNPARK", "CHANNEL_EXECUTE_COMPLETE socket", "CHANNEL_HANGUP_COMPLETE"]
    );
    assert!(!talk.exists() && talk.switch.figures().channels == 1);
    talk.waits(ms(3_600_000));
    talk.disconnects(listener);
    assert_eq!((talk.story(), talk.switch.figures().channels), (vec!["CHANNEL_DESTROY".to_owned()], 0));
}

#[test]
fn what_comes_after_a_connection() {
    for (data, resumes, expected) in [
        ("127.0.0.1:7", false, &["CHANNEL_EXECUTE_COMPLETE socket", "CHANNEL_HANGUP"][..]),
        ("127.0.0.1:7", true, &["CHANNEL_EXECUTE_COMPLETE socket"]),
        ("127.0.0.1:7 async", false, &["CHANNEL_UNPARK", "CHANNEL_EXECUTE_COMPLETE socket", "CHANNEL_HANGUP"]),
        ("127.0.0.1:7 async", true, &["CHANNEL_UNPARK", "CHANNEL_EXECUTE_COMPLETE socket", "CHANNEL_HANGUP"]),
    ] {
        let (mut talk, listener) = Talk::connected(data);
        if resumes {
            talk.says(listener, "resume");
        }
        talk.says(listener, "exit");
        talk.disconnects(listener);
        assert_eq!(talk.story(), expected, "{data}, resumes: {resumes}");
    }
}

#[test]
fn a_channel_that_is_gone_before_its_connection() {
    let mut talk = Talk::calling("127.0.0.1:7 full");
    talk.says(WATCHER, "api uuid_kill u");
    talk.waits(ms(20));
    assert!(!talk.exists());
    talk.dialled();
    assert_eq!(talk.heard.len(), 1, "the connection is closed again");
    assert_eq!(talk.switch.figures().listeners, 1);
}

#[test]
fn diverted_events_go_to_the_connection_and_parked_channels_pass_them_on() {
    let (mut talk, listener) = Talk::connected("127.0.0.1:7 full async");
    talk.says(listener, "event plain NOTIFY");
    talk.says(WATCHER, "event plain NOTIFY");
    talk.says(listener, "divert_events on");
    talk.heard.clear();
    talk.says(WATCHER, "sendevent NOTIFY\nUnique-ID: u");
    assert_eq!((talk.story(), talk.heard.as_slice()), (Vec::new(), &["an event".to_owned()][..]));
    talk.says(listener, "divert_events off");
    talk.says(WATCHER, "sendevent NOTIFY\nUnique-ID: u");
    assert_eq!(talk.story(), [""], "an event without a name of its own");
}
