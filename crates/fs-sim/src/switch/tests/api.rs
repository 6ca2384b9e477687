//! What API commands answer, and what they tell those who listen.

use super::*;

/// The headers of each event that are its own, since the last call.
fn told(talk: &mut Talk) -> Vec<String> {
    const OWN: [&str; 7] =
        ["Event-Name", "API-Command", "API-Command-Argument", "Task-ID", "Task-Desc", "Task-Group", "Job-Command"];
    let tell = |event: String| {
        let own = event.lines().filter_map(|line| line.split_once(": ")).filter(|(name, _)| OWN.contains(name));
        own.map(|(_, value)| value.to_owned()).collect::<Vec<_>>().join(" ")
    };
    talk.events.drain(..).map(tell).filter(|told| told != "HEARTBEAT" && !told.ends_with(" core")).collect()
}

fn answer(talk: &mut Talk, command: &str) -> String {
    talk.say(&format!("api {command}"));
    let reply = talk.replies.last().and_then(|reply| reply.split_once("\n\n"));
    reply.map_or(String::new(), |(_, body)| body.to_owned())
}

#[test]
fn what_runs_is_told() {
    let mut talk = Talk::roomy();
    talk.say("api echo hi");
    talk.say("api nope");
    talk.say("api expand echo ${hostname}");
    talk.say("api eval ${echo(x)}");
    talk.say("api bgapi echo y");
    talk.say("api reloadxml");
    assert_eq!(
        told(&mut talk),
        [
            "API echo hi",
            "API nope",
            "API expand echo%20$%7Bhostname%7D echo vm",
            "API echo x",
            "API eval $%7Becho(x)%7D",
            "API bgapi echo%20y",
            "API echo y",
            "BACKGROUND_JOB echo",
            "RELOADXML",
            "API reloadxml",
        ]
    );
}

#[test]
fn tasks_are_told_until_they_are_gone() {
    let mut talk = Talk::roomy();
    talk.say("api sched_api @2 some echo hi");
    talk.say("api sched_api +100 other echo hi");
    talk.events.clear();
    talk.say("api sched_del other");
    assert_eq!(talk.last_reply(), "+OK Deleted: 1\n");
    assert_eq!(told(&mut talk), ["API sched_del other"]);
    talk.wait(ms(499));
    assert_eq!(told(&mut talk), [""; 0], "the scheduler has not looked yet");
    talk.wait(ms(1));
    assert_eq!(told(&mut talk), ["DEL_SCHEDULE 5 sched_api_function other"]);
    talk.wait(ms(2_000));
    assert_eq!(told(&mut talk), ["API echo hi", "RE_SCHEDULE 4 sched_api_function some"]);
    assert_eq!(answer(&mut talk, "unsched_api 4"), "+OK\n");
    assert_eq!(told(&mut talk), ["API unsched_api 4"]);
    talk.wait(ms(500));
    assert_eq!(told(&mut talk), ["DEL_SCHEDULE 4 sched_api_function some"]);
    assert_eq!(answer(&mut talk, "unsched_api 4"), "-ERR No such id\n");
}

#[test]
fn a_second_that_is_past_is_an_interval() {
    let mut talk = Talk::roomy();
    talk.say("api sched_api 3 some echo hi");
    talk.events.clear();
    talk.wait(ms(2_900));
    assert_eq!(told(&mut talk), [""; 0]);
    talk.wait(ms(3_600));
    let again = ["API echo hi", "RE_SCHEDULE 4 sched_api_function some"];
    assert_eq!(told(&mut talk), [again, again].concat());
    talk.say("api sched_api 0 once echo hi");
    talk.events.clear();
    talk.wait(ms(0));
    assert_eq!(told(&mut talk), ["API echo hi", "DEL_SCHEDULE 5 sched_api_function once"]);
}

#[test]
fn variables_and_commands_are_put_in() {
    let mut talk = Talk::roomy();
    talk.say("api global_setvar a=${b}");
    talk.say("api global_setvar b=hello");
    for (expression, expected) in [
        ("${a} ${A}", "hello hello"),
        ("$${b}", "hello"),
        ("${b:1:3}|${b:-2}", "ell|lo"),
        ("x${nope}y", "xy"),
        ("${expr(1+${expr(2*3)})}", "7"),
        ("${expr 1+1}", "2"),
        ("${b", "hello"),
        ("\\${b} $b", "${b} $b"),
        ("${nope(x)}.", "."),
    ] {
        assert_eq!(answer(&mut talk, &format!("eval {expression}")), expected, "{expression}");
    }
    talk.say("api global_setvar c=${c}");
    assert_eq!(answer(&mut talk, "eval a${c}b").len(), "a${c}b".len(), "no expansion without an end");
    talk.say("api global_setvar d=${d}${eval ${d}${d}}");
    assert!(answer(&mut talk, "eval ${d}").len() < 2 * 1024 * 1024, "no expansion without an end");
    for deep in ["expand ", "xml_wrap ", "bgapi "] {
        assert!(!answer(&mut talk, &format!("{}echo x", deep.repeat(10_000))).is_empty());
    }
    talk.say("api fsctl api_expansion off");
    assert_eq!(answer(&mut talk, "eval ${expr(1+1)}"), "<API Execute Permission Denied>");
}

#[test]
fn a_channel_lends_its_headers() {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=u,foo=bar}null/x &park()");
    talk.wait(ms(200));
    assert_eq!(answer(&mut talk, "eval uuid:u ${variable_foo} ${Unique-ID} ${Channel-State}"), "bar u CS_EXECUTE");
    assert_eq!(answer(&mut talk, "expand uuid:u uuid_getvar ${Unique-ID} FOO"), "bar");
    assert_eq!(answer(&mut talk, "uuid_getvar u hostname"), "vm");
    assert_eq!(answer(&mut talk, "show calls count"), "\n1 total.\n");
}

#[test]
fn a_command_that_takes_its_time_answers_when_it_is_over() {
    let mut talk = Talk::roomy();
    talk.replies.clear();
    talk.say("api msleep 300");
    assert!(talk.replies.is_empty());
    talk.wait(ms(299));
    assert!(talk.replies.is_empty());
    talk.wait(ms(1));
    assert_eq!(talk.last_reply(), "+OK");
}

#[test]
fn bridged_channels_are_one_call() {
    let mut talk = Talk::roomy();
    talk.say("api originate {origination_uuid=a}null/x &bridge({origination_uuid=b}null/y)");
    talk.wait(ms(1_000));
    assert_eq!(answer(&mut talk, "show calls count"), "\n1 total.\n");
    assert_eq!(answer(&mut talk, "show channels count"), "\n2 total.\n");
    let calls = answer(&mut talk, "show bridged_calls");
    let row = calls.lines().nth(1).expect("a row");
    assert!(row.starts_with("a,outbound,") && row.contains(",b,outbound,"), "{row}");
    assert_eq!(row.split(',').count(), 41);
    let detailed = answer(&mut talk, "show detailed_calls");
    assert_eq!(detailed.lines().next().map(|head| head.split(',').count()), Some(65));
}

#[test]
fn a_profile_counts_its_calls() {
    let mut talk = Talk::roomy();
    talk.say("bgapi originate {origination_uuid=a}sofia/external/486@127.0.0.1:5080 &park()");
    talk.wait(ms(3_000));
    let status = answer(&mut talk, "sofia status profile external");
    for line in ["CALLS-IN         \t1", "FAILED-CALLS-IN  \t1", "CALLS-OUT        \t1", "FAILED-CALLS-OUT \t1"] {
        assert!(status.lines().any(|known| known == line), "{line} in {status}");
    }
}

#[test]
fn the_levels_of_log_lines_follow_fsctl() {
    let mut talk = Talk::roomy();
    assert_eq!(answer(&mut talk, "fsctl loglevel err"), "+OK log level: ERR [3]\n");
    assert_eq!(answer(&mut talk, "fsctl loglevel nope"), "-ERR syntax error, log level not set!\n");
    assert_eq!(answer(&mut talk, "fsctl min_idle_cpu 5"), "+OK min idle cpu: 5.00");
    assert!(answer(&mut talk, "status").contains("\nmin idle cpu 5.00/"));
}

#[test]
fn what_follows_a_zero_is_not_there() {
    let mut talk = Talk::roomy();
    talk.say("");
    assert!(talk.replies.last().is_some_and(|reply| reply.contains("-ERR command parse error.")));
}

#[test]
fn a_server_that_is_paused_one_way_is_ready_and_an_originate_without_words_is_none() {
    let mut talk = Talk::roomy();
    for (command, readiness) in [("pause", "is not ready"), ("resume inbound", "is ready"), ("resume", "is ready")] {
        answer(&mut talk, &format!("fsctl {command}"));
        assert!(answer(&mut talk, "status").contains(readiness), "{command}");
    }
    assert!(answer(&mut talk, "originate").starts_with("-USAGE"));
    assert_eq!(talk.switch.figures().originates, 0);
}
