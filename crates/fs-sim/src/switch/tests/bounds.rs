//! What clients ask for beyond a limit is refused and counted, and what is cancelled is gone.

use std::time::Duration;

use super::{ME, Talk};
use crate::{
    Config,
    command::Command,
    switch::{Legs, Planned},
};

impl Talk {
    fn busy() -> Talk {
        let mut talk = Talk::roomy();
        talk.say("api originate {origination_uuid=u}null/x &park()");
        talk
    }

    fn answer(&mut self, line: &str) -> String {
        self.say(line);
        self.replies.pop().unwrap_or_default()
    }
}

#[test]
fn what_is_planned_and_cancelled_for_ever_leaves_no_timer_behind() {
    let mut talk = Talk::busy();
    for _ in 0..11_000 {
        talk.say("api sched_api +100000 g status");
        talk.say("api sched_del g");
        talk.replies.clear();
    }
    talk.wait(Duration::from_millis(500));
    talk.wait(Duration::from_millis(1));
    assert!(talk.switch.timers.len() < 100, "{}", talk.switch.timers.len());
    assert_eq!(talk.switch.tasks.held(), [0, 0, 0]);
    talk.say("api sched_api +1 g echo done");
    assert_eq!(talk.switch.tasks.held(), [1, 1, "g".len() + "echo done".len()]);
    talk.wait(Duration::from_secs(2));
    assert_eq!(talk.switch.tasks.held(), [0, 0, 0], "what has run is gone");
}

#[test]
fn what_a_call_planned_goes_with_it() {
    let mut talk = Talk::new(Config { sessions_per_second: 1_000_000, ..Config::default() });
    let originate = "originate {execute_on_answer='sched_hangup +3600',originate_timeout=3600}";
    for number in 0..6_000 {
        talk.say(&format!("api {originate}null/x &park()"));
        talk.say("api hupall");
        talk.wait(Duration::from_millis(20));
        talk.events.clear();
        talk.replies.clear();
        let (timers, tasks) = (talk.switch.timers.len(), talk.switch.tasks.len());
        assert!(timers < 11_000 && tasks <= 26, "{timers} timers and {tasks} tasks after {number} calls");
    }
    talk.say(&format!("api {originate}null/x &park()"));
    talk.say("api hupall");
    talk.wait(Duration::from_millis(500));
    let number = |event: &String| event.lines().find_map(|line| line.strip_prefix("Task-ID: ").map(str::to_owned));
    let told = |name: &str| talk.events.iter().rfind(|event| event.contains(&format!("Event-Name: {name}\n")));
    assert_eq!(told("DEL_SCHEDULE").and_then(number), told("ADD_SCHEDULE").and_then(number), "the end is told");
    assert_eq!(talk.switch.tasks.len(), 0);
}

#[test]
fn many_that_end_at_once_are_told_of_in_pieces_and_in_the_same_order() {
    const PIECE: usize = 100;
    let crowd = || {
        let mut talk = Talk::new(Config { max_sessions: 10_000, sessions_per_second: 1_000_000, ..Config::default() });
        for _ in 0..1_200 {
            talk.say("bgapi originate sofia/external/9196@127.0.0.1:5080 &park()");
        }
        talk.wait(Duration::from_secs(1));
        talk.events.clear();
        talk
    };
    let mut whole = crowd();
    whole.say("api hupall");
    whole.wait(Duration::from_secs(1));
    let mut pieces = crowd();
    pieces.say("api hupall");
    let mut most = pieces.events.len();
    pieces.now += Duration::from_secs(1);
    loop {
        let told = pieces.events.len();
        let is_all = pieces.switch.advance_until(pieces.now, PIECE);
        pieces.hear();
        most = most.max(pieces.events.len() - told);
        if is_all {
            break;
        }
    }
    assert_eq!(pieces.switch.figures().channels, 0);
    assert!(pieces.events.len() > 2_400 * 3 && most < 2_000, "{most} of {}", pieces.events.len());
    assert!(pieces.events == whole.events, "the same in the same order");
    assert_eq!(pieces.last_reply(), "+OK hangup all channels with cause MANAGER_REQUEST\n");
}

#[test]
fn a_recording_that_begins_and_ends_for_ever_leaves_no_timer_behind() {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=u}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(Duration::from_secs(1));
    talk.say("noevents");
    for _ in 0..11_000 {
        talk.say("api uuid_record u start /tmp/x.wav 100000");
        talk.say("api uuid_record u stop all");
        talk.replies.clear();
    }
    talk.wait(Duration::from_millis(1));
    assert!(talk.switch.timers.len() < 100, "{}", talk.switch.timers.len());
}

#[test]
fn so_much_is_planned_and_no_more() {
    let mut talk = Talk::new(Config::default());
    let path = "x".repeat(1024 * 1024);
    for _ in 0..255 {
        let planned = Planned::Broadcast { path: path.clone(), legs: Legs::named("aleg") };
        assert!(talk.switch.plan(talk.now, 2_000_000_000, "g", planned).is_some());
    }
    let planned = Planned::Broadcast { path: path.clone(), legs: Legs::named("aleg") };
    assert!(talk.switch.plan(talk.now, 2_000_000_000, "g", planned).is_none());
    talk.switch.tasks.fill();
    assert!(talk.answer("api sched_api +1 g status").ends_with("-ERR too many tasks are planned\n"));
    assert_eq!(talk.switch.figures().refusals.tasks, 2);
}

#[test]
fn a_channel_takes_variables_as_long_as_there_is_room() {
    let mut talk = Talk::busy();
    let value = "v".repeat(1_000);
    let mut taken = 0;
    while talk.answer(&format!("api uuid_setvar u name{taken} {value}")).ends_with("+OK\n") {
        taken += 1;
    }
    assert!((200..270).contains(&taken), "{taken}");
    assert!(talk.answer(&format!("api uuid_setvar_multi u a=b;c={value}")).contains("-ERR too many variables\n"));
    assert_eq!(talk.switch.figures().refusals.variables, 2);
    assert!(talk.answer("api uuid_setvar u name0").ends_with("+OK\n"), "what goes makes room");
    assert!(talk.answer(&format!("api uuid_setvar u again {value}")).ends_with("+OK\n"));
}

#[test]
fn a_variable_that_doubles_itself_stops() {
    let mut talk = Talk::busy();
    for _ in 0..200 {
        talk.execute("u", "set", "a=${a}${a}x", &[]);
        talk.wait(Duration::from_millis(20));
    }
    talk.execute("u", "set", &format!("b={}", "${a}".repeat(10_000)), &[]);
    talk.wait(Duration::from_millis(20));
    let channel = talk.switch.channel("u").expect("it is up");
    assert!(channel.variables.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() < 300 * 1024);
}

#[test]
fn a_channel_is_inside_of_so_many_applications() {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=u}sofia/external/9196@127.0.0.1:5080 &park()");
    talk.wait(Duration::from_secs(1));
    for _ in 0..300 {
        talk.execute("u", "echo", "", &[]);
        talk.wait(Duration::from_millis(20));
    }
    assert_eq!(talk.switch.channel("u").expect("it is up").thread.runs.len(), 128);
    assert_eq!(talk.switch.figures().refusals.applications, 300 - 127);
}

#[test]
fn messages_wait_up_to_a_number_and_a_size() {
    let mut talk = Talk::busy();
    let message = |body: String| Command {
        line: "sendmsg u".to_owned(),
        headers: vec![("call-command".to_owned(), "execute".to_owned())],
        body: Some(body),
    };
    for _ in 0..256 {
        talk.switch.command(talk.now, ME, &message("x".to_owned()));
    }
    talk.switch.command(talk.now, ME, &message("x".to_owned()));
    talk.wait(Duration::from_secs(60));
    talk.switch.command(talk.now, ME, &message("x".repeat(900_000)));
    talk.switch.command(talk.now, ME, &message("x".repeat(900_000)));
    talk.hear();
    let errors = talk.replies.iter().filter(|reply| reply.contains("-ERR memory error")).count();
    assert_eq!((errors, talk.switch.figures().refusals.messages), (2, 2));
}

#[test]
fn a_listener_has_so_many_filters_and_subclasses() {
    let mut talk = Talk::new(Config::default());
    for number in 0..1_010 {
        talk.say(&format!("filter Name{number} value"));
        talk.say(&format!("event plain CUSTOM class{number}"));
    }
    talk.say(&format!("filter Name {}", "x".repeat(10_000)));
    talk.say(&format!("event plain CUSTOM {}", "x".repeat(10_000)));
    assert_eq!(talk.switch.figures().refusals.subscriptions, 22);
}

#[test]
fn an_api_command_that_is_too_long_is_not_run() {
    let mut talk = Talk::new(Config::default());
    let long = "x".repeat(256 * 1024);
    assert!(talk.answer(&format!("api echo {long}")).ends_with("-ERR command too long\n\n"));
    assert!(talk.answer(&format!("bgapi echo {long}")).ends_with("-ERR command too long\n\n"));
    assert!(talk.answer(&format!("sendevent {long}")).contains("+OK "), "others may be");
    assert_eq!(talk.switch.figures().refusals.api, 2);
}

#[test]
fn so_much_waits_for_its_time_and_no_more() {
    let mut talk = Talk::new(Config::default());
    let patience = format!("msleep 1000 {}", "x".repeat(200 * 1024));
    for _ in 0..320 {
        talk.say(&format!("bgapi {patience}"));
    }
    talk.events.clear();
    assert_eq!(talk.switch.figures().refusals.waiting, 0);
    for _ in 0..10 {
        talk.say(&format!("bgapi {patience}"));
    }
    let refused = talk.events.iter().filter(|event| event.ends_with("\n\n-ERR too many commands wait\n")).count();
    assert_eq!((refused, talk.switch.figures().refusals.waiting), (5, 5), "325 are 64 MiB");
    talk.events.clear();
    talk.wait(Duration::from_secs(1));
    assert_eq!(talk.events.iter().filter(|event| event.ends_with("\n\n+OK")).count(), 325);
    talk.say(&format!("bgapi {patience}"));
    assert_eq!(talk.switch.figures().refusals.waiting, 5, "what is over makes room");
}

#[test]
fn many_small_ones_are_too_many_as_well() {
    let mut talk = Talk::new(Config::default());
    talk.say("noevents");
    for _ in 0..70_000 {
        talk.say("bgapi msleep 1000000");
        talk.replies.clear();
    }
    let refused = talk.switch.figures().refusals.waiting;
    assert!((5_000..20_000).contains(&refused), "{refused}");
}

#[test]
fn an_originate_that_would_try_again_fails_when_too_much_waits() {
    let mut talk = Talk::roomy();
    let originate = "originate {originate_retries=2,originate_retry_sleep_ms=60000}sofia/external/486@127.0.0.1:5080";
    let long = "x".repeat(200 * 1024);
    for _ in 0..162 {
        talk.say(&format!("bgapi {originate} &playback({long})"));
        talk.wait(Duration::from_millis(100));
        talk.events.clear();
    }
    assert_eq!(talk.switch.figures().refusals.waiting, 0);
    talk.say(&format!("bgapi {originate} &playback({long})"));
    talk.say(&format!("bgapi {originate} &playback({long})"));
    talk.wait(Duration::from_millis(100));
    assert!(talk.events.iter().any(|event| event.ends_with("\n\n-ERR USER_BUSY\n")), "it does not try again");
    assert_eq!(talk.switch.figures().refusals.waiting, 1);
    talk.wait(Duration::from_secs(61));
    assert_eq!(talk.switch.waiting.used(), 0, "all have been tried again, and have failed");
}
