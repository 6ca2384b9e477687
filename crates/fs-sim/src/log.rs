//! The levels of log lines (switch_log.c).

/// By their numbers, from -1 on.
const LEVELS: [&str; 9] = ["DISABLE", "CONSOLE", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"];

pub(crate) const DEBUG: i32 = 7;

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
