//! Files and tones that play: `playback`, `endless_playback`, `loop_playback`, `gentones` (mod_dptools).

use std::time::Duration;

use super::{End, Next};
use crate::{
    channel::{Channel, ChannelState, Direction, Doing, Endpoint, Heard, Play, SessionId, Turns},
    media,
    switch::{Switch, execute::leading_number},
};

/// The pause between two files where no `playback_sleep_val` says another.
const PAUSE_MS: u64 = 250;

/// What it takes to open a file: longer than the ACK of an answer is on its way.
const ACK_TIME: Duration = Duration::from_millis(3);

/// The most files of one `playback` (switch_ivr_play_say.c).
const FILES_MAX: usize = 128;

pub(super) fn playback(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    // `@@<samples>` says where to begin.
    let (file, _) = data.split_once("@@").unwrap_or((data, ""));
    forget_terminator(switch, id);
    play(switch, now, id, file, Turns::More(0))
}

/// The same file again and again.
pub(super) fn endless_playback(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    forget_terminator(switch, id);
    play(switch, now, id, data, Turns::Ever)
}

/// `[+<times>] <file>`; without a number once.
pub(super) fn loop_playback(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    forget_terminator(switch, id);
    let (times, file) = match data.strip_prefix('+').and_then(|rest| rest.split_once(' ')) {
        Some((times, file)) => (leading_number(times), file.trim_start_matches(' ')),
        None => (1, data),
    };
    let turns = match u32::try_from(times) {
        Ok(0) => return Next::Done,
        Ok(times) => Turns::More(times - 1),
        Err(_) => Turns::Ever,
    };
    play(switch, now, id, file, turns)
}

/// `<tones>[|<loops>]`, of which no event tells.
pub(super) fn gentones(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    forget_terminator(switch, id);
    let (tones, loops) = data.split_once('|').unwrap_or((data, ""));
    let loops = if loops.is_empty() { 1 } else { leading_number(loops) };
    let until = match (media::length(&format!("tone_stream://{tones}")), u32::try_from(loops)) {
        (media::Length::Known(length), Ok(loops)) => Some(now.saturating_add(length.saturating_mul(loops.max(1)))),
        (media::Length::Unknown, _) => return Next::Done,
        _ => None,
    };
    Next::Doing(Doing::Play(Box::new(Play {
        heard: Heard::Tones(until),
        files: Vec::new(),
        next: 0,
        pause: Duration::ZERO,
        turns: Turns::More(0),
    })))
}

fn forget_terminator(switch: &mut Switch, id: SessionId) {
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.variables.unset("playback_terminator_used");
    }
}

fn play(switch: &mut Switch, now: Duration, id: SessionId, list: &str, turns: Turns) -> Next {
    let Some(channel) = switch.channels.get(&id) else { return Next::Done };
    let delimiter = channel.variables.get("playback_delimiter").and_then(|text| text.chars().next());
    let pause = channel.variables.get("playback_sleep_val").map_or(Some(PAUSE_MS), |text| text.parse().ok());
    let pause = Duration::from_millis(pause.unwrap_or(PAUSE_MS));
    let files: Vec<String> = match delimiter {
        Some(delimiter) => list.split(delimiter).take(FILES_MAX).map(str::to_owned).collect(),
        None => vec![list.to_owned()],
    };
    // A leg that is about to begin what its originate asked for is not there to play to.
    let is_leaving = channel.state == ChannelState::ConsumeMedia && channel.is_answered();
    if list.is_empty() || is_leaving {
        respond(switch, id, "PLAYBACK ERROR");
        return Next::Done;
    }
    let play = Play { heard: Heard::Pause(now), files, next: 0, pause, turns };
    if is_unacknowledged(channel) {
        let heard = Heard::Pause(now.saturating_add(ACK_TIME));
        return Next::Doing(Doing::Play(Box::new(Play { heard, ..play })));
    }
    match next_file(switch, now, id, play) {
        Some(play) => Next::Doing(Doing::Play(play)),
        None => Next::Done,
    }
}

/// Whether a leg that was called waits for the ACK of its answer, which is there before a file has been opened.
fn is_unacknowledged(channel: &Channel) -> bool {
    let waits = channel.direction == Direction::Inbound && channel.is_answered();
    waits && matches!(channel.endpoint, Endpoint::Sofia(_)) && channel.variables.get("sip_cseq").is_none()
}

/// Begins the next file of a list that can be played; with none left, the list is over.
fn next_file(switch: &mut Switch, now: Duration, id: SessionId, mut play: Play) -> Option<Box<Play>> {
    while let Some(file) = play.files.get(play.next) {
        let file = file.clone();
        play.next += 1;
        // Text is spoken by a module that is not there; that is no error.
        if file.starts_with("say:") || file.starts_with("phrase:") {
            respond(switch, id, "FILE PLAYED");
            continue;
        }
        if let Some(playing) = switch.play_file(now, id, &file) {
            // Something without sound that begins again at once would never let go.
            if playing.length.is_some_and(|length| length.is_zero()) {
                play.turns = Turns::More(0);
            }
            play.heard = Heard::File(playing);
            return Some(Box::new(play));
        }
        respond(switch, id, "FILE NOT FOUND");
    }
    None
}

/// What plays has ended or is ended: `true` if something follows.
pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, mut play: Box<Play>, end: End) -> bool {
    match &mut play.heard {
        Heard::Tones(_) => return false,
        Heard::Pause(_) => {}
        Heard::File(playing) => {
            if end == End::ItsOwn && switch.next_part(now, playing) {
                go_on(switch, now, id, play);
                return true;
            }
            switch.stop_file(now, id, playing, end == End::Broken);
        }
    }
    if end == End::Cut {
        // A SIP leg that is ended from here stops between two frames, any other one inside of one.
        let between = switch.channels.get(&id).is_some_and(|channel| {
            let by_peer = channel.variables.get("sip_hangup_disposition") == Some("recv_bye");
            matches!(channel.endpoint, Endpoint::Sofia(_)) && !channel.is_up() && !by_peer
        });
        respond(switch, id, if between { "FILE PLAYED" } else { "PLAYBACK ERROR" });
        return false;
    }
    let in_pause = matches!(play.heard, Heard::Pause(_));
    if !in_pause || play.next > 0 {
        respond(switch, id, "FILE PLAYED");
    }
    if end == End::ItsOwn && play.next < play.files.len() && !in_pause && !play.pause.is_zero() {
        play.heard = Heard::Pause(now.saturating_add(play.pause));
        go_on(switch, now, id, play);
        return true;
    }
    if end == End::Broken || play.next >= play.files.len() {
        match &mut play.turns {
            Turns::More(0) => return false,
            Turns::More(times) => *times -= 1,
            Turns::Ever => {}
        }
        play.next = 0;
    }
    match next_file(switch, now, id, *play) {
        Some(play) => {
            go_on(switch, now, id, play);
            true
        }
        None => false,
    }
}

fn go_on(switch: &mut Switch, now: Duration, id: SessionId, play: Box<Play>) {
    if let Some(run) = switch.channels.get_mut(&id).and_then(|channel| channel.thread.runs.last_mut()) {
        run.doing = Doing::Play(play);
    }
    switch.sound_changed(now, id);
}

fn respond(switch: &mut Switch, id: SessionId, response: &str) {
    if let Some(channel) = switch.channels.get_mut(&id) {
        channel.variables.set("current_application_response", response);
    }
}
