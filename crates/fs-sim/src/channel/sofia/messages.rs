//! The variables that each message of a SIP dialog sets on the leg that sends or receives it (mod_sofia).

use std::sync::LazyLock;

use super::{Dialog, Identity, Media, Side};
use crate::{
    VERSION,
    cause::{Cause, sip_phrase},
    channel::{Channel, Direction, Profile, Variables, profile},
    clock::Stamp,
};

pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY";

/// The codecs that both ends have.
const CODECS: &str = "CORE_PCM_MODULE.PCMU@8000h@20i@64000b";

/// What a leg says it is.
pub(super) static USER_AGENT: LazyLock<String> = LazyLock::new(|| format!("FreeSWITCH-mod_sofia/{VERSION}"));

const SENDRECV: &str = "a=sendrecv\r\n";

/// The variables of a near leg before the caller's own.
pub(crate) fn near_before(channel: &mut Channel, dialog: &Dialog) {
    let v = &mut channel.variables;
    v.push("sip_local_network_addr", &dialog.near_host);
    v.push("sip_profile_name", dialog.near_profile.name);
    v.push("video_media_flow", "disabled");
    v.push("audio_media_flow", "disabled");
    v.push("text_media_flow", "disabled");
    v.push("channel_name", &channel.profile.channel_name);
    v.push("sip_destination_url", &format!("sip:{}", dialog.url));
}

/// The variables of a near leg after the caller's own: the INVITE is being sent.
pub(crate) fn near_after(channel: &mut Channel, dialog: &Dialog) {
    let v = &mut channel.variables;
    match v.get("originator_codec").map(str::to_owned) {
        // What its caller speaks is all that it offers, and no video.
        Some(codec) => {
            v.set("rtp_use_codec_string", &codec);
            v.set("video_media_flow", "inactive");
        }
        None => v.set("rtp_use_codec_string", "PCMU"),
    }
    v.set("local_media_ip", &dialog.near_host);
    v.set_number("local_media_port", u64::from(dialog.near.port));
    v.set("advertised_media_ip", &dialog.near_host);
    v.set("audio_media_flow", "sendrecv");
    v.set("rtp_local_sdp_str", &dialog.near.sdp(&dialog.near_host, &dialog.near_host, SENDRECV));
    v.set("sip_outgoing_contact_uri", &format!("<{}>", dialog.near_url()));
    v.set("sip_req_uri", &dialog.request());
    v.set("sip_to_host", &format!("{}:{}", dialog.host, dialog.port));
    v.set("sip_from_host", &dialog.near_host);
    v.set("sofia_profile_name", dialog.near_profile.name);
    v.set("recovery_profile_name", dialog.near_profile.name);
    v.set("sofia_profile_url", &dialog.near_url());
}

/// The profile of a far leg: who calls is what the INVITE said.
pub(crate) fn far_profile(dialog: &Dialog, now: Stamp) -> Profile {
    let number = dialog.caller_number.clone();
    let name = if dialog.caller_name.is_empty() { number.clone() } else { dialog.caller_name.clone() };
    Profile {
        username: number.clone(),
        dialplan: "XML".to_owned(),
        caller_name: name.clone(),
        caller_number: number.clone(),
        original_name: name,
        original_number: number.clone(),
        network_address: dialog.near_host.clone(),
        ani: number,
        destination: dialog.number.clone(),
        source: "mod_sofia".to_owned(),
        context: dialog.far_profile.context.to_owned(),
        channel_name: far_name(dialog),
        index: 1,
        created: now,
        ..Profile::default()
    }
}

/// What a far leg is called.
pub(crate) fn far_name(dialog: &Dialog) -> String {
    format!("sofia/{}/{}", dialog.far_profile.name, dialog.caller())
}

/// The variables of a far leg as it comes to be, before the INVITE is looked at.
pub(crate) fn far_created(channel: &mut Channel, dialog: &Dialog) {
    let v = &mut channel.variables;
    v.push("sip_from_user", &dialog.caller_number);
    v.push("sip_from_uri", &dialog.caller());
    v.push("sip_from_host", &dialog.near_host);
    v.push("video_media_flow", "disabled");
    v.push("audio_media_flow", "disabled");
    v.push("text_media_flow", "disabled");
    v.push("channel_name", &far_name(dialog));
    v.push("sip_call_id", &dialog.call_id);
}

/// What the INVITE says to a far leg, its session description included.
pub(crate) fn far_invited(channel: &mut Channel, dialog: &Dialog, now: Stamp) {
    let caller = dialog.caller();
    let destination = dialog.destination();
    let sip_port = dialog.near_profile.port.to_string();
    let v = &mut channel.variables;
    v.push("sip_local_network_addr", dialog.far_host());
    v.push("sip_network_ip", &dialog.near_host);
    v.push("sip_network_port", &sip_port);
    v.push_number("sip_invite_stamp", now.0);
    v.push("sip_received_ip", &dialog.near_host);
    v.push("sip_received_port", &sip_port);
    v.push("sip_via_protocol", "udp");
    v.push("sip_from_user_stripped", &dialog.caller_number);
    v.push("sip_from_tag", &dialog.from_tag);
    v.push("sofia_profile_name", dialog.far_profile.name);
    v.push("sofia_profile_url", &dialog.far_url());
    v.push("recovery_profile_name", dialog.far_profile.name);
    match dialog.identity {
        Identity::Rpid => {
            let id = format!("{}<sip:{caller}>;party=calling;screen=yes;privacy=off", dialog.display());
            v.push("sip_Remote-Party-ID", &id);
            v.push("sip_cid_type", "rpid");
        }
        Identity::Pid => {
            v.push("sip_P-Asserted-Identity", &dialog.caller_number);
            v.push("sip_cid_type", "pid");
        }
        Identity::Unsaid => {}
    }
    v.push("sip_full_via", &dialog.via(&dialog.branch));
    if !dialog.caller_name.is_empty() {
        v.push("sip_from_display", &dialog.caller_name);
    }
    v.push("sip_full_from", &dialog.from());
    v.push("sip_full_to", &format!("<sip:{destination}>"));
    if let Some(path) = &dialog.path {
        v.push("sip_full_route", &format!("<sip:{path}>"));
    }
    v.push("sip_allow", ALLOW);
    if let Some(parameters) = &dialog.parameters {
        v.push("sip_req_params", parameters);
    }
    for [user, port, uri, host] in [
        ["sip_req_user", "sip_req_port", "sip_req_uri", "sip_req_host"],
        ["sip_to_user", "sip_to_port", "sip_to_uri", "sip_to_host"],
    ] {
        v.push(user, &dialog.number);
        v.push(port, &dialog.port);
        v.push(uri, &destination);
        v.push(host, &dialog.host);
    }
    v.push("sip_contact_user", "mod_sofia");
    v.push("sip_contact_port", &sip_port);
    v.push("sip_contact_uri", &format!("mod_sofia@{}:{sip_port}", dialog.near_host));
    v.push("sip_contact_host", &dialog.near_host);
    v.push("endpoint_disposition", "INBOUND CALL");
    v.push("sip_user_agent", &USER_AGENT);
    v.push("sip_via_host", &dialog.near_host);
    v.push("sip_via_port", &sip_port);
    v.push("sip_via_rport", &sip_port);
    v.push("max_forwards", &dialog.max_forwards.to_string());
    if dialog.identity != Identity::Rpid {
        v.push("sip_Privacy", "none");
    }
    for (header, value) in dialog.shown_headers() {
        v.set(header, value);
    }
    v.set("switch_r_sdp", &dialog.near.sdp(&dialog.near_host, &dialog.near_host, ""));
    negotiated(channel, &dialog.near, &dialog.near_host);
}

/// A far leg is ready to be routed.
pub(crate) fn far_received(channel: &mut Channel) {
    channel.variables.set("dtmf_type", "rfc2833");
    channel.variables.set("endpoint_disposition", "RECEIVED");
}

/// Both sides' codec, once the other side's session description is known.
fn negotiated(channel: &mut Channel, other: &Media, other_host: &str) {
    let far = channel.direction == Direction::Inbound;
    let v = &mut channel.variables;
    if far {
        v.set("ep_codec_string", CODECS);
    }
    // Said again, it stands behind what has come since.
    let codecs = v.get("rtp_use_codec_string").unwrap_or("PCMU").to_owned();
    v.set("rtp_use_codec_string", &codecs);
    v.set("remote_video_media_flow", "inactive");
    v.set("remote_text_media_flow", "inactive");
    v.set("remote_audio_media_flow", "sendrecv");
    if far {
        v.set("audio_media_flow", "sendrecv");
    }
    v.set("remote_media_ip", other_host);
    v.set_number("remote_media_port", u64::from(other.port));
    for (name, value) in [
        ("rtp_audio_recv_pt", "0"),
        ("rtp_use_codec_name", "PCMU"),
        ("rtp_use_codec_rate", "8000"),
        ("rtp_use_codec_ptime", "20"),
        ("rtp_use_codec_channels", "1"),
        ("rtp_last_audio_codec_string", "PCMU@8000h@20i@1c"),
    ] {
        v.set(name, value);
    }
}

/// RTP starts on a leg: each side with its host.
fn media_started(channel: &mut Channel, (own, own_host): (&Media, &str), (other, other_host): (&Media, &str)) {
    let v = &mut channel.variables;
    v.set("local_media_ip", own_host);
    v.set_number("local_media_port", u64::from(own.port));
    v.set("advertised_media_ip", own_host);
    v.set("rtp_use_timer_name", "soft");
    v.set("rtp_use_pt", "0");
    v.set_number("rtp_use_ssrc", u64::from(own.ssrc));
    v.set("rtp_2833_send_payload", "101");
    v.set("rtp_2833_recv_payload", "101");
    v.set("remote_media_ip", other_host);
    v.set_number("remote_media_port", u64::from(other.port));
}

/// The far leg sends its 180.
pub(crate) fn far_rings(channel: &mut Channel, dialog: &Dialog) {
    channel.variables.set("sip_to_tag", &dialog.to_tag);
}

/// The far leg starts its media, for a 183 or a 200.
pub(crate) fn far_media(channel: &mut Channel, dialog: &Dialog) {
    if channel.variables.get("rtp_use_ssrc").is_none() {
        let (far_host, near_host) = (dialog.far_host(), &dialog.near_host);
        channel.variables.set("rtp_local_sdp_str", &dialog.far.sdp(far_host, far_host, SENDRECV));
        media_started(channel, (&dialog.far, far_host), (&dialog.near, near_host));
    }
}

/// The ACK, or any later request of the dialog, arrives at the far leg.
pub(crate) fn far_acknowledged(channel: &mut Channel, dialog: &Dialog) {
    let v = &mut channel.variables;
    v.set("sip_to_tag", &dialog.to_tag);
    v.set("sip_from_tag", &dialog.from_tag);
    v.set_number("sip_cseq", u64::from(dialog.cseq));
    v.set("sip_call_id", &dialog.call_id);
    v.set("sip_full_via", &dialog.via(&dialog.end_branch));
    v.set("sip_from_display", &dialog.caller_name);
    v.set("sip_full_from", &dialog.from());
    v.set("sip_full_to", &dialog.to());
}

/// The first answer with a tag, 180, 183 or 200, arrives at the near leg.
pub(crate) fn near_replied(channel: &mut Channel, dialog: &Dialog) {
    let (name, number) = dialog.callee();
    // A party of its own already, it learns nothing new of its callee.
    if !channel.faces_its_caller() {
        name.clone_into(&mut channel.profile.callee_name);
        number.clone_into(&mut channel.profile.callee_number);
    }
    if channel.variables.get("sip_cseq").is_some() {
        return;
    }
    near_reply_source(channel, dialog);
    let (destination, contact) = (dialog.destination(), dialog.far_contact());
    let v = &mut channel.variables;
    v.set("sip_user_agent", &USER_AGENT);
    v.set("sip_allow", ALLOW);
    v.set("sip_recover_contact", &format!("<sip:{contact};transport=udp>"));
    v.set("sip_full_via", &dialog.via(&dialog.branch));
    v.set("sip_recover_via", &dialog.via(&dialog.branch));
    v.set("sip_from_display", &dialog.caller_name);
    v.set("sip_full_from", &dialog.from());
    v.set("sip_full_to", &dialog.to());
    v.set("sip_from_user", &dialog.caller_number);
    v.set("sip_from_uri", &dialog.caller());
    v.set("sip_from_host", &dialog.near_host);
    v.set("sip_to_user", &dialog.number);
    v.set("sip_to_port", &dialog.port);
    v.set("sip_to_uri", &destination);
    v.set("sip_to_host", &dialog.host);
    v.set("sip_contact_params", "transport=udp");
    v.set("sip_contact_user", &dialog.number);
    v.set_number("sip_contact_port", u64::from(dialog.far_profile.port));
    v.set("sip_contact_uri", &contact);
    v.set("sip_contact_host", dialog.far_host());
    v.set("sip_to_tag", &dialog.to_tag);
    v.set("sip_from_tag", &dialog.from_tag);
    v.set_number("sip_cseq", u64::from(dialog.cseq));
    v.set("sip_call_id", &dialog.call_id);
}

/// The far leg's session description arrives at the near leg, with a 183 or a 200: `false` if it was known.
pub(crate) fn near_described(channel: &mut Channel, dialog: &Dialog) -> bool {
    if channel.variables.get("rtp_use_ssrc").is_some() {
        return false;
    }
    channel.variables.set("switch_r_sdp", &dialog.far.sdp(crate::event::IPV4, dialog.far_host(), ""));
    channel.variables.set("ep_codec_string", CODECS);
    true
}

/// The near leg takes it.
pub(crate) fn near_negotiated(channel: &mut Channel, dialog: &Dialog) {
    negotiated(channel, &dialog.far, dialog.far_host());
}

/// The near leg starts its media.
pub(crate) fn near_media(channel: &mut Channel, dialog: &Dialog) {
    channel.variables.set("dtmf_type", "rfc2833");
    media_started(channel, (&dialog.near, &dialog.near_host), (&dialog.far, dialog.far_host()));
}

/// A refusal arrives at the near leg.
pub(crate) fn near_refused(channel: &mut Channel, dialog: &Dialog, status: u16, phrase: Option<&str>, cause: Cause) {
    channel.variables.set("sip_call_id", &dialog.call_id);
    near_reply_source(channel, dialog);
    let v = &mut channel.variables;
    v.set("sip_hangup_disposition", "recv_refuse");
    v.set_number("sip_invite_failure_status", u64::from(status));
    v.set("sip_invite_failure_phrase", phrase.unwrap_or_else(|| sip_phrase(status)));
    terminated(channel, status, cause.0);
}

/// Where an answer came from: from nowhere, where the near leg's own stack gave it.
fn near_reply_source(channel: &mut Channel, dialog: &Dialog) {
    let host = dialog.far_host();
    let port = if host.is_empty() { 0 } else { u64::from(dialog.far_profile.port) };
    channel.profile.network_address = host.to_owned();
    let v = &mut channel.variables;
    v.set("sip_local_network_addr", &dialog.near_host);
    v.set("sip_reply_host", host);
    v.set_number("sip_reply_port", port);
    v.set("sip_network_ip", host);
    v.set_number("sip_network_port", port);
}

fn terminated(channel: &mut Channel, status: u16, cause: u16) {
    let v = &mut channel.variables;
    v.set_number("sip_term_status", u64::from(status));
    v.set("proto_specific_hangup_cause", &format!("sip:{status}"));
    v.set_number("sip_term_cause", u64::from(cause));
}

/// A CANCEL arrives at the far leg.
pub(crate) fn far_canceled(channel: &mut Channel, cause: Cause) {
    let v = &mut channel.variables;
    v.set("sip_hangup_disposition", "recv_cancel");
    v.set("sip_invite_failure_status", "487");
    v.set("sip_invite_failure_phrase", "CANCEL");
    v.set("sip_reason", &cause.sip_reason());
    terminated(channel, 487, 487);
}

/// The far leg's stack has waited for an ACK for long enough.
pub(crate) fn far_unacknowledged(channel: &mut Channel) {
    channel.variables.set_number("sip_term_cause", u64::from(Cause::NORMAL_UNSPECIFIED.0));
}

/// A BYE arrives at either leg: the cause with which that leg ends.
pub(crate) fn bye_received(channel: &mut Channel, cause: Cause) -> Cause {
    let mapped = if cause.0 > 127 { Cause::NORMAL_CLEARING } else { cause };
    channel.variables.set("sip_reason", &cause.sip_reason());
    terminated(channel, 200, mapped.q850());
    mapped
}

/// What a leg that was sent a BYE notes after its CHANNEL_HANGUP.
pub(crate) fn bye_noted(channel: &mut Channel) {
    channel.variables.set("sip_user_agent", &USER_AGENT);
    channel.variables.set("sip_hangup_disposition", "recv_bye");
}

/// What the leg that ends the call notes: it sends a BYE, a CANCEL or a refusal.
pub(crate) fn end_sent(channel: &mut Channel) {
    let answered = channel.is_answered();
    let v = &mut channel.variables;
    if answered {
        v.set("sip_hangup_disposition", "send_bye");
    } else if channel.direction == Direction::Inbound {
        v.set("sip_hangup_disposition", "send_refuse");
    } else {
        v.set("sip_hangup_disposition", "send_cancel");
        v.set("sip_invite_failure_status", "487");
        v.set("sip_invite_failure_phrase", "CANCEL");
    }
}

/// A leg describes its media again, so many times after the first.
pub(crate) fn described(channel: &mut Channel, dialog: &Dialog, description: u32, direction: &str) {
    let (media, host) = match side(channel) {
        Side::Near => (&dialog.near, dialog.near_host.as_str()),
        Side::Far => (&dialog.far, dialog.far_host()),
    };
    channel.variables.set("rtp_local_sdp_str", &media.sdp_again(description, [host, host], ["", direction]));
}

/// A leg offers media again after it had none.
pub(crate) fn media_offered(channel: &mut Channel) {
    channel.variables.set("absolute_codec_string", CODECS);
    channel.variables.set("rtp_use_codec_string", CODECS);
}

/// Such an offer has come.
pub(crate) fn media_offer_noted(channel: &mut Channel) {
    if let Some(offer) = channel.variables.get("switch_r_sdp").map(str::to_owned) {
        channel.variables.set("sip_reinvite_sdp", &offer);
    }
}

/// A new offer within the call arrives at a leg.
pub(crate) fn offer_received(channel: &mut Channel, dialog: &Dialog, hold: bool, request: u32, description: u32) {
    let own = side(channel);
    if own == Side::Far {
        let v = &mut channel.variables;
        v.set("sip_to_tag", &dialog.to_tag);
        v.set("sip_from_tag", &dialog.from_tag);
        v.set_number("sip_cseq", u64::from(dialog.cseq_again(Side::Near, request)));
        v.set("sip_full_via", &dialog.via_again(Side::Near, request));
        v.set("sip_full_from", &dialog.from());
        v.set("sip_full_to", &dialog.to());
    }
    let (theirs, flow, own_flow) =
        if hold { ("a=sendonly\r\n", "sendonly", "recvonly") } else { ("", "sendrecv", "sendrecv") };
    other_described(channel, dialog, description, theirs, flow);
    channel.variables.set("audio_media_flow", own_flow);
}

/// The other end has taken a leg's offer.
pub(crate) fn offer_accepted(channel: &mut Channel, dialog: &Dialog, hold: bool, request: u32, description: u32) {
    let own = side(channel);
    let v = &mut channel.variables;
    if own == Side::Far {
        v.set("sip_reply_host", &dialog.near_host);
        v.set_number("sip_reply_port", u64::from(dialog.near_profile.port));
        swapped(v, dialog, own, request);
        v.set("sip_from_user", &dialog.number);
        v.set("sip_from_port", &dialog.port);
        v.set("sip_from_uri", &dialog.destination());
        v.set("sip_to_user", &dialog.caller_number);
        v.unset("sip_to_port");
        v.set("sip_to_uri", &dialog.caller());
    } else {
        v.set("sip_full_via", &dialog.via_again(own, request));
        v.set("sip_recover_via", &dialog.via_again(own, request));
        v.set_number("sip_cseq", u64::from(dialog.cseq_again(own, request)));
    }
    let (theirs, flow) = if hold { ("a=recvonly\r\n", "recvonly") } else { ("", "sendrecv") };
    other_described(channel, dialog, description, theirs, flow);
}

/// The ACK of such an offer's answer arrives: on a near leg the two ends have changed places.
pub(crate) fn offer_acknowledged(channel: &mut Channel, dialog: &Dialog, request: u32) {
    if side(channel) == Side::Near {
        swapped(&mut channel.variables, dialog, Side::Far, request);
        channel.variables.set("sip_recover_via", &dialog.via_again(Side::Far, request));
    }
}

/// What a message that began at the far leg says of the dialog.
fn swapped(v: &mut Variables, dialog: &Dialog, by: Side, request: u32) {
    v.set("dlg_req_swap_direction", "true");
    v.set("sip_full_via", &dialog.via_again(by, request));
    v.set("sip_full_from", &dialog.to());
    v.set("sip_full_to", &dialog.from());
    v.set("sip_to_tag", &dialog.from_tag);
    v.set("sip_from_tag", &dialog.to_tag);
}

fn other_described(channel: &mut Channel, dialog: &Dialog, description: u32, direction: &str, flow: &str) {
    let (media, origin, host) = match side(channel) {
        Side::Near => (&dialog.far, crate::event::IPV4, dialog.far_host()),
        Side::Far => (&dialog.near, dialog.near_host.as_str(), dialog.near_host.as_str()),
    };
    channel.variables.set("switch_r_sdp", &media.sdp_again(description, [origin, host], [direction, ""]));
    channel.variables.set("remote_audio_media_flow", flow);
}

fn side(channel: &Channel) -> Side {
    if channel.direction == Direction::Inbound { Side::Far } else { Side::Near }
}

/// The profile of a near leg to `destination`.
pub(crate) fn near_profile(dialog: &Dialog, caller_name: &str, now: Stamp) -> Profile {
    Profile {
        caller_name: caller_name.to_owned(),
        caller_number: dialog.caller_number.clone(),
        original_name: caller_name.to_owned(),
        original_number: dialog.caller_number.clone(),
        callee_name: profile::OUTBOUND_CALL.to_owned(),
        callee_number: dialog.number.clone(),
        ani: dialog.caller_number.clone(),
        destination: dialog.number.clone(),
        source: "src/switch_ivr_originate.c".to_owned(),
        context: "default".to_owned(),
        channel_name: format!("sofia/{}/{}", dialog.near_profile.name, dialog.destination()),
        index: 1,
        created: now,
        ..Profile::default()
    }
}

impl Dialog {
    /// What RECV_INFO says of a display update that has come to the leg of this direction.
    pub(crate) fn info_headers(&self, to: Direction) -> [(&'static str, &str); 7] {
        let caller = (self.caller_number.as_str(), self.near_host.as_str());
        let called = (self.number.as_str(), self.host.as_str());
        let (from, to, contact) = match to {
            Direction::Inbound => (caller, called, ("mod_sofia", caller.1)),
            Direction::Outbound => (called, caller, (called.0, self.far_host())),
        };
        [
            ("SIP-Content-Type", "message/update_display"),
            ("SIP-From-User", from.0),
            ("SIP-From-Host", from.1),
            ("SIP-To-User", to.0),
            ("SIP-To-Host", to.1),
            ("SIP-Contact-User", contact.0),
            ("SIP-Contact-Host", contact.1),
        ]
    }
}
