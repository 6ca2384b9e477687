//! DTMF digits: those that a channel sends, those that it receives, and who looks at them (switch_channel.c).

use std::time::Duration;

use super::{
    Step, Switch,
    applications::{self, End},
};
use crate::{
    channel::{Digit, Doing, Endpoint, FRAME, SessionId, Signal, Sound},
    event::{EventKind, Origin},
};

const DEQUEUED: Origin = Origin("switch_channel.c", "switch_channel_dequeue_dtmf", 677);

/// How long a digit is where nobody says, and at the least and most, in samples of 8 kHz (switch_types.h).
const DURATION_DEFAULT: u32 = 2_000;
const DURATION_RANGE: (u32, u32) = (400, 192_000);

/// Samples of a frame: what has come over RTP measures whole frames.
const FRAME_SAMPLES: u32 = 160;

/// What a digit that is sent takes beside its own length: next to other audio, and where there is none.
const BESIDE_AUDIO: Duration = Duration::from_millis(10);
const WITHOUT_AUDIO: Duration = Duration::from_millis(20);

/// Packets that a digit takes beside those for its length: its end is sent three times.
const END_PACKETS: u64 = 2;

/// Samples in a millisecond of a digit's length.
const SAMPLES_PER_MS: u32 = 8;

/// What `last_dtmf_duration` counts for each digit that is sent: its length and the pause after it.
const DIGIT_AND_PAUSE_MS: u32 = DURATION_DEFAULT / SAMPLES_PER_MS + 250;

/// The most digits that a `null` channel keeps of those it was sent: FreeSWITCH has no limit, and no need for one.
const NULL_DIGITS_MAX: usize = 1_000;

/// Digits, flash, and pauses between digits, which a channel takes for digits too.
const DIGITS: &str = "0123456789*#ABCDabcdFfWw";
const PAUSES: &str = "Ww";

/// How long `W` and `w` keep the next digit waiting.
const LONG_PAUSE: Duration = Duration::from_millis(1_000);
const SHORT_PAUSE: Duration = Duration::from_millis(500);

impl Switch {
    /// Queues `digits[@milliseconds]` as received: `false` if none of them is one.
    pub(crate) fn receive_digits(&mut self, now: Duration, id: SessionId, text: &str, source: &'static str) -> bool {
        let (digits, duration) = digits_and_duration(text);
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        if !digits.chars().any(|c| DIGITS.contains(c)) {
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
        let (digits, duration) = digits_and_duration(text);
        if !digits.chars().any(|c| DIGITS.contains(c)) {
            return false;
        }
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let audible = || digits.chars().filter(|c| DIGITS.contains(*c) && !PAUSES.contains(*c));
        let count = audible().count() as u64;
        channel.variables.set_number("last_dtmf_duration", count * u64::from(DIGIT_AND_PAUSE_MS));
        if let Endpoint::Null = channel.endpoint {
            let known = channel.variables.get("null_channel_dtmf_queued").unwrap_or_default();
            if known.len() + digits.len() <= NULL_DIGITS_MAX {
                let all = format!("{known}{digits}");
                channel.variables.set("null_channel_dtmf_queued", &all);
            }
        }
        if let (Endpoint::Sofia(_), true) = (&channel.endpoint, channel.has_media()) {
            channel.audio.digits_sent += count * packets_of_digit(duration);
            let takes = Duration::from_millis(u64::from(duration / SAMPLES_PER_MS));
            let pause = if channel.audio.sound == Sound::Nothing { takes + WITHOUT_AUDIO } else { BESIDE_AUDIO };
            // A digit is known when it is over.
            let mut at = now + BESIDE_AUDIO;
            let measured = duration.div_ceil(FRAME_SAMPLES) * FRAME_SAMPLES;
            for digit in digits.chars() {
                match digit {
                    'W' => at += LONG_PAUSE,
                    'w' => at += SHORT_PAUSE,
                    _ if DIGITS.contains(digit) => {
                        self.tell_at(at + takes, id, Signal::Digit(digit, measured));
                        at += takes + pause;
                    }
                    _ => {}
                }
            }
        }
        true
    }

    /// A digit has come in over RTP.
    pub(super) fn digit_arrived(&mut self, now: Duration, id: SessionId, digit: char, duration: u32) {
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| !channel.audio.deaf) else { return };
        channel.audio.digits_heard += packets_of_digit(duration);
        channel.thread.queue_digit(Digit { digit, duration, source: "RTP" });
        self.proceed(now, id);
    }

    /// What a channel runs looks at its digits, one each frame: they are told of, passed over a bridge, and end a
    /// file that waits for such a digit (`playback_terminators`). What collects digits takes all that are there.
    pub(super) fn hear_digit(&mut self, now: Duration, id: SessionId) {
        while let Some((digit, more)) = self.channels.get_mut(&id).and_then(|channel| channel.thread.next_digit()) {
            self.tell_digit(now, id, digit);
            let collects = self.use_digit(now, id, digit.digit);
            if !collects {
                if more {
                    self.add_leg(now + FRAME, id, Step::Look);
                }
                return;
            }
            // What it collects into may be over by now, or wait for something else.
            self.add_leg(now, id, Step::Look);
            let still = self.channels.get(&id).and_then(|channel| channel.thread.runs.last());
            if !still.is_some_and(|run| matches!(run.doing, Doing::Collect(_))) {
                return;
            }
        }
    }

    fn tell_digit(&mut self, now: Duration, id: SessionId, digit: Digit) {
        let Some(channel) = self.channels.get(&id) else { return };
        let text = digit.digit.to_string();
        let duration = digit.duration.to_string();
        let after = [("DTMF-Digit", text.as_str()), ("DTMF-Duration", &duration), ("DTMF-Source", digit.source)];
        self.bus.channel_with(now, EventKind::DTMF, DEQUEUED, channel, &[], &after);
    }

    /// What comes of a digit where it is heard: `true` if what runs collects digits.
    fn use_digit(&mut self, now: Duration, id: SessionId, digit: char) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let ends = match channel.variables.get("playback_terminators") {
            Some("none") => false,
            Some("any") => true,
            Some(digits) => digits.contains(digit),
            None => digit == '*',
        };
        match channel.thread.runs.last().map(|run| &run.doing) {
            Some(Doing::Play(_) | Doing::Record(_)) if ends => {
                channel.variables.set("playback_terminator_used", &digit.to_string());
                if !applications::finish(self, now, id, End::Broken) {
                    self.over(now, id);
                }
                // What the dialplan has next begins there and then.
                self.add_leg(now, id, Step::Look);
            }
            Some(Doing::Bridge(bridge)) => {
                let partner = bridge.partner;
                self.send_digits(now, partner, &digit.to_string());
            }
            Some(Doing::Collect(_)) => {
                applications::digit(self, now, id, digit);
                return true;
            }
            _ => {}
        }
        false
    }
}

/// How many packets carry a digit of so many samples.
fn packets_of_digit(samples: u32) -> u64 {
    u64::from(samples.div_ceil(FRAME_SAMPLES)) + END_PACKETS
}

/// `digits[@milliseconds]`: the digits, and how long each is, in samples.
fn digits_and_duration(text: &str) -> (&str, u32) {
    let (digits, milliseconds) = text.split_once('@').unwrap_or((text, ""));
    let duration = milliseconds
        .parse::<u32>()
        .map_or(DURATION_DEFAULT, |ms| ms.saturating_mul(SAMPLES_PER_MS).clamp(DURATION_RANGE.0, DURATION_RANGE.1));
    (digits, duration)
}
