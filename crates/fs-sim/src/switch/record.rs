//! Recordings of a channel: nothing is written to a disk, but their events and lengths are those of a file
//! (switch_ivr_async.c `switch_ivr_record_session`, switch_ivr_play_say.c `switch_ivr_record_file`).

use std::time::Duration;

use super::{Step, Switch, is_true};
use crate::{
    channel::{Bug, FRAME, Recording, SessionId},
    event::{EventKind, Origin},
};

/// Where the two ways to record tell of their beginning and end.
pub(super) const BY_APPLICATION: [Origin; 2] = [
    Origin("switch_ivr_play_say.c", "switch_ivr_record_file_event", 767),
    Origin("switch_ivr_play_say.c", "switch_ivr_record_file_event", 1030),
];
const BESIDE: [Origin; 2] = [
    Origin("switch_ivr_async.c", "record_callback", 1481),
    Origin("switch_ivr_async.c", "send_record_stop_event", 1240),
];

/// Endings of names that mod_sndfile writes.
const FORMATS: [&str; 16] =
    ["wav", "raw", "r8", "r16", "r24", "r32", "au", "aif", "aiff", "gsm", "ul", "ulaw", "al", "alaw", "flac", "ogg"];

/// The most recordings of one channel at a time, and the most files that a server remembers: more than any real use,
/// so that a client's mistake cannot grow the server.
const RECORDINGS_MAX: usize = 64;
const FILES_MAX: usize = 10_000;

/// The longest path of a file, as Linux has it.
const PATH_BYTES_MAX: usize = 4_096;

/// What a file may say of itself, each of which is used once.
const TAGS: [&str; 6] =
    ["RECORD_TITLE", "RECORD_COPYRIGHT", "RECORD_SOFTWARE", "RECORD_ARTIST", "RECORD_COMMENT", "RECORD_DATE"];

/// Samples a millisecond, bytes a sample, and bytes before the first one of a WAV file.
const SAMPLES_PER_MS: u128 = 8;
const SAMPLE_BYTES: u128 = 2;
const HEADER_BYTES: u128 = 44;

/// Whether something can record into a file of this name.
pub(super) fn can_write(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX
        && path
            .rsplit_once('.')
            .is_some_and(|(_, ending)| FORMATS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

/// What such a recording misses of its time: its thread waits for so much audio before it writes.
const BESIDE_LAG: Duration = Duration::from_millis(500);

/// What a recording looks at the audio as.
const RECORD_BUG: &str = "session_record";

impl Switch {
    /// Records a channel from here on, for so many seconds if there is a limit: `false` if that cannot be.
    pub(crate) fn record(
        &mut self,
        now: Duration,
        id: SessionId,
        path: &str,
        limit_seconds: u64,
        variables: Vec<(String, String)>,
    ) -> bool {
        let Some(channel) = self.channels.get_mut(&id).filter(|channel| channel.is_up()) else { return false };
        if channel.recordings.iter().any(|known| known.path == path) {
            let ends = channel.variables.get("RECORD_TOGGLE_ON_REPEAT").is_some_and(is_true);
            return !ends || self.stop_recording(now, id, path);
        }
        if !can_write(path) || !channel.has_media() {
            channel.variables.set("record_completion_cause", "uri-failure");
            return false;
        }
        if channel.recordings.len() >= RECORDINGS_MAX {
            return false;
        }
        let clock = self.bus.clock;
        let until = (limit_seconds > 0).then(|| clock.up_at_second(clock.second(now).saturating_add(limit_seconds)));
        for tag in TAGS {
            channel.variables.unset(tag);
        }
        let recording = Recording { variables, ..Recording::new(path, now, until) };
        channel.recordings.push(recording.clone());
        self.recording_began(now, id, &recording, BESIDE[0]);
        self.add_bug(now, id, Bug::new(RECORD_BUG, path));
        if let Some(until) = until {
            self.add_leg(until, id, Step::RecordLimit);
        }
        true
    }

    /// Ends a channel's recording into this file, or all of them: `false` if there is none.
    pub(crate) fn stop_recording(&mut self, now: Duration, id: SessionId, path: &str) -> bool {
        let all = path.eq_ignore_ascii_case("all");
        self.stop_recordings(now, id, "success-maxtime", |recording| all || recording.path == path)
    }

    /// Whether a channel is recorded into this file.
    pub(crate) fn is_recorded(&self, id: SessionId, path: &str) -> bool {
        self.channels.get(&id).is_some_and(|channel| channel.recordings.iter().any(|known| known.path == path))
    }

    /// Lets a recording stand still, or go on: `false` if there is none into this file.
    pub(crate) fn pause_recording(&mut self, now: Duration, id: SessionId, path: &str, on: bool) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let Some(recording) = channel.recordings.iter_mut().find(|known| known.path == path) else { return false };
        recording.pause(now, on);
        true
    }

    /// Ends those that have reached their limit.
    pub(super) fn record_limit(&mut self, now: Duration, id: SessionId) {
        self.stop_recordings(now, id, "success-maxtime", |recording| recording.until.is_some_and(|until| until <= now));
    }

    /// The channel has hung up: what looks at its audio for them goes with the rest.
    pub(super) fn recordings_hung_up(&mut self, now: Duration, id: SessionId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        for recording in std::mem::take(&mut channel.recordings) {
            self.recording_stops(now, id, &recording, "success-silence");
        }
    }

    fn stop_recordings(
        &mut self,
        now: Duration,
        id: SessionId,
        cause: &str,
        ends: impl Fn(&Recording) -> bool,
    ) -> bool {
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        let (ended, left): (Vec<_>, Vec<_>) = channel.recordings.drain(..).partition(&ends);
        channel.recordings = left;
        for recording in &ended {
            self.recording_stops(now, id, recording, cause);
        }
        for recording in ended.iter().rev() {
            self.remove_bugs(now, id, RECORD_BUG, Some(&recording.path));
        }
        !ended.is_empty()
    }

    fn recording_stops(&mut self, now: Duration, id: SessionId, recording: &Recording, cause: &str) {
        self.recording_ended(now, id, recording, BESIDE[1], cause);
        self.execute_on(now, id, "record_post_process_exec_app");
    }

    pub(super) fn recording_began(&mut self, now: Duration, id: SessionId, recording: &Recording, origin: Origin) {
        self.tell_recording(now, id, (EventKind::RECORD_START, origin), recording, None);
        self.execute_on(now, id, "execute_on_record_start");
    }

    fn tell_recording(
        &mut self,
        now: Duration,
        id: SessionId,
        (kind, origin): (EventKind, Origin),
        recording: &Recording,
        cause: Option<&str>,
    ) {
        let Some(channel) = self.channels.get(&id) else { return };
        let own: Vec<(String, &str)> = recording
            .variables
            .iter()
            .map(|(name, value)| (format!("Recording-Variable-{name}"), value.as_str()))
            .collect();
        let mut after = vec![("Record-File-Path", recording.path.as_str())];
        after.extend(own.iter().map(|(name, value)| (name.as_str(), *value)));
        after.extend(cause.map(|cause| ("Record-Completion-Cause", cause)));
        self.bus.channel_with(now, kind, origin, channel, &[], &after);
    }

    /// `cause` is empty where FreeSWITCH gives none.
    pub(super) fn recording_ended(
        &mut self,
        now: Duration,
        id: SessionId,
        recording: &Recording,
        origin: Origin,
        cause: &str,
    ) {
        // Whole frames are written; what a channel does meanwhile lags behind, but for one frame.
        let ran = recording.ran(now);
        let written = if cause.is_empty() { ran } else { ran.saturating_sub(BESIDE_LAG).max(FRAME) };
        let frames = written.as_nanos().div_ceil(FRAME.as_nanos());
        let length = FRAME.saturating_mul(u32::try_from(frames).unwrap_or(u32::MAX));
        if self.files.len() < FILES_MAX || self.files.contains_key(&recording.path) {
            self.files.insert(recording.path.clone(), length);
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let samples = length.as_millis() * SAMPLES_PER_MS;
        let bytes = (samples * SAMPLE_BYTES + HEADER_BYTES).to_string();
        let variables = &mut channel.variables;
        if cause.is_empty() {
            variables.set("record_record_file_size", &bytes);
        }
        variables.set("record_file_size", &bytes);
        variables.set("record_samples", &samples.to_string());
        variables.set("record_seconds", &length.as_secs().to_string());
        variables.set("record_ms", &length.as_millis().to_string());
        if !cause.is_empty() {
            variables.set("record_completion_cause", cause);
        }
        self.tell_recording(now, id, (EventKind::RECORD_STOP, origin), recording, Some(cause));
        self.execute_on(now, id, "execute_on_record_stop");
    }
}
