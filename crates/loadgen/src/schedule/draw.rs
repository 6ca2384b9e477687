//! Randomness of one call, whatever was drawn for the others.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The stream that hold times are drawn from. Stream 0 is the schedule's own.
pub const STREAM_HOLD: u64 = 1;
/// The stream that targets are picked from.
pub const STREAM_TARGET: u64 = 2;
/// The stream that call apps draw from.
pub const STREAM_APP: u64 = 3;

/// Words of 32 bits that belong to one call: a hold takes about four, and drawing more would only repeat the next
/// call's.
const WORDS: u128 = 256;

/// What is random about one call: the same for the same seed, stream and attempt, in whatever order and by whichever
/// process calls are drawn, and independent of what other streams and attempts give.
///
/// ```
/// use std::time::Duration;
///
/// use loadgen::schedule::draw::{STREAM_HOLD, draw};
///
/// let hold = units::Delay::Exponential { mean: Duration::from_secs(180) };
/// let of_call = |attempt| hold.sample(&mut draw(5, STREAM_HOLD, attempt), Duration::from_secs(3600));
/// assert_eq!(of_call(12), of_call(12));
/// assert_ne!(of_call(12), of_call(13));
/// ```
///
/// ChaCha (D. J. Bernstein, *ChaCha, a variant of Salsa20*, 2008) with 8 rounds makes any place of any stream from the
/// key alone, without going through what is before it. An attempt has 256 words; attempts from 2⁶⁰ on begin anew.
pub fn draw(seed: u64, stream: u64, attempt: u64) -> impl Rng + use<> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random.set_word_pos(u128::from(attempt) * WORDS);
    random
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(seed: u64, stream: u64, attempt: u64) -> Vec<u64> {
        let mut random = draw(seed, stream, attempt);
        (0..WORDS / 2).map(|_| random.next_u64()).collect()
    }

    #[test]
    fn what_is_drawn_depends_on_seed_stream_and_attempt_alone() {
        let one = words(1, STREAM_HOLD, 1_000);
        let _ = words(1, STREAM_HOLD, 999);
        assert_eq!(words(1, STREAM_HOLD, 1_000), one);
        for other in [words(2, STREAM_HOLD, 1_000), words(1, STREAM_APP, 1_000), words(1, STREAM_HOLD, 1_001)] {
            assert!(one.iter().all(|word| !other.contains(word)));
        }
        // The last ones have words too.
        assert_ne!(words(1, STREAM_TARGET, u64::MAX), words(1, STREAM_TARGET, u64::MAX - 1));
    }

    /// A call's words are its own: none of them is another's.
    #[test]
    fn no_two_calls_share_words() {
        let mut all: Vec<_> = (0..500).flat_map(|attempt| words(1, STREAM_HOLD, attempt)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    /// The first word of each call, which is what most draws take, is even over all calls: χ² of 255 degrees, by its
    /// normal approximation at a level of 0.1 %.
    #[test]
    fn the_first_words_of_calls_are_even() {
        let mut counts = [0.0; 256];
        for attempt in 0..32_000 {
            counts[(draw(7, STREAM_HOLD, attempt).next_u32() >> 24) as usize] += 1.0;
        }
        let statistic: f64 = counts.iter().map(|count: &f64| (count - 125.0).powi(2) / 125.0).sum();
        assert!(((statistic - 255.0) / 510.0_f64.sqrt()).abs() < 3.29, "{statistic}");
    }
}
