//! What a leg knows of being held: since when, how often and for how long, and what it has told its other end of it
//! (switch_channel.c, switch_core_media.c).

use std::{collections::VecDeque, fmt::Write};

use crate::clock::Stamp;

/// The most spells of one channel that its record tells of, the last ones: more than any real call has.
const SPELLS_MAX: usize = 256;

/// A leg's holds. A leg that has never been held has none of it.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// It is held, by itself or by its other end.
    pub(crate) is_on: bool,
    /// It holds its other end by a command: nothing plays to it meanwhile.
    pub(crate) by_itself: bool,
    /// Its other end holds it.
    pub(crate) by_peer: bool,
    /// When it was held last, and for how many microseconds in all.
    pub(crate) last: Stamp,
    pub(crate) total: u64,
    /// Beginning and end of each spell, the last one first.
    spells: VecDeque<(Stamp, Stamp)>,
    /// How many requests it has sent for it, and how many session descriptions.
    pub(crate) requests: u32,
    pub(crate) descriptions: u32,
}

impl Hold {
    pub(crate) fn begins(&mut self, now: Stamp) {
        self.last = now;
        self.spells.push_front((now, Stamp::default()));
        self.spells.truncate(SPELLS_MAX);
    }

    /// Whether a spell has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.spells.front().is_some_and(|(_, end)| *end == Stamp::default())
    }

    pub(crate) fn ends(&mut self, now: Stamp) {
        if self.is_open() {
            self.total += now.0.saturating_sub(self.last.0);
            self.closes(now);
        }
    }

    /// The channel hangs up.
    pub(crate) fn closes(&mut self, now: Stamp) {
        if let Some((_, end)) = self.spells.front_mut() {
            *end = now;
        }
    }

    /// `hold_events`: `{{1795676636758059,1795676637265535}}`; nothing without a spell.
    pub(crate) fn events(&self) -> Option<String> {
        let mut text = String::from("{");
        for (begin, end) in &self.spells {
            // Writing into a String does not fail.
            let _ = write!(text, "{{{},{}}},", begin.0, end.0);
        }
        text.pop()?;
        text.push('}');
        Some(text).filter(|_| !self.spells.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_spells_are_told_the_last_one_first() {
        let mut hold = Hold::default();
        assert_eq!(hold.events(), None);
        hold.begins(Stamp(10));
        hold.ends(Stamp(15));
        hold.begins(Stamp(20));
        assert_eq!(hold.events().as_deref(), Some("{{20,0},{10,15}}"));
        hold.ends(Stamp(27));
        assert_eq!((hold.last, hold.total), (Stamp(20), 12));
        assert_eq!(hold.events().as_deref(), Some("{{20,27},{10,15}}"));
    }

    #[test]
    fn the_record_of_many_is_bounded() {
        let mut hold = Hold::default();
        (0..1_000).for_each(|at| hold.begins(Stamp(at)));
        assert_eq!(hold.spells.len(), SPELLS_MAX);
        assert_eq!(hold.spells.front(), Some(&(Stamp(999), Stamp(0))));
    }
}
