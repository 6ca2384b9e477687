//! Scripts as dialogues: events come in, acts go out.

use proptest::prelude::*;

use super::*;
use crate::apps::script::{Application, EventPattern, EventRule, Requirement, Step};
use crate::config::template::Template;

/// A call in the middle of a script.
struct Stage {
    script_run: ScriptRun,
    start: Instant,
    now: Duration,
}

fn constant(text: &str) -> Template {
    Template::parse_in_app(text, &[]).expect(text)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn digits(text: &str, timeout: f64) -> Step {
    Action::ExpectDigits { digits: constant(text), timeout: seconds(timeout) }.into()
}

fn awaited(watch: EventPattern, timeout: f64) -> Step {
    Action::ExpectEvent { watch, timeout: seconds(timeout) }.into()
}

fn wait(time: f64) -> Step {
    Action::Wait(seconds(time)).into()
}

fn send(text: &str) -> Step {
    Action::SendDigits { digits: constant(text), duration: None }.into()
}

fn hang_up_step() -> Step {
    Action::HangUp { side: Side::Callee, cause: HangupCause::USER_BUSY }.into()
}

fn event(name: &str, headers: &[(&str, &str)]) -> Event {
    let mut text = format!("Event-Name: {name}\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\n");
    }
    Event::from_plain((text + "\n").into()).expect("an event")
}

impl Stage {
    fn new(caller: Vec<Step>, callee: Vec<Step>) -> Self {
        Self::of(Script { caller, callee, ..Script::default() })
    }

    fn of(script: Script) -> Self {
        let script_run = ScriptRun::new(Arc::new(script));
        Self { script_run, start: Instant::now(), now: Duration::ZERO }
    }

    fn context() -> Context<'static> {
        Context { far: Some(Uuid::from_u128(0xfa)), uuid: Uuid::from_u128(0xca), ..Context::sample() }
    }

    /// What the acts are, in short.
    fn play(&mut self, play: impl FnOnce(&mut ScriptRun, &Context<'_>, Instant) -> Vec<LegCommand>) -> Vec<String> {
        let commands = play(&mut self.script_run, &Self::context(), self.start + self.now);
        let short = |text: &str| text.replace("00000000-0000-0000-0000-0000000000", "");
        let commands = commands.iter().map(|act| match act {
            LegCommand::Api { command, slow, .. } => format!("{}{}", short(command), if *slow { " …" } else { "" }),
            LegCommand::Execute { side, application, argument, .. } => format!("{side:?} {application} {argument}"),
            LegCommand::HangUp { side, cause } => format!("{side:?} {cause}"),
        });
        commands.collect()
    }

    fn begin(&mut self, side: Side) -> Vec<String> {
        self.play(|script_run, context, at| script_run.begin(side, context, at))
    }

    fn on(&mut self, side: Side, event: &Event) -> Vec<String> {
        self.play(|script_run, context, at| script_run.on_event(side, event, context, at))
    }

    fn digit(&mut self, side: Side, digit: &str) -> Vec<String> {
        self.on(side, &event("DTMF", &[("DTMF-Digit", digit)]))
    }

    fn park(&mut self, side: Side) -> Vec<String> {
        self.on(side, &event("CHANNEL_PARK", &[("Answer-State", "ringing")]))
    }

    /// Answered, and its own application has begun.
    fn answered(&mut self) -> Vec<String> {
        let mut commands = self.begin(Side::Caller);
        commands.extend(self.park(Side::Caller));
        commands
    }

    /// Goes to its next alarm, which is after so many seconds of the call.
    fn next_deadline(&mut self, at: f64) -> Vec<String> {
        let next_deadline = self.script_run.next_deadline().expect("an alarm");
        assert_eq!(next_deadline - self.start, seconds(at), "the alarm");
        self.now = seconds(at);
        self.play(|script_run, context, at| script_run.on_deadline(at, context))
    }

    fn failure(&self) -> String {
        self.script_run.failure().map(ToString::to_string).unwrap_or_default()
    }

    fn end(&mut self) -> String {
        self.script_run.end(&Self::context());
        self.failure()
    }
}

const NONE: [&str; 0] = [];

#[test]
fn steps_follow_each_other_in_their_time() {
    let mut stage = Stage::new(vec![wait(0.5), send("1{attempt}"), wait(1.0), hang_up_step()], Vec::new());
    assert_eq!(stage.answered(), NONE);
    assert_eq!(stage.next_deadline(0.5), ["uuid_send_dtmf ca 11"]);
    assert_eq!(stage.next_deadline(1.5), ["Callee USER_BUSY"]);
    assert_eq!((stage.script_run.next_deadline(), stage.script_run.is_over()), (None, true));
    assert_eq!(stage.end(), "");
}

#[test]
fn waits_do_not_add_up_their_delays() {
    let mut stage = Stage::new(vec![wait(1.0), send("1"), wait(1.0), send("2")], Vec::new());
    stage.answered();
    stage.now = seconds(1.25);
    assert_eq!(stage.play(|p, context, at| p.on_deadline(at, context)), ["uuid_send_dtmf ca 1"]);
    assert_eq!(stage.next_deadline(2.0), ["uuid_send_dtmf ca 2"]);
}

#[test]
fn a_near_leg_is_told_nothing_before_its_application_has_begun() {
    let mut stage = Stage::new(vec![send("1"), send("2")], Vec::new());
    assert_eq!(stage.begin(Side::Caller), NONE);
    assert_eq!(stage.park(Side::Caller), ["uuid_send_dtmf ca 1", "uuid_send_dtmf ca 2"]);
    let mut early = Stage::new(vec![send("1")], Vec::new());
    assert_eq!(early.park(Side::Caller), NONE);
    assert_eq!(early.begin(Side::Caller), ["uuid_send_dtmf ca 1"], "the events came in another order");
    let mut lost = Stage::new(vec![send("1")], Vec::new());
    lost.begin(Side::Caller);
    assert_eq!(lost.next_deadline(2.0), ["uuid_send_dtmf ca 1"], "the event was lost");
    let application = Application::new("echo");
    let mut other = Stage::of(Script { application, caller: vec![send("1")], ..Script::default() });
    assert_eq!(other.begin(Side::Caller), ["uuid_send_dtmf ca 1"], "it will not be parked");
}

#[test]
fn a_far_leg_s_steps_wait_for_what_they_bring_about() {
    let steps = vec![
        Action::Ring.into(),
        wait(1.0),
        Action::Answer.into(),
        Action::Play { file: constant("{uuid}.wav"), background: false }.into(),
        Action::Mute(true).into(),
    ];
    let mut stage = Stage::new(Vec::new(), steps);
    assert_eq!(stage.park(Side::Callee), ["uuid_ring_ready fa …"]);
    assert_eq!(stage.park(Side::Callee), NONE, "told twice");
    stage.now = seconds(0.25);
    assert_eq!(stage.on(Side::Callee, &event("CHANNEL_PROGRESS", &[])), NONE);
    assert_eq!(stage.next_deadline(1.25), ["uuid_answer fa …"]);
    let answer = event("CHANNEL_ANSWER", &[]);
    assert_eq!(stage.on(Side::Caller, &answer), NONE, "the other leg's");
    let played = stage.on(Side::Callee, &answer);
    assert_eq!(played, ["Callee playback 00000000-0000-0000-0000-0000000000ca.wav"]);
    assert_eq!(stage.on(Side::Callee, &event("CHANNEL_EXECUTE_COMPLETE", &[])), NONE, "another application's");
    let uuid = stage.script_run.tracks[1].execution.to_string();
    let complete = |response| {
        event("CHANNEL_EXECUTE_COMPLETE", &[("Application-UUID", &uuid), ("Application-Response", response)])
    };
    let mut failing = Stage::new(
        Vec::new(),
        vec![Action::Answer.into(), Action::Play { file: constant("a"), background: false }.into()],
    );
    failing.on(Side::Callee, &event("CHANNEL_PARK", &[("Answer-State", "answered")]));
    assert_eq!(failing.on(Side::Callee, &complete("FILE NOT FOUND")), ["Caller NORMAL_CLEARING"]);
    assert_eq!(failing.failure(), "callee's step 2, expected a to play, got FILE NOT FOUND");
    assert_eq!(stage.on(Side::Callee, &complete("FILE PLAYED")), ["uuid_audio fa start write mute 1"]);
    assert_eq!(stage.script_run.next_deadline(), None);
    assert_eq!(stage.end(), "");
}

#[test]
fn an_answer_that_does_not_come_is_a_failure() {
    let mut stage = Stage::new(Vec::new(), vec![Action::Answer.into()]);
    assert_eq!(stage.park(Side::Callee), ["uuid_answer fa …"]);
    assert_eq!(stage.next_deadline(10.0), ["Caller NORMAL_CLEARING"]);
    assert_eq!(stage.failure(), "callee's step 1, expected an answer, got nothing");
    assert_eq!(stage.on(Side::Callee, &event("CHANNEL_ANSWER", &[])), NONE);
}

#[test]
fn digits_are_heard_whenever_they_come() {
    let mut stage = Stage::new(vec![wait(1.0), digits("42#", 5.0), digits("7", 5.0)], Vec::new());
    stage.digit(Side::Caller, "4");
    stage.answered();
    assert_eq!(stage.digit(Side::Callee, "9"), NONE, "the other leg's");
    stage.digit(Side::Caller, "2");
    stage.next_deadline(1.0);
    stage.digit(Side::Caller, "#");
    assert_eq!(stage.script_run.next_deadline().expect("the next one") - stage.start, seconds(6.0));
    stage.digit(Side::Caller, "7");
    assert_eq!((stage.script_run.next_deadline(), stage.end().as_str()), (None, ""));
}

#[test]
fn wrong_digits_are_a_failure_at_once_and_missing_ones_in_time() {
    let mut wrong = Stage::new(vec![wait(0.5), digits("42#", 5.0)], Vec::new());
    wrong.answered();
    wrong.next_deadline(0.5);
    assert_eq!(wrong.digit(Side::Caller, "4"), NONE);
    assert_eq!(wrong.digit(Side::Caller, "3"), ["Caller NORMAL_CLEARING"]);
    assert_eq!(wrong.failure(), "step 2, expected digits 42#, got 43");

    let mut late = Stage::new(vec![digits("42#", 5.0)], Vec::new());
    late.answered();
    late.digit(Side::Caller, "4");
    assert_eq!(late.next_deadline(5.0), ["Caller NORMAL_CLEARING"]);
    assert_eq!(late.failure(), "step 1, expected digits 42#, got 4");
    assert_eq!(late.end(), late.failure(), "the first one counts");
}

#[test]
fn an_event_counts_for_the_first_open_step_that_it_fits() {
    let start = |file: &str| EventPattern::new(EventName::PlaybackStart).with("Playback-File-Path", file);
    let steps = vec![awaited(start("menu.wav"), 3.0), send("1"), awaited(start("bye.wav"), 3.0), hang_up_step()];
    let mut stage = Stage::new(steps, Vec::new());
    let plays = |file| event("PLAYBACK_START", &[("Playback-File-Path", file)]);
    // The far leg was quicker than the news of the near one's answer.
    assert_eq!(stage.on(Side::Callee, &plays("menu.wav")), NONE);
    assert_eq!(stage.answered(), ["uuid_send_dtmf ca 1"]);
    assert_eq!(stage.on(Side::Callee, &plays("menu.wav")), NONE, "that step is over");
    assert_eq!(stage.on(Side::Callee, &plays("bye.wav")), ["Callee USER_BUSY"]);
    assert_eq!(stage.end(), "");
}

#[test]
fn what_is_open_at_the_end_is_a_failure() {
    let watch = || EventPattern::new(EventName::ChannelBridge).on(Side::Caller);
    let mut open = Stage::new(vec![awaited(watch(), 60.0)], Vec::new());
    open.answered();
    open.on(Side::Callee, &event("CHANNEL_BRIDGE", &[]));
    assert_eq!(open.end(), "step 1, expected CHANNEL_BRIDGE, got nothing");

    let mut unreached = Stage::new(vec![wait(60.0), digits("1", 5.0)], Vec::new());
    unreached.answered();
    unreached.digit(Side::Caller, "1");
    assert_eq!(unreached.end(), "step 2, expected digits 1, got an end before that");

    let mut unparked = Stage::new(Vec::new(), vec![Action::Answer.into()]);
    unparked.answered();
    let message = "callee's step 1, expected a far leg that is parked on one of the slaves, got none";
    assert_eq!(unparked.end(), message);

    let mut fine = Stage::new(vec![wait(60.0), hang_up_step()], Vec::new());
    fine.answered();
    assert_eq!(fine.end(), "", "its hold was shorter");
}

#[test]
fn an_end_that_was_waited_for_last_is_planned() {
    let hung_up = || awaited(EventPattern::new(EventName::ChannelHangup), 60.0);
    for (caller, callee, planned) in [
        (vec![wait(0.1), hung_up()], Vec::new(), true),
        (vec![hung_up()], vec![Action::Answer.into()], false),
        (vec![wait(0.1)], Vec::new(), false),
        (vec![hung_up(), wait(0.1)], Vec::new(), false),
    ] {
        let mut stage = Stage::new(caller, callee);
        stage.answered();
        if stage.script_run.next_deadline() == Some(stage.start + seconds(0.1)) {
            stage.next_deadline(0.1);
        }
        assert!(!stage.script_run.has_seen_its_end());
        stage.on(Side::Caller, &event("CHANNEL_HANGUP", &[]));
        assert_eq!(stage.script_run.has_seen_its_end(), planned);
    }
}

#[test]
fn a_leg_that_is_hung_up_is_told_nothing_more() {
    let hung_up = EventPattern::new(EventName::ChannelHangup).on(Side::Callee);
    let mut stage = Stage::new(vec![awaited(hung_up, 5.0), send("1"), digits("2", 1.0)], Vec::new());
    stage.answered();
    assert_eq!(stage.on(Side::Caller, &event("CHANNEL_HANGUP", &[])), NONE);
    assert_eq!(stage.on(Side::Callee, &event("CHANNEL_HANGUP", &[])), NONE);
    assert_eq!(stage.end(), "step 3, expected digits 2, got an end before that");
}

#[test]
fn results_are_counted_and_required() {
    let script = || Script {
        rules: vec![
            EventRule { watch: EventPattern::custom("mod_bert::in_sync"), then: RuleEffect::Count(0) },
            EventRule { watch: EventPattern::custom("mod_bert::lost_sync"), then: RuleEffect::Count(1) },
            EventRule {
                watch: EventPattern::new(EventName::ChannelHangup),
                then: RuleEffect::Fail { expected: "to get in sync first".to_owned(), unless: Some(0) },
            },
        ],
        requires: vec![
            Requirement { result: 0, times: 1..=u32::MAX, expected: "to get in sync".to_owned() },
            Requirement { result: 1, times: 0..=0, expected: "sync to be kept".to_owned() },
        ],
        ..Script::default()
    };
    let custom = |subclass| event("CUSTOM", &[("Event-Subclass", subclass)]);
    let mut good = Stage::of(script());
    good.on(Side::Caller, &custom("mod_bert::in_sync"));
    assert_eq!((good.end().as_str(), good.script_run.results()), ("", &[1, 0, 0, 0]));
    let mut bad = Stage::of(script());
    bad.on(Side::Caller, &custom("mod_bert::in_sync"));
    bad.on(Side::Callee, &custom("mod_bert::lost_sync"));
    assert_eq!((bad.end().as_str(), bad.script_run.results()), ("expected sync to be kept, got 1", &[1, 1, 0, 0]));
    assert_eq!(Stage::of(script()).end(), "expected to get in sync, got none");
    let hung_up = event("CHANNEL_HANGUP", &[("Hangup-Cause", "USER_BUSY")]);
    let mut first = Stage::of(script());
    assert_eq!(first.on(Side::Caller, &hung_up), ["Caller NORMAL_CLEARING"]);
    assert_eq!(first.end(), "expected to get in sync first, got USER_BUSY");
    let mut later = Stage::of(script());
    later.on(Side::Caller, &custom("mod_bert::in_sync"));
    assert_eq!(later.on(Side::Caller, &hung_up), NONE);
}

#[test]
fn steps_count_results_when_they_are_done_and_when_they_fail() {
    let steps = || vec![Step { met: Some(0), missed: Some(1), ..digits("1", 5.0) }];
    let mut met = Stage::new(steps(), Vec::new());
    met.answered();
    met.digit(Side::Caller, "1");
    assert_eq!((met.end().as_str(), met.script_run.results()), ("", &[1, 0, 0, 0]));
    let mut missed = Stage::new(steps(), Vec::new());
    missed.answered();
    missed.end();
    assert_eq!(missed.script_run.results(), &[0, 1, 0, 0]);
}

#[test]
fn a_bridge_comes_about_or_says_why_not() {
    let steps = || vec![Action::Bridge { to: constant("sofia/x/{attempt}"), timeout: TIMEOUT }.into(), send("1")];
    let mut met = Stage::new(steps(), Vec::new());
    assert_eq!(met.answered(), ["Caller bridge sofia/x/1"]);
    assert_eq!(met.on(Side::Caller, &event("CHANNEL_BRIDGE", &[])), ["uuid_send_dtmf ca 1"]);
    let mut missed = Stage::new(steps(), Vec::new());
    missed.answered();
    let uuid = missed.script_run.tracks[0].execution.to_string();
    let headers = [("Application-UUID", &*uuid), ("variable_originate_disposition", "USER_BUSY")];
    missed.on(Side::Caller, &event("CHANNEL_EXECUTE_COMPLETE", &headers));
    assert_eq!(missed.failure(), "step 1, expected a bridge to sofia/x/1, got USER_BUSY");
}

#[test]
fn recordings_are_named_once_they_have_begun() {
    let path = || constant("/rec/{uuid} near.wav");
    let other = || Action::Record { path: path(), every: 2 };
    let counted = Step { action: other(), met: Some(0), missed: None };
    let mut skipped = Stage::new(vec![counted, send("1")], Vec::new());
    assert_eq!(skipped.answered(), ["uuid_send_dtmf ca 1"], "the attempt's number is 1");
    assert_eq!(skipped.script_run.results()[0], 0);
    let mut stage =
        Stage::new(vec![Action::Record { path: path(), every: 1 }.into(), Action::StopRecord.into()], Vec::new());
    let uuid = Uuid::from_u128(0xca);
    assert_eq!(
        stage.answered(),
        [format!("uuid_record ca start '/rec/{uuid} near.wav' …").replace("00000000-0000-0000-0000-0000000000", "")]
    );
    assert!(stage.script_run.files().is_empty());
    assert_eq!(stage.on(Side::Caller, &event("RECORD_START", &[])).len(), 1);
    assert_eq!(stage.script_run.files(), [format!("/rec/{uuid} near.wav")]);
    assert_eq!(stage.on(Side::Caller, &event("RECORD_STOP", &[])), NONE);
    assert_eq!(stage.script_run.next_deadline(), None);
}

#[test]
fn a_circle_goes_on_until_the_end_and_never_at_once() {
    let mut stage = Stage::new(vec![send("1"), wait(1.0), Action::Repeat(0).into()], Vec::new());
    assert_eq!(stage.answered().len(), 1);
    for second in 1..5 {
        assert_eq!(stage.next_deadline(f64::from(second)), ["uuid_send_dtmf ca 1"]);
    }
    let mut endless = Stage::new(vec![send("1"), Action::Repeat(0).into()], Vec::new());
    assert!(endless.answered().len() <= STEPS_AT_ONCE);
}

#[test]
fn what_no_command_carries_is_a_failure() {
    let columns = ["name".to_owned()];
    let digits = Template::parse("{name}", &columns).expect("a column");
    let script = Script { caller: vec![Action::SendDigits { digits, duration: None }.into()], ..Script::default() };
    let mut script_run = ScriptRun::new(Arc::new(script));
    let row = ["1\n\nexit".to_owned()];
    let context = Context { row: Some(&row), ..Context::sample() };
    let now = Instant::now();
    assert_eq!(script_run.begin(Side::Caller, &context, now), []);
    let commands = script_run.on_event(Side::Caller, &event("CHANNEL_PARK", &[]), &context, now);
    assert!(matches!(&commands[..], [LegCommand::HangUp { .. }]), "{commands:?}");
    assert!(script_run.failure().is_some_and(|failure| failure.step == 1));
}

/// Thousands of calls are up at once, each with one of these.
#[test]
fn a_performance_is_small() {
    assert!(size_of::<ScriptRun>() <= 400, "{} bytes", size_of::<ScriptRun>());
}

/// What can happen to a performance.
#[derive(Clone, Debug)]
enum Happening {
    Begin(bool),
    Event(bool, usize),
    PreciseTimer(bool),
    Passes(u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    (0_u8..15, 0_u64..3000).prop_map(|(which, time)| {
        let timeout = Duration::from_millis(time);
        match which {
            0 => Action::Wait(timeout).into(),
            1 => Action::Answer.into(),
            2 => Action::Ring.into(),
            3 => Action::EarlyMedia.into(),
            4 => Action::Play { file: constant("a.wav"), background: time % 2 == 0 }.into(),
            5 => Action::StopPlay.into(),
            6 => Action::Record { path: constant("{uuid}.wav"), every: 1 }.into(),
            7 => send("1"),
            8 => digits("1", 2.0),
            9 => awaited(EventPattern::new(EventName::PlaybackStart), 2.0),
            10 => Action::Execute { application: "x".into(), argument: constant("y"), timeout: Some(timeout) }.into(),
            11 => Action::Bridge { to: constant("null/x"), timeout }.into(),
            12 => hang_up_step(),
            13 => Action::Respond(constant("486")).into(),
            _ => Action::Repeat(0).into(),
        }
    })
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        any::<bool>().prop_map(Happening::Begin),
        (any::<bool>(), 0_usize..8).prop_map(|(side, event)| Happening::Event(side, event)),
        any::<bool>().prop_map(Happening::PreciseTimer),
        (0_u16..5000).prop_map(Happening::Passes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_happens_it_goes_on_in_bounds(
        caller in prop::collection::vec(any_step(), 0..8),
        callee in prop::collection::vec(any_step(), 0..8),
        happenings in prop::collection::vec(any_happening(), 0..60),
    ) {
        let names = ["CHANNEL_PARK", "CHANNEL_ANSWER", "DTMF", "PLAYBACK_START", "CHANNEL_BRIDGE", "RECORD_START",
            "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_PROGRESS_MEDIA"];
        let mut stage = Stage::new(caller, callee);
        let side = |callee| if callee { Side::Callee } else { Side::Caller };
        for happening in happenings {
            let commands = match happening {
                Happening::Begin(callee) => stage.begin(side(callee)),
                Happening::Event(callee, which) => {
                    let uuid = stage.script_run.tracks[usize::from(callee)].execution.to_string();
                    stage.on(side(callee), &event(names[which], &[("DTMF-Digit", "1"), ("Application-UUID", &uuid)]))
                }
                Happening::PreciseTimer(at_once) => {
                    if let Some(next_deadline) = stage.script_run.next_deadline().filter(|_| !at_once) {
                        stage.now = stage.now.max(next_deadline - stage.start);
                    }
                    stage.play(|script_run, context, at| script_run.on_deadline(at, context))
                }
                Happening::Passes(time) => {
                    stage.now += Duration::from_millis(time.into());
                    Vec::new()
                }
            };
            prop_assert!(commands.len() <= 2 * STEPS_AT_ONCE);
        }
        let failed = stage.script_run.failure().cloned();
        stage.script_run.end(&Stage::context());
        prop_assert!(failed.is_none() || stage.script_run.failure() == failed.as_ref(), "the first failure stays");
        prop_assert_eq!(stage.script_run.next_deadline(), None, "nothing is awaited after the end");
        let after = stage.begin(Side::Caller);
        prop_assert_eq!(after, Vec::<String>::new());
    }
}
