//! `execute_extension`: what the dialplan has for a number is run inside of the application, and the channel stays where
//! it is (switch_core_session.c `switch_core_session_execute_exten`).

use std::time::Duration;

use super::Next;
use crate::{
    channel::{Doing, Run, SessionId},
    dial_string::words,
    dialplan::Application,
    switch::{Switch, inline},
};

/// How deep extensions run inside of each other (switch_core_session.c).
const DEPTH_MAX: usize = 16;

/// `<extension> [<dialplan> [<context>]]`
pub(super) fn execute_extension(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    let Some(extension) = words.first() else { return Next::Done };
    let inside = |run: &&Run| matches!(run.doing, Doing::Extension(_));
    if switch.channels.get(&id).is_none_or(|channel| channel.thread.runs.iter().filter(inside).count() >= DEPTH_MAX) {
        return Next::Done;
    }
    if words.get(1).is_some_and(|dialplan| dialplan.eq_ignore_ascii_case("inline")) {
        return run(inline(extension));
    }
    // Asking takes a place in the order of events, though no listener gets it.
    switch.bus.reserve(now);
    let Some(channel) = switch.channels.get(&id) else { return Next::Done };
    let context = words.get(2).unwrap_or(&channel.profile.context);
    let Some(route) = switch.dialplan.route_to(channel, context, extension) else { return Next::Done };
    if let (Some(matched), Some(channel)) = (&route.matched, switch.channels.get_mut(&id)) {
        channel.variables.set("DP_MATCH", matched);
    }
    run(route.inline.into_iter().chain(route.applications).collect())
}

fn run(mut applications: Vec<Application>) -> Next {
    applications.reverse();
    Next::Doing(Doing::Extension(applications))
}

/// One of them is over, or none has begun: `true` if there is another.
pub(super) fn next(switch: &mut Switch, now: Duration, id: SessionId, mut rest: Vec<Application>) -> bool {
    let Some(application) = rest.pop() else { return false };
    if let Some(run) = switch.channels.get_mut(&id).and_then(|channel| channel.thread.runs.last_mut()) {
        run.doing = Doing::Extension(rest);
    }
    switch.begin(now, id, &application, None);
    true
}
