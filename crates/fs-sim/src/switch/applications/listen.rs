//! Applications that listen: to another channel, for a tone, for silence; and the one that is heard instead of the
//! other end (switch_ivr_async.c, switch_ivr.c).

use std::time::Duration;

use super::Next;
use crate::{
    channel::{Bug, Doing, Endpoint, SessionId, Sound},
    dial_string::words,
    media,
    switch::{Step, Switch, execute::leading_number},
};

const DISPLACE: &str = "displace";
const TONE: &str = "tone_detect";
const EAVESDROP: &str = "eavesdrop";

/// Milliseconds of a frame of audio.
const FRAME_MS: i64 = 20;

/// `<uuid>`: hears what that channel says and hears, until one of them hangs up.
pub(super) fn eavesdrop(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let Some(heard) = switch.find(data.trim()).filter(|heard| *heard != id && switch.is_up(*heard)) else {
        return Next::Done;
    };
    let whom = switch.channels.get(&heard).map(|channel| {
        let profile = &channel.profile;
        (profile.caller_name.clone(), profile.caller_number.clone())
    });
    switch.read_linear(now, id);
    let bug = Bug { listener: Some(id), ..Bug::new(EAVESDROP, data.trim()) };
    let listens = switch.add_bug(now, heard, bug);
    if let Some(whom) = whom {
        switch.show(now, id, whom);
    }
    if listens { Next::Doing(Doing::Eavesdrop(heard)) } else { Next::Done }
}

/// Who is listened to has hung up.
pub(in crate::switch) fn heard_gone(switch: &mut Switch, now: Duration, id: SessionId, heard: SessionId) {
    let Some(channel) = switch.channels.get_mut(&id) else { return };
    let run = channel.thread.runs.iter_mut().find(|run| matches!(run.doing, Doing::Eavesdrop(one) if one == heard));
    let Some(run) = run else { return };
    run.doing = Doing::Nothing;
    eavesdrop_ends(switch, now, id, heard);
    switch.proceed(now, id);
}

pub(super) fn eavesdrop_ends(switch: &mut Switch, now: Duration, id: SessionId, heard: SessionId) {
    if switch.channels.get(&heard).is_some_and(|channel| channel.bugs.iter().any(|bug| bug.listener == Some(id))) {
        switch.remove_bugs(now, heard, EAVESDROP, None);
    }
}

/// `<key> <frequencies> …`: no tone is ever heard.
pub(super) fn tone_detect(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let key = words(data).into_iter().next().unwrap_or_default();
    switch.add_bug(now, id, Bug::new(TONE, &key));
    Next::Done
}

pub(super) fn stop_tone_detect(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.remove_bugs(now, id, TONE, None);
    Next::Done
}

/// `<file> [flags] [+limit]`: the file is heard in place of the other end.
pub(super) fn displace_session(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if let Some((file, rest)) = words.split_first() {
        let limit = rest.iter().rfind(|word| word.contains('+')).map_or(0, |limit| leading_number(limit));
        switch.displace(now, id, file, limit);
    }
    Next::Done
}

pub(super) fn stop_displace_session(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    switch.remove_bugs(now, id, DISPLACE, Some(data));
    Next::Done
}

/// Takes all away that looks at the audio.
pub(super) fn remove_bugs(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.stop_recording(now, id, "all");
    switch.bugs_hung_up(now, id);
    switch.listeners_leave(now, id);
    Next::Done
}

/// `<threshold> <silence hits> <listen hits> <timeout> [<file>]`: what would be a silence between words cannot be told,
/// so that the timeout ends it.
pub(super) fn wait_for_silence(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    let [_, silence_hits, _, timeout, ..] = words.as_slice() else { return Next::Done };
    let timeout = leading_number(timeout);
    // The last frame is the one at which it looks at the time.
    let heard = if hears(switch, id) { (timeout / FRAME_MS - 1).max(0) } else { 0 };
    let after = vec![
        ("wait_for_silence_timeout", "true".to_owned()),
        ("wait_for_silence_listenhits", heard.to_string()),
        ("wait_for_silence_silence_hits", leading_number(silence_hits).to_string()),
    ];
    listen(switch, now, id, Some(timeout), after)
}

/// `<threshold> <hits> <timeout> [<file>]`: until so many frames of audio have been heard.
pub(super) fn detect_audio(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    detect(switch, now, id, data, (true, ["detect_audio_timeout", "detect_audio_hits"]))
}

/// The same for frames without any.
pub(super) fn detect_silence(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    detect(switch, now, id, data, (false, ["detect_silence_timeout", "detect_silence_hits"]))
}

fn detect(
    switch: &mut Switch,
    now: Duration,
    id: SessionId,
    data: &str,
    (audio, [timed_out, heard]): (bool, [&'static str; 2]),
) -> Next {
    let words = words(data);
    let [_, hits, timeout, ..] = words.as_slice() else { return Next::Done };
    let timeout = leading_number(timeout);
    let takes = Some(leading_number(hits).max(1).saturating_mul(FRAME_MS)).filter(|_| hears(switch, id) == audio);
    match takes.filter(|takes| timeout <= 0 || *takes <= timeout) {
        Some(takes) => listen(switch, now, id, Some(takes), vec![(timed_out, "false".to_owned())]),
        None => {
            let after = vec![(timed_out, "true".to_owned()), (heard, "0".to_owned())];
            listen(switch, now, id, Some(timeout), after)
        }
    }
}

fn hears(switch: &Switch, id: SessionId) -> bool {
    // What a null channel hears is no silence.
    let is_null = switch.channels.get(&id).is_some_and(|channel| matches!(channel.endpoint, Endpoint::Null));
    is_null || switch.heard_by(id) != Sound::Nothing
}

/// Listens for so many milliseconds; for ever where there is no such time.
fn listen(
    switch: &mut Switch,
    now: Duration,
    id: SessionId,
    ms: Option<i64>,
    after: Vec<(&'static str, String)>,
) -> Next {
    switch.read_linear(now, id);
    let ms = ms.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
    Next::Doing(Doing::Listen(ms.map(|ms| now.saturating_add(Duration::from_millis(ms))), after))
}

/// It has listened for long enough.
pub(super) fn listened(switch: &mut Switch, id: SessionId, after: &[(&'static str, String)]) {
    if let Some(channel) = switch.channels.get_mut(&id) {
        for (name, value) in after {
            channel.variables.set(name, value);
        }
    }
}

impl Switch {
    /// Plays a file to a channel in place of what it hears: `false` if there is none, or it does already.
    /// With a limit it ends when the epoch's seconds have counted that far.
    pub(crate) fn displace(&mut self, now: Duration, id: SessionId, file: &str, limit_seconds: i64) -> bool {
        let known = media::length(file) != media::Length::Unknown || self.files.contains_key(file);
        let clock = self.bus.clock;
        let limit = u64::try_from(limit_seconds).ok().filter(|limit| *limit > 0);
        let until = limit.map(|limit| clock.up_at_second(clock.second(now).saturating_add(limit)));
        if !known || !self.add_bug(now, id, Bug { until, ..Bug::new(DISPLACE, file) }) {
            return false;
        }
        if let Some(until) = until {
            self.add_leg(until, id, Step::BugLimit);
        }
        true
    }

    /// Ends that: `false` if there is nothing to end.
    pub(crate) fn stop_displacing(&mut self, now: Duration, id: SessionId, file: &str) -> bool {
        self.remove_bugs(now, id, DISPLACE, Some(file))
    }
}
