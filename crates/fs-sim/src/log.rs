//! The levels of log lines, and the lines as connections get them (switch_log.c, mod_event_socket.c).

use bytes::Bytes;

use crate::{clock::Stamp, event::Origin};

/// By their numbers, from -1 on.
const LEVELS: [&str; 9] = ["DISABLE", "CONSOLE", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"];

pub(crate) const DEBUG: i32 = 7;

/// The least grave level that the server logs at all: the recorded one's `loglevel` in switch.conf.
pub(crate) const SERVER_LEVEL: i32 = 4;

/// `Text-Channel` of a line that no call of a log function dressed otherwise.
const TEXT_CHANNEL: u8 = 3;

/// The largest level that a number can give.
const LEVEL_MAX: i32 = 63;

/// What a client calls a level: a name or a number (`switch_log_str2level`).
pub(crate) fn level(text: &str) -> Option<i32> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)) {
        let whole = text.split('.').next().unwrap_or(text);
        return Some(whole.parse::<i32>().unwrap_or(0).clamp(0, LEVEL_MAX));
    }
    let index = LEVELS.iter().position(|known| known.eq_ignore_ascii_case(text))?;
    i32::try_from(index).ok().map(|index| index - 1)
}

/// A level's name.
pub(crate) fn name(level: i32) -> &'static str {
    usize::try_from(level + 1).ok().and_then(|index| LEVELS.get(index)).unwrap_or(&"INVALID")
}

/// The frame with one line. Its share of idle CPU is the simulated server's.
pub(crate) fn frame(now: Stamp, level: i32, origin: Origin, line: &str) -> Bytes {
    let Origin(file, function, number) = origin;
    let name = usize::try_from(level + 1).ok().and_then(|index| LEVELS.get(index)).unwrap_or(&"DEBUG");
    let text = format!("{}.{:06} 99.30% [{name}] {file}:{number} {line}\n", now.local(), now.0 % 1_000_000);
    Bytes::from(format!(
        "Content-Type: log/data\nContent-Length: {}\nLog-Level: {level}\nText-Channel: {TEXT_CHANNEL}\n\
         Log-File: {file}\nLog-Func: {function}\nLog-Line: {number}\nUser-Data: \n\n{text}",
        text.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_name_and_number() {
        for (text, expected) in [
            ("DISABLE", Some(-1)),
            ("console", Some(0)),
            ("Debug", Some(DEBUG)),
            ("4", Some(SERVER_LEVEL)),
            ("4.5", Some(4)),
            ("-1", Some(0)),
            ("99", Some(63)),
            ("debug1", None),
            ("", None),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_as_a_frame() {
        let origin = Origin("mod_commands.c", "log_function", 7200);
        let bytes = frame(Stamp(1_795_393_566_007_364), 4, origin, "hi there");
        let text = "2026-11-23 00:26:06.007364 99.30% [WARNING] mod_commands.c:7200 hi there\n";
        let head = "Content-Type: log/data\nContent-Length: 73\nLog-Level: 4\nText-Channel: 3\n\
                    Log-File: mod_commands.c\nLog-Func: log_function\nLog-Line: 7200\nUser-Data: \n\n";
        assert_eq!(String::from_utf8_lossy(&bytes), format!("{head}{text}"));
    }
}
