//! Frames that are wrong: cut, with garbage, or with lengths that cannot be.

use rand::{Rng, RngExt};

use super::{Fault, meets};

/// The most random bytes before a frame.
const GARBAGE_BYTES_MAX: usize = 64;

const LENGTH: &[u8] = b"Content-Length: ";

/// Larger than a signed number holds, and the largest that an unsigned one does.
const HUGE: &str = "18446744073709551615";

/// How long the first frame of `bytes` is, its body included.
pub(super) fn frame_length(bytes: &[u8]) -> usize {
    let Some(head) = find(bytes, b"\n\n").map(|at| at + 2) else { return bytes.len() };
    let length = length(&bytes[..head]).and_then(|(from, to)| std::str::from_utf8(&bytes[from..to]).ok()?.parse().ok());
    head.saturating_add(length.unwrap_or(0)).min(bytes.len())
}

/// The frame as the faults make it, and whether the connection ends with it.
pub(super) fn frame(frame: &[u8], faults: &[Fault], rng: &mut impl Rng) -> (Vec<u8>, bool) {
    let mut bytes = frame.to_vec();
    for fault in faults {
        match fault {
            Fault::Truncate { share } if meets(rng, *share) => {
                bytes.truncate(bytes.len() / 2);
                return (bytes, true);
            }
            Fault::Garbage { share } if meets(rng, *share) => {
                let length = rng.random_range(1..=GARBAGE_BYTES_MAX);
                let mut with = garbage(length, rng);
                with.append(&mut bytes);
                bytes = with;
            }
            Fault::GarbageInstead { share } if meets(rng, *share) => bytes = garbage(bytes.len(), rng),
            Fault::HugeLength { share } if meets(rng, *share) => claim(&mut bytes, HUGE),
            Fault::NegativeLength { share } if meets(rng, *share) => claim(&mut bytes, "-1"),
            _ => {}
        }
    }
    (bytes, false)
}

fn garbage(length: usize, rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Makes a frame say that its body is this long, whether it has said anything about it or not.
fn claim(bytes: &mut Vec<u8>, text: &str) {
    let Some(end) = find(bytes, b"\n\n") else { return };
    match length(&bytes[..end + 1]) {
        Some((from, to)) => drop(bytes.splice(from..to, text.bytes())),
        None => drop(bytes.splice(end + 1..end + 1, [LENGTH, text.as_bytes(), b"\n"].concat())),
    }
}

/// Where the number of the head's Content-Length stands.
fn length(head: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(LENGTH) {
            return Some((from + LENGTH.len(), from + line.len() - 1));
        }
        from += line.len();
    }
    None
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::generator;

    const REPLY: &[u8] = b"Content-Type: command/reply\nReply-Text: +OK\n\n";
    const RESPONSE: &[u8] = b"Content-Type: api/response\nContent-Length: 3\n\na\n\n";

    fn made(bytes: &[u8], fault: Fault) -> (String, bool) {
        let (bytes, ends) = frame(bytes, &[fault], &mut generator(1, 1));
        (String::from_utf8_lossy(&bytes).into_owned(), ends)
    }

    #[test]
    fn frames_are_told_apart() {
        let both = [REPLY, RESPONSE, b"rest"].concat();
        assert_eq!(frame_length(&both), REPLY.len());
        assert_eq!(frame_length(&both[REPLY.len()..]), RESPONSE.len());
        assert_eq!(frame_length(b"rest"), 4);
        assert_eq!(frame_length(b"Content-Length: 99\n\nx"), 21);
    }

    #[test]
    fn a_length_is_changed_or_put_in() {
        let (huge, negative) = (Fault::HugeLength { share: 1.0 }, Fault::NegativeLength { share: 1.0 });
        assert_eq!(made(RESPONSE, negative.clone()).0, "Content-Type: api/response\nContent-Length: -1\n\na\n\n");
        let claimed = "Content-Type: command/reply\nReply-Text: +OK\nContent-Length: -1\n\n";
        assert_eq!(made(REPLY, negative).0, claimed);
        assert!(made(RESPONSE, huge).0.contains("\nContent-Length: 18446744073709551615\n\na"));
    }

    #[test]
    fn a_frame_is_cut_or_buried() {
        assert_eq!(made(REPLY, Fault::Truncate { share: 1.0 }), ("Content-Type: command/".to_owned(), true));
        let (bytes, ends) = frame(REPLY, &[Fault::Garbage { share: 1.0 }], &mut generator(1, 1));
        assert!(bytes.ends_with(REPLY) && bytes.len() > REPLY.len() && !ends);
        let (bytes, _) = frame(REPLY, &[Fault::GarbageInstead { share: 1.0 }], &mut generator(1, 1));
        assert!(bytes.len() == REPLY.len() && bytes != REPLY);
        assert_eq!(made(REPLY, Fault::Truncate { share: 0.0 }).0.len(), REPLY.len());
    }

    #[test]
    fn garbage_is_different_each_time() {
        use rand::SeedableRng;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let [one, other] = [garbage(64, &mut rng), garbage(64, &mut rng)];
        assert_eq!((one.len(), other.len()), (64, 64));
        assert!(one != other && one.iter().collect::<std::collections::BTreeSet<_>>().len() > 30, "{one:?}");
    }
}
