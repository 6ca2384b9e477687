//! Any text either is refused or comes back exactly, through the model.

use esl_core::{Application, CommandError, Endpoint, Extension, Group, Leg, OnAnswer, Originate, Sofia};
use proptest::prelude::*;
use uuid::Uuid;

use crate::parser::{Parsed, application, parse};

const CASES: u32 = 4000;

/// Texts of pieces that mean something to one parser or another, and of anything else.
pub(crate) fn awkward() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "'",
        "\\",
        "\"",
        ",",
        " ",
        "  ",
        "|",
        ":",
        ";",
        "=",
        "$",
        "{",
        "}",
        "[",
        "]",
        "<",
        ">",
        "(",
        ")",
        "&",
        "^^",
        "%",
        "a",
        "b",
        "n",
        "s",
        "t",
        "r",
        "\n",
        "\r",
        "\t",
        "\\n",
        "\\s",
        "\\'",
        "\\,",
        "\\\\",
        "${x}",
        "$${x}",
        "{x}",
        "[x]",
        "<x>",
        "''",
        ":_:",
        "_",
        "ARRAY::",
        "|:",
        "undef",
        "^^:",
        "%[",
        "%41",
        "é",
        "☎",
        "\u{1}",
        "\u{2}",
        "\u{7f}",
        "\u{85}",
        "reload mod_event_socket",
        "origination_uuid=",
        "/",
        "@",
        "!",
        "#",
        "~",
        "`",
    ];
    let pieces = proptest::collection::vec(proptest::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => pieces, 1 => any::<String>()]
}

fn parsed(originate: &Originate) -> Option<Parsed> {
    let command = match originate.command() {
        Ok(command) => command,
        Err(CommandError::Originate { unfit, text, .. }) => {
            assert!(text.contains(unfit), "{unfit:?} is not in {text:?}");
            return None;
        }
        Err(CommandError::OriginateSequence { sequence, text, .. }) => {
            assert!(text.to_lowercase().contains(&sequence.to_lowercase()) || text.contains('$') || text.contains('%'));
            return None;
        }
        Err(CommandError::Empty(_)) => return None,
        Err(error) => panic!("{error}"),
    };
    Some(parse(&command).unwrap_or_else(|failed| panic!("{command:?}: {failed:?}")))
}

fn variable(parsed: &Parsed, (group, alternative, leg): (usize, usize, usize), name: &str) -> String {
    parsed.groups[group][alternative][leg].variables.get(name).cloned().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_variable_comes_back(n in awkward(), m in awkward(), nested: bool) {
        let mut originate = Originate::new(Uuid::nil(), "null/x", "park").variable("n", &n).variable("m", &m).variable("last", "1");
        if nested {
            originate = originate.nested_variables();
        }
        if let Some(parsed) = parsed(&originate) {
            let at = (0, 0, 0);
            prop_assert_eq!(variable(&parsed, at, "n"), n);
            prop_assert_eq!(variable(&parsed, at, "m"), m);
            prop_assert_eq!(variable(&parsed, at, "last"), "1");
            let leg = &parsed.groups[0][0][0];
            prop_assert_eq!((&parsed.groups.len(), leg.endpoint.as_str()), (&1, "null/x"));
            prop_assert_eq!(leg.uuid.as_deref(), Some("00000000-0000-0000-0000-000000000000"));
            prop_assert_eq!(parsed.words, ["&park()"]);
        }
    }

    #[test]
    fn variables_of_every_kind_come_back(n in awkward(), m in awkward(), k in awkward(), l in awkward()) {
        let other = Uuid::from_u128(1);
        let originate = Originate::new(Uuid::nil(), Leg::new("null/a").variable("n", &n).variable("l", &l), "park")
            .enterprise_variable("m", &m)
            .variable("k", &k)
            .and(Leg::new("null/b").uuid(other).variable("n", &l).variable("l", &n))
            .or(Leg::new("null/c").variable("n", &n));
        if let Some(parsed) = parsed(&originate) {
            for (at, endpoint, (one, two)) in [((0, 0, 0), "null/a", (&n, &l)), ((0, 0, 1), "null/b", (&l, &n))] {
                prop_assert_eq!(&parsed.groups[at.0][at.1][at.2].endpoint, endpoint);
                prop_assert_eq!(&variable(&parsed, at, "n"), one);
                prop_assert_eq!(&variable(&parsed, at, "l"), two);
                prop_assert_eq!(&variable(&parsed, at, "m"), &m);
                prop_assert_eq!(&variable(&parsed, at, "k"), &k);
            }
            prop_assert_eq!(variable(&parsed, (0, 1, 0), "n"), n);
            let uuids: Vec<_> = parsed.groups[0].iter().flatten().map(|leg| leg.uuid.clone()).collect();
            prop_assert_eq!(uuids, [Some(Uuid::nil().to_string()), Some(other.to_string()), None]);
        }
    }

    #[test]
    fn groups_come_back(n in awkward(), m in awkward(), k in awkward()) {
        let originate = Originate::new(Uuid::nil(), "null/a", "park")
            .variable("n", &n)
            .enterprise(Group::new(Leg::new("null/b").variable("k", &k)).and("null/c").variable("m", &m));
        if let Some(parsed) = parsed(&originate) {
            prop_assert_eq!(parsed.groups.len(), 2);
            for at in [(0, 0, 0), (1, 0, 0), (1, 0, 1)] {
                prop_assert_eq!(&variable(&parsed, at, "n"), &n);
            }
            prop_assert_eq!(&variable(&parsed, (0, 0, 0), "m"), "");
            prop_assert_eq!(&variable(&parsed, (1, 0, 1), "m"), &m);
            prop_assert_eq!(&variable(&parsed, (1, 0, 0), "k"), &k);
            prop_assert_eq!(&variable(&parsed, (1, 0, 1), "k"), "");
            prop_assert_eq!(parsed.groups[0][0][0].uuid.as_deref(), Some("00000000-0000-0000-0000-000000000000"));
            prop_assert_eq!(parsed.groups[1][0][0].uuid.as_deref(), None);
        }
    }

    #[test]
    fn arguments_come_back(arguments in awkward()) {
        let on_answer = Application::new("playback").arguments(&arguments);
        if let Some(parsed) = parsed(&Originate::new(Uuid::nil(), "null/x", on_answer)) {
            prop_assert_eq!(parsed.words.len(), 1);
            prop_assert_eq!(application(&parsed.words[0]), Some(("playback".to_owned(), arguments)));
        }
    }

    #[test]
    fn an_extension_comes_back(extension in awkward(), dialplan in awkward(), context in awkward()) {
        let on_answer = Extension::new(&extension).dialplan(&dialplan).context(&context);
        if let Some(parsed) = parsed(&Originate::new(Uuid::nil(), "null/x", on_answer)) {
            prop_assert!(!parsed.words[0].starts_with('&'));
            prop_assert_eq!(parsed.words, [extension, dialplan, context]);
        }
    }

    #[test]
    fn an_address_comes_back(address in awkward(), one in awkward(), two in awkward()) {
        let address = format!("null/{address}");
        let typed: [(Endpoint, String); 4] = [
            (Sofia::profile(&one, &two).into(), format!("sofia/{one}/{two}")),
            (Sofia::gateway(&one, &two).into(), format!("sofia/gateway/{one}/{two}")),
            (Endpoint::loopback(&one, &two), format!("loopback/{one}/{two}")),
            (Endpoint::user(&one, &two), format!("user/{one}@{two}")),
        ];
        for (endpoint, text) in typed.into_iter().chain([(Endpoint::from(&address), address.clone())]) {
            if let Some(parsed) = parsed(&Originate::new(Uuid::nil(), endpoint, "park").variable("n", "it's")) {
                prop_assert_eq!(&parsed.groups[0][0][0].endpoint, &text);
                prop_assert_eq!((parsed.groups.len(), parsed.groups[0].len(), parsed.groups[0][0].len()), (1, 1, 1));
            }
        }
    }
}

#[test]
fn not_much_is_refused() {
    let mut refused = Vec::new();
    for text in [
        "it's",
        "a\\b",
        "\\",
        "'",
        "''",
        "\\'",
        "$",
        "$$",
        "$1",
        "{}",
        "a{b}c",
        "\n",
        " ",
        "  a  ",
        "^^:a",
        "[",
        "]",
        "<",
        ">",
        "|",
        ":_:",
        "ARRAY::a|:b",
        "%41",
        "☎",
        "\u{1}",
        "\t",
        "\"",
        "reload mod_event_socket",
    ] {
        if parsed(&Originate::new(Uuid::nil(), "null/x", "park").variable("n", text)).is_none() {
            refused.push(text);
        }
    }
    assert!(refused.is_empty(), "{refused:?}");
    let on_answer: OnAnswer = Application::new("set").arguments("a='${b}' (\"c\", \\d\\n").into();
    assert!(parsed(&Originate::new(Uuid::nil(), "null/x", on_answer)).is_some());
}
