//! How a value is written in each text form of an event: percent-encoded (plain, XML) or as a JSON string.

/// Bytes that `switch_url_encode` replaces, beside control characters and all that is not ASCII.
const UNSAFE: &[u8] = b"\r\n \"#%&+:;<=>?@[\\]^`{|}";

/// `true` for a byte that is written as it is.
const SAFE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x20;
    while byte <= 0x7e {
        table[byte] = true;
        byte += 1;
    }
    let mut i = 0;
    while i < UNSAFE.len() {
        table[UNSAFE[i] as usize] = false;
        i += 1;
    }
    table
};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `value` percent-encoded and says whether that changed anything. A `%XX` that is there
/// already stays as it is, as in FreeSWITCH, so the plain form of such a value is ambiguous.
pub(crate) fn percent(out: &mut Vec<u8>, value: &str) -> bool {
    let bytes = value.as_bytes();
    let mut done = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if SAFE[byte as usize] {
            continue;
        }
        let escape = byte == b'%' && bytes.get(i + 1..i + 3).is_some_and(|next| next.iter().all(u8::is_ascii_hexdigit));
        if escape {
            continue;
        }
        out.extend_from_slice(&bytes[done..i]);
        out.extend_from_slice(&[b'%', HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
        done = i + 1;
    }
    out.extend_from_slice(&bytes[done..]);
    done > 0
}

/// Appends `value` as a JSON string with its quotes.
pub(crate) fn json(out: &mut Vec<u8>, value: &str) {
    // Writing a str to a Vec cannot fail: there is no I/O and every str is valid JSON text.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &str) -> String {
        let mut out = Vec::new();
        percent(&mut out, value);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn what_is_encoded_and_what_is_not() {
        assert_eq!(
            encoded("sofia/external/9196@127.0.0.1:5080 &park()"),
            "sofia/external/9196%40127.0.0.1%3A5080%20%26park()"
        );
        assert_eq!(encoded("a%b&c=d;eé"), "a%25b%26c%3Dd%3Be%C3%A9");
        assert_eq!(encoded("Mon, 23~'!"), "Mon,%2023~'!");
    }

    #[test]
    fn an_escape_that_is_there_stays() {
        assert_eq!(encoded("Zoë %41 a+b"), "Zo%C3%AB%20%41%20a%2Bb");
        assert_eq!(encoded("100%"), "100%25");
        assert_eq!(encoded("%(251,0,1004)"), "%25(251,0,1004)");
    }
}
