//! The variables that a channel gets when it ends: its call record, and RTP's statistics
//! (switch_channel.c `switch_channel_set_timestamps`, switch_rtp.c).

use std::time::Duration;

use super::{Channel, Endpoint, Variables};
use crate::{
    cause::Cause,
    clock::Stamp,
    media::{Inbound, Line, Quality, Stream},
};

impl Channel {
    /// Puts the record of the call, which ends at `now`, among the variables.
    pub(crate) fn report(&mut self, now: Stamp) {
        let cause = self.cause.unwrap_or(Cause::NORMAL_CLEARING);
        self.times.hangup = now;

        let times = self.times;
        let caller_id = self.profile.caller_id();
        let profile_start = self.profile.created;
        let application = self.application.take();
        let held = self.held.as_deref();
        let (last_hold, hold_time) = held.map_or((Stamp::default(), 0), |hold| (hold.last, hold.total));
        let hold_events = held.and_then(|hold| hold.events());
        let v = &mut self.variables;
        v.push("hangup_cause", cause.name());
        v.push_number("hangup_cause_q850", u64::from(cause.q850()));
        v.push("digits_dialed", self.thread.dialed().unwrap_or("none"));
        let milestones = [
            ("start_stamp", times.created),
            ("profile_start_stamp", profile_start),
            ("answer_stamp", times.answered),
            ("bridge_stamp", times.bridged),
            ("hold_stamp", last_hold),
            ("progress_stamp", times.progress),
            ("progress_media_stamp", times.progress_media),
        ];
        for (name, stamp) in milestones {
            if stamp != Stamp::default() {
                v.push(name, &stamp.local());
            }
        }
        if let Some(events) = hold_events {
            v.push("hold_events", &events);
        }
        v.push("end_stamp", &now.local());
        let zero = Stamp::default();
        for (seconds, micros, stamp) in [
            ("start_epoch", "start_uepoch", times.created),
            ("profile_start_epoch", "profile_start_uepoch", profile_start),
            ("answer_epoch", "answer_uepoch", times.answered),
            ("bridge_epoch", "bridge_uepoch", times.bridged),
            ("last_hold_epoch", "last_hold_uepoch", last_hold),
        ] {
            v.push_number(seconds, stamp.seconds());
            v.push_number(micros, stamp.0);
        }
        v.push_number("hold_accum_seconds", hold_time / 1_000_000);
        v.push_number("hold_accum_usec", hold_time);
        v.push_number("hold_accum_ms", hold_time / 1_000);
        for (seconds, micros, stamp) in [
            ("resurrect_epoch", "resurrect_uepoch", zero),
            ("progress_epoch", "progress_uepoch", times.progress),
            ("progress_media_epoch", "progress_media_uepoch", times.progress_media),
            ("end_epoch", "end_uepoch", now),
        ] {
            v.push_number(seconds, stamp.seconds());
            v.push_number(micros, stamp.0);
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
            (["duration", "mduration", "uduration"], Some(times.created), now),
            (["billsec", "billmsec", "billusec"], answered.then_some(times.answered), now),
            (["progresssec", "progressmsec", "progressusec"], Some(times.created), times.progress),
            (["answersec", "answermsec", "answerusec"], Some(times.created), times.answered),
            (["waitsec", "waitmsec", "waitusec"], (times.bridged != zero).then_some(times.created), times.bridged),
            (
                ["progress_mediasec", "progress_mediamsec", "progress_mediausec"],
                Some(times.created),
                times.progress_media,
            ),
            (["flow_billsec", "flow_billmsec", "flow_billusec"], answered.then_some(profile_start), now),
        ];
        for (index, unit) in [Unit::Seconds, Unit::Millis, Unit::Micros].into_iter().enumerate() {
            for (names, from, to) in spans {
                v.push_number(names[index], unit.between(from, to));
            }
        }
    }

    /// Appends what `switch_rtp` has counted of the leg's packets, in its order.
    pub(crate) fn report_rtp(&mut self, now: Stamp, up: Duration, quality: &Quality, seed: u64) {
        let Endpoint::Sofia(dialog) = &self.endpoint else { return };
        let started =
            if self.times.progress_media == Stamp::default() { self.times.answered } else { self.times.progress_media };
        let lasted = Duration::from_micros(now.0.saturating_sub(started.0));
        let mut line = Line::draw(quality, seed, &dialog.call_id, self.direction);
        let inbound = Inbound::of(&self.audio.hears.stream(up), lasted, &mut line);
        let sent = self.audio.sends.stream(up).sent_on();
        let (digits_in, digits_out) = (self.audio.digits_heard, self.audio.digits_sent);
        let v = &mut self.variables;
        for (direction, packets, digits) in [("in", inbound.packets, digits_in), ("out", sent, digits_out)] {
            let mut count =
                |name: &str, count: u64| v.push(&format!("rtp_audio_{direction}_{name}"), &count.to_string());
            let incoming = direction == "in";
            // What goes out as digits is counted apart, what comes in as digits with the rest.
            let all = if incoming { packets + digits } else { packets };
            count("raw_bytes", Stream::bytes(packets) + if incoming { digits * DIGIT_BYTES } else { 0 });
            count("media_bytes", Stream::bytes(packets));
            count("packet_count", all);
            count("media_packet_count", packets);
            count("skip_packet_count", if incoming { inbound.skipped } else { 0 });
            if incoming {
                count("jitter_packet_count", 0);
            }
            count("dtmf_packet_count", digits);
            count("cng_packet_count", 0);
            if incoming {
                count("flush_packet_count", 0);
                count("largest_jb_size", 0);
                push_quality(v, &inbound);
            }
        }
        v.push("rtp_audio_rtcp_packet_count", "0");
        v.push("rtp_audio_rtcp_octet_count", "0");
    }
}

/// Bytes of a packet that carries a digit: its header and four of the event (RFC 4733).
const DIGIT_BYTES: u64 = 16;

fn push_quality(variables: &mut Variables, inbound: &Inbound) {
    let mut fraction = |name: &str, value: f64| variables.push(&format!("rtp_audio_in_{name}"), &format!("{value:.2}"));
    fraction("jitter_min_variance", inbound.variance_min);
    fraction("jitter_max_variance", inbound.variance_max);
    fraction("jitter_loss_rate", inbound.loss_rate);
    fraction("jitter_burst_rate", inbound.burst_rate);
    fraction("mean_interval", inbound.mean_interval);
    variables.push("rtp_audio_in_flaw_total", &inbound.flaws.to_string());
    let mut fraction = |name: &str, value: f64| variables.push(&format!("rtp_audio_in_{name}"), &format!("{value:.2}"));
    fraction("quality_percentage", f64::from(inbound.percent));
    fraction("mos", inbound.mos);
}

/// The units in which the record gives each span.
#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Millis,
    Micros,
}

impl Unit {
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
