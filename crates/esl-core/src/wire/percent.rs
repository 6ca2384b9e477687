//! Percent-encoding as FreeSWITCH does it (`switch_url_encode`), which is not that of RFC 3986.

use std::borrow::Cow;

use memchr::memchr;

/// Printable ASCII that FreeSWITCH encodes nevertheless (`SWITCH_URL_UNSAFE`).
const UNSAFE: &[u8] = b"\r\n #%&+:;<=>?@[\\]^`{|}\"";

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Whether a byte goes over the wire as `%XX`.
const ENCODED: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        table[byte as usize] = false;
        byte += 1;
    }
    let mut i = 0;
    while i < UNSAFE.len() {
        table[UNSAFE[i] as usize] = true;
        i += 1;
    }
    table
};

/// Appends `value` to `out`, encoded as in a plain event, and says whether that changed it.
///
/// A `%XX` with upper-case digits that the value already holds is left as it is, as FreeSWITCH leaves it: the result is
/// then ambiguous, and decodes to something else than `value`.
pub fn percent_encode(value: &[u8], out: &mut Vec<u8>) -> bool {
    // Most values stay as they are, and of the others most bytes do: they are copied together.
    let Some(first) = find_encoded(value) else {
        out.extend_from_slice(value);
        return false;
    };
    let mut copied = 0;
    for (at, &byte) in value.iter().enumerate().skip(first) {
        if !ENCODED[usize::from(byte)] {
            continue;
        }
        let already =
            byte == b'%' && matches!(value.get(at + 1..at + 3), Some([a, b]) if HEX.contains(a) && HEX.contains(b));
        if already {
            continue;
        }
        out.extend_from_slice(&value[copied..at]);
        out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0x0f)]]);
        copied = at + 1;
    }
    out.extend_from_slice(&value[copied..]);
    copied > 0
}

/// Where the first byte that is encoded stands. Eight bytes are looked at in one go, without a branch for each.
fn find_encoded(value: &[u8]) -> Option<usize> {
    let mut from = 0;
    for piece in value.chunks_exact(8) {
        if piece.iter().fold(false, |any, &byte| any | ENCODED[usize::from(byte)]) {
            break;
        }
        from += 8;
    }
    value[from..].iter().position(|&byte| ENCODED[usize::from(byte)]).map(|at| from + at)
}

/// The value behind `encoded`. Borrows where nothing is encoded; a `%` without two hexadecimal digits stands for itself.
#[must_use]
pub fn percent_decode(encoded: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'%', encoded) else {
        return Cow::Borrowed(encoded);
    };
    let mut value = Vec::with_capacity(encoded.len());
    value.extend_from_slice(&encoded[..first]);
    let mut rest = &encoded[first..];
    while let [byte, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|&b| char::from(b).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (byte, digit(0), digit(1)) {
            value.push((high << 4 | low) as u8);
            rest = &tail[2..];
        } else {
            value.push(*byte);
            rest = tail;
        }
    }
    Cow::Owned(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        percent_encode(value, &mut out);
        out
    }

    #[test]
    fn encodes_what_freeswitch_encodes() {
        assert_eq!(
            encoded(b"\"9196\" <9196>, sofia/external/a@b:5080 (x) 100%\r\n\xc3\xa9"),
            b"%229196%22%20%3C9196%3E,%20sofia/external/a%40b%3A5080%20(x)%20100%25%0D%0A%C3%A9"
        );
    }

    #[test]
    fn an_encoded_triplet_in_the_value_is_left_alone() {
        assert_eq!(encoded(b"a%20b %2x"), b"a%20b%20%252x");
    }

    #[test]
    fn a_lone_percent_sign_stands_for_itself() {
        assert_eq!(&*percent_decode(b"100%"), b"100%");
        assert_eq!(&*percent_decode(b"%4"), b"%4");
        assert_eq!(&*percent_decode(b"%zz%41"), b"%zzA");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(value: Vec<u8>) {
            // A value that holds a %XX of its own is ambiguous on the wire.
            prop_assume!(percent_decode(&value) == &value[..]);
            let encoded = encoded(&value);
            prop_assert_eq!(&*percent_decode(&encoded), &value[..]);
        }
    }
}
