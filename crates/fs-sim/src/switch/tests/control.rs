//! Channels that clients control: what they are told to run, and what they are joined with.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Talk, ms};
use crate::Config;

/// A switch with a parked `null` channel of each name.
fn parked(names: &[&str]) -> Talk {
    let mut talk = Talk::new(Config { sessions_per_second: 10_000, max_sessions: 10_000, ..Config::default() });
    for name in names {
        talk.say(&format!("api originate {{origination_uuid={name}}}null/x &park()"));
    }
    talk.wait(ms(20));
    talk.doings();
    talk
}

#[test]
fn a_full_queue_is_an_error() {
    let mut talk = parked(&["a"]);
    for _ in 0..256 {
        talk.execute("a", "set", "x=1", &[]);
        assert!(talk.replies.pop().expect("a reply").contains("+OK\n"));
    }
    talk.execute("a", "set", "x=1", &[]);
    assert!(talk.replies.pop().expect("a reply").contains("-ERR memory error"));
    talk.wait(ms(20));
    talk.execute("a", "set", "x=1", &[]);
    assert!(talk.replies.pop().expect("a reply").contains("+OK\n"));
}

#[test]
fn an_application_with_its_argument_behind_colons_goes_through_the_queue() {
    let mut talk = parked(&["a"]);
    talk.execute("a", "playback::silence_stream://100", "", &[]);
    talk.wait(ms(200));
    assert_eq!(
        talk.doings(),
        ["EXECUTE a playback", "PLAYBACK_START a", "PLAYBACK_STOP a done", "COMPLETE a playback FILE%20PLAYED"]
    );
}

#[test]
fn loops_without_an_end_end_with_a_break() {
    let mut talk = parked(&["a"]);
    talk.execute("a", "playback", "silence_stream://600", &[("loops", "-1")]);
    talk.wait(ms(1_900));
    assert_eq!(talk.doings().iter().filter(|told| told.starts_with("EXECUTE a")).count(), 4);
    talk.say("api uuid_break a");
    talk.wait(ms(2_000));
    assert_eq!(talk.doings(), ["PLAYBACK_STOP a break", "COMPLETE a playback FILE%20PLAYED"]);
    // What takes no time is not repeated.
    talk.execute("a", "set", "x=1", &[("loops", "-1")]);
    talk.wait(ms(2_000));
    assert_eq!(talk.doings().len(), 2);
}

#[test]
fn a_file_without_sound_is_not_played_for_ever() {
    let mut talk = parked(&["a"]);
    talk.execute("a", "endless_playback", "tone_stream://", &[]);
    talk.wait(ms(40));
    assert_eq!(talk.doings().len(), 4);
}

#[test]
fn messages_to_a_long_file_leave_no_timers_behind() {
    let mut talk = parked(&["a"]);
    talk.execute("a", "endless_playback", "silence_stream://1000", &[]);
    for _ in 0..100 {
        talk.execute("a", "set", "x=1", &[]);
        talk.wait(ms(50));
    }
    // Its own, and what else a server waits for.
    assert!(talk.switch.timers.len() < 10, "{}", talk.switch.timers.len());
}

#[test]
fn what_was_recorded_can_be_played() {
    let mut talk = parked(&["a"]);
    talk.say("api uuid_record a start /tmp/x.wav");
    // Half a second of it is not written.
    talk.wait(ms(1_000));
    talk.say("api uuid_record a stop all");
    talk.doings();
    talk.execute("a", "playback", "/tmp/x.wav", &[]);
    talk.wait(ms(490));
    assert_eq!(talk.doings(), ["EXECUTE a playback", "PLAYBACK_START a"]);
    talk.wait(ms(40));
    assert_eq!(talk.doings(), ["PLAYBACK_STOP a done", "COMPLETE a playback FILE%20PLAYED"]);
    talk.say("api uuid_record a start /tmp/y.wav 1");
    talk.wait(ms(1_000));
    assert_eq!(talk.doings(), ["RECORD_START a", "RECORD_STOP a"]);
}

#[test]
fn a_caller_that_hangs_up_takes_its_unanswered_call_along() {
    let mut talk = parked(&["a"]);
    talk.execute("a", "bridge", "{origination_uuid=b}loopback/noanswer/default", &[]);
    talk.wait(ms(100));
    talk.say("api uuid_kill a");
    talk.wait(ms(100));
    let doings = talk.doings();
    assert!(doings.contains(&"HANGUP b".to_owned()), "{doings:?}");
    assert!(doings.contains(&"COMPLETE a bridge _none_".to_owned()), "{doings:?}");
    assert_eq!(talk.switch.figures().channels, 0);
}

#[test]
fn early_media_bridges_and_the_answer_is_passed_on() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=a,ignore_early_media=true}sofia/external/1@127.0.0.1:5090 &park()");
    talk.wait(ms(20));
    let far = talk.switch.channels.values().map(|channel| channel.uuid.to_string()).find(|uuid| uuid != "a");
    let far = far.expect("a far leg");
    talk.events.clear();
    talk.execute(&far, "bridge", "{origination_uuid=b}sofia/external/early300@127.0.0.1:5080", &[]);
    talk.wait(ms(100));
    let doings = talk.doings();
    assert!(doings.contains(&format!("BRIDGE {far}")), "{doings:?}");
    assert!(doings.contains(&"PROGRESS_MEDIA a".to_owned()), "{doings:?}");
    assert!(!doings.contains(&"ANSWER a".to_owned()), "{doings:?}");
    talk.wait(ms(300));
    let doings = talk.doings();
    assert!(doings.contains(&format!("ANSWER {far}")) && doings.contains(&"ANSWER a".to_owned()), "{doings:?}");
}

#[test]
fn a_transfer_can_name_its_applications() {
    let mut talk = parked(&["a"]);
    talk.say("api uuid_transfer a 'set:x=1,playback:silence_stream://100' inline");
    talk.wait(ms(200));
    let doings = talk.doings();
    assert_eq!(doings[..3], ["UNPARK a", "COMPLETE a park _none_", "EXECUTE a set"]);
    assert_eq!(doings.last().map(String::as_str), Some("HANGUP a"));
}

#[test]
fn both_legs_of_a_bridge_can_be_transferred() {
    for first in ["a", "b"] {
        let mut talk = parked(&["a", "b"]);
        talk.say("api uuid_bridge a b");
        talk.wait(ms(40));
        talk.events.clear();
        talk.say(&format!("api uuid_transfer {first} -both park"));
        talk.wait(ms(60));
        let doings = talk.doings();
        assert!(doings.contains(&"PARK a".to_owned()) && doings.contains(&"PARK b".to_owned()), "{doings:?}");
        assert!(!doings.iter().any(|told| told.starts_with("HANGUP")), "{doings:?}");
    }
}

#[test]
fn who_is_to_be_bridged_with_a_leg_that_is_gone_hangs_up() {
    let mut talk = parked(&["a", "b", "c", "d"]);
    talk.say("api uuid_bridge a b");
    talk.say("api uuid_kill b");
    talk.wait(ms(60));
    let doings = talk.hangups();
    assert_eq!(doings, ["b NORMAL_CLEARING", "a DESTINATION_OUT_OF_ORDER"]);
    // One that was there to wait for it has waited in vain.
    talk.say("api uuid_bridge c d");
    talk.wait(ms(21));
    talk.say("api uuid_kill d");
    talk.wait(ms(60));
    assert_eq!(talk.hangups(), ["d NORMAL_CLEARING", "c ORIGINATOR_CANCEL"]);
}

#[test]
fn digits_pass_over_a_bridge() {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=a}sofia/external/1@127.0.0.1:5090 &park()");
    talk.wait(ms(20));
    let far = talk.switch.channels.values().map(|channel| channel.uuid.to_string()).find(|uuid| uuid != "a");
    talk.say(&format!("api uuid_answer {}", far.as_deref().unwrap_or_default()));
    talk.wait(ms(40));
    talk.say("api originate {origination_uuid=b}null/x &park()");
    talk.wait(ms(20));
    talk.say("api uuid_bridge b a");
    talk.wait(ms(60));
    talk.events.clear();
    talk.say("api uuid_recv_dtmf b 7");
    talk.wait(ms(400));
    let heard: Vec<String> = talk.doings().into_iter().filter(|told| told.starts_with("DTMF")).collect();
    assert_eq!(heard, ["DTMF b".to_owned(), format!("DTMF {}", far.expect("a far leg"))]);
}

#[test]
fn a_planned_command_comes_again_until_it_is_deleted() {
    let mut talk = parked(&["a"]);
    talk.say("api sched_api @1 counts uuid_setvar a x 1");
    for _ in 0..3 {
        talk.say("api uuid_setvar a x");
        talk.wait(ms(1_600));
        talk.say("api uuid_getvar a x");
        assert_eq!(talk.last_reply(), "1");
    }
    talk.say("api sched_del counts");
    assert_eq!(talk.last_reply(), "+OK Deleted: 1\n");
    talk.say("api uuid_setvar a x");
    talk.wait(ms(3_000));
    talk.say("api uuid_getvar a x");
    assert_eq!(talk.last_reply(), "_undef_");
}

/// Whatever clients do, in whatever order, every channel can be ended and nothing is left.
#[test]
fn any_conversation_comes_to_an_end() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    const COMMANDS: [&str; 24] = [
        "uuid_kill A USER_BUSY",
        "uuid_bridge A B",
        "uuid_bridge A A",
        "uuid_park A",
        "uuid_transfer A 9197",
        "uuid_transfer A -bleg park",
        "uuid_transfer A -both drop50",
        "uuid_broadcast A silence_stream://60 both",
        "uuid_broadcast A hangup!::x",
        "uuid_break A all",
        "uuid_break A both",
        "uuid_recv_dtmf A 12*",
        "uuid_send_dtmf A 5",
        "uuid_record A start /tmp/r.wav 1",
        "uuid_record A stop all",
        "uuid_answer A",
        "uuid_pre_answer A",
        "uuid_dump A plain",
        "sched_hangup +1 A",
        "sched_transfer +1 A nobody",
        "sched_broadcast +1 A playback::silence_stream://30",
        "bgapi originate {origination_uuid=A}null/x &park()",
        "bgapi originate {origination_uuid=A}sofia/external/ring80@127.0.0.1:5080 &echo()",
        "bgapi originate {origination_uuid=A}loopback/early40/default 9196",
    ];
    const APPLICATIONS: [(&str, &str); 16] = [
        ("playback", "silence_stream://70"),
        ("endless_playback", "silence_stream://30"),
        ("playback", "/tmp/r.wav"),
        ("record", "/tmp/r.wav 1"),
        ("record", "/tmp/r.nothing"),
        ("bridge", "null/y"),
        ("bridge", "sofia/external/ring40@127.0.0.1:5080"),
        ("bridge", "loopback/drop60/default"),
        ("bridge", "sofia/external/486@127.0.0.1:5080"),
        ("sleep", "50"),
        ("echo", ""),
        ("park", ""),
        ("deflect", "sip:x@y"),
        ("transfer", "park"),
        ("hangup", ""),
        ("set", "hangup_after_bridge=true"),
    ];
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut talk = parked(&NAMES);
        for _ in 0..60 {
            let mut name = || NAMES[rng.random_range(0..NAMES.len())];
            let (a, b) = (name(), name());
            if rng.random_bool(0.5) {
                let command = COMMANDS[rng.random_range(0..COMMANDS.len())];
                talk.say(&format!("api {}", command.replace('A', a).replace('B', b)));
            } else {
                let (application, data) = APPLICATIONS[rng.random_range(0..APPLICATIONS.len())];
                let lock = ["true", "false"][rng.random_range(0..2)];
                talk.execute(a, application, data, &[("event-lock", lock), ("loops", "2")]);
            }
            talk.wait(ms(u64::from(rng.next_u32() % 60)));
            talk.replies.clear();
            talk.events.clear();
        }
        // A call that is under way is not met by the first.
        for _ in 0..20 {
            talk.say("api hupall");
            talk.wait(ms(11_000));
        }
        assert_eq!(talk.switch.figures().channels, 0, "seed {seed}");
        assert!(talk.switch.attempts.is_empty() && talk.switch.tasks.len() == 0, "seed {seed}");
    }
}

#[test]
fn two_legs_that_are_asked_twice_look_for_each_other_once() {
    for again in ["api uuid_bridge a b", "api uuid_bridge b a"] {
        let mut talk = parked(&["a", "b"]);
        talk.say("api uuid_bridge a b");
        talk.wait(ms(10));
        talk.say(again);
        talk.wait(ms(100));
        let bridges = talk.doings().into_iter().filter(|told| told.starts_with("BRIDGE")).count();
        assert!(bridges <= 1, "{again}");
        // Whatever has come of it (a real server may hang both up), nobody looks for the other one for ever.
        talk.wait(ms(30_000));
        let later = talk.doings();
        assert!(later.is_empty(), "{again}: {later:?}");
    }
}

#[test]
fn who_is_sent_elsewhere_before_its_bridge_stays_there() {
    let mut talk = parked(&["a", "b"]);
    talk.say("api uuid_bridge a b");
    talk.wait(ms(25));
    talk.say("api uuid_transfer a park inline");
    talk.wait(ms(100));
    let doings = talk.doings();
    assert!(doings.contains(&"EXECUTE a park".to_owned()), "{doings:?}");
    assert!(
        !doings.iter().any(|told| told.starts_with("BRIDGE")) || doings.iter().any(|told| told.starts_with("UNBRIDGE"))
    );
}
