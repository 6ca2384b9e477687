//! Text as cJSON and `switch_xml.c` write it.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `value` as a JSON string with its quotes (`print_string_ptr` in `cJSON.c`): bytes from 0x20 on stay as they
/// are, UTF-8 or not.
pub(super) fn json(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut copied = 0;
    for (at, &byte) in value.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&value[copied..at]);
        copied = at + 1;
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0x0f)]]);
        }
    }
    out.extend_from_slice(&value[copied..]);
    out.push(b'"');
}

/// Appends `text` as the text of an XML element (`switch_xml_ampencode`): characters outside ASCII become numbers, and
/// from a `<!` on everything stays as it is.
///
/// What is no UTF-8 is lost, as it is there: a first byte that is none, and a byte that breaks a character off, with
/// what of the character there was.
pub(super) fn xml(text: &[u8], out: &mut Vec<u8>) {
    let mut missing = 0;
    let mut code = 0_u32;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' if text.get(at + 1) == Some(&b'!') => return out.extend_from_slice(&text[at..]),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'\r' => out.extend_from_slice(b"&#xD;"),
            b'"' | b'\n' | b'\t' => out.push(byte),
            _ if missing > 0 => {
                if byte & 0xc0 == 0x80 {
                    code = code << 6 | u32::from(byte & 0x3f);
                    missing -= 1;
                    if missing == 0 {
                        out.extend_from_slice(format!("&#x{code:X};").as_bytes());
                    }
                } else {
                    missing = 0;
                }
            }
            0x80.. => {
                // As many ones as the byte starts with, four at most, say how many bytes the character has.
                let length = byte.leading_ones().min(4);
                missing = length - 1;
                code = match length {
                    2 => u32::from(byte & 0x1f),
                    3 => u32::from(byte & 0x0f),
                    4 => u32::from(byte & 0x07),
                    _ => code,
                };
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn xml_of(text: &[u8]) -> String {
        let mut out = Vec::new();
        xml(text, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn xml_is_escaped_as_freeswitch_does_it() {
        assert_eq!(xml_of(b"a<b> & \"c\"\r\n\t'"), "a&lt;b&gt; &amp; \"c\"&#xD;\n\t'");
        assert_eq!(xml_of("\u{e9}\u{20ac}\u{1f600}".as_bytes()), "&#xE9;&#x20AC;&#x1F600;");
        assert_eq!(xml_of("&<!-- & \u{e9} -->".as_bytes()), "&amp;<!-- & \u{e9} -->");
    }

    #[test]
    fn xml_loses_what_is_no_utf8() {
        assert_eq!(xml_of(b"a\x80b"), "ab", "a byte that starts nothing");
        assert_eq!(xml_of(b"a\xc3bc"), "ac", "a character broken off, with the byte that broke it");
        assert_eq!(xml_of(b"a\xe2\x82&bc"), "a&amp;c", "what has to be escaped does not break it off");
        assert_eq!(xml_of(b"a\xe2\x82"), "a");
    }

    #[test]
    fn json_is_escaped_in_all_of_ascii() {
        let text: String = (1..0x80_u8).map(char::from).collect();
        let mut out = Vec::new();
        json(text.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).expect("ASCII"), serde_json::to_string(&text).expect("JSON"));
    }

    proptest! {
        #[test]
        fn json_is_escaped_as_everybody_does_it(text: String) {
            let mut out = Vec::new();
            json(text.as_bytes(), &mut out);
            prop_assert_eq!(String::from_utf8(out).expect("UTF-8"), serde_json::to_string(&text).expect("JSON"));
        }
    }
}
