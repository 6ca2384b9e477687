//! A bit error rate test: how much of each window was not the pattern (mod_bert).

use std::time::Duration;

use super::{FRAME, Variables};

/// mod_bert's defaults: a window, the share of errors in percent that it bears, how long it waits for the first good one.
const WINDOW_MS: u64 = 1_000;
const ERRORS_MAX_PERCENT: f64 = 10.0;
const TIMEOUT_MS: u64 = 10_000;

/// Frames that are lost when somebody begins to send.
const FRAMES_BEFORE: u32 = 2;

const FRAME_SAMPLES: u64 = 160;

/// A running test.
#[derive(Debug)]
pub(crate) struct Bert {
    window: Duration,
    errors_max: f64,
    /// It hangs up when it times out or loses the pattern.
    pub(crate) hangs_up: bool,
    timeout: Option<Duration>,
    /// Without one, no window is ever whole.
    window_ends: Option<Duration>,
    in_sync: bool,
    lost: u32,
    /// Silent frames since it was in sync last.
    silent_frames: u64,
    hears: bool,
    since: Duration,
    /// Of this window, how long the pattern was not heard.
    silence: Duration,
    /// Since when something else runs above it.
    covered: Option<Duration>,
}

/// What a test finds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Timeout,
    InSync,
    Lost { percent: f64, count: u32, silent_frames: u64, samples: u64 },
}

impl Bert {
    /// A test that begins now, as the channel's variables say (`bert_window_ms`, `bert_timeout_ms`, `bert_max_err`,
    /// `bert_hangup_on_error`).
    pub(crate) fn new(now: Duration, variables: &Variables, hangs_up: bool, hears: bool) -> Bert {
        let number = |name: &str, default: u64| {
            let digits = variables.get(name).unwrap_or_default().trim_start();
            let end = digits.bytes().take_while(u8::is_ascii_digit).count();
            digits[..end].parse().ok().filter(|number| *number > 0).unwrap_or(default)
        };
        let window = Duration::from_millis(number("bert_window_ms", WINDOW_MS));
        // Samples are counted by the frame and compared for being as many as the window has.
        let whole = window.as_millis().is_multiple_of(FRAME.as_millis());
        let mut bert = Bert {
            window,
            errors_max: number("bert_max_err", 0) as f64,
            hangs_up,
            timeout: Some(now.saturating_add(Duration::from_millis(number("bert_timeout_ms", TIMEOUT_MS)))),
            window_ends: whole.then(|| now.saturating_add(window).saturating_add(FRAME)),
            in_sync: false,
            lost: 0,
            silent_frames: 0,
            hears: false,
            since: now,
            silence: Duration::ZERO,
            covered: None,
        };
        if bert.errors_max == 0.0 {
            bert.errors_max = ERRORS_MAX_PERCENT;
        }
        bert.hear(now, hears);
        bert
    }

    /// When there is something to find out.
    pub(crate) fn due(&self) -> Option<Duration> {
        match (self.timeout, self.window_ends) {
            (Some(timeout), Some(ends)) => Some(timeout.min(ends)),
            (timeout, ends) => timeout.or(ends),
        }
    }

    /// The pattern is heard from now on, or is not.
    pub(crate) fn hear(&mut self, now: Duration, pattern: bool) {
        self.count(now);
        if pattern && !self.hears {
            self.silence += FRAME * FRAMES_BEFORE;
        }
        self.hears = pattern;
    }

    /// The pattern goes on, but from somebody else.
    pub(crate) fn disturbed(&mut self) {
        self.silence += FRAME * FRAMES_BEFORE;
    }

    pub(crate) fn covered(&mut self, now: Duration) {
        self.count(now);
        self.covered = Some(now);
    }

    pub(crate) fn uncovered(&mut self, now: Duration) {
        if let Some(from) = self.covered.take() {
            self.window_ends = self.window_ends.map(|ends| ends.saturating_add(now.saturating_sub(from)));
        }
        self.since = now;
    }

    fn count(&mut self, now: Duration) {
        if !self.hears && self.covered.is_none() {
            self.silence += now.saturating_sub(self.since);
        }
        self.since = now;
    }

    /// What there is to say at `now`, where a share of the packets is lost.
    pub(crate) fn look(&mut self, now: Duration, loss: f64) -> Option<Verdict> {
        if self.timeout.is_some_and(|timeout| timeout <= now) {
            self.timeout = None;
            return Some(Verdict::Timeout);
        }
        let ends = self.window_ends.filter(|ends| *ends <= now)?;
        self.window_ends = Some(ends.saturating_add(self.window));
        self.count(now);
        let frames = |time: Duration| u64::try_from(time.as_millis() / FRAME.as_millis()).unwrap_or(u64::MAX);
        let all = frames(self.window).max(1);
        let silent = frames(std::mem::take(&mut self.silence)).min(all);
        let errors = silent + ((all - silent) as f64 * loss).round() as u64;
        self.silent_frames += errors;
        let percent = errors as f64 / all as f64 * 100.0;
        if percent > self.errors_max {
            if !self.in_sync {
                return None;
            }
            self.in_sync = false;
            self.lost += 1;
            let samples = errors * FRAME_SAMPLES;
            return Some(Verdict::Lost { percent, count: self.lost, silent_frames: self.silent_frames, samples });
        }
        if self.in_sync {
            return None;
        }
        self.in_sync = true;
        self.timeout = None;
        self.silent_frames = 0;
        Some(Verdict::InSync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let mut variables = Variables::default();
        for (name, value) in pairs {
            variables.set(name, value);
        }
        variables
    }

    #[test]
    fn windows_as_recorded() {
        let mut bert = Bert::new(ms(0), &variables(&[]), false, true);
        assert_eq!(bert.due(), Some(ms(1_020)));
        assert_eq!(bert.look(ms(1_020), 0.0), Some(Verdict::InSync));
        assert_eq!((bert.look(ms(2_020), 0.0), bert.due()), (None, Some(ms(3_020))));
        bert.hear(ms(2_800), false);
        assert_eq!(
            bert.look(ms(3_020), 0.0),
            Some(Verdict::Lost { percent: 22.0, count: 1, silent_frames: 11, samples: 1_760 })
        );
        assert_eq!(bert.look(ms(4_020), 0.0), None);
        bert.hear(ms(4_320), true);
        assert_eq!(bert.look(ms(5_020), 0.0), None);
        assert_eq!(bert.look(ms(6_020), 0.0), Some(Verdict::InSync));
    }

    #[test]
    fn silence_times_out_once() {
        let mut bert = Bert::new(ms(0), &variables(&[("bert_timeout_ms", "700")]), false, false);
        assert_eq!(bert.due(), Some(ms(700)));
        assert_eq!(bert.look(ms(700), 0.0), Some(Verdict::Timeout));
        assert_eq!((bert.look(ms(1_020), 0.0), bert.due()), (None, Some(ms(2_020))));
    }

    #[test]
    fn what_is_lost_counts_as_errors() {
        let mut bert = Bert::new(ms(0), &variables(&[("bert_max_err", "30")]), false, true);
        assert_eq!(bert.look(ms(1_020), 0.2), Some(Verdict::InSync));
        let Some(Verdict::Lost { percent, .. }) = bert.look(ms(2_020), 0.4) else { panic!("it is in sync") };
        assert_eq!(percent, 40.0);
    }

    #[test]
    fn a_window_of_broken_frames_never_ends() {
        let mut bert = Bert::new(ms(0), &variables(&[("bert_window_ms", "30")]), false, true);
        assert_eq!(bert.look(ms(10_000), 0.0), Some(Verdict::Timeout));
        assert_eq!(bert.due(), None);
    }

    #[test]
    fn under_another_application_no_window_passes() {
        let mut bert = Bert::new(ms(0), &variables(&[]), false, true);
        bert.covered(ms(500));
        bert.hear(ms(600), false);
        bert.hear(ms(2_000), true);
        bert.uncovered(ms(2_500));
        assert_eq!(bert.due(), Some(ms(3_020)));
        assert_eq!(bert.look(ms(3_020), 0.0), Some(Verdict::InSync));
    }
}
