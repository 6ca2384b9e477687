//! Applications that change what a channel says of itself: its caller profile, its name, how it is shown.

use std::time::Duration;

use super::Next;
use crate::{
    channel::{Bug, Channel, SessionId},
    switch::{Switch, is_false, is_true},
};

/// `name=value`: a field of the caller profile (`switch_channel_set_profile_var`); one that is unknown is none.
pub(super) fn set_profile_var(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    let (name, value) = data.split_once('=').unwrap_or((data, ""));
    let Some(field) = switch.channels.get_mut(&id).and_then(|channel| field(channel, name)) else { return Next::Done };
    value.clone_into(field);
    Next::Done
}

fn field<'a>(channel: &'a mut Channel, name: &str) -> Option<&'a mut String> {
    let profile = &mut channel.profile;
    Some(match name.to_ascii_lowercase().as_str() {
        "dialplan" => &mut profile.dialplan,
        "username" => &mut profile.username,
        "caller_id_name" => &mut profile.caller_name,
        "caller_id_number" => &mut profile.caller_number,
        "orig_caller_id_name" => &mut profile.original_name,
        "orig_caller_id_number" => &mut profile.original_number,
        "callee_id_name" => &mut profile.callee_name,
        "callee_id_number" => &mut profile.callee_number,
        "network_addr" => &mut profile.network_address,
        "ani" => &mut profile.ani,
        "rdnis" => &mut profile.rdnis,
        "destination_number" => &mut profile.destination,
        "source" => &mut profile.source,
        "context" => &mut profile.context,
        "chan_name" => &mut profile.channel_name,
        _ => return None,
    })
}

/// What the channel is called from here on.
pub(super) fn set_name(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    if let Some(channel) = switch.channels.get_mut(&id).filter(|_| !data.is_empty()) {
        data.clone_into(&mut channel.profile.channel_name);
        channel.variables.set("channel_name", data);
    }
    Next::Done
}

/// `full|name|number|yes|no`: what of its caller a leg hides.
pub(super) fn privacy(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    if let Some(channel) = switch.channels.get_mut(&id) {
        let profile = &mut channel.profile;
        let all = data.eq_ignore_ascii_case("full") || is_true(data);
        let none = is_false(data);
        profile.hides_name = (profile.hides_name || all || data.eq_ignore_ascii_case("name")) && !none;
        profile.hides_number = (profile.hides_number || all || data.eq_ignore_ascii_case("number")) && !none;
    }
    Next::Done
}

/// `<name>[|<number>]`: whom the other end is to show.
pub(super) fn send_display(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let (name, number) = data.split_once('|').unwrap_or((data, ""));
    switch.show(now, id, (name.to_owned(), number.to_owned()));
    Next::Done
}

/// `<read|write> <true|false>`: something looks at the audio and takes it away.
pub(super) fn set_mute(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    const FUNCTION: &str = "audio";
    const TARGET: &str = "mute";
    let on = data.split_once(' ').is_none_or(|(_, state)| is_true(state.trim()));
    if on {
        switch.add_bug(now, id, Bug::new(FUNCTION, TARGET));
    } else {
        switch.remove_bugs(now, id, FUNCTION, Some(TARGET));
    }
    Next::Done
}
