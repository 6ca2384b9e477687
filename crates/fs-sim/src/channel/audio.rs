//! What a leg sends and hears: there is no audio, but it is known when there would be some, and what of.

use std::time::Duration;

use crate::media::Stream;

/// What a leg sends to its other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sound {
    /// No packets.
    #[default]
    Nothing,
    /// Packets of whatever it is.
    Audio,
    /// The pattern of a bit error rate test (mod_bert).
    Pattern,
}

/// How long something has gone on, with its pauses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    since: Option<Duration>,
    began: Option<Duration>,
    ended: Duration,
    time: Duration,
    spurts: u64,
}

impl Meter {
    /// It goes on or not from now on; a spurt that `counts` is one of those that lose their first packets.
    pub(crate) fn set(&mut self, now: Duration, on: bool, counts: bool) {
        match (self.since, on) {
            (None, true) => {
                self.since = Some(now);
                self.began.get_or_insert(now);
                self.spurts += u64::from(counts);
            }
            (Some(since), false) => {
                self.time += now.saturating_sub(since);
                self.since = None;
                self.ended = now;
            }
            _ => {}
        }
    }

    pub(crate) fn stream(&self, now: Duration) -> Stream {
        let mut done = *self;
        done.set(now, false, false);
        let span = done.began.map_or(Duration::ZERO, |began| done.ended.saturating_sub(began));
        Stream { time: done.time, span, spurts: done.spurts }
    }
}

/// A leg's audio, both ways.
#[derive(Debug, Default)]
pub(crate) struct Audio {
    /// What it sends now.
    pub(crate) sound: Sound,
    /// What gets to it.
    pub(crate) heard: Sound,
    pub(crate) sends: Meter,
    pub(crate) hears: Meter,
    /// Packets that carried digits.
    pub(crate) digits_sent: u64,
    pub(crate) digits_heard: u64,
    /// No packet gets to it.
    pub(crate) deaf: bool,
    /// The share of packets that do not get to it.
    pub(crate) loss: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_counts_time_without_pauses_and_span_with_them() {
        let ms = Duration::from_millis;
        let mut meter = Meter::default();
        assert_eq!(meter.stream(ms(500)), Stream::default());
        meter.set(ms(100), true, true);
        meter.set(ms(200), true, true);
        meter.set(ms(300), false, true);
        meter.set(ms(600), true, false);
        assert_eq!(meter.stream(ms(700)), Stream { time: ms(300), span: ms(600), spurts: 1 });
        meter.set(ms(650), false, true);
        assert_eq!(meter.stream(ms(900)), Stream { time: ms(250), span: ms(550), spurts: 1 });
    }
}
