//! Strings of the configuration with `{placeholders}`, which are filled for each call.

use std::borrow::Cow;
use std::fmt::{self, Write};

use uuid::Uuid;

use crate::config::did_you_mean;

/// The placeholders that exist without a CSV file. A column must not have one of these names.
pub const BUILT_IN: [&str; 6] = ["uuid", "run", "attempt", "slave", "app", FAR_UUID];

/// The placeholder that only the texts of apps have: the far leg is not known before the call is placed.
const FAR_UUID: &str = "far_uuid";

/// How to write a literal brace.
const LITERAL: &str = "a brace itself is written \"{{\" or \"}}\"";

/// A text whose `{placeholders}` are filled for each call: `{uuid}`, `{run}`, `{attempt}`, `{slave}`, `{app}`, in an app
/// `{far_uuid}`, and the columns of a CSV file.
///
/// `{{` and `}}` are braces. `${name}` is a variable of FreeSWITCH's and left as it is, with all that is in it.
///
/// ```
/// use loadgen::config::template::{Context, Template};
///
/// let columns = ["number".to_owned()];
/// let to = Template::parse("sofia/external/{number}@{{pbx}}", &columns)?;
/// let row = ["9196".to_owned()];
/// let context = Context { row: Some(&row), ..Context::sample() };
/// assert_eq!(to.render(&context), "sofia/external/9196@{pbx}");
/// assert!(Template::parse("{nubmer}", &columns).unwrap_err().contains("did you mean \"number\"?"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The text as it is written.
    source: Box<str>,
    parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Fill(Fill),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    Uuid,
    Run,
    Attempt,
    Slave,
    App,
    Far,
    Column(usize),
}

/// The values of a call's placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The run's id.
    pub run: &'a str,
    /// The slave's name.
    pub slave: &'a str,
    /// The app's name.
    pub app: &'a str,
    /// The attempt's number on its slave.
    pub attempt: u64,
    /// The near leg.
    pub uuid: Uuid,
    /// The far leg, once it has been seen; empty before.
    pub far: Option<Uuid>,
    /// The row of the CSV file for this call, in the order of its columns.
    pub row: Option<&'a [String]>,
}

impl Context<'_> {
    /// Values to try a text with, before there is a call.
    pub fn sample() -> Self {
        let uuid = Uuid::from_u128(0x4000_8000_0000_0000_0001);
        let far = Some(Uuid::from_u128(0x4000_8001_0000_0000_0001));
        Self { run: "000000000000", slave: "slave", app: "app", attempt: 1, uuid, far, row: None }
    }
}

impl Template {
    /// Parses a text with the built-in placeholders, except `{far_uuid}`, and these columns.
    ///
    /// # Errors
    /// An unknown placeholder, or an unmatched brace.
    pub fn parse(text: &str, columns: &[String]) -> Result<Self, String> {
        Parser { columns, far: false }.parse(text)
    }

    /// Parses a text of an app, which may also have `{far_uuid}`.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_in_app(text: &str, columns: &[String]) -> Result<Self, String> {
        Parser { columns, far: true }.parse(text)
    }

    /// A text without placeholders, taken literally.
    pub fn constant(text: impl Into<String>) -> Self {
        let source = text.into().into_boxed_str();
        Self { parts: [Part::Text(source.clone())].into(), source }
    }

    /// The text for one call. A constant text is borrowed.
    pub fn render(&self, context: &Context<'_>) -> Cow<'_, str> {
        match &*self.parts {
            [] => Cow::Borrowed(""),
            [Part::Text(text)] => Cow::Borrowed(text),
            parts => {
                let mut out = String::with_capacity(parts.iter().map(Part::room).sum());
                for part in parts {
                    part.put(context, &mut out);
                }
                Cow::Owned(out)
            }
        }
    }

    /// Whether the text is the same for all calls.
    pub fn is_constant(&self) -> bool {
        matches!(&*self.parts, [] | [Part::Text(_)])
    }

    /// The constant parts of the text, in order.
    pub fn constants(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(&**text),
            Part::Fill(_) => None,
        })
    }
}

impl Part {
    /// The approximate length in bytes.
    fn room(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Fill(Fill::Uuid | Fill::Far) => uuid::fmt::Hyphenated::LENGTH,
            Self::Fill(_) => 12,
        }
    }

    fn put(&self, context: &Context<'_>, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Fill(Fill::Uuid) => put_uuid(context.uuid, out),
            Self::Fill(Fill::Far) => context.far.into_iter().for_each(|far| put_uuid(far, out)),
            Self::Fill(Fill::Slave) => out.push_str(context.slave),
            Self::Fill(Fill::App) => out.push_str(context.app),
            Self::Fill(Fill::Column(index)) => {
                let value = context.row.and_then(|row| row.get(*index));
                value.into_iter().for_each(|value| out.push_str(value));
            }
            // A text takes all that is written to it.
            Self::Fill(Fill::Run) => out.push_str(context.run),
            Self::Fill(Fill::Attempt) => write!(out, "{}", context.attempt).unwrap_or_default(),
        }
    }
}

fn put_uuid(uuid: Uuid, out: &mut String) {
    out.push_str(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}

/// The text as it is written in the configuration.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

struct Parser<'a> {
    columns: &'a [String],
    far: bool,
}

impl Parser<'_> {
    fn parse(&self, text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            let (taken, fill) = if before.ends_with('$') && brace.starts_with('{') {
                let end = variable_end(brace).ok_or("this text has a \"${\" without its \"}\"")?;
                literal.push_str(&brace[..end]);
                (end, None)
            } else if brace.starts_with("{{") || brace.starts_with("}}") {
                literal.push_str(&brace[..1]);
                (2, None)
            } else if let Some(inner) = brace.strip_prefix('{') {
                let Some((name, _)) = inner.split_once('}') else {
                    return Err(format!("this text has a \"{{\" without its \"}}\": {LITERAL}"));
                };
                (name.len() + 2, Some(self.fill(name)?))
            } else {
                return Err(format!("this text has a \"}}\" without its \"{{\": {LITERAL}"));
            };
            if let Some(fill) = fill {
                push_text(&mut parts, &mut literal);
                parts.push(Part::Fill(fill));
            }
            rest = &brace[taken..];
        }
        literal.push_str(rest);
        push_text(&mut parts, &mut literal);
        Ok(Template { source: text.into(), parts: parts.into_boxed_slice() })
    }

    fn fill(&self, name: &str) -> Result<Fill, String> {
        match name {
            "uuid" => Ok(Fill::Uuid),
            "run" => Ok(Fill::Run),
            "attempt" => Ok(Fill::Attempt),
            "slave" => Ok(Fill::Slave),
            "app" => Ok(Fill::App),
            FAR_UUID if self.far => Ok(Fill::Far),
            name => match self.columns.iter().position(|column| column == name) {
                Some(index) => Ok(Fill::Column(index)),
                None => Err(self.unknown(name)),
            },
        }
    }

    fn unknown(&self, name: &str) -> String {
        if name == FAR_UUID {
            return "unknown placeholder \"{far_uuid}\": only the texts of apps can name the far leg".to_owned();
        }
        let built_in = BUILT_IN.iter().copied().filter(|known| self.far || *known != FAR_UUID);
        let known: Vec<&str> = built_in.chain(self.columns.iter().map(String::as_str)).collect();
        format!("unknown placeholder \"{{{name}}}\"{}; {LITERAL}", did_you_mean(name, &known))
    }
}

fn push_text(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal).into_boxed_str()));
    }
}

/// The end of the variable that a text begins with, with nested braces in pairs.
fn variable_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return Some(at + 1),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns() -> Vec<String> {
        ["number", "pin"].map(str::to_owned).to_vec()
    }

    fn rendered(text: &str) -> String {
        let row = ["9196", "42"].map(str::to_owned);
        let uuid = Uuid::from_u128(0x0123_4567_89ab_4000_8002_0000_0000_0007);
        let (run, far) = ("0123456789ab", Some(Uuid::nil()));
        let context = Context { run, slave: "a", app: "ivr", attempt: 7, uuid, far, row: Some(&row) };
        Template::parse_in_app(text, &columns()).expect(text).render(&context).into_owned()
    }

    #[test]
    fn placeholders_are_filled() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{number}", "9196"),
            ("sofia/external/{number}@h;pin={pin}", "sofia/external/9196@h;pin=42"),
            ("{run}-{slave}-{app}-{attempt}", "0123456789ab-a-ivr-7"),
            ("{uuid} {far_uuid}", "01234567-89ab-4000-8002-000000000007 00000000-0000-0000-0000-000000000000"),
            ("{{number}}", "{number}"),
            ("{{{number}}}", "{9196}"),
            ("${caller_id_number}{pin}", "${caller_id_number}42"),
            ("$${domain} ${expr(${a} + {number})}", "$${domain} ${expr(${a} + {number})}"),
            ("$ {pin} é{pin}é", "$ 42 é42é"),
        ] {
            assert_eq!(rendered(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        for (text, message) in [
            ("{nubmer}", "unknown placeholder \"{nubmer}\": did you mean \"number\"?; a brace itself is written"),
            ("{}", "unknown placeholder \"{}\": known are uuid, run, attempt, slave, app, number, pin;"),
            ("{far_uuid}", "unknown placeholder \"{far_uuid}\": only the texts of apps can name the far leg"),
            ("{number", "this text has a \"{\" without its \"}\""),
            ("number}", "this text has a \"}\" without its \"{\""),
            ("${a${b}", "this text has a \"${\" without its \"}\""),
        ] {
            let error = Template::parse(text, &columns()).expect_err(text);
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_that_is_the_same_for_all_costs_nothing() {
        let context = Context::sample();
        for (text, constant) in [("", true), ("a", true), ("{{a}}", true), ("a{uuid}", false), ("{uuid}", false)] {
            let template = Template::parse(text, &[]).expect(text);
            assert_eq!(template.is_constant(), constant, "{text}");
            assert_eq!(matches!(template.render(&context), Cow::Borrowed(_)), constant, "{text}");
        }
        assert_eq!(Template::parse("a{uuid}b", &[]).unwrap().constants().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Template::constant("{uuid}").render(&context), "{uuid}");
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let template = Template::parse_in_app("<{far_uuid}{pin}>", &columns()).unwrap();
        let context = Context { far: None, row: Some(&[]), ..Context::sample() };
        assert_eq!(template.render(&context), "<>");
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "[{}$a-cé]{0,24}|(\\{(uuid|number|pin)\\}|[{}$])*") {
            if let Ok(template) = Template::parse_in_app(&text, &columns()) {
                let _ = template.render(&Context::sample());
            }
        }

        #[test]
        fn doubled_braces_come_back(text in "[{}a-cé ]{0,24}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            let template = Template::parse(&escaped, &[]).unwrap();
            prop_assert_eq!(template.render(&Context::sample()), text);
            prop_assert_eq!(template.to_string(), escaped);
        }
    }
}
