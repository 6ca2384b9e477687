//! The application `socket`: the server connects to the client, who controls the channel (mod_event_socket's
//! `socket_function`). What happens on that connection is in `switch::outbound`.

use std::time::Duration;

use super::Next;
use crate::{
    channel::{Doing, SessionId},
    dial_string::words,
    switch::{Switch, peer::Outbound},
};

/// `HOST[:PORT][/PATH][|HOST…] [async] [full]`.
pub(super) fn socket(switch: &mut Switch, _now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    let Some((hosts, flags)) = words.split_first() else { return Next::Done };
    let has = |flag: &str| flags.iter().any(|word| word.eq_ignore_ascii_case(flag));
    let outbound = Outbound { full: has("full"), is_async: has("async") };
    switch.dial(id, hosts, outbound).map_or(Next::Done, |socket| Next::Doing(Doing::Socket(socket)))
}
