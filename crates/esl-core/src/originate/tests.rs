use super::*;

fn originate() -> Originate {
    Originate::new(Uuid::nil(), "null/x", "park")
}

fn value(value: &str) -> Result<String, CommandError> {
    let command = originate().variable("n", value).command()?;
    let (_, rest) = command.split_once("000000000000,n=").unwrap();
    Ok(rest.strip_suffix("}null/x &park()").unwrap().to_owned())
}

/// What an originate says in its brackets, without the channel's UUID.
fn said(originate: &Originate) -> String {
    let command = originate.command().unwrap();
    let (_, rest) = command.split_once("000000000000").unwrap();
    rest.strip_suffix("}null/x &park()").unwrap().trim_start_matches(',').to_owned()
}

#[test]
fn values_are_quoted_for_freeswitch_s_parser() {
    assert_eq!(value("plain").as_deref(), Ok("plain"));
    assert_eq!(value("a,b").as_deref(), Ok("a\\,b"));
    assert_eq!(value("a b").as_deref(), Ok("'a b'"));
    assert_eq!(value("a, b").as_deref(), Ok("'a\\, b'"));
    assert_eq!(value("\"a\" <b>").as_deref(), Ok("'\"a\" <b>'"));
    assert_eq!(value("{x}").as_deref(), Ok("{x}"));
    assert_eq!(value("a\\b").as_deref(), Ok(r"a\\\\\\\\b"));
    assert_eq!(value("it's").as_deref(), Ok(r"it\\\\\\\'s"));
    assert_eq!(value(" a ").as_deref(), Ok(r"\\\\sa\\\\s"));
    assert_eq!(value("a\r\n\tb").as_deref(), Ok(r"a\r\n\tb"));
    assert_eq!(value("$1 $").as_deref(), Ok("'$1 $'"));
    assert_eq!(value("a:_:_:b").as_deref(), Ok(r"a:_\'\':_\'\':b"));
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let refused = |text: &str, unfit| {
        let place = "a variable's value";
        assert_eq!(value(text), Err(CommandError::Originate { place, text: text.to_owned(), unfit }));
    };
    refused("a}b", '}');
    refused("}{", '}');
    refused("{", '{');
    refused("\0", '\0');
    for text in ["${x}", "$\\{x}", "ARRAY::a", "ARRAY::|:a", "ARRAY::"] {
        assert!(matches!(value(text), Err(CommandError::OriginateSequence { .. })), "{text:?}");
    }
    for address in ["", "null/x &hangup()", "{a=b}null/x", "null/'x"] {
        assert!(Originate::new(Uuid::nil(), address, "park").command().is_err(), "{address:?}");
    }
    assert!(Originate::new(Uuid::nil(), "null/x", "park() ").command().is_err());
    assert!(originate().variable("a b", "1").command().is_err());
    assert!(originate().variable("", "1").command().is_err());
    assert!(originate().x_header("Evil", "1\r\nY: 2").command().is_err());
    assert!(originate().variable("sip_h_Evil", "1\r\nY: 2").command().is_err());
    for (name, number) in [("a\nb", "1"), ("\"J\"", "1"), ("J", "a@b"), ("J", "1;a=b"), ("J", "1>")] {
        assert!(originate().caller_id(name, number).command().is_err(), "{name:?} {number:?}");
    }
    assert!(originate().codecs(["PCMU '"]).command().is_err());
}

#[test]
fn another_kind_of_brackets_may_carry_what_one_does_not() {
    assert!(originate().variable("n", "}").command().is_err());
    assert!(originate().enterprise_variable("n", "}").command().is_ok());
    assert!(originate().enterprise_variable("n", ">").command().is_err());
    let leg = |value| Originate::new(Uuid::nil(), Leg::new("null/x").variable("n", value), "park").command();
    assert!(leg("}<").is_ok());
    assert!(leg("]").is_err());
    assert!(leg("\u{1}").is_err());
}

#[test]
fn an_empty_value_is_no_variable_and_takes_an_earlier_one_back() {
    assert_eq!(said(&originate().variable("n", "").variable("m", "1")), "m=1");
    assert_eq!(said(&originate().variable("n", "1").variable("m", "1").variable("N", "")), "m=1");
    assert_eq!(said(&originate().variable("n", "1").variable("n", "2")), "n=2");
    assert!(originate().variable("a b", "").command().is_err(), "its name must be one all the same");
}

#[test]
fn times_are_whole_seconds_rounded_up() {
    let cases = [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_999, "60"), (u64::MAX, "2147483647")];
    for (milliseconds, seconds) in cases {
        let timeout = originate().timeout(Duration::from_millis(milliseconds));
        assert_eq!(said(&timeout), format!("originate_timeout={seconds}"));
    }
    let guard = originate().hangup_after(Duration::from_millis(1500), HangupCause::USER_BUSY);
    assert_eq!(said(&guard), "execute_on_answer='sched_hangup +2 USER_BUSY'");
    let guard = originate().hangup_after(Duration::from_secs(2), HangupCause::UNKNOWN);
    assert_eq!(said(&guard), "execute_on_answer='sched_hangup +2'");
}

#[test]
fn what_a_call_is_given() {
    assert_eq!(said(&originate().ignore_early_media(true)), "ignore_early_media=true");
    assert_eq!(said(&originate().codecs(["PCMU@20i", "PCMA"])), "absolute_codec_string=PCMU@20i\\,PCMA");
    assert_eq!(said(&originate().codecs::<[&str; 0]>([])), "");
    assert_eq!(said(&originate().x_header("Call", "a b")), "sip_h_X-Call='a b'");
    assert_eq!(said(&originate().x_header("X-Call", "a")), "sip_h_X-Call=a");
    assert_eq!(
        said(&originate().caller_id("Jo, J", "+49")),
        "origination_caller_id_name='Jo\\, J',origination_caller_id_number=+49"
    );
}

#[test]
fn several_legs() {
    let uuid = Uuid::from_u128(1);
    let command = originate()
        .and(Leg::new("null/y").uuid(uuid).variable("m", "a;b"))
        .or("null/z")
        .variable("n", "1")
        .command()
        .unwrap();
    assert_eq!(
        command,
        "originate {n=1}[^^;origination_uuid=00000000-0000-0000-0000-000000000000]null/x,\
         [^^;origination_uuid=00000000-0000-0000-0000-000000000001;m=a\\;b]null/y|null/z &park()"
    );
    let command = originate()
        .variable("n", "1")
        .enterprise_variable("m", "2")
        .enterprise(Group::new("null/y").and("null/z").variable("k", "3"))
        .command()
        .unwrap();
    assert_eq!(
        command,
        "originate <m=2,n=1>[^^;origination_uuid=00000000-0000-0000-0000-000000000000]null/x:_:{k=3}null/y,null/z &park()"
    );
}

#[test]
fn what_an_answered_call_does() {
    let after = |on_answer: OnAnswer| {
        let command = Originate::new(Uuid::nil(), "null/x", on_answer).command()?;
        Ok(command.split_once("}null/x ").unwrap().1.to_owned())
    };
    let cases: [(OnAnswer, &str); 9] = [
        ("park".into(), "&park()"),
        (Application::new("set").arguments("a=b c").into(), "&set('a=b c')"),
        (Application::new("set").arguments("a=(b,c").into(), "&set(a=(b,c)"),
        (Application::new("set").arguments("it's").into(), r"&set(it\'s)"),
        (Application::new("set").arguments("${a}").into(), r"&set(\\${a})"),
        (Application::new("set").expanded_arguments("${a}").into(), "&set(${a})"),
        (Extension::new("9196").into(), "9196"),
        (Extension::new("9196").context("public").into(), "9196 XML public"),
        (Extension::new("set:a=b c,park").dialplan("inline").into(), "'set:a=b c,park' inline"),
    ];
    for (on_answer, text) in cases {
        assert_eq!(after(on_answer).as_deref(), Ok(text));
    }
    let refused: [OnAnswer; 8] = [
        Application::new("set").arguments("a)").into(),
        Application::new("set").arguments("a\\'").into(),
        Application::new("set").arguments("%[a=b]").into(),
        Application::new("set").arguments("%:[a=b]").into(),
        Extension::new("").into(),
        Extension::new("&park").into(),
        Extension::new("Undef").into(),
        Extension::new("1").context("undef").into(),
    ];
    for on_answer in refused {
        let result: Result<String, CommandError> = after(on_answer.clone());
        assert!(result.is_err(), "{on_answer:?}");
    }
}

#[test]
fn no_command_is_taken_for_an_unloading() {
    let command = originate().variable("n", "reload Mod_Event_Socket").command().unwrap();
    assert!(!cheats(&command), "{command}");
    let command = originate().variable("reload", "1").variable("mod_event_socket", "1").command();
    assert!(matches!(command, Err(CommandError::OriginateSequence { .. })));
}

#[test]
fn there_are_limits() {
    let many = |n: usize| (0..n).fold(originate(), |it, at| it.variable(format!("v{at}"), "1")).command();
    assert!(many(1023).is_ok());
    assert_eq!(many(1024), Err(CommandError::TooMany { what: "variables", most: 1024 }));
    let legs = |n: usize| (1..n).fold(originate(), |it, _| it.and("null/x")).command();
    assert!(legs(128).is_ok());
    assert!(matches!(legs(129), Err(CommandError::TooMany { what: "legs", .. })));
    let groups = |n: usize| (1..n).fold(originate(), |it, _| it.enterprise(Group::new("null/x"))).command();
    assert!(groups(128).is_ok());
    assert!(matches!(groups(129), Err(CommandError::TooMany { what: "groups", .. })));
    assert!(matches!(value(&"x".repeat(2_000_000)), Err(CommandError::TooLong { .. })));
}
