//! SIP as mod_sofia's legs know it: its profiles, and the dialog that the two legs of a call share.

mod messages;

use std::ops::Range;

use rand::{Rng, RngExt};

use crate::{channel::loopback::Caller, clock::Stamp};
pub(crate) use messages::*;

/// A SIP profile of the recorded server.
#[derive(Debug)]
pub(crate) struct SipProfile {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// The dialplan context of the calls that arrive at it.
    pub(crate) context: &'static str,
}

/// The address that all profiles are bound to.
pub(crate) const HOST: &str = "127.0.0.1";

/// The recorded server's profiles; a call to an address that is neither's arrives at the first.
pub(crate) const PROFILES: [SipProfile; 2] = [
    SipProfile { name: "external", port: 5080, context: "default" },
    SipProfile { name: "park", port: 5090, context: "switchio" },
];

/// Characters of tags and branches; as sofia-sip's, without look-alikes.
const TOKEN: &[u8] = b"0123456789BDFHKNQSUXZacegjmprtvy";

/// Halves of the RTP ports, which are even and between the recorded server's 16384 and 32768.
const RTP_PORT_HALVES: Range<u16> = 8_192..16_384;

/// One side's media.
#[derive(Debug)]
pub(crate) struct Media {
    port: u16,
    ssrc: u32,
    session: u64,
}

/// A SIP dialog between two legs of this server: made once with all that its messages will carry.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) near_profile: &'static SipProfile,
    pub(crate) far_profile: &'static SipProfile,
    pub(crate) number: String,
    /// The display name of who calls; may be empty.
    pub(crate) caller_name: String,
    pub(crate) caller_number: String,
    host: String,
    port: String,
    call_id: String,
    from_tag: String,
    to_tag: String,
    branch: String,
    end_branch: String,
    cseq: u32,
    near: Media,
    far: Media,
    /// Headers that the near leg's `sip_h_…` variables put into the INVITE.
    pub(crate) headers: Vec<(String, String)>,
}

/// The parts of `9196@127.0.0.1:5080`.
pub(crate) struct Address<'a> {
    pub(crate) number: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<&'a str>,
    /// The port of the proxy that the request goes to instead (`;fs_path=sip:host:port`).
    pub(crate) path_port: Option<&'a str>,
}

/// `host` and `port` of `host:port`.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (text, None),
    }
}

impl Address<'_> {
    pub(crate) fn parse(text: &str) -> Option<Address<'_>> {
        let (number, rest) = text.split_once('@')?;
        let (rest, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_and_port(rest);
        let path = parameters.split(';').find_map(|parameter| parameter.strip_prefix("fs_path=sip:"));
        Some(Address { number, host, port, path_port: path.and_then(|path| host_and_port(path).1) })
    }
}

impl Dialog {
    pub(crate) fn new(
        rng: &mut impl Rng,
        near_profile: &'static SipProfile,
        address: &Address<'_>,
        caller: Caller<'_>,
        headers: Vec<(String, String)>,
        now: Stamp,
    ) -> Dialog {
        let port = address.port.unwrap_or("5060");
        let reached = address.path_port.unwrap_or(port);
        let far_profile = PROFILES.iter().find(|profile| profile.port.to_string() == reached).unwrap_or(&PROFILES[0]);
        Dialog {
            near_profile,
            far_profile,
            number: address.number.to_owned(),
            caller_name: caller.name.to_owned(),
            caller_number: caller.number.to_owned(),
            host: address.host.to_owned(),
            port: port.to_owned(),
            call_id: crate::switch::random_uuid(rng),
            from_tag: token(rng),
            to_tag: token(rng),
            branch: token(rng),
            end_branch: token(rng),
            cseq: rng.random_range(100_000_000..200_000_000),
            near: Media::draw(rng, now),
            far: Media::draw(rng, now),
            headers,
        }
    }

    /// `9196@127.0.0.1:5080`.
    pub(crate) fn destination(&self) -> String {
        format!("{}@{}:{}", self.number, self.host, self.port)
    }

    fn caller(&self) -> String {
        format!("{}@{HOST}", self.caller_number)
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

    fn via(&self, branch: &str) -> String {
        let port = self.near_profile.port;
        format!("SIP/2.0/UDP {HOST}:{port};rport={port};branch=z9hG4bK{branch}")
    }
}

impl SipProfile {
    fn url(&self) -> String {
        format!("sip:mod_sofia@{HOST}:{}", self.port)
    }
}

impl Media {
    fn draw(rng: &mut impl Rng, now: Stamp) -> Media {
        let port = 2 * rng.random_range(RTP_PORT_HALVES);
        // FreeSWITCH numbers its session descriptions by the time less the port.
        Media { port, ssrc: rng.random(), session: now.seconds().saturating_sub(u64::from(port)) }
    }

    /// The session description that this side offers or answers with.
    fn sdp(&self, origin: &str, direction: &str) -> String {
        let (session, version, port) = (self.session, self.session + 1, self.port);
        format!(
            "v=0\r\no=FreeSWITCH {session} {version} IN IP4 {origin}\r\ns=FreeSWITCH\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 101 13\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\na=rtpmap:13 CN/8000\r\na=ptime:20\r\n{direction}"
        )
    }
}

fn token(rng: &mut impl Rng) -> String {
    (0..13).map(|_| char::from(TOKEN[rng.random_range(0..TOKEN.len())])).collect()
}
