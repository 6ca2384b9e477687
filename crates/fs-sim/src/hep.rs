//! HEPv3, the form in which FreeSWITCH sends copies of its SIP messages to a capture server: chunks of a type, a length
//! and a value each, of which the last is the message.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use serde::Deserialize;

/// Where copies of a server's SIP messages go, as `capture-server` in FreeSWITCH's sofia.conf has it: both profiles'
/// from the beginning on, until `sofia profile <name> capture off` or `sofia global capture off` says otherwise.
///
/// ```toml
/// hep = { to = "127.0.0.1:9060", capture_id = 100 }
/// ```
///
/// Copies travel by UDP: one that cannot be sent at once is lost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hep {
    /// The capture server's address.
    pub to: SocketAddr,
    /// How the capture server knows this one (`capture_id`).
    #[serde(default = "capture_id")]
    pub capture_id: u32,
}

fn capture_id() -> u32 {
    100
}

impl Hep {
    /// Copies for the capture server at `to`, with the recorded server's `capture_id`.
    #[must_use]
    pub fn new(to: SocketAddr) -> Hep {
        Hep { to, capture_id: capture_id() }
    }
}

/// What copies leave by. It never waits.
#[derive(Debug)]
pub(crate) struct Probe {
    // Not connected: a capture server that was away for a moment would then cost one more copy.
    socket: UdpSocket,
    to: SocketAddr,
}

impl Probe {
    /// A copy that cannot be sent at once is lost.
    pub(crate) fn send(&self, datagram: &[u8]) {
        if let Err(error) = self.socket.send_to(datagram, self.to) {
            tracing::debug!(%error, to = %self.to, "a copy is lost");
        }
    }
}

/// # Errors
/// Whatever binding a socket gives.
pub(crate) fn probe(hep: &Hep) -> io::Result<Probe> {
    let any: IpAddr = if hep.to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    Ok(Probe { socket, to: hep.to })
}

/// Chunk types of the generic vendor, 0.
#[derive(Clone, Copy)]
enum Chunk {
    Family = 1,
    Protocol = 2,
    Source = 3,
    Destination = 4,
    SourcePort = 7,
    DestinationPort = 8,
    Seconds = 9,
    Microseconds = 10,
    Kind = 11,
    CaptureId = 12,
    Message = 15,
}

const FAMILY_IPV4: u8 = 2;
const PROTOCOL_UDP: u8 = 17;
const KIND_SIP: u8 = 1;

/// One message's way: where it came from, where it went, when, in microseconds of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) from: (Ipv4Addr, u16),
    pub(crate) to: (Ipv4Addr, u16),
    pub(crate) at: u64,
}

/// The longest message that is copied: with its chunks it has to fit into a datagram.
const MESSAGE_BYTES_MAX: usize = 65_000;

/// The datagram with the copy of a message; a message that is longer than any datagram has none.
pub(crate) fn datagram(passage: Passage, capture_id: u32, message: &[u8]) -> Option<Vec<u8>> {
    if message.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(message.len() + 112);
    out.extend_from_slice(b"HEP3\0\0");
    let mut chunk = |chunk: Chunk, value: &[u8]| {
        out.extend_from_slice(&[0, 0, 0, chunk as u8]);
        out.extend_from_slice(&((value.len() + 6) as u16).to_be_bytes());
        out.extend_from_slice(value);
    };
    chunk(Chunk::Family, &[FAMILY_IPV4]);
    chunk(Chunk::Protocol, &[PROTOCOL_UDP]);
    chunk(Chunk::SourcePort, &passage.from.1.to_be_bytes());
    chunk(Chunk::DestinationPort, &passage.to.1.to_be_bytes());
    chunk(Chunk::Seconds, &((passage.at / 1_000_000) as u32).to_be_bytes());
    chunk(Chunk::Microseconds, &((passage.at % 1_000_000) as u32).to_be_bytes());
    chunk(Chunk::Kind, &[KIND_SIP]);
    chunk(Chunk::CaptureId, &capture_id.to_be_bytes());
    chunk(Chunk::Source, &passage.from.0.octets());
    chunk(Chunk::Destination, &passage.to.0.octets());
    chunk(Chunk::Message, message);
    let length = (out.len() as u16).to_be_bytes();
    out[4..6].copy_from_slice(&length);
    Some(out)
}
