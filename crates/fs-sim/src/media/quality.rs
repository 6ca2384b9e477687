//! How well the packets of a call's audio arrive: what a configuration orders, and what one leg gets of it.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, de};

use crate::channel::Direction;
use units::Delay;

/// How well audio arrives at the SIP legs of a server: the table `media` of its configuration. The default loses nothing.
///
/// What a call gets is drawn for its Call-ID, from the server's seed and nothing else: other calls, and whatever else
/// is drawn, do not change it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quality {
    /// The share of packets that is lost on the way to a leg, from 0 to 1.
    #[serde(deserialize_with = "share")]
    pub loss: f64,
    /// The share of legs that lose packets at all.
    #[serde(deserialize_with = "share")]
    pub lossy: f64,
    /// Which legs lose packets.
    pub toward: Toward,
    /// How far packets come apart from their 20 ms, as a standard deviation that is drawn for each leg.
    pub jitter: Delay,
    /// The mean opinion score that a leg shall report, from 1 to 4.5, in place of `loss`: the packets that it costs
    /// are lost. FreeSWITCH knows whole percents of quality only, so the nearest of those is reported.
    #[serde(deserialize_with = "mos")]
    pub mos: Option<f64>,
    /// The share of calls of which no packet arrives, at either end.
    #[serde(deserialize_with = "share")]
    pub without_media: f64,
    /// The share of calls of which packets arrive at one end only; which one is drawn.
    #[serde(deserialize_with = "share")]
    pub one_way: f64,
}

/// Which of a call's two legs lose packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Toward {
    /// Both.
    #[default]
    Both,
    /// Only what the calling leg hears (`outbound`, as FreeSWITCH calls its direction).
    Caller,
    /// Only what the called leg hears.
    Callee,
}

impl Default for Quality {
    fn default() -> Quality {
        Quality {
            loss: 0.0,
            lossy: 1.0,
            toward: Toward::Both,
            jitter: Delay::Constant(Duration::ZERO),
            mos: None,
            without_media: 0.0,
            one_way: 0.0,
        }
    }
}

/// The worst and the best score that [`score`] gives.
const MOS_RANGE: (f64, f64) = (1.0, 4.5);

/// A share of packets that makes no sense of a call any more: at this the rest is as good as none.
const LOSS_MAX: f64 = 0.99;

/// Whether a quality is possible; an error says why not.
pub(crate) fn check(quality: &Quality) -> Result<(), String> {
    for (name, share) in [
        ("loss", quality.loss),
        ("lossy", quality.lossy),
        ("without_media", quality.without_media),
        ("one_way", quality.one_way),
    ] {
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("media: {name} is {share}, not between 0 and 1"));
        }
    }
    if quality.without_media + quality.one_way > 1.0 + f64::EPSILON {
        return Err("media: without_media and one_way add up to more than 1".to_owned());
    }
    if let Some(mos) = quality.mos {
        if !(MOS_RANGE.0..=MOS_RANGE.1).contains(&mos) {
            return Err(format!("media: mos is {mos}, not between 1 and 4.5"));
        }
        if quality.loss > 0.0 {
            return Err("media: mos orders its own loss: leave out loss, or mos".to_owned());
        }
    }
    Ok(())
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(de::Error::custom(format!("{share} is no share: it must be between 0 and 1")))
    }
}

fn mos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let mos = f64::deserialize(deserializer)?;
    if (MOS_RANGE.0..=MOS_RANGE.1).contains(&mos) {
        Ok(Some(mos))
    } else {
        Err(de::Error::custom(format!("{mos} is no mean opinion score here: it must be between 1 and 4.5")))
    }
}

/// The way to one leg.
#[derive(Debug)]
pub(crate) struct Line {
    /// No packet arrives.
    pub(crate) dead: bool,
    /// The share of packets that is lost.
    pub(crate) loss: f64,
    /// The standard deviation of the time between two packets, in milliseconds.
    pub(crate) jitter_ms: f64,
    /// The quality that is ordered, in whole percents.
    pub(crate) percent: Option<u8>,
    /// What is drawn further for this leg.
    pub(crate) rng: ChaCha8Rng,
}

impl Line {
    /// The way to the leg of `direction` of the call that a Call-ID names.
    pub(crate) fn draw(quality: &Quality, seed: u64, call_id: &str, direction: Direction) -> Line {
        let mut call = ChaCha8Rng::seed_from_u64(seed ^ hash(call_id));
        let mut fate: f64 = call.random();
        let deaf: f64 = call.random();
        let mut dead = false;
        if fate < quality.without_media {
            dead = true;
        } else {
            fate -= quality.without_media;
            if fate < quality.one_way {
                dead = (deaf < 0.5) == (direction == Direction::Outbound);
            }
        }
        call.set_stream(if direction == Direction::Outbound { 1 } else { 2 });
        let meant = match quality.toward {
            Toward::Both => true,
            Toward::Caller => direction == Direction::Outbound,
            Toward::Callee => direction == Direction::Inbound,
        };
        let lossy = call.random::<f64>() < quality.lossy && meant;
        let jitter_ms = quality.jitter.sample(&mut call, crate::DELAY_MAX).as_secs_f64() * 1_000.0;
        Line {
            dead,
            loss: if lossy { quality.loss.min(LOSS_MAX) } else { 0.0 },
            jitter_ms,
            percent: quality.mos.filter(|_| lossy).map(nearest),
            rng: call,
        }
    }
}

/// The mean opinion score of a quality in percent (`switch_rtp.c`).
pub(crate) fn score(percent: u8) -> f64 {
    let r = f64::from(percent);
    1.0 + 0.035 * r + 0.000_007 * r * (r - 60.0) * (100.0 - r)
}

/// The whole percent whose score is the nearest to this one.
fn nearest(mos: f64) -> u8 {
    let away = |percent: &u8| (score(*percent) - mos).abs();
    (0..=100).min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(100)
}

/// FNV-1a: the same on every machine and with every compiler.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Quality, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_quality_is_read_and_nonsense_refused() {
        let quality = read("loss = 0.02\ntoward = \"caller\"\njitter = \"5ms\"\none_way = 0.1").expect("a quality");
        assert_eq!((quality.loss, quality.toward, quality.one_way), (0.02, Toward::Caller, 0.1));
        assert_eq!(read(""), Ok(Quality::default()));
        for (text, reason) in [
            ("loss = 1.5", "between 0 and 1"),
            ("mos = 5.0", "between 1 and 4.5"),
            ("toward = \"up\"", "unknown variant"),
            ("los = 0.1", "unknown field"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
        let both = Quality { mos: Some(3.0), loss: 0.1, ..Quality::default() };
        assert!(check(&both).expect_err("two orders").contains("leave out"));
        let many = Quality { without_media: 0.6, one_way: 0.6, ..Quality::default() };
        assert!(check(&many).expect_err("too many").contains("more than 1"));
    }

    #[test]
    fn scores_are_those_of_freeswitch() {
        assert_eq!(format!("{:.2}", score(100)), "4.50");
        assert_eq!(format!("{:.2}", score(0)), "1.00");
        assert_eq!((nearest(4.5), nearest(1.0)), (100, 0));
        assert!((score(nearest(3.6)) - 3.6).abs() < 0.02);
    }

    #[test]
    fn one_end_of_a_one_way_call_hears_nothing_and_both_of_one_without_media() {
        let quality = Quality { one_way: 1.0, ..Quality::default() };
        let mut deaf_callers = 0;
        for call in 0..100 {
            let id = format!("call {call}");
            let near = Line::draw(&quality, 1, &id, Direction::Outbound);
            let far = Line::draw(&quality, 1, &id, Direction::Inbound);
            assert!(near.dead != far.dead, "{id}");
            deaf_callers += u32::from(near.dead);
        }
        assert!((30..70).contains(&deaf_callers), "{deaf_callers}");
        let quality = Quality { without_media: 1.0, ..Quality::default() };
        let line = Line::draw(&quality, 1, "x", Direction::Inbound);
        assert!(line.dead);
    }

    #[test]
    fn loss_goes_one_way_where_it_is_told_to() {
        let quality = Quality { loss: 0.1, toward: Toward::Callee, ..Quality::default() };
        assert_eq!(Line::draw(&quality, 1, "x", Direction::Outbound).loss, 0.0);
        assert_eq!(Line::draw(&quality, 1, "x", Direction::Inbound).loss, 0.1);
    }

    #[test]
    fn each_share_of_calls_is_met_beside_the_others() {
        let quality = Quality { without_media: 0.3, one_way: 0.5, lossy: 0.5, loss: 0.1, ..Quality::default() };
        let [mut without, mut one_way, mut lossy] = [0; 3];
        for call in 0..2_000 {
            let id = format!("call {call}");
            let lines = [Direction::Outbound, Direction::Inbound].map(|way| Line::draw(&quality, 1, &id, way));
            match lines.iter().filter(|line| line.dead).count() {
                2 => without += 1,
                1 => one_way += 1,
                _ => {}
            }
            lossy += i32::from(lines.iter().all(|line| line.loss > 0.0));
        }
        assert!((540..660).contains(&without) && (920..1_080).contains(&one_way), "{without} {one_way}");
        assert!((440..560).contains(&lossy), "each leg has its own luck: {lossy}");
    }
}
