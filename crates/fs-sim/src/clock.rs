//! Server time: a wall clock that moves in steps, made from how long the server has been up.

use std::time::Duration;

/// FreeSWITCH's clock for events and channels moves in steps of 20 ms unless `1ms-timer` is set
/// (switch_time.c), so that several events carry one timestamp.
const STEP: Duration = Duration::from_millis(20);

/// A moment of server time in microseconds since the epoch; zero stands for "never".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    pub(crate) fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// `2026-11-23 00:26:06`, in UTC.
    pub(crate) fn local(self) -> String {
        let Some(at) = self.civil() else { return String::new() };
        let mut text = String::with_capacity("2026-11-23 00:26:06".len());
        put(&mut text, at.year().unsigned_abs(), 4);
        for (mark, part) in
            [('-', at.month()), ('-', at.day()), (' ', at.hour()), (':', at.minute()), (':', at.second())]
        {
            text.push(mark);
            put(&mut text, part.unsigned_abs().into(), 2);
        }
        text
    }

    /// `Mon, 23 Nov 2026 00:26:06 GMT`.
    pub(crate) fn gmt(self) -> String {
        self.at("%a, %d %b %Y %H:%M:%S GMT")
    }

    /// In UTC, with `strftime`'s directives.
    pub(crate) fn at(self, form: &str) -> String {
        let zoned = self.civil().and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
        zoned.map_or(String::new(), |at| at.strftime(form).to_string())
    }

    fn civil(self) -> Option<jiff::civil::DateTime> {
        let time = jiff::Timestamp::from_microsecond(i64::try_from(self.0).ok()?).ok()?;
        Some(jiff::tz::Offset::UTC.to_datetime(time))
    }
}

/// Appends a number of so many digits: a channel's record has six such times, too many to look at a format for each.
fn put(text: &mut String, number: u16, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u16.pow(place) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

/// Turns uptime, which comes in as an argument everywhere, into server time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Stamp,
    /// It stands still here.
    frozen: Option<Stamp>,
}

impl Clock {
    pub(crate) fn new(started: Stamp) -> Clock {
        Clock { started, frozen: None }
    }

    /// Lets it stand still at this moment, unless it does already.
    pub(crate) fn freeze(&mut self, up: Duration) {
        self.frozen = Some(self.stamp(up));
    }

    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    pub(crate) fn stamp(&self, up: Duration) -> Stamp {
        if let Some(stamp) = self.frozen {
            return stamp;
        }
        let steps = up.as_micros() / STEP.as_micros();
        Stamp(self.started.0 + (steps * STEP.as_micros()) as u64)
    }

    /// Microseconds since the epoch, not rounded to a step.
    pub(crate) fn micros(&self, up: Duration) -> u64 {
        self.started.0 + up.as_micros() as u64
    }

    /// The uptime at which the epoch's second `second` begins; zero if that is past.
    pub(crate) fn up_at_second(&self, second: u64) -> Duration {
        Duration::from_micros(second.saturating_mul(1_000_000).saturating_sub(self.started.0))
    }

    /// The epoch's current second, not rounded to a step.
    pub(crate) fn second(&self, up: Duration) -> u64 {
        (self.started.0 + up.as_micros() as u64) / 1_000_000
    }
}

/// Years, days, hours, minutes, seconds, milliseconds and microseconds.
pub(crate) fn parts(up: Duration) -> [u64; 7] {
    let seconds = up.as_secs();
    let micros = u64::from(up.subsec_micros());
    [
        seconds / 31_536_000,
        seconds / 86_400 % 365,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        micros / 1_000,
        micros % 1_000,
    ]
}

/// `0 years, 0 days, 0 hours, 8 minutes, 20 seconds, 114 milliseconds, 267 microseconds`.
pub(crate) fn spelled(up: Duration) -> String {
    let names = ["year", "day", "hour", "minute", "second", "millisecond", "microsecond"];
    let unit = |n: u64, name: &str| format!("{n} {name}{}", if n == 1 { "" } else { "s" });
    let spelled: Vec<String> = parts(up).into_iter().zip(names).map(|(n, name)| unit(n, name)).collect();
    spelled.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_in_steps() {
        let clock = Clock::new(Stamp(1_795_393_566_007_364));
        assert_eq!(clock.stamp(Duration::from_millis(19)), Stamp(1_795_393_566_007_364));
        assert_eq!(clock.stamp(Duration::from_millis(21)), Stamp(1_795_393_566_027_364));
        assert_eq!(clock.stamp(Duration::ZERO).gmt(), "Mon, 23 Nov 2026 00:26:06 GMT");
        assert_eq!(clock.stamp(Duration::ZERO).local(), "2026-11-23 00:26:06");
    }

    #[test]
    fn a_frozen_clock_stands_still_and_its_seconds_pass() {
        let mut clock = Clock::new(Stamp(1_000_000));
        clock.freeze(Duration::from_millis(40));
        clock.freeze(Duration::from_millis(80));
        assert_eq!(clock.stamp(Duration::from_secs(5)), Stamp(1_040_000));
        assert_eq!(clock.second(Duration::from_secs(5)), 6);
        clock.thaw();
        assert_eq!(clock.stamp(Duration::from_secs(5)), Stamp(6_000_000));
    }

    #[test]
    fn times_as_text() {
        assert_eq!(Stamp(0).local(), "1970-01-01 00:00:00");
        assert_eq!(Stamp(4_102_444_799_999_999).local(), "2099-12-31 23:59:59");
        assert_eq!((Stamp(u64::MAX).local(), Stamp(u64::MAX).gmt()), (String::new(), String::new()));
    }

    #[test]
    fn a_second_begins_where_the_epoch_says() {
        let clock = Clock::new(Stamp(10_250_000));
        assert_eq!(clock.up_at_second(11), Duration::from_millis(750));
        assert_eq!(clock.second(Duration::from_millis(749)), 10);
        assert_eq!(clock.second(Duration::from_millis(750)), 11);
    }

    #[test]
    fn uptime_in_words() {
        let text = spelled(Duration::from_micros(500_114_267));
        assert_eq!(text, "0 years, 0 days, 0 hours, 8 minutes, 20 seconds, 114 milliseconds, 267 microseconds");
    }
}
