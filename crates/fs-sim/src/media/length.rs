//! How long a file plays: the streams that need no disk (mod_tone_stream, mod_dptools), by their names.

use std::time::Duration;

/// How long a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Known(Duration),
    Endless,
    /// No stream: a file on disk, if there is one.
    Unknown,
}

/// Longer than any call: what would overflow is this long.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// The length of what a path names.
pub(crate) fn length(path: &str) -> Length {
    // `{name=value}` in front is for the file's own use.
    let path = match path.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((_, rest)) => rest.trim_start(),
        None => path,
    };
    match path.split_once("://") {
        Some(("silence_stream", rest)) => {
            let ms = rest.split(',').next().unwrap_or_default();
            match ms.parse::<i64>() {
                // A stream of nothing cannot be opened.
                Ok(0) | Err(_) => Length::Unknown,
                Ok(ms) => u64::try_from(ms).map_or(Length::Endless, |ms| Length::Known(millis(ms))),
            }
        }
        Some(("tone_stream", rest)) => tone(rest),
        _ => Length::Unknown,
    }
}

/// `%(on,off,frequency…)` for each tone, `L=` for loops of what stands before it, `loops=` for loops of all.
fn tone(script: &str) -> Length {
    let mut total = Duration::ZERO;
    let mut loops = 1_i64;
    for part in script.split(';') {
        if let Some(count) = part.strip_prefix("loops=").or_else(|| part.strip_prefix("L=")) {
            loops = count.parse().unwrap_or(1);
            continue;
        }
        let mut rest = part;
        while let Some((_, after)) = rest.split_once("%(") {
            let Some((arguments, behind)) = after.split_once(')') else { break };
            let mut numbers = arguments.split(',').map(|number| number.trim().parse().unwrap_or(0));
            let (on, off) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            total = total.saturating_add(millis(on)).saturating_add(millis(off));
            rest = behind;
        }
    }
    match u32::try_from(loops) {
        Ok(loops) => Length::Known(total.saturating_mul(loops).min(LONGEST)),
        Err(_) => Length::Endless,
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_a_length() {
        let ms = |ms| Length::Known(Duration::from_millis(ms));
        for (path, expected) in [
            ("silence_stream://300", ms(300)),
            ("silence_stream://300,1400", ms(300)),
            ("silence_stream://-1", Length::Endless),
            ("silence_stream://x", Length::Unknown),
            ("silence_stream://0", Length::Unknown),
            ("{vol=1}silence_stream://20", ms(20)),
            ("tone_stream://%(200,100,440);loops=3", ms(900)),
            ("tone_stream://%(100,0,440)%(50,50,350,440)", ms(200)),
            ("tone_stream://%(251,0,1004);loops=-1", Length::Endless),
            ("tone_stream://v=-7;%(100,0,440);L=2", ms(200)),
            ("tone_stream://%(18446744073709551615,18446744073709551615,1);loops=9", Length::Known(LONGEST)),
            ("tone_stream://", ms(0)),
            ("/tmp/x.wav", Length::Unknown),
            ("", Length::Unknown),
        ] {
            assert_eq!(length(path), expected, "{path}");
        }
    }
}
