//! Facts measured on a real server that take time to show: here they take none.

use std::time::Duration;

use super::{Talk, ms};
use crate::{
    Config,
    command::Command,
    event::{ListenerId, Output},
    switch::Switch,
};

const SECOND: Duration = Duration::from_secs(1);

impl Talk {
    /// Lets time pass until an event has this text: how long it took, in steps of 1 ms.
    fn until(&mut self, text: &str) -> Duration {
        let began = self.now;
        let mut looked_at = 0;
        while !self.events[looked_at..].iter().any(|event| event.contains(text)) {
            looked_at = self.events.len();
            assert!(self.now < began + Duration::from_secs(120), "no {text}");
            self.wait(ms(1));
        }
        self.now - began
    }

    /// The value of a header in the last event of this name.
    fn of_last(&self, name: &str, header: &str) -> String {
        let event = self.events.iter().rev().find(|event| event.contains(&format!("Event-Name: {name}\n")));
        let event = event.unwrap_or_else(|| panic!("no {name}"));
        let value = event.lines().find_map(|line| line.strip_prefix(&format!("{header}: ")));
        value.unwrap_or_else(|| panic!("no {header} in {event}")).to_owned()
    }
}

#[test]
fn fact_1_server_time_moves_in_steps_of_20_ms() {
    let mut talk = Talk::roomy();
    for _ in 0..300 {
        talk.say("sendevent CUSTOM");
        talk.wait(ms(1));
    }
    let stamp = |event: &String| {
        let value = event.lines().find_map(|line| line.strip_prefix("Event-Date-Timestamp: "));
        value.and_then(|value| value.parse::<u64>().ok()).expect("a time")
    };
    let mut stamps: Vec<u64> = talk.events.iter().map(stamp).collect();
    stamps.dedup();
    assert!(stamps.len() >= 15 && stamps.windows(2).all(|two| two[1] - two[0] == 20_000), "{stamps:?}");
}

#[test]
fn fact_3_one_less_than_the_rate_passes_in_a_second() {
    let mut talk = Talk::new(Config { sessions_per_second: 5, ..Config::default() });
    for _ in 0..8 {
        talk.say("api originate null/x &park()");
    }
    talk.wait(ms(0));
    let taken = talk.replies.iter().filter(|reply| reply.contains("+OK")).count();
    let refused = talk.replies.iter().filter(|reply| reply.contains("-ERR DESTINATION_OUT_OF_ORDER")).count();
    assert_eq!((taken, refused), (4, 4));
    let created = talk.events.iter().filter(|event| event.contains("Event-Name: CHANNEL_CREATE")).count();
    assert_eq!(created, 4, "a refused call has no channel");
    talk.wait(SECOND);
    talk.say("api originate null/x &park()");
    talk.wait(ms(0));
    assert!(talk.last_reply().starts_with("+OK"));
}

#[test]
fn fact_3_where_the_far_leg_meets_the_limit_the_near_one_fails_with_503() {
    let mut talk = Talk::new(Config { max_sessions: 1, sessions_per_second: 100, ..Config::default() });
    talk.say("bgapi originate {origination_uuid=near}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.until("Event-Name: CHANNEL_HANGUP_COMPLETE");
    assert_eq!(talk.of_last("CHANNEL_HANGUP_COMPLETE", "Unique-ID"), "near");
    assert_eq!(talk.of_last("CHANNEL_HANGUP_COMPLETE", "variable_sip_term_status"), "503");
    assert_eq!(talk.of_last("CHANNEL_HANGUP_COMPLETE", "Hangup-Cause"), "NORMAL_TEMPORARY_FAILURE");
}

#[test]
fn fact_3_a_call_to_itself_is_two_sessions_and_one_to_null_is_one() {
    let mut talk = Talk::roomy();
    talk.say("api originate null/x &park()");
    assert_eq!(talk.switch.figures().sessions_since_startup, 1);
    talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(SECOND);
    assert_eq!(talk.switch.figures().sessions_since_startup, 3);
}

#[test]
fn fact_6_sched_hangup_counts_whole_epoch_seconds() {
    for offset in [0, 100, 350, 600, 900, 990] {
        let mut talk = Talk::roomy();
        talk.wait(ms(offset));
        talk.say(
            "api originate {origination_uuid=u,execute_on_answer='sched_hangup +2 allotted_timeout'}null/x &park()",
        );
        let lived = talk.until("Event-Name: CHANNEL_HANGUP\n");
        assert!((ms(1_000)..=ms(2_500)).contains(&lived), "answered at {offset} ms it lived {lived:?}");
        assert_eq!(talk.of_last("CHANNEL_HANGUP", "Hangup-Cause"), "ALLOTTED_TIMEOUT");
    }
}

#[test]
fn fact_6_a_second_one_does_not_replace_the_first_and_half_a_second_is_none() {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=u}null/x &park()");
    talk.say("api sched_hangup +2 u");
    talk.say("api sched_hangup +100 u");
    assert!(talk.until("Event-Name: CHANNEL_HANGUP\n") < Duration::from_secs(3));

    talk.say("api originate {origination_uuid=v}null/x &park()");
    talk.say("api sched_hangup +2 v");
    talk.say("api sched_hangup +3 v");
    talk.say("api sched_del v");
    assert_eq!(talk.last_reply(), "+OK Deleted: 2\n");
    talk.wait(Duration::from_secs(60));
    assert!(talk.switch.find("v").is_some());
    talk.say("api sched_hangup +0.5 v");
    talk.wait(SECOND);
    assert!(talk.switch.find("v").is_none());

    talk.say("api originate {origination_uuid=w}null/x &park()");
    talk.say("api sched_hangup +1 w USER_BUSY");
    talk.until("Hangup-Cause: USER_BUSY\n");
}

/// A switch whose SIP messages are copied, in which a new session takes so long.
fn copied(service_time: Option<crate::Delay>) -> Talk {
    let hep = Some(crate::Hep::new(([127, 0, 0, 1], 9060).into()));
    let capacity = crate::Capacity { service_time, ..crate::Capacity::default() };
    Talk::new(Config { sessions_per_second: 1_000, hep, capacity, ..Config::default() })
}

#[test]
fn fact_16_a_channel_is_told_of_when_its_invite_has_left() {
    for service_time in [None, Some(crate::Delay::Constant(ms(30)))] {
        let mut talk = copied(service_time.clone());
        let line = "bgapi originate sofia/external/9196@127.0.0.1:5080 &park()".to_owned();
        talk.switch.command(talk.now, super::ME, &Command { line, ..Command::default() });
        let mut told = Vec::new();
        while told.len() < 2 {
            assert!(talk.now < SECOND, "{told:?}");
            for output in talk.switch.drain() {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                match output {
                    Output::Copy(datagram) if text(&datagram).contains("INVITE sip:9196") => told.push("INVITE"),
                    Output::Event(_, event) if text(&event).contains("Event-Name: CHANNEL_CREATE\n") => {
                        told.push("CHANNEL_CREATE")
                    }
                    _ => {}
                }
            }
            talk.now += ms(1);
            talk.switch.advance(talk.now);
        }
        assert_eq!(told[..2], ["INVITE", "CHANNEL_CREATE"], "{service_time:?}");
        assert_eq!(talk.now >= ms(30), service_time.is_some(), "{:?}", talk.now);
    }
}

#[test]
fn fact_15_several_sip_answers_are_one_cause_and_their_number_is_kept() {
    let statuses = ["400", "481", "500", "503"];
    let extension = crate::Extension::new("default", r"^status(\d+)$", &["respond $1"]).expect("an extension");
    let mut talk = Talk::new(Config { sessions_per_second: 1_000, dialplan: vec![extension], ..Config::default() });
    for status in statuses {
        talk.say(&format!(
            "bgapi originate {{origination_uuid=u{status}}}sofia/external/status{status}@127.0.0.1:5080 &park()"
        ));
        talk.until(&format!("Unique-ID: u{status}\n"));
        talk.until("Event-Name: CHANNEL_HANGUP_COMPLETE\n");
        talk.wait(ms(100));
        let ended = talk.events.iter().find(|event| {
            event.contains("Event-Name: CHANNEL_HANGUP_COMPLETE\n")
                && event.contains(&format!("\nUnique-ID: u{status}\n"))
        });
        let ended = ended.expect("the near leg's end");
        assert!(ended.contains("\nHangup-Cause: NORMAL_TEMPORARY_FAILURE\n"), "{status}: {ended}");
        assert!(ended.contains("\nvariable_hangup_cause_q850: 41\n"), "{status}: {ended}");
        assert!(ended.contains(&format!("\nvariable_sip_term_status: {status}\n")), "{status}: {ended}");
    }
}

#[test]
fn fact_1_a_channel_s_times_move_in_the_same_steps() {
    let mut talk = Talk::roomy();
    talk.wait(ms(1_237));
    talk.say("bgapi originate {origination_uuid=u}sofia/external/ring333@127.0.0.1:5080 &park()");
    talk.wait(ms(777));
    talk.say("api uuid_kill u");
    talk.until("Event-Name: CHANNEL_HANGUP_COMPLETE\n");
    let times = ["Created", "Progress", "Answered", "Hangup"].map(|name| {
        let value = talk.of_last("CHANNEL_HANGUP_COMPLETE", &format!("Caller-Channel-{name}-Time"));
        value.parse::<u64>().expect("a time")
    });
    assert!(times.windows(2).all(|two| (two[1] - two[0]) % 20_000 == 0), "{times:?}");
    assert!(times[3] > times[2] && times[2] > times[0], "{times:?}");
}

#[test]
fn fact_5_events_are_large_and_what_nobody_wants_is_not_sent() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=u,ignore_early_media=true}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(SECOND);
    talk.say("api uuid_kill u");
    talk.wait(SECOND);
    let kinds = ["CREATE", "PROGRESS", "ANSWER", "PARK", "HANGUP", "HANGUP_COMPLETE", "DESTROY"];
    let is_counted =
        |event: &&String| kinds.iter().any(|kind| event.contains(&format!("Event-Name: CHANNEL_{kind}\n")));
    let sizes: Vec<usize> = talk.events.iter().filter(is_counted).map(String::len).collect();
    assert!(sizes.iter().all(|size| (1_700..9_500).contains(size)), "{sizes:?}");
    talk.events.clear();
    talk.say("nixevent all");
    talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(SECOND);
    assert_eq!(talk.events, [""; 0]);
}

#[test]
fn fact_27_an_execution_ends_with_its_channel_and_never_completes_then() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=u}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(SECOND);
    talk.execute("u", "playback", "silence_stream://60000", &[("Event-UUID", "mine")]);
    talk.wait(ms(100));
    assert_eq!(talk.of_last("CHANNEL_EXECUTE", "Application-UUID"), "mine");
    talk.execute("u", "playback", "silence_stream://60000", &[("Event-UUID", "late")]);
    talk.say("api uuid_kill u");
    talk.wait(SECOND);
    let completes = |uuid: &str| {
        talk.events.iter().any(|event| {
            event.contains("Event-Name: CHANNEL_EXECUTE_COMPLETE\n")
                && event.contains(&format!("Application-UUID: {uuid}\n"))
        })
    };
    assert!(!completes("late"), "what waits when the channel ends is never begun");
}

#[test]
fn fact_3_a_dial_string_that_falls_apart_says_the_same_words() {
    let mut talk = Talk::roomy();
    talk.say("api originate {a=b c}null/x &park()");
    talk.wait(ms(10));
    assert_eq!(talk.last_reply(), "-ERR DESTINATION_OUT_OF_ORDER\n");
    assert!(!talk.events.iter().any(|event| event.contains("Event-Name: CHANNEL_CREATE\n")));
}

#[test]
fn fact_4_a_bridge_shares_the_call_s_uuid_and_a_call_to_itself_does_not() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=u}loopback/9196/default &park()");
    talk.wait(SECOND);
    let calls = |talk: &Talk| {
        let channels = talk.switch.channels.values();
        let of = |channel: &crate::channel::Channel| channel.call_uuid.clone().unwrap_or_else(|| channel.uuid.clone());
        channels.map(|channel| of(channel)).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!((talk.switch.channels.len(), calls(&talk)), (2, 2));
    talk.say("api hupall");
    talk.wait(SECOND);
    talk.say("bgapi originate {origination_uuid=v}null/x &bridge(null/y)");
    talk.wait(SECOND);
    assert_eq!((talk.switch.channels.len(), calls(&talk)), (2, 1));
    talk.say("api hupall");
    talk.wait(SECOND);
    talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(SECOND);
    assert_eq!((talk.switch.channels.len(), calls(&talk)), (2, 2));
}

#[test]
fn fact_19_a_heartbeat_carries_the_server_s_health_every_20_seconds() {
    let mut talk = Talk::roomy();
    assert_eq!(talk.until("Event-Name: HEARTBEAT\n"), Duration::from_secs(20));
    talk.events.clear();
    talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &park()");
    assert_eq!(talk.until("Event-Name: HEARTBEAT\n"), Duration::from_secs(20));
    for (name, value) in [
        ("Event-Info", "System%20Ready"),
        ("Session-Count", "2"),
        ("Max-Sessions", "1000"),
        ("Session-Per-Sec", "1000"),
        ("Session-Peak-Max", "2"),
        ("Session-Since-Startup", "2"),
        ("Session-Per-Sec-Last", "0"),
        ("Uptime-msec", "40000"),
    ] {
        assert_eq!(talk.of_last("HEARTBEAT", name), value, "{name}");
    }
    assert!(talk.of_last("HEARTBEAT", "Idle-CPU").parse::<f64>().is_ok());
}

#[test]
fn fact_22_an_invite_leaves_and_arrives_within_some_milliseconds() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &park()");
    let hop = talk.until("Call-Direction: inbound");
    assert!((ms(1)..=ms(3)).contains(&hop), "{hop:?}");
}

#[test]
fn fact_26_who_says_nothing_for_25_seconds_is_closed() {
    let mut talk = Talk::roomy();
    let silent = ListenerId(7);
    talk.switch.connect(talk.now, silent);
    let closes = |switch: &mut Switch| {
        switch.drain().any(|output| matches!(output, Output::Close(listener, _) if listener == silent))
    };
    talk.switch.advance(talk.now + Duration::from_millis(24_999));
    assert!(!closes(&mut talk.switch));
    talk.switch.advance(talk.now + Duration::from_secs(25));
    assert!(closes(&mut talk.switch));
}

#[test]
fn fact_26_who_has_said_something_may_take_its_time() {
    let mut talk = Talk::roomy();
    let slow = ListenerId(7);
    talk.switch.connect(talk.now, slow);
    talk.switch.command(talk.now, slow, &Command { line: "noop".to_owned(), ..Command::default() });
    talk.switch.advance(talk.now + Duration::from_secs(60));
    assert!(!talk.switch.drain().any(|output| matches!(output, Output::Close(..))));
}

#[test]
fn fact_28_early_media_answers_an_originate_unless_it_is_ignored() {
    let mut talk = Talk::roomy();
    talk.say(
        "bgapi originate {origination_uuid=u,originate_timeout=2,execute_on_answer='sched_hangup +3'}\
         sofia/external/early60000@127.0.0.1:5080 &park()",
    );
    talk.until("Event-Name: BACKGROUND_JOB");
    assert!(talk.events.iter().any(|event| event.ends_with("+OK u\n")));
    assert!(talk.now < SECOND);
    talk.wait(Duration::from_secs(30));
    assert!(talk.switch.find("u").is_some(), "no timeout applies any more, and no guard is armed");
    assert!(!talk.events.iter().any(|event| event.contains("Event-Name: CHANNEL_ANSWER")));

    let mut talk = Talk::roomy();
    talk.say(
        "bgapi originate {origination_uuid=u,originate_timeout=2,ignore_early_media=true}\
         sofia/external/early60000@127.0.0.1:5080 &park()",
    );
    let took = talk.until("Event-Name: BACKGROUND_JOB");
    assert!((ms(2_000)..ms(2_100)).contains(&took), "{took:?}");
    assert!(talk.events.iter().any(|event| event.ends_with("-ERR NO_ANSWER\n")));
}

#[test]
fn fact_4_a_job_may_come_before_its_channel_is_destroyed() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate sofia/external/486@127.0.0.1:5080 &park()");
    talk.wait(SECOND);
    let last = |name: &str| talk.events.iter().rposition(|event| event.contains(&format!("Event-Name: {name}\n")));
    assert!(last("BACKGROUND_JOB") < last("CHANNEL_DESTROY") && last("BACKGROUND_JOB").is_some());
}
