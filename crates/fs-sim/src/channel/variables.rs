//! A channel's variables: kept as the bytes that a plain event carries, with an index for lookups.

use std::io::Write;

use esl_core::wire::percent_encode;

/// Variables in the order in which they were last set. Setting one that exists moves it to the end,
/// as deleting and adding does in FreeSWITCH's header lists (switch_event.c).
///
/// An event copies `text` in one piece or few; nothing is formatted again. A value that encoding changed
/// is kept a second time as it was, because the plain form cannot always be decoded.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    text: Vec<u8>,
    /// What encoding changed, as it was.
    raw: String,
    /// For each entry what its name is looked for by, and [`DEAD`] for one that is not there any more: a search reads
    /// these alone, many at a time.
    keys: Vec<u32>,
    entries: Vec<Entry>,
    dead: usize,
}

/// The most bytes of a channel's variables, thirty times what a real one has: a client that never stops setting new ones
/// cannot grow the server.
pub(crate) const BYTES_MAX: usize = 256 * 1024;

const PREFIX: &[u8] = b"variable_";

/// The number with the most digits.
const NUMBER_LONGEST: &str = "18446744073709551615";

/// The key of no name.
const DEAD: u32 = 0;

/// How many entries may be dead, besides as many as are alive, before they are cleared away: a variable that is set for
/// ever must not grow its channel, and a call that comes and goes has no time to tidy up.
const DEAD_MAX: usize = 64;

/// Room for what a leg over SIP has when it is answered, so that its text is not moved again and again.
const TEXT_ROOM: usize = 4 * 1024;
const ENTRIES_ROOM: usize = 112;

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    /// Where the value begins, after the name.
    value: u32,
    end: u32,
    /// Where the value is in `raw`, if encoding changed it.
    raw: (u32, u32),
}

impl Variables {
    /// Sets `name`; an empty value removes it, as `switch_channel_set_variable` does. Where there is no room it is gone.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        if !value.is_empty() {
            self.push(name, value);
        }
    }

    /// Adds a value to those that `name` has: more than one are written as an array (switch_event.c).
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        match self.get(name) {
            None => self.set(name, value),
            Some(known) => {
                let known = known.strip_prefix("ARRAY::").unwrap_or(known);
                self.replace(name, &format!("ARRAY::{known}|:{value}"));
            }
        }
    }

    /// Changes a value where it stands.
    fn replace(&mut self, name: &str, value: &str) {
        let all: Vec<(String, String)> = self
            .iter()
            .map(|(known, old)| (known.to_owned(), if known == name { value } else { old }.to_owned()))
            .collect();
        *self = Variables::default();
        for (name, value) in all {
            self.push(&name, &value);
        }
    }

    /// Whether one more of this size can be set.
    pub(crate) fn takes(&mut self, name: &str, value: &str) -> bool {
        let bytes = name.len() + value.len();
        if self.text.len() + bytes > BYTES_MAX && self.dead > 0 {
            self.tidy();
        }
        self.text.len() + bytes <= BYTES_MAX
    }

    pub(crate) fn set_number(&mut self, name: &str, value: u64) {
        self.unset(name);
        self.push_number(name, value);
    }

    /// Appends a variable that is known not to be there.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        if !self.takes(name, value) {
            return;
        }
        let (start, at) = self.begin(name);
        let changed = percent_encode(value.as_bytes(), &mut self.text);
        let raw_start = self.raw.len();
        if changed {
            self.raw.push_str(value);
        }
        self.finish(name, start, at, (raw_start as u32, self.raw.len() as u32));
    }

    /// The same for a number.
    pub(crate) fn push_number(&mut self, name: &str, value: u64) {
        if !self.takes(name, NUMBER_LONGEST) {
            return;
        }
        let (start, at) = self.begin(name);
        // Writing to a Vec cannot fail.
        let _ = write!(self.text, "{value}");
        self.finish(name, start, at, (0, 0));
    }

    fn begin(&mut self, name: &str) -> (usize, usize) {
        if self.text.capacity() == 0 {
            self.text.reserve(TEXT_ROOM);
            self.keys.reserve(ENTRIES_ROOM);
            self.entries.reserve(ENTRIES_ROOM);
        }
        let start = self.text.len();
        self.text.extend_from_slice(PREFIX);
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        (start, self.text.len())
    }

    fn finish(&mut self, name: &str, start: usize, value: usize, raw: (u32, u32)) {
        self.text.push(b'\n');
        self.keys.push(key(name));
        let (start, value, end) = (start as u32, value as u32, self.text.len() as u32);
        self.entries.push(Entry { start, value, end, raw });
    }

    /// Leaves only what is alive.
    fn tidy(&mut self) {
        let mut tidied = Variables::default();
        for (name, value) in self.iter() {
            tidied.push(name, value);
        }
        *self = tidied;
    }

    pub(crate) fn unset(&mut self, name: &str) {
        if let Some(index) = self.find(name) {
            self.keys[index] = DEAD;
            self.dead += 1;
            if self.dead > self.keys.len() / 2 + DEAD_MAX {
                self.tidy();
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|index| self.value(self.entries[index]))
    }

    /// Names and values as they were set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let alive = self.keys.iter().zip(&self.entries).filter(|(key, _)| **key != DEAD);
        alive.map(|(_, entry)| (text(self.name(*entry)), self.value(*entry)))
    }

    /// Appends all lines to a plain event.
    pub(crate) fn write_plain(&self, out: &mut Vec<u8>) {
        let mut from = 0;
        let mut left = self.dead;
        for (index, _) in self.keys.iter().enumerate().filter(|(_, key)| **key == DEAD) {
            let entry = self.entries[index];
            out.extend_from_slice(&self.text[from..entry.start as usize]);
            from = entry.end as usize;
            left -= 1;
            if left == 0 {
                break;
            }
        }
        out.extend_from_slice(&self.text[from..]);
    }

    fn find(&self, name: &str) -> Option<usize> {
        let wanted = key(name);
        let mut from = 0;
        loop {
            let index = from + position(&self.keys[from..], wanted)?;
            if self.name(self.entries[index]) == name.as_bytes() {
                return Some(index);
            }
            from = index + 1;
        }
    }

    fn name(&self, entry: Entry) -> &[u8] {
        &self.text[entry.start as usize + PREFIX.len()..entry.value as usize - 2]
    }

    fn value(&self, entry: Entry) -> &str {
        match entry.raw {
            (start, end) if start < end => &self.raw[start as usize..end as usize],
            _ => text(&self.text[entry.value as usize..entry.end as usize - 1]),
        }
    }
}

/// Names and values come in as `str`.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Where `wanted` is. Whole groups are compared without a branch for each, which the processor does many at a time.
fn position(keys: &[u32], wanted: u32) -> Option<usize> {
    const GROUP: usize = 16;
    let mut from = 0;
    for group in keys.chunks_exact(GROUP) {
        if group.iter().fold(false, |any, key| any | (*key == wanted)) {
            break;
        }
        from += GROUP;
    }
    keys[from..].iter().position(|key| *key == wanted).map(|at| from + at)
}

/// A number for a name, another one for almost every other name.
fn key(name: &str) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ name.len() as u64;
    for piece in name.as_bytes().chunks(8) {
        let mut bytes = [0; 8];
        bytes[..piece.len()].copy_from_slice(piece);
        hash = (hash ^ u64::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    (hash >> 32) as u32 | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(variables: &Variables) -> String {
        let mut out = Vec::new();
        variables.write_plain(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn setting_again_moves_to_the_end() {
        let mut variables = Variables::default();
        variables.set("a", "1");
        variables.set("b", "2");
        variables.set("c", "3");
        variables.set("b", "two words");
        assert_eq!(plain(&variables), "variable_a: 1\nvariable_c: 3\nvariable_b: two%20words\n");
        assert_eq!(variables.get("b"), Some("two words"));
        assert_eq!(variables.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "c", "b"]);
    }

    #[test]
    fn a_second_value_makes_an_array_in_the_same_place() {
        let mut variables = Variables::default();
        variables.add("a", "1");
        variables.set("b", "2");
        variables.add("a", "3");
        variables.add("a", "4");
        assert_eq!(variables.get("a"), Some("ARRAY::1|:3|:4"));
        assert_eq!(variables.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn an_empty_value_removes() {
        let mut variables = Variables::default();
        variables.set("a", "1");
        variables.set("a", "");
        assert_eq!((variables.get("a"), plain(&variables).as_str()), (None, ""));
    }

    #[test]
    fn raw_values_survive_encoding() {
        let mut variables = Variables::default();
        variables.set("x", "%41 é");
        assert_eq!(variables.get("x"), Some("%41 é"));
        assert_eq!(plain(&variables), "variable_x: %41%20%C3%A9\n");
    }

    #[test]
    fn a_variable_that_is_set_for_ever_does_not_grow() {
        let mut variables = Variables::default();
        variables.set("kept", "a b");
        for turn in 0..10_000 {
            variables.set_number("turn", turn);
        }
        assert!(variables.text.len() < 4_096 && variables.keys.len() < 200);
        assert_eq!((variables.get("kept"), variables.get("turn")), (Some("a b"), Some("9999")));
        assert_eq!(plain(&variables), "variable_kept: a%20b\nvariable_turn: 9999\n");
    }

    #[test]
    fn names_that_look_alike_are_told_apart() {
        let mut variables = Variables::default();
        let names: Vec<String> = (0..2_000).map(|n| format!("{}{n}", "x".repeat(n % 11))).collect();
        for name in &names {
            variables.set(name, name);
        }
        variables.unset(&names[7]);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(variables.get(name), (index != 7).then_some(name.as_str()));
        }
    }
}
