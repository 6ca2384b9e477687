//! What a client sends, cut into commands (mod_event_socket's `read_packet`). No I/O here.

use std::time::Duration;

use bytes::{Buf, BytesMut};

/// The most bytes of one command, body included: FreeSWITCH's own limit.
pub(crate) const COMMAND_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The most headers of one command: far more than any client sends, and each costs the server more than its bytes.
const HEADERS_MAX: usize = 1_000;

/// How long a connection may take to authenticate (mod_event_socket).
pub(crate) const AUTH_TIMEOUT: Duration = Duration::from_secs(25);

/// One command: its first line, its headers and its body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

impl Command {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A command that is too large to be read, or has too many headers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Bytes that have come in and are not a whole command yet.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    /// Where the search for the blank line goes on.
    searched: usize,
}

impl Decoder {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How much waits for the rest of a command.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// `true` between commands; a half-sent command holds events up.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.skip_blank();
        self.buffer.is_empty()
    }

    /// The next whole command, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Command>, TooLarge> {
        self.skip_blank();
        let Some(end) = self.find_blank_line() else {
            return if self.buffer.len() > COMMAND_BYTES_MAX { Err(TooLarge) } else { Ok(None) };
        };
        // What follows a zero is not there for a server that is written in C.
        let text = self.buffer[..end].split(|byte| *byte == 0).next().unwrap_or_default();
        let head = String::from_utf8_lossy(text).into_owned();
        let mut lines = head.split(['\r', '\n']).filter(|line| !line.is_empty());
        let line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim_start_matches(' ').to_owned()))
            // An event takes no header without a value.
            .filter(|(_, value)| !value.is_empty())
            .take(HEADERS_MAX + 1)
            .collect();
        if headers.len() > HEADERS_MAX {
            return Err(TooLarge);
        }
        let mut command = Command { line, headers, body: None };
        let length = command.header("Content-Length").map_or(0, |value| value.trim().parse::<usize>().unwrap_or(0));
        if length > COMMAND_BYTES_MAX {
            return Err(TooLarge);
        }
        if self.buffer.len() < end + length {
            return Ok(None);
        }
        if length > 0 {
            command.body = Some(String::from_utf8_lossy(&self.buffer[end..end + length]).into_owned());
        }
        self.buffer.advance(end + length);
        self.searched = 0;
        Ok(Some(command))
    }

    fn skip_blank(&mut self) {
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            self.buffer.advance(blank);
            self.searched = 0;
        }
    }

    /// The end of the blank line, LF or CRLF.
    fn find_blank_line(&mut self) -> Option<usize> {
        let mut newlines = 0;
        for (at, byte) in self.buffer.iter().enumerate().skip(self.searched.saturating_sub(3)) {
            match byte {
                b'\n' if newlines == 1 => return Some(at + 1),
                b'\n' => newlines = 1,
                b'\r' => {}
                _ => newlines = 0,
            }
        }
        self.searched = self.buffer.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(decoder: &mut Decoder) -> Vec<String> {
        std::iter::from_fn(|| decoder.next().expect("small")).map(|command| command.line).collect()
    }

    #[test]
    fn both_line_ends_and_any_cut() {
        let text = b"\n\nauth ClueCon\r\n\r\nbgapi status\nJob-UUID: 1\n\nnoop\n\n";
        for cut in 0..text.len() {
            let mut decoder = Decoder::default();
            decoder.feed(&text[..cut]);
            let mut found = lines(&mut decoder);
            decoder.feed(&text[cut..]);
            found.extend(lines(&mut decoder));
            assert_eq!(found, ["auth ClueCon", "bgapi status", "noop"], "cut at {cut}");
            assert!(decoder.is_idle());
        }
    }

    #[test]
    fn a_zero_and_a_lone_carriage_return_end_a_line() {
        let mut decoder = Decoder::default();
        decoder.feed(b"api echo a\rb\n\n\0x\n\napi echo c\0d\n\n");
        assert_eq!(lines(&mut decoder), ["api echo a", "", "api echo c"]);
    }

    #[test]
    fn headers_and_body() {
        let mut decoder = Decoder::default();
        decoder.feed(b"sendevent CUSTOM\nEvent-Subclass: demo::hello\ncontent-length: 5\n\nhel");
        assert_eq!(decoder.next(), Ok(None));
        assert!(!decoder.is_idle());
        decoder.feed(b"lo");
        let command = decoder.next().expect("small").expect("whole");
        assert_eq!(command.header("event-subclass"), Some("demo::hello"));
        assert_eq!(command.body.as_deref(), Some("hello"));
    }

    #[test]
    fn a_command_without_an_end_is_refused() {
        let mut decoder = Decoder::default();
        decoder.feed(&vec![b'x'; COMMAND_BYTES_MAX + 1]);
        assert_eq!(decoder.next(), Err(TooLarge));
        let mut decoder = Decoder::default();
        decoder.feed(b"api status\nContent-Length: 99999999999\n\n");
        assert_eq!(decoder.next(), Err(TooLarge));
    }
}
