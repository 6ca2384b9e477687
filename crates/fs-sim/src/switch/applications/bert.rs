//! `bert_test`: sends a pattern and looks for it in what comes back (mod_bert). Its events tell when that is there,
//! when it gets lost, and that it did not come in time.

use std::time::Duration;

use super::{End, Next};
use crate::{
    cause::Cause,
    channel::{Bert, Codec, Doing, SessionId, Sound, Verdict},
    event::Origin,
    switch::{Switch, is_true},
};

const FILE: &str = "mod_bert.c";
const FUNCTION: &str = "bert_test_function";
const TIMED_OUT: Origin = Origin(FILE, FUNCTION, 246);
const LOST: Origin = Origin(FILE, FUNCTION, 294);
const IN_SYNC: Origin = Origin(FILE, FUNCTION, 313);

/// The one timer of the recorded server (`bert_timer_name`).
const TIMER: &str = "soft";

pub(super) fn bert_test(switch: &mut Switch, now: Duration, id: SessionId, _data: &str) -> Next {
    switch.answered(now, id);
    let hears = switch.heard_by(id) == Sound::Pattern;
    let Some(channel) = switch.channels.get_mut(&id) else { return Next::Done };
    // It knows µ-law alone.
    if channel.codec != Some(Codec::Pcmu) || channel.variables.get("bert_timer_name").is_some_and(|name| name != TIMER)
    {
        return Next::Done;
    }
    let hangs_up = channel.variables.get("bert_hangup_on_error").is_some_and(is_true);
    channel.variables.set("bert_stats_sync_lost_count", "0");
    channel.variables.set("bert_stats_sync_lost", "false");
    Next::Doing(Doing::Bert(Box::new(Bert::new(now, &channel.variables, hangs_up, hears))))
}

/// A test has something to say, or is ended: `true` if it goes on.
pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, mut bert: Box<Bert>, end: End) -> bool {
    if end != End::ItsOwn {
        return false;
    }
    let verdict = bert.look(now, switch.loss_to(id));
    let hangs_up = bert.hangs_up;
    if let Some(run) = switch.channels.get_mut(&id).and_then(|channel| channel.thread.runs.last_mut()) {
        run.doing = Doing::Bert(bert);
    }
    let bad = matches!(verdict, Some(Verdict::Timeout | Verdict::Lost { .. }));
    match verdict {
        Some(Verdict::Timeout) => tell(switch, now, id, "mod_bert::timeout", TIMED_OUT, &[]),
        Some(Verdict::InSync) => tell(switch, now, id, "mod_bert::in_sync", IN_SYNC, &[]),
        Some(Verdict::Lost { percent, count, silent_frames, samples }) => {
            if let Some(channel) = switch.channels.get_mut(&id) {
                channel.variables.set("bert_stats_sync_lost_count", &count.to_string());
                channel.variables.set("bert_stats_sync_lost", "true");
            }
            let after = [
                ("sync_lost_percent", format!("{percent:.6}")),
                ("sync_lost_count", count.to_string()),
                ("cng_count", silent_frames.to_string()),
                ("err_samples", samples.to_string()),
            ];
            let after = after.each_ref().map(|(name, value)| (*name, value.as_str()));
            tell(switch, now, id, "mod_bert::lost_sync", LOST, &after);
        }
        None => {}
    }
    if bad && hangs_up {
        switch.hang_up(now, id, Cause::MEDIA_TIMEOUT);
    }
    true
}

fn tell(switch: &mut Switch, now: Duration, id: SessionId, subclass: &str, origin: Origin, after: &[(&str, &str)]) {
    if let Some(channel) = switch.channels.get(&id) {
        switch.bus.custom(now, subclass, origin, channel, after);
    }
}
