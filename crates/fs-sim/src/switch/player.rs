//! One file that plays to a channel: its events, and what its end leaves in the variables (switch_ivr_play_say.c
//! `switch_ivr_play_file`).

use std::time::Duration;

use super::Switch;
use crate::{
    channel::{Playing, SessionId},
    event::{EventKind, Origin},
    media,
};

const STARTED: Origin = Origin("switch_ivr_play_say.c", "switch_ivr_play_file", 1646);
const STOPPED: Origin = Origin("switch_ivr_play_say.c", "switch_ivr_play_file", 2020);
const NEXT_FILE: Origin = Origin("mod_dptools.c", "next_file", 5031);

/// The rate of all codecs here, in samples a millisecond.
const SAMPLES_PER_MS: u128 = 8;

/// Files are read so many samples ahead, and again whenever those are played.
const READ_AHEAD: u128 = 16_384;

/// What files that are played as one take beside themselves: at the first one's end, and at the last one's.
const FIRST_PART_EXTRA: Duration = Duration::from_millis(220);
const LAST_PART_EXTRA: Duration = Duration::from_millis(20);

/// The most files that are played as one.
const PARTS_MAX: usize = 128;

/// How long a file is, as far as that is known.
enum Found {
    Nothing,
    /// Without a length it has no end.
    File(Option<Duration>),
    Parts(Vec<(String, Duration)>),
}

impl Switch {
    /// Begins to play a file: `None` if there is none of this name.
    pub(super) fn play_file(&mut self, now: Duration, id: SessionId, file: &str) -> Option<Playing> {
        let (length, mut parts) = match self.find_file(file) {
            Found::Nothing => return None,
            Found::File(length) => (length, Vec::new()),
            Found::Parts(parts) => (Some(parts.iter().map(|(_, length)| *length).sum()), parts),
        };
        parts.reverse();
        let first = parts.pop();
        if let Some((part, _)) = &first {
            self.tell_part(now, "filestring::open", part);
        }
        let left = first.as_ref().map_or(length, |(_, length)| Some(*length));
        self.tell_playing(now, id, EventKind::PLAYBACK_START, file, "");
        Some(Playing {
            file: file.to_owned(),
            length,
            left,
            since: now,
            heard: Duration::ZERO,
            part: first.map(|(part, _)| part),
            parts,
            paused: false,
            held: self.channels.get(&id).is_some_and(|channel| channel.holds()),
        })
    }

    /// A file, or a part of one, has come to its end: `true` if another part follows.
    pub(super) fn next_part(&mut self, now: Duration, playing: &mut Playing) -> bool {
        let Some(part) = playing.part.take() else { return false };
        self.tell_part(now, "filestring::close", &part);
        let Some((part, length)) = playing.parts.pop() else { return false };
        self.tell_part(now, "filestring::open", &part);
        playing.hold(now);
        playing.go_on(now);
        playing.left = Some(length);
        playing.part = Some(part);
        true
    }

    /// A file is over, or ended before.
    pub(super) fn stop_file(&mut self, now: Duration, id: SessionId, playing: &Playing, broken: bool) {
        if let Some(channel) = self.channels.get_mut(&id) {
            let played = playing.position(now).as_millis() * SAMPLES_PER_MS;
            let ahead = played.div_ceil(READ_AHEAD).max(1) * READ_AHEAD;
            let whole = playing.length.map(|length| length.as_millis() * SAMPLES_PER_MS);
            let read = whole.map_or(ahead, |whole| whole.min(ahead));
            let played = whole.map_or(played, |whole| whole.min(played));
            let ms = read / SAMPLES_PER_MS;
            let variables = &mut channel.variables;
            variables.set("playback_last_offset_pos", &played.to_string());
            variables.set("playback_seconds", &(ms / 1_000).to_string());
            variables.set("playback_ms", &ms.to_string());
            variables.set("playback_samples", &read.to_string());
        }
        let status = if broken { "break" } else { "done" };
        self.tell_playing(now, id, EventKind::PLAYBACK_STOP, &playing.file, status);
    }

    fn find_file(&self, file: &str) -> Found {
        if let Some(rest) = file.strip_prefix("file_string://") {
            let mut parts: Vec<(String, Duration)> = rest
                .split('!')
                .take(PARTS_MAX)
                .filter_map(|part| match self.find_file_alone(part) {
                    Found::File(Some(length)) => Some((part.to_owned(), length)),
                    _ => None,
                })
                .collect();
            let several = parts.len() > 1;
            if let (true, Some((_, first))) = (several, parts.first_mut()) {
                *first += FIRST_PART_EXTRA;
            }
            match parts.last_mut() {
                None => return Found::Nothing,
                Some((_, last)) => *last += LAST_PART_EXTRA,
            }
            return Found::Parts(parts);
        }
        self.find_file_alone(file)
    }

    fn find_file_alone(&self, file: &str) -> Found {
        match media::length(file) {
            media::Length::Unknown => self.files.get(file).map_or(Found::Nothing, |length| Found::File(Some(*length))),
            media::Length::Known(length) => Found::File(Some(length)),
            media::Length::Endless => Found::File(None),
        }
    }

    fn tell_part(&mut self, now: Duration, subclass: &str, part: &str) {
        self.bus.custom_general(now, subclass, NEXT_FILE, &[("File", part)]);
    }

    fn tell_playing(&mut self, now: Duration, id: SessionId, kind: EventKind, file: &str, status: &str) {
        let Some(channel) = self.channels.get(&id) else { return };
        let origin = if kind == EventKind::PLAYBACK_START { STARTED } else { STOPPED };
        let kind_of_file = if file.starts_with("tone_stream:") { "tone_stream" } else { "" };
        let after = [("Playback-File-Type", kind_of_file), ("Playback-File-Path", file), ("Playback-Status", status)];
        self.bus.channel_with(now, kind, origin, channel, &[], &after);
    }
}
