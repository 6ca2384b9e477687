//! Files that play: `playback` and `endless_playback` (switch_ivr_play_say.c `switch_ivr_play_file`).

use std::time::Duration;

use super::{End, Next};
use crate::{
    channel::{Doing, Play, SessionId},
    event::{EventKind, Origin},
    media,
    switch::Switch,
};

const STARTED: Origin = Origin("switch_ivr_play_say.c", "switch_ivr_play_file", 1646);
const STOPPED: Origin = Origin("switch_ivr_play_say.c", "switch_ivr_play_file", 2020);

/// The rate of all codecs here, in samples a millisecond.
const SAMPLES_PER_MS: u128 = 8;

pub(super) fn playback(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    // `@@<samples>` says where to begin.
    let (file, _) = data.split_once("@@").unwrap_or((data, ""));
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.variables.unset("playback_terminator_used");
    }
    play(switch, now, id, file, false)
}

/// The same file again and again.
pub(super) fn endless_playback(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    play(switch, now, id, data, true)
}

fn play(switch: &mut Switch, now: Duration, id: SessionId, file: &str, endless: bool) -> Next {
    let length = match media::length(file) {
        media::Length::Unknown => switch.files.get(file).copied().map(Some),
        media::Length::Known(length) => Some(Some(length)),
        media::Length::Endless => Some(None),
    };
    let Some(length) = length else {
        respond(switch, id, if file.is_empty() { "PLAYBACK ERROR" } else { "FILE NOT FOUND" });
        return Next::Done;
    };
    // A file without sound that begins again at once would never let go.
    let endless = endless && length.is_none_or(|length| !length.is_zero());
    emit(switch, now, id, EventKind::PLAYBACK_START, file, "");
    Next::Doing(Doing::Play(Play {
        file: file.to_owned(),
        length,
        left: length,
        since: now,
        heard: Duration::ZERO,
        endless,
    }))
}

/// A file has ended or is ended: `true` if it begins again.
pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, play: Play, end: End) -> bool {
    let heard = play.heard + now.saturating_sub(play.since);
    if let Some(channel) = switch.channels.get_mut(&id) {
        let variables = &mut channel.variables;
        let samples = (heard.as_millis() * SAMPLES_PER_MS).to_string();
        variables.set("playback_last_offset_pos", &samples);
        variables.set("playback_seconds", &heard.as_secs().to_string());
        variables.set("playback_ms", &heard.as_millis().to_string());
        variables.set("playback_samples", &samples);
    }
    let status = if end == End::Broken { "break" } else { "done" };
    emit(switch, now, id, EventKind::PLAYBACK_STOP, &play.file, status);
    if play.endless && end != End::Cut {
        emit(switch, now, id, EventKind::PLAYBACK_START, &play.file, "");
        let again = Play { left: play.length, since: now, heard: Duration::ZERO, ..play };
        if let Some(run) = switch.channels.get_mut(&id).and_then(|channel| channel.thread.runs.last_mut()) {
            run.doing = Doing::Play(again);
        }
        return true;
    }
    respond(switch, id, if end == End::Cut { "PLAYBACK ERROR" } else { "FILE PLAYED" });
    false
}

fn respond(switch: &mut Switch, id: SessionId, response: &str) {
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.variables.set("current_application_response", response);
    }
}

fn emit(switch: &mut Switch, now: Duration, id: SessionId, kind: EventKind, file: &str, status: &str) {
    let Some(channel) = switch.channels.get(&id) else { return };
    let origin = if kind == EventKind::PLAYBACK_START { STARTED } else { STOPPED };
    let kind_of_file = if file.starts_with("tone_stream:") { "tone_stream" } else { "" };
    let after = [("Playback-File-Type", kind_of_file), ("Playback-File-Path", file), ("Playback-Status", status)];
    switch.bus.channel_with(now, kind, origin, channel, &[], &after);
}
