//! What `switch_rtp.c` counts of the packets that one leg gets, worked out from how long it heard the other one.

use std::time::Duration;

use rand::{Rng, RngExt};

use super::{Line, quality::score};

/// The audio of one packet.
const PACKET: Duration = Duration::from_millis(20);

/// Bytes of a packet: 160 of µ-law, behind a header of 12.
const PACKET_BYTES: u64 = 172;

/// Packets that have gone by before a leg gets the first of a stream, as recorded.
const PACKETS_BEFORE: u64 = 2;

/// Packets that are left out of the quality at a stream's beginning (`JITTER_LEAD_FRAMES`).
const LEAD: u64 = 10;

/// What one loss after another costs beside the packets themselves (`do_mos`).
const PENALTY: u64 = 2;

/// How often the share of losses is worked out, in packets: 5 s.
const LOSS_RATE_EVERY: u64 = 250;

/// The most losses of one leg that are followed one by one: more than a call of hours has at a bearable loss. What
/// comes after them is taken to be like them.
const LOSSES_MAX: u64 = 20_000;

/// The variance of the time between packets on the recorded server, in ms², whose first packets came at once.
const VARIANCE_MIN: (f64, f64) = (15.0, 34.0);
const VARIANCE_MAX: (f64, f64) = (105.0, 165.0);

/// How many packets so much audio takes.
fn packets(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / PACKET.as_millis()).unwrap_or(u64::MAX)
}

/// How long one end has sent audio, from the first to the last of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Of that, how long it did.
    pub(crate) time: Duration,
    /// From the first packet to the last one.
    pub(crate) span: Duration,
    /// How often it began; of what is sent, how often as something that is passed on.
    pub(crate) spurts: u64,
}

impl Stream {
    fn sent(&self) -> u64 {
        packets(self.time)
    }

    /// The packets of an end that may only pass on what it hears: as many as it gets.
    pub(crate) fn sent_on(&self) -> u64 {
        self.sent().saturating_sub(PACKETS_BEFORE * self.spurts)
    }

    pub(crate) fn bytes(packets: u64) -> u64 {
        packets.saturating_mul(PACKET_BYTES)
    }
}

/// What a leg has counted of what came in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Inbound {
    pub(crate) packets: u64,
    /// Packets that did not come while the leg was up.
    pub(crate) skipped: u64,
    pub(crate) variance_min: f64,
    pub(crate) variance_max: f64,
    pub(crate) loss_rate: f64,
    pub(crate) burst_rate: f64,
    pub(crate) mean_interval: f64,
    pub(crate) flaws: u64,
    pub(crate) percent: u8,
    pub(crate) mos: f64,
}

impl Inbound {
    /// What comes of a stream on its way over `line`, to a leg that had media for `up`.
    pub(crate) fn of(stream: &Stream, up: Duration, line: &mut Line) -> Inbound {
        let perfect = Inbound { percent: 100, mos: score(100), ..Inbound::default() };
        let sent = if line.dead { 0 } else { stream.sent().saturating_sub(PACKETS_BEFORE * stream.spurts.max(1)) };
        if sent == 0 {
            return Inbound { skipped: packets(up), ..perfect };
        }
        let losses = Losses::draw(sent, line);
        let packets_in = sent - losses.lost;
        let spread = line.jitter_ms * line.jitter_ms;
        let mut between = |(from, to): (f64, f64)| line.rng.random_range(from..to) + spread;
        let (variance_min, variance_max) = (between(VARIANCE_MIN), between(VARIANCE_MAX));
        let pauses = stream.span.saturating_sub(stream.time);
        let span = PACKET.mul_f64(sent.saturating_sub(1) as f64) + pauses;
        let intervals = packets_in.saturating_sub(1).max(1) as f64;
        Inbound {
            packets: packets_in,
            skipped: packets(up).saturating_sub(packets_in),
            variance_min,
            variance_max,
            loss_rate: losses.rate,
            burst_rate: losses.burst_rate,
            mean_interval: span.as_secs_f64() * 1_000.0 / intervals,
            flaws: losses.flaws,
            percent: losses.percent,
            mos: score(losses.percent),
        }
    }
}

/// The losses of one stream, and what `switch_rtp` makes of them.
#[derive(Debug)]
struct Losses {
    lost: u64,
    flaws: u64,
    percent: u8,
    rate: f64,
    burst_rate: f64,
}

impl Losses {
    fn draw(sent: u64, line: &mut Line) -> Losses {
        if let Some(percent) = line.percent {
            return Losses::for_quality(sent, percent);
        }
        let mut losses = Losses { lost: 0, flaws: 0, percent: 100, rate: 0.0, burst_rate: 0.0 };
        if line.loss > 0.0 {
            losses.follow(sent, line.loss, &mut line.rng);
        }
        losses
    }

    /// Goes from one loss to the next. A loss costs its packets, and with the good packet behind it the penalty; more
    /// flaws than packets count as none (`do_mos`).
    fn follow(&mut self, sent: u64, loss: f64, rng: &mut impl Rng) {
        let (mut at, mut count) = (0_u64, 0_u64);
        let mut bursts = 0_u64;
        loop {
            at = at.saturating_add(gap(rng.random(), loss));
            if at >= sent || count >= LOSSES_MAX {
                break;
            }
            let run = gap(rng.random(), 1.0 - loss).saturating_add(1).min(sent - at);
            count += 1;
            if at >= LEAD {
                bursts += 1;
                self.flaws += run + PENALTY;
            }
            self.lost += run;
            at += run + 1;
            let received = at.saturating_sub(self.lost).saturating_sub(LEAD);
            if self.flaws > received {
                self.flaws = 0;
            }
            if at <= sent / LOSS_RATE_EVERY * LOSS_RATE_EVERY {
                self.rate = ratio(self.lost, received);
                self.burst_rate = ratio(self.lost, bursts) * (1.0 - self.rate).abs();
            }
        }
        if count >= LOSSES_MAX && at > 0 {
            let more = sent as f64 / at as f64;
            self.lost = ((self.lost as f64 * more) as u64).min(sent - 1);
            self.flaws = (self.flaws as f64 * more) as u64;
        }
        // Something of a call that is not dead arrives.
        self.lost = self.lost.min(sent - 1);
        self.percent = percent_of(sent - self.lost, self.flaws);
    }

    /// The losses that leave just this quality.
    fn for_quality(sent: u64, percent: u8) -> Losses {
        let missing = u64::from(100 - percent.min(100));
        // Each loss costs itself and the penalty: of r packets that come a share of `missing` is flawed.
        let flaws_of = |received: u64| received.saturating_sub(LEAD) * missing / 100;
        let mut lost = flaws_of(sent) / (1 + PENALTY);
        lost = flaws_of(sent - lost.min(sent - 1)) / (1 + PENALTY);
        let received = sent - lost.min(sent - 1);
        let counted = received.saturating_sub(LEAD).max(1);
        // As many flaws as round down to this percentage.
        let flaws = (counted * missing).div_ceil(100).saturating_sub(u64::from(missing > 0 && counted > 100));
        let rate = if sent > LOSS_RATE_EVERY { ratio(lost, counted) } else { 0.0 };
        let burst_rate = if rate > 0.0 { 1.0 - rate } else { 0.0 };
        Losses { lost, flaws, percent, rate, burst_rate }
    }
}

/// The quality that is left, as whole percents of the packets that came.
fn percent_of(received: u64, flaws: u64) -> u8 {
    let counted = received.saturating_sub(LEAD);
    if counted == 0 || flaws > counted {
        return 100;
    }
    u8::try_from((counted - flaws) * 100 / counted).unwrap_or(100)
}

/// How many packets pass until the next one that `share` of all are, for a number drawn from 0 to 1.
fn gap(drawn: f64, share: f64) -> u64 {
    if share >= 1.0 {
        return 0;
    }
    if share <= 0.0 {
        return u64::MAX;
    }
    // What comes out below zero or too large is cut off by the conversion.
    ((1.0 - drawn).ln() / (1.0 - share).ln()) as u64
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::Direction, media::Quality};

    const SECONDS: u64 = 60;

    fn inbound(quality: &Quality, seed: u64) -> Inbound {
        let time = Duration::from_secs(SECONDS);
        let mut line = Line::draw(quality, seed, "call", Direction::Outbound);
        Inbound::of(&Stream { time, span: time, spurts: 1 }, time, &mut line)
    }

    #[test]
    fn a_good_line_gets_all_but_the_first_packets() {
        let got = inbound(&Quality::default(), 1);
        assert_eq!((got.packets, got.skipped, got.flaws, got.percent), (2_998, 2, 0, 100));
        assert_eq!(format!("{:.2} {:.2} {:.2}", got.mean_interval, got.mos, got.loss_rate), "20.00 4.50 0.00");
        assert!(got.variance_min < got.variance_max);
    }

    #[test]
    fn losses_show_in_every_figure() {
        let quality = Quality { loss: 0.02, ..Quality::default() };
        let got = inbound(&quality, 7);
        assert_eq!(got, inbound(&quality, 7));
        assert!((30..90).contains(&got.skipped), "{got:?}");
        assert_eq!(got.packets + got.skipped, 3_000);
        assert!(got.flaws >= got.skipped, "{got:?}");
        assert!((0.01..0.04).contains(&got.loss_rate), "{got:?}");
        assert!(got.percent < 98 && got.mos < 4.45 && got.mos > 4.0, "{got:?}");
        assert!(got.mean_interval > 20.1, "{got:?}");
    }

    #[test]
    fn jitter_shows_as_variance() {
        let quiet = inbound(&Quality::default(), 1);
        let jittery =
            inbound(&Quality { jitter: crate::Delay::Constant(Duration::from_millis(10)), ..Quality::default() }, 1);
        assert_eq!(format!("{:.2}", jittery.variance_min - quiet.variance_min), "100.00");
        assert_eq!(jittery.packets, quiet.packets);
    }

    #[test]
    fn a_score_to_order_comes_with_its_losses() {
        for wanted in [4.4, 3.6, 2.5, 1.0] {
            let got = inbound(&Quality { mos: Some(wanted), ..Quality::default() }, 1);
            assert!((got.mos - wanted).abs() < 0.05, "{wanted}: {got:?}");
            assert_eq!(percent_of(got.packets, got.flaws), got.percent, "{wanted}: {got:?}");
            assert_eq!(got.packets + got.skipped, 3_000);
        }
    }

    #[test]
    fn a_dead_line_counts_nothing_and_calls_that_perfect() {
        let got = inbound(&Quality { without_media: 1.0, ..Quality::default() }, 1);
        assert_eq!((got.packets, got.skipped, got.percent), (0, 3_000, 100));
        assert_eq!(format!("{:.2} {:.2}", got.mos, got.mean_interval), "4.50 0.00");
    }

    #[test]
    fn no_share_of_losses_breaks_the_count() {
        for loss in [0.000_001, 0.3, 0.5, 0.9, 0.99, 1.0] {
            for seconds in [0, 1, 10, 100_000] {
                let time = Duration::from_secs(seconds);
                let quality = Quality { loss, ..Quality::default() };
                let mut line = Line::draw(&quality, 3, "call", Direction::Inbound);
                let got = Inbound::of(&Stream { time, span: time, spurts: 1 }, time, &mut line);
                assert!(got.percent <= 100 && got.packets + got.skipped == packets(time), "{loss} {seconds}: {got:?}");
            }
        }
    }

    /// A stream of so many packets behind those that go by at the beginning of each spurt.
    fn long(quality: &Quality, seed: u64, sent: u64, spurts: u64) -> Inbound {
        let time = PACKET * u32::try_from(sent + PACKETS_BEFORE * spurts).expect("not for days");
        let mut line = Line::draw(quality, seed, "call", Direction::Outbound);
        Inbound::of(&Stream { time, span: time, spurts }, time, &mut line)
    }

    #[test]
    fn each_spurt_has_its_first_packets_go_by() {
        assert_eq!(long(&Quality::default(), 1, 1_000, 1).packets, 1_000);
        let got = long(&Quality::default(), 1, 1_000, 4);
        assert_eq!((got.packets, got.skipped), (1_000, 8));
    }

    #[test]
    fn losses_come_in_runs_of_the_length_that_their_share_gives() {
        // With LOSSES_MAX losses and with more, which are taken to be like them.
        for (loss, sent) in [(0.05, 100_000), (0.2, 50_000), (0.2, 1_000_000)] {
            let got = long(&Quality { loss, ..Quality::default() }, 5, sent, 1);
            let lost = (sent - got.packets) as f64;
            let near = |got: f64, wanted: f64| (got / wanted - 1.0).abs() < 0.05;
            assert!(near(lost, loss * sent as f64), "{loss}: {got:?}");
            let runs = lost * (1.0 - loss);
            assert!(near(got.flaws as f64, lost + PENALTY as f64 * runs), "{loss}: {got:?}");
            assert!(near(got.loss_rate, loss / (1.0 - loss)), "{loss}: {got:?}");
            assert!(near(got.burst_rate, (1.0 - got.loss_rate) / (1.0 - loss)), "{loss}: {got:?}");
        }
    }

    #[test]
    fn the_share_of_losses_is_worked_out_every_5_seconds() {
        let quality = Quality { loss: 0.2, ..Quality::default() };
        for seed in 0..20 {
            let got = long(&quality, seed, LOSS_RATE_EVERY - 1, 1);
            assert!(got.flaws > 0 && got.loss_rate == 0.0 && got.burst_rate == 0.0, "{got:?}");
            assert!(long(&quality, seed, LOSS_RATE_EVERY + 10, 1).loss_rate > 0.0);
        }
    }

    #[test]
    fn more_flaws_than_packets_count_as_none_and_something_arrives() {
        for loss in [0.5, 0.7, 0.9, 0.99] {
            for seed in 0..50 {
                for sent in [1, 5, 20, 1_000, 3_000_000] {
                    let got = long(&Quality { loss, ..Quality::default() }, seed, sent, 1);
                    assert!((1..=sent).contains(&got.packets), "{loss} of {sent}: {got:?}");
                    assert!(got.flaws <= got.packets, "{loss} of {sent}: {got:?}");
                }
            }
        }
    }

    #[test]
    fn an_ordered_score_costs_what_its_flaws_do() {
        for wanted in [4.5, 4.4, 4.0, 3.0, 2.0] {
            let got = long(&Quality { mos: Some(wanted), ..Quality::default() }, 1, 3_000, 1);
            let lost = 3_000 - got.packets;
            assert!((lost * (1 + PENALTY)).abs_diff(got.flaws) <= 30 + got.flaws / 15, "{wanted}: {got:?}");
            let counted = (got.packets - LEAD) as f64;
            assert!(
                (got.flaws as f64 / counted - f64::from(100 - got.percent) / 100.0).abs() < 0.001,
                "{wanted}: {got:?}"
            );
            let burst_rate = if lost == 0 { 0.0 } else { 1.0 - got.loss_rate };
            assert_eq!(got.burst_rate, burst_rate, "{wanted}: {got:?}");
        }
    }
}
