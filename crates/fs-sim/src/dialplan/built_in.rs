//! The recorded server's own extensions.

use super::Extension;

/// Context, number, how people read it, what it does, what it runs, and whether the callee behaves as ordered.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], bool);

/// One line for each; a number that begins with `^` is an expression.
const TABLE: &[Row] = &[
    ("default", "9196", "9196", "answers and echoes", &["answer", "echo"], true),
    (
        "default",
        "9197",
        "9197",
        "answers and plays a tone for ever",
        &["answer", "playback tone_stream://%(251,0,1004);loops=-1"],
        true,
    ),
    ("default", "486", "486", "is busy", &["respond 486"], false),
    (
        "default",
        r"^ring(\d+)$",
        "ring<ms>",
        "rings for so long, then answers and echoes",
        &["ring_ready", "sleep $1", "answer", "echo"],
        false,
    ),
    (
        "default",
        r"^early(\d+)$",
        "early<ms>",
        "sends early media for so long, then answers and echoes",
        &["pre_answer", "sleep $1", "answer", "echo"],
        false,
    ),
    ("default", "noanswer", "noanswer", "rings and never answers", &["ring_ready", "sleep 600000"], false),
    (
        "default",
        r"^drop(\d+)$",
        "drop<ms>",
        "answers, and hangs up after so long",
        &["answer", "sleep $1", "hangup NORMAL_CLEARING"],
        false,
    ),
    ("default", "park", "park", "parks", &["park"], true),
    ("switchio", "^(.*)$", "any number", "parks", &["park"], false),
];

pub(super) fn extensions() -> Vec<Extension> {
    let extension = |&(context, number, shown, about, run, is_callee): &Row| {
        let extension = Extension::new(context, number, run).ok()?;
        Some(Extension { shown: Some(shown.to_owned()), about: Some(about.to_owned()), is_callee, ..extension })
    };
    TABLE.iter().filter_map(extension).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_extension() {
        assert_eq!(extensions().len(), TABLE.len());
    }
}
