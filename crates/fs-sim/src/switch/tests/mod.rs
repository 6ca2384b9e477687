//! Conversations with the switch alone, at given instants.

mod api;
mod bounds;
mod control;
mod facts;
mod leg;
mod media;
mod network;
mod orders;
mod random;

use std::{collections::BTreeMap, time::Duration};

use super::Switch;
use crate::{
    Callee, Config, Delay,
    clock::Stamp,
    command::Command,
    event::{ListenerId, Output},
};

const ME: ListenerId = ListenerId(1);

/// Events that most tests do not ask for.
const BESIDE: [&str; 10] = [
    "HEARTBEAT",
    "API",
    "CODEC",
    "CALL_UPDATE",
    "CHANNEL_CALLSTATE",
    "CHANNEL_OUTGOING",
    "CHANNEL_UUID",
    "ADD_SCHEDULE",
    "RE_SCHEDULE",
    "DEL_SCHEDULE",
];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A switch with one listener to all events, and what it has said so far.
struct Talk {
    switch: Switch,
    now: Duration,
    replies: Vec<String>,
    events: Vec<String>,
}

impl Talk {
    fn new(config: Config) -> Talk {
        let mut switch = Switch::new(&config, None, Stamp(1_795_393_566_000_000)).expect("a possible callee");
        switch.connect(Duration::ZERO, ME);
        let mut talk = Talk { switch, now: Duration::ZERO, replies: Vec::new(), events: Vec::new() };
        talk.say("auth ClueCon");
        talk.say("event plain ALL");
        talk.replies.clear();
        talk
    }

    fn roomy() -> Talk {
        Talk::new(Config { sessions_per_second: 1_000, ..Config::default() })
    }

    fn say(&mut self, line: &str) {
        self.switch.command(self.now, ME, &Command { line: line.to_owned(), ..Command::default() });
        self.hear();
    }

    /// A `sendmsg` that executes an application.
    fn execute(&mut self, uuid: &str, application: &str, data: &str, more: &[(&str, &str)]) {
        let own = [("call-command", "execute"), ("execute-app-name", application), ("execute-app-arg", data)];
        let headers = own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let line = format!("sendmsg {uuid}");
        self.switch.command(self.now, ME, &Command { line, headers, ..Command::default() });
        self.hear();
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.switch.advance(self.now);
        self.hear();
    }

    fn hear(&mut self) {
        for output in self.switch.drain() {
            match output {
                Output::Reply(_, bytes) | Output::Goodbye(_, bytes) => {
                    self.replies.push(String::from_utf8_lossy(&bytes).into_owned())
                }
                Output::Event(_, bytes) => self.events.push(String::from_utf8_lossy(&bytes).into_owned()),
                Output::Log(..)
                | Output::Flush(_)
                | Output::Notice(..)
                | Output::Close(..)
                | Output::Packet(_)
                | Output::Copy(_)
                | Output::Dial(..) => {}
            }
        }
    }

    /// Name, channel and application of each event of applications, bridges and hang-ups since the last call.
    fn doings(&mut self) -> Vec<String> {
        let tell = |event: String| {
            let value =
                |name: &str| event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
            let words = ["Event-Name", "Unique-ID", "Application", "Application-Response", "Playback-Status"];
            let words = words.into_iter().filter_map(value).collect::<Vec<_>>();
            words.join(" ").replace("CHANNEL_", "").replace("EXECUTE_COMPLETE", "COMPLETE")
        };
        let unwanted = ["BACKGROUND_JOB", "CREATE", "ORIGINATE", "DESTROY", "HANGUP_COMPLETE", "STATE", "MEDIA_BUG"];
        let unwanted = unwanted
            .into_iter()
            .chain(["PRIVATE_COMMAND", "COMMAND"])
            .chain(BESIDE.map(|name| name.strip_prefix("CHANNEL_").unwrap_or(name)));
        let unwanted: Vec<&str> = unwanted.collect();
        self.events.drain(..).map(tell).filter(|told| !unwanted.iter().any(|name| told.starts_with(name))).collect()
    }

    /// Who has hung up since the last call, and why.
    fn hangups(&mut self) -> Vec<String> {
        let value = |event: &str, name: &str| {
            event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
        };
        let ends = self.events.drain(..).filter(|event| event.contains("Event-Name: CHANNEL_HANGUP\n"));
        ends.map(|event| ["Unique-ID", "Hangup-Cause"].map(|name| value(&event, name).unwrap_or_default()).join(" "))
            .collect()
    }

    /// Name, channel's last four digits and cause of each event since the last call.
    fn story(&mut self) -> Vec<String> {
        let value = |event: &str, name: &str| {
            event
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
                .unwrap_or_default()
        };
        let tell = |event: String| {
            let body = event.rsplit_once("\n\n").map_or("", |(_, body)| body).trim().to_owned();
            let words =
                [value(&event, "Event-Name"), value(&event, "Call-Direction"), value(&event, "Hangup-Cause"), body];
            words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let unwanted = ["CHANNEL_EXECUTE", "CHANNEL_UNPARK", "CHANNEL_STATE"];
        let wanted = |told: &String| !unwanted.iter().chain(&BESIDE).any(|name| told.starts_with(name));
        self.events.drain(..).map(tell).filter(wanted).collect()
    }

    fn last_reply(&self) -> &str {
        self.replies.last().map_or("", |reply| reply.rsplit_once("\n\n").map_or("", |(_, body)| body))
    }
}

#[test]
fn an_answered_call_from_its_invite_to_its_end() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=near}sofia/external/9196@127.0.0.1:5080 &park()");
    assert_eq!(talk.story(), ["CHANNEL_CREATE outbound", "CHANNEL_ORIGINATE outbound"]);
    talk.wait(ms(1));
    assert_eq!(talk.story(), ["CHANNEL_CREATE inbound", "CHANNEL_ANSWER inbound"]);
    talk.wait(ms(1));
    assert_eq!(talk.story(), ["CHANNEL_ANSWER outbound", "BACKGROUND_JOB +OK near", "CHANNEL_PARK outbound"]);
    talk.wait(ms(500));
    assert_eq!(talk.switch.figures().channels, 2);
    talk.say("api uuid_kill near USER_BUSY");
    assert_eq!(talk.last_reply(), "+OK\n");
    assert_eq!(talk.story(), ["CHANNEL_HANGUP outbound USER_BUSY"]);
    talk.wait(ms(50));
    assert_eq!(
        talk.story(),
        [
            "CHANNEL_HANGUP_COMPLETE outbound USER_BUSY",
            "CHANNEL_DESTROY outbound USER_BUSY",
            "CHANNEL_HANGUP inbound USER_BUSY",
            "CHANNEL_HANGUP_COMPLETE inbound USER_BUSY",
            "CHANNEL_DESTROY inbound USER_BUSY",
        ]
    );
    assert_eq!((talk.switch.figures().channels, talk.switch.figures().sessions_since_startup), (0, 2));
}

#[test]
fn the_far_leg_meets_the_limit_and_the_near_one_fails_with_503() {
    let mut talk = Talk::new(Config { max_sessions: 1, ..Config::default() });
    talk.say("bgapi originate {origination_uuid=near}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(ms(10));
    assert!(talk.events.iter().any(|event| event.contains("variable_sip_term_status: 503")));
    let story = talk.story();
    assert!(story.contains(&"BACKGROUND_JOB -ERR NORMAL_TEMPORARY_FAILURE".to_owned()), "{story:?}");
    assert!(!story.iter().any(|told| told.contains("inbound")), "{story:?}");
    assert_eq!(talk.switch.figures().refused, 1);
}

#[test]
fn refusals_leave_no_channel() {
    let mut talk = Talk::roomy();
    let refused = ["BACKGROUND_JOB -ERR DESTINATION_OUT_OF_ORDER"];
    talk.say("api fsctl pause");
    talk.say("bgapi originate null/x &park()");
    assert_eq!(talk.story(), refused);
    talk.say("api fsctl resume");
    talk.say("bgapi originate {origination_uuid=one}null/x &park()");
    talk.wait(ms(1));
    talk.story();
    talk.say("bgapi originate {origination_uuid=one}sofia/external/9196@127.0.0.1:5080 &park()");
    assert_eq!(talk.story(), refused);
    assert_eq!((talk.switch.figures().refused, talk.switch.figures().channels), (2, 1));
}

#[test]
fn early_media_answers_unless_it_is_ignored() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate sofia/external/early500@127.0.0.1:5080 &park()");
    talk.wait(ms(100));
    let story = talk.story();
    assert!(story[2..].iter().any(|told| told.starts_with("BACKGROUND_JOB +OK")), "{story:?}");
    assert!(!story.iter().any(|told| told.starts_with("CHANNEL_ANSWER")), "{story:?}");

    let mut talk = Talk::roomy();
    talk.say("bgapi originate {ignore_early_media=true}sofia/external/early500@127.0.0.1:5080 &park()");
    talk.wait(ms(100));
    assert_eq!(talk.story()[3..], ["CHANNEL_PROGRESS_MEDIA inbound", "CHANNEL_PROGRESS_MEDIA outbound"]);
    talk.wait(ms(500));
    let story = talk.story();
    assert_eq!(story[..2], ["CHANNEL_ANSWER inbound", "CHANNEL_ANSWER outbound"]);
    assert!(story[2].starts_with("BACKGROUND_JOB +OK"), "{story:?}");
}

#[test]
fn patience_counts_whole_seconds_of_the_epoch() {
    for (begins, gives_up_after) in [(ms(0), ms(1_000)), (ms(450), ms(560)), (ms(999), ms(20))] {
        let mut talk = Talk::roomy();
        talk.wait(begins);
        talk.say("bgapi originate {originate_timeout=1}sofia/external/noanswer@127.0.0.1:5080 &park()");
        talk.wait(gives_up_after - ms(1));
        assert!(!talk.story().iter().any(|told| told.starts_with("BACKGROUND_JOB")), "{begins:?}");
        talk.wait(ms(1));
        assert!(talk.story().contains(&"BACKGROUND_JOB -ERR NO_ANSWER".to_owned()), "{begins:?}");
        talk.wait(ms(10));
        assert!(talk.story().contains(&"CHANNEL_DESTROY inbound ORIGINATOR_CANCEL".to_owned()), "{begins:?}");
    }
}

#[test]
fn an_api_originate_answers_when_the_call_does() {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=near}sofia/external/ring700@127.0.0.1:5080 &park()");
    talk.wait(ms(690));
    assert_eq!(talk.replies.len(), 0);
    talk.wait(ms(20));
    assert_eq!(talk.last_reply(), "+OK near\n");
}

#[test]
fn one_uuid_is_job_and_channel() {
    let mut talk = Talk::roomy();
    talk.say("api bgapi uuid:one originate {origination_uuid=one}null/x &park()");
    talk.wait(ms(1));
    assert_eq!(talk.last_reply(), "+OK Job-UUID: one\n");
    assert!(talk.events.iter().any(|event| event.contains("Job-UUID: one\n") && event.ends_with("+OK one\n")));
    talk.say("api show channels like one as json");
    assert!(talk.last_reply().contains("\"uuid\":\"one\""), "{}", talk.last_reply());
    talk.say("api show channels like two as json");
    assert_eq!(talk.last_reply(), "{\"row_count\": 0}\n");
}

#[test]
fn a_scheduled_hangup_counts_whole_seconds_and_can_be_deleted() {
    let mut talk = Talk::roomy();
    talk.wait(ms(1_900));
    talk.say(
        "bgapi originate {origination_uuid=one,execute_on_answer='sched_hangup +1 allotted_timeout'}null/x &park()",
    );
    talk.say("bgapi originate {origination_uuid=two}null/x &park()");
    talk.wait(ms(1));
    talk.say("api sched_hangup +1 two");
    talk.say("api sched_del two");
    assert_eq!(talk.last_reply(), "+OK Deleted: 1\n");
    talk.wait(ms(98));
    talk.story();
    talk.wait(ms(2));
    assert_eq!(talk.story(), ["CHANNEL_HANGUP outbound ALLOTTED_TIMEOUT"]);
    talk.wait(ms(5_000));
    assert_eq!(talk.switch.figures().channels, 1);
}

#[test]
fn hupall_with_an_empty_value_meets_everybody() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {run=mine}null/x &park()");
    talk.say("bgapi originate {run=other}null/x &park()");
    talk.wait(ms(1));
    talk.say("api hupall NORMAL_CLEARING run mine");
    talk.wait(ms(20));
    assert_eq!(talk.switch.figures().channels, 1);
    talk.say("api hupall NORMAL_CLEARING run ");
    talk.wait(ms(20));
    assert_eq!(talk.switch.figures().channels, 0);
}

#[test]
fn callees_fail_by_share_and_answer_late() {
    let failures = BTreeMap::from([("USER_BUSY".to_owned(), 0.2.into()), ("CALL_REJECTED".to_owned(), 0.1.into())]);
    let callee = Callee {
        ring_after: Some(Delay::Constant(ms(30))),
        answer_after: Some(Delay::Constant(ms(200))),
        failures,
        ..Callee::default()
    };
    let config = Config { max_sessions: 10_000, sessions_per_second: 10_000, callee, ..Config::default() };
    let outcomes = |seed| {
        let mut talk = Talk::new(Config { seed, ..config.clone() });
        for _ in 0..500 {
            talk.say("bgapi originate {ignore_early_media=true}sofia/external/9196@127.0.0.1:5080 &park()");
        }
        talk.wait(ms(230));
        let early = talk.story();
        assert!(!early.iter().any(|told| told.starts_with("CHANNEL_ANSWER")));
        talk.wait(ms(10));
        let late = talk.story();
        let count = |story: &[String], word: &str| story.iter().filter(|told| told.starts_with(word)).count();
        [
            count(&early, "BACKGROUND_JOB -ERR USER_BUSY"),
            count(&early, "BACKGROUND_JOB -ERR CALL_REJECTED"),
            count(&early, "CHANNEL_PROGRESS outbound"),
            count(&late, "CHANNEL_ANSWER outbound"),
        ]
    };
    let [busy, rejected, rang, answered] = outcomes(1);
    assert!((80..120).contains(&busy) && (35..65).contains(&rejected), "{busy} {rejected}");
    assert_eq!((rang, answered), (500 - busy - rejected, rang));
    assert_eq!(outcomes(1), [busy, rejected, rang, answered]);
    assert_ne!(outcomes(2), [busy, rejected, rang, answered]);
}

#[test]
fn nothing_is_written_that_nobody_wants() {
    let mut talk = Talk::roomy();
    talk.say("noevents");
    talk.say("bgapi originate null/x &park()");
    talk.wait(ms(1));
    assert_eq!(talk.events.len(), 0);
    talk.say("event plain CHANNEL_PARK");
    talk.say("bgapi originate null/x &park()");
    talk.wait(ms(1));
    assert_eq!(talk.story(), ["CHANNEL_PARK outbound"]);
}

#[test]
fn a_client_event_reaches_those_who_asked_for_its_subclass() {
    let mut talk = Talk::roomy();
    let other = ListenerId(2);
    talk.switch.connect(talk.now, other);
    let say = |talk: &mut Talk, line: &str| {
        let headers = vec![
            ("Event-Subclass".to_owned(), "demo::hello".to_owned()),
            ("X-Note".to_owned(), "café 100%".to_owned()),
        ];
        talk.switch.command(talk.now, other, &Command { line: line.to_owned(), headers, body: None });
        talk.switch.drain().collect::<Vec<_>>()
    };
    say(&mut talk, "auth ClueCon");
    say(&mut talk, "event plain CUSTOM demo::hello");
    let heard = say(&mut talk, "sendevent CUSTOM");
    let events: Vec<_> = heard
        .iter()
        .filter_map(|output| if let Output::Event(to, bytes) = output { Some((*to, bytes)) } else { None })
        .collect();
    assert_eq!(events.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [ME, other]);
    let text = String::from_utf8_lossy(events[1].1);
    assert!(text.contains("Event-Name: CUSTOM\n") && text.contains("X-Note: caf%C3%A9%20100%25\n"), "{text}");
}

#[test]
fn a_uuid_in_use_is_refused_over_sip_and_replaced_elsewhere() {
    let uuid = "aaaaaaaa-0000-4000-8000-000000000001";
    let mut talk = Talk::roomy();
    talk.say(&format!("api originate {{origination_uuid={uuid}}}null/x &park()"));
    talk.wait(ms(100));
    assert!(talk.replies.concat().contains(&format!("+OK {uuid}")), "{:?}", talk.replies);
    talk.replies.clear();
    talk.say(&format!("api originate {{origination_uuid={uuid}}}sofia/external/9196@127.0.0.1:5080 &park()"));
    assert!(talk.replies.concat().contains("-ERR DESTINATION_OUT_OF_ORDER"), "{:?}", talk.replies);
    talk.replies.clear();
    talk.say(&format!("api originate {{origination_uuid={uuid}}}null/x &park()"));
    talk.wait(ms(100));
    let replies = talk.replies.concat();
    assert!(replies.contains("+OK ") && !replies.contains(uuid), "{replies}");
}
