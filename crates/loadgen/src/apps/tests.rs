use super::script::Side;
use super::*;
use crate::config::{Config, parse};

/// The script of an app with these options.
pub(super) fn script(kind: &str, options: &str) -> Result<Script, String> {
    let text =
        format!("[load]\nrate = 1\n[call]\nto = \"null/x\"\nhold = \"1s\"\n[[apps]]\nkind = {kind:?}\n{options}\n");
    let result = parse("a.toml".to_owned(), text, |_| None).and_then(|(config, source): (Config, _)| {
        let app = &config.apps[0];
        let kind = AppKind::of(app.kind.get_ref()).expect("a kind");
        let may_dial = |to: &crate::config::template::Template| match to.to_string().contains("forbidden") {
            true => Err("may not be dialled".to_owned()),
            false => Ok(()),
        };
        let texts = TextScope { columns: &["pin".to_owned()], may_dial: &may_dial, checks_dialled_addresses: true };
        kind.script(Some(app), texts, &source)
    });
    result.map_err(|error| error.to_string())
}

/// The options without which the app cannot be built.
fn minimal_options(kind: &AppKind) -> &'static str {
    match kind.name {
        "bridge" | "proxy" => "bridge_to = \"sofia/external/9196@127.0.0.1\"",
        "flow" => "caller = [\"hang_up\"]",
        _ => "",
    }
}

#[test]
fn every_app_is_built_with_its_defaults() {
    for kind in APPS {
        let script = script(kind.name, minimal_options(kind)).expect(kind.name);
        assert!(!script.controls_far_leg() || kind.far, "{}: says that it may control the far leg", kind.name);
        let results = script.rules.iter().filter_map(|rule| match rule.then {
            script::RuleEffect::Count(result) => Some(result),
            script::RuleEffect::Fail { .. } => None,
        });
        let steps = Side::BOTH.iter().flat_map(|side| script.steps(*side));
        let results = results.chain(script.requires.iter().map(|require| require.result));
        let results: Vec<usize> =
            results.chain(steps.flat_map(|step| step.met.into_iter().chain(step.missed))).collect();
        assert!(results.iter().all(|result| *result < kind.results.len()), "{}: results have names", kind.name);
        assert!(kind.results.len() <= RESULTS_MAX, "{}", kind.name);
        assert_eq!(script.customs().is_empty(), !script.events().contains(&esl_core::EventName::Custom));
    }
}

#[test]
fn every_default_can_be_written_out() {
    for kind in APPS.iter().filter(|kind| kind.name != "callee_block") {
        let options = kind.options.iter().filter(|option| !option.default.is_empty());
        let options: String = options.map(|option| format!("{} = {:?}\n", option.name, option.default)).collect();
        script(kind.name, &(options + minimal_options(kind))).expect(kind.name);
    }
}

#[test]
fn names_are_each_one_s_own() {
    for (at, kind) in APPS.iter().enumerate() {
        assert!(APPS[..at].iter().all(|other| other.name != kind.name), "{}", kind.name);
        let names = kind.options.iter().map(|option| option.name);
        assert!(names.clone().all(|name| !crate::config::APP_KEYS.contains(&name)), "{}", kind.name);
        assert!(names.clone().all(|name| names.clone().filter(|other| *other == name).count() == 1), "{}", kind.name);
    }
}

#[test]
fn options_that_cannot_be_are_refused_with_their_place() {
    for (kind, options, message) in [
        ("echo", "volume = 3", "a.toml:8:1: the app echo has no option \"volume\": known are kind, name, weight, to"),
        ("bert", "side = 2", "a.toml:8:1: the app bert has no option \"side\": did you mean \"sides\"?"),
        ("bert", "sides = 3", "a.toml:8:9: sides = 3: it must be from 0 to 2"),
        ("bert", "sides = 0", "a.toml:8:9: sides = 0: it must be 1 or 2"),
        ("bert", "sides = 1.5", "a.toml:8:9: sides = 1.5: it must be a whole number"),
        ("bert", "sides = 2\ncallee = \"none\"", "a.toml:8:9: sides = 2 needs the far leg"),
        ("bert", "timeout = 5", "a.toml:8:11: timeout is a number: it must be a time such as"),
        ("bert", "timeout = \"0s\"", "a.toml:8:11: timeout = 0ns: it must be above 0"),
        ("tone_play", "tone = \"\"", "a.toml:8:8: the app tone_play needs the option \"tone\""),
        ("tone_play", "tone = \"a\\nb\"", "a.toml:8:8: tone must not have line breaks"),
        ("tone_play", "tone = \"{pim}.wav\"", "a.toml:8:8: tone: unknown placeholder \"{pim}\": did you mean \"pin\"?"),
        ("tone_play", "callee = \"echo\"", "a.toml:8:10: unknown callee \"echo\": known are app, none"),
        ("dtmf_check", "digits = \"12x\"", "a.toml:8:10: invalid digit 'x'"),
        ("dtmf_check", "digits = \"1w2\"", "a.toml:8:10: w and W are pauses"),
        ("dtmf_check", "duration = \"10ms\"", "a.toml:8:12: duration = 10ms: it must be from 50ms to 24s"),
        ("dtmf_check", "interval = \"60ms\"", "a.toml:8:12: interval = 60ms is shorter than a digit (100ms)"),
        ("callee_block", "response = 200", "a.toml:8:12: \"200\" does not reject a call"),
        ("callee_block", "response = 486\ncause = \"USER_BUSY\"", "a.toml:9:9: \"response\" is set as well"),
        ("callee_block", "cause = \"USRE_BUSY\"", "a.toml:8:9: unknown hangup cause \"USRE_BUSY\": did you mean"),
        ("callee_ringback", "after = []", "a.toml:8:9: after is a list: it must be a time such as"),
        ("play_rec", "callee = \"none\"", "a.toml:7:8: the callee's leg cannot be recorded"),
        ("bridge", "", "a.toml:7:8: the app bridge needs the option \"bridge_to\""),
        ("bridge", "bridge_to = \"null/forbidden\"", "a.toml:8:13: may not be dialled"),
        ("proxy", "bridge_to = \"null/forbidden\"", "a.toml:8:13: may not be dialled"),
        ("echo", "since = 1979-05-27", "a.toml:8:9: expected a string"),
    ] {
        let error = script(kind, options).map(|_| ()).expect_err(options);
        assert!(error.starts_with(message), "{kind}: {options}\n{error}\n{message}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn everything_is_described_from_the_table() {
    let all = describe();
    for kind in APPS {
        let one = describe_one(kind.name).expect(kind.name);
        for text in [&all, &one] {
            assert!(text.contains(kind.name), "{}", kind.name);
            assert!(kind.options.iter().all(|option| text.contains(option.name)), "{}", kind.name);
            assert!(kind.results.iter().all(|result| text.contains(result.name)), "{}", kind.name);
            assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        }
    }
    let flow = describe_one("flow").expect("flow");
    assert!(
        flow::STEPS.iter().all(|step| flow.contains(step.name) && flow.contains(step.about.split(' ').next().unwrap()))
    );
    assert_eq!(describe_one("ecko"), Err("unknown app \"ecko\": did you mean \"echo\"?".to_owned()));
}

#[test]
fn only_what_is_needed_is_subscribed_to() {
    let events = |kind: &AppKind| script(kind.name, minimal_options(kind)).expect(kind.name).events();
    assert!(events(&park::KIND).is_empty() && events(&echo::KIND).is_empty());
    let names: Vec<&str> = events(&tone_play::KIND).iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["CHANNEL_ANSWER", "CHANNEL_PARK"]);
    let far = |kind: &str, options: &str| script(kind, options).expect(kind).needs_far_leg_events();
    assert!(!far("bert", "callee = \"none\"") && !far("tone_play", "callee = \"none\"") && far("bert", ""));
    assert!(!far("play_rec", "callee = \"none\"\nrecord = \"caller\"\nplay = \"a.wav\"") && !far("park", ""));
    let customs = script("bert", "").expect("bert").customs();
    assert_eq!(customs, ["mod_bert::in_sync", "mod_bert::lost_sync", "mod_bert::timeout"]);
}
