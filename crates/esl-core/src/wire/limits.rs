//! How much a server may send.

/// What a server may send at most. A peer that goes beyond is no FreeSWITCH, or one in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A frame's head, in bytes. An outbound connection's first reply carries a channel's headers there (4 to 10 KB).
    pub head: usize,
    /// A frame's body, in bytes. `show channels as json` takes 900 bytes a channel: this is room for 70,000.
    pub body: usize,
    /// The headers of an event or of a frame's head, each value of a list counted. Real events have 70 to 220, and as
    /// many more as somebody sets variables on a channel.
    pub headers: usize,
    /// One header of an event or of a frame's head, in bytes as they came. The longest are copies of SIP messages,
    /// whose datagram has 64 KB at most, and percent-encoding can make three bytes of one.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 256 << 10, body: 64 << 20, headers: 4096, line: 256 << 10 }
    }
}
