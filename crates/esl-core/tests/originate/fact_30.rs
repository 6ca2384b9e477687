//! What a FreeSWITCH 1.10.12 answered to 48 ways to write a variable (`quoting.json`), and which value the channel then
//! had: the model says the same, and the builder gives that value back where it takes it.

use esl_core::{Leg, Originate};
use serde::Deserialize;
use uuid::Uuid;

use crate::parser::{USAGE, parse};

const UNDEFINED: &str = "_undef_";

/// One of the ways.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) command: String,
    pub(crate) reply: String,
    pub(crate) n: Option<String>,
    pub(crate) m: Option<String>,
}

pub(crate) fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("quoting.json")).expect("the recording is JSON")
}

fn holds(at: usize) {
    let rows = rows();
    let row = &rows[at];
    let parsed = match parse(&row.command) {
        Ok(parsed) => parsed,
        Err(failed) => {
            let expected = if failed == USAGE { "-USAGE".to_owned() } else { format!("-ERR {}", failed.0) };
            assert!(row.reply.starts_with(&expected), "{row:?}: {failed:?}");
            return;
        }
    };
    let leg = &parsed.groups[0][0][0];
    assert_eq!(row.reply, format!("+OK {}", leg.uuid.as_deref().unwrap_or_default()));
    let variable = |name: &str| Some(leg.variables.get(name).map_or(UNDEFINED, String::as_str));
    assert_eq!((variable("n"), variable("m")), (row.n.as_deref(), row.m.as_deref()), "{row:?}");

    let value = row.n.as_deref().filter(|value| *value != UNDEFINED).unwrap_or("");
    let all = Originate::new(Uuid::nil(), "null/x", "park").variable("n", value);
    let enterprise = Originate::new(Uuid::nil(), "null/x", "park").enterprise_variable("n", value);
    let one = Originate::new(Uuid::nil(), Leg::new("null/x").variable("n", value), "park");
    for originate in [all, enterprise, one] {
        let parsed = parse(&originate.command().expect("carried")).expect("understood");
        let found = parsed.groups[0][0][0].variables.get("n").map_or("", String::as_str);
        assert_eq!(found, value, "{row:?}");
    }
}

#[test]
fn every_row_has_its_test() {
    assert_eq!(rows().len(), ROWS);
}

macro_rules! rows {
    ($($name:ident = $at:literal,)*) => {
        const ROWS: usize = [$($at),*].len();
        $(
            #[test]
            fn $name() {
                holds($at);
            }
        )*
    };
}

rows! {
    fact_30_plain = 0,
    fact_30_quoted_space = 1,
    fact_30_bare_space = 2,
    fact_30_quoted_comma = 3,
    fact_30_escaped_comma = 4,
    fact_30_quoted_escaped_comma = 5,
    fact_30_double_quoted_comma = 6,
    fact_30_double_quoted_space = 7,
    fact_30_other_separator_colon = 8,
    fact_30_other_separator_semicolon = 9,
    fact_30_equals_sign = 10,
    fact_30_quoted_escaped_quote = 11,
    fact_30_lone_quote = 12,
    fact_30_quoted_braces_in_pairs = 13,
    fact_30_lone_closing_brace = 14,
    fact_30_quoted_lone_closing_brace = 15,
    fact_30_escaped_closing_brace = 16,
    fact_30_square_brackets = 17,
    fact_30_angle_brackets = 18,
    fact_30_bar = 19,
    fact_30_ampersand = 20,
    fact_30_parentheses = 21,
    fact_30_dollar_and_digit = 22,
    fact_30_dollar_and_brace = 23,
    fact_30_backslash_n = 24,
    fact_30_two_backslashes = 25,
    fact_30_empty = 26,
    fact_30_percent_escape = 27,
    fact_30_percent_escaped_comma = 28,
    fact_30_semicolon = 29,
    fact_30_colon = 30,
    fact_30_slash = 31,
    fact_30_unicode = 32,
    fact_30_separator_choice_in_a_value = 33,
    fact_30_two_quoted_values = 34,
    fact_30_space_between_variables = 35,
    fact_30_leg = 36,
    fact_30_leg_quoted_comma = 37,
    fact_30_leg_escaped_comma = 38,
    fact_30_leg_other_separator = 39,
    fact_30_enterprise = 40,
    fact_30_enterprise_escaped_comma = 41,
    fact_30_group_over_leg = 42,
    fact_30_group_over_enterprise = 43,
    fact_30_quoted_space_then_another = 44,
    fact_30_spaces_around = 45,
    fact_30_two_spaces = 46,
    fact_30_tab = 47,
}
