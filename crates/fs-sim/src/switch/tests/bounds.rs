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
    talk.wait(Duration::from_millis(1));
    assert!(talk.switch.timers.len() < 100, "{}", talk.switch.timers.len());
    assert_eq!((talk.switch.tasks.len(), talk.switch.task_bytes), (0, 0));
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
    talk.switch.task_bytes = 256 * 1024 * 1024;
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
