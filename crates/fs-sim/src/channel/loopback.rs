//! What mod_loopback's channels carry: two legs without a network between them, and `null`, which is one.

use super::{Profile, profile};
use crate::clock::Stamp;

/// Which end of a loopback a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopbackSide {
    A,
    B,
}

/// Who calls: the caller's choice by `origination_caller_id_…`, or nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    pub(crate) name: &'a str,
    pub(crate) number: &'a str,
}

/// The profile of `null/<destination>`.
pub(crate) fn null_profile(destination: &str, caller: Caller<'_>, now: Stamp) -> Profile {
    Profile { channel_name: format!("null/{destination}"), ..base(destination, "default", destination, caller, now) }
}

/// The profile of one side of `loopback/<number>/<context>`.
pub(crate) fn profile(number: &str, context: &str, side: LoopbackSide, caller: Caller<'_>, now: Stamp) -> Profile {
    let letter = if side == LoopbackSide::A { 'a' } else { 'b' };
    Profile {
        dialplan: "xml".to_owned(),
        channel_name: format!("loopback/{number}-{letter}"),
        // The core takes the text behind the last slash for the number.
        ..base(number, context, context, caller, now)
    }
}

fn base(destination: &str, context: &str, callee_number: &str, caller: Caller<'_>, now: Stamp) -> Profile {
    Profile {
        caller_name: caller.name.to_owned(),
        caller_number: caller.number.to_owned(),
        original_name: caller.name.to_owned(),
        original_number: caller.number.to_owned(),
        callee_name: profile::OUTBOUND_CALL.to_owned(),
        callee_number: callee_number.to_owned(),
        ani: caller.number.to_owned(),
        destination: destination.to_owned(),
        source: "mod_loopback".to_owned(),
        context: context.to_owned(),
        index: 1,
        created: now,
        ..Profile::default()
    }
}
