//! What commands are put together from: text that stays in its place, in quotes where it needs them, and whole seconds.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::error::CommandError;

/// Appends a command's parts, which have been checked.
pub(crate) fn put(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
}

/// Whole seconds, rounded up: 68 years at the most, since FreeSWITCH reads them as an `int`.
pub(crate) fn whole_seconds(time: Duration) -> u32 {
    let up = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(up).unwrap_or(u32::MAX).min(i32::MAX as u32)
}

/// That a text stays in its place: LF ends a header, a blank line a command, NUL a string; CR is dropped or misread.
pub(crate) fn sound(place: &'static str, text: &str) -> Result<(), CommandError> {
    if text.trim().is_empty() {
        return Err(CommandError::Empty(place));
    }
    no_control_byte(place, text, b"\r\n\0")
}

pub(crate) fn no_control_byte(place: &'static str, text: &str, bytes: &[u8]) -> Result<(), CommandError> {
    match text.bytes().find(|byte| bytes.contains(byte)) {
        Some(byte) => Err(CommandError::ControlByte { place, text: text.to_owned(), byte }),
        None => Ok(()),
    }
}

/// A text as one argument of an `api` command, in quotes where it needs them, so that the server reads it back the same
/// (`switch_separate_string`). `place` is what an error calls it.
///
/// ```
/// assert_eq!(esl_core::word("a path", "/tmp/a b.wav")?, "'/tmp/a b.wav'");
/// # Ok::<(), esl_core::CommandError>(())
/// ```
///
/// # Errors
/// It is empty, or has a line's end or a NUL, which no command carries.
pub fn word(place: &'static str, text: &str) -> Result<String, CommandError> {
    sound(place, text)?;
    match text.chars().all(|c| !" '\\".contains(c)) {
        true => Ok(text.to_owned()),
        false => quoted(place, text),
    }
}

/// A text in quotes, as `switch_separate_string` takes it apart again.
pub(crate) fn quoted(place: &'static str, text: &str) -> Result<String, CommandError> {
    if text.contains('\0') {
        return Err(CommandError::ControlByte { place, text: text.to_owned(), byte: 0 });
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('\'');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact_6_whole_seconds_are_rounded_up_and_stay_what_the_server_can_count() {
        assert_eq!([0, 1, 1000, 1001].map(|ms| whole_seconds(Duration::from_millis(ms))), [0, 1, 1, 2]);
        for long in [Duration::MAX, Duration::from_secs(1 << 32)] {
            assert_eq!(whole_seconds(long), i32::MAX as u32, "an int would be 0 seconds, which is now");
        }
    }
}
