//! Where simulated servers find each other's SIP. No packet leaves the process: a message is a value, and a network says
//! whose queue it goes into.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use crate::channel::{Dialog, SessionId, Signal};

/// Messages that wait for one server; what comes beyond is lost, as it would be in a socket's buffer. At the most that a
/// server of 3,000 calls a second gets, these are several seconds.
const PACKETS_MAX: usize = 65_536;

/// Servers that have no address of their own get one behind this: a private network's (RFC 1918).
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A network on which simulated servers of one process reach each other over SIP.
///
/// A handle: clones are the same network. Servers whose [`Config::network`](crate::Config::network) it is call each
/// other's profiles by address or by name, `sofia/external/9196@10.0.0.2:5080` or `…@fs2:5080`, for as long as they run.
/// 127.0.0.1 is always the server itself. A server that has no [`Sip::host`](crate::Sip::host) gets the first free
/// address from 10.0.0.1 on.
#[derive(Clone, Default)]
pub struct Network {
    directory: Arc<Mutex<Directory>>,
}

/// A server's number in its network, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node(u64);

/// A call between two servers, by its near leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) node: Node,
    pub(crate) leg: SessionId,
}

/// The other end of a leg's SIP, on another server.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) call: Call,
    pub(crate) to: To,
}

/// Where a message goes: to an address, until the server behind it has answered.
#[derive(Clone, Debug)]
pub(crate) enum To {
    Address { host: String },
    Node(Node),
}

/// A SIP message between two servers.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) to: To,
    pub(crate) from: Node,
    pub(crate) call: Call,
    pub(crate) dialog: Arc<Dialog>,
    pub(crate) signal: Signal,
    /// When it is there, by the uptime of whoever holds it.
    pub(crate) at: Duration,
}

/// A message on its way: when it is there, and what it says.
pub(crate) type InFlight = (Instant, Packet);

/// Why a message cannot be delivered; it comes back.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// Nobody has ever had this address.
    Unknown(Packet),
    /// Whoever had it has gone, or takes nothing more.
    Gone(Packet),
}

#[derive(Default)]
struct Directory {
    nodes: HashMap<Node, mpsc::Sender<InFlight>>,
    /// Names and addresses.
    by_address: HashMap<String, Node>,
    /// Names and addresses of servers that have gone.
    gone: HashSet<String>,
    joined: u64,
}

/// Where a server is in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: Node,
    pub(crate) host: Ipv4Addr,
}

/// A server's connection to its network, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    network: Network,
    place: Place,
    name: String,
    /// What comes from other servers.
    pub(crate) queue: mpsc::Receiver<InFlight>,
}

impl Network {
    /// A network without servers.
    #[must_use]
    pub fn new() -> Network {
        Network::default()
    }

    /// A server comes; an error says why it cannot.
    pub(crate) fn join(&self, name: &str, host: Option<Ipv4Addr>) -> io::Result<Wire> {
        let taken = |what: &str| {
            let reason = format!("two servers of one network are called {what}: give each its own name and sip.host");
            Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
        };
        let mut directory = self.directory();
        let name = name.to_ascii_lowercase();
        if directory.by_address.contains_key(&name) {
            return taken(&name);
        }
        let host = host.unwrap_or_else(|| directory.free_address());
        if directory.by_address.contains_key(&host.to_string()) {
            return taken(&host.to_string());
        }
        directory.joined += 1;
        let node = Node(directory.joined);
        let (sender, queue) = mpsc::channel(PACKETS_MAX);
        directory.nodes.insert(node, sender);
        for address in [name.clone(), host.to_string()] {
            // On every server this is the server itself.
            if address != Ipv4Addr::LOCALHOST.to_string() {
                directory.by_address.insert(address, node);
            }
        }
        Ok(Wire { network: self.clone(), place: Place { node, host }, name, queue })
    }

    /// What one thread left behind is whole: no change here can fail half-way.
    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Puts a message into the queue of the server that it is for.
    pub(crate) fn send(&self, at: Instant, packet: Packet) -> Result<(), Undelivered> {
        let directory = self.network.directory();
        let queue = match &packet.to {
            To::Node(node) => directory.nodes.get(node),
            To::Address { host } => {
                let host = host.to_ascii_lowercase();
                match directory.by_address.get(&host) {
                    Some(node) => directory.nodes.get(node),
                    None if !directory.gone.contains(&host) => return Err(Undelivered::Unknown(packet)),
                    None => None,
                }
            }
        };
        let Some(queue) = queue else { return Err(Undelivered::Gone(packet)) };
        queue.try_send((at, packet)).map_err(|error| Undelivered::Gone(error.into_inner().1))
    }
}

impl Directory {
    fn free_address(&self) -> Ipv4Addr {
        let mut address = FIRST_ADDRESS;
        while self.by_address.contains_key(&address.to_string()) {
            address = Ipv4Addr::from_bits(address.to_bits().wrapping_add(1));
        }
        address
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut directory = self.network.directory();
        directory.nodes.remove(&self.place.node);
        for address in [self.name.clone(), self.place.host.to_string()] {
            if directory.by_address.get(&address) == Some(&self.place.node) {
                directory.by_address.remove(&address);
                directory.gone.insert(address);
            }
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("servers", &self.directory().nodes.len()).finish()
    }
}
