//! Files that play, and the digits that are waited for behind them.

use std::time::Duration;

/// One file that plays.
#[derive(Debug)]
pub(crate) struct Playing {
    pub(crate) file: String,
    /// The whole of it; without it, it has no end.
    pub(crate) length: Option<Duration>,
    /// What is left of it, or of its part, from `since` on.
    pub(crate) left: Option<Duration>,
    /// When it began, or came back from under another application.
    pub(crate) since: Duration,
    /// What has been heard before `since`.
    pub(crate) heard: Duration,
    /// The part that plays (`file_string://`), and those behind it, the next one last.
    pub(crate) part: Option<String>,
    pub(crate) parts: Vec<(String, Duration)>,
    /// It stands still, by `uuid_fileman`.
    pub(crate) paused: bool,
    /// It stands still because its leg is on hold.
    pub(crate) held: bool,
}

impl Playing {
    pub(crate) fn ends(&self) -> Option<Duration> {
        self.left.filter(|_| !self.stands()).map(|left| self.since.saturating_add(left))
    }

    /// How much of it has been heard.
    pub(crate) fn position(&self, now: Duration) -> Duration {
        if self.stands() { self.heard } else { self.heard + now.saturating_sub(self.since) }
    }

    fn stands(&self) -> bool {
        self.paused || self.held
    }

    /// Its leg is put on hold, or taken out of it.
    pub(crate) fn set_held(&mut self, now: Duration, held: bool) {
        if held {
            self.hold(now);
            self.held = true;
        } else if std::mem::take(&mut self.held) {
            self.go_on(now);
        }
    }

    /// It stands still from now on.
    pub(crate) fn hold(&mut self, now: Duration) {
        if self.stands() {
            return;
        }
        let heard = now.saturating_sub(self.since);
        self.heard += heard;
        self.left = self.left.map(|left| left.saturating_sub(heard));
    }

    /// It goes on.
    pub(crate) fn go_on(&mut self, now: Duration) {
        self.since = now;
    }

    /// Stands still or goes on (`pause`).
    pub(crate) fn toggle(&mut self, now: Duration) {
        if self.paused {
            self.paused = false;
            self.go_on(now);
        } else {
            self.hold(now);
            self.paused = true;
        }
    }

    /// Goes on from so much further, or so much before.
    pub(crate) fn seek(&mut self, now: Duration, further: bool, by: Duration) {
        let was_paused = self.paused;
        self.hold(now);
        self.go_on(now);
        let by = if further { by } else { by.min(self.heard) };
        self.left = self.left.map(|left| if further { left.saturating_sub(by) } else { left.saturating_add(by) });
        self.heard = if further { self.heard.saturating_add(by) } else { self.heard - by };
        self.paused = was_paused;
    }
}

/// How often files play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// As many times more.
    More(u32),
    Ever,
}

/// What is heard of a list of files.
#[derive(Debug)]
pub(crate) enum Heard {
    File(Playing),
    /// The pause between two files (`playback_sleep_val`), until then.
    Pause(Duration),
    /// Tones that no event tells of (`gentones`), until then; or without an end.
    Tones(Option<Duration>),
}

/// Files that play one after the other.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) heard: Heard,
    /// All of them.
    pub(crate) files: Vec<String>,
    /// Which of them comes next.
    pub(crate) next: usize,
    /// The pause between two.
    pub(crate) pause: Duration,
    pub(crate) turns: Turns,
}

/// What `read` and `play_and_get_digits` are asked for.
#[derive(Debug)]
pub(crate) struct Asks {
    pub(crate) digits_min: usize,
    pub(crate) digits_max: usize,
    pub(crate) timeout: Duration,
    pub(crate) digit_timeout: Duration,
    pub(crate) terminators: String,
    pub(crate) prompt: String,
    pub(crate) variable: String,
    /// What only `play_and_get_digits` knows.
    pub(crate) judges: Option<Judges>,
}

/// How digits are judged, and what follows if they are wrong.
#[derive(Debug)]
pub(crate) struct Judges {
    pub(crate) tries: u32,
    pub(crate) invalid: String,
    pub(crate) pattern: String,
    pub(crate) transfer: String,
}

/// Where an application that waits for digits is.
#[derive(Debug)]
pub(crate) enum CollectStage {
    Prompt(Playing),
    /// It waits, until then.
    Digits(Duration),
    /// The digits were wrong, and that is told.
    Invalid(Playing),
}

/// A file plays, then digits are waited for.
#[derive(Debug)]
pub(crate) struct Collect {
    pub(crate) asks: Asks,
    pub(crate) digits: String,
    pub(crate) stage: CollectStage,
}

impl Collect {
    pub(crate) fn playing(&self) -> Option<&Playing> {
        match &self.stage {
            CollectStage::Prompt(playing) | CollectStage::Invalid(playing) => Some(playing),
            CollectStage::Digits(_) => None,
        }
    }

    pub(crate) fn playing_mut(&mut self) -> Option<&mut Playing> {
        match &mut self.stage {
            CollectStage::Prompt(playing) | CollectStage::Invalid(playing) => Some(playing),
            CollectStage::Digits(_) => None,
        }
    }
}
