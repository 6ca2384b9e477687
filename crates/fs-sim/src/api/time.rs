//! Commands about the time: `strftime`, `strftime_tz`, `strepoch`, `strmicroepoch`, and those that wait.

use std::time::Duration;

use regex_lite::Regex;

use super::{Answer, Call, text};
use crate::{clock::Stamp, dial_string::words, switch::leading_number};

/// The most bytes of a time as text: FreeSWITCH's buffer of 80 with a zero at its end; what is longer is nothing.
const FORMATTED_BYTES_MAX: usize = 79;

const DEFAULT_FORM: &str = "%Y-%m-%d %T";

/// The longest that a command may wait: a client's mistake must not hold a connection for ever.
const SLEEP_MAX: Duration = Duration::from_secs(600);

/// How long one test of `time_test` may take, and how many there are without a number (mod_commands).
const TEST_MILLISECONDS_MAX: u64 = 1_000;
const TESTS: u64 = 10;

/// How much later than asked a sleeping thread runs on the recorded server.
const LATE_MICROSECONDS: u64 = 55;

/// The intervals that `timer_test` knows.
const INTERVALS: [i64; 5] = [10, 20, 40, 60, 120];

/// `strftime [<format>]`. With an epoch and a bar before it, FreeSWITCH skips the first character of the format.
pub(super) fn strftime(call: Call<'_>) -> Answer {
    let now = call.switch.stamp(call.now);
    text(match call.arguments.split_once('|') {
        Some((epoch, form)) => {
            let mut form = form.chars();
            let rest = form.next().map_or("", |_| form.as_str());
            let seconds = u64::try_from(leading_number(epoch)).unwrap_or(0);
            formatted(Stamp(seconds.saturating_mul(1_000_000)), rest)
        }
        None => formatted(now, call.arguments),
    })
}

/// The recorded server knows no time zones, so that only the one without a name is there.
pub(super) fn strftime_tz(call: Call<'_>) -> Answer {
    if call.arguments.is_empty() {
        return text(formatted(call.switch.stamp(call.now), ""));
    }
    text("-ERR Invalid timezone/format\n")
}

pub(super) fn strepoch(call: Call<'_>) -> Answer {
    let seconds = if call.arguments.is_empty() {
        call.switch.stamp(call.now).seconds()
    } else {
        parsed(call.switch.stamp(call.now), call.arguments) / 1_000_000
    };
    text(seconds.to_string())
}

pub(super) fn strmicroepoch(call: Call<'_>) -> Answer {
    let now = call.switch.stamp(call.now);
    text(if call.arguments.is_empty() { now.0 } else { parsed(now, call.arguments) }.to_string())
}

/// What no real server answers: it has no limit.
const TOO_MANY: &str = "-ERR too many commands wait\n";

/// The answer comes when the time is over.
pub(super) fn msleep(call: Call<'_>) -> Answer {
    let milliseconds = u64::try_from(leading_number(call.arguments)).unwrap_or(0);
    finish_later(call, Duration::from_millis(milliseconds), "+OK".to_owned())
}

/// `time_test <milliseconds> [<count>]`
pub(super) fn time_test(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let Some(first) = words.first() else { return text("parameter missing\n") };
    let each = u64::try_from(leading_number(first)).unwrap_or(0).min(TEST_MILLISECONDS_MAX);
    let count = words.get(1).map(|count| leading_number(count)).and_then(|count| u64::try_from(count).ok());
    let count = count.filter(|count| (1..=TESTS).contains(count)).unwrap_or(TESTS);
    let mut out: String = (1..=count).map(|test| format!("test {test} sleep {each} {LATE_MICROSECONDS}\n")).collect();
    out += &format!("avg {LATE_MICROSECONDS}\n");
    finish_later(call, Duration::from_millis(each * count), out)
}

/// `timer_test <10|20|40|60|120> [<1..200>] [<timer_name>]`
pub(super) fn timer_test(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let number = |index: usize| words.get(index).map(|word| leading_number(word));
    let interval = number(0).unwrap_or(20);
    let rounds = number(1).unwrap_or(50);
    if !INTERVALS.contains(&interval) || !(1..=200).contains(&rounds) {
        return text("parameter missing: <10|20|40|60|120> [<1..200>] [<timer_name>]\n");
    }
    if words.get(2).is_some_and(|timer| timer != "soft") {
        return text("Timer Error!\n");
    }
    let total = (interval * rounds) as u64;
    let out = format!("Avg: {interval}.000ms Total Time: {total}.000ms\n");
    finish_later(call, Duration::from_millis(total), out)
}

fn finish_later(call: Call<'_>, after: Duration, output: String) -> Answer {
    if after.is_zero() {
        return text(output);
    }
    match call.switch.finish_later(call.now + after.min(SLEEP_MAX), call.job, output) {
        true => Answer::Later,
        false => text(TOO_MANY),
    }
}

/// C's `strftime` in UTC, where the recorded server is; nothing where it does not fit.
fn formatted(stamp: Stamp, form: &str) -> String {
    let form = if form.is_empty() { DEFAULT_FORM } else { form };
    let mut out = String::new();
    let mut characters = form.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match characters.next() {
            Some('%') => out.push('%'),
            Some('q') | None => return String::new(),
            Some('T') => out += &stamp.at("%H:%M:%S"),
            Some('R') => out += &stamp.at("%H:%M"),
            Some('D' | 'x') => out += &stamp.at("%m/%d/%y"),
            Some('X') => out += &stamp.at("%H:%M:%S"),
            Some('c') => out += &stamp.at("%a %b %e %H:%M:%S %Y"),
            Some('r') => out += &stamp.at("%I:%M:%S %p"),
            Some('h') => out += &stamp.at("%b"),
            Some('Z') => out += "UTC",
            Some('z') => out += "+0000",
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some(directive) if "aAbBCdeFgGHIjklmMpPsSuUVwWyY".contains(directive) => {
                out += &stamp.at(&format!("%{directive}"));
            }
            // switch_strftime refuses what it does not know.
            Some(_) => return String::new(),
        }
    }
    if out.len() > FORMATTED_BYTES_MAX { String::new() } else { out }
}

/// Microseconds since the epoch (`switch_str_time`); what is no time is 0.
fn parsed(now: Stamp, text: &str) -> u64 {
    let groups = |pattern: &str| -> Option<Vec<i64>> {
        let found = Regex::new(pattern).ok()?.captures(text)?;
        Some(found.iter().skip(1).map(|group| group.map_or(0, |group| leading_number(group.as_str()))).collect())
    };
    let today = || {
        let date = formatted(now, "%Y-%m-%d");
        date.split('-').map(leading_number).collect::<Vec<i64>>()
    };
    let parts = groups(r"^(\d*):{0,1}(\d*):{0,1}(\d*)$")
        .map(|time| [today(), time].concat())
        .or_else(|| groups(r"^(\d+)-(\d+)-(\d+)\s*(\d*):{0,1}(\d*):{0,1}(\d*)"))
        .or_else(|| groups(r"^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})"));
    let Some([year, month, day, hour, minute, second]) = parts.as_deref() else { return 0 };
    let small = |number: &i64| i8::try_from(*number).ok();
    let date = || {
        let year = i16::try_from(*year).ok()?;
        let (hour, minute, second) = (small(hour)?, small(minute)?, small(second)?);
        let moment = jiff::civil::DateTime::new(year, small(month)?, small(day)?, hour, minute, second, 0).ok()?;
        let moment = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        u64::try_from(moment.timestamp().as_microsecond()).ok()
    };
    date().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_795_393_566_007_364);

    #[test]
    fn times_as_text() {
        for (form, expected) in [
            ("", "2026-11-23 00:26:06"),
            ("%H:%M", "00:26"),
            ("hello", "hello"),
            ("%s %Z %z %j %%", "1795393566 UTC +0000 327 %"),
            ("%q", ""),
        ] {
            assert_eq!(formatted(NOW, form), expected, "{form}");
        }
        assert_eq!(formatted(NOW, &"x".repeat(80)), "");
    }

    #[test]
    fn text_as_times() {
        for (text, expected) in [
            ("2020-01-01 00:00:00", 1_577_836_800),
            ("2020-01-01", 1_577_836_800),
            ("20200101000001 UTC", 1_577_836_801),
            ("00:00:01", 1_795_392_001),
            ("nonsense", 0),
            ("2020-13-01", 0),
        ] {
            assert_eq!(parsed(NOW, text), expected * 1_000_000, "{text}");
        }
    }
}
