//! What is heard and counted: bit error rate tests, statistics of packets, and their loss to order.

use super::{Talk, ms};
use crate::{Config, Quality, Toward};

impl Talk {
    fn with(media: Quality) -> Talk {
        Talk::new(Config { sessions_per_second: 1_000, media, ..Config::default() })
    }

    /// The value of a header in the first event of this name from this channel, or from any.
    fn told(&self, event: &str, uuid: &str, header: &str) -> Option<String> {
        let begins = |text: &String, name: &str, value: &str| {
            text.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest == format!(": {value}")))
        };
        let event = self
            .events
            .iter()
            .find(|text| begins(text, "Event-Name", event) && (uuid.is_empty() || begins(text, "Unique-ID", uuid)))?;
        event.lines().find_map(|line| line.strip_prefix(&format!("{header}: "))).map(str::to_owned)
    }

    fn subclasses(&mut self) -> Vec<String> {
        let all = self.events.drain(..);
        all.filter_map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("Event-Subclass: mod_bert%3A%3A"))?;
            Some(line.to_owned())
        })
        .collect()
    }

    /// The UUID of the leg that the client did not name.
    fn far(&self) -> String {
        let uuid = |text: &String| text.lines().find_map(|line| line.strip_prefix("Unique-ID: ").map(str::to_owned));
        self.events.iter().filter_map(uuid).find(|uuid| uuid != "near").expect("a far leg")
    }

    /// A statistic of a leg's record, as a number.
    fn counted(&self, uuid: &str, name: &str) -> f64 {
        let value = self.told("CHANNEL_HANGUP_COMPLETE", uuid, &format!("variable_rtp_audio_{name}"));
        value.expect("a statistic").parse().expect("a number")
    }
}

const BERT: &str = "sofia/external/9196@127.0.0.1:5080 &bert_test()";

#[test]
fn a_test_that_is_echoed_is_in_sync_and_loses_it_when_the_other_end_falls_silent() {
    let mut talk = Talk::roomy();
    talk.say(&format!("bgapi originate {{origination_uuid=near,bert_window_ms=400}}{BERT}"));
    talk.wait(ms(300));
    let far = talk.far();
    assert!(talk.subclasses().is_empty());
    talk.wait(ms(200));
    assert_eq!(talk.subclasses(), ["in_sync"]);
    talk.execute(&far, "sleep", "1000", &[]);
    talk.wait(ms(600));
    assert_eq!(talk.told("CUSTOM", "near", "sync_lost_count").as_deref(), Some("1"));
    assert_eq!(talk.subclasses(), ["lost_sync"]);
    talk.wait(ms(1_500));
    assert_eq!(talk.subclasses(), ["in_sync"]);
}

#[test]
fn a_test_that_hears_nothing_times_out_and_hangs_up_where_it_is_told_to() {
    for (hangs_up, cause) in [("no", None), ("yes", Some("MEDIA_TIMEOUT"))] {
        let mut talk = Talk::roomy();
        talk.say(&format!(
            "bgapi originate {{origination_uuid=near,bert_timeout_ms=700,bert_hangup_on_error={hangs_up}}}\
             sofia/external/9196@127.0.0.1:5080 &bert_test()"
        ));
        talk.wait(ms(5));
        let far = talk.far();
        talk.execute(&far, "sleep", "5000", &[]);
        talk.wait(ms(2_000));
        assert_eq!(talk.told("CHANNEL_HANGUP", "near", "Hangup-Cause").as_deref(), cause, "{hangs_up}");
        assert_eq!(talk.subclasses(), ["timeout"]);
    }
}

#[test]
fn both_ends_test_and_linear_audio_cannot_be_tested() {
    let mut talk = Talk::roomy();
    talk.say(&format!("bgapi originate {{origination_uuid=near}}{BERT}"));
    talk.wait(ms(5));
    let far = talk.far();
    talk.execute(&far, "bert_test", "", &[]);
    talk.wait(ms(1_100));
    assert_eq!(talk.subclasses(), ["in_sync", "in_sync"]);
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=near}null/x &bert_test()");
    talk.wait(ms(100));
    assert_eq!(talk.told("CHANNEL_HANGUP", "near", "Hangup-Cause").as_deref(), Some("NORMAL_CLEARING"));
}

#[test]
fn ordered_loss_takes_a_test_out_of_sync() {
    for (loss, wanted) in [(0.05, "in_sync"), (0.5, "timeout")] {
        let mut talk = Talk::with(Quality { loss, ..Quality::default() });
        talk.say(&format!("bgapi originate {{origination_uuid=near}}{BERT}"));
        talk.wait(ms(15_000));
        assert_eq!(talk.subclasses(), [wanted], "{loss}");
    }
}

/// A call in which the near leg plays to the far one's echo.
fn played(media: Quality) -> (Talk, String) {
    let mut talk = Talk::with(media);
    talk.say(
        "bgapi originate {origination_uuid=near}sofia/external/9196@127.0.0.1:5080 &playback(silence_stream://-1)",
    );
    talk.wait(ms(20_000));
    let far = talk.far();
    talk.say("api uuid_kill near");
    talk.wait(ms(100));
    (talk, far)
}

#[test]
fn packets_are_counted_as_long_as_they_go() {
    let (talk, far) = played(Quality::default());
    assert_eq!(talk.counted("near", "out_packet_count"), 999.0);
    assert_eq!(talk.counted("near", "in_packet_count"), 997.0);
    assert_eq!(talk.counted("near", "in_media_bytes"), 997.0 * 172.0);
    assert_eq!(talk.counted(&far, "in_packet_count"), talk.counted(&far, "out_packet_count"));
    assert_eq!(talk.counted("near", "in_mos"), 4.5);
    assert_eq!(talk.counted("near", "in_mean_interval"), 20.0);
    assert!(talk.counted("near", "in_jitter_max_variance") > talk.counted("near", "in_jitter_min_variance"));
    assert!(talk.counted("near", "in_skip_packet_count") <= 3.0);
}

#[test]
fn two_ends_that_send_nothing_count_nothing() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=near}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(ms(2_000));
    talk.say("api uuid_kill near");
    talk.wait(ms(100));
    assert_eq!((talk.counted("near", "in_packet_count"), talk.counted("near", "out_packet_count")), (0.0, 0.0));
    assert_eq!(talk.counted("near", "in_mos"), 4.5);
    assert!((98.0..102.0).contains(&talk.counted("near", "in_skip_packet_count")));
}

#[test]
fn loss_goes_the_way_it_is_ordered() {
    let (talk, far) = played(Quality { loss: 0.1, toward: Toward::Callee, ..Quality::default() });
    assert_eq!(talk.counted("near", "in_packet_count"), 997.0);
    assert_eq!(talk.counted("near", "in_flaw_total"), 0.0);
    let lost = 997.0 - talk.counted(&far, "in_packet_count");
    assert!((50.0..150.0).contains(&lost), "{lost}");
    assert!(talk.counted(&far, "in_mos") < 4.2);
    assert!(talk.counted(&far, "in_skip_packet_count") >= lost);
    assert!((0.05..0.2).contains(&talk.counted(&far, "in_jitter_loss_rate")));
}

#[test]
fn calls_without_media_and_with_media_one_way() {
    let (talk, far) = played(Quality { without_media: 1.0, ..Quality::default() });
    assert_eq!(talk.counted("near", "out_packet_count"), 999.0);
    for (uuid, name) in [("near", "in_packet_count"), (&far, "in_packet_count"), (&far, "out_packet_count")] {
        assert_eq!(talk.counted(uuid, name), 0.0, "{uuid} {name}");
    }
    assert_eq!(talk.counted("near", "in_mos"), 4.5);
    let (talk, far) = played(Quality { one_way: 1.0, ..Quality::default() });
    let got = [talk.counted("near", "in_packet_count"), talk.counted(&far, "in_packet_count")];
    assert!(got == [0.0, 997.0] || got == [0.0, 0.0], "{got:?}");
}

#[test]
fn a_score_to_order() {
    let (talk, _) = played(Quality { mos: Some(3.2), ..Quality::default() });
    assert!((talk.counted("near", "in_mos") - 3.2).abs() < 0.03);
    assert!(talk.counted("near", "in_flaw_total") > 0.0 && talk.counted("near", "in_packet_count") < 997.0);
}

#[test]
fn impossible_orders_are_refused() {
    let media = Quality { loss: 2.0, ..Quality::default() };
    let error = super::Switch::new(&Config { media, ..Config::default() }, None, crate::clock::Stamp(0));
    assert!(error.expect_err("an impossible loss").contains("media: loss is 2"));
}

/// A parked `null` channel named `a`, and nothing said so far.
fn parked() -> Talk {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=a}null/x &park()");
    talk.wait(ms(20));
    talk.events.clear();
    talk
}

impl Talk {
    /// What a channel's variable was in the last event that had it.
    fn variable(&mut self, name: &str) -> String {
        self.say(&format!("api uuid_getvar a {name}"));
        self.last_reply().to_owned()
    }

    /// Events about files and digits since the last call.
    fn played(&mut self) -> Vec<String> {
        let value = |event: &str, name: &str| {
            event
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
                .unwrap_or_default()
        };
        let tell = |event: String| {
            let words = [
                "Event-Name",
                "Playback-Status",
                "DTMF-Digit",
                "Media-Bug-Function",
                "Application",
                "Application-Response",
                "File",
            ]
            .map(|name| value(&event, name));
            words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let wanted = |told: &String| {
            ["PLAYBACK", "DTMF", "CHANNEL_EXECUTE_COMPLETE", "CUSTOM", "MEDIA_BUG", "RECORD", "SESSION_HEARTBEAT"]
                .iter()
                .any(|name| told.starts_with(name))
        };
        let all: Vec<String> = self.events.drain(..).map(tell).filter(wanted).collect();
        all.into_iter().map(|told| told.replace("CHANNEL_EXECUTE_", "")).collect()
    }
}

const START: &str = "PLAYBACK_START";
const DONE: &str = "PLAYBACK_STOP done";
const BREAK: &str = "PLAYBACK_STOP break";

#[test]
fn digits_are_collected_behind_a_prompt_that_they_break() {
    let mut talk = parked();
    let ask = "1 4 1 1000 # silence_stream://1000 silence_stream://200 got \\d+ 500";
    talk.execute("a", "play_and_get_digits", ask, &[]);
    talk.wait(ms(300));
    talk.say("api uuid_recv_dtmf a 12");
    talk.wait(ms(100));
    assert_eq!(talk.played(), [START, "DTMF 1", BREAK, "DTMF 2"]);
    talk.say("api uuid_recv_dtmf a 3#");
    talk.wait(ms(100));
    assert_eq!(talk.played(), ["DTMF 3", "DTMF %23", "COMPLETE play_and_get_digits _none_"]);
    assert_eq!((talk.variable("got"), talk.variable("read_result")), ("123".to_owned(), "success".to_owned()));
    assert_eq!(talk.variable("read_terminator_used"), "#");
}

#[test]
fn without_digits_it_asks_again_and_tells_that_they_are_wrong() {
    let mut talk = parked();
    talk.execute("a", "play_and_get_digits", "1 3 2 800 # silence_stream://300 silence_stream://200 got \\d+", &[]);
    talk.wait(ms(4_000));
    assert_eq!(
        talk.played(),
        [START, DONE, START, DONE, START, DONE, START, DONE, "COMPLETE play_and_get_digits _none_"]
    );
    assert_eq!((talk.variable("got"), talk.variable("read_result")), ("_undef_".to_owned(), "failure".to_owned()));
}

#[test]
fn digits_that_do_not_match_are_kept_apart() {
    let mut talk = parked();
    talk.execute("a", "play_and_get_digits", "2 4 2 2000 # silence silence_stream://200 got ^9", &[]);
    talk.wait(ms(100));
    talk.say("api uuid_recv_dtmf a 12#");
    talk.wait(ms(100));
    // What comes while it is told waits.
    talk.say("api uuid_recv_dtmf a 92#");
    talk.wait(ms(50));
    assert_eq!(talk.played(), ["DTMF 1", "DTMF 2", "DTMF %23", START]);
    talk.wait(ms(300));
    assert_eq!(talk.played(), [DONE, "DTMF 9", "DTMF 2", "DTMF %23", "COMPLETE play_and_get_digits _none_"]);
    assert_eq!((talk.variable("got"), talk.variable("got_invalid")), ("92".to_owned(), "12".to_owned()));
}

#[test]
fn as_many_digits_as_fit_end_it_and_too_few_time_out() {
    let mut talk = parked();
    talk.execute("a", "read", "1 3 silence_stream://300 got 1000 #", &[]);
    talk.wait(ms(400));
    talk.say("api uuid_recv_dtmf a 1234");
    talk.wait(ms(50));
    assert_eq!(talk.played(), [START, DONE, "DTMF 1", "DTMF 2", "DTMF 3", "COMPLETE read _none_", "DTMF 4"]);
    assert_eq!(talk.variable("got"), "123");
    talk.execute("a", "read", "2 3 silence got 1000 # 300", &[]);
    talk.wait(ms(100));
    talk.say("api uuid_recv_dtmf a 1");
    talk.wait(ms(250));
    assert_eq!(talk.played(), ["DTMF 1"]);
    talk.wait(ms(100));
    assert_eq!(talk.played(), ["COMPLETE read _none_"]);
    assert_eq!((talk.variable("got"), talk.variable("read_result")), ("1".to_owned(), "failure".to_owned()));
}

#[test]
fn tries_that_are_used_up_lead_elsewhere() {
    let mut talk = parked();
    talk.execute("a", "play_and_get_digits", "1 1 1 1000 # silence /none got \\d 500 nobody XML default", &[]);
    talk.wait(ms(1_200));
    assert_eq!(talk.told("CHANNEL_HANGUP", "a", "Hangup-Cause").as_deref(), Some("NO_ROUTE_DESTINATION"));
}

#[test]
fn files_that_are_not_there_do_not_ask_for_ever() {
    let mut talk = parked();
    talk.execute("a", "play_and_get_digits", "1 1 2000000000 1000 # /none /none got \\d", &[]);
    talk.wait(ms(50));
    assert_eq!(talk.played(), ["COMPLETE play_and_get_digits _none_"]);
    for nonsense in ["", "x", "-1 -1 -1 -1", "999 999 1 1 # silence /none got (", "1 1 1 1 # silence /none  ["] {
        talk.execute("a", "play_and_get_digits", nonsense, &[]);
        talk.execute("a", "read", nonsense, &[]);
        talk.wait(ms(3_000));
        let told = talk.played();
        assert_eq!(told.iter().filter(|told| told.starts_with("COMPLETE")).count(), 2, "{nonsense}: {told:?}");
    }
}

#[test]
fn several_files_play_with_a_pause_or_as_one() {
    let mut talk = parked();
    talk.say("api uuid_setvar a playback_delimiter !");
    talk.execute("a", "playback", "silence_stream://200!silence_stream://200", &[]);
    talk.wait(ms(600));
    assert_eq!(talk.played(), [START, DONE, START]);
    talk.wait(ms(150));
    assert_eq!(talk.played(), [DONE, "COMPLETE playback FILE%20PLAYED"]);
    talk.say("api uuid_setvar a playback_delimiter");
    talk.execute("a", "playback", "file_string://silence_stream://200!silence_stream://300", &[]);
    talk.wait(ms(1_000));
    let part = |what: &str, ms: u32| format!("CUSTOM silence_stream%3A//{ms}{what}");
    let [open, close, next, end] = [part("", 200), part("", 200), part("", 300), part("", 300)];
    assert_eq!(
        talk.played(),
        [open, START.to_owned(), close, next, end, DONE.to_owned(), "COMPLETE playback FILE%20PLAYED".to_owned()]
    );
}

#[test]
fn a_file_plays_a_number_of_times_and_tones_play_unheard_of() {
    let mut talk = parked();
    talk.execute("a", "loop_playback", "+2 silence_stream://200", &[]);
    talk.wait(ms(500));
    assert_eq!(talk.played(), [START, DONE, START, DONE, "COMPLETE loop_playback FILE%20PLAYED"]);
    talk.execute("a", "gentones", "%(200,100,440)|2", &[]);
    talk.wait(ms(590));
    assert!(talk.played().is_empty());
    talk.wait(ms(50));
    assert_eq!(talk.played(), ["COMPLETE gentones _none_"]);
}

#[test]
fn files_are_read_ahead() {
    let mut talk = parked();
    talk.execute("a", "playback", "silence_stream://5000", &[]);
    talk.wait(ms(500));
    talk.say("api uuid_break a");
    talk.wait(ms(50));
    assert_eq!(talk.played(), [START, BREAK, "COMPLETE playback FILE%20PLAYED"]);
    assert_eq!((talk.variable("playback_ms"), talk.variable("playback_samples")), ("2048".into(), "16384".into()));
    let position: u32 = talk.variable("playback_last_offset_pos").parse().expect("a number");
    assert!((3_800..4_400).contains(&position), "{position}");
}

#[test]
fn a_file_stands_still_and_goes_on_elsewhere() {
    let mut talk = parked();
    talk.say("api uuid_fileman a pause");
    assert_eq!(talk.last_reply(), "-ERR No file handle!\n");
    talk.execute("a", "playback", "silence_stream://1000", &[]);
    talk.wait(ms(300));
    talk.say("api uuid_fileman a pause");
    talk.wait(ms(2_000));
    assert_eq!(talk.played(), [START]);
    talk.say("api uuid_fileman a pause");
    talk.say("api uuid_fileman a seek:+500");
    talk.wait(ms(300));
    assert_eq!(talk.played(), [DONE, "COMPLETE playback FILE%20PLAYED"]);
}

#[test]
fn what_looks_at_the_audio_is_told_of() {
    let mut talk = parked();
    talk.execute("a", "start_dtmf", "", &[]);
    talk.wait(ms(50));
    talk.execute("a", "stop_dtmf", "", &[]);
    talk.wait(ms(50));
    assert_eq!(
        talk.played(),
        [
            "MEDIA_BUG_START inband_dtmf",
            "COMPLETE start_dtmf _none_",
            "MEDIA_BUG_STOP inband_dtmf",
            "COMPLETE stop_dtmf _none_"
        ]
    );
    talk.say("api uuid_record a start /tmp/x.wav");
    talk.say("api uuid_displace a start silence_stream://500");
    talk.say("api uuid_displace a start silence_stream://500");
    assert_eq!(talk.last_reply(), "-ERR Cannot displace session!\n");
    talk.say("api uuid_kill a");
    talk.wait(ms(50));
    assert_eq!(
        talk.played(),
        [
            "RECORD_START",
            "MEDIA_BUG_START session_record",
            "MEDIA_BUG_START displace",
            "COMPLETE park _none_",
            "RECORD_STOP",
            "MEDIA_BUG_STOP displace",
            "MEDIA_BUG_STOP session_record"
        ]
    );
}

#[test]
fn who_listens_to_a_channel_hears_its_end() {
    let mut talk = parked();
    talk.say("api originate {origination_uuid=b}null/y &eavesdrop(a)");
    talk.wait(ms(50));
    assert_eq!(talk.played(), ["MEDIA_BUG_START eavesdrop"]);
    talk.say("api uuid_kill a");
    talk.wait(ms(50));
    assert_eq!(talk.played(), ["COMPLETE park _none_", "MEDIA_BUG_STOP eavesdrop", "COMPLETE eavesdrop _none_"]);
}

#[test]
fn a_session_beats_and_the_dialplan_sends_events_of_its_own() {
    let mut talk = parked();
    talk.execute("a", "enable_heartbeat", "1", &[]);
    talk.wait(ms(2_500));
    assert_eq!(talk.played(), ["COMPLETE enable_heartbeat _none_", "SESSION_HEARTBEAT", "SESSION_HEARTBEAT"]);
    talk.execute("a", "enable_heartbeat", "0", &[]);
    talk.execute("a", "event", "Event-Name=CUSTOM,Event-Subclass=my::thing,key = value", &[]);
    talk.wait(ms(2_500));
    assert_eq!(talk.told("CUSTOM", "a", "key").as_deref(), Some("value"));
    assert_eq!(talk.told("CUSTOM", "a", "Event-Subclass").as_deref(), Some("my%3A%3Athing"));
    assert_eq!(talk.played().iter().filter(|told| told.starts_with("SESSION")).count(), 0);
}

#[test]
fn digits_over_sip_arrive_one_after_the_other_when_they_are_over() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=a}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(ms(100));
    let far = {
        let uuid = |text: &String| text.lines().find_map(|line| line.strip_prefix("Unique-ID: ").map(str::to_owned));
        talk.events.iter().filter_map(uuid).find(|uuid| uuid != "a").expect("a far leg")
    };
    talk.played();
    talk.say(&format!("api uuid_send_dtmf {far} 12"));
    talk.wait(ms(240));
    assert!(talk.played().is_empty());
    talk.wait(ms(40));
    assert_eq!(talk.played(), ["DTMF 1"]);
    talk.wait(ms(450));
    assert!(talk.played().is_empty());
    talk.wait(ms(100));
    assert_eq!(talk.played(), ["DTMF 2"]);
    talk.say("api uuid_kill a");
    talk.wait(ms(50));
    assert_eq!(talk.counted("a", "in_dtmf_packet_count"), 30.0);
}

#[test]
fn pauses_among_received_digits_are_digits_too() {
    let mut talk = parked();
    talk.say("api uuid_recv_dtmf a 1W2");
    talk.wait(ms(100));
    assert_eq!(talk.played(), ["DTMF 1", "DTMF W", "DTMF 2"]);
}
