//! A channel's variables: kept as the bytes that a plain event carries, with an index for lookups.

use esl_core::wire::percent_encode;

/// Variables in the order in which they were last set. Setting one that exists moves it to the end,
/// as deleting and adding does in FreeSWITCH's header lists (switch_event.c).
///
/// An event copies `text` in one piece or few; nothing is formatted again. A value that encoding changed
/// is kept a second time as it was, because the plain form cannot always be decoded.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    text: Vec<u8>,
    entries: Vec<Entry>,
    raw: Vec<Box<str>>,
    dead: usize,
}

/// The most bytes of a channel's variables, thirty times what a real one has: a client that never stops setting new ones
/// cannot grow the server.
pub(crate) const BYTES_MAX: usize = 256 * 1024;

const PREFIX: &[u8] = b"variable_";

/// No raw value beside the encoded one.
const SAME: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    end: u32,
    name: u16,
    alive: bool,
    raw: u32,
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
        self.set(name, &value.to_string());
    }

    /// Appends a variable that is known not to be there.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        if !self.takes(name, value) {
            return;
        }
        let start = self.text.len();
        self.text.extend_from_slice(PREFIX);
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        let changed = percent_encode(value.as_bytes(), &mut self.text);
        self.text.push(b'\n');
        let mut raw = SAME;
        if changed {
            raw = self.raw.len() as u32;
            self.raw.push(value.into());
        }
        self.entries.push(Entry {
            start: start as u32,
            end: self.text.len() as u32,
            name: name.len() as u16,
            alive: true,
            raw,
        });
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
            self.entries[index].alive = false;
            self.dead += 1;
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|index| self.value(self.entries[index]))
    }

    /// Names and values as they were set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter(|entry| entry.alive).map(|entry| (self.name(*entry), self.value(*entry)))
    }

    /// Appends all lines to a plain event.
    pub(crate) fn write_plain(&self, out: &mut Vec<u8>) {
        if self.dead == 0 {
            out.extend_from_slice(&self.text);
            return;
        }
        let mut from = 0;
        for entry in self.entries.iter().filter(|entry| !entry.alive) {
            out.extend_from_slice(&self.text[from..entry.start as usize]);
            from = entry.end as usize;
        }
        out.extend_from_slice(&self.text[from..]);
    }

    fn find(&self, name: &str) -> Option<usize> {
        let wanted = name.as_bytes();
        self.entries.iter().position(|entry| {
            entry.alive && usize::from(entry.name) == wanted.len() && self.name(*entry).as_bytes() == wanted
        })
    }

    fn name(&self, entry: Entry) -> &str {
        let start = entry.start as usize + PREFIX.len();
        self.slice(start, start + usize::from(entry.name))
    }

    fn value(&self, entry: Entry) -> &str {
        match self.raw.get(entry.raw as usize) {
            Some(raw) => raw,
            None => {
                self.slice(entry.start as usize + PREFIX.len() + usize::from(entry.name) + 2, entry.end as usize - 1)
            }
        }
    }

    fn slice(&self, start: usize, end: usize) -> &str {
        // Names and values come in as str, and all edges are theirs.
        std::str::from_utf8(&self.text[start..end]).unwrap_or_default()
    }
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
}
