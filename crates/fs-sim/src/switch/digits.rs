//! DTMF digits: those that a channel sends, those that it receives, and who looks at them (switch_channel.c).

use std::time::Duration;

use super::{
    Step, Switch,
    applications::{self, End},
};
use crate::{
    channel::{Digit, Doing, Endpoint, FRAME, SessionId, Signal},
    event::{EventKind, Origin},
};

const DEQUEUED: Origin = Origin("switch_channel.c", "switch_channel_dequeue_dtmf", 677);

/// How long a digit is where nobody says, and at the least and most, in samples of 8 kHz (switch_types.h).
const DURATION_DEFAULT: u32 = 2_000;
const DURATION_RANGE: (u32, u32) = (400, 192_000);

/// What a digit of the default's length measures when it has come over RTP, in whole frames.
const DURATION_OVER_RTP: u32 = 2_080;

/// Samples in a millisecond of a digit's length.
const SAMPLES_PER_MS: u32 = 8;

/// What `last_dtmf_duration` counts for each digit that is sent: its length and the pause after it.
const DIGIT_AND_PAUSE_MS: u32 = DURATION_DEFAULT / SAMPLES_PER_MS + 250;

/// The most digits that a `null` channel keeps of those it was sent: FreeSWITCH has no limit, and no need for one.
const NULL_DIGITS_MAX: usize = 1_000;

/// Digits, and pauses between digits, which make no event.
const DIGITS: &str = "0123456789*#ABCDabcdFf";
const PAUSES: &str = "Ww";

impl Switch {
    /// Queues `digits[@milliseconds]` as received: `false` if none of them is one.
    pub(crate) fn receive_digits(&mut self, now: Duration, id: SessionId, text: &str, source: &'static str) -> bool {
        let (digits, milliseconds) = text.split_once('@').unwrap_or((text, ""));
        let duration = milliseconds
            .parse::<u32>()
            .map_or(DURATION_DEFAULT, |ms| ms.saturating_mul(SAMPLES_PER_MS).clamp(DURATION_RANGE.0, DURATION_RANGE.1));
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        if !digits.chars().any(|c| DIGITS.contains(c) || PAUSES.contains(c)) {
            return false;
        }
        for digit in digits.chars().filter(|c| DIGITS.contains(*c)) {
            if !channel.thread.queue_digit(Digit { digit, duration, source }) {
                break;
            }
        }
        let frame = self.part_of_a_frame();
        self.add_leg(now + frame, id, Step::Look);
        true
    }

    /// Sends digits to the other end, which a SIP leg's hears over RTP: `false` if none of them is one.
    pub(crate) fn send_digits(&mut self, now: Duration, id: SessionId, text: &str) -> bool {
        let digits = text.split('@').next().unwrap_or_default();
        if !digits.chars().any(|c| DIGITS.contains(c) || PAUSES.contains(c)) {
            return false;
        }
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let count = digits.chars().filter(|c| DIGITS.contains(*c)).count() as u64;
        channel.variables.set_number("last_dtmf_duration", count * u64::from(DIGIT_AND_PAUSE_MS));
        if let Endpoint::Null = channel.endpoint {
            let known = channel.variables.get("null_channel_dtmf_queued").unwrap_or_default();
            if known.len() + digits.len() <= NULL_DIGITS_MAX {
                let all = format!("{known}{digits}");
                channel.variables.set("null_channel_dtmf_queued", &all);
            }
        }
        if let (Endpoint::Sofia(_), true) = (&channel.endpoint, channel.has_media()) {
            let mut at = now + FRAME;
            for digit in digits.chars().filter(|c| DIGITS.contains(*c)) {
                self.tell_at(at, id, Signal::Digit(digit));
                at += Duration::from_millis(u64::from(DIGIT_AND_PAUSE_MS));
            }
        }
        true
    }

    /// A digit has come in over RTP.
    pub(super) fn digit_arrived(&mut self, now: Duration, id: SessionId, digit: char) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.thread.queue_digit(Digit { digit, duration: DURATION_OVER_RTP, source: "RTP" });
        }
        self.proceed(now, id);
    }

    /// What a channel runs looks at its digits, one each frame: they are told of, passed over a bridge, and end a
    /// file that waits for such a digit (`playback_terminators`).
    pub(super) fn hear_digit(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let Some((digit, more)) = channel.thread.next_digit() else { return };
        let text = digit.digit.to_string();
        let duration = digit.duration.to_string();
        let after = [("DTMF-Digit", text.as_str()), ("DTMF-Duration", &duration), ("DTMF-Source", digit.source)];
        self.bus.channel_with(now, EventKind::DTMF, DEQUEUED, channel, &[], &after);
        let ends = match channel.variables.get("playback_terminators") {
            Some("none") => false,
            Some("any") => true,
            Some(digits) => digits.contains(digit.digit),
            None => digit.digit == '*',
        };
        let innermost = channel.thread.runs.last().map(|run| &run.doing);
        match innermost {
            Some(Doing::Play(_) | Doing::Record(_)) if ends => {
                channel.variables.set("playback_terminator_used", &text);
                if !applications::finish(self, now, id, End::Broken) {
                    self.over(now, id);
                }
                // What the dialplan has next begins there and then.
                self.add_leg(now, id, Step::Look);
            }
            Some(Doing::Bridge(bridge)) => {
                let partner = bridge.partner;
                self.send_digits(now, partner, &text);
            }
            _ => {}
        }
        if more {
            self.add_leg(now + FRAME, id, Step::Look);
        }
    }
}
