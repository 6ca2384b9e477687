//! A capture server: it takes HEPv3 datagrams and reads them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// One datagram, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) from: (Ipv4Addr, u16),
    pub(crate) to: (Ipv4Addr, u16),
    pub(crate) seconds: u32,
    pub(crate) microseconds: u32,
    pub(crate) capture_id: u32,
    /// The types of its chunks in their order, with the values of those that never change.
    pub(crate) chunks: Vec<(u16, Option<u8>)>,
    pub(crate) text: String,
}

impl Copy {
    /// Nothing if it is no HEPv3.
    pub(crate) fn decode(datagram: &[u8]) -> Option<Copy> {
        let (head, mut rest) = datagram.split_at_checked(6)?;
        if &head[..4] != b"HEP3" || usize::from(u16::from_be_bytes([head[4], head[5]])) != datagram.len() {
            return None;
        }
        let unspecified = (Ipv4Addr::UNSPECIFIED, 0);
        let mut copy = Copy {
            from: unspecified,
            to: unspecified,
            seconds: 0,
            microseconds: 0,
            capture_id: 0,
            chunks: Vec::new(),
            text: String::new(),
        };
        while !rest.is_empty() {
            let (head, after) = rest.split_at_checked(6)?;
            let length = usize::from(u16::from_be_bytes([head[4], head[5]])).checked_sub(6)?;
            let (value, after) = after.split_at_checked(length)?;
            rest = after;
            let chunk = u16::from_be_bytes([head[2], head[3]]);
            let fixed = matches!(chunk, 1 | 2 | 11).then(|| value[0]);
            copy.chunks.push((chunk, fixed));
            let number = value.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            match chunk {
                3 => copy.from.0 = Ipv4Addr::from(number),
                4 => copy.to.0 = Ipv4Addr::from(number),
                7 => copy.from.1 = number as u16,
                8 => copy.to.1 = number as u16,
                9 => copy.seconds = number,
                10 => copy.microseconds = number,
                12 => copy.capture_id = number,
                15 => copy.text = String::from_utf8(value.to_vec()).ok()?,
                _ => {}
            }
        }
        Some(copy)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The message and all its chunks but the times, without what is another each time: branches, tags, numbers of
    /// sessions and ports of media.
    pub(crate) fn masked(&self) -> String {
        let mut out = format!(
            "{}\n{:?} {:?}\n{:?} {}\n",
            self.text.lines().next().unwrap_or_default(),
            self.from,
            self.to,
            self.chunks,
            self.capture_id
        );
        for line in self.text.split("\r\n") {
            let cut = |mark: &str| line.find(mark).map_or(line, |at| &line[..at + mark.len()]);
            let line = match line.split_once(": ").map_or(line, |(name, _)| name) {
                "Via" => cut("branch="),
                "From" | "To" => cut("tag="),
                "Call-ID" => "Call-ID",
                "CSeq" => line.rsplit(' ').next().unwrap_or_default(),
                _ if line.starts_with("o=") => "o=",
                _ if line.starts_with("m=audio ") => &line[line.find(" RTP").unwrap_or(0)..],
                _ => line,
            };
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// Where copies go.
pub(crate) struct Listener {
    socket: UdpSocket,
    heard: Mutex<Vec<Copy>>,
}

impl Listener {
    pub(crate) async fn bind() -> Listener {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        Listener { socket, heard: Mutex::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// All that has come once `enough` holds of it.
    pub(crate) async fn until(&self, patience: Duration, enough: impl Fn(&[Copy]) -> bool) -> Vec<Copy> {
        let deadline = Instant::now() + patience;
        let mut heard = self.heard.lock().await;
        let mut bytes = vec![0; 65_536];
        while !enough(&heard) {
            let Ok(received) = timeout_at(deadline, self.socket.recv(&mut bytes)).await else {
                let lines: Vec<_> = heard.iter().filter_map(|copy| copy.text.lines().next()).collect();
                panic!("that is all: {lines:#?}");
            };
            let length = received.expect("a datagram");
            heard.push(Copy::decode(&bytes[..length]).expect("HEP"));
        }
        heard.clone()
    }
}
