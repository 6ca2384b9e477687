//! SIP as mod_sofia's legs know it: its profiles, and the dialog that the two legs of a call share.

mod address;
mod messages;
mod wire;

use std::{net::Ipv4Addr, ops::Range, sync::OnceLock};

use rand::{Rng, RngExt};

use crate::{channel::loopback::Caller, clock::Stamp};
pub(crate) use address::Address;
use address::host_and_port;
pub(crate) use messages::*;
pub(crate) use wire::{Side, Text};

/// A SIP profile of the recorded server.
#[derive(Debug)]
pub(crate) struct SipProfile {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// The dialplan context of the calls that arrive at it.
    pub(crate) context: &'static str,
}

/// The recorded server's profiles, which every server has.
pub(crate) const PROFILES: [SipProfile; 2] = [
    SipProfile { name: "external", port: 5080, context: "default" },
    SipProfile { name: "park", port: 5090, context: "switchio" },
];

impl SipProfile {
    /// Its place among the profiles.
    pub(crate) fn index(&self) -> usize {
        usize::from(self.port != PROFILES[0].port)
    }
}

/// Whether a profile of every server has this port.
pub(crate) fn is_profile_port(port: &str) -> bool {
    PROFILES.iter().any(|profile| profile.port.to_string() == port)
}

/// The dialplan context of a call to this address.
pub(crate) fn context_of(address: &Address<'_>) -> &'static str {
    let port = match address.path {
        Some(path) => address::host_and_port(path).1,
        None => address.port,
    };
    let profile = PROFILES.iter().find(|profile| port.is_some_and(|port| profile.port.to_string() == port));
    profile.unwrap_or(&PROFILES[0]).context
}

/// The port where SIP is that has none in its address.
const PORT_DEFAULT: &str = "5060";

/// The hops that a call may take where nobody says (RFC 3261 §8.1.1.6).
pub(crate) const MAX_FORWARDS: u32 = 70;

/// Characters of tags and branches; as sofia-sip's, without look-alikes.
const TOKEN: &[u8] = b"0123456789BDFHKNQSUXZacegjmprtvy";

/// Halves of the RTP ports, which are even and between the recorded server's 16384 and 32768.
const RTP_PORT_HALVES: Range<u16> = 8_192..16_384;

/// From 1900, where NTP begins to count, to the epoch.
const NTP_SECONDS: u64 = 2_208_988_800;

/// One side's media.
#[derive(Debug)]
pub(crate) struct Media {
    port: u16,
    ssrc: u32,
    session: u64,
}

/// How the INVITE says who calls (`sip_cid_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// `Remote-Party-ID`
    Rpid,
    /// `P-Asserted-Identity`
    Pid,
    Unsaid,
}

/// What the near leg makes a dialog of.
pub(crate) struct Invitation<'a> {
    pub(crate) profile: &'static SipProfile,
    /// The address of the near leg's server.
    pub(crate) host: Ipv4Addr,
    pub(crate) address: &'a Address<'a>,
    pub(crate) caller: Caller<'a>,
    /// `sip_h_…` variables.
    pub(crate) headers: Vec<(String, String)>,
    /// What is put behind the address called (`sip_invite_params`).
    pub(crate) parameters: Option<&'a str>,
    pub(crate) identity: Identity,
    pub(crate) max_forwards: u32,
}

/// A SIP dialog between two legs: made once with all that its messages will carry.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) near_profile: &'static SipProfile,
    pub(crate) far_profile: &'static SipProfile,
    pub(crate) number: String,
    /// The display name of who calls; may be empty.
    pub(crate) caller_name: String,
    pub(crate) caller_number: String,
    /// `sip_destination_url` without its scheme.
    url: String,
    host: String,
    port: String,
    /// The `host:port` that the request goes to instead.
    path: Option<String>,
    parameters: Option<String>,
    identity: Identity,
    max_forwards: u32,
    near_host: String,
    /// The far leg's server says where it is when the INVITE has arrived.
    far_host: OnceLock<String>,
    /// Name and number of whom the far leg says that it has reached, where that is another than who was called.
    reached: OnceLock<(String, String)>,
    pub(crate) call_id: String,
    from_tag: String,
    to_tag: String,
    branch: String,
    end_branch: String,
    bye_branch: String,
    cseq: u32,
    near: Media,
    far: Media,
    /// Headers that the near leg's `sip_h_…` variables put into the INVITE.
    pub(crate) headers: Vec<(String, String)>,
}

impl Identity {
    pub(crate) fn parse(text: Option<&str>) -> Identity {
        match text {
            Some(text) if text.eq_ignore_ascii_case("pid") => Identity::Pid,
            Some(text) if text.eq_ignore_ascii_case("none") => Identity::Unsaid,
            _ => Identity::Rpid,
        }
    }
}

impl Dialog {
    pub(crate) fn new(rng: &mut impl Rng, invitation: Invitation<'_>, now: Stamp) -> Dialog {
        let Invitation { profile, host, address, caller, headers, parameters, identity, max_forwards } = invitation;
        let port = address.port.unwrap_or(PORT_DEFAULT);
        let reached = address.path.map_or(port, |path| host_and_port(path).1.unwrap_or(PORT_DEFAULT));
        let far_profile = PROFILES.iter().find(|profile| profile.port.to_string() == reached).unwrap_or(&PROFILES[0]);
        Dialog {
            near_profile: profile,
            far_profile,
            number: address.number.to_owned(),
            caller_name: caller.name.to_owned(),
            caller_number: caller.number.to_owned(),
            url: match address.port {
                Some(_) => address.text.to_owned(),
                None => format!("{}@{}:{port}{}", address.number, address.host, behind_host(address)),
            },
            host: address.host.to_owned(),
            port: port.to_owned(),
            path: address.path.map(str::to_owned),
            parameters: parameters.map(str::to_owned),
            identity,
            max_forwards,
            near_host: host.to_string(),
            far_host: OnceLock::new(),
            reached: OnceLock::new(),
            call_id: crate::switch::random_uuid(rng),
            from_tag: token(rng),
            to_tag: token(rng),
            branch: token(rng),
            end_branch: token(rng),
            bye_branch: token(rng),
            cseq: cseq(now),
            near: Media::draw(rng, now),
            far: Media::draw(rng, now),
            headers,
        }
    }

    /// The host that the INVITE goes to, and its port.
    pub(crate) fn next_hop(&self) -> (&str, &str) {
        match &self.path {
            Some(path) => {
                let (host, port) = host_and_port(path);
                (host, port.unwrap_or(PORT_DEFAULT))
            }
            None => (&self.host, &self.port),
        }
    }

    /// The INVITE has arrived at the server with this address.
    pub(crate) fn arrived(&self, host: Ipv4Addr) {
        // It arrives once.
        let _ = self.far_host.set(host.to_string());
    }

    /// The far leg has reached somebody else, and says so with its answers.
    pub(crate) fn reaches(&self, name: &str, number: &str) {
        // Whom it names first is whom its call goes to.
        let _ = self.reached.set((name.to_owned(), number.to_owned()));
    }

    /// Name and number of whom the near leg is told that it has reached.
    fn callee(&self) -> (&str, &str) {
        self.reached.get().map_or((&self.number, &self.number), |(name, number)| (name, number))
    }

    pub(crate) fn profile(&self, side: Side) -> &'static SipProfile {
        if side == Side::Near { self.near_profile } else { self.far_profile }
    }

    /// Whether the INVITE has arrived anywhere.
    pub(crate) fn has_arrived(&self) -> bool {
        self.far_host.get().is_some()
    }

    /// Where the far leg is; nothing as long as no answer has come.
    fn far_host(&self) -> &str {
        self.far_host.get().map_or("", String::as_str)
    }

    /// `9196@127.0.0.1:5080`.
    pub(crate) fn destination(&self) -> String {
        format!("{}@{}:{}", self.number, self.host, self.port)
    }

    /// What the INVITE asks for: the destination, and what is put behind it.
    fn request(&self) -> String {
        match &self.parameters {
            Some(parameters) => format!("{};{parameters}", self.destination()),
            None => self.destination(),
        }
    }

    /// Where the far leg wants to be reached.
    fn far_contact(&self) -> String {
        format!("{}@{}:{}", self.number, self.far_host(), self.far_profile.port)
    }

    fn near_url(&self) -> String {
        format!("sip:mod_sofia@{}:{}", self.near_host, self.near_profile.port)
    }

    fn far_url(&self) -> String {
        format!("sip:mod_sofia@{}:{}", self.far_host(), self.far_profile.port)
    }

    fn caller(&self) -> String {
        format!("{}@{}", self.caller_number, self.near_host)
    }

    /// `"name" ` where there is one.
    fn display(&self) -> String {
        if self.caller_name.is_empty() { String::new() } else { format!("\"{}\" ", self.caller_name) }
    }

    fn from(&self) -> String {
        let name = self.display();
        format!("{name}<sip:{}>;tag={}", self.caller(), self.from_tag)
    }

    fn to(&self) -> String {
        format!("<sip:{}>;tag={}", self.destination(), self.to_tag)
    }

    /// The `Via` of a side's request within the call: its branch is made of the first one's.
    fn via_again(&self, by: Side, request: u32) -> String {
        let (head, tail) = self.branch.split_at(request as usize % self.branch.len().max(1));
        self.answered_via(by, &format!("{tail}{head}"))
    }

    /// The number of such a request: behind the INVITE's, or the far side's first one.
    fn cseq_again(&self, by: Side, request: u32) -> u32 {
        let before = if by == Side::Near { 0 } else { 1 };
        self.cseq.wrapping_add(request).wrapping_sub(before)
    }

    fn via(&self, branch: &str) -> String {
        let (host, port) = (&self.near_host, self.near_profile.port);
        format!("SIP/2.0/UDP {host}:{port};rport={port};branch=z9hG4bK{branch}")
    }

    /// The headers that the far leg shows as variables (`sofia_parse_invite`); the others it knows by other names.
    fn shown_headers(&self) -> impl Iterator<Item = &(String, String)> {
        const SHOWN: [&str; 4] = ["x-", "p-", "on", "k-"];
        self.headers.iter().filter(|(name, _)| {
            let header = name.strip_prefix("sip_h_").unwrap_or(name).to_ascii_lowercase();
            SHOWN.iter().any(|start| header.starts_with(start)) || header == "user-to-user"
        })
    }
}

impl Media {
    fn draw(rng: &mut impl Rng, now: Stamp) -> Media {
        let port = 2 * rng.random_range(RTP_PORT_HALVES);
        // FreeSWITCH numbers its session descriptions by the time less the port.
        Media { port, ssrc: rng.random(), session: now.seconds().saturating_sub(u64::from(port)) }
    }

    /// The session description that the side at `host` offers or answers with.
    fn sdp(&self, origin: &str, host: &str, direction: &str) -> String {
        self.sdp_again(0, [origin, host], ["", direction])
    }

    /// The same after so many others in the call, with a direction before the last line or behind it.
    fn sdp_again(&self, others: u32, [origin, host]: [&str; 2], [before, direction]: [&str; 2]) -> String {
        let (session, version, port) = (self.session, self.session + 1 + u64::from(others), self.port);
        format!(
            "v=0\r\no=FreeSWITCH {session} {version} IN IP4 {origin}\r\ns=FreeSWITCH\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 101 13\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\na=rtpmap:13 CN/8000\r\n{before}a=ptime:20\r\n{direction}"
        )
    }
}

/// What an address has behind its host: `;fs_path=…`.
fn behind_host<'a>(address: &Address<'a>) -> &'a str {
    address.text.find(';').map_or("", |at| &address.text[at..])
}

fn token(rng: &mut impl Rng) -> String {
    (0..13).map(|_| char::from(TOKEN[rng.random_range(0..TOKEN.len())])).collect()
}

/// The number of a side's first request: sofia-sip counts from half of the time's seconds on.
fn cseq(now: Stamp) -> u32 {
    (((now.seconds() + NTP_SECONDS) / 2) & 0x07ff_ffff) as u32
}
