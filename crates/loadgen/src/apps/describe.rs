//! What `loadgen apps` prints, from the same table that configurations are read with.

use std::fmt::Write;

use super::flow::STEPS;
use super::{APPS, AppKind, AppOption, AppResult};
use crate::config::did_you_mean;

/// The width of the text.
const WIDTH: usize = 100;

/// The start of the second column.
const COLUMN: usize = 18;

/// Every app with its options, their defaults, and its results.
pub fn describe() -> String {
    let mut text = String::new();
    for kind in APPS {
        paragraph(&mut text, 0, kind.name, kind.about);
        for option in kind.options {
            paragraph(&mut text, 2, option.name, &of_option(option));
        }
        let results: Vec<&str> = kind.results.iter().map(|result| result.name).collect();
        if !results.is_empty() {
            paragraph(&mut text, 2, "counts", &results.join(", "));
        }
        text.push('\n');
    }
    text + "An app is an [[apps]] table with its \"kind\", \"name\", \"weight\", \"to\" and options. \"loadgen apps NAME\" \
         describes one.\n"
}

/// One app in detail.
///
/// # Errors
/// An unknown name, with the nearest known one.
pub fn describe_one(name: &str) -> Result<String, String> {
    let kind = AppKind::of(name).ok_or_else(|| {
        let known: Vec<&str> = APPS.iter().map(|kind| kind.name).collect();
        format!("unknown app {name:?}{}", did_you_mean(name, &known))
    })?;
    let mut text = String::new();
    paragraph(&mut text, 0, kind.name, kind.about);
    for option in kind.options {
        paragraph(&mut text, 2, option.name, &of_option(option));
        paragraph(&mut text, 2, "", option.about);
    }
    for AppResult { name, about } in kind.results {
        paragraph(&mut text, 2, "counts", &format!("{name}: {about}"));
    }
    if !kind.modules.is_empty() {
        paragraph(&mut text, 2, "needs", &kind.modules.join(", "));
    }
    if kind.name == super::flow::KIND.name {
        text.push_str("\nThe steps:\n");
        for step in STEPS {
            paragraph(&mut text, 2, step.name, step.shape);
            paragraph(&mut text, 2, "", step.about);
        }
        text.push_str(FLOW);
    }
    text.push_str("\n[[apps]]\n");
    // A text takes all that is written to it.
    writeln!(text, "kind = {:?}", kind.name).unwrap_or_default();
    for option in kind.options.iter().filter(|option| !option.default.is_empty()) {
        writeln!(text, "{} = {}", option.name, written(option.default)).unwrap_or_default();
    }
    Ok(text)
}

const FLOW: &str = r##"
Texts have the placeholders {uuid}, {far_uuid}, {run}, {attempt}, {slave}, {app} and the columns of a
CSV file; {{ is a brace, and $${name} is a variable of FreeSWITCH's. A failure reads like
"step 3, expected digits 42#, got 4".

caller = [
    { send_digits = "1" },
    { expect_event = "PLAYBACK_START", headers = { Playback-File-Path = "~menu" }, timeout = "3s" },
    { expect_digits = "42#", timeout = "5s" },
    "hang_up",
]
callee = ["ring", { wait = "1s" }, "answer", { send_digits = "42#" }]
"##;

fn of_option(option: &AppOption) -> String {
    match option.default {
        "" => format!("({})", option.shape),
        default => format!("= {}  ({})", written(default), option.shape),
    }
}

/// A default as it is written in a file.
fn written(default: &str) -> String {
    if default.parse::<f64>().is_ok() { default.to_owned() } else { format!("{default:?}") }
}

/// A word with a text beside it, wrapped.
fn paragraph(text: &mut String, indent: usize, word: &str, about: &str) {
    let mut line = format!("{:indent$}{word:<width$}", "", width = COLUMN - indent);
    for word in about.split_whitespace() {
        if line.len() + word.len() > WIDTH && line.len() > COLUMN {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(COLUMN);
        }
        line.push_str(word);
        line.push(' ');
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
