use super::STEPS;
use crate::apps::tests::script;

/// The error of a flow with these steps.
fn refused(steps: &str) -> String {
    let error = script("flow", steps).map(|_| ()).expect_err(steps);
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn every_step_is_taken_as_it_is_shown() {
    for step in STEPS {
        let mut shapes = vec![step.shape.to_owned()];
        if let Some((first, second)) = step.shape.split_once(" or ") {
            shapes = vec![first.to_owned(), second.to_owned()];
        }
        for shape in shapes {
            let before = match step.needs {
                super::step::LegRequirement::Media | super::step::LegRequirement::Answer => "\"answer\", ",
                _ => "",
            };
            let steps = format!("callee = [{before}{shape}]");
            let script = script("flow", &steps).unwrap_or_else(|error| panic!("{steps}: {error}"));
            assert_eq!(script.callee.len(), 1 + usize::from(!before.is_empty()), "{steps}");
        }
    }
}

#[test]
fn a_flow_of_ten_steps() {
    let script = script(
        "flow",
        r##"caller = [
    { wait = "500ms" },
    { send_digits = "1{pin}", duration = "100ms" },
    { expect_event = "PLAYBACK_START", headers = { Playback-File-Path = "~menu" }, leg = "callee", timeout = "3s" },
    { expect_event = "CUSTOM", subclass = "a::b" },
    { expect_digits = "42#", timeout = "5s" },
    { play = "tone_stream://%(1000,0,440)" },
    { set = { a = "$${b} {uuid}", c = "" } },
    { execute = "sleep", argument = 100 },
    "mute",
    { hang_up = "USER_BUSY" },
]
callee = ["ring", { wait = "1s" }, "answer"]"##,
    );
    let script = script.expect("a flow");
    let labels: Vec<String> = script.caller.iter().map(|step| step.action.label()).collect();
    assert_eq!(labels[1], "digits 1{pin} to go out");
    assert_eq!(labels[2], "PLAYBACK_START with Playback-File-Path ~menu");
    assert_eq!(labels[4], "digits 42#");
    assert_eq!((labels.len(), script.callee.len()), (10, 3));
    assert_eq!(script.customs(), ["a::b"]);
}

#[test]
fn steps_that_cannot_be_are_refused_with_their_place() {
    for (steps, message) in [
        ("caller = []", "a.toml:8:10: a flow needs steps"),
        ("", "a.toml:7:8: a flow needs steps"),
        ("caller = \"hang_up\"", "a.toml:8:10: caller is text: it must be a list of steps"),
        ("caler = []", "a.toml:8:1: the app flow has no option \"caler\": did you mean \"caller\"?"),
        ("caller = [\n  \"hangup\",\n]", "a.toml:9:3: unknown step \"hangup\": did you mean \"hang_up\"?"),
        ("caller = [\n  { sned_digits = \"1\" },\n]", "a.toml:9:5: unknown step \"sned_digits\": did you mean"),
        ("caller = [5]", "a.toml:8:11: a step is a number: it must be its name or a table"),
        ("caller = [{}]", "a.toml:8:11: this step is empty"),
        ("caller = [\"wait\"]", "a.toml:8:11: \"wait\" needs a value: { wait = \"500ms\" }"),
        ("caller = [{ wait = 5 }]", "a.toml:8:20: wait is a number: it must be a time"),
        ("caller = [{ wait = \"1s\", play = \"x\" }]", "a.toml:8:26: \"play\" beside \"wait\": a step does one thing"),
        ("caller = [{ wait = \"1s\", timeout = \"1s\" }]", "a.toml:8:26: unknown key \"timeout\" beside \"wait\""),
        (
            "caller = [{ expect_digits = \"1\", tiemout = \"1s\" }]",
            "a.toml:8:34: unknown key \"tiemout\" beside \"expect_digits\": did you mean \"timeout\"?",
        ),
        ("caller = [{ expect_digits = \"1x\" }]", "a.toml:8:29: invalid digit 'x'"),
        ("caller = [{ send_digits = \"{pim}\" }]", "a.toml:8:27: send_digits: unknown placeholder \"{pim}\""),
        ("caller = [{ play = \"\" }]", "a.toml:8:20: play is empty"),
        ("caller = [{ play = \"a\\nb\" }]", "a.toml:8:20: play must not have line breaks"),
        ("caller = [{ mute = \"x\" }]", "a.toml:8:20: \"mute\" takes no value"),
        ("caller = [{ expect_event = \"PLAYBACK_STRAT\" }]", "a.toml:8:28: unknown event \"PLAYBACK_STRAT\": did you"),
        ("caller = [{ expect_event = \"CUSTOM\" }]", "a.toml:8:28: a CUSTOM event needs its \"subclass\""),
        ("caller = [{ expect_event = \"DTMF\", subclass = \"a\" }]", "a.toml:8:47: only CUSTOM events have a subclass"),
        ("caller = [{ expect_event = \"DTMF\", leg = \"near\" }]", "a.toml:8:42: leg must be"),
        ("caller = [{ expect_event = \"DTMF\", headers = { A = \"~(\" } }]", "a.toml:8:52: A: \"(\": "),
        ("caller = [{ execute = \"two words\" }]", "a.toml:8:23: invalid application \"two words\""),
        ("caller = [{ bridge = \"null/forbidden\" }]", "a.toml:8:22: may not be dialled"),
        ("caller = [{ execute = \"bridge\", argument = \"null/forbidden\" }]", "a.toml:8:44: may not be dialled"),
        ("caller = [{ execute = \"Bridge\", argument = \"null/forbidden\" }]", "a.toml:8:44: may not be dialled"),
        ("caller = [{ execute = \"Transfer\", argument = \"1\" }]", "a.toml:8:23: \"transfer\" can dial numbers that"),
        ("caller = [{ set = { \"a b\" = \"\" } }]", "a.toml:8:21: invalid variable name \"a b\""),
        ("caller = [{ hang_up = \"BUSY\" }]", "a.toml:8:23: unknown hangup cause \"BUSY\""),
        ("callee = [{ respond = 200 }]", "a.toml:8:23: \"200\" does not reject a call"),
        ("caller = [\"hang_up\", { wait = \"1s\" }]", "a.toml:8:22: nothing can follow \"hang_up\": the call is over"),
        ("callee = [{ respond = 486 }, \"answer\"]", "a.toml:8:30: nothing can follow \"respond\""),
        ("caller = [\"answer\"]", "a.toml:8:11: \"answer\" is for the callee: the caller's steps start after"),
        ("callee = [\"answer\", \"ring\"]", "a.toml:8:21: \"ring\" after an answer: the call is answered already"),
        ("callee = [\"answer\", \"early_media\"]", "a.toml:8:21: \"early_media\" after an answer"),
        ("callee = [\"answer\", \"answer\"]", "a.toml:8:21: \"answer\" after an answer"),
        ("callee = [\"early_media\", \"ring\"]", "a.toml:8:26: \"ring\" after \"early_media\""),
        ("callee = [\"ring\", \"ring\"]", "a.toml:8:19: \"ring\" a second time"),
        (
            "callee = [{ play = \"x\" }]",
            "a.toml:8:11: \"play\" on a leg without media: put \"answer\" or \"early_media\"",
        ),
        (
            "callee = [\"early_media\", { send_digits = 1 }]",
            "a.toml:8:26: \"send_digits\" on a leg that is not answered",
        ),
        ("callee = [\"ring\", { expect_digits = 1 }]", "a.toml:8:19: \"expect_digits\" on a leg that is not answered"),
        ("caller = [\"hang_up\"]\ncallee = [\"ring\"]", "a.toml:9:10: no step of the callee answers the call"),
    ] {
        let error = refused(steps);
        assert!(error.starts_with(message), "{steps}\n{error}\n{message}");
    }
    let long = format!("caller = [{}]", "\"mute\",".repeat(101));
    assert!(refused(&long).starts_with("a.toml:8:10: 101 steps: the limit is 100"));
}
