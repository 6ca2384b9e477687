//! Applications that listen: to another channel, for a tone, for silence; and the one that is heard instead of the
//! other end (switch_ivr_async.c, switch_ivr.c).

use std::time::Duration;

use super::Next;
use crate::{
    channel::{Bug, Doing, SessionId},
    dial_string::words,
    media,
    switch::{Switch, execute::leading_number},
};

const DISPLACE: &str = "displace";
const TONE: &str = "tone_detect";
const EAVESDROP: &str = "eavesdrop";

/// `<uuid>`: hears what that channel says and hears, until one of them hangs up.
pub(super) fn eavesdrop(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let Some(heard) = switch.find(data.trim()).filter(|heard| *heard != id && switch.is_up(*heard)) else {
        return Next::Done;
    };
    let whom = switch.channels.get(&heard).map(|channel| {
        let profile = &channel.profile;
        (profile.caller_name.clone(), profile.caller_number.clone())
    });
    if let (Some((name, number)), Some(channel)) = (whom, switch.channels.get_mut(&id)) {
        channel.variables.set("last_sent_callee_id_name", &name);
        channel.variables.set("last_sent_callee_id_number", &number);
    }
    let bug = Bug { function: EAVESDROP, target: data.trim().to_owned(), listener: Some(id) };
    if switch.add_bug(now, heard, bug) { Next::Doing(Doing::Eavesdrop(heard)) } else { Next::Done }
}

pub(super) fn eavesdrop_ends(switch: &mut Switch, now: Duration, id: SessionId, heard: SessionId) {
    if switch.channels.get(&heard).is_some_and(|channel| channel.bugs.iter().any(|bug| bug.listener == Some(id))) {
        switch.remove_bugs(now, heard, EAVESDROP, None);
    }
}

/// `<key> <frequencies> …`: no tone is ever heard.
pub(super) fn tone_detect(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let key = words(data).into_iter().next().unwrap_or_default();
    switch.add_bug(now, id, Bug { function: TONE, target: key, listener: None });
    Next::Done
}

pub(super) fn stop_tone_detect(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.remove_bugs(now, id, TONE, None);
    Next::Done
}

/// `<file> [flags] [+limit]`: the file is heard in place of the other end.
pub(super) fn displace_session(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    if let Some(file) = words(data).first() {
        switch.displace(now, id, file);
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

/// `<threshold> <hits> <hits> <timeout> [<file>]`: what would be silence cannot be told, so that the timeout ends it.
pub(super) fn wait_for_silence(_switch: &mut Switch, now: Duration, _id: SessionId, data: &str) -> Next {
    // `detect_audio` and `detect_silence` have one count of hits less.
    let words = words(data);
    let timeout = words.get(3).or(words.get(2)).map_or(0, |text| leading_number(text));
    match u64::try_from(timeout) {
        Ok(ms) if ms > 0 => Next::Doing(Doing::Sleep(now.saturating_add(Duration::from_millis(ms)))),
        _ => Next::Doing(Doing::Echo),
    }
}

impl Switch {
    /// Plays a file to a channel in place of what it hears: `false` if there is none, or it does already.
    pub(crate) fn displace(&mut self, now: Duration, id: SessionId, file: &str) -> bool {
        let known = media::length(file) != media::Length::Unknown || self.files.contains_key(file);
        known && self.add_bug(now, id, Bug { function: DISPLACE, target: file.to_owned(), listener: None })
    }

    /// Ends that: `false` if there is nothing to end.
    pub(crate) fn stop_displacing(&mut self, now: Duration, id: SessionId, file: &str) -> bool {
        self.remove_bugs(now, id, DISPLACE, Some(file))
    }
}
