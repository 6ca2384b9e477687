//! The quality of received audio, from FreeSWITCH's RTP statistics of each leg.

use std::time::Duration;

use tokio::time::Instant;

use super::Samples;
use super::labelled_enum::labelled_enum;

/// The interval at which FreeSWITCH computes the loss of a leg.
const LOSS_AFTER: Duration = Duration::from_secs(5);

/// The RTP statistics of one leg, from `variable_rtp_audio_in_…` of its last event (`switch_core_media.c`,
/// `set_stats`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RtpStats {
    /// RTP packets that arrived.
    pub packets: u64,
    /// The mean opinion score that FreeSWITCH estimates from the flaws of the packets, 1 to 4.5. Without a packet it is
    /// 4.5.
    pub mos: f64,
    /// The largest standard deviation of the time between packets, in seconds.
    pub jitter_seconds: f64,
    /// The share of the packets that were lost, 0 to 1, in hundredths. FreeSWITCH computes it every 5 s
    /// (`switch_rtp.c`, `check_jitter`), and reports 0 for a shorter call, which is unknown here.
    pub loss_ratio: Option<f64>,
}

impl RtpStats {
    /// Reads the statistics: `variable` gives the value of `rtp_audio_in_<name>`. `None` for a leg without RTP.
    pub fn read<T: AsRef<str>>(variable: impl Fn(&str) -> Option<T>) -> Option<Self> {
        let number = |name| variable(name)?.as_ref().parse::<f64>().ok().filter(|value| value.is_finite());
        let packets = number("packet_count")?;
        Some(Self {
            packets: packets as u64,
            mos: number("mos")?.clamp(0.0, 5.0),
            // FreeSWITCH reports a variance in ms² (`switch_rtp.c`, `check_jitter`).
            jitter_seconds: number("jitter_max_variance")?.max(0.0).sqrt() / 1e3,
            loss_ratio: Some(number("jitter_loss_rate")?.clamp(0.0, 1.0)),
        })
    }

    /// The statistics of a leg that has ended: without a loss where it was too short for one.
    pub fn over(self, answered: Option<Instant>, ended: Instant) -> Self {
        let lasted = answered.map(|answered| ended.saturating_duration_since(answered));
        Self { loss_ratio: self.loss_ratio.filter(|_| lasted.is_some_and(|lasted| lasted >= LOSS_AFTER)), ..self }
    }
}

labelled_enum! {
    /// A property of the received audio.
    RtpMetric {
        /// The estimated mean opinion score.
        Mos = "mos",
        /// The jitter, in seconds.
        Jitter = "jitter",
        /// The share of packets lost.
        Loss = "loss",
    }
}

/// The RTP statistics of several calls.
#[derive(Clone, Debug, Default)]
pub struct RtpSamples {
    samples: [Samples; RtpMetric::COUNT],
}

impl RtpSamples {
    /// Adds a value in millionths.
    pub fn record_micros(&mut self, measure: RtpMetric, micros: u64) {
        self.samples[measure as usize].record_micros(micros);
    }

    /// The values of one kind, of the calls that received a packet.
    pub fn get(&self, measure: RtpMetric) -> &Samples {
        &self.samples[measure as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(values: &[(&str, &str)]) -> Option<RtpStats> {
        RtpStats::read(|name| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn the_statistics_of_a_leg_are_read() {
        let values =
            [("packet_count", "99"), ("mos", "4.13"), ("jitter_max_variance", "25.00"), ("jitter_loss_rate", "0.02")];
        let expected = RtpStats { packets: 99, mos: 4.13, jitter_seconds: 0.005, loss_ratio: Some(0.02) };
        assert_eq!(rtp(&values), Some(expected));
        let answered = Instant::now();
        assert_eq!(expected.over(Some(answered), answered + LOSS_AFTER), expected);
        for short in [expected.over(Some(answered), answered + LOSS_AFTER / 2), expected.over(None, answered)] {
            assert_eq!((short.loss_ratio, short.mos), (None, 4.13));
        }
        assert_eq!(rtp(&values[1..]), None, "a leg without RTP");
        let odd = [("packet_count", "1"), ("mos", "nan"), ("jitter_max_variance", "-1"), ("jitter_loss_rate", "7")];
        assert_eq!(rtp(&odd), None);
    }
}
