//! The variables that a channel gets when it ends: its call record, and RTP's statistics
//! (switch_channel.c `switch_channel_set_timestamps`, switch_rtp.c).

use super::{Channel, Variables};
use crate::{cause::Cause, clock::Stamp};

impl Channel {
    /// Puts the record of the call, which ends at `now`, among the variables.
    pub(crate) fn report(&mut self, now: Stamp) {
        let cause = self.cause.unwrap_or(Cause::NORMAL_CLEARING);
        self.times.hangup = now;

        let times = self.times;
        let caller_id = self.profile.caller_id();
        let profile_start = self.profile.created;
        let application = self.application.take();
        let v = &mut self.variables;
        v.push("hangup_cause", cause.name());
        v.push("hangup_cause_q850", &cause.q850().to_string());
        v.push("digits_dialed", "none");
        let milestones = [
            ("start_stamp", times.created),
            ("profile_start_stamp", profile_start),
            ("answer_stamp", times.answered),
            ("bridge_stamp", times.bridged),
            ("progress_stamp", times.progress),
            ("progress_media_stamp", times.progress_media),
            ("end_stamp", now),
        ];
        for (name, stamp) in milestones {
            if stamp != Stamp::default() {
                v.push(name, &stamp.local());
            }
        }
        let zero = Stamp::default();
        for (name, stamp) in [
            ("start", times.created),
            ("profile_start", profile_start),
            ("answer", times.answered),
            ("bridge", times.bridged),
            ("last_hold", zero),
        ] {
            push_epochs(v, name, stamp);
        }
        for name in ["hold_accum_seconds", "hold_accum_usec", "hold_accum_ms"] {
            v.push(name, "0");
        }
        for (name, stamp) in
            [("resurrect", zero), ("progress", times.progress), ("progress_media", times.progress_media), ("end", now)]
        {
            push_epochs(v, name, stamp);
        }
        if let Some(application) = application {
            v.push("last_app", &application.name);
            if !application.data.is_empty() {
                v.push("last_arg", &application.data);
            }
        }
        v.push("caller_id", &caller_id);

        let answered = times.answered != zero;
        let spans = [
            ("duration", Some(times.created), now),
            ("bill", answered.then_some(times.answered), now),
            ("progress", Some(times.created), times.progress),
            ("answer", Some(times.created), times.answered),
            ("wait", (times.bridged != zero).then_some(times.created), times.bridged),
            ("progress_media", Some(times.created), times.progress_media),
            ("flow_bill", answered.then_some(profile_start), now),
        ];
        for unit in [Unit::Seconds, Unit::Millis, Unit::Micros] {
            for (name, from, to) in spans {
                v.push(&unit.name(name), &unit.between(from, to).to_string());
            }
        }
    }

    /// Appends the statistics of a media session without one packet, which is what two ends that only
    /// park or echo leave: `switch_rtp` calls that perfect.
    pub(crate) fn report_rtp(&mut self, now: Stamp) {
        const FRAME_MICROS: u64 = 20_000;
        let started =
            if self.times.progress_media == Stamp::default() { self.times.answered } else { self.times.progress_media };
        let skipped = now.0.saturating_sub(started.0) / FRAME_MICROS;
        let v = &mut self.variables;
        for name in ["raw_bytes", "media_bytes", "packet_count", "media_packet_count"] {
            v.push(&format!("rtp_audio_in_{name}"), "0");
        }
        v.push("rtp_audio_in_skip_packet_count", &skipped.to_string());
        for (name, value) in RTP_QUIET {
            v.push(name, value);
        }
    }
}

fn push_epochs(variables: &mut Variables, name: &str, stamp: Stamp) {
    variables.push(&format!("{name}_epoch"), &stamp.seconds().to_string());
    variables.push(&format!("{name}_uepoch"), &stamp.0.to_string());
}

/// The rest of the statistics of a media session without packets, in `switch_rtp`'s order.
const RTP_QUIET: [(&str, &str); 22] = [
    ("rtp_audio_in_jitter_packet_count", "0"),
    ("rtp_audio_in_dtmf_packet_count", "0"),
    ("rtp_audio_in_cng_packet_count", "0"),
    ("rtp_audio_in_flush_packet_count", "0"),
    ("rtp_audio_in_largest_jb_size", "0"),
    ("rtp_audio_in_jitter_min_variance", "0.00"),
    ("rtp_audio_in_jitter_max_variance", "0.00"),
    ("rtp_audio_in_jitter_loss_rate", "0.00"),
    ("rtp_audio_in_jitter_burst_rate", "0.00"),
    ("rtp_audio_in_mean_interval", "0.00"),
    ("rtp_audio_in_flaw_total", "0"),
    ("rtp_audio_in_quality_percentage", "100.00"),
    ("rtp_audio_in_mos", "4.50"),
    ("rtp_audio_out_raw_bytes", "0"),
    ("rtp_audio_out_media_bytes", "0"),
    ("rtp_audio_out_packet_count", "0"),
    ("rtp_audio_out_media_packet_count", "0"),
    ("rtp_audio_out_skip_packet_count", "0"),
    ("rtp_audio_out_dtmf_packet_count", "0"),
    ("rtp_audio_out_cng_packet_count", "0"),
    ("rtp_audio_rtcp_packet_count", "0"),
    ("rtp_audio_rtcp_octet_count", "0"),
];

/// The units in which the record gives each span.
#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Millis,
    Micros,
}

impl Unit {
    fn name(self, span: &str) -> String {
        match (self, span) {
            (Unit::Seconds, "duration") => "duration".to_owned(),
            (Unit::Millis, "duration") => "mduration".to_owned(),
            (Unit::Micros, "duration") => "uduration".to_owned(),
            (Unit::Seconds, _) => format!("{span}sec"),
            (Unit::Millis, _) => format!("{span}msec"),
            (Unit::Micros, _) => format!("{span}usec"),
        }
    }

    /// Seconds are the difference of whole epoch seconds, the finer units of the times themselves.
    fn between(self, from: Option<Stamp>, to: Stamp) -> u64 {
        let Some(from) = from else { return 0 };
        match self {
            Unit::Seconds => to.seconds().saturating_sub(from.seconds()),
            Unit::Millis => to.0.saturating_sub(from.0) / 1_000,
            Unit::Micros => to.0.saturating_sub(from.0),
        }
    }
}
