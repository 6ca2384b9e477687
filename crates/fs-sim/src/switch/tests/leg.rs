//! What commands do to one leg and its media: held, recorded, asked for what is not its own.

use super::*;

/// A call to the recorded echo, parked, with its far leg's name.
fn call() -> (Talk, String) {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=a}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(ms(100));
    let far = talk.switch.channels.values().map(|channel| channel.uuid.to_string()).find(|uuid| uuid != "a");
    talk.events.clear();
    (talk, far.expect("a far leg"))
}

impl Talk {
    fn getvar(&mut self, uuid: &str, name: &str) -> String {
        self.say(&format!("api uuid_getvar {uuid} {name}"));
        self.last_reply().to_owned()
    }

    fn call_state(&self, uuid: &str) -> &'static str {
        self.switch.channel(uuid).map_or("none", |channel| channel.call_state.name())
    }
}

#[test]
fn a_hold_is_known_at_the_other_end_after_its_music() {
    let (mut talk, far) = call();
    talk.say("api uuid_hold a");
    talk.wait(ms(20));
    assert_eq!((talk.call_state("a"), talk.call_state(&far)), ("HELD", "HELD"));
    assert_eq!(talk.getvar("a", "remote_audio_media_flow"), "sendrecv", "the offer is not answered yet");
    talk.wait(ms(260));
    assert_eq!(talk.getvar("a", "remote_audio_media_flow"), "recvonly");
    assert_eq!(talk.getvar(&far, "audio_media_flow"), "recvonly");
    talk.say("api uuid_hold toggle a");
    assert_eq!((talk.call_state("a"), talk.call_state(&far)), ("UNHELD", "HELD"));
    talk.wait(ms(30));
    assert_eq!(talk.call_state("a"), "ACTIVE");
    talk.wait(ms(300));
    assert_eq!(talk.call_state(&far), "ACTIVE");
    assert_eq!(talk.getvar("a", "remote_audio_media_flow"), "sendrecv");
}

#[test]
fn without_music_a_hold_is_answered_at_once() {
    let (mut talk, far) = call();
    talk.say(&format!("api uuid_setvar {far} hold_music silence"));
    talk.say("api uuid_hold a");
    talk.wait(ms(20));
    assert_eq!(talk.getvar("a", "remote_audio_media_flow"), "recvonly");
}

#[test]
fn who_is_held_tells_so_when_it_hangs_up() {
    let (mut talk, _) = call();
    talk.say("api uuid_hold a");
    talk.wait(ms(300));
    talk.doings();
    talk.say("api uuid_kill a");
    assert_eq!(talk.doings(), ["UNHOLD a", "HANGUP a"]);
    talk.wait(ms(100));
    let complete = talk.events.iter().find(|event| event.contains("Event-Name: CHANNEL_HANGUP_COMPLETE"));
    let complete = complete.expect("a record");
    assert!(complete.contains("variable_hold_events: %7B%7B"), "{complete}");
    assert!(!complete.contains("variable_hold_accum_usec: 0\n"), "{complete}");
}

#[test]
fn media_comes_back_only_where_it_was_taken_away() {
    let (mut talk, far) = call();
    talk.say("api uuid_media a");
    assert_eq!(talk.last_reply(), "-ERR Operation failed\n");
    talk.say("api uuid_media off a");
    talk.say("api uuid_media a");
    assert_eq!(talk.last_reply(), "+OK Success\n");
    talk.wait(ms(50));
    assert!(talk.doings().iter().any(|doing| *doing == format!("CUSTOM {far}")));
}

#[test]
fn a_recording_beside_lags_and_stands_still() {
    let (mut talk, _) = call();
    talk.say("api uuid_record a start /tmp/x.wav");
    talk.wait(ms(2_000));
    talk.say("api uuid_record a pause /tmp/x.wav");
    talk.wait(ms(700));
    talk.say("api uuid_record a resume /tmp/x.wav");
    talk.wait(ms(100));
    talk.say("api uuid_record a stop /tmp/x.wav");
    assert_eq!(talk.getvar("a", "record_ms"), "1600");
    talk.say("api uuid_record a start /tmp/y.wav");
    talk.wait(ms(300));
    talk.say("api uuid_record a stop /tmp/y.wav");
    assert_eq!(talk.getvar("a", "record_ms"), "20");
}

#[test]
fn limits_of_what_looks_at_the_audio_are_whole_seconds_of_the_epoch() {
    let (mut talk, _) = call();
    talk.wait(ms(600));
    talk.say("api uuid_record a start /tmp/x.wav 1");
    talk.say("api uuid_displace a start silence_stream://5000 1");
    talk.doings();
    talk.wait(ms(290));
    assert!(talk.switch.channel("a").is_some_and(|a| a.recordings.len() == 1 && a.bugs.len() == 2));
    talk.wait(ms(20));
    assert!(talk.switch.channel("a").is_some_and(|a| a.recordings.is_empty() && a.bugs.is_empty()));
}

#[test]
fn what_records_reads_linear_audio_until_its_end() {
    let (mut talk, _) = call();
    talk.execute("a", "record", "/tmp/x.wav", &[]);
    talk.wait(ms(50));
    assert_eq!(talk.getvar("a", "read_codec"), "L16");
    talk.execute("a", "set", "x=1", &[]);
    talk.wait(ms(50));
    assert_eq!(talk.getvar("a", "read_codec"), "L16", "what runs on top of it changes nothing");
    talk.say("api uuid_break a");
    talk.wait(ms(50));
    assert_eq!(talk.getvar("a", "read_codec"), "PCMU");
}

#[test]
fn an_event_tells_of_a_message_that_is_dealt_with_but_not_in_a_park_without_media() {
    let count =
        |talk: &Talk| talk.events.iter().filter(|event| event.contains("\nEvent-Name: PRIVATE_COMMAND")).count();
    let (mut talk, _) = call();
    talk.execute("a", "set", "x=1", &[]);
    talk.wait(ms(40));
    assert_eq!(count(&talk), 1);
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=a,ignore_early_media=true}sofia/external/1@127.0.0.1:5090 &park()");
    talk.wait(ms(100));
    let far = talk.switch.channels.values().map(|channel| channel.uuid.to_string()).find(|uuid| uuid != "a");
    let far = far.expect("a far leg");
    talk.execute(&far, "set", "x=1", &[]);
    talk.wait(ms(40));
    assert_eq!((count(&talk), talk.getvar(&far, "x").as_str()), (0, "1"));
}

#[test]
fn another_extension_runs_inside_of_what_runs() {
    let (mut talk, _) = call();
    talk.execute("a", "execute_extension", "drop300 XML default", &[]);
    talk.wait(ms(100));
    assert_eq!(
        talk.doings(),
        ["EXECUTE a execute_extension", "EXECUTE a answer", "COMPLETE a answer _none_", "EXECUTE a sleep"]
    );
    talk.wait(ms(300));
    let ends = ["COMPLETE a sleep _none_", "EXECUTE a hangup", "HANGUP a"];
    assert_eq!(talk.doings()[..3], ends);
}

#[test]
fn audio_and_silence_are_told_from_each_other() {
    let (mut talk, _) = call();
    talk.execute("a", "detect_silence", "200 10 5000", &[]);
    talk.wait(ms(300));
    assert_eq!(talk.getvar("a", "detect_silence_timeout"), "false");
    talk.execute("a", "detect_audio", "200 10 400", &[]);
    talk.wait(ms(500));
    assert_eq!(talk.getvar("a", "detect_audio_timeout"), "true");
}

#[test]
fn nothing_plays_to_a_leg_that_holds_its_other_end() {
    let (mut talk, _) = call();
    talk.execute("a", "playback", "silence_stream://500", &[]);
    talk.wait(ms(220));
    talk.say("api uuid_hold a");
    talk.wait(ms(1_000));
    talk.say("api uuid_hold off a");
    talk.doings();
    talk.wait(ms(200));
    assert!(!talk.doings().iter().any(|doing| doing.starts_with("PLAYBACK_STOP")), "it goes on where it stood");
    talk.wait(ms(120));
    assert!(talk.doings().contains(&"PLAYBACK_STOP a done".to_owned()));
}

#[test]
fn variables_grow_at_either_end() {
    let (mut talk, _) = call();
    for (application, data) in [("push", "p=2"), ("push", "p=3"), ("unshift", "p=1")] {
        talk.execute("a", application, data, &[]);
        talk.wait(ms(40));
    }
    assert_eq!(talk.getvar("a", "p"), "ARRAY::1|:2|:3");
}

#[test]
fn a_text_comes_to_the_other_end() {
    let (mut talk, far) = call();
    talk.say("api uuid_send_info a text plain some words");
    talk.wait(ms(20));
    let info = talk.events.iter().find(|event| event.contains("Event-Name: RECV_INFO")).expect("an event");
    assert!(info.contains(&format!("Unique-ID: {far}")) && info.contains("SIP-Content-Type: text/plain"), "{info}");
    assert!(info.ends_with("\n\nsome words"), "{info}");
}

#[test]
fn a_called_leg_plays_when_its_answer_is_acknowledged() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=a}sofia/external/9197@127.0.0.1:5080 &park()");
    talk.wait(ms(100));
    let start = talk.events.iter().find(|event| event.contains("Event-Name: PLAYBACK_START")).expect("an event");
    assert!(start.contains("variable_sip_cseq: "), "{start}");
}

#[test]
fn what_needs_media_waits_for_the_answer_of_a_called_leg() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=a}sofia/external/ring800@127.0.0.1:5080 &park()");
    talk.wait(ms(100));
    talk.events.clear();
    talk.execute("a", "playback", "silence_stream://100", &[]);
    talk.execute("a", "set", "x=1", &[]);
    talk.wait(ms(300));
    assert_eq!(talk.getvar("a", "x"), "_undef_", "it waits behind");
    for _ in 0..100 {
        talk.wait(ms(10));
    }
    let doings: Vec<String> = talk.doings().into_iter().filter(|doing| doing.split(' ').nth(1) == Some("a")).collect();
    let starts = ["ANSWER a", "EXECUTE a playback", "COMPLETE a playback PLAYBACK%20ERROR", "EXECUTE a set"];
    assert_eq!(doings[..4], starts, "{doings:?}");
    assert_eq!(doings.last().map(String::as_str), Some("PARK a"));
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=b}sofia/external/noanswer@127.0.0.1:5080 &park()");
    talk.wait(ms(100));
    talk.execute("b", "playback", "silence_stream://100", &[]);
    talk.execute("b", "set", "x=1", &[]);
    talk.wait(ms(2_100));
    assert_eq!(talk.getvar("b", "x"), "1", "it has waited for long enough");
}

#[test]
fn texts_of_variables_do_not_run_each_other() {
    let (mut talk, _) = call();
    talk.say("api uuid_setvar a execute_on_record_start record:/tmp/1.wav");
    talk.say("api uuid_setvar a execute_on_record_start_2 record:/tmp/2.wav");
    talk.say("api uuid_setvar a execute_on_record_stop playback:silence_stream://-1");
    talk.execute("a", "record", "/tmp/0.wav", &[]);
    talk.wait(ms(200));
    let runs = talk.switch.channel("a").map_or(0, |channel| channel.thread.runs.len());
    assert!(runs <= 4, "{runs} applications");
    talk.say("api uuid_break a all");
    talk.wait(ms(200));
    talk.say("api uuid_kill a");
    talk.wait(ms(200));
    assert!(talk.switch.channel("a").is_none());
}

#[test]
fn an_extension_that_calls_itself_ends_and_lets_others_live() {
    let (mut talk, _) = call();
    talk.say("api uuid_setvar a x m:|:execute_extension:${x} inline|execute_extension:${x} inline|set:y=1");
    talk.execute("a", "execute_extension", "'${x}' inline", &[]);
    talk.wait(ms(50));
    assert!(talk.switch.is_up(talk.switch.find("a").expect("a")));
    talk.say("api uuid_kill a");
    talk.wait(ms(100));
    assert!(talk.switch.channel("a").is_none());
}

#[test]
fn a_display_is_shown_to_the_other_end_once() {
    let (mut talk, far) = call();
    for _ in 0..2 {
        talk.execute("a", "send_display", "Bob|77", &[]);
        talk.wait(ms(60));
    }
    assert_eq!(
        (talk.getvar("a", "last_sent_callee_id_number"), talk.getvar(&far, "caller_id_number")),
        ("77".into(), "77".into())
    );
    let updates = talk.events.iter().filter(|event| event.contains("Event-Name: CALL_UPDATE\n")).count();
    assert_eq!(updates, 2, "one at each end");
}
